/* SPDX-License-Identifier: BSD-3-Clause */
#include "client/dns_stub_priv.h"
#include "common/bytes.h"

#include <errno.h>

enum { TRIES_MAX = 4 };

static uint32_t xid_of(const struct dns_stub *s, const struct stub_query *q)
{
	return q->gen << STUB_XID_INDEX_BITS | (uint32_t)(q - s->queries);
}

void stub_upstream_close(struct dns_stub *s, struct stub_query *q)
{
	if (!q->is_open)
		return;
	q->is_open = false;
	s->ops.end_upstream(s->ctx, xid_of(s, q));
}

/* Two tries per server, four in all. */
static bool tries_left(const struct dns_stub *s, const struct stub_query *q)
{
	unsigned int most = 2 * s->upstream_n < TRIES_MAX ? 2 * s->upstream_n : TRIES_MAX;

	return q->tries < most;
}

static void next_server(struct dns_stub *s, struct stub_query *q)
{
	q->tries++;
	q->server = (uint8_t)((q->server + 1u) % s->upstream_n);
}

/* Send to q->server, or to those after it until one takes it. */
static void try_send(struct dns_stub *s, uint64_t now, struct stub_query *q)
{
	stub_upstream_close(s, q);
	for (; tries_left(s, q); next_server(s, q)) {
		uint32_t gen = ++q->gen;
		int ret;

		q->server = (uint8_t)(q->server % s->upstream_n); /* the list may have changed */
		q->id = (uint16_t)rng_u64(s->rng);
		store_be16(q->msg, q->id);
		q->state = STUB_UPSTREAM;
		q->deadline = now + (q->by_tcp ? DNS_STUB_TCP_WAIT_NS : DNS_STUB_UDP_WAIT_NS);
		q->is_open = true;
		s->count[DNS_STUB_UPSTREAM_SENT]++;
		ret = s->ops.send_upstream(s->ctx, xid_of(s, q), &s->upstreams[q->server],
					   q->by_tcp, q->msg, q->len);
		if (ret >= 0 || ret == -EINPROGRESS || q->gen != gen)
			return;
		q->is_open = false;
	}
	stub_reply_rcode(s, q, DNS_SERVFAIL, DNS_STUB_UPSTREAM_LOST);
}

void stub_forward(struct dns_stub *s, uint64_t now, struct stub_query *q)
{
	if (q->rounds++ >= STUB_ROUNDS_MAX) {
		stub_reply_rcode(s, q, DNS_SERVFAIL, DNS_STUB_UPSTREAM_LOST);
		return;
	}
	q->by_tcp = q->from.tcp;
	q->tries = 0;
	q->server = (uint8_t)s->upstream_good;
	try_send(s, now, q);
}

void stub_upstream_next(struct dns_stub *s, uint64_t now, struct stub_query *q)
{
	s->count[DNS_STUB_UPSTREAM_RETRY]++;
	if (s->upstream_n > 0)
		next_server(s, q);
	try_send(s, now, q);
}

struct chain_walk {
	struct dns_stub *s;
	uint64_t now;
};

static bool chain_stop(void *arg, const struct dns_name *n)
{
	const struct chain_walk *w = arg;

	return stub_name_is_hidden(w->s, w->now, n);
}

/* A name in no list of ours whose address is a VIP all the same: another DC's. */
static bool has_vip(struct dns_stub *s, uint64_t now, const uint8_t *msg, size_t len,
		    const struct dns_name *n)
{
	if (stub_list_has(s, DNS_STUB_EXEMPT, n) || stub_name_is_other(s, now, n))
		return false;
	return dns_reply_addr_in(msg, len, n, s->ranges, s->range_n);
}

/* Does upstream's answer lead to an NTMobile name? Then q->target is that name and the aliases to it
 * are kept. False: the answer may go out as it is.
 */
static bool leads_to_ours(struct dns_stub *s, uint64_t now, struct stub_query *q,
			  const uint8_t *msg, size_t len, bool *is_cut)
{
	struct chain_walk w = {s, now};
	struct dns_chain c;

	if (q->rq.q.class != DNS_IN)
		return false;
	if (!dns_chain_read(msg, len, &q->rq.q, chain_stop, &w, &c) &&
	    !has_vip(s, now, msg, len, &c.last))
		return false;
	*is_cut = c.is_cut;
	q->target = c.last;
	q->chain_len = c.len;
	memcpy(q->chain, c.data, c.len);
	return true;
}

/* Addresses of our names that came along unasked. */
static bool shows_ours(struct dns_stub *s, uint64_t now, const uint8_t *msg, size_t len)
{
	struct dns_rr_walk w;
	struct dns_rr rr;

	if (dns_rr_walk_init(&w, msg, len) < 0)
		return false;
	while (dns_rr_next(&w, &rr) > 0)
		if (dns_rr_shows_addr(&rr) && stub_name_is_hidden(s, now, &rr.owner))
			return true;
	return false;
}

static void answer_use(struct dns_stub *s, uint64_t now, struct stub_query *q, const uint8_t *msg,
		       size_t len)
{
	bool is_cut = false;

	if (q->is_filtered) {
		stub_reply_filtered(s, now, q, msg, len);
	} else if (q->is_passed) {
		stub_reply_raw(s, q, msg, len);
	} else if (!leads_to_ours(s, now, q, msg, len, &is_cut)) {
		if (shows_ours(s, now, msg, len))
			stub_reply_filtered(s, now, q, msg, len);
		else
			stub_reply_raw(s, q, msg, len);
	} else if (is_cut) {
		stub_reply_rcode(s, q, DNS_SERVFAIL, DNS_STUB_TOO_LONG);
	} else {
		stub_upstream_close(s, q);
		stub_settle(s, now, q);
	}
}

static struct stub_query *query_of(struct dns_stub *s, uint32_t xid)
{
	uint32_t i = xid & ((1u << STUB_XID_INDEX_BITS) - 1);
	struct stub_query *q = &s->queries[i];

	if (i >= s->queries_n || q->state != STUB_UPSTREAM || !q->is_open || xid_of(s, q) != xid)
		return NULL;
	return q;
}

void dns_stub_upstream(struct dns_stub *s, uint64_t now, uint32_t xid, const uint8_t *msg,
		       size_t len)
{
	struct stub_query *q = query_of(s, xid);
	uint16_t flags, rcode;

	if (q == NULL || len > UINT16_MAX || !dns_reply_matches(msg, len, q->id, &q->rq.q)) {
		s->count[DNS_STUB_UPSTREAM_ALIEN]++; /* the true answer may still come */
		return;
	}
	flags = load_be16(msg + 2);
	rcode = flags & DNS_FLAG_RCODE;
	if ((flags & DNS_FLAG_TC) && !q->by_tcp) {
		s->count[DNS_STUB_UPSTREAM_TCP]++;
		q->by_tcp = true;
		try_send(s, now, q);
		return;
	}
	if (!dns_reply_valid(msg, len)) {
		s->count[DNS_STUB_UPSTREAM_BAD]++;
		stub_upstream_next(s, now, q);
		return;
	}
	if ((rcode == DNS_SERVFAIL || rcode == DNS_REFUSED) && s->upstream_n > 1 &&
	    q->tries + 1u < s->upstream_n) { /* each server once */
		stub_upstream_next(s, now, q);
		return;
	}
	s->upstream_good = q->server;
	if (load_be16(msg + 4) == 0)
		stub_reply_rcode(s, q, rcode, DNS_STUB_FORWARDED);
	else
		answer_use(s, now, q, msg, len);
}

void dns_stub_upstream_failed(struct dns_stub *s, uint64_t now, uint32_t xid)
{
	struct stub_query *q = query_of(s, xid);

	if (q != NULL)
		stub_upstream_next(s, now, q);
}
