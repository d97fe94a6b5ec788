/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef LAB_DELAY_QUEUE_H
#define LAB_DELAY_QUEUE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

/* One direction of an emulated line: a serialiser of a given rate with a tail-drop queue in front
 * and a pipe of a given delay behind it. Frames leave in the order they came, whatever is changed
 * while they are under way.
 *
 * Pure: time comes in as a number, frames go out as pointers into the queue's own memory. One
 * thread per queue.
 */

enum {
	DELAY_FRAME_MAX = 2048, /* longest frame taken, Ethernet header included */
};

struct delay_config {
	uint64_t delay_us;    /* one way, behind the serialiser */
	uint64_t loss_ppm;    /* dropped at random, in millionths */
	uint64_t rate_kbit;   /* 0: as fast as it comes */
	uint64_t queue_bytes; /* what may wait for the serialiser; of no effect at rate 0 */
};

/* Conservation: rx = tx + lost + drop_queue + drop_ring + drop_long + tx_error + held. */
struct delay_stats {
	uint64_t rx_packets, rx_bytes;
	uint64_t tx_packets, tx_bytes;
	uint64_t lost;	     /* by loss_ppm */
	uint64_t drop_queue; /* no room in front of the serialiser */
	uint64_t drop_ring;  /* delay x rate is more than the memory given */
	uint64_t drop_long;  /* above DELAY_FRAME_MAX: an offload was left on */
	uint64_t tx_error;   /* the far interface refused it (down, gone) */
	uint64_t held;	     /* under way now */
};

struct delay_queue {
	struct delay_config config;
	struct delay_stats stats;
	uint64_t prng;
	uint64_t line_free_ns; /* when the serialiser has sent all it took */
	uint64_t last_due_ns;
	uint8_t *ring;
	size_t size;
	size_t head, tail; /* ever-growing; a record starts at head modulo size */
};

/* 0 or -ENOMEM. ring_bytes is rounded up to a power of two. Equal seeds lose equal frames. */
int delay_queue_init(struct delay_queue *q, size_t ring_bytes, uint64_t seed);
void delay_queue_fini(struct delay_queue *q);

/* Take a frame that arrived at now, or count why not. len may be above DELAY_FRAME_MAX; such a
 * frame is not read.
 */
void delay_queue_push(struct delay_queue *q, const void *frame, size_t len, uint64_t now);

/* Up to max frames that are due; they stay valid and in place until delay_queue_pop(). */
unsigned int delay_queue_peek(const struct delay_queue *q, uint64_t now, struct iovec *iov,
			      unsigned int max);

/* Drop the first frame of the queue as sent, or as refused by the far interface. */
void delay_queue_pop(struct delay_queue *q, int is_sent);

/* When the first frame is due, or UINT64_MAX. */
uint64_t delay_queue_next_due(const struct delay_queue *q);

#endif
