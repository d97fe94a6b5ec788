/* SPDX-License-Identifier: BSD-3-Clause */
#include "common/bytes.h"
#include "tests/unit/dns_shell.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

/* What the stub asks the DC for, what it knows, what it refuses. */

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
	shell_free(sh);
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
	shell_free(sh);
}

static void test_reentry(void **state)
{
	struct shell *sh = *state;

	sh->answers_at_once = true;
	answered(sh, "bob.dc1.example", LDNS_RR_TYPE_A, 0, "bob.dc1.example 30 A 240.0.0.9;");
	at_rest(sh);
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
	shell_free(sh);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		DNS_SHELL_TEST(test_one_direction),
		DNS_SHELL_TEST(test_other_types),
		DNS_SHELL_TEST(test_no_dc),
		cmocka_unit_test(test_relay_fails_open),
		DNS_SHELL_TEST(test_relay_taken_away),
		DNS_SHELL_TEST(test_not_ntm),
		DNS_SHELL_TEST(test_ptr),
		DNS_SHELL_TEST(test_refused),
		cmocka_unit_test(test_full),
		DNS_SHELL_TEST(test_reentry),
		cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
