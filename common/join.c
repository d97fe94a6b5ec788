/* SPDX-License-Identifier: BSD-3-Clause */
#include "common/join.h"
#include "common/base64.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N_PARTS = 5 };

const char *join_format(const struct join *j, char *buf)
{
	char key[BASE64_KEY_SIZE], token[BASE64_KEY_SIZE];

	base64_encode(j->dc_key, JOIN_KEY_LEN, true, key);
	base64_encode(j->token, JOIN_KEY_LEN, true, token);
	snprintf(buf, JOIN_TEXT_MAX, "ntm1:%s:%s:%s:%s:%" PRIu64, j->name, j->dc, key, token,
		 j->expires_s);
	return buf;
}

static bool name_ok(const char *s, size_t len)
{
	size_t label = 0;

	if (len == 0 || len >= JOIN_NAME_MAX)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (s[i] == '.') {
			if (label == 0)
				return false;
			label = 0;
		} else if (++label > 63 ||
			   (!isalnum((unsigned char)s[i]) && s[i] != '-' && s[i] != '_')) {
			return false;
		}
	}
	return label > 0;
}

static int expires_parse(const char *s, uint64_t *out)
{
	char *end;

	if (!isdigit((unsigned char)*s))
		return -EINVAL;
	errno = 0;
	*out = strtoull(s, &end, 10);
	return *end == '\0' && errno == 0 ? 0 : -EINVAL;
}

int join_parse(const char *text, struct join *j)
{
	const char *part[N_PARTS];
	size_t len[N_PARTS];

	memset(j, 0, sizeof(*j)); /* padding, too: such structs are compared as bytes */
	if (strncmp(text, "ntm1:", 5) != 0)
		return -EINVAL;
	text += 5;
	for (int i = 0; i < N_PARTS; i++) {
		part[i] = text;
		len[i] = strcspn(text, ":");
		text += len[i];
		if ((*text == ':') != (i < N_PARTS - 1))
			return -EINVAL;
		text++;
	}
	if (!name_ok(part[0], len[0]) || !name_ok(part[1], len[1]) ||
	    base64_decode(part[2], len[2], j->dc_key, JOIN_KEY_LEN) < 0 ||
	    base64_decode(part[3], len[3], j->token, JOIN_KEY_LEN) < 0)
		return -EINVAL;
	memcpy(j->name, part[0], len[0]);
	memcpy(j->dc, part[1], len[1]);
	return expires_parse(part[4], &j->expires_s);
}
