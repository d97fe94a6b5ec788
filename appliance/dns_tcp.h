/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef APPLIANCE_DNS_TCP_H
#define APPLIANCE_DNS_TCP_H

/* DNS over TCP (RFC 7766): Linux has the connections, through the TAP; a plain thread reads the
 * queries and writes the answers; the DC lcore, which owns the zone, makes them. Bounded: so many
 * connections, one query of each at a time, idle ones closed, the oldest first when full.
 */
#include "dc/dns_answer.h"

#include <stdint.h>

struct app;
struct dns_tcp;
struct dns_tcp_query;

struct dns_tcp_counters {
	uint64_t accepted, queries, answers, malformed, timed_out, refused;
};

/* Listen on port 53 of every TAP, and start the thread. mail: the type under which
 * queries go to the DC lcore. 0 or -errno after a line in the log.
 */
int dns_tcp_open(struct dns_tcp **out, struct app *app, uint16_t mail);
/* NULL is fine. */
void dns_tcp_close(struct dns_tcp *t);

/* Answer a query in place and give it back to the thread. DC lcore. */
void dns_tcp_answer(struct dns_tcp *t, struct dns_server *s, struct dns_tcp_query *q, uint64_t now,
		    int64_t real_offset_ns);
void dns_tcp_counters(const struct dns_tcp *t, struct dns_tcp_counters *c);

#endif
