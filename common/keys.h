/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef COMMON_KEYS_H
#define COMMON_KEYS_H

/* From a key of Noise's Split() to the keys of one direction of one epoch: HKDF-Expand-SHA256(key,
 * "ntm1 " | suite byte | label), RFC 5869. Plain bytes, so that whoever seals (a session in this
 * process, a worker of the data path, the kernel) can be given them. Never stored on disk, never
 * copied to another host; wipe after use. Pure; any thread.
 */
#include "common/suite.h"

#include <stdbool.h>
#include <stdint.h>

enum { KEYS_SPLIT_LEN = 32 };

struct keys {
	uint8_t suite;
	/* AEAD: labels "key" and "iv", for every packet. CBC suites: labels "gcm" and "gcmiv", for
	 * all packets that are not data. suite_key_len() bytes count.
	 */
	uint8_t key[SUITE_KEY_MAX];
	uint8_t iv[SUITE_IV_LEN];
	/* CBC suites only: labels "enc", "mac", "ivkey". suite_mac_key_len() bytes of mac count. */
	uint8_t enc[16];
	uint8_t mac[32];
	uint8_t ivkey[16];
	uint8_t standby[32]; /* label "standby": reserved for a standby RS */
};

/* 0, or -EINVAL for an unknown suite. */
int keys_derive(struct keys *k, uint8_t suite, const uint8_t split[KEYS_SPLIT_LEN]);
void keys_wipe(struct keys *k);

/* What a finished handshake hands to whoever seals and opens. */
struct epoch_keys {
	uint64_t own_index;  /* ID of packets to us; of a path, the Path ID */
	uint64_t peer_index; /* ID to put on packets to the peer; of a path, the Path ID */
	uint8_t epoch;	     /* 0 to 3 */
	bool is_side_a;	     /* we opened: our packets carry the direction bit */
	bool is_fresh;	     /* a new session; else a rekey of the session at own_index */
	/* May we send under these keys at once? Side A: yes. Side B: after the first packet received
	 * under them, except a path's very first handshake.
	 */
	bool may_send;
	struct keys send;
	struct keys recv;
};

#endif
