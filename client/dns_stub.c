/* SPDX-License-Identifier: BSD-3-Clause */
#include "client/dns_stub_priv.h"
#include "common/bytes.h"

#include <errno.h>
#include <stdlib.h>

enum {
	QUERIES_DEFAULT = 256,
	QUERIES_MAX = 1 << STUB_XID_INDEX_BITS,
	NAMES_DEFAULT = 512,
	NAMES_MAX = 65536,
};

struct dns_stub *dns_stub_create(const struct dns_stub_conf *conf, const struct dns_stub_ops *ops,
				 void *ctx, struct rng *rng)
{
	static const struct dns_stub_conf defaults;
	struct dns_stub *s;

	if (conf == NULL)
		conf = &defaults;
	errno = EINVAL;
	if (conf->queries_max > QUERIES_MAX || conf->names_max > NAMES_MAX)
		return NULL;
	errno = ENOMEM;
	s = calloc(1, sizeof(*s));
	if (s == NULL)
		return NULL;
	s->ops = *ops;
	s->ctx = ctx;
	s->rng = rng;
	s->relay_fails_open = conf->relay_fails_open;
	s->queries_n = conf->queries_max != 0 ? conf->queries_max : QUERIES_DEFAULT;
	s->names_n = conf->names_max != 0 ? conf->names_max : NAMES_DEFAULT;
	s->queries = calloc(s->queries_n + 1u, sizeof(*s->queries));
	s->names = calloc(s->names_n, sizeof(*s->names));
	if (s->queries != NULL && s->names != NULL)
		return s;
	dns_stub_destroy(s);
	errno = ENOMEM;
	return NULL;
}

void dns_stub_destroy(struct dns_stub *s)
{
	if (s == NULL)
		return;
	free(s->queries);
	free(s->names);
	free(s);
}

int dns_stub_set_names(struct dns_stub *s, enum dns_stub_list which, const struct dns_name *names,
		       unsigned int n)
{
	if (n > DNS_STUB_NAMES_MAX)
		return -E2BIG;
	if (which == DNS_STUB_RELAY)
		stub_names_let_go(s, names, n);
	for (unsigned int i = 0; i < n; i++)
		s->lists[which][i] = names[i];
	s->list_n[which] = n;
	return 0;
}

int dns_stub_set_ranges(struct dns_stub *s, const struct ip_prefix *ranges, unsigned int n)
{
	if (n > DNS_STUB_RANGES_MAX)
		return -E2BIG;
	for (unsigned int i = 0; i < n; i++)
		s->ranges[i] = ranges[i];
	s->range_n = n;
	return 0;
}

int dns_stub_set_upstreams(struct dns_stub *s, const struct endpoint *servers, unsigned int n)
{
	if (n > DNS_STUB_UPSTREAMS_MAX)
		return -E2BIG;
	for (unsigned int i = 0; i < n; i++)
		s->upstreams[i] = servers[i];
	s->upstream_n = n;
	s->upstream_good = 0;
	return 0;
}

bool stub_list_has(const struct dns_stub *s, enum dns_stub_list which, const struct dns_name *n)
{
	for (unsigned int i = 0; i < s->list_n[which]; i++)
		if (which == DNS_STUB_EXEMPT ? dns_name_equal(n, &s->lists[which][i])
					     : dns_name_under(n, &s->lists[which][i]))
			return true;
	return false;
}

bool stub_name_is_ours(const struct dns_stub *s, const struct dns_name *n)
{
	return !stub_list_has(s, DNS_STUB_EXEMPT, n) &&
	       (stub_list_has(s, DNS_STUB_SUFFIXES, n) || stub_list_has(s, DNS_STUB_RELAY, n));
}

/* A, AAAA and ANY are answered from what the direction said; all other types exist or not as DNS
 * says.
 */
static void answer_known(struct dns_stub *s, uint64_t now, struct stub_query *q,
			 const struct ip_addr *vip4, const struct ip_addr *vip6)
{
	uint16_t type = q->rq.q.type;

	if (type == DNS_A || type == DNS_AAAA || type == DNS_ANY) {
		stub_reply_vips(s, q, vip4, vip6);
		return;
	}
	q->is_filtered = true;
	stub_forward(s, now, q);
}

/* Ask for the entry, unless that is under way. Last thing done with q and e: the op may answer
 * before it returns.
 */
static void ask(struct dns_stub *s, uint64_t now, struct stub_name *e)
{
	char text[DNS_NAME_TEXT_MAX];

	if (e->state == STUB_NAME_ASKED && now < e->until)
		return;
	e->state = STUB_NAME_ASKED;
	e->until = now + STUB_ASK_NS;
	s->count[DNS_STUB_DIRECTIONS]++;
	s->ops.start_direction(s->ctx, dns_name_format(&e->name, text));
}

void stub_settle(struct dns_stub *s, uint64_t now, struct stub_query *q)
{
	struct stub_name *e = stub_name_get(s, now, &q->target);

	if (e == NULL) {
		stub_reply_rcode(s, q, DNS_SERVFAIL, DNS_STUB_NAMES_FULL);
		return;
	}
	if (stub_name_is_fresh(e, now)) {
		if (e->state == STUB_NAME_VIPS)
			answer_known(s, now, q, &e->vip4, &e->vip6);
		else
			stub_forward(s, now, q);
		return;
	}
	q->state = STUB_PARKED;
	q->deadline = now + DNS_STUB_WAIT_NS;
	ask(s, now, e);
}

void stub_fail(struct dns_stub *s, uint64_t now, struct stub_query *q)
{
	if (s->relay_fails_open && stub_list_has(s, DNS_STUB_RELAY, &q->target) &&
	    !stub_list_has(s, DNS_STUB_SUFFIXES, &q->target)) {
		q->is_passed = true;
		stub_forward(s, now, q);
		return;
	}
	stub_reply_rcode(s, q, DNS_SERVFAIL, DNS_STUB_DIRECTION_LOST);
}

static struct stub_query *query_alloc(struct dns_stub *s)
{
	for (uint32_t i = 0; i < s->queries_n; i++)
		if (s->queries[i].state == STUB_FREE)
			return &s->queries[i];
	return NULL;
}

/* Applications repeat a question before its answer can be there; one answer serves both. */
static bool query_is_repeat(const struct dns_stub *s, const struct dns_stub_from *from,
			    const struct dns_request *rq)
{
	for (uint32_t i = 0; i < s->queries_n; i++) {
		const struct stub_query *q = &s->queries[i];

		if (q->state != STUB_FREE && q->rq.id == rq->id && q->from.tag == from->tag &&
		    q->from.tcp == from->tcp && endpoint_equal(&q->from.peer, &from->peer) &&
		    q->rq.q.type == rq->q.type && q->rq.q.class == rq->q.class &&
		    dns_name_equal(&q->rq.q.name, &rq->q.name))
			return true;
	}
	return false;
}

static bool addr_is_vip(const struct dns_stub *s, const struct ip_addr *a)
{
	for (unsigned int i = 0; i < s->range_n; i++)
		if (prefix_contains(&s->ranges[i], a))
			return true;
	return false;
}

/* Names of VIPs are known here or nowhere: the reverse zones of VIP ranges are nobody's outside. */
static bool reverse_answer(struct dns_stub *s, struct stub_query *q)
{
	struct stub_name *e;
	struct ip_addr a;
	int kind = dns_reverse_parse(&q->rq.q.name, &a);

	if (kind == 0 || !addr_is_vip(s, &a))
		return false;
	e = kind == 1 ? stub_name_find_vip(s, &a) : NULL;
	stub_reply_ptr(s, q, e != NULL ? &e->name : NULL);
	return true;
}

static void decide(struct dns_stub *s, uint64_t now, struct stub_query *q)
{
	const struct dns_name *name = &q->rq.q.name;
	const struct stub_name *e;

	if (q->rq.q.class != DNS_IN || stub_list_has(s, DNS_STUB_EXEMPT, name)) {
		stub_forward(s, now, q);
		return;
	}
	if (reverse_answer(s, q))
		return;
	e = stub_name_find(s, name);
	if (stub_name_is_ours(s, name) ||
	    (e != NULL && e->state == STUB_NAME_VIPS && stub_name_is_fresh(e, now)))
		stub_settle(s, now, q);
	else
		stub_forward(s, now, q);
}

void dns_stub_query(struct dns_stub *s, uint64_t now, const struct dns_stub_from *from,
		    const uint8_t *msg, size_t len)
{
	struct stub_query *q = query_alloc(s);
	struct dns_request rq;
	bool is_full = q == NULL;
	int rcode;

	s->count[DNS_STUB_QUERIES]++;
	if (len < DNS_HEADER_LEN || (load_be16(msg + 2) & DNS_FLAG_QR)) {
		s->count[len < DNS_HEADER_LEN ? DNS_STUB_DROP_SHORT : DNS_STUB_DROP_RESPONSE]++;
		return;
	}
	rcode = dns_request_read(msg, len, &rq);
	if (rcode == DNS_NOERROR && query_is_repeat(s, from, &rq)) {
		s->count[DNS_STUB_DROP_REPEATED]++;
		return;
	}
	if (is_full)
		q = &s->queries[s->queries_n];
	q->is_filtered = q->is_passed = q->is_open = false;
	q->rounds = 0;
	q->chain_len = 0;
	q->from = *from;
	q->rq = rq;
	q->target = rq.q.name;
	q->len = (uint16_t)(len < sizeof(q->msg) ? len : sizeof(q->msg));
	memcpy(q->msg, msg, q->len);
	if (rcode != DNS_NOERROR)
		stub_reply_rcode(s, q, rcode, DNS_STUB_DIRECT);
	else if (is_full)
		stub_reply_rcode(s, q, DNS_SERVFAIL, DNS_STUB_QUERIES_FULL);
	else if (len > sizeof(q->msg))
		stub_reply_rcode(s, q, DNS_SERVFAIL, DNS_STUB_TOO_LONG);
	else
		decide(s, now, q);
}

void dns_stub_conn_closed(struct dns_stub *s, uint64_t tag)
{
	for (uint32_t i = 0; i < s->queries_n; i++) {
		struct stub_query *q = &s->queries[i];

		if (q->state == STUB_FREE || !q->from.tcp || q->from.tag != tag)
			continue;
		stub_upstream_close(s, q);
		q->state = STUB_FREE;
		s->count[DNS_STUB_DROP_GONE]++;
	}
}

/* The direction for name is decided: what waited for it goes on. */
static void release(struct dns_stub *s, uint64_t now, const struct dns_name *name,
		    enum dns_stub_result result, const struct ip_addr *vip4,
		    const struct ip_addr *vip6)
{
	for (uint32_t i = 0; i < s->queries_n; i++) {
		struct stub_query *q = &s->queries[i];

		if (q->state != STUB_PARKED || !dns_name_equal(&q->target, name))
			continue;
		if (result == DNS_STUB_IS_FAILED)
			stub_fail(s, now, q);
		else if (result == DNS_STUB_IS_VIPS)
			answer_known(s, now, q, vip4, vip6);
		else
			stub_forward(s, now, q);
	}
}

void dns_stub_direction(struct dns_stub *s, uint64_t now, const char *name,
			enum dns_stub_result result, const struct ip_addr *vip4,
			const struct ip_addr *vip6)
{
	struct stub_name *e = NULL;
	struct dns_name n;

	if (dns_name_parse(name, &n) == 0)
		e = stub_name_find(s, &n);
	if (e == NULL || e->state != STUB_NAME_ASKED) {
		s->count[DNS_STUB_DIRECTION_UNASKED]++;
		return;
	}
	switch (result) {
	case DNS_STUB_IS_VIPS:
		e->state = STUB_NAME_VIPS;
		e->until = now + DNS_STUB_TTL_SEC * STUB_NS_PER_SEC;
		e->vip4 = *vip4;
		e->vip6 = *vip6;
		break;
	case DNS_STUB_IS_NOT_NTM:
		e->state = STUB_NAME_NOT_NTM;
		e->until = now + DNS_STUB_NEGATIVE_SEC * STUB_NS_PER_SEC;
		break;
	case DNS_STUB_IS_FAILED:
		e->state = STUB_NAME_FREE;
		break;
	}
	release(s, now, &n, result, vip4, vip6);
}

uint64_t dns_stub_poll(struct dns_stub *s, uint64_t now)
{
	uint64_t next = stub_names_expire(s, now);

	for (uint32_t i = 0; i < s->queries_n; i++) {
		struct stub_query *q = &s->queries[i];

		if (q->state == STUB_PARKED && q->deadline <= now)
			stub_fail(s, now, q);
		else if (q->state == STUB_UPSTREAM && q->deadline <= now)
			stub_upstream_next(s, now, q);
		if (q->state != STUB_FREE && q->deadline < next)
			next = q->deadline;
	}
	return next;
}

uint64_t dns_stub_count(const struct dns_stub *s, enum dns_stub_counter c)
{
	return s->count[c];
}

#define X(sym, name, text) [DNS_STUB_##sym] = #name,
static const char *const counter_names[DNS_STUB_COUNTERS_N] = {DNS_STUB_COUNTERS(X)};
#undef X
#define X(sym, name, text) [DNS_STUB_##sym] = text,
static const char *const counter_texts[DNS_STUB_COUNTERS_N] = {DNS_STUB_COUNTERS(X)};
#undef X

const char *dns_stub_counter_name(enum dns_stub_counter c)
{
	return counter_names[c];
}

const char *dns_stub_counter_text(enum dns_stub_counter c)
{
	return counter_texts[c];
}
