/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef APPLIANCE_MAILBOX_H
#define APPLIANCE_MAILBOX_H

/* The only way from one thread of the appliance to another: a bounded ring of small typed
 * messages, many senders, one receiver. The ring is of the head-tail-sync kind, so that a sender
 * which the kernel preempts delays others, but never makes them spin on a half-made entry.
 */
#include <rte_common.h>
#include <rte_ring.h>
#include <stdbool.h>
#include <stdint.h>

struct worker;

/* What ptr is. A packet's sender gives it away; a refused one is still the sender's. */
enum msg_type {
	MSG_NONE,

	/* to a worker */
	MSG_FRAME, /* mbuf: a whole Ethernet frame without VLAN tag; arg is the interface */
	MSG_IP,	   /* mbuf: from the IP header; sent to meta->nexthop, or where that is NEXTHOP_NONE
		    * routed by its destination
		    */
	MSG_STEER, /* mbuf: a frame as another worker received it, for the owner of its leg */
	MSG_CALL,  /* struct call: a function to run on the worker */

	/* to the control lcore; arg is the sending worker, packets bring their pkt_meta */
	MSG_HOLD,     /* mbuf: from the IP header; meta->nexthop is not resolved yet */
	MSG_NTM,      /* mbuf: frame with an NTM packet: handshakes, sealed control, reset */
	MSG_OPENED,   /* mbuf: control of a leg that the worker opened, data is the plain text;
		       * meta->leg says whose
		       */
	MSG_STRANGER, /* mbuf: copy of the header of a path's or leg's packet from a wrong source */
	MSG_UNKNOWN,  /* mbuf: frame for an association index or Path ID that is not known here */
	MSG_ICMP,     /* mbuf: frame with an ICMP error about an NTM packet that we sent */
	MSG_NAT_LOG,  /* the NAT's own */

	/* to the DC lcore */
	MSG_DNS,    /* mbuf: frame with a DNS query over UDP */
	MSG_DC_NTM, /* mbuf: frame with an NTM packet for the DC role */

	/* to anyone */
	MSG_DONE, /* struct call that came back, or a finished job of the hs_pool */
	MSG_LINK, /* mbuf: UDP payload from another role of this process, udp_out.h */

	MSG_USER = 64, /* first of those that a role defines for itself */
};

/* Is ptr an mbuf, owned by who holds the message? */
static inline bool msg_brings_packet(uint16_t type)
{
	return (type >= MSG_FRAME && type <= MSG_STEER) || (type >= MSG_HOLD && type <= MSG_ICMP) ||
	       type == MSG_DNS || type == MSG_DC_NTM || type == MSG_LINK;
}

struct msg {
	uint16_t type;
	uint16_t len;
	uint32_t arg;
	void *ptr;
};

/* fn runs once on the worker, between two passes; then the call goes to done (if any) as MSG_DONE.
 * Embed it in what the function works on. The sender keeps it untouched until then.
 */
struct mailbox;
struct call {
	void (*fn)(struct worker *w, struct call *c);
	struct mailbox *done;
};

struct mailbox {
	struct rte_ring *ring;
	int wake_fd;		 /* eventfd that ends the receiver's sleep */
	_Atomic uint32_t asleep; /* written by the receiver, read by mailbox_wake() */
};

/* size is rounded up to a power of two. 0 or -errno. Start and stop only. mailbox_fini() expects an
 * empty ring: its owner drained it.
 */
int mailbox_init(struct mailbox *mb, const char *name, uint32_t size);
void mailbox_fini(struct mailbox *mb);

/* How many of n were taken, in order: the first ones. Any thread; no system call. */
unsigned int mailbox_put(struct mailbox *mb, const struct msg *msgs, unsigned int n);

/* Up to max messages; receiver only. */
unsigned int mailbox_take(struct mailbox *mb, struct msg *msgs, unsigned int max);

/* Wake a receiver that sleeps: after mailbox_put(), by any thread but a worker inside
 * pipeline_run(). A system call only when it does sleep.
 */
void mailbox_wake(struct mailbox *mb);

/* One message, and wake. 0, or -ENOBUFS when the ring is full. Not for appliance/pipeline. */
int mailbox_send(struct mailbox *mb, uint16_t type, uint32_t arg, void *ptr);

/* The receiver's side of sleeping: true when it may sleep in poll(2) on wake_fd; mailbox_sleep_end
 * afterwards, always. A message put after sleep_begin makes wake_fd readable.
 */
bool mailbox_sleep_begin(struct mailbox *mb);
void mailbox_sleep_end(struct mailbox *mb);

#endif
