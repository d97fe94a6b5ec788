/* SPDX-License-Identifier: BSD-3-Clause */
#include "common/dns_rr.h"
#include "common/bytes.h"

#include <errno.h>

enum { RR_FIXED_LEN = 10 };

int dns_rr_walk_init(struct dns_rr_walk *w, const uint8_t *msg, size_t len)
{
	if (len < DNS_HEADER_LEN || load_be16(msg + 4) > 1)
		return -EBADMSG;
	w->msg = msg;
	w->len = len;
	w->off = DNS_HEADER_LEN;
	for (int i = 0; i < DNS_SECTIONS; i++)
		w->left[i] = load_be16(msg + 6 + 2 * i);
	if (load_be16(msg + 4) == 0)
		return 0;
	if (dns_name_read(msg, len, &w->off, false, NULL) < 0 || len - w->off < 4)
		return -EBADMSG;
	w->off += 4;
	return 0;
}

int dns_rr_next(struct dns_rr_walk *w, struct dns_rr *rr)
{
	const uint8_t *p;
	int sec = DNS_ANSWER;

	while (sec < DNS_SECTIONS && w->left[sec] == 0)
		sec++;
	if (sec == DNS_SECTIONS)
		return 0;
	if (dns_name_read(w->msg, w->len, &w->off, true, &rr->owner) < 0 ||
	    w->len - w->off < RR_FIXED_LEN)
		return -EBADMSG;
	p = w->msg + w->off;
	rr->section = (enum dns_section)sec;
	rr->type = load_be16(p);
	rr->class = load_be16(p + 2);
	rr->ttl = load_be32(p + 4);
	rr->rdlen = load_be16(p + 8);
	rr->rdata = w->off + RR_FIXED_LEN;
	if (rr->rdlen > w->len - rr->rdata)
		return -EBADMSG;
	w->off = rr->rdata + rr->rdlen;
	w->left[sec]--;
	return 1;
}

bool dns_rr_shows_addr(const struct dns_rr *rr)
{
	return rr->type == DNS_A || rr->type == DNS_AAAA || rr->type == DNS_SVCB ||
	       rr->type == DNS_HTTPS;
}

bool dns_reply_valid(const uint8_t *msg, size_t len)
{
	struct dns_rr_walk w;
	struct dns_rr rr;
	int ret = dns_rr_walk_init(&w, msg, len);

	for (ret = ret == 0 ? 1 : ret; ret > 0;)
		ret = dns_rr_next(&w, &rr);
	return ret == 0;
}
