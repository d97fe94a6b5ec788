/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef COMMON_MSG_FIELDS_H
#define COMMON_MSG_FIELDS_H

/* Where each field of a message or row lives and how it stands on the wire; shared by the encoder
 * and the decoder, and by nobody else.
 */
#include "common/msg.h"

enum field_kind {
	KIND_NONE, /* not a field of this struct */
	KIND_U8,
	KIND_U16,
	KIND_U32,
	KIND_U64,
	KIND_BYTES, /* size bytes */
	KIND_NAME,  /* FQDN text without a NUL */
	KIND_IP,
	KIND_ENDPOINT,
	KIND_PREFIX,
	KIND_VIPS,
	KIND_CANDIDATE,
	KIND_FLAG,     /* empty */
	KIND_CODE,     /* u16 alone (a row's error) */
	KIND_CODETEXT, /* u16 and text; the text lives right behind in text_off */
	KIND_LOAD,
	KIND_LIST,   /* size up to max bytes, count in count_off */
	KIND_OPAQUE, /* pointer and length */
	KIND_GROUP,  /* a struct with fields of its own */
	KIND_SKIP,   /* known, carries nothing for us: PAD and the reserved ones */
};

struct field_desc {
	uint8_t kind;
	bool must_understand;
	uint16_t off;
	uint16_t size;	    /* of one element in the struct */
	uint16_t count_off; /* where the count of an array lives; 0: not an array */
	uint16_t text_off;  /* of KIND_CODETEXT; of KIND_OPAQUE the length's */
	uint8_t max;	    /* elements, or bytes of a list */
	const struct field_desc *group;
};

/* Indexed by field number, FIELD_COUNT rows each. */
extern const struct field_desc msg_fields[FIELD_COUNT];

/* Offset of has in struct msg; the rows begin with theirs. */
enum { ROW_HAS_OFF = 0 };

/* The fields a type requires and those it may carry besides, for request and answer. */
struct msg_shape {
	uint64_t required;
	uint64_t optional;
};

/* NULL for an unknown type. */
const struct msg_shape *msg_shape_get(uint8_t type, bool is_response);

#endif
