/* SPDX-License-Identifier: BSD-3-Clause */
#include "appliance/fib.h"
#include "appliance/nexthop.h"
#include "appliance/pipeline/meta.h"
#include "common/bytes.h"

#include <errno.h>
#include <stdlib.h>

typedef unsigned __int128 key128;

/* Range i runs from start[i] to start[i + 1] - 1; start[0] is 0, so that a look-up always hits. */
struct fib {
	uint32_t n, generation;
	uint32_t *nexthop;
	key128 start[];
};

enum { NESTING_MAX = 129 }; /* a prefix of each length around one address */

static key128 key_of(const struct ip_addr *a)
{
	return (key128)load_be64(a->b) << 64 | load_be64(a->b + 8);
}

static key128 last_of(const struct ip_prefix *p)
{
	key128 first = key_of(&p->ip);

	return p->len == 0 ? ~(key128)0 : first | ((((key128)1 << (128 - p->len)) - 1));
}

static int route_compare(const void *pa, const void *pb)
{
	const struct fib_route *a = pa, *b = pb;
	int d = memcmp(a->prefix.ip.b, b->prefix.ip.b, sizeof(a->prefix.ip.b));

	if (d != 0)
		return d;
	if (a->prefix.len != b->prefix.len)
		return a->prefix.len < b->prefix.len ? -1 : 1;
	return a->metric < b->metric ? -1 : a->metric > b->metric;
}

static void emit(struct fib *f, key128 start, uint32_t nexthop)
{
	if (f->n > 0 && f->start[f->n - 1] == start) {
		f->nexthop[f->n - 1] = nexthop;
		return;
	}
	if (f->n > 0 && f->nexthop[f->n - 1] == nexthop)
		return;
	f->start[f->n] = start;
	f->nexthop[f->n++] = nexthop;
}

/* The enclosing prefixes of the sweep's position, outermost first. */
struct nest {
	unsigned int depth;
	key128 last[NESTING_MAX];
	uint32_t nexthop[NESTING_MAX];
};

/* Close what ends before `next`; `all` closes the rest. */
static void nest_close(struct nest *s, struct fib *f, key128 next, bool all)
{
	while (s->depth > 0 && (all || s->last[s->depth - 1] < next)) {
		key128 last = s->last[--s->depth];

		if (last != ~(key128)0)
			emit(f, last + 1,
			     s->depth > 0 ? s->nexthop[s->depth - 1] : (uint32_t)NEXTHOP_NONE);
	}
}

static void sweep(struct fib *f, const struct fib_route *routes, uint32_t n)
{
	/* IPv4 lies inside ::/0: an IPv6 default route must not catch it. */
	static const struct ip_prefix v4_all = {.ip.b = {[10] = 0xff, [11] = 0xff}, .len = 96};
	struct fib_route guard = {.prefix = v4_all, .metric = UINT32_MAX, .nexthop = NEXTHOP_NONE};
	const struct fib_route *prev = NULL;
	struct nest s = {.depth = 0};
	bool guarded = false;

	emit(f, 0, NEXTHOP_NONE);
	for (uint32_t i = 0; i < n || !guarded;) {
		const struct fib_route *r = &guard;

		if (guarded || (i < n && route_compare(&routes[i], &guard) < 0))
			r = &routes[i++];
		else
			guarded = true;
		if (prev != NULL && prev->prefix.len == r->prefix.len &&
		    ip_equal(&prev->prefix.ip, &r->prefix.ip))
			continue; /* a worse metric */
		nest_close(&s, f, key_of(&r->prefix.ip), false);
		s.last[s.depth] = last_of(&r->prefix);
		s.nexthop[s.depth++] = r->nexthop;
		emit(f, key_of(&r->prefix.ip), r->nexthop);
		prev = r;
	}
	nest_close(&s, f, 0, true);
}

struct fib *fib_create(struct fib_route *routes, uint32_t n, uint32_t generation)
{
	size_t most = 2 * ((size_t)n + 1) + 1; /* each route opens and closes a range */
	struct fib *f = calloc(1, sizeof(*f) + most * (sizeof(key128) + sizeof(uint32_t)));

	if (f == NULL)
		return NULL;
	f->generation = generation;
	f->nexthop = (uint32_t *)(f->start + most);
	if (n > 0)
		qsort(routes, n, sizeof(*routes), route_compare);
	sweep(f, routes, n);
	return f;
}

void fib_destroy(struct fib *f)
{
	free(f);
}

uint32_t fib_lookup(const struct fib *f, const struct ip_addr *dst)
{
	key128 key = key_of(dst);
	uint32_t lo = 0, n = f->n;

	while (n > 1) {
		uint32_t half = n / 2;

		lo = f->start[lo + half] <= key ? lo + half : lo; /* a conditional move */
		n -= half;
	}
	return f->nexthop[lo];
}

uint32_t fib_generation(const struct fib *f)
{
	return f->generation;
}

uint32_t fib_ranges(const struct fib *f)
{
	return f->n;
}
