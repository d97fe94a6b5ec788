/* SPDX-License-Identifier: BSD-3-Clause */
#include "common/bytes.h"
#include "common/msg_fields.h"
#include "common/tlv.h"

#include <errno.h>

static const uint64_t RESERVED = HAS(PAD) | HAS(TICKET) | HAS(BACKUP) | HAS(STANDBY);

static void get_endpoint(const uint8_t *b, struct endpoint *e)
{
	memcpy(e->ip.b, b, 16);
	e->port = load_be16(b + 16);
}

static int get_name(const struct tlv *t, uint8_t *p)
{
	if (!name_is_valid((const char *)t->val, t->len))
		return -EBADMSG;
	memcpy(p, t->val, t->len);
	p[t->len] = '\0';
	return 0;
}

/* Text from a peer goes to logs and terminals: printable ASCII only. */
static int get_codetext(const struct tlv *t, uint16_t *code, char *text)
{
	size_t n = t->len - 2u;

	if (t->len < 2 || n >= MSG_TEXT_MAX)
		return -EBADMSG;
	for (size_t i = 0; i < n; i++)
		if (t->val[2 + i] < 0x20 || t->val[2 + i] > 0x7e)
			return -EBADMSG;
	*code = load_be16(t->val);
	memcpy(text, t->val + 2, n);
	text[n] = '\0';
	return 0;
}

/* Bytes on the wire of kinds with one size; 0 where the size varies. */
static size_t wire_size(const struct field_desc *d)
{
	switch (d->kind) {
	case KIND_U8:
		return 1;
	case KIND_CODE:
	case KIND_U16:
		return 2;
	case KIND_U32:
		return 4;
	case KIND_U64:
		return 8;
	case KIND_IP:
	case KIND_VIPS:
	case KIND_BYTES:
		return d->size;
	case KIND_ENDPOINT:
		return 18;
	case KIND_PREFIX:
		return 17;
	case KIND_CANDIDATE:
		return 20;
	case KIND_LOAD:
		return 12;
	default:
		return 0;
	}
}

static int get_fixed(const struct tlv *t, const struct field_desc *d, uint8_t *p)
{
	struct candidate *c;
	struct msg_load *l;

	switch (d->kind) {
	case KIND_CODE:
	case KIND_U16:
		*(uint16_t *)p = load_be16(t->val);
		break;
	case KIND_U32:
		*(uint32_t *)p = load_be32(t->val);
		break;
	case KIND_U64:
		*(uint64_t *)p = load_be64(t->val);
		break;
	case KIND_ENDPOINT:
		get_endpoint(t->val, (struct endpoint *)p);
		break;
	case KIND_PREFIX:
		memcpy(p, t->val, 16);
		((struct ip_prefix *)p)->len = t->val[16];
		return t->val[16] <= 128 ? 0 : -EBADMSG;
	case KIND_CANDIDATE:
		c = (struct candidate *)p;
		c->kind = t->val[0];
		c->link = t->val[1];
		get_endpoint(t->val + 2, &c->ep);
		break;
	case KIND_LOAD:
		l = (struct msg_load *)p;
		l->legs = load_be32(t->val);
		l->paths = load_be32(t->val + 4);
		l->busy_permille = load_be32(t->val + 8);
		break;
	default: /* U8, IP, VIPS, BYTES */
		memcpy(p, t->val, t->len);
	}
	return 0;
}

static int get_value(const struct tlv *t, const struct field_desc *d, uint8_t *base, uint8_t *p)
{
	size_t fixed = wire_size(d);

	if (fixed != 0)
		return t->len == fixed ? get_fixed(t, d, p) : -EBADMSG;
	switch (d->kind) {
	case KIND_SKIP:
		return 0;
	case KIND_FLAG:
		return t->len == 0 ? 0 : -EBADMSG;
	case KIND_NAME:
		return get_name(t, p);
	case KIND_CODETEXT:
		return get_codetext(t, (uint16_t *)p, (char *)base + d->text_off);
	case KIND_LIST:
		if (t->len == 0 || t->len > d->max)
			return -EBADMSG;
		memcpy(p, t->val, t->len);
		base[d->count_off] = (uint8_t)t->len;
		return 0;
	case KIND_OPAQUE:
		if (t->len > MSG_HANDSHAKE_MAX)
			return -EBADMSG;
		*(const uint8_t **)p = t->val;
		*(uint16_t *)(base + d->text_off) = t->len;
		return 0;
	default:
		return -EBADMSG;
	}
}

/* Where the next element of field d goes; NULL where it may not come (again). */
static uint8_t *place(const struct field_desc *d, uint8_t *base, uint64_t has, uint16_t number)
{
	if (d->count_off == 0 || d->kind == KIND_LIST)
		return (has >> number & 1) == 0 || d->kind == KIND_SKIP ? base + d->off : NULL;
	if (base[d->count_off] >= d->max)
		return NULL;
	return base + d->off + (size_t)base[d->count_off]++ * d->size;
}

static int get_field(const struct tlv *t, const struct field_desc *fields, uint8_t *base,
		     uint64_t *has, const struct field_desc **group, uint8_t **at)
{
	const struct field_desc *d;

	*group = NULL;
	if (t->type >= FIELD_COUNT || fields[t->type].kind == KIND_NONE)
		return t->must_understand ? -EOPNOTSUPP : 0;
	d = &fields[t->type];
	*at = place(d, base, *has, t->type);
	if (*at == NULL)
		return -EBADMSG;
	*has |= 1ULL << t->type;
	if (d->kind != KIND_GROUP)
		return get_value(t, d, base, *at);
	*group = d->group;
	memset(*at, 0, d->size);
	return 0;
}

static int get_row(const struct tlv *t, const struct field_desc *fields, uint8_t *row)
{
	uint64_t *has = (uint64_t *)(row + ROW_HAS_OFF);
	const struct field_desc *none;
	struct tlv_reader r;
	struct tlv f;
	uint8_t *at;
	int ret;

	tlv_read_init(&r, t->val, t->len);
	while ((ret = tlv_next(&r, &f)) > 0) {
		ret = get_field(&f, fields, row, has, &none, &at);
		if (ret < 0)
			return ret;
	}
	return ret;
}

/* Everything but the bytes that has, the counts and the texts make valid may stay as it was. */
static void clear(struct msg *m)
{
	m->has = 0;
	m->candidates_n = m->endpoints_n = m->ranges_n = m->pools_n = 0;
	m->suffixes_n = m->zones_n = m->grants_n = m->paths_n = m->bindings_n = m->suites_n = 0;
	m->name[0] = m->peer_name[0] = m->error_text[0] = m->reason_text[0] = '\0';
	m->error = m->reason = 0;
}

int msg_decode_payload(struct msg *m, const uint8_t *buf, size_t len)
{
	const struct field_desc *group;
	struct tlv_reader r;
	struct tlv t;
	uint8_t *at;
	int ret;

	clear(m);
	tlv_read_init(&r, buf, len);
	while ((ret = tlv_next(&r, &t)) > 0) {
		ret = get_field(&t, msg_fields, (uint8_t *)m, &m->has, &group, &at);
		if (ret == 0 && group != NULL)
			ret = get_row(&t, group, at);
		if (ret < 0)
			return ret;
	}
	return ret;
}

static int shape_check(const struct msg *m)
{
	const struct msg_shape *s = msg_shape_get(m->type, m->is_response);

	if (m->is_response && (m->has & HAS(ERROR)) != 0)
		return 0;
	if ((m->has & s->required) != s->required)
		return -EBADMSG;
	return (m->has & ~(s->required | s->optional | RESERVED)) == 0 ? 0 : -EBADMSG;
}

int msg_decode(struct msg *m, const uint8_t *buf, size_t len)
{
	int ret;

	m->type = 0;
	m->txn = 0;
	m->is_response = false;
	clear(m);
	if (len < MSG_HDR_LEN || len > MSG_MAX)
		return -EBADMSG;
	m->type = buf[0];
	m->is_response = (buf[1] & 1) != 0;
	m->part = buf[2];
	m->of = buf[3];
	m->txn = load_be32(buf + 4);
	if (buf[1] > 1 || m->part == 0 || m->part > m->of)
		return -EBADMSG;
	if (msg_shape_get(m->type, m->is_response) == NULL)
		return -ENOMSG;
	ret = msg_decode_payload(m, buf + MSG_HDR_LEN, len - MSG_HDR_LEN);
	return ret < 0 ? ret : shape_check(m);
}
