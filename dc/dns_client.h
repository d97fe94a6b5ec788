/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef DC_DNS_CLIENT_H
#define DC_DNS_CLIENT_H

/* The DC's own look-ups (NS, TXT, A, AAAA of names that are not ours), by libunbound in one plain
 * thread: iterative or through forwarders, validating where a trust anchor is configured, cached.
 *
 *	lcore -> its own ring --- pull() ---.
 *	plain thread -> dns_client_ask() ---+--> helper thread -- post() --> the asker's ring or queue
 *
 * Threads: create and destroy on a control thread. dns_client_ask() from any plain thread (it takes
 * a mutex and wakes the helper: not for an lcore). pull() and post() are called on the helper
 * thread alone; they must not block and not call back into the client. Every look-up that was
 * taken is posted exactly once, within twice timeout_ms, but for those destroy finds under way.
 */
#include "common/dns_name.h"
#include "common/ip.h"

enum {
	DNS_LOOKUP_ADDRS_MAX = 16,
	DNS_LOOKUP_NAMES_MAX = 8,
	DNS_LOOKUP_TXTS_MAX = 8,
	DNS_LOOKUP_TXT_LEN_MAX = 255,
	DNS_CLIENT_FORWARDERS_MAX = 4,
};

struct dns_lookup {
	uint64_t tag; /* the asker's, comes back with the result */
	struct dns_name name;
	uint16_t type; /* enum dns_type */
	bool zone_of;  /* NS: of the zone that the name stands in, where it is no zone itself */
};

enum dns_lookup_status {
	DNS_LOOKUP_OK,
	DNS_LOOKUP_NODATA,
	DNS_LOOKUP_NXDOMAIN,
	DNS_LOOKUP_FAILED,  /* no server could say; rcode tells */
	DNS_LOOKUP_BOGUS,   /* DNSSEC says it was forged */
	DNS_LOOKUP_TIMEOUT, /* not decided within timeout_ms */
};

/* What is above a limit is left out. */
struct dns_lookup_result {
	uint64_t tag;
	struct dns_name name; /* as asked; with zone_of: the zone that was found */
	uint16_t type;
	enum dns_lookup_status status;
	int rcode;
	bool is_secure; /* validated; is false without a trust anchor */
	uint32_t ttl_sec;
	uint8_t addr_n, name_n, txt_n;
	struct ip_addr addr[DNS_LOOKUP_ADDRS_MAX];
	struct dns_name names[DNS_LOOKUP_NAMES_MAX]; /* NS */
	/* TXT: the strings of a record joined, ended by NUL; bytes behind an inner NUL are lost */
	char txt[DNS_LOOKUP_TXTS_MAX][DNS_LOOKUP_TXT_LEN_MAX + 1];
};

typedef void (*dns_client_post)(void *ctx, const struct dns_lookup_result *r);
/* Take the next look-up from the asker's ring; false when there is none. */
typedef bool (*dns_client_pull)(void *ctx, struct dns_lookup *l);

struct dns_client_conf {
	struct endpoint forwarders[DNS_CLIENT_FORWARDERS_MAX]; /* port 0: 53 */
	unsigned int forwarder_n;			       /* 0: iterative from the roots */
	const char *root_hints;				       /* file; NULL: those of libunbound */
	const char *trust_anchor_file;			       /* NULL: no validation */
	uint32_t timeout_ms;				       /* of a look-up; 0: 3,000 */
	uint32_t pending_max;				       /* look-ups at once; 0: 256 */
	uint32_t negative_ttl_max_sec; /* how long "no such name" is kept at most; 0: 60 */
	dns_client_pull pull;	       /* NULL: dns_client_ask() alone */
	uint32_t pull_ms;	       /* how often pull() is called; 0: 2 */
	dns_client_post post;
	void *ctx; /* of pull and post */
};

struct dns_client;

/* Copies conf and starts the thread. NULL with errno; *why then says which setting was refused. */
struct dns_client *dns_client_create(const struct dns_client_conf *conf, const char **why);
/* Stops the thread; nothing is posted any more when it returns. */
void dns_client_destroy(struct dns_client *c);

/* 0, or -EAGAIN when pending_max are under way (counted). */
int dns_client_ask(struct dns_client *c, const struct dns_lookup *l);

struct dns_client_stats {
	uint64_t asked;	  /* taken */
	uint64_t refused; /* -EAGAIN */
	uint64_t ok, no_data, nx_domain, failed, bogus, timeouts;
};
/* Any thread. */
void dns_client_stats(struct dns_client *c, struct dns_client_stats *out);

#endif
