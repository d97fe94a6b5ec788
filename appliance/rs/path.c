/* SPDX-License-Identifier: BSD-3-Clause */
/* Paths: a row from the DC, two sides bound by the nodes' legs, side A's handshake 1 held between. */
#include "appliance/rs/rs.h"

#include <errno.h>
#include <stdlib.h>

void path_publish(struct rs_control *rs, struct rs_path *p)
{
	struct rs_dp_path rec = {.id = p->id, .handshakes = RS_HANDSHAKES_UNCONFIRMED};

	for (int s = 0; s < RS_SIDES; s++) {
		struct rs_leg *l = p->side[s].leg;
		struct rs_life *life = l != NULL ? leg_life(l) : NULL;

		if (life == NULL || life->index == 0)
			continue; /* RS_SIDE_UNBOUND is 0 */
		rec.side[s] = (struct rs_dp_side){
			.peer = life->peer,
			.leg = life->index,
			.local = life->local,
			.state = l->is_confirmed ? RS_SIDE_CONFIRMED : RS_SIDE_BOUND,
		};
	}
	p->is_dirty = rs_dp_path_set(rs->dp, &rec) < 0;
	if (p->is_dirty) {
		RS_COUNT(rs, dp_full);
		rs->has_dirty = true;
	}
}

static void held_drop(struct rs_control *rs, struct rs_path *p)
{
	if (p->held == NULL)
		return;
	TAILQ_REMOVE(&rs->held, p, held_link);
	free(p->held);
	p->held = NULL;
}

/* Both sides are there: A's handshake 1 goes on to B, from B's own endpoint of this RS. */
static void held_send(struct rs_control *rs, struct rs_path *p)
{
	struct rs_leg *b = p->side[RS_SIDE_B].leg;
	struct rs_life *life;

	if (p->held == NULL || b == NULL || p->side[RS_SIDE_A].leg == NULL)
		return;
	life = leg_life(b);
	if (life->index == 0)
		return;
	rs->ops->send(rs->ctx, life->local, &life->peer, p->held, p->held_len);
	held_drop(rs, p);
}

void path_publish_leg(struct rs_control *rs, struct rs_leg *l)
{
	struct rs_bound *b;

	LIST_FOREACH(b, &l->bound, link)
	{
		path_publish(rs, b->path);
		held_send(rs, b->path);
	}
}

static void side_unbind(struct rs_bound *b)
{
	if (b->leg == NULL)
		return;
	LIST_REMOVE(b, link);
	b->leg->bound_n--;
	b->leg = NULL;
}

void path_unbind_leg(struct rs_control *rs, struct rs_leg *l)
{
	struct rs_bound *b;

	while ((b = LIST_FIRST(&l->bound)) != NULL) {
		struct rs_path *p = b->path;

		side_unbind(b);
		path_publish(rs, p);
	}
}

void path_destroy(struct rs_control *rs, struct rs_path *p)
{
	held_drop(rs, p);
	for (int s = 0; s < RS_SIDES; s++)
		side_unbind(&p->side[s]);
	rs_dp_path_del(rs->dp, p->id);
	idmap_del(&rs->paths, p->id);
	free(p);
}

static struct rs_path *path_create(struct rs_control *rs, uint64_t id)
{
	struct rs_path *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return NULL;
	p->id = id;
	p->side[RS_SIDE_A].path = p->side[RS_SIDE_B].path = p;
	if (idmap_put(&rs->paths, id, p) < 0) {
		free(p);
		return NULL;
	}
	return p;
}

/* A key id stands for its node as long as that node's grant lives, also when it is renewed. */
static void side_name(const struct rs_control *rs, struct rs_path *p, int side, uint64_t key_id)
{
	const struct rs_leg *l = idmap_get(&rs->legs, key_id);

	p->key_id[side] = key_id;
	if (l != NULL)
		p->vips[side] = l->vips;
}

static bool side_is(const struct rs_path *p, int side, const struct rs_leg *l)
{
	static const struct vips none;

	if (p->key_id[side] == l->key_id || p->key_id[side] == l->old_key_id)
		return true;
	return memcmp(&p->vips[side], &none, sizeof(none)) != 0 &&
	       memcmp(&p->vips[side], &l->vips, sizeof(l->vips)) == 0;
}

int path_row(struct rs_control *rs, uint64_t now, const struct msg_path *row, uint32_t txn)
{
	const uint64_t need = HAS(PATH_ID) | HAS(KEY_ID) | HAS(KEY_ID_B);
	struct rs_path *p;

	if ((row->has & HAS(PATH_ID)) == 0 || row->path_id == 0 || !wire_is_path_id(row->path_id))
		return MSG_ERR_BAD_MESSAGE;
	p = idmap_get(&rs->paths, row->path_id);
	if (p != NULL && rs_told_is_old(rs, &p->told, txn)) {
		RS_COUNT(rs, dc_rows_old);
		return 0;
	}
	if ((row->has & HAS(REMOVE)) != 0) {
		if (p != NULL)
			path_destroy(rs, p);
		return 0;
	}
	if ((row->has & need) != need)
		return MSG_ERR_BAD_MESSAGE;
	if (p == NULL) {
		p = rs->is_draining ? NULL : path_create(rs, row->path_id);
		if (p == NULL)
			return MSG_ERR_FULL;
		path_publish(rs, p);
		if (p->is_dirty) {
			path_destroy(rs, p);
			return MSG_ERR_FULL;
		}
	}
	/* A renewed temporary key renames a side; a bound leg stays until the node binds anew. */
	side_name(rs, p, RS_SIDE_A, row->key_id);
	side_name(rs, p, RS_SIDE_B, row->key_id_b);
	p->expires_ns = rs_expiry(now, row->has, row->lifetime_sec);
	p->told = (struct rs_told){.txn = txn, .life = rs->dc.life};
	early_arrived(rs, now, p->id);
	return 0;
}

static void hold(struct rs_control *rs, uint64_t now, struct rs_path *p, const struct msg_path *in)
{
	held_drop(rs, p);
	p->held = malloc(in->handshake_len);
	if (p->held == NULL)
		return; /* side A resends it through the data path */
	memcpy(p->held, in->handshake, in->handshake_len);
	p->held_len = in->handshake_len;
	p->held_until_ns = now + RS_HELD_NS;
	TAILQ_INSERT_TAIL(&rs->held, p, held_link);
	RS_COUNT(rs, hs_held);
}

/* Only a handshake 1 of this very path, from side A, is sent on. */
static bool handshake_fits(const struct msg_path *in)
{
	return in->handshake_len >= WIRE_HS1_NOISE && in->handshake_len <= WIRE_HS1_PATH_MAX &&
	       wire_type(in->handshake) == WIRE_HANDSHAKE_1 &&
	       wire_id(in->handshake) == in->path_id;
}

static void bind_refuse(struct rs_control *rs, struct msg_path *row, enum msg_error why)
{
	RS_COUNT(rs, binds_refused);
	row->has |= HAS(ERROR);
	row->error = (uint16_t)why;
}

void path_bind(struct rs_control *rs, uint64_t now, struct rs_leg *l, const struct msg_path *in,
	       struct msg_path *row)
{
	struct rs_path *p = idmap_get(&rs->paths, in->path_id);

	memset(row, 0, sizeof(*row));
	row->has = HAS(PATH_ID);
	row->path_id = in->path_id;
	if ((in->has & (HAS(PATH_ID) | HAS(SIDE))) != (HAS(PATH_ID) | HAS(SIDE)) ||
	    in->side >= RS_SIDES || ((in->has & HAS(HANDSHAKE)) != 0 && !handshake_fits(in))) {
		bind_refuse(rs, row, MSG_ERR_BAD_MESSAGE);
		return;
	}
	if (p == NULL) {
		if (early_bind(rs, now, l, in)) {
			row->has |= HAS(BOUND);
			return;
		}
		bind_refuse(rs, row, MSG_ERR_UNKNOWN_ID);
		return;
	}
	if (!side_is(p, in->side, l)) {
		bind_refuse(rs, row, MSG_ERR_NOT_ALLOWED);
		return;
	}
	if (p->side[in->side].leg != l) {
		side_unbind(&p->side[in->side]);
		p->side[in->side].leg = l;
		LIST_INSERT_HEAD(&l->bound, &p->side[in->side], link);
		l->bound_n++;
		RS_COUNT(rs, binds);
		path_publish(rs, p);
	}
	if (in->side == RS_SIDE_A && (in->has & HAS(HANDSHAKE)) != 0)
		hold(rs, now, p, in);
	held_send(rs, p);
	row->has |= HAS(BOUND);
	row->bound = (uint8_t)(1 | (p->side[!in->side].leg != NULL ? 2 : 0));
}

static void paths_retry(struct rs_control *rs)
{
	struct rs_path *p;
	size_t at = 0;

	rs->has_dirty = false;
	while ((p = idmap_next(&rs->paths, &at)) != NULL)
		if (p->is_dirty)
			path_publish(rs, p);
}

/* Lives are hours: looking at a few hundred per poll finds the ended ones soon enough. */
static void paths_expire(struct rs_control *rs, uint64_t now)
{
	struct rs_path *gone[16], *p;
	unsigned int n = 0;

	for (int i = 0; i < RS_SCAN_STEP && n < 16; i++) {
		p = idmap_next(&rs->paths, &rs->scan_path);
		if (p == NULL) {
			rs->scan_path = 0;
			break;
		}
		if (p->expires_ns <= now)
			gone[n++] = p;
	}
	while (n > 0) {
		RS_COUNT(rs, expired);
		path_destroy(rs, gone[--n]);
	}
}

uint64_t path_poll(struct rs_control *rs, uint64_t now)
{
	struct rs_path *p;

	while ((p = TAILQ_FIRST(&rs->held)) != NULL && p->held_until_ns <= now) {
		RS_COUNT(rs, hs_held_dropped);
		held_drop(rs, p);
	}
	if (rs->has_dirty)
		paths_retry(rs);
	paths_expire(rs, now);
	return p != NULL ? p->held_until_ns : UINT64_MAX;
}
