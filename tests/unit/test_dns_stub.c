/* SPDX-License-Identifier: BSD-3-Clause */
#include "client/dns_msg.h"
#include "client/dns_stub.h"
#include "common/bytes.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>
#include <ldns/ldns.h>

#define SEC UINT64_C(1000000000)
#define MS UINT64_C(1000000)

enum { LOG_MAX = 64, MSG_MAX = 65535 };

struct sent {
	uint32_t xid;
	struct endpoint server;
	bool tcp;
	uint8_t msg[DNS_STUB_QUERY_LEN_MAX];
	size_t len;
};

/* The shell around a stub: keeps what the ops were called with. */
struct shell {
	struct dns_stub *stub;
	struct rng rng;
	uint64_t now;
	int send_error; /* returned by send_upstream */
	unsigned int sent_n, open_n, reply_n, ask_n;
	struct sent sent[LOG_MAX];
	uint8_t reply[MSG_MAX];
	size_t reply_len;
	struct dns_stub_from reply_to;
	char asked[LOG_MAX][DNS_NAME_TEXT_MAX];
	bool answers_at_once; /* start_direction() calls back */
};

static struct ip_addr ip_of(const char *text)
{
	struct ip_addr a;

	assert_int_equal(ip_parse(text, &a), 0);
	return a;
}

static int op_send(void *ctx, uint32_t xid, const struct endpoint *server, bool tcp,
		   const uint8_t *msg, size_t len)
{
	struct shell *sh = ctx;
	struct sent *s = &sh->sent[sh->sent_n++ % LOG_MAX];

	assert_in_range(len, 12, DNS_STUB_QUERY_LEN_MAX);
	s->xid = xid;
	s->server = *server;
	s->tcp = tcp;
	s->len = len;
	memcpy(s->msg, msg, len);
	if (sh->send_error == 0)
		sh->open_n++;
	return sh->send_error;
}

static void op_end(void *ctx, uint32_t xid)
{
	struct shell *sh = ctx;

	assert_true(sh->open_n > 0);
	sh->open_n--;
}

static void op_reply(void *ctx, const struct dns_stub_from *to, const uint8_t *msg, size_t len)
{
	struct shell *sh = ctx;

	assert_in_range(len, 12, MSG_MAX);
	sh->reply_n++;
	sh->reply_to = *to;
	sh->reply_len = len;
	memcpy(sh->reply, msg, len);
}

static const struct ip_addr none;

static void op_direction(void *ctx, const char *name)
{
	struct shell *sh = ctx;
	struct ip_addr v4 = ip_of("240.0.0.9");

	snprintf(sh->asked[sh->ask_n++ % LOG_MAX], DNS_NAME_TEXT_MAX, "%s", name);
	if (sh->answers_at_once)
		dns_stub_direction(sh->stub, sh->now, name, DNS_STUB_IS_VIPS, &v4, &none);
}

static void names_set(struct dns_stub *s, enum dns_stub_list which, const char *text)
{
	struct dns_name n;

	assert_int_equal(dns_name_parse(text, &n), 0);
	assert_int_equal(dns_stub_set_names(s, which, &n, 1), 0);
}

static struct shell *shell_new(const struct dns_stub_conf *conf)
{
	static const struct dns_stub_ops ops = {op_send, op_end, op_reply, op_direction};
	struct endpoint up[2] = {{ip_of("192.0.2.53"), 53}, {ip_of("2001:db8::53"), 53}};
	struct shell *sh = calloc(1, sizeof(*sh));
	struct ip_prefix ranges[2];

	rng_init_seeded(&sh->rng, 42);
	sh->now = 1000 * SEC;
	sh->stub = dns_stub_create(conf, &ops, sh, &sh->rng);
	assert_non_null(sh->stub);
	names_set(sh->stub, DNS_STUB_SUFFIXES, "dc1.example");
	names_set(sh->stub, DNS_STUB_RELAY, "web.example");
	names_set(sh->stub, DNS_STUB_EXEMPT, "ns1.dc1.example");
	assert_int_equal(prefix_parse("240.0.0.0/8", &ranges[0]), 0);
	assert_int_equal(prefix_parse("fd00:1::/48", &ranges[1]), 0);
	assert_int_equal(dns_stub_set_ranges(sh->stub, ranges, 2), 0);
	assert_int_equal(dns_stub_set_upstreams(sh->stub, up, 2), 0);
	return sh;
}

static int setup(void **state)
{
	*state = shell_new(NULL);
	return 0;
}

static int teardown(void **state)
{
	struct shell *sh = *state;

	dns_stub_destroy(sh->stub);
	free(sh);
	return 0;
}

static size_t query_make(uint8_t *out, const char *name, ldns_rr_type type, uint16_t id,
			 uint16_t edns)
{
	ldns_pkt *p =
		ldns_pkt_query_new(ldns_dname_new_frm_str(name), type, LDNS_RR_CLASS_IN, LDNS_RD);
	uint8_t *wire = NULL;
	size_t len;

	ldns_pkt_set_id(p, id);
	if (edns != 0)
		ldns_pkt_set_edns_udp_size(p, edns);
	assert_int_equal(ldns_pkt2wire(&wire, p, &len), LDNS_STATUS_OK);
	memcpy(out, wire, len);
	free(wire);
	ldns_pkt_free(p);
	return len;
}

static void ask_from(struct shell *sh, const char *name, ldns_rr_type type, uint16_t id,
		     uint16_t edns, bool tcp)
{
	struct dns_stub_from from = {{ip_of("127.0.0.1"), 40000}, 7, tcp};
	uint8_t msg[512];
	size_t len = query_make(msg, name, type, id, edns);

	dns_stub_query(sh->stub, sh->now, &from, msg, len);
}

static void ask(struct shell *sh, const char *name, ldns_rr_type type)
{
	static uint16_t id;

	ask_from(sh, name, type, ++id, 1232, false);
}

/* Answer the last question sent upstream with records as text, ';' between; "!" before one puts it
 * into the authority section, "+" into the additional.
 */
static void upstream_says(struct shell *sh, int rcode, bool tc, const char *records)
{
	const struct sent *s = &sh->sent[(sh->sent_n - 1) % LOG_MAX];
	char *copy = strdup(records), *save = NULL, *one;
	ldns_pkt *p = NULL;
	uint8_t *wire = NULL;
	size_t len;

	assert_int_equal(ldns_wire2pkt(&p, s->msg, s->len), LDNS_STATUS_OK);
	ldns_pkt_set_qr(p, true);
	ldns_pkt_set_ra(p, true);
	ldns_pkt_set_ad(p, true);
	ldns_pkt_set_tc(p, tc);
	ldns_pkt_set_rcode(p, (ldns_pkt_rcode)rcode);
	for (one = strtok_r(copy, ";", &save); one != NULL; one = strtok_r(NULL, ";", &save)) {
		ldns_pkt_section sec = *one == '!'   ? LDNS_SECTION_AUTHORITY
				       : *one == '+' ? LDNS_SECTION_ADDITIONAL
						     : LDNS_SECTION_ANSWER;
		ldns_rr *rr = NULL;

		assert_int_equal(ldns_rr_new_frm_str(&rr, one + (sec != LDNS_SECTION_ANSWER), 300,
						     NULL, NULL),
				 LDNS_STATUS_OK);
		ldns_pkt_push_rr(p, sec, rr);
	}
	assert_int_equal(ldns_pkt2wire(&wire, p, &len), LDNS_STATUS_OK);
	dns_stub_upstream(sh->stub, sh->now, s->xid, wire, len);
	free(wire);
	free(copy);
	ldns_pkt_free(p);
}

static void direction_is(struct shell *sh, const char *name, enum dns_stub_result result,
			 const char *v4, const char *v6)
{
	struct ip_addr a = v4 != NULL ? ip_of(v4) : none, b = v6 != NULL ? ip_of(v6) : none;

	dns_stub_direction(sh->stub, sh->now, name, result, &a, &b);
}

/* The answer section of the last reply as "name TTL TYPE data;", and its rcode. */
static void reply_is(struct shell *sh, int rcode, const char *want)
{
	char got[4096] = "";
	size_t n = 0;
	ldns_pkt *p = NULL;

	assert_int_equal(ldns_wire2pkt(&p, sh->reply, sh->reply_len), LDNS_STATUS_OK);
	assert_true(ldns_pkt_qr(p) && ldns_pkt_ra(p));
	for (size_t i = 0; i < ldns_pkt_ancount(p); i++) {
		char *text = ldns_rr2str(ldns_rr_list_rr(ldns_pkt_answer(p), i)), *save = NULL;

		for (char *w = strtok_r(text, " \t\n", &save); w != NULL;
		     w = strtok_r(NULL, " \t\n", &save)) {
			size_t l = strlen(w);

			if (l > 1 && w[l - 1] == '.')
				w[l - 1] = '\0';
			if (strcmp(w, "IN") != 0)
				n += (size_t)snprintf(got + n, sizeof(got) - n, "%s ", w);
		}
		n -= n > 0;
		n += (size_t)snprintf(got + n, sizeof(got) - n, ";");
		free(text);
	}
	if ((int)ldns_pkt_get_rcode(p) != rcode || strcmp(got, want) != 0)
		fail_msg("rcode %d want %d\n got  %s\n want %s", ldns_pkt_get_rcode(p), rcode, got,
			 want);
	ldns_pkt_free(p);
}

/* A question that is answered from here, at once. */
static void answered(struct shell *sh, const char *name, ldns_rr_type type, int rcode,
		     const char *want)
{
	unsigned int before = sh->reply_n;

	ask(sh, name, type);
	assert_int_equal(sh->reply_n, before + 1);
	reply_is(sh, rcode, want);
}

/* Upstream has an address for the name that was asked last, and it comes through. */
static void real_comes(struct shell *sh, const char *name, const char *addr)
{
	char record[300], want[300];

	snprintf(record, sizeof(record), "%s. 300 IN A %s", name, addr);
	snprintf(want, sizeof(want), "%s 300 A %s;", name, addr);
	upstream_says(sh, 0, false, record);
	reply_is(sh, 0, want);
}

static void at_rest(struct shell *sh)
{
	uint64_t ends = 0;

	for (int c = DNS_STUB_QUERIES + 1; c < DNS_STUB_DIRECTIONS; c++)
		ends += dns_stub_count(sh->stub, (enum dns_stub_counter)c);
	assert_int_equal(dns_stub_count(sh->stub, DNS_STUB_QUERIES), ends);
	assert_int_equal(sh->open_n, 0);
}

static void test_forward_untouched(void **state)
{
	struct shell *sh = *state;
	uint8_t msg[512];
	size_t len = query_make(msg, "WwW.Other.Test", LDNS_RR_TYPE_A, 0x1234, 1232);

	ask_from(sh, "WwW.Other.Test", LDNS_RR_TYPE_A, 0x1234, 1232, false);
	assert_int_equal(sh->sent_n, 1);
	assert_false(sh->sent[0].tcp);
	assert_int_equal(sh->sent[0].len, len);
	assert_memory_equal(sh->sent[0].msg + 2, msg + 2, len - 2); /* but for the id */
	upstream_says(sh, 0, false, "www.other.test. 77 IN A 198.51.100.1");
	assert_int_equal(sh->reply_n, 1);
	assert_int_equal(load_be16(sh->reply), 0x1234);
	assert_memory_equal(sh->reply + 12, msg + 12, 20);
	assert_int_equal(sh->reply_to.tag, 7);
	assert_true(sh->reply[3] & 0x20); /* AD came through */
	reply_is(sh, 0, "WwW.Other.Test 77 A 198.51.100.1;");
	assert_int_equal(sh->ask_n, 0);
	at_rest(sh);
}

static void test_one_direction(void **state)
{
	struct shell *sh = *state;

	ask(sh, "Bob.dc1.example", LDNS_RR_TYPE_A);
	ask(sh, "bob.DC1.example", LDNS_RR_TYPE_AAAA);
	ask(sh, "bob.dc1.example", LDNS_RR_TYPE_HTTPS);
	ask(sh, "bob.dc1.example", LDNS_RR_TYPE_ANY);
	assert_int_equal(sh->ask_n, 1);
	assert_string_equal(sh->asked[0], "bob.dc1.example");
	assert_int_equal(sh->sent_n, 0);
	assert_int_equal(sh->reply_n, 0);
	direction_is(sh, "bob.dc1.example", DNS_STUB_IS_VIPS, "240.0.0.2", "fd00:1::2");
	assert_int_equal(sh->reply_n, 3);
	assert_int_equal(sh->sent_n, 1); /* HTTPS may exist: DNS knows */
	upstream_says(sh, 0, false,
		      "bob.dc1.example. 60 IN HTTPS 1 . alpn=h2 ipv4hint=198.51.100.9 "
		      "ipv6hint=2001:db8::9;+bob.dc1.example. 60 IN A 198.51.100.9");
	reply_is(sh, 0, "bob.dc1.example 60 HTTPS 1 . alpn=h2;");
	/* still fresh: answered from here */
	sh->now += 29 * SEC;
	answered(sh, "bob.dc1.example", LDNS_RR_TYPE_A, 0, "bob.dc1.example 30 A 240.0.0.2;");
	answered(sh, "bob.dc1.example", LDNS_RR_TYPE_AAAA, 0, "bob.dc1.example 30 AAAA fd00:1::2;");
	assert_int_equal(sh->ask_n, 1);
	sh->now += 2 * SEC;
	ask(sh, "bob.dc1.example", LDNS_RR_TYPE_A);
	assert_int_equal(sh->ask_n, 2);
	direction_is(sh, "bob.dc1.example", DNS_STUB_IS_VIPS, "240.0.0.2", NULL);
	ask(sh, "bob.dc1.example", LDNS_RR_TYPE_AAAA); /* exact NODATA */
	reply_is(sh, 0, "");
	dns_stub_forget(sh->stub, "bob.dc1.example");
	ask(sh, "bob.dc1.example", LDNS_RR_TYPE_A);
	assert_int_equal(sh->ask_n, 3);
	direction_is(sh, "bob.dc1.example", DNS_STUB_IS_FAILED, NULL, NULL);
	reply_is(sh, 2, "");
	at_rest(sh);
}

/* A type that a node lacks is NODATA even where DNS has never heard of the name. */
static void test_other_types(void **state)
{
	struct shell *sh = *state;

	ask(sh, "bob.dc1.example", LDNS_RR_TYPE_MX);
	direction_is(sh, "bob.dc1.example", DNS_STUB_IS_VIPS, "240.0.0.2", NULL);
	upstream_says(sh, 3, false,
		      "!dc1.example. 30 IN SOA ns1.dc1.example. h.dc1.example. 1 2 3 4 5");
	reply_is(sh, 0, "");
	assert_int_equal(load_be16(sh->reply + 8), 1); /* the SOA */
	ask(sh, "bob.dc1.example", LDNS_RR_TYPE_MX);
	upstream_says(sh, 0, false,
		      "bob.dc1.example. 60 IN MX 5 mail.bob.dc1.example.;"
		      "+mail.bob.dc1.example. 60 IN A 198.51.100.9;"
		      "+mail.bob.dc1.example. 60 IN TXT \"198.51.100.9\"");
	reply_is(sh, 0, "bob.dc1.example 60 MX 5 mail.bob.dc1.example;");
	assert_int_equal(load_be16(sh->reply + 10), 1); /* OPT alone */
	assert_int_equal(dns_stub_count(sh->stub, DNS_STUB_REAL_REMOVED), 1);
	at_rest(sh);
}

static void test_no_dc(void **state)
{
	struct shell *sh = *state;
	uint64_t next;

	ask(sh, "bob.dc1.example", LDNS_RR_TYPE_A);
	ask(sh, "www.web.example", LDNS_RR_TYPE_A);
	next = dns_stub_poll(sh->stub, sh->now);
	assert_int_equal(next, sh->now + DNS_STUB_WAIT_NS);
	sh->now += DNS_STUB_WAIT_NS - MS;
	dns_stub_poll(sh->stub, sh->now);
	assert_int_equal(sh->reply_n, 0);
	sh->now += MS;
	dns_stub_poll(sh->stub, sh->now);
	assert_int_equal(sh->reply_n, 2);
	reply_is(sh, 2, "");
	assert_int_equal(sh->sent_n, 0); /* never asked upstream */
	/* no second direction for a name that is still being asked for */
	ask(sh, "bob.dc1.example", LDNS_RR_TYPE_A);
	assert_int_equal(sh->ask_n, 2);
	/* late, but good for who waits now */
	sh->now += 500 * MS;
	direction_is(sh, "bob.dc1.example", DNS_STUB_IS_VIPS, "240.0.0.2", NULL);
	assert_int_equal(sh->reply_n, 3);
	reply_is(sh, 0, "bob.dc1.example 30 A 240.0.0.2;");
	/* a lost result: after 6 s it is asked for anew */
	sh->now += 6 * SEC;
	dns_stub_poll(sh->stub, sh->now);
	ask(sh, "www.web.example", LDNS_RR_TYPE_A);
	assert_int_equal(sh->ask_n, 3);
	direction_is(sh, "www.web.example", DNS_STUB_IS_FAILED, NULL, NULL);
	direction_is(sh, "www.web.example", DNS_STUB_IS_FAILED, NULL, NULL);
	assert_int_equal(dns_stub_count(sh->stub, DNS_STUB_DIRECTION_UNASKED), 1);
	at_rest(sh);
}

static void test_relay_fails_open(void **state)
{
	struct dns_stub_conf conf = {.relay_fails_open = true};
	struct shell *sh = shell_new(&conf);

	ask(sh, "web.example", LDNS_RR_TYPE_A);
	direction_is(sh, "web.example", DNS_STUB_IS_FAILED, NULL, NULL);
	real_comes(sh, "web.example", "198.51.100.80");
	ask(sh, "bob.dc1.example", LDNS_RR_TYPE_A);
	direction_is(sh, "bob.dc1.example", DNS_STUB_IS_FAILED, NULL, NULL);
	reply_is(sh, 2, "");
	at_rest(sh);
	dns_stub_destroy(sh->stub);
	free(sh);
}

/* The next question for a name that the policy has no more goes the open way; other names that are
 * known, and who an address belongs to, stay as they are.
 */
static void test_relay_taken_away(void **state)
{
	struct shell *sh = *state;
	struct ip_addr peer = ip_of("240.0.0.7");

	ask(sh, "www.web.example", LDNS_RR_TYPE_A);
	direction_is(sh, "www.web.example", DNS_STUB_IS_VIPS, "240.0.0.9", NULL);
	ask(sh, "web.example", LDNS_RR_TYPE_A);
	direction_is(sh, "web.example", DNS_STUB_IS_VIPS, "240.0.0.8", NULL);
	assert_int_equal(dns_stub_learn(sh->stub, sh->now, "eve.dc2.example", &peer, &none, false),
			 0);

	names_set(sh->stub, DNS_STUB_RELAY, "www.web.example");
	ask(sh, "web.example", LDNS_RR_TYPE_A);
	assert_int_equal(sh->sent_n, 1);
	real_comes(sh, "web.example", "198.51.100.80");
	answered(sh, "8.0.0.240.in-addr.arpa", LDNS_RR_TYPE_PTR, 0,
		 "8.0.0.240.in-addr.arpa 30 PTR web.example;");
	answered(sh, "www.web.example", LDNS_RR_TYPE_A, 0, "www.web.example 30 A 240.0.0.9;");
	answered(sh, "eve.dc2.example", LDNS_RR_TYPE_A, 0, "eve.dc2.example 30 A 240.0.0.7;");
	assert_int_equal(sh->sent_n, 1);
	assert_int_equal(sh->ask_n, 2);
	at_rest(sh);
}

static void test_not_ntm(void **state)
{
	struct shell *sh = *state;

	ask(sh, "mail.dc1.example", LDNS_RR_TYPE_A);
	assert_int_equal(sh->ask_n, 1);
	direction_is(sh, "mail.dc1.example", DNS_STUB_IS_NOT_NTM, NULL, NULL);
	assert_int_equal(sh->sent_n, 1);
	real_comes(sh, "mail.dc1.example", "192.0.2.25");
	/* believed for a while */
	ask(sh, "mail.dc1.example", LDNS_RR_TYPE_AAAA);
	assert_int_equal(sh->ask_n, 1);
	upstream_says(sh, 0, false, "");
	sh->now += 11 * SEC;
	ask(sh, "mail.dc1.example", LDNS_RR_TYPE_A);
	assert_int_equal(sh->ask_n, 2);
	direction_is(sh, "mail.dc1.example", DNS_STUB_IS_NOT_NTM, NULL, NULL);
	upstream_says(sh, 3, false, "");
	reply_is(sh, 3, "");
	/* the DC's own name is never asked for */
	ask(sh, "ns1.dc1.example", LDNS_RR_TYPE_A);
	assert_int_equal(sh->ask_n, 2);
	real_comes(sh, "ns1.dc1.example", "203.0.113.1");
	at_rest(sh);
}

static void test_chain(void **state)
{
	struct shell *sh = *state;

	ask(sh, "www.corp.test", LDNS_RR_TYPE_A);
	upstream_says(sh, 0, false,
		      "mid.corp.test. 200 IN CNAME bob.dc1.example.;bob.dc1.example. 30 IN A "
		      "198.51.100.66;www.corp.test. 100 IN CNAME mid.corp.test.");
	assert_int_equal(sh->ask_n, 1);
	assert_string_equal(sh->asked[0], "bob.dc1.example");
	assert_int_equal(sh->reply_n, 0);
	assert_int_equal(sh->open_n, 0);
	direction_is(sh, "bob.dc1.example", DNS_STUB_IS_VIPS, "240.0.0.2", NULL);
	reply_is(sh, 0,
		 "www.corp.test 100 CNAME mid.corp.test;mid.corp.test 200 CNAME bob.dc1.example;"
		 "bob.dc1.example 30 A 240.0.0.2;");
	/* a relayed name in the middle of a chain counts too */
	ask(sh, "shop.test", LDNS_RR_TYPE_A);
	upstream_says(sh, 0, false,
		      "shop.test. 10 IN CNAME web.example.;web.example. 10 IN CNAME x.cdn.test.;"
		      "x.cdn.test. 10 IN A 198.51.100.1");
	assert_string_equal(sh->asked[1], "web.example");
	direction_is(sh, "web.example", DNS_STUB_IS_VIPS, "240.200.0.1", NULL);
	reply_is(sh, 0, "shop.test 10 CNAME web.example;web.example 30 A 240.200.0.1;");
	/* HTTPS of an alias: one more turn through upstream, without hints */
	ask(sh, "www.corp.test", LDNS_RR_TYPE_HTTPS);
	upstream_says(sh, 0, false, "www.corp.test. 100 IN CNAME bob.dc1.example.");
	upstream_says(sh, 0, false,
		      "www.corp.test. 100 IN CNAME bob.dc1.example.;bob.dc1.example. 9 IN HTTPS 1 "
		      ". ipv4hint=198.51.100.9");
	reply_is(sh, 0, "www.corp.test 100 CNAME bob.dc1.example;bob.dc1.example 9 HTTPS 1 .;");
	at_rest(sh);
}

/* What upstream adds unasked about our names is taken out, the rest stays. */
static void test_unasked(void **state)
{
	struct shell *sh = *state;

	ask(sh, "a.test", LDNS_RR_TYPE_MX);
	upstream_says(sh, 0, false,
		      "a.test. 9 IN MX 1 bob.dc1.example.;+bob.dc1.example. 9 IN A 198.51.100.66");
	reply_is(sh, 0, "a.test 9 MX 1 bob.dc1.example;");
	assert_int_equal(load_be16(sh->reply + 10), 1);
	ask(sh, "a.test", LDNS_RR_TYPE_A);
	upstream_says(sh, 0, false, "a.test. 9 IN A 1.2.3.4;bob.dc1.example. 9 IN A 198.51.100.66");
	reply_is(sh, 0, "a.test 9 A 1.2.3.4;");
	assert_int_equal(dns_stub_count(sh->stub, DNS_STUB_REAL_REMOVED), 2);
	at_rest(sh);
}

static void test_vip_in_answer(void **state)
{
	struct shell *sh = *state;

	ask(sh, "eve.dc9.test", LDNS_RR_TYPE_A);
	upstream_says(sh, 0, false, "eve.dc9.test. 30 IN A 240.0.9.9");
	assert_string_equal(sh->asked[0], "eve.dc9.test");
	direction_is(sh, "eve.dc9.test", DNS_STUB_IS_VIPS, "240.0.9.9", "fd00:1::9");
	reply_is(sh, 0, "eve.dc9.test 30 A 240.0.9.9;");
	answered(sh, "eve.dc9.test", LDNS_RR_TYPE_AAAA, 0, "eve.dc9.test 30 AAAA fd00:1::9;");
	ask(sh, "fake.test", LDNS_RR_TYPE_A);
	upstream_says(sh, 0, false, "fake.test. 30 IN A 240.0.9.10");
	direction_is(sh, "fake.test", DNS_STUB_IS_NOT_NTM, NULL, NULL);
	real_comes(sh, "fake.test", "240.0.9.10");
	at_rest(sh);
}

static void test_ptr(void **state)
{
	struct shell *sh = *state;
	struct ip_addr v4 = ip_of("240.0.0.1"), v6 = ip_of("fd00:1::1");

	assert_int_equal(dns_stub_learn(sh->stub, sh->now, "me.dc1.example", &v4, &v6, true), 0);
	answered(sh, "1.0.0.240.in-addr.arpa", LDNS_RR_TYPE_PTR, 0,
		 "1.0.0.240.in-addr.arpa 30 PTR me.dc1.example;");
	ask(sh, "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1.0.0.0.0.0.D.F.ip6.arpa",
	    LDNS_RR_TYPE_PTR);
	assert_int_equal(sh->reply_n, 1); /* 28 nibbles are no address: upstream's */
	upstream_says(sh, 3, false, "");
	ask(sh, "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1.0.0.0.0.0.D.F.ip6.arpa",
	    LDNS_RR_TYPE_PTR);
	assert_int_equal(sh->sent_n, 1);
	assert_int_equal(load_be16(sh->reply + 6), 1);
	answered(sh, "1.0.0.240.in-addr.arpa", LDNS_RR_TYPE_TXT, 0, "");
	answered(sh, "9.0.0.240.in-addr.arpa", LDNS_RR_TYPE_PTR, 3, "");
	answered(sh, "x.1.0.0.240.in-addr.arpa", LDNS_RR_TYPE_PTR, 3, "");
	ask(sh, "1.2.0.192.in-addr.arpa", LDNS_RR_TYPE_PTR);
	assert_int_equal(sh->sent_n, 2);
	upstream_says(sh, 0, false, "1.2.0.192.in-addr.arpa. 5 IN PTR a.test.");
	/* the own name needs no direction, ever */
	sh->now += 1000 * SEC;
	answered(sh, "me.dc1.example", LDNS_RR_TYPE_A, 0, "me.dc1.example 30 A 240.0.0.1;");
	assert_int_equal(sh->ask_n, 0);
	at_rest(sh);
}

static void test_retry(void **state)
{
	struct shell *sh = *state;
	uint8_t wrong[512];

	ask(sh, "a.test", LDNS_RR_TYPE_A);
	/* wrong id, wrong question, a query, stale xid: ignored, the socket stays */
	memcpy(wrong, sh->sent[0].msg, sh->sent[0].len);
	wrong[2] |= 0x80;
	wrong[0] ^= 1;
	dns_stub_upstream(sh->stub, sh->now, sh->sent[0].xid, wrong, sh->sent[0].len);
	wrong[0] ^= 1;
	wrong[13] ^= 1;
	dns_stub_upstream(sh->stub, sh->now, sh->sent[0].xid, wrong, sh->sent[0].len);
	dns_stub_upstream(sh->stub, sh->now, sh->sent[0].xid, sh->sent[0].msg, sh->sent[0].len);
	dns_stub_upstream(sh->stub, sh->now, sh->sent[0].xid + (1 << 12), wrong, 40);
	dns_stub_upstream(sh->stub, sh->now, 0xffffffff, wrong, 40);
	assert_int_equal(dns_stub_count(sh->stub, DNS_STUB_UPSTREAM_ALIEN), 5);
	assert_int_equal(sh->reply_n, 0);
	/* silence: the other server, a new id; SERVFAIL from it: not the last word */
	sh->now += SEC;
	dns_stub_poll(sh->stub, sh->now);
	assert_int_equal(sh->sent_n, 2);
	assert_true(sh->sent[0].xid != sh->sent[1].xid);
	assert_false(endpoint_equal(&sh->sent[0].server, &sh->sent[1].server));
	dns_stub_upstream_failed(sh->stub, sh->now, sh->sent[0].xid); /* late, of the first */
	assert_int_equal(sh->sent_n, 2);
	dns_stub_upstream_failed(sh->stub, sh->now, sh->sent[1].xid);
	assert_int_equal(sh->sent_n, 3);
	real_comes(sh, "a.test", "198.51.100.1");
	/* SERVFAIL of the first: the second decides, and is asked first from then on */
	ask(sh, "b.test", LDNS_RR_TYPE_A);
	upstream_says(sh, 2, false, "");
	assert_int_equal(sh->sent_n, 5);
	upstream_says(sh, 0, false, "b.test. 5 IN A 198.51.100.2");
	ask(sh, "c.test", LDNS_RR_TYPE_A);
	assert_true(endpoint_equal(&sh->sent[5].server, &sh->sent[4].server));
	/* nobody answers */
	for (int i = 0; i < 10; i++) {
		sh->now += SEC;
		dns_stub_poll(sh->stub, sh->now);
	}
	reply_is(sh, 2, "");
	assert_int_equal(sh->sent_n, 9);
	/* no way out at all */
	sh->send_error = -ENETUNREACH;
	answered(sh, "d.test", LDNS_RR_TYPE_A, 2, "");
	assert_int_equal(dns_stub_count(sh->stub, DNS_STUB_UPSTREAM_LOST), 2);
	assert_int_equal(dns_stub_poll(sh->stub, sh->now), UINT64_MAX);
	at_rest(sh);
}

static void test_truncation(void **state)
{
	struct shell *sh = *state;
	char many[8000] = "";
	size_t n = 0;

	for (int i = 0; i < 60; i++)
		n += (size_t)snprintf(many + n, sizeof(many) - n, "big.test. 5 IN A 10.0.0.%d;", i);
	ask_from(sh, "big.test", LDNS_RR_TYPE_A, 5, 0, false);
	upstream_says(sh, 0, true, "");
	assert_int_equal(sh->reply_n, 0);
	assert_true(sh->sent[1].tcp);
	upstream_says(sh, 0, false, many);
	assert_in_range(sh->reply_len, 12, 512);
	assert_true(sh->reply[2] & 2);
	ask_from(sh, "big.test", LDNS_RR_TYPE_A, 6, 0, true);
	assert_true(sh->sent[2].tcp);
	upstream_says(sh, 0, false, many);
	assert_false(sh->reply[2] & 2);
	assert_int_equal(load_be16(sh->reply + 6), 60);
	assert_true(sh->reply_to.tcp);
	/* the connection goes away under a question */
	ask_from(sh, "big.test", LDNS_RR_TYPE_A, 7, 0, true);
	dns_stub_conn_closed(sh->stub, 7);
	assert_int_equal(sh->reply_n, 2);
	at_rest(sh);
}

static void test_refused(void **state)
{
	struct shell *sh = *state;
	struct dns_stub_from from = {{ip_of("127.0.0.1"), 40000}, 7, false};
	uint8_t msg[2000];
	size_t len = query_make(msg, "bob.dc1.example", LDNS_RR_TYPE_A, 9, 0);

	dns_stub_query(sh->stub, sh->now, &from, msg, 11);
	msg[2] |= 0x80;
	dns_stub_query(sh->stub, sh->now, &from, msg, len);
	assert_int_equal(sh->reply_n, 0);
	msg[2] = 0x28;
	dns_stub_query(sh->stub, sh->now, &from, msg, len);
	reply_is(sh, 4, "");
	msg[2] = 1;
	msg[5] = 2;
	dns_stub_query(sh->stub, sh->now, &from, msg, len);
	reply_is(sh, 1, "");
	msg[5] = 1;
	memset(msg + len, 0, sizeof(msg) - len);
	dns_stub_query(sh->stub, sh->now, &from, msg, 513);
	reply_is(sh, 2, "");
	assert_int_equal(dns_stub_count(sh->stub, DNS_STUB_TOO_LONG), 1);
	dns_stub_query(sh->stub, sh->now, &from, msg, len);
	dns_stub_query(sh->stub, sh->now, &from, msg, len);
	assert_int_equal(dns_stub_count(sh->stub, DNS_STUB_DROP_REPEATED), 1);
	direction_is(sh, "bob.dc1.example", DNS_STUB_IS_VIPS, "240.0.0.2", NULL);
	assert_int_equal(sh->reply_n, 4);
	at_rest(sh);
}

static void test_full(void **state)
{
	struct dns_stub_conf conf = {.queries_max = 4, .names_max = 2};
	struct shell *sh = shell_new(&conf);

	ask(sh, "a.dc1.example", LDNS_RR_TYPE_A);
	ask(sh, "b.dc1.example", LDNS_RR_TYPE_A);
	answered(sh, "c.dc1.example", LDNS_RR_TYPE_A, 2, "");
	assert_int_equal(dns_stub_count(sh->stub, DNS_STUB_NAMES_FULL), 1);
	ask(sh, "x.test", LDNS_RR_TYPE_A);
	ask(sh, "y.test", LDNS_RR_TYPE_A);
	answered(sh, "z.test", LDNS_RR_TYPE_A, 2, "");
	assert_int_equal(dns_stub_count(sh->stub, DNS_STUB_QUERIES_FULL), 1);
	direction_is(sh, "a.dc1.example", DNS_STUB_IS_VIPS, "240.0.0.2", NULL);
	/* a known name makes room for one that is asked for */
	ask(sh, "c.dc1.example", LDNS_RR_TYPE_A);
	assert_int_equal(sh->ask_n, 3);
	dns_stub_destroy(sh->stub);
	free(sh);
}

static void test_reentry(void **state)
{
	struct shell *sh = *state;

	sh->answers_at_once = true;
	answered(sh, "bob.dc1.example", LDNS_RR_TYPE_A, 0, "bob.dc1.example 30 A 240.0.0.9;");
	at_rest(sh);
}

static void test_svcb(void **state)
{
	/* priority 1, target "."; mandatory = ipv4hint alpn; alpn = h2; ipv4hint; ipv6hint */
	uint8_t rdata[] = {0,	1,   0, 0, 0, 0, 4, 0, 4, 0, 1, 0, 1, 0,  3, 2,
			   'h', '2', 0, 4, 0, 4, 1, 2, 3, 4, 0, 6, 0, 16, 1, 2,
			   3,	4,   5, 6, 7, 8, 9, 0, 1, 2, 3, 4, 5, 6};
	static const uint8_t want[] = {0, 1, 0, 0, 0, 0, 2, 0, 1, 0, 1, 0, 3, 2, 'h', '2'};
	uint8_t copy[sizeof(rdata)];

	for (size_t n = 0; n < sizeof(rdata); n++) {
		memcpy(copy, rdata, sizeof(rdata));
		assert_true(dns_svcb_strip(copy, n) <= (int)n);
	}
	assert_int_equal(dns_svcb_strip(rdata, sizeof(rdata)), sizeof(want));
	assert_memory_equal(rdata, want, sizeof(want));
}

/* Random events in random order: every question ends once, every socket is closed, and the address
 * that upstream gives for names of ours never comes through.
 */
static void test_random(void **state)
{
	static const char *const names[] = {"a.dc1.example", "b.dc1.example",
					    "web.example",   "x.test",
					    "www.corp.test", "1.0.0.240.in-addr.arpa"};
	static const char *const answers[] = {
		"",
		"a.dc1.example. 5 IN A 198.51.100.66;b.dc1.example. 5 IN A 198.51.100.66",
		"www.corp.test. 5 IN CNAME a.dc1.example.;a.dc1.example. 5 IN A 198.51.100.66",
		"x.test. 5 IN CNAME www.corp.test.;www.corp.test. 5 IN CNAME x.test.",
		"web.example. 5 IN A 198.51.100.66",
		"web.example. 5 IN HTTPS 1 . ipv4hint=198.51.100.66",
		"x.test. 5 IN A 240.0.0.66",
	};
	static const ldns_rr_type types[] = {LDNS_RR_TYPE_A, LDNS_RR_TYPE_AAAA, LDNS_RR_TYPE_HTTPS,
					     LDNS_RR_TYPE_ANY, LDNS_RR_TYPE_TXT};
	static const uint8_t real[] = {198, 51, 100, 66};
	struct dns_stub_conf conf = {.queries_max = 8, .names_max = 4};
	struct shell *sh = shell_new(&conf);
	uint64_t seed = (uint64_t)time(NULL);
	struct rng rng;

	print_message("seed %llu\n", (unsigned long long)seed);
	rng_init_seeded(&rng, seed);
	for (int i = 0; i < 60000; i++) {
		unsigned int before = sh->reply_n;
		const char *name = names[rng_below(&rng, 6)];

		switch (rng_below(&rng, 6)) {
		case 0:
		case 1:
			ask_from(sh, name, types[rng_below(&rng, 5)], (uint16_t)rng_u64(&rng),
				 rng_below(&rng, 2) ? 1232 : 0, rng_below(&rng, 4) == 0);
			break;
		case 2:
			if (sh->sent_n > 0)
				upstream_says(sh, (int)rng_below(&rng, 4), rng_below(&rng, 8) == 0,
					      answers[rng_below(&rng, 7)]);
			break;
		case 3: /* never "not NTMobile": then the real address is right */
			direction_is(sh, name,
				     rng_below(&rng, 3) ? DNS_STUB_IS_VIPS : DNS_STUB_IS_FAILED,
				     "240.0.0.7", rng_below(&rng, 2) ? "fd00:1::7" : NULL);
			break;
		case 4:
			sh->now += rng_below(&rng, SEC);
			dns_stub_poll(sh->stub, sh->now);
			break;
		case 5:
			if (rng_below(&rng, 50) == 0)
				dns_stub_conn_closed(sh->stub, 7);
			break;
		}
		if (sh->reply_n != before)
			for (size_t k = 12; k + 4 <= sh->reply_len; k++)
				assert_memory_not_equal(sh->reply + k, real, 4);
	}
	for (int i = 0; i < 20; i++) {
		sh->now += 5 * SEC;
		dns_stub_poll(sh->stub, sh->now);
	}
	assert_int_equal(dns_stub_poll(sh->stub, sh->now), UINT64_MAX);
	at_rest(sh);
	dns_stub_destroy(sh->stub);
	free(sh);
}

#define STUB_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		STUB_TEST(test_forward_untouched),
		STUB_TEST(test_one_direction),
		STUB_TEST(test_other_types),
		STUB_TEST(test_no_dc),
		cmocka_unit_test(test_relay_fails_open),
		cmocka_unit_test_setup_teardown(test_relay_taken_away, setup, teardown),
		STUB_TEST(test_not_ntm),
		STUB_TEST(test_chain),
		STUB_TEST(test_unasked),
		STUB_TEST(test_vip_in_answer),
		STUB_TEST(test_ptr),
		STUB_TEST(test_retry),
		STUB_TEST(test_truncation),
		STUB_TEST(test_refused),
		cmocka_unit_test(test_full),
		STUB_TEST(test_reentry),
		cmocka_unit_test(test_svcb),
		cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
