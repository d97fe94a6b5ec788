/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef DC_DNS_COOKIE_H
#define DC_DNS_COOKIE_H

/* Server cookies as RFC 9018 section 4 lays them out: version, reserved, time, and SipHash-2-4 over
 * client cookie, these and the client's address. All name servers of an anycast set that share the
 * secret accept each other's.
 *
 * Pure; a secret belongs to one thread (the DC lcore), which also rotates it.
 */
#include "common/ip.h"
#include "common/siphash.h"
#include "dc/dns_wire.h"

enum {
	DNS_COOKIE_LIFE_SEC = 3600,  /* RFC 9018 4.3 */
	DNS_COOKIE_RENEW_SEC = 1800, /* older ones are good but answered with a fresh one */
	DNS_COOKIE_FUTURE_SEC = 300, /* clocks of an anycast set may differ */
	DNS_COOKIE_SECRET_LEN = 16,
};

struct dns_cookie_secret {
	struct siphash_key current;
	struct siphash_key previous; /* still accepted: rotate no faster than once an hour */
	bool has_previous;
};

/* Begin with a secret; random unless shared by config. */
void dns_cookie_init(struct dns_cookie_secret *s, const uint8_t secret[DNS_COOKIE_SECRET_LEN]);
void dns_cookie_rotate(struct dns_cookie_secret *s, const uint8_t secret[DNS_COOKIE_SECRET_LEN]);

/* The 16 bytes to hand to the client at src; unix_sec is the wall clock. */
void dns_cookie_make(const struct dns_cookie_secret *s, const uint8_t client[DNS_COOKIE_CLIENT_LEN],
		     const struct ip_addr *src, uint32_t unix_sec,
		     uint8_t out[DNS_COOKIE_SERVER_LEN]);

enum dns_cookie_verdict { DNS_COOKIE_BAD, DNS_COOKIE_GOOD, DNS_COOKIE_GOOD_RENEW };

/* Is this the cookie option of a client that has received an answer from here before? */
enum dns_cookie_verdict dns_cookie_check(const struct dns_cookie_secret *s, const uint8_t *cookie,
					 uint8_t len, const struct ip_addr *src, uint32_t unix_sec);

#endif
