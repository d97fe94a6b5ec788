/* SPDX-License-Identifier: BSD-3-Clause */
#include "appliance/dc_shell_impl.h"
#include "appliance/udp_out.h"
#include "common/log.h"
#include "dc/dns_zone_file.h"

#include <errno.h>
#include <time.h>

LOG_TYPE("dns");

static void random_key(struct dc_shell *s, struct siphash_key *key)
{
	uint8_t bytes[16];

	rng_fill(&s->rng, bytes, sizeof(bytes));
	siphash_key_load(key, bytes);
}

/* The name server is this box, with its addresses. */
static struct dns_zones *make_zone(struct dc_shell *s, const struct config *c)
{
	struct dns_zone_base base = {.ns_n = 1, .ns = {s->dns.dc}, .serial = (uint32_t)time(NULL)};
	const char *file = c->dc.zone_file[0] != '\0' ? c->dc.zone_file : NULL;
	const struct local_addr *addrs;
	char why[DNS_ZONE_ERROR_MAX];
	struct dns_zones *zones;
	struct dns_zone *zone;
	unsigned int at = 0;
	uint32_t n;

	s->local = atomic_load_explicit(&s->app->local, memory_order_acquire);
	addrs = local_addrs(s->local, &n);
	for (uint32_t i = 0; i < n && at < DNS_ZONE_NS_ADDRS_MAX; i++)
		if (ip_is_v4(&addrs[i].ip) || addrs[i].ip.b[0] != 0xfe) /* not link-local */
			base.ns_addr[0][at++] = addrs[i].ip;
	if (dns_zone_load(file, &s->apex, &base, &zone, why) < 0) {
		LOG(ERR, "dc.zone: %s", why);
		return NULL;
	}
	zones = dns_zones_create(&zone, 1);
	if (zones == NULL)
		dns_zone_destroy(zone);
	return zones;
}

static void destroy_zones(void *p)
{
	dns_zones_destroy(p);
}

/* Addresses came or went: the zone names them. The DC lcore may still be reading the old one. */
uint64_t dc_dns_tick(void *ctx, uint64_t now)
{
	struct dc_shell *s = ctx;
	struct dns_zones *zones;

	if (s->local == atomic_load_explicit(&s->app->local, memory_order_acquire))
		return UINT64_MAX;
	zones = make_zone(s, atomic_load_explicit(&s->app->config, memory_order_acquire));
	if (zones == NULL)
		return UINT64_MAX; /* said; the old one stays */
	(void)dns_server_swap(&s->dns, zones);
	rcu_defer(&s->app->rcu, destroy_zones, s->zones);
	s->zones = zones;
	return UINT64_MAX;
}

static int make_limit(struct dc_shell *s, const struct config *c)
{
	const struct dns_rrl_conf conf = {.rate = c->dc.rrl.rate,
					  .burst = c->dc.rrl.burst,
					  .slip = c->dc.rrl.slip,
					  .entries = c->dc.rrl.entries,
					  .v4_len = 24,
					  .v6_len = 56};
	struct siphash_key key;

	if (conf.rate == 0)
		return 0;
	random_key(s, &key);
	s->rrl = dns_rrl_create(&conf, &key);
	s->dns.rrl = s->rrl;
	return s->rrl == NULL ? -errno : 0;
}

int dc_dns_create(struct dc_shell *s, const struct config *c)
{
	uint8_t secret[DNS_COOKIE_SECRET_LEN];
	struct siphash_key key;
	struct dns_name name;

	if (dns_name_parse(c->dc.zone, &s->apex) < 0 || dns_name_parse(c->dc.name, &name) < 0) {
		LOG(ERR, "dc.zone, dc.name: no domain names");
		return -EINVAL;
	}
	random_key(s, &key);
	s->nodes = dns_nodes_create(&s->apex, 1, 2 * c->dc.nodes + 64, &key);
	if (s->nodes == NULL)
		return -ENOMEM;
	rng_fill(&s->rng, secret, sizeof(secret));
	dns_server_init(&s->dns, s->nodes, &name, secret);
	s->dns.unproven_factor = c->dc.unproven_factor;
	s->zones = make_zone(s, c);
	if (s->zones == NULL)
		return -EINVAL;
	(void)dns_server_swap(&s->dns, s->zones);
	return make_limit(s, c);
}

void dc_dns_destroy(struct dc_shell *s)
{
	dns_rrl_destroy(s->rrl);
	if (s->zones != NULL)
		dns_zones_destroy(s->zones);
	if (s->nodes != NULL)
		dns_nodes_destroy(s->nodes);
}

/* The answer takes the query's place in the buffer, and goes back where that came from. */
void dc_dns_packet(struct dc_shell *s, struct rte_mbuf *m, uint16_t worker, uint64_t now)
{
	const struct pkt_meta *meta = pkt_meta(m);
	const struct endpoint to = meta->src, from = meta->dst;
	uint16_t len = meta->data_len;
	struct dns_from who = {
		.src = to.ip,
		.now = now,
		.unix_sec = (uint32_t)((now + (uint64_t)s->params.real_offset_ns) / 1000000000)};
	size_t n;

	rte_pktmbuf_adj(m, meta->data);
	rte_pktmbuf_trim(m, rte_pktmbuf_data_len(m) - len);
	n = dns_answer(&s->dns, &who, rte_pktmbuf_mtod(m, uint8_t *), len,
		       len + rte_pktmbuf_tailroom(m));
	if (n == 0) {
		s->stats->consumed++;
		rte_pktmbuf_free(m);
		return;
	}
	m->data_len = (uint16_t)n;
	m->pkt_len = (uint32_t)n;
	(void)udp_send_mbuf(s->app, s->stats, worker, &from, &to, m);
}

void dc_dns_publish(void *ctx, const struct dc_name *name, bool is_gone)
{
	struct dc_shell *s = ctx;
	struct dns_node node = {.vip4 = name->vips.v4, .vip6 = name->vips.v6};
	struct dns_name n;

	if (dns_name_parse(name->name, &n) < 0)
		return; /* the core checked it when it was enrolled */
	if (is_gone)
		(void)dns_nodes_remove(s->nodes, &n);
	else if (dns_nodes_set(s->nodes, &n, &node) < 0)
		s->names_refused++;
}
