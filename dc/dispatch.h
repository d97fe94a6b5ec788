/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef DC_DISPATCH_H
#define DC_DISPATCH_H

/* What a channel's events mean for its kind of party: which messages it may send, and who is told
 * when it opens or fails. DC lcore only.
 */
#include "dc/channel.h"

struct wire_fields;

/* A new request: to its handler, or refused because this party may not send it. */
void dispatch_request(struct dc *dc, uint64_t now, struct channel *ch, struct msg *m);
/* A fresh association is proven. */
void dispatch_opened(struct dc *dc, uint64_t now, struct channel *ch);
/* Our own handshake was refused: only peer DCs. */
void dispatch_failed(struct dc *dc, uint64_t now, struct channel *ch);
/* NAME and PEER_NAME towards this party; the length or -errno. */
int dispatch_names(struct dc *dc, const struct party *p, uint8_t *buf, size_t cap);
/* Who waits for this handshake 2, cookie or reset; NULL: nobody. */
struct channel *dispatch_waiting(struct dc *dc, const struct wire_fields *f);

#endif
