/* SPDX-License-Identifier: BSD-3-Clause */
#include "client/dns_msg.h"
#include "common/bytes.h"
#include "tests/unit/dns_shell.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* Upstream's side: what is passed through it, found in its answers, asked again. */

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		DNS_SHELL_TEST(test_forward_untouched),
		DNS_SHELL_TEST(test_chain),
		DNS_SHELL_TEST(test_unasked),
		DNS_SHELL_TEST(test_vip_in_answer),
		DNS_SHELL_TEST(test_retry),
		DNS_SHELL_TEST(test_truncation),
		cmocka_unit_test(test_svcb),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
