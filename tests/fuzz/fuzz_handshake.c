/* SPDX-License-Identifier: BSD-3-Clause */
/* A handshake packet, cookie or reset to an end of an association, all checks up to the keys
 * included. Byte 0: bits 0-2 the kind, bit 3 to side A while its handshake 1 waits, bit 4 MAC1 is
 * made right, bit 5 the ID is made that of the waiting handshake. Every packet has one verdict, and
 * none is enough for side B, which wants a sealed packet, too (side A is content with the true
 * handshake 2, which is among the seeds).
 */
#include "tests/fuzz/fuzz.h"
#include "tests/unit/assoc_ends.h"

#include <string.h>

enum { KIND = 7, TO_A = 1 << 3, MAC1 = 1 << 4, ID = 1 << 5 };

static uint64_t verdicts_sum(const struct end *e)
{
	uint64_t sum = 0;

	for (int i = 0; i < HS_VERDICT_COUNT; i++)
		sum += e->verdicts[i];
	return sum;
}

static void prepare(struct ends *n, uint8_t how, uint8_t *pkt, size_t len)
{
	uint64_t id = assoc_pending_index(&n->a.assoc);

	if (len < WIRE_HDR_LEN)
		return;
	if (how & ID)
		store_be64(pkt + 8, id);
	if (how & MAC1 && len > WIRE_HDR_LEN + 2 * WIRE_MAC_LEN)
		cookie_write_macs(n->b.key.pub, NULL, pkt, len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct ends n;
	uint8_t pkt[WIRE_HS1_MAX + 64];
	struct wire_fields f;
	struct end *to;
	uint64_t before;

	if (size == 0 || size - 1 > sizeof(pkt) || (data[0] & KIND) < HS_NODE_DC ||
	    (data[0] & KIND) >= HS_KIND_COUNT)
		return 0;
	memcpy(pkt, data + 1, size - 1);
	ends_setup(&n, data[0] & KIND, SUITE_DEFAULT, 1);
	to = data[0] & TO_A ? &n.a : &n.b;
	if (data[0] & TO_A)
		assoc_start(&n.a.assoc, n.now);
	prepare(&n, data[0], pkt, size - 1);
	before = verdicts_sum(to);
	if (wire_parse(pkt, size - 1, &f) == WIRE_OK && !wire_type_is_sealed(f.type)) {
		ends_inject(&n, to, pkt, size - 1);
		FUZZ_CHECK(verdicts_sum(to) == before + 1);
	}
	FUZZ_CHECK(n.b.ups == 0);
	FUZZ_CHECK(responder_in_work(n.b.responder) == 0);
	ends_teardown(&n);
	return 0;
}
