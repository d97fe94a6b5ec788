/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef DC_DNS_RRL_H
#define DC_DNS_RRL_H

/* Response rate limit: a name server is not to be a stranger's megaphone. Answers are counted per
 * source prefix; above the rate most are dropped and each slip-th goes out empty with TC set, so
 * that a true client whose address is being abused comes back by TCP.
 *
 * One thread (the DC lcore) owns a limiter. Constant memory, 16 bytes per entry, taken at creation.
 * An entry is only the time at which its allowance is whole again (GCRA), so an idle one holds no
 * information and its place is taken without loss; with every place of a set busy, the one that is
 * closest to idle goes.
 */
#include "common/ip.h"
#include "common/siphash.h"

struct dns_rrl_conf {
	uint32_t rate;	  /* answers per second and prefix, from 1 to 1,000,000 */
	uint32_t burst;	  /* answers at once after a rest, from 1 to 1,000,000 */
	uint32_t slip;	  /* 0: drop all above the rate; n: each n-th is truncated instead */
	uint32_t entries; /* rounded up to a power of two, at least 8 */
	uint8_t v4_len;	  /* usually 24 */
	uint8_t v6_len;	  /* usually 56 */
};

enum dns_rrl_verdict { DNS_RRL_PASS, DNS_RRL_SLIP, DNS_RRL_DROP };

struct dns_rrl;

/* NULL with errno EINVAL or ENOMEM. Control thread. */
struct dns_rrl *dns_rrl_create(const struct dns_rrl_conf *conf, const struct siphash_key *key);
void dns_rrl_destroy(struct dns_rrl *r);

/* Account one answer to src at now (ns, monotonic). Cannot fail; two cache lines and a SipHash. */
enum dns_rrl_verdict dns_rrl_check(struct dns_rrl *r, const struct ip_addr *src, uint64_t now);

/* Busy entries that had to go for others: the table is too small for the load. */
uint64_t dns_rrl_evicted(const struct dns_rrl *r);

#endif
