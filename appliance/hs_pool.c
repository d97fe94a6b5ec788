/* SPDX-License-Identifier: BSD-3-Clause */
#include "appliance/hs_pool.h"
#include "appliance/mailbox.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

enum { THREADS_MAX = 64, RETRY_NS = 1000000 };

struct job {
	void (*fn)(void *arg);
	void *arg;
	struct mailbox *done;
	uint32_t kind;
};

struct hs_pool {
	pthread_mutex_t lock;
	pthread_cond_t more;
	pthread_t thread[THREADS_MAX];
	unsigned int n_threads;
	bool stopping;
	uint32_t head, tail;
	uint32_t size;	/* jobs that may wait */
	uint32_t slots; /* and one per thread that may have to give one back */
	struct hs_pool_stats stats;
	struct job queue[];
};

static bool is_stopping(struct hs_pool *p)
{
	bool stopping;

	pthread_mutex_lock(&p->lock);
	stopping = p->stopping;
	pthread_mutex_unlock(&p->lock);
	return stopping;
}

/* A result is never lost: where the owner's ring is full the thread waits, and the queue behind it
 * fills and refuses. At the end of the process the job goes back into the queue, to be dropped.
 */
static void give_back(struct hs_pool *p, const struct job *j)
{
	const struct timespec pause = {.tv_nsec = RETRY_NS};

	while (mailbox_send(j->done, MAIL_DONE, j->kind, j->arg) < 0) {
		if (is_stopping(p)) {
			pthread_mutex_lock(&p->lock);
			p->queue[p->tail++ % p->slots] = *j;
			pthread_mutex_unlock(&p->lock);
			return;
		}
		nanosleep(&pause, NULL);
	}
}

static void *pool_main(void *arg)
{
	struct hs_pool *p = arg;
	struct job j;

	pthread_mutex_lock(&p->lock);
	while (!p->stopping) {
		if (p->head == p->tail) {
			pthread_cond_wait(&p->more, &p->lock);
			continue;
		}
		j = p->queue[p->head++ % p->slots];
		pthread_mutex_unlock(&p->lock);
		j.fn(j.arg);
		give_back(p, &j);
		pthread_mutex_lock(&p->lock);
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

struct hs_pool *hs_pool_start(unsigned int threads, uint32_t queue)
{
	struct hs_pool *p = calloc(1, sizeof(*p) + (queue + THREADS_MAX) * sizeof(struct job));
	int ret = 0;

	if (p == NULL)
		return NULL;
	p->size = queue;
	p->slots = queue + THREADS_MAX;
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->more, NULL);
	while (p->n_threads < threads && p->n_threads < THREADS_MAX && ret == 0) {
		ret = pthread_create(&p->thread[p->n_threads], NULL, pool_main, p);
		if (ret == 0)
			pthread_setname_np(p->thread[p->n_threads++], "ntm-handshake");
	}
	if (ret == 0)
		return p;
	hs_pool_stop(p, NULL);
	errno = ret;
	return NULL;
}

void hs_pool_stop(struct hs_pool *p, void (*drop)(void *arg))
{
	if (p == NULL)
		return;
	pthread_mutex_lock(&p->lock);
	p->stopping = true;
	pthread_cond_broadcast(&p->more);
	pthread_mutex_unlock(&p->lock);
	for (unsigned int i = 0; i < p->n_threads; i++)
		pthread_join(p->thread[i], NULL);
	while (p->head != p->tail && drop != NULL)
		drop(p->queue[p->head++ % p->slots].arg);
	pthread_cond_destroy(&p->more);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

int hs_pool_submit(struct hs_pool *p, void (*fn)(void *arg), void *arg, struct mailbox *done,
		   uint32_t kind)
{
	int ret = 0;

	pthread_mutex_lock(&p->lock);
	if (p->tail - p->head >= p->size || p->stopping) {
		p->stats.refused++;
		ret = -ENOBUFS;
	} else {
		p->queue[p->tail++ % p->slots] =
			(struct job){.fn = fn, .arg = arg, .done = done, .kind = kind};
		p->stats.jobs++;
		pthread_cond_signal(&p->more);
	}
	pthread_mutex_unlock(&p->lock);
	return ret;
}

void hs_pool_stats(struct hs_pool *p, struct hs_pool_stats *st)
{
	pthread_mutex_lock(&p->lock);
	*st = p->stats;
	st->waiting = p->tail - p->head;
	pthread_mutex_unlock(&p->lock);
}
