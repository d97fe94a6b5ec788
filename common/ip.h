/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef COMMON_IP_H
#define COMMON_IP_H

/* One form for addresses of both families, so that no table, message or key assumes IPv4:
 * 16 bytes in network order, IPv4 as ::ffff:a.b.c.d (RFC 4291 section 2.5.5.2).
 *
 * Plain values, no ownership; every function is pure and may be called from any thread.
 */
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

struct ip_addr {
	uint8_t b[16];
};

/* A transport address. The port is in host order; 0 is "none". */
struct endpoint {
	struct ip_addr ip;
	uint16_t port;
};

/* len counts bits of the 16-byte form: 10.0.0.0/8 has len 104. */
struct ip_prefix {
	struct ip_addr ip;
	uint8_t len;
};

enum {
	IP_TEXT_MAX = 46,	/* INET6_ADDRSTRLEN */
	ENDPOINT_TEXT_MAX = 54, /* "[" address "]:65535" */
	PREFIX_TEXT_MAX = 50,
};

static inline bool ip_is_v4(const struct ip_addr *a)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

	return memcmp(a->b, mapped, sizeof(mapped)) == 0;
}

/* All 16 bytes zero: "no address". IPv4's 0.0.0.0 is not the same thing. */
static inline bool ip_is_none(const struct ip_addr *a)
{
	static const struct ip_addr zero;

	return memcmp(a, &zero, sizeof(zero)) == 0;
}

static inline bool ip_equal(const struct ip_addr *a, const struct ip_addr *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

static inline bool endpoint_equal(const struct endpoint *a, const struct endpoint *b)
{
	return ip_equal(&a->ip, &b->ip) && a->port == b->port;
}

/* be: the address as it stands in an IPv4 header. */
static inline struct ip_addr ip_from_v4(uint32_t be)
{
	struct ip_addr a = {.b = {[10] = 0xff, [11] = 0xff}};

	memcpy(a.b + 12, &be, 4);
	return a;
}

/* The IPv4 address in network order; meaningful only where ip_is_v4(). */
static inline uint32_t ip_v4(const struct ip_addr *a)
{
	uint32_t be;

	memcpy(&be, a->b + 12, 4);
	return be;
}

bool prefix_contains(const struct ip_prefix *p, const struct ip_addr *a);
bool prefix_overlaps(const struct ip_prefix *p, const struct ip_prefix *q);

/* Unicast that can be reached across the Internet: the RFC 6890 registries, and the embedded forms
 * (mapped, 6to4, NAT64, Teredo) judged by what they embed.
 */
bool ip_is_global_unicast(const struct ip_addr *a);
/* RFC 1918, RFC 6598 (100.64/10), unique local IPv6. */
bool ip_is_private(const struct ip_addr *a);
/* Something a packet may be sent to at all: not unspecified, multicast, broadcast or loopback. */
bool ip_is_unicast(const struct ip_addr *a);

/* Parsers take the whole string; 0 or -EINVAL. endpoint_parse takes "1.2.3.4:5" and "[::1]:5". */
int ip_parse(const char *text, struct ip_addr *a);
int endpoint_parse(const char *text, struct endpoint *e);
int prefix_parse(const char *text, struct ip_prefix *p);

/* Write into buf (at least *_TEXT_MAX bytes) and return it. */
const char *ip_format(const struct ip_addr *a, char *buf);
const char *endpoint_format(const struct endpoint *e, char *buf);
const char *prefix_format(const struct ip_prefix *p, char *buf);

/* To and from the socket interface. to_sockaddr gives an AF_INET address where the endpoint is
 * IPv4, unless v6_socket asks for the mapped form; returns the length.
 */
socklen_t endpoint_to_sockaddr(const struct endpoint *e, bool v6_socket,
			       struct sockaddr_storage *ss);
int endpoint_from_sockaddr(const struct sockaddr_storage *ss, struct endpoint *e);

#endif
