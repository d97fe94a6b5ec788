/* SPDX-License-Identifier: BSD-3-Clause */
#include "common/tlv.h"
#include "common/bytes.h"

#include <errno.h>

int tlv_next(struct tlv_reader *r, struct tlv *t)
{
	size_t left = (size_t)(r->end - r->at);
	uint16_t type;

	if (left == 0)
		return 0;
	if (left < TLV_HDR_LEN || left - TLV_HDR_LEN < load_be16(r->at + 2))
		return -EBADMSG;
	type = load_be16(r->at);
	t->type = type & TLV_TYPE_MASK;
	t->must_understand = (type & TLV_MUST_UNDERSTAND) != 0;
	t->len = load_be16(r->at + 2);
	t->val = r->at + TLV_HDR_LEN;
	r->at = t->val + t->len;
	return 1;
}

static uint8_t *reserve(struct tlv_writer *w, size_t len)
{
	uint8_t *p = w->buf + w->len;

	if (w->overflow || w->cap - w->len < len) {
		w->overflow = true;
		return NULL;
	}
	w->len += len;
	return p;
}

void tlv_put(struct tlv_writer *w, uint16_t type, const void *val, size_t len)
{
	uint8_t *p = len <= UINT16_MAX ? reserve(w, TLV_HDR_LEN + len) : NULL;

	if (p == NULL) {
		w->overflow = true;
		return;
	}
	store_be16(p, type);
	store_be16(p + 2, (uint16_t)len);
	if (len > 0)
		memcpy(p + TLV_HDR_LEN, val, len);
}

void tlv_put_u8(struct tlv_writer *w, uint16_t type, uint8_t v)
{
	tlv_put(w, type, &v, 1);
}

void tlv_put_u16(struct tlv_writer *w, uint16_t type, uint16_t v)
{
	uint8_t b[2];

	store_be16(b, v);
	tlv_put(w, type, b, sizeof(b));
}

void tlv_put_u32(struct tlv_writer *w, uint16_t type, uint32_t v)
{
	uint8_t b[4];

	store_be32(b, v);
	tlv_put(w, type, b, sizeof(b));
}

void tlv_put_u64(struct tlv_writer *w, uint16_t type, uint64_t v)
{
	uint8_t b[8];

	store_be64(b, v);
	tlv_put(w, type, b, sizeof(b));
}

size_t tlv_begin(struct tlv_writer *w, uint16_t type)
{
	size_t mark = w->len;

	tlv_put(w, type, NULL, 0);
	return mark;
}

void tlv_end(struct tlv_writer *w, size_t mark)
{
	size_t len = w->len - mark - TLV_HDR_LEN;

	if (w->overflow)
		return;
	if (len > UINT16_MAX)
		w->overflow = true;
	else
		store_be16(w->buf + mark + 2, (uint16_t)len);
}

void tlv_pad_to(struct tlv_writer *w, size_t total)
{
	size_t missing;
	uint8_t *p;

	if (w->overflow || w->len >= total)
		return;
	missing = total - w->len;
	if (missing < TLV_HDR_LEN)
		missing = TLV_HDR_LEN;
	p = reserve(w, missing);
	if (p == NULL)
		return;
	memset(p, 0, missing);
	store_be16(p + 2, (uint16_t)(missing - TLV_HDR_LEN));
}
