/* SPDX-License-Identifier: BSD-3-Clause */
#include "common/bytes.h"
#include "common/msg_fields.h"
#include "common/tlv.h"

#include <errno.h>

static void put_endpoint(uint8_t *b, const struct endpoint *e)
{
	memcpy(b, e->ip.b, 16);
	store_be16(b + 16, e->port);
}

static void put_codetext(struct tlv_writer *w, uint16_t type, uint16_t code, const char *text)
{
	uint8_t b[2 + MSG_TEXT_MAX];
	size_t n = strnlen(text, MSG_TEXT_MAX);

	store_be16(b, code);
	memcpy(b + 2, text, n);
	tlv_put(w, type, b, 2 + n);
}

static void put_load(struct tlv_writer *w, uint16_t type, const struct msg_load *l)
{
	uint8_t b[12];

	store_be32(b, l->legs);
	store_be32(b + 4, l->paths);
	store_be32(b + 8, l->busy_permille);
	tlv_put(w, type, b, sizeof(b));
}

/* One element that is no group. base: the struct it lives in; p: the element. */
static void put_value(struct tlv_writer *w, uint16_t type, const struct field_desc *d,
		      const uint8_t *base, const uint8_t *p)
{
	uint8_t b[32];
	const struct candidate *c;

	switch (d->kind) {
	case KIND_U8:
		tlv_put_u8(w, type, *p);
		break;
	case KIND_CODE:
	case KIND_U16:
		tlv_put_u16(w, type, *(const uint16_t *)p);
		break;
	case KIND_U32:
		tlv_put_u32(w, type, *(const uint32_t *)p);
		break;
	case KIND_U64:
		tlv_put_u64(w, type, *(const uint64_t *)p);
		break;
	case KIND_IP:
	case KIND_VIPS: /* two addresses, no gap */
	case KIND_BYTES:
		tlv_put(w, type, p, d->size);
		break;
	case KIND_NAME:
		tlv_put(w, type, p, strnlen((const char *)p, NAME_MAX_LEN));
		break;
	case KIND_ENDPOINT:
		put_endpoint(b, (const struct endpoint *)p);
		tlv_put(w, type, b, 18);
		break;
	case KIND_PREFIX:
		memcpy(b, p, 16);
		b[16] = ((const struct ip_prefix *)p)->len;
		tlv_put(w, type, b, 17);
		break;
	case KIND_CANDIDATE:
		c = (const struct candidate *)p;
		b[0] = c->kind;
		b[1] = c->link;
		put_endpoint(b + 2, &c->ep);
		tlv_put(w, type, b, 20);
		break;
	case KIND_FLAG:
		tlv_put(w, type, NULL, 0);
		break;
	case KIND_CODETEXT:
		put_codetext(w, type, *(const uint16_t *)p, (const char *)base + d->text_off);
		break;
	case KIND_LOAD:
		put_load(w, type, (const struct msg_load *)p);
		break;
	case KIND_LIST:
		tlv_put(w, type, p, base[d->count_off]);
		break;
	case KIND_OPAQUE:
		tlv_put(w, type, *(const uint8_t *const *)p,
			*(const uint16_t *)(base + d->text_off));
		break;
	default:
		w->overflow = true; /* has names a field this struct does not have */
	}
}

static void put_row(struct tlv_writer *w, const struct field_desc *fields, const uint8_t *row);

static void put_field(struct tlv_writer *w, uint16_t number, const struct field_desc *d,
		      const uint8_t *base)
{
	uint16_t type = number | (d->must_understand ? TLV_MUST_UNDERSTAND : 0);
	unsigned int n = d->count_off != 0 && d->kind != KIND_LIST ? base[d->count_off] : 1;

	for (unsigned int i = 0; i < n; i++) {
		const uint8_t *p = base + d->off + (size_t)i * d->size;
		size_t mark;

		if (d->kind != KIND_GROUP) {
			put_value(w, type, d, base, p);
			continue;
		}
		mark = tlv_begin(w, type);
		put_row(w, d->group, p);
		tlv_end(w, mark);
	}
}

/* Rows hold no groups, so this nests once. */
static void put_row(struct tlv_writer *w, const struct field_desc *fields, const uint8_t *row)
{
	uint64_t has = *(const uint64_t *)(row + ROW_HAS_OFF);

	for (uint16_t i = 0; i < FIELD_COUNT; i++) {
		const struct field_desc *d = &fields[i];
		uint16_t type = i | (d->must_understand ? TLV_MUST_UNDERSTAND : 0);
		unsigned int n;

		if ((has >> i & 1) == 0)
			continue;
		n = d->count_off != 0 ? row[d->count_off] : 1;
		for (unsigned int k = 0; k < n; k++)
			put_value(w, type, d, row, row + d->off + (size_t)k * d->size);
	}
}

int msg_encode_payload(const struct msg *m, uint8_t *buf, size_t cap)
{
	struct tlv_writer w;

	tlv_write_init(&w, buf, cap);
	for (uint16_t i = 0; i < FIELD_COUNT; i++)
		if ((m->has >> i & 1) != 0)
			put_field(&w, i, &msg_fields[i], (const uint8_t *)m);
	if (m->pad_to > MSG_HDR_LEN)
		tlv_pad_to(&w, m->pad_to - MSG_HDR_LEN);
	return w.overflow ? -EMSGSIZE : (int)w.len;
}

static bool shape_fits(const struct msg *m)
{
	const struct msg_shape *s = msg_shape_get(m->type, m->is_response);

	if (s == NULL)
		return false;
	if (m->is_response && (m->has & HAS(ERROR)) != 0)
		return true;
	return (m->has & s->required) == s->required &&
	       (m->has & ~(s->required | s->optional)) == 0;
}

int msg_encode(const struct msg *m, uint8_t *buf, size_t cap)
{
	int n;

	if (!shape_fits(m))
		return -EINVAL;
	if (cap < MSG_HDR_LEN)
		return -EMSGSIZE;
	buf[0] = m->type;
	buf[1] = m->is_response;
	buf[2] = m->part;
	buf[3] = m->of;
	store_be32(buf + 4, m->txn);
	if (cap > MSG_MAX)
		cap = MSG_MAX;
	n = msg_encode_payload(m, buf + MSG_HDR_LEN, cap - MSG_HDR_LEN);
	return n < 0 ? n : n + MSG_HDR_LEN;
}
