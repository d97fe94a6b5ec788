/* SPDX-License-Identifier: BSD-3-Clause */
/* RS-N behind the tag: what a node that holds good keys may put inside, and what general hosts may
 * send to the pool, through the real stages, both workers. An input is a byte that chooses the leg,
 * then records { how, arg, be16 length, bytes }: packets that meet in one NAT, as pieces, flows and
 * errors about earlier packets have to. Each starts with new flows and nothing held.
 *
 * Held against it: every packet is under one name, no buffer is lost, and what leaves is a good
 * packet to a bound host from the pool, or one that the node opens and takes.
 */
#include "common/inner.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/rs_node.h"

enum {
	HOW_KIND = 3,	     /* enum kind */
	HOW_WORKER = 1 << 2, /* it comes in at the worker that does not own the leg */
	HOW_SUMS = 1 << 4,   /* its checksums are made right first */
	HOW_REFER = 1 << 5,  /* it answers the packet that went out last, or is an error about it */
	HOW_LATER = 1 << 6,  /* arg * 100 ms after the one before */
	HOW_CE = 1 << 7,     /* a router on the way marked congestion */
	LEG_SUITE = 7,
	LEG_NARROW = 1 << 3, /* what goes to the node goes in two parts */
	RECORDS_MAX = 48,
	RECORD_MAX = 3500,
	FRAG4 = 0x3fff, /* offset and more */
};

enum kind { KIND_WHOLE, KIND_FIRST, KIND_SECOND, KIND_HOST };

static const uint8_t suites[] = {SUITE_AES128_GCM, SUITE_AES256_GCM, SUITE_CHACHA20_POLY1305,
				 SUITE_AES128_CBC_HMAC_MD5, SUITE_AES128_CBC_HMAC_SHA256};

/* The last two are other mappings' own ends: a packet turns round at the pool. */
static const struct {
	const char *vip, *rip;
} bound[] = {
	{"240.128.0.1", "198.51.100.80"},   {"fd00:9::1", "2001:db8:80::80"},
	{"240.128.0.2", "2001:db8:80::80"}, {"fd00:9::2", "198.51.100.80"},
	{"240.128.0.3", "203.0.113.80"},    {"240.128.0.4", "192.0.2.65"},
	{"fd00:9::4", "2001:db8:6::1"},
};

static struct fix fix;
static struct node node;
/* LeakSanitizer does not look into DPDK's memory, where the workers are: pointers for it to find. */
static struct mailbox kept[FIX_WORKERS] __attribute__((used));
/* Of each family the packet that went out last, and how much of it; [1] is IPv6. */
static uint8_t last[2][FIX_PACKET_MAX];
static uint16_t last_len[2];

static void world_get(void)
{
	static bool is_up;

	if (is_up)
		return;
	eal_start();
	fix_up(&fix, NULL);
	for (int i = 0; i < FIX_WORKERS; i++)
		kept[i] = fix.w[i]->mailbox;
	is_up = true;
}

static void leg_up(uint8_t how)
{
	rng_init_seeded(&fix.rng, 7);
	node_up(&node, &fix, 0, NODE_VIP4, NODE_VIP6);
	node_keys(&node, suites[(how & LEG_SUITE) % RTE_DIM(suites)], 1, 20);
	if (how & LEG_NARROW)
		FUZZ_CHECK(rs_dp_leg_mtu_set(fix.dp, node.index, 1280) == 0);
	for (uint32_t i = 0; i < RTE_DIM(bound); i++) {
		struct ip_addr vip = fix_ip(bound[i].vip), rip = fix_ip(bound[i].rip);

		FUZZ_CHECK(rs_dp_binding_add(fix.dp, node.index, i, &vip, &rip) == 0);
	}
	last_len[0] = last_len[1] = 0;
}

/* ---- what a packet is ---- */

static bool ends_read(const uint8_t *ip, struct ip_addr *src, struct ip_addr *dst)
{
	uint32_t a;

	if (ip[0] >> 4 == 6) {
		memcpy(src->b, ip + 8, 16);
		memcpy(dst->b, ip + 24, 16);
		return true;
	}
	memcpy(&a, ip + 12, 4);
	*src = ip_from_v4(a);
	memcpy(&a, ip + 16, 4);
	*dst = ip_from_v4(a);
	return false;
}

/* Offset of a checksum behind p's IP header where the packet is whole and as simple as checksums
 * have to be followed through; 0 if it is not. *l4 is the length of that header.
 */
static unsigned int sum_at(const uint8_t *p, size_t len, unsigned int *l4)
{
	bool v6 = len > 0 && p[0] >> 4 == 6;
	uint8_t proto;

	*l4 = v6 ? IP6_HDR_LEN : IP4_HDR_LEN;
	if (len < *l4 + 8u || (!v6 && p[0] != 0x45))
		return 0;
	if (v6 ? load_be16(p + 4) + IP6_HDR_LEN != (int)len
	       : load_be16(p + 2) != len || (load_be16(p + 6) & FRAG4) != 0)
		return 0;
	proto = v6 ? p[6] : p[9];
	switch (proto) {
	case IPPROTO_UDP:
		return load_be16(p + *l4 + 4) == len - *l4 ? 6 : 0;
	case IPPROTO_TCP:
		return len >= *l4 + 20u ? 16 : 0;
	case IPPROTO_ICMP:
		return v6 ? 0 : 2;
	case IPPROTO_ICMPV6:
		return v6 ? 2 : 0;
	default:
		return 0;
	}
}

static uint16_t sum_of(const uint8_t *p, size_t len, unsigned int l4)
{
	struct ip_addr src, dst;
	uint64_t sum = 0;

	if (p[0] >> 4 == 4 && p[9] == IPPROTO_ICMP)
		return (uint16_t)~csum_fold(csum_bytes(p + l4, len - l4, 0));
	ends_read(p, &src, &dst);
	sum = fix_l4_sum(&src, &dst, p[0] >> 4 == 6 ? p[6] : p[9], p + l4, len - l4);
	return rte_cpu_to_be_16((uint16_t)sum);
}

static void header_sum(uint8_t *p, size_t len)
{
	unsigned int hdr = (p[0] & 15) * 4u;
	uint16_t check;

	if (p[0] >> 4 != 4 || hdr < IP4_HDR_LEN || hdr > len)
		return;
	store_be16(p + 10, 0);
	check = (uint16_t)~csum_fold(csum_bytes(p, hdr, 0));
	memcpy(p + 10, &check, 2);
}

/* True if the checksum behind the IP header is right now too. */
static bool sums_make(uint8_t *p, size_t len)
{
	unsigned int l4, at;
	uint16_t check;

	if (len < IP4_HDR_LEN)
		return false;
	header_sum(p, len);
	at = sum_at(p, len, &l4);
	if (at == 0)
		return false;
	store_be16(p + l4 + at, 0);
	check = sum_of(p, len, l4);
	if (check == 0 && at == 6)
		check = UINT16_MAX;
	memcpy(p + l4 + at, &check, 2);
	return true;
}

/* ---- what left ---- */

static void expect_l4_good(const uint8_t *ip, size_t len)
{
	unsigned int l4, at = sum_at(ip, len, &l4);

	if (at != 0)
		FUZZ_CHECK(sum_of(ip, len, l4) == 0);
}

static bool is_pool(const struct ip_addr *ip)
{
	struct ip_prefix v4 = fix_prefix("192.0.2.64/30"), v6 = fix_prefix("2001:db8:6::/64");

	return prefix_contains(&v4, ip) || prefix_contains(&v6, ip);
}

static bool is_bound(const struct ip_addr *rip)
{
	for (uint32_t i = 0; i < RTE_DIM(bound); i++) {
		struct ip_addr b = fix_ip(bound[i].rip);

		if (ip_equal(&b, rip))
			return !is_pool(rip); /* those turn round before they leave */
	}
	return false;
}

static void to_host_check(const uint8_t *ip, uint16_t len, bool sums_good)
{
	struct ip_addr src, dst;
	bool v6 = ip[0] >> 4 == 6;
	unsigned int hdr = v6 ? IP6_HDR_LEN : (ip[0] & 15) * 4u;

	FUZZ_CHECK(len >= IP4_HDR_LEN && (v6 || ip[0] >> 4 == 4) && hdr >= IP4_HDR_LEN);
	FUZZ_CHECK(hdr <= len);
	FUZZ_CHECK(v6 ? load_be16(ip + 4) + IP6_HDR_LEN == len : load_be16(ip + 2) == len);
	FUZZ_CHECK(len <= 1500);
	if (!v6)
		FUZZ_CHECK(csum_fold(csum_bytes(ip, hdr, 0)) == 0xffff);
	FUZZ_CHECK(ip[v6 ? 7 : 8] > 0);
	ends_read(ip, &src, &dst);
	FUZZ_CHECK(is_pool(&src));
	FUZZ_CHECK(is_bound(&dst));
	if (sums_good)
		expect_l4_good(ip, len);
	memcpy(last[v6], ip, len);
	last_len[v6] = len;
}

static void to_node_check(struct rte_mbuf *m, bool sums_good)
{
	static uint8_t got[FIX_PACKET_MAX], whole[2 * FIX_PACKET_MAX];
	static size_t first;
	int n = node_open(&node, m, got);
	struct ip_addr src, dst, vip;
	size_t len;

	FUZZ_CHECK(n >= 0);
	if (node.got_type == WIRE_DATA_FIRST) {
		memcpy(whole, got, (size_t)n);
		first = (size_t)n;
		return;
	}
	if (node.got_type != WIRE_DATA_SECOND)
		first = 0;
	memcpy(whole + first, got, (size_t)n);
	len = first + (size_t)n;
	first = 0;
	FUZZ_CHECK(inner_check(whole, len, suites[3] == node.suite || suites[4] == node.suite,
			       &len) == INNER_OK);
	vip = fix_ip(ends_read(whole, &src, &dst) ? NODE_VIP6 : NODE_VIP4);
	FUZZ_CHECK(ip_equal(&dst, &vip));
	for (uint32_t i = 0;; i++) {
		FUZZ_CHECK(i < RTE_DIM(bound));
		vip = fix_ip(bound[i].vip);
		if (ip_equal(&src, &vip))
			break;
	}
	if (whole[0] >> 4 == 4)
		FUZZ_CHECK(csum_fold(csum_bytes(whole, (whole[0] & 15) * 4u, 0)) == 0xffff);
	if (sums_good)
		expect_l4_good(whole, len);
}

static void out_take(struct worker *w, bool sums_good)
{
	struct burst *b = &w->lanes.tx, *local = &w->lanes.local;
	struct ip_addr src, dst;

	FUZZ_CHECK(w->hops.n == 0); /* there is no path */
	for (uint16_t i = 0; i < b->n; i++) {
		const uint8_t *ip = rte_pktmbuf_mtod(b->pkt[i], uint8_t *);

		ends_read(ip, &src, &dst);
		if (ip_equal(&dst, &node.ep.ip))
			to_node_check(b->pkt[i], sums_good);
		else
			to_host_check(ip, rte_pktmbuf_data_len(b->pkt[i]), sums_good);
		rte_pktmbuf_free(b->pkt[i]);
	}
	w->stats.tx += b->n;
	b->n = 0;
	for (uint16_t i = 0; i < local->n; i++)
		rte_pktmbuf_free(local->pkt[i]);
	w->stats.consumed += local->n; /* the kernel's */
	local->n = 0;
}

/* ---- what comes ---- */

/* Make p one that comes back on the mapping of the last packet of its family: from the host to the
 * pool, or, if it is an ICMP error, quoting that packet.
 */
static void refer(uint8_t *p, size_t len)
{
	bool v6 = len > 0 && p[0] >> 4 == 6;
	const uint8_t *l = last[v6];
	unsigned int l4, ends = v6 ? 8 : 12, size = v6 ? 16 : 4, kind, room;

	sum_at(p, len, &l4);
	if (last_len[v6] < l4 + 8u || len < l4 + 8u)
		return;
	memcpy(p + ends, l + ends + size, size);
	memcpy(p + ends + size, l + ends, size);
	kind = p[v6 ? 6 : 9];
	room = (unsigned int)RTE_MIN(len - l4 - 8, last_len[v6]);
	if (v6 && kind == IPPROTO_FRAGMENT && len >= l4 + 12u && load_be16(p + l4 + 2) < 8)
		memcpy(p + l4 + 10, l + l4, 2);
	else if (kind == IPPROTO_UDP || kind == IPPROTO_TCP)
		memcpy(p + l4 + 2, l + l4, 2);
	else if (kind == IPPROTO_FRAGMENT)
		return;
	else if (p[l4] == (v6 ? 129 : 0))
		memcpy(p + l4 + 4, l + l4 + 4, 2);
	else
		memcpy(p + l4 + 8, l, room);
}

static void mark_ce(struct rte_mbuf *m)
{
	uint8_t *ip = rte_pktmbuf_mtod_offset(m, uint8_t *, RTE_ETHER_HDR_LEN);

	ip[1] |= 3;
	header_sum(ip, IP4_HDR_LEN);
}

static struct rte_mbuf *record_frame(uint8_t how, const uint8_t *p, uint16_t len)
{
	static const uint8_t types[] = {WIRE_DATA, WIRE_DATA_FIRST, WIRE_DATA_SECOND};
	bool is_cbc = node.suite == suites[3] || node.suite == suites[4];
	enum kind kind = (enum kind)(how & HOW_KIND);
	struct rte_mbuf *m;

	if (kind == KIND_HOST)
		return len > 0 ? fix_frame(&fix, p, len) : NULL;
	/* What no sender of CBC makes: common/seal.h. */
	if (is_cbc && (len == 0 || (kind == KIND_FIRST && len % 16 != 0)))
		return NULL;
	m = node_frame(&node, types[kind], p, len);
	if (how & HOW_CE)
		mark_ce(m);
	return m;
}

static bool mail_waits(void)
{
	return rte_ring_count(fix.w[0]->mailbox.ring) + rte_ring_count(fix.w[1]->mailbox.ring) > 0;
}

static void record_run(uint8_t how, uint8_t arg, const uint8_t *data, uint16_t len)
{
	static uint8_t p[FIX_PACKET_MAX];
	struct worker *w = fix.w[how & HOW_WORKER ? 1 : 0];
	bool sums_good = false;
	struct rte_mbuf *m;
	struct rs_event ev;

	memcpy(p, data, len);
	if (how & HOW_REFER)
		refer(p, len);
	if (how & HOW_SUMS)
		sums_good = sums_make(p, len) && (how & HOW_KIND) != KIND_FIRST &&
			    (how & HOW_KIND) != KIND_SECOND;
	for (int i = 0; i < FIX_WORKERS; i++)
		fix.w[i]->now += how & HOW_LATER ? arg * 100000000ULL : 1000;
	m = record_frame(how, p, len);
	if (m == NULL)
		return;
	fix_inject(w, m);
	fix_run(w);
	out_take(w, sums_good);
	/* It goes round at most once per hairpin; what turns round again has lost hop limit. */
	for (int i = 0; i < 1024 && mail_waits(); i++) {
		fix_mail(fix.w[i % FIX_WORKERS]);
		out_take(fix.w[i % FIX_WORKERS], sums_good);
	}
	FUZZ_CHECK(!mail_waits());
	while (fix_event(&fix, &ev))
		;
	fix_conserve(&fix);
}

/* The leg goes, and with time all that was held and all flows. */
static void leg_down(void)
{
	FUZZ_CHECK(rs_dp_leg_del(fix.dp, node.index) == 0);
	node_down(&node);
	for (int i = 0; i < 2 * NAT_WHEEL_SLOTS; i++) {
		for (int j = 0; j < FIX_WORKERS; j++) {
			fix.w[j]->now += 1ULL << NAT_TICK_SHIFT;
			rs_worker_turn(fix.w[j]);
		}
		if (i >= NAT_WHEEL_SLOTS && rte_mempool_in_use_count(fix.pool) == 0 &&
		    fix.w[0]->rs->nat->n_flows == 0)
			break;
	}
	rs_dp_housekeep(fix.dp, fix.w[0]->now);
	fix_conserve(&fix);
	FUZZ_CHECK(rte_mempool_in_use_count(fix.pool) == 0);
	FUZZ_CHECK(fix.w[0]->stats.held == 0 && fix.w[1]->stats.held == 0);
	FUZZ_CHECK(fix.w[0]->rs->nat->n_flows == 0 && fix.w[0]->rs->nat->n_maps == 0);
	FUZZ_CHECK(fix.dp->n_gone == 0 && rs_dp_leg_count(fix.dp) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t at = 1;

	if (size < 1)
		return 0;
	world_get();
	leg_up(data[0]);
	for (int i = 0; i < RECORDS_MAX && size - at >= 4; i++) {
		const uint8_t *r = data + at;
		size_t len = load_be16(r + 2);

		at += 4;
		len = RTE_MIN(RTE_MIN(len, size - at), (size_t)RECORD_MAX);
		record_run(r[0], r[1], data + at, (uint16_t)len);
		at += len;
	}
	leg_down();
	return 0;
}
