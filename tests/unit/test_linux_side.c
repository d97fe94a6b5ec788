/* SPDX-License-Identifier: BSD-3-Clause */
/* The threads that deal with Linux: what they drop, and under which name. In a network namespace of the
 * test's own.
 */
#include "appliance/app.h"
#include "appliance/iface.h"
#include "appliance/local.h"
#include "appliance/port.h"
#include "appliance/route.h"
#include "appliance/tap.h"
#include "appliance/worker.h"
#include "tests/unit/eal_init.h"
#include "tests/unit/own_net.h"
#include "tests/unit/rs_fixture.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { NEXTHOPS = 8, HOLD = 3, PATIENCE_MS = 10000 };

static struct rig {
	struct app app;
	struct config config;
	struct iface iface;
	struct nexthop nexthops[NEXTHOPS];
	struct lcore_stats stats;
} rig;

static void app_up(const char *name)
{
	struct app *app = &rig.app;

	memset(&rig, 0, sizeof(rig));
	rig.config.tables.hold_per_nexthop = HOLD;
	rig.config.tables.hold_total = 64;
	rig.config.route_table = RT_TABLE_MAIN;
	rig.config.idle = IDLE_ADAPTIVE;
	atomic_store(&app->config, &rig.config);
	snprintf(rig.iface.name, sizeof(rig.iface.name), "%s", name);
	rig.iface.mtu = 1500;
	rig.iface.tap_fd = -1;
	rig.iface.tap_index = (int)if_nametoindex(name);
	app->ifaces = &rig.iface;
	app->n_ifaces = 1;
	app->nexthops = rig.nexthops;
	app->n_nexthops = NEXTHOPS;
	app->n_workers = 1;
	app->workers = rte_zmalloc("workers", sizeof(*app->workers), RTE_CACHE_LINE_SIZE);
	app->pool = port_pool_create("linux_side", 255, 2176, SOCKET_ID_ANY);
	assert_non_null(app->workers);
	assert_non_null(app->pool);
	assert_int_equal(mailbox_init(&app->workers[0].mailbox, "ls_w0", 64), 0);
	assert_int_equal(mailbox_init(&app->tap_mb, "ls_tap", 64), 0);
	assert_int_equal(rcu_init(&app->rcu, 1), 0);
}

/* Each buffer is where it was. */
static void app_down(void)
{
	struct app *app = &rig.app;
	struct mail mail;

	while (mailbox_take(&app->workers[0].mailbox, &mail, 1) == 1)
		rte_pktmbuf_free(mail.ptr);
	mailbox_fini(&app->workers[0].mailbox);
	mailbox_fini(&app->tap_mb);
	rcu_fini(&app->rcu);
	assert_int_equal(rte_mempool_in_use_count(app->pool), 0);
	rte_mempool_free(app->pool);
	rte_free(app->workers);
}

static void to(struct route_mirror *r, const char *address)
{
	static const uint8_t zeros[64];
	struct ip_addr src = fix_ip("192.0.2.1"), dst = fix_ip(address);
	struct rte_mbuf *m = rte_pktmbuf_alloc(rig.app.pool);
	uint8_t pkt[256];
	uint16_t len = fix_ip_packet(pkt, &src, &dst, IPPROTO_UDP, 64, 0, zeros, sizeof(zeros));

	assert_non_null(m);
	memcpy(rte_pktmbuf_append(m, len), pkt, len);
	pkt_meta(m)->nexthop = rig.iface.glean;
	route_hold(r, m, UINT64_C(1000000000));
}

/* Hosts of the network beside us that are asked for until no next hop is free. What waits for others goes
 * on waiting, and is given up with the process.
 */
static void test_neighbours(void **state)
{
	struct lcore_stats *st = &rig.stats;
	struct route_mirror *r;
	char address[32];
	unsigned int hosts = 0;

	app_up("wan");
	r = route_create(&rig.app, st);
	assert_non_null(r);
	for (; hosts < NEXTHOPS && st->drops[DROP_NEIGH_FULL] == 0; hosts++) {
		snprintf(address, sizeof(address), "192.0.2.%u", 10 + hosts);
		to(r, address);
	}
	assert_in_range(hosts, 3,
			NEXTHOPS - 1); /* no route and the network's own are not for hosts */
	assert_int_equal(st->held, hosts - 1);
	assert_int_equal(stats_drop_sum(st), 1);
	to(r, "192.0.2.10"); /* who has a next hop keeps it */
	assert_int_equal(st->held, hosts);
	assert_int_equal(stats_drop_sum(st), 1);
	route_destroy(r);
	assert_int_equal(st->drops[DROP_STOPPING], hosts);
	assert_int_equal(stats_drop_sum(st), hosts + 1);
	assert_int_equal(st->held, 0);
	local_destroy((struct local_table *)(uintptr_t)atomic_load(&rig.app.local));
	fib_destroy((struct fib *)(uintptr_t)atomic_load(&rig.app.fib));
	app_down();
}

static void frame_to_linux(void)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(rig.app.pool);

	assert_non_null(m);
	memset(rte_pktmbuf_append(m, 60), 0xff, 60);
	pkt_meta(m)->iface = 0;
	assert_true(mailbox_send(&rig.app.tap_mb, MAIL_FRAME, 0, m) >= 0);
	mailbox_wake(&rig.app.tap_mb);
}

/* The thread writes counters as it goes; the time only ends a hang. */
static void wait_for(const uint64_t *counter, uint64_t want)
{
	for (int i = 0; i < PATIENCE_MS && __atomic_load_n(counter, __ATOMIC_RELAXED) < want; i++)
		(void)poll(NULL, 0, 1);
	assert_int_equal(*counter, want);
}

/* A TAP that an operator has set down takes nothing; set up again it does. */
static void test_tap(void **state)
{
	const char *const up[] = {"ip", "link", "set", "tap0", "addrgenmode", "none", "up", NULL};
	const char *const down[] = {"ip", "link", "set", "tap0", "down", NULL};
	struct ifreq ifr = {.ifr_name = "tap0", .ifr_flags = IFF_TAP | IFF_NO_PI};
	const struct lcore_stats *st;
	struct tap_thread *t;
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		skip();
	assert_int_equal(ioctl(fd, TUNSETIFF, &ifr), 0);
	assert_true(own_net_ip(up));
	app_up("tap0");
	rig.iface.tap_fd = fd;
	t = tap_thread_start(&rig.app);
	assert_non_null(t);
	st = tap_thread_stats(t);
	frame_to_linux();
	wait_for(&st->tx, 1);
	assert_true(own_net_ip(down));
	frame_to_linux();
	frame_to_linux();
	wait_for(&st->drops[DROP_TAP_WRITE], 2);
	assert_true(own_net_ip(up));
	frame_to_linux();
	wait_for(&st->tx, 2);
	assert_int_equal(stats_drop_sum(st), 2);
	assert_int_equal(st->from_mailbox, 4);
	atomic_store(&rig.app.stopping, true);
	mailbox_wake(&rig.app.tap_mb);
	tap_thread_stop(t);
	close(fd);
	app_down();
}

static int setup(void **state)
{
	const char *const address[] = {"ip", "addr", "add", "192.0.2.1/24", "dev", "wan", NULL};

	return own_net_veth("wan", "other", "1500") && own_net_ip(address) ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_neighbours),
		cmocka_unit_test(test_tap),
	};
	int ret;

	if (!own_net_enter()) {
		printf("no network namespace of its own\n");
		return 77;
	}
	eal_start();
	ret = cmocka_run_group_tests(tests, setup, NULL);
	eal_stop();
	return ret;
}
