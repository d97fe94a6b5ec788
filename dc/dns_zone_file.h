/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef DC_DNS_ZONE_FILE_H
#define DC_DNS_ZONE_FILE_H

/* Zone files (RFC 1035 section 5), read with ldns on a control thread; nothing here is hot. */
#include "dc/dns_zone.h"

enum { DNS_ZONE_ERROR_MAX = 256 };

/* Add the records of the file to the builder. $TTL and $ORIGIN are known, $INCLUDE is refused.
 * On failure the negative errno, and in why "path:line: reason"; the builder is then to be thrown
 * away.
 */
int dns_zone_file_load(const char *path, struct dns_zone_builder *b, const struct dns_name *apex,
		       char why[DNS_ZONE_ERROR_MAX]);

/* Everything at once: the file (NULL for none), the base, the check. On success the zone is the
 * caller's.
 */
int dns_zone_load(const char *path, const struct dns_name *apex, const struct dns_zone_base *base,
		  struct dns_zone **zone, char why[DNS_ZONE_ERROR_MAX]);

#endif
