/* SPDX-License-Identifier: BSD-3-Clause */
/* The quick way through parse beside the long one, in every variant that this CPU has: frames with
 * random bytes changed have to come out the same, or be dropped by the same name.
 */
#include "tests/unit/rs_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <time.h>

#include <cmocka.h>

#define PATH 0x1111ULL

#define OWN4 "192.0.2.1:4700"
#define OWN6 "[2001:db8::1]:4700"
#define A4 "198.51.100.10:1111"
#define B4 "198.51.100.20:2222"
#define A6 "[2001:db8:a::1]:1111"
#define B6 "[2001:db8:b::1]:2222"

enum { ROUNDS = 30000, NTM_LEN = 60, PATH_WAYS = 4, POOL_WAY = 7, LEG_WAY = 9, WAYS = 11 };

#define ON_LEG 1 /* stands for the index of the leg */

struct way {
	const char *src, *dst;
	uint64_t id;
	uint8_t type;
};

static const struct way ways[WAYS] = {
	{A4, OWN4, PATH},
	{A6, OWN6, PATH + 1},
	{A4, "192.0.2.1:443", PATH},
	{A6, "[2001:db8::1]:443", PATH + 1},
	/* Indexes that are nobody's: control's packets go up, of data it is told. */
	{A4, OWN4, 0x9000000000000001ULL, WIRE_CONTROL},
	{A6, OWN6, 0x9000000000000001ULL, WIRE_CONTROL},
	{A4, OWN4, 0x9000000000000001ULL},
	{A4, "192.0.2.65:5000", 0}, /* general hosts to the NAT pool: UDP, then TCP */
	{A4, "192.0.2.66:5001", 0},
	{A4, OWN4, ON_LEG},
	{A6, OWN6, ON_LEG},
};

static uint64_t leg_index;
static struct burst sealed; /* stands for w->sealed */

/* What became of a frame. */
struct fate {
	enum drop_reason why; /* DROP_MAX: it came out, or is in another lane */
	struct burst *lane;
	uint64_t ups;	      /* to control, by event */
	struct pkt_meta meta; /* of those, or of what is in the lane */
	uint16_t len;
	uint8_t out[FIX_PACKET_MAX];
};

static void leave_all(struct worker *w)
{
	(void)w;
}

static void path_make(struct fix *f, uint64_t id, const char *a, const char *b, uint16_t local)
{
	struct rs_dp_path p = {.id = id};

	p.side[RS_SIDE_A] =
		(struct rs_dp_side){.peer = fix_ep(a), .local = local, .state = RS_SIDE_CONFIRMED};
	p.side[RS_SIDE_B] =
		(struct rs_dp_side){.peer = fix_ep(b), .local = local, .state = RS_SIDE_CONFIRMED};
	assert_int_equal(rs_dp_path_set(f->dp, &p), 0);
}

static void leg_make(struct fix *f)
{
	struct rs_dp_leg leg = {.vip4 = fix_ip("240.0.0.2"), .peer = fix_ep(A4)};

	assert_int_equal(rs_dp_leg_reserve(f->dp, rng_u64(&f->rng), &leg_index), 0);
	assert_int_equal(rs_dp_leg_add(f->dp, leg_index, &leg), 0);
}

static void sum_mend(struct rte_mbuf *m);

static struct rte_mbuf *good_frame(struct fix *f, const struct way *way)
{
	struct fix_udp u = {.src = fix_ep(way->src), .dst = fix_ep(way->dst), .ttl = 64};
	uint8_t ntm[NTM_LEN] = {0};
	struct rte_mbuf *m;

	wire_build(ntm, way->type, wire_flags(true, 1, 0), 7,
		   way->id == ON_LEG ? leg_index : way->id);
	m = fix_udp_frame(f, &u, ntm, NTM_LEN);
	memset(pkt_meta(m), 0, sizeof(struct pkt_meta));
	if (way == &ways[POOL_WAY + 1]) {
		*rte_pktmbuf_mtod_offset(m, uint8_t *, RTE_ETHER_HDR_LEN + 9) = IPPROTO_TCP;
		sum_mend(m);
	}
	return m;
}

/* IPv4's checksum is made right again half of the time, or nothing behind it were ever reached. */
static void sum_mend(struct rte_mbuf *m)
{
	uint8_t *ip = rte_pktmbuf_mtod_offset(m, uint8_t *, RTE_ETHER_HDR_LEN);
	unsigned int len = (ip[0] & 15) * 4u;
	uint16_t sum;

	if (ip[0] >> 4 != 4 || len < IP4_HDR_LEN)
		return;
	store_be16(ip + 10, 0);
	sum = (uint16_t)~csum_fold(csum_bytes(ip, len, 0));
	memcpy(ip + 10, &sum, 2);
}

static void spoil(struct rng *r, struct rte_mbuf *m)
{
	uint16_t len = rte_pktmbuf_data_len(m);
	uint8_t *p = rte_pktmbuf_mtod(m, uint8_t *);

	for (unsigned int n = (unsigned int)rng_below(r, 4); n > 0; n--) {
		uint32_t at = (uint32_t)rng_below(r, 80);

		if (rng_below(r, 2))
			p[at] ^= (uint8_t)(1u << rng_below(r, 8));
		else
			p[at] = (uint8_t)rng_u64(r);
	}
	if (rng_below(r, 4) == 0)
		rte_pktmbuf_trim(m, (uint16_t)rng_below(r, len));
	else if (rng_below(r, 4) == 0)
		memset(rte_pktmbuf_append(m, 9), 0xee, 9);
	if (rng_below(r, 2))
		sum_mend(m);
	m->ol_flags = rng_below(r, 16) == 0 ? RTE_MBUF_F_RX_IP_CKSUM_GOOD : 0;
	if (rng_below(r, 16) == 0) {
		m->ol_flags |= RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED;
		m->vlan_tci = (uint16_t)(rng_below(r, 2) << 13 | rng_below(r, 2));
	}
}

static struct rte_mbuf *twin_of(struct fix *f, const struct rte_mbuf *m)
{
	struct rte_mbuf *t = rte_pktmbuf_alloc(f->pool);
	uint16_t len = rte_pktmbuf_data_len(m);

	assert_non_null(t);
	memset(pkt_meta(t), 0, sizeof(struct pkt_meta));
	memcpy(rte_pktmbuf_append(t, len), rte_pktmbuf_mtod(m, void *), len);
	t->port = m->port;
	t->ol_flags = m->ol_flags;
	t->vlan_tci = m->vlan_tci;
	return t;
}

static void lane_take(struct burst *b, struct fate *fate)
{
	for (uint16_t i = 0; i < b->n; i++) {
		assert_null(fate->lane);
		fate->lane = b;
		fate->len = rte_pktmbuf_data_len(b->pkt[i]);
		fate->meta = *pkt_meta(b->pkt[i]);
		memcpy(fate->out, rte_pktmbuf_mtod(b->pkt[i], void *), fate->len);
		rte_pktmbuf_free(b->pkt[i]);
	}
	b->n = 0;
}

static void go(struct fix *f, struct rte_mbuf *m, struct fate *fate)
{
	struct worker *w = f->w[0];
	struct lanes *l = &w->lanes;
	struct burst *const all[] = {&l->tx, &l->gn, &l->dc, &l->local, &sealed, &l->control};
	uint64_t ups = w->stats.to_control;
	struct rs_event ev;

	memset(fate, 0, sizeof(*fate));
	memset(w->stats.drops, 0, sizeof(w->stats.drops));
	for (unsigned int s = 0; s < RS_SIDES; s++) {
		rs_dp_path_challenged(f->dp, PATH, s);
		rs_dp_path_challenged(f->dp, PATH + 1, s);
	}
	burst_push(&w->stats, &l->rx, m);
	parse_stage(w);
	relay_stage(w);
	switch_stage(w);
	for (uint16_t i = 0; i < w->hops.n; i++)
		burst_push(&w->stats, &l->tx, hop_leave(&w->hops, i));
	w->hops.n = 0;
	for (uint16_t i = 0; i < w->sealed.n; i++)
		burst_push(&w->stats, &sealed, hop_note(&w->sealed, i));
	w->sealed.n = 0;
	while (rs_dp_events(f->dp, &ev, 1) == 1) {
		if (ev.m != NULL)
			fate->meta = *pkt_meta(ev.m);
		rte_pktmbuf_free(ev.m);
	}
	fate->ups = w->stats.to_control - ups;
	while (fate->why < DROP_MAX && w->stats.drops[fate->why] == 0)
		fate->why++;
	for (size_t i = 0; i < RTE_DIM(all); i++)
		lane_take(all[i], fate);
}

/* What is noted about a packet that is in a lane, or went up. */
static void same_meta(const struct pkt_meta *quick, const struct pkt_meta *slow, bool is_gn)
{
	const size_t from = offsetof(struct pkt_meta, l4);

	assert_int_equal(quick->flags & ~PKT_PLAIN, slow->flags);
	assert_int_equal(quick->iface, slow->iface);
	assert_int_equal(quick->l3, slow->l3);
	assert_int_equal(quick->l3_len, slow->l3_len);
	if (!is_gn)
		assert_memory_equal((const uint8_t *)quick + from, (const uint8_t *)slow + from,
				    sizeof(*quick) - from);
}

static void check(const struct fate *quick, const struct fate *slow, const struct burst *gn)
{
	/* Where the leg's node is on record open.c knows, which asks about sources. */
	if (quick->lane == &sealed && slow->why == DROP_IP_SOURCE)
		return;
	/* Both are true of a packet of an unknown path from an impossible source. */
	if (quick->why == DROP_NO_PATH && slow->why == DROP_IP_SOURCE)
		return;
	/* The recorded source is looked for before it is asked whether it can be one at all. */
	if (quick->why == DROP_PATH_UNBOUND && slow->why == DROP_IP_SOURCE)
		return;
	if (quick->why != slow->why)
		fail_msg("quick way: %s, long way: %s", drop_name(quick->why),
			 drop_name(slow->why));
	assert_int_equal(quick->ups, slow->ups);
	if (quick->ups > 0 || quick->lane == gn || quick->lane == &sealed)
		same_meta(&quick->meta, &slow->meta, quick->lane == gn);
	assert_ptr_equal(quick->lane, slow->lane);
	assert_int_equal(quick->len, slow->len);
	assert_memory_equal(quick->out, slow->out, slow->len);
}

static void against_long_way(enum quick_isa isa)
{
	const char *env = getenv("SEED");
	uint64_t seed = env != NULL ? strtoull(env, NULL, 0) : (uint64_t)time(NULL);
	static struct fate quick, slow;
	quick_scan_fn scan;
	unsigned int taken = 0;
	struct worker *w;
	struct rng r;
	struct fix f;

	print_message("SEED=%llu\n", (unsigned long long)seed);
	rng_init_seeded(&r, seed);
	fix_up(&f, NULL);
	path_make(&f, PATH, A4, B4, 0);
	path_make(&f, PATH + 1, A6, B6, 3);
	leg_make(&f);
	w = f.w[0];
	if (quick_isa_set(w, isa) == -ENOTSUP) {
		fix_down(&f);
		skip();
	}
	scan = w->quick.scan;
	for (int i = 0; i < ROUNDS; i++) {
		const struct way *way = &ways[rng_below(&r, WAYS)];
		struct rte_mbuf *m = good_frame(&f, way), *twin;

		spoil(&r, m);
		twin = twin_of(&f, m);
		w->quick.scan = leave_all;
		go(&f, twin, &slow);
		w->quick.scan = scan;
		go(&f, m, &quick);
		check(&quick, &slow, &w->lanes.gn);
	}
	/* Good frames do go this way. */
	assert_true(w->quick.n >= PATH_WAYS);
	for (int i = 0; i < PATH_WAYS; i++) {
		burst_push(&w->stats, &w->lanes.rx, good_frame(&f, &ways[i]));
		quick_scan(w);
		assert_int_equal(w->lanes.rx.n, 0);
		taken += w->hops.n;
		rte_pktmbuf_free(w->hops.m[0]);
		w->hops.n = 0;
	}
	assert_int_equal(taken, PATH_WAYS);
	for (int i = LEG_WAY; i < WAYS; i++) {
		burst_push(&w->stats, &w->lanes.rx, good_frame(&f, &ways[i]));
		quick_scan(w);
		assert_int_equal(w->lanes.rx.n, 0);
		assert_int_equal(w->sealed.n, 1);
		rte_pktmbuf_free(w->sealed.m[0]);
		w->sealed.n = 0;
	}
	for (int i = POOL_WAY; i < LEG_WAY; i++) {
		burst_push(&w->stats, &w->lanes.rx, good_frame(&f, &ways[i]));
		quick_scan(w);
		assert_int_equal(w->lanes.rx.n, 0);
		assert_int_equal(w->lanes.gn.n, 1);
		rte_pktmbuf_free(w->lanes.gn.pkt[0]);
		w->lanes.gn.n = 0;
	}
	memset(&w->stats, 0, sizeof(w->stats)); /* each frame was there twice */
	fix_down(&f);
}

static void scalar_is_twin(void **state)
{
	against_long_way(QUICK_SCALAR);
}

static void avx2_is_twin(void **state)
{
	against_long_way(QUICK_AVX2);
}

static void avx512_is_twin(void **state)
{
	against_long_way(QUICK_AVX512);
}

/* What was learnt of an address ends when the address is the box's no more. */
static void address_goes(void **state)
{
	struct local_table *none = local_create(NULL, 0, NULL, 0);
	struct fix f;
	static struct fate fate;

	fix_up(&f, NULL);
	path_make(&f, PATH, A4, B4, 0);
	go(&f, good_frame(&f, &ways[0]), &fate); /* learns */
	go(&f, good_frame(&f, &ways[0]), &fate);
	assert_int_equal(fate.why, DROP_MAX);
	f.w[0]->local = none;
	go(&f, good_frame(&f, &ways[0]), &fate);
	assert_int_equal(fate.why, DROP_NOT_OURS);
	f.w[0]->local = f.local;
	local_destroy(none);
	memset(&f.w[0]->stats, 0, sizeof(f.w[0]->stats));
	fix_down(&f);
}

/* A range that becomes the box's in part is no longer the NAT's alone. */
static void pool_is_shared(void **state)
{
	struct local_addr own[] = {{.ip = fix_ip("192.0.2.1")}, {.ip = fix_ip("192.0.2.66")}};
	struct local_pool pool = {fix_prefix("192.0.2.64/30"), 1024, 65535, false};
	struct local_table *shared = local_create(own, 2, &pool, 1);
	static struct fate fate;
	struct fix f;

	fix_up(&f, NULL);
	go(&f, good_frame(&f, &ways[POOL_WAY + 1]), &fate); /* learns */
	assert_int_equal(fate.why, DROP_MAX);
	assert_false(fate.meta.flags & PKT_SHARED_ADDR);
	f.w[0]->local = shared;
	go(&f, good_frame(&f, &ways[POOL_WAY + 1]), &fate);
	assert_int_equal(fate.why, DROP_MAX);
	assert_true(fate.meta.flags & PKT_SHARED_ADDR);
	f.w[0]->local = f.local;
	local_destroy(shared);
	memset(&f.w[0]->stats, 0, sizeof(f.w[0]->stats));
	fix_down(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(scalar_is_twin), cmocka_unit_test(avx2_is_twin),
		cmocka_unit_test(avx512_is_twin), cmocka_unit_test(address_goes),
		cmocka_unit_test(pool_is_shared),
	};
	int ret;

	eal_start();
	ret = cmocka_run_group_tests(tests, NULL, NULL);
	eal_stop();
	return ret;
}
