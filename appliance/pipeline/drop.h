/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PIPELINE_DROP_H
#define PIPELINE_DROP_H

/* Why a packet left the pipeline early. One list makes the enum, the counter names and the text
 * that `ntmctl stats` prints; add a line here and nowhere else. Every packet that is neither sent
 * nor handed to another thread is counted under exactly one of these.
 */
/* clang-format off */
#define DROP_REASONS(X)                                                                  \
	/* frame and link */                                                             \
	X(MULTI_SEG,        "frame spread over several buffers: mbuf size too small")     \
	X(SHORT,            "frame shorter than its headers say")                         \
	X(VLAN,             "VLAN tag of no configured interface")                        \
	X(NOT_FOR_US_MAC,   "unicast frame for another MAC address")                      \
	X(OWN_MAC,          "frame with our own MAC as its source: an echo or a loop")    \
	X(ETHERTYPE,        "neither IPv4, IPv6 nor ARP, and no use to the kernel")        \
	/* IP, numbered in parse.c after RFC 1812 5.2.2 and RFC 8200 */                  \
	X(IP_VERSION,       "version nibble is not what the Ethernet type says")          \
	X(IP_HEADER_LEN,    "IPv4 header length below 20 bytes or above the packet")      \
	X(IP_TOTAL_LEN,     "IP length field below the header or above the frame")        \
	X(IP_CHECKSUM,      "IPv4 header checksum wrong")                                 \
	X(IP_SOURCE,        "source address that cannot be one, or one of ours")          \
	X(IP_TTL,           "TTL or hop limit used up")                                   \
	X(IP6_EXT,          "IPv6 extension header chain too long or cut off")            \
	X(NOT_OURS,         "destination is no address of ours; nothing is forwarded")    \
	X(OUTER_FRAGMENT,   "fragment of an outer NTM packet")                            \
	X(UDP_LEN,          "UDP length below 8 or above the packet")                     \
	X(UDP_NO_CHECKSUM,  "UDP without checksum where IPv6 needs one")                  \
	/* NTM header and relay */                                                       \
	X(NTM_SHORT,        "shorter than an NTM header")                                 \
	X(NTM_VERSION,      "NTM version unknown")                                        \
	X(NTM_TYPE,         "NTM type unknown, or out of place")                          \
	X(NTM_RESERVED,     "reserved bits of the NTM header set")                        \
	X(NO_PATH,          "no path for the Path ID")                                    \
	X(NO_ASSOC,         "no association for the index")                               \
	X(PATH_UNBOUND,     "the other side of the path is not bound yet")                \
	X(PATH_DIRECTION,   "direction bit and source are those of different sides")      \
	X(PATH_SOURCE,      "source is not the bound address, and trust is used up")      \
	X(LEG_UNCONFIRMED,  "more than handshakes over an unconfirmed leg")               \
	X(LEG_CREDIT,       "credit of an unproven address used up")                      \
	X(WRONG_WORKER,     "the leg belongs to another worker, and its ring is gone")    \
	X(ICMP_STRANGE,     "ICMP error that quotes no packet of ours")                   \
	/* crypto */                                                                     \
	X(NO_KEY,           "no key for the epoch")                                       \
	X(KEY_SPENT,        "key past its packet or time limit")                          \
	X(REPLAY,           "sequence seen before, or older than the window")             \
	X(AUTH,             "AEAD tag did not verify")                                    \
	X(SEALED_LEN,       "sealed body shorter than its tag, or not whole blocks")      \
	X(PART_FULL,        "too many first parts wait for their second")                 \
	X(PART_TIMEOUT,     "second part did not come in 200 ms")                         \
	X(PART_MISMATCH,    "two parts that do not belong together")                      \
	/* inner packet and NAT */                                                       \
	X(ECN,              "congestion mark on a packet that cannot carry it")           \
	X(INNER_BAD,        "inner packet malformed")                                     \
	X(INNER_SOURCE,     "inner source is not the address of the node")                \
	X(INNER_DEST,       "inner destination is no binding of the leg")                 \
	X(REFUSED_DEST,     "destination that RS-N does not serve")                       \
	X(NAT_FULL,         "no free NAT port for the flow")                              \
	X(NAT_LIMIT,        "subscriber's port limit reached")                            \
	X(NAT_NO_MAPPING,   "pool address and port without a mapping")                    \
	X(NAT_FILTERED,     "mapping exists, remote address not allowed by the filter")   \
	X(NAT_PROTO,        "protocol that the NAT does not translate")                   \
	X(NAT_ICMP,         "ICMP error whose inner packet matches no mapping")           \
	X(FRAG_FULL,        "too many datagrams in pieces")                               \
	X(FRAG_TIMEOUT,     "pieces of a datagram did not come in 2 s")                   \
	X(FRAG_OVERLAP,     "overlapping fragments")                                      \
	X(FRAG_BAD,         "fragment with impossible offset or length")                  \
	X(MTU,              "larger than the way out takes")                              \
	/* ways out */                                                                   \
	X(NO_ROUTE,         "no route to the destination")                                \
	X(NEIGH_PENDING,    "next hop unresolved and its hold queue full")                \
	X(NEIGH_FAILED,     "next hop did not answer")                                    \
	X(NEIGH_FULL,       "table of next hops full")                                    \
	X(NO_MBUF,          "no packet buffer left")                                      \
	X(LANE_FULL,        "more packets in one pass than a lane holds")                 \
	X(TX_FULL,          "NIC queue had no room")                                      \
	X(HEADROOM,         "no room in the buffer for the link header")                  \
	X(TX_DOWN,          "interface without a port to send on")                        \
	X(MAILBOX_FULL,     "mailbox of another worker full")                             \
	X(CONTROL_FULL,     "ring to the control lcore full")                             \
	X(CONTROL_LIMIT,    "rate limit on packets for the control lcore")                \
	X(DC_FULL,          "ring to the DC lcore full")                                  \
	X(NO_ROLE,          "for a role that is not configured here")                     \
	X(TAP_FULL,         "ring to the TAP full")                                       \
	X(TAP_WRITE,        "kernel did not take the frame from the TAP")                 \
	X(SHARE_FULL,       "too many batches wait for the workers that share their crypto")  \
	X(STOPPING,         "the process is stopping")
/* clang-format on */

enum drop_reason {
#define X(name, text) DROP_##name,
	DROP_REASONS(X)
#undef X
		DROP_MAX
};

/* Name ("TX_FULL") and text of a reason. Any thread. */
const char *drop_name(enum drop_reason r);
const char *drop_text(enum drop_reason r);

#endif
