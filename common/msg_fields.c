/* SPDX-License-Identifier: BSD-3-Clause */
#include "common/msg_fields.h"

#include <assert.h>

#define AT(type, member)                                                                           \
	.off = offsetof(struct type, member), .size = sizeof(((struct type *)0)->member)
#define ARRAY(type, member, n)                                                                     \
	.off = offsetof(struct type, member), .size = sizeof(((struct type *)0)->member[0]),       \
	.count_off = offsetof(struct type, n),                                                     \
	.max = sizeof(((struct type *)0)->member) / sizeof(((struct type *)0)->member[0])
#define M .must_understand = true

static_assert(offsetof(struct msg_grant, has) == ROW_HAS_OFF, "rows begin with has");
static_assert(offsetof(struct msg_path, has) == ROW_HAS_OFF, "rows begin with has");
static_assert(offsetof(struct msg_binding, has) == ROW_HAS_OFF, "rows begin with has");

static const struct field_desc grant_fields[FIELD_COUNT] = {
	[FIELD_PAD] = {KIND_SKIP},
	[FIELD_RS_ID] = {KIND_U64, AT(msg_grant, rs_id)},
	[FIELD_KEY_ID] = {KIND_U64, M, AT(msg_grant, key_id)},
	[FIELD_TEMP_KEY] = {KIND_BYTES, M, AT(msg_grant, temp_key)},
	[FIELD_LIFETIME] = {KIND_U32, AT(msg_grant, lifetime_sec)},
	[FIELD_VIPS] = {KIND_VIPS, AT(msg_grant, vips)},
	[FIELD_ENDPOINT] = {KIND_ENDPOINT, ARRAY(msg_grant, endpoints, endpoints_n)},
	[FIELD_REMOVE] = {KIND_FLAG, M},
	[FIELD_ERROR] = {KIND_CODE, AT(msg_grant, error)},
};

static const struct field_desc path_fields[FIELD_COUNT] = {
	[FIELD_PAD] = {KIND_SKIP},
	[FIELD_PATH_ID] = {KIND_U64, M, AT(msg_path, path_id)},
	[FIELD_SIDE] = {KIND_U8, M, AT(msg_path, side)},
	[FIELD_KEY_ID] = {KIND_U64, M, AT(msg_path, key_id)},
	[FIELD_KEY_ID_B] = {KIND_U64, M, AT(msg_path, key_id_b)},
	[FIELD_LIFETIME] = {KIND_U32, AT(msg_path, lifetime_sec)},
	[FIELD_HANDSHAKE] = {KIND_OPAQUE, .off = offsetof(struct msg_path, handshake),
			     .text_off = offsetof(struct msg_path, handshake_len)},
	[FIELD_BOUND] = {KIND_U8, AT(msg_path, bound)},
	[FIELD_REMOVE] = {KIND_FLAG, M},
	[FIELD_ERROR] = {KIND_CODE, AT(msg_path, error)},
};

static const struct field_desc binding_fields[FIELD_COUNT] = {
	[FIELD_PAD] = {KIND_SKIP},
	[FIELD_KEY_ID] = {KIND_U64, M, AT(msg_binding, key_id)},
	[FIELD_NUMBER] = {KIND_U32, M, AT(msg_binding, number)},
	[FIELD_LIFETIME] = {KIND_U32, AT(msg_binding, lifetime_sec)},
	[FIELD_VIP_GN] = {KIND_IP, M, AT(msg_binding, vip_gn)},
	[FIELD_RIP_GN] = {KIND_IP, M, AT(msg_binding, rip_gn)},
	[FIELD_REMOVE] = {KIND_FLAG, M},
	[FIELD_ERROR] = {KIND_CODE, AT(msg_binding, error)},
};

const struct field_desc msg_fields[FIELD_COUNT] = {
	[FIELD_PAD] = {KIND_SKIP},
	[FIELD_INDEX] = {KIND_SKIP}, /* common/hs_job.c looks at it */
	[FIELD_ATTEMPT] = {KIND_U64, M, AT(msg, attempt)},
	[FIELD_RESET_TOKEN] = {KIND_BYTES, AT(msg, reset_token)},
	[FIELD_ERROR] = {KIND_CODETEXT, M, AT(msg, error),
			 .text_off = offsetof(struct msg, error_text)},
	[FIELD_NAME] = {KIND_NAME, M, AT(msg, name)},
	[FIELD_PEER_NAME] = {KIND_NAME, M, AT(msg, peer_name)},
	[FIELD_TOKEN_ID] = {KIND_U64, M, AT(msg, token_id)},
	[FIELD_LASTING_PSK] = {KIND_BYTES, M, AT(msg, lasting_psk)},
	[FIELD_LOCATION] = {KIND_U64, M, AT(msg, location)},
	[FIELD_CANDIDATE] = {KIND_CANDIDATE, ARRAY(msg, candidates, candidates_n)},
	[FIELD_OBSERVED] = {KIND_ENDPOINT, AT(msg, observed)},
	[FIELD_VIPS] = {KIND_VIPS, M, AT(msg, vips)},
	[FIELD_PEER_VIPS] = {KIND_VIPS, M, AT(msg, peer_vips)},
	[FIELD_VIP_RANGE] = {KIND_PREFIX, ARRAY(msg, ranges, ranges_n)},
	[FIELD_SUFFIX] = {KIND_NAME, ARRAY(msg, suffixes, suffixes_n)},
	[FIELD_GRANT] = {KIND_GROUP, M, ARRAY(msg, grants, grants_n), .group = grant_fields},
	[FIELD_RS_ID] = {KIND_U64, AT(msg, rs_id)},
	[FIELD_KEY_ID] = {KIND_U64, M, AT(msg, key_id)},
	[FIELD_TEMP_KEY] = {KIND_BYTES, M, AT(msg, temp_key)},
	[FIELD_LIFETIME] = {KIND_U32, AT(msg, lifetime_sec)},
	[FIELD_ENDPOINT] = {KIND_ENDPOINT, ARRAY(msg, endpoints, endpoints_n)},
	[FIELD_PATH] = {KIND_GROUP, M, ARRAY(msg, paths, paths_n), .group = path_fields},
	[FIELD_PATH_ID] = {KIND_U64, M, AT(msg, path_id)},
	[FIELD_SIDE] = {KIND_U8, M, AT(msg, side)},
	[FIELD_PATH_KEY] = {KIND_BYTES, M, AT(msg, path_key)},
	[FIELD_SUITES] = {KIND_LIST, .off = offsetof(struct msg, suites), .size = 1,
			  .count_off = offsetof(struct msg, suites_n), .max = MSG_SUITES_MAX},
	[FIELD_ROUTE] = {KIND_U8, AT(msg, route)},
	[FIELD_BINDING] = {KIND_GROUP, M, ARRAY(msg, bindings, bindings_n),
			   .group = binding_fields},
	[FIELD_NUMBER] = {KIND_U32, AT(msg, number)},
	[FIELD_VIP_GN] = {KIND_IP, AT(msg, vip_gn)},
	[FIELD_RIP_GN] = {KIND_IP, AT(msg, rip_gn)},
	[FIELD_PEER_KEY] = {KIND_BYTES, M, AT(msg, peer_key)},
	[FIELD_CHALLENGE] = {KIND_BYTES, M, AT(msg, challenge)},
	[FIELD_BOUND] = {KIND_U8, AT(msg, bound)},
	[FIELD_MTU] = {KIND_U16, AT(msg, mtu)},
	[FIELD_REKEY] = {KIND_FLAG},
	[FIELD_LOAD] = {KIND_LOAD, AT(msg, load)},
	[FIELD_NAT] = {KIND_U8, AT(msg, nat)},
	[FIELD_KEEPALIVE] = {KIND_U32, AT(msg, keepalive_sec)},
	[FIELD_REASON] = {KIND_CODETEXT, AT(msg, reason),
			  .text_off = offsetof(struct msg, reason_text)},
	[FIELD_PEER_VIP] = {KIND_IP, M, AT(msg, peer_vip)},
	[FIELD_POOL] = {KIND_PREFIX, ARRAY(msg, pools, pools_n)},
	[FIELD_ZONE] = {KIND_NAME, ARRAY(msg, zones, zones_n)},
	[FIELD_TICKET] = {KIND_SKIP},
	[FIELD_BACKUP] = {KIND_SKIP},
	[FIELD_STANDBY] = {KIND_SKIP},
	[FIELD_SAME_SITE] = {KIND_FLAG},
	[FIELD_PEER_LOCATION] = {KIND_U64, AT(msg, peer_location)},
	[FIELD_RELAY_TYPE] = {KIND_U8, M, AT(msg, relay_type)},
};

enum { REQUEST = 0, RESPONSE = 1 };

/* An answer with ERROR needs nothing else (msg_decode). RESERVED may stand anywhere. */
static const struct msg_shape shapes[MSG_TYPE_MAX + 1][2] =
	{
		[MSG_REGISTRATION] =
			{
				{HAS(LOCATION) | HAS(SUITES), HAS(CANDIDATE) | HAS(MTU) | HAS(NAT)},
				{HAS(VIPS) | HAS(OBSERVED) | HAS(LOCATION) | HAS(KEEPALIVE),
				 HAS(SUFFIX) | HAS(VIP_RANGE) | HAS(GRANT) | HAS(LASTING_PSK)},
			},
		[MSG_KEEP_ALIVE] =
			{
				{0, HAS(LOCATION) | HAS(REKEY)},
				{HAS(OBSERVED), HAS(LOCATION) | HAS(REKEY)},
			},
		[MSG_DIRECTION] =
			{
				{HAS(LOCATION), HAS(PEER_NAME) | HAS(PEER_VIP) | HAS(CANDIDATE) |
							HAS(SUITES) | HAS(PATH_ID)},
				{HAS(ERROR), 0},
			},
		[MSG_INFORMATION] =
			{
				{HAS(PEER_NAME) | HAS(NAME) | HAS(VIPS),
				 HAS(LOCATION) | HAS(CANDIDATE) | HAS(OBSERVED) | HAS(SUITES) |
					 HAS(NAT) | HAS(PEER_VIP)},
				{HAS(PEER_NAME) | HAS(PEER_VIPS) |
					 HAS(PEER_KEY) | HAS(PEER_LOCATION) | HAS(SUITES),
				 HAS(CANDIDATE) | HAS(OBSERVED) | HAS(NAT) | HAS(MTU)},
			},
		[MSG_RELAY_DIRECTION] =
			{
				{0, HAS(GRANT) | HAS(PATH) | HAS(BINDING) | HAS(RELAY_TYPE)},
				{0, HAS(GRANT) | HAS(PATH) | HAS(BINDING) | HAS(LOAD)},
			},
		[MSG_ROUTE_DIRECTION] =
			{
				/* A path needs PATH_ID .. GRANT, a general host BINDING and GRANT: the receiver checks. */
				{HAS(RELAY_TYPE) | HAS(PEER_NAME),
				 HAS(NAME) | HAS(PATH_ID) | HAS(SIDE) | HAS(PATH_KEY) |
					 HAS(PEER_VIPS) | HAS(PEER_KEY) |
					 HAS(SUITES) | HAS(ROUTE) | HAS(LIFETIME) | HAS(GRANT) |
					 HAS(CANDIDATE) | HAS(OBSERVED) |
					 HAS(PEER_LOCATION) | HAS(REASON) |
					 HAS(SAME_SITE) | HAS(NAT) | HAS(BINDING) | HAS(MTU) |
					 HAS(RS_ID) | HAS(VIPS)},
				/* The answer is the acknowledgement, or, to a Direction Request, all of the above. */
				{0, HAS(RELAY_TYPE) | HAS(PEER_NAME) | HAS(NAME) | HAS(PATH_ID) |
					    HAS(SIDE) | HAS(PATH_KEY) | HAS(PEER_VIPS) |
					    HAS(PEER_KEY) | HAS(SUITES) | HAS(ROUTE) |
					    HAS(LIFETIME) | HAS(GRANT) | HAS(CANDIDATE) |
					    HAS(OBSERVED) | HAS(PEER_LOCATION) | HAS(REASON) |
					    HAS(SAME_SITE) | HAS(NAT) | HAS(BINDING) |
					    HAS(MTU) | HAS(RS_ID) | HAS(VIPS)},
			},
		[MSG_TUNNEL] =
			{
				{HAS(LOCATION) | HAS(PATH), 0},
				{HAS(OBSERVED) | HAS(PATH), 0},
			},
		[MSG_LEG_UPDATE] =
			{
				{HAS(LOCATION), HAS(CHALLENGE)},
				{HAS(OBSERVED) | HAS(LOCATION), HAS(CHALLENGE)},
			},
		[MSG_CHALLENGE] =
			{
				{HAS(CHALLENGE), 0},
				{HAS(CHALLENGE), 0},
			},
		[MSG_PATH_UPDATE] =
			{
				{HAS(LOCATION),
				 HAS(CANDIDATE) | HAS(NAT) | HAS(MTU) | HAS(SAME_SITE)},
				{HAS(LOCATION), HAS(OBSERVED) | HAS(CHALLENGE)},
			},
		[MSG_STATUS] =
			{
				{HAS(LOAD), 0},
				{0, 0},
			},
		[MSG_RELEASE] =
			{
				{0, HAS(PATH) | HAS(BINDING) | HAS(GRANT)},
				{0, 0},
			},
		[MSG_ASSOCIATE] =
			{
				{HAS(ZONE) | HAS(POOL), 0},
				{HAS(ZONE) | HAS(POOL), 0},
			},
};

const struct msg_shape *msg_shape_get(uint8_t type, bool is_response)
{
	if (type == 0 || type > MSG_TYPE_MAX)
		return NULL;
	return &shapes[type][is_response ? RESPONSE : REQUEST];
}
