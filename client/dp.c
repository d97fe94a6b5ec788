/* SPDX-License-Identifier: BSD-3-Clause */
#include "client/dp_impl.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>

enum { ASSOCS_DEFAULT = 1056, VIPS_DEFAULT = 4096, WINDOWS_PER_ASSOC = 3 };
static const uint64_t HOUSEKEEP_NS = 1000000000ULL;

static const char *const counter_names[DP_COUNTER_COUNT] = {
#define X(name, help) [DP_##name] = #name,
	DP_COUNTERS(X)
#undef X
};

static const char *const counter_helps[DP_COUNTER_COUNT] = {
#define X(name, help) [DP_##name] = help,
	DP_COUNTERS(X)
#undef X
};

const char *dp_counter_name(enum dp_counter c)
{
	return counter_names[c];
}

const char *dp_counter_help(enum dp_counter c)
{
	return counter_helps[c];
}

static void pools_init(struct dp *dp)
{
	TAILQ_INIT(&dp->hold_free);
	for (int i = 0; i < DP_HOLD_POOL; i++)
		TAILQ_INSERT_TAIL(&dp->hold_free, &dp->hold_pool[i], link);
	TAILQ_INIT(&dp->parts);
	TAILQ_INIT(&dp->parts_free);
	for (int i = 0; i < DP_PARTS_POOL; i++)
		TAILQ_INSERT_TAIL(&dp->parts_free, &dp->parts_pool[i], link);
}

struct dp *dp_create(const struct dp_params *p, const struct dp_ops *ops, void *ctx,
		     const struct datapath_events *events)
{
	struct dp *dp = calloc(1, sizeof(*dp));
	uint32_t windows;

	if (dp == NULL)
		return NULL;
	dp->ops = ops;
	dp->ctx = ctx;
	dp->events = events;
	dp->mtu = p->mtu;
	dp->assocs_max = p->assocs != 0 ? p->assocs : ASSOCS_DEFAULT;
	dp->vips_key = rng_u64(p->rng);
	TAILQ_INIT(&dp->assoc_list);
	windows = p->windows != 0 ? p->windows : WINDOWS_PER_ASSOC * dp->assocs_max;
	dp->windows = session_pool_create(windows);
	dp->hold_pool = calloc(DP_HOLD_POOL, sizeof(*dp->hold_pool));
	dp->parts_pool = calloc(DP_PARTS_POOL, sizeof(*dp->parts_pool));
	if (dp->windows == NULL || dp->hold_pool == NULL || dp->parts_pool == NULL ||
	    idmap_init(&dp->assocs, dp->assocs_max, p->rng) < 0 ||
	    dp_vip_table_init(dp, p->vips != 0 ? p->vips : VIPS_DEFAULT) < 0) {
		dp_destroy(dp);
		errno = ENOMEM;
		return NULL;
	}
	pools_init(dp);
	return dp;
}

void dp_attach(struct dp *dp, void *events_ctx)
{
	dp->events_ctx = events_ctx;
}

static void assoc_free(struct dp *dp, struct dp_assoc *a)
{
	TAILQ_REMOVE(&dp->assoc_list, a, link);
	dp->assocs_n--;
	session_destroy(a->session);
	free(a);
}

void dp_destroy(struct dp *dp)
{
	struct dp_assoc *a;

	if (dp == NULL)
		return;
	while ((a = TAILQ_FIRST(&dp->assoc_list)) != NULL)
		assoc_free(dp, a);
	if (dp->windows != NULL)
		session_pool_destroy(dp->windows);
	idmap_fini(&dp->assocs);
	free(dp->vip_buckets);
	free(dp->vips);
	free(dp->hold_pool);
	free(dp->parts_pool);
	free(dp);
}

static int own_set(void *ctx, const struct vips *own)
{
	struct dp *dp = ctx;

	dp->own = *own;
	return 0;
}

static int assoc_add(void *ctx, uint64_t now, const struct datapath_assoc *conf)
{
	struct dp *dp = ctx;
	struct dp_assoc *a;
	int ret;

	if (dp->assocs_n >= dp->assocs_max)
		return -ENOSPC;
	a = calloc(1, sizeof(*a));
	if (a == NULL)
		return -ENOMEM;
	a->conf = *conf;
	LIST_INIT(&a->vips);
	a->session = session_create(conf->id, conf->is_side_a, &conf->limits, dp->windows);
	ret = a->session == NULL ? -ENOMEM : idmap_put(&dp->assocs, conf->id, a);
	if (ret < 0) {
		if (a->session != NULL)
			session_destroy(a->session);
		free(a);
		return ret;
	}
	TAILQ_INSERT_TAIL(&dp->assoc_list, a, link);
	dp->assocs_n++;
	return 0;
}

static void assoc_del(void *ctx, uint64_t now, uint64_t id)
{
	struct dp *dp = ctx;
	struct dp_assoc *a = idmap_del(&dp->assocs, id);
	struct dp_vip *v;

	if (a == NULL)
		return;
	while ((v = LIST_FIRST(&a->vips)) != NULL) {
		dp_hold_refuse(dp, v, DP_TX_UNREACHABLE);
		dp_vip_free(dp, v);
	}
	dp_parts_forget(dp, a);
	assoc_free(dp, a);
}

static int key_install(void *ctx, uint64_t now, const struct epoch_keys *k)
{
	struct dp *dp = ctx;
	struct dp_assoc *a = idmap_get(&dp->assocs, k->own_index);
	int ret;

	if (a == NULL)
		return -ENOENT;
	ret = session_install(a->session, now, k);
	if (ret < 0)
		return ret;
	a->rekey_told_ns = 0;
	dp_hold_release_assoc(dp, now, a);
	return 0;
}

static int route_set(void *ctx, uint64_t now, uint64_t id, uint8_t number,
		     const struct datapath_route *r)
{
	struct dp *dp = ctx;
	struct dp_assoc *a = idmap_get(&dp->assocs, id);

	if (a == NULL)
		return -ENOENT;
	if (number >= DATAPATH_ROUTES)
		return -EINVAL;
	a->route[number].conf = *r;
	a->route[number].is_set = true;
	if (a->has_use && a->use == number)
		dp_hold_release_assoc(dp, now, a);
	return 0;
}

static int route_use(void *ctx, uint64_t now, uint64_t id, uint8_t number)
{
	struct dp *dp = ctx;
	struct dp_assoc *a = idmap_get(&dp->assocs, id);

	if (a == NULL)
		return -ENOENT;
	if (number >= DATAPATH_ROUTES || !a->route[number].is_set)
		return -EINVAL;
	a->use = number;
	a->has_use = true;
	/* Silence counts anew on the new way. */
	a->waiting_since_ns = 0;
	a->route_waiting_since_ns = 0;
	dp_hold_release_assoc(dp, now, a);
	return 0;
}

static int vip_set(void *ctx, uint64_t now, const struct ip_addr *vip, uint64_t id)
{
	struct dp *dp = ctx;
	struct dp_assoc *a = idmap_get(&dp->assocs, id);
	struct dp_vip *v = dp_vip_find(dp, vip);

	if (a == NULL)
		return -ENOENT;
	if (v == NULL)
		v = dp_vip_add(dp, vip);
	if (v == NULL)
		return -ENOSPC;
	dp_vip_bind(v, a);
	dp_hold_release(dp, now, v);
	return 0;
}

static void vip_del(void *ctx, uint64_t now, const struct ip_addr *vip)
{
	struct dp *dp = ctx;
	struct dp_vip *v = dp_vip_find(dp, vip);

	if (v == NULL)
		return;
	dp_hold_refuse(dp, v, DP_TX_UNREACHABLE);
	dp_vip_free(dp, v);
}

/* A way may have come from elsewhere while one was asked for in vain: then it stays. */
static void vip_refuse(void *ctx, uint64_t now, const struct ip_addr *vip)
{
	struct dp *dp = ctx;
	const struct dp_vip *v = dp_vip_find(dp, vip);

	if (v != NULL && v->assoc == NULL)
		vip_del(ctx, now, vip);
}

static int send_body(void *ctx, uint64_t now, uint64_t id, uint8_t type, uint8_t number,
		     const struct datapath_dest *to, const uint8_t *body, size_t len)
{
	struct dp *dp = ctx;
	struct dp_assoc *a = idmap_get(&dp->assocs, id);

	if (a == NULL)
		return -ENOENT;
	return number < DATAPATH_ROUTES ? dp_send_body(dp, now, a, type, number, to, body, len)
					: -EINVAL;
}

static int stats(void *ctx, uint64_t id, struct datapath_stats *out)
{
	struct dp *dp = ctx;
	const struct dp_assoc *a = idmap_get(&dp->assocs, id);
	const struct session_stats *ss;

	if (a == NULL)
		return -ENOENT;
	ss = session_stats(a->session);
	for (int i = 0; i < DATAPATH_ROUTES; i++) {
		out->route[i] = a->route[i].st;
		out->route[i].lost = ss->route[i].lost;
	}
	out->rx_bytes = a->rx_bytes;
	out->last_tx_ns = a->last_tx_ns;
	out->last_rx_ns = a->last_rx_ns;
	out->waiting_since_ns = a->waiting_since_ns;
	out->route_waiting_since_ns = a->route_waiting_since_ns;
	out->rekeys = ss->rekeys;
	return 0;
}

static int watch(void *ctx, uint64_t id)
{
	struct dp *dp = ctx;
	struct dp_assoc *a = idmap_get(&dp->assocs, id);

	if (a == NULL)
		return -ENOENT;
	a->is_watched = true;
	return 0;
}

static const struct datapath_ops ops = {
	.own_set = own_set,
	.assoc_add = assoc_add,
	.assoc_del = assoc_del,
	.key_install = key_install,
	.route_set = route_set,
	.route_use = route_use,
	.vip_set = vip_set,
	.vip_del = vip_del,
	.vip_refuse = vip_refuse,
	.send = send_body,
	.stats = stats,
	.watch = watch,
};

struct datapath dp_datapath(struct dp *dp)
{
	return (struct datapath){.ops = &ops, .dp = dp};
}

uint64_t dp_poll(struct dp *dp, uint64_t now)
{
	uint64_t due = dp_hold_expire(dp, now), parts = dp_parts_expire(dp, now);
	struct dp_assoc *a;

	if (now >= dp->housekeep_ns) {
		dp->housekeep_ns = now + HOUSEKEEP_NS;
		TAILQ_FOREACH(a, &dp->assoc_list, link)
		dp_rekey_check(dp, now, a);
	}
	if (parts < due)
		due = parts;
	if (dp->assocs_n > 0 && dp->housekeep_ns < due)
		due = dp->housekeep_ns;
	return due;
}

const uint64_t *dp_counters(const struct dp *dp)
{
	return dp->counters;
}

uint32_t dp_held(const struct dp *dp)
{
	return dp->held;
}

static uint64_t sum(const struct dp *dp, enum dp_counter first, enum dp_counter last)
{
	uint64_t s = 0;

	for (int c = (int)first; c <= (int)last; c++)
		s += dp->counters[c];
	return s;
}

bool dp_conserves(const struct dp *dp)
{
	return dp->counters[DP_IN_INNER] == sum(dp, DP_TX_DATA, DP_TX_SEAL) + dp->held &&
	       dp->counters[DP_IN_OUTER] == sum(dp, DP_RX_DATA, DP_RX_ECN);
}
