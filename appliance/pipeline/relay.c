/* SPDX-License-Identifier: BSD-3-Clause */
#include "appliance/pipeline/hint.h"
#include "appliance/rs_worker.h"
#include "appliance/worker.h"
#include "common/bytes.h"
#include "common/wire.h"

#include <rte_prefetch.h>

/* Whose is an NTM packet: a path's (top bit of the ID 0), a leg's of this RS, or that of a thread
 * that does handshakes. Nothing here is authenticated yet; what costs something is bounded by a ring.
 */

_Static_assert((int)LANE_MAX <= (int)RELAY_BULK_MAX, "a lane is looked up at once");

/* The first bytes of every packet: all checks in one load where they pass. */
static enum drop_reason header_check(const uint8_t *h, uint16_t len)
{
	if (unlikely(len < WIRE_HDR_LEN))
		return DROP_NTM_SHORT;
	if (unlikely(h[0] >> 4 != WIRE_VERSION))
		return DROP_NTM_VERSION;
	if (unlikely((h[0] & 15) >= WIRE_TYPE_COUNT))
		return DROP_NTM_TYPE;
	if (unlikely((h[1] & WIRE_ZERO_MASK) != 0))
		return DROP_NTM_RESERVED;
	return DROP_MAX;
}

static struct rs_event event_of(const struct worker *w, const struct pkt_meta *meta,
				enum rs_event_type type, uint64_t id)
{
	int local = rs_local_find(w->rs->dp, &meta->dst);

	return (struct rs_event){
		.type = type,
		.local = local < 0 ? 0 : (uint16_t)local,
		.len = meta->data_len,
		.src = meta->src,
		.id = id,
	};
}

static void to_control(struct worker *w, struct rte_mbuf *m, enum rs_event_type type,
		       enum rs_event_class class, uint64_t id)
{
	struct rs_event ev = event_of(w, pkt_meta(m), type, id);

	ev.m = m;
	rs_event_put(w, class, &ev);
}

static void to_dc(struct worker *w, struct rte_mbuf *m)
{
	pkt_meta(m)->msg = MAIL_DC_NTM;
	burst_push(&w->stats, &w->lanes.dc, m);
}

/* Sealed, for an index that is no leg: perhaps one of control's own, perhaps of before a restart. */
static void unknown_index(struct worker *w, struct rte_mbuf *m, uint8_t type, uint64_t id)
{
	bool claimed = leg_table_is_claimed(w->rs->dp->legs, id);
	struct rs_event ev;

	if (!wire_type_is_data(type)) {
		to_control(w, m, RS_EV_UNKNOWN_INDEX, claimed ? RS_CLASS_SEALED : RS_CLASS_STRANGER,
			   id);
		return;
	}
	ev = event_of(w, pkt_meta(m), RS_EV_UNKNOWN_INDEX, id);
	rs_event_put(w, RS_CLASS_STRANGER, &ev);
	burst_drop(&w->stats, m, DROP_NO_ASSOC);
}

/* Data on a leg of this worker, that came the long way, joins what quick.c took. */
static void to_sealed(struct worker *w, struct rte_mbuf *m, uint8_t *ntm, uint64_t id,
		      struct leg *leg)
{
	const struct pkt_meta *meta = pkt_meta(m);
	struct hops *h = &w->sealed;
	uint16_t i = h->n;

	if (unlikely(i == LANE_MAX)) {
		burst_drop(&w->stats, m, DROP_LANE_FULL);
		return;
	}
	h->m[i] = m;
	h->ntm[i] = ntm;
	h->id[i] = id;
	h->len[i] = meta->data_len;
	h->ip_len[i] = (uint16_t)(meta->l4 - meta->l3);
	h->note[i].iface = meta->iface;
	h->note[i].flags = meta->flags;
	h->leg[i] = leg;
	h->n++;
}

static void to_leg(struct worker *w, struct rte_mbuf *m, uint8_t *h, uint64_t id)
{
	struct leg *leg = leg_table_find(w->rs->dp->legs, id);
	uint8_t type = h[0] & 15;

	if (unlikely(leg == NULL)) {
		unknown_index(w, m, type, id);
		return;
	}
	/* The node opened the leg, so it is side A. */
	if (unlikely((h[1] & WIRE_SIDE_A) == 0)) {
		burst_drop(&w->stats, m, DROP_PATH_DIRECTION);
		return;
	}
	if (unlikely(!wire_type_is_data(type)))
		to_control(w, m, RS_EV_LEG_PACKET, RS_CLASS_SEALED, id);
	else if (leg->worker == w->id)
		to_sealed(w, m, h, id, leg);
	else
		worker_steer(w, m, leg->worker);
}

/* An index, a key id or all ones: for this host itself. */
static void to_host(struct worker *w, struct rte_mbuf *m, uint8_t *h, uint64_t id)
{
	uint8_t type = h[0] & 15;

	if (unlikely(!source_can_be(w, &pkt_meta(m)->src))) {
		burst_drop(&w->stats, m, DROP_IP_SOURCE);
		return;
	}
	switch (type) {
	case WIRE_HANDSHAKE_1:
		if (id != WIRE_ID_NONE)
			to_control(w, m, RS_EV_HANDSHAKE, RS_CLASS_STRANGER, id);
		else if (w->has_dc)
			to_dc(w, m);
		else
			burst_drop(&w->stats, m, DROP_NO_ROLE);
		return;
	case WIRE_RESET: /* the ID is the peer's index: it does not tell whose */
		to_control(w, m, RS_EV_HANDSHAKE, RS_CLASS_STRANGER, id);
		return;
	default:
		break;
	}
	if ((id & RS_INDEX_BIT) == 0 && w->has_dc)
		to_dc(w, m);
	else if (wire_type_is_sealed(type))
		to_leg(w, m, h, id);
	else
		to_control(w, m, RS_EV_HANDSHAKE,
			   leg_table_is_claimed(w->rs->dp->legs, id) ? RS_CLASS_SEALED
								     : RS_CLASS_STRANGER,
			   id);
}

/* A packet of a path that came the long way joins those that quick.c took. */
static void to_hops(struct worker *w, struct rte_mbuf *m, const struct pkt_meta *meta, uint64_t id)
{
	struct hops *h = &w->hops;

	if (unlikely(h->n == LANE_MAX)) {
		burst_drop(&w->stats, m, DROP_LANE_FULL);
		return;
	}
	h->m[h->n] = m;
	h->ntm[h->n] = pkt_data(m);
	h->id[h->n] = id;
	h->place[h->n] = relay_table_place(w->rs->dp->paths, id);
	h->len[h->n] = meta->data_len;
	h->ip_len[h->n] = (uint16_t)(meta->l4 - meta->l3);
	h->n++;
}

static void sort(struct worker *w, struct burst *b)
{
	for (uint16_t i = 0; i < b->n; i++) {
		struct rte_mbuf *m = b->pkt[i];
		struct pkt_meta *meta = pkt_meta(m);
		uint8_t *h = pkt_data(m);
		enum drop_reason why;
		uint64_t id;

		if (unlikely(meta->flags & PKT_ICMP_ERROR)) {
			hint_icmp(w, m);
			continue;
		}
		why = header_check(h, meta->data_len);
		if (unlikely(why != DROP_MAX)) {
			burst_drop(&w->stats, m, why);
			continue;
		}
		id = load_be64(h + 8);
		if (likely(wire_is_path_id(id)))
			to_hops(w, m, meta, id);
		else
			to_host(w, m, h, id);
	}
	b->n = 0;
}

/* Of what quick.c took: data on a leg of this worker stays, its source is open.c's to judge. */
static void find_legs(struct worker *w, struct hops *h)
{
	const struct leg_table *t = w->rs->dp->legs;
	uint16_t kept = 0;

	for (uint16_t i = 0; i < h->n; i++) {
		struct leg *leg = leg_table_find(t, h->id[i]);

		if (unlikely(leg == NULL || leg->worker != w->id)) {
			to_host(w, hop_note(h, i), h->ntm[i], h->id[i]);
			continue;
		}
		hop_keep(h, kept, i);
		h->leg[kept++] = leg;
	}
	h->n = kept;
}

/* Leave out what has no path. */
static __attribute__((noinline)) void drop_unknown(struct worker *w, struct hops *h)
{
	uint8_t why[LANE_MAX];

	for (uint16_t i = 0; i < h->n; i++)
		why[i] = h->rec[i] == NULL ? DROP_NO_PATH : DROP_MAX;
	hops_sift(&w->stats, h, why);
}

static void find_paths(struct worker *w, struct hops *h)
{
	bool all = true;

	relay_table_lookup_placed(w->rs->dp->paths, h->id, h->place, h->n, h->rec);
	for (uint16_t i = 0; i < h->n; i++) {
		rte_prefetch0(h->rec[i]); /* NULL is harmless */
		all &= h->rec[i] != NULL;
	}
	if (unlikely(!all))
		drop_unknown(w, h);
}

void relay_stage(struct worker *w)
{
	if (w->sealed.n > 0)
		find_legs(w, &w->sealed);
	sort(w, &w->lanes.ntm);
	if (w->hops.n > 0)
		find_paths(w, &w->hops);
}
