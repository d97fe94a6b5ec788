/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PKTGEN_PCAP_H
#define PKTGEN_PCAP_H

/* A capture file of Ethernet frames with times in ns, as libpcap, tshark, DPDK's net_pcap and
 * Pktgen-DPDK read it. One thread.
 */
#include <stdint.h>
#include <stdio.h>

struct pcap {
	FILE *f;
};

/* 0 or -errno. */
int pcap_open(struct pcap *p, const char *path);
/* pcap: struct pcap *. 0 or -errno; a gen_frame_fn. */
int pcap_add(void *pcap, uint64_t at_ns, const uint8_t *frame, uint16_t len);
/* 0, or -errno where not all of it came to the disk. */
int pcap_close(struct pcap *p);

#endif
