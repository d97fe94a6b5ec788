/* SPDX-License-Identifier: BSD-3-Clause */
#include "lab/delay_queue.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	RECORD_ALIGN = 16,
	PPM = 1000000,
};

/* In front of each frame in the ring; len RECORD_WRAP sends the reader back to the start. */
struct record {
	uint64_t due_ns;
	uint32_t len;
	uint32_t reserved;
};

#define RECORD_WRAP UINT32_MAX

_Static_assert(sizeof(struct record) == RECORD_ALIGN, "records keep the ring aligned");

static size_t record_size(size_t len)
{
	return sizeof(struct record) + ((len + RECORD_ALIGN - 1) & ~(size_t)(RECORD_ALIGN - 1));
}

static struct record *record_at(const struct delay_queue *q, size_t pos)
{
	return (struct record *)(q->ring + (pos & (q->size - 1)));
}

int delay_queue_init(struct delay_queue *q, size_t ring_bytes, uint64_t seed)
{
	size_t size = 2 * (size_t)DELAY_FRAME_MAX;

	while (size < ring_bytes)
		size *= 2;
	memset(q, 0, sizeof(*q));
	q->ring = aligned_alloc(64, size);
	if (q->ring == NULL)
		return -ENOMEM;
	q->size = size;
	q->prng = seed;
	return 0;
}

void delay_queue_fini(struct delay_queue *q)
{
	free(q->ring);
	q->ring = NULL;
}

/* splitmix64: short, and good enough to lose packets by. */
static uint64_t prng_next(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

/* Room for a record of len at the tail, after a wrap if it does not fit before the end. */
static struct record *ring_reserve(struct delay_queue *q, size_t len)
{
	size_t need = record_size(len);
	size_t to_end = q->size - (q->tail & (q->size - 1));
	size_t skip = to_end < need ? to_end : 0;

	if (q->tail - q->head + skip + need > q->size)
		return NULL;
	if (skip) {
		record_at(q, q->tail)->len = RECORD_WRAP;
		q->tail += skip;
	}
	return record_at(q, q->tail);
}

/* When the serialiser will have sent a frame that comes now; UINT64_MAX when its queue is full. */
static uint64_t serialise(struct delay_queue *q, size_t len, uint64_t now)
{
	uint64_t start = q->line_free_ns > now ? q->line_free_ns : now;
	uint64_t waiting;

	if (q->config.rate_kbit == 0)
		return now;
	waiting = (start - now) * q->config.rate_kbit / (8 * PPM);
	if (waiting + len > q->config.queue_bytes)
		return UINT64_MAX;
	return start + (uint64_t)len * 8 * PPM / q->config.rate_kbit;
}

void delay_queue_push(struct delay_queue *q, const void *frame, size_t len, uint64_t now)
{
	uint64_t sent_ns, due;
	struct record *r;

	q->stats.rx_packets++;
	q->stats.rx_bytes += len;
	if (len > DELAY_FRAME_MAX) {
		q->stats.drop_long++;
		return;
	}
	if (prng_next(&q->prng) % PPM < q->config.loss_ppm) {
		q->stats.lost++;
		return;
	}
	sent_ns = serialise(q, len, now);
	if (sent_ns == UINT64_MAX) {
		q->stats.drop_queue++;
		return;
	}
	r = ring_reserve(q, len);
	if (r == NULL) {
		q->stats.drop_ring++;
		return;
	}
	due = sent_ns + q->config.delay_us * 1000;
	if (due < q->last_due_ns) /* the delay was made shorter: nobody overtakes */
		due = q->last_due_ns;
	r->due_ns = due;
	r->len = (uint32_t)len;
	memcpy(r + 1, frame, len);
	q->line_free_ns = sent_ns;
	q->last_due_ns = due;
	q->tail += record_size(len);
	q->stats.held++;
}

/* The record at pos, past a wrap marker; pos is moved along. NULL at the tail. */
static struct record *record_next(const struct delay_queue *q, size_t *pos)
{
	if (*pos == q->tail)
		return NULL;
	if (record_at(q, *pos)->len == RECORD_WRAP)
		*pos += q->size - (*pos & (q->size - 1));
	return record_at(q, *pos);
}

unsigned int delay_queue_peek(const struct delay_queue *q, uint64_t now, struct iovec *iov,
			      unsigned int max)
{
	size_t pos = q->head;
	unsigned int n = 0;

	while (n < max) {
		struct record *r = record_next(q, &pos);

		if (r == NULL || r->due_ns > now)
			break;
		iov[n].iov_base = r + 1;
		iov[n].iov_len = r->len;
		pos += record_size(r->len);
		n++;
	}
	return n;
}

void delay_queue_pop(struct delay_queue *q, int is_sent)
{
	struct record *r = record_next(q, &q->head);

	if (r == NULL)
		return;
	if (is_sent) {
		q->stats.tx_packets++;
		q->stats.tx_bytes += r->len;
	} else {
		q->stats.tx_error++;
	}
	q->stats.held--;
	q->head += record_size(r->len);
}

uint64_t delay_queue_next_due(const struct delay_queue *q)
{
	size_t pos = q->head;
	const struct record *r = record_next(q, &pos);

	return r ? r->due_ns : UINT64_MAX;
}
