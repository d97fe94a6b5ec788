/* SPDX-License-Identifier: BSD-3-Clause */
/* Ports over a real wire (af_packet, veth): jumbo frames in one buffer, VLAN tags on and off, a queue
 * per worker.
 */
#include "appliance/config.h"
#include "appliance/iface.h"
#include "appliance/port.h"
#include "appliance/worker.h"
#include "common/bytes.h"
#include "tests/unit/eal_init.h"
#include "tests/unit/own_net.h"

#include <rte_ethdev.h>
#include <rte_ip.h>
#include <rte_malloc.h>

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { MTU = 9000, VLAN = 7, QUEUES = 2, WAIT_MS = 5000 };

static int wire; /* raw socket at "port1", the other end of the port's "port0" */

static struct {
	struct port_info port;
	struct rte_mempool *pool;
	struct iface ifaces[2]; /* untagged; VLAN */
	struct nexthop nexthops[3];
	struct local_table *local;
	struct worker *w;
} rig;

static void wire_up(void)
{
	union {
		struct sockaddr_ll ll;
		struct sockaddr any;
	} at = {.ll = {.sll_family = AF_PACKET,
		       .sll_protocol = htons(ETH_P_ALL),
		       .sll_ifindex = (int)if_nametoindex("port1")}};
	const int one = 1;

	wire = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	assert_true(wire >= 0);
	assert_int_equal(bind(wire, &at.any, sizeof(at.ll)), 0);
	assert_int_equal(setsockopt(wire, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof(one)),
			 0);
	assert_int_equal(setsockopt(wire, SOL_PACKET, PACKET_AUXDATA, &one, sizeof(one)), 0);
}

static void port_up(void)
{
	struct config *c = calloc(1, sizeof(*c));
	struct port_config pc = {.queues = QUEUES, .descriptors = 64, .mtu = MTU};

	c->n_ifaces = 2;
	c->ifaces[0].mtu = 1500;
	c->ifaces[1].mtu = MTU;
	rig.pool = port_pool_create("port", 1023, config_packet_bytes(c), SOCKET_ID_ANY);
	assert_non_null(rig.pool);
	pc.pool = rig.pool;
	assert_int_equal(port_open("net_af_packet0,iface=port0", &pc, &rig.port), 0);
	assert_int_equal(port_start(&rig.port), 0);
	free(c);
}

static int up(void **state)
{
	struct local_addr own = {.ip = ip_from_v4(htonl(0xc0000201))};
	struct worker *w = rte_zmalloc(NULL, sizeof(*w), RTE_CACHE_LINE_SIZE);

	wire_up();
	port_up();
	rig.w = w;
	rig.local = local_create(&own, 1, NULL, 0);
	for (uint16_t i = 0; i < 2; i++) {
		rig.ifaces[i] = (struct iface){
			.index = i, .port = rig.port.id, .vlan = i ? VLAN : 0, .mtu = MTU};
		assert_int_equal(rte_eth_macaddr_get(rig.port.id, &rig.ifaces[i].mac), 0);
		rig.nexthops[i + 1].iface = i;
		atomic_store(&rig.nexthops[i + 1].word,
			     (uint64_t)NEXTHOP_READY << 48 | 0x020000000002);
	}
	w->n_workers = QUEUES;
	w->n_ports = 1;
	w->ports[0] = rig.port.id;
	w->ifaces = rig.ifaces;
	w->n_ifaces = 2;
	w->nexthops = rig.nexthops;
	w->n_nexthops = 3;
	w->base_port = 5530;
	w->local = rig.local;
	w->pool = rig.pool;
	w->out = rte_zmalloc(NULL, sizeof(*w->out), RTE_CACHE_LINE_SIZE);
	return rig.local == NULL || w->out == NULL ? -1 : 0;
}

static int down(void **state)
{
	port_close(&rig.port);
	close(wire);
	local_destroy(rig.local);
	rte_free(rig.w->out);
	rte_free(rig.w);
	rte_mempool_free(rig.pool);
	return 0;
}

/* Ethernet, perhaps a tag, IPv4 to the box with protocol 253, so that it is the kernel's. */
static size_t frame_make(uint8_t *p, uint16_t vlan, uint16_t ip_len)
{
	size_t at = 14;
	uint16_t sum;

	memset(p, 0, 18u + ip_len);
	memcpy(p, rig.ifaces[0].mac.addr_bytes, 6);
	p[6] = 2;
	p[11] = 2;
	if (vlan != 0) {
		store_be16(p + 12, RTE_ETHER_TYPE_VLAN);
		store_be16(p + 14, vlan);
		at = 18;
	}
	store_be16(p + at - 2, RTE_ETHER_TYPE_IPV4);
	p[at] = 0x45;
	store_be16(p + at + 2, ip_len);
	p[at + 8] = 64;
	p[at + 9] = 253;
	store_be32(p + at + 12, 0xc6336401);
	store_be32(p + at + 16, 0xc0000201);
	sum = (uint16_t)~rte_raw_cksum(p + at, 20);
	memcpy(p + at + 10, &sum, 2);
	for (size_t i = at + 20; i < at + ip_len; i++)
		p[i] = (uint8_t)(i - at);
	return at + ip_len;
}

/* Whichever queue the kernel chose: every one is polled, as workers do. */
static void receive(void)
{
	for (unsigned int turns = 0; rig.w->lanes.rx.n == 0 && turns < 100000000; turns++) {
		rig.w->id = (uint16_t)(turns % QUEUES);
		rx_stage(rig.w);
	}
	assert_int_equal(rig.w->lanes.rx.n, 1);
}

static void arrives(uint16_t vlan, uint16_t ip_len, uint16_t iface)
{
	static uint8_t frame[MTU + 18];
	size_t len = frame_make(frame, vlan, ip_len);
	struct burst *local = &rig.w->lanes.local;
	struct rte_mbuf *m;

	assert_int_equal(send(wire, frame, len, 0), len);
	receive();
	assert_int_equal(rig.w->lanes.rx.pkt[0]->nb_segs, 1);
	parse_stage(rig.w);
	assert_int_equal(local->n, 1);
	m = local->pkt[0];
	local->n = 0;
	assert_int_equal(pkt_meta(m)->iface, iface);
	assert_int_equal(rte_pktmbuf_data_len(m), 14 + ip_len);
	assert_memory_equal(pkt_l3(m), frame + len - ip_len, ip_len);
	rte_pktmbuf_free(m);
}

static void frames_come_in(void **state)
{
	arrives(0, 100, 0);
	arrives(0, MTU, 0);
	arrives(VLAN, 100, 1);
	arrives(VLAN, MTU, 1);
	arrives(VLAN | 5 << 13, 60, 1); /* with a priority */
}

static void foreign_tag_is_refused(void **state)
{
	uint8_t frame[200];
	size_t len = frame_make(frame, VLAN + 1, 100);

	assert_int_equal(send(wire, frame, len, 0), len);
	receive();
	parse_stage(rig.w);
	assert_int_equal(rig.w->stats.drops[DROP_VLAN], 1);
	assert_int_equal(rig.w->lanes.local.n, 0);
}

/* The tag of a received frame, which the kernel takes off. */
static uint16_t tag_of(struct msghdr *msg)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c != NULL; c = CMSG_NXTHDR(msg, c)) {
		struct tpacket_auxdata aux;

		if (c->cmsg_level != SOL_PACKET || c->cmsg_type != PACKET_AUXDATA)
			continue;
		memcpy(&aux, CMSG_DATA(c), sizeof(aux));
		return aux.tp_status & TP_STATUS_VLAN_VALID ? aux.tp_vlan_tci : 0;
	}
	return 0;
}

static void leaves(uint32_t nexthop, uint16_t ip_len, uint16_t vlan)
{
	static uint8_t frame[MTU + 18], got[MTU + 64];
	size_t len = frame_make(frame, 0, ip_len);
	struct rte_mbuf *m = worker_alloc(rig.w);
	_Alignas(struct cmsghdr) uint8_t control[128];
	struct iovec iov = {.iov_base = got, .iov_len = sizeof(got)};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = control,
			     .msg_controllen = sizeof(control)};
	struct pollfd fd = {.fd = wire, .events = POLLIN};

	assert_non_null(m);
	memcpy(rte_pktmbuf_append(m, ip_len), frame + 14, ip_len);
	pkt_meta(m)->nexthop = nexthop;
	rig.w->id = 0;
	burst_push(&rig.w->stats, &rig.w->lanes.tx, m);
	tx_stage(rig.w);
	assert_int_equal(stats_drop_sum(&rig.w->stats) - rig.w->stats.drops[DROP_VLAN], 0);
	assert_int_equal(poll(&fd, 1, WAIT_MS), 1);
	assert_int_equal(recvmsg(wire, &msg, 0), len);
	assert_int_equal(tag_of(&msg), vlan);
	assert_memory_equal(got + 14, frame + 14, ip_len);
}

static void frames_go_out(void **state)
{
	leaves(1, 100, 0);
	leaves(1, MTU, 0);
	leaves(2, 100, VLAN);
	leaves(2, MTU, VLAN);
}

static int wire_to(const char *name)
{
	union {
		struct sockaddr_ll ll;
		struct sockaddr any;
	} at = {.ll = {.sll_family = AF_PACKET,
		       .sll_protocol = htons(ETH_P_ALL),
		       .sll_ifindex = (int)if_nametoindex(name)}};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, &at.any, sizeof(at.ll)), 0);
	return fd;
}

static uint16_t bond_get(uint16_t port, uint16_t queues, struct rte_mbuf **m)
{
	uint16_t n = 0;

	for (unsigned int turns = 0; n == 0 && turns < 100000000; turns++)
		n = rte_eth_rx_burst(port, (uint16_t)(turns % queues), m, 1);
	return n;
}

/* Two wires joined in turns: what comes by either arrives, what leaves takes one after the other. */
static void bond(void **state)
{
	static const char members[][256] = {"net_af_packet2,iface=port2",
					    "net_af_packet3,iface=port4"};
	struct port_config pc = {.queues = 1,
				 .descriptors = 64,
				 .mtu = 1500,
				 .pool = rig.pool,
				 .n_members = 2,
				 .members = members};
	struct rte_mbuf *m;
	struct port_info port;
	uint8_t frame[200], got[256];
	size_t len = frame_make(frame, 0, 100);
	int wires[2] = {wire_to("port3"), wire_to("port5")};

	assert_int_equal(port_open("net_bonding0,mode=0", &pc, &port), 0);
	assert_int_equal(port_start(&port), 0);
	assert_int_equal(rte_eth_macaddr_get(port.id, (struct rte_ether_addr *)frame), 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(send(wires[i], frame, len, 0), len);
		assert_int_equal(bond_get(port.id, 1, &m), 1);
		assert_memory_equal(rte_pktmbuf_mtod(m, uint8_t *), frame, len);
		assert_int_equal(rte_eth_tx_burst(port.id, 0, &m, 1), 1);
	}
	for (int i = 0; i < 2; i++) {
		struct pollfd fd = {.fd = wires[i], .events = POLLIN};

		assert_int_equal(poll(&fd, 1, WAIT_MS), 1);
		assert_int_equal(recv(wires[i], got, sizeof(got), 0), len);
		assert_memory_equal(got, frame, len);
		close(wires[i]);
	}
	port_close(&port);
	assert_int_not_equal(rte_eth_dev_get_port_by_name("net_af_packet2", &port.id), 0);
}

/* One buffer holds a frame of any MTU, and AF_PACKET's slots are whole pages by fours. */
static void slots(void **state)
{
	for (uint32_t mtu = 1280; mtu <= 9600; mtu++) {
		assert_true(port_slot(mtu) >= mtu + PORT_LINK_BYTES + PORT_SLOT_HEAD);
		assert_int_equal(4 * port_slot(mtu) % 4096, 0);
	}
	assert_int_equal(port_slot(1500), 2048);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_come_in), cmocka_unit_test(foreign_tag_is_refused),
		cmocka_unit_test(frames_go_out),  cmocka_unit_test(slots),
		cmocka_unit_test(bond),
	};

	if (!own_net_enter() || !own_net_veth("port0", "port1", "9000") ||
	    !own_net_veth("port2", "port3", "1500") || !own_net_veth("port4", "port5", "1500"))
		return 77; /* skipped: no namespace, or no veth in it */
	eal_start();
	return cmocka_run_group_tests(tests, up, down);
}
