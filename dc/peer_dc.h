/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef DC_PEER_DC_H
#define DC_PEER_DC_H

/* Other DCs: the association with each, what they may speak for, and what they ask of us
 * (docs/protocol.md 6.3, 6.5, 6.9). A DC is believed about names below its configured zones and
 * addresses in the pools it announced, and about nothing else; it can tell our nodes nothing but
 * paths to its own. DC lcore only.
 */
#include "dc/directing.h"

struct peer_dc {
	struct party p; /* first */
	struct dc *dc;
	struct dc_peer_conf conf;
	bool is_associated; /* it has told its pools, and they are good */
	uint8_t pools_n;
	struct ip_prefix pools[MSG_PREFIXES_MAX];
	struct timer timer; /* open again */
};

struct peers {
	struct peer_dc *list[DC_PEERS_MAX];
	unsigned int n;
};

/* The configured ones. 0 or -errno. */
int peers_create(struct dc *dc);
/* No more timers. */
void peers_stop(struct dc *dc);
/* Memory of the peers themselves goes with the registry. */
void peers_destroy(struct dc *dc);
/* Open to those whose public key is greater than ours. */
void peers_start(struct dc *dc, uint64_t now);

void peer_opened(struct dc *dc, uint64_t now, struct channel *ch);
void peer_failed(struct dc *dc, uint64_t now, struct channel *ch);

struct peer_dc *peer_by_name(struct dc *dc, const char *name);
/* Whose pool has this address; NULL: nobody's. */
struct peer_dc *peer_by_vip(struct dc *dc, const struct ip_addr *vip);
bool peer_speaks_for(const struct peer_dc *peer, const char *name);
/* NULL: not associated now. */
struct channel *peer_channel(const struct peer_dc *peer);

/* Forget requests with this arg. */
void peer_cancel(struct peer_dc *peer, const void *arg);
void peers_cancel(struct dc *dc, const void *arg);
/* Zones and pools of theirs into a Registration response, as far as there is room. */
void peers_announce(const struct dc *dc, struct msg *m);

/* Handlers. */
void peer_associate(struct dc *dc, uint64_t now, struct channel *ch, struct msg *m);
void peer_information(struct dc *dc, uint64_t now, struct channel *ch, struct msg *m);
void peer_route_direction(struct dc *dc, uint64_t now, struct channel *ch, struct msg *m);

#endif
