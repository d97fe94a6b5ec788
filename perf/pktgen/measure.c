/* SPDX-License-Identifier: BSD-3-Clause */
#include "perf/pktgen/measure.h"
#include "appliance/pipeline/drop.h"
#include "appliance/port.h"
#include "common/ctl.h"
#include "perf/pktgen/dut.h"
#include "perf/pktgen/link.h"
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
#include <time.h>

enum {
	ROOM = 2048,
	ROOM_JUMBO = 9216 + 256,
	LEARN_PPS = 20000,
	HELD_TRIES = 5,
	CTL_WAIT_MS = 5000
};
#define REKEY_AGE_NS 60000000000ULL
/* After a hold that lost packets the search goes on this much lower. */
static const double STEP_DOWN = 0.98;

struct measure {
	const struct options *o;
	struct rte_mempool *pool;
	struct plan plan;
	struct gen gen;
	struct dut dut;
	unsigned int dut_lcore; /* 0: none runs */
	struct link link;
	json_t *rows, *runs;
	json_t *drops;		    /* of the RS when the run began, by name; NULL: not known */
	struct stall_log rs_stalls; /* of an RS that is another process, of one run */
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

/* IP bytes of the longest packet that goes out, at least those of Ethernet. */
static uint16_t mtu_needed(const struct measure *m)
{
	uint16_t mtu = RTE_ETHER_MTU;

	for (int w = 0; w < WAYS; w++)
		if (m->o->gen.weight[w] > 0)
			mtu = RTE_MAX(mtu, traffic_frame_len(&m->plan, (enum way)w, longest(m->o)) -
						   RTE_ETHER_HDR_LEN);
	return mtu;
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
	for (int side = 0; side < TRAFFIC_SIDES; side++) {
		m->gen.port[side] = m->dut.gen_port;
		m->gen.traffic.own_mac[side] = mac;
		m->gen.traffic.rs_mac[side] = m->dut.iface.mac;
	}
	m->gen.mark_port = m->dut.port;
	ret = rte_eal_remote_launch(dut_main, &m->dut, lcore);
	if (ret == 0)
		m->dut_lcore = lcore;
	return ret;
}

static uint64_t tsc_of(double seconds)
{
	return (uint64_t)(seconds * (double)rte_get_tsc_hz());
}

/* Listen, and let the conversation go on, until it has come to `state`. */
static int talk_until(struct measure *m, enum talk_state state, double seconds)
{
	uint64_t until = rte_rdtsc() + tsc_of(seconds), tell = rte_rdtsc() + tsc_of(2);
	struct talk *t = m->link.talk;
	char progress[160];

	while (talk_state(t) != state) {
		gen_listen(&m->gen, tsc_of(0.005));
		talk_progress(t, progress, sizeof(progress));
		if (talk_state(t) == TALK_FAILED) {
			fprintf(stderr, "ntm-pktgen: %s\n", talk_why(t));
			return -EPROTO;
		}
		if (atomic_load(m->gen.quit) && state != TALK_GONE)
			return -EINTR;
		if (rte_rdtsc() > until) {
			fprintf(stderr, "ntm-pktgen: after %.0f s: %s\n", seconds, progress);
			return -ETIMEDOUT;
		}
		if (rte_rdtsc() > tell) {
			printf("%s\n", progress);
			fflush(stdout);
			tell = rte_rdtsc() + tsc_of(2);
		}
	}
	return 0;
}

static int ports_up(struct measure *m)
{
	const struct options *o = m->o;
	struct talk_conf conf = {.plan = &m->plan,
				 .dc = link_dc(o->plan.outer6),
				 .send = link_send,
				 .ctx = &m->link};
	struct timespec ts;
	int ret = link_open(&m->link, &m->gen, o->port, o->n_ports, mtu_needed(m));

	if (ret < 0)
		return ret;
	(void)clock_gettime(CLOCK_REALTIME, &ts);
	conf.clock_offset_ns =
		(int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec - (int64_t)clock_ns(&m->link.clock);
	m->link.talk = talk_create(&conf);
	if (m->link.talk == NULL)
		return failed("memory for legs", -ENOMEM);
	return talk_until(m, TALK_READY, o->setup_s);
}

/* Have the RS forget us, unless somebody wants to go on with what it knows. */
static void ports_down(struct measure *m)
{
	if (m->link.talk != NULL && !m->o->keep && talk_state(m->link.talk) != TALK_FAILED) {
		talk_leave(m->link.talk, clock_ns(&m->link.clock));
		(void)talk_until(m, TALK_GONE, m->o->setup_s);
	}
	talk_destroy(m->link.talk);
	link_close(&m->link);
}

static void tear_down(struct measure *m)
{
	if (m->dut_lcore != 0) {
		atomic_store(&m->dut.stop, true);
		(void)rte_eal_wait_lcore(m->dut_lcore);
	}
	if (m->o->in_process)
		dut_down(&m->dut);
	else
		ports_down(m);
	gen_fini(&m->gen);
	plan_fini(&m->plan);
	rte_mempool_free(m->pool);
	json_decref(m->drops);
}

/* What the RS has dropped so far, by name; NULL where nobody can tell. */
static json_t *drops_here(const struct worker *w)
{
	json_t *o = json_object();

	for (int i = 0; i < DROP_MAX; i++)
		json_object_set_new(o, drop_name((enum drop_reason)i),
				    json_integer((json_int_t)w->stats.drops[i]));
	return o;
}

/* Stalls of all its workers since `since`, into one log. */
static void stalls_take(struct stall_log *l, const json_t *stalls, uint64_t since)
{
	json_t *worker, *s;
	size_t i, k;

	stall_init(l, 0);
	json_array_foreach(stalls, i, worker)
	{
		json_array_foreach(json_object_get(worker, "latest_tsc"), k, s)
		{
			uint64_t from = (uint64_t)json_integer_value(json_array_get(s, 0));
			uint64_t to = (uint64_t)json_integer_value(json_array_get(s, 1));

			if (to > since && to > from)
				stall_add(l, from, to);
		}
	}
}

static json_t *stats_there(const char *socket)
{
	json_t *ask = json_pack("{s:s}", "cmd", "stats"), *answer;
	char why[CTL_WHY_MAX];

	answer = ctl_call(socket, ask, CTL_WAIT_MS, why);
	json_decref(ask);
	if (answer == NULL)
		fprintf(stderr, "ntm-pktgen: %s: %s\n", socket, why);
	return answer;
}

static json_t *drops_there(struct measure *m)
{
	json_t *answer = stats_there(m->o->ctl), *o, *d;
	size_t i;

	if (answer == NULL)
		return NULL;
	o = json_object();
	json_array_foreach(json_object_get(answer, "drops"), i, d) json_object_set(
		o, json_string_value(json_object_get(d, "name")), json_object_get(d, "count"));
	stalls_take(&m->rs_stalls, json_object_get(answer, "stalls"), m->gen.from_tsc);
	json_decref(answer);
	return o;
}

static json_t *drops_now(struct measure *m)
{
	if (m->o->in_process)
		return drops_here(m->dut.w);
	return m->o->ctl != NULL ? drops_there(m) : NULL;
}

static void drops_begin(struct measure *m)
{
	json_decref(m->drops);
	m->drops = drops_now(m);
	if (m->o->in_process)
		atomic_fetch_add(&m->dut.epoch, 1);
}

static json_t *drops_end(struct measure *m)
{
	json_t *now = drops_now(m), *o, *v;
	const char *name;

	if (now == NULL)
		return NULL;
	o = json_object();
	json_object_foreach(now, name, v)
	{
		json_int_t n =
			json_integer_value(v) - json_integer_value(json_object_get(m->drops, name));

		if (n > 0)
			json_object_set_new(o, name, json_integer(n));
	}
	json_decref(now);
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
	if (m->link.talk != NULL) {
		talk_rekey(m->link.talk, clock_ns(&m->link.clock), REKEY_AGE_NS);
		ret = talk_until(m, TALK_READY, m->o->setup_s);
		if (ret < 0)
			return ret;
	}
	drops_begin(m);
	gen_run(&m->gen, &c);
	drops = drops_end(m);
	ret = report_make(r, &m->gen, m->o->in_process ? &m->dut.stalls : &m->rs_stalls, pps);
	if (ret < 0)
		return failed("memory", ret);
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
		ret = o->in_process ? in_process_up(m) : ports_up(m);
	if (ret == 0)
		ret = work(m);
	tear_down(m);
	json_decref(m->rows);
	json_decref(m->runs);
	free(m);
	return ret;
}
