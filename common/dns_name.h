/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef COMMON_DNS_NAME_H
#define COMMON_DNS_NAME_H

/* Domain names in the one form every table here uses: RFC 1035 wire format, uncompressed and in
 * lower case, so that equality is memcmp (RFC 4343). Also the numbers of the DNS that the DC and
 * the node share.
 *
 * Plain values, no ownership; every function is pure and may be called from any thread.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	DNS_NAME_MAX = 255,	   /* bytes on the wire, the root's zero included */
	DNS_LABEL_MAX = 63,	   /* bytes in a label */
	DNS_NAME_LABELS_MAX = 127, /* 254 bytes of two-byte labels */
	DNS_NAME_TEXT_MAX = 1009,  /* 252 bytes as \DDD, and the closing NUL */
	DNS_HEADER_LEN = 12,
};

/* Types (IANA registry); 65401 and 65402 are private use (RFC 6895) and ours. */
enum dns_type {
	DNS_A = 1,
	DNS_NS = 2,
	DNS_CNAME = 5,
	DNS_SOA = 6,
	DNS_PTR = 12,
	DNS_HINFO = 13,
	DNS_MX = 15,
	DNS_TXT = 16,
	DNS_AAAA = 28,
	DNS_SRV = 33,
	DNS_DNAME = 39,
	DNS_OPT = 41,
	DNS_DS = 43,
	DNS_RRSIG = 46,
	DNS_NSEC = 47,
	DNS_DNSKEY = 48,
	DNS_NSEC3 = 50,
	DNS_NSEC3PARAM = 51,
	DNS_SVCB = 64,
	DNS_HTTPS = 65,
	DNS_TSIG = 250,
	DNS_IXFR = 251,
	DNS_AXFR = 252,
	DNS_ANY = 255,
	DNS_NTM4 = 65401,
	DNS_NTM6 = 65402,
};

enum dns_class { DNS_IN = 1 };

enum dns_opcode { DNS_OPCODE_QUERY = 0 };

/* Values from 16 need the EDNS extension of the code. */
enum dns_rcode {
	DNS_NOERROR = 0,
	DNS_FORMERR = 1,
	DNS_SERVFAIL = 2,
	DNS_NXDOMAIN = 3,
	DNS_NOTIMP = 4,
	DNS_REFUSED = 5,
	DNS_NOTAUTH = 9,
	DNS_BADVERS = 16,
};

/* The second 16 bits of the header. */
enum dns_flags {
	DNS_FLAG_QR = 0x8000,
	DNS_FLAG_OPCODE = 0x7800,
	DNS_FLAG_AA = 0x0400,
	DNS_FLAG_TC = 0x0200,
	DNS_FLAG_RD = 0x0100,
	DNS_FLAG_RA = 0x0080,
	DNS_FLAG_AD = 0x0020,
	DNS_FLAG_CD = 0x0010,
	DNS_FLAG_RCODE = 0x000f,
};

struct dns_name {
	uint8_t len; /* 1 (the root) to 255 */
	uint8_t b[DNS_NAME_MAX];
};

/* Read the name at msg[*off] and move *off behind it. Pointers are followed only where
 * may_compress, and only to lower offsets than the name they stand in, so that it always ends.
 * -EBADMSG for anything malformed, *off and n then undefined. n may be NULL to skip.
 */
int dns_name_read(const uint8_t *msg, size_t size, size_t *off, bool may_compress,
		  struct dns_name *n);

/* From RFC 1035 text ("bob.dc1.example", the closing dot optional, \DDD and \X known), relative
 * to the root. -EINVAL.
 */
int dns_name_parse(const char *text, struct dns_name *n);
/* Into buf (DNS_NAME_TEXT_MAX bytes), without the closing dot but for the root's "."; returns buf. */
const char *dns_name_format(const struct dns_name *n, char *buf);

bool dns_name_equal(const struct dns_name *a, const struct dns_name *b);
/* n is top itself or stands below it. */
bool dns_name_under(const struct dns_name *n, const struct dns_name *top);
/* Labels without the root: 0 for the root. */
unsigned int dns_name_labels(const struct dns_name *n);
/* Offset in n->b of each label's length byte, the root's last; returns dns_name_labels(). */
unsigned int dns_name_offsets(const struct dns_name *n, uint8_t at[DNS_NAME_LABELS_MAX + 1]);
/* Remove the first label; false at the root. */
bool dns_name_chop(struct dns_name *n);

#endif
