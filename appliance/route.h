/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef APPLIANCE_ROUTE_H
#define APPLIANCE_ROUTE_H

/* The mirror of what Linux knows: routes of one table, addresses and neighbours of the TAPs, read
 * by rtnetlink, published to the workers as snapshots (fib.h, local.h) and next hops (neigh.h).
 * A change of routes or addresses is read as a whole, soon after and seldom, so that a storm of
 * updates costs one reading. Of a multipath route the first hop counts. Control lcore only.
 */
#include <stdint.h>

struct app;
struct lcore_stats;
struct rte_mbuf;
struct route_mirror;

/* NULL with errno. Reads everything once and publishes it, so that workers may start. held and
 * dropped packets are counted in st.
 */
struct route_mirror *route_create(struct app *app, struct lcore_stats *st);
void route_destroy(struct route_mirror *r);

/* Readable when there is something for route_poll(). */
int route_fd(const struct route_mirror *r);
/* Take notifications, and publish what is due. Returns when to call again, ns. */
uint64_t route_poll(struct route_mirror *r, uint64_t now);

/* A packet, from the IP header, whose next hop is not resolved: held and sent later, or dropped by
 * name. Takes m.
 */
void route_hold(struct route_mirror *r, struct rte_mbuf *m, uint64_t now);

#endif
