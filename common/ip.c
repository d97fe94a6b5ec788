/* SPDX-License-Identifier: BSD-3-Clause */
#include "common/ip.h"
#include "common/bytes.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static bool bits_equal(const uint8_t *a, const uint8_t *b, unsigned int bits)
{
	unsigned int bytes = bits / 8, rest = bits % 8;

	if (memcmp(a, b, bytes) != 0)
		return false;
	return rest == 0 || ((a[bytes] ^ b[bytes]) >> (8 - rest)) == 0;
}

bool prefix_contains(const struct ip_prefix *p, const struct ip_addr *a)
{
	return bits_equal(p->ip.b, a->b, p->len);
}

bool prefix_overlaps(const struct ip_prefix *p, const struct ip_prefix *q)
{
	return bits_equal(p->ip.b, q->ip.b, p->len < q->len ? p->len : q->len);
}

/* RFC 6890 and its successors in the IANA registries: blocks that are not globally reachable. */
static const struct v4_block {
	uint32_t net;
	uint8_t len;
} v4_special[] = {
	{0x00000000, 8},  {0x0a000000, 8},  {0x64400000, 10}, {0x7f000000, 8},	{0xa9fe0000, 16},
	{0xac100000, 12}, {0xc0000000, 24}, {0xc0000200, 24}, {0xc0586300, 24}, {0xc0a80000, 16},
	{0xc6120000, 15}, {0xc6336400, 24}, {0xcb007100, 24}, {0xe0000000, 4},	{0xf0000000, 4},
};

static bool v4_in(uint32_t a, uint32_t net, uint8_t len)
{
	return ((a ^ net) >> (32 - len)) == 0;
}

static bool v4_is_global(uint32_t a)
{
	for (size_t i = 0; i < sizeof(v4_special) / sizeof(v4_special[0]); i++)
		if (v4_in(a, v4_special[i].net, v4_special[i].len))
			return false;
	return true;
}

static bool v6_in(const struct ip_addr *a, uint32_t head, unsigned int bits)
{
	uint8_t net[4];

	store_be32(net, head);
	return bits_equal(a->b, net, bits);
}

bool ip_is_global_unicast(const struct ip_addr *a)
{
	static const uint8_t nat64[12] = {0x00, 0x64, 0xff, 0x9b};

	if (ip_is_v4(a))
		return v4_is_global(load_be32(a->b + 12));
	if (memcmp(a->b, nat64, 12) == 0)
		return v4_is_global(load_be32(a->b + 12));
	if (v6_in(a, 0x20020000, 16)) /* 6to4, RFC 3056 */
		return v4_is_global(load_be32(a->b + 2));
	if (v6_in(a, 0x20010000, 23)) /* IETF protocol assignments; Teredo, ORCHID, benchmarking */
		return false;
	if (v6_in(a, 0x20010db8, 32) || v6_in(a, 0x3fff0000, 20)) /* documentation */
		return false;
	return v6_in(a, 0x20000000, 3);
}

bool ip_is_private(const struct ip_addr *a)
{
	uint32_t v4;

	if (!ip_is_v4(a))
		return (a->b[0] & 0xfe) == 0xfc;
	v4 = load_be32(a->b + 12);
	return v4_in(v4, 0x0a000000, 8) || v4_in(v4, 0xac100000, 12) || v4_in(v4, 0xc0a80000, 16) ||
	       v4_in(v4, 0x64400000, 10);
}

bool ip_is_unicast(const struct ip_addr *a)
{
	static const struct ip_addr loopback = {.b = {[15] = 1}};
	uint32_t v4;

	if (!ip_is_v4(a))
		return a->b[0] != 0xff && !ip_is_none(a) && !ip_equal(a, &loopback);
	v4 = load_be32(a->b + 12);
	return !v4_in(v4, 0, 8) && !v4_in(v4, 0x7f000000, 8) && !v4_in(v4, 0xe0000000, 4) &&
	       v4 != 0xffffffff;
}

int ip_parse(const char *text, struct ip_addr *a)
{
	uint32_t v4;

	if (inet_pton(AF_INET, text, &v4) == 1) {
		*a = ip_from_v4(v4);
		return 0;
	}
	return inet_pton(AF_INET6, text, a->b) == 1 ? 0 : -EINVAL;
}

static int number_parse(const char *text, unsigned long max, unsigned long *out)
{
	char *end;

	if (*text < '0' || *text > '9')
		return -EINVAL;
	*out = strtoul(text, &end, 10);
	return *end == '\0' && *out <= max ? 0 : -EINVAL;
}

/* Split "left SEP right" at the last sep into a copy of left and a pointer to right. */
static const char *split_last(const char *text, char sep, char *left, size_t size)
{
	const char *at = strrchr(text, sep);

	if (at == NULL || (size_t)(at - text) >= size)
		return NULL;
	memcpy(left, text, (size_t)(at - text));
	left[at - text] = '\0';
	return at + 1;
}

int endpoint_parse(const char *text, struct endpoint *e)
{
	char host[ENDPOINT_TEXT_MAX];
	const char *port = split_last(text, ':', host, sizeof(host));
	size_t n;
	unsigned long v;

	if (port == NULL || number_parse(port, UINT16_MAX, &v) < 0)
		return -EINVAL;
	e->port = (uint16_t)v;
	n = strlen(host);
	if (host[0] != '[')
		return strchr(host, ':') == NULL ? ip_parse(host, &e->ip) : -EINVAL;
	if (n < 2 || host[n - 1] != ']')
		return -EINVAL;
	host[n - 1] = '\0';
	return ip_parse(host + 1, &e->ip);
}

int prefix_parse(const char *text, struct ip_prefix *p)
{
	char host[IP_TEXT_MAX];
	const char *len = split_last(text, '/', host, sizeof(host));
	unsigned long v;
	bool v4;

	if (len == NULL || ip_parse(host, &p->ip) < 0)
		return -EINVAL;
	v4 = ip_is_v4(&p->ip) && strchr(host, ':') == NULL;
	if (number_parse(len, v4 ? 32 : 128, &v) < 0)
		return -EINVAL;
	p->len = (uint8_t)(v4 ? v + 96 : v);
	for (unsigned int i = p->len; i < 128; i++) /* host bits must be zero */
		if (p->ip.b[i / 8] & 0x80 >> i % 8)
			return -EINVAL;
	return 0;
}

const char *ip_format(const struct ip_addr *a, char *buf)
{
	if (ip_is_v4(a))
		inet_ntop(AF_INET, a->b + 12, buf, IP_TEXT_MAX);
	else
		inet_ntop(AF_INET6, a->b, buf, IP_TEXT_MAX);
	return buf;
}

const char *endpoint_format(const struct endpoint *e, char *buf)
{
	char ip[IP_TEXT_MAX];

	ip_format(&e->ip, ip);
	snprintf(buf, ENDPOINT_TEXT_MAX, ip_is_v4(&e->ip) ? "%s:%u" : "[%s]:%u", ip, e->port);
	return buf;
}

const char *prefix_format(const struct ip_prefix *p, char *buf)
{
	char ip[IP_TEXT_MAX];

	ip_format(&p->ip, ip);
	snprintf(buf, PREFIX_TEXT_MAX, "%s/%u", ip,
		 ip_is_v4(&p->ip) && p->len >= 96 ? p->len - 96u : p->len);
	return buf;
}

socklen_t endpoint_to_sockaddr(const struct endpoint *e, bool v6_socket,
			       struct sockaddr_storage *ss)
{
	struct sockaddr_in *in = (struct sockaddr_in *)ss;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ss;

	memset(ss, 0, sizeof(*ss));
	if (ip_is_v4(&e->ip) && !v6_socket) {
		in->sin_family = AF_INET;
		in->sin_port = htons(e->port);
		in->sin_addr.s_addr = ip_v4(&e->ip);
		return sizeof(*in);
	}
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(e->port);
	memcpy(&in6->sin6_addr, e->ip.b, 16);
	return sizeof(*in6);
}

int endpoint_from_sockaddr(const struct sockaddr_storage *ss, struct endpoint *e)
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)ss;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)ss;

	if (ss->ss_family == AF_INET) {
		e->ip = ip_from_v4(in->sin_addr.s_addr);
		e->port = ntohs(in->sin_port);
		return 0;
	}
	if (ss->ss_family != AF_INET6)
		return -EAFNOSUPPORT;
	memcpy(e->ip.b, &in6->sin6_addr, 16);
	e->port = ntohs(in6->sin6_port);
	return 0;
}
