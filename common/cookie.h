/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef COMMON_COOKIE_H
#define COMMON_COOKIE_H

/* MAC1, MAC2 and cookies of handshake 1 to a DC or RS (WireGuard's scheme, on HMAC-SHA256
 * truncated to 16 bytes). Only who knows the host's public key can write MAC1; under load only who
 * receives at its source address can write MAC2.
 *
 *	MAC1 = HMAC(SHA256("ntm1 mac1" | public key), all bytes before it)
 *	MAC2 = HMAC(cookie, all bytes before it, MAC1 included), or zeros
 *	cookie = HMAC(secret of 120 s, source address 16 | port 2)
 *	cookie packet: header | random 32 | AES-256-GCM under HKDF(salt random, public key,
 *		"ntm1 cookie"), nonce 0, MAC1 as associated data
 *
 * Pure; one thread at a time per struct.
 */
#include "common/ip.h"
#include "common/rng.h"
#include "common/wire.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	COOKIE_LEN = 16,
	COOKIE_LIFE_SEC = 120,
};

/* The host that is asked. */
struct cookie_jar {
	uint8_t pub[32];
	uint8_t mac1_key[32];
	uint8_t secret[2][32]; /* this and the previous one */
	uint64_t since_ns;     /* of secret[0] */
	bool has_secret;
};

void cookie_jar_init(struct cookie_jar *j, const uint8_t pub[32]);
/* pkt: a whole handshake 1, MACs at its end. */
bool cookie_check_mac1(const struct cookie_jar *j, const uint8_t *pkt, size_t len);
bool cookie_check_mac2(struct cookie_jar *j, uint64_t now, struct rng *rng,
		       const struct endpoint *from, const uint8_t *pkt, size_t len);
/* The answer to a handshake 1 whose MAC1 is right: WIRE_COOKIE_LEN bytes, always shorter than it. */
void cookie_reply(struct cookie_jar *j, uint64_t now, struct rng *rng, const struct endpoint *from,
		  const uint8_t *pkt, size_t len, uint8_t out[WIRE_COOKIE_LEN]);

/* The asker. Write MAC1, and MAC2 by cookie or zeros where it is NULL, into the last 32 bytes. */
void cookie_write_macs(const uint8_t peer_pub[32], const uint8_t *cookie, uint8_t *pkt, size_t len);
/* Open a cookie packet that answers the handshake 1 sent (its MAC1 is the associated data). 0, or
 * -EBADMSG.
 */
int cookie_open(const uint8_t peer_pub[32], const uint8_t *sent, size_t sent_len,
		const uint8_t *pkt, size_t len, uint8_t cookie[COOKIE_LEN]);

#endif
