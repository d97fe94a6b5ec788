/* SPDX-License-Identifier: BSD-3-Clause */
#include "perf/pktgen/gen.h"

#include <rte_cycles.h>
#include <rte_ethdev.h>

#include <errno.h>

enum { BURST = TRAFFIC_BURST, RX_ROUNDS = 4, WRITE_AHEAD = 192 };

int gen_init(struct gen *g, const struct gen_setup *s)
{
	uint64_t slice = rte_get_tsc_hz() / 1000 * GEN_SLICE_MS;
	int ret = 0;

	memset(g, 0, sizeof(*g));
	g->plan = s->plan;
	g->pool = s->pool;
	g->mark_port = -1;
	g->draw = s->plan->conf.seed * 2 + 1;
	traffic_init(&g->traffic, s->plan, s->check_every);
	for (int w = 0; w < WAYS && ret == 0; w++) {
		struct ledger_conf conf = {
			.window_bits = s->window_bits,
			.streams = plan_streams(s->plan, (enum way)w),
			.slice_tsc = slice,
			.slices = (uint32_t)(s->seconds_max * 1000 / GEN_SLICE_MS) + 1,
		};

		if (plan_way_used(s->plan, (enum way)w))
			ret = ledger_init(&g->ledger[w], &conf);
	}
	return ret;
}

void gen_fini(struct gen *g)
{
	for (int w = 0; w < WAYS; w++)
		ledger_fini(&g->ledger[w]);
}

static bool must_quit(const struct gen *g)
{
	return g->quit != NULL && atomic_load_explicit(g->quit, memory_order_relaxed);
}

/* xorshift64*, scaled to [0, n): a few cycles, and no table walks in an order that a cache guesses. */
static uint32_t draw(struct gen *g, uint32_t n)
{
	g->draw ^= g->draw >> 12;
	g->draw ^= g->draw << 25;
	g->draw ^= g->draw >> 27;
	return (uint32_t)(((g->draw * 0x2545f4914f6cdd1dULL) >> 32) * n >> 32);
}

/* ---- receiving ---- */

static void settle(struct gen *g, struct rte_mbuf **m, uint16_t n, uint64_t now)
{
	struct traffic_found f[BURST];

	traffic_find(&g->traffic, m, n, f);
	for (uint16_t i = 0; i < n; i++)
		if (f[i].kind == TRAFFIC_DATA)
			ledger_prefetch(&g->ledger[f[i].way], f[i].seq, f[i].stream);
	for (uint16_t i = 0; i < n; i++) {
		g->kind[f[i].kind]++;
		if (f[i].kind == TRAFFIC_DATA)
			(void)ledger_received(&g->ledger[f[i].way], f[i].seq, f[i].stream, now,
					      m[i]->pkt_len);
		else if (g->other != NULL &&
			 (f[i].kind == TRAFFIC_CONTROL || f[i].kind == TRAFFIC_LINK)) {
			g->other(g->ctx, m[i], (enum traffic_kind)f[i].kind);
			m[i] = NULL;
		}
	}
	for (uint16_t i = 0; i < n; i++)
		rte_pktmbuf_free(m[i]); /* NULL is fine */
}

static uint16_t receive_port(struct gen *g, uint16_t port)
{
	struct rte_mbuf *m[BURST];
	uint16_t n, all = 0;

	for (int i = 0; i < RX_ROUNDS; i++) {
		n = rte_eth_rx_burst(port, 0, m, BURST);
		if (n > 0)
			settle(g, m, n, rte_rdtsc());
		all = (uint16_t)(all + n);
		if (n < BURST)
			break;
	}
	return all;
}

static uint16_t receive(struct gen *g)
{
	uint16_t n = receive_port(g, g->port[TRAFFIC_ACCESS]);

	if (g->port[TRAFFIC_OUTSIDE] != g->port[TRAFFIC_ACCESS])
		n = (uint16_t)(n + receive_port(g, g->port[TRAFFIC_OUTSIDE]));
	return n;
}

/* ---- sending ---- */

/* Sequences, and frames in m. The lines to be written were the RS's core's last: have them come while
 * the sequences are drawn.
 */
static void make_items(struct gen *g, enum way w, struct traffic_item *item, uint16_t n,
		       struct rte_mbuf **m)
{
	uint64_t now = rte_rdtsc();

	for (uint16_t i = 0; i < n; i++)
		for (unsigned int at = 0; at < WRITE_AHEAD; at += RTE_CACHE_LINE_SIZE)
			__builtin_prefetch(rte_pktmbuf_mtod_offset(m[i], void *, at), 1);
	for (uint16_t i = 0; i < n; i++)
		item[i].seq = ledger_sent(&g->ledger[w], now,
					  traffic_frame_len(g->plan, w, item[i].inner));
	traffic_make(&g->traffic, w, item, n, m);
}

static void send_items(struct gen *g, enum way w, struct traffic_item *item, uint16_t n)
{
	uint16_t port = g->port[w == WAY_IN ? TRAFFIC_OUTSIDE : TRAFFIC_ACCESS], sent;
	struct rte_mbuf *m[BURST];

	if (rte_pktmbuf_alloc_bulk(g->pool, m, n) != 0) {
		g->no_mbuf += n;
		return;
	}
	make_items(g, w, item, n, m);
	for (uint16_t i = 0; g->mark_port >= 0 && i < n; i++)
		m[i]->port = (uint16_t)g->mark_port;
	sent = rte_eth_tx_burst(port, 0, m, n);
	for (uint16_t i = sent; i < n; i++) {
		ledger_refused(&g->ledger[w], item[i].seq);
		rte_pktmbuf_free(m[i]);
	}
}

/* What the next n packets of a way are. */
static void pick_items(struct gen *g, const struct gen_conf *c, enum way w, uint16_t n,
		       struct traffic_item *item)
{
	uint32_t streams = plan_streams(g->plan, w);

	for (uint16_t i = 0; i < n; i++) {
		uint64_t turn = g->turn[w]++;

		item[i].stream = c->in_order ? (uint32_t)(turn % streams) : draw(g, streams);
		item[i].inner = c->size[turn % c->n_sizes];
	}
}

static void send_way(struct gen *g, const struct gen_conf *c, enum way w, uint16_t n)
{
	struct traffic_item item[BURST];

	pick_items(g, c, w, n, item);
	send_items(g, w, item, n);
}

/* The way that is furthest behind its share. */
static enum way next_way(const struct gen *g, const struct gen_conf *c)
{
	enum way best = WAYS;

	for (int w = 0; w < WAYS; w++) {
		if (c->weight[w] == 0)
			continue;
		if (best == WAYS ||
		    g->ledger[w].sent * c->weight[best] < g->ledger[best].sent * c->weight[w])
			best = (enum way)w;
	}
	return best;
}

uint64_t gen_under_way(const struct gen *g)
{
	uint64_t n = 0;

	for (int w = 0; w < WAYS; w++)
		n += g->ledger[w].sent - g->ledger[w].received - g->ledger[w].refused -
		     g->ledger[w].lost;
	return n;
}

static void tick(struct gen *g, uint64_t now)
{
	if (g->tick == NULL || now < g->tick_tsc)
		return;
	g->tick_tsc = now + rte_get_tsc_hz() / 1000000 * GEN_TICK_US;
	g->tick(g->ctx);
}

/* Until all has come, or nothing has for GEN_DRAIN_MS. */
static void drain(struct gen *g)
{
	uint64_t patience = rte_get_tsc_hz() / 1000 * GEN_DRAIN_MS, last = rte_rdtsc();

	while (gen_under_way(g) > 0 && rte_rdtsc() - last < patience)
		if (receive(g) > 0)
			last = rte_rdtsc();
}

static void start(struct gen *g, double pps)
{
	uint64_t now = rte_rdtsc();

	memset(g->kind, 0, sizeof(g->kind));
	g->no_mbuf = 0;
	g->traffic.corrupt = 0;
	for (int w = 0; w < WAYS; w++)
		if (plan_way_used(g->plan, (enum way)w))
			ledger_start(&g->ledger[w], now);
	stall_init(&g->stalls, rte_get_tsc_hz() / (1000000000 / STALL_NS));
	g->from_tsc = rte_rdtsc();
	pace_start(&g->pace, g->from_tsc, pps, rte_get_tsc_hz());
}

void gen_run(struct gen *g, const struct gen_conf *c)
{
	uint64_t length = (uint64_t)(c->seconds * (double)rte_get_tsc_hz());

	start(g, c->pps);
	for (;;) {
		uint64_t now = rte_rdtsc();
		uint32_t due;

		if (now - g->from_tsc >= length || must_quit(g))
			break;
		stall_turn(&g->stalls, now);
		due = pace_due(&g->pace, now, BURST);
		if (due > 0)
			send_way(g, c, next_way(g, c), (uint16_t)due);
		(void)receive(g);
		tick(g, now);
	}
	g->to_tsc = rte_rdtsc();
	drain(g);
	for (int w = 0; w < WAYS; w++)
		if (plan_way_used(g->plan, (enum way)w))
			ledger_close(&g->ledger[w]);
}

void gen_listen(struct gen *g, uint64_t tsc)
{
	uint64_t now = rte_rdtsc(), until = now + tsc;

	do {
		(void)receive(g);
		now = rte_rdtsc();
		tick(g, now);
	} while (now < until && !must_quit(g));
}

int gen_learn(struct gen *g, double pps, double seconds)
{
	uint64_t until = rte_rdtsc() + (uint64_t)(seconds * (double)rte_get_tsc_hz());
	struct traffic_item item = {.inner = TRAFFIC_INNER_MIN};
	uint32_t flow = 0, flows = g->plan->conf.flows;

	start(g, pps);
	while (g->plan->known_flows < flows) {
		uint64_t now = rte_rdtsc();

		if (must_quit(g))
			return -EINTR;
		if (now > until)
			return -ETIMEDOUT;
		while (g->plan->pub[flow].port != 0)
			flow = (flow + 1) % flows;
		if (pace_due(&g->pace, now, 1) > 0) {
			item.stream = flow;
			flow = (flow + 1) % flows;
			send_items(g, WAY_OUT, &item, 1);
		}
		(void)receive(g);
		tick(g, now);
	}
	drain(g);
	return 0;
}

int gen_make(struct gen *g, const struct gen_conf *c, uint64_t n, gen_frame_fn fn, void *ctx)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(g->pool);
	struct traffic_item item;
	int ret = 0;

	if (m == NULL)
		return -ENOMEM;
	start(g, c->pps);
	for (uint64_t i = 0; i < n && ret == 0; i++) {
		enum way w = next_way(g, c);

		pick_items(g, c, w, 1, &item);
		make_items(g, w, &item, 1, &m);
		ret = fn(ctx, (uint64_t)((double)i * 1e9 / c->pps),
			 rte_pktmbuf_mtod(m, const uint8_t *), m->data_len);
	}
	rte_pktmbuf_free(m);
	return ret;
}
