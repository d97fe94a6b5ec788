/* SPDX-License-Identifier: BSD-3-Clause */
#include "common/handshake.h"

#include <string.h>

static bool id_fits_kind(uint64_t id, uint8_t kind)
{
	switch (kind) {
	case HS_NODE_DC:
	case HS_DC_DC:
	case HS_RS_DC:
		return id == WIRE_ID_NONE;
	case HS_PATH:
		return wire_is_path_id(id) && id != 0;
	case HS_LEG:
		return !wire_is_path_id(id) && id != WIRE_ID_NONE;
	default:
		return false;
	}
}

static enum hs_verdict check_length(size_t len, uint8_t kind)
{
	size_t least = WIRE_HS1_NOISE;

	least += kind == HS_LEG ? NOISE_NN_1_OVERHEAD : NOISE_IK_1_OVERHEAD;
	if (len < least)
		return HS_SHORT;
	if (kind == HS_PATH)
		return len > WIRE_HS1_PATH_MAX ? HS_LONG : HS_OK;
	return len < WIRE_HS1_PADDED ? HS_UNPADDED : HS_OK;
}

enum hs_verdict hs_clear_parse(const uint8_t *pkt, size_t len, struct hs_clear *c)
{
	const uint8_t *at = pkt + WIRE_HDR_LEN;
	struct wire_fields f;
	enum hs_verdict v;

	if (len < WIRE_HS1_NOISE)
		return HS_SHORT;
	if (len > WIRE_HS1_MAX)
		return HS_LONG;
	if (wire_parse(pkt, len, &f) != WIRE_OK || f.type != WIRE_HANDSHAKE_1 || f.seq != 0 ||
	    f.route != 0 || !f.is_from_a || at[10] != 0 || at[11] != 0)
		return HS_BAD_HEADER;
	*c = (struct hs_clear){
		.id = f.id,
		.peer_index = load_be64(at),
		.kind = at[8],
		.suite = at[9],
		.epoch = f.epoch,
		.flags = f.flags,
	};
	if (!id_fits_kind(c->id, c->kind))
		return HS_BAD_KIND;
	if (!suite_is_known(c->suite))
		return HS_BAD_SUITE;
	v = check_length(len, c->kind);
	if (v != HS_OK)
		return v;
	if (c->kind == HS_PATH)
		return c->peer_index == c->id ? HS_OK : HS_BAD_INDEX;
	return wire_is_path_id(c->peer_index) || c->peer_index == WIRE_ID_NONE ? HS_BAD_INDEX
									       : HS_OK;
}

static uint8_t *put(uint8_t *at, const void *data, size_t len)
{
	memcpy(at, data, len);
	return at + len;
}

static uint8_t *put_name(uint8_t *at, const char *name)
{
	size_t len = strlen(name);

	if (len > HS_NAME_MAX)
		len = HS_NAME_MAX;
	*at = (uint8_t)len;
	return put(at + 1, name, len);
}

size_t hs_prologue(const struct hs_clear *c, const struct hs_path *path,
		   uint8_t out[HS_PROLOGUE_MAX])
{
	uint8_t *at = put(out, "NTM1", 4);

	*at++ = c->kind;
	store_be64(at, c->id);
	at += 8;
	*at++ = c->suite;
	if (c->kind == HS_PATH) {
		at = put_name(at, path->fqdn_a);
		at = put_name(at, path->fqdn_b);
		at = put(at, path->vip4_a.b, 16);
		at = put(at, path->vip6_a.b, 16);
		at = put(at, path->vip4_b.b, 16);
		at = put(at, path->vip6_b.b, 16);
	}
	*at++ = c->flags;
	return (size_t)(at - out);
}

uint64_t hs_attempt_next(struct hs_attempts *a, uint64_t now)
{
	uint64_t clock = now + (uint64_t)a->offset_ns;

	a->last = clock > a->last ? clock : a->last + 1;
	return a->last;
}

void hs_attempt_raise(struct hs_attempts *a, uint64_t greatest)
{
	/* The top half is left out: one lie must not bring a host to the end of its numbers. */
	if (greatest > a->last && greatest < UINT64_MAX / 2)
		a->last = greatest;
}

/* clang-format off */
static const char *const names[] = {
#define X(name, text) #name,
	HS_VERDICTS(X)
#undef X
};

static const char *const texts[] = {
#define X(name, text) text,
	HS_VERDICTS(X)
#undef X
};
/* clang-format on */

const char *hs_verdict_name(enum hs_verdict v)
{
	return (unsigned int)v < HS_VERDICT_COUNT ? names[v] : "unknown";
}

const char *hs_verdict_text(enum hs_verdict v)
{
	return (unsigned int)v < HS_VERDICT_COUNT ? texts[v] : "unknown";
}
