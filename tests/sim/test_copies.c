/* SPDX-License-Identifier: BSD-3-Clause */
#include "client/node_impl.h"
#include "common/bytes.h"
#include "common/wire.h"
#include "tests/sim/scenario.h"

/* Someone keeps handshakes and sends them again when they are no longer answered from memory: they are
 * authentic, but nothing of them may be taken, not even while a true one is being computed.
 */

enum { KEPT_MAX = 64 };

struct kept {
	struct sim_iface *at;
	struct endpoint from, to;
	size_t len;
	uint8_t pkt[WIRE_HS1_MAX];
};

static struct kept kept[KEPT_MAX];
static unsigned int kept_n;
static const struct sim_host *watched;
static uint64_t spoilt; /* not 0: the copies do not verify, and none is like the others */
static bool is_sending; /* the copies, after each true handshake to the watched host */

static bool is_handshake(const uint8_t *pkt, size_t len)
{
	return len >= WIRE_HS1_NOISE && len <= WIRE_HS1_MAX &&
	       pkt[0] == (WIRE_VERSION << 4 | WIRE_HANDSHAKE_1);
}

static void send_again(struct sim *s)
{
	for (unsigned int i = 0; i < kept_n; i++) {
		struct kept copy = kept[i];
		struct sim_host *h = copy.at->host;

		copy.from.ip.b[14] ^= 0x55;
		if (spoilt != 0)
			store_be64(copy.pkt + WIRE_HS1_NOISE, ++spoilt);
		h->input(h, copy.at, &copy.from, &copy.to, 0, copy.pkt, copy.len);
		sim_kick(h);
	}
}

static void tap(struct sim *s, bool is_after, struct sim_iface *i, const struct endpoint *from,
		const struct endpoint *to, uint8_t tos, const uint8_t *pkt, size_t len)
{
	if (i->host != watched || !is_handshake(pkt, len))
		return;
	if (is_sending) {
		if (is_after)
			send_again(s);
		return;
	}
	if (is_after || kept_n == KEPT_MAX)
		return;
	kept[kept_n] = (struct kept){.at = i, .from = *from, .to = *to, .len = len};
	memcpy(kept[kept_n++].pkt, pkt, len);
}

static void watch(struct world *w, const struct sim_host *h)
{
	kept_n = 0;
	spoilt = 0;
	is_sending = false;
	watched = h;
	w->sim.tap = tap;
}

static struct world *world_slow(uint64_t seed)
{
	struct world *w = world_create(seed);

	sim_rs_stop(&w->rs);
	w->rs.compute_ns = 5 * SIM_MS;
	watch(w, &w->rs.host);
	sim_rs_start(&w->rs);
	sim_run(&w->sim, 60 * SIM_SEC);
	assert_true(world_is_registered(w));
	assert_true(kept_n >= WORLD_NODES);
	return w;
}

static bool alice_is_ready(void *arg)
{
	struct world *w = arg;

	return w->nodes[ALICE].node != NULL && world_node_ready(&w->nodes[ALICE]);
}

/* Alice begins anew among copies of what she and the others once sent. */
static void again(struct world *w)
{
	sim_run(&w->sim, 30 * SIM_SEC);
	is_sending = true;
	sim_node_stop(&w->nodes[ALICE]);
	sim_node_start(&w->nodes[ALICE]);
	assert_true(sim_run_until(&w->sim, 1 * SIM_SEC, alice_is_ready, w));
	for (int i = 0; i < SIM_RS_LEGS; i++) {
		const struct sim_rs_leg *l = &w->rs.dp->legs[i];

		assert_true(!l->is_added || l->conf.peer.ip.b[14] < 0x55);
	}
	is_sending = false;
}

static void test_legs(void **state)
{
	struct world *w = world_slow(80);

	again(w);
	scenario_end(w);
}

/* The same, by someone who knows no more than the name of a temporary key that was renewed since. */
static void test_old_key(void **state)
{
	struct world *w = world_slow(81);
	unsigned int first = kept_n;

	for (int hour = 0; hour < 13; hour++)
		sim_run(&w->sim, 3600 * SIM_SEC);
	kept_n = first;
	spoilt = 1;
	again(w);
	scenario_end(w);
}

/* Strangers' handshakes fill no place that a node's bind needs, and cost no more than a second. */
static void test_early(void **state)
{
	struct world *w = world_create(82);
	uint8_t pkt[WIRE_HS1_PADDED] = {0};
	struct endpoint from = {.port = 7};
	const uint64_t *c;

	assert_int_equal(ip_parse("20.77.0.1", &from.ip), 0);
	sim_rs_stop(&w->rs);
	sim_rs_start(&w->rs);
	for (uint64_t i = 0; i < 400; i++) {
		wire_build(pkt, WIRE_HANDSHAKE_1, WIRE_SIDE_A, 0, WIRE_ID_INDEX | i << 8);
		store_be64(pkt + WIRE_HDR_LEN, WIRE_ID_INDEX | 5);
		pkt[WIRE_HDR_LEN + 8] = HS_LEG;
		pkt[WIRE_HDR_LEN + 9] = SUITE_AES128_GCM;
		rs_control_handshake(w->rs.control, w->sim.now, 0, &from, pkt, sizeof(pkt));
	}
	c = rs_control_counters(w->rs.control);
	assert_int_equal(c[RS_C_leg_early] + c[RS_C_leg_early_dropped], 400);
	assert_true(c[RS_C_leg_early] <= 128);
	scenario_end(w);
}

static const struct path *path_of(const struct world *w, unsigned int node)
{
	return TAILQ_FIRST(&w->nodes[node].node->paths);
}

static bool has_candidate(const struct path *p, const char *text)
{
	struct ip_addr ip;

	assert_int_equal(ip_parse(text, &ip), 0);
	for (unsigned int i = 0; i < p->prober.told_n; i++)
		if (ip_equal(&p->prober.candidates[i].ep.ip, &ip))
			return true;
	return false;
}

/* The peer has moved and said so; a copy of its handshake does not take that back. */
static void test_path(void **state)
{
	struct world *w = world_create(83);
	static struct sim_flow f;

	watch(w, &w->nodes[BOB].host);
	scenario_flow(w, &f, ALICE, BOB, 20 * SIM_MS, false);
	assert_true(kept_n > 0);
	assert_true(has_candidate(path_of(w, BOB), "192.168.1.2"));
	sim_node_attach(&w->nodes[ALICE], 0, &w->nets[NAT_C], "192.168.3.7", NULL);
	sim_run(&w->sim, 20 * SIM_SEC);
	assert_true(has_candidate(path_of(w, BOB), "192.168.3.7"));
	for (unsigned int i = 0; i < kept_n; i++)
		kept[i].from.ip.b[14] ^= 0x55; /* from where it came */
	send_again(&w->sim);
	assert_true(has_candidate(path_of(w, BOB), "192.168.3.7"));
	sim_flow_stop(&f);
	scenario_end(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_legs),
		cmocka_unit_test(test_old_key),
		cmocka_unit_test(test_early),
		cmocka_unit_test(test_path),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
