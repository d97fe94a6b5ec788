/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef COMMON_DNS_FRAME_H
#define COMMON_DNS_FRAME_H

/* DNS over TCP, RFC 1035 4.2.2: each message stands behind two bytes of length. Pure. */
#include "common/bytes.h"
#include "common/dns_name.h"

#include <errno.h>

enum { DNS_FRAME_HEAD_LEN = 2, DNS_FRAME_MAX = DNS_FRAME_HEAD_LEN + 65535 };

/* Look at the len bytes received so far: returns how many bytes the first frame takes and sets msg
 * and msg_len to its message in place, 0 when more bytes are needed, -EBADMSG when no DNS message
 * is that short (close the connection).
 */
static inline int dns_frame_take(const uint8_t *buf, size_t len, const uint8_t **msg,
				 size_t *msg_len)
{
	if (len < DNS_FRAME_HEAD_LEN)
		return 0;
	*msg_len = load_be16(buf);
	if (*msg_len < DNS_HEADER_LEN)
		return -EBADMSG;
	if (len - DNS_FRAME_HEAD_LEN < *msg_len)
		return 0;
	*msg = buf + DNS_FRAME_HEAD_LEN;
	return (int)(DNS_FRAME_HEAD_LEN + *msg_len);
}

/* Write the two bytes that go before a message of msg_len. */
static inline void dns_frame_put(uint8_t out[DNS_FRAME_HEAD_LEN], size_t msg_len)
{
	store_be16(out, (uint16_t)msg_len);
}

#endif
