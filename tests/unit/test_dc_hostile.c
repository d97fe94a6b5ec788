/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/dc_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

/* Packets and messages that should not be: each raises its counter, and nothing else changes. */

struct cast {
	struct world w;
	struct peer *rs, *alice, *bob;
	struct vips alice_vips, bob_vips;
	uint64_t path_id;
};

static struct cast *cast_new(uint64_t seed)
{
	struct cast *c = calloc(1, sizeof(*c));

	world_init(&c->w, seed, 1);
	c->w.params.rs_silent_sec = 100000;
	world_start(&c->w);
	c->rs = peer_enrol(&c->w, HS_RS_DC, "rs1.test", "198.51.100.50:5525");
	c->alice = peer_enrol(&c->w, HS_NODE_DC, "alice.dc1.test", "203.0.113.1:40001");
	c->bob = peer_enrol(&c->w, HS_NODE_DC, "bob.dc1.test", "203.0.113.2:40002");
	peer_register(c->rs, rs_own);
	peer_register(c->alice, behind_nat);
	peer_register(c->bob, behind_nat);
	peer_direct(c->alice, "bob.dc1.test");
	c->alice_vips = c->alice->vips;
	c->bob_vips = c->bob->vips;
	c->path_id = c->alice->answer.path_id;
	return c;
}

/* Everybody is who and where he was, and the DC works. */
static void check_unharmed(struct cast *c)
{
	peer_register(c->alice, behind_nat);
	assert_int_equal(c->alice->answer.has & HAS(ERROR), 0);
	assert_memory_equal(&c->alice->vips, &c->alice_vips, sizeof(c->alice_vips));
	assert_true(endpoint_equal(&c->alice->answer.observed, &c->alice->addr));
	peer_register(c->bob, behind_nat);
	assert_memory_equal(&c->bob->vips, &c->bob_vips, sizeof(c->bob_vips));
	peer_renew(c->bob, "alice.dc1.test", c->path_id);
	assert_int_equal(c->bob->answer.has & HAS(ERROR), 0);
	assert_int_equal(c->bob->answer.path_id, c->path_id);
}

static void cast_free(struct cast *c)
{
	check_unharmed(c);
	world_fini(&c->w);
	free(c);
}

/* A keep-alive of alice as it stands on the wire; nothing has arrived yet. */
static size_t capture(struct cast *c, uint8_t *pkt)
{
	struct msg *m = calloc(1, sizeof(*m));
	struct flight *f;
	size_t len;

	world_run(&c->w, 7 * SEC); /* nothing else is under way */
	msg_init(m, MSG_KEEP_ALIVE, false, 0);
	m->has |= HAS(LOCATION);
	m->location = c->w.now;
	peer_ask(c->alice, m);
	f = TAILQ_LAST(&c->w.wire, flights);
	len = f->len;
	memcpy(pkt, f->pkt, len);
	free(m);
	return len;
}

enum change {
	KEEP,
	CUT_HEADER,
	CUT_TAG,
	VERSION,
	TYPE,
	RESERVED,
	PATH_ID,
	DATA,
	OTHER_INDEX,
	SEQUENCE,
	BODY,
	TAG,
	REFLECTED,
	EPOCH,
	HANDSHAKE_2,
	COOKIE,
	RESET,
};

static size_t mutate(enum change change, uint8_t *p, size_t len)
{
	switch (change) {
	case KEEP:
		return len;
	case CUT_HEADER:
		return 15;
	case CUT_TAG:
		return len - 1;
	case VERSION:
		p[0] = (uint8_t)(2 << 4 | (p[0] & 15));
		return len;
	case TYPE:
		p[0] = 1 << 4 | 9;
		return len;
	case RESERVED:
		p[1] |= 4;
		return len;
	case PATH_ID:
		p[8] &= 0x7f;
		return len;
	case DATA:
		p[0] = 1 << 4 | WIRE_DATA;
		return len;
	case OTHER_INDEX:
		p[12] ^= 1;
		return len;
	case SEQUENCE:
		p[7] ^= 1;
		return len;
	case BODY:
		p[20] ^= 1;
		return len;
	case TAG:
		p[len - 1] ^= 1;
		return len;
	case REFLECTED:
		p[1] ^= WIRE_SIDE_A;
		return len;
	case EPOCH:
		p[1] ^= 1 << WIRE_EPOCH_SHIFT;
		return len;
	case HANDSHAKE_2:
		p[0] = 1 << 4 | WIRE_HANDSHAKE_2;
		return len;
	case COOKIE:
		p[0] = 1 << 4 | WIRE_COOKIE;
		return len;
	case RESET:
		p[0] = 1 << 4 | WIRE_RESET;
		return len;
	}
	return len;
}

static const struct {
	const char *what;
	enum change change;
	enum dc_counter counter;
} packet_rows[] = {
	{"replayed", KEEP, DC_COUNT_RX_SEALED_BAD},
	{"shorter than a header", CUT_HEADER, DC_COUNT_RX_SHORT},
	{"truncated", CUT_TAG, DC_COUNT_RX_SEALED_BAD},
	{"another version", VERSION, DC_COUNT_RX_BAD_VERSION},
	{"unknown type", TYPE, DC_COUNT_RX_BAD_TYPE},
	{"reserved bit", RESERVED, DC_COUNT_RX_RESERVED},
	{"a Path ID", PATH_ID, DC_COUNT_RX_PATH_ID},
	{"data", DATA, DC_COUNT_RX_WRONG_TYPE},
	{"unknown index", OTHER_INDEX, DC_COUNT_RX_UNKNOWN_INDEX},
	{"another sequence", SEQUENCE, DC_COUNT_RX_SEALED_BAD},
	{"body changed", BODY, DC_COUNT_RX_SEALED_BAD},
	{"tag changed", TAG, DC_COUNT_RX_SEALED_BAD},
	{"reflected", REFLECTED, DC_COUNT_RX_SEALED_BAD},
	{"another epoch", EPOCH, DC_COUNT_RX_SEALED_BAD},
	{"handshake 2 to nobody", HANDSHAKE_2, DC_COUNT_RX_NOT_WAITING},
	{"cookie to nobody", COOKIE, DC_COUNT_RX_NOT_WAITING},
	{"reset to nobody", RESET, DC_COUNT_RX_NOT_WAITING},
};

static void test_packets(void **state)
{
	struct cast *c = cast_new(51);
	struct endpoint thief;
	uint8_t pkt[1500], copy[1500];
	size_t len;

	assert_int_equal(endpoint_parse("198.51.100.66:9", &thief), 0);
	for (unsigned int i = 0; i < sizeof(packet_rows) / sizeof(packet_rows[0]); i++) {
		uint64_t before, sent;

		len = capture(c, pkt);
		world_run(&c->w, 100 * MS);
		before = world_count(&c->w, packet_rows[i].counter);
		sent = c->w.from_dc_bytes;
		memcpy(copy, pkt, len);
		len = mutate(packet_rows[i].change, copy, len);
		world_send(&c->w, &thief, copy, len);
		world_run(&c->w, 100 * MS);
		print_message("%s\n", packet_rows[i].what);
		assert_int_equal(world_count(&c->w, packet_rows[i].counter), before + 1);
		/* No answer, or a shorter one. */
		assert_true(c->w.from_dc_bytes - sent < len);
	}
	cast_free(c);
}

/* ---- sealed messages ---- */

static void send_body(struct peer *p, const uint8_t *body, size_t len)
{
	p->control.ops->send(p->control.ctx, body, len);
}

static size_t bodies(struct cast *c, uint8_t type, bool is_response, uint8_t *body)
{
	struct msg *m = calloc(1, sizeof(*m));
	int n;

	peer_fill_registration(c->alice, m, behind_nat);
	m->type = type;
	m->is_response = is_response;
	m->txn = (uint32_t)rng_u64(&c->w.rng);
	m->of = m->part = 1;
	if (type != MSG_REGISTRATION || is_response)
		m->has = HAS(LOCATION);
	if (type == MSG_DIRECTION) {
		m->has |= HAS(PEER_NAME);
		snprintf(m->peer_name, sizeof(m->peer_name), "bob.dc1.test");
	} else if (type == MSG_RELEASE) {
		m->has = HAS(PATH);
		m->paths_n = 1;
		m->paths[0].has = HAS(PATH_ID) | HAS(REMOVE);
		m->paths[0].path_id = 42;
	} else if (type == MSG_KEEP_ALIVE && is_response) {
		m->has = HAS(OBSERVED);
		m->observed = c->alice->addr;
	}
	n = msg_encode(m, body, MSG_MAX);
	free(m);
	return n < 0 ? 0 : (size_t)n;
}

/* A body of every type from a node: what a node may not send, and answers nobody asked for. */
static void test_wrong_party(void **state)
{
	static const uint8_t allowed[] = {MSG_REGISTRATION, MSG_KEEP_ALIVE, MSG_DIRECTION,
					  MSG_RELEASE};
	struct cast *c = cast_new(52);

	for (uint8_t type = 1; type <= MSG_TYPE_MAX; type++) {
		/* The smallest message: type, request, 1 of 1, transaction. */
		uint8_t body[64] = {type, 0, 1, 1, 9, 9, 9, type};
		uint64_t before = world_count(&c->w, DC_COUNT_MSG_WRONG_PARTY) +
				  world_count(&c->w, DC_COUNT_MSG_BAD);
		bool is_allowed = false;

		for (unsigned int i = 0; i < sizeof(allowed); i++)
			is_allowed = is_allowed || allowed[i] == type;
		send_body(c->alice, body, MSG_HDR_LEN);
		world_run(&c->w, 50 * MS);
		if (!is_allowed)
			assert_int_equal(world_count(&c->w, DC_COUNT_MSG_WRONG_PARTY) +
						 world_count(&c->w, DC_COUNT_MSG_BAD),
					 before + 1);
	}
	for (uint8_t type = 1; type <= MSG_TYPE_MAX; type++) {
		uint8_t body[MSG_MAX];
		size_t len = bodies(c, type, true, body);
		uint64_t before = world_count(&c->w, DC_COUNT_MSG_STRAY);

		if (len == 0)
			continue;
		send_body(c->alice, body, len);
		world_run(&c->w, 50 * MS);
		assert_int_equal(world_count(&c->w, DC_COUNT_MSG_STRAY), before + 1);
	}
	cast_free(c);
}

/* Sealed by a true node, and yet bad: cut, changed, grown, at random. */
static void test_mutated(void **state)
{
	static const uint8_t types[] = {MSG_REGISTRATION, MSG_KEEP_ALIVE, MSG_DIRECTION,
					MSG_RELEASE};
	uint64_t seed = (uint64_t)time(NULL);
	struct cast *c = cast_new(seed);
	uint64_t bad;

	print_message("seed %lu\n", (unsigned long)seed);
	/* A mallory of its own: what it says of itself may change, of others nothing. */
	c->w.params.nodes_max = 64;
	{
		struct peer *mallory =
			peer_enrol(&c->w, HS_NODE_DC, "mallory.dc1.test", "203.0.113.66:40066");

		peer_register(mallory, behind_nat);
		for (int i = 0; i < 4000; i++) {
			uint8_t body[MSG_MAX];
			size_t len = bodies(c, types[rng_below(&c->w.rng, 4)], false, body);

			for (uint64_t k = rng_below(&c->w.rng, 4); k > 0; k--)
				body[rng_below(&c->w.rng, len)] ^=
					(uint8_t)(1 << rng_below(&c->w.rng, 8));
			if (rng_below(&c->w.rng, 3) == 0)
				len = rng_below(&c->w.rng, len);
			send_body(mallory, body, len);
			world_run(&c->w, 2 * MS);
		}
	}
	bad = world_count(&c->w, DC_COUNT_MSG_BAD);
	assert_true(bad > 1000);
	world_run(&c->w, 20 * SEC);
	c->path_id = 0; /* mallory asked for bob as well, nobody asked for alice again */
	peer_direct(c->alice, "bob.dc1.test");
	c->path_id = c->alice->answer.path_id;
	cast_free(c);
}

/* Unsealed noise of all lengths. */
static void test_noise(void **state)
{
	uint64_t seed = (uint64_t)time(NULL);
	struct cast *c = cast_new(seed);
	struct endpoint from = {.port = 1};

	print_message("seed %lu\n", (unsigned long)seed);
	assert_int_equal(ip_parse("203.0.113.250", &from.ip), 0);
	for (int i = 0; i < 20000; i++) {
		uint8_t pkt[600];
		size_t len = rng_below(&c->w.rng, sizeof(pkt));

		rng_fill(&c->w.rng, pkt, len);
		if (len > 0 && (i & 1) != 0)
			pkt[0] = (uint8_t)(1 << 4 | rng_below(&c->w.rng, 9));
		if (len > 1 && (i & 2) != 0)
			pkt[1] &= 0xf8;
		dc_input(c->w.dc, c->w.now, &from, &c->w.dc_addr, pkt, len);
		c->w.now += 50000;
	}
	world_run(&c->w, 1 * SEC);
	/* Told at most ten times a second that it is forgotten. */
	assert_in_range(world_count(&c->w, DC_COUNT_RESET_SENT), 1, 25);
	assert_true(world_count(&c->w, DC_COUNT_RESET_LIMITED) > 100);
	cast_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_packets),
		cmocka_unit_test(test_wrong_party),
		cmocka_unit_test(test_mutated),
		cmocka_unit_test(test_noise),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
