/* SPDX-License-Identifier: BSD-3-Clause */
#include "appliance/mailbox.h"

#include <rte_errno.h>
#include <rte_ring_elem.h>

#include <errno.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <unistd.h>

int mailbox_init(struct mailbox *mb, const char *name, uint32_t size)
{
	mb->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (mb->wake_fd < 0)
		return -errno;
	mb->ring = rte_ring_create_elem(name, sizeof(struct mail), rte_align32pow2(size),
					SOCKET_ID_ANY, RING_F_MP_HTS_ENQ | RING_F_SC_DEQ);
	if (mb->ring == NULL) {
		close(mb->wake_fd);
		return -rte_errno;
	}
	atomic_init(&mb->asleep, 0);
	return 0;
}

void mailbox_fini(struct mailbox *mb)
{
	if (mb->ring == NULL)
		return;
	rte_ring_free(mb->ring);
	mb->ring = NULL;
	close(mb->wake_fd);
}

unsigned int mailbox_put(struct mailbox *mb, const struct mail *msgs, unsigned int n)
{
	return rte_ring_enqueue_burst_elem(mb->ring, msgs, sizeof(struct mail), n, NULL);
}

unsigned int mailbox_take(struct mailbox *mb, struct mail *msgs, unsigned int max)
{
	return rte_ring_dequeue_burst_elem(mb->ring, msgs, sizeof(struct mail), max, NULL);
}

void mailbox_wake(struct mailbox *mb)
{
	uint64_t one = 1;

	/* Either this load sees the receiver asleep, or its look at the ring in
	 * mailbox_sleep_begin() sees what was put: both sides have a full fence in between.
	 */
	atomic_thread_fence(memory_order_seq_cst);
	if (atomic_load_explicit(&mb->asleep, memory_order_relaxed) == 0)
		return;
	if (atomic_exchange_explicit(&mb->asleep, 0, memory_order_relaxed) == 0)
		return; /* another sender wakes it */
	if (write(mb->wake_fd, &one, sizeof(one)) < 0)
		return; /* the counter is full: readable all the same */
}

int mailbox_send(struct mailbox *mb, uint16_t type, uint32_t arg, void *ptr)
{
	struct mail m = {.type = type, .arg = arg, .ptr = ptr};

	if (mailbox_put(mb, &m, 1) == 0)
		return -ENOBUFS;
	mailbox_wake(mb);
	return 0;
}

bool mailbox_sleep_begin(struct mailbox *mb)
{
	atomic_store_explicit(&mb->asleep, 1, memory_order_relaxed);
	/* pairs with the fence in mailbox_wake() */
	atomic_thread_fence(memory_order_seq_cst);
	return rte_ring_empty(mb->ring);
}

void mailbox_sleep_end(struct mailbox *mb)
{
	uint64_t n;

	atomic_store_explicit(&mb->asleep, 0, memory_order_relaxed);
	if (read(mb->wake_fd, &n, sizeof(n)) < 0)
		return; /* nobody woke us */
}
