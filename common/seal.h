/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef COMMON_SEAL_H
#define COMMON_SEAL_H

/* Seal and open one packet under one direction's keys, header and tag included:
 *
 *	| header 16 (associated data) | body, encrypted in place | tag 16 |
 *
 * CBC suites, data packets: IV = AES(ivkey, header block), body padded with zeros to 16 bytes, tag
 * = HMAC over header and ciphertext, compared in constant time before anything is decrypted.
 *
 * The EVP contexts are made once; no allocation per packet. One thread at a time per seal_key.
 * About 0.45 us for 64 bytes and 0.85 us for 1400 (AES-128-GCM).
 */
#include "common/keys.h"
#include "common/wire.h"

#include <stddef.h>
#include <stdint.h>

enum {
	/* Most that sealing adds to a body: padding and tag. The header is not in it. */
	SEAL_GROWTH_MAX = SUITE_BLOCK_LEN - 1 + WIRE_TAG_LEN,
};

struct seal_key;

enum seal_use { SEAL_SEND, SEAL_RECEIVE };

/* Keys are copied into the contexts; wipe k when done. A key seals or opens, as use says. NULL: no
 * memory or unknown suite.
 */
struct seal_key *seal_key_create(const struct keys *k, enum seal_use use);
void seal_key_destroy(struct seal_key *s);
uint8_t seal_key_suite(const struct seal_key *s);

/* Length of the packet that seal_packet() makes of a body: header, padding and tag included. */
size_t seal_packet_len(uint8_t suite, uint8_t type, size_t body_len);

/* pkt holds a finished header and body_len bytes of body; cap is the room at pkt. Returns the
 * length of the packet, or: -ENOBUFS too little room; -EINVAL a CBC first part (type 1) that is
 * not whole blocks (its padding could not be told from data), or CBC with an empty body.
 * Whoever calls answers for a header never used before under this key.
 */
int seal_packet(struct seal_key *s, uint8_t *pkt, size_t body_len, size_t cap);

/* Check and decrypt pkt (len bytes, header to tag) into out, which has room for len - 32 bytes and
 * may be pkt + 16. Returns the length of the body (a CBC body with its padding), or -EBADMSG:
 * too short, not authentic; out is then undefined.
 */
int seal_open(struct seal_key *s, const uint8_t *pkt, size_t len, uint8_t *out);

#endif
