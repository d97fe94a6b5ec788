/* SPDX-License-Identifier: BSD-3-Clause */
/* The path half of rs_dp.h. */
#include "appliance/path_count.h"
#include "appliance/rs_worker.h"
#include "common/wire.h"

#include <errno.h>

static bool side_is_valid(const struct rs_dp *dp, const struct rs_dp_side *s)
{
	if (s->state == RS_SIDE_UNBOUND)
		return true;
	if (s->state > RS_SIDE_CONFIRMED || s->local >= rs_dp_local_count(dp))
		return false;
	return s->peer.port != 0 && ip_is_unicast(&s->peer.ip) &&
	       ip_is_v4(&s->peer.ip) == ip_is_v4(&dp->locals[s->local].ep.ip);
}

/* Does the leg's address still live on credit? */
static bool leg_is_limited(const struct rs_dp *dp, const struct leg *leg)
{
	return leg != NULL &&
	       atomic_load_explicit(&dp->legs->credit[leg->slot].until, memory_order_relaxed) != 0;
}

static void side_fill(const struct rs_dp *dp, const struct rs_dp_path *p, unsigned int side,
		      struct path_record *rec, struct path_ctl *ctl)
{
	const struct rs_dp_side *s = &p->side[side];
	const struct leg *leg = leg_table_find(dp->legs, s->leg);

	ctl->leg[side] = leg != NULL ? leg->slot + 1 : 0;
	if (s->state == RS_SIDE_UNBOUND)
		return;
	rec->side[side].ip = s->peer.ip;
	rec->side[side].port = s->peer.port;
	rec->side[side].local = s->local & (RS_LOCALS_MAX - 1);
	rec->side[side].flags = SIDE_BOUND | (s->state == RS_SIDE_CONFIRMED ? SIDE_CONFIRMED : 0) |
				(leg_is_limited(dp, leg) ? SIDE_CREDIT : 0);
}

/* What the switch would find out anew for each packet. */
static void plain_mark(struct path_record *rec)
{
	const unsigned int both = SIDE_BOUND | SIDE_CONFIRMED;
	const bool a4 = ip_is_v4(&rec->side[RS_SIDE_A].ip), b4 = ip_is_v4(&rec->side[RS_SIDE_B].ip);
	const unsigned int plain = a4 != b4 ? SIDE_PLAIN_ACROSS : a4 ? SIDE_PLAIN4 : SIDE_PLAIN6;

	if ((rec->side[RS_SIDE_A].flags & rec->side[RS_SIDE_B].flags & both) != both)
		return;
	for (unsigned int s = 0; s < RS_SIDES; s++)
		if ((rec->side[RS_SIDE_A + RS_SIDE_B - s].flags & SIDE_CREDIT) == 0)
			rec->side[s].flags |= plain;
}

int rs_dp_path_set(struct rs_dp *dp, const struct rs_dp_path *p)
{
	const struct path_record *old;
	struct path_record rec = {.id = p->id};
	struct path_ctl ctl = {.event_ms = {0}}, *live;
	bool is_new;
	uint32_t number;
	int ret;

	if (p->id == 0 || !wire_is_path_id(p->id) || !side_is_valid(dp, &p->side[RS_SIDE_A]) ||
	    !side_is_valid(dp, &p->side[RS_SIDE_B]))
		return -EINVAL;
	side_fill(dp, p, RS_SIDE_A, &rec, &ctl);
	side_fill(dp, p, RS_SIDE_B, &rec, &ctl);
	plain_mark(&rec);

	old = relay_table_find(dp->paths, p->id);
	is_new = old == NULL;
	/* The notes are written before the record that needs them is seen. */
	if (!is_new) {
		live = &dp->path_ctl[relay_table_number(dp->paths, old)];
		memcpy(live->leg, ctl.leg, sizeof(live->leg));
		atomic_store_explicit(&live->handshakes, p->handshakes, memory_order_release);
	}
	ret = relay_table_set(dp->paths, &rec, &number);
	if (ret < 0)
		return ret;
	if (is_new) {
		live = &dp->path_ctl[number];
		*live = ctl;
		atomic_store_explicit(&live->handshakes, p->handshakes, memory_order_relaxed);
		for (int s = 0; s < RS_SIDES; s++)
			atomic_store_explicit(&live->strays[s], RS_STRAYS_PER_CHALLENGE,
					      memory_order_relaxed);
	}
	return 0;
}

int rs_dp_path_del(struct rs_dp *dp, uint64_t id)
{
	return relay_table_del(dp->paths, id);
}

int rs_dp_path_stats(const struct rs_dp *dp, uint64_t id, struct rs_dp_path_stats *out)
{
	const struct path_record *rec = relay_table_find(dp->paths, id);
	const struct path_ctl *ctl;

	if (rec == NULL)
		return -ENOENT;
	/* What older records of the path have counted is in the sums after this. */
	relay_table_reclaim(dp->paths);
	*out = (struct rs_dp_path_stats){.handshakes_left = 0};
	ctl = &dp->path_ctl[relay_table_number(dp->paths, rec)];
	for (int s = 0; s < RS_SIDES; s++) {
		path_count_read(dp, rec, (unsigned int)s, &out->packets[s], &out->bytes[s]);
		out->strays_left[s] =
			(uint8_t)atomic_load_explicit(&ctl->strays[s], memory_order_relaxed);
	}
	out->handshakes_left =
		(uint8_t)atomic_load_explicit(&ctl->handshakes, memory_order_relaxed);
	return 0;
}

int rs_dp_path_challenged(struct rs_dp *dp, uint64_t id, unsigned int side)
{
	const struct path_record *rec = relay_table_find(dp->paths, id);

	if (rec == NULL)
		return -ENOENT;
	if (side >= RS_SIDES)
		return -EINVAL;
	atomic_store_explicit(&dp->path_ctl[relay_table_number(dp->paths, rec)].strays[side],
			      RS_STRAYS_PER_CHALLENGE, memory_order_relaxed);
	return 0;
}

uint32_t rs_dp_path_count(const struct rs_dp *dp)
{
	return relay_table_count(dp->paths);
}
