/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PIPELINE_QUICK_H
#define PIPELINE_QUICK_H

/* The quick way through parse: frames that are what nearly all frames of a relay are, Ethernet, IPv4
 * without options or IPv6 without extensions, UDP to an NTM endpoint of ours; or UDP and TCP in IPv4 to
 * an address of the NAT pool that is not the box's own as well. All that is constant in such a frame is
 * compared at once with a form of 64 bytes; lengths, checksum and addresses are checked as parse.c does. A frame that fails anywhere is not dropped here: it is
 * left to parse.c, which finds out the name of its failing.
 *
 * Forms are learnt: parse.c tells the endpoint of each packet that took the long way to the ntm lane, and
 * the range of each that took it to the gn lane.
 */
#include "appliance/pipeline/outer.h"
#include "common/ip.h"

#include <rte_common.h>
#include <rte_ether.h>
#include <stdbool.h>
#include <stdint.h>

struct local_pool;
struct worker;

enum {
	QUICK_FORMS = 8,
	QUICK_FORM_BYTES = 64,
};

/* Offsets in a frame, IPv4 and IPv6. */
enum {
	AT_TYPE = 12,
	AT_IP = RTE_ETHER_HDR_LEN,
	AT_UDP4 = AT_IP + IP4_HDR_LEN,
	AT_UDP6 = AT_IP + IP6_HDR_LEN,
};

enum quick_isa { QUICK_SCALAR, QUICK_AVX2, QUICK_AVX512, QUICK_ISAS };

/* Bytes of a frame and which of their bits count. */
struct quick_form {
	uint8_t value[QUICK_FORM_BYTES] __rte_aligned(64);
	uint8_t mask[QUICK_FORM_BYTES];
	struct endpoint dst;
	bool is_v6;
	bool is_pool; /* dst is the first address of a range of the NAT pool, without a port */
};

typedef void (*quick_scan_fn)(struct worker *w);

/* Worker's own; zeroed is a valid start. */
struct quick {
	quick_scan_fn scan; /* NULL: not chosen yet */
	uint64_t mac;	    /* of the interface below, byte 0 lowest */
	uint16_t iface;	    /* its index */
	bool notes; /* this burst had packets whose pkt_meta is written, and two lines read */
	uint16_t
		known; /* of the burst to come: so many were fetched while this one was worked on */
	bool known_two; /* with both lines of their headers */
	uint32_t in;	/* port and VLAN that mac was looked up for, plus one; 0: none yet */
	uint8_t n, last, oldest;
	uint8_t standing; /* bit per form: what it leads to was found to be ours in this burst */
	struct quick_form form[QUICK_FORMS];
};

/* Take out of w->lanes.rx what can go the quick way: packets of paths into w->hops, data on an index into
 * w->sealed, others into the ntm and gn lanes with their pkt_meta; the rest stays, in order. Counts rx_bytes
 * of all. Owning worker only. Cannot fail. Two cache lines per packet of a path: mbuf and headers.
 */
void quick_scan(struct worker *w);

/* dst is an endpoint whose packets go to the ntm lane. Owning worker only. */
void quick_learn(struct worker *w, const struct endpoint *dst);
/* The same for packets to a range of the NAT pool and the gn lane. */
void quick_learn_pool(struct worker *w, const struct local_pool *pool);
/* Whether there is a form at this place and what it leads to is ours still: looked up once a burst. */
bool quick_form_stands(struct worker *w, uint8_t at);

/* The best variant of this CPU is taken at the first scan; tests take others. -ENOTSUP. */
int quick_isa_set(struct worker *w, enum quick_isa isa);

#endif
