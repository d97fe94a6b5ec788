/* SPDX-License-Identifier: BSD-3-Clause */
#include "common/bytes.h"
#include "common/msg.h"
#include "common/msg_fields.h"
#include "common/rng.h"
#include "common/tlv.h"
#include "tests/unit/hex.h"
#include "tests/vectors/messages.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct ip_addr addr(const char *text)
{
	struct ip_addr a;

	assert_int_equal(ip_parse(text, &a), 0);
	return a;
}

static void fill_route_direction(struct msg *m)
{
	struct msg_grant *g = &m->grants[0];

	msg_init(m, MSG_ROUTE_DIRECTION, false, 0x01020304);
	m->has = HAS(RELAY_TYPE) | HAS(PEER_NAME) | HAS(PATH_ID) | HAS(SIDE) | HAS(PATH_KEY) |
		 HAS(PEER_VIPS) | HAS(GRANT) | HAS(CANDIDATE) | HAS(SUITES) | HAS(REASON);
	snprintf(m->peer_name, sizeof(m->peer_name), "bob.dc1.ntm.example");
	m->path_id = 0x0123456789abcdefULL;
	m->side = 1;
	memset(m->path_key, 0x5a, KEY_LEN);
	m->peer_vips.v4 = addr("240.1.0.2");
	m->peer_vips.v6 = addr("fd00:1::2");
	m->suites_n = 2;
	m->suites[0] = 1;
	m->suites[1] = 3;
	m->candidates_n = 2;
	m->candidates[0] = (struct candidate){CANDIDATE_LOCAL, 1, {addr("192.168.1.2"), 5525}};
	m->candidates[1] = (struct candidate){CANDIDATE_DC, 1, {addr("2a00::1"), 40000}};
	m->reason = 7;
	snprintf(m->reason_text, sizeof(m->reason_text), "both behind NATs");
	m->grants_n = 1;
	g->has = HAS(RS_ID) | HAS(KEY_ID) | HAS(TEMP_KEY) | HAS(ENDPOINT) | HAS(LIFETIME);
	g->rs_id = 5;
	g->key_id = 0x8000000000000001ULL;
	g->lifetime_sec = 86400;
	g->endpoints_n = 2;
	g->endpoints[0] = (struct endpoint){addr("20.0.0.1"), 5526};
	g->endpoints[1] = (struct endpoint){addr("2a00::9"), 5526};
}

static void test_round_trip(void **state)
{
	static struct msg in, out;
	uint8_t buf[MSG_MAX], again[MSG_MAX];
	int n;

	fill_route_direction(&in);
	n = msg_encode(&in, buf, sizeof(buf));
	assert_true(n > 0);
	assert_int_equal(msg_decode(&out, buf, (size_t)n), 0);
	assert_true(out.has == in.has);
	assert_string_equal(out.peer_name, in.peer_name);
	assert_string_equal(out.reason_text, in.reason_text);
	assert_int_equal(out.grants_n, 1);
	assert_true(out.grants[0].has == in.grants[0].has);
	assert_true(endpoint_equal(&out.grants[0].endpoints[1], &in.grants[0].endpoints[1]));
	assert_true(endpoint_equal(&out.candidates[1].ep, &in.candidates[1].ep));
	assert_int_equal(msg_encode(&out, again, sizeof(again)), n);
	assert_memory_equal(buf, again, (size_t)n);
}

static void test_shapes(void **state)
{
	static struct msg m;
	uint8_t buf[MSG_MAX];
	int n;

	msg_init(&m, MSG_LEG_UPDATE, false, 1);
	assert_int_equal(msg_encode(&m, buf, sizeof(buf)), -EINVAL); /* LOCATION is missing */
	m.has = HAS(LOCATION) | HAS(PATH_KEY);
	assert_int_equal(msg_encode(&m, buf, sizeof(buf)), -EINVAL); /* PATH_KEY is not its own */
	msg_refuse(&m, MSG_DIRECTION, 9, MSG_ERR_NO_PATH);
	n = msg_encode(&m, buf, sizeof(buf));
	assert_true(n > 0);
	assert_int_equal(msg_decode(&m, buf, (size_t)n), 0);
	assert_int_equal(m.error, MSG_ERR_NO_PATH);
	buf[0] = MSG_TYPE_MAX + 1;
	assert_int_equal(msg_decode(&m, buf, (size_t)n), -ENOMSG);
}

static void test_unknown_fields(void **state)
{
	static struct msg m;
	uint8_t buf[64] = {MSG_STATUS, 1, 1, 1};
	struct tlv_writer w;

	tlv_write_init(&w, buf + MSG_HDR_LEN, sizeof(buf) - MSG_HDR_LEN);
	tlv_put_u32(&w, 0x1234, 7);
	assert_int_equal(msg_decode(&m, buf, MSG_HDR_LEN + w.len), 0);
	tlv_put_u32(&w, 0x1234 | TLV_MUST_UNDERSTAND, 7);
	assert_int_equal(msg_decode(&m, buf, MSG_HDR_LEN + w.len), -EOPNOTSUPP);
}

/* Any bytes decode to an error or to a message that encodes again. */
static void test_mutations(void **state)
{
	static struct msg in, out;
	uint8_t good[MSG_MAX], buf[MSG_MAX], again[MSG_MAX];
	const char *env = getenv("NTM_SEED");
	uint64_t seed = env != NULL ? strtoull(env, NULL, 0) : 20261122;
	struct rng r;
	int n, ok = 0;

	print_message("seed %llu\n", (unsigned long long)seed);
	rng_init_seeded(&r, seed);
	fill_route_direction(&in);
	n = msg_encode(&in, good, sizeof(good));
	for (int len = 0; len < MSG_HDR_LEN; len++)
		assert_int_equal(msg_decode(&out, good, (size_t)len), -EBADMSG);
	for (int i = 0; i < 200000; i++) {
		size_t len = (size_t)n;

		memcpy(buf, good, len);
		for (uint64_t k = 1 + rng_below(&r, 4); k > 0; k--)
			buf[rng_below(&r, len)] ^= (uint8_t)(1u << rng_below(&r, 8));
		if (rng_below(&r, 4) == 0)
			len = rng_below(&r, len + 1);
		if (msg_decode(&out, buf, len) == 0 && (out.has & HAS(PAD)) == 0) {
			int back;

			out.has &= ~(HAS(TICKET) | HAS(BACKUP) | HAS(STANDBY));
			for (int g = 0; g < out.grants_n; g++)
				out.grants[g].has &= ~HAS(PAD);
			back = msg_encode(&out, again, sizeof(again));
			assert_true(back > 0 || back == -EMSGSIZE);
			ok++;
		}
	}
	assert_true(ok > 1000);
}

/* Each type and direction as somebody else writes it: understood, and written alike to the byte. */
static void test_vectors(void **state)
{
	bool seen[MSG_TYPE_MAX + 1][2] = {{false}};
	static struct msg m;
	uint8_t body[MSG_MAX], again[MSG_MAX];

	for (size_t i = 0; i < sizeof(message_rows) / sizeof(message_rows[0]); i++) {
		const struct message_row *r = &message_rows[i];
		int n = (int)hex_bytes(r->body, body, sizeof(body));
		int ret = msg_decode(&m, body, (size_t)n);

		if (ret != 0)
			print_message("%s, row %zu: %d\n", r->name, i, ret);
		assert_int_equal(ret, 0);
		assert_string_equal(msg_type_name(m.type), r->name);
		assert_int_equal(m.is_response, r->is_response);
		assert_int_equal(msg_encode(&m, again, sizeof(again)), n);
		assert_memory_equal(again, body, (size_t)n);
		seen[m.type][m.is_response] = true;
	}
	for (int t = 1; t <= MSG_TYPE_MAX; t++)
		assert_true(seen[t][0] && seen[t][1]);
}

/* The tables of the page say what the code does. */
static void test_page(void **state)
{
	FILE *f = fopen(PROTOCOL_PAGE, "r");
	bool fields[FIELD_COUNT] = {false};
	char line[2048], name[32], bit[4];
	unsigned int number, errors = 0;
	const char *at;

	assert_non_null(f);
	while (fgets(line, sizeof(line), f) != NULL) {
		if (sscanf(line, "| %u | %31[A-Z_46] | %3[M|]", &number, name, bit) == 3) {
			assert_true(number < FIELD_COUNT && !fields[number]);
			fields[number] = true;
			assert_string_equal(msg_field_name((uint8_t)number), name);
			if (number != FIELD_KEY_ID_B && number != FIELD_REMOVE &&
			    number != FIELD_HANDSHAKE)
				assert_int_equal(bit[0] == 'M', msg_fields[number].must_understand);
		}
		for (at = strncmp(line, "Errors: ", 8) == 0 ? line + 8 : NULL; at != NULL;
		     at = strstr(at, ", ") != NULL ? strstr(at, ", ") + 2 : NULL) {
			assert_int_equal(sscanf(at, "%u %31[A-Z_]", &number, name), 2);
			assert_string_equal(msg_error_name((uint16_t)number), name);
			errors++;
		}
	}
	fclose(f);
	for (int i = 0; i < FIELD_COUNT; i++)
		assert_true(fields[i]);
	assert_string_equal(msg_error_name((uint16_t)(errors + 1)), "UNKNOWN");
}

static void test_names(void **state)
{
	assert_true(name_is_valid("bob.dc1.ntm.example", 19));
	assert_false(name_is_valid("bob..example", 12));
	assert_false(name_is_valid("bob.example.", 12));
	assert_false(name_is_valid("Bob", 3));
	assert_false(name_is_valid("", 0));
	assert_true(name_is_under("bob.dc1.example", "dc1.example"));
	assert_true(name_is_under("dc1.example", "dc1.example"));
	assert_false(name_is_under("xdc1.example", "dc1.example"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),     cmocka_unit_test(test_shapes),
		cmocka_unit_test(test_unknown_fields), cmocka_unit_test(test_mutations),
		cmocka_unit_test(test_names),	       cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_page),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
