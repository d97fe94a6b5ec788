/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PIPELINE_HINT_H
#define PIPELINE_HINT_H

/* ICMP errors about outer packets that this RS sent: turned into an event, the packet is dropped as
 * used up. What they say is a hint from anybody. Owning worker; takes m.
 */
struct rte_mbuf;
struct worker;

void hint_icmp(struct worker *w, struct rte_mbuf *m);

#endif
