/* SPDX-License-Identifier: BSD-3-Clause */
#include "dc/record.h"

#include "common/bytes.h"
#include "common/wire.h"

#include <errno.h>

enum {
	FLAG_KEY = 1,
	FLAG_PSK = 2,
	FLAG_VIPS = 4,
	FLAG_TOKEN = 8,
	FLAG_USED = 16,
};

static uint8_t *put(uint8_t *p, const void *bytes, size_t len)
{
	memcpy(p, bytes, len);
	return p + len;
}

static const uint8_t *get(const uint8_t *p, void *bytes, size_t len)
{
	memcpy(bytes, p, len);
	return p + len;
}

size_t record_party_encode(const struct record_party *r, uint8_t *out)
{
	uint8_t *p = out;

	*p++ = RECORD_FORMAT;
	*p++ = (uint8_t)((r->has_key ? FLAG_KEY : 0) | (r->has_psk ? FLAG_PSK : 0) |
			 (r->has_vips ? FLAG_VIPS : 0) | (r->has_token ? FLAG_TOKEN : 0) |
			 (r->token_used ? FLAG_USED : 0));
	p = put(p, r->key, sizeof(r->key));
	p = put(p, r->psk, sizeof(r->psk));
	p = put(p, r->vips.v4.b, sizeof(r->vips.v4.b));
	p = put(p, r->vips.v6.b, sizeof(r->vips.v6.b));
	store_be64(p, r->rs_id);
	store_be64(p + 8, r->token.id);
	store_be64(p + 16, r->token.expiry);
	p = put(p + 24, r->token.secret, sizeof(r->token.secret));
	p = put(p, r->token.used_key, sizeof(r->token.used_key));
	return (size_t)(p - out);
}

int record_party_decode(struct record_party *r, const uint8_t *in, size_t len)
{
	const uint8_t *p = in + 2;
	uint8_t flags;

	if (len != RECORD_PARTY_LEN || in[0] != RECORD_FORMAT)
		return -EBADMSG;
	flags = in[1];
	memset(r, 0, sizeof(*r));
	r->has_key = (flags & FLAG_KEY) != 0;
	r->has_psk = (flags & FLAG_PSK) != 0;
	r->has_vips = (flags & FLAG_VIPS) != 0;
	r->has_token = (flags & FLAG_TOKEN) != 0;
	r->token_used = (flags & FLAG_USED) != 0;
	p = get(p, r->key, sizeof(r->key));
	p = get(p, r->psk, sizeof(r->psk));
	p = get(p, r->vips.v4.b, sizeof(r->vips.v4.b));
	p = get(p, r->vips.v6.b, sizeof(r->vips.v6.b));
	r->rs_id = load_be64(p);
	r->token.id = load_be64(p + 8);
	r->token.expiry = load_be64(p + 16);
	p = get(p + 24, r->token.secret, sizeof(r->token.secret));
	get(p, r->token.used_key, sizeof(r->token.used_key));
	r->token.is_open = r->has_token;
	r->token.is_used = r->token_used;
	return 0;
}

static uint8_t *put_endpoint(uint8_t *p, const struct endpoint *e)
{
	p = put(p, e->ip.b, sizeof(e->ip.b));
	store_be16(p, e->port);
	return p + 2;
}

static const uint8_t *get_endpoint(const uint8_t *p, struct endpoint *e)
{
	p = get(p, e->ip.b, sizeof(e->ip.b));
	e->port = load_be16(p);
	return p + 2;
}

size_t record_place_encode(const struct place *r, uint8_t *out)
{
	uint8_t *p = out;

	*p++ = RECORD_FORMAT;
	store_be64(p, r->index);
	p = put_endpoint(p + 8, &r->remote);
	p = put_endpoint(p, &r->local);
	return (size_t)(p - out);
}

int record_place_decode(struct place *r, const uint8_t *in, size_t len)
{
	const uint8_t *p = in + 1;

	if (len != RECORD_PLACE_LEN || in[0] != RECORD_FORMAT)
		return -EBADMSG;
	memset(r, 0, sizeof(*r));
	r->index = load_be64(p);
	p = get_endpoint(p + 8, &r->remote);
	get_endpoint(p, &r->local);
	if (wire_is_path_id(r->index) || r->remote.port == 0 || !ip_is_unicast(&r->remote.ip))
		return -EBADMSG;
	return 0;
}

size_t record_binding_encode(const struct record_binding *r, uint8_t *out)
{
	size_t n = strlen(r->name);
	uint8_t *p = out;

	*p++ = RECORD_FORMAT;
	store_be64(p, r->until);
	p = put(p + 8, r->rip4.b, sizeof(r->rip4.b));
	p = put(p, r->rip6.b, sizeof(r->rip6.b));
	p = put(p, r->name, n);
	return (size_t)(p - out);
}

int record_binding_decode(struct record_binding *r, const uint8_t *in, size_t len)
{
	const uint8_t *p = in + 1;
	size_t n;

	if (len <= RECORD_BINDING_MIN || in[0] != RECORD_FORMAT)
		return -EBADMSG;
	n = len - RECORD_BINDING_MIN;
	memset(r, 0, sizeof(*r));
	r->until = load_be64(p);
	p = get(p + 8, r->rip4.b, sizeof(r->rip4.b));
	p = get(p, r->rip6.b, sizeof(r->rip6.b));
	if (!name_is_valid((const char *)p, n))
		return -EBADMSG;
	memcpy(r->name, p, n);
	return 0;
}

size_t record_binding_key(const char *node, uint32_t number, uint8_t *out)
{
	size_t n = strlen(node);

	memcpy(out, node, n + 1);
	store_be32(out + n + 1, number);
	return n + 5;
}

int record_binding_key_decode(const uint8_t *key, size_t len, char node[NAME_MAX_LEN + 1],
			      uint32_t *number)
{
	size_t n = len - 5;

	if (len < 6 || n > NAME_MAX_LEN || key[n] != 0 || !name_is_valid((const char *)key, n))
		return -EBADMSG;
	memcpy(node, key, n + 1);
	*number = load_be32(key + n + 1);
	return 0;
}
