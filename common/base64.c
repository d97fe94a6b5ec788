/* SPDX-License-Identifier: BSD-3-Clause */
#include "common/base64.h"

#include <errno.h>

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

static char letter(uint32_t v, bool is_url)
{
	if (v < 62)
		return letters[v];
	return v == 62 ? (is_url ? '-' : '+') : (is_url ? '_' : '/');
}

static int letter_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+' || c == '-')
		return 62;
	return c == '/' || c == '_' ? 63 : -1;
}

void base64_encode(const void *in, size_t len, bool is_url, char *out)
{
	const uint8_t *b = in;

	for (size_t i = 0; i < len; i += 3) {
		size_t n = len - i < 3 ? len - i : 3;
		uint32_t v = (uint32_t)b[i] << 16;

		v |= n > 1 ? (uint32_t)b[i + 1] << 8 : 0;
		v |= n > 2 ? b[i + 2] : 0;
		for (size_t k = 0; k <= n; k++)
			*out++ = letter(v >> (18 - 6 * k) & 63, is_url);
		for (size_t k = n; k < 3 && !is_url; k++)
			*out++ = '=';
	}
	*out = '\0';
}

int base64_decode(const char *text, size_t text_len, void *out, size_t len)
{
	uint8_t *b = out;
	uint32_t bits = 0, n_bits = 0;
	size_t n = 0;

	if (text_len > 0 && text_len % 4 == 0 && text[text_len - 1] == '=')
		text_len -= text[text_len - 2] == '=' ? 2 : 1;
	if (text_len != (len * 8 + 5) / 6)
		return -EINVAL;
	for (size_t i = 0; i < text_len; i++) {
		int v = letter_value(text[i]);

		if (v < 0)
			return -EINVAL;
		bits = bits << 6 | (uint32_t)v;
		n_bits += 6;
		if (n_bits >= 8) {
			n_bits -= 8;
			b[n++] = (uint8_t)(bits >> n_bits);
		}
	}
	return (bits & ((1u << n_bits) - 1)) == 0 ? 0 : -EINVAL;
}
