/* SPDX-License-Identifier: BSD-3-Clause */
#include "common/wire.h"
#include "dc/gate.h"
#include "tests/sim/scenario.h"

/* Someone on the way of every packet between nodes, relay and coordinator adds wrong ones to it:
 * changed in any field, cut short, doubled, sent back, sent to someone else, sent from elsewhere.
 * Whatever it is: those counters of the receiver rise that are named for it, nothing of its state changes, and what it
 * answers is no larger than what it was sent. And at the end all has gone as if nobody were there.
 */

enum hostile {
	MUTATED,   /* one bit, in any field */
	TRUNCATED, /* any length */
	REPLAYED,
	REPLAYED_ELSEWHERE, /* from another address */
	REFLECTED,	    /* to who sent it, from who was to have it */
	WRONG_PARTY,
	HOSTILE_KINDS,
};

static const char *const kind_names[HOSTILE_KINDS] = {
	"mutated", "truncated", "replayed", "replayed from elsewhere", "reflected", "wrong party"};
static const char kind_letters[] = "mtrebw"; /* elsewhere, back */

enum {
	HEADER_FLIPS = 24, /* each byte of the clear header once */
	BODY_FLIPS = 8,
	TRUNCATIONS = 4,
	DATA_KEPT = 40, /* data packets per receiver that are treated so; control: all */
	TEXT_MAX = 4096,
#ifdef __SANITIZE_ADDRESS__
	SEEDS = 1, /* it is slow then */
#else
	SEEDS = 4,
#endif
};

enum role { ROLE_NODE, ROLE_RS, ROLE_DC, ROLES };

static const char *const role_names[ROLES] = {"node", "rs", "dc"};

struct watch {
	struct world *w;
	struct rng rng;
	bool is_on;
	struct endpoint from; /* of the wrong packet that is being taken in */
	const uint8_t *pkt;
	size_t len, answered; /* bytes sent there meanwhile, what is passed on not counted */
	size_t at;	      /* the byte that was changed */
	uint64_t tried[HOSTILE_KINDS], strange, changed, amplified;
	uint64_t bytes_in[ROLES], bytes_out[ROLES]; /* of wrong packets and of what answers them */
	uint64_t data_seen[WORLD_NODES + 2];
};

static struct watch watch;

/* ---- what a host counts, and what it is ---- */

enum { COUNTS_MAX = 256 };

/* Everything that a host counts, by name. */
struct counts {
	unsigned int n;
	const char *name[COUNTS_MAX];
	uint64_t v[COUNTS_MAX];
};

static bool add_counter(void *arg, const char *name, uint64_t value, const char *help)
{
	struct counts *c = arg;

	assert_true(c->n < COUNTS_MAX);
	c->name[c->n] = name;
	c->v[c->n++] = value;
	return true;
}

static void node_counts(const struct sim_node *n, struct counts *c)
{
	node_counters(n->node, add_counter, c);
	for (int i = 0; i < DP_COUNTER_COUNT; i++)
		if (i != DP_IN_OUTER)
			add_counter(c, dp_counter_name((enum dp_counter)i), dp_counters(n->dp)[i],
				    "");
}

static void dc_counts(struct dc *dc, struct counts *c)
{
	for (int i = 0; i < DC_COUNT_MAX; i++)
		if (i != DC_COUNT_RX_PACKETS && i != DC_COUNT_TX_PACKETS)
			add_counter(c, dc_counter_name((enum dc_counter)i), dc_counters(dc)[i], "");
	for (int v = 0; v < HS_VERDICT_COUNT; v++)
		add_counter(c, hs_verdict_name((enum hs_verdict)v),
			    gate_verdicts(dc, (enum hs_verdict)v), "");
}

static void rs_counts(const struct sim_rs *rs, struct counts *c)
{
	static const char *const control[] = {
#define X(name, help) #name,
		RS_CONTROL_COUNTERS(X)
#undef X
	};
	static const char *const packets[] = {
#define X(name) #name,
		SIM_RS_COUNTERS(X)
#undef X
	};

	for (int i = 0; i < SIM_RS_COUNTER_COUNT; i++)
		if (i != SIM_RS_IN)
			add_counter(c, packets[i], rs->counters[i], "");
	for (int i = 0; i < RS_C_COUNT; i++)
		add_counter(c, control[i], rs_control_counters(rs->control)[i], "");
	for (int v = 0; v < HS_VERDICT_COUNT; v++)
		add_counter(c, hs_verdict_name((enum hs_verdict)v),
			    rs_control_verdicts(rs->control, (enum hs_verdict)v), "");
}

static enum role role_of(struct world *w, const struct sim_host *h)
{
	if (h == &w->dc.host)
		return ROLE_DC;
	return h == &w->rs.host ? ROLE_RS : ROLE_NODE;
}

static void host_counts(struct world *w, const struct sim_host *h, struct counts *c)
{
	c->n = 0;
	switch (role_of(w, h)) {
	case ROLE_DC:
		dc_counts(w->dc.dc, c);
		break;
	case ROLE_RS:
		rs_counts(&w->rs, c);
		break;
	default:
		node_counts(h->ctx, c);
	}
}

struct text {
	size_t len;
	char b[TEXT_MAX];
};

static bool path_text(void *arg, const struct node_path_info *p)
{
	struct text *t = arg;
	char to[ENDPOINT_TEXT_MAX];

	t->len += (size_t)snprintf(t->b + t->len, sizeof(t->b) - t->len,
				   "%016llx %016llx %s %s %u %u %llu %llu",
				   (unsigned long long)p->path_id, (unsigned long long)p->rs_id,
				   p->peer, p->state, p->preferred, p->sending,
				   (unsigned long long)p->rekeys, (unsigned long long)p->switches);
	for (int i = 0; i < DATAPATH_ROUTES; i++)
		if (p->route[i].is_used)
			t->len += (size_t)snprintf(t->b + t->len, sizeof(t->b) - t->len,
						   " %d:%u:%s", i, p->route[i].outer,
						   endpoint_format(&p->route[i].to, to));
	return t->len < sizeof(t->b) / 2;
}

static bool leg_text(void *arg, const struct node_leg_info *l)
{
	struct text *t = arg;
	char to[ENDPOINT_TEXT_MAX], seen[ENDPOINT_TEXT_MAX];

	t->len += (size_t)snprintf(t->b + t->len, sizeof(t->b) - t->len,
				   " %016llx %s %s %s %u %u %llu", (unsigned long long)l->rs_id,
				   l->state, endpoint_format(&l->to, to),
				   endpoint_format(&l->observed, seen), l->paths, l->bindings,
				   (unsigned long long)l->rekeys);
	return t->len < sizeof(t->b) / 2;
}

static void node_text(struct sim_node *n, struct text *t)
{
	struct node_status st;
	const struct sim_flow *f;

	node_status(n->node, &st);
	t->len =
		(size_t)snprintf(t->b, sizeof(t->b), "%s %u %u %u %u %u %u %llu ", st.state, st.nat,
				 n->registrations, n->path_ups, n->path_downs, n->route_changes,
				 n->key_changes, (unsigned long long)n->bad_inner);
	node_paths(n->node, path_text, t);
	node_legs(n->node, leg_text, t);
	TAILQ_FOREACH(f, &n->host.sim->flows, link)
	t->len += (size_t)snprintf(t->b + t->len, sizeof(t->b) - t->len, " %u %u %u", f->got,
				   f->echoes, f->duplicates);
}

static void rs_text(const struct rs_dp *dp, struct text *t)
{
	char a[ENDPOINT_TEXT_MAX], b[ENDPOINT_TEXT_MAX];

	t->len = 0;
	for (int i = 0; i < SIM_RS_PATHS && t->len < sizeof(t->b) / 2; i++)
		if (dp->paths[i].is_used)
			t->len += (size_t)snprintf(
				t->b + t->len, sizeof(t->b) - t->len, "%016llx %s %s ",
				(unsigned long long)dp->paths[i].rec.id,
				endpoint_format(&dp->paths[i].rec.side[0].peer, a),
				endpoint_format(&dp->paths[i].rec.side[1].peer, b));
	for (int i = 0; i < SIM_RS_LEGS && t->len < sizeof(t->b) / 2; i++)
		if (dp->legs[i].is_added)
			t->len += (size_t)snprintf(t->b + t->len, sizeof(t->b) - t->len,
						   "%llx %s %llu ",
						   (unsigned long long)dp->legs[i].index,
						   endpoint_format(&dp->legs[i].conf.peer, a),
						   (unsigned long long)dp->legs[i].st.rx_packets);
	for (int i = 0; i < SIM_RS_BINDINGS && t->len < sizeof(t->b) / 2; i++)
		if (dp->bindings[i].is_used)
			t->len += (size_t)snprintf(t->b + t->len, sizeof(t->b) - t->len, "%u ",
						   dp->bindings[i].number);
}

/* The coordinator's registry as its store has it. */
static void dc_text(const struct sim_dc *d, struct text *t)
{
	uint64_t sum = 14695981039346656037ULL;

	for (unsigned int i = 0; i < d->records_n; i++)
		for (unsigned int b = 0; b < d->records[i].value_len; b++)
			sum = (sum ^ d->records[i].value[b]) * 1099511628211ULL;
	t->len = (size_t)snprintf(t->b, sizeof(t->b), "%u %016llx", d->records_n,
				  (unsigned long long)sum);
}

static void host_text(struct world *w, struct sim_host *h, struct text *t)
{
	if (h == &w->dc.host)
		dc_text(&w->dc, t);
	else if (h == &w->rs.host)
		rs_text(w->rs.dp, t);
	else
		node_text(h->ctx, t);
}

/* ---- one wrong packet ---- */

/* What may come of a wrong packet: the counters that rise, all of them and no others. Each of these
 * must have come up at the end, but for what takes luck.
 */
static const struct outcome {
	enum role role;
	const char *kinds; /* letters of kind_letters */
	const char *counters;
	bool is_rare;
} outcomes[] = {
	{ROLE_NODE, "mt", "RAW AUTH RX_RAW"},
	{ROLE_NODE, "m", "RAW BAD_COOKIE RX_RAW", true},
	{ROLE_NODE, "m", "RAW BAD_HEADER RX_RAW"},
	{ROLE_NODE, "m", "RAW BAD_INDEX RX_RAW"},
	{ROLE_NODE, "mtre", "RAW BAD_TOKEN RX_RAW"},
	{ROLE_NODE, "m", "RAW EARLY_DATA RX_RAW", true},
	{ROLE_NODE, "mw", "RAW HS1_UNKNOWN RX_RAW"},
	{ROLE_NODE, "m", "RAW HS_REFUSED BAD_HEADER RX_RAW"},
	{ROLE_NODE, "m", "RAW HS_REFUSED BAD_INDEX RX_RAW"},
	{ROLE_NODE, "mbw", "RAW HS_REFUSED BAD_KIND RX_RAW"},
	{ROLE_NODE, "m", "RAW HS_REFUSED LONG RX_RAW"},
	{ROLE_NODE, "re", "RAW HS_REFUSED REPEATED RX_RAW", true},
	{ROLE_NODE, "t", "RAW HS_REFUSED SHORT RX_RAW", true},
	{ROLE_NODE, "mtrebw", "RAW HS_STRAY RX_RAW"},
	{ROLE_NODE, "t", "RAW SHORT RX_RAW"},
	{ROLE_NODE, "mbw", "RAW UNKNOWN_ID RESETS_LIMITED RX_RAW"},
	{ROLE_NODE, "mbw", "RAW UNKNOWN_ID RESETS_SENT RX_RAW"},
	{ROLE_NODE, "mt", "RX_AUTH"},
	{ROLE_NODE, "m", "RX_BAD_HEADER"},
	{ROLE_NODE, "m", "RX_EPOCH"},
	{ROLE_NODE, "mbw", "RX_REFLECTED"},
	{ROLE_NODE, "mre", "RX_REPLAY"},
	{ROLE_NODE, "t", "RX_SESSION"},
	{ROLE_NODE, "t", "RX_SHORT"},
	{ROLE_RS, "mt", "AUTH"},
	{ROLE_RS, "mt", "BAD"},
	{ROLE_RS, "m", "BAD_COOKIE", true},
	{ROLE_RS, "m", "BAD_HEADER"},
	{ROLE_RS, "m", "BAD_INDEX"},
	{ROLE_RS, "t", "CONTROL leg_bad"},
	{ROLE_RS, "mtreb", "DIRECTION"},
	{ROLE_RS, "mtre", "CONTROL leg_unopened"},
	{ROLE_RS, "m", "HANDSHAKE AUTH"},
	{ROLE_RS, "m", "HANDSHAKE BAD_HEADER"},
	{ROLE_RS, "m", "HANDSHAKE BAD_INDEX"},
	{ROLE_RS, "m", "HANDSHAKE BAD_KIND", true},
	{ROLE_RS, "m", "HANDSHAKE BAD_SUITE", true},
	{ROLE_RS, "m", "HANDSHAKE LONG", true},
	{ROLE_RS, "re", "HANDSHAKE REPEATED"},
	{ROLE_RS, "t", "HANDSHAKE SHORT", true},
	{ROLE_RS, "t", "HANDSHAKE UNPADDED"},
	{ROLE_RS, "mtreb", "HANDSHAKE hs_stray"},
	{ROLE_RS, "m", "HANDSHAKE leg_early UNKNOWN_ID"},
	{ROLE_RS, "mtre", "LEG_DROP"},
	{ROLE_RS, "m", "NO_PATH"},
	{ROLE_RS, "t", "SHORT", true},
	{ROLE_RS, "mtr", "SWITCHED"},
	{ROLE_RS, "meb", "SWITCHED STRAY_PASSED challenges"},
	{ROLE_RS, "meb", "SWITCHED STRAY_PASSED challenges_held"},
	{ROLE_RS, "mtre", "UNBOUND"},
	{ROLE_RS, "mtre", "UNEXPECTED"},
	{ROLE_RS, "t", "UNKNOWN leg_bad", true},
	{ROLE_RS, "meb", "UNKNOWN resets"},
	{ROLE_RS, "mtrb", "UNKNOWN resets_held"},
	{ROLE_RS, "t", "dc_bad"},
	{ROLE_RS, "mtreb", "dc_unopened"},
	{ROLE_DC, "m", "BAD_HEADER"},
	{ROLE_DC, "m", "BAD_INDEX", true},
	{ROLE_DC, "m", "BAD_KIND"},
	{ROLE_DC, "mw", "BAD_MAC1"},
	{ROLE_DC, "m", "OK", true},
	{ROLE_DC, "mre", "REPEATED"},
	{ROLE_DC, "m", "RX_BAD_TYPE"},
	{ROLE_DC, "m", "RX_BAD_VERSION"},
	{ROLE_DC, "mbw", "RX_NOT_WAITING"},
	{ROLE_DC, "mw", "RX_PATH_ID"},
	{ROLE_DC, "m", "RX_RESERVED"},
	{ROLE_DC, "mtre", "RX_SEALED_BAD"},
	{ROLE_DC, "t", "RX_SHORT"},
	{ROLE_DC, "mtrbw", "RX_UNKNOWN_INDEX RESET_LIMITED"},
	{ROLE_DC, "mebw", "RX_UNKNOWN_INDEX RESET_SENT"},
	{ROLE_DC, "m", "RX_WRONG_TYPE"},
	{ROLE_DC, "t", "SHORT"},
	{ROLE_DC, "t", "UNPADDED"},
};

enum { OUTCOMES = sizeof(outcomes) / sizeof(outcomes[0]) };

static uint64_t came[OUTCOMES];

/* The counters that rose, in the order of the lists. */
static void risen(const struct counts *had, const struct counts *has, char *names, size_t cap)
{
	size_t len = 0;

	names[0] = 0;
	for (unsigned int i = 0; i < has->n && len < cap; i++)
		if (has->v[i] != had->v[i])
			len += (size_t)snprintf(names + len, cap - len, "%s%s", len > 0 ? " " : "",
						has->name[i]);
}

static bool is_outcome(enum role role, enum hostile kind, const char *names)
{
	for (int i = 0; i < OUTCOMES; i++) {
		const struct outcome *o = &outcomes[i];

		if (o->role != role || strchr(o->kinds, kind_letters[kind]) == NULL ||
		    strcmp(o->counters, names) != 0)
			continue;
		came[i]++;
		return true;
	}
	return false;
}

static void sent(struct sim *s, const struct endpoint *to, const uint8_t *pkt, size_t len)
{
	bool is_passed_on = len == watch.len && memcmp(pkt, watch.pkt, len) == 0;

	if (endpoint_equal(to, &watch.from) && !is_passed_on)
		watch.answered += len;
}

static void give(enum hostile kind, struct sim_iface *i, const struct endpoint *from,
		 const struct endpoint *to, uint8_t tos, const uint8_t *pkt, size_t len)
{
	static struct text before, after;
	static struct counts had, has;
	char names[256];
	uint8_t copy[SIM_PKT_MAX];

	if (i->host->is_off)
		return;
	host_text(watch.w, i->host, &before);
	host_counts(watch.w, i->host, &had);
	memcpy(copy, pkt, len);
	watch.from = *from;
	watch.pkt = pkt;
	watch.len = len;
	watch.answered = 0;
	watch.w->sim.sent = sent;
	watch.tried[kind]++;
	i->host->input(i->host, i, from, to, tos, copy, len);
	watch.w->sim.sent = NULL;
	host_text(watch.w, i->host, &after);
	host_counts(watch.w, i->host, &has);
	risen(&had, &has, names, sizeof(names));
	if (!is_outcome(role_of(watch.w, i->host), kind, names) && watch.strange++ < 5)
		printf("%s packet of type %u, %zu bytes (%zu), at %s: what rose is \"%s\"\n",
		       kind_names[kind], pkt[0] & 15U, len, watch.at, i->host->name, names);
	if (strcmp(before.b, after.b) != 0 && watch.changed++ < 5)
		printf("%s packet of type %u, %zu bytes (%zu), at %s:\n  %s\n  %s\n",
		       kind_names[kind], pkt[0] & 15U, len, watch.at, i->host->name, before.b,
		       after.b);
	watch.bytes_in[role_of(watch.w, i->host)] += len;
	watch.bytes_out[role_of(watch.w, i->host)] += watch.answered;
	if (watch.answered > len && watch.amplified++ < 5)
		printf("%s packet of type %u, %zu bytes (%zu), at %s: %zu bytes of answer\n",
		       kind_names[kind], pkt[0] & 15U, len, watch.at, i->host->name,
		       watch.answered);
}

static void mutations(struct sim_iface *i, const struct endpoint *from, const struct endpoint *to,
		      uint8_t tos, const uint8_t *pkt, size_t len)
{
	uint8_t copy[SIM_PKT_MAX];

	for (size_t n = 0; n < HEADER_FLIPS + BODY_FLIPS; n++) {
		size_t at = n < HEADER_FLIPS && n < len ? n : rng_below(&watch.rng, len);

		memcpy(copy, pkt, len);
		watch.at = at;
		copy[at] ^= (uint8_t)(1U << rng_below(&watch.rng, 8));
		give(MUTATED, i, from, to, tos, copy, len);
	}
	for (int n = 0; n < TRUNCATIONS; n++)
		give(TRUNCATED, i, from, to, tos, pkt, rng_below(&watch.rng, len));
	watch.at = 0;
}

/* The interface and address of the host that sent it, where it is one of ours without a NAT. */
static struct sim_iface *sender(struct world *w, const struct endpoint *from)
{
	struct sim_host *h;

	TAILQ_FOREACH(h, &w->sim.hosts, link)
	for (unsigned int n = 0; n < h->ifaces_n; n++)
		if (ip_equal(&h->ifaces[n].v4, &from->ip) || ip_equal(&h->ifaces[n].v6, &from->ip))
			return &h->ifaces[n];
	return NULL;
}

static unsigned int host_number(struct world *w, const struct sim_host *h)
{
	for (unsigned int i = 0; i < WORLD_NODES; i++)
		if (h == &w->nodes[i].host)
			return i;
	return h == &w->dc.host ? WORLD_NODES : WORLD_NODES + 1;
}

/* Neither its receiver nor an end of the path that it is on. */
static struct sim_host *stranger(struct world *w, const struct sim_host *h)
{
	if (h == &w->nodes[CAROL].host)
		return &w->nodes[BOB].host;
	return h == &w->rs.host ? &w->dc.host : &w->nodes[CAROL].host;
}

static void copies(struct sim_iface *i, const struct endpoint *from, const struct endpoint *to,
		   uint8_t tos, const uint8_t *pkt, size_t len)
{
	struct world *w = watch.w;
	struct endpoint elsewhere = *from, other = *to;
	struct sim_iface *back = sender(w, from);
	struct sim_host *third = stranger(w, i->host);

	give(REPLAYED, i, from, to, tos, pkt, len);
	elsewhere.ip.b[14] ^= 0x55;
	give(REPLAYED_ELSEWHERE, i, &elsewhere, to, tos, pkt, len);
	if (back != NULL && back->host != i->host)
		give(REFLECTED, back, to, from, tos, pkt, len);
	if (ip_is_v4(&to->ip) && third->ifaces_n > 0) {
		other.ip = third->ifaces[0].v4;
		other.port = 5525;
		give(WRONG_PARTY, &third->ifaces[0], from, &other, tos, pkt, len);
	}
}

static void tap(struct sim *s, bool is_after, struct sim_iface *i, const struct endpoint *from,
		const struct endpoint *to, uint8_t tos, const uint8_t *pkt, size_t len)
{
	unsigned int n = host_number(watch.w, i->host);

	if (!watch.is_on || len == 0)
		return;
	if (len >= WIRE_HDR_LEN && wire_type_is_data(pkt[0] & 15U)) {
		if (!is_after && watch.data_seen[n]++ % 16 != 0)
			return;
		if (is_after && (watch.data_seen[n] - 1) % 16 != 0)
			return;
	}
	if (is_after)
		copies(i, from, to, tos, pkt, len);
	else
		mutations(i, from, to, tos, pkt, len);
}

static void watch_begin(struct world *w)
{
	watch.w = w;
	w->sim.tap = tap;
	watch.is_on = true;
}

/* Enrolment, registration, legs, a path by relay, one that goes direct, a general host, a move, and
 * a relay and a coordinator that come back with nothing but what they stored.
 */
static void run(uint64_t seed)
{
	static struct sim_flow f, g, h;
	struct vips web;
	struct world *w;

	memset(&watch, 0, sizeof(watch));
	rng_init_seeded(&watch.rng, seed);
	printf("seed %llu\n", (unsigned long long)seed);
	w = world_create_watched(seed, watch_begin);
	scenario_flow(w, &f, ALICE, BOB, 20 * SIM_MS, false);
	scenario_flow(w, &g, ALICE, CAROL, 20 * SIM_MS, true);
	assert_int_equal(world_direct(w, ALICE, "web.example", &web, NULL), NODE_DIRECTION_GN);
	sim_flow_start(&h, &w->nodes[ALICE], NULL, &web.v4, 200, 20 * SIM_MS, true);
	sim_run(&w->sim, 5 * SIM_SEC);
	sim_node_attach(&w->nodes[ALICE], 0, &w->nets[NAT_C], "192.168.3.7", NULL);
	sim_run(&w->sim, 10 * SIM_SEC);
	sim_rs_stop(&w->rs);
	sim_rs_start(&w->rs);
	sim_run(&w->sim, 10 * SIM_SEC);
	sim_dc_stop(&w->dc);
	sim_dc_start(&w->dc);
	sim_run(&w->sim, 40 * SIM_SEC);
	sim_flow_stop(&f);
	sim_flow_stop(&g);
	sim_flow_stop(&h);
	sim_run(&w->sim, SIM_SEC);
	watch.is_on = false;
	for (int i = 0; i < HOSTILE_KINDS; i++)
		printf("%8llu %s\n", (unsigned long long)watch.tried[i], kind_names[i]);
	printf("counted otherwise %llu, state changed by %llu, amplified %llu; echoes %u of %u, %u of %u, %u of %u\n",
	       (unsigned long long)watch.strange, (unsigned long long)watch.changed,
	       (unsigned long long)watch.amplified, f.echoes, f.sent, g.echoes, g.sent, h.echoes,
	       h.sent);
	for (int i = 0; i < ROLES; i++)
		printf("%s: %llu bytes wrong, %llu bytes of answers\n", role_names[i],
		       (unsigned long long)watch.bytes_in[i],
		       (unsigned long long)watch.bytes_out[i]);
	assert_int_equal(watch.strange, 0);
	assert_int_equal(watch.changed, 0);
	assert_int_equal(watch.amplified, 0);
	for (int i = 0; i < HOSTILE_KINDS; i++)
		assert_true(watch.tried[i] > 100);
	assert_true(f.echoes > f.sent / 10 * 9 && g.echoes > g.sent / 10 * 9 &&
		    h.echoes > h.sent / 10 * 8);
	scenario_end(w);
}

static void test_every_packet(void **state)
{
	unsigned int missing = 0;

	for (uint64_t seed = 40; seed < 40 + SEEDS; seed++)
		run(seed);
	for (int i = 0; i < OUTCOMES; i++) {
		if (came[i] > 0 || outcomes[i].is_rare || SEEDS < 4)
			continue;
		missing++;
		printf("never at a %s: %s\n", role_names[outcomes[i].role], outcomes[i].counters);
	}
	assert_int_equal(missing, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_packet),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
