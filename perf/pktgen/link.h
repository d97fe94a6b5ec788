/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PKTGEN_LINK_H
#define PKTGEN_LINK_H

/* The generator's ports, and what it takes to be the networks behind them: it answers ARP and ND for
 * the gateways below, behind which all nodes and general hosts are, and learns the RS's MAC from the
 * frames that come. The RS has the other addresses and these gateways:
 *
 *	port	gateways, ours				RS, for example
 *	access	198.19.254.1, 2001:2:0:fe::1		198.19.254.2/24, 2001:2:0:fe::2/64
 *	outside	198.19.255.1, 2001:2:0:ff::1		198.19.255.2/24, 2001:2:0:ff::2/64
 *
 * With one port, nodes and general hosts are both behind the access gateway.
 */
#include "appliance/clock.h"
#include "appliance/port.h"
#include "perf/pktgen/gen.h"
#include "perf/pktgen/talk.h"

struct link {
	struct gen *gen;
	struct talk *talk; /* NULL: none yet; control frames are dropped */
	struct clock clock;
	struct port_info info[TRAFFIC_SIDES];
	unsigned int n_ports;
	bool has_rs_mac[TRAFFIC_SIDES];
	uint64_t unsent; /* control packets without a buffer, MAC or room in the port */
};

/* Open and start the ports (devices: PCI addresses or vdev strings), set the generator's ports and
 * MACs, and become its other() and tick(). 0 or -errno after a line of log; link_close() then too.
 */
int link_open(struct link *l, struct gen *g, const char *const *devices, unsigned int n,
	      uint16_t mtu);
void link_close(struct link *l);

/* For talk_conf. */
struct endpoint link_dc(bool outer6);
void link_send(void *link, const struct endpoint *from, const struct endpoint *to,
	       const uint8_t *pkt, size_t len);

/* Speed of the access port in Mbit/s, 0 where it has none to tell. */
uint32_t link_mbit(const struct link *l);

#endif
