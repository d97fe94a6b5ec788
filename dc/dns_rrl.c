/* SPDX-License-Identifier: BSD-3-Clause */
#include "dc/dns_rrl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	RRL_WAYS = 8, /* a set is two cache lines */
	RRL_LIMIT_MAX = 1000000,
};

#define NS_PER_SEC UINT64_C(1000000000)

/* busy_until is GCRA's theoretical arrival time: now + what was used of the allowance. */
struct rrl_entry {
	uint32_t tag;
	uint32_t over; /* answers above the rate, for the slip; starts anew with the entry */
	uint64_t busy_until;
};

struct dns_rrl {
	struct siphash_key key;
	uint64_t interval_ns; /* one answer's share */
	uint64_t burst_ns;
	uint64_t evicted;
	uint32_t slip;
	uint32_t set_mask;
	uint8_t v4_len, v6_len;
	struct rrl_entry *entries;
};

struct dns_rrl *dns_rrl_create(const struct dns_rrl_conf *conf, const struct siphash_key *key)
{
	struct dns_rrl *r = NULL;
	uint32_t sets = 1;

	errno = EINVAL;
	if (conf->rate == 0 || conf->rate > RRL_LIMIT_MAX || conf->burst == 0 ||
	    conf->burst > RRL_LIMIT_MAX || conf->entries > 1u << 28 || conf->v4_len > 32 ||
	    conf->v6_len > 128)
		return NULL;
	while ((uint64_t)sets * RRL_WAYS < conf->entries)
		sets *= 2;
	errno = ENOMEM;
	r = calloc(1, sizeof(*r));
	if (r == NULL)
		return NULL;
	r->entries = aligned_alloc(64, (size_t)sets * RRL_WAYS * sizeof(*r->entries));
	if (r->entries == NULL) {
		free(r);
		return NULL;
	}
	memset(r->entries, 0, (size_t)sets * RRL_WAYS * sizeof(*r->entries));
	r->key = *key;
	r->interval_ns = NS_PER_SEC / conf->rate;
	r->burst_ns = r->interval_ns * (conf->burst - 1);
	r->slip = conf->slip;
	r->set_mask = sets - 1;
	r->v4_len = conf->v4_len;
	r->v6_len = conf->v6_len;
	return r;
}

void dns_rrl_destroy(struct dns_rrl *r)
{
	if (r == NULL)
		return;
	free(r->entries);
	free(r);
}

static uint64_t prefix_hash(const struct dns_rrl *r, const struct ip_addr *src)
{
	unsigned int bits = ip_is_v4(src) ? 96u + r->v4_len : r->v6_len;
	struct ip_addr net = *src;

	for (unsigned int i = 0; i < sizeof(net.b); i++, bits -= bits < 8 ? bits : 8)
		if (bits < 8)
			net.b[i] &= (uint8_t)(0xff00 >> bits);
	return siphash24(&r->key, net.b, sizeof(net.b));
}

static struct rrl_entry *entry_get(struct dns_rrl *r, const struct ip_addr *src, uint64_t now)
{
	uint64_t h = prefix_hash(r, src);
	struct rrl_entry *set = &r->entries[((uint32_t)h & r->set_mask) * RRL_WAYS], *least = set;
	uint32_t tag = (uint32_t)(h >> 32);

	for (int i = 0; i < RRL_WAYS; i++) {
		if (set[i].tag == tag)
			return &set[i];
		if (set[i].busy_until < least->busy_until)
			least = &set[i];
	}
	r->evicted += least->busy_until > now;
	*least = (struct rrl_entry){.tag = tag};
	return least;
}

enum dns_rrl_verdict dns_rrl_check(struct dns_rrl *r, const struct ip_addr *src, uint64_t now)
{
	struct rrl_entry *e = entry_get(r, src, now);
	uint64_t from = e->busy_until > now ? e->busy_until : now;

	if (from - now <= r->burst_ns) {
		e->busy_until = from + r->interval_ns;
		return DNS_RRL_PASS;
	}
	e->over++;
	return r->slip != 0 && e->over % r->slip == 0 ? DNS_RRL_SLIP : DNS_RRL_DROP;
}

uint64_t dns_rrl_evicted(const struct dns_rrl *r)
{
	return r->evicted;
}
