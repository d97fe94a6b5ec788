/* SPDX-License-Identifier: BSD-3-Clause */
#include "dc/dns_wire.h"
#include "common/bytes.h"
#include "common/dns_rdata.h"

#include <errno.h>
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

void dns_writer_init(struct dns_writer *w, uint8_t *buf, size_t limit, const struct dns_query *q)
{
	w->buf = buf;
	w->pos = DNS_HEADER_LEN + q->question_len;
	w->limit = limit;
	w->seen_n = 0;
	memset(w->count, 0, sizeof(w->count));
	if (q->question_len == 0)
		return;
	for (size_t at = 0; q->name.b[at] != 0 && w->seen_n < DNS_WRITER_SEEN_MAX;
	     at += 1u + q->name.b[at]) {
		w->seen[w->seen_n].at = (uint16_t)(DNS_HEADER_LEN + at);
		w->seen[w->seen_n++].len = (uint8_t)(q->name.len - at);
	}
}

/* Is the name in the message at `at` (pointers and all) equal to these lower-case bytes? It was
 * checked or written by us, so it ends.
 */
static bool message_name_is(const struct dns_writer *w, size_t at, const uint8_t *name)
{
	for (;;) {
		uint8_t c = w->buf[at];

		if (c >= 0xc0) {
			at = load_be16(w->buf + at) & 0x3fff;
			continue;
		}
		if (c != *name)
			return false;
		if (c == 0)
			return true;
		for (unsigned int i = 1; i <= c; i++) {
			uint8_t x = w->buf[at + i];

			if ((x >= 'A' && x <= 'Z' ? x + 32 : x) != name[i])
				return false;
		}
		at += 1u + c;
		name += 1u + c;
	}
}

/* Where in the message the len bytes of name already stand; 0 if nowhere. */
static uint16_t seen_find(const struct dns_writer *w, const uint8_t *name, uint8_t len)
{
	for (unsigned int i = 0; i < w->seen_n; i++)
		if (w->seen[i].len == len && message_name_is(w, w->seen[i].at, name))
			return w->seen[i].at;
	return 0;
}

static bool put(struct dns_writer *w, const void *data, size_t len)
{
	if (len > w->limit - w->pos)
		return false;
	memcpy(w->buf + w->pos, data, len);
	w->pos += len;
	return true;
}

static bool put_name(struct dns_writer *w, const uint8_t *name, uint8_t len)
{
	uint8_t pointer[2];

	for (uint8_t at = 0; name[at] != 0; at = (uint8_t)(at + 1 + name[at])) {
		uint16_t to = seen_find(w, name + at, (uint8_t)(len - at));
		size_t here = w->pos;

		if (to != 0) {
			store_be16(pointer, 0xc000 | to);
			return put(w, pointer, 2);
		}
		if (!put(w, name + at, 1u + name[at]))
			return false;
		if (w->seen_n < DNS_WRITER_SEEN_MAX && here < 0x4000) {
			w->seen[w->seen_n].at = (uint16_t)here;
			w->seen[w->seen_n++].len = (uint8_t)(len - at);
		}
	}
	return put(w, "", 1);
}

/* seen[] entries of half-written names point at bytes that are taken back, so it is cut too. */
static bool put_rdata(struct dns_writer *w, uint16_t type, const uint8_t *rdata, uint16_t len)
{
	const char *layout = dns_rdata_compressible(type) ? dns_rdata_layout(type) : "";
	size_t at = 0;

	for (; *layout != '\0' && *layout != '*'; layout++) {
		size_t off = at;

		if (dns_rdata_field(*layout, rdata, len, &off) < 0)
			break; /* the zone was checked; what does not fit goes out as it is */
		if (*layout == 'n' ? !put_name(w, rdata + at, (uint8_t)(off - at))
				   : !put(w, rdata + at, off - at))
			return false;
		at = off;
	}
	return put(w, rdata + at, len - at);
}

bool dns_writer_rr(struct dns_writer *w, enum dns_section sec, const struct dns_name *owner,
		   uint16_t type, uint32_t ttl, const uint8_t *rdata, uint16_t len)
{
	struct dns_writer_mark m = dns_writer_save(w);
	uint8_t fixed[10];
	size_t fixed_at;

	store_be16(fixed, type);
	store_be16(fixed + 2, DNS_IN);
	store_be32(fixed + 4, ttl);
	store_be16(fixed + 8, 0);
	if (!put_name(w, owner->b, owner->len))
		goto err_restore;
	fixed_at = w->pos;
	if (!put(w, fixed, sizeof(fixed)) || !put_rdata(w, type, rdata, len))
		goto err_restore;
	store_be16(w->buf + fixed_at + 8, (uint16_t)(w->pos - fixed_at - sizeof(fixed)));
	w->count[sec]++;
	return true;

err_restore:
	dns_writer_restore(w, &m);
	return false;
}

struct dns_writer_mark dns_writer_save(const struct dns_writer *w)
{
	struct dns_writer_mark m = {.pos = w->pos, .seen_n = w->seen_n};

	memcpy(m.count, w->count, sizeof(m.count));
	return m;
}

void dns_writer_restore(struct dns_writer *w, const struct dns_writer_mark *m)
{
	w->pos = m->pos;
	w->seen_n = m->seen_n;
	memcpy(w->count, m->count, sizeof(w->count));
}

void dns_writer_opt(struct dns_writer *w, uint8_t ext_rcode, bool do_bit, const uint8_t *cookie,
		    uint8_t cookie_len)
{
	uint8_t *p = w->buf + w->pos;

	p[0] = 0;
	store_be16(p + 1, DNS_OPT);
	store_be16(p + 3, DNS_UDP_MAX);
	p[5] = ext_rcode;
	p[6] = 0; /* version */
	store_be16(p + 7, do_bit ? EDNS_DO : 0);
	store_be16(p + 9, cookie_len > 0 ? 4u + cookie_len : 0);
	w->pos += DNS_OPT_LEN;
	if (cookie_len > 0) {
		store_be16(p + 11, EDNS_COOKIE);
		store_be16(p + 13, cookie_len);
		memcpy(p + 15, cookie, cookie_len);
		w->pos += 4u + cookie_len;
	}
	w->count[DNS_ADDITIONAL]++;
}

size_t dns_writer_finish(struct dns_writer *w, uint16_t id, uint16_t flags, bool has_question)
{
	store_be16(w->buf, id);
	store_be16(w->buf + 2, flags);
	store_be16(w->buf + 4, has_question);
	for (int i = 0; i < DNS_SECTIONS; i++)
		store_be16(w->buf + 6 + 2 * i, w->count[i]);
	return w->pos;
}

int dns_frame_take(const uint8_t *buf, size_t len, const uint8_t **msg, size_t *msg_len)
{
	if (len < 2)
		return 0;
	*msg_len = load_be16(buf);
	if (*msg_len < DNS_HEADER_LEN)
		return -EBADMSG;
	if (len - 2 < *msg_len)
		return 0;
	*msg = buf + 2;
	return (int)(2 + *msg_len);
}

void dns_frame_put(uint8_t out[2], size_t msg_len)
{
	store_be16(out, (uint16_t)msg_len);
}
