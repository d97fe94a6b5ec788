/* SPDX-License-Identifier: BSD-3-Clause */
#include "common/inner.h"
#include "common/bytes.h"

enum {
	IPV4_HDR_MIN = 20,
	IPV6_HDR_LEN = 40,
	IPV6_NO_NEXT_HEADER = 59,
	PADDING_MAX = 15,
};

static enum inner_verdict check_v4(const uint8_t *p, size_t len, size_t *total)
{
	size_t ihl;

	if (len < IPV4_HDR_MIN)
		return INNER_SHORT;
	ihl = (size_t)(p[0] & 15) * 4;
	if (ihl < IPV4_HDR_MIN || ihl > len)
		return INNER_BAD_IHL;
	*total = load_be16(p + 2);
	return *total < ihl ? INNER_BAD_TOTAL : INNER_OK;
}

static enum inner_verdict check_v6(const uint8_t *p, size_t len, size_t *total)
{
	uint16_t payload;

	if (len < IPV6_HDR_LEN)
		return INNER_SHORT;
	payload = load_be16(p + 4);
	/* 0 would also announce a jumbogram (RFC 2675), whose length stands elsewhere. */
	if (payload == 0 && p[6] != IPV6_NO_NEXT_HEADER)
		return INNER_ZERO_PAYLOAD;
	*total = IPV6_HDR_LEN + (size_t)payload;
	return INNER_OK;
}

static enum inner_verdict check_tail(const uint8_t *p, size_t total, size_t len, bool is_padded)
{
	uint8_t sum = 0;

	if (total > len)
		return INNER_TRUNCATED;
	if (len - total > (is_padded ? PADDING_MAX : 0))
		return INNER_TRAILING;
	for (size_t i = total; i < len; i++)
		sum |= p[i];
	return sum == 0 ? INNER_OK : INNER_BAD_PADDING;
}

enum inner_verdict inner_check(const uint8_t *p, size_t len, bool is_padded, size_t *inner_len)
{
	enum inner_verdict v;
	size_t total = 0;

	if (len == 0)
		return INNER_EMPTY;
	switch (p[0] >> 4) {
	case 4:
		v = check_v4(p, len, &total);
		break;
	case 6:
		v = check_v6(p, len, &total);
		break;
	default:
		return INNER_BAD_VERSION;
	}
	if (v == INNER_OK)
		v = check_tail(p, total, len, is_padded);
	if (v == INNER_OK)
		*inner_len = total;
	return v;
}

/* clang-format off */
static const char *const names[] = {
#define X(name, text) #name,
	INNER_VERDICTS(X)
#undef X
};

static const char *const texts[] = {
#define X(name, text) text,
	INNER_VERDICTS(X)
#undef X
};
/* clang-format on */

const char *inner_verdict_name(enum inner_verdict v)
{
	return (unsigned int)v < INNER_VERDICT_COUNT ? names[v] : "unknown";
}

const char *inner_verdict_text(enum inner_verdict v)
{
	return (unsigned int)v < INNER_VERDICT_COUNT ? texts[v] : "unknown";
}
