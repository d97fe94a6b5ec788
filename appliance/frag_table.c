/* SPDX-License-Identifier: BSD-3-Clause */
#include "appliance/frag_table.h"

#include "appliance/hash_key.h"
#include "appliance/pipeline/burst.h"
#include "appliance/pipeline/outer.h"
#include "appliance/table_mem.h"

#include <errno.h>
#include <stdlib.h>

enum {
	WAYS = 8,
	VISITS = 4, /* entries looked at per turn */
	IP6_FRAG_LEN = 8,
	FRAG_OFFSET = 0x1fff,
	FRAG_MORE = 0x2000,
	DATAGRAM_MAX = 65535,
};

struct datagram {
	struct frag_key key;
	uint64_t until_ns; /* 0: free */
	uint32_t total;	   /* bytes of payload, 0: the last piece is not here */
	uint32_t have;
	uint16_t n;
	bool is_poisoned; /* refused: further pieces are dropped until the time is over */
	struct frag_piece piece[FRAG_PIECES]; /* by offset */
};

struct frag_table {
	struct frag_config cfg;
	uint32_t n_buckets, n_used, n_pieces, hand;
	uint64_t secret[2];
	struct datagram *entries;
};

struct frag_table *frag_table_create(const struct frag_config *cfg)
{
	struct frag_table *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return NULL;
	t->cfg = *cfg;
	if (t->cfg.datagrams == 0)
		t->cfg.datagrams = 256;
	if (t->cfg.pieces == 0)
		t->cfg.pieces = 1024;
	if (t->cfg.wait_ns == 0)
		t->cfg.wait_ns = 2000000000;
	t->n_buckets = (t->cfg.datagrams + WAYS - 1) / WAYS;
	t->entries = table_mem_alloc((size_t)t->n_buckets * WAYS * sizeof(*t->entries));
	if (t->entries == NULL) {
		free(t);
		errno = ENOMEM;
		return NULL;
	}
	return t;
}

void frag_table_destroy(struct frag_table *t)
{
	if (t == NULL)
		return;
	for (uint32_t i = 0; i < t->n_buckets * WAYS; i++) {
		for (uint16_t k = 0; k < t->entries[i].n; k++)
			rte_pktmbuf_free(t->entries[i].piece[k].m);
	}
	table_mem_free(t->entries, (size_t)t->n_buckets * WAYS * sizeof(*t->entries));
	free(t);
}

/* ---- reading a piece ---- */

static bool parse4(const uint8_t *ip, uint16_t len, struct frag_key *k, struct frag_piece *p)
{
	uint16_t frag = load_be16(ip + 6);
	uint32_t a;

	p->header = (uint16_t)((ip[0] & 15) * 4);
	if (len < p->header || (frag & (FRAG_OFFSET | FRAG_MORE)) == 0)
		return false;
	memcpy(&a, ip + 12, 4);
	k->src = ip_from_v4(a);
	memcpy(&a, ip + 16, 4);
	k->dst = ip_from_v4(a);
	k->id = load_be16(ip + 4);
	k->proto = ip[9];
	p->offset = (uint16_t)((frag & FRAG_OFFSET) * 8);
	p->more = (frag & FRAG_MORE) != 0;
	return true;
}

static bool parse6(const uint8_t *ip, uint16_t len, struct frag_key *k, struct frag_piece *p)
{
	uint16_t at = IP6_HDR_LEN;
	uint8_t next = ip[6];

	while (next == IPPROTO_HOPOPTS || next == IPPROTO_ROUTING || next == IPPROTO_DSTOPTS) {
		if (at + 8 > len)
			return false;
		next = ip[at];
		at = (uint16_t)(at + (ip[at + 1] + 1) * 8);
	}
	if (next != IPPROTO_FRAGMENT || at + IP6_FRAG_LEN > len)
		return false;
	memcpy(k->src.b, ip + 8, 16);
	memcpy(k->dst.b, ip + 24, 16);
	k->id = load_be32(ip + at + 4);
	k->proto = 0;
	p->header = (uint16_t)(at + IP6_FRAG_LEN);
	p->offset = load_be16(ip + at + 2) & 0xfff8;
	p->more = (ip[at + 3] & 1) != 0;
	return true;
}

bool frag_parse(struct rte_mbuf *m, uint16_t ip, uint16_t len, struct frag_key *k,
		struct frag_piece *p)
{
	const uint8_t *b = rte_pktmbuf_mtod_offset(m, const uint8_t *, ip);
	bool v6 = b[0] >> 4 == 6;

	memset(k, 0, sizeof(*k));
	p->m = m;
	p->ip = ip;
	if (len < (v6 ? IP6_HDR_LEN : IP4_HDR_LEN) ||
	    !(v6 ? parse6(b, len, k, p) : parse4(b, len, k, p)))
		return false;
	p->len = (uint16_t)(len - p->header);
	return true;
}

static uint64_t key_hash(const struct frag_key *k, const uint64_t secret[2])
{
	uint64_t h = hash_key(secret, k->id ^ (uint64_t)k->proto << 32 ^ k->scope, &k->src);

	return hash_key(secret, h, &k->dst);
}

unsigned int frag_worker(const struct frag_key *k, unsigned int n)
{
	static const uint64_t fixed[2] = {0x9e3779b97f4a7c15ULL, 0xd1342543de82ef95ULL};

	return (unsigned int)(key_hash(k, fixed) >> 32) % n;
}

/* ---- holding ---- */

static void give_up(struct frag_table *t, struct lcore_stats *st, struct datagram *d,
		    enum drop_reason why)
{
	for (uint16_t i = 0; i < d->n; i++)
		burst_drop(st, d->piece[i].m, why);
	st->held -= d->n;
	t->n_pieces -= d->n;
	d->n = 0;
}

static void release(struct frag_table *t, struct datagram *d)
{
	d->until_ns = 0;
	t->n_used--;
}

static bool key_equal(const struct frag_key *a, const struct frag_key *b)
{
	return a->id == b->id && a->proto == b->proto && a->scope == b->scope &&
	       ip_equal(&a->src, &b->src) && ip_equal(&a->dst, &b->dst);
}

/* The datagram's entry, or a free one made ready for it; NULL: its bucket is full. */
static struct datagram *find(struct frag_table *t, struct lcore_stats *st, const struct frag_key *k,
			     uint64_t now)
{
	uint32_t at = (uint32_t)(key_hash(k, t->secret) >> 32) % t->n_buckets * WAYS;
	struct datagram *open = NULL;

	for (int i = 0; i < WAYS; i++) {
		struct datagram *d = &t->entries[at + (uint32_t)i];

		if (d->until_ns != 0 && d->until_ns <= now) {
			give_up(t, st, d, DROP_FRAG_TIMEOUT);
			release(t, d);
		}
		if (d->until_ns != 0 && key_equal(&d->key, k))
			return d;
		if (d->until_ns == 0)
			open = d;
	}
	if (open == NULL)
		return NULL;
	open->key = *k;
	open->until_ns = now + t->cfg.wait_ns;
	open->total = 0;
	open->have = 0;
	open->is_poisoned = false;
	t->n_used++;
	return open;
}

/* Where the piece goes, or why the datagram is refused. */
static enum drop_reason place(const struct datagram *d, const struct frag_piece *p, uint16_t *at)
{
	uint32_t end = (uint32_t)p->offset + p->len;
	uint16_t i = 0;

	if (p->len == 0 || end > DATAGRAM_MAX || (p->more && p->len % 8 != 0))
		return DROP_FRAG_BAD;
	if (d->total != 0 && (end > d->total || (!p->more && end != d->total)))
		return DROP_FRAG_BAD;
	while (i < d->n && d->piece[i].offset < p->offset)
		i++;
	if (i > 0 && d->piece[i - 1].offset + d->piece[i - 1].len > p->offset)
		return DROP_FRAG_OVERLAP;
	if (i < d->n && end > d->piece[i].offset)
		return DROP_FRAG_OVERLAP;
	if (!p->more && i < d->n)
		return DROP_FRAG_BAD;
	*at = i;
	return DROP_MAX;
}

/* The network may send one piece twice; that is no attack and no reason to lose the datagram. */
static bool is_repeat(const struct datagram *d, const struct frag_piece *p)
{
	for (uint16_t i = 0; i < d->n; i++) {
		if (d->piece[i].offset == p->offset && d->piece[i].len == p->len &&
		    d->piece[i].more == p->more)
			return true;
	}
	return false;
}

static unsigned int take_out(struct frag_table *t, struct lcore_stats *st, struct datagram *d,
			     struct frag_piece *out)
{
	unsigned int n = d->n;

	memcpy(out, d->piece, n * sizeof(*out));
	st->held -= n;
	t->n_pieces -= n;
	d->n = 0;
	release(t, d);
	return n;
}

unsigned int frag_put(struct frag_table *t, struct lcore_stats *st, const struct frag_key *k,
		      const struct frag_piece *p, uint64_t now, struct frag_piece *out)
{
	struct datagram *d = find(t, st, k, now);
	enum drop_reason why;
	uint16_t at = 0;

	if (d == NULL || d->n == FRAG_PIECES || t->n_pieces == t->cfg.pieces) {
		burst_drop(st, p->m, DROP_FRAG_FULL);
		return 0;
	}
	if (d->is_poisoned || is_repeat(d, p)) {
		burst_drop(st, p->m, DROP_FRAG_OVERLAP);
		return 0;
	}
	why = place(d, p, &at);
	if (why != DROP_MAX) {
		burst_drop(st, p->m, why);
		give_up(t, st, d, why);
		d->is_poisoned = true;
		return 0;
	}
	memmove(&d->piece[at + 1], &d->piece[at], (d->n - at) * sizeof(d->piece[0]));
	d->piece[at] = *p;
	d->n++;
	d->have += p->len;
	t->n_pieces++;
	st->held++;
	if (!p->more)
		d->total = (uint32_t)p->offset + p->len;
	return d->total != 0 && d->have == d->total ? take_out(t, st, d, out) : 0;
}

void frag_turn(struct frag_table *t, struct lcore_stats *st, uint64_t now)
{
	for (int i = 0; i < VISITS && t->n_used > 0; i++) {
		struct datagram *d = &t->entries[t->hand];

		t->hand = (t->hand + 1) % (t->n_buckets * WAYS);
		if (d->until_ns != 0 && d->until_ns <= now) {
			give_up(t, st, d, DROP_FRAG_TIMEOUT);
			release(t, d);
		}
	}
}

/* ---- joining ---- */

uint32_t frag_join(const struct frag_piece *p, unsigned int n, uint8_t *buf)
{
	const uint8_t *ip = rte_pktmbuf_mtod_offset(p[0].m, const uint8_t *, p[0].ip);
	bool v6 = ip[0] >> 4 == 6;
	uint32_t hdr = v6 ? IP6_HDR_LEN : p[0].header;
	uint32_t body = (uint32_t)p[n - 1].offset + p[n - 1].len;
	uint16_t check;

	if (hdr + body > DATAGRAM_MAX)
		return 0;
	memcpy(buf, ip, hdr);
	for (unsigned int i = 0; i < n; i++)
		memcpy(buf + hdr + p[i].offset,
		       rte_pktmbuf_mtod_offset(p[i].m, const uint8_t *, p[i].ip + p[i].header),
		       p[i].len);
	if (v6) {
		buf[6] = ip[p[0].header - IP6_FRAG_LEN];
		store_be16(buf + 4, (uint16_t)body);
		return hdr + body;
	}
	store_be16(buf + 2, (uint16_t)(hdr + body));
	store_be16(buf + 6, 0);
	store_be16(buf + 10, 0);
	check = (uint16_t)~csum_fold(csum_bytes(buf, hdr, 0));
	memcpy(buf + 10, &check, 2);
	return hdr + body;
}
