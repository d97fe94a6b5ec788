/* SPDX-License-Identifier: BSD-3-Clause */
#include "client/dns_stub_priv.h"
#include "common/bytes.h"
#include "common/dns_rdata.h"

/* A reply under way in s->reply. */
struct reply {
	struct dns_stub *s;
	struct stub_query *q;
	uint64_t now;
	struct dns_writer w;
	size_t limit;
	int rcode;
	bool is_cut;
};

static size_t limit_of(const struct stub_query *q)
{
	return q->from.tcp ? UINT16_MAX : q->rq.udp_size;
}

static void writer_begin(struct reply *r)
{
	const struct dns_request *rq = &r->q->rq;

	dns_writer_init(&r->w, r->s->reply, r->limit - (rq->has_edns ? DNS_OPT_LEN : 0),
			&rq->q.name, rq->q.len);
}

static void reply_begin(struct reply *r, struct dns_stub *s, struct stub_query *q, int rcode)
{
	r->s = s;
	r->q = q;
	r->limit = limit_of(q);
	r->rcode = rcode;
	r->is_cut = false;
	memcpy(s->reply, q->msg, (size_t)DNS_HEADER_LEN + q->rq.q.len);
	writer_begin(r);
}

/* Hand out len bytes of s->reply; q is free before the op runs. */
static void send_out(struct dns_stub *s, struct stub_query *q, size_t len,
		     enum dns_stub_counter end)
{
	struct dns_stub_from from = q->from;

	stub_upstream_close(s, q);
	q->state = STUB_FREE;
	s->count[end]++;
	s->ops.send_reply(s->ctx, &from, s->reply, len);
}

static void reply_send(struct reply *r, enum dns_stub_counter end)
{
	const struct dns_request *rq = &r->q->rq;
	uint16_t flags = (uint16_t)(DNS_FLAG_QR | DNS_FLAG_RA | (r->rcode & DNS_FLAG_RCODE) |
				    (rq->flags & (DNS_FLAG_OPCODE | DNS_FLAG_RD | DNS_FLAG_CD)));

	if (r->is_cut) {
		r->s->count[DNS_STUB_TRUNCATED]++;
		flags |= DNS_FLAG_TC;
		writer_begin(r);
	}
	if (rq->has_edns)
		dns_writer_opt(&r->w, 0, rq->do_bit, NULL, 0);
	send_out(r->s, r->q, dns_writer_finish(&r->w, rq->id, flags, rq->q.len > 0), end);
}

void stub_reply_rcode(struct dns_stub *s, struct stub_query *q, int rcode,
		      enum dns_stub_counter end)
{
	struct reply r;

	reply_begin(&r, s, q, rcode);
	reply_send(&r, end);
}

void stub_reply_vips(struct dns_stub *s, struct stub_query *q, const struct ip_addr *vip4,
		     const struct ip_addr *vip6)
{
	static const uint8_t any[] = "\x07RFC8482"; /* HINFO, RFC 8482 4.2 */
	uint16_t type = q->rq.q.type;
	struct dns_name last;
	struct reply r;

	reply_begin(&r, s, q, DNS_NOERROR);
	r.is_cut = !dns_chain_write(&r.w, &q->rq.q.name, q->chain, q->chain_len, &last);
	if (type == DNS_A && !ip_is_none(vip4))
		r.is_cut |= !dns_writer_rr(&r.w, DNS_ANSWER, &last, type, DNS_STUB_TTL_SEC,
					   vip4->b + 12, 4);
	else if (type == DNS_AAAA && !ip_is_none(vip6))
		r.is_cut |= !dns_writer_rr(&r.w, DNS_ANSWER, &last, type, DNS_STUB_TTL_SEC, vip6->b,
					   16);
	else if (type == DNS_ANY)
		r.is_cut |= !dns_writer_rr(&r.w, DNS_ANSWER, &last, DNS_HINFO, DNS_STUB_TTL_SEC,
					   any, sizeof(any));
	reply_send(&r, DNS_STUB_VIPS);
}

void stub_reply_ptr(struct dns_stub *s, struct stub_query *q, const struct dns_name *name)
{
	uint16_t type = q->rq.q.type;
	struct reply r;

	reply_begin(&r, s, q, name != NULL ? DNS_NOERROR : DNS_NXDOMAIN);
	if (name != NULL && (type == DNS_PTR || type == DNS_ANY))
		r.is_cut = !dns_writer_rr(&r.w, DNS_ANSWER, &q->rq.q.name, DNS_PTR,
					  DNS_STUB_TTL_SEC, name->b, name->len);
	reply_send(&r, DNS_STUB_DIRECT);
}

void stub_reply_raw(struct dns_stub *s, struct stub_query *q, const uint8_t *msg, size_t len)
{
	struct reply r;

	if (len > limit_of(q)) {
		reply_begin(&r, s, q, load_be16(msg + 2) & DNS_FLAG_RCODE);
		r.is_cut = true;
		reply_send(&r, DNS_STUB_FORWARDED);
		return;
	}
	memcpy(s->reply, msg, len);
	store_be16(s->reply, q->rq.id);
	/* the application's own spelling of the name, which has the same length */
	memcpy(s->reply + DNS_HEADER_LEN, q->msg + DNS_HEADER_LEN, q->rq.q.len);
	send_out(s, q, len, DNS_STUB_FORWARDED);
}

/* Copy one record of upstream's, unless it may show where the peer really is or its signature no
 * longer fits.
 */
static void rr_copy(struct reply *r, const uint8_t *msg, size_t len, const struct dns_rr *rr)
{
	bool is_bare = dns_rr_shows_addr(rr) &&
		       (r->q->is_filtered || stub_name_is_hidden(r->s, r->now, &rr->owner));
	uint8_t rdata[UINT16_MAX];
	int n;

	if (is_bare && (rr->type == DNS_A || rr->type == DNS_AAAA)) {
		r->s->count[DNS_STUB_REAL_REMOVED]++;
		return;
	}
	if (rr->section == DNS_ADDITIONAL || rr->class != DNS_IN || rr->type == DNS_RRSIG)
		return;
	n = dns_rdata_expand(msg, len, rr->rdata, rr->rdlen, rr->type, rdata, sizeof(rdata));
	if (n >= 0 && is_bare) {
		int before = n;

		n = dns_svcb_strip(rdata, (size_t)n);
		r->s->count[DNS_STUB_HINTS_REMOVED] += n != before;
	}
	if (n < 0) {
		r->s->count[DNS_STUB_UPSTREAM_BAD]++;
		return;
	}
	r->is_cut |= !dns_writer_rr(&r->w, rr->section, &rr->owner, rr->type, rr->ttl, rdata,
				    (uint16_t)n);
}

void stub_reply_filtered(struct dns_stub *s, uint64_t now, struct stub_query *q, const uint8_t *msg,
			 size_t len)
{
	uint16_t rcode = load_be16(msg + 2) & DNS_FLAG_RCODE;
	struct dns_rr_walk w;
	struct dns_rr rr;
	struct reply r;

	/* the name exists, for it has VIPs: where DNS does not know it, it has no such type */
	if (q->is_filtered && rcode == DNS_NXDOMAIN)
		rcode = DNS_NOERROR;
	reply_begin(&r, s, q, rcode);
	r.now = now;
	if (dns_rr_walk_init(&w, msg, len) == 0)
		while (!r.is_cut && dns_rr_next(&w, &rr) > 0)
			rr_copy(&r, msg, len, &rr);
	reply_send(&r, q->is_filtered ? DNS_STUB_VIPS : DNS_STUB_FORWARDED);
}
