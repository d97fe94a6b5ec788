/* SPDX-License-Identifier: BSD-3-Clause */
#include "perf/pktgen/measure.h"
#include "appliance/pipeline/drop.h"
#include "appliance/port.h"
#include "perf/pktgen/report.h"
#include "perf/pktgen/search.h"

#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_launch.h>
#include <rte_lcore.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { ROOM = 2048, ROOM_JUMBO = 9216 + 256, LEARN_PPS = 20000, HELD_TRIES = 5 };
/* After a hold that lost packets the search goes on this much lower. */
static const double STEP_DOWN = 0.98;

struct measure {
	const struct options *o;
	struct rte_mempool *pool;
	struct plan plan;
	struct gen gen;
	struct dut dut;
	unsigned int dut_lcore; /* 0: none runs */
	json_t *rows, *runs;
	uint64_t drops[DROP_MAX]; /* of the in-process RS when the run began */
};

static int failed(const char *what, int err)
{
	fprintf(stderr, "ntm-pktgen: %s: %s\n", what, strerror(-err));
	return err;
}

static uint16_t longest(const struct options *o)
{
	uint16_t max = 0;

	for (unsigned int i = 0; i < o->gen.n_sizes; i++)
		max = RTE_MAX(max, o->gen.size[i]);
	return max;
}

static int set_up(struct measure *m, const _Atomic bool *quit)
{
	const struct options *o = m->o;
	double seconds = RTE_MAX(RTE_MAX(o->gen.seconds, o->hold_s), o->trial_s);
	struct gen_setup gs = {.plan = &m->plan,
			       .window_bits = o->window_bits,
			       .seconds_max = seconds + 1,
			       .check_every = o->check_every};
	int ret;

	m->pool =
		port_pool_create("pktgen", o->packets, longest(o) > 1900 ? ROOM_JUMBO : ROOM + 128);
	if (m->pool == NULL)
		return failed("packet buffers (--packets, -m)", -ENOMEM);
	ret = plan_init(&m->plan, &o->plan);
	if (ret < 0)
		return failed("--legs, --paths, --flows", ret);
	gs.pool = m->pool;
	ret = gen_init(&m->gen, &gs);
	if (ret < 0)
		return failed("memory", ret);
	m->gen.quit = quit;
	return 0;
}

static int in_process_up(struct measure *m)
{
	static const struct rte_ether_addr mac = {.addr_bytes = {2, 0, 0, 0, 0, 0x47}};
	struct dut_conf conf = {
		.plan = &m->plan, .pool = m->pool, .ring = m->o->ring, .gen_mac = mac};
	unsigned int lcore = rte_get_next_lcore(-1, 1, 0);
	int ret;

	if (lcore == RTE_MAX_LCORE)
		return failed("--in-process needs two lcores (-l 0,1)", -EINVAL);
	ret = dut_up(&m->dut, &conf);
	if (ret == 0)
		ret = dut_install(&m->dut, &m->plan);
	if (ret < 0)
		return failed("RS in the process (-m)", ret);
	m->gen.access = m->gen.outside = m->dut.gen_port;
	m->gen.mark_port = m->dut.port;
	m->gen.traffic.own_mac = mac;
	m->gen.traffic.rs_mac = m->dut.iface.mac;
	ret = rte_eal_remote_launch(dut_main, &m->dut, lcore);
	if (ret == 0)
		m->dut_lcore = lcore;
	return ret;
}

static void tear_down(struct measure *m)
{
	if (m->dut_lcore != 0) {
		atomic_store(&m->dut.stop, true);
		(void)rte_eal_wait_lcore(m->dut_lcore);
	}
	if (m->o->in_process)
		dut_down(&m->dut);
	gen_fini(&m->gen);
	plan_fini(&m->plan);
	rte_mempool_free(m->pool);
}

/* What the RS dropped since drops_begin(), by name; NULL where it is another process. */
static void drops_begin(struct measure *m)
{
	if (!m->o->in_process)
		return;
	memcpy(m->drops, m->dut.w->stats.drops, sizeof(m->drops));
	atomic_fetch_add(&m->dut.epoch, 1);
}

static json_t *drops_end(const struct measure *m)
{
	json_t *o;

	if (!m->o->in_process)
		return NULL;
	o = json_object();
	for (int i = 0; i < DROP_MAX; i++) {
		uint64_t n = m->dut.w->stats.drops[i] - m->drops[i];

		if (n > 0)
			json_object_set_new(o, drop_name((enum drop_reason)i),
					    json_integer((json_int_t)n));
	}
	return o;
}

/* One run; its report is printed and kept. */
static int run(struct measure *m, double pps, double seconds, struct report *r)
{
	struct gen_conf c = m->o->gen;
	const char *name;
	json_t *drops, *v;
	int ret;

	c.pps = pps;
	c.seconds = seconds;
	drops_begin(m);
	gen_run(&m->gen, &c);
	ret = report_make(r, &m->gen, m->o->in_process ? &m->dut : NULL, pps);
	if (ret < 0)
		return failed("memory", ret);
	drops = drops_end(m);
	report_print(r, &m->gen);
	json_object_foreach(drops, name, v)
		printf("RS dropped %" PRId64 ": %s\n", (int64_t)json_integer_value(v), name);
	json_array_append_new(m->runs, report_json(r, &m->gen, drops));
	json_decref(drops);
	return m->gen.quit != NULL && atomic_load(m->gen.quit) ? -EINTR : 0;
}

/* No packet lost but those that stalls explain, none altered, and none that came twice. */
static bool is_clean(const struct report *r)
{
	return r->lost + r->refused <= r->explained && r->corrupt == 0 && r->duplicate == 0 &&
	       r->foreign == 0;
}

static void row(struct measure *m, const char *what, double value, const char *unit)
{
	char name[128];

	snprintf(name, sizeof(name), "%s%s", m->o->name, what);
	json_array_append_new(m->rows, json_pack("{s:s, s:f, s:s, s:n, s:n}", "name", name, "value",
						 value, "unit", unit, "floor", "ratio"));
}

static int find_rate(struct measure *m, struct search *s)
{
	struct report r;
	double pps;
	int ret = 0;

	while (ret == 0 && search_next(s, &pps)) {
		printf("-- trial %u at %.0f pps\n", s->trials + 1, pps);
		ret = run(m, pps, m->o->trial_s, &r);
		/* What was sent counts, not what was asked for. */
		if (ret == 0)
			search_result(s, r.gen_limited ? r.offered_pps : pps, is_clean(&r));
		if (r.gen_limited && is_clean(&r))
			s->worst = s->best;
	}
	return ret;
}

/* The rate that was found must hold for long; what a short trial was lucky with goes down. */
static int hold(struct measure *m, double *pps, struct report *r)
{
	int ret = 0;

	for (int i = 0; i < HELD_TRIES && ret == 0; i++) {
		printf("-- %.0f s at %.0f pps\n", m->o->hold_s, *pps);
		ret = run(m, *pps, m->o->hold_s, r);
		if (ret < 0 || is_clean(r))
			return ret;
		*pps *= STEP_DOWN;
	}
	return ret < 0 ? ret : -EIO;
}

static int search(struct measure *m)
{
	struct report r = {0};
	struct search s;
	double pps;
	int ret;

	search_init(&s, 1000, m->o->gen.pps, m->o->resolution);
	ret = find_rate(m, &s);
	if (ret < 0)
		return ret;
	if (s.best == 0)
		return failed("no rate without loss", -EIO);
	pps = s.best;
	printf("no-drop rate %.0f pps after %u trials\n", pps, s.trials);
	if (m->o->hold_s > 0)
		ret = hold(m, &pps, &r);
	row(m, "", pps, "per second");
	if (m->o->hold_s > 0 && ret == 0) {
		row(m, ".hold_drops", (double)(r.lost + r.refused), "packets");
		row(m, ".hold_unexplained",
		    (double)(r.lost + r.refused - RTE_MIN(r.explained, r.lost + r.refused)),
		    "packets");
		row(m, ".hold_seconds", r.seconds, "s");
	}
	return ret;
}

static int write_json(const struct measure *m)
{
	json_t *all = json_pack("{s:O, s:O}", "rows", m->rows, "runs", m->runs);
	int ret = json_dump_file(all, m->o->json, JSON_INDENT(1));

	json_decref(all);
	return ret == 0 ? 0 : failed(m->o->json, -EIO);
}

static int work(struct measure *m)
{
	struct report r;
	int ret = 0;

	if (m->o->plan.flows > 0) {
		ret = gen_learn(&m->gen, LEARN_PPS, 5 + 2.0 * m->o->plan.flows / LEARN_PPS);
		if (ret < 0)
			return failed("mappings of RS-N", ret);
	}
	ret = m->o->search ? search(m) : run(m, m->o->gen.pps, m->o->gen.seconds, &r);
	if (m->o->json != NULL && (ret == 0 || ret == -EIO)) {
		int wret = write_json(m);

		ret = ret == 0 ? wret : ret;
	}
	return ret;
}

int measure(const struct options *o, const _Atomic bool *quit)
{
	struct measure *m = aligned_alloc(64, RTE_ALIGN_CEIL(sizeof(*m), 64));
	int ret;

	if (m == NULL)
		return failed("memory", -ENOMEM);
	memset(m, 0, sizeof(*m));
	m->o = o;
	m->rows = json_array();
	m->runs = json_array();
	ret = set_up(m, quit);
	if (ret == 0)
		ret = in_process_up(m);
	if (ret == 0)
		ret = work(m);
	tear_down(m);
	json_decref(m->rows);
	json_decref(m->runs);
	free(m);
	return ret;
}
