/* SPDX-License-Identifier: BSD-3-Clause */
#include "common/msg.h"

#include <stdio.h>

static const char *const type_names[MSG_TYPE_MAX + 1] = {
	[MSG_REGISTRATION] = "registration",
	[MSG_KEEP_ALIVE] = "keep-alive",
	[MSG_DIRECTION] = "direction",
	[MSG_INFORMATION] = "information",
	[MSG_RELAY_DIRECTION] = "relay-direction",
	[MSG_ROUTE_DIRECTION] = "route-direction",
	[MSG_TUNNEL] = "tunnel",
	[MSG_LEG_UPDATE] = "leg-update",
	[MSG_CHALLENGE] = "challenge",
	[MSG_PATH_UPDATE] = "path-update",
	[MSG_STATUS] = "status",
	[MSG_RELEASE] = "release",
	[MSG_ASSOCIATE] = "associate",
};

static const char *const field_names[FIELD_COUNT] = {
#define X(name, number, help) [number] = #name,
	MSG_FIELDS(X)
#undef X
};

static const struct {
	uint16_t code;
	const char *name, *text;
} errors[] = {
#define X(name, number, text) {number, #name, text},
	MSG_ERRORS(X)
#undef X
};

void msg_init(struct msg *m, enum msg_type type, bool is_response, uint32_t txn)
{
	memset(m, 0, sizeof(*m));
	m->type = (uint8_t)type;
	m->is_response = is_response;
	m->part = m->of = 1;
	m->txn = txn;
}

void msg_refuse(struct msg *m, uint8_t type, uint32_t txn, enum msg_error code)
{
	msg_init(m, type, true, txn);
	m->has = HAS(ERROR);
	m->error = (uint16_t)code;
	snprintf(m->error_text, sizeof(m->error_text), "%s", msg_error_text((uint16_t)code));
}

const char *msg_type_name(uint8_t type)
{
	return type <= MSG_TYPE_MAX && type_names[type] != NULL ? type_names[type] : "unknown";
}

const char *msg_field_name(uint8_t field)
{
	return field < FIELD_COUNT && field_names[field] != NULL ? field_names[field] : "unknown";
}

const char *msg_error_name(uint16_t code)
{
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
		if (errors[i].code == code)
			return errors[i].name;
	return "UNKNOWN";
}

const char *msg_error_text(uint16_t code)
{
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
		if (errors[i].code == code)
			return errors[i].text;
	return "unknown error";
}

static bool is_name_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

bool name_is_valid(const char *name, size_t len)
{
	size_t label = 0;

	if (len == 0 || len > NAME_MAX_LEN)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (name[i] == '.') {
			if (label == 0)
				return false;
			label = 0;
		} else if (!is_name_char(name[i]) || ++label > 63) {
			return false;
		}
	}
	return label > 0;
}

bool name_is_under(const char *name, const char *suffix)
{
	size_t n = strlen(name), s = strlen(suffix);

	if (n < s || memcmp(name + n - s, suffix, s) != 0)
		return false;
	return n == s || name[n - s - 1] == '.';
}
