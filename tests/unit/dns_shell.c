/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/dns_shell.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct ip_addr ip_of(const char *text)
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

const struct ip_addr none;

static void op_direction(void *ctx, const char *name)
{
	struct shell *sh = ctx;
	struct ip_addr v4 = ip_of("240.0.0.9");

	snprintf(sh->asked[sh->ask_n++ % LOG_MAX], DNS_NAME_TEXT_MAX, "%s", name);
	if (sh->answers_at_once)
		dns_stub_direction(sh->stub, sh->now, name, DNS_STUB_IS_VIPS, &v4, &none);
}

void names_set(struct dns_stub *s, enum dns_stub_list which, const char *text)
{
	struct dns_name n;

	assert_int_equal(dns_name_parse(text, &n), 0);
	assert_int_equal(dns_stub_set_names(s, which, &n, 1), 0);
}

struct shell *shell_new(const struct dns_stub_conf *conf)
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

int shell_setup(void **state)
{
	*state = shell_new(NULL);
	return 0;
}

void shell_free(struct shell *sh)
{
	dns_stub_destroy(sh->stub);
	free(sh);
}

int shell_teardown(void **state)
{
	shell_free(*state);
	return 0;
}

size_t query_make(uint8_t *out, const char *name, ldns_rr_type type, uint16_t id, uint16_t edns)
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

void ask_from(struct shell *sh, const char *name, ldns_rr_type type, uint16_t id, uint16_t edns,
	      bool tcp)
{
	struct dns_stub_from from = {{ip_of("127.0.0.1"), 40000}, 7, tcp};
	uint8_t msg[512];
	size_t len = query_make(msg, name, type, id, edns);

	dns_stub_query(sh->stub, sh->now, &from, msg, len);
}

void ask(struct shell *sh, const char *name, ldns_rr_type type)
{
	ask_from(sh, name, type, ++sh->id, 1232, false);
}

void upstream_says(struct shell *sh, int rcode, bool tc, const char *records)
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

void direction_is(struct shell *sh, const char *name, enum dns_stub_result result, const char *v4,
		  const char *v6)
{
	struct ip_addr a = v4 != NULL ? ip_of(v4) : none, b = v6 != NULL ? ip_of(v6) : none;

	dns_stub_direction(sh->stub, sh->now, name, result, &a, &b);
}

void reply_is(struct shell *sh, int rcode, const char *want)
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

void answered(struct shell *sh, const char *name, ldns_rr_type type, int rcode, const char *want)
{
	unsigned int before = sh->reply_n;

	ask(sh, name, type);
	assert_int_equal(sh->reply_n, before + 1);
	reply_is(sh, rcode, want);
}

void real_comes(struct shell *sh, const char *name, const char *addr)
{
	char record[300], want[300];

	snprintf(record, sizeof(record), "%s. 300 IN A %s", name, addr);
	snprintf(want, sizeof(want), "%s 300 A %s;", name, addr);
	upstream_says(sh, 0, false, record);
	reply_is(sh, 0, want);
}

void at_rest(struct shell *sh)
{
	uint64_t ends = 0;

	for (int c = DNS_STUB_QUERIES + 1; c < DNS_STUB_DIRECTIONS; c++)
		ends += dns_stub_count(sh->stub, (enum dns_stub_counter)c);
	assert_int_equal(dns_stub_count(sh->stub, DNS_STUB_QUERIES), ends);
	assert_int_equal(sh->open_n, 0);
}
