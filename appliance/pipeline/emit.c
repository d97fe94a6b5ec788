/* SPDX-License-Identifier: BSD-3-Clause */
#include "appliance/iface.h"
#include "appliance/pipeline/nat.h"
#include "appliance/pipeline/outer.h"
#include "appliance/worker.h"

#include <rte_ether.h>

/* The NAT's ways out: whole, in pieces, and back in again. */

enum { IP6_FRAG_LEN = 8, PIECES_MAX = 64 };

void nat_drop(struct worker *w, struct nat_pass *p, enum drop_reason why)
{
	if (p->m != NULL) {
		burst_drop(&w->stats, p->m, why);
		return;
	}
	/* Its pieces were counted as consumed when they were joined: this one was made here. */
	w->stats.created++;
	w->stats.drops[why]++;
}

static void to_lane(struct worker *w, struct rte_mbuf *m, const struct nat_exit *e)
{
	struct pkt_meta *meta = pkt_meta(m);

	if (e->leg != NULL)
		meta->leg = e->leg;
	meta->nexthop = e->nexthop;
	burst_push(&w->stats, e->lane, m);
}

/* ---- pieces ---- */

/* How a packet is cut: every piece but the last holds step bytes of payload. */
struct plan {
	const uint8_t *ip;
	bool v6;
	uint16_t hdr;  /* of the packet, without fragment header */
	uint16_t body; /* behind it */
	uint16_t step;
	unsigned int n;
	uint32_t id;
};

static bool plan_make(struct worker *w, const struct nat_pass *p, uint16_t mtu, struct plan *pl)
{
	uint16_t room;

	pl->ip = p->c.ip;
	pl->v6 = p->t.v6;
	pl->hdr = p->t.v6 ? IP6_HDR_LEN : (uint16_t)((p->c.ip[0] & 15) * 4);
	pl->body = (uint16_t)(p->c.len - pl->hdr);
	room = (uint16_t)(mtu - pl->hdr - (pl->v6 ? IP6_FRAG_LEN : 0));
	pl->step = (uint16_t)(room & ~7);
	pl->n = (pl->body + pl->step - 1u) / pl->step;
	/* IPv4 keeps its own number, unless it was made here with DF and none. */
	pl->id = pl->v6 ? (uint32_t)(w->now >> 10) ^ (uint32_t)w->rs->ip_id++ << 16
			: load_be16(p->c.ip + 4);
	if (!pl->v6 && pl->id == 0)
		pl->id = ++w->rs->ip_id;
	return pl->n <= PIECES_MAX;
}

static void piece_fill(uint8_t *to, const struct plan *pl, unsigned int i)
{
	uint16_t at = (uint16_t)(i * pl->step);
	uint16_t len = (uint16_t)RTE_MIN(pl->step, pl->body - at);
	bool more = i + 1 < pl->n;
	uint16_t check;

	memcpy(to, pl->ip, pl->hdr);
	if (pl->v6) {
		store_be16(to + 4, (uint16_t)(IP6_FRAG_LEN + len));
		to[6] = IPPROTO_FRAGMENT;
		to[40] = pl->ip[6];
		to[41] = 0;
		store_be16(to + 42, (uint16_t)(at | more));
		store_be32(to + 44, pl->id);
		memcpy(to + 48, pl->ip + pl->hdr + at, len);
		return;
	}
	store_be16(to + 2, (uint16_t)(pl->hdr + len));
	store_be16(to + 4, (uint16_t)pl->id);
	store_be16(to + 6, (uint16_t)(at / 8 | (more ? 0x2000 : 0)));
	store_be16(to + 10, 0);
	check = (uint16_t)~csum_fold(csum_bytes(to, pl->hdr, 0));
	memcpy(to + 10, &check, 2);
	memcpy(to + pl->hdr, pl->ip + pl->hdr + at, len);
}

static uint16_t piece_len(const struct plan *pl, unsigned int i)
{
	uint16_t left = (uint16_t)(pl->body - i * pl->step);

	return (uint16_t)(pl->hdr + (pl->v6 ? IP6_FRAG_LEN : 0) + RTE_MIN(pl->step, left));
}

static void drop_all(struct worker *w, struct rte_mbuf **m, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		burst_drop(&w->stats, m[i], DROP_NO_MBUF);
}

/* All pieces or none. The number made. */
static unsigned int pieces_make(struct worker *w, const struct plan *pl, struct rte_mbuf **out)
{
	for (unsigned int i = 0; i < pl->n; i++) {
		char *to;

		out[i] = worker_alloc(w);
		if (out[i] == NULL) {
			drop_all(w, out, i);
			return 0;
		}
		to = rte_pktmbuf_append(out[i], piece_len(pl, i));
		if (to == NULL) {
			drop_all(w, out, i + 1);
			return 0;
		}
		piece_fill((uint8_t *)to, pl, i);
	}
	return pl->n;
}

static void used_up(struct worker *w, struct nat_pass *p)
{
	if (p->m == NULL)
		return;
	w->stats.consumed++;
	rte_pktmbuf_free(p->m);
}

static unsigned int cut_up(struct worker *w, struct nat_pass *p, uint16_t mtu,
			   struct rte_mbuf **out)
{
	struct plan pl;
	unsigned int n;

	if (!plan_make(w, p, mtu, &pl)) {
		nat_drop(w, p, DROP_MTU);
		return 0;
	}
	n = pieces_make(w, &pl, out);
	if (n == 0)
		nat_drop(w, p, DROP_NO_MBUF);
	else
		used_up(w, p);
	return n;
}

/* ---- whole ---- */

/* The mbuf around the packet as it is now; one of its own for a packet from scratch. */
static struct rte_mbuf *whole(struct worker *w, struct nat_pass *p)
{
	struct rte_mbuf *m = p->m;
	char *to;

	if (m != NULL) {
		m->data_off = (uint16_t)(p->c.ip - (uint8_t *)m->buf_addr);
		m->data_len = p->c.len;
		m->pkt_len = p->c.len;
		return m;
	}
	m = worker_alloc(w);
	if (m == NULL) {
		nat_drop(w, p, DROP_NO_MBUF);
		return NULL;
	}
	to = rte_pktmbuf_append(m, p->c.len);
	if (to == NULL) {
		burst_drop(&w->stats, m, DROP_MTU);
		return NULL;
	}
	memcpy(to, p->c.ip, p->c.len);
	return m;
}

static unsigned int as_packets(struct worker *w, struct nat_pass *p, uint16_t mtu,
			       struct rte_mbuf **out)
{
	if (unlikely(p->c.len > mtu))
		return cut_up(w, p, mtu, out);
	out[0] = whole(w, p);
	return out[0] != NULL;
}

void nat_emit(struct worker *w, struct nat_pass *p, const struct nat_exit *e)
{
	struct rte_mbuf *out[PIECES_MAX];
	unsigned int n = as_packets(w, p, e->mtu, out);

	for (unsigned int i = 0; i < n; i++)
		to_lane(w, out[i], e);
}

/* ---- back in ---- */

/* An Ethernet header as the interface's own would be, so that parse takes the packet. */
static bool frame_make(const struct worker *w, struct rte_mbuf *m, uint16_t iface)
{
	uint8_t *ip = rte_pktmbuf_mtod(m, uint8_t *);
	bool v6 = ip[0] >> 4 == 6;
	struct rte_ether_hdr *eth =
		(struct rte_ether_hdr *)(void *)rte_pktmbuf_prepend(m, RTE_ETHER_HDR_LEN);

	if (eth == NULL)
		return false;
	eth->dst_addr = w->ifaces[iface].mac;
	memset(&eth->src_addr, 0, sizeof(eth->src_addr));
	eth->src_addr.addr_bytes[0] = RTE_ETHER_LOCAL_ADMIN_ADDR;
	eth->ether_type = rte_cpu_to_be_16(v6 ? RTE_ETHER_TYPE_IPV6 : RTE_ETHER_TYPE_IPV4);
	m->ol_flags = 0;
	memset(pkt_meta(m), 0, sizeof(struct pkt_meta));
	pkt_meta(m)->iface = iface;
	pkt_meta(m)->flags = PKT_STEERED;
	return true;
}

static void to_worker(struct worker *w, struct rte_mbuf *m, uint16_t to)
{
	struct mail msg = {.type = MAIL_STEER, .arg = w->id, .ptr = m};

	if (mailbox_put(w->peers[to], &msg, 1) == 0) {
		burst_drop(&w->stats, m, DROP_MAILBOX_FULL);
		return;
	}
	w->stats.steered++;
	w->wake_peers |= UINT32_C(1) << to;
}

void nat_hairpin(struct worker *w, struct nat_pass *p, uint16_t addr, uint16_t port)
{
	int owner = nat_pool_owner(w->rs->nat->pool, addr, port);
	struct rte_mbuf *out[PIECES_MAX];
	unsigned int n;

	if (owner < 0) {
		nat_drop(w, p, DROP_NAT_NO_MAPPING);
		return;
	}
	n = as_packets(w, p, w->ifaces[p->iface].mtu, out);
	for (unsigned int i = 0; i < n; i++) {
		if (frame_make(w, out[i], p->iface))
			to_worker(w, out[i], (uint16_t)owner);
		else
			burst_drop(&w->stats, out[i], DROP_HEADROOM);
	}
}

/* ---- pieces that came in ---- */

/* A datagram that is whole now, translated as one packet. */
static void joined(struct worker *w, const struct frag_piece *piece, unsigned int n,
		   struct nat_pass *p)
{
	uint8_t *buf = w->rs->scratch + RS_SCRATCH_HEADROOM;
	uint32_t len = frag_join(piece, n, buf);
	enum drop_reason why;

	for (unsigned int i = 0; i < n; i++)
		rte_pktmbuf_free(piece[i].m);
	w->stats.consumed += n;
	p->m = NULL;
	p->f = NULL;
	p->c = (struct cut){buf, (uint16_t)len};
	why = len == 0 ? DROP_FRAG_BAD : tuple_parse(buf, (uint16_t)len, &p->t);
	if (why == DROP_MAX && p->t.class > TUPLE_QUERY)
		why = DROP_NAT_PROTO;
	/* It was cut on its way here, so it may be cut again. */
	p->t.df = false;
	if (why != DROP_MAX)
		nat_drop(w, p, why);
	else if (p->leg != NULL)
		nat_out_packet(w, p);
	else
		nat_in_packet(w, p);
}

void nat_piece_out(struct worker *w, struct nat_pass *p)
{
	struct frag_piece piece, all[FRAG_PIECES];
	struct frag_key key;
	unsigned int n;

	if (!frag_parse(p->m, 0, p->t.len, &key, &piece)) {
		nat_drop(w, p, DROP_FRAG_BAD);
		return;
	}
	key.scope = p->leg->subscriber + 1ULL;
	n = frag_put(w->rs->frags_node, &w->stats, &key, &piece, w->now, all);
	if (n > 0)
		joined(w, all, n, p);
}

/* The port stands in the first piece alone, so the pieces meet at a worker that their key names;
 * that one sends them on together when another owns the mapping.
 */
static int owner_of(struct worker *w, const struct frag_piece *first)
{
	const uint8_t *ip = rte_pktmbuf_mtod_offset(first->m, const uint8_t *, first->ip);
	const uint8_t *l4 = ip + first->header;
	bool v6 = ip[0] >> 4 == 6;
	struct ip_addr dst;
	uint32_t a;
	int addr;

	memcpy(&a, ip + 16, 4);
	dst = ip_from_v4(a);
	if (v6)
		memcpy(dst.b, ip + 24, 16);
	addr = nat_pool_addr_find(w->rs->nat->pool, &dst);
	if (addr < 0 || first->len < 8)
		return -1;
	switch (v6 ? ip[first->header - IP6_FRAG_LEN] : ip[9]) {
	case IPPROTO_UDP:
	case IPPROTO_TCP:
		return nat_pool_owner(w->rs->nat->pool, (uint16_t)addr, load_be16(l4 + 2));
	default: /* an echo's identifier */
		return nat_pool_owner(w->rs->nat->pool, (uint16_t)addr, load_be16(l4 + 4));
	}
}

static void send_on(struct worker *w, const struct frag_piece *all, unsigned int n, int owner)
{
	for (unsigned int i = 0; i < n; i++) {
		if (owner < 0) {
			burst_drop(&w->stats, all[i].m, DROP_NAT_NO_MAPPING);
			continue;
		}
		pkt_meta(all[i].m)->flags = PKT_STEERED;
		w->stats.steer_miss++;
		to_worker(w, all[i].m, (uint16_t)owner);
	}
}

/* Where pieces meet: at the worker that has their address alone, else where their key says. */
static unsigned int meeting(const struct worker *w, const struct frag_key *key)
{
	const struct nat_pool *pool = w->rs->nat->pool;
	int addr = nat_pool_addr_find(pool, &key->dst);
	int owner = addr < 0 ? -1 : nat_pool_addr_owner(pool, (uint16_t)addr);

	return owner >= 0 ? (unsigned int)owner : frag_worker(key, w->n_workers);
}

void nat_piece_in(struct worker *w, struct rte_mbuf *m)
{
	struct pkt_meta *meta = pkt_meta(m);
	struct frag_piece piece, all[FRAG_PIECES];
	struct nat_pass p = {.iface = meta->iface};
	struct frag_key key;
	unsigned int n, meet;
	int owner;

	if (!frag_parse(m, meta->l3, meta->l3_len, &key, &piece)) {
		burst_drop(&w->stats, m, DROP_FRAG_BAD);
		return;
	}
	meet = meeting(w, &key);
	if (meet != w->id && !(meta->flags & PKT_STEERED)) {
		worker_steer(w, m, (uint16_t)meet);
		return;
	}
	n = frag_put(w->rs->frags_gn, &w->stats, &key, &piece, w->now, all);
	if (n == 0)
		return;
	owner = owner_of(w, &all[0]);
	if (owner == w->id)
		joined(w, all, n, &p);
	else if (meet == w->id)
		send_on(w, all, n, owner);
	else
		send_on(w, all, n, -1);
}
