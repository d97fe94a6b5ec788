/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef COMMON_DNS_RDATA_H
#define COMMON_DNS_RDATA_H

/* How the data of each record type is built, as far as names in it matter: who copies a record
 * out of a message must undo the compression of the names inside (RFC 3597 section 4).
 *
 * Pure, any thread.
 */
#include "common/dns_name.h"

/* One letter a field: n name, 1 2 4 integers of so many bytes, s character string, '*' the rest.
 * Types without known names are "*".
 */
const char *dns_rdata_layout(uint16_t type);
/* May a sender compress the names of this type? Those of RFC 1035 alone. */
bool dns_rdata_compressible(uint16_t type);

/* Step over one field of uncompressed rdata of len bytes at *off. 0 or -EBADMSG. */
int dns_rdata_field(char kind, const uint8_t *rdata, size_t len, size_t *off);
/* Is the uncompressed rdata what its layout says, to the byte? Also A and AAAA by length. */
bool dns_rdata_valid(uint16_t type, const uint8_t *rdata, size_t len);

/* Copy the rdata of len bytes at msg[off] into out with its names uncompressed (and in lower case).
 * Returns its length, -EBADMSG when malformed, -ENOSPC when room is too small.
 */
int dns_rdata_expand(const uint8_t *msg, size_t size, size_t off, size_t len, uint16_t type,
		     uint8_t *out, size_t room);

#endif
