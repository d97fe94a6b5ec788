/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef DC_RECORD_H
#define DC_RECORD_H

/* Durable records as bytes. The first byte is the format; a newer one than ours is refused rather
 * than misread. All numbers big-endian, addresses in 16 bytes.
 *
 *	node, RS:  format 1 | flags 1 | key 32 | psk 32 | vip4 16 | vip6 16 | rs id 8
 *		   | token: id 8, expiry 8, secret 32, used key 32
 *	binding:   format 1 | until 8 (real ns) | rip of VIPv4 16 | rip of VIPv6 16 | name
 *		   key: node's name, 0, number of the general host 4
 *	place:     format 1 | index 8 | remote 16, port 2 | local 16, port 2
 *		   key: kind 1, name
 *	attempt:   format 1 | number 8			key: "attempt"
 *
 * Pure; any thread.
 */
#include "dc/registry.h"

enum {
	RECORD_FORMAT = 1,
	RECORD_PARTY_LEN = 2 + 32 + 32 + 16 + 16 + 8 + 8 + 8 + 32 + 32,
	RECORD_BINDING_MIN = 1 + 8 + 16 + 16,
	RECORD_PLACE_LEN = 1 + 8 + 18 + 18,
};

struct record_party {
	bool has_key, has_psk, has_vips, has_token, token_used;
	uint8_t key[NOISE_KEY_LEN], psk[NOISE_PSK_LEN];
	struct vips vips;
	uint64_t rs_id;
	struct join_token token;
};

struct record_binding {
	uint64_t until; /* real time, ns: free for another host afterwards */
	struct ip_addr rip4, rip6;
	char name[NAME_MAX_LEN + 1];
};

/* The length, at most sizeof(struct dc_write.value). */
size_t record_party_encode(const struct record_party *r, uint8_t *out);
/* 0 or -EBADMSG. */
int record_party_decode(struct record_party *r, const uint8_t *in, size_t len);
size_t record_binding_encode(const struct record_binding *r, uint8_t *out);
int record_binding_decode(struct record_binding *r, const uint8_t *in, size_t len);
size_t record_place_encode(const struct place *r, uint8_t *out);
int record_place_decode(struct place *r, const uint8_t *in, size_t len);
/* Key of a binding: into out (dc_write.key), returns the length. */
size_t record_binding_key(const char *node, uint32_t number, uint8_t *out);
int record_binding_key_decode(const uint8_t *key, size_t len, char node[NAME_MAX_LEN + 1],
			      uint32_t *number);

#endif
