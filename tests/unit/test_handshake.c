/* SPDX-License-Identifier: BSD-3-Clause */
#include "common/cookie.h"
#include "common/handshake.h"
#include "common/msg.h"
#include "common/seal.h"
#include "tests/unit/hex.h"
#include "tests/vectors/handshakes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const struct hs_path path = {.fqdn_a = "alice.dc1.example", .fqdn_b = "bob.dc1.example"};

static const struct {
	uint8_t kind, suite;
	uint64_t id, index_a, index_b;
} kinds[] = {
	{HS_NODE_DC, 1, WIRE_ID_NONE, WIRE_ID_INDEX | 1, WIRE_ID_INDEX | 2},
	{HS_DC_DC, 2, WIRE_ID_NONE, WIRE_ID_INDEX | 1, WIRE_ID_INDEX | 2},
	{HS_RS_DC, 3, WIRE_ID_NONE, WIRE_ID_INDEX | 1, WIRE_ID_INDEX | 2},
	{HS_PATH, 5, 1234, 1234, 1234},
	{HS_LEG, 1, WIRE_ID_INDEX | 9, WIRE_ID_INDEX | 1, WIRE_ID_INDEX | 2},
};

enum { N_KINDS = sizeof(kinds) / sizeof(kinds[0]) };

struct ends {
	struct hs_job a, b;
	struct noise_keypair ka, kb;
	struct rng rng;
};

/* Message 1 of side A is written; side B has parsed and may read it. */
static void setup(struct ends *e, unsigned int kind, const char *tlvs, size_t len)
{
	struct hs_clear *c = &e->a.clear;

	memset(e, 0, sizeof(*e));
	rng_init_seeded(&e->rng, kind + 1);
	noise_keypair_generate(&e->ka, &e->rng);
	noise_keypair_generate(&e->kb, &e->rng);
	c->id = kinds[kind].id;
	c->kind = kinds[kind].kind;
	c->suite = kinds[kind].suite;
	c->epoch = 3;
	c->flags = wire_flags(true, 3, 0);
	e->a.work = HS_WRITE_1;
	e->a.prologue_len = (uint16_t)hs_prologue(c, &path, e->a.prologue);
	e->a.self = e->ka;
	memcpy(e->a.peer_key, e->kb.pub, 32);
	memset(e->a.psk, 7, sizeof(e->a.psk));
	memset(e->a.reset_token, 0xa, RESET_TOKEN_BYTES);
	e->a.own_index = kinds[kind].index_a;
	e->a.attempt = 55;
	e->a.payload_len = (uint16_t)len;
	memcpy(e->a.payload, tlvs, len);
	hs_job_seed(&e->a, &e->rng);
	hs_job_run(&e->a);
}

static enum hs_verdict read_1(struct ends *e, const uint8_t *pkt, size_t len)
{
	struct hs_job *b = &e->b;
	enum hs_verdict v;

	memset(b, 0, sizeof(*b));
	v = hs_clear_parse(pkt, len, &b->clear);
	if (v != HS_OK)
		return v;
	b->work = HS_READ_1;
	b->prologue_len = (uint16_t)hs_prologue(&b->clear, &path, b->prologue);
	b->self = e->kb;
	memcpy(b->hs1, pkt, len);
	b->hs1_len = (uint16_t)len;
	memset(b->psk, 7, sizeof(b->psk));
	hs_job_seed(b, &e->rng);
	hs_job_run(b);
	return b->verdict;
}

static enum hs_verdict write_2(struct ends *e, unsigned int kind, uint16_t error)
{
	struct hs_job *b = &e->b;

	b->work = HS_WRITE_2;
	b->own_index = kinds[kind].index_b;
	b->error = error;
	b->attempt = 99;
	memset(b->reset_token, 0xb, RESET_TOKEN_BYTES);
	b->payload_len = 0;
	hs_job_run(b);
	return b->verdict;
}

static enum hs_verdict read_2(struct ends *e, const uint8_t *pkt, size_t len)
{
	e->a.work = HS_READ_2;
	memcpy(e->a.hs2, pkt, len);
	e->a.hs2_len = (uint16_t)len;
	hs_job_run(&e->a);
	return e->a.verdict;
}

static void check_keys(const struct ends *e, unsigned int kind)
{
	const struct epoch_keys *a = &e->a.keys, *b = &e->b.keys;

	assert_memory_equal(&a->send, &b->recv, sizeof(a->send));
	assert_memory_equal(&a->recv, &b->send, sizeof(a->recv));
	assert_memory_not_equal(a->send.key, a->recv.key, 16);
	assert_int_equal(a->epoch, 3);
	assert_int_equal(b->epoch, 3);
	assert_true(a->is_side_a && !b->is_side_a);
	assert_true(a->own_index == kinds[kind].index_a && a->peer_index == kinds[kind].index_b);
	assert_true(b->own_index == kinds[kind].index_b && b->peer_index == kinds[kind].index_a);
	assert_int_equal(a->send.suite, kinds[kind].suite);
}

static void test_all_kinds(void **state)
{
	/* a field of type 0x1234 with value "hi" */
	static const char tlv[] = "\x12\x34\0\2hi";

	for (unsigned int k = 0; k < N_KINDS; k++) {
		struct ends e;

		setup(&e, k, tlv, 6);
		assert_int_equal(e.a.verdict, HS_OK);
		if (kinds[k].kind == HS_PATH)
			assert_true(e.a.hs1_len < 200);
		else
			assert_int_equal(e.a.hs1_len, 512);
		assert_int_equal(read_1(&e, e.a.hs1, e.a.hs1_len), HS_OK);
		assert_int_equal(e.b.attempt, 55);
		assert_int_equal(e.b.peer_reset_token[0], 0xa);
		assert_int_equal(e.b.peer_index, kinds[k].index_a);
		assert_non_null(memmem(e.b.payload, e.b.payload_len, tlv, 6));
		if (kinds[k].kind != HS_LEG)
			assert_memory_equal(e.b.peer_key, e.ka.pub, 32);
		assert_int_equal(write_2(&e, k, 0), HS_OK);
		assert_true(e.b.hs2_len <= e.b.hs1_len);
		assert_int_equal(read_2(&e, e.b.hs2, e.b.hs2_len), HS_OK);
		assert_int_equal(e.a.peer_reset_token[0], 0xb);
		assert_int_equal(e.a.error, 0);
		check_keys(&e, k);
	}
}

/* The payload is fields that the message codec takes. */
static void test_payload_is_msg(void **state)
{
	static struct msg m;
	struct ends e;

	setup(&e, 0, "", 0);
	assert_int_equal(read_1(&e, e.a.hs1, e.a.hs1_len), HS_OK);
	assert_int_equal(msg_decode_payload(&m, e.b.payload, e.b.payload_len), 0);
	assert_true((m.has & HAS(ATTEMPT)) != 0 && m.attempt == 55);
	assert_int_equal(write_2(&e, 0, MSG_ERR_STALE), HS_OK);
	assert_int_equal(read_2(&e, e.b.hs2, e.b.hs2_len), HS_OK);
	assert_int_equal(msg_decode_payload(&m, e.a.payload, e.a.payload_len), 0);
	assert_int_equal(m.error, MSG_ERR_STALE);
	assert_int_equal(m.attempt, 99);
}

static void test_errors(void **state)
{
	for (unsigned int k = 0; k < N_KINDS; k++) {
		struct ends e;

		setup(&e, k, "", 0);
		assert_int_equal(read_1(&e, e.a.hs1, e.a.hs1_len), HS_OK);
		assert_int_equal(write_2(&e, k, HS_ERROR_STALE), HS_OK);
		assert_int_equal(read_2(&e, e.b.hs2, e.b.hs2_len), HS_OK);
		assert_int_equal(e.a.error, HS_ERROR_STALE);
		assert_int_equal(e.a.attempt, 99);
		e.b.hs2[WIRE_HDR_LEN + 3] ^= 1;
		assert_int_equal(read_2(&e, e.b.hs2, e.b.hs2_len), HS_BAD_INDEX);
		assert_int_equal(e.a.keys.send.suite, 0);
		assert_int_equal(e.b.keys.send.suite, 0);
	}
}

/* Every bit of both packets but MAC1 and MAC2 (those are cookie.c's): refused, and the asker goes
 * on waiting for the true answer.
 */
static void test_mutations(void **state)
{
	for (unsigned int k = 0; k < N_KINDS; k++) {
		size_t macs = kinds[k].id == WIRE_ID_NONE ? 32 : 0;
		uint8_t bad[WIRE_HS1_MAX], good[WIRE_HS2_MAX];
		struct ends e;
		size_t len;

		setup(&e, k, "", 0);
		len = e.a.hs1_len;
		for (size_t bit = 0; bit < (len - macs) * 8; bit += 1 + (bit > 1600) * 6) {
			memcpy(bad, e.a.hs1, len);
			bad[bit / 8] ^= (uint8_t)(1 << bit % 8);
			if (read_1(&e, bad, len) == HS_OK)
				fail_msg("kind %u bit %zu of handshake 1", k, bit);
		}
		for (size_t n = 0; n < len; n += 7)
			assert_true(read_1(&e, e.a.hs1, n) != HS_OK);
		assert_int_equal(read_1(&e, e.a.hs1, len), HS_OK);
		assert_int_equal(write_2(&e, k, 0), HS_OK);
		len = e.b.hs2_len;
		memcpy(good, e.b.hs2, len);
		/* The header is compared by assoc.c, field by field. */
		for (size_t bit = 16 * 8; bit < len * 8; bit++) {
			memcpy(bad, good, len);
			bad[bit / 8] ^= (uint8_t)(1 << bit % 8);
			if (read_2(&e, bad, len) == HS_OK)
				fail_msg("kind %u bit %zu of handshake 2", k, bit);
		}
		for (size_t n = WIRE_HS2_NOISE; n < len; n++)
			assert_true(read_2(&e, good, n) != HS_OK);
		assert_int_equal(read_2(&e, good, len), HS_OK);
		check_keys(&e, k);
	}
}

static void test_told_differently(void **state)
{
	struct hs_path other = path;
	struct ends e;

	/* Two ends of a path that were told other names do not meet. */
	other.vip6_b.b[15] = 1;
	setup(&e, 3, "", 0);
	assert_int_equal(read_1(&e, e.a.hs1, e.a.hs1_len), HS_OK);
	e.b.work = HS_READ_1;
	e.b.prologue_len = (uint16_t)hs_prologue(&e.b.clear, &other, e.b.prologue);
	hs_job_run(&e.b);
	assert_int_equal(e.b.verdict, HS_AUTH);

	/* The wrong PSK: a leg's first message is refused, IK's second. */
	for (unsigned int k = 0; k < N_KINDS; k++) {
		setup(&e, k, "", 0);
		assert_int_equal(read_1(&e, e.a.hs1, e.a.hs1_len), HS_OK);
		if (kinds[k].kind == HS_LEG) {
			e.b.work = HS_READ_1;
			e.b.psk[5] ^= 1;
			hs_job_run(&e.b);
			assert_int_equal(e.b.verdict, HS_AUTH);
			continue;
		}
		e.b.psk[5] ^= 1;
		assert_int_equal(write_2(&e, k, 0), HS_OK);
		assert_int_equal(read_2(&e, e.b.hs2, e.b.hs2_len), HS_AUTH);
	}
}

static void test_sizes(void **state)
{
	static char tlvs[HS_PAYLOAD_MAX];
	struct ends e;

	/* One opaque field that fills what the headers promise. */
	tlvs[0] = 0x12;
	tlvs[2] = (HS_PAYLOAD_DC_512 - 4) >> 8;
	tlvs[3] = (char)(HS_PAYLOAD_DC_512 - 4);
	setup(&e, 0, tlvs, HS_PAYLOAD_DC_512);
	assert_int_equal(e.a.verdict, HS_OK);
	assert_int_equal(e.a.hs1_len, 512);
	tlvs[2] = (HS_PAYLOAD_PATH_MAX - 4) >> 8;
	tlvs[3] = (char)(HS_PAYLOAD_PATH_MAX - 4);
	setup(&e, 3, tlvs, HS_PAYLOAD_PATH_MAX);
	assert_int_equal(e.a.verdict, HS_OK);
	assert_true(e.a.hs1_len <= 512);
	setup(&e, 3, tlvs, HS_PAYLOAD_PATH_MAX + 20);
	assert_int_equal(e.a.verdict, HS_LONG);
	setup(&e, 0, tlvs, HS_PAYLOAD_MAX);
	assert_int_equal(e.a.verdict, HS_LONG);
	/* No answer is longer than its question. */
	setup(&e, 3, "", 0);
	assert_int_equal(read_1(&e, e.a.hs1, e.a.hs1_len), HS_OK);
	e.b.work = HS_WRITE_2;
	e.b.own_index = 1234;
	e.b.payload_len = 200;
	hs_job_run(&e.b);
	assert_int_equal(e.b.verdict, HS_LONG);
}

static void test_clear_rules(void **state)
{
	uint8_t pkt[WIRE_HS1_MAX + 1] = {0};
	struct hs_clear c;

	wire_build(pkt, WIRE_HANDSHAKE_1, 0x80, 0, WIRE_ID_NONE);
	store_be64(pkt + 16, WIRE_ID_INDEX);
	pkt[24] = HS_NODE_DC;
	pkt[25] = SUITE_DEFAULT;
	assert_int_equal(hs_clear_parse(pkt, 512, &c), HS_OK);
	assert_int_equal(hs_clear_parse(pkt, 511, &c), HS_UNPADDED);
	assert_int_equal(hs_clear_parse(pkt, 100, &c), HS_SHORT);
	assert_int_equal(hs_clear_parse(pkt, sizeof(pkt), &c), HS_LONG);
	pkt[25] = 0;
	assert_int_equal(hs_clear_parse(pkt, 512, &c), HS_BAD_SUITE);
	pkt[25] = 1;
	for (uint8_t k = 0; k < 255; k++) {
		pkt[24] = k;
		assert_int_equal(hs_clear_parse(pkt, 512, &c),
				 k >= HS_NODE_DC && k <= HS_RS_DC ? HS_OK : HS_BAD_KIND);
	}
	pkt[24] = HS_LEG;
	wire_build(pkt, WIRE_HANDSHAKE_1, 0x80, 0, WIRE_ID_NONE - 1);
	assert_int_equal(hs_clear_parse(pkt, 512, &c), HS_OK);
	store_be64(pkt + 16, WIRE_ID_NONE);
	assert_int_equal(hs_clear_parse(pkt, 512, &c), HS_BAD_INDEX);
	store_be64(pkt + 16, 5);
	assert_int_equal(hs_clear_parse(pkt, 512, &c), HS_BAD_INDEX);
	pkt[24] = HS_PATH;
	wire_build(pkt, WIRE_HANDSHAKE_1, 0x80, 0, 5);
	assert_int_equal(hs_clear_parse(pkt, 512, &c), HS_OK);
	assert_int_equal(hs_clear_parse(pkt, 513, &c), HS_LONG);
	wire_build(pkt, WIRE_HANDSHAKE_1, 0x80, 0, 0);
	assert_int_equal(hs_clear_parse(pkt, 512, &c), HS_BAD_KIND);
	wire_build(pkt, WIRE_HANDSHAKE_1, 0, 0, 5);
	assert_int_equal(hs_clear_parse(pkt, 512, &c), HS_BAD_HEADER);
	wire_build(pkt, WIRE_HANDSHAKE_1, 0x88, 0, 5);
	assert_int_equal(hs_clear_parse(pkt, 512, &c), HS_BAD_HEADER);
	wire_build(pkt, WIRE_HANDSHAKE_1, 0x80, 1, 5);
	assert_int_equal(hs_clear_parse(pkt, 512, &c), HS_BAD_HEADER);
}

/* The state is the ephemeral key that a vector prescribes. */
static void fill_state(struct rng *r, void *buf, size_t len)
{
	assert_int_equal(len, sizeof(r->state));
	memcpy(buf, r->state, len);
}

static void vector_job(const struct handshake_row *r, struct hs_job *j, bool is_a)
{
	struct hs_path p = {.fqdn_a = "alice.dc1.example", .fqdn_b = "bob.dc1.example"};

	assert_int_equal(ip_parse("240.0.0.1", &p.vip4_a), 0);
	assert_int_equal(ip_parse("fd00::1", &p.vip6_a), 0);
	assert_int_equal(ip_parse("240.0.0.2", &p.vip4_b), 0);
	assert_int_equal(ip_parse("fd00::2", &p.vip6_b), 0);
	memset(j, 0, sizeof(*j));
	j->clear.id = r->id;
	j->clear.peer_index = r->index_a;
	j->clear.kind = (uint8_t)r->kind;
	j->clear.suite = (uint8_t)r->suite;
	j->clear.epoch = (uint8_t)r->epoch;
	j->clear.flags = wire_flags(true, j->clear.epoch, 0);
	j->prologue_len = (uint16_t)hs_prologue(&j->clear, &p, j->prologue);
	memset(j->self.priv, is_a ? 0x11 : 0x22, 32);
	assert_int_equal(noise_keypair_public(&j->self), 0);
	memset(j->psk, 0x55, sizeof(j->psk));
	memset(j->reset_token, is_a ? 0x66 : 0x77, sizeof(j->reset_token));
	memset(j->rng.state, is_a ? 0x33 : 0x44, sizeof(j->rng.state));
	j->rng.fill = fill_state;
	j->own_index = is_a ? r->index_a : r->index_b;
	j->attempt = 0x0102030405060708;
}

static void check_hex(const char *hex, const uint8_t *got, size_t len)
{
	uint8_t want[WIRE_HS1_MAX];

	assert_int_equal(hex_bytes(hex, want, sizeof(want)), len);
	assert_memory_equal(got, want, len);
}

static void check_vector(const struct handshake_row *r)
{
	static struct hs_job a, b;
	size_t len = suite_key_len((uint8_t)r->suite);

	vector_job(r, &a, true);
	vector_job(r, &b, false);
	memcpy(a.peer_key, b.self.pub, 32);
	a.work = HS_WRITE_1;
	a.payload_len = (uint16_t)hex_bytes(r->tlvs_1, a.payload, sizeof(a.payload));
	hs_job_run(&a);
	assert_int_equal(a.verdict, HS_OK);
	if (r->id == WIRE_ID_NONE)
		cookie_write_macs(b.self.pub, NULL, a.hs1, a.hs1_len);
	check_hex(r->handshake_1, a.hs1, a.hs1_len);

	assert_int_equal(hs_clear_parse(a.hs1, a.hs1_len, &b.clear), HS_OK);
	b.work = HS_READ_1;
	b.hs1_len = (uint16_t)hex_bytes(r->handshake_1, b.hs1, sizeof(b.hs1));
	hs_job_run(&b);
	assert_int_equal(b.verdict, HS_OK);
	b.work = HS_WRITE_2;
	b.payload_len = (uint16_t)hex_bytes(r->tlvs_2, b.payload, sizeof(b.payload));
	hs_job_run(&b);
	assert_int_equal(b.verdict, HS_OK);
	check_hex(r->handshake_2, b.hs2, b.hs2_len);

	a.work = HS_READ_2;
	a.hs2_len = (uint16_t)hex_bytes(r->handshake_2, a.hs2, sizeof(a.hs2));
	hs_job_run(&a);
	assert_int_equal(a.verdict, HS_OK);
	check_hex(r->key_a, a.keys.send.key, len);
	check_hex(r->iv_a, a.keys.send.iv, 12);
	check_hex(r->key_b, a.keys.recv.key, len);
	check_hex(r->iv_b, a.keys.recv.iv, 12);
	check_hex(r->key_a, b.keys.recv.key, len);
	check_hex(r->key_b, b.keys.send.key, len);
}

static void test_vectors(void **state)
{
	for (size_t i = 0; i < sizeof(handshake_rows) / sizeof(handshake_rows[0]); i++)
		check_vector(&handshake_rows[i]);
}

static void test_attempts(void **state)
{
	struct hs_attempts a = {.offset_ns = 1000};

	assert_int_equal(hs_attempt_next(&a, 5), 1005);
	assert_int_equal(hs_attempt_next(&a, 5), 1006);
	assert_int_equal(hs_attempt_next(&a, 2), 1007);
	assert_int_equal(hs_attempt_next(&a, 9), 1009);
	hs_attempt_raise(&a, 500);
	assert_int_equal(hs_attempt_next(&a, 9), 1010);
	hs_attempt_raise(&a, 5000);
	assert_int_equal(hs_attempt_next(&a, 9), 5001);
	hs_attempt_raise(&a, UINT64_MAX);
	assert_int_equal(hs_attempt_next(&a, 9), 5002);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),	       cmocka_unit_test(test_all_kinds),
		cmocka_unit_test(test_payload_is_msg), cmocka_unit_test(test_errors),
		cmocka_unit_test(test_mutations),      cmocka_unit_test(test_told_differently),
		cmocka_unit_test(test_sizes),	       cmocka_unit_test(test_clear_rules),
		cmocka_unit_test(test_attempts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
