/* SPDX-License-Identifier: BSD-3-Clause */
/* Answers of the DC's name server, composed in place: 100,000 nodes, names at random. What a DC
 * lcore adds around it (ring, UDP, IP) is not in it. Floor: the copy of a query into its buffer.
 */
#include "common/rng.h"
#include "dc/dns_answer.h"
#include "dc/dns_zone_file.h"
#include "perf/groups.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_common.h>

enum { NODES = 100000, QUERIES = 4096, QUERY_MAX = 64, OPS = 1 << 16 };

struct query {
	uint8_t len;
	uint8_t bytes[QUERY_MAX];
};

struct dns_bench {
	struct dns_server server;
	struct dns_nodes *nodes;
	struct dns_zone *zone; /* owned by the server once that has it */
	struct query a[QUERIES], missing[QUERIES];
};

static void dns_down(void *state)
{
	struct dns_bench *d = state;
	const struct dns_zones *zs = dns_server_swap(&d->server, NULL);

	if (zs != NULL)
		dns_zones_destroy((struct dns_zones *)(uintptr_t)zs);
	if (d->nodes != NULL)
		dns_nodes_destroy(d->nodes);
	free(d);
}

static struct dns_name name_of(const char *text)
{
	struct dns_name n;

	if (dns_name_parse(text, &n) < 0)
		abort();
	return n;
}

static void query_make(struct query *q, const char *text)
{
	static const uint8_t head[12] = {0x12, 0x34, 1, 0, 0, 1};
	struct dns_name n = name_of(text);

	memcpy(q->bytes, head, sizeof(head));
	memcpy(q->bytes + 12, n.b, n.len);
	memcpy(q->bytes + 12 + n.len, "\0\1\0\1", 4);
	q->len = (uint8_t)(12 + n.len + 4);
}

static int nodes_fill(struct dns_bench *d)
{
	struct rng rng;
	char text[64];
	int ret = 0;

	for (unsigned int i = 0; i < NODES && ret == 0; i++) {
		struct dns_node node = {.vip4 = ip_from_v4(htonl(0xf0000002 + i))};
		struct dns_name name;

		snprintf(text, sizeof(text), "node%u.dc1.example", i);
		name = name_of(text);
		ret = dns_nodes_set(d->nodes, &name, &node);
	}
	rng_init_seeded(&rng, 3);
	for (int i = 0; i < QUERIES; i++) {
		unsigned int which = (unsigned int)rng_below(&rng, NODES);

		snprintf(text, sizeof(text), "node%u.dc1.example", which);
		query_make(&d->a[i], text);
		snprintf(text, sizeof(text), "nobody%u.dc1.example", which);
		query_make(&d->missing[i], text);
	}
	return ret;
}

static int dns_up(void **state)
{
	static const uint8_t secret[DNS_COOKIE_SECRET_LEN] = "0123456789abcdef";
	struct siphash_key key = {{1, 2}};
	struct dns_name apex = name_of("dc1.example");
	struct dns_zone_base base = {.ns = {name_of("ns1.dc1.example")},
				     .ns_addr = {{ip_from_v4(htonl(0xcb007101))}},
				     .ns_n = 1,
				     .serial = 7};
	struct dns_bench *d = calloc(1, sizeof(*d));
	char why[DNS_ZONE_ERROR_MAX];
	int ret;

	if (d == NULL)
		return -ENOMEM;
	d->nodes = dns_nodes_create(&apex, 1, NODES + 16, &key);
	dns_server_init(&d->server, d->nodes, &apex, secret);
	ret = d->nodes == NULL ? -ENOMEM : dns_zone_load(NULL, &apex, &base, &d->zone, why);
	if (ret == 0) {
		dns_server_swap(&d->server, dns_zones_create(&d->zone, 1));
		ret = nodes_fill(d);
	}
	if (ret < 0) {
		dns_down(d);
		return ret;
	}
	*state = d;
	return 0;
}

static void answer(struct dns_bench *d, const struct query *queries, uint64_t n)
{
	struct dns_from from = {
		.src = ip_from_v4(htonl(0xc0000263)), .now = 1, .unix_sec = 1700000000};
	uint8_t buf[DNS_UDP_MAX];

	for (uint64_t i = 0; i < n; i++) {
		const struct query *q = &queries[i % QUERIES];

		memcpy(buf, q->bytes, QUERY_MAX);
		if (dns_answer(&d->server, &from, buf, q->len, sizeof(buf)) == 0)
			abort();
	}
}

static void run_a(void *state, uint64_t n)
{
	answer(state, ((struct dns_bench *)state)->a, n);
}

static void run_missing(void *state, uint64_t n)
{
	answer(state, ((struct dns_bench *)state)->missing, n);
}

static void run_copy(void *state, uint64_t n)
{
	struct dns_bench *d = state;
	uint8_t buf[DNS_UDP_MAX];

	for (uint64_t i = 0; i < n; i++) {
		memcpy(buf, d->a[i % QUERIES].bytes, QUERY_MAX);
		bench_use((uint64_t)(uintptr_t)buf);
	}
}

/* clang-format off */
static const struct bench_case cases[] = {
	{"floor.dns.copy", BENCH_PER_SECOND, OPS, NULL, run_copy, {{NULL}}},
	{"dns.answer.a", BENCH_PER_SECOND, OPS, NULL, run_a, {{NULL}}},
	{"dns.answer.nxdomain", BENCH_PER_SECOND, OPS, NULL, run_missing, {{NULL}}},
};
/* clang-format on */

const struct bench_group bench_dns = {
	"control", "name server, 100,000 nodes", dns_up, dns_down, cases, RTE_DIM(cases)};
