/* SPDX-License-Identifier: BSD-3-Clause */
/* A run of events at the node's stub resolver: questions of applications, upstream answers (as they
 * are, and with id and question made to fit), directions, time. Every question ends once, every
 * socket is closed, and no name of ours is ever shown with an address that is no VIP.
 *
 * Input: events, each one byte of kind and two bytes of length before its bytes.
 */
#include "client/dns_msg.h"
#include "client/dns_stub.h"
#include "common/bytes.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

enum event { EV_UDP, EV_TCP, EV_UPSTREAM, EV_UPSTREAM_RAW, EV_DIRECTION, EV_TIME, EV_CLOSE, EV_N };

struct shell {
	struct dns_stub *stub;
	struct dns_name suffix;
	uint64_t now;
	int open;
	uint32_t xid;
	uint8_t sent[DNS_STUB_QUERY_LEN_MAX];
	size_t sent_len;
	char asked[DNS_NAME_TEXT_MAX];
};

static int op_send(void *ctx, uint32_t xid, const struct endpoint *server, bool tcp,
		   const uint8_t *msg, size_t len)
{
	struct shell *sh = ctx;

	FUZZ_CHECK(len >= DNS_HEADER_LEN && len <= sizeof(sh->sent));
	if (sh->now % 7 == 0)
		return -1;
	sh->xid = xid;
	memcpy(sh->sent, msg, len);
	sh->sent_len = len;
	sh->open++;
	return 0;
}

static void op_end(void *ctx, uint32_t xid)
{
	struct shell *sh = ctx;

	FUZZ_CHECK(sh->open-- > 0);
}

static void op_reply(void *ctx, const struct dns_stub_from *to, const uint8_t *msg, size_t len)
{
	struct shell *sh = ctx;
	struct dns_rr_walk w;
	struct dns_rr rr;

	FUZZ_CHECK(len >= DNS_HEADER_LEN && len <= UINT16_MAX && (msg[2] & 0x80));
	if (dns_rr_walk_init(&w, msg, len) < 0)
		return; /* forwarded untouched */
	while (dns_rr_next(&w, &rr) > 0) {
		if (rr.class != DNS_IN || !dns_name_under(&rr.owner, &sh->suffix))
			continue;
		FUZZ_CHECK(rr.type != DNS_A || msg[rr.rdata] == 240);
		FUZZ_CHECK(rr.type != DNS_AAAA || msg[rr.rdata] == 0xfd);
	}
}

static void op_direction(void *ctx, const char *name)
{
	struct shell *sh = ctx;

	snprintf(sh->asked, sizeof(sh->asked), "%s", name);
}

static void upstream(struct shell *sh, const uint8_t *data, size_t len, bool is_raw)
{
	uint8_t msg[4096];

	if (len > sizeof(msg) || sh->sent_len == 0)
		return;
	memcpy(msg, data, len);
	if (!is_raw && len >= sh->sent_len) { /* get past the match: id, QR and the question */
		memcpy(msg, sh->sent, 2);
		msg[2] = (msg[2] | 0x80) & 0x87;
		store_be16(msg + 4, 1);
		memcpy(msg + DNS_HEADER_LEN, sh->sent + DNS_HEADER_LEN,
		       sh->sent_len - DNS_HEADER_LEN);
	}
	dns_stub_upstream(sh->stub, sh->now, sh->xid, msg, len);
}

static void event(struct shell *sh, enum event kind, const uint8_t *data, size_t len)
{
	struct dns_stub_from from = {.tag = 1, .tcp = kind == EV_TCP};
	struct ip_addr v4 = {.b = {[10] = 0xff, 0xff, 240, 0, 0, 2}}, v6 = {.b = {0xfd, [15] = 2}};

	switch (kind) {
	case EV_UDP:
	case EV_TCP:
		dns_stub_query(sh->stub, sh->now, &from, data, len);
		break;
	case EV_UPSTREAM:
	case EV_UPSTREAM_RAW:
		upstream(sh, data, len, kind == EV_UPSTREAM_RAW);
		break;
	case EV_DIRECTION:
		dns_stub_direction(sh->stub, sh->now, sh->asked,
				   len > 0 && data[0] & 1 ? DNS_STUB_IS_FAILED : DNS_STUB_IS_VIPS,
				   &v4, &v6);
		break;
	case EV_TIME:
		sh->now += len >= 2 ? load_be16(data) * UINT64_C(100000) : 1;
		dns_stub_poll(sh->stub, sh->now);
		break;
	case EV_CLOSE:
		dns_stub_conn_closed(sh->stub, 1);
		break;
	case EV_N:
		break;
	}
}

static void finish(struct shell *sh)
{
	uint64_t ends = 0;

	for (int i = 0; i < 40 && dns_stub_poll(sh->stub, sh->now) != UINT64_MAX; i++)
		sh->now += UINT64_C(3000000000);
	FUZZ_CHECK(dns_stub_poll(sh->stub, sh->now) == UINT64_MAX && sh->open == 0);
	for (int c = DNS_STUB_QUERIES + 1; c < DNS_STUB_DIRECTIONS; c++)
		ends += dns_stub_count(sh->stub, (enum dns_stub_counter)c);
	FUZZ_CHECK(ends == dns_stub_count(sh->stub, DNS_STUB_QUERIES));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct dns_stub_ops ops = {op_send, op_end, op_reply, op_direction};
	const struct dns_stub_conf conf = {.queries_max = 6, .names_max = 3};
	struct endpoint up[2] = {{.port = 53}, {.port = 54}};
	struct ip_prefix range;
	struct dns_name relay;
	struct shell sh = {.now = 1};
	struct rng rng;

	rng_init_seeded(&rng, 1);
	sh.stub = dns_stub_create(&conf, &ops, &sh, &rng);
	FUZZ_CHECK(sh.stub != NULL && dns_name_parse("dc1.example", &sh.suffix) == 0);
	FUZZ_CHECK(dns_name_parse("web.example", &relay) == 0);
	FUZZ_CHECK(prefix_parse("240.0.0.0/8", &range) == 0);
	dns_stub_set_names(sh.stub, DNS_STUB_SUFFIXES, &sh.suffix, 1);
	dns_stub_set_names(sh.stub, DNS_STUB_RELAY, &relay, 1);
	dns_stub_set_ranges(sh.stub, &range, 1);
	dns_stub_set_upstreams(sh.stub, up, 2);
	for (size_t at = 0; at + 3 <= size;) {
		size_t len = load_be16(data + at + 1);

		if (len > size - at - 3)
			len = size - at - 3;
		event(&sh, (enum event)(data[at] % EV_N), data + at + 3, len);
		at += 3 + len;
	}
	finish(&sh);
	dns_stub_destroy(sh.stub);
	return 0;
}
