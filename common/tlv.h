/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef COMMON_TLV_H
#define COMMON_TLV_H

/* Type-length-value fields of control bodies and handshake payloads (docs/protocol.md section 8).
 *
 *	0       1       2       3
 *	+-------+-------+-------+-------+----------
 *	|M| type (15)   | length (16)   | value ...
 *	+-------+-------+-------+-------+----------
 *
 * M: who does not know the type must refuse the whole message; without it an unknown field is
 * skipped. No alignment, no order unless a message says so. Pure; any thread.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	TLV_HDR_LEN = 4,
	TLV_MUST_UNDERSTAND = 0x8000,
	TLV_TYPE_MASK = 0x7fff,
};

struct tlv {
	uint16_t type; /* without the M bit */
	bool must_understand;
	uint16_t len;
	const uint8_t *val; /* into the bytes that are read */
};

struct tlv_reader {
	const uint8_t *at;
	const uint8_t *end;
};

static inline void tlv_read_init(struct tlv_reader *r, const uint8_t *buf, size_t len)
{
	r->at = buf;
	r->end = buf + len;
}

/* 1 and a field; 0 at the end; -EBADMSG where a length leaves the buffer (r stays there). */
int tlv_next(struct tlv_reader *r, struct tlv *t);

/* A writer that overflows stays overflowed and writes nothing more: check once, at the end. */
struct tlv_writer {
	uint8_t *buf;
	size_t len;
	size_t cap;
	bool overflow;
};

static inline void tlv_write_init(struct tlv_writer *w, uint8_t *buf, size_t cap)
{
	*w = (struct tlv_writer){.buf = buf, .cap = cap};
}

void tlv_put(struct tlv_writer *w, uint16_t type, const void *val, size_t len);
void tlv_put_u8(struct tlv_writer *w, uint16_t type, uint8_t v);
void tlv_put_u16(struct tlv_writer *w, uint16_t type, uint16_t v);
void tlv_put_u32(struct tlv_writer *w, uint16_t type, uint32_t v);
void tlv_put_u64(struct tlv_writer *w, uint16_t type, uint64_t v);

/* A field made of fields: begin returns a mark for end, which fills in the length. */
size_t tlv_begin(struct tlv_writer *w, uint16_t type);
void tlv_end(struct tlv_writer *w, size_t mark);

/* Fill up to total bytes with one PAD field (type 0); does nothing where fewer than a field's
 * header is missing and the total is already reached.
 */
void tlv_pad_to(struct tlv_writer *w, size_t total);

#endif
