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
enum mail_type {
	MAIL_NONE,

	/* to a worker */
	MAIL_FRAME, /* mbuf: a whole Ethernet frame without VLAN tag; arg is the interface */
	MAIL_IP, /* mbuf: from the IP header; sent to meta->nexthop, or where that is NEXTHOP_NONE
		    * routed by its destination
		    */
	MAIL_STEER, /* mbuf: a frame as another worker received it, for the owner of its leg */
	MAIL_CALL,  /* struct call: a function to run on the worker */

	/* to the control lcore; arg is the sending worker, packets bring their pkt_meta */
	MAIL_HOLD,     /* mbuf: from the IP header; meta->nexthop is not resolved yet */
	MAIL_NTM,      /* mbuf: frame with an NTM packet: handshakes, sealed control, reset */
	MAIL_OPENED,   /* mbuf: control of a leg that the worker opened, data is the plain text;
		       * meta->leg says whose
		       */
	MAIL_STRANGER, /* mbuf: copy of the header of a path's or leg's packet from a wrong source */
	MAIL_UNKNOWN,  /* mbuf: frame for an association index or Path ID that is not known here */
	MAIL_ICMP,     /* mbuf: frame with an ICMP error about an NTM packet that we sent */
	MAIL_NAT_LOG,  /* the NAT's own */

	/* to the DC lcore */
	MAIL_DNS,    /* mbuf: frame with a DNS query over UDP */
	MAIL_DC_NTM, /* mbuf: frame with an NTM packet for the DC role */

	/* to anyone */
	MAIL_DONE, /* struct call that came back, or a finished job of the hs_pool */
	MAIL_LINK, /* mbuf: UDP payload from another role of this process, udp_out.h */

	MAIL_USER = 64, /* first of those that a role defines for itself */
};

/* Is ptr an mbuf, owned by who holds the message? */
static inline bool mail_brings_packet(uint16_t type)
{
	return (type >= MAIL_FRAME && type <= MAIL_STEER) ||
	       (type >= MAIL_HOLD && type <= MAIL_ICMP) || type == MAIL_DNS ||
	       type == MAIL_DC_NTM || type == MAIL_LINK;
}

struct mail {
	uint16_t type;
	uint16_t len;
	uint32_t arg;
	void *ptr;
};

/* fn runs once on the worker, between two passes; then the call goes to done (if any) as MAIL_DONE.
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
unsigned int mailbox_put(struct mailbox *mb, const struct mail *msgs, unsigned int n);

/* Up to max messages; receiver only. */
unsigned int mailbox_take(struct mailbox *mb, struct mail *msgs, unsigned int max);

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
