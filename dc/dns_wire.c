/* SPDX-License-Identifier: BSD-3-Clause */
#include "dc/dns_wire.h"
#include "common/bytes.h"

#include <string.h>

enum { EDNS_COOKIE = 10, EDNS_DO = 0x8000 };

/* RFC 6891 6.1.2 and RFC 7873 4. The first COOKIE counts, as RFC 7873 5.2 says. */
static int options_parse(struct dns_query *q, const uint8_t *opt, size_t len)
{
	size_t at = 0;

	while (at < len) {
		uint16_t code, size;

		if (len - at < 4)
			return DNS_FORMERR;
		code = load_be16(opt + at);
		size = load_be16(opt + at + 2);
		at += 4;
		if (size > len - at)
			return DNS_FORMERR;
		if (code == EDNS_COOKIE && q->cookie_len == 0) {
			if (size != DNS_COOKIE_CLIENT_LEN && (size < 16 || size > DNS_COOKIE_MAX))
				return DNS_FORMERR;
			memcpy(q->cookie, opt + at, size);
			q->cookie_len = (uint8_t)size;
		}
		at += size;
	}
	return DNS_NOERROR;
}

/* An OPT whose fixed part begins at fixed (type, class, TTL, length). */
static int opt_parse(struct dns_query *q, const uint8_t *fixed, uint16_t rdlen)
{
	if (q->has_edns)
		return DNS_FORMERR;
	q->has_edns = true;
	q->udp_size = load_be16(fixed + 2);
	if (q->udp_size < DNS_UDP_MIN) /* RFC 6891 6.2.3 */
		q->udp_size = DNS_UDP_MIN;
	q->edns_version = fixed[5];
	q->do_bit = load_be16(fixed + 6) & EDNS_DO;
	if (q->edns_version != 0) /* its options may mean anything */
		return DNS_NOERROR;
	return options_parse(q, fixed + 10, rdlen);
}

static int additional_parse(struct dns_query *q, const uint8_t *msg, size_t len, size_t off,
			    unsigned int count)
{
	bool has_tsig = false;
	int ret;

	for (; count > 0; count--) {
		size_t owner = off;
		uint16_t type, rdlen;

		if (dns_name_read(msg, len, &off, true, NULL) < 0 || len - off < 10)
			return DNS_FORMERR;
		type = load_be16(msg + off);
		rdlen = load_be16(msg + off + 8);
		if (rdlen > len - off - 10)
			return DNS_FORMERR;
		if (type == DNS_OPT) {
			ret = msg[owner] == 0 ? opt_parse(q, msg + off, rdlen) : DNS_FORMERR;
			if (ret != DNS_NOERROR)
				return ret;
		}
		has_tsig |= type == DNS_TSIG;
		off += 10u + rdlen;
	}
	if (off != len)
		return DNS_FORMERR;
	if (q->has_edns && q->edns_version != 0)
		return DNS_BADVERS;
	return has_tsig ? DNS_NOTAUTH : DNS_NOERROR; /* no key is shared with anybody */
}

int dns_query_parse(const uint8_t *msg, size_t len, struct dns_query *q)
{
	size_t off = DNS_HEADER_LEN;

	if (len < DNS_HEADER_LEN)
		return DNS_QUERY_SHORT;
	q->id = load_be16(msg);
	q->flags = load_be16(msg + 2);
	q->question_len = 0;
	q->udp_size = DNS_UDP_MIN;
	q->cookie_len = 0;
	q->has_edns = q->do_bit = false;
	if (q->flags & DNS_FLAG_QR) /* answering answers makes loops */
		return DNS_QUERY_IS_RESPONSE;
	if ((q->flags & DNS_FLAG_OPCODE) != DNS_OPCODE_QUERY)
		return DNS_NOTIMP;
	if (load_be16(msg + 4) != 1 || load_be16(msg + 6) != 0 || load_be16(msg + 8) != 0)
		return DNS_FORMERR;
	if (dns_name_read(msg, len, &off, false, &q->name) < 0 || len - off < 4)
		return DNS_FORMERR;
	q->type = load_be16(msg + off);
	q->class = load_be16(msg + off + 2);
	off += 4;
	q->question_len = (uint16_t)(off - DNS_HEADER_LEN);
	return additional_parse(q, msg, len, off, load_be16(msg + 10));
}
