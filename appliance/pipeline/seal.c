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

/* What is noted of a packet from sealing to its way out. */
struct sealing {
	struct rte_mbuf *m;
	const struct leg_way *way;
	uint32_t nexthop;
	uint32_t flow; /* label of IPv6 */
	uint8_t tos;
};
_Static_assert(sizeof(struct sealing) <= BATCH_NOTE, "notes of a batch");

/* All that packets of one leg have in common: looked up once for those that come in a row. */
struct sealer {
	const struct leg *leg; /* NULL: none yet */
	const struct leg_way *way;
	struct leg_key *key;
	struct subscriber *sub;
	const uint8_t *keys, *iv;   /* expanded; in them */
	_Atomic uint32_t *next_seq; /* of the leg's sending key on the way's route */
	uint64_t head, id;	    /* NTM header as it lies in memory, without type and sequence */
	uint32_t seq_ask;	    /* from this sequence on there is something to ask */
	uint32_t nexthop;
	uint16_t room;	   /* bytes of body that fit at once */
	uint16_t head_len; /* outer bytes in front of the NTM packet */
	uint8_t epoch;
	bool port_sums; /* the port writes the outer checksums */
};

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
static __attribute__((noinline)) void tell_spent(struct worker *w, const struct sealer *c)
{
	uint16_t sec = (uint16_t)(w->now / 1000000000);

	if ((c->key->flags & KEY_SPENT_TOLD) != 0 &&
	    (uint16_t)(sec - c->key->spent_told_sec) < SPENT_TELL_SEC)
		return;
	c->key->flags |= KEY_SPENT_TOLD;
	c->key->spent_told_sec = sec;
	tell_soft(w, c->leg, c->epoch);
}

/* A sequence from seq_ask on. */
static __attribute__((noinline)) enum drop_reason seq_ask(struct worker *w, struct sealer *c,
							  uint32_t seq)
{
	const struct rs_dp *dp = w->rs->dp;

	if (seq >= dp->key_hard_packets || w->now >= c->key->data_until_ns) {
		tell_spent(w, c);
		return DROP_KEY_SPENT;
	}
	if ((c->key->flags & KEY_SOFT_TOLD) == 0) {
		c->key->flags |= KEY_SOFT_TOLD;
		tell_soft(w, c->leg, c->epoch);
	}
	c->seq_ask = dp->key_hard_packets;
	return DROP_MAX;
}

static uint32_t seq_ask_from(const struct worker *w, const struct leg_key *key)
{
	const struct rs_dp *dp = w->rs->dp;

	if (unlikely(w->now >= key->data_until_ns))
		return 0;
	return key->flags & KEY_SOFT_TOLD ? dp->key_hard_packets
					  : RTE_MIN(dp->key_soft_packets, dp->key_hard_packets);
}

static enum drop_reason sealer_set(struct worker *w, struct sealer *c, const struct leg *leg)
{
	struct leg_table *t = w->rs->dp->legs;
	uint8_t flags = atomic_load_explicit(&leg->flags, memory_order_acquire);
	int64_t key;

	c->leg = NULL;
	if (unlikely((flags & LEG_CONFIRMED) == 0))
		return DROP_LEG_UNCONFIRMED;
	c->way = leg_way(t, leg);
	c->epoch = atomic_load_explicit(&leg->tx_epoch, memory_order_acquire);
	key = leg_key_at(leg, c->epoch);
	if (unlikely(key < 0))
		return DROP_NO_KEY;
	c->key = &t->keys[key];
	c->nexthop = nexthop_of(w, c->way);
	if (unlikely(c->nexthop == NEXTHOP_NONE))
		return DROP_NO_ROUTE;
	c->leg = leg;
	c->sub = &t->subscribers[leg->subscriber];
	c->keys = leg_key_tx(t, c->key);
	c->iv = aead_key_iv(c->keys, t->key_bytes);
	c->room = body_room(outer_mtu(w, c->way, c->nexthop), c->way, c->key->suite);
	c->head_len = (uint16_t)(outer_len(&c->way->peer.ip) + UDP_HDR_LEN);
	c->next_seq = &c->key->tx_seq[c->way->route >> 1];
	c->seq_ask = seq_ask_from(w, c->key);
	c->head = rte_cpu_to_be_64((uint64_t)WIRE_VERSION << 60 |
				   (uint64_t)wire_flags(false, c->epoch, c->way->route) << 48);
	c->id = rte_cpu_to_be_64(c->key->peer_index);
	c->port_sums = w->ifaces[w->nexthops[c->nexthop].iface].tx_checksum;
	return DROP_MAX;
}

/* Header in front of the body, credit, room behind it. */
static __rte_always_inline enum drop_reason header_put(struct worker *w, struct sealer *c,
						       struct rte_mbuf *m, uint8_t type)
{
	uint16_t body = rte_pktmbuf_data_len(m), sealed = aead_sealed_len(c->key->suite, body);
	uint32_t seq = atomic_load_explicit(c->next_seq, memory_order_relaxed);
	uint64_t head = c->head | rte_cpu_to_be_64((uint64_t)type << 56 | seq);
	uint8_t *ntm;

	if (unlikely(c->way->limited && !leg_credit_take(&w->rs->dp->legs->credit[c->leg->slot],
							 (uint32_t)c->head_len + sealed, w->now)))
		return DROP_LEG_CREDIT;
	if (unlikely(rte_pktmbuf_headroom(m) < WIRE_HDR_LEN + UDP_HDR_LEN + IP6_HDR_LEN ||
		     rte_pktmbuf_tailroom(m) + body + WIRE_HDR_LEN < sealed))
		return DROP_HEADROOM;
	if (unlikely(seq >= c->seq_ask)) {
		enum drop_reason why = seq_ask(w, c, seq);

		if (why != DROP_MAX)
			return why;
	}
	atomic_store_explicit(c->next_seq, seq + 1, memory_order_relaxed);
	pkt_cut(m, -WIRE_HDR_LEN, sealed);
	ntm = rte_pktmbuf_mtod(m, uint8_t *);
	memcpy(ntm, &head, sizeof(head));
	memcpy(ntm + 8, &c->id, sizeof(c->id));
	return DROP_MAX;
}

/* ---- parts ---- */

/* The inner packet does not fit at once: its second half goes into a packet of its own. The first
 * part is whole blocks, as CBC asks for.
 */
static struct rte_mbuf *second_part(struct worker *w, struct rte_mbuf *whole, uint16_t room)
{
	uint16_t len = rte_pktmbuf_data_len(whole);
	uint16_t first = (uint16_t)RTE_MIN(((len / 2 + 15) & ~15), room & ~15);
	struct rte_mbuf *m;

	if (len > RS_INNER_MIN || len - first > room)
		return NULL;
	m = worker_alloc(w);
	if (m == NULL)
		return NULL;
	memcpy(rte_pktmbuf_append(m, (uint16_t)(len - first)),
	       rte_pktmbuf_mtod_offset(whole, void *, first), (size_t)(len - first));
	rte_pktmbuf_trim(whole, (uint16_t)(len - first));
	pkt_meta(m)->leg = pkt_meta(whole)->leg;
	return m;
}

/* ---- behind it ---- */

/* Outer headers of what goes one way: written once, for packets that go it in a row. */
struct envelope {
	const struct leg_way *way; /* NULL: none yet */
	const struct endpoint *own;
	bool v4;
	uint64_t pseudo; /* sum of the addresses, the protocol and the UDP ports */
	uint32_t ports;	 /* as they lie in memory, and so below */
	uint32_t ttl;	 /* IPv4: TTL and protocol, the checksum as zero */
	uint64_t addrs;
};

static void envelope_set(const struct worker *w, struct envelope *e, const struct leg_way *way)
{
	const struct endpoint *own = &w->rs->dp->locals[way->local].ep;

	*e = (struct envelope){
		.way = way,
		.own = own,
		.v4 = ip_is_v4(&way->peer.ip),
		.pseudo = csum_pseudo(&own->ip, &way->peer.ip, IPPROTO_UDP, 0),
		.ports = rte_cpu_to_be_32((uint32_t)own->port << 16 | way->peer.port),
		.ttl = rte_cpu_to_be_32((uint32_t)OUTER_TTL << 24 | IPPROTO_UDP << 16),
		.addrs = (uint64_t)ip_v4(&way->peer.ip) << 32 | ip_v4(&own->ip),
	};
	e->pseudo += e->ports;
}

/* UDP's header and IPv4's in front of it, with DF and without an ID, as outer.h. udp_len goes into the sums
 * twice: of the pseudo header, and as the field it is.
 */
static __rte_always_inline void envelope_put4(uint8_t *udp, uint16_t udp_len,
					      const struct envelope *e, uint8_t tos, uint64_t body)
{
	uint64_t first =
		__builtin_bswap64(0x45ULL << 56 | (uint64_t)tos << 48 |
				  (uint64_t)(uint16_t)(IP4_HDR_LEN + udp_len) << 32 | IP4_DF);
	uint64_t sum = (first & UINT32_MAX) + (first >> 32) + e->ttl + (uint32_t)e->addrs +
		       (e->addrs >> 32);
	uint32_t ttl = e->ttl | (uint32_t)(uint16_t)~csum_fold(sum) << 16;
	uint16_t check = (uint16_t)~csum_fold(body + e->pseudo + 2 * csum_be16(udp_len));
	uint32_t last;

	if (unlikely(check == 0))
		check = 0xffff;
	last = rte_cpu_to_be_16(udp_len) | (uint32_t)check << 16;
	memcpy(udp - 20, &first, 8);
	memcpy(udp - 12, &ttl, 4);
	memcpy(udp - 8, &e->addrs, 8);
	memcpy(udp, &e->ports, 4);
	memcpy(udp + 4, &last, 4);
}

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

/* Of any family, with sums or without. */
static __attribute__((noinline)) void envelope_put(const struct worker *w, uint8_t *udp,
						   uint16_t udp_len, const struct envelope *e,
						   const struct sealing *s,
						   const struct aead_op *op)
{
	struct outer o = {
		.src = &e->own->ip,
		.dst = &e->way->peer.ip,
		.tos = s->tos,
		.ttl = OUTER_TTL,
		.proto = IPPROTO_UDP,
		.flow = s->flow,
	};
	uint64_t pseudo = csum_pseudo(o.src, o.dst, IPPROTO_UDP, udp_len);

	memcpy(udp, &e->ports, 4);
	store_be16(udp + 4, udp_len);
	store_be16(udp + 6, 0);
	outer_write(udp, udp_len, &o);
	if (op->wants_sum)
		udp_sum(udp, op->sum + pseudo);
	else
		ask_port(w, s, udp, pseudo);
}

static __rte_always_inline void outer_put(struct worker *w, struct envelope *e,
					  const struct sealing *s, const struct aead_op *op)
{
	uint16_t len = (uint16_t)(UDP_HDR_LEN + rte_pktmbuf_data_len(s->m));
	uint8_t *udp = op->pkt - UDP_HDR_LEN;
	uint16_t ip_len;

	if (unlikely(s->way != e->way))
		envelope_set(w, e, s->way);
	ip_len = e->v4 ? IP4_HDR_LEN : IP6_HDR_LEN;
	pkt_cut(s->m, -(UDP_HDR_LEN + ip_len), (uint16_t)(ip_len + len));
	if (likely(e->v4 && op->wants_sum))
		envelope_put4(udp, len, e, s->tos, op->sum);
	else
		envelope_put(w, udp, len, e, s, op);
	pkt_meta(s->m)->nexthop = s->nexthop;
	burst_push(&w->stats, &w->lanes.tx, s->m);
}

static struct sealing *sealings(struct batch *b)
{
	return (struct sealing *)(void *)b->note;
}

/* ---- one packet ---- */

/* tos: RFC 6040 section 4.1, normal mode. */
static __rte_always_inline void batch_add(struct worker *w, struct batch *b, struct sealer *c,
					  struct rte_mbuf *m, uint8_t type, uint8_t tos)
{
	uint16_t body = rte_pktmbuf_data_len(m);
	enum drop_reason why = header_put(w, c, m, type);

	if (unlikely(why != DROP_MAX)) {
		burst_drop(&w->stats, m, why);
		return;
	}
	b->op[b->n] = (struct aead_op){
		.suite = c->key->suite,
		.body_len = body,
		.keys = c->keys,
		.iv = c->iv,
		.pkt = rte_pktmbuf_mtod(m, uint8_t *),
		.wants_sum = !c->port_sums,
	};
	sealings(b)[b->n++] = (struct sealing){
		.m = m,
		.way = c->way,
		.nexthop = c->nexthop,
		.flow = (uint32_t)(c->key->peer_index >> 20),
		.tos = tos,
	};
}

static void seal_work(struct aead *a, struct batch *b)
{
	aead_seal(a, b->op, b->n);
}

static void seal_finish(struct worker *w, struct batch *b)
{
	const struct sealing *s = sealings(b);
	struct envelope e = {.way = NULL};

	for (uint16_t i = 0; i < b->n; i++) {
		if (likely(b->op[i].ok)) {
			outer_put(w, &e, &s[i], &b->op[i]);
			w->stats.sealed++;
		} else {
			burst_drop(&w->stats, s[i].m, DROP_AUTH);
		}
	}
}

/* Two sequence numbers of one route, one after the other, in one batch. */
static __attribute__((noinline)) bool
in_two_parts(struct worker *w, struct batch *b, struct sealer *c, struct rte_mbuf *m, uint8_t tos)
{
	struct rte_mbuf *second = second_part(w, m, c->room);

	if (second == NULL) {
		burst_drop(&w->stats, m, DROP_MTU);
		return false;
	}
	batch_add(w, b, c, m, WIRE_DATA_FIRST, tos);
	batch_add(w, b, c, second, WIRE_DATA_SECOND, tos);
	return true;
}

static __rte_always_inline void seal_one(struct worker *w, struct batch *b, struct sealer *c,
					 struct rte_mbuf *m)
{
	const uint8_t *ip = rte_pktmbuf_mtod(m, const uint8_t *);
	uint8_t tos = ip[0] >> 4 == 6 ? (uint8_t)(load_be16(ip) >> 4) : ip[1];
	uint16_t len = rte_pktmbuf_data_len(m);
	const struct leg *leg = pkt_meta(m)->leg;
	enum drop_reason why;

	if (unlikely(leg != c->leg)) {
		why = sealer_set(w, c, leg);
		if (unlikely(why != DROP_MAX)) {
			burst_drop(&w->stats, m, why);
			return;
		}
	}
	if (likely(len <= c->room))
		batch_add(w, b, c, m, WIRE_DATA, tos);
	else if (!in_two_parts(w, b, c, m, tos))
		return;
	c->sub->tx_packets++;
	c->sub->tx_bytes += len;
}

static void seal_some(struct worker *w, struct sealer *c, struct rte_mbuf **pkt, uint16_t n)
{
	struct batch *b = share_begin(w);

	if (unlikely(b == NULL)) {
		for (uint16_t i = 0; i < n; i++)
			burst_drop(&w->stats, pkt[i], DROP_SHARE_FULL);
		return;
	}
	b->n = 0;
	b->work = seal_work;
	b->finish = seal_finish;
	for (uint16_t i = 0; i < n; i++)
		seal_one(w, b, c, pkt[i]);
	share_commit(w, b);
}

void seal_stage(struct worker *w)
{
	struct burst *l = &w->lanes.seal;
	const uint16_t step = AEAD_BURST / 2; /* each may become two */
	struct sealer c = {.leg = NULL};

	for (uint16_t i = 0; i < l->n; i += step)
		seal_some(w, &c, l->pkt + i, RTE_MIN((uint16_t)(l->n - i), step));
	l->n = 0;
}
