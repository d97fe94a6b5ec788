/* SPDX-License-Identifier: BSD-3-Clause */
#include "appliance/route.h"
#include "appliance/app.h"
#include "appliance/config.h"
#include "appliance/iface.h"
#include "appliance/neigh.h"
#include "appliance/nl.h"
#include "common/log.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

LOG_TYPE("route");

/* Notifications are gathered for a moment; a reading takes no more than a tenth of the time. */
enum { GATHER_MS = 5, SHARE = 10, TICK_MS = 500 };
static const uint64_t MS = 1000000ULL;

struct onlink {
	struct ip_prefix prefix;
	uint16_t iface;
};

struct route_mirror {
	struct app *app;
	struct nl req, events;
	struct neigh_table *neigh;
	struct lcore_stats *stats;
	uint32_t table;

	struct fib_route *routes; /* as read, next hops resolved to indices; then host entries */
	uint32_t n_routes, size_routes;
	struct onlink *onlink;
	uint32_t n_onlink, size_onlink;
	struct local_addr *addrs;
	uint32_t n_addrs, size_addrs;
	uint32_t generation;

	bool routes_stale, addrs_stale; /* the kernel's have changed since they were read */
	bool failed;			/* an allocation failed during the current reading */
	uint64_t read_at, tick_at;
	uint64_t not_before; /* of the next reading */
};

/* Room for one more in an array that doubles; NULL leaves the old one as it is. */
static void *grow(void *array, uint32_t n, uint32_t *size, size_t each)
{
	uint32_t want = *size == 0 ? 64 : *size * 2;
	void *more;

	if (n < *size)
		return array;
	more = realloc(array, want * each);
	if (more != NULL)
		*size = want;
	return more;
}

static uint16_t iface_by_tap(const struct app *app, uint32_t index)
{
	for (uint16_t i = 0; i < app->n_ifaces; i++)
		if ((uint32_t)app->ifaces[i].tap_index == index)
			return i;
	return IFACE_NONE;
}

static struct ip_addr addr_from(uint8_t family, const void *p)
{
	struct ip_addr ip;
	uint32_t v4;

	if (family == AF_INET) {
		memcpy(&v4, p, 4);
		return ip_from_v4(v4);
	}
	memcpy(ip.b, p, 16);
	return ip;
}

/* What a route message says, of the parts that matter here. */
struct seen {
	struct ip_prefix prefix;
	uint32_t table, metric, oif;
	struct ip_addr gateway; /* none: on-link */
};

/* Gateway and interface of one hop, from the attributes between attr and its end. */
static void read_hop(const struct nlattr *attr, uint8_t family, struct seen *s)
{
	const void *p = mnl_attr_get_payload(attr);

	switch (mnl_attr_get_type(attr)) {
	case RTA_OIF:
		s->oif = mnl_attr_get_u32(attr);
		break;
	case RTA_GATEWAY:
		s->gateway = addr_from(family, p);
		break;
	case RTA_VIA: /* IPv4 by way of an IPv6 gateway, RFC 5549 */
		s->gateway = addr_from((uint8_t)((const struct rtvia *)p)->rtvia_family,
				       ((const struct rtvia *)p)->rtvia_addr);
		break;
	default:
		break;
	}
}

static void read_multipath(const struct nlattr *attr, uint8_t family, struct seen *s)
{
	const struct rtnexthop *hop = mnl_attr_get_payload(attr);
	const struct nlattr *a = (const struct nlattr *)RTNH_DATA(hop);
	int left = hop->rtnh_len - (int)RTNH_LENGTH(0);

	if (mnl_attr_get_payload_len(attr) < sizeof(*hop))
		return;
	s->oif = (uint32_t)hop->rtnh_ifindex;
	for (; mnl_attr_ok(a, left); left -= MNL_ALIGN(a->nla_len), a = mnl_attr_next(a))
		read_hop(a, family, s);
}

static void read_route(const struct nlmsghdr *nlh, const struct rtmsg *rtm, struct seen *s)
{
	const struct nlattr *attr;

	*s = (struct seen){.table = rtm->rtm_table};
	if (rtm->rtm_family == AF_INET)
		s->prefix.ip = ip_from_v4(0);
	s->prefix.len = rtm->rtm_dst_len + (rtm->rtm_family == AF_INET ? 96 : 0);
	mnl_attr_for_each(attr, nlh, sizeof(*rtm))
	{
		switch (mnl_attr_get_type(attr)) {
		case RTA_DST:
			s->prefix.ip = addr_from(rtm->rtm_family, mnl_attr_get_payload(attr));
			break;
		case RTA_TABLE:
			s->table = mnl_attr_get_u32(attr);
			break;
		case RTA_PRIORITY:
			s->metric = mnl_attr_get_u32(attr);
			break;
		case RTA_MULTIPATH:
			read_multipath(attr, rtm->rtm_family, s);
			break;
		default:
			read_hop(attr, rtm->rtm_family, s);
		}
	}
}

static void add_route(struct route_mirror *r, const struct seen *s, uint32_t nexthop)
{
	void *more;

	more = grow(r->routes, r->n_routes, &r->size_routes, sizeof(*r->routes));
	if (more == NULL) {
		r->failed = true;
		return;
	}
	r->routes = more;
	r->routes[r->n_routes++] =
		(struct fib_route){.prefix = s->prefix, .metric = s->metric, .nexthop = nexthop};
}

static void add_onlink(struct route_mirror *r, const struct seen *s, uint16_t iface)
{
	void *more;

	more = grow(r->onlink, r->n_onlink, &r->size_onlink, sizeof(*r->onlink));
	if (more == NULL) {
		r->failed = true;
		return;
	}
	r->onlink = more;
	r->onlink[r->n_onlink++] = (struct onlink){.prefix = s->prefix, .iface = iface};
}

static int on_route(const struct nlmsghdr *nlh, void *ctx)
{
	const struct rtmsg *rtm = mnl_nlmsg_get_payload(nlh);
	struct route_mirror *r = ctx;
	struct seen s;
	uint16_t iface;
	uint32_t idx;

	if (rtm->rtm_flags & RTM_F_CLONED ||
	    (rtm->rtm_family != AF_INET && rtm->rtm_family != AF_INET6))
		return MNL_CB_OK;
	read_route(nlh, rtm, &s);
	if (s.table != r->table)
		return MNL_CB_OK;
	if (rtm->rtm_type == RTN_BLACKHOLE || rtm->rtm_type == RTN_UNREACHABLE ||
	    rtm->rtm_type == RTN_PROHIBIT) {
		add_route(r, &s, NEXTHOP_NONE);
		return MNL_CB_OK;
	}
	iface = iface_by_tap(r->app, s.oif);
	if (rtm->rtm_type != RTN_UNICAST || iface == IFACE_NONE)
		return MNL_CB_OK;
	if (ip_is_none(&s.gateway)) {
		add_onlink(r, &s, iface);
		add_route(r, &s, r->app->ifaces[iface].glean);
		return MNL_CB_OK;
	}
	idx = neigh_get(r->neigh, iface, &s.gateway);
	if (idx == NEXTHOP_NONE)
		LOG_RL(ERR, "next hop table is full: routes lead nowhere tables.nexthops=%u",
		       r->app->n_nexthops);
	else
		neigh_ref(r->neigh, idx);
	add_route(r, &s, idx);
	return MNL_CB_OK;
}

static int on_addr(const struct nlmsghdr *nlh, void *ctx)
{
	const struct ifaddrmsg *ifa = mnl_nlmsg_get_payload(nlh);
	struct route_mirror *r = ctx;
	uint16_t iface = iface_by_tap(r->app, ifa->ifa_index);
	const struct nlattr *attr;
	const void *local = NULL, *address = NULL;
	void *more;

	if (iface == IFACE_NONE)
		return MNL_CB_OK;
	mnl_attr_for_each(attr, nlh, sizeof(*ifa))
	{
		if (mnl_attr_get_type(attr) == IFA_LOCAL)
			local = mnl_attr_get_payload(attr);
		else if (mnl_attr_get_type(attr) == IFA_ADDRESS)
			address = mnl_attr_get_payload(attr);
	}
	if (local == NULL)
		local = address; /* of IPv6 there is only the latter */
	if (local == NULL)
		return MNL_CB_OK;
	more = grow(r->addrs, r->n_addrs, &r->size_addrs, sizeof(*r->addrs));
	if (more == NULL) {
		r->failed = true;
		return MNL_CB_OK;
	}
	r->addrs = more;
	r->addrs[r->n_addrs++] =
		(struct local_addr){.ip = addr_from(ifa->ifa_family, local), .iface = iface};
	return MNL_CB_OK;
}

static int read_routes(struct route_mirror *r)
{
	struct nlmsghdr *nlh = nl_begin(&r->req, RTM_GETROUTE, 0);

	mnl_nlmsg_put_extra_header(nlh, sizeof(struct rtmsg));
	r->n_routes = 0;
	r->n_onlink = 0;
	neigh_refs_clear(r->neigh);
	return nl_dump(&r->req, nlh, on_route, r);
}

static int read_addrs(struct route_mirror *r)
{
	struct nlmsghdr *nlh = nl_begin(&r->req, RTM_GETADDR, 0);

	mnl_nlmsg_put_extra_header(nlh, sizeof(struct ifaddrmsg));
	r->n_addrs = 0;
	return nl_dump(&r->req, nlh, on_addr, r);
}

/* A host route for each neighbour that an on-link prefix of its interface covers. */
static void add_host(void *ctx, uint32_t idx, const struct nexthop *nh)
{
	struct route_mirror *r = ctx;

	for (uint32_t i = 0; i < r->n_onlink; i++) {
		if (r->onlink[i].iface != nh->iface ||
		    !prefix_contains(&r->onlink[i].prefix, &nh->ip))
			continue;
		add_route(r, &(struct seen){.prefix = {.ip = nh->ip, .len = 128}}, idx);
		return;
	}
}

static void destroy_fib(void *p)
{
	fib_destroy(p);
}

static void destroy_local(void *p)
{
	local_destroy(p);
}

static int publish_routes(struct route_mirror *r)
{
	uint32_t n = r->n_routes;
	const struct fib *old;
	struct fib *f;

	(void)neigh_changed(r->neigh);
	neigh_walk(r->neigh, add_host, r);
	f = fib_create(r->routes, r->n_routes, ++r->generation);
	if (f == NULL || r->failed) {
		fib_destroy(f);
		return -ENOMEM;
	}
	old = atomic_exchange_explicit(&r->app->fib, f, memory_order_acq_rel);
	if (old != NULL)
		rcu_defer(&r->app->rcu, destroy_fib, (void *)(uintptr_t)old);
	LOG(DEBUG, "published routes=%u hosts=%u ranges=%u generation=%u", n, r->n_routes - n,
	    fib_ranges(f), r->generation);
	return 0;
}

static int publish_addrs(struct route_mirror *r)
{
	const struct config *c = atomic_load_explicit(&r->app->config, memory_order_acquire);
	struct local_pool pools[CONFIG_POOLS_MAX];
	const struct local_table *old;
	struct local_table *t;

	for (uint32_t i = 0; i < c->rs.n_pools; i++)
		pools[i] = (struct local_pool){.prefix = c->rs.pools[i].prefix,
					       .port_min = (uint16_t)c->rs.pools[i].port_min,
					       .port_max = (uint16_t)c->rs.pools[i].port_max};
	t = local_create(r->addrs, r->n_addrs, pools, c->rs.n_pools);
	if (t == NULL || r->failed) {
		local_destroy(t);
		return -ENOMEM;
	}
	old = atomic_exchange_explicit(&r->app->local, t, memory_order_acq_rel);
	if (old != NULL)
		rcu_defer(&r->app->rcu, destroy_local, (void *)(uintptr_t)old);
	return 0;
}

/* Read what is stale and publish it. Host entries are sorted into r->routes, so that a publication
 * always starts from a reading: it is cheap, and what is published is what the kernel has now.
 */
static int refresh(struct route_mirror *r)
{
	bool addrs = r->addrs_stale;
	int ret = 0;

	r->failed = false;
	r->routes_stale = false;
	r->addrs_stale = false;
	if (addrs) {
		ret = read_addrs(r);
		if (ret == 0)
			ret = publish_addrs(r);
	}
	if (ret == 0)
		ret = read_routes(r);
	if (ret == 0)
		ret = publish_routes(r);
	if (ret < 0) { /* -EINTR: it changed under the reading */
		r->routes_stale = true;
		r->addrs_stale |= addrs;
	}
	return ret;
}

static int on_event(const struct nlmsghdr *nlh, void *ctx)
{
	struct route_mirror *r = ctx;

	switch (nlh->nlmsg_type) {
	case RTM_NEWNEIGH:
	case RTM_DELNEIGH:
		neigh_event(r->neigh, nlh);
		break;
	case RTM_NEWADDR:
	case RTM_DELADDR:
		r->addrs_stale = true;
		r->routes_stale = true;
		break;
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
	case RTM_NEWLINK:
		r->routes_stale = true;
		break;
	default:
		break;
	}
	return MNL_CB_OK;
}

static int read_neighbours(struct route_mirror *r)
{
	struct nlmsghdr *nlh = nl_begin(&r->req, RTM_GETNEIGH, 0);

	mnl_nlmsg_put_extra_header(nlh, sizeof(struct ndmsg));
	return nl_dump(&r->req, nlh, on_event, r);
}

/* Until the first refresh is through: the kernel may change while it is read. */
static int read_first(struct route_mirror *r)
{
	int ret = -EINTR;

	for (unsigned int i = 0; i < 10 && ret == -EINTR; i++) {
		r->addrs_stale = true;
		ret = refresh(r);
	}
	return ret < 0 ? ret : read_neighbours(r);
}

struct route_mirror *route_create(struct app *app, struct lcore_stats *st)
{
	const struct config *c = atomic_load_explicit(&app->config, memory_order_acquire);
	struct route_mirror *r = calloc(1, sizeof(*r));
	struct neigh_config nc = {.nexthops = app->nexthops,
				  .n = app->n_nexthops,
				  .ifaces = app->ifaces,
				  .n_ifaces = app->n_ifaces,
				  .hold_per_nexthop = c->tables.hold_per_nexthop,
				  .hold_total = c->tables.hold_total,
				  .rcu = &app->rcu,
				  .stats = st,
				  .out = &app->workers[0].mailbox};
	int ret;

	if (r == NULL)
		return NULL;
	r->app = app;
	r->stats = st;
	r->table = c->route_table;
	ret = nl_open(&r->req, 0);
	if (ret == 0)
		ret = nl_open(&r->events, RTMGRP_NEIGH | RTMGRP_LINK | RTMGRP_IPV4_ROUTE |
						  RTMGRP_IPV6_ROUTE | RTMGRP_IPV4_IFADDR |
						  RTMGRP_IPV6_IFADDR);
	if (ret < 0)
		goto err_destroy;
	r->neigh = neigh_create(&nc);
	ret = r->neigh == NULL ? -errno : read_first(r);
	if (ret < 0)
		goto err_destroy;
	return r;

err_destroy:
	route_destroy(r);
	errno = -ret;
	return NULL;
}

void route_destroy(struct route_mirror *r)
{
	if (r == NULL)
		return;
	neigh_destroy(r->neigh);
	nl_close(&r->events);
	nl_close(&r->req);
	free(r->routes);
	free(r->onlink);
	free(r->addrs);
	free(r);
}

int route_fd(const struct route_mirror *r)
{
	return mnl_socket_get_fd(r->events.sock);
}

uint64_t route_poll(struct route_mirror *r, uint64_t now)
{
	int ret = nl_events(&r->events, on_event, r);

	if (ret == -ENOBUFS) {
		LOG_RL(WARN, "kernel dropped notifications; reading all anew");
		r->routes_stale = true;
		r->addrs_stale = true;
		(void)read_neighbours(r);
	}
	if (now >= r->tick_at) {
		r->routes_stale |= neigh_tick(r->neigh, now);
		r->tick_at = now + TICK_MS * MS;
	}
	r->routes_stale |= neigh_changed(r->neigh);
	if (!r->routes_stale)
		return r->tick_at;
	if (r->read_at == 0)
		r->read_at = RTE_MAX(now + GATHER_MS * MS, r->not_before);
	if (now < r->read_at)
		return RTE_MIN(r->read_at, r->tick_at);
	ret = refresh(r);
	if (ret < 0 && ret != -EINTR)
		LOG_RL(ERR, "routes cannot be read or published: %s", strerror(-ret));
	r->read_at = 0;
	r->not_before = clock_ns(&r->app->clock);
	r->not_before += (r->not_before - now) * SHARE;
	return r->tick_at;
}

/* Destination of the IP header that m starts with. */
static struct ip_addr destination(struct rte_mbuf *m)
{
	const uint8_t *ip = rte_pktmbuf_mtod(m, const uint8_t *);

	return ip[0] >> 4 == 4 ? addr_from(AF_INET, ip + 16) : addr_from(AF_INET6, ip + 24);
}

void route_hold(struct route_mirror *r, struct rte_mbuf *m, uint64_t now)
{
	uint32_t idx = pkt_meta(m)->nexthop;
	const struct nexthop *nh = &r->app->nexthops[idx];
	struct ip_addr dst = destination(m);

	if (nexthop_state(atomic_load_explicit(&nh->word, memory_order_relaxed)) == NEXTHOP_GLEAN) {
		if (!ip_is_unicast(&dst)) {
			burst_drop(r->stats, m, DROP_NO_ROUTE);
			return;
		}
		idx = neigh_get(r->neigh, nh->iface, &dst);
		if (idx == NEXTHOP_NONE) {
			burst_drop(r->stats, m, DROP_NEIGH_FULL);
			return;
		}
	}
	neigh_hold(r->neigh, idx, m, now);
}
