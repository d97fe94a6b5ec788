/* SPDX-License-Identifier: BSD-3-Clause */
/* Legs: made by a grant of the DC, opened by the node's handshake, ended by expiry. */
#include "appliance/rs/rs.h"

#include <errno.h>
#include <stdlib.h>

/* ---- ops of the leg's association (common/assoc.h); ctx is the leg ---- */

static struct rs_life *life_at(struct rs_leg *l, uint64_t index)
{
	if (index == 0)
		return NULL;
	if (l->live.index == index)
		return &l->live;
	return l->pending.index == index ? &l->pending : NULL;
}

static void life_end(struct rs_leg *l, struct rs_life *life)
{
	struct rs_control *rs = l->rs;

	if (life->index == 0)
		return;
	idmap_del(&rs->by_index, life->index);
	if (idmap_get(&rs->by_peer, life->peer_index) == l)
		idmap_del(&rs->by_peer, life->peer_index);
	rs_dp_leg_del(rs->dp, life->index);
	session_destroy(life->session);
	memset(life, 0, sizeof(*life));
}

static int life_begin(struct rs_leg *l, struct rs_life *life, uint64_t index, uint64_t peer_index)
{
	struct rs_control *rs = l->rs;
	struct rs_dp_leg leg = {
		.vip4 = l->vips.v4,
		.vip6 = l->vips.v6,
		.peer = l->hs_from,
		.local = l->hs_local,
		.worker = l->worker,
		.confirmed = false,
		/* A new association of the same node goes on with the old one's NAT mappings. */
		.heir_of = life == &l->live ? RS_LEG_NONE : l->live.index,
	};
	int ret;

	life->session = session_create(index, false, &rs->p.limits, rs->windows);
	if (life->session == NULL)
		return -ENOMEM;
	ret = rs_dp_leg_add(rs->dp, index, &leg);
	if (ret < 0)
		goto err_session;
	ret = idmap_put(&rs->by_index, index, l);
	if (ret < 0)
		goto err_leg;
	/* Random, so taken by nobody unless a node copies another's: the copy gets no hints. */
	(void)idmap_put(&rs->by_peer, peer_index, l);
	life->index = index;
	life->peer_index = peer_index;
	life->peer = l->hs_from;
	life->local = l->hs_local;
	return 0;

err_leg:
	rs_dp_leg_del(rs->dp, index);
err_session:
	session_destroy(life->session);
	life->session = NULL;
	return ret;
}

static int op_install(void *ctx, struct assoc *a, uint64_t now, const struct epoch_keys *k)
{
	struct rs_leg *l = ctx;
	struct rs_life *life = life_at(l, k->own_index);
	int ret;

	if (k->is_fresh) {
		life_end(l, &l->pending);
		life = &l->pending;
		ret = life_begin(l, life, k->own_index, k->peer_index);
		if (ret < 0) {
			RS_COUNT(l->rs, dp_full);
			rs_dp_leg_del(l->rs->dp, k->own_index);
			return ret;
		}
	}
	if (life == NULL)
		return -EINVAL;
	/* The epoch's number was used four epochs ago, or by a rekey that never came through. */
	rs_dp_leg_key_drop(l->rs->dp, life->index, k->epoch);
	ret = session_install(life->session, now, k);
	if (ret == 0)
		ret = rs_dp_leg_key_install(l->rs->dp, life->index, k,
					    now + l->rs->p.limits.reject_after_ns);
	if (ret < 0 && k->is_fresh)
		life_end(l, life);
	return ret;
}

static void op_retire(void *ctx, struct assoc *a, uint64_t own_index)
{
	struct rs_leg *l = ctx;
	struct rs_life *life = life_at(l, own_index);

	if (life != NULL)
		life_end(l, life);
	else
		rs_dp_leg_del(l->rs->dp, own_index); /* reserved by op_index(), never installed */
}

/* The node proved the new keys: they are the leg now, and everything hangs on their index. */
static void op_up(void *ctx, struct assoc *a)
{
	struct rs_leg *l = ctx;
	struct rs_control *rs = l->rs;
	struct rs_binding *b;

	if (l->pending.index == 0)
		return;
	life_end(l, &l->live);
	l->live = l->pending;
	memset(&l->pending, 0, sizeof(l->pending));
	l->is_confirmed = false; /* by the caller, once it knows the source */
	/* What was asked was asked under the keys that are gone. */
	memset(&l->asked, 0, sizeof(l->asked));
	RS_COUNT(rs, legs_opened);
	SLIST_FOREACH(b, &l->bindings, link)
	if (rs_dp_binding_add(rs->dp, l->live.index, b->number, &b->vip_gn, &b->rip_gn) < 0)
		RS_COUNT(rs, dp_full);
	path_publish_leg(rs, l);
}

static uint64_t op_index(void *ctx, struct assoc *a)
{
	struct rs_leg *l = ctx;
	uint64_t index = 0;

	if (rs_dp_leg_reserve(l->rs->dp, rng_u64(l->rs->rng), &index) < 0)
		RS_COUNT(l->rs, dp_full);
	return index;
}

static void op_unused_send(void *ctx, struct assoc *a, const uint8_t *pkt, size_t len,
			   unsigned int try)
{
	/* Side B sends its handshake 2 through the responder. */
}

static void op_unused_confirm(void *ctx, struct assoc *a, uint64_t own_index)
{
}

static void op_unused_failed(void *ctx, struct assoc *a, enum assoc_failure why, uint16_t code)
{
}

/* ---- ops of the responder; ctx is RS control ---- */

static void op_hs_send(void *ctx, const struct endpoint *to, const uint8_t *pkt, size_t len)
{
	struct rs_control *rs = ctx;

	rs->ops->send(rs->ctx, rs->input_local, to, pkt, len);
}

/* Which of its two temporary keys a handshake is under. Anybody can name one, so it is said again at
 * each step: what came in between must not count.
 */
static void key_choose(struct rs_leg *l, uint64_t key_id)
{
	l->assoc.conf.id = key_id;
	memcpy(l->assoc.conf.psk, key_id == l->key_id ? l->psk : l->old_psk, KEY_LEN);
}

static struct assoc *op_find(void *ctx, const struct hs_clear *c)
{
	struct rs_control *rs = ctx;
	struct rs_leg *l = c->kind == HS_LEG ? idmap_get(&rs->legs, c->id) : NULL;

	if (l == NULL)
		return NULL;
	key_choose(l, c->id);
	return &l->assoc;
}

static bool handshake_allowed(struct rs_leg *l, uint64_t now)
{
	if (now - l->hs_since_ns >= RS_UNPROVEN_NS) {
		l->hs_since_ns = now;
		l->hs_count = 0;
	}
	return l->hs_count < RS_HANDSHAKES_PER_LEG && ++l->hs_count != 0;
}

static int request_answer(struct rs_leg *l, uint64_t now, const struct hs_job *job, uint8_t *tlvs,
			  size_t cap)
{
	struct rs_control *rs = l->rs;
	struct msg *in = &rs->in, *out = &rs->out;

	if (msg_decode_payload(in, job->payload, job->payload_len) < 0 ||
	    (in->has & HAS(LOCATION)) == 0)
		return -EBADMSG;
	if (in->location > l->location)
		l->location = in->location;
	msg_init(out, MSG_TUNNEL, true, 0);
	out->has = HAS(OBSERVED);
	out->observed = job->from;
	for (unsigned int i = 0; i < in->paths_n; i++) {
		path_bind(rs, now, l, &in->paths[i], &out->paths[out->paths_n++]);
		out->has |= HAS(PATH);
	}
	return msg_encode_payload(out, tlvs, cap);
}

static void op_request(void *ctx, struct responder *r, uint64_t now, struct hs_job *job)
{
	struct rs_control *rs = ctx;
	struct rs_leg *l = idmap_get(&rs->legs, job->clear.id);
	uint8_t tlvs[HS_PAYLOAD_MAX];
	int len;

	if (l == NULL || job->owner != &l->assoc) {
		responder_drop(r, job);
		return;
	}
	if (!handshake_allowed(l, now)) {
		RS_COUNT(rs, leg_limit);
		responder_drop(r, job);
		return;
	}
	key_choose(l, job->clear.id);
	if (!responder_is_new(job, &l->assoc)) {
		responder_accept(r, now, job, &l->assoc, NULL, 0);
		return;
	}
	leg_handshake_from(l, job);
	len = request_answer(l, now, job, tlvs, sizeof(tlvs));
	if (len < 0) {
		RS_COUNT(rs, leg_bad);
		responder_drop(r, job);
		return;
	}
	responder_accept(r, now, job, &l->assoc, tlvs, (size_t)len);
}

static void op_compute(void *ctx, struct hs_job *job)
{
	struct rs_control *rs = ctx;

	/* It comes back, when others have come, without the endpoint that it came to. */
	if (job->work == HS_READ_1)
		job->local = rs->input_local;
	rs->ops->compute(rs->ctx, job);
}

void leg_handshake_from(struct rs_leg *l, const struct hs_job *job)
{
	l->hs_from = job->from;
	l->hs_local = l->rs->input_local;
}

void leg_host_init(struct rs_control *rs)
{
	rs->leg_ops = (struct assoc_ops){
		.send = op_unused_send,
		.install = op_install,
		.retire = op_retire,
		.up = op_up,
		.confirm = op_unused_confirm,
		.failed = op_unused_failed,
		.index = op_index,
	};
	rs->responder_ops = (struct responder_ops){
		.send = op_hs_send,
		.find = op_find,
		.request = op_request,
		.compute = rs->ops->compute != NULL ? op_compute : NULL,
	};
	rs->leg_host = (struct assoc_host){
		.ops = &rs->leg_ops,
		.rng = rs->rng,
		.attempts = &rs->attempts,
	};
	memcpy(rs->leg_host.reset_secret, rs->p.reset_secret, RESET_SECRET_LEN);
}

/* ---- life cycle ---- */

static void op_control_send(void *ctx, const uint8_t *body, size_t len)
{
	struct rs_leg *l = ctx;
	struct rs_life *life = leg_life(l);

	if (life->index == 0)
		return;
	if (l->reply_to.port != 0)
		leg_send(l, life, 0, WIRE_CONTROL, l->reply_local, &l->reply_to, body, len);
	else
		leg_send(l, life, 0, WIRE_CONTROL, life->local, &life->peer, body, len);
}

static const struct control_ops leg_control_ops = {.send = op_control_send};

/* The worker with the fewest legs, the first of equals. */
static uint16_t worker_choose(const struct rs_control *rs)
{
	unsigned int best = 0;

	for (unsigned int w = 1; w < rs->workers; w++)
		if (rs->worker_legs[w] < rs->worker_legs[best])
			best = w;
	return (uint16_t)best;
}

/* A name for the VIPs; different ones that share it only go without renewal. */
static uint64_t vip_id(const struct vips *v)
{
	const uint8_t *b = ip_is_none(&v->v6) ? v->v4.b : v->v6.b;

	return (load_be64(b) * 0x9e3779b97f4a7c15ULL ^ load_be64(b + 8)) | 1ULL << 63;
}

struct rs_leg *leg_by_vips(const struct rs_control *rs, const struct vips *vips)
{
	struct rs_leg *l = idmap_get(&rs->by_vip, vip_id(vips));

	return l != NULL && memcmp(&l->vips, vips, sizeof(*vips)) == 0 ? l : NULL;
}

int leg_renew(struct rs_control *rs, struct rs_leg *l, uint64_t key_id, const uint8_t psk[KEY_LEN])
{
	int ret = idmap_put(&rs->legs, key_id, l);

	if (ret < 0)
		return ret;
	if (l->old_key_id != 0)
		idmap_del(&rs->legs, l->old_key_id);
	l->old_key_id = l->key_id;
	memcpy(l->old_psk, l->psk, KEY_LEN);
	l->key_id = key_id;
	memcpy(l->psk, psk, KEY_LEN);
	return 0;
}

struct rs_leg *leg_create(struct rs_control *rs, uint64_t now, uint64_t key_id,
			  const uint8_t psk[KEY_LEN], const struct vips *vips)
{
	struct assoc_conf conf = {
		.kind = HS_LEG,
		.suite = SUITE_AES128_GCM,
		.id = key_id,
		.limits = rs->p.limits,
	};
	struct rs_leg *l;

	if (rs->legs_n >= rs->p.legs_max)
		return NULL;
	l = calloc(1, sizeof(*l));
	if (l == NULL)
		return NULL;
	memcpy(conf.psk, psk, KEY_LEN);
	if (assoc_init(&l->assoc, &rs->leg_host, &conf, l) < 0)
		goto err_free;
	if (idmap_put(&rs->legs, key_id, l) < 0)
		goto err_assoc;
	explicit_bzero(&conf, sizeof(conf));
	l->rs = rs;
	l->key_id = key_id;
	memcpy(l->psk, psk, KEY_LEN);
	l->vips = *vips;
	(void)idmap_put(&rs->by_vip, vip_id(vips), l); /* taken: this leg is not renewed */
	rs->legs_n++;
	l->worker = worker_choose(rs);
	rs->worker_legs[l->worker]++;
	LIST_INIT(&l->bound);
	SLIST_INIT(&l->bindings);
	control_init(&l->control, &leg_control_ops, l, rs->rng);
	TAILQ_INSERT_TAIL(&rs->leg_list, l, link);
	return l;

err_assoc:
	assoc_fini(&l->assoc);
err_free:
	explicit_bzero(&conf, sizeof(conf));
	free(l);
	return NULL;
}

void leg_destroy(struct rs_control *rs, struct rs_leg *l)
{
	struct rs_binding *b;

	path_unbind_leg(rs, l);
	responder_forget(rs->responder, &l->assoc);
	assoc_fini(&l->assoc);
	life_end(l, &l->pending);
	life_end(l, &l->live);
	control_fini(&l->control);
	while ((b = SLIST_FIRST(&l->bindings)) != NULL) {
		SLIST_REMOVE_HEAD(&l->bindings, link);
		free(b);
	}
	idmap_del(&rs->legs, l->key_id);
	if (l->old_key_id != 0)
		idmap_del(&rs->legs, l->old_key_id);
	if (idmap_get(&rs->by_vip, vip_id(&l->vips)) == l)
		idmap_del(&rs->by_vip, vip_id(&l->vips));
	rs->legs_n--;
	explicit_bzero(l->psk, KEY_LEN);
	explicit_bzero(l->old_psk, KEY_LEN);
	TAILQ_REMOVE(&rs->leg_list, l, link);
	rs->worker_legs[l->worker]--;
	free(l);
}

void leg_send(struct rs_leg *l, struct rs_life *life, uint64_t now, uint8_t type, uint16_t local,
	      const struct endpoint *to, const uint8_t *body, size_t len)
{
	uint8_t pkt[MSG_MAX + 512 + WIRE_OVERHEAD];
	size_t n;

	if (session_seal(life->session, now, type, RS_CONTROL_ROUTE, body, len, pkt, sizeof(pkt),
			 &n) == SESSION_OK)
		l->rs->ops->send(l->rs->ctx, local, to, pkt, n);
}

unsigned int leg_endpoints(const struct rs_leg *l, struct endpoint out[MSG_ENDPOINTS_MAX])
{
	const struct rs_dp *dp = l->rs->dp;
	unsigned int n = 0;

	for (uint16_t i = 0; i < rs_dp_local_count(dp) && n < MSG_ENDPOINTS_MAX; i++)
		if (rs_dp_local_worker(dp, i) == l->worker)
			out[n++] = *rs_dp_local(dp, i);
	return n;
}

static void bindings_expire(struct rs_control *rs, struct rs_leg *l, uint64_t now)
{
	struct rs_binding *b, *next;

	for (b = SLIST_FIRST(&l->bindings); b != NULL; b = next) {
		next = SLIST_NEXT(b, link);
		if (b->expires_ns > now)
			continue;
		if (l->live.index != 0)
			rs_dp_binding_del(rs->dp, l->live.index, b->number);
		SLIST_REMOVE(&l->bindings, b, rs_binding, link);
		l->bindings_n--;
		free(b);
		RS_COUNT(rs, expired);
	}
}

/* A few legs from the head each time, moved to the tail: expiry is lazy, timers of a leg's own
 * requests are not, but a leg starts requests only to ask for a rekey.
 */
uint64_t leg_poll(struct rs_control *rs, uint64_t now)
{
	uint64_t next = UINT64_MAX, t;
	size_t left = rs->legs.used < RS_SCAN_STEP ? rs->legs.used : RS_SCAN_STEP;
	struct rs_leg *l;

	for (; left > 0 && (l = TAILQ_FIRST(&rs->leg_list)) != NULL; left--) {
		TAILQ_REMOVE(&rs->leg_list, l, link);
		TAILQ_INSERT_TAIL(&rs->leg_list, l, link);
		if (l->expires_ns <= now) {
			RS_COUNT(rs, expired);
			leg_destroy(rs, l);
			continue;
		}
		bindings_expire(rs, l, now);
		t = assoc_poll(&l->assoc, now);
		next = t < next ? t : next;
		t = control_poll(&l->control, now);
		next = t < next ? t : next;
	}
	return next;
}
