/* SPDX-License-Identifier: BSD-3-Clause */
#include "appliance/rs/rs.h"
#include "common/bytes.h"
#include "common/wire.h"
#include "tests/sim/scenario.h"

/* What a relay's control refuses: each limit by what reaches it, by its counter's name, and with others'
 * traffic that does not notice.
 */

static struct sim_flow f;
static struct world *watched;

static uint64_t rs_count(const struct world *w, enum rs_control_counter c)
{
	return rs_control_counters(w->rs.control)[c];
}

/* A world with a flow between two who are not the ones that the limit is about. */
static struct world *begin(uint64_t seed, unsigned int from, unsigned int to)
{
	watched = world_create(seed);
	scenario_flow(watched, &f, from, to, 50 * SIM_MS, false);
	sim_run(&watched->sim, SIM_SEC);
	return watched;
}

static void end(struct world *w)
{
	w->sim.tap = NULL;
	sim_flow_stop(&f);
	sim_run(&w->sim, SIM_SEC);
	assert_int_equal(f.echoes, f.sent);
	scenario_end(w);
}

static bool is_ready(void *arg)
{
	struct sim_node *n = arg;

	return n->node != NULL && world_node_ready(n);
}

/* The data path has no place for one more path: the DC is told so, the node by it. When a path goes there
 * is a place again.
 */
static void test_paths_full(void **state)
{
	struct world *w = begin(90, ALICE, BOB);

	w->rs.dp->paths_max = rs_dp_path_count(w->rs.dp);
	assert_int_equal(rs_count(w, RS_C_dp_full) + rs_count(w, RS_C_dc_rows_refused), 0);
	assert_int_equal(world_direct(w, CAROL, world_name(BOB), NULL, NULL),
			 NODE_DIRECTION_REFUSED);
	assert_int_equal(rs_count(w, RS_C_dp_full), 1);
	assert_int_equal(rs_count(w, RS_C_dc_rows_refused), 1);
	assert_int_equal(rs_dp_path_count(w->rs.dp), w->rs.dp->paths_max);
	w->rs.dp->paths_max++;
	sim_run(&w->sim, 60 * SIM_SEC);
	assert_int_equal(world_direct(w, CAROL, world_name(BOB), NULL, NULL), NODE_DIRECTION_PATH);
	end(w);
}

/* No place for one more leg: its node tries again, and gets in as soon as there is one. */
static void test_legs_full(void **state)
{
	struct world *w = begin(91, ALICE, BOB);

	sim_node_stop(&w->nodes[CAROL]);
	w->rs.dp->legs_max = rs_dp_leg_count(w->rs.dp);
	sim_node_start(&w->nodes[CAROL]);
	assert_false(sim_run_until(&w->sim, 5 * SIM_SEC, is_ready, &w->nodes[CAROL]));
	assert_true(rs_count(w, RS_C_dp_full) > 0);
	w->rs.dp->legs_max++;
	assert_true(sim_run_until(&w->sim, 30 * SIM_SEC, is_ready, &w->nodes[CAROL]));
	end(w);
}

/* A node that begins anew over and over has so many handshakes of its leg computed in ten seconds, and
 * gets in when it has let some time pass.
 */
static void test_handshakes(void **state)
{
	struct world *w = begin(92, ALICE, BOB);
	uint64_t opened = rs_count(w, RS_C_legs_opened);

	assert_int_equal(rs_count(w, RS_C_leg_limit), 0);
	for (int i = 0; i < 14; i++) {
		sim_node_stop(&w->nodes[CAROL]);
		sim_node_start(&w->nodes[CAROL]);
		sim_run(&w->sim, 500 * SIM_MS);
	}
	assert_true(rs_count(w, RS_C_leg_limit) > 0);
	assert_in_range(rs_count(w, RS_C_legs_opened) - opened, 4, 8);
	assert_true(sim_run_until(&w->sim, 20 * SIM_SEC, is_ready, &w->nodes[CAROL]));
	end(w);
}

static unsigned int copies_left;

/* What comes for the relay from alice's new place is there before it from the relay's own address. */
static void copy_tap(struct sim *s, bool is_after, struct sim_iface *i, const struct endpoint *from,
		     const struct endpoint *to, uint8_t tos, const uint8_t *pkt, size_t len)
{
	struct endpoint own = {.ip = watched->rs.host.ifaces[0].v4, .port = 7};
	uint8_t copy[SIM_PKT_MAX];

	if (is_after || copies_left == 0 || i->host != &watched->rs.host || len < WIRE_HDR_LEN ||
	    (pkt[0] & 15U) != WIRE_CONTROL || wire_is_path_id(load_be64(pkt + 8)) ||
	    !ip_equal(&from->ip, &watched->nats[NAT_C].outside))
		return;
	copies_left--;
	memcpy(copy, pkt, len);
	i->host->input(i->host, i, &own, to, tos, copy, len);
}

static bool alice_is_at_c(void *arg)
{
	const struct world *w = arg;

	for (int i = 0; i < SIM_RS_LEGS; i++)
		if (w->rs.dp->legs[i].is_added &&
		    ip_equal(&w->rs.dp->legs[i].conf.peer.ip, &w->nats[NAT_C].outside))
			return true;
	return false;
}

/* No leg is at an address that is the relay's own; where the node really is it is found by the next. */
static void test_moves(void **state)
{
	struct world *w = begin(93, BOB, CAROL);

	assert_int_equal(rs_count(w, RS_C_moves_refused), 0);
	copies_left = 1;
	w->sim.tap = copy_tap;
	sim_node_attach(&w->nodes[ALICE], 0, &w->nets[NAT_C], "192.168.3.7", NULL);
	assert_true(sim_run_until(&w->sim, 5 * SIM_SEC, alice_is_at_c, w));
	assert_int_equal(copies_left, 0);
	assert_int_equal(rs_count(w, RS_C_moves_refused), 1);
	end(w);
}

/* Of a request that comes after one which was made later nothing is taken: neither what it would remove
 * nor what it would change.
 */
static void test_rows_old(void **state)
{
	static struct msg in, out;
	struct world *w = begin(94, ALICE, BOB);
	struct rs_control *rs = w->rs.control;
	struct rs_path *p;
	size_t at = 0;

	p = idmap_next(&rs->paths, &at);
	assert_non_null(p);
	for (int i = 0; i < 2; i++) {
		msg_init(&in, MSG_RELAY_DIRECTION, false, p->told.txn - 1);
		in.has = HAS(RELAY_TYPE) | HAS(PATH);
		in.paths_n = 1;
		in.paths[0].has = HAS(PATH_ID) | HAS(LIFETIME) |
				  (i == 0 ? HAS(REMOVE) : HAS(KEY_ID) | HAS(KEY_ID_B));
		in.paths[0].path_id = p->id;
		in.paths[0].lifetime_sec = 1;
		rows_take(rs, w->sim.now, &in, &out);
		assert_int_equal(out.paths[0].has & HAS(ERROR), 0);
		assert_int_equal(rs_count(w, RS_C_dc_rows_old), i + 1);
	}
	sim_run(&w->sim, 5 * SIM_SEC);
	assert_int_equal(rs_dp_path_count(w->rs.dp), 1);
	end(w);
}

/* A relay that claims to know of the greatest number that there is, or nearly: the node believes only what
 * leaves it numbers to go on with.
 */
static void test_numbers_taken_away(void **state)
{
	static const struct {
		uint64_t claim, at_most;
	} rows[] = {
		{UINT64_MAX, UINT64_C(1) << 62},
		{(UINT64_C(1) << 63) + 1, UINT64_C(1) << 62},
		{UINT64_C(1) << 62, (UINT64_C(1) << 62) + 10000 * SIM_SEC},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct world *w = begin(95, BOB, CAROL);
		uint64_t told;
		struct rs_leg *l;
		size_t at = 0;

		do
			l = idmap_next(&w->rs.control->legs, &at);
		while (l != NULL && !ip_equal(&l->live.peer.ip, &w->nats[NAT_A].outside));
		assert_non_null(l);
		l->location = rows[i].claim;
		sim_node_attach(&w->nodes[ALICE], 0, &w->nets[NAT_C], "192.168.3.7", NULL);
		sim_run(&w->sim, 2 * SIM_SEC);
		assert_true(rs_count(w, RS_C_moves_stale) > 0);
		told = w->nodes[ALICE].params.state.location;
		assert_in_range(told, 1, rows[i].at_most);
		assert_int_equal(alice_is_at_c(w), rows[i].claim == UINT64_C(1) << 62);
		end(w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_paths_full), cmocka_unit_test(test_legs_full),
		cmocka_unit_test(test_handshakes), cmocka_unit_test(test_moves),
		cmocka_unit_test(test_rows_old),   cmocka_unit_test(test_numbers_taken_away),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
