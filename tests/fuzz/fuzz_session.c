/* SPDX-License-Identifier: BSD-3-Clause */
/* Packets to an association. Byte 0 chooses the suite and what happens, byte 1 type and route, then
 *	raw	the rest is the packet: never opens, and only one verdict's counter moves;
 *	intact	the rest is sealed and opened: comes back as it was, and the inner checks read it;
 *	broken	the same with one bit turned over: never opens;
 *	twice	the same packet again: a replay.
 */
#include "common/inner.h"
#include "common/session.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

enum { PATH_ID = 77, BODY_MAX = 1500, PACKET_MAX = BODY_MAX + 64, HEAD = 4 };

static const uint8_t suites[] = {SUITE_AES128_GCM, SUITE_AES256_GCM, SUITE_CHACHA20_POLY1305};

static struct session *end_create(bool is_side_a, uint8_t suite, struct session_pool *pool)
{
	static const uint8_t split[2][KEYS_SPLIT_LEN] = {{1}, {2}};
	struct epoch_keys k = {.own_index = PATH_ID, .peer_index = PATH_ID, .is_side_a = is_side_a};
	struct session *s = session_create(PATH_ID, is_side_a, &session_limits_default, pool);

	FUZZ_CHECK(s != NULL);
	k.may_send = true;
	FUZZ_CHECK(keys_derive(&k.send, suite, split[!is_side_a]) == 0);
	FUZZ_CHECK(keys_derive(&k.recv, suite, split[is_side_a]) == 0);
	FUZZ_CHECK(session_install(s, 1, &k) == 0);
	return s;
}

static uint64_t verdicts_sum(const struct session *s)
{
	uint64_t sum = 0;

	for (int i = 0; i < SESSION_VERDICT_COUNT; i++)
		sum += session_stats(s)->verdicts[i];
	return sum;
}

static enum session_verdict open_one(struct session *s, const uint8_t *pkt, size_t len,
				     uint8_t *body, size_t *n)
{
	uint64_t before = verdicts_sum(s);
	struct session_meta meta;
	enum session_verdict v = session_open(s, 2, pkt, len, body, n, &meta);

	FUZZ_CHECK(verdicts_sum(s) == before + 1);
	return v;
}

static void through(struct session *a, struct session *b, const uint8_t *data, size_t size)
{
	uint8_t pkt[PACKET_MAX], body[PACKET_MAX];
	uint8_t type = data[1] & 7, route = data[1] >> 4 & 3;
	size_t len = 0, n = 0, inner;
	uint16_t bit = (uint16_t)(data[2] << 8 | data[3]);
	enum session_verdict v;

	v = session_seal(a, 2, type, route, data + HEAD, size - HEAD, pkt, sizeof(pkt), &len);
	FUZZ_CHECK((v == SESSION_OK) == wire_type_is_sealed(type));
	if (v != SESSION_OK)
		return;
	if ((data[0] & 3) == 2) {
		pkt[bit / 8 % len] ^= (uint8_t)(1u << bit % 8);
		FUZZ_CHECK(open_one(b, pkt, len, body, &n) != SESSION_OK);
		return;
	}
	FUZZ_CHECK(open_one(b, pkt, len, body, &n) == SESSION_OK);
	FUZZ_CHECK(n == size - HEAD && memcmp(body, data + HEAD, n) == 0);
	if (inner_check(body, n, false, &inner) == INNER_OK)
		FUZZ_CHECK(inner == n);
	if ((data[0] & 3) == 3)
		FUZZ_CHECK(open_one(b, pkt, len, body, &n) == SESSION_REPLAY);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct session_pool *pool;
	struct session *a, *b;
	uint8_t body[PACKET_MAX];
	size_t n, inner;

	if (size < HEAD || size > BODY_MAX)
		return 0;
	pool = session_pool_create(8);
	a = end_create(true, suites[(data[0] >> 4) % sizeof(suites)], pool);
	b = end_create(false, suites[(data[0] >> 4) % sizeof(suites)], pool);
	if ((data[0] & 3) == 0) {
		FUZZ_CHECK(open_one(b, data + HEAD, size - HEAD, body, &n) != SESSION_OK);
		inner_check(data + HEAD, size - HEAD, data[1] & 1, &inner);
	} else {
		through(a, b, data, size);
	}
	session_destroy(a);
	session_destroy(b);
	session_pool_destroy(pool);
	return 0;
}
