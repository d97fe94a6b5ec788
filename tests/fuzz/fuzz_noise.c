/* SPDX-License-Identifier: BSD-3-Clause */
/* A handshake message from someone who does not hold the keys: refused, whatever it is. The first
 * byte chooses pattern and message.
 */
#include "common/noise.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

enum { MESSAGE_MAX = 2048 };

static const uint8_t psk[NOISE_PSK_LEN] = {7};

/* The responder reads message 1. */
static int read_first(enum noise_pattern pattern, const uint8_t *p, size_t n)
{
	static struct noise_keypair own = {.priv = {1, 2, 3}};
	uint8_t out[MESSAGE_MAX];
	struct noise state;
	int ret;

	noise_keypair_public(&own);
	noise_init(&state, pattern, false, "prologue", 8, pattern == NOISE_IKPSK2 ? &own : NULL,
		   NULL);
	if (pattern == NOISE_NNPSK0)
		noise_set_psk(&state, psk);
	ret = noise_read_1(&state, p, n, out, sizeof(out));
	noise_wipe(&state);
	return ret;
}

/* The initiator reads message 2 after a message 1 of its own. */
static int read_second(enum noise_pattern pattern, const uint8_t *p, size_t n)
{
	static struct noise_keypair own = {.priv = {4, 5, 6}}, peer = {.priv = {7, 8, 9}};
	uint8_t out[MESSAGE_MAX];
	struct noise state;
	struct rng rng;
	int ret;

	noise_keypair_public(&own);
	noise_keypair_public(&peer);
	rng_init_seeded(&rng, 1);
	noise_init(&state, pattern, true, "prologue", 8, pattern == NOISE_IKPSK2 ? &own : NULL,
		   pattern == NOISE_IKPSK2 ? peer.pub : NULL);
	noise_set_psk(&state, psk);
	FUZZ_CHECK(noise_write_1(&state, &rng, NULL, 0, out, sizeof(out)) > 0);
	ret = noise_read_2(&state, p, n, out, sizeof(out));
	noise_wipe(&state);
	return ret;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum noise_pattern pattern;
	int ret;

	if (size == 0 || size > MESSAGE_MAX)
		return 0;
	pattern = data[0] & 1 ? NOISE_NNPSK0 : NOISE_IKPSK2;
	ret = data[0] & 2 ? read_second(pattern, data + 1, size - 1)
			  : read_first(pattern, data + 1, size - 1);
	/* IKpsk2's first message needs only the responder's public key, and a fuzzer cannot know it
	 * well enough to seal under it; the others need the PSK.
	 */
	FUZZ_CHECK(ret < 0);
	return 0;
}
