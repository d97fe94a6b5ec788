/* SPDX-License-Identifier: BSD-3-Clause */
#include "appliance/rs_dp.h"

#include "appliance/aead.h"
#include "appliance/batch_fifo.h"
#include "appliance/path_count.h"
#include "appliance/rs_worker.h"
#include "appliance/table_mem.h"
#include "common/csum.h"
#include "common/rng.h"

#include <rte_mbuf.h>
#include <rte_rcu_qsbr.h>
#include <rte_ring_elem.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(sizeof(struct path_ctl) == 64, "a path's notes are one cache line");

enum { EVENT_RING = 1024 };

/* ---- life ---- */

static struct rte_ring *event_ring_create(uint32_t entries)
{
	uint32_t size = rte_align32pow2(entries + 1);
	ssize_t bytes = rte_ring_get_memsize_elem(sizeof(struct rs_event), size);
	struct rte_ring *r;

	if (bytes < 0)
		return NULL;
	r = aligned_alloc(RTE_CACHE_LINE_SIZE, RTE_ALIGN_CEIL((size_t)bytes, RTE_CACHE_LINE_SIZE));
	if (r == NULL || rte_ring_init(r, "rs_events", size, RING_F_SP_ENQ | RING_F_SC_DEQ) != 0) {
		free(r);
		return NULL;
	}
	return r;
}

/* What a worker needs for general hosts. */
static int nat_part_create(struct rs_dp *dp, const struct rs_dp_config *cfg, struct rs_worker *w)
{
	uint64_t secret[2];

	rng_fill(cfg->rng, secret, sizeof(secret));
	w->nat = nat_create(&cfg->nat, dp->legs, &dp->bindings, w->id, dp->n_workers, secret);
	if (w->nat == NULL)
		return -errno;
	w->frags_node = frag_table_create(&cfg->frag);
	w->frags_gn = frag_table_create(&cfg->frag);
	w->scratch = table_mem_alloc(RS_SCRATCH);
	return w->frags_node == NULL || w->frags_gn == NULL || w->scratch == NULL ? -ENOMEM : 0;
}

static int worker_create(struct rs_dp *dp, const struct rs_dp_config *cfg, uint16_t id)
{
	struct rs_worker *w = &dp->workers[id];

	w->dp = dp;
	w->id = id;
	for (int c = 0; c < RS_CLASSES; c++) {
		w->events[c] = event_ring_create(cfg->event_ring ? cfg->event_ring : EVENT_RING);
		if (w->events[c] == NULL)
			return -ENOMEM;
	}
	w->aead = aead_create(cfg->aead);
	if (w->aead == NULL)
		return -errno;
	w->fifo = batch_fifo_create(cfg->share_crypto && cfg->n_workers > 1);
	if (w->fifo == NULL)
		return -ENOMEM;
	return cfg->nat.n_ranges > 0 ? nat_part_create(dp, cfg, w) : 0;
}

/* The last leg went: no new flows from here on. The number itself is in use until the old ones have
 * ended, which the owner notices at their next visit, for they have no binding any more.
 */
static void subscriber_gone(void *ctx, uint32_t subscriber)
{
	struct rs_dp *dp = ctx;

	binding_del_all(&dp->bindings, subscriber);
	dp->gone[dp->n_gone++] = (struct rs_gone){
		.subscriber = subscriber,
		.token = dp->qsbr != NULL ? rte_rcu_qsbr_start(dp->qsbr) : 0,
	};
}

static void gone_reclaim(struct rs_dp *dp)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < dp->n_gone; i++) {
		const struct rs_gone g = dp->gone[i];
		const struct subscriber *s = &dp->legs->subscribers[g.subscriber];

		if ((dp->qsbr == NULL || rte_rcu_qsbr_check(dp->qsbr, g.token, false) == 1) &&
		    atomic_load_explicit(&s->flows, memory_order_acquire) == 0)
			leg_table_subscriber_free(dp->legs, g.subscriber);
		else
			dp->gone[kept++] = g;
	}
	dp->n_gone = kept;
}

static int tables_create(struct rs_dp *dp, const struct rs_dp_config *cfg)
{
	uint64_t secret[2];
	struct relay_table_config paths = {
		.paths_max = cfg->paths_max,
		.qsbr = cfg->qsbr,
		.released = path_count_released,
		.ctx = dp,
	};
	struct leg_table_config legs = {
		.legs_max = cfg->legs_max,
		.keys_max = cfg->keys_max ? cfg->keys_max : 2 * cfg->legs_max,
		.aead = cfg->aead,
		.qsbr = cfg->qsbr,
		.subscriber_gone = subscriber_gone,
		.ctx = dp,
	};

	rng_fill(cfg->rng, paths.secret, sizeof(paths.secret));
	dp->paths = relay_table_create(&paths);
	explicit_bzero(paths.secret, sizeof(paths.secret));
	if (dp->paths == NULL)
		return -errno;
	dp->path_ctl = table_mem_alloc((size_t)cfg->paths_max * sizeof(*dp->path_ctl));
	if (dp->path_ctl == NULL)
		return -ENOMEM;
	dp->legs = leg_table_create(&legs);
	if (dp->legs == NULL)
		return -errno;
	dp->gone = calloc(cfg->legs_max, sizeof(*dp->gone));
	if (dp->gone == NULL)
		return -ENOMEM;
	rng_fill(cfg->rng, secret, sizeof(secret));
	return binding_table_init(&dp->bindings, RTE_MAX(cfg->bindings_max, 1u), cfg->legs_max,
				  cfg->qsbr, secret);
}

/* Zero means the default, field by field. */
static void config_fill(struct rs_dp_config *c)
{
	struct nat_config d;

	nat_config_default(&d);
	c->nat.flows_max = c->nat.flows_max ? c->nat.flows_max : d.flows_max;
	c->nat.subscriber_ports =
		c->nat.subscriber_ports ? c->nat.subscriber_ports : d.subscriber_ports;
	c->nat.subscriber_flows =
		c->nat.subscriber_flows ? c->nat.subscriber_flows : d.subscriber_flows;
	c->nat.udp_ns = c->nat.udp_ns ? c->nat.udp_ns : d.udp_ns;
	c->nat.tcp_open_ns = c->nat.tcp_open_ns ? c->nat.tcp_open_ns : d.tcp_open_ns;
	c->nat.tcp_half_ns = c->nat.tcp_half_ns ? c->nat.tcp_half_ns : d.tcp_half_ns;
	c->nat.icmp_ns = c->nat.icmp_ns ? c->nat.icmp_ns : d.icmp_ns;
	c->key_soft_packets = c->key_soft_packets ? c->key_soft_packets : KEY_SOFT_PACKETS;
	c->key_hard_packets = c->key_hard_packets ? c->key_hard_packets : KEY_HARD_PACKETS;
}

struct rs_dp *rs_dp_create(const struct rs_dp_config *config)
{
	struct rs_dp_config full = *config, *cfg = &full;
	struct rs_dp *dp;
	int ret = -ENOMEM;

	config_fill(cfg);
	if (cfg->n_workers == 0 || cfg->n_workers > RS_WORKERS_MAX ||
	    cfg->n_inner > RS_PREFIXES_MAX || cfg->n_refused > RS_PREFIXES_MAX) {
		errno = EINVAL;
		return NULL;
	}
	dp = calloc(1, sizeof(*dp));
	if (dp == NULL)
		return NULL;
	dp->n_workers = cfg->n_workers;
	dp->paths_max = cfg->paths_max;
	dp->qsbr = cfg->qsbr;
	dp->key_soft_packets = cfg->key_soft_packets;
	dp->key_hard_packets = cfg->key_hard_packets;
	memcpy(dp->inner, cfg->inner, sizeof(dp->inner));
	memcpy(dp->refused, cfg->refused, sizeof(dp->refused));
	dp->n_inner = cfg->n_inner;
	dp->n_refused = cfg->n_refused;
	dp->workers = aligned_alloc(RTE_CACHE_LINE_SIZE, cfg->n_workers * sizeof(*dp->workers));
	if (dp->workers == NULL)
		goto err_destroy;
	memset(dp->workers, 0, cfg->n_workers * sizeof(*dp->workers));
	ret = tables_create(dp, cfg);
	for (uint16_t i = 0; ret == 0 && i < cfg->n_workers; i++)
		ret = worker_create(dp, cfg, i);
	if (ret < 0)
		goto err_destroy;
	return dp;

err_destroy:
	rs_dp_destroy(dp);
	errno = -ret;
	return NULL;
}

static void events_drain(struct rs_dp *dp)
{
	struct rs_event ev;

	while (rs_dp_events(dp, &ev, 1) == 1)
		rte_pktmbuf_free(ev.m);
}

static void worker_destroy(struct rs_dp *dp, struct rs_worker *w)
{
	for (int c = 0; c < RS_CLASSES; c++)
		free(w->events[c]);
	for (int i = 0; i < RS_PARTS; i++)
		rte_pktmbuf_free(w->parts[i].m);
	frag_table_destroy(w->frags_node);
	frag_table_destroy(w->frags_gn);
	table_mem_free(w->scratch, RS_SCRATCH);
	nat_destroy(w->nat);
	batch_fifo_destroy(w->fifo);
	aead_destroy(w->aead);
}

void rs_dp_destroy(struct rs_dp *dp)
{
	if (dp == NULL)
		return;
	if (dp->workers != NULL) {
		events_drain(dp);
		for (uint16_t i = 0; i < dp->n_workers; i++)
			worker_destroy(dp, &dp->workers[i]);
	}
	leg_table_destroy(dp->legs);
	binding_table_fini(&dp->bindings);
	free(dp->gone);
	table_mem_free(dp->path_ctl, (size_t)dp->paths_max * sizeof(*dp->path_ctl));
	relay_table_destroy(dp->paths);
	free(dp->workers);
	free(dp);
}

struct rs_worker *rs_dp_worker(struct rs_dp *dp, uint16_t id)
{
	return id < dp->n_workers ? &dp->workers[id] : NULL;
}

void rs_dp_housekeep(struct rs_dp *dp, uint64_t now)
{
	relay_table_reclaim(dp->paths);
	leg_table_sweep(dp->legs, now);
	leg_table_reclaim(dp->legs);
	idx_pool_reclaim(&dp->bindings.pool);
	gone_reclaim(dp);
}

/* ---- own endpoints ---- */

int rs_local_find(const struct rs_dp *dp, const struct endpoint *ep)
{
	/* pairs with the release store in rs_dp_local_add() */
	uint32_t n = atomic_load_explicit(&dp->n_locals, memory_order_acquire);

	for (uint32_t i = 0; i < n; i++) {
		if (endpoint_equal(&dp->locals[i].ep, ep))
			return (int)i;
	}
	return -ENOENT;
}

int rs_dp_local_add(struct rs_dp *dp, const struct endpoint *ep, int worker)
{
	uint32_t n = atomic_load_explicit(&dp->n_locals, memory_order_relaxed);
	int at = rs_local_find(dp, ep);

	if (worker >= dp->n_workers || ep->port == 0)
		return -EINVAL;
	if (at >= 0)
		return at;
	if (n == RS_LOCALS_MAX)
		return -ENOSPC;
	dp->locals[n] = (struct rs_local){
		.ep = *ep,
		.worker = worker < 0 ? (uint16_t)RS_SHARED : (uint16_t)worker,
		.sum = csum_fold(csum_ip(&ep->ip) + csum_be16(ep->port)),
	};
	atomic_store_explicit(&dp->n_locals, n + 1, memory_order_release);
	return (int)n;
}

unsigned int rs_dp_local_count(const struct rs_dp *dp)
{
	return atomic_load_explicit(&dp->n_locals, memory_order_relaxed);
}

const struct endpoint *rs_dp_local(const struct rs_dp *dp, uint16_t local)
{
	return local < rs_dp_local_count(dp) ? &dp->locals[local].ep : NULL;
}

int rs_dp_local_worker(const struct rs_dp *dp, uint16_t local)
{
	if (local >= rs_dp_local_count(dp) || dp->locals[local].worker == RS_SHARED)
		return -1;
	return dp->locals[local].worker;
}

/* ---- events ---- */

static unsigned int ring_take(struct rte_ring *r, struct rs_event *ev, unsigned int max)
{
	return rte_ring_sc_dequeue_burst_elem(r, ev, sizeof(*ev), max, NULL);
}

unsigned int rs_dp_events(struct rs_dp *dp, struct rs_event *ev, unsigned int max)
{
	unsigned int n = 0;

	for (int c = 0; c < RS_CLASSES && n < max; c++) {
		/* Begin with another worker each time, so that none starves the others. */
		for (unsigned int i = 0; i < dp->n_workers && n < max; i++) {
			struct rs_worker *w = &dp->workers[(dp->next_worker + i) % dp->n_workers];

			if (w->events[c] != NULL)
				n += ring_take(w->events[c], ev + n, max - n);
		}
	}
	dp->next_worker = (dp->next_worker + 1) % dp->n_workers;
	return n;
}

/* ---- legs ---- */

static bool leg_is_valid(const struct rs_dp *dp, const struct rs_dp_leg *leg)
{
	return leg->local < rs_dp_local_count(dp) && leg->worker < dp->n_workers &&
	       leg->peer.port != 0 && ip_is_unicast(&leg->peer.ip) &&
	       (ip_is_none(&leg->vip4) || ip_is_v4(&leg->vip4)) && !ip_is_v4(&leg->vip6) &&
	       ip_is_v4(&leg->peer.ip) == ip_is_v4(&dp->locals[leg->local].ep.ip);
}

int rs_dp_leg_reserve(struct rs_dp *dp, uint64_t random, uint64_t *index)
{
	return leg_table_reserve(dp->legs, random, index);
}

int rs_dp_leg_add(struct rs_dp *dp, uint64_t index, const struct rs_dp_leg *leg)
{
	return leg_is_valid(dp, leg) ? leg_table_add(dp->legs, index, leg) : -EINVAL;
}

int rs_dp_leg_del(struct rs_dp *dp, uint64_t index)
{
	return leg_table_del(dp->legs, index);
}

int rs_dp_leg_key_install(struct rs_dp *dp, uint64_t index, const struct epoch_keys *k,
			  uint64_t data_until_ns)
{
	return leg_table_key_install(dp->legs, index, k, data_until_ns);
}

int rs_dp_leg_key_use(struct rs_dp *dp, uint64_t index, unsigned int epoch)
{
	return leg_table_key_use(dp->legs, index, epoch);
}

int rs_dp_leg_key_drop(struct rs_dp *dp, uint64_t index, unsigned int epoch)
{
	return leg_table_key_drop(dp->legs, index, epoch);
}

/* The own endpoint that serves a leg at its new address: the one it has, or the one of the same
 * worker in the other family.
 */
static int local_for(const struct rs_dp *dp, const struct leg *leg, const struct endpoint *peer)
{
	uint16_t now = leg_way(dp->legs, leg)->local;
	bool v4 = ip_is_v4(&peer->ip);

	if (ip_is_v4(&dp->locals[now].ep.ip) == v4)
		return now;
	for (unsigned int i = 0; i < rs_dp_local_count(dp); i++) {
		const struct rs_local *l = &dp->locals[i];

		if (ip_is_v4(&l->ep.ip) == v4 && l->worker == dp->locals[now].worker)
			return (int)i;
	}
	return -EINVAL;
}

int rs_dp_leg_endpoint_set(struct rs_dp *dp, uint64_t index, const struct endpoint *peer,
			   uint32_t credit_bytes, uint64_t credit_until_ns)
{
	const struct leg *leg = leg_table_find(dp->legs, index);
	int local;

	if (leg == NULL)
		return -ENOENT;
	if (peer->port == 0 || !ip_is_unicast(&peer->ip))
		return -EINVAL;
	local = local_for(dp, leg, peer);
	if (local < 0)
		return local;
	return leg_table_way_set(dp->legs, index, (uint16_t)local, peer, credit_bytes,
				 credit_until_ns);
}

int rs_dp_leg_confirm(struct rs_dp *dp, uint64_t index)
{
	return leg_table_confirm(dp->legs, index);
}

int rs_dp_leg_mtu_set(struct rs_dp *dp, uint64_t index, uint16_t outer_bytes)
{
	return leg_table_mtu_set(dp->legs, index, outer_bytes);
}

int rs_dp_leg_stats(const struct rs_dp *dp, uint64_t index, struct rs_dp_leg_stats *out)
{
	const struct leg *leg = leg_table_find(dp->legs, index);
	const struct subscriber *s;

	if (leg == NULL)
		return -ENOENT;
	s = &dp->legs->subscribers[leg->subscriber];
	*out = (struct rs_dp_leg_stats){
		.rx_packets = s->rx_packets,
		.rx_bytes = s->rx_bytes,
		.tx_packets = s->tx_packets,
		.tx_bytes = s->tx_bytes,
		.last_rx_ns = (uint64_t)s->last_rx_tick << NAT_TICK_SHIFT,
		.mappings = s->mappings,
	};
	return 0;
}

uint32_t rs_dp_leg_count(const struct rs_dp *dp)
{
	return dp->legs->count;
}

/* ---- bindings ---- */

static bool is_in(const struct ip_prefix *p, unsigned int n, const struct ip_addr *ip)
{
	for (unsigned int i = 0; i < n; i++) {
		if (prefix_contains(&p[i], ip))
			return true;
	}
	return false;
}

static bool is_pool(const struct rs_dp *dp, const struct ip_addr *ip)
{
	const struct nat *n = dp->workers[0].nat;

	return n != NULL && nat_pool_addr_find(n->pool, ip) >= 0;
}

/* Of the pool's networks the NAT may use a few addresses only: what is sent to another one would
 * leave, and come back by the next router.
 */
static bool is_beside_pool(const struct rs_dp *dp, const struct ip_addr *ip)
{
	const struct nat *n = dp->workers[0].nat;

	for (unsigned int i = 0; n != NULL && i < n->cfg.n_ranges; i++) {
		if (prefix_contains(&n->cfg.ranges[i].prefix, ip))
			return true;
	}
	return false;
}

static bool is_own(const struct rs_dp *dp, const struct ip_addr *ip)
{
	for (unsigned int i = 0; i < rs_dp_local_count(dp); i++) {
		if (ip_equal(&dp->locals[i].ep.ip, ip))
			return true;
	}
	return false;
}

bool rs_dp_destination_allowed(const struct rs_dp *dp, const struct ip_addr *rip_gn)
{
	/* An address of the pool leads to another node, by way of its mapping (hairpin), and can do
	 * so where the pool shares the box's own address too: such packets never reach the kernel.
	 */
	if (is_pool(dp, rip_gn))
		return !dp->workers[0].nat->cfg.refuse_hairpin;
	if (!ip_is_unicast(rip_gn) || is_own(dp, rip_gn) || is_beside_pool(dp, rip_gn) ||
	    is_in(dp->refused, dp->n_refused, rip_gn))
		return false;
	return ip_is_global_unicast(rip_gn) || is_in(dp->inner, dp->n_inner, rip_gn);
}

int rs_dp_binding_add(struct rs_dp *dp, uint64_t index, uint32_t number,
		      const struct ip_addr *vip_gn, const struct ip_addr *rip_gn)
{
	const struct leg *leg = leg_table_find(dp->legs, index);

	if (leg == NULL)
		return -ENOENT;
	if (!rs_dp_destination_allowed(dp, rip_gn))
		return -EPERM;
	return binding_table_add(&dp->bindings, leg->subscriber, number, vip_gn, rip_gn);
}

int rs_dp_binding_del(struct rs_dp *dp, uint64_t index, uint32_t number)
{
	const struct leg *leg = leg_table_find(dp->legs, index);

	return leg == NULL ? -ENOENT : binding_del(&dp->bindings, leg->subscriber, number);
}
