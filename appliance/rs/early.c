/* SPDX-License-Identifier: BSD-3-Clause */
/* Node and DC speak to the RS at the same time, so a handshake or bind may come before the row that
 * allows it: kept for a second, a bounded number of them.
 */
#include "appliance/rs/rs.h"

static struct rs_early *early_slot(struct rs_control *rs, uint64_t now, int first)
{
	for (int i = first; i < RS_EARLY_MAX; i++) {
		struct rs_early *e = &rs->early[i];

		if (e->until_ns != 0 && e->until_ns <= now) {
			RS_COUNT(rs, leg_early_dropped);
			e->until_ns = 0;
		}
		if (e->until_ns == 0)
			return e;
	}
	return NULL;
}

void early_handshake(struct rs_control *rs, uint64_t now, uint64_t key_id, uint16_t local,
		     const struct endpoint *from, const uint8_t *pkt, size_t len)
{
	struct rs_early *e;

	/* Resends of one handshake need one place. */
	for (int i = 0; i < RS_EARLY_MAX; i++)
		if (rs->early[i].until_ns > now && !rs->early[i].is_bind &&
		    rs->early[i].id == key_id)
			return;
	e = len <= sizeof(e->bytes) ? early_slot(rs, now, RS_EARLY_BINDS) : NULL;
	if (e == NULL) {
		RS_COUNT(rs, leg_early_dropped);
		return;
	}
	RS_COUNT(rs, leg_early);
	*e = (struct rs_early){.until_ns = now + RS_EARLY_NS,
			       .id = key_id,
			       .local = local,
			       .from = *from,
			       .len = (uint16_t)len};
	memcpy(e->bytes, pkt, len);
}

bool early_bind(struct rs_control *rs, uint64_t now, const struct rs_leg *l,
		const struct msg_path *row)
{
	struct rs_early *e = early_slot(rs, now, 0);

	if (e == NULL)
		return false;
	RS_COUNT(rs, binds_early);
	*e = (struct rs_early){.until_ns = now + RS_EARLY_NS,
			       .id = row->path_id,
			       .is_bind = true,
			       .key_id = l->key_id,
			       .side = row->side};
	if ((row->has & HAS(HANDSHAKE)) != 0) {
		e->len = row->handshake_len;
		memcpy(e->bytes, row->handshake, e->len);
	}
	return true;
}

static void bind_again(struct rs_control *rs, uint64_t now, const struct rs_early *e)
{
	struct rs_leg *l = idmap_get(&rs->legs, e->key_id);
	struct msg_path in = {
		.has = HAS(PATH_ID) | HAS(SIDE) | (e->len > 0 ? HAS(HANDSHAKE) : 0),
		.path_id = e->id,
		.side = e->side,
		.handshake = e->bytes,
		.handshake_len = e->len,
	};
	struct msg_path told;

	if (l != NULL)
		path_bind(rs, now, l, &in, &told);
}

void early_arrived(struct rs_control *rs, uint64_t now, uint64_t id)
{
	for (int i = 0; i < RS_EARLY_MAX; i++) {
		struct rs_early e = rs->early[i];

		if (e.until_ns <= now || e.id != id)
			continue;
		rs->early[i].until_ns = 0;
		if (e.is_bind)
			bind_again(rs, now, &e);
		else
			rs_control_handshake(rs, now, e.local, &e.from, e.bytes, e.len);
	}
}

void early_poll(struct rs_control *rs, uint64_t now)
{
	for (int i = 0; i < RS_EARLY_MAX; i++) {
		struct rs_early *e = &rs->early[i];

		if (e->until_ns != 0 && e->until_ns <= now) {
			RS_COUNT(rs, leg_early_dropped);
			e->until_ns = 0;
		}
	}
}
