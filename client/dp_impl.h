/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CLIENT_DP_IMPL_H
#define CLIENT_DP_IMPL_H

/* What the files of the portable packet path share (dp*.c), and nobody else. */
#include "client/dp.h"
#include "common/idmap.h"

#include <sys/queue.h>

enum {
	DP_HOLD_POOL = 256, /* packets that wait, over all VIPs */
	DP_PARTS_POOL = 64, /* parts that wait, over all associations */
	DP_PARTS_PER_ASSOC = 16,
	DP_UDP_OVERHEAD_V4 = 20 + 8,
	DP_UDP_OVERHEAD_V6 = 40 + 8,
};
#define DP_PART_NS 200000000ULL
#define DP_REKEY_TELL_NS 5000000000ULL
#define DP_NEVER UINT64_MAX

struct dp_buf {
	uint8_t room[DP_HEADROOM + DP_PACKET_MAX + DP_TAILROOM];
};

struct dp_held_pkt {
	TAILQ_ENTRY(dp_held_pkt) link;
	uint64_t until_ns;
	uint16_t len;
	struct dp_buf buf;
};

TAILQ_HEAD(dp_held_list, dp_held_pkt);

struct dp_assoc;

/* A destination: known to go into an association, or asked for and waited for. */
struct dp_vip {
	struct dp_vip *next; /* of its bucket, or of the free list */
	LIST_ENTRY(dp_vip) of_assoc;
	LIST_ENTRY(dp_vip) waiting; /* linked while something is held */
	struct ip_addr addr;
	struct dp_assoc *assoc; /* NULL: a miss */
	unsigned int held_n;
	struct dp_held_list held;
};

struct dp_route {
	bool is_set;
	bool has_source;
	struct datapath_route conf;
	uint8_t source_link;
	struct endpoint source; /* of the greatest sequence received on this number */
	struct datapath_route_stats st;
};

struct dp_assoc {
	struct datapath_assoc conf;
	struct session *session;
	bool has_use;
	uint8_t use;
	bool is_watched;
	unsigned int parts_n;
	struct dp_route route[DATAPATH_ROUTES];
	uint64_t rx_bytes, last_tx_ns, last_rx_ns, waiting_since_ns, route_waiting_since_ns;
	uint64_t rekey_told_ns;
	LIST_HEAD(, dp_vip) vips;
	TAILQ_ENTRY(dp_assoc) link;
};

struct dp_part {
	TAILQ_ENTRY(dp_part) link;
	struct dp_assoc *assoc;
	uint64_t first_seq;
	uint64_t until_ns;
	uint8_t epoch, route;
	bool is_second;
	uint16_t len;
	uint8_t bytes[DP_PACKET_MAX];
};

struct dp {
	const struct dp_ops *ops;
	void *ctx;
	const struct datapath_events *events;
	void *events_ctx;
	struct vips own;
	uint16_t mtu;
	uint32_t assocs_max, assocs_n;
	struct idmap assocs;
	TAILQ_HEAD(, dp_assoc) assoc_list;
	struct session_pool *windows;
	uint32_t vips_mask;
	uint64_t vips_key;
	struct dp_vip **vip_buckets;
	struct dp_vip *vips, *vips_free;
	LIST_HEAD(, dp_vip) waiting;
	struct dp_held_pkt *hold_pool;
	struct dp_held_list hold_free;
	uint32_t held;
	struct dp_part *parts_pool;
	TAILQ_HEAD(, dp_part) parts, parts_free;
	uint64_t housekeep_ns;
	uint64_t counters[DP_COUNTER_COUNT];
	struct dp_buf scratch[2]; /* parts and fragments on their way out; joined packets */
};

static inline void dp_count(struct dp *dp, enum dp_counter c)
{
	dp->counters[c]++;
}

/* Tell the core that new keys are due; again after DP_REKEY_TELL_NS if none came. Neither this
 * event nor active() may delete an association.
 */
static inline void dp_rekey_tell(struct dp *dp, uint64_t now, struct dp_assoc *a)
{
	if (a->rekey_told_ns != 0 && now - a->rekey_told_ns < DP_REKEY_TELL_NS)
		return;
	a->rekey_told_ns = now;
	dp->events->rekey_due(dp->events_ctx, now, a->conf.id);
}

static inline void dp_rekey_check(struct dp *dp, uint64_t now, struct dp_assoc *a)
{
	if (session_rekey_due(a->session, now))
		dp_rekey_tell(dp, now, a);
}

/* ---- dp_vip.c ---- */
int dp_vip_table_init(struct dp *dp, uint32_t max);
struct dp_vip *dp_vip_find(const struct dp *dp, const struct ip_addr *a);
/* NULL: table full. */
struct dp_vip *dp_vip_add(struct dp *dp, const struct ip_addr *a);
/* Nothing may be held. */
void dp_vip_free(struct dp *dp, struct dp_vip *v);
void dp_vip_bind(struct dp_vip *v, struct dp_assoc *a);

/* ---- dp_hold.c ---- */
/* Keep a copy of pkt; counts the drop where it cannot. */
void dp_hold(struct dp *dp, uint64_t now, struct dp_vip *v, const uint8_t *pkt, size_t len);
/* Send what waits for v again through dp_tx(). */
void dp_hold_release(struct dp *dp, uint64_t now, struct dp_vip *v);
void dp_hold_release_assoc(struct dp *dp, uint64_t now, struct dp_assoc *a);
/* End all that waits for v with ICMP unreachable, counted as c. */
void dp_hold_refuse(struct dp *dp, struct dp_vip *v, enum dp_counter c);
uint64_t dp_hold_expire(struct dp *dp, uint64_t now);

/* ---- dp_tx.c ---- */
/* Send an inner packet (room around it as in dp_output) that goes to v, or hold it. */
void dp_tx(struct dp *dp, uint64_t now, struct dp_vip *v, uint8_t *pkt, size_t len);
/* Largest inner packet that fits route r whole; suite as session_suite(). */
uint16_t dp_fit(const struct dp_route *r, uint8_t suite);
int dp_send_body(struct dp *dp, uint64_t now, struct dp_assoc *a, uint8_t type, uint8_t number,
		 const struct datapath_dest *to, const uint8_t *body, size_t len);

/* ---- dp_parts.c ---- */
/* One part, opened. Returns the length of the joined packet in *out, or 0: it waits. */
size_t dp_part_join(struct dp *dp, uint64_t now, struct dp_assoc *a,
		    const struct session_meta *meta, const uint8_t *body, size_t len,
		    uint8_t **out);
void dp_parts_forget(struct dp *dp, const struct dp_assoc *a);
uint64_t dp_parts_expire(struct dp *dp, uint64_t now);

/* ---- dp_packet.c: the inner packet's own fields ---- */
bool dp_packet_addrs(const uint8_t *pkt, size_t len, struct ip_addr *src, struct ip_addr *dst);
uint8_t dp_packet_tos(const uint8_t *pkt);
/* RFC 6040 section 4.2. False: must be dropped. */
bool dp_packet_ecn(uint8_t *pkt, uint8_t outer_tos);
/* Lower the MSS option of a TCP SYN to what mtu takes; true if it did. */
bool dp_packet_clamp(uint8_t *pkt, size_t len, uint16_t mtu);
uint16_t dp_csum(uint32_t sum, const uint8_t *p, size_t len);
uint32_t dp_csum_add(uint32_t sum, const uint8_t *p, size_t len);

/* ---- dp_icmp.c: errors for the own host; each counts ICMP_SENT when it made one ---- */
void dp_icmp_too_big(struct dp *dp, const uint8_t *pkt, size_t len, uint16_t mtu);
void dp_icmp_unreachable(struct dp *dp, const uint8_t *pkt, size_t len);

#endif
