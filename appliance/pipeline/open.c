/* SPDX-License-Identifier: BSD-3-Clause */
#include "appliance/aead.h"
#include "appliance/leg_window.h"
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
	uint8_t *h; /* NTM header */
	uint64_t seq;
	uint8_t epoch, route;
	bool is_stranger; /* not from where the leg is on record */
};

static bool suite_pads(uint8_t suite)
{
	return suite == SUITE_AES128_CBC_HMAC_MD5 || suite == SUITE_AES128_CBC_HMAC_SHA256;
}

/* ---- before the tag ---- */

static enum drop_reason key_find(struct worker *w, struct opening *o)
{
	struct leg_table *t = w->rs->dp->legs;
	int64_t key;

	o->epoch = (o->h[1] & WIRE_EPOCH_MASK) >> WIRE_EPOCH_SHIFT;
	o->route = (o->h[1] & WIRE_ROUTE_MASK) >> WIRE_ROUTE_SHIFT;
	o->seq = load_be48(o->h + 2);
	if (o->route >= ROUTES)
		return DROP_NO_KEY;
	key = leg_key_at(o->leg, o->epoch);
	if (key < 0)
		return DROP_NO_KEY;
	o->key = &t->keys[key];
	rte_prefetch0(o->key);
	return DROP_MAX;
}

static void prefetch_records(const struct worker *w, const struct opening *o)
{
	const struct leg_table *t = w->rs->dp->legs;
	const struct replay *window = leg_window(t, o->key, o->route);
	uint32_t way = atomic_load_explicit(&o->leg->way, memory_order_relaxed);

	rte_prefetch0(&t->ways[way - (way != LEG_REF_NONE)]);
	rte_prefetch0(&t->subscribers[o->leg->subscriber]);
	if (likely(window != NULL)) {
		rte_prefetch0(window);
		rte_prefetch0(&window->bits[o->seq % REPLAY_WINDOW / REPLAY_WORD_BITS]);
	}
}

/* From where the node is on record, or from where anybody may be. */
static enum drop_reason source_reason(const struct worker *w, struct opening *o)
{
	const struct endpoint *src = &pkt_meta(o->m)->src;

	o->is_stranger = !endpoint_equal(&leg_way(w->rs->dp->legs, o->leg)->peer, src);
	return unlikely(o->is_stranger && !source_can_be(w, src)) ? DROP_IP_SOURCE : DROP_MAX;
}

static enum drop_reason may_open(const struct worker *w, struct opening *o)
{
	uint16_t len = pkt_meta(o->m)->data_len;
	enum drop_reason why = source_reason(w, o);

	if (unlikely(why != DROP_MAX))
		return why;
	if (unlikely(len < WIRE_OVERHEAD))
		return DROP_SEALED_LEN;
	if (unlikely(suite_pads(o->key->suite) &&
		     (len == WIRE_OVERHEAD || (len - WIRE_OVERHEAD) % SUITE_BLOCK_LEN != 0)))
		return DROP_SEALED_LEN;
	if (unlikely(w->now >= o->key->data_until_ns || o->seq >= w->rs->dp->key_hard_packets))
		return DROP_KEY_SPENT;
	return likely(leg_window_check(w->rs->dp->legs, o->key, o->route, o->seq)) ? DROP_MAX
										   : DROP_REPLAY;
}

/* ---- behind it ---- */

/* The number is now authentic. A window is taken when a route is first used; the same number may
 * have come twice in one burst, so it is looked at again.
 */
static enum drop_reason replay_note(struct worker *w, const struct opening *o)
{
	struct leg_table *t = w->rs->dp->legs;
	struct replay *r = leg_window(t, o->key, o->route);

	if (unlikely(r == NULL))
		r = leg_window_take(t, o->key, o->route);
	if (unlikely(r == NULL || replay_check(r, o->seq) != REPLAY_FRESH))
		return DROP_REPLAY;
	replay_commit(r, o->seq);
	return DROP_MAX;
}

static void tell(struct worker *w, const struct opening *o, enum rs_event_type type)
{
	const struct pkt_meta *meta = pkt_meta(o->m);
	int local = rs_local_find(w->rs->dp, &meta->dst);
	struct rs_event ev = {
		.type = type,
		.epoch = o->epoch,
		.local = local < 0 ? 0 : (uint16_t)local,
		.len = meta->data_len,
		.src = meta->src,
		.id = load_be64(o->h + 8),
	};

	rs_event_put(w, type == RS_EV_EPOCH_SEEN ? RS_CLASS_SEALED : RS_CLASS_HINT, &ev);
}

/* A new source with the highest number so far may be the node behind a new NAT mapping. */
static void watch_source(struct worker *w, const struct opening *o)
{
	uint32_t ms = (uint32_t)(w->now / 1000000) | 1;
	uint32_t last;

	if (likely(!o->is_stranger))
		return;
	if (leg_window(w->rs->dp->legs, o->key, o->route)->next != o->seq + 1)
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

/* A whole inner packet: the checks of protocol.md "after the tag". */
static enum drop_reason inner_take(struct worker *w, const struct opening *o, struct rte_mbuf *m,
				   uint8_t outer_tos)
{
	uint8_t *ip = rte_pktmbuf_mtod(m, uint8_t *);
	struct subscriber *s = &w->rs->dp->legs->subscribers[o->leg->subscriber];
	size_t len;

	if (unlikely(inner_check(ip, rte_pktmbuf_data_len(m), suite_pads(o->key->suite), &len) !=
		     INNER_OK))
		return DROP_INNER_BAD;
	pkt_cut(m, 0, (uint16_t)len);
	if (unlikely(!is_from_node(o->leg, ip)))
		return DROP_INNER_SOURCE;
	if (unlikely((outer_tos & ECN_MASK) == ECN_CE)) {
		enum drop_reason why = ecn_inside(ip);

		if (why != DROP_MAX)
			return why;
	}
	s->rx_packets++;
	s->rx_bytes += len;
	s->last_rx_tick = nat_tick(w->now);
	return DROP_MAX;
}

static void deliver(struct worker *w, const struct opening *o, const struct aead_op *op)
{
	struct rte_mbuf *m = o->m;
	struct pkt_meta *meta = pkt_meta(m);
	const uint8_t *outer = pkt_l3(m);
	uint8_t type = o->h[0] & 15;
	uint8_t tos = meta->flags & PKT_IPV6 ? (uint8_t)(load_be16(outer) >> 4) : outer[1];
	enum drop_reason why;

	pkt_cut(m, meta->data + WIRE_HDR_LEN, op->out_len);
	if (unlikely(type != WIRE_DATA)) {
		m = part_join(w, m, load_be64(o->h + 8), o->h[1], o->seq, type == WIRE_DATA_SECOND);
		if (m == NULL)
			return;
		pkt_meta(m)->leg = o->leg;
	}
	why = inner_take(w, o, m, tos);
	if (unlikely(why != DROP_MAX)) {
		burst_drop(&w->stats, m, why);
		return;
	}
	w->stats.opened++;
	burst_push(&w->stats, &w->lanes.nat_out, m);
}

static void after_tag(struct worker *w, const struct opening *o, const struct aead_op *op)
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
	watch_source(w, o);
	deliver(w, o, op);
}

/* The inner headers were last written by whoever did the cipher. */
static void prefetch_inner(const struct opening *o, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++) {
		rte_prefetch0(o[i].h + WIRE_HDR_LEN);
		rte_prefetch0(o[i].h + WIRE_HDR_LEN + RTE_CACHE_LINE_SIZE);
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

static void drop_all(struct worker *w, struct rte_mbuf **pkt, uint16_t n, enum drop_reason why)
{
	for (uint16_t i = 0; i < n; i++)
		burst_drop(&w->stats, pkt[i], why);
}

_Static_assert(sizeof(struct opening) <= BATCH_NOTE, "notes of a batch");

static void open_some(struct worker *w, struct rte_mbuf **pkt, uint16_t n)
{
	const struct leg_table *t = w->rs->dp->legs;
	struct batch *b = share_begin(w);
	struct opening *o;
	uint16_t kept = 0, good = 0;
	enum drop_reason why;

	if (unlikely(b == NULL)) {
		drop_all(w, pkt, n, DROP_SHARE_FULL);
		return;
	}
	o = (struct opening *)(void *)b->note;
	for (uint16_t i = 0; i < n; i++) {
		struct opening *p = &o[kept];

		*p = (struct opening){
			.m = pkt[i], .leg = pkt_meta(pkt[i])->leg, .h = pkt_data(pkt[i])};
		why = key_find(w, p);
		if (likely(why == DROP_MAX))
			kept++;
		else
			burst_drop(&w->stats, pkt[i], why);
	}
	/* Those of one leg in a row share all of it. */
	for (uint16_t i = 0; i < kept; i++)
		if (i == 0 || o[i].key != o[i - 1].key || o[i].route != o[i - 1].route)
			prefetch_records(w, &o[i]);
	for (uint16_t i = 0; i < kept; i++) {
		why = may_open(w, &o[i]);
		if (unlikely(why != DROP_MAX)) {
			burst_drop(&w->stats, o[i].m, why);
			continue;
		}
		if (unlikely(good != i))
			o[good] = o[i];
		b->op[good] = (struct aead_op){
			.suite = o[i].key->suite,
			.body_len = (uint16_t)(pkt_meta(o[i].m)->data_len - WIRE_OVERHEAD),
			.keys = leg_key_rx(t, o[i].key),
			.iv = o[i].key->rx_iv,
			.pkt = o[i].h,
		};
		good++;
	}
	b->n = good;
	b->work = open_work;
	b->finish = open_finish;
	share_commit(w, b);
}

void open_stage(struct worker *w)
{
	struct burst *b = &w->lanes.open;

	for (uint16_t i = 0; i < b->n; i += AEAD_BURST)
		open_some(w, b->pkt + i, RTE_MIN((uint16_t)(b->n - i), (uint16_t)AEAD_BURST));
	b->n = 0;
}
