/* SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause */
#ifndef COMMON_WIRE_H
#define COMMON_WIRE_H

/* The header every NTMobile packet begins with (docs/protocol.md section 3), compiled by userland,
 * the DPDK data path and the kernel module. It is the associated data of the seal and is never
 * rewritten between the two ends.
 *
 *	 0                   1                   2                   3
 *	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *	+-------+-------+-+---+---+-----+-------------------------------+
 *	|version|  type |D| E | R |0 0 0|        sequence (48)          |
 *	+-------+-------+-+---+---+-----+                               +
 *	|                                                               |
 *	+---------------------------------------------------------------+
 *	|T                          ID (64)                             |
 *	+                                                               +
 *	|                                                               |
 *	+---------------------------------------------------------------+
 *	|  body, then a tag of 16 bytes (types 0, 1, 2, 6, 7)           |
 *
 * D: set in packets from side A. E: epoch. R: route. T: 0 a Path ID, 1 an association index chosen
 * by the receiver. All fields big-endian.
 *
 * Handshake 1 (type 3; ID: Path ID, key id of the temporary key, or all ones)
 *	header 16 | sender's index 8 | kind 1 | suite 1 | 0 0 | Noise message 1 | [MAC1 16 | MAC2 16]
 *	The two MACs are there when the ID is all ones. UDP payload of at least 512 bytes to a DC or
 *	RS, of at most 512 on a path.
 * Handshake 2 (type 4; ID: the asker's index, or Path ID)
 *	header 16 | responder's index 8 | Noise message 2
 * Cookie (type 5; ID: the asker's index)
 *	header 16 | random 32 | sealed cookie 16 | tag 16
 * Reset (type 8; ID: the forgotten index)
 *	header 16 | token 16
 */
#ifdef __KERNEL__
#include <linux/build_bug.h>
#include <linux/string.h>
#include <linux/types.h>
#else
#include <assert.h>
#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#endif

#include "common/bytes.h"

enum {
	WIRE_VERSION = 1,
	WIRE_HDR_LEN = 16,
	WIRE_TAG_LEN = 16,
	WIRE_OVERHEAD = WIRE_HDR_LEN + WIRE_TAG_LEN,
	WIRE_ROUTES = 4,
	WIRE_EPOCHS = 4,
	WIRE_CONTROL_MAX = 1200, /* plaintext of a control packet */

	WIRE_INDEX_LEN = 8,
	WIRE_HS1_NOISE = WIRE_HDR_LEN + WIRE_INDEX_LEN + 4, /* offset of the Noise message */
	WIRE_HS2_NOISE = WIRE_HDR_LEN + WIRE_INDEX_LEN,
	WIRE_MAC_LEN = 16,
	WIRE_HS1_PADDED = 512,	 /* at least, to a DC or RS */
	WIRE_HS1_PATH_MAX = 512, /* at most, on a path: what an RS or a node holds for later */
	WIRE_HS1_MAX = 1200,
	WIRE_HS2_MAX = 1200,
	WIRE_COOKIE_LEN = WIRE_HDR_LEN + 32 + 16 + 16,
	WIRE_RESET_LEN = WIRE_HDR_LEN + 16,
};

enum wire_type {
	WIRE_DATA = 0,
	WIRE_DATA_FIRST = 1, /* first part of an inner packet, the second has the next sequence */
	WIRE_DATA_SECOND = 2,
	WIRE_HANDSHAKE_1 = 3,
	WIRE_HANDSHAKE_2 = 4,
	WIRE_COOKIE = 5,
	WIRE_CONTROL = 6,
	WIRE_PROBE = 7,
	WIRE_RESET = 8,
	WIRE_TYPE_COUNT = 9,
};

/* Byte 1. */
enum {
	WIRE_SIDE_A = 0x80,
	WIRE_EPOCH_SHIFT = 5,
	WIRE_EPOCH_MASK = 3 << WIRE_EPOCH_SHIFT,
	WIRE_ROUTE_SHIFT = 3,
	WIRE_ROUTE_MASK = 3 << WIRE_ROUTE_SHIFT,
	WIRE_ZERO_MASK = 7,
};

#define WIRE_SEQ_MAX (((__u64)1 << 48) - 1)
#define WIRE_ID_INDEX ((__u64)1 << 63) /* set: an association index, clear: a Path ID */
#define WIRE_ID_NONE (~(__u64)0)       /* handshake 1 to a DC or RS by IK */

struct wire_hdr {
	__u8 version_type;
	__u8 flags;
	__u8 seq[6];
	__u8 id[8];
};

static_assert(sizeof(struct wire_hdr) == WIRE_HDR_LEN, "header is 16 bytes");
static_assert(offsetof(struct wire_hdr, flags) == 1, "byte 1");
static_assert(offsetof(struct wire_hdr, seq) == 2, "sequence at 2");
static_assert(offsetof(struct wire_hdr, id) == 8, "ID at 8");
static_assert((WIRE_SIDE_A | WIRE_EPOCH_MASK | WIRE_ROUTE_MASK | WIRE_ZERO_MASK) == 0xff,
	      "byte 1 is divided without gap or overlap");
static_assert((WIRE_SIDE_A ^ WIRE_EPOCH_MASK ^ WIRE_ROUTE_MASK ^ WIRE_ZERO_MASK) == 0xff,
	      "byte 1 is divided without gap or overlap");

/* Why a header is not taken. Nothing here is authenticated yet. */
#define WIRE_VERDICTS(X)                                                                           \
	X(OK, "header is well formed")                                                             \
	X(SHORT, "packet shorter than a header")                                                   \
	X(BAD_VERSION, "unknown version")                                                          \
	X(BAD_TYPE, "unknown type")                                                                \
	X(RESERVED, "reserved bits are not zero")

enum wire_verdict {
#define X(name, text) WIRE_##name,
	WIRE_VERDICTS(X)
#undef X
		WIRE_VERDICT_COUNT
};

/* A header as values. */
struct wire_fields {
	__u64 seq;
	__u64 id;
	__u8 type;
	__u8 flags; /* byte 1 as it stands */
	__u8 epoch;
	__u8 route;
	bool is_from_a;
};

static inline __u8 wire_flags(bool is_from_a, __u8 epoch, __u8 route)
{
	return (__u8)((is_from_a ? WIRE_SIDE_A : 0) |
		      (epoch << WIRE_EPOCH_SHIFT & WIRE_EPOCH_MASK) |
		      (route << WIRE_ROUTE_SHIFT & WIRE_ROUTE_MASK));
}

/* Write 16 bytes at p. seq must not exceed WIRE_SEQ_MAX. */
static inline void wire_build(void *p, __u8 type, __u8 flags, __u64 seq, __u64 id)
{
	struct wire_hdr *h = (struct wire_hdr *)p;

	h->version_type = (__u8)(WIRE_VERSION << 4 | type);
	h->flags = flags;
	store_be48(h->seq, seq);
	store_be64(h->id, id);
}

/* f is written only when the verdict is WIRE_OK. */
static inline enum wire_verdict wire_parse(const void *p, size_t len, struct wire_fields *f)
{
	const struct wire_hdr *h = (const struct wire_hdr *)p;

	if (len < WIRE_HDR_LEN)
		return WIRE_SHORT;
	if (h->version_type >> 4 != WIRE_VERSION)
		return WIRE_BAD_VERSION;
	if ((h->version_type & 15) >= WIRE_TYPE_COUNT)
		return WIRE_BAD_TYPE;
	if ((h->flags & WIRE_ZERO_MASK) != 0)
		return WIRE_RESERVED;
	f->type = h->version_type & 15;
	f->flags = h->flags;
	f->epoch = (h->flags & WIRE_EPOCH_MASK) >> WIRE_EPOCH_SHIFT;
	f->route = (h->flags & WIRE_ROUTE_MASK) >> WIRE_ROUTE_SHIFT;
	f->is_from_a = (h->flags & WIRE_SIDE_A) != 0;
	f->seq = load_be48(h->seq);
	f->id = load_be64(h->id);
	return WIRE_OK;
}

static inline bool wire_is_path_id(__u64 id)
{
	return (id & WIRE_ID_INDEX) == 0;
}

/* Types whose body is sealed under the association's keys. */
static inline bool wire_type_is_sealed(__u8 type)
{
	return type <= WIRE_DATA_SECOND || type == WIRE_CONTROL || type == WIRE_PROBE;
}

/* The types that the time and packet limits of a key are about, and that CBC suites protect by CBC. */
static inline bool wire_type_is_data(__u8 type)
{
	return type <= WIRE_DATA_SECOND;
}

/* Nonce = iv XOR (byte 1 | 5 zero bytes | sequence); h is a header of 16 bytes. */
static inline void wire_nonce(__u8 nonce[12], const __u8 iv[12], const void *h)
{
	__u64 head = load_be64(h); /* type, byte 1, sequence */
	__u64 first = load_be64(iv) ^ (head >> 48 & 0xff) << 56 ^ (head >> 32 & 0xffff);

	store_be32(nonce + 8, load_be32(iv + 8) ^ (__u32)head);
	store_be64(nonce, first);
}

#endif
