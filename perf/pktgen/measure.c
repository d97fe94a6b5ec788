/* SPDX-License-Identifier: BSD-3-Clause */
#include "perf/pktgen/measure.h"
#include "appliance/port.h"
#include "perf/pktgen/dut.h"
#include "perf/pktgen/link.h"
#include "perf/pktgen/pcap.h"
#include "perf/pktgen/report.h"
#include "perf/pktgen/rs_stats.h"
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
	TRIES = 4,
};
#define REKEY_AGE_NS 60000000000ULL
/* A trial whose loops stood still for more of its time says little; it is tried again. */
static const double STALLED_TOO_MUCH = 0.02;
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
	struct rs_stats rs;
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

	m->pool = port_pool_create("pktgen", o->packets,
				   longest(o) > 1900 ? ROOM_JUMBO : ROOM + 128, SOCKET_ID_ANY);
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
	m->rs.dut = &m->dut;
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
	rs_stats_fini(&m->rs);
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
	rs_stats_begin(&m->rs);
	gen_run(&m->gen, &c);
	drops = rs_stats_end(&m->rs, m->gen.from_tsc);
	ret = report_make(r, &m->gen, rs_stats_stalls(&m->rs), pps);
	if (ret < 0)
		return failed("memory", ret);
	report_print(r, &m->gen);
	json_object_foreach(drops, name, v)
		printf("RS dropped %" PRId64 ": %s\n", (int64_t)json_integer_value(v), name);
	json_array_append_new(m->runs, report_json(r, &m->gen, drops));
	json_decref(drops);
	return m->gen.quit != NULL && atomic_load(m->gen.quit) ? -EINTR : 0;
}

/* No packet lost but those that stalls explain, none altered, and none that came twice. Where the
 * machine was somebody else's for long, stalls explain all and prove nothing: then none may be lost.
 */
static bool is_clean(const struct report *r)
{
	uint64_t gone = r->lost + r->refused;

	if (r->corrupt != 0 || r->duplicate != 0 || r->foreign != 0)
		return false;
	return gone == 0 || (gone <= r->explained && r->stalled <= STALLED_TOO_MUCH);
}

static void row(struct measure *m, const char *what, double value, const char *unit)
{
	char name[128];

	snprintf(name, sizeof(name), "%s%s", m->o->name, what);
	json_array_append_new(m->rows, json_pack("{s:s, s:f, s:s, s:n, s:n}", "name", name, "value",
						 value, "unit", unit, "floor", "ratio"));
}

/* The trial that the machine disturbed least, of up to TRIES. */
static int trial(struct measure *m, double pps, struct report *best)
{
	struct report r;
	int ret = 0;

	for (int i = 0; i < TRIES && ret == 0; i++) {
		ret = run(m, pps, m->o->trial_s, &r);
		if (i == 0 || r.stalled < best->stalled)
			*best = r;
		if (r.stalled <= STALLED_TOO_MUCH)
			break;
	}
	return ret;
}

/* A generator that cannot keep up has offered what it could: that is what passed or failed. */
static int find_rate(struct measure *m, struct search *s, bool *gen_limited)
{
	struct report r;
	double pps;
	int ret = 0;

	while (ret == 0 && search_next(s, &pps)) {
		bool clean;

		printf("-- trial %u at %.0f pps\n", s->trials + 1, pps);
		ret = trial(m, pps, &r);
		if (ret < 0)
			break;
		clean = is_clean(&r);
		search_result(s, r.gen_limited ? r.offered_pps : pps, clean);
		if (clean)
			*gen_limited = r.gen_limited;
		if (clean && r.gen_limited)
			s->worst = s->best;
	}
	return ret;
}

/* The rate that was found must hold for long; what a short trial was lucky with goes down, from what
 * was really offered. The last try counts, whatever it lost.
 */
static int hold(struct measure *m, double *pps, struct report *r)
{
	double next = *pps;

	for (int i = 0; i < HELD_TRIES; i++) {
		int ret;

		*pps = next;
		printf("-- %.0f s at %.0f pps\n", m->o->hold_s, *pps);
		ret = run(m, *pps, m->o->hold_s, r);
		if (ret < 0 || r->lost + r->refused <= r->explained)
			return ret;
		next = RTE_MIN(*pps, r->offered_pps) * STEP_DOWN;
	}
	return 0;
}

static int search(struct measure *m)
{
	struct report r = {0};
	bool gen_limited = false;
	struct search s;
	double pps;
	int ret;

	search_init(&s, 1000, m->o->gen.pps, m->o->resolution);
	ret = find_rate(m, &s, &gen_limited);
	if (ret < 0)
		return ret;
	if (s.best == 0)
		return failed("no rate without loss", -EIO);
	pps = s.best;
	printf("no-drop rate %.0f pps after %u trials\n", pps, s.trials);
	if (m->o->hold_s > 0)
		ret = hold(m, &pps, &r);
	row(m, "", pps, "per second");
	json_object_set_new(json_array_get(m->rows, 0), "limited_by",
			    json_string(gen_limited ? "generator" : "rs"));
	if (m->o->hold_s > 0 && ret == 0) {
		row(m, ".hold_drops", (double)(r.lost + r.refused), "packets");
		row(m, ".hold_unexplained",
		    (double)(r.lost + r.refused - RTE_MIN(r.explained, r.lost + r.refused)),
		    "packets");
		row(m, ".hold_seconds", r.seconds, "s");
		row(m, ".hold_stalled", 100 * r.stalled, "% of the time");
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

/* Frames into a file instead of into the port. */
static int capture(struct measure *m)
{
	struct gen_conf c = m->o->gen;
	struct pcap pcap;
	int ret = pcap_open(&pcap, m->o->pcap);

	if (ret < 0)
		return failed(m->o->pcap, ret);
	ret = gen_make(&m->gen, &c, m->o->pcap_packets, pcap_add, &pcap);
	if (ret == 0)
		ret = pcap_close(&pcap);
	else
		(void)pcap_close(&pcap);
	if (ret < 0)
		return failed(m->o->pcap, ret);
	printf("%u packets in %s\n", m->o->pcap_packets, m->o->pcap);
	return 0;
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
	if (m->o->pcap != NULL)
		return capture(m);
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
	m->rs.socket = o->ctl;
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
