/* SPDX-License-Identifier: BSD-3-Clause */
#include "common/rng.h"
#include "dc/dns_nodes.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

enum { TWIN_NAMES = 150, TWIN_CAPACITY = 60 };

/* The obvious table: a flag per possible name, everything else derived by looking at all. */
struct twin {
	struct dns_name name[TWIN_NAMES];
	bool is_node[TWIN_NAMES];
};

static enum dns_found twin_find(const struct twin *t, const struct dns_name *n)
{
	enum dns_found found = DNS_FOUND_NONE;

	for (int i = 0; i < TWIN_NAMES; i++) {
		if (!t->is_node[i] || !dns_name_under(&t->name[i], n))
			continue;
		if (dns_name_equal(&t->name[i], n))
			return DNS_FOUND_NODE;
		found = DNS_FOUND_EMPTY;
	}
	return found;
}

static uint32_t twin_used(const struct twin *t)
{
	uint32_t used = 0;

	for (int i = 0; i < TWIN_NAMES; i++)
		used += twin_find(t, &t->name[i]) != DNS_FOUND_NONE;
	return used;
}

/* All names over few labels up to depth 3, so that ancestors are shared. */
static void twin_init(struct twin *t)
{
	char text[64];

	for (int i = 0; i < TWIN_NAMES; i++) {
		if (i < 5)
			snprintf(text, sizeof(text), "n%d.dc1.example", i);
		else if (i < 30)
			snprintf(text, sizeof(text), "n%d.n%d.dc1.example", i % 5, i / 5 - 1);
		else
			snprintf(text, sizeof(text), "n%d.n%d.n%d.dc1.example", (i - 30) % 5,
				 (i - 30) / 5 % 5, (i - 30) / 25);
		assert_int_equal(dns_name_parse(text, &t->name[i]), 0);
		t->is_node[i] = false;
	}
}

static void test_twin(void **state)
{
	uint64_t seed = (uint64_t)time(NULL);
	struct siphash_key key = {{7, 8}};
	struct twin *t = calloc(1, sizeof(*t));
	struct dns_nodes *nodes;
	struct dns_name apex;
	struct rng rng;
	unsigned int full = 0;

	print_message("seed %llu\n", (unsigned long long)seed);
	rng_init_seeded(&rng, seed);
	twin_init(t);
	assert_int_equal(dns_name_parse("dc1.example", &apex), 0);
	nodes = dns_nodes_create(&apex, 1, TWIN_CAPACITY, &key);
	for (int step = 0; step < 20000; step++) {
		unsigned int i = (unsigned int)rng_below(&rng, TWIN_NAMES);
		const struct dns_node *got;
		struct dns_node node = {.real_n = (uint8_t)(i % 5)};

		if (rng_below(&rng, 5) < (step / 2000 % 2 ? 1u : 3u)) {
			int ret = dns_nodes_set(nodes, &t->name[i], &node);

			assert_true(ret == 0 || ret == -ENOSPC);
			t->is_node[i] |= ret == 0;
			full += ret == -ENOSPC;
		} else {
			assert_int_equal(dns_nodes_remove(nodes, &t->name[i]),
					 t->is_node[i] ? 0 : -ENOENT);
			t->is_node[i] = false;
		}
		i = (unsigned int)rng_below(&rng, TWIN_NAMES);
		assert_int_equal(dns_nodes_find(nodes, t->name[i].b, t->name[i].len, &got),
				 twin_find(t, &t->name[i]));
		if (t->is_node[i])
			assert_int_equal(got->real_n, i % 5);
		if (step % 50 == 0)
			assert_int_equal(dns_nodes_used(nodes), twin_used(t));
	}
	assert_true(full > 0);
	dns_nodes_destroy(nodes);
	free(t);
}

static void test_refused(void **state)
{
	static const char *const bad[] = {"dc1.example", "example", "a.dc2.example", "."};
	struct siphash_key key = {{7, 8}};
	struct dns_node node = {0};
	struct dns_nodes *nodes;
	struct dns_name n;

	assert_int_equal(dns_name_parse("dc1.example", &n), 0);
	nodes = dns_nodes_create(&n, 1, 4, &key);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(dns_name_parse(bad[i], &n), 0);
		assert_int_equal(dns_nodes_set(nodes, &n, &node), -EINVAL);
		assert_int_equal(dns_nodes_remove(nodes, &n), -ENOENT);
	}
	assert_int_equal(dns_nodes_used(nodes), 0);
	dns_nodes_destroy(nodes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_twin),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
