/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_UNIT_DNS_SHELL_H
#define TESTS_UNIT_DNS_SHELL_H

/* The shell around a stub under test: keeps what the stub called it with. Its applications, upstream
 * servers and DC say what the test has them say; messages are made and read with ldns.
 */
#include "client/dns_stub.h"

#include <ldns/ldns.h>

#define SEC UINT64_C(1000000000)
#define MS UINT64_C(1000000)

enum { LOG_MAX = 64, MSG_MAX = 65535 }; /* the last LOG_MAX are kept */

struct sent {
	uint32_t xid;
	struct endpoint server;
	bool tcp;
	uint8_t msg[DNS_STUB_QUERY_LEN_MAX];
	size_t len;
};

struct shell {
	struct dns_stub *stub;
	struct rng rng;
	uint64_t now;
	int send_error; /* returned by send_upstream */
	unsigned int sent_n, open_n, reply_n, ask_n;
	struct sent sent[LOG_MAX];
	uint8_t reply[MSG_MAX];
	size_t reply_len;
	struct dns_stub_from reply_to;
	char asked[LOG_MAX][DNS_NAME_TEXT_MAX];
	bool answers_at_once; /* start_direction() calls back */
	uint16_t id;	      /* of the last ask() */
};

/* No address of this family. */
extern const struct ip_addr none;
struct ip_addr ip_of(const char *text);

/* Zone dc1.example by direction, web.example relayed, VIPs in 240.0.0.0/8 and fd00:1::/48, two
 * upstreams. conf may be NULL.
 */
struct shell *shell_new(const struct dns_stub_conf *conf);
void shell_free(struct shell *sh);
/* One of defaults as a case's state. */
int shell_setup(void **state);
int shell_teardown(void **state);
#define DNS_SHELL_TEST(f) cmocka_unit_test_setup_teardown(f, shell_setup, shell_teardown)
/* The list becomes this one name. */
void names_set(struct dns_stub *s, enum dns_stub_list which, const char *text);

/* An application asks; edns 0: without OPT. Returns the length. */
size_t query_make(uint8_t *out, const char *name, ldns_rr_type type, uint16_t id, uint16_t edns);
void ask_from(struct shell *sh, const char *name, ldns_rr_type type, uint16_t id, uint16_t edns,
	      bool tcp);
void ask(struct shell *sh, const char *name, ldns_rr_type type);

/* Answer the last question sent upstream with records as text, ';' between; "!" before one puts it
 * into the authority section, "+" into the additional.
 */
void upstream_says(struct shell *sh, int rcode, bool tc, const char *records);
/* The DC's result for a name; v4, v6: NULL for none. */
void direction_is(struct shell *sh, const char *name, enum dns_stub_result result, const char *v4,
		  const char *v6);

/* The answer section of the last reply as "name TTL TYPE data;", and its rcode. */
void reply_is(struct shell *sh, int rcode, const char *want);
/* A question that is answered from here, at once. */
void answered(struct shell *sh, const char *name, ldns_rr_type type, int rcode, const char *want);
/* Upstream has an address for the name that was asked last, and it comes through. */
void real_comes(struct shell *sh, const char *name, const char *addr);
/* Each question that came has ended in one way, and no socket is open. */
void at_rest(struct shell *sh);

#endif
