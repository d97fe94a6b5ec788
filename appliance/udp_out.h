/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef APPLIANCE_UDP_OUT_H
#define APPLIANCE_UDP_OUT_H

/* UDP packets of the control and DC lcores. They own no port: a worker sends for them. What goes to
 * another role of this same process never reaches a wire: the same bytes cross by its mailbox as
 * MAIL_LINK, with meta->src, dst and data as if they had been received.
 */
#include "appliance/pipeline/stats.h"
#include "common/ip.h"

#include <rte_mbuf.h>
#include <stddef.h>

struct app;

/* Send len bytes from src to dst through worker `worker`. st is the calling thread's. 0; -ENOBUFS
 * when there is no buffer or no room in a ring (counted); -EMSGSIZE; -EAFNOSUPPORT when the
 * families differ. Control and DC lcore.
 */
int udp_send(struct app *app, struct lcore_stats *st, uint16_t worker, const struct endpoint *src,
	     const struct endpoint *dst, const void *bytes, size_t len);

/* The same for a payload that lies in m already, from rte_pktmbuf_mtod() on. Takes m. */
int udp_send_mbuf(struct app *app, struct lcore_stats *st, uint16_t worker,
		  const struct endpoint *src, const struct endpoint *dst, struct rte_mbuf *m);

/* Prepend UDP and IP headers (RFC 768, 791, 8200) with their checksums. Pure. -ENOBUFS when
 * the headroom is too small.
 */
int udp_frame(struct rte_mbuf *m, const struct endpoint *src, const struct endpoint *dst);

/* An address of the box to talk to dst from: of its family, global before link-local. -EADDRNOTAVAIL
 * when there is none.
 */
int udp_source(const struct app *app, const struct ip_addr *dst, struct ip_addr *src);

#endif
