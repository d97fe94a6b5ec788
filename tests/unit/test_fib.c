/* SPDX-License-Identifier: BSD-3-Clause */
#include "appliance/fib.h"
#include "common/rng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include <cmocka.h>

enum { ROUTES_MAX = 200, ROUNDS = 200, PROBES = 400 };

static struct ip_addr addr(const char *text)
{
	struct ip_addr a;

	assert_int_equal(ip_parse(text, &a), 0);
	return a;
}

static struct fib_route route(const char *prefix, uint32_t nexthop, uint32_t metric)
{
	struct fib_route r = {.nexthop = nexthop, .metric = metric};

	assert_int_equal(prefix_parse(prefix, &r.prefix), 0);
	return r;
}

static void expect(const struct fib *f, const char *text, uint32_t nexthop)
{
	struct ip_addr a = addr(text);

	if (fib_lookup(f, &a) != nexthop)
		fail_msg("%s leads to %u instead of %u", text, fib_lookup(f, &a), nexthop);
}

static void test_lookup(void **state)
{
	struct fib_route r[] = {
		route("10.0.0.0/8", 1, 0),    route("10.1.0.0/16", 2, 0),
		route("10.1.2.3/32", 3, 0),   route("10.1.0.0/16", 9, 100),
		route("0.0.0.0/0", 4, 0),     route("2001:db8::/32", 5, 0),
		route("10.255.0.0/16", 0, 0), route("255.255.255.255/32", 6, 0),
	};
	struct fib *f = fib_create(r, 8, 7);

	assert_non_null(f);
	assert_int_equal(fib_generation(f), 7);
	expect(f, "10.0.0.0", 1);
	expect(f, "10.1.0.0", 2);
	expect(f, "10.1.2.2", 2);
	expect(f, "10.1.2.3", 3);
	expect(f, "10.1.2.4", 2);
	expect(f, "10.1.255.255", 2);
	expect(f, "10.2.0.0", 1);
	expect(f, "10.255.1.1", 0); /* a blackhole inside a route */
	expect(f, "11.0.0.0", 4);
	expect(f, "9.255.255.255", 4);
	expect(f, "255.255.255.255", 6);
	expect(f, "2001:db8::1", 5);
	expect(f, "2001:db9::1", 0);
	expect(f, "::", 0);
	expect(f, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 0);
	fib_destroy(f);
}

/* IPv4 lies inside ::/0, which must not catch it. */
static void test_families(void **state)
{
	struct fib_route six[] = {route("::/0", 1, 0)};
	struct fib_route four[] = {route("0.0.0.0/0", 2, 0)};
	struct fib *f = fib_create(six, 1, 1);

	expect(f, "2001:db8::1", 1);
	expect(f, "ffff::1", 1);
	expect(f, "1.2.3.4", 0);
	fib_destroy(f);
	f = fib_create(four, 1, 1);
	expect(f, "2001:db8::1", 0);
	expect(f, "1.2.3.4", 2);
	fib_destroy(f);
	f = fib_create(NULL, 0, 1);
	expect(f, "2001:db8::1", 0);
	expect(f, "1.2.3.4", 0);
	fib_destroy(f);
}

/* The obvious way: the longest of all that match, of these the least metric. */
static uint32_t slow_lookup(const struct fib_route *r, uint32_t n, const struct ip_addr *a)
{
	const struct fib_route *best = NULL;

	for (uint32_t i = 0; i < n; i++) {
		if (!prefix_contains(&r[i].prefix, a) || (ip_is_v4(a) && r[i].prefix.len < 96))
			continue;
		if (best == NULL || r[i].prefix.len > best->prefix.len ||
		    (r[i].prefix.len == best->prefix.len && r[i].metric < best->metric))
			best = &r[i];
	}
	return best == NULL ? 0 : best->nexthop;
}

/* Few distinct bits, so that prefixes nest and collide. */
static struct ip_addr random_addr(struct rng *rng)
{
	struct ip_addr a = {.b = {[10] = 0xff, [11] = 0xff}};
	bool v4 = rng_below(rng, 2) == 0;

	for (unsigned int i = v4 ? 12 : 0; i < 16; i++)
		a.b[i] = rng_below(rng, 3) == 0 ? (uint8_t)rng_below(rng, 4) : (i % 2 ? 0 : 0xff);
	return a;
}

static void mask(struct ip_prefix *p)
{
	for (unsigned int i = p->len; i < 128; i++)
		p->ip.b[i / 8] &= (uint8_t) ~(0x80 >> i % 8);
}

static void test_twin(void **state)
{
	struct fib_route r[ROUTES_MAX];
	uint64_t seed = (uint64_t)time(NULL);
	struct rng rng;

	printf("seed %llu\n", (unsigned long long)seed);
	rng_init_seeded(&rng, seed);
	for (unsigned int round = 0; round < ROUNDS; round++) {
		uint32_t n = (uint32_t)rng_below(&rng, ROUTES_MAX);
		struct fib *f;

		for (uint32_t i = 0; i < n; i++) {
			r[i].prefix.ip = random_addr(&rng);
			r[i].prefix.len = ip_is_v4(&r[i].prefix.ip) ? 96 + rng_below(&rng, 33)
								    : rng_below(&rng, 129);
			mask(&r[i].prefix);
			r[i].metric = i; /* unique: ties have no order */
			r[i].nexthop = (uint32_t)rng_below(&rng, 8);
		}
		f = fib_create(r, n, round);
		assert_non_null(f);
		assert_true(fib_ranges(f) <= 2 * n + 3);
		for (unsigned int i = 0; i < PROBES; i++) {
			struct ip_addr a = random_addr(&rng);

			assert_int_equal(fib_lookup(f, &a), slow_lookup(r, n, &a));
		}
		fib_destroy(f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lookup),
		cmocka_unit_test(test_families),
		cmocka_unit_test(test_twin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
