/* SPDX-License-Identifier: BSD-3-Clause */
#include "common/dns_writer.h"
#include "common/bytes.h"
#include "common/dns_rdata.h"

#include <string.h>

enum { EDNS_COOKIE = 10, EDNS_DO = 0x8000 };

void dns_writer_init(struct dns_writer *w, uint8_t *buf, size_t limit, const struct dns_name *name,
		     uint16_t question_len)
{
	w->buf = buf;
	w->pos = DNS_HEADER_LEN + question_len;
	w->limit = limit;
	w->seen_n = 0;
	memset(w->count, 0, sizeof(w->count));
	if (question_len == 0)
		return;
	for (size_t at = 0; name->b[at] != 0 && w->seen_n < DNS_WRITER_SEEN_MAX;
	     at += 1u + name->b[at]) {
		w->seen[w->seen_n].at = (uint16_t)(DNS_HEADER_LEN + at);
		w->seen[w->seen_n++].len = (uint8_t)(name->len - at);
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
