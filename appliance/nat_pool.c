/* SPDX-License-Identifier: BSD-3-Clause */
#include "appliance/nat_pool.h"

#include "appliance/table_mem.h"

#include "common/bytes.h"

#include <errno.h>
#include <stdlib.h>

/* Widths of the bit fields of struct nat_share. */
enum { ADDR_MASK = (1 << 13) - 1, FULL_MASK = (1 << NAT_PROTOS) - 1 };

_Static_assert((int)NAT_ADDRS_MAX < (int)ADDR_MASK, "address + 1 fits");
_Static_assert(sizeof(struct nat_share) == 8, "two of them in a subscriber's line");

struct block {
	uint64_t used[NAT_PROTOS]; /* a bit per port */
	uint32_t next;		   /* block + 1: of the subscriber, or free on the address */
	uint32_t prev;		   /* block + 1: of the subscriber */
	uint16_t addr;
	uint16_t base;		/* first port */
} __attribute__((aligned(64))); /* one line, whatever of it a new mapping needs */

struct address {
	struct ip_addr ip;
	int16_t owner;		   /* worker that has it alone, -1: each has its blocks of it */
	uint16_t port_min, blocks; /* all workers' */
	uint32_t first_free;	   /* block + 1 */
	uint32_t n_free;
};

/* Addresses that follow each other, from number at. */
struct span {
	struct ip_addr first;
	uint32_t low; /* last four bytes of first */
	uint32_t at, n;
};

struct nat_pool {
	unsigned int n_spans;
	struct span spans[NAT_RANGES_MAX];
	uint16_t worker, n_workers;
	uint32_t n_addrs, n_blocks;
	/* By family: so that a flood is refused without a look at each address. */
	uint32_t n_addrs_of[2], n_free[2];
	uint32_t rotor[2]; /* where the search for an address begins, by family */
	uint64_t random;
	uint32_t n_mine;
	uint16_t *mine; /* addresses with blocks of this worker's */
	struct address *addrs;
	struct block *blocks;
};

/* xorshift64*: ports need to differ from packet to packet for an outsider, not more. */
static uint32_t draw(struct nat_pool *p)
{
	p->random ^= p->random >> 12;
	p->random ^= p->random << 25;
	p->random ^= p->random >> 27;
	return (uint32_t)((p->random * 0x2545f4914f6cdd1dULL) >> 32);
}

static uint32_t range_addrs(const struct nat_range *r)
{
	unsigned int bits = 128u - r->prefix.len;

	if (!ip_is_v4(&r->prefix.ip))
		return bits > 4 ? NAT_RANGE_ADDRS_V6 : 1u << bits;
	return bits > 12 ? NAT_ADDRS_MAX : 1u << bits;
}

static struct ip_addr range_addr(const struct nat_range *r, uint32_t i)
{
	struct ip_addr a = r->prefix.ip;
	/* ::0 of an IPv6 subnet is its routers' anycast address (RFC 4291 section 2.6.1). */
	uint32_t skip = !ip_is_v4(&a) && r->prefix.len <= 124;

	store_be32(a.b + 12, load_be32(a.b + 12) + i + skip);
	return a;
}

/* Blocks begin at a multiple of their size, so that a port tells its block by a shift. */
static void ports_of(const struct nat_range *r, struct address *a)
{
	uint32_t min = (r->port_min + NAT_BLOCK_PORTS - 1u) / NAT_BLOCK_PORTS * NAT_BLOCK_PORTS;
	uint32_t end = (r->port_max + 1u) / NAT_BLOCK_PORTS * NAT_BLOCK_PORTS;

	a->port_min = (uint16_t)min;
	a->blocks = end > min ? (uint16_t)((end - min) / NAT_BLOCK_PORTS) : 0;
}

/* Addresses that each worker has alone: equal runs from the first one on, what is over is shared. */
static uint32_t run_of(const struct nat_range *r, uint16_t n_workers)
{
	return range_addrs(r) / n_workers;
}

uint32_t nat_range_own(const struct nat_range *r, uint16_t worker, uint16_t n_workers,
		       struct ip_addr *first)
{
	uint32_t run = run_of(r, n_workers);

	*first = range_addr(r, worker * run);
	return run;
}

uint32_t nat_range_shared(const struct nat_range *r, uint16_t n_workers, struct ip_addr *first)
{
	uint32_t own = run_of(r, n_workers) * n_workers;

	*first = range_addr(r, own);
	return range_addrs(r) - own;
}

bool nat_range_ports(const struct nat_range *r, uint16_t worker, uint16_t n_workers,
		     uint16_t *value, uint16_t *mask)
{
	uint32_t before = (r->port_min + NAT_BLOCK_PORTS - 1u) / NAT_BLOCK_PORTS;

	*mask = (uint16_t)((n_workers - 1u) * NAT_BLOCK_PORTS);
	*value = (uint16_t)((before + worker) * NAT_BLOCK_PORTS) & *mask;
	return (n_workers & (n_workers - 1)) == 0;
}

static uint32_t blocks_of(const struct nat_pool *p, const struct address *a)
{
	if (a->owner >= 0)
		return a->owner == p->worker ? a->blocks : 0;
	return a->blocks / p->n_workers + (a->blocks % p->n_workers > p->worker);
}

static void blocks_make(struct nat_pool *p, uint16_t addr, uint32_t *at)
{
	struct address *a = &p->addrs[addr];

	if (a->owner >= 0 && a->owner != p->worker)
		return;
	for (uint32_t b = 0; b < a->blocks; b++) {
		if (a->owner < 0 && b % p->n_workers != p->worker)
			continue;
		p->blocks[*at] = (struct block){
			.next = a->first_free,
			.addr = addr,
			.base = (uint16_t)(a->port_min + b * NAT_BLOCK_PORTS),
		};
		a->first_free = ++*at;
		a->n_free++;
	}
	p->mine[p->n_mine++] = addr;
	p->n_addrs_of[ip_is_v4(&a->ip)]++;
	p->n_free[ip_is_v4(&a->ip)] += a->n_free;
}

struct nat_pool *nat_pool_create(const struct nat_range *ranges, unsigned int n, uint16_t worker,
				 uint16_t n_workers, uint64_t seed)
{
	struct nat_pool *p = calloc(1, sizeof(*p));
	uint32_t at = 0;

	if (p == NULL)
		return NULL;
	p->worker = worker;
	p->n_workers = n_workers;
	p->random = seed | 1;
	for (unsigned int i = 0; i < n; i++)
		p->n_addrs += range_addrs(&ranges[i]);
	if (n > NAT_RANGES_MAX || p->n_addrs > NAT_ADDRS_MAX) {
		free(p);
		errno = E2BIG;
		return NULL;
	}
	p->addrs = calloc(p->n_addrs + 1, sizeof(*p->addrs));
	p->mine = calloc(p->n_addrs + 1, sizeof(*p->mine));
	if (p->addrs == NULL || p->mine == NULL)
		goto err_destroy;
	for (unsigned int i = 0; i < n; i++) {
		struct ip_addr first = range_addr(&ranges[i], 0);
		uint32_t run = run_of(&ranges[i], n_workers);

		p->spans[p->n_spans++] = (struct span){.first = first,
						       .low = load_be32(first.b + 12),
						       .at = at,
						       .n = range_addrs(&ranges[i])};
		for (uint32_t k = 0; k < range_addrs(&ranges[i]); k++) {
			p->addrs[at].ip = range_addr(&ranges[i], k);
			p->addrs[at].owner = k < run * n_workers ? (int16_t)(k / run) : (int16_t)-1;
			ports_of(&ranges[i], &p->addrs[at]);
			p->n_blocks += blocks_of(p, &p->addrs[at]);
			at++;
		}
	}
	p->blocks = table_mem_alloc((p->n_blocks + 1) * sizeof(*p->blocks));
	if (p->blocks == NULL)
		goto err_destroy;
	at = 0;
	for (uint32_t a = 0; a < p->n_addrs; a++)
		blocks_make(p, (uint16_t)a, &at);
	return p;

err_destroy:
	nat_pool_destroy(p);
	errno = ENOMEM;
	return NULL;
}

void nat_pool_destroy(struct nat_pool *p)
{
	if (p == NULL)
		return;
	free(p->mine);
	free(p->addrs);
	table_mem_free(p->blocks, (p->n_blocks + 1) * sizeof(*p->blocks));
	free(p);
}

/* ---- blocks ---- */

static int address_choose(struct nat_pool *p, bool v4, uint16_t *addr)
{
	if (p->n_addrs_of[v4] == 0)
		return -EADDRNOTAVAIL;
	if (p->n_free[v4] == 0)
		return -ENOSPC;
	for (uint32_t i = 0; i < p->n_mine; i++) {
		uint32_t at = (p->rotor[v4] + i) % p->n_mine;
		const struct address *a = &p->addrs[p->mine[at]];

		if (ip_is_v4(&a->ip) != v4 || a->first_free == 0)
			continue;
		p->rotor[v4] = at + 1;
		*addr = p->mine[at];
		return 0;
	}
	return -ENOSPC;
}

static int block_take(struct nat_pool *p, struct nat_share *s, bool v4)
{
	struct address *a;
	struct block *b;
	uint16_t addr;
	int ret;

	if (s->addr == 0) {
		ret = address_choose(p, v4, &addr);
		if (ret < 0)
			return ret;
		s->addr = (addr + 1u) & ADDR_MASK;
	}
	a = &p->addrs[s->addr - 1];
	if (a->first_free == 0)
		return -ENOSPC;
	uint32_t at = a->first_free;

	b = &p->blocks[at - 1];
	a->first_free = b->next;
	a->n_free--;
	p->n_free[v4]--;
	b->prev = 0;
	b->next = s->first_block;
	if (s->first_block != 0)
		p->blocks[s->first_block - 1].prev = at;
	s->first_block = at;
	s->blocks++;
	s->full = 0;
	return 0;
}

static void block_give(struct nat_pool *p, struct nat_share *s, uint32_t at)
{
	struct block *b = &p->blocks[at - 1];
	struct address *a = &p->addrs[b->addr];

	if (b->prev != 0)
		p->blocks[b->prev - 1].next = b->next;
	else
		s->first_block = b->next;
	if (b->next != 0)
		p->blocks[b->next - 1].prev = b->prev;
	if (--s->blocks == 0)
		s->addr = 0;
	b->next = a->first_free;
	a->first_free = at;
	a->n_free++;
	p->n_free[ip_is_v4(&a->ip)]++;
}

/* ---- ports ---- */

/* A random free one of the block, of like's parity if there is one. -1: none. */
static int port_in(struct nat_pool *p, const struct block *b, enum nat_proto proto, uint16_t like)
{
	const uint64_t even = 0x5555555555555555ULL;
	uint64_t open = ~b->used[proto];
	uint64_t same = open & (like & 1 ? ~even : even);
	unsigned int turn = draw(p) % NAT_BLOCK_PORTS;

	if (open == 0)
		return -1;
	if (same != 0)
		open = same;
	/* Turn the word by a random amount and take the lowest bit. */
	if (turn != 0)
		open = open >> turn | open << (NAT_BLOCK_PORTS - turn);
	return (int)(((unsigned int)__builtin_ctzll(open) + turn) % NAT_BLOCK_PORTS);
}

int nat_pool_take(struct nat_pool *p, struct nat_share *s, bool v4, enum nat_proto proto,
		  uint16_t like, uint16_t max_blocks, uint16_t *addr, uint16_t *port,
		  uint32_t *block)
{
	uint32_t at = (s->full >> proto) & 1 ? 0 : s->first_block;
	int bit = -1, ret;

	while (at != 0) {
		bit = port_in(p, &p->blocks[at - 1], proto, like);
		if (bit >= 0)
			break;
		at = p->blocks[at - 1].next;
	}
	if (bit < 0) {
		s->full |= (1u << proto) & FULL_MASK;
		if (s->blocks >= max_blocks)
			return -EDQUOT;
		ret = block_take(p, s, v4);
		if (ret < 0)
			return ret;
		at = s->first_block;
		bit = port_in(p, &p->blocks[at - 1], proto, like);
	}
	p->blocks[at - 1].used[proto] |= 1ULL << bit;
	*addr = p->blocks[at - 1].addr;
	*port = (uint16_t)(p->blocks[at - 1].base + bit);
	*block = at - 1;
	return 0;
}

void nat_pool_prefetch(const struct nat_pool *p, const struct nat_share *s)
{
	if (s->first_block != 0)
		__builtin_prefetch(&p->blocks[s->first_block - 1]);
}

void nat_pool_give(struct nat_pool *p, struct nat_share *s, uint32_t block, enum nat_proto proto,
		   uint16_t port)
{
	struct block *b = &p->blocks[block];

	b->used[proto] &= ~(1ULL << (port - b->base));
	s->full &= ~(1u << proto) & FULL_MASK;
	if ((b->used[NAT_UDP] | b->used[NAT_TCP] | b->used[NAT_ICMP]) == 0)
		block_give(p, s, block + 1);
}

/* ---- questions ---- */

const struct ip_addr *nat_pool_addr(const struct nat_pool *p, uint16_t addr)
{
	return &p->addrs[addr].ip;
}

/* By range, of which there are few: the addresses of one follow each other. */
int nat_pool_addr_find(const struct nat_pool *p, const struct ip_addr *ip)
{
	uint32_t low = load_be32(ip->b + 12);

	for (unsigned int i = 0; i < p->n_spans; i++) {
		const struct span *s = &p->spans[i];

		if (low - s->low < s->n && memcmp(s->first.b, ip->b, 8) == 0 &&
		    memcmp(s->first.b + 8, ip->b + 8, 4) == 0)
			return (int)(s->at + (low - s->low));
	}
	return -1;
}

int nat_pool_owner(const struct nat_pool *p, uint16_t addr, uint16_t port)
{
	const struct address *a = &p->addrs[addr];
	uint32_t b = (uint32_t)(port - a->port_min) / NAT_BLOCK_PORTS;

	if (port < a->port_min || b >= a->blocks)
		return -1;
	return a->owner >= 0 ? a->owner : (int)(b % p->n_workers);
}

int nat_pool_addr_owner(const struct nat_pool *p, uint16_t addr)
{
	return p->addrs[addr].owner;
}

uint32_t nat_pool_free_blocks(const struct nat_pool *p, bool v4)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < p->n_addrs; i++)
		n += ip_is_v4(&p->addrs[i].ip) == v4 ? p->addrs[i].n_free : 0;
	return n;
}
