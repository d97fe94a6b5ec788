/* SPDX-License-Identifier: BSD-3-Clause */
#include "common/dns_rdata.h"

#include <errno.h>
#include <string.h>

/* RFC 1035 3.3, then those that RFC 3597 section 4 lists, which a receiver must expand. */
static const struct rdata_layout {
	uint16_t type;
	bool compressible;
	const char *fields;
} layouts[] = {
	{DNS_NS, true, "n"},	  {3, true, "n"}, /* MD */
	{4, true, "n"},				  /* MF */
	{DNS_CNAME, true, "n"},	  {DNS_SOA, true, "nn44444"},
	{7, true, "n"},					 /* MB */
	{8, true, "n"},					 /* MG */
	{9, true, "n"},					 /* MR */
	{DNS_PTR, true, "n"},	  {14, true, "nn"},	 /* MINFO */
	{DNS_MX, true, "2n"},	  {17, false, "nn"},	 /* RP */
	{18, false, "2n"},				 /* AFSDB */
	{21, false, "2n"},				 /* RT */
	{26, false, "2nn"},				 /* PX */
	{DNS_SRV, false, "222n"}, {35, false, "22sssn"}, /* NAPTR */
	{36, false, "2n"},				 /* KX */
	{DNS_DNAME, false, "n"},
};

static const struct rdata_layout *layout_find(uint16_t type)
{
	for (size_t i = 0; i < sizeof(layouts) / sizeof(layouts[0]); i++)
		if (layouts[i].type == type)
			return &layouts[i];
	return NULL;
}

const char *dns_rdata_layout(uint16_t type)
{
	const struct rdata_layout *l = layout_find(type);

	return l != NULL ? l->fields : "*";
}

bool dns_rdata_compressible(uint16_t type)
{
	const struct rdata_layout *l = layout_find(type);

	return l != NULL && l->compressible;
}

int dns_rdata_field(char kind, const uint8_t *rdata, size_t len, size_t *off)
{
	size_t n;

	if (kind == 'n')
		return dns_name_read(rdata, len, off, false, NULL);
	if (kind == '*')
		n = len - *off;
	else if (kind == 's')
		n = *off < len ? 1u + rdata[*off] : 1;
	else
		n = (size_t)(kind - '0');
	if (n > len - *off)
		return -EBADMSG;
	*off += n;
	return 0;
}

bool dns_rdata_valid(uint16_t type, const uint8_t *rdata, size_t len)
{
	size_t off = 0;

	if (type == DNS_A)
		return len == 4;
	if (type == DNS_AAAA)
		return len == 16;
	for (const char *f = dns_rdata_layout(type); *f != '\0'; f++)
		if (dns_rdata_field(*f, rdata, len, &off) < 0)
			return false;
	return off == len;
}

int dns_rdata_expand(const uint8_t *msg, size_t size, size_t off, size_t len, uint16_t type,
		     uint8_t *out, size_t room)
{
	size_t end = off + len, n = 0;
	struct dns_name name;

	if (off > size || len > size - off)
		return -EBADMSG;
	for (const char *f = dns_rdata_layout(type); *f != '\0'; f++) {
		const uint8_t *from = msg + off;
		size_t take;

		if (*f == 'n') {
			/* the name's own bytes end inside the rdata, what it points at may not */
			if (dns_name_read(msg, end, &off, true, &name) < 0)
				return -EBADMSG;
			from = name.b;
			take = name.len;
		} else {
			size_t start = off;

			if (dns_rdata_field(*f, msg, end, &off) < 0)
				return -EBADMSG;
			take = off - start;
		}
		if (take > room - n)
			return -ENOSPC;
		memcpy(out + n, from, take);
		n += take;
	}
	return off == end ? (int)n : -EBADMSG;
}
