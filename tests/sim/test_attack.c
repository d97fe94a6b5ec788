/* SPDX-License-Identifier: BSD-3-Clause */
#include "client/node_impl.h"
#include "common/wire.h"
#include "tests/sim/scenario.h"

/* Attacks with a plan, by who knows the protocol: on the wire, as a node of the same relay, as the
 * relay itself.
 */

/* Somebody at an address of their own, who notes what comes. */
struct listener {
	struct sim_host host;
	struct endpoint at;
	const struct ip_addr *ignores; /* packets from there */
	uint64_t data_bytes, data, others, in_clear;
};

static struct sim_flow f, g, h;
static struct listener mallory;
static struct world *watched;

/* Of the flows' packets, each of which has "NTMT" in it. */
static bool has_inner(const uint8_t *pkt, size_t len)
{
	for (size_t i = 0; i + 4 <= len; i++)
		if (memcmp(pkt + i, "NTMT", 4) == 0)
			return true;
	return false;
}

static void listen_input(struct sim_host *host, struct sim_iface *i, const struct endpoint *from,
			 const struct endpoint *to, uint8_t tos, uint8_t *pkt, size_t len)
{
	struct listener *l = host->ctx;

	if (l->ignores != NULL && ip_equal(&from->ip, l->ignores))
		return;
	if (wire_type_is_data(pkt[0] & 15U)) {
		l->data++;
		l->data_bytes += len;
	} else {
		l->others++;
	}
	l->in_clear += has_inner(pkt, len);
}

static uint64_t listen_poll(struct sim_host *host, uint64_t now)
{
	return SIM_NEVER;
}

static void listener_add(struct world *w, struct listener *l, const char *ip)
{
	memset(l, 0, sizeof(*l));
	l->host.input = listen_input;
	l->host.poll = listen_poll;
	sim_host_add(&w->sim, &l->host, "mallory", l);
	sim_iface_add(&l->host, &w->open, ip, NULL);
	l->at = (struct endpoint){.ip = l->host.ifaces[0].v4, .port = 6666};
}

static uint64_t rs_count(const struct world *w, enum rs_control_counter c)
{
	return rs_control_counters(w->rs.control)[c];
}

static struct sim_rs_leg *leg_at(const struct world *w, const struct endpoint *peer)
{
	for (int i = 0; i < SIM_RS_LEGS; i++)
		if (w->rs.dp->legs[i].is_added &&
		    endpoint_equal(&w->rs.dp->legs[i].conf.peer, peer))
			return &w->rs.dp->legs[i];
	return NULL;
}

static struct leg *leg_of_node(const struct sim_node *n)
{
	return TAILQ_FIRST(&n->node->legs);
}

static int
	answer_error; /* of the last request: of the message or of its row; negative: none came */

static void ask_done(void *ctx, void *arg, const struct msg *m)
{
	if (m == NULL)
		return;
	answer_error = (m->has & HAS(ERROR)) != 0 ? m->error : 0;
	if (m->paths_n > 0 && (m->paths[0].has & HAS(ERROR)) != 0)
		answer_error = m->paths[0].error;
}

/* ---- a copy that comes before the original ---- */

static struct {
	unsigned int left, won;
	bool cuts; /* the node is heard no more */
} race;

static void race_tap(struct sim *s, bool is_after, struct sim_iface *i, const struct endpoint *from,
		     const struct endpoint *to, uint8_t tos, const uint8_t *pkt, size_t len)
{
	bool was_won = leg_at(watched, &mallory.at) != NULL;
	uint8_t copy[SIM_PKT_MAX];

	if (is_after || race.left == 0 || i->host != &watched->rs.host || len < WIRE_HDR_LEN ||
	    (pkt[0] & 15U) != WIRE_CONTROL || wire_is_path_id(load_be64(pkt + 8)))
		return;
	memcpy(copy, pkt, len);
	i->host->input(i->host, i, &mallory.at, to, tos, copy, len);
	if (was_won || leg_at(watched, &mallory.at) == NULL)
		return;
	race.left--;
	race.won++;
	if (race.cuts)
		watched->nets[NAT_C].is_cut = true;
}

static bool race_is_won(void *arg)
{
	return race.won > 0;
}

static bool leg_is_back(void *arg)
{
	return leg_at(watched, &mallory.at) == NULL;
}

static struct world *race_begin(uint64_t seed, unsigned int times, bool cuts)
{
	struct world *w = watched = world_create(seed);

	race.left = race.won = 0;
	race.cuts = cuts;
	listener_add(w, &mallory, "20.66.0.1");
	scenario_flow(w, &f, ALICE, BOB, 10 * SIM_MS, false);
	scenario_flow(w, &g, BOB, ALICE, SIM_MS, false);
	sim_run(&w->sim, 3 * SIM_SEC);
	race.left = times;
	w->sim.tap = race_tap;
	sim_node_attach(&w->nodes[ALICE], 0, &w->nets[NAT_C], "192.168.3.7", NULL);
	assert_true(sim_run_until(&w->sim, SIM_SEC, race_is_won, NULL));
	return w;
}

static void race_end(struct world *w, unsigned int ups)
{
	assert_int_equal(mallory.in_clear, 0);
	assert_int_equal(w->nodes[ALICE].path_ups + w->nodes[BOB].path_ups, ups);
	assert_int_equal(w->nodes[ALICE].path_downs + w->nodes[BOB].path_downs, 0);
	w->sim.tap = NULL;
	scenario_end(w);
}

/* The leg is the attacker's until the node's next packet has been asked about; that was sent long ago. */
static void test_raced_update(void **state)
{
	struct world *w = race_begin(80, 1, false);
	unsigned int ups = w->nodes[ALICE].path_ups + w->nodes[BOB].path_ups;
	uint64_t begin = w->sim.now, echoes;

	assert_true(sim_run_until(&w->sim, SIM_SEC, leg_is_back, NULL));
	printf("a raced update: the leg was away for %.0f ms, %llu data packets went with it\n",
	       (double)(w->sim.now - begin) / 1e6, (unsigned long long)mallory.data);
	assert_in_range(w->sim.now - begin, 0, 100 * SIM_MS);
	assert_in_range(mallory.data_bytes, 1, RS_CREDIT_BYTES);
	sim_run(&w->sim, 100 * SIM_MS);
	echoes = f.echoes;
	scenario_gap_begin(&f);
	sim_run(&w->sim, 5 * SIM_SEC);
	assert_true(f.echoes >= echoes + 490);
	assert_in_range(f.longest_echo_gap_ns, 0, 20 * SIM_MS);
	race_end(w, ups);
}

/* A copy of each control packet comes first, of the proof as well: the original is a replay then, and
 * the copy has to do for it.
 */
static void test_raced_always(void **state)
{
	struct world *w = race_begin(81, 1000, false);
	unsigned int ups = w->nodes[ALICE].path_ups + w->nodes[BOB].path_ups;

	sim_run(&w->sim, 20 * SIM_SEC);
	printf("each packet raced: the leg went %u times, %llu data packets with it\n", race.won,
	       (unsigned long long)mallory.data);
	assert_null(leg_at(w, &mallory.at));
	assert_in_range(mallory.data, 1, 100);
	scenario_gap_begin(&f);
	sim_run(&w->sim, 5 * SIM_SEC);
	assert_in_range(f.longest_echo_gap_ns, 0, 20 * SIM_MS);
	race_end(w, ups);
}

/* The node falls silent right after: what goes to the attacker ends with the credit. */
static void test_raced_and_silent(void **state)
{
	struct world *w = race_begin(82, 1, true);
	unsigned int ups = w->nodes[ALICE].path_ups + w->nodes[BOB].path_ups;
	uint64_t held = w->rs.counters[SIM_RS_NO_CREDIT];

	sim_run(&w->sim, 3 * SIM_SEC);
	printf("raced and silent: %llu bytes went away, %llu packets held\n",
	       (unsigned long long)mallory.data_bytes,
	       (unsigned long long)(w->rs.counters[SIM_RS_NO_CREDIT] - held));
	assert_in_range(mallory.data_bytes, RS_CREDIT_BYTES / 2, RS_CREDIT_BYTES);
	assert_true(w->rs.counters[SIM_RS_NO_CREDIT] > held + 1000);
	w->nets[NAT_C].is_cut = false;
	assert_true(sim_run_until(&w->sim, 3 * SIM_SEC, leg_is_back, NULL));
	sim_run(&w->sim, 100 * SIM_MS);
	scenario_gap_begin(&f);
	sim_run(&w->sim, 3 * SIM_SEC);
	assert_in_range(f.longest_echo_gap_ns, 0, 20 * SIM_MS);
	race_end(w, ups);
}

/* ---- a node that says it is where somebody else is ---- */

static struct {
	bool is_on;
	size_t len;
	uint8_t pkt[SIM_PKT_MAX];
} caught; /* the last packet to the relay */

static void catch_sent(struct sim *s, const struct endpoint *to, const uint8_t *pkt, size_t len)
{
	if (!caught.is_on || to->port != 5530)
		return;
	memcpy(caught.pkt, pkt, len);
	caught.len = len;
}

/* What the node sends now reaches the relay from mallory's address, and nowhere else. */
static void spoof(struct world *w, struct chan *c, struct msg *m, control_done done)
{
	struct sim_iface *rs = &w->rs.host.ifaces[0];
	const struct endpoint to = {.ip = rs->v4, .port = 5530};

	w->nets[NAT_A].is_cut = true;
	w->sim.sent = catch_sent;
	caught.is_on = true;
	caught.len = 0;
	if (done != NULL)
		assert_int_equal(chan_request(c, m, control_resend_move_ms, done, NULL), 0);
	else
		chan_answer(c, m);
	caught.is_on = false;
	w->sim.sent = NULL;
	assert_true(caught.len > 0);
	w->rs.host.input(&w->rs.host, rs, &mallory.at, &to, 0, caught.pkt, caught.len);
	w->nets[NAT_A].is_cut = false;
}

static bool has_challenge;
static uint8_t challenge[CHALLENGE_LEN];

static void steal_done(void *ctx, void *arg, const struct msg *m)
{
	if (m == NULL || (m->has & HAS(CHALLENGE)) == 0)
		return;
	has_challenge = true;
	memcpy(challenge, m->challenge, CHALLENGE_LEN);
}

/* It asks again from its own address, and is told what was for the other one alone. */
static void test_challenge_of_another(void **state)
{
	struct world *w = world_create(88);
	static struct msg m;
	struct sim_rs_leg *l;
	struct chan *c;

	listener_add(w, &mallory, "20.66.0.1");
	scenario_flow(w, &f, ALICE, BOB, 20 * SIM_MS, false);
	scenario_flow(w, &g, BOB, ALICE, SIM_MS, false);
	sim_run(&w->sim, SIM_SEC);
	c = &leg_of_node(&w->nodes[ALICE])->chan;
	msg_init(&m, MSG_LEG_UPDATE, false, 0);
	m.has = HAS(LOCATION);
	m.location = mover_location(w->nodes[ALICE].node);
	has_challenge = false;
	spoof(w, c, &m, steal_done);
	assert_non_null(leg_at(w, &mallory.at));
	sim_run(&w->sim, 500 * SIM_MS);
	if (has_challenge) {
		msg_init(&m, MSG_LEG_UPDATE, false, 0);
		m.has = HAS(LOCATION) | HAS(CHALLENGE);
		m.location = mover_location(w->nodes[ALICE].node);
		memcpy(m.challenge, challenge, CHALLENGE_LEN);
		spoof(w, c, &m, ask_done);
	}
	l = leg_at(w, &mallory.at);
	assert_true(l == NULL || l->credit_until_ns != 0);
	sim_run(&w->sim, 3 * SIM_SEC);
	assert_in_range(mallory.data_bytes, 1, RS_CREDIT_BYTES);
	assert_null(leg_at(w, &mallory.at));
	scenario_end(w);
}

/* ---- ICMP errors from anybody ---- */

static struct {
	uint64_t id;
	struct endpoint to;
} last; /* sealed data of the relay's own, to a node */

static void note_sent(struct sim *s, const struct endpoint *to, const uint8_t *pkt, size_t len)
{
	if (len < WIRE_HDR_LEN || wire_is_path_id(load_be64(pkt + 8)) ||
	    !wire_type_is_data(pkt[0] & 15U) || to->port == 5530)
		return;
	last.id = load_be64(pkt + 8);
	last.to = *to;
}

static void hint_strange(struct world *w, uint64_t id, const struct endpoint *to, uint16_t mtu)
{
	uint64_t before = rs_count(w, RS_C_hints_strange), taken = rs_count(w, RS_C_hints);

	rs_control_too_big(w->rs.control, id, to, mtu);
	assert_int_equal(rs_count(w, RS_C_hints_strange), before + 1);
	assert_int_equal(rs_count(w, RS_C_hints), taken);
}

/* A hint names a node's own index and where it is, both as they are now. */
static void hints_of_now(struct world *w)
{
	struct endpoint wrong = last.to;
	struct sim_rs_leg *l = leg_at(w, &last.to);

	assert_non_null(l);
	assert_int_equal(l->mtu, 0);
	wrong.port++;
	hint_strange(w, last.id, &wrong, 1300);
	hint_strange(w, last.id, &mallory.at, 1300);
	hint_strange(w, last.id ^ 1, &last.to, 1300);
	hint_strange(w, l->index, &last.to, 1300); /* the relay's index, not the node's */
	hint_strange(w, last.id, &last.to, 0);
	assert_int_equal(l->mtu, 0);
	rs_control_too_big(w->rs.control, last.id, &last.to, 1300);
	assert_int_equal(l->mtu, 1300);
	rs_control_too_big(w->rs.control, last.id, &last.to, 300);
	assert_int_equal(l->mtu, 1280); /* never below */
}

static void test_hints(void **state)
{
	struct world *w = world_create(83);
	struct endpoint old_at;
	struct vips web;
	uint64_t old_id;

	listener_add(w, &mallory, "20.66.0.1");
	w->sim.sent = note_sent;
	assert_int_equal(world_direct(w, ALICE, "web.example", &web, NULL), NODE_DIRECTION_GN);
	sim_flow_start(&f, &w->nodes[ALICE], NULL, &web.v4, 200, 20 * SIM_MS, true);
	sim_run(&w->sim, 2 * SIM_SEC);
	hints_of_now(w);
	old_at = last.to;
	old_id = last.id;
	sim_node_attach(&w->nodes[ALICE], 0, &w->nets[NAT_C], "192.168.3.7", NULL);
	sim_run(&w->sim, 2 * SIM_SEC);
	assert_int_equal(last.id, old_id);
	hint_strange(w, old_id, &old_at, 1300);
	hints_of_now(w);
	/* The node forgets the leg, then the relay: it has another index each time. */
	sim_node_stop(&w->nodes[ALICE]);
	sim_node_start(&w->nodes[ALICE]);
	sim_run(&w->sim, 10 * SIM_SEC);
	assert_int_equal(world_direct(w, ALICE, "web.example", &web, NULL), NODE_DIRECTION_GN);
	sim_run(&w->sim, SIM_SEC);
	assert_int_not_equal(last.id, old_id);
	hint_strange(w, old_id, &last.to, 1300);
	hints_of_now(w);
	old_id = last.id;
	sim_rs_stop(&w->rs);
	sim_rs_start(&w->rs);
	sim_run(&w->sim, 10 * SIM_SEC);
	assert_int_not_equal(last.id, old_id);
	hint_strange(w, old_id, &last.to, 1300);
	hints_of_now(w);
	w->sim.sent = NULL;
	scenario_end(w);
}

/* ---- a node against others of its relay ---- */

enum ask {
	BIND_A,
	BIND_B,
	BIND_UNKNOWN,
	RELEASE,
	OLD_LOCATION,
	PROOF,
	GRANT_ITSELF,
	REGISTER,
	GARBAGE,
	STRAY_PROBE,
	ASKS
};

static const struct {
	const char *what;
	int counter; /* the one that rises; negative: none */
} asks[ASKS] = {
	[BIND_A] = {"binds side A of others' path", RS_C_binds_refused},
	[BIND_B] = {"binds side B of others' path", RS_C_binds_refused},
	[BIND_UNKNOWN] = {"binds a path that nobody has", RS_C_binds_early},
	[RELEASE] = {"releases others' path", -1},
	[OLD_LOCATION] = {"updates its leg with an old location", RS_C_moves_stale},
	[PROOF] = {"answers a challenge that it did not get", RS_C_challenges_wrong},
	[GRANT_ITSELF] = {"tells the relay rows", RS_C_leg_not_allowed},
	[REGISTER] = {"registers at the relay", RS_C_leg_not_allowed},
	[GARBAGE] = {"seals garbage", RS_C_leg_bad},
	[STRAY_PROBE] = {"answers a probe that it did not get", RS_C_leg_bad},
};

static void ask(struct sim_node *n, enum ask what, uint64_t path_id)
{
	static struct msg m;
	struct chan *c = &leg_of_node(n)->chan;
	const struct datapath_dest *to = &c->dest[c->number];
	uint8_t body[64] = {1, 1, 2, 3}; /* of a probe: an answer */

	msg_init(&m, MSG_TUNNEL, false, 0);
	m.has = HAS(LOCATION) | HAS(PATH);
	m.location = n->node->location;
	m.paths_n = 1;
	m.paths[0] = (struct msg_path){.has = HAS(PATH_ID) | HAS(SIDE), .path_id = path_id};
	switch (what) {
	case BIND_B:
		m.paths[0].side = 1;
		break;
	case BIND_UNKNOWN:
		m.paths[0].path_id ^= 1;
		break;
	case RELEASE:
		m.type = MSG_RELEASE;
		m.has = HAS(PATH);
		m.paths[0].has = HAS(PATH_ID) | HAS(REMOVE);
		break;
	case OLD_LOCATION:
		m.type = MSG_LEG_UPDATE;
		m.has = HAS(LOCATION);
		m.location = 1;
		break;
	case PROOF:
		msg_init(&m, MSG_CHALLENGE, true, 7);
		m.has = HAS(CHALLENGE);
		chan_answer(c, &m);
		return;
	case GRANT_ITSELF:
		m.type = MSG_RELAY_DIRECTION;
		m.has = HAS(PATH);
		break;
	case REGISTER:
		m.type = MSG_REGISTRATION;
		m.has = HAS(LOCATION) | HAS(SUITES);
		m.suites_n = 1;
		m.suites[0] = SUITE_AES128_GCM;
		break;
	case GARBAGE:
	case STRAY_PROBE:
		chan_send(c, what == GARBAGE ? WIRE_CONTROL : WIRE_PROBE, c->number, to, body,
			  sizeof(body));
		return;
	default:
		break;
	}
	assert_int_equal(chan_request(c, &m, NULL, ask_done, NULL), 0);
}

/* Where everything goes, without what is only counted. */
struct rs_tables {
	struct rs_dp_path paths[SIM_RS_PATHS];
	struct rs_dp_leg legs[SIM_RS_LEGS];
};

static void tables_of(const struct world *w, struct rs_tables *t)
{
	memset(t, 0, sizeof(*t));
	for (int i = 0; i < SIM_RS_PATHS; i++)
		if (w->rs.dp->paths[i].is_used)
			t->paths[i] = w->rs.dp->paths[i].rec;
	for (int i = 0; i < SIM_RS_LEGS; i++)
		if (w->rs.dp->legs[i].is_added)
			t->legs[i] = w->rs.dp->legs[i].conf;
}

static void test_hostile_node(void **state)
{
	static struct rs_tables before, after;
	struct world *w = world_create(84);
	uint64_t counters[RS_C_COUNT], path_id;

	scenario_flow(w, &f, BOB, CAROL, 50 * SIM_MS, false);
	path_id = TAILQ_FIRST(&w->nodes[BOB].node->paths)->id;
	sim_run(&w->sim, 3 * SIM_SEC);
	for (int i = 0; i < ASKS; i++) {
		memcpy(counters, rs_control_counters(w->rs.control), sizeof(counters));
		tables_of(w, &before);
		answer_error = -1;
		ask(&w->nodes[ALICE], (enum ask)i, path_id);
		sim_kick(&w->nodes[ALICE].host);
		sim_run(&w->sim, 150 * SIM_MS);
		for (int c = 0; c < RS_C_COUNT; c++)
			if (rs_count(w, (enum rs_control_counter)c) !=
			    counters[c] + (c == asks[i].counter))
				fail_msg("a node %s: counter %d went from %llu to %llu",
					 asks[i].what, c, (unsigned long long)counters[c],
					 (unsigned long long)rs_count(w,
								      (enum rs_control_counter)c));
		tables_of(w, &after);
		if (memcmp(&before, &after, sizeof(before)) != 0)
			fail_msg("a node %s: the relay's tables changed", asks[i].what);
		if (i == BIND_A || i == BIND_B || i == GRANT_ITSELF || i == REGISTER)
			assert_int_equal(answer_error, MSG_ERR_NOT_ALLOWED);
		if (i == OLD_LOCATION)
			assert_int_equal(answer_error, MSG_ERR_STALE);
		sim_run(&w->sim, 2 * SIM_SEC);
	}
	sim_flow_stop(&f);
	sim_run(&w->sim, SIM_SEC);
	assert_int_equal(f.echoes, f.sent);
	scenario_end(w);
}

/* ---- a location number that goes back ---- */

/* A node whose clock went back and that forgot its number moves: it is refused, is told what relay and DC
 * know, and counts on from there.
 */
static void test_location_back(void **state)
{
	struct world *w = world_create(85);
	struct node *n = w->nodes[ALICE].node;
	uint64_t stale, known = n->location, refused;

	scenario_flow(w, &f, ALICE, BOB, 10 * SIM_MS, false);
	sim_run(&w->sim, 2 * SIM_SEC);
	stale = rs_count(w, RS_C_moves_stale);
	refused = dc_counters(w->dc.dc)[DC_COUNT_REG_STALE];
	n->location = 5;
	n->conf.realtime_offset_ns = -(int64_t)w->sim.now;
	scenario_gap_begin(&f);
	sim_node_attach(&w->nodes[ALICE], 0, &w->nets[NAT_C], "192.168.3.7", NULL);
	sim_run(&w->sim, 3 * SIM_SEC);
	assert_in_range(rs_count(w, RS_C_moves_stale) - stale, 1, 2); /* one may be on its way */
	assert_in_range(dc_counters(w->dc.dc)[DC_COUNT_REG_STALE] - refused, 0, 1);
	assert_true(n->location > known);
	assert_in_range(f.longest_echo_gap_ns, 1, 150 * SIM_MS);
	assert_true(world_is_registered(w));
	/* Its peer has heard the greater one, too. */
	assert_true(TAILQ_FIRST(&w->nodes[BOB].node->paths)->peer_location > known);
	scenario_end(w);
}

/* ---- keys, from both ends at once ---- */

/* Side B finds its key used up in the same moments as side A does, over a line that delays each packet
 * differently: no packet is lost to it.
 */
static void test_both_rekey(void **state)
{
	struct world *w = world_create(86);
	uint64_t rekeys;

	for (int i = 0; i < WORLD_NATS; i++)
		w->nets[i].jitter_ns = 5 * SIM_MS;
	for (int i = 0; i < WORLD_NODES; i++) {
		sim_node_stop(&w->nodes[i]);
		w->nodes[i].params.tuning.limits.rekey_after_packets = 50;
		sim_node_start(&w->nodes[i]);
	}
	assert_true(sim_run_until(&w->sim, 30 * SIM_SEC, world_is_registered, w));
	scenario_flow(w, &f, ALICE, BOB, 4 * SIM_MS, false);
	scenario_flow(w, &g, BOB, ALICE, 4 * SIM_MS, false);
	sim_run(&w->sim, 20 * SIM_SEC);
	sim_flow_stop(&f);
	sim_flow_stop(&g);
	sim_run(&w->sim, SIM_SEC);
	rekeys = TAILQ_FIRST(&w->nodes[ALICE].node->paths)->chan.assoc.handshakes;
	printf("%llu handshakes in 20 s under 1,000 packets/s\n", (unsigned long long)rekeys);
	assert_in_range(rekeys, 50, 5000);
	assert_int_equal(f.got, f.sent);
	assert_int_equal(f.echoes, f.sent);
	assert_int_equal(g.got, g.sent);
	assert_int_equal(g.echoes, g.sent);
	assert_int_equal(f.duplicates + g.duplicates, 0);
	scenario_end(w);
}

/* ---- a relay that lies ---- */

/* Each node is told that it is where somebody else is. What comes of it: a few probes there, and no
 * data; whatever went direct goes direct, the rest by the relay.
 */
static void test_lying_relay(void **state)
{
	struct world *w = world_create(87);

	listener_add(w, &mallory, "20.65.0.1"); /* what 20.1.0.1, alice's, becomes */
	/* The relay itself may send anything anywhere. */
	mallory.ignores = &w->rs.host.ifaces[0].v4;
	scenario_flow(w, &f, ALICE, CAROL, 20 * SIM_MS, false);
	scenario_flow(w, &g, ALICE, BOB, 20 * SIM_MS, false);
	sim_run(&w->sim, 5 * SIM_SEC);
	assert_true(w->nodes[CAROL].is_direct);
	w->rs.lies = true;
	sim_run(&w->sim, SIM_SEC);
	scenario_flow(w, &h, CAROL, ALICE, 20 * SIM_MS, false);
	scenario_gap_begin(&f);
	scenario_gap_begin(&g);
	sim_run(&w->sim, 60 * SIM_SEC);
	printf("a relay that lies: %llu packets to who has nothing to do with it, longest gaps %.0f and %.0f ms\n",
	       (unsigned long long)mallory.others, (double)f.longest_echo_gap_ns / 1e6,
	       (double)g.longest_echo_gap_ns / 1e6);
	assert_int_equal(mallory.data, 0);
	assert_int_equal(mallory.in_clear, 0);
	assert_in_range(mallory.others, 1, 200);
	assert_in_range(f.longest_echo_gap_ns, 1, 500 * SIM_MS);
	assert_in_range(g.longest_echo_gap_ns, 1, 500 * SIM_MS);
	assert_int_equal(w->nodes[ALICE].path_downs + w->nodes[CAROL].path_downs, 0);
	w->rs.lies = false;
	sim_run(&w->sim, 5 * SIM_SEC);
	scenario_end(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_raced_update),	     cmocka_unit_test(test_raced_always),
		cmocka_unit_test(test_raced_and_silent),     cmocka_unit_test(test_hints),
		cmocka_unit_test(test_hostile_node),	     cmocka_unit_test(test_location_back),
		cmocka_unit_test(test_both_rekey),	     cmocka_unit_test(test_lying_relay),
		cmocka_unit_test(test_challenge_of_another),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
