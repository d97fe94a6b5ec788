/* SPDX-License-Identifier: BSD-3-Clause */
#include "appliance/aead.h"
#include "appliance/leg_window.h"
#include "appliance/pipeline/nat_quick.h"
#include "appliance/pipeline/outer.h"
#include "appliance/pipeline/part.h"
#include "appliance/pipeline/share.h"
#include "appliance/rs_worker.h"
#include "appliance/worker.h"
#include "common/inner.h"
#include "common/wire.h"

#include <rte_prefetch.h>

/* RS-N, from the node: replay check, tag, what may stand behind it. Loops over up to
 * AEAD_BURST packets, so that windows and records of all are under way while the first is opened.
 */
enum {
	ECN_MASK = 3,
	ECN_CE = 3,
	ROUTES = 3, /* route 3 is for a standby RS */
	REBIND_MS = 100,
};

/* One packet between the loops. */
struct opening {
	struct rte_mbuf *m;
	struct leg *leg;
	struct leg_key *key;
	uint8_t *ntm; /* header; UDP's and IP's are in front of it */
	uint16_t len; /* from there to the end of the tag */
	uint16_t ip_len, iface, flags;
	bool is_stranger; /* not from where the leg is on record */
	bool is_like;	  /* of the leg, epoch and route of the one before it */
};
_Static_assert(sizeof(struct opening) <= BATCH_NOTE, "notes of a batch");

/* All that packets of one key, epoch and route have in common: looked up once for those in a row. */
struct opener {
	const struct leg_key *key;
	bool pads, is_spent;
	const struct endpoint *peer; /* where the leg's node is on record */
	uint32_t peer4; /* as in an IPv4 header, and the port likewise; 0: it is IPv6 */
	uint16_t port;
	const uint8_t *keys, *iv; /* expanded; in them */
};

static bool suite_pads(uint8_t suite)
{
	return suite == SUITE_AES128_CBC_HMAC_MD5 || suite == SUITE_AES128_CBC_HMAC_SHA256;
}

static uint8_t epoch_of(const struct opening *o)
{
	return (o->ntm[1] & WIRE_EPOCH_MASK) >> WIRE_EPOCH_SHIFT;
}

static uint8_t route_of(const struct opening *o)
{
	return (o->ntm[1] & WIRE_ROUTE_MASK) >> WIRE_ROUTE_SHIFT;
}

static uint64_t seq_of(const struct opening *o)
{
	return load_be48(o->ntm + 2);
}

static const uint8_t *udp_of(const struct opening *o)
{
	return o->ntm - UDP_HDR_LEN;
}

static const uint8_t *ip_of(const struct opening *o)
{
	return udp_of(o) - o->ip_len;
}

/* ---- before the tag ---- */

static enum drop_reason key_find(struct worker *w, struct opening *o)
{
	struct leg_table *t = w->rs->dp->legs;
	int64_t key;

	if (route_of(o) >= ROUTES)
		return DROP_NO_KEY;
	key = leg_key_at(o->leg, epoch_of(o));
	if (key < 0)
		return DROP_NO_KEY;
	o->key = &t->keys[key];
	leg_key_prefetch(o->key);
	return DROP_MAX;
}

static void prefetch_records(const struct worker *w, const struct opening *o)
{
	const struct leg_table *t = w->rs->dp->legs;
	const struct replay *window = leg_window(t, o->key, route_of(o));
	uint32_t way = atomic_load_explicit(&o->leg->way, memory_order_relaxed);

	rte_prefetch0(&t->ways[way - (way != LEG_REF_NONE)]);
	rte_prefetch0(&t->subscribers[o->leg->subscriber]);
	if (likely(window != NULL)) {
		rte_prefetch0(window);
		rte_prefetch0(&window->bits[seq_of(o) % REPLAY_WINDOW / REPLAY_WORD_BITS]);
	}
}

static void opener_set(const struct worker *w, struct opener *c, const struct opening *o)
{
	const struct leg_table *t = w->rs->dp->legs;

	*c = (struct opener){
		.key = o->key,
		.pads = suite_pads(o->key->suite),
		.is_spent = w->now >= o->key->data_until_ns,
		.peer = &leg_way(t, o->leg)->peer,
		.keys = leg_key_rx(t, o->key),
	};
	c->iv = aead_key_iv(c->keys, t->key_bytes);
	if (likely(ip_is_v4(&c->peer->ip))) {
		c->peer4 = ip_v4(&c->peer->ip);
		c->port = rte_cpu_to_be_16(c->peer->port);
	}
}

/* From where the node is on record, or from where anybody may be. */
static __attribute__((noinline)) enum drop_reason
source_ask(const struct worker *w, const struct opener *c, struct opening *o)
{
	struct endpoint src, dst;

	outer_endpoints(ip_of(o), udp_of(o), &src, &dst);
	o->is_stranger = !endpoint_equal(c->peer, &src);
	return o->is_stranger && !source_can_be(w, &src) ? DROP_IP_SOURCE : DROP_MAX;
}

static __rte_always_inline bool is_peer4(const struct opener *c, const struct opening *o)
{
	const uint8_t *ip = ip_of(o);
	uint32_t addr;
	uint16_t port;

	memcpy(&addr, ip + 12, sizeof(addr));
	memcpy(&port, udp_of(o), sizeof(port));
	return addr == c->peer4 && port == c->port && ip[0] >> 4 == 4;
}

static __rte_always_inline enum drop_reason may_open(const struct worker *w, const struct opener *c,
						     struct opening *o)
{
	uint64_t seq = seq_of(o);

	if (unlikely(!is_peer4(c, o))) {
		enum drop_reason why = source_ask(w, c, o);

		if (unlikely(why != DROP_MAX))
			return why;
	}
	if (unlikely(o->len < WIRE_OVERHEAD))
		return DROP_SEALED_LEN;
	if (unlikely(c->pads &&
		     (o->len == WIRE_OVERHEAD || (o->len - WIRE_OVERHEAD) % SUITE_BLOCK_LEN != 0)))
		return DROP_SEALED_LEN;
	if (unlikely(c->is_spent || seq >= w->rs->dp->key_hard_packets))
		return DROP_KEY_SPENT;
	return likely(leg_window_check(w->rs->dp->legs, c->key, route_of(o), seq)) ? DROP_MAX
										   : DROP_REPLAY;
}

/* ---- behind it ---- */

/* The number is now authentic. A window is taken when a route is first used; the same number may
 * have come twice in one burst, so it is looked at again.
 */
static __rte_always_inline enum drop_reason replay_note(struct worker *w, const struct opening *o)
{
	struct leg_table *t = w->rs->dp->legs;
	struct replay *r = leg_window(t, o->key, route_of(o));
	uint64_t seq = seq_of(o);

	if (unlikely(r == NULL))
		r = leg_window_take(t, o->key, route_of(o));
	if (unlikely(r == NULL || replay_check(r, seq) != REPLAY_FRESH))
		return DROP_REPLAY;
	replay_commit(r, seq);
	return DROP_MAX;
}

static void tell(struct worker *w, const struct opening *o, enum rs_event_type type)
{
	struct rs_event ev = {
		.type = type,
		.epoch = epoch_of(o),
		.len = o->len,
		.id = load_be64(o->ntm + 8),
	};
	struct endpoint dst;
	int local;

	outer_endpoints(ip_of(o), udp_of(o), &ev.src, &dst);
	local = rs_local_find(w->rs->dp, &dst);
	ev.local = local < 0 ? 0 : (uint16_t)local;
	rs_event_put(w, type == RS_EV_EPOCH_SEEN ? RS_CLASS_SEALED : RS_CLASS_HINT, &ev);
}

/* A new source with the highest number so far may be the node behind a new NAT mapping. */
static __attribute__((noinline)) void watch_source(struct worker *w, const struct opening *o)
{
	uint32_t ms = (uint32_t)(w->now / 1000000) | 1;
	uint32_t last;

	if (leg_window(w->rs->dp->legs, o->key, route_of(o))->next != seq_of(o) + 1)
		return;
	last = atomic_load_explicit(&o->leg->rebind_ms, memory_order_relaxed);
	if (last != 0 && ms - last < REBIND_MS)
		return;
	atomic_store_explicit(&o->leg->rebind_ms, ms, memory_order_relaxed);
	tell(w, o, RS_EV_REBIND);
}

/* RFC 6040 section 4.2: congestion noted on the outer header goes inside, or the packet goes. */
static enum drop_reason ecn_inside(uint8_t *ip)
{
	bool v6 = ip[0] >> 4 == 6;
	uint8_t tos = v6 ? (uint8_t)(load_be16(ip) >> 4) : ip[1];
	uint16_t check;

	if ((tos & ECN_MASK) == 0)
		return DROP_ECN;
	if (v6) {
		store_be16(ip, (uint16_t)(load_be16(ip) | ECN_CE << 4));
		return DROP_MAX;
	}
	memcpy(&check, ip + 10, 2);
	check = csum_replace(check, csum_be16(tos), csum_be16((uint16_t)(tos | ECN_CE)));
	memcpy(ip + 10, &check, 2);
	ip[1] |= ECN_CE;
	return DROP_MAX;
}

static bool is_from_node(const struct leg *leg, const uint8_t *ip)
{
	if (ip[0] >> 4 == 4)
		return leg->vip4 != 0 && memcmp(ip + 12, &leg->vip4, 4) == 0;
	return memcmp(ip + 8, leg->vip6.b, 16) == 0;
}

static uint8_t outer_tos(const struct opening *o)
{
	const uint8_t *ip = ip_of(o);

	return ip[0] >> 4 == 6 ? (uint8_t)(load_be16(ip) >> 4) : ip[1];
}

static __rte_always_inline void inner_count(struct worker *w, const struct leg *leg, size_t len)
{
	struct subscriber *s = &w->rs->dp->legs->subscribers[leg->subscriber];

	s->rx_packets++;
	s->rx_bytes += len;
	s->last_rx_tick = nat_tick(w->now);
	w->stats.opened++;
}

/* A whole inner packet: the checks of protocol.md "after the tag". */
static enum drop_reason inner_take(struct worker *w, const struct opening *o, struct rte_mbuf *m)
{
	uint8_t *ip = rte_pktmbuf_mtod(m, uint8_t *);
	size_t len;

	if (inner_check(ip, rte_pktmbuf_data_len(m), suite_pads(o->key->suite), &len) != INNER_OK)
		return DROP_INNER_BAD;
	pkt_cut(m, 0, (uint16_t)len);
	if (!is_from_node(o->leg, ip))
		return DROP_INNER_SOURCE;
	if ((outer_tos(o) & ECN_MASK) == ECN_CE) {
		enum drop_reason why = ecn_inside(ip);

		if (why != DROP_MAX)
			return why;
	}
	inner_count(w, o->leg, len);
	pkt_meta(m)->flags = o->flags | (nat_quick_is(ip, (uint16_t)len) ? PKT_PLAIN : 0);
	return DROP_MAX;
}

/* Of any kind; m is the inner packet, or a part of one. */
static __attribute__((noinline)) void deliver_any(struct worker *w, const struct opening *o)
{
	uint8_t type = o->ntm[0] & 15;
	struct rte_mbuf *m = o->m;
	enum drop_reason why;

	if (type != WIRE_DATA) {
		m = part_join(w, m, load_be64(o->ntm + 8), o->ntm[1], seq_of(o),
			      type == WIRE_DATA_SECOND);
		if (m == NULL)
			return;
	}
	why = inner_take(w, o, m);
	if (unlikely(why != DROP_MAX)) {
		burst_drop(&w->stats, m, why);
		return;
	}
	pkt_meta(m)->leg = o->leg;
	pkt_meta(m)->iface = o->iface;
	burst_push(&w->stats, &w->lanes.nat_out, m);
}

/* From the node's IPv4 address, whole and such as nat_quick.h means: then inner_check() holds too. */
static __rte_always_inline bool is_plain(const struct opening *o, const uint8_t *ip, uint16_t len)
{
	uint32_t src;

	if (unlikely(!nat_quick_is(ip, len)))
		return false;
	memcpy(&src, ip + 12, sizeof(src));
	return src == o->leg->vip4 && src != 0 && (o->ntm[0] & 15) == WIRE_DATA &&
	       (outer_tos(o) & ECN_MASK) != ECN_CE;
}

static __rte_always_inline void deliver(struct worker *w, const struct opening *o, uint16_t len)
{
	struct rte_mbuf *m = o->m;
	struct pkt_meta *meta = pkt_meta(m);
	uint8_t *ip = o->ntm + WIRE_HDR_LEN;

	m->data_off = (uint16_t)(ip - (uint8_t *)m->buf_addr);
	pkt_cut(m, 0, len);
	if (unlikely(!is_plain(o, ip, len))) {
		deliver_any(w, o);
		return;
	}
	meta->leg = o->leg;
	meta->iface = o->iface;
	meta->flags = o->flags | PKT_PLAIN;
	inner_count(w, o->leg, len);
	burst_push(&w->stats, &w->lanes.nat_out, m);
}

static __rte_always_inline void after_tag(struct worker *w, const struct opening *o,
					  const struct aead_op *op)
{
	enum drop_reason why = op->ok ? replay_note(w, o) : DROP_AUTH;

	if (unlikely(why != DROP_MAX)) {
		burst_drop(&w->stats, o->m, why);
		return;
	}
	if (unlikely((o->key->flags & KEY_SEEN) == 0)) {
		o->key->flags |= KEY_SEEN;
		tell(w, o, RS_EV_EPOCH_SEEN);
	}
	if (unlikely(o->is_stranger))
		watch_source(w, o);
	deliver(w, o, op->out_len);
}

/* The inner headers were last written by whoever did the cipher. */
static void prefetch_inner(const struct opening *o, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++) {
		rte_prefetch0(o[i].ntm + WIRE_HDR_LEN);
		rte_prefetch0(o[i].ntm + WIRE_HDR_LEN + RTE_CACHE_LINE_SIZE);
	}
}

static void open_finish(struct worker *w, struct batch *b)
{
	const struct opening *o = (const struct opening *)(const void *)b->note;

	if (b != &w->rs->fifo->own)
		prefetch_inner(o, b->n);
	for (uint16_t i = 0; i < b->n; i++)
		after_tag(w, &o[i], &b->op[i]);
}

static void open_work(struct aead *a, struct batch *b)
{
	aead_open(a, b->op, b->n);
}

/* n packets of the sealed lane, from the first on, whose keys are on their way; how many stay. */
static uint16_t keys_find(struct worker *w, struct opening *o, uint16_t first, uint16_t n)
{
	const struct hops *h = &w->sealed;
	enum drop_reason why;
	uint16_t kept = 0;

	for (uint16_t i = first; i < first + n; i++) {
		struct opening *p = &o[kept];

		*p = (struct opening){
			.m = h->m[i],
			.leg = h->leg[i],
			.ntm = h->ntm[i],
			.len = h->len[i],
			.ip_len = h->ip_len[i],
			.iface = h->note[i].iface,
			.flags = h->note[i].flags,
		};
		if (likely(kept > 0 && p->leg == p[-1].leg && p->ntm[1] == p[-1].ntm[1])) {
			p->key = p[-1].key;
			p->is_like = true;
			kept++;
			continue;
		}
		why = key_find(w, p);
		if (likely(why == DROP_MAX))
			kept++;
		else
			burst_drop(&w->stats, p->m, why);
	}
	return kept;
}

/* Those that may be opened become ops; how many there are. */
static uint16_t ops_make(struct worker *w, struct opening *o, uint16_t n, struct aead_op *op)
{
	struct opener c = {.key = NULL}; /* the first is like none */
	enum drop_reason why;
	uint16_t good = 0;

	for (uint16_t i = 0; i < n; i++) {
		if (!o[i].is_like)
			opener_set(w, &c, &o[i]);
		why = may_open(w, &c, &o[i]);
		if (unlikely(why != DROP_MAX)) {
			burst_drop(&w->stats, o[i].m, why);
			continue;
		}
		if (unlikely(good != i))
			o[good] = o[i];
		op[good++] = (struct aead_op){
			.suite = c.key->suite,
			.body_len = (uint16_t)(o[i].len - WIRE_OVERHEAD),
			.keys = c.keys,
			.iv = c.iv,
			.pkt = o[i].ntm,
		};
	}
	return good;
}

static void open_some(struct worker *w, uint16_t first, uint16_t n)
{
	struct batch *b = share_begin(w);
	struct opening *o;

	if (unlikely(b == NULL)) {
		for (uint16_t i = first; i < first + n; i++)
			burst_drop(&w->stats, w->sealed.m[i], DROP_SHARE_FULL);
		return;
	}
	o = (struct opening *)(void *)b->note;
	n = keys_find(w, o, first, n);
	for (uint16_t i = 0; i < n; i++)
		if (!o[i].is_like) /* else it shares all of it */
			prefetch_records(w, &o[i]);
	b->n = ops_make(w, o, n, b->op);
	b->work = open_work;
	b->finish = open_finish;
	share_commit(w, b);
}

void open_stage(struct worker *w)
{
	const uint16_t n = w->sealed.n;

	for (uint16_t i = 0; i < n; i += AEAD_BURST)
		open_some(w, i, RTE_MIN((uint16_t)(n - i), (uint16_t)AEAD_BURST));
	w->sealed.n = 0;
}
