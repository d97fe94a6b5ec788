/* SPDX-License-Identifier: BSD-3-Clause */
#include "client/ntmd.h"
#include "client/resolv.h"
#include "common/base64.h"
#include "common/log.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

LOG_TYPE("ntmd");

/* Of one turn. What was read goes out in segmented batches when the turn ends, so a turn of small
 * packets should fill one; a turn of super-packets must leave time for the rest.
 */
enum { TUN_BURST = UDP_BATCH_PACKETS, TUN_BURST_CUT = 256, RX_BURST = 2 };

/* ---- packets ---- */

static void dp_emit(void *ctx, uint8_t link, const struct endpoint *to, uint8_t tos,
		    const uint8_t *pkt, size_t len)
{
	struct ntmd *d = ctx;

	if (link < NODE_LINKS_MAX && d->links[link].is_used)
		udp_add(d->batch, &d->udp, &d->links[link].udp, to, tos, pkt, len);
	else
		d->udp.tx_errors++;
}

static void dp_deliver(void *ctx, uint8_t *pkt, size_t len)
{
	struct ntmd *d = ctx;

	offload_add(d->coalesce, pkt, len);
}

static void coalesced(void *ctx, const struct virtio_net_hdr *h, const uint8_t *pkt, size_t len)
{
	struct ntmd *d = ctx;

	tun_write(&d->tun, h, pkt, len);
}

static void cut(void *ctx, uint8_t *pkt, size_t len)
{
	struct ntmd *d = ctx;

	dp_output(d->dp, d->turn_ns, pkt, len);
}

static void tun_ready(void *arg, uint32_t events)
{
	struct ntmd *d = arg;
	uint64_t until = d->split.packets + TUN_BURST_CUT;
	struct virtio_net_hdr h;

	d->turn_ns = loop_now();
	for (int i = 0; i < TUN_BURST && d->split.packets < until; i++) {
		ssize_t n = tun_read(&d->tun, &h, d->tun_buf, OFFLOAD_SUPER_MAX);

		if (n < 0)
			break;
		offload_cut(&d->split, &h, d->tun_buf, (size_t)n);
	}
}

struct rx_from {
	struct ntmd *d;
	uint8_t link;
	uint64_t now;
};

static void outer_packet(void *ctx, const struct endpoint *from, uint8_t tos, uint8_t *pkt,
			 size_t len)
{
	struct rx_from *rx = ctx;

	dp_input(rx->d->dp, rx->now, rx->link, from, tos, pkt, len);
}

static void udp_ready(struct ntmd_link *l, int family)
{
	struct rx_from rx = {.d = l->d, .link = l->number, .now = loop_now()};

	for (int i = 0; i < RX_BURST && l->is_used; i++)
		if (udp_receive(&l->udp, family, l->d->rx, &l->d->udp, outer_packet, &rx) <
		    UDP_RX_MSGS)
			break;
}

static void udp4_ready(void *arg, uint32_t events)
{
	udp_ready(arg, 0);
}

static void udp6_ready(void *arg, uint32_t events)
{
	udp_ready(arg, 1);
}

/* ---- links ---- */

static void link_close(struct ntmd *d, struct ntmd_link *l)
{
	if (!l->is_used)
		return;
	for (int f = 0; f < 2; f++)
		if (l->fd[f].fd >= 0)
			loop_remove(&d->loop, &l->fd[f]);
	udp_flush(d->batch, &d->udp);
	udp_close(&l->udp);
	l->is_used = false;
}

static int link_open(struct ntmd *d, struct netmon_link *nl)
{
	struct ntmd_link *l = &d->links[nl->link.number];
	int ret;

	ret = udp_open(&l->udp, nl->link.name, nl->ifindex, (uint16_t)d->conf.port, d->conf.mark);
	if (ret == -EADDRINUSE) {
		LOG(WARN, "port in use, taking another link=%s port=%u", nl->link.name,
		    d->conf.port);
		ret = udp_open(&l->udp, nl->link.name, nl->ifindex, 0, d->conf.mark);
	}
	if (ret < 0)
		return ret;
	l->d = d;
	l->number = nl->link.number;
	l->is_used = true;
	for (int f = 0; f < 2; f++) {
		l->fd[f] = (struct loop_fd){
			.fd = l->udp.fd[f], .ready = f == 0 ? udp4_ready : udp6_ready, .arg = l};
		if (l->udp.fd[f] >= 0)
			loop_add(&d->loop, &l->fd[f], EPOLLIN);
	}
	return 0;
}

static int link_up(void *ctx, struct netmon_link *nl)
{
	struct ntmd *d = ctx;
	struct ntmd_link *l = &d->links[nl->link.number];

	if (l->is_used && l->udp.ifindex != nl->ifindex)
		link_close(d, l);
	if (!l->is_used) {
		int ret = link_open(d, nl);

		if (ret < 0)
			return ret;
	}
	nl->link.port = l->udp.port;
	LOG(INFO, "link name=%s addresses=%u port=%u", nl->link.name, nl->link.addrs_n,
	    nl->link.port);
	return node_link_set(d->node, loop_now(), &nl->link);
}

static void link_down(void *ctx, struct netmon_link *nl)
{
	struct ntmd *d = ctx;

	LOG(INFO, "link gone name=%s", nl->link.name);
	node_link_down(d->node, loop_now(), nl->link.number);
	link_close(d, &d->links[nl->link.number]);
}

static const struct netmon_ops netmon_ops = {.up = link_up, .down = link_down};

static void netmon_fd_ready(void *arg, uint32_t events)
{
	struct ntmd *d = arg;

	netmon_ready(&d->netmon);
}

/* ---- ops of the core ---- */

static void op_send(void *ctx, uint8_t link, const struct endpoint *to, const uint8_t *pkt,
		    size_t len)
{
	dp_emit(ctx, link, to, 0, pkt, len);
}

static int op_save_state(void *ctx, const struct node_state *s)
{
	struct ntmd *d = ctx;

	return state_save(&d->state, s);
}

static void op_save_pin(void *ctx, const char *name, const uint8_t key[NOISE_KEY_LEN])
{
	struct ntmd *d = ctx;

	state_pin_save(&d->state, name, key);
}

static void op_registered(void *ctx, const struct node_registration *r)
{
	struct ntmd *d = ctx;

	tun_configure(&d->tun, &r->vips, r->ranges, r->ranges_n);
	names_registered(d, r);
}

static void op_event(void *ctx, enum node_event_kind kind, const char *name, const char *text)
{
	static const char *const words[] = {
		[NODE_EV_REGISTERED] = "registered", [NODE_EV_DC_LOST] = "DC lost",
		[NODE_EV_REFUSED] = "DC refuses",    [NODE_EV_MOVED] = "moved",
		[NODE_EV_PATH_UP] = "path up",	     [NODE_EV_PATH_DOWN] = "path down",
		[NODE_EV_ROUTE] = "route changed",   [NODE_EV_KEY_CHANGED] = "peer key changed",
	};
	bool bad = kind == NODE_EV_REFUSED || kind == NODE_EV_KEY_CHANGED;

	log_write(bad ? LOG_WARN : LOG_INFO, log_type_, "%s name=%s: %s", words[kind], name, text);
}

static const struct node_ops node_ops = {
	.send = op_send,
	.save_state = op_save_state,
	.save_pin = op_save_pin,
	.registered = op_registered,
	.event = op_event,
};

/* ---- start ---- */

static void identity(struct ntmd *d)
{
	const char *name = d->conf.name;

	if (d->conf.join[0] != '\0')
		join_parse(d->conf.join, &d->join); /* config_check() has */
	if (name[0] != '\0')
		snprintf(d->join.name, sizeof(d->join.name), "%s", name);
	if (d->conf.dc_name[0] != '\0')
		snprintf(d->join.dc, sizeof(d->join.dc), "%s", d->conf.dc_name);
	if (d->conf.dc_key[0] != '\0')
		base64_decode(d->conf.dc_key, strlen(d->conf.dc_key), d->join.dc_key,
			      sizeof(d->join.dc_key)); /* likewise */
}

static int64_t realtime_offset(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec - (int64_t)loop_now();
}

static void tuning_fill(const struct config *c, struct node_tuning *t)
{
	*t = node_tuning_default;
	t->limits.rekey_after_ns = c->rekey_after_ns;
	t->limits.rekey_after_packets = c->rekey_after_packets;
	t->limits.reject_after_ns = c->reject_after_ns;
	t->limits.reject_after_packets = c->reject_after_packets;
	t->limits.control_rekey_ns = c->control_rekey_ns;
	t->keepalive_ns = c->keepalive_ns;
	t->keepalive_max_ns = c->keepalive_max_ns;
	t->optimise = c->optimise;
	t->pin_strict = c->pin_strict;
}

static uint16_t tunnel_mtu(uint32_t suites)
{
	bool cbc =
		(suites & (1u << SUITE_AES128_CBC_HMAC_MD5 | 1u << SUITE_AES128_CBC_HMAC_SHA256));

	return cbc ? 1408 : 1420;
}

static int core_create(struct ntmd *d, const struct endpoint *dc, unsigned int dc_n)
{
	static const struct dp_ops dp_ops = {.emit = dp_emit, .deliver = dp_deliver};
	struct node_params p = {
		.name = d->join.name,
		.dc_name = d->join.dc,
		.rng = &d->rng,
		.realtime_offset_ns = realtime_offset(),
	};
	struct dp_params dpp = {.rng = &d->rng};
	struct datapath dp;
	int ret;

	for (uint32_t i = 0; i < d->conf.suites_n; i++)
		p.suites |= 1u << d->conf.suites[i];
	p.mtu = dpp.mtu = tunnel_mtu(p.suites);
	memcpy(p.dc_key, d->join.dc_key, sizeof(p.dc_key));
	p.has_token = d->conf.join[0] != '\0';
	memcpy(p.token, d->join.token, sizeof(p.token));
	tuning_fill(&d->conf, &p.tuning);
	ret = state_key(&d->state, &d->rng, &p.keys);
	if (ret == 0)
		ret = state_load(&d->state, &p.state);
	if (ret < 0)
		return ret;
	for (unsigned int i = 0; i < dc_n && p.dc_n < NODE_DC_ENDPOINTS_MAX; i++)
		p.dc[p.dc_n++] = dc[i];
	memcpy(d->public_key, p.keys.pub, sizeof(d->public_key));
	d->dp = dp_create(&dpp, &dp_ops, d, node_datapath_events());
	if (d->dp == NULL)
		return -ENOMEM;
	dp = dp_datapath(d->dp);
	d->node = node_create(&p, loop_now(), &node_ops, d, &dp);
	explicit_bzero(&p, sizeof(p));
	if (d->node == NULL) {
		ret = errno != 0 ? -errno : -ENOMEM;
		LOG(ERR,
		    "cannot make the node (without an earlier enrolment a join line is needed): %s",
		    strerror(-ret));
		return ret;
	}
	dp_attach(d->dp, d->node);
	state_pins_load(&d->state, d->node);
	return tun_open(&d->tun, d->conf.tun_name, dpp.mtu);
}

static void ctl_ready(void *arg, uint32_t events)
{
	struct ntmd *d = arg;

	ctl_server_process(d->ctl, loop_now());
}

static void signal_ready(void *arg, uint32_t events)
{
	struct ntmd *d = arg;
	struct signalfd_siginfo si;

	if (read(d->signal_fd.fd, &si, sizeof(si)) != sizeof(si))
		return;
	if (si.ssi_signo == SIGHUP)
		json_decref(ntmd_reload(d));
	else
		d->is_stopping = true;
}

static int watch(struct ntmd *d, struct loop_fd *f, int fd, void (*ready)(void *, uint32_t))
{
	*f = (struct loop_fd){.fd = fd, .ready = ready, .arg = d};
	return loop_add(&d->loop, f, EPOLLIN);
}

static int ctl_listen_watch(struct ntmd *d)
{
	struct pollfd fds[CTL_FDS_MAX];

	if (ctl_server_poll_fds(d->ctl, fds) == 0)
		return -ENOENT;
	return watch(d, &d->ctl_fd, fds[0].fd, ctl_ready);
}

static int signals_open(struct ntmd *d)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	return fd < 0 ? -errno : watch(d, &d->signal_fd, fd, signal_ready);
}

static int buffers_create(struct ntmd *d)
{
	d->batch = calloc(1, sizeof(*d->batch));
	d->coalesce = calloc(1, sizeof(*d->coalesce));
	d->rx = udp_rx_create();
	d->tun_buf = malloc(OFFLOAD_SUPER_MAX);
	d->split.room = malloc(DP_HEADROOM + OFFLOAD_SUPER_MAX + DP_TAILROOM);
	if (d->batch == NULL || d->coalesce == NULL || d->rx == NULL || d->tun_buf == NULL ||
	    d->split.room == NULL)
		return -ENOMEM;
	d->split.packet = cut;
	d->split.ctx = d;
	d->split.headroom = DP_HEADROOM;
	d->split.tailroom = DP_TAILROOM;
	d->coalesce->out = coalesced;
	d->coalesce->ctx = d;
	return 0;
}

/* With the DC's addresses at hand: everything that needs them. */
static int begin(struct ntmd *d, const struct endpoint *dc, unsigned int dc_n)
{
	int ret = core_create(d, dc, dc_n);

	if (ret < 0)
		return ret;
	d->coalesce->has_udp = d->tun.has_uso;
	watch(d, &d->tun_fd, d->tun.fd, tun_ready);
	ret = names_start(d);
	if (ret < 0)
		return ret;
	d->netmon.names = d->conf.links;
	d->netmon.names_n = d->conf.links_n;
	d->netmon.skip = d->tun.ifindex;
	ret = netmon_open(&d->netmon, &netmon_ops, d);
	if (ret < 0) {
		LOG(ERR, "cannot watch links: %s", strerror(-ret));
		return ret;
	}
	watch(d, &d->netmon_fd, netmon_fd(&d->netmon), netmon_fd_ready);
	netmon_scan(&d->netmon);
	LOG(NOTICE, "running version=%s name=%s dc=%s", NTM_VERSION, d->join.name, d->join.dc);
	return 0;
}

static void dc_found(void *ctx, const struct endpoint *dc, unsigned int n)
{
	struct ntmd *d = ctx;

	d->find = NULL;
	if (begin(d, dc, n) < 0) {
		d->is_failed = true;
		d->is_stopping = true;
	}
}

static int find_dc(struct ntmd *d)
{
	if (d->conf.dc_n > 0)
		return begin(d, d->conf.dc, d->conf.dc_n);
	/* A run that did not end well has left our own stub in there. */
	if (d->conf.dns_mode == CONFIG_DNS_FILE)
		resolv_give_back(d->conf.state_dir, d->conf.resolv_conf);
	d->find = dc_find_start(&d->loop, d->join.dc, dc_found, d);
	return d->find != NULL ? 0 : -errno;
}

int ntmd_start(struct ntmd *d)
{
	int ret;

	d->tun.fd = d->signal_fd.fd = -1;
	d->start_ns = loop_now();
	d->slept_ns = loop_slept();
	rng_init_system(&d->rng);
	ret = loop_open(&d->loop);
	if (ret < 0)
		return ret;
	ret = signals_open(d);
	identity(d);
	if (ret == 0)
		ret = buffers_create(d);
	if (ret == 0)
		ret = state_open(&d->state, d->conf.state_dir);
	if (ret == 0)
		ret = ctl_server_open(&d->ctl, d->conf.control_socket, ntmd_commands, d);
	if (ret == 0)
		ret = ctl_listen_watch(d);
	if (ret < 0)
		LOG(ERR, "cannot start: %s", strerror(-ret));
	if (ret == 0)
		ret = find_dc(d);
	if (ret < 0)
		ntmd_stop(d);
	return ret;
}

void ntmd_stop(struct ntmd *d)
{
	dc_find_stop(d->find);
	names_stop(d);
	ctl_server_close(d->ctl);
	if (d->netmon.events.nl != NULL)
		netmon_close(&d->netmon);
	for (int i = 0; i < NODE_LINKS_MAX; i++)
		if (d->links[i].is_used)
			link_close(d, &d->links[i]);
	tun_close(&d->tun);
	if (d->node != NULL)
		node_destroy(d->node);
	if (d->dp != NULL)
		dp_destroy(d->dp);
	state_close(&d->state);
	udp_rx_destroy(d->rx);
	free(d->batch);
	free(d->coalesce);
	free(d->tun_buf);
	free(d->split.room);
	if (d->signal_fd.fd >= 0)
		close(d->signal_fd.fd);
	loop_close(&d->loop);
}

/* ---- the loop ---- */

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Mappings and leases may have gone while the machine slept. */
static void resume_check(struct ntmd *d, uint64_t now)
{
	uint64_t slept = loop_slept();

	if (slept > d->slept_ns + 2000000000ULL && d->node != NULL && d->netmon.asks.nl != NULL) {
		LOG(INFO, "resumed slept_s=%llu",
		    (unsigned long long)((slept - d->slept_ns) / 1000000000ULL));
		node_resumed(d->node, now);
		netmon_scan(&d->netmon);
	}
	d->slept_ns = slept;
}

/* ctl has up to CTL_FDS_MAX descriptors that come and go: they are polled beside the loop's own. */
static uint64_t ctl_poll(struct ntmd *d, uint64_t now)
{
	struct pollfd fds[CTL_FDS_MAX];
	unsigned int n = ctl_server_poll_fds(d->ctl, fds);

	if (n <= 1)
		return now + 1000000000ULL; /* the listening socket wakes the loop */
	if (poll(fds, n, 0) > 0)
		ctl_server_process(d->ctl, now);
	return now + 5000000ULL;
}

void ntmd_run(struct ntmd *d)
{
	while (!d->is_stopping) {
		uint64_t now = loop_now(), next = UINT64_MAX;

		if (d->node != NULL)
			next = earlier(node_poll(d->node, now), dp_poll(d->dp, now));
		if (d->dns != NULL)
			next = earlier(next, dns_io_poll(d->dns, now));
		next = earlier(next, ctl_poll(d, now));
		offload_flush(d->coalesce);
		udp_flush(d->batch, &d->udp);
		loop_run_once(&d->loop, loop_now(), next);
		resume_check(d, loop_now());
	}
	LOG(NOTICE, "stopping");
}
