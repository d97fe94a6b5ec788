/* SPDX-License-Identifier: BSD-3-Clause */
/* RS-S: packets as data, through parse, relay and switch. What comes out is compared byte for byte
 * with a packet built from scratch, whose checksum is computed in full.
 */
#include "tests/unit/rs_fixture.h"

#include <rte_ip.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define PATH_44 0x1111ULL
#define PATH_46 0x2222ULL
#define PATH_66 0x3333ULL
#define PATH_HALF 0x4444ULL  /* B not bound */
#define PATH_EARLY 0x5555ULL /* bound, not confirmed */
#define PATH_SMALL 0x6666ULL /* B behind a link of 1400 bytes */

#define OWN4 "192.0.2.1:4700"
#define OWN6 "[2001:db8::1]:4700"
#define A4 "198.51.100.10:1111"
#define B4 "198.51.100.20:2222"
#define A6 "[2001:db8:a::1]:1111"
#define B6 "[2001:db8:b::1]:2222"
#define B_SMALL "203.0.113.9:2222"

enum { DOES_PASS = DROP_MAX };

struct row {
	const char *name;
	uint64_t path;
	const char *src, *dst; /* in */
	bool from_a;
	uint8_t type, ttl, tos;
	uint16_t len; /* of the NTM packet */
	bool no_checksum;
	int verdict; /* DOES_PASS or a drop reason */
	const char *out_src, *out_dst;
	bool is_ruffled;
};

/* clang-format off */
static const struct row rows[] = {
	{"v4 to v4", PATH_44, A4, OWN4, true, 0, 64, 0, 100, false, DOES_PASS, OWN4, B4},
	{"back", PATH_44, B4, OWN4, false, 0, 64, 0, 100, false, DOES_PASS, OWN4, A4},
	{"DSCP and ECN go along", PATH_44, A4, OWN4, true, 0, 64, 0xbb, 100, false, DOES_PASS, OWN4, B4},
	{"odd length", PATH_44, A4, OWN4, true, 0, 64, 0, 101, false, DOES_PASS, OWN4, B4},
	{"v4 to v6", PATH_46, A4, OWN4, true, 0, 64, 0xb8, 100, false, DOES_PASS, OWN6, B6},
	{"v6 to v4", PATH_46, B6, OWN6, false, 0, 9, 0x03, 333, false, DOES_PASS, OWN4, A4},
	{"v6 to v6", PATH_66, A6, OWN6, true, 0, 64, 0, 77, false, DOES_PASS, OWN6, B6},
	{"to the shared port", PATH_44, A4, "192.0.2.1:443", true, 0, 64, 0, 50, false, DOES_PASS, OWN4, B4},
	{"handshakes pass too", PATH_44, A4, OWN4, true, 3, 64, 0, 300, false, DOES_PASS, OWN4, B4},
	{"so do probes", PATH_44, A4, OWN4, true, 7, 64, 0, 300, false, DOES_PASS, OWN4, B4},
	{"and resets", PATH_44, A4, OWN4, true, 8, 64, 0, 32, false, DOES_PASS, OWN4, B4},
	{"hop limit 2 is enough", PATH_44, A4, OWN4, true, 0, 2, 0, 64, false, DOES_PASS, OWN4, B4},
	{"hop limit 1 ends", PATH_44, A4, OWN4, true, 0, 1, 0, 64, false, DROP_IP_TTL, NULL, NULL},
	{"no checksum, v4", PATH_44, A4, OWN4, true, 0, 64, 0, 64, true, DOES_PASS, OWN4, B4},
	{"no checksum to v6", PATH_46, A4, OWN4, true, 0, 64, 0, 64, true, DROP_UDP_NO_CHECKSUM, NULL, NULL},
	{"largest that fits", PATH_44, A4, OWN4, true, 0, 64, 0, 1472, false, DOES_PASS, OWN4, B4},
	{"v4 that does not fit as v6", PATH_46, A4, OWN4, true, 0, 64, 0, 1453, false, DROP_MTU, NULL, NULL},
	{"largest that fits as v6", PATH_46, A4, OWN4, true, 0, 64, 0, 1452, false, DOES_PASS, OWN6, B6},
	{"smaller link", PATH_SMALL, A4, OWN4, true, 0, 64, 0, 1373, false, DROP_MTU, NULL, NULL},
	{"reflected to its sender's side", PATH_44, B4, OWN4, true, 0, 64, 0, 64, false, DROP_PATH_DIRECTION, NULL, NULL},
	{"unknown path", 0x7777, A4, OWN4, true, 0, 64, 0, 64, false, DROP_NO_PATH, NULL, NULL},
	{"other side not bound", PATH_HALF, A4, OWN4, true, 3, 64, 0, 64, false, DROP_PATH_UNBOUND, NULL, NULL},
	{"from a side not bound", PATH_HALF, B4, OWN4, false, 3, 64, 0, 64, false, DROP_PATH_UNBOUND, NULL, NULL},
	{"data before confirmation", PATH_EARLY, A4, OWN4, true, 0, 64, 0, 64, false, DROP_LEG_UNCONFIRMED, NULL, NULL},
	{"control before confirmation", PATH_EARLY, A4, OWN4, true, 6, 64, 0, 64, false, DROP_LEG_UNCONFIRMED, NULL, NULL},
	{"header cut off", PATH_44, A4, OWN4, true, 0, 64, 0, 15, false, DROP_NTM_SHORT, NULL, NULL},
	{"unknown type", PATH_44, A4, OWN4, true, 9, 64, 0, 64, false, DROP_NTM_TYPE, NULL, NULL},
};
/* clang-format on */

static void path_make(struct fix *f, uint64_t id, const char *a, int la, const char *b, int lb,
		      uint8_t state_b)
{
	struct rs_dp_path p = {.id = id, .handshakes = RS_HANDSHAKES_UNCONFIRMED};

	p.side[RS_SIDE_A] = (struct rs_dp_side){
		.peer = fix_ep(a), .local = (uint16_t)la, .state = RS_SIDE_CONFIRMED};
	if (state_b != RS_SIDE_UNBOUND)
		p.side[RS_SIDE_B] = (struct rs_dp_side){
			.peer = fix_ep(b), .local = (uint16_t)lb, .state = state_b};
	assert_int_equal(rs_dp_path_set(f->dp, &p), 0);
}

static void paths_make(struct fix *f)
{
	path_make(f, PATH_44, A4, 0, B4, 0, RS_SIDE_CONFIRMED);
	path_make(f, PATH_46, A4, 0, B6, 3, RS_SIDE_CONFIRMED);
	path_make(f, PATH_66, A6, 3, B6, 3, RS_SIDE_CONFIRMED);
	path_make(f, PATH_HALF, A4, 0, B4, 0, RS_SIDE_UNBOUND);
	path_make(f, PATH_EARLY, A4, 0, B4, 0, RS_SIDE_BOUND);
	path_make(f, PATH_SMALL, A4, 0, B_SMALL, 0, RS_SIDE_CONFIRMED);
}

/* A path's packet: header, then bytes that differ with the seed. */
static void ntm_make(uint8_t *p, uint16_t len, uint64_t id, bool from_a, uint8_t type, uint8_t seed)
{
	uint8_t h[WIRE_HDR_LEN];

	wire_build(h, type, wire_flags(from_a, 1, 0), seed, id);
	for (uint16_t i = 0; i < len; i++)
		p[i] = i < WIRE_HDR_LEN ? h[i] : (uint8_t)(i * 7 + seed);
}

/* As other senders make their headers: with an ID, without DF, and bytes behind the datagram. All of it
 * is gone when the packet leaves.
 */
static void ruffle(struct fix *f, struct rte_mbuf *m)
{
	uint8_t *ip = rte_pktmbuf_mtod_offset(m, uint8_t *, RTE_ETHER_HDR_LEN);
	uint16_t sum;

	if (ip[0] >> 4 == 6)
		return;
	store_be32(ip + 4, (uint32_t)rng_u64(&f->rng) << 16 | (rng_below(&f->rng, 2) ? IP4_DF : 0));
	if (rng_below(&f->rng, 8) == 0) {
		uint16_t more = (uint16_t)(1 + rng_below(&f->rng, 20));

		assert_non_null(rte_pktmbuf_append(m, more));
		store_be16(ip + 2, (uint16_t)(load_be16(ip + 2) + more));
	}
	store_be16(ip + 10, 0);
	sum = (uint16_t)~rte_raw_cksum(ip, IP4_HDR_LEN);
	memcpy(ip + 10, &sum, 2);
}

static void inject_one(struct fix *f, const struct row *r, const uint8_t *ntm)
{
	struct fix_udp u = {.src = fix_ep(r->src),
			    .dst = fix_ep(r->dst),
			    .ttl = r->ttl,
			    .tos = r->tos,
			    .no_checksum = r->no_checksum};

	struct rte_mbuf *m = fix_udp_frame(f, &u, ntm, r->len);

	if (r->is_ruffled)
		ruffle(f, m);
	fix_inject(f->w[0], m);
}

static struct rte_mbuf *send_one(struct fix *f, const struct row *r, const uint8_t *ntm)
{
	inject_one(f, r, ntm);
	fix_run(f->w[0]);
	return fix_out(f->w[0]);
}

/* The packet as it has to be, from scratch. IPv6's flow label is taken over after a look at it. */
static void compare(struct fix *f, const struct row *r, const uint8_t *ntm, struct rte_mbuf *m)
{
	struct fix_udp u = {.src = fix_ep(r->out_src),
			    .dst = fix_ep(r->out_dst),
			    .ttl = (uint8_t)(r->ttl - 1),
			    .tos = r->tos,
			    .no_checksum = r->no_checksum};
	struct rte_mbuf *want = fix_udp_frame(f, &u, ntm, r->len);
	uint8_t *w = rte_pktmbuf_mtod_offset(want, uint8_t *, RTE_ETHER_HDR_LEN);
	uint8_t *got = rte_pktmbuf_mtod(m, uint8_t *);

	if (got[0] >> 4 == 6) {
		assert_int_not_equal(load_be32(got) & FLOW_LABEL_MASK, 0);
		store_be32(w, load_be32(w) | (load_be32(got) & FLOW_LABEL_MASK));
	}
	assert_int_equal(rte_pktmbuf_data_len(m), rte_pktmbuf_data_len(want) - RTE_ETHER_HDR_LEN);
	assert_int_equal(rte_pktmbuf_pkt_len(m), rte_pktmbuf_data_len(m));
	assert_memory_equal(got, w, rte_pktmbuf_data_len(m));
	rte_pktmbuf_free(want);
}

static void rows_hold(void **state)
{
	struct fix f;
	uint8_t ntm[2048];

	fix_up(&f, NULL);
	paths_make(&f);
	for (size_t i = 0; i < RTE_DIM(rows); i++) {
		const struct row *r = &rows[i];
		uint64_t before = r->verdict < DROP_MAX ? f.w[0]->stats.drops[r->verdict] : 0;
		struct rte_mbuf *m;

		print_message("%s\n", r->name);
		ntm_make(ntm, r->len, r->path, r->from_a, r->type, (uint8_t)i);
		m = send_one(&f, r, ntm);
		if (r->verdict < DROP_MAX) {
			assert_null(m);
			assert_int_equal(f.w[0]->stats.drops[r->verdict], before + 1);
			continue;
		}
		if (m == NULL)
			fix_print_drops(f.w[0]);
		assert_non_null(m);
		compare(&f, r, ntm, m);
		rte_pktmbuf_free(m);
	}
	fix_down(&f);
}

/* All rows and strangers in one burst, in any order: each still has the verdict it has alone, for as long
 * as the notes of the paths have some left.
 */
static void mixed_bursts(void **state)
{
	/* clang-format off */
	static const struct row more[] = {
		{"", PATH_44, "198.51.100.99:5", OWN4, true, 0, 64, 0, 64, false, DROP_PATH_SOURCE, NULL, NULL},
		{"", PATH_46, "198.51.100.99:5", OWN4, true, 0, 64, 0, 64, false, DROP_PATH_SOURCE, NULL, NULL},
		{"", PATH_66, "[2001:db8::99]:5", OWN6, true, 0, 64, 0, 64, false, DROP_PATH_SOURCE, NULL, NULL},
		{"", PATH_66, B6, OWN6, true, 0, 64, 0, 64, false, DROP_PATH_DIRECTION, NULL, NULL},
		{"", PATH_44, "198.51.100.10:1112", OWN4, true, 0, 64, 0, 64, false, DROP_PATH_SOURCE, NULL, NULL},
		{"", PATH_44, "192.0.2.1:9", OWN4, true, 0, 64, 0, 64, false, DROP_IP_SOURCE, NULL, NULL},
		{"", PATH_44, "127.0.0.1:9", OWN4, true, 0, 64, 0, 64, false, DROP_IP_SOURCE, NULL, NULL},
		{"", PATH_44, "198.51.100.99:0", OWN4, true, 0, 64, 0, 64, false, DROP_IP_SOURCE, NULL, NULL},
	};
	/* clang-format on */
	enum { ROWS = RTE_DIM(rows) + RTE_DIM(more), ROUNDS = 50 };
	uint64_t want[DROP_MAX + 1] = {0};
	struct rs_dp_path_stats st;
	struct fix f;
	uint8_t ntm[2048];

	fix_up(&f, NULL);
	paths_make(&f);
	for (int round = 0; round < ROUNDS; round++) {
		for (int i = 0; i < ROWS; i++) {
			size_t k = rng_below(&f.rng, ROWS);
			const struct row *r =
				k < RTE_DIM(rows) ? &rows[k] : &more[k - RTE_DIM(rows)];

			ntm_make(ntm, r->len, r->path, r->from_a, r->type, (uint8_t)i);
			inject_one(&f, r, ntm);
			want[r->verdict]++;
		}
		fix_run(f.w[0]);
		rte_pktmbuf_free(fix_out(f.w[0]));
	}
	/* Of strangers some pass. */
	for (int k = 0; k < 3; k++) {
		static const uint64_t paths[] = {PATH_44, PATH_46, PATH_66};

		assert_int_equal(rs_dp_path_stats(f.dp, paths[k], &st), 0);
		want[DROP_PATH_SOURCE] -=
			(uint64_t)RS_STRAYS_PER_CHALLENGE - st.strays_left[RS_SIDE_A];
	}
	for (int i = 0; i < DROP_MAX; i++)
		assert_int_equal(f.w[0]->stats.drops[i], want[i]);
	assert_int_equal(f.w[0]->stats.relayed, f.w[0]->stats.path_stranger + want[DOES_PASS]);
	fix_down(&f);
}

/* Incremental against full checksum over random packets, all pairs of families. */
static void random_packets(void **state)
{
	static const struct row ways[] = {
		{"", PATH_44, A4, OWN4, true, 0, 64, 0, 0, false, DOES_PASS, OWN4, B4},
		{"", PATH_46, A4, OWN4, true, 0, 64, 0, 0, false, DOES_PASS, OWN6, B6},
		{"", PATH_46, B6, OWN6, false, 0, 64, 0, 0, false, DOES_PASS, OWN4, A4},
		{"", PATH_66, A6, OWN6, true, 0, 64, 0, 0, false, DOES_PASS, OWN6, B6},
	};
	struct fix f;
	uint8_t ntm[2048];
	uint64_t bytes = 0;

	fix_up(&f, NULL);
	paths_make(&f);
	for (int i = 0; i < 4000; i++) {
		struct row r = ways[i % 4];
		struct rte_mbuf *m;

		r.len = (uint16_t)(WIRE_HDR_LEN + rng_below(&f.rng, 1400));
		r.tos = (uint8_t)rng_u64(&f.rng);
		r.ttl = (uint8_t)(2 + rng_below(&f.rng, 254));
		r.is_ruffled = rng_below(&f.rng, 2) == 0;
		r.no_checksum = i % 4 == 0 && rng_below(&f.rng, 8) == 0;
		ntm_make(ntm, r.len, r.path, r.from_a, 0, (uint8_t)i);
		rng_fill(&f.rng, ntm + WIRE_HDR_LEN, r.len - (size_t)WIRE_HDR_LEN);
		m = send_one(&f, &r, ntm);
		assert_non_null(m);
		compare(&f, &r, ntm, m);
		rte_pktmbuf_free(m);
		bytes += i % 4 == 0 ? r.len + 28u : 0;
	}
	struct rs_dp_path_stats st;

	assert_int_equal(rs_dp_path_stats(f.dp, PATH_44, &st), 0);
	assert_int_equal(st.packets[RS_SIDE_A], 1000);
	assert_int_equal(st.bytes[RS_SIDE_A], bytes);
	assert_int_equal(st.packets[RS_SIDE_B], 0);
	assert_int_equal(f.w[0]->stats.relayed, 4000);
	fix_down(&f);
}

/* 64 strangers per challenge are believed, one event tells control. */
static void wrong_source(void **state)
{
	static const struct row r = {"", PATH_44, "198.51.100.99:5", OWN4, true, 0, 64, 0,
				     64, false,	  DOES_PASS,	     OWN4, B4};
	struct fix f;
	struct rs_event ev;
	uint8_t ntm[64];
	struct rs_dp_path_stats st;

	fix_up(&f, NULL);
	paths_make(&f);
	ntm_make(ntm, 64, PATH_44, true, 0, 1);
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < RS_STRAYS_PER_CHALLENGE; i++) {
			struct rte_mbuf *m = send_one(&f, &r, ntm);

			assert_non_null(m);
			rte_pktmbuf_free(m);
		}
		assert_null(send_one(&f, &r, ntm));
		assert_int_equal(f.w[0]->stats.drops[DROP_PATH_SOURCE], round + 1);
		assert_true(fix_event(&f, &ev));
		assert_int_equal(ev.type, RS_EV_WRONG_SOURCE);
		assert_int_equal(ev.side, RS_SIDE_A);
		assert_int_equal(ev.id, PATH_44);
		assert_int_equal(ev.len, 64);
		assert_int_equal(ev.src.port, 5);
		assert_int_equal(ev.local, 0);
		assert_false(fix_event(&f, &ev));
		assert_int_equal(rs_dp_path_challenged(f.dp, PATH_44, RS_SIDE_A), 0);
		f.w[0]->now += RS_STRANGER_EVENT_NS;
	}
	assert_int_equal(rs_dp_path_stats(f.dp, PATH_44, &st), 0);
	assert_int_equal(st.strays_left[RS_SIDE_A], RS_STRAYS_PER_CHALLENGE);
	assert_int_equal(f.w[0]->stats.path_stranger, 2 * RS_STRAYS_PER_CHALLENGE);
	fix_down(&f);
}

/* With no room for it the event is not taken for told: the next stranger tells. */
static void wrong_source_ring_full(void **state)
{
	static const struct row r = {"", PATH_44, "198.51.100.99:5", OWN4, true, 0, 64, 0,
				     64, false,	  DOES_PASS,	     OWN4, B4};
	struct rs_dp_config cfg = {.event_ring = 16};
	struct rs_event ev = {.type = RS_EV_ICMP_ERROR};
	struct rs_worker *rs;
	struct fix f;
	uint8_t ntm[64];

	fix_up(&f, &cfg);
	paths_make(&f);
	rs = f.w[0]->rs;
	ntm_make(ntm, 64, PATH_44, true, 0, 1);
	while (!rte_ring_full(rs->events[RS_CLASS_HINT]))
		rs_event_put(f.w[0], RS_CLASS_HINT, &ev);
	rte_pktmbuf_free(send_one(&f, &r, ntm));
	assert_int_equal(rs->events_lost, 1);
	while (fix_event(&f, &ev))
		assert_int_equal(ev.type, RS_EV_ICMP_ERROR);
	rte_pktmbuf_free(send_one(&f, &r, ntm));
	assert_true(fix_event(&f, &ev));
	assert_int_equal(ev.type, RS_EV_WRONG_SOURCE);
	rte_pktmbuf_free(send_one(&f, &r, ntm));
	assert_false(fix_event(&f, &ev));
	assert_int_equal(rs->events_lost, 1);
	fix_down(&f);
}

/* Counted to the packet, whichever worker it comes to, through full words and replaced records. */
static void counts_are_exact(void **state)
{
	static const struct row r = {"", PATH_44, A4,	 OWN4,	    true, 0, 64,
				     0,	 500,	  false, DOES_PASS, OWN4, B4};
	struct rs_dp_path_stats st;
	struct fix f;
	uint8_t ntm[1400];
	uint64_t bytes = 0;
	uint64_t packets = 0;

	fix_up(&f, NULL);
	paths_make(&f);
	for (int i = 0; i < 2000; i++) {
		struct worker *w = f.w[rng_below(&f.rng, 8) == 0];
		struct row one = r;
		struct rte_mbuf *m;
		struct fix_udp u = {.src = fix_ep(A4), .dst = fix_ep(OWN4), .ttl = 64};

		one.len = (uint16_t)(64 + rng_below(&f.rng, 1300));
		ntm_make(ntm, one.len, PATH_44, true, 0, 1);
		fix_inject(w, fix_udp_frame(&f, &u, ntm, one.len));
		fix_run(w);
		m = fix_out(w);
		assert_non_null(m);
		rte_pktmbuf_free(m);
		packets++;
		bytes += one.len + 28u;
		if (rng_below(&f.rng, 300) == 0)
			path_make(&f, PATH_44, A4, 0, B4, 0, RS_SIDE_CONFIRMED);
		assert_int_equal(rs_dp_path_stats(f.dp, PATH_44, &st), 0);
		assert_int_equal(st.packets[RS_SIDE_A], packets);
		assert_int_equal(st.bytes[RS_SIDE_A], bytes);
		assert_int_equal(st.packets[RS_SIDE_B], 0);
	}
	/* A new path under the same number starts at 0. */
	assert_int_equal(rs_dp_path_del(f.dp, PATH_44), 0);
	rs_dp_housekeep(f.dp, 0);
	path_make(&f, PATH_44, A4, 0, B4, 0, RS_SIDE_CONFIRMED);
	assert_int_equal(rs_dp_path_stats(f.dp, PATH_44, &st), 0);
	assert_int_equal(st.packets[RS_SIDE_A], 0);
	fix_down(&f);
}

static void unconfirmed_handshakes(void **state)
{
	static const struct row r = {"", PATH_EARLY, A4,    OWN4,      true, 3, 64,
				     0,	 64,	     false, DOES_PASS, OWN4, B4};
	struct fix f;
	uint8_t ntm[64];

	fix_up(&f, NULL);
	paths_make(&f);
	ntm_make(ntm, 64, PATH_EARLY, true, 3, 1);
	for (int i = 0; i < RS_HANDSHAKES_UNCONFIRMED; i++) {
		struct rte_mbuf *m = send_one(&f, &r, ntm);

		assert_non_null(m);
		rte_pktmbuf_free(m);
	}
	assert_null(send_one(&f, &r, ntm));
	assert_int_equal(f.w[0]->stats.drops[DROP_LEG_UNCONFIRMED], 1);
	fix_down(&f);
}

/* Data to an address that a leg moved to goes out on credit, until the leg is proven. */
static void credit_of_a_moved_leg(void **state)
{
	static const struct row r = {"", PATH_44, A4,	 OWN4,	    true, 0, 64,
				     0,	 1000,	  false, DOES_PASS, OWN4, B4};
	struct fix f;
	uint8_t ntm[1000];
	uint64_t index;
	struct rs_dp_leg leg = {.vip4 = fix_ip("240.0.0.2"),
				.peer = fix_ep("198.51.100.77:9"),
				.local = 0,
				.worker = 0,
				.confirmed = true};
	struct rs_dp_path p = {.id = PATH_44};
	struct rte_mbuf *m;
	int passed = 0;

	fix_up(&f, NULL);
	assert_int_equal(rs_dp_leg_reserve(f.dp, 0x123456789, &index), 0);
	assert_int_equal(rs_dp_leg_add(f.dp, index, &leg), 0);
	struct endpoint to = fix_ep(B4);

	assert_int_equal(
		rs_dp_leg_endpoint_set(f.dp, index, &to, 10 * 1028 + 5, f.w[0]->now + RS_CREDIT_NS),
		0);
	p.side[RS_SIDE_A] = (struct rs_dp_side){.peer = fix_ep(A4), .state = RS_SIDE_CONFIRMED};
	p.side[RS_SIDE_B] =
		(struct rs_dp_side){.peer = to, .leg = index, .state = RS_SIDE_CONFIRMED};
	assert_int_equal(rs_dp_path_set(f.dp, &p), 0);
	ntm_make(ntm, 1000, PATH_44, true, 0, 1);
	for (int i = 0; i < 20; i++) {
		m = send_one(&f, &r, ntm);
		passed += m != NULL;
		rte_pktmbuf_free(m);
	}
	assert_int_equal(passed, 10);
	assert_int_equal(f.w[0]->stats.drops[DROP_LEG_CREDIT], 10);
	assert_int_equal(rs_dp_leg_confirm(f.dp, index), 0);
	m = send_one(&f, &r, ntm);
	assert_non_null(m);
	rte_pktmbuf_free(m);
	fix_down(&f);
}

/* What is for the host goes up sealed, by class; what it cannot be is dropped by name. */
static void events_by_class(void **state)
{
	struct fix f;
	uint8_t ntm[200];
	uint64_t leg_index, own_index;
	struct rs_event ev;
	struct rs_dp_leg leg = {.vip4 = fix_ip("240.0.0.2"), .peer = fix_ep(A4), .worker = 0};
	struct row r = {"", 0, A4, OWN4, true, 0, 64, 0, 200, false, DOES_PASS, NULL, NULL};
	/* clang-format off */
	struct { uint64_t id; uint8_t type; int event; bool with_packet; } ups[] = {
		{0, WIRE_CONTROL, RS_EV_LEG_PACKET, true},      /* 0: the leg's index */
		{1, WIRE_CONTROL, RS_EV_UNKNOWN_INDEX, true},   /* 1: control's own */
		{1, WIRE_HANDSHAKE_2, RS_EV_HANDSHAKE, true},
		{0xffee000000000000, WIRE_HANDSHAKE_1, RS_EV_HANDSHAKE, true},
		{0xcfee000000000000, WIRE_CONTROL, RS_EV_UNKNOWN_INDEX, true},
		{0xcfee000000000000, WIRE_DATA, RS_EV_UNKNOWN_INDEX, false},
		{0x8fee000000000000, WIRE_RESET, RS_EV_HANDSHAKE, true},
	};
	/* clang-format on */

	fix_up(&f, NULL);
	assert_int_equal(rs_dp_leg_reserve(f.dp, 0x123456789, &leg_index), 0);
	assert_int_equal(rs_dp_leg_add(f.dp, leg_index, &leg), 0);
	assert_int_equal(rs_dp_leg_reserve(f.dp, 0x123456789, &own_index), 0);
	assert_int_not_equal(leg_index, own_index);
	for (size_t i = 0; i < RTE_DIM(ups); i++) {
		uint64_t id = ups[i].id == 0 ? leg_index : ups[i].id == 1 ? own_index : ups[i].id;

		ntm_make(ntm, 200, id, true, ups[i].type, 1);
		assert_null(send_one(&f, &r, ntm));
		assert_int_equal(rs_dp_events(f.dp, &ev, 1), 1);
		assert_int_equal(ev.type, ups[i].event);
		assert_int_equal(ev.id, id);
		assert_int_equal(ev.len, 200);
		assert_true(
			endpoint_equal(&ev.src, &(struct endpoint){fix_ip("198.51.100.10"), 1111}));
		assert_int_equal(ev.m != NULL, ups[i].with_packet);
		if (ev.m == NULL)
			continue;
		assert_int_equal(rte_pktmbuf_data_len(ev.m), 200);
		assert_memory_equal(rte_pktmbuf_mtod(ev.m, void *), ntm, 200);
		rte_pktmbuf_free(ev.m);
	}
	ntm_make(ntm, 200, WIRE_ID_NONE, true, WIRE_HANDSHAKE_1, 1);
	assert_null(send_one(&f, &r, ntm));
	assert_int_equal(f.w[0]->stats.drops[DROP_NO_ROLE], 1);
	fix_down(&f);
}

/* A flood of strangers fills its own ring; packets of known legs still get through, and first. */
static void flood_of_strangers(void **state)
{
	struct rs_dp_config cfg = {.event_ring = 16};
	struct fix f;
	uint8_t ntm[200];
	uint64_t index;
	struct rs_event ev;
	struct rs_dp_leg leg = {.vip4 = fix_ip("240.0.0.2"), .peer = fix_ep(A4), .worker = 0};
	struct row r = {"", 0, A4, OWN4, true, 0, 64, 0, 200, false, DOES_PASS, NULL, NULL};

	fix_up(&f, &cfg);
	assert_int_equal(rs_dp_leg_reserve(f.dp, 1, &index), 0);
	assert_int_equal(rs_dp_leg_add(f.dp, index, &leg), 0);
	for (int i = 0; i < 200; i++) {
		ntm_make(ntm, 200, 0xffee000000000000, true, WIRE_HANDSHAKE_1, (uint8_t)i);
		assert_null(send_one(&f, &r, ntm));
	}
	assert_true(f.w[0]->stats.drops[DROP_CONTROL_FULL] > 150);
	assert_int_equal(f.w[0]->stats.drops[DROP_CONTROL_FULL] + f.w[0]->stats.to_control, 200);
	ntm_make(ntm, 200, index, true, WIRE_CONTROL, 1);
	assert_null(send_one(&f, &r, ntm));
	assert_true(fix_event(&f, &ev));
	assert_int_equal(ev.type, RS_EV_LEG_PACKET);
	fix_down(&f);
}

/* An ICMP error that quotes a relayed packet becomes a hint; others are nobody's. */
static void icmp_hints(void **state)
{
	struct fix f;
	struct rs_event ev;
	uint8_t icmp[8 + 20 + 8 + 32] = {3, 4}, ip[FIX_PACKET_MAX], ntm[32];
	struct ip_addr router = fix_ip("198.51.100.1"), own = fix_ip("192.0.2.1");
	struct endpoint b = fix_ep(B4);
	uint16_t len;

	fix_up(&f, NULL);
	paths_make(&f);
	store_be16(icmp + 6, 1380);
	ntm_make(ntm, 32, PATH_44, true, 0, 1);
	for (int good = 1; good >= 0; good--) {
		uint8_t udp[40];

		store_be16(udp, 4700);
		store_be16(udp + 2, (uint16_t)(b.port + !good));
		store_be16(udp + 4, 40);
		store_be16(udp + 6, 0);
		memcpy(udp + 8, ntm, 32);
		fix_ip_packet(icmp + 8, &own, &b.ip, IPPROTO_UDP, 60, 0, udp, 40);
		len = fix_ip_packet(ip, &router, &own, IPPROTO_ICMP, 64, 0, icmp, sizeof(icmp));
		fix_inject(f.w[0], fix_frame(&f, ip, len));
		fix_run(f.w[0]);
		f.w[0]->now += RS_HINT_NS;
	}
	assert_true(fix_event(&f, &ev));
	assert_int_equal(ev.type, RS_EV_ICMP_ERROR);
	assert_int_equal(ev.id, PATH_44);
	assert_int_equal(ev.side, RS_SIDE_B);
	assert_int_equal(ev.mtu, 1380);
	assert_true(endpoint_equal(&ev.src, &b));
	assert_false(fix_event(&f, &ev));
	assert_int_equal(f.w[0]->stats.drops[DROP_ICMP_STRANGE], 1);
	fix_down(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_hold),
		cmocka_unit_test(mixed_bursts),
		cmocka_unit_test(random_packets),
		cmocka_unit_test(wrong_source),
		cmocka_unit_test(wrong_source_ring_full),
		cmocka_unit_test(counts_are_exact),
		cmocka_unit_test(unconfirmed_handshakes),
		cmocka_unit_test(credit_of_a_moved_leg),
		cmocka_unit_test(events_by_class),
		cmocka_unit_test(flood_of_strangers),
		cmocka_unit_test(icmp_hints),
	};
	int ret;

	eal_start();
	ret = cmocka_run_group_tests(tests, NULL, NULL);
	eal_stop();
	return ret;
}
