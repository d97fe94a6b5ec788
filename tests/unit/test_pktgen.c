/* SPDX-License-Identifier: BSD-3-Clause */
/* The generator's bookkeeping against slow twins, and its frames: found again as they were made, and
 * no flipped bit goes unnoticed.
 */
#include "common/bytes.h"
#include "common/csum.h"
#include "perf/pktgen/gen.h"
#include "perf/pktgen/options.h"
#include "perf/pktgen/search.h"
#include "tests/unit/eal_init.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SEED = 20261122 };

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* Against the sorted list: never below the true quantile, and at most 1/64 above. */
static void test_hist(void **state)
{
	static const unsigned int per_mille[] = {0, 1, 500, 990, 999, 1000};
	enum { N = 20000 };
	uint64_t *v = malloc(N * sizeof(*v));
	struct hist *h = malloc(sizeof(*h));
	struct rng rng;

	rng_init_seeded(&rng, SEED);
	hist_init(h);
	assert_int_equal(hist_quantile(h, 500), 0);
	for (int i = 0; i < N; i++) {
		v[i] = rng_u64(&rng) >> rng_below(&rng, 64);
		hist_add(h, v[i]);
	}
	qsort(v, N, sizeof(*v), by_value);
	assert_int_equal(h->min, v[0]);
	assert_int_equal(h->max, v[N - 1]);
	for (size_t i = 0; i < sizeof(per_mille) / sizeof(per_mille[0]); i++) {
		uint64_t rank = (N * (uint64_t)per_mille[i] + 999) / 1000;
		uint64_t want = v[rank > 0 ? rank - 1 : 0], got = hist_quantile(h, per_mille[i]);

		assert_true(got >= want && got - want <= want / 64);
	}
	for (unsigned int b = 0; b + 1 < 64; b++)
		assert_true(hist_bucket(1ULL << b) < hist_bucket(1ULL << (b + 1)));
	assert_true(hist_bucket(UINT64_MAX) < HIST_BUCKETS);
	free(v);
	free(h);
}

/* The obvious ledger: everything that was ever sent, in one list. */
struct twin {
	struct {
		uint32_t stream;
		bool came;
	} pkt[4096];
	uint64_t sent, received, duplicate, reordered;
	uint64_t highest[8];
};

static void twin_received(struct twin *t, uint64_t seq)
{
	uint32_t s = t->pkt[seq].stream;

	if (t->pkt[seq].came) {
		t->duplicate++;
		return;
	}
	t->pkt[seq].came = true;
	t->received++;
	if (seq + 1 < t->highest[s])
		t->reordered++;
	else
		t->highest[s] = seq + 1;
}

static void test_ledger(void **state)
{
	struct ledger_conf conf = {.window_bits = 12, .streams = 8, .slice_tsc = 100, .slices = 50};
	struct twin *t = calloc(1, sizeof(*t));
	struct ledger l;
	struct rng rng;
	uint64_t lost = 0;

	rng_init_seeded(&rng, SEED);
	assert_int_equal(ledger_init(&l, &conf), 0);
	ledger_start(&l, 1000);
	while (t->sent < 4096) {
		uint64_t now = 1000 + t->sent;

		t->pkt[t->sent++].stream = (uint32_t)rng_below(&rng, 8);
		assert_int_equal(ledger_sent(&l, now, 100), t->sent - 1);
		/* old ones now and then, so that some come twice and some out of order */
		for (uint64_t n = rng_below(&rng, 3); n > 0; n--) {
			uint64_t back = rng_below(&rng, t->sent < 20 ? t->sent : 20);
			uint64_t seq = t->sent - 1 - back;

			twin_received(t, seq);
			(void)ledger_received(&l, seq, t->pkt[seq].stream, now + 5, 100);
		}
	}
	ledger_close(&l);
	assert_int_equal(l.sent, t->sent);
	assert_int_equal(l.received, t->received);
	assert_int_equal(l.duplicate, t->duplicate);
	assert_int_equal(l.reordered, t->reordered);
	assert_true(l.duplicate > 100 && l.reordered > 100);
	assert_int_equal(l.sent, l.received + l.lost);
	for (uint32_t i = 0; i < conf.slices; i++)
		lost += l.slice[i].lost;
	assert_int_equal(lost, l.lost);
	ledger_fini(&l);
	free(t);
}

/* What the window no longer holds, what a port refused, and what belongs to an earlier trial. */
static void test_ledger_edges(void **state)
{
	struct ledger_conf conf = {.window_bits = 3, .streams = 1, .slice_tsc = 10, .slices = 3};
	struct ledger l;

	assert_int_equal(ledger_init(&l, &conf), 0);
	ledger_start(&l, 0);
	for (uint64_t i = 0; i < 9; i++)
		assert_int_equal(ledger_sent(&l, i, 1), i);
	assert_int_equal(l.lost, 1); /* the ninth took the first one's slot */
	assert_int_equal(ledger_received(&l, 0, 0, 9, 1), LEDGER_LATE);
	assert_int_equal(ledger_received(&l, 9, 0, 9, 1), LEDGER_FOREIGN);
	assert_int_equal(ledger_received(&l, 8, 1, 9, 1), LEDGER_FOREIGN);
	ledger_refused(&l, 8);
	assert_int_equal(ledger_received(&l, 8, 0, 9, 1), LEDGER_DUPLICATE);
	ledger_close(&l);
	assert_int_equal(l.lost, 8);
	assert_int_equal(l.refused, 1);
	assert_int_equal(l.slice[0].lost, 9);
	ledger_start(&l, 100);
	assert_int_equal(ledger_sent(&l, 200, 1), 9);
	assert_int_equal(ledger_received(&l, 7, 0, 201, 1), LEDGER_FOREIGN);
	assert_int_equal(l.slice[2].sent, 1); /* the last slice takes what comes after all */
	assert_int_equal(ledger_received(&l, 9, 0, 207, 1), LEDGER_OK);
	assert_int_equal(hist_quantile(&l.latency, 500), 7);
	ledger_fini(&l);
}

static void test_pace(void **state)
{
	struct pace p;
	uint64_t sent = 0;

	pace_start(&p, 0, 1000, 1000000); /* one packet in 1000 cycles */
	assert_int_equal(pace_due(&p, 999, 32), 0);
	for (uint64_t now = 0; now <= 1000000; now += 100)
		sent += pace_due(&p, now, 32);
	assert_in_range(sent, 999, 1001);
	assert_int_equal(p.forfeited, 0);
	sent = 0;
	for (uint64_t now = 2000000; now < 2000900; now += 10)
		sent += pace_due(&p, now, 32);
	assert_int_equal(sent, PACE_DEBT); /* stood still for 1000 packets: most are forfeited */
	assert_in_range(p.forfeited, 1000 - PACE_DEBT - 1, 1000 - PACE_DEBT + 1);
}

/* Ten lost packets in slice 20, a hundred in slice 60, a stall in slice 20 that is worth thirty. */
static void test_stall(void **state)
{
	struct ledger_conf conf = {
		.window_bits = 10, .streams = 1, .slice_tsc = 100, .slices = 100};
	struct stall_log *log = calloc(1, sizeof(*log));
	const struct stall_log *logs[] = {log};
	uint64_t left[100];
	struct ledger l;

	assert_int_equal(ledger_init(&l, &conf), 0);
	ledger_start(&l, 10000);
	for (int i = 0; i < 110; i++)
		(void)ledger_sent(&l, 10000 + (i < 10 ? 2000 : 6000), 1);
	ledger_close(&l);
	stall_init(log, 1000);
	stall_turn(log, 11000);
	stall_turn(log, 12000);
	assert_int_equal(log->count, 0);
	stall_turn(log, 15000);
	assert_int_equal(log->count, 1);
	assert_int_equal(log->max, 3000);
	stall_rest(log);
	stall_turn(log, 99000);
	assert_int_equal(log->count, 1); /* sleeping is no stall */
	assert_int_equal(stall_explain(&l, logs, 1, 0.01, 500, left), 10);
	assert_int_equal(left[20], 0);
	assert_int_equal(left[60], 100);
	assert_int_equal(stall_explain(&l, logs, 1, 0.01, 1500, left), 31); /* reaches slice 60 */
	log->stall[0].to = 5000;
	assert_int_equal(stall_explain(&l, logs, 1, 0.01, 0, left), 0); /* over before it began */
	ledger_fini(&l);
	free(log);
}

static void test_search(void **state)
{
	for (double truth = 1500; truth < 3e6; truth *= 1.37) {
		struct search s;
		double rate;

		search_init(&s, 1000, 2e6, 0.01);
		while (search_next(&s, &rate))
			search_result(&s, rate, rate <= truth);
		if (truth >= 2e6) {
			assert_true(s.best == 2e6 && s.trials == 1);
			continue;
		}
		assert_true(s.best <= truth && s.best >= truth * 0.98);
		assert_true(s.trials < 20);
	}
}

static void test_options(void **state)
{
	static char *good[] = {"x",	 "--sizes", "64:7,576:4,1400", "--mix", "3,1,0,0",
			       "--rate", "50%",	    "--in-process"};
	static char *const bad[][2] = {
		{"--sizes", "10"},    {"--sizes", "64:0"}, {"--sizes", "64,"}, {"--mix", "1,2,3"},
		{"--rate", "0"},      {"--rate", "101%"},  {"--legs", "0"},    {"--paths", "1e8"},
		{"--suite", "rot13"}, {"--paths", "0"},	   {"--window", "60"}, {"--mix", "0,0,1,1"},
		{"--seconds", "nan"}, {"--seed", ""}};
	struct options o;

	assert_int_equal(options_parse(&o, 8, good), 0);
	assert_int_equal(o.gen.n_sizes, 12);
	assert_int_equal(o.gen.size[6], 64);
	assert_int_equal(o.gen.size[11], 1400);
	assert_int_equal(o.gen.weight[WAY_A], 3);
	assert_int_equal(o.gen.weight[WAY_OUT], 0); /* no flows */
	assert_true(o.percent == 50);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char *argv[] = {"x", "--in-process", bad[i][0], bad[i][1]};

		assert_true(options_parse(&o, 4, argv) < 0);
	}
}

/* ---- frames ---- */

struct frames {
	struct plan plan;
	struct traffic t;
	struct rte_mempool *pool;
};

static int frames_up(void **state)
{
	struct plan_conf conf = {.legs = 7,
				 .paths = 100,
				 .flows = 30,
				 .hosts = 3,
				 .suite = SUITE_DEFAULT,
				 .seed = SEED};
	struct frames *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->pool = rte_pktmbuf_pool_create("frames", 127, 0, 0, 2048 + 128, SOCKET_ID_ANY);
	assert_non_null(f->pool);
	assert_int_equal(plan_init(&f->plan, &conf), 0);
	for (uint32_t i = 0; i < 2 * conf.legs; i++)
		assert_int_equal(endpoint_parse("198.19.254.2:5530", &f->plan.node[i].rs), 0);
	traffic_init(&f->t, &f->plan, 1);
	*state = f;
	return 0;
}

static int frames_down(void **state)
{
	struct frames *f = *state;

	plan_fini(&f->plan);
	rte_mempool_free(f->pool);
	free(f);
	return 0;
}

static void test_plan(void **state)
{
	struct frames *f = *state;

	for (uint32_t i = 0; i < 100; i++) {
		assert_true(wire_is_path_id(plan_path_id(&f->plan, i)));
		assert_int_equal(plan_path_find(&f->plan, plan_path_id(&f->plan, i)), i);
		for (uint32_t j = 0; j < i; j++)
			assert_true(plan_path_id(&f->plan, i) != plan_path_id(&f->plan, j));
	}
	assert_int_equal(plan_path_find(&f->plan, plan_path_id(&f->plan, 100)), UINT32_MAX);
	for (uint32_t i = 0; i < 14; i++)
		for (uint32_t j = 0; j < i; j++)
			assert_false(endpoint_equal(&f->plan.node[i].self, &f->plan.node[j].self));
}

/* What an RS-S does to a packet, the slow way: new addresses, one TTL less, checksums from scratch.
 * m comes back as the other node of the path gets it.
 */
static void relay(struct frames *f, struct rte_mbuf *m, enum way w, uint32_t path)
{
	const struct plan_node *to = &f->plan.node[plan_path_node(&f->plan, path, w == WAY_A)];
	uint8_t *ip = rte_pktmbuf_mtod_offset(m, uint8_t *, RTE_ETHER_HDR_LEN), *udp = ip + 20;
	uint16_t len = (uint16_t)(m->data_len - RTE_ETHER_HDR_LEN - 20), check;

	memcpy(ip + 12, to->rs.ip.b + 12, 4);
	memcpy(ip + 16, to->self.ip.b + 12, 4);
	ip[8]--;
	store_be16(ip + 10, 0);
	check = (uint16_t)~csum_fold(csum_bytes(ip, 20, 0));
	memcpy(ip + 10, &check, 2);
	store_be16(udp, to->rs.port);
	store_be16(udp + 2, to->self.port);
	store_be16(udp + 6, 0);
	check = (uint16_t)~csum_fold(
		csum_bytes(udp, len, csum_pseudo(&to->rs.ip, &to->self.ip, IPPROTO_UDP, len)));
	memcpy(udp + 6, &check, 2);
}

static struct rte_mbuf *frame(struct frames *f, enum way w, uint32_t stream, uint64_t seq,
			      uint16_t inner)
{
	struct traffic_item item = {.stream = stream, .inner = inner, .seq = seq};
	struct rte_mbuf *m = rte_pktmbuf_alloc(f->pool);

	assert_non_null(m);
	traffic_make(&f->t, w, &item, 1, &m);
	assert_int_equal(m->data_len, traffic_frame_len(&f->plan, w, inner));
	return m;
}

static void test_frames(void **state)
{
	struct frames *f = *state;

	for (uint32_t path = 0; path < 100; path++) {
		for (int w = WAY_A; w <= WAY_B; w++) {
			uint16_t inner = (uint16_t)(TRAFFIC_INNER_MIN + path * 13);
			struct rte_mbuf *m = frame(f, (enum way)w, path, 1000 + path, inner);
			struct traffic_found found;

			relay(f, m, (enum way)w, path);
			traffic_find(&f->t, &m, 1, &found);
			assert_int_equal(found.kind, TRAFFIC_DATA);
			assert_int_equal(found.way, w);
			assert_int_equal(found.stream, path);
			assert_int_equal(found.seq, 1000 + path);
			rte_pktmbuf_free(m);
		}
	}
	assert_int_equal(f->t.corrupt, 0);
}

/* Each byte changed in turn: never taken for a good packet. MACs alone are not looked at, DSCP and
 * ECN are the network's to change.
 */
static void test_frames_altered(void **state)
{
	struct frames *f = *state;
	uint16_t len = traffic_frame_len(&f->plan, WAY_A, 64);

	for (uint16_t at = 12; at < len; at++) {
		struct rte_mbuf *m = frame(f, WAY_A, 5, 77, 64);
		struct traffic_found found;

		relay(f, m, WAY_A, 5);
		rte_pktmbuf_mtod(m, uint8_t *)[at] ^= 0x04;
		traffic_find(&f->t, &m, 1, &found);
		if (found.kind == TRAFFIC_DATA)
			fail_msg("byte %u changed, and nobody noticed", at);
		rte_pktmbuf_free(m);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hist),
		cmocka_unit_test(test_ledger),
		cmocka_unit_test(test_ledger_edges),
		cmocka_unit_test(test_pace),
		cmocka_unit_test(test_stall),
		cmocka_unit_test(test_search),
		cmocka_unit_test(test_options),
		cmocka_unit_test_setup_teardown(test_plan, frames_up, frames_down),
		cmocka_unit_test_setup_teardown(test_frames, frames_up, frames_down),
		cmocka_unit_test_setup_teardown(test_frames_altered, frames_up, frames_down),
	};
	int ret;

	printf("seed %d\n", SEED);
	eal_start();
	ret = cmocka_run_group_tests(tests, NULL, NULL);
	eal_stop();
	return ret;
}
