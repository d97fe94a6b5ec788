/* SPDX-License-Identifier: BSD-3-Clause */
#include "appliance/iface.h"
#include "appliance/port.h"
#include "appliance/worker.h"
#include "common/bytes.h"
#include "tests/unit/eal_init.h"

#include <rte_ip.h>
#include <rte_malloc.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* Frames and what becomes of them: (name, frame, lane or drop reason). A frame is one of a few good
 * ones with some bytes changed; IPv4's header checksum is made right afterwards unless the case is
 * about it.
 */
enum base { UDP4, UDP6, TCP4, ICMP4, ICMP6, ARP, FRAG6, BASES };

enum lane_no { NTM = -1, GN = -2, DC = -3, LOCAL = -4 };

struct patch {
	uint16_t at; /* from the start of the frame */
	uint16_t value;
	bool byte; /* else two bytes, big-endian */
};

struct fixture {
	const char *name;
	int want; /* enum lane_no, or a drop reason */
	enum base base;
	uint16_t cut; /* bytes taken from the end */
	bool keep_sum;
	struct patch patch[4];
};

/* Offsets: Ethernet 0, IP 14, IPv4's layer 4 at 34, IPv6's at 54. */
#define IP4_SRC 26
#define IP4_DST 30
#define P4 34
#define P6 54
#define B(a, v)                                                                                    \
	{                                                                                          \
		.at = (a), .value = (v), .byte = true                                              \
	}
#define W(a, v)                                                                                    \
	{                                                                                          \
		.at = (a), .value = (v)                                                            \
	}

/* The box is 192.0.2.1 (shared with the NAT for ports 20000-29999) and 2001:db8::1; the pool is
 * 198.51.100.0/24 and 2001:db8:9::/64.
 */
/* clang-format off */
static const struct fixture fixtures[] = {
	{.name = "NTM to the first worker", .want = NTM, .base = UDP4},
	{.name = "NTM to the second worker", .want = NTM, .base = UDP4, .patch = {W(P4 + 2, 5531)}},
	{.name = "port behind the last worker is the kernel's", .want = LOCAL, .base = UDP4, .patch = {W(P4 + 2, 5532)}},
	{.name = "NTM port is the DC's", .want = DC, .base = UDP4, .patch = {W(P4 + 2, 5525)}},
	{.name = "the other port", .want = NTM, .base = UDP4, .patch = {W(P4 + 2, 443)}},
	{.name = "NTM over IPv6", .want = NTM, .base = UDP6},
	{.name = "DNS", .want = DC, .base = UDP4, .patch = {W(P4 + 2, 53)}},
	{.name = "DNS over IPv6", .want = DC, .base = UDP6, .patch = {W(P6 + 2, 53)}},
	{.name = "TCP to the box", .want = LOCAL, .base = TCP4},
	{.name = "TCP to a port of the NAT on the shared address", .want = GN, .base = TCP4, .patch = {W(P4 + 2, 20000)}},
	{.name = "TCP just above it", .want = LOCAL, .base = TCP4, .patch = {W(P4 + 2, 30000)}},
	{.name = "UDP to a port of the NAT", .want = GN, .base = UDP4, .patch = {W(P4 + 2, 29999)}},
	{.name = "UDP to a pool address", .want = GN, .base = UDP4, .patch = {W(IP4_DST, 0xc633), W(IP4_DST + 2, 0x6407)}},
	{.name = "echo request", .want = LOCAL, .base = ICMP4},
	{.name = "echo request over IPv6", .want = LOCAL, .base = ICMP6},
	{.name = "echo reply with an identifier of the NAT", .want = GN, .base = ICMP4, .patch = {B(P4, 0), W(P4 + 4, 20001)}},
	{.name = "echo reply with one of the kernel", .want = LOCAL, .base = ICMP4, .patch = {B(P4, 0), W(P4 + 4, 77)}},
	{.name = "error about a flow of the NAT", .want = GN, .base = ICMP4, .patch = {B(P4, 3), B(P4 + 8, 0x45), B(P4 + 17, 6), W(P4 + 28, 20001)}},
	{.name = "error about an NTM packet", .want = NTM, .base = ICMP4, .patch = {B(P4, 3), B(P4 + 8, 0x45), B(P4 + 17, 17), W(P4 + 28, 5530)}},
	{.name = "error about a flow of the kernel", .want = LOCAL, .base = ICMP4, .patch = {B(P4, 3), B(P4 + 8, 0x45), B(P4 + 17, 6), W(P4 + 28, 22)}},
	{.name = "ARP", .want = LOCAL, .base = ARP},
	{.name = "neighbour solicitation group", .want = LOCAL, .base = ICMP6, .patch = {W(38, 0xff02)}},
	{.name = "VRRP group", .want = LOCAL, .base = UDP4, .patch = {W(IP4_DST, 0xe000), W(IP4_DST + 2, 18)}},

	{.name = "another MAC", .want = DROP_NOT_FOR_US_MAC, .base = UDP4, .patch = {B(5, 9)}},
	{.name = "our own MAC as source", .want = DROP_OWN_MAC, .base = UDP4, .patch = {W(6, 0x0200), W(8, 0), W(10, 1)}},
	{.name = "unknown Ethernet type", .want = DROP_ETHERTYPE, .base = UDP4, .patch = {W(12, 0x88cc)}},
	{.name = "VLAN of no interface", .want = DROP_VLAN, .base = UDP4, .patch = {W(12, 0x8100)}},
	{.name = "cut in the Ethernet header", .want = DROP_SHORT, .base = ARP, .cut = 30},
	{.name = "IPv4 cut in its header", .want = DROP_SHORT, .base = UDP4, .cut = 40},
	{.name = "IPv6 cut in its header", .want = DROP_SHORT, .base = UDP6, .cut = 50},
	{.name = "header length below 20", .want = DROP_IP_HEADER_LEN, .base = UDP4, .patch = {B(14, 0x44)}},
	{.name = "header length above the packet", .want = DROP_IP_HEADER_LEN, .base = UDP4, .cut = 20, .patch = {B(14, 0x4f)}},
	{.name = "header checksum", .want = DROP_IP_CHECKSUM, .base = UDP4, .keep_sum = true, .patch = {W(24, 0x1234)}},
	{.name = "version 6 under the type of 4", .want = DROP_IP_VERSION, .base = UDP4, .patch = {B(14, 0x65)}},
	{.name = "version 4 under the type of 6", .want = DROP_IP_VERSION, .base = UDP6, .patch = {B(14, 0x45)}},
	{.name = "total length above the frame", .want = DROP_IP_TOTAL_LEN, .base = UDP4, .patch = {W(16, 100)}},
	{.name = "total length below the header", .want = DROP_IP_TOTAL_LEN, .base = UDP4, .patch = {W(16, 19)}},
	{.name = "payload length above the frame", .want = DROP_IP_TOTAL_LEN, .base = UDP6, .patch = {W(18, 100)}},
	{.name = "a mapped source in IPv6", .want = DROP_IP_SOURCE, .base = UDP6, .patch = {W(22, 0), W(24, 0), W(26, 0), W(32, 0xffff)}},
	{.name = "UDP length below 8", .want = DROP_UDP_LEN, .base = UDP4, .patch = {W(P4 + 4, 7)}},
	{.name = "UDP length above the packet", .want = DROP_UDP_LEN, .base = UDP4, .patch = {W(P4 + 4, 41)}},
	{.name = "UDP over IPv6 without checksum", .want = DROP_UDP_NO_CHECKSUM, .base = UDP6, .patch = {W(P6 + 6, 0)}},
	{.name = "no address of ours", .want = DROP_NOT_OURS, .base = UDP4, .patch = {W(IP4_DST + 2, 0x0202)}},
	{.name = "source is the box", .want = DROP_IP_SOURCE, .base = UDP4, .patch = {W(IP4_SRC, 0xc000), W(IP4_SRC + 2, 0x0201)}},
	{.name = "source is of the pool", .want = DROP_IP_SOURCE, .base = UDP4, .patch = {W(IP4_SRC, 0xc633), W(IP4_SRC + 2, 0x6401)}},
	{.name = "multicast source", .want = DROP_IP_SOURCE, .base = UDP4, .patch = {B(IP4_SRC, 224)}},
	{.name = "source port 0", .want = DROP_IP_SOURCE, .base = UDP4, .patch = {W(P4, 0)}},
	{.name = "first fragment of NTM", .want = DROP_OUTER_FRAGMENT, .base = UDP4, .patch = {W(20, 0x2000), W(IP4_DST + 2, 0x0201)}},
	{.name = "fragment of NTM over IPv6", .want = DROP_OUTER_FRAGMENT, .base = FRAG6},
	{.name = "later fragment for the NAT", .want = GN, .base = UDP4, .patch = {W(20, 0x0010), W(IP4_DST, 0xc633), W(IP4_DST + 2, 0x6407)}},
	{.name = "extension chain cut off", .want = DROP_IP6_EXT, .base = UDP6, .patch = {B(20, 0), B(P6 + 1, 200)}},
};
/* clang-format on */

static struct worker *w;
static struct iface ifaces[1] = {{.mac = {{2, 0, 0, 0, 0, 1}}, .mtu = 1500}};

static uint16_t ethernet(uint8_t *p, uint16_t type)
{
	memcpy(p, "\x02\x00\x00\x00\x00\x01\x02\x00\x00\x00\x00\x02", 12);
	store_be16(p + 12, type);
	return 14;
}

static uint16_t udp_header(uint8_t *p, uint16_t len)
{
	store_be16(p, 40000);
	store_be16(p + 2, 5530);
	store_be16(p + 4, len);
	store_be16(p + 6, 0xbeef);
	return len;
}

static uint16_t ipv4(uint8_t *p, uint8_t proto, uint16_t len)
{
	uint16_t at = ethernet(p, 0x0800);

	p[at] = 0x45;
	store_be16(p + at + 2, 20 + len);
	p[at + 8] = 64;
	p[at + 9] = proto;
	store_be32(p + IP4_SRC, 0xcb007109);
	store_be32(p + IP4_DST, 0xc0000201);
	return P4;
}

static uint16_t ipv6(uint8_t *p, uint8_t next, uint16_t len)
{
	uint16_t at = ethernet(p, 0x86dd);
	struct ip_addr a;

	p[at] = 0x60;
	store_be16(p + at + 4, len);
	p[at + 6] = next;
	p[at + 7] = 64;
	assert_int_equal(ip_parse("2001:db8:5::9", &a), 0);
	memcpy(p + at + 8, a.b, 16);
	assert_int_equal(ip_parse("2001:db8::1", &a), 0);
	memcpy(p + at + 24, a.b, 16);
	return P6;
}

static uint16_t build(enum base b, uint8_t *p)
{
	uint16_t at;

	switch (b) {
	case UDP4:
		at = ipv4(p, 17, 28);
		return at + udp_header(p + at, 28);
	case UDP6:
		at = ipv6(p, 17, 28);
		return at + udp_header(p + at, 28);
	case FRAG6: /* fragment header, first piece, more to come */
		at = ipv6(p, 44, 36);
		p[at] = 17;
		store_be16(p + at + 2, 1);
		return at + 8 + udp_header(p + at + 8, 28);
	case TCP4:
		at = ipv4(p, 6, 20);
		store_be16(p + at, 40000);
		store_be16(p + at + 2, 53);
		return at + 20;
	case ICMP4:
		at = ipv4(p, 1, 36);
		p[at] = 8;
		return at + 36;
	case ICMP6:
		at = ipv6(p, 58, 24);
		p[at] = 128;
		return at + 24;
	default:
		memset(p, 0xff, 6);
		store_be16(p + 12, 0x0806);
		return 42;
	}
}

static struct rte_mbuf *frame_of(const struct fixture *f)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(w->pool);
	uint8_t *p;
	uint16_t len;

	assert_non_null(m);
	p = rte_pktmbuf_mtod(m, uint8_t *);
	memset(p, 0, 128);
	len = build(f->base, p) - f->cut;
	for (unsigned int i = 0; i < 4 && f->patch[i].at + f->patch[i].value != 0; i++) {
		if (f->patch[i].byte)
			p[f->patch[i].at] = (uint8_t)f->patch[i].value;
		else
			store_be16(p + f->patch[i].at, f->patch[i].value);
	}
	if (load_be16(p + 12) == 0x0800 && !f->keep_sum) {
		uint16_t header = (p[14] & 0xf) * 4;

		store_be16(p + 24, 0);
		store_be16(p + 24, rte_be_to_cpu_16(~rte_raw_cksum(p + 14, header)));
	}
	assert_non_null(rte_pktmbuf_append(m, len));
	pkt_meta(m)->flags = 0;
	m->port = 0;
	return m;
}

static struct burst *lane_of(int want)
{
	switch (want) {
	case NTM:
		return &w->lanes.ntm;
	case GN:
		return &w->lanes.gn;
	case DC:
		return &w->lanes.dc;
	default:
		return &w->lanes.local;
	}
}

static void check(const struct fixture *f)
{
	struct rte_mbuf *m = frame_of(f);
	uint64_t drops = stats_drop_sum(&w->stats);

	burst_push(&w->stats, &w->lanes.rx, m);
	parse_stage(w);
	assert_int_equal(w->lanes.rx.n, 0);
	if (f->want >= 0) {
		if (stats_drop_sum(&w->stats) != drops + 1 || w->stats.drops[f->want] == 0)
			fail_msg("%s: not dropped as %s", f->name, drop_name(f->want));
		memset(w->stats.drops, 0, sizeof(w->stats.drops));
		return;
	}
	for (int i = 0; i < DROP_MAX; i++)
		if (w->stats.drops[i] != 0)
			fail_msg("%s: dropped as %s", f->name, drop_name(i));
	if (lane_of(f->want)->n != 1)
		fail_msg("%s: not in its lane", f->name);
	if (f->want == NTM && !(pkt_meta(m)->flags & PKT_ICMP_ERROR)) {
		assert_int_equal(pkt_meta(m)->data_len, 20);
		assert_int_equal(pkt_meta(m)->src.port, 40000);
	}
	lane_of(f->want)->n = 0;
	rte_pktmbuf_free(m);
}

static void test_fixtures(void **state)
{
	for (size_t i = 0; i < RTE_DIM(fixtures); i++)
		check(&fixtures[i]);
}

/* Padding that Ethernet adds goes; a tag of a configured VLAN goes, too. */
static void test_padding_and_tag(void **state)
{
	const struct fixture f = {.name = "padded", .base = UDP4};
	struct rte_mbuf *m = frame_of(&f);
	uint8_t *p;

	assert_non_null(rte_pktmbuf_append(m, 9));
	assert_non_null(rte_pktmbuf_prepend(m, 4));
	p = rte_pktmbuf_mtod(m, uint8_t *);
	memmove(p, p + 4, 12);
	store_be16(p + 12, 0x8100);
	store_be16(p + 14, 0x6007); /* priority 3, VLAN 7 */
	ifaces[0].vlan = 7;
	burst_push(&w->stats, &w->lanes.rx, m);
	parse_stage(w);
	ifaces[0].vlan = 0;
	assert_int_equal(w->lanes.ntm.n, 1);
	assert_int_equal(rte_pktmbuf_pkt_len(m), 14 + 20 + 28);
	assert_int_equal(load_be16(rte_pktmbuf_mtod(m, uint8_t *) + 12), 0x0800);
	w->lanes.ntm.n = 0;
	rte_pktmbuf_free(m);
}

/* Every length of every good frame, and random bytes over it: counted, and nothing leaks. */
static void test_cut_everywhere(void **state)
{
	unsigned int before = rte_mempool_avail_count(w->pool);
	unsigned int frames = 0, out = 0;

	memset(w->stats.drops, 0, sizeof(w->stats.drops));
	for (unsigned int b = 0; b < BASES; b++) {
		for (uint16_t cut = 0; cut < 40; cut++) {
			const struct fixture f = {.base = b, .cut = cut};

			burst_push(&w->stats, &w->lanes.rx, frame_of(&f));
			parse_stage(w);
			frames++;
			for (int l = LOCAL; l <= NTM; l++) {
				out += lane_of(l)->n;
				for (uint16_t i = 0; i < lane_of(l)->n; i++)
					rte_pktmbuf_free(lane_of(l)->pkt[i]);
				lane_of(l)->n = 0;
			}
		}
	}
	assert_int_equal(frames, out + stats_drop_sum(&w->stats));
	assert_int_equal(rte_mempool_avail_count(w->pool), before);
}

static int setup(void **state)
{
	struct local_addr addrs[2] = {{.iface = 0}, {.iface = 0}};
	struct local_pool pools[3] = {
		{.port_min = 20000, .port_max = 29999}, {.port_min = 1}, {.port_min = 1}};

	w = rte_zmalloc("worker", sizeof(*w), RTE_CACHE_LINE_SIZE);
	if (w == NULL || ip_parse("192.0.2.1", &addrs[0].ip) < 0 ||
	    ip_parse("2001:db8::1", &addrs[1].ip) < 0 ||
	    prefix_parse("192.0.2.1/32", &pools[0].prefix) < 0 ||
	    prefix_parse("198.51.100.0/24", &pools[1].prefix) < 0 ||
	    prefix_parse("2001:db8:9::/64", &pools[2].prefix) < 0)
		return -1;
	w->pool = port_pool_create("parse", 255, 2176, SOCKET_ID_ANY);
	w->ifaces = ifaces;
	w->n_ifaces = 1;
	w->n_workers = 2;
	w->ntm_port = 5525;
	w->alt_port = 443;
	w->base_port = 5530;
	w->has_rs = true;
	w->has_dc = true;
	w->local = local_create(addrs, 2, pools, 3);
	return w->pool == NULL || w->local == NULL ? -1 : 0;
}

static int teardown(void **state)
{
	local_destroy((struct local_table *)w->local);
	rte_mempool_free(w->pool);
	rte_free(w);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fixtures),
		cmocka_unit_test(test_padding_and_tag),
		cmocka_unit_test(test_cut_everywhere),
	};

	eal_start();
	return cmocka_run_group_tests(tests, setup, teardown);
}
