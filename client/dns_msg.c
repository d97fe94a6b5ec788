/* SPDX-License-Identifier: BSD-3-Clause */
#include "client/dns_msg.h"
#include "common/bytes.h"

#include <errno.h>
#include <string.h>

enum { EDNS_DO = 0x8000 };

static int question_read(const uint8_t *msg, size_t len, struct dns_question *q)
{
	size_t off = DNS_HEADER_LEN;

	if (len < DNS_HEADER_LEN || load_be16(msg + 4) != 1 ||
	    dns_name_read(msg, len, &off, false, &q->name) < 0 || len - off < 4)
		return -EBADMSG;
	q->type = load_be16(msg + off);
	q->class = load_be16(msg + off + 2);
	q->len = (uint16_t)(off + 4 - DNS_HEADER_LEN);
	return 0;
}

int dns_request_read(const uint8_t *msg, size_t len, struct dns_request *r)
{
	struct dns_rr_walk w;
	struct dns_rr rr;
	int ret;

	r->id = load_be16(msg);
	r->flags = load_be16(msg + 2);
	r->udp_size = DNS_UDP_MIN;
	r->has_edns = r->do_bit = false;
	r->q.len = 0;
	if ((r->flags & DNS_FLAG_OPCODE) != DNS_OPCODE_QUERY)
		return DNS_NOTIMP;
	if (question_read(msg, len, &r->q) < 0 || dns_rr_walk_init(&w, msg, len) < 0)
		return DNS_FORMERR;
	while ((ret = dns_rr_next(&w, &rr)) > 0) {
		if (rr.type != DNS_OPT || rr.section != DNS_ADDITIONAL)
			continue;
		if (r->has_edns)
			return DNS_FORMERR;
		r->has_edns = true;
		r->udp_size = rr.class > DNS_UDP_MIN ? rr.class : DNS_UDP_MIN;
		r->do_bit = rr.ttl & EDNS_DO;
	}
	return ret < 0 ? DNS_FORMERR : DNS_NOERROR;
}

bool dns_reply_matches(const uint8_t *msg, size_t len, uint16_t id, const struct dns_question *q)
{
	struct dns_question got;
	uint16_t flags;

	if (len < DNS_HEADER_LEN || load_be16(msg) != id)
		return false;
	flags = load_be16(msg + 2);
	if (!(flags & DNS_FLAG_QR) || (flags & DNS_FLAG_OPCODE) != DNS_OPCODE_QUERY)
		return false;
	if (load_be16(msg + 4) == 0) /* FORMERR and the like of old servers */
		return (flags & DNS_FLAG_RCODE) != 0 && (flags & DNS_FLAG_RCODE) != DNS_NXDOMAIN;
	return question_read(msg, len, &got) == 0 && got.type == q->type && got.class == q->class &&
	       dns_name_equal(&got.name, &q->name);
}

/* The CNAME of owner in the answer section, if it has one. */
static bool cname_find(const uint8_t *msg, size_t len, const struct dns_name *owner, uint32_t *ttl,
		       struct dns_name *target)
{
	struct dns_rr_walk w;
	struct dns_rr rr;

	if (dns_rr_walk_init(&w, msg, len) < 0)
		return false;
	while (dns_rr_next(&w, &rr) > 0 && rr.section == DNS_ANSWER) {
		size_t off = rr.rdata;

		if (rr.type != DNS_CNAME || !dns_name_equal(&rr.owner, owner))
			continue;
		*ttl = rr.ttl;
		return dns_name_read(msg, rr.rdata + rr.rdlen, &off, true, target) == 0;
	}
	return false;
}

bool dns_chain_read(const uint8_t *msg, size_t len, const struct dns_question *q,
		    dns_chain_stop stop, void *arg, struct dns_chain *c)
{
	struct dns_name target;
	uint32_t ttl;

	c->len = 0;
	c->is_cut = false;
	c->last = q->name;
	if (stop(arg, &c->last))
		return true;
	if (q->type == DNS_CNAME || q->type == DNS_ANY) /* the alias itself is the answer */
		return false;
	for (int hop = 0; hop < DNS_CHAIN_HOPS_MAX; hop++) {
		if (!cname_find(msg, len, &c->last, &ttl, &target))
			return false;
		c->is_cut |= 4u + target.len > sizeof(c->data) - c->len;
		if (!c->is_cut) {
			store_be32(c->data + c->len, ttl);
			memcpy(c->data + c->len + 4, target.b, target.len);
			c->len = (uint16_t)(c->len + 4 + target.len);
		}
		c->last = target;
		if (stop(arg, &c->last))
			return true;
	}
	c->is_cut = true;
	return false;
}

bool dns_chain_write(struct dns_writer *w, const struct dns_name *owner, const uint8_t *data,
		     uint16_t len, struct dns_name *last)
{
	size_t off = 0;

	*last = *owner;
	while (off < len) {
		uint32_t ttl = load_be32(data + off);
		struct dns_name target;

		off += 4;
		if (dns_name_read(data, len, &off, false, &target) < 0 ||
		    !dns_writer_rr(w, DNS_ANSWER, last, DNS_CNAME, ttl, target.b, target.len))
			return false;
		*last = target;
	}
	return true;
}

static bool rr_addr(const uint8_t *msg, const struct dns_rr *rr, struct ip_addr *a)
{
	uint32_t v4;

	if (rr->type == DNS_A && rr->rdlen == 4) {
		memcpy(&v4, msg + rr->rdata, 4);
		*a = ip_from_v4(v4);
		return true;
	}
	if (rr->type != DNS_AAAA || rr->rdlen != 16)
		return false;
	memcpy(a->b, msg + rr->rdata, 16);
	return true;
}

bool dns_reply_addr_in(const uint8_t *msg, size_t len, const struct dns_name *name,
		       const struct ip_prefix *ranges, unsigned int n)
{
	struct dns_rr_walk w;
	struct dns_rr rr;
	struct ip_addr a;

	if (dns_rr_walk_init(&w, msg, len) < 0)
		return false;
	while (dns_rr_next(&w, &rr) > 0 && rr.section == DNS_ANSWER) {
		if (!rr_addr(msg, &rr, &a) || !dns_name_equal(&rr.owner, name))
			continue;
		for (unsigned int i = 0; i < n; i++)
			if (prefix_contains(&ranges[i], &a))
				return true;
	}
	return false;
}

enum { SVCB_MANDATORY = 0, SVCB_IPV4HINT = 4, SVCB_IPV6HINT = 6 };

static bool is_hint(uint16_t key)
{
	return key == SVCB_IPV4HINT || key == SVCB_IPV6HINT;
}

/* Drop the hints from a list of keys of n bytes, in place. */
static size_t mandatory_strip(uint8_t *keys, size_t n)
{
	size_t out = 0;

	for (size_t i = 0; i + 2 <= n; i += 2) {
		if (is_hint(load_be16(keys + i)))
			continue;
		memmove(keys + out, keys + i, 2);
		out += 2;
	}
	return out;
}

int dns_svcb_strip(uint8_t *rdata, size_t len)
{
	size_t off = 2, out;

	if (len < 2 || dns_name_read(rdata, len, &off, false, NULL) < 0)
		return -EBADMSG;
	out = off;
	while (off < len) {
		uint16_t key, size, keep;

		if (len - off < 4)
			return -EBADMSG;
		key = load_be16(rdata + off);
		keep = size = load_be16(rdata + off + 2);
		off += 4;
		if (size > len - off)
			return -EBADMSG;
		if (key == SVCB_MANDATORY)
			keep = (uint16_t)mandatory_strip(rdata + off, size);
		if (!is_hint(key) && (key != SVCB_MANDATORY || keep > 0)) {
			store_be16(rdata + out, key);
			store_be16(rdata + out + 2, keep);
			memmove(rdata + out + 4, rdata + off, keep);
			out += 4u + keep;
		}
		off += size;
	}
	return (int)out;
}

static int nibble(const uint8_t *label)
{
	if (label[0] != 1)
		return -1;
	if (label[1] >= '0' && label[1] <= '9')
		return label[1] - '0';
	return label[1] >= 'a' && label[1] <= 'f' ? label[1] - 'a' + 10 : -1;
}

static int octet(const uint8_t *label)
{
	int v = 0;

	if (label[0] < 1 || label[0] > 3 || (label[0] > 1 && label[1] == '0'))
		return -1;
	for (int i = 1; i <= label[0]; i++) {
		if (label[i] < '0' || label[i] > '9')
			return -1;
		v = v * 10 + label[i] - '0';
	}
	return v <= 255 ? v : -1;
}

int dns_reverse_parse(const struct dns_name *n, struct ip_addr *a)
{
	static const struct dns_name v4 = {14, "\x07in-addr\x04"
					       "arpa"};
	static const struct dns_name v6 = {10, "\x03ip6\x04"
					       "arpa"};
	uint8_t at[DNS_NAME_LABELS_MAX + 1], octets[4];
	unsigned int labels = dns_name_offsets(n, at), parts;
	bool is_v4 = dns_name_under(n, &v4);
	uint32_t be;
	int v;

	if (!is_v4 && !dns_name_under(n, &v6))
		return 0;
	labels -= 2;
	parts = is_v4 ? 4 : 32;
	if (labels < parts)
		return 0;
	memset(a, 0, sizeof(*a));
	for (unsigned int i = 0; i < parts; i++) { /* from the right: the highest first */
		const uint8_t *label = n->b + at[labels - 1 - i];

		v = is_v4 ? octet(label) : nibble(label);
		if (v < 0)
			return 0;
		if (is_v4)
			octets[i] = (uint8_t)v;
		else
			a->b[i / 2] |= (uint8_t)(v << (i % 2 == 0 ? 4 : 0));
	}
	if (is_v4) {
		memcpy(&be, octets, 4);
		*a = ip_from_v4(be);
	}
	return labels == parts ? 1 : 2;
}
