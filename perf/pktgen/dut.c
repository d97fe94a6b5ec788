/* SPDX-License-Identifier: BSD-3-Clause */
#include "perf/pktgen/dut.h"

#include "appliance/table_mem.h"
#include "common/handshake.h"

#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_malloc.h>

#include <errno.h>
#include <stdlib.h>

enum { OWN_PORT = 5530, NTM_PORT = 5525, MAC_BYTE = 0x52 };
static const char own4[] = "198.19.254.2", own6[] = "2001:2:0:fe::2", pool[] = "198.19.253.0/24";

static struct ip_addr ip_of(const char *text)
{
	struct ip_addr ip;

	if (ip_parse(text, &ip) < 0)
		abort();
	return ip;
}

static struct ip_prefix prefix_of(const char *text)
{
	struct ip_prefix p;

	if (prefix_parse(text, &p) < 0)
		abort();
	return p;
}

static int routes_up(struct dut *d, const struct dut_conf *conf)
{
	struct fib_route route[] = {{.prefix = prefix_of("0.0.0.0/0"), .nexthop = 1},
				    {.prefix = prefix_of("::/0"), .nexthop = 1}};
	struct local_addr own[] = {{.ip = ip_of(own4)}, {.ip = ip_of(own6)}};
	struct local_pool nat = {prefix_of(pool), 1024, 65535};
	uint64_t mac = 0;

	memcpy(&mac, conf->gen_mac.addr_bytes, RTE_ETHER_ADDR_LEN);
	d->fib = fib_create(route, RTE_DIM(route), 1);
	d->local = local_create(own, RTE_DIM(own), &nat, conf->plan->conf.flows > 0);
	d->iface = (struct iface){.mtu = 9000, .port = d->port};
	d->iface.mac.addr_bytes[0] = 2;
	d->iface.mac.addr_bytes[5] = MAC_BYTE;
	atomic_store(&d->nexthops[1].word, (uint64_t)NEXTHOP_READY << 48 | mac);
	return d->fib == NULL || d->local == NULL ? -ENOMEM : 0;
}

static int port_start(uint16_t port, struct rte_mempool *mp)
{
	struct rte_eth_conf conf = {.txmode = {.mq_mode = RTE_ETH_MQ_TX_NONE}};
	int ret = rte_eth_dev_configure(port, 1, 1, &conf);

	if (ret == 0)
		ret = rte_eth_rx_queue_setup(port, 0, 1024, SOCKET_ID_ANY, NULL, mp);
	if (ret == 0)
		ret = rte_eth_tx_queue_setup(port, 0, 1024, SOCKET_ID_ANY, NULL);
	return ret == 0 ? rte_eth_dev_start(port) : ret;
}

/* Two ports over the same two rings, crosswise. */
static int ports_up(struct dut *d, const struct dut_conf *conf)
{
	const unsigned int flags = RING_F_SP_ENQ | RING_F_SC_DEQ | RING_F_EXACT_SZ;
	int port, gen;

	d->in = rte_ring_create("dut_in", conf->ring, SOCKET_ID_ANY, flags);
	d->out = rte_ring_create("dut_out", conf->ring, SOCKET_ID_ANY, flags);
	if (d->in == NULL || d->out == NULL)
		return -ENOMEM;
	port = rte_eth_from_rings("dut", &d->in, 1, &d->out, 1, 0);
	gen = rte_eth_from_rings("gen", &d->out, 1, &d->in, 1, 0);
	if (port < 0 || gen < 0)
		return -ENODEV;
	d->port = (uint16_t)port;
	d->gen_port = (uint16_t)gen;
	port = port_start(d->port, conf->pool);
	return port == 0 ? port_start(d->gen_port, conf->pool) : port;
}

static int worker_up(struct dut *d, const struct dut_conf *conf)
{
	struct worker *w = rte_zmalloc(NULL, sizeof(*w), RTE_CACHE_LINE_SIZE);

	d->w = w;
	if (w == NULL)
		return -ENOMEM;
	w->n_workers = 1;
	w->ifaces = &d->iface;
	w->n_ifaces = 1;
	w->n_ports = 1;
	w->ports[0] = d->port;
	w->nexthops = d->nexthops;
	w->n_nexthops = RTE_DIM(d->nexthops);
	w->ntm_port = NTM_PORT;
	w->alt_port = 443;
	w->base_port = OWN_PORT;
	w->has_rs = true;
	w->pool = conf->pool;
	w->rs = rs_dp_worker(d->dp, 0);
	w->now = clock_ns(&d->clock);
	w->fib = d->fib;
	w->local = d->local;
	w->out = calloc(1, sizeof(*w->out));
	w->peers[0] = &w->mailbox;
	return w->out == NULL ? -ENOMEM : mailbox_init(&w->mailbox, "dut_mail", 256);
}

static int dp_up(struct dut *d, const struct plan_conf *c)
{
	struct rs_dp_config cfg = {
		.n_workers = 1,
		.rng = &d->rng,
		.paths_max = RTE_MAX(c->paths, 64u),
		.legs_max = RTE_MAX(c->flows > 0 ? c->legs : 0, 64u),
		.bindings_max = RTE_MAX(c->flows > 0 ? c->legs : 0, 64u),
	};
	struct endpoint own = {ip_of(c->outer6 ? own6 : own4), OWN_PORT};
	int ret;

	cfg.inner[cfg.n_inner++] = prefix_of("198.18.0.0/15");
	if (c->flows > 0) {
		cfg.nat.n_ranges = 1;
		cfg.nat.ranges[0].prefix = prefix_of(pool);
		cfg.nat.ranges[0].port_min = 1024;
		cfg.nat.ranges[0].port_max = 65535;
		cfg.nat.flows_max = RTE_MAX(2 * c->flows, 1024u);
		cfg.nat.subscriber_ports = RTE_MIN(c->flows / c->legs + 64, 65535u);
		cfg.nat.subscriber_flows = c->flows / c->legs + 64;
	}
	d->dp = rs_dp_create(&cfg);
	if (d->dp == NULL)
		return -errno;
	ret = rs_dp_local_add(d->dp, &own, 0);
	return ret < 0 ? ret : 0;
}

int dut_up(struct dut *d, const struct dut_conf *conf)
{
	int ret;

	memset(d, 0, sizeof(*d));
	clock_init(&d->clock);
	rng_init_seeded(&d->rng, conf->plan->conf.seed + 1);
	ret = dp_up(d, &conf->plan->conf);
	if (ret == 0)
		ret = ports_up(d, conf);
	if (ret == 0)
		ret = routes_up(d, conf);
	return ret == 0 ? worker_up(d, conf) : ret;
}

static void ring_drain(struct rte_ring *r)
{
	void *m;

	while (r != NULL && rte_ring_dequeue(r, &m) == 0)
		rte_pktmbuf_free(m);
	rte_ring_free(r);
}

void dut_down(struct dut *d)
{
	if (d->w != NULL) {
		(void)rte_eth_dev_stop(d->port);
		(void)rte_eth_dev_stop(d->gen_port);
		(void)rte_eth_dev_close(d->port);
		(void)rte_eth_dev_close(d->gen_port);
		mailbox_fini(&d->w->mailbox);
		free(d->w->out);
		rte_free(d->w);
	}
	ring_drain(d->in);
	ring_drain(d->out);
	if (d->dp != NULL)
		rs_dp_destroy(d->dp);
	if (d->fib != NULL)
		fib_destroy(d->fib);
	if (d->local != NULL)
		local_destroy(d->local);
}

static int paths_install(struct dut *d, struct plan *p)
{
	for (uint32_t i = 0; i < p->conf.paths; i++) {
		struct rs_dp_path path = {.id = plan_path_id(p, i)};
		int ret;

		for (int side = 0; side < RS_SIDES; side++)
			path.side[side] = (struct rs_dp_side){
				.peer = p->node[plan_path_node(p, i, side == RS_SIDE_B)].self,
				.state = RS_SIDE_CONFIRMED};
		ret = rs_dp_path_set(d->dp, &path);
		if (ret < 0)
			return ret;
	}
	return 0;
}

/* The keys that a handshake would have made. */
static int leg_install(struct dut *d, struct plan *p, uint32_t node)
{
	struct rs_dp_leg leg = {
		.vip4 = plan_vip(node), .peer = p->node[node].self, .confirmed = true};
	struct epoch_keys ours = {0}, theirs = {.peer_index = plan_own_index(node)};
	uint8_t split[2][KEYS_SPLIT_LEN];
	struct ip_addr vip = plan_vip_host(plan_node_host(p, node));
	struct ip_addr rip = plan_host_addr(plan_node_host(p, node));
	uint64_t *index = &p->node[node].rs_index;
	int ret;

	rng_fill(&d->rng, split, sizeof(split));
	(void)keys_derive(&ours.send, p->conf.suite, split[0]); /* the suite is known */
	(void)keys_derive(&ours.recv, p->conf.suite, split[1]);
	theirs.recv = ours.send;
	theirs.send = ours.recv;
	plan_leg_keys(p, node, &ours);
	ret = rs_dp_leg_reserve(d->dp, rng_u64(&d->rng), index);
	if (ret == 0)
		ret = rs_dp_leg_add(d->dp, *index, &leg);
	if (ret == 0)
		ret = rs_dp_leg_key_install(d->dp, *index, &theirs, UINT64_MAX);
	if (ret == 0)
		ret = rs_dp_leg_key_use(d->dp, *index, 0);
	keys_wipe(&theirs.recv);
	keys_wipe(&theirs.send);
	keys_wipe(&ours.send);
	keys_wipe(&ours.recv);
	return ret == 0 ? rs_dp_binding_add(d->dp, *index, 1, &vip, &rip) : ret;
}

int dut_install(struct dut *d, struct plan *p)
{
	int ret = paths_install(d, p);

	for (uint32_t i = 0; i < 2 * p->conf.legs; i++) {
		p->node[i].rs = *rs_dp_local(d->dp, 0);
		p->node[i].flags = wire_flags(true, 0, 0);
		p->node[i].suite = p->conf.suite;
	}
	for (uint32_t i = 0; p->conf.flows > 0 && i < p->conf.legs && ret == 0; i++)
		ret = leg_install(d, p, i);
	return ret;
}

int dut_main(void *arg)
{
	struct dut *d = arg;
	struct worker *w = d->w;
	uint64_t limit = rte_get_tsc_hz() / (1000000000 / STALL_NS);
	uint32_t epoch = 0;

	stall_init(&d->stalls, limit);
	while (!atomic_load_explicit(&d->stop, memory_order_acquire)) {
		uint32_t asked = atomic_load_explicit(&d->epoch, memory_order_acquire);

		if (asked != epoch) {
			stall_init(&d->stalls, limit);
			epoch = asked;
		}
		stall_turn(&d->stalls, rte_rdtsc());
		w->now = clock_ns(&d->clock);
		(void)pipeline_run(w);
		rs_worker_turn(w);
		w->stats.loops++;
	}
	return 0;
}
