/* SPDX-License-Identifier: BSD-3-Clause */
/* RS control as a whole: made, fed, polled. */
#include "appliance/rs/rs.h"

#include "common/bytes.h"

#include <stdlib.h>

static struct responder *responder_make(struct rs_control *rs)
{
	const struct responder_conf conf = {
		.kinds = 1u << HS_LEG,
		.suites = rs->p.suites,
		.jobs = rs->p.handshakes_max,
		.cache = 4 * rs->p.handshakes_max,
		.load_jobs = UINT32_MAX, /* psk0 does the work of a cookie for legs */
	};

	return responder_create(&conf, &rs->responder_ops, &rs->leg_host, rs);
}

static unsigned int workers_count(const struct rs_dp *dp)
{
	int most = 0;

	for (uint16_t i = 0; i < rs_dp_local_count(dp); i++)
		if (rs_dp_local_worker(dp, i) > most)
			most = rs_dp_local_worker(dp, i);
	return most < RS_WORKERS_MAX ? (unsigned int)most + 1 : RS_WORKERS_MAX;
}

struct rs_control *rs_control_create(const struct rs_control_params *p,
				     const struct rs_control_ops *ops, struct rs_dp *dp,
				     struct rng *rng, void *ctx)
{
	struct rs_control *rs = calloc(1, sizeof(*rs));

	if (rs == NULL)
		return NULL;
	rs->p = *p;
	rs->ops = ops;
	rs->ctx = ctx;
	rs->dp = dp;
	rs->rng = rng;
	rs->attempts.offset_ns = p->clock_offset_ns;
	rs->workers = workers_count(dp);
	TAILQ_INIT(&rs->leg_list);
	TAILQ_INIT(&rs->held);
	rng_fill(rng, rs->challenge_secret, sizeof(rs->challenge_secret));
	leg_host_init(rs);
	if (idmap_init(&rs->legs, 2 * (size_t)p->legs_max, rng) < 0)
		goto err_free;
	if (idmap_init(&rs->by_vip, p->legs_max, rng) < 0)
		goto err_legs;
	if (idmap_init(&rs->by_index, 2 * (size_t)p->legs_max, rng) < 0)
		goto err_by_vip;
	if (idmap_init(&rs->by_peer, 2 * (size_t)p->legs_max, rng) < 0)
		goto err_by_index;
	if (idmap_init(&rs->paths, p->paths_max, rng) < 0)
		goto err_by_peer;
	/* Two epochs of a leg in use, two routes each. */
	rs->windows = session_pool_create(8 * p->legs_max + 16);
	if (rs->windows == NULL)
		goto err_paths;
	rs->responder = responder_make(rs);
	if (rs->responder == NULL)
		goto err_windows;
	if (dc_link_init(rs, 0) < 0)
		goto err_responder;
	return rs;

err_responder:
	responder_destroy(rs->responder);
err_windows:
	session_pool_destroy(rs->windows);
err_paths:
	idmap_fini(&rs->paths);
err_by_peer:
	idmap_fini(&rs->by_peer);
err_by_index:
	idmap_fini(&rs->by_index);
err_by_vip:
	idmap_fini(&rs->by_vip);
err_legs:
	idmap_fini(&rs->legs);
err_free:
	free(rs);
	return NULL;
}

void rs_control_destroy(struct rs_control *rs)
{
	struct rs_leg *l;
	struct rs_path *p;
	size_t at;

	if (rs == NULL)
		return;
	dc_link_fini(rs);
	while ((l = TAILQ_FIRST(&rs->leg_list)) != NULL)
		leg_destroy(rs, l);
	for (at = 0; (p = idmap_next(&rs->paths, &at)) != NULL; at = 0)
		path_destroy(rs, p);
	responder_destroy(rs->responder);
	session_pool_destroy(rs->windows);
	idmap_fini(&rs->paths);
	idmap_fini(&rs->by_peer);
	idmap_fini(&rs->by_index);
	idmap_fini(&rs->by_vip);
	idmap_fini(&rs->legs);
	explicit_bzero(rs, sizeof(*rs));
	free(rs);
}

void rs_control_handshake(struct rs_control *rs, uint64_t now, uint16_t local,
			  const struct endpoint *from, const uint8_t *pkt, size_t len)
{
	enum hs_verdict v;

	/* A leg is opened by its node; the DC's answers come by rs_control_dc_packet(). */
	if (len < WIRE_HDR_LEN || wire_type(pkt) != WIRE_HANDSHAKE_1) {
		rs->counters[RS_C_hs_stray]++;
		return;
	}
	rs->input_local = local;
	v = responder_input(rs->responder, now, from, pkt, len);
	if (v == HS_UNKNOWN_ID)
		early_handshake(rs, now, wire_id(pkt), local, from, pkt, len);
}

/* Sources that share a slot forget each other; RS_RESETS_PER_SEC bounds them all the same. */
static unsigned int source_slot(const struct ip_addr *ip)
{
	uint64_t h = (load_be64(ip->b) ^ load_be64(ip->b + 8)) * 0x9e3779b97f4a7c15ULL;

	return (unsigned int)(h >> 32) % RS_RESET_SOURCES;
}

static void reset_send(struct rs_control *rs, uint64_t now, uint16_t local,
		       const struct endpoint *from, uint64_t index, size_t cause_len)
{
	unsigned int slot = source_slot(&from->ip);
	uint8_t pkt[WIRE_RESET_LEN];
	size_t n = reset_build(rs->p.reset_secret, index, cause_len, pkt);

	if (!ip_equal(&rs->reset_sources[slot].ip, &from->ip)) {
		rs->reset_sources[slot].ip = from->ip;
		memset(&rs->reset_sources[slot].bucket, 0, sizeof(struct rs_bucket));
	}
	if (n == 0 || !rs_bucket_take(&rs->reset_sources[slot].bucket, now, RS_RESETS_PER_SOURCE) ||
	    !rs_bucket_take(&rs->resets, now, RS_RESETS_PER_SEC)) {
		RS_COUNT(rs, resets_held);
		return;
	}
	RS_COUNT(rs, resets);
	rs->ops->send(rs->ctx, local, from, pkt, n);
}

/* Of the association with the DC, which comes by another way: a token of it would be good there. */
static bool is_dc_index(const struct rs_control *rs, uint64_t index)
{
	const struct session *s = rs->dc.session;

	return (s != NULL && session_index(s) == index) ||
	       assoc_pending_index(&rs->dc.assoc) == index;
}

void rs_control_leg_packet(struct rs_control *rs, uint64_t now, uint16_t local,
			   const struct endpoint *from, const uint8_t *pkt, size_t len)
{
	struct rs_leg *l;

	if (len < WIRE_OVERHEAD || wire_is_path_id(wire_id(pkt))) {
		RS_COUNT(rs, leg_bad);
		return;
	}
	l = idmap_get(&rs->by_index, wire_id(pkt));
	if (l != NULL)
		leg_input(rs, l, now, local, from, pkt, len);
	else if (is_dc_index(rs, wire_id(pkt)))
		RS_COUNT(rs, resets_held);
	else
		reset_send(rs, now, local, from, wire_id(pkt), len);
}

void rs_control_stray(struct rs_control *rs, uint64_t now, uint64_t path_id, unsigned int side,
		      uint16_t local, const struct endpoint *from, size_t len)
{
	struct rs_path *p = idmap_get(&rs->paths, path_id);
	struct rs_leg *l = p != NULL && side < RS_SIDES ? p->side[side].leg : NULL;
	uint64_t before;

	if (l == NULL)
		return;
	before = rs->counters[RS_C_challenges];
	move_challenge(l, now, local, from, len);
	if (rs->counters[RS_C_challenges] != before)
		rs_dp_path_challenged(rs->dp, path_id, side);
}

void rs_control_rebind(struct rs_control *rs, uint64_t now, uint64_t index, uint16_t local,
		       const struct endpoint *from, size_t len)
{
	struct rs_leg *l = idmap_get(&rs->by_index, index);

	if (l != NULL && l->live.index == index)
		move_challenge(l, now, local, from, len);
}

static struct rs_life *life_of_peer(const struct rs_control *rs, uint64_t peer_index)
{
	struct rs_leg *l = idmap_get(&rs->by_peer, peer_index);

	if (l == NULL)
		return NULL;
	return l->live.peer_index == peer_index ? &l->live : &l->pending;
}

void rs_control_too_big(struct rs_control *rs, uint64_t peer_index, const struct endpoint *to,
			uint16_t mtu)
{
	enum { OUTER_MIN = 1280 };
	const struct rs_life *life = life_of_peer(rs, peer_index);

	if (mtu == 0 || life == NULL || !endpoint_equal(&life->peer, to)) {
		RS_COUNT(rs, hints_strange);
		return;
	}
	RS_COUNT(rs, hints);
	(void)rs_dp_leg_mtu_set(rs->dp, life->index, mtu < OUTER_MIN ? OUTER_MIN : mtu);
}

void rs_control_epoch_seen(struct rs_control *rs, uint64_t now, uint64_t index, uint8_t epoch)
{
	struct rs_leg *l = idmap_get(&rs->by_index, index);

	if (l == NULL)
		return;
	rs_dp_leg_key_use(rs->dp, index, epoch);
	assoc_heard(&l->assoc, now, index, epoch);
}

/* The node is side A and makes the new keys; we can only ask. */
void rs_control_key_soft(struct rs_control *rs, uint64_t now, uint64_t index)
{
	struct rs_leg *l = idmap_get(&rs->by_index, index);
	struct msg *m = &rs->out;

	if (l == NULL || l->live.index != index)
		return;
	msg_init(m, MSG_KEEP_ALIVE, false, 0);
	m->has = HAS(REKEY);
	control_request(&l->control, now, m, NULL, NULL, NULL);
}

void rs_control_filed(struct rs_control *rs, uint64_t now, struct hs_job *job)
{
	struct assoc *a;

	if (job->work == HS_WRITE_1 || job->work == HS_READ_2) {
		assoc_filed(job, now);
		return;
	}
	rs->input_local = job->local;
	a = job->work == HS_WRITE_2 ? job->owner : NULL;
	if (a != NULL)
		leg_handshake_from(a->ctx, job);
	responder_filed(rs->responder, now, job);
}

uint64_t rs_control_poll(struct rs_control *rs, uint64_t now)
{
	uint64_t next = now + RS_SEC, t;

	early_poll(rs, now);
	rs_dp_housekeep(rs->dp, now);
	t = leg_poll(rs, now);
	next = t < next ? t : next;
	t = path_poll(rs, now);
	next = t < next ? t : next;
	t = dc_link_poll(rs, now);
	return t < next ? t : next;
}

void rs_control_drain(struct rs_control *rs, bool on)
{
	rs->is_draining = on;
}

const uint64_t *rs_control_counters(const struct rs_control *rs)
{
	return rs->counters;
}

uint64_t rs_control_verdicts(const struct rs_control *rs, enum hs_verdict v)
{
	return responder_counters(rs->responder)[v] + rs->verdicts[v];
}

bool rs_control_has_dc(const struct rs_control *rs)
{
	return rs->dc.is_registered;
}

uint32_t rs_control_legs(const struct rs_control *rs)
{
	return rs->legs_n;
}

uint32_t rs_control_paths(const struct rs_control *rs)
{
	return (uint32_t)rs->paths.used;
}

void rs_control_each_leg(const struct rs_control *rs,
			 bool (*each)(void *arg, const struct rs_leg_info *i), void *arg)
{
	struct rs_leg *l;

	TAILQ_FOREACH(l, &rs->leg_list, link)
	{
		struct rs_leg_info i = {
			.key_id = l->key_id,
			.index = l->live.index,
			.vips = l->vips,
			.peer = l->live.peer,
			.is_up = l->live.index != 0,
			.is_confirmed = l->is_confirmed,
			.location = l->location,
			.since_ns = l->up_ns,
			.paths = l->bound_n,
			.bindings = l->bindings_n,
		};

		if (!each(arg, &i))
			return;
	}
}

void rs_control_each_path(const struct rs_control *rs,
			  bool (*each)(void *arg, const struct rs_path_info *i), void *arg)
{
	struct rs_path *p;
	size_t at = 0;

	while ((p = idmap_next(&rs->paths, &at)) != NULL) {
		struct rs_path_info i = {.id = p->id};

		for (int s = 0; s < RS_SIDES; s++) {
			i.is_bound[s] = p->side[s].leg != NULL;
			if (i.is_bound[s])
				i.peer[s] = leg_life(p->side[s].leg)->peer;
		}
		if (!each(arg, &i))
			return;
	}
}
