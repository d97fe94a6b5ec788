/* SPDX-License-Identifier: BSD-3-Clause */
#include "dc/dns_cookie.h"
#include "common/bytes.h"

enum { COOKIE_VERSION = 1 };

void dns_cookie_init(struct dns_cookie_secret *s, const uint8_t secret[DNS_COOKIE_SECRET_LEN])
{
	memset(s, 0, sizeof(*s));
	siphash_key_load(&s->current, secret);
}

void dns_cookie_rotate(struct dns_cookie_secret *s, const uint8_t secret[DNS_COOKIE_SECRET_LEN])
{
	s->previous = s->current;
	s->has_previous = true;
	siphash_key_load(&s->current, secret);
}

/* head: the 8 bytes of client cookie and the 8 of version, reserved and time, one after the other. */
static uint64_t cookie_hash(const struct siphash_key *key, const uint8_t head[16],
			    const struct ip_addr *src)
{
	uint8_t in[32];
	bool v4 = ip_is_v4(src);

	memcpy(in, head, 16);
	memcpy(in + 16, v4 ? src->b + 12 : src->b, v4 ? 4 : 16);
	return siphash24(key, in, v4 ? 20 : 32);
}

void dns_cookie_make(const struct dns_cookie_secret *s, const uint8_t client[DNS_COOKIE_CLIENT_LEN],
		     const struct ip_addr *src, uint32_t unix_sec,
		     uint8_t out[DNS_COOKIE_SERVER_LEN])
{
	uint8_t head[16];

	memcpy(head, client, 8);
	store_be32(head + 8, (uint32_t)COOKIE_VERSION << 24);
	store_be32(head + 12, unix_sec);
	memcpy(out, head + 8, 8);
	/* the reference writes SipHash output little-endian */
	store_be64(out + 8, __builtin_bswap64(cookie_hash(&s->current, head, src)));
}

enum dns_cookie_verdict dns_cookie_check(const struct dns_cookie_secret *s, const uint8_t *cookie,
					 uint8_t len, const struct ip_addr *src, uint32_t unix_sec)
{
	uint64_t hash;
	int32_t age; /* serial number arithmetic, RFC 1982 */

	if (len != DNS_COOKIE_CLIENT_LEN + DNS_COOKIE_SERVER_LEN || cookie[8] != COOKIE_VERSION)
		return DNS_COOKIE_BAD;
	age = (int32_t)(unix_sec - load_be32(cookie + 12));
	if (age > DNS_COOKIE_LIFE_SEC || age < -DNS_COOKIE_FUTURE_SEC)
		return DNS_COOKIE_BAD;
	hash = __builtin_bswap64(load_be64(cookie + 16));
	/* a 64-bit MAC compared as one word takes the same time for every wrong value */
	if (hash == cookie_hash(&s->current, cookie, src))
		return age > DNS_COOKIE_RENEW_SEC ? DNS_COOKIE_GOOD_RENEW : DNS_COOKIE_GOOD;
	if (s->has_previous && hash == cookie_hash(&s->previous, cookie, src))
		return DNS_COOKIE_GOOD_RENEW;
	return DNS_COOKIE_BAD;
}
