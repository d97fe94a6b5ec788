/* SPDX-License-Identifier: BSD-3-Clause */
/* Relay Direction: rows of grants, paths and bindings, each answered by itself (M-06, M-07, R-09). */
#include "appliance/rs/rs.h"

#include <errno.h>
#include <stdlib.h>

static int grant_row(struct rs_control *rs, uint64_t now, const struct msg_grant *g,
		     struct msg_grant *row)
{
	const uint64_t need = HAS(KEY_ID) | HAS(TEMP_KEY) | HAS(VIPS);
	struct rs_leg *l = idmap_get(&rs->legs, g->key_id);

	if ((g->has & HAS(REMOVE)) != 0) {
		if (l != NULL)
			leg_destroy(rs, l);
		return 0;
	}
	if ((g->has & need) != need || wire_is_path_id(g->key_id) || g->key_id == WIRE_ID_NONE)
		return MSG_ERR_BAD_MESSAGE;
	if (l != NULL &&
	    memcmp(l->key_id == g->key_id ? l->psk : l->old_psk, g->temp_key, KEY_LEN) != 0)
		return MSG_ERR_ID_TAKEN;
	if (l == NULL && (l = leg_by_vips(rs, &g->vips)) != NULL &&
	    leg_renew(rs, l, g->key_id, g->temp_key) < 0)
		return MSG_ERR_FULL;
	if (l == NULL) {
		if (rs->is_draining)
			return MSG_ERR_BUSY;
		l = leg_create(rs, now, g->key_id, g->temp_key, &g->vips);
		if (l == NULL)
			return MSG_ERR_FULL;
	}
	l->expires_ns = rs_expiry(now, g->has, g->lifetime_sec);
	row->endpoints_n = (uint8_t)leg_endpoints(l, row->endpoints);
	row->has |= HAS(ENDPOINT);
	early_arrived(rs, now, g->key_id);
	return 0;
}

static struct rs_binding *binding_find(struct rs_leg *l, uint32_t number)
{
	struct rs_binding *b;

	SLIST_FOREACH(b, &l->bindings, link)
	if (b->number == number)
		return b;
	return NULL;
}

static void binding_remove(struct rs_control *rs, struct rs_leg *l, struct rs_binding *b)
{
	if (b == NULL)
		return;
	if (l->live.index != 0)
		rs_dp_binding_del(rs->dp, l->live.index, b->number);
	SLIST_REMOVE(&l->bindings, b, rs_binding, link);
	l->bindings_n--;
	free(b);
}

static int binding_add(struct rs_control *rs, struct rs_leg *l, const struct msg_binding *in,
		       struct rs_binding **out)
{
	struct rs_binding *b;
	int ret = 0;

	if (!rs_dp_destination_allowed(rs->dp, &in->rip_gn))
		return MSG_ERR_REFUSED_DST;
	b = calloc(1, sizeof(*b));
	if (b == NULL)
		return MSG_ERR_FULL;
	b->number = in->number;
	b->vip_gn = in->vip_gn;
	b->rip_gn = in->rip_gn;
	if (l->live.index != 0)
		ret = rs_dp_binding_add(rs->dp, l->live.index, b->number, &b->vip_gn, &b->rip_gn);
	if (ret < 0) {
		free(b);
		return ret == -EPERM	? MSG_ERR_REFUSED_DST
		       : ret == -EEXIST ? MSG_ERR_ID_TAKEN
					: MSG_ERR_FULL;
	}
	SLIST_INSERT_HEAD(&l->bindings, b, link);
	l->bindings_n++;
	*out = b;
	return 0;
}

static int binding_row(struct rs_control *rs, uint64_t now, const struct msg_binding *in,
		       uint32_t txn)
{
	const uint64_t id = HAS(KEY_ID) | HAS(NUMBER), need = id | HAS(VIP_GN) | HAS(RIP_GN);
	struct rs_leg *l = idmap_get(&rs->legs, in->key_id);
	struct rs_binding *b;
	int ret;

	if ((in->has & id) != id)
		return MSG_ERR_BAD_MESSAGE;
	if (l == NULL)
		return (in->has & HAS(REMOVE)) != 0 ? 0 : MSG_ERR_UNKNOWN_ID;
	b = binding_find(l, in->number);
	if (b != NULL && rs_told_is_old(rs, &b->told, txn)) {
		RS_COUNT(rs, dc_rows_old);
		return 0;
	}
	if ((in->has & HAS(REMOVE)) != 0) {
		binding_remove(rs, l, b);
		return 0;
	}
	if ((in->has & need) != need)
		return MSG_ERR_BAD_MESSAGE;
	/* The same number for another host replaces it: the DC numbers, and it has changed its mind. */
	if (b != NULL &&
	    (!ip_equal(&b->vip_gn, &in->vip_gn) || !ip_equal(&b->rip_gn, &in->rip_gn))) {
		binding_remove(rs, l, b);
		b = NULL;
	}
	if (b == NULL) {
		ret = binding_add(rs, l, in, &b);
		if (ret != 0)
			return ret;
	}
	b->expires_ns = rs_expiry(now, in->has, in->lifetime_sec);
	b->told = (struct rs_told){.txn = txn, .life = rs->dc.life};
	return 0;
}

static void told(struct rs_control *rs, int error, uint64_t *has, uint16_t *code)
{
	if (error == 0) {
		RS_COUNT(rs, dc_rows);
		return;
	}
	RS_COUNT(rs, dc_rows_refused);
	*has |= HAS(ERROR);
	*code = (uint16_t)error;
}

void rows_take(struct rs_control *rs, uint64_t now, const struct msg *in, struct msg *out)
{
	msg_init(out, MSG_RELAY_DIRECTION, true, in->txn);
	for (unsigned int i = 0; i < in->grants_n; i++) {
		struct msg_grant *row = &out->grants[out->grants_n++];

		row->has = HAS(KEY_ID);
		row->key_id = in->grants[i].key_id;
		told(rs, grant_row(rs, now, &in->grants[i], row), &row->has, &row->error);
		out->has |= HAS(GRANT);
	}
	for (unsigned int i = 0; i < in->paths_n; i++) {
		struct msg_path *row = &out->paths[out->paths_n++];

		row->has = HAS(PATH_ID);
		row->path_id = in->paths[i].path_id;
		told(rs, path_row(rs, now, &in->paths[i], in->txn), &row->has, &row->error);
		out->has |= HAS(PATH);
	}
	for (unsigned int i = 0; i < in->bindings_n; i++) {
		struct msg_binding *row = &out->bindings[out->bindings_n++];

		row->has = HAS(KEY_ID) | HAS(NUMBER);
		row->key_id = in->bindings[i].key_id;
		row->number = in->bindings[i].number;
		told(rs, binding_row(rs, now, &in->bindings[i], in->txn), &row->has, &row->error);
		out->has |= HAS(BINDING);
	}
	out->has |= HAS(LOAD);
	out->load.legs = rs->legs_n;
	out->load.paths = (uint32_t)rs->paths.used;
	out->load.busy_permille = rs->ops->busy != NULL ? rs->ops->busy(rs->ctx) : 0;
}
