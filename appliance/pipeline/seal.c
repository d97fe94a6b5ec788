/* SPDX-License-Identifier: BSD-3-Clause */
#include "appliance/pipeline/seal.h"

#include "appliance/aead.h"
#include "appliance/iface.h"
#include "appliance/pipeline/outer.h"
#include "appliance/pipeline/share.h"
#include "appliance/rs_worker.h"
#include "appliance/worker.h"
#include "common/wire.h"

#include <rte_ether.h>
#include <rte_prefetch.h>

/* RS-N, to the node: seal under the leg's sending key, with this worker's own sequence, and put the
 * outer headers around it. The control lcore seals the same leg's control on route 1.
 */
enum { OUTER_TTL = 64, SPENT_TELL_SEC = 5 };

/* One packet between the loops. */
struct sealing {
	struct rte_mbuf *m;
	const struct leg_way *way;
	struct leg_key *key;
	uint32_t nexthop;
	uint8_t tos, type, epoch;
};
_Static_assert(sizeof(struct sealing) <= BATCH_NOTE, "notes of a batch");

static bool suite_pads(uint8_t suite)
{
	return suite == SUITE_AES128_CBC_HMAC_MD5 || suite == SUITE_AES128_CBC_HMAC_SHA256;
}

static uint32_t nexthop_of(const struct worker *w, const struct leg_way *way)
{
	struct leg_way *hint = (struct leg_way *)(uintptr_t)way;
	uint32_t gen = fib_generation(w->fib);

	if (unlikely(atomic_load_explicit(&hint->route_gen, memory_order_relaxed) != gen)) {
		atomic_store_explicit(&hint->nexthop, route_lookup(w, &way->peer.ip),
				      memory_order_relaxed);
		atomic_store_explicit(&hint->route_gen, gen, memory_order_relaxed);
	}
	return atomic_load_explicit(&hint->nexthop, memory_order_relaxed);
}

static uint16_t outer_mtu(const struct worker *w, const struct leg_way *way, uint32_t nexthop)
{
	uint16_t link = w->ifaces[w->nexthops[nexthop].iface].mtu;

	return way->mtu != 0 && way->mtu < link ? way->mtu : link;
}

/* Bytes of body that fit into an outer packet. */
static uint16_t body_room(uint16_t mtu, const struct leg_way *way, uint8_t suite)
{
	unsigned int used = outer_len(&way->peer.ip) + UDP_HDR_LEN + WIRE_OVERHEAD;
	uint16_t room = mtu > used ? (uint16_t)(mtu - used) : 0;

	return suite_pads(suite) ? (uint16_t)(room & ~(SUITE_BLOCK_LEN - 1)) : room;
}

uint16_t seal_inner_mtu(const struct worker *w, const struct leg *leg)
{
	const struct leg_table *t = w->rs->dp->legs;
	const struct leg_way *way = leg_way(t, leg);
	uint32_t nexthop = nexthop_of(w, way);
	int64_t key = leg_key_at(leg, atomic_load_explicit(&leg->tx_epoch, memory_order_acquire));
	uint8_t suite = key < 0 ? (uint8_t)SUITE_AES128_GCM : t->keys[key].suite;
	uint16_t most = suite_pads(suite) ? RS_TUNNEL_MTU_CBC : RS_TUNNEL_MTU, room;

	if (nexthop == NEXTHOP_NONE)
		return most;
	room = body_room(outer_mtu(w, way, nexthop), way, suite);
	room = RTE_MIN(room, most);
	return RTE_MAX(room, (uint16_t)RS_INNER_MIN);
}

/* ---- before sealing ---- */

static void tell_soft(struct worker *w, const struct leg *leg, uint8_t epoch)
{
	struct rs_event ev = {
		.type = RS_EV_KEY_SOFT,
		.epoch = epoch,
		.id = atomic_load_explicit(&leg->index, memory_order_relaxed),
	};

	rs_event_put(w, RS_CLASS_SEALED, &ev);
}

/* A node at rest makes no new keys: it is asked to, again while somebody sends to it. */
static void tell_spent(struct worker *w, const struct leg *leg, const struct sealing *s)
{
	uint16_t sec = (uint16_t)(w->now / 1000000000);

	if ((s->key->flags & KEY_SPENT_TOLD) != 0 &&
	    (uint16_t)(sec - s->key->spent_told_sec) < SPENT_TELL_SEC)
		return;
	s->key->flags |= KEY_SPENT_TOLD;
	s->key->spent_told_sec = sec;
	tell_soft(w, leg, s->epoch);
}

/* The next sequence of the leg's sending key on the way's route. */
static enum drop_reason seq_take(struct worker *w, const struct leg *leg, const struct sealing *s,
				 uint32_t *seq)
{
	_Atomic uint32_t *next = &s->key->tx_seq[s->way->route >> 1];
	const struct rs_dp *dp = w->rs->dp;

	*seq = atomic_load_explicit(next, memory_order_relaxed);
	if (unlikely(*seq >= dp->key_hard_packets || w->now >= s->key->data_until_ns)) {
		tell_spent(w, leg, s);
		return DROP_KEY_SPENT;
	}
	if (unlikely(*seq >= dp->key_soft_packets && (s->key->flags & KEY_SOFT_TOLD) == 0)) {
		s->key->flags |= KEY_SOFT_TOLD;
		tell_soft(w, leg, s->epoch);
	}
	atomic_store_explicit(next, *seq + 1, memory_order_relaxed);
	return DROP_MAX;
}

static enum drop_reason way_check(struct worker *w, const struct leg *leg, struct sealing *s)
{
	struct leg_table *t = w->rs->dp->legs;
	uint8_t flags = atomic_load_explicit(&leg->flags, memory_order_acquire);
	int64_t key;

	if (unlikely((flags & LEG_CONFIRMED) == 0))
		return DROP_LEG_UNCONFIRMED;
	s->way = leg_way(t, leg);
	s->epoch = atomic_load_explicit(&leg->tx_epoch, memory_order_acquire);
	key = leg_key_at(leg, s->epoch);
	if (unlikely(key < 0))
		return DROP_NO_KEY;
	s->key = &t->keys[key];
	rte_prefetch0(s->key);
	s->nexthop = nexthop_of(w, s->way);
	return likely(s->nexthop != NEXTHOP_NONE) ? DROP_MAX : DROP_NO_ROUTE;
}

/* Header in front of the body, credit, room behind it. */
static enum drop_reason header_put(struct worker *w, const struct leg *leg, struct sealing *s)
{
	uint16_t body = rte_pktmbuf_data_len(s->m), sealed = aead_sealed_len(s->key->suite, body);
	uint32_t outer = outer_len(&s->way->peer.ip) + UDP_HDR_LEN + sealed, seq;
	enum drop_reason why;

	if (unlikely(s->way->limited &&
		     !leg_credit_take(&w->rs->dp->legs->credit[leg->slot], outer, w->now)))
		return DROP_LEG_CREDIT;
	if (unlikely(rte_pktmbuf_headroom(s->m) < WIRE_HDR_LEN + UDP_HDR_LEN + IP6_HDR_LEN ||
		     rte_pktmbuf_tailroom(s->m) + body + WIRE_HDR_LEN < sealed))
		return DROP_HEADROOM;
	why = seq_take(w, leg, s, &seq);
	if (unlikely(why != DROP_MAX))
		return why;
	pkt_cut(s->m, -WIRE_HDR_LEN, sealed);
	wire_build(rte_pktmbuf_mtod(s->m, void *), s->type,
		   wire_flags(false, s->epoch, s->way->route), seq, s->key->peer_index);
	return DROP_MAX;
}

/* ---- parts ---- */

/* The inner packet does not fit at once: its second half goes into a packet of its own. The first
 * part is whole blocks, as CBC asks for.
 */
static struct rte_mbuf *second_part(struct worker *w, struct sealing *s, uint16_t room)
{
	uint16_t len = rte_pktmbuf_data_len(s->m);
	uint16_t first = (uint16_t)RTE_MIN(((len / 2 + 15) & ~15), room & ~15);
	struct rte_mbuf *m;

	if (len > RS_INNER_MIN || len - first > room)
		return NULL;
	m = worker_alloc(w);
	if (m == NULL)
		return NULL;
	memcpy(rte_pktmbuf_append(m, (uint16_t)(len - first)),
	       rte_pktmbuf_mtod_offset(s->m, void *, first), (size_t)(len - first));
	rte_pktmbuf_trim(s->m, (uint16_t)(len - first));
	pkt_meta(m)->leg = pkt_meta(s->m)->leg;
	return m;
}

/* ---- behind it ---- */

static void udp_sum(uint8_t *udp, uint64_t rest)
{
	uint16_t check = (uint16_t)~csum_fold(csum_bytes(udp, UDP_HDR_LEN, rest));

	if (check == 0)
		check = 0xffff;
	memcpy(udp + 6, &check, 2);
}

/* The port finishes what the pseudo header begins, and writes IPv4's sum anew. */
static void ask_port(const struct worker *w, const struct sealing *s, uint8_t *udp, uint64_t pseudo)
{
	const struct iface *f = &w->ifaces[w->nexthops[s->nexthop].iface];
	bool v4 = ip_is_v4(&s->way->peer.ip);
	uint16_t begin = csum_fold(pseudo);

	s->m->l2_len = RTE_ETHER_HDR_LEN + (f->vlan != 0 ? RTE_VLAN_HLEN : 0);
	s->m->l3_len = outer_len(&s->way->peer.ip);
	s->m->ol_flags = RTE_MBUF_F_TX_UDP_CKSUM |
			 (v4 ? RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IP_CKSUM : RTE_MBUF_F_TX_IPV6);
	memcpy(udp + 6, &begin, 2);
	if (v4)
		store_be16(udp - IP4_HDR_LEN + 10, 0);
}

static void outer_put(struct worker *w, const struct sealing *s, const struct aead_op *op)
{
	const struct endpoint *own = &w->rs->dp->locals[s->way->local].ep;
	const struct endpoint *peer = &s->way->peer;
	uint16_t ip_len = (uint16_t)outer_len(&peer->ip);
	uint16_t len = (uint16_t)(UDP_HDR_LEN + rte_pktmbuf_data_len(s->m));
	uint8_t *udp = rte_pktmbuf_mtod(s->m, uint8_t *) - UDP_HDR_LEN;
	struct outer o = {
		.src = &own->ip,
		.dst = &peer->ip,
		.tos = s->tos, /* RFC 6040 section 4.1, normal mode */
		.ttl = OUTER_TTL,
		.proto = IPPROTO_UDP,
		.flow = (uint32_t)(s->key->peer_index >> 20),
	};

	pkt_cut(s->m, -(UDP_HDR_LEN + ip_len), (uint16_t)(ip_len + len));
	store_be16(udp, own->port);
	store_be16(udp + 2, peer->port);
	store_be16(udp + 4, len);
	store_be16(udp + 6, 0);
	outer_write(udp, len, &o);
	if (!op->wants_sum)
		ask_port(w, s, udp, csum_pseudo(&own->ip, &peer->ip, IPPROTO_UDP, len));
	else
		udp_sum(udp, op->sum + csum_pseudo(&own->ip, &peer->ip, IPPROTO_UDP, len));
	pkt_meta(s->m)->nexthop = s->nexthop;
	burst_push(&w->stats, &w->lanes.tx, s->m);
}

static struct sealing *sealings(struct batch *b)
{
	return (struct sealing *)(void *)b->note;
}

static void batch_add(struct worker *w, struct batch *b, const struct leg *leg, struct sealing *s)
{
	uint16_t body = rte_pktmbuf_data_len(s->m);
	const struct leg_table *t = w->rs->dp->legs;
	enum drop_reason why = header_put(w, leg, s);

	if (unlikely(why != DROP_MAX)) {
		burst_drop(&w->stats, s->m, why);
		return;
	}
	b->op[b->n] = (struct aead_op){
		.suite = s->key->suite,
		.body_len = body,
		.keys = leg_key_tx(t, s->key),
		.iv = s->key->tx_iv,
		.pkt = rte_pktmbuf_mtod(s->m, uint8_t *),
		.wants_sum = !w->ifaces[w->nexthops[s->nexthop].iface].tx_checksum,
	};
	sealings(b)[b->n++] = *s;
}

static void seal_work(struct aead *a, struct batch *b)
{
	aead_seal(a, b->op, b->n);
}

static void seal_finish(struct worker *w, struct batch *b)
{
	const struct sealing *s = sealings(b);

	for (uint16_t i = 0; i < b->n; i++) {
		if (likely(b->op[i].ok)) {
			outer_put(w, &s[i], &b->op[i]);
			w->stats.sealed++;
		} else {
			burst_drop(&w->stats, s[i].m, DROP_AUTH);
		}
	}
}

/* Two sequence numbers of one route, one after the other, in one batch. */
static __attribute__((noinline)) bool in_two_parts(struct worker *w, struct batch *b,
						   const struct leg *leg, struct sealing *s,
						   uint16_t room)
{
	struct sealing second = *s;

	second.m = second_part(w, s, room);
	if (second.m == NULL) {
		burst_drop(&w->stats, s->m, DROP_MTU);
		return false;
	}
	s->type = WIRE_DATA_FIRST;
	second.type = WIRE_DATA_SECOND;
	batch_add(w, b, leg, s);
	batch_add(w, b, leg, &second);
	return true;
}

static void seal_one(struct worker *w, struct batch *b, struct sealing *s)
{
	const struct leg *leg = pkt_meta(s->m)->leg;
	struct subscriber *sub = &w->rs->dp->legs->subscribers[leg->subscriber];
	uint16_t room = body_room(outer_mtu(w, s->way, s->nexthop), s->way, s->key->suite);
	uint16_t len = rte_pktmbuf_data_len(s->m);

	if (likely(len <= room))
		batch_add(w, b, leg, s);
	else if (!in_two_parts(w, b, leg, s, room))
		return;
	sub->tx_packets++;
	sub->tx_bytes += len;
}

static void seal_some(struct worker *w, struct rte_mbuf **pkt, uint16_t n)
{
	struct sealing s[AEAD_BURST / 2];
	struct batch *b = share_begin(w);
	uint16_t kept = 0;

	if (unlikely(b == NULL)) {
		for (uint16_t i = 0; i < n; i++)
			burst_drop(&w->stats, pkt[i], DROP_SHARE_FULL);
		return;
	}
	b->n = 0;
	b->work = seal_work;
	b->finish = seal_finish;
	for (uint16_t i = 0; i < n; i++) {
		const uint8_t *ip = rte_pktmbuf_mtod(pkt[i], const uint8_t *);
		enum drop_reason why;

		s[kept] = (struct sealing){
			.m = pkt[i],
			.type = WIRE_DATA,
			.tos = ip[0] >> 4 == 6 ? (uint8_t)(load_be16(ip) >> 4) : ip[1],
		};
		why = way_check(w, pkt_meta(pkt[i])->leg, &s[kept]);
		if (likely(why == DROP_MAX))
			kept++;
		else
			burst_drop(&w->stats, pkt[i], why);
	}
	for (uint16_t i = 0; i < kept; i++)
		seal_one(w, b, &s[i]);
	share_commit(w, b);
}

void seal_stage(struct worker *w)
{
	struct burst *l = &w->lanes.seal;
	const uint16_t step = AEAD_BURST / 2; /* each may become two */

	for (uint16_t i = 0; i < l->n; i += step)
		seal_some(w, l->pkt + i, RTE_MIN((uint16_t)(l->n - i), step));
	l->n = 0;
}
