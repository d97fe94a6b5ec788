/* SPDX-License-Identifier: BSD-3-Clause */
#include "common/bytes.h"
#include "common/rng.h"
#include "dc/dns_cookie.h"
#include "dc/dns_rrl.h"
#include "tests/vectors/dns.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#define SEC UINT64_C(1000000000)

static struct ip_addr ip_of(const char *text)
{
	struct ip_addr a;

	assert_int_equal(ip_parse(text, &a), 0);
	return a;
}

static void hex_read(const char *text, uint8_t *out)
{
	for (; *text != '\0'; text += 2) {
		unsigned int v = 0;

		assert_int_equal(sscanf(text, "%2x", &v), 1);
		*out++ = (uint8_t)v;
	}
}

static void test_cookie_vectors(void **state)
{
	for (size_t i = 0; i < sizeof(dns_cookie_vectors) / sizeof(dns_cookie_vectors[0]); i++) {
		const struct dns_cookie_vector *v = &dns_cookie_vectors[i];
		struct ip_addr ip = ip_of(v->address);
		uint8_t secret[16], want[16], cookie[24];
		struct dns_cookie_secret s;

		hex_read(v->secret, secret);
		hex_read(v->client, cookie);
		hex_read(v->server, want);
		dns_cookie_init(&s, secret);
		dns_cookie_make(&s, cookie, &ip, v->unix_sec, cookie + 8);
		assert_memory_equal(cookie + 8, want, 16);
		assert_int_equal(dns_cookie_check(&s, cookie, 24, &ip, v->unix_sec),
				 DNS_COOKIE_GOOD);
	}
}

static void test_cookie_life(void **state)
{
	static const struct {
		int32_t age;
		enum dns_cookie_verdict want;
	} rows[] = {
		{0, DNS_COOKIE_GOOD},	       {1800, DNS_COOKIE_GOOD},
		{1801, DNS_COOKIE_GOOD_RENEW}, {3600, DNS_COOKIE_GOOD_RENEW},
		{3601, DNS_COOKIE_BAD},	       {-300, DNS_COOKIE_GOOD},
		{-301, DNS_COOKIE_BAD},
	};
	struct ip_addr ip = ip_of("192.0.2.1"), other = ip_of("192.0.2.2");
	uint8_t secret[16] = {1}, next[16] = {2}, last[16] = {3}, cookie[24] = "abcdefgh";
	const uint32_t now = 0xfffffff0; /* the clock wraps inside of the window */
	struct dns_cookie_secret s;

	dns_cookie_init(&s, secret);
	dns_cookie_make(&s, cookie, &ip, now, cookie + 8);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(dns_cookie_check(&s, cookie, 24, &ip, now + (uint32_t)rows[i].age),
				 rows[i].want);
	assert_int_equal(dns_cookie_check(&s, cookie, 24, &other, now), DNS_COOKIE_BAD);
	assert_int_equal(dns_cookie_check(&s, cookie, 23, &ip, now), DNS_COOKIE_BAD);
	assert_int_equal(dns_cookie_check(&s, cookie, 8, &ip, now), DNS_COOKIE_BAD);
	for (int i = 0; i < 24; i++) {
		cookie[i] ^= 1;
		assert_int_equal(dns_cookie_check(&s, cookie, 24, &ip, now), DNS_COOKIE_BAD);
		cookie[i] ^= 1;
	}
	dns_cookie_rotate(&s, next);
	assert_int_equal(dns_cookie_check(&s, cookie, 24, &ip, now), DNS_COOKIE_GOOD_RENEW);
	dns_cookie_rotate(&s, last);
	assert_int_equal(dns_cookie_check(&s, cookie, 24, &ip, now), DNS_COOKIE_BAD);
}

enum { TWIN_PREFIXES = 200 };

/* The obvious limiter: a bucket per prefix that holds burst answers and fills at the rate, counted
 * in the nanoseconds that one answer costs; nothing shared.
 */
struct twin {
	uint64_t level[TWIN_PREFIXES];
	uint64_t since[TWIN_PREFIXES];
	uint32_t over[TWIN_PREFIXES];
};

static enum dns_rrl_verdict twin_check(struct twin *t, const struct dns_rrl_conf *c, unsigned int i,
				       uint64_t now)
{
	uint64_t cost = SEC / c->rate;

	t->level[i] += now - t->since[i];
	t->since[i] = now;
	if (t->level[i] > c->burst * cost)
		t->level[i] = c->burst * cost;
	if (t->level[i] >= cost) {
		t->level[i] -= cost;
		return DNS_RRL_PASS;
	}
	t->over[i]++;
	return c->slip != 0 && t->over[i] % c->slip == 0 ? DNS_RRL_SLIP : DNS_RRL_DROP;
}

static void test_rrl_twin(void **state)
{
	uint64_t seed = (uint64_t)time(NULL), now = 5 * SEC;
	struct rng rng;

	print_message("seed %llu\n", (unsigned long long)seed);
	rng_init_seeded(&rng, seed);
	for (int round = 0; round < 20; round++) {
		struct siphash_key key = {{rng_u64(&rng), rng_u64(&rng)}};
		struct dns_rrl_conf c = {.rate = (uint32_t)(1 << rng_below(&rng, 8)),
					 .burst = 1 + (uint32_t)rng_below(&rng, 30),
					 .slip = (uint32_t)rng_below(&rng, 4),
					 .entries = 4096,
					 .v4_len = 24,
					 .v6_len = 56};
		struct dns_rrl *r = dns_rrl_create(&c, &key);
		struct twin *t = calloc(1, sizeof(*t));

		assert_non_null(r);
		for (int i = 0; i < TWIN_PREFIXES; i++) {
			t->level[i] = c.burst * (SEC / c.rate);
			t->since[i] = now;
		}
		for (int i = 0; i < 20000; i++) {
			unsigned int p = (unsigned int)rng_below(&rng, TWIN_PREFIXES);
			struct ip_addr ip = ip_of("10.0.0.0");
			enum dns_rrl_verdict got, want;

			if (p % 2) { /* half of them IPv6, a /56 each */
				ip = ip_of("2001:db8::");
				ip.b[6] = (uint8_t)p;
				ip.b[7] = (uint8_t)rng_u64(&rng);
			} else {
				ip.b[14] = (uint8_t)p;
			}
			ip.b[15] = (uint8_t)rng_u64(&rng); /* inside of the prefix all is one */
			now += rng_below(&rng, 4) * (SEC / 1024);
			got = dns_rrl_check(r, &ip, now);
			want = twin_check(t, &c, p, now);
			if (got != want)
				fail_msg("round %d step %d prefix %u: got %d want %d", round, i, p,
					 got, want);
		}
		assert_int_equal(dns_rrl_evicted(r), 0);
		free(t);
		dns_rrl_destroy(r);
	}
}

/* A flood of made-up sources cannot wash out the limit on the one that is being hit. */
static void test_rrl_full(void **state)
{
	struct siphash_key key = {{1, 2}};
	struct dns_rrl_conf c = {
		.rate = 10, .burst = 100, .slip = 0, .entries = 64, .v4_len = 24, .v6_len = 56};
	struct dns_rrl *r = dns_rrl_create(&c, &key);
	struct ip_addr victim = ip_of("192.0.2.1"), other = ip_of("10.0.0.1");
	uint64_t now = SEC, passed = 0;

	for (uint32_t i = 0; i < 100000; i++) {
		passed += dns_rrl_check(r, &victim, now) == DNS_RRL_PASS;
		store_be32(other.b + 12, 0x0a000001 + (i << 8));
		dns_rrl_check(r, &other, now);
		now += SEC / 100000;
	}
	assert_true(dns_rrl_evicted(r) > 0);
	assert_in_range(passed, 100, 111); /* a burst and a second's rate */
	dns_rrl_destroy(r);
}

static void test_rrl_conf(void **state)
{
	struct siphash_key key = {{1, 2}};
	const struct dns_rrl_conf good = {.rate = 1, .burst = 1, .entries = 0};
	struct dns_rrl_conf bad[] = {good, good, good, good};
	struct dns_rrl *r = dns_rrl_create(&good, &key);

	assert_non_null(r);
	dns_rrl_destroy(r);
	bad[0].rate = 0;
	bad[1].burst = 0;
	bad[2].v4_len = 33;
	bad[3].v6_len = 129;
	for (int i = 0; i < 4; i++)
		assert_null(dns_rrl_create(&bad[i], &key));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cookie_vectors), cmocka_unit_test(test_cookie_life),
		cmocka_unit_test(test_rrl_twin),       cmocka_unit_test(test_rrl_full),
		cmocka_unit_test(test_rrl_conf),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
