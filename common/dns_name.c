/* SPDX-License-Identifier: BSD-3-Clause */
#include "common/dns_name.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static inline uint8_t lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c;
}

static void label_copy(struct dns_name *n, size_t at, const uint8_t *label)
{
	n->b[at] = label[0];
	for (size_t i = 1; i <= label[0]; i++)
		n->b[at + i] = lower(label[i]);
}

int dns_name_read(const uint8_t *msg, size_t size, size_t *off, bool may_compress,
		  struct dns_name *n)
{
	size_t at = *off, floor = *off, len = 0;
	bool jumped = false;

	for (;;) {
		uint8_t c;

		if (at >= size)
			return -EBADMSG;
		c = msg[at];
		if ((c & 0xc0) == 0xc0) { /* RFC 1035 4.1.4 */
			size_t to;

			if (!may_compress || at + 2 > size)
				return -EBADMSG;
			to = (size_t)(c & 0x3f) << 8 | msg[at + 1];
			if (to >= floor || to < DNS_HEADER_LEN)
				return -EBADMSG;
			if (!jumped)
				*off = at + 2;
			jumped = true;
			at = floor = to;
			continue;
		}
		if (c > DNS_LABEL_MAX || at + 1 + c > size || len + 1 + c > DNS_NAME_MAX)
			return -EBADMSG;
		if (n != NULL)
			label_copy(n, len, msg + at);
		len += 1u + c;
		at += 1u + c;
		if (c == 0)
			break;
	}
	if (!jumped)
		*off = at;
	if (n != NULL)
		n->len = (uint8_t)len;
	return 0;
}

/* One character of a label, escapes resolved; -1 when the escape is malformed. */
static int text_char(const char **text)
{
	const char *p = *text;
	int v = 0;

	if (*p != '\\') {
		*text = p + 1;
		return (uint8_t)*p;
	}
	if (p[1] < '0' || p[1] > '9') {
		*text = p + 2;
		return p[1] == '\0' ? -1 : (uint8_t)p[1];
	}
	for (int i = 1; i <= 3; i++) {
		if (p[i] < '0' || p[i] > '9')
			return -1;
		v = v * 10 + (p[i] - '0');
	}
	*text = p + 4;
	return v <= 255 ? v : -1;
}

int dns_name_parse(const char *text, struct dns_name *n)
{
	size_t start = 0, len = 1; /* the open label's length byte, and what is written */

	if (strcmp(text, ".") == 0)
		text++;
	else if (*text == '\0')
		return -EINVAL;
	while (*text != '\0') {
		int c;

		if (*text == '.') {
			if (len == start + 1 || len >= DNS_NAME_MAX)
				return -EINVAL;
			n->b[start] = (uint8_t)(len - start - 1);
			start = len++;
			text++;
			continue;
		}
		c = text_char(&text);
		if (c < 0 || len - start > DNS_LABEL_MAX || len >= DNS_NAME_MAX)
			return -EINVAL;
		n->b[len++] = lower((uint8_t)c);
	}
	if (len > start + 1) { /* no dot at the end: close the last label */
		if (len >= DNS_NAME_MAX)
			return -EINVAL;
		n->b[start] = (uint8_t)(len - start - 1);
		start = len++;
	}
	n->b[start] = 0;
	n->len = (uint8_t)len;
	return 0;
}

static char *char_format(char *out, uint8_t c)
{
	if (c == '.' || c == '\\' || c == '"' || c == ';' || c == '(' || c == ')' || c == '@' ||
	    c == '$') {
		*out++ = '\\';
		*out++ = (char)c;
	} else if (c <= ' ' || c >= 0x7f) {
		*out++ = '\\';
		*out++ = (char)('0' + c / 100);
		*out++ = (char)('0' + c / 10 % 10);
		*out++ = (char)('0' + c % 10);
	} else {
		*out++ = (char)c;
	}
	return out;
}

const char *dns_name_format(const struct dns_name *n, char *buf)
{
	char *out = buf;

	if (n->len == 1)
		*out++ = '.';
	for (size_t at = 0; n->b[at] != 0; at += 1u + n->b[at]) {
		if (at > 0)
			*out++ = '.';
		for (size_t i = 1; i <= n->b[at]; i++)
			out = char_format(out, n->b[at + i]);
	}
	*out = '\0';
	return buf;
}

bool dns_name_equal(const struct dns_name *a, const struct dns_name *b)
{
	return a->len == b->len && memcmp(a->b, b->b, a->len) == 0;
}

bool dns_name_under(const struct dns_name *n, const struct dns_name *top)
{
	size_t at = 0, want;

	if (n->len < top->len)
		return false;
	want = (size_t)(n->len - top->len);
	while (at < want) /* the tail must begin at a label */
		at += 1u + n->b[at];
	return at == want && memcmp(n->b + at, top->b, top->len) == 0;
}

unsigned int dns_name_labels(const struct dns_name *n)
{
	unsigned int labels = 0;

	for (size_t at = 0; n->b[at] != 0; at += 1u + n->b[at])
		labels++;
	return labels;
}

unsigned int dns_name_offsets(const struct dns_name *n, uint8_t at[DNS_NAME_LABELS_MAX + 1])
{
	unsigned int labels = 0;
	size_t off = 0;

	for (; n->b[off] != 0; off += 1u + n->b[off])
		at[labels++] = (uint8_t)off;
	at[labels] = (uint8_t)off;
	return labels;
}

bool dns_name_chop(struct dns_name *n)
{
	size_t first = 1u + n->b[0];

	if (n->len == 1)
		return false;
	n->len = (uint8_t)(n->len - first);
	memmove(n->b, n->b + first, n->len);
	return true;
}
