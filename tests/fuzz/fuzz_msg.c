/* SPDX-License-Identifier: BSD-3-Clause */
/* A control message after its tag: what decodes and encodes again decodes to the same bytes. The
 * first byte says whether the rest is a whole body or a handshake's payload.
 */
#include "common/msg.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

typedef int (*decode_fn)(struct msg *m, const uint8_t *buf, size_t len);
typedef int (*encode_fn)(const struct msg *m, uint8_t *buf, size_t cap);

static void check_round(decode_fn decode, encode_fn encode, const uint8_t *p, size_t n)
{
	static struct msg m, again;
	uint8_t one[MSG_MAX], two[MSG_MAX];
	int a, b;

	if (decode(&m, p, n) != 0)
		return;
	a = encode(&m, one, sizeof(one));
	if (a < 0)
		return; /* reserved fields are skipped, but not sent */
	FUZZ_CHECK(decode(&again, one, (size_t)a) == 0);
	b = encode(&again, two, sizeof(two));
	FUZZ_CHECK(a == b && memcmp(one, two, (size_t)a) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	if (data[0] & 1)
		check_round(msg_decode_payload, msg_encode_payload, data + 1, size - 1);
	else
		check_round(msg_decode, msg_encode, data + 1, size - 1);
	return 0;
}
