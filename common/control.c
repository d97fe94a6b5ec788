/* SPDX-License-Identifier: BSD-3-Clause */
#include "common/control.h"

#include <errno.h>
#include <stdlib.h>

static const uint64_t MS = 1000000ULL;

const uint32_t control_resend_default_ms[] = {200, 600, 1400, 3000, 0};
const uint32_t control_resend_move_ms[] = {40, 120, 280, 600, 1400, 3000, 0};

void control_init(struct control *c, const struct control_ops *ops, void *ctx, struct rng *rng)
{
	memset(c, 0, sizeof(*c));
	c->ops = ops;
	c->ctx = ctx;
	c->next_txn = (uint32_t)rng_u64(rng);
	TAILQ_INIT(&c->pending);
}

static void request_drop(struct control *c, struct control_request *r)
{
	TAILQ_REMOVE(&c->pending, r, link);
	c->pending_n--;
	explicit_bzero(r->body, r->len);
	free(r);
}

static void answer_drop(struct control_answer *a)
{
	if (a->body != NULL)
		explicit_bzero(a->body, a->len);
	free(a->body);
	memset(a, 0, sizeof(*a));
}

void control_fini(struct control *c)
{
	struct control_request *r;

	while ((r = TAILQ_FIRST(&c->pending)) != NULL)
		request_drop(c, r);
	for (int i = 0; i < CONTROL_ANSWERS_MAX; i++)
		answer_drop(&c->answers[i]);
}

/* Take r out before its owner hears of it: the owner may start or cancel requests meanwhile. */
static void request_finish(struct control *c, struct control_request *r, const struct msg *m)
{
	control_done done = r->done;
	void *arg = r->arg;

	request_drop(c, r);
	if (done != NULL)
		done(c->ctx, arg, m);
}

void control_abort(struct control *c)
{
	unsigned int n = c->pending_n; /* not those that done() starts */

	for (; n > 0 && !TAILQ_EMPTY(&c->pending); n--)
		request_finish(c, TAILQ_FIRST(&c->pending), NULL);
}

static uint64_t due(const struct control_request *r)
{
	uint32_t ms = r->resend_ms[r->tries];

	return r->first_ns + (ms != 0 ? ms * MS : CONTROL_GIVE_UP_NS);
}

int control_request(struct control *c, uint64_t now, struct msg *m, const uint32_t *resend_ms,
		    control_done done, void *arg)
{
	struct control_request *r;
	int n;

	if (c->pending_n >= CONTROL_PENDING_MAX)
		return -ENOBUFS;
	r = calloc(1, sizeof(*r));
	if (r == NULL)
		return -ENOMEM;
	m->is_response = false;
	m->txn = c->next_txn++;
	n = msg_encode(m, r->body, sizeof(r->body));
	if (n < 0) {
		free(r);
		return n;
	}
	r->len = (uint16_t)n;
	r->txn = m->txn;
	r->type = m->type;
	r->resend_ms = resend_ms != NULL ? resend_ms : control_resend_default_ms;
	r->first_ns = now;
	r->next_ns = due(r);
	r->done = done;
	r->arg = arg;
	TAILQ_INSERT_TAIL(&c->pending, r, link);
	c->pending_n++;
	c->requests++;
	c->ops->send(c->ctx, r->body, r->len);
	return 0;
}

void control_resend(struct control *c, uint64_t now)
{
	struct control_request *r;

	TAILQ_FOREACH(r, &c->pending, link)
	{
		c->resends++;
		c->ops->send(c->ctx, r->body, r->len);
	}
}

void control_cancel(struct control *c, const void *arg)
{
	struct control_request *r, *next;

	for (r = TAILQ_FIRST(&c->pending); r != NULL; r = next) {
		next = TAILQ_NEXT(r, link);
		if (r->arg == arg)
			request_drop(c, r);
	}
}

static struct control_answer *answer_find(struct control *c, uint8_t type, uint32_t txn)
{
	for (int i = 0; i < CONTROL_ANSWERS_MAX; i++) {
		struct control_answer *a = &c->answers[i];

		if (a->until_ns != 0 && a->txn == txn && a->type == type)
			return a;
	}
	return NULL;
}

/* A free place, or the one that expires first: a flood of requests forgets the oldest answers. */
static struct control_answer *answer_new(struct control *c, uint64_t now, uint8_t type,
					 uint32_t txn)
{
	struct control_answer *a = &c->answers[0];

	for (int i = 1; i < CONTROL_ANSWERS_MAX; i++)
		if (c->answers[i].until_ns < a->until_ns)
			a = &c->answers[i];
	answer_drop(a);
	a->txn = txn;
	a->type = type;
	a->until_ns = now + CONTROL_ANSWER_KEEP_NS;
	return a;
}

static enum control_verdict input_request(struct control *c, uint64_t now, const struct msg *m)
{
	struct control_answer *a = answer_find(c, m->type, m->txn);

	if (a != NULL && a->until_ns > now) {
		c->repeats++;
		if (a->is_ready)
			c->ops->send(c->ctx, a->body, a->len);
		return CONTROL_DONE;
	}
	answer_new(c, now, m->type, m->txn);
	return CONTROL_REQUEST;
}

/* A Direction Request is answered by the Route Direction it asked for. */
static bool answers(const struct control_request *r, const struct msg *m)
{
	return r->txn == m->txn &&
	       (r->type == m->type || (r->type == MSG_DIRECTION && m->type == MSG_ROUTE_DIRECTION));
}

static enum control_verdict input_response(struct control *c, const struct msg *m)
{
	struct control_request *r;

	TAILQ_FOREACH(r, &c->pending, link)
	{
		if (!answers(r, m))
			continue;
		c->answered++;
		request_finish(c, r, m);
		return CONTROL_DONE;
	}
	c->strays++;
	return CONTROL_STRAY;
}

enum control_verdict control_input(struct control *c, uint64_t now, const uint8_t *body, size_t len,
				   struct msg *m)
{
	int ret = msg_decode(m, body, len);

	if (ret == 0)
		return m->is_response ? input_response(c, m) : input_request(c, now, m);
	c->bad++;
	if (len >= MSG_HDR_LEN && !m->is_response && ret != -ENOMSG && m->type != 0)
		control_refuse(c, now, m->type, m->txn, MSG_ERR_BAD_MESSAGE);
	return CONTROL_BAD;
}

int control_answer(struct control *c, uint64_t now, struct msg *m)
{
	uint8_t body[MSG_MAX];
	uint8_t asked = m->type;
	struct control_answer *a;
	int n;

	m->is_response = true;
	n = msg_encode(m, body, sizeof(body));
	if (n < 0)
		return n;
	a = answer_find(c, asked, m->txn);
	if (a == NULL && m->type == MSG_ROUTE_DIRECTION)
		a = answer_find(c, MSG_DIRECTION, m->txn);
	if (a == NULL)
		a = answer_new(c, now, asked, m->txn);
	free(a->body);
	a->body = malloc((size_t)n);
	if (a->body != NULL) {
		memcpy(a->body, body, (size_t)n);
		a->len = (uint16_t)n;
		a->is_ready = true;
		a->until_ns = now + CONTROL_ANSWER_KEEP_NS;
	}
	c->ops->send(c->ctx, body, (size_t)n);
	explicit_bzero(body, sizeof(body));
	return 0;
}

void control_forget(struct control *c, uint8_t type, uint32_t txn)
{
	struct control_answer *a = answer_find(c, type, txn);

	if (a != NULL)
		answer_drop(a);
}

static int refuse(struct control *c, uint64_t now, uint8_t type, uint32_t txn, enum msg_error code,
		  const uint64_t *location)
{
	struct msg *m = malloc(sizeof(*m));
	int ret;

	if (m == NULL)
		return -ENOMEM;
	msg_refuse(m, type, txn, code);
	if (location != NULL) {
		m->has |= HAS(LOCATION);
		m->location = *location;
	}
	ret = control_answer(c, now, m);
	free(m);
	return ret;
}

int control_refuse(struct control *c, uint64_t now, uint8_t type, uint32_t txn, enum msg_error code)
{
	return refuse(c, now, type, txn, code, NULL);
}

int control_refuse_stale(struct control *c, uint64_t now, uint8_t type, uint32_t txn,
			 uint64_t location)
{
	return refuse(c, now, type, txn, MSG_ERR_STALE, &location);
}

static bool request_poll(struct control *c, uint64_t now, struct control_request *r)
{
	if (r->resend_ms[r->tries] == 0) {
		c->timeouts++;
		request_finish(c, r, NULL);
		return true;
	}
	r->tries++;
	r->next_ns = due(r);
	c->resends++;
	c->ops->send(c->ctx, r->body, r->len);
	return false;
}

uint64_t control_poll(struct control *c, uint64_t now)
{
	uint64_t next = UINT64_MAX;
	struct control_request *r;

again:
	TAILQ_FOREACH(r, &c->pending, link)
	{
		/* done() may have changed the list: start over. */
		if (r->next_ns <= now && request_poll(c, now, r))
			goto again;
	}
	TAILQ_FOREACH(r, &c->pending, link)
	if (r->next_ns < next)
		next = r->next_ns;
	for (int i = 0; i < CONTROL_ANSWERS_MAX; i++)
		if (c->answers[i].until_ns != 0 && c->answers[i].until_ns <= now)
			answer_drop(&c->answers[i]);
	return next;
}
