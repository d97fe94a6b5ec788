/* SPDX-License-Identifier: BSD-3-Clause */
#include "common/inner.h"
#include "common/wire.h"
#include "tests/sim/sim_rs.h"

#include <errno.h>
#include <stdlib.h>

/* appliance/rs_dp.h as slowly and plainly as it can be said: arrays, linear search, one worker. */

struct rs_dp *sim_rs_dp_create(struct sim_rs *rs)
{
	struct rs_dp *dp = calloc(1, sizeof(*dp));

	dp->rs = rs;
	dp->windows = session_pool_create(3 * SIM_RS_LEGS);
	return dp;
}

void sim_rs_dp_destroy(struct rs_dp *dp)
{
	for (int i = 0; i < SIM_RS_LEGS; i++)
		session_destroy(dp->legs[i].session);
	session_pool_destroy(dp->windows);
	free(dp);
}

static void count(struct rs_dp *dp, enum sim_rs_counter c)
{
	dp->rs->counters[c]++;
}

/* ---- what control does ---- */

static struct sim_rs_path *path_get(struct rs_dp *dp, uint64_t id)
{
	for (int i = 0; i < SIM_RS_PATHS; i++)
		if (dp->paths[i].is_used && dp->paths[i].rec.id == id)
			return &dp->paths[i];
	return NULL;
}

static struct sim_rs_leg *leg_get(struct rs_dp *dp, uint64_t index)
{
	for (int i = 0; i < SIM_RS_LEGS; i++)
		if (dp->legs[i].is_used && dp->legs[i].index == index)
			return &dp->legs[i];
	return NULL;
}

int rs_dp_path_set(struct rs_dp *dp, const struct rs_dp_path *p)
{
	struct sim_rs_path *e = path_get(dp, p->id);

	if (p->id == 0 || !wire_is_path_id(p->id))
		return -EINVAL;
	if (e == NULL && dp->paths_max != 0 && rs_dp_path_count(dp) >= dp->paths_max)
		return -ENOSPC;
	for (int i = 0; i < SIM_RS_PATHS && e == NULL; i++)
		if (!dp->paths[i].is_used)
			e = &dp->paths[i];
	if (e == NULL)
		return -ENOSPC;
	if (!e->is_used) {
		memset(e, 0, sizeof(*e));
		e->st.strays_left[0] = e->st.strays_left[1] = RS_STRAYS_PER_CHALLENGE;
	}
	e->is_used = true;
	e->rec = *p;
	return 0;
}

int rs_dp_path_del(struct rs_dp *dp, uint64_t id)
{
	struct sim_rs_path *e = path_get(dp, id);

	if (e == NULL)
		return -ENOENT;
	e->is_used = false;
	return 0;
}

int rs_dp_path_stats(const struct rs_dp *dp, uint64_t id, struct rs_dp_path_stats *out)
{
	struct sim_rs_path *e = path_get((struct rs_dp *)dp, id);

	if (e == NULL)
		return -ENOENT;
	*out = e->st;
	return 0;
}

int rs_dp_path_challenged(struct rs_dp *dp, uint64_t id, unsigned int side)
{
	struct sim_rs_path *e = path_get(dp, id);

	if (e == NULL)
		return -ENOENT;
	e->st.strays_left[side] = RS_STRAYS_PER_CHALLENGE;
	return 0;
}

uint32_t rs_dp_path_count(const struct rs_dp *dp)
{
	uint32_t n = 0;

	for (int i = 0; i < SIM_RS_PATHS; i++)
		n += dp->paths[i].is_used;
	return n;
}

int rs_dp_leg_reserve(struct rs_dp *dp, uint64_t random, uint64_t *index)
{
	if (dp->legs_max != 0 && rs_dp_leg_count(dp) >= dp->legs_max)
		return -ENOSPC;
	for (int i = 0; i < SIM_RS_LEGS; i++) {
		struct sim_rs_leg *l = &dp->legs[i];

		if (l->is_used)
			continue;
		memset(l, 0, sizeof(*l));
		l->is_used = true;
		l->index = WIRE_ID_INDEX | (random << 24 & ~WIRE_ID_INDEX) | (unsigned int)i;
		*index = l->index;
		return 0;
	}
	return -ENOSPC;
}

int rs_dp_leg_add(struct rs_dp *dp, uint64_t index, const struct rs_dp_leg *leg)
{
	struct sim_rs_leg *l = leg_get(dp, index);

	if (l == NULL)
		return -ENOENT;
	l->conf = *leg;
	l->session = session_create(index, false, &dp->rs->params.limits, dp->windows);
	l->is_added = l->session != NULL;
	return l->is_added ? 0 : -ENOMEM;
}

int rs_dp_leg_del(struct rs_dp *dp, uint64_t index)
{
	struct sim_rs_leg *l = leg_get(dp, index);

	if (l == NULL)
		return -ENOENT;
	for (int i = 0; i < SIM_RS_BINDINGS; i++)
		if (dp->bindings[i].leg == index)
			dp->bindings[i].is_used = false;
	session_destroy(l->session);
	memset(l, 0, sizeof(*l));
	return 0;
}

int rs_dp_leg_key_install(struct rs_dp *dp, uint64_t index, const struct epoch_keys *k,
			  uint64_t data_until_ns)
{
	struct sim_rs_leg *l = leg_get(dp, index);

	return l != NULL && l->is_added ? session_install(l->session, dp->rs->host.sim->now, k)
					: -ENOENT;
}

/* The session itself sends in an epoch once it has received in it. */
int rs_dp_leg_key_use(struct rs_dp *dp, uint64_t index, unsigned int epoch)
{
	return leg_get(dp, index) != NULL ? 0 : -ENOENT;
}

int rs_dp_leg_key_drop(struct rs_dp *dp, uint64_t index, unsigned int epoch)
{
	return leg_get(dp, index) != NULL ? 0 : -ENOENT;
}

int rs_dp_leg_endpoint_set(struct rs_dp *dp, uint64_t index, const struct endpoint *peer,
			   uint32_t credit_bytes, uint64_t credit_until_ns)
{
	struct sim_rs_leg *l = leg_get(dp, index);

	if (l == NULL)
		return -ENOENT;
	l->conf.peer = *peer;
	l->credit_bytes = credit_bytes;
	l->credit_until_ns = credit_until_ns;
	l->mtu = 0;
	l->route = l->route == 0 ? 2 : 0;
	return 0;
}

int rs_dp_leg_confirm(struct rs_dp *dp, uint64_t index)
{
	struct sim_rs_leg *l = leg_get(dp, index);

	if (l == NULL)
		return -ENOENT;
	l->conf.confirmed = true;
	l->credit_until_ns = 0;
	return 0;
}

int rs_dp_leg_mtu_set(struct rs_dp *dp, uint64_t index, uint16_t outer_bytes)
{
	struct sim_rs_leg *l = leg_get(dp, index);

	if (l == NULL)
		return -ENOENT;
	l->mtu = outer_bytes;
	return 0;
}

int rs_dp_leg_stats(const struct rs_dp *dp, uint64_t index, struct rs_dp_leg_stats *out)
{
	struct sim_rs_leg *l = leg_get((struct rs_dp *)dp, index);

	if (l == NULL)
		return -ENOENT;
	*out = l->st;
	return 0;
}

uint32_t rs_dp_leg_count(const struct rs_dp *dp)
{
	uint32_t n = 0;

	for (int i = 0; i < SIM_RS_LEGS; i++)
		n += dp->legs[i].is_added;
	return n;
}

static struct sim_rs_binding *binding_get(struct rs_dp *dp, uint64_t leg,
					  const struct ip_addr *vip_gn)
{
	for (int i = 0; i < SIM_RS_BINDINGS; i++) {
		struct sim_rs_binding *b = &dp->bindings[i];

		if (b->is_used && b->leg == leg && ip_equal(&b->vip_gn, vip_gn))
			return b;
	}
	return NULL;
}

bool rs_dp_destination_allowed(const struct rs_dp *dp, const struct ip_addr *rip)
{
	return ip_is_global_unicast(rip);
}

int rs_dp_binding_add(struct rs_dp *dp, uint64_t index, uint32_t number,
		      const struct ip_addr *vip_gn, const struct ip_addr *rip_gn)
{
	if (!ip_is_global_unicast(rip_gn))
		return -EPERM;
	if (binding_get(dp, index, vip_gn) != NULL)
		return -EEXIST;
	for (int i = 0; i < SIM_RS_BINDINGS; i++) {
		if (dp->bindings[i].is_used)
			continue;
		dp->bindings[i] = (struct sim_rs_binding){
			.is_used = true,
			.leg = index,
			.number = number,
			.vip_gn = *vip_gn,
			.rip_gn = *rip_gn,
		};
		return 0;
	}
	return -ENOSPC;
}

int rs_dp_binding_del(struct rs_dp *dp, uint64_t index, uint32_t number)
{
	for (int i = 0; i < SIM_RS_BINDINGS; i++) {
		struct sim_rs_binding *b = &dp->bindings[i];

		if (!b->is_used || b->leg != index || b->number != number)
			continue;
		b->is_used = false;
		return 0;
	}
	return -ENOENT;
}

unsigned int rs_dp_events(struct rs_dp *dp, struct rs_event *ev, unsigned int max)
{
	return 0; /* control is called at once */
}

void rs_dp_housekeep(struct rs_dp *dp, uint64_t now)
{
}

unsigned int rs_dp_local_count(const struct rs_dp *dp)
{
	return SIM_RS_LOCALS;
}

const struct endpoint *rs_dp_local(const struct rs_dp *dp, uint16_t local)
{
	return &dp->locals[local];
}

int rs_dp_local_worker(const struct rs_dp *dp, uint16_t local)
{
	return 0;
}

/* ---- what packets do ---- */

static bool spend(struct rs_dp *dp, uint64_t now, uint64_t leg, size_t len)
{
	struct sim_rs_leg *l = leg_get(dp, leg);

	if (l == NULL || l->credit_until_ns == 0)
		return true;
	if (now >= l->credit_until_ns || l->credit_bytes < len)
		return false;
	l->credit_bytes -= (uint32_t)len;
	return true;
}

/* RS-S: by header alone. */
static void relay(struct rs_dp *dp, uint64_t now, uint16_t local, const struct endpoint *from,
		  uint8_t tos, const struct wire_fields *f, const uint8_t *pkt, size_t len)
{
	struct sim_rs_path *p = path_get(dp, f->id);
	unsigned int s = f->is_from_a ? RS_SIDE_A : RS_SIDE_B;
	const struct rs_dp_side *own, *other;
	bool is_handshake = f->type == WIRE_HANDSHAKE_1 || f->type == WIRE_HANDSHAKE_2;

	if (p == NULL) {
		count(dp, SIM_RS_NO_PATH);
		return;
	}
	own = &p->rec.side[s];
	other = &p->rec.side[s ^ 1];
	if (own->state == RS_SIDE_UNBOUND || other->state == RS_SIDE_UNBOUND) {
		count(dp, SIM_RS_UNBOUND);
		return;
	}
	if (!endpoint_equal(&own->peer, from) && endpoint_equal(&other->peer, from)) {
		count(dp, SIM_RS_DIRECTION);
		return;
	}
	if (!endpoint_equal(&own->peer, from) || own->local != local) {
		bool may_pass = p->st.strays_left[s] > 0;

		p->st.strays_left[s] -= may_pass;
		rs_control_stray(dp->rs->control, now, f->id, s, local, from, len);
		count(dp, may_pass ? SIM_RS_STRAY_PASSED : SIM_RS_WRONG_SOURCE);
		if (!may_pass)
			return;
	}
	if (own->state != RS_SIDE_CONFIRMED || other->state != RS_SIDE_CONFIRMED) {
		if (!is_handshake || p->rec.handshakes == 0) {
			count(dp, SIM_RS_UNCONFIRMED);
			return;
		}
		p->rec.handshakes--;
	}
	if (!spend(dp, now, other->leg, len)) {
		count(dp, SIM_RS_NO_CREDIT);
		return;
	}
	p->st.packets[s]++;
	p->st.bytes[s] += len;
	count(dp, SIM_RS_SWITCHED);
	sim_rs_out(dp->rs, other->local, &other->peer, tos, pkt, len);
}

static void addrs(const uint8_t *p, struct ip_addr *src, struct ip_addr *dst)
{
	uint32_t be;

	if (p[0] >> 4 == 6) {
		memcpy(src->b, p + 8, 16);
		memcpy(dst->b, p + 24, 16);
		return;
	}
	memcpy(&be, p + 12, 4);
	*src = ip_from_v4(be);
	memcpy(&be, p + 16, 4);
	*dst = ip_from_v4(be);
}

/* The general host is an echo: the same packet with its addresses exchanged. */
static void echo(struct rs_dp *dp, uint64_t now, struct sim_rs_leg *l, uint8_t *inner, size_t len)
{
	size_t at = inner[0] >> 4 == 6 ? 8 : 12, n = inner[0] >> 4 == 6 ? 16 : 4, out;
	uint8_t tmp[16], pkt[SIM_PKT_MAX];

	memcpy(tmp, inner + at, n);
	memcpy(inner + at, inner + at + n, n);
	memcpy(inner + at + n, tmp, n);
	count(dp, SIM_RS_FROM_GN);
	if (!spend(dp, now, l->index, len + WIRE_OVERHEAD)) {
		count(dp, SIM_RS_NO_CREDIT);
		return;
	}
	if (session_seal(l->session, now, WIRE_DATA, l->route, inner, len, pkt, sizeof(pkt),
			 &out) != SESSION_OK) {
		count(dp, SIM_RS_LEG_DROP);
		return;
	}
	l->st.tx_packets++;
	sim_rs_out(dp->rs, l->conf.local, &l->conf.peer, 0, pkt, out);
}

/* RS-N. */
static void leg_data(struct rs_dp *dp, uint64_t now, struct sim_rs_leg *l, uint16_t local,
		     const struct endpoint *from, uint8_t *pkt, size_t len)
{
	struct session_meta meta;
	struct ip_addr src, dst;
	uint8_t *inner = pkt + WIRE_HDR_LEN;
	uint64_t index = l->index;
	size_t n, inner_len;

	if (session_open(l->session, now, pkt, len, inner, &n, &meta) != SESSION_OK) {
		count(dp, SIM_RS_LEG_DROP);
		return;
	}
	if (meta.is_new_epoch)
		rs_control_epoch_seen(dp->rs->control, now, index, meta.epoch);
	if (meta.is_highest && !endpoint_equal(from, &l->conf.peer))
		rs_control_rebind(dp->rs->control, now, index, local, from, len);
	if (leg_get(dp, index) == NULL || meta.type != WIRE_DATA ||
	    inner_check(inner, n, false, &inner_len) != INNER_OK) {
		count(dp, SIM_RS_LEG_BAD_INNER);
		return;
	}
	addrs(inner, &src, &dst);
	if (!ip_equal(&src, ip_is_v4(&src) ? &l->conf.vip4 : &l->conf.vip6) ||
	    binding_get(dp, index, &dst) == NULL) {
		count(dp, SIM_RS_NO_BINDING);
		return;
	}
	l->st.rx_packets++;
	count(dp, SIM_RS_TO_GN);
	echo(dp, now, l, inner, n);
}

void sim_rs_dp_input(struct rs_dp *dp, uint64_t now, uint16_t local, const struct endpoint *from,
		     uint8_t tos, uint8_t *pkt, size_t len)
{
	struct rs_control *control = dp->rs->control;
	struct sim_rs_leg *l;
	struct wire_fields f;

	count(dp, SIM_RS_IN);
	if (wire_parse(pkt, len, &f) != WIRE_OK) {
		count(dp, SIM_RS_BAD);
		return;
	}
	if (wire_is_path_id(f.id)) {
		relay(dp, now, local, from, tos, &f, pkt, len);
		return;
	}
	if (!wire_type_is_sealed(f.type)) {
		count(dp, SIM_RS_HANDSHAKE);
		rs_control_handshake(control, now, local, from, pkt, len);
		return;
	}
	l = leg_get(dp, f.id);
	if (l == NULL || !l->is_added || !wire_type_is_data(f.type)) {
		count(dp, l == NULL ? SIM_RS_UNKNOWN : SIM_RS_CONTROL);
		rs_control_leg_packet(control, now, local, from, pkt, len);
		return;
	}
	leg_data(dp, now, l, local, from, pkt, len);
}
