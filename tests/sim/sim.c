/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/sim/sim.h"
#include "common/bytes.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

struct sim_pkt {
	struct endpoint src, dst;
	struct sim_net *from;
	uint8_t tos;
	bool is_caused; /* by a tap */
	uint16_t len;
	uint8_t data[];
};

/* ---- events: a binary heap by (time, order of making) ---- */

static bool before(const struct sim_event *a, const struct sim_event *b)
{
	return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static void push(struct sim *s, struct sim_event e)
{
	size_t i = s->heap_n++;

	if (s->heap_n > s->heap_cap) {
		s->heap_cap = s->heap_cap == 0 ? 1024 : s->heap_cap * 2;
		s->heap = realloc(s->heap, s->heap_cap * sizeof(*s->heap));
		assert(s->heap != NULL);
	}
	e.order = s->order++;
	while (i > 0 && before(&e, &s->heap[(i - 1) / 2])) {
		s->heap[i] = s->heap[(i - 1) / 2];
		i = (i - 1) / 2;
	}
	s->heap[i] = e;
}

static struct sim_event pop(struct sim *s)
{
	struct sim_event top = s->heap[0], last = s->heap[--s->heap_n];
	size_t i = 0;

	for (;;) {
		size_t c = 2 * i + 1;

		if (c >= s->heap_n)
			break;
		if (c + 1 < s->heap_n && before(&s->heap[c + 1], &s->heap[c]))
			c++;
		if (!before(&s->heap[c], &last))
			break;
		s->heap[i] = s->heap[c];
		i = c;
	}
	s->heap[i] = last;
	return top;
}

void sim_after(struct sim *s, uint64_t ns, void (*fn)(struct sim *s, struct sim_event *e), void *a,
	       void *b, uint64_t x)
{
	push(s, (struct sim_event){.at = s->now + ns, .fn = fn, .a = a, .b = b, .x = x});
}

void sim_init(struct sim *s, uint64_t seed)
{
	memset(s, 0, sizeof(*s));
	s->now = 1000 * SIM_SEC;
	rng_init_seeded(&s->rng, seed);
	TAILQ_INIT(&s->hosts);
	TAILQ_INIT(&s->flows);
}

void sim_fini(struct sim *s)
{
	while (s->heap_n > 0)
		free(pop(s).pkt);
	free(s->heap);
}

bool sim_chance(struct sim *s, uint32_t ppm)
{
	return ppm != 0 && rng_below(&s->rng, 1000000) < ppm;
}

/* ---- hosts ---- */

void sim_host_add(struct sim *s, struct sim_host *h, const char *name, void *ctx)
{
	h->sim = s;
	h->name = name;
	h->ctx = ctx;
	h->wake_ns = SIM_NEVER;
	TAILQ_INSERT_TAIL(&s->hosts, h, link);
}

struct sim_iface *sim_iface_add(struct sim_host *h, struct sim_net *net, const char *v4,
				const char *v6)
{
	struct sim_iface *i = &h->ifaces[h->ifaces_n];

	assert(h->ifaces_n < SIM_IFACES_MAX);
	*i = (struct sim_iface){.host = h, .number = (uint8_t)h->ifaces_n++, .is_up = true};
	i->net = net;
	if (v4 != NULL && ip_parse(v4, &i->v4) < 0)
		abort();
	if (v6 != NULL && ip_parse(v6, &i->v6) < 0)
		abort();
	return i;
}

static void wake(struct sim *s, struct sim_event *e)
{
	struct sim_host *h = e->a;

	if (!h->is_off && h->wake_ns == s->now)
		sim_kick(h);
}

void sim_kick(struct sim_host *h)
{
	struct sim *s = h->sim;
	uint64_t due;

	if (h->is_off)
		return;
	due = h->poll(h, s->now);
	/* A deadline in the past would spin. */
	if (due <= s->now)
		due = s->now + 1;
	if (due == h->wake_ns)
		return;
	h->wake_ns = due;
	if (due != SIM_NEVER)
		sim_after(s, due - s->now, wake, h, NULL, 0);
}

void sim_run(struct sim *s, uint64_t ns)
{
	uint64_t end = s->now + ns;

	while (s->heap_n > 0 && s->heap[0].at <= end) {
		struct sim_event e = pop(s);

		s->now = e.at;
		e.fn(s, &e);
		free(e.pkt);
	}
	s->now = end;
}

bool sim_run_until(struct sim *s, uint64_t ns, bool (*cond)(void *arg), void *arg)
{
	uint64_t end = s->now + ns;

	while (!cond(arg)) {
		if (s->heap_n == 0 || s->heap[0].at > end) {
			s->now = end;
			return cond(arg);
		}
		sim_run(s, s->heap[0].at - s->now);
	}
	return true;
}

/* ---- packets ---- */

static void trace(const struct sim *s, const char *what, const struct sim_pkt *p,
		  const struct sim_host *h)
{
	char src[ENDPOINT_TEXT_MAX], dst[ENDPOINT_TEXT_MAX];

	if (!s->is_traced)
		return;
	printf("%12.6f %s %-18s %s > %s type %u len %u id %016llx\n",
	       (double)(s->now - 1000 * SIM_SEC) / 1e9, what, h != NULL ? h->name : "",
	       endpoint_format(&p->src, src), endpoint_format(&p->dst, dst),
	       p->len > 0 ? p->data[0] & 15U : 0, p->len,
	       p->len >= 16 ? (unsigned long long)load_be64(p->data + 8) : 0);
}

static size_t outer_len(const struct sim_pkt *p)
{
	return p->len + (ip_is_v4(&p->dst.ip) ? 28 : 48);
}

/* Through one access network, in either direction; calls fn after its delay, maybe twice. */
static void cross(struct sim *s, struct sim_net *net, const struct sim_pkt *p,
		  void (*fn)(struct sim *s, struct sim_event *e), void *a)
{
	unsigned int copies = sim_chance(s, net->dup_ppm) ? 2 : 1;

	net->packets++;
	if (outer_len(p) > (net->mtu != 0 ? net->mtu : 1500)) {
		net->too_big++;
		return;
	}
	if (net->is_cut || sim_chance(s, net->loss_ppm)) {
		net->lost++;
		return;
	}
	while (copies-- > 0) {
		struct sim_event e = {.at = s->now + net->delay_ns, .fn = fn, .a = a};

		if (net->jitter_ns > 0)
			e.at += rng_below(&s->rng, net->jitter_ns);
		if (sim_chance(s, net->reorder_ppm))
			e.at += rng_below(&s->rng, 30 * SIM_MS);
		e.pkt = malloc(sizeof(*p) + p->len);
		assert(e.pkt != NULL);
		memcpy(e.pkt, p, sizeof(*p) + p->len);
		push(s, e);
	}
}

static void arrive(struct sim *s, struct sim_event *e)
{
	struct sim_iface *i = e->a;
	struct sim_pkt *p = e->pkt;
	uint8_t copy[SIM_PKT_MAX]; /* opened in place */

	/* It may have gone or moved while the packet was on its way. */
	if (!i->is_up || i->host->is_off ||
	    !ip_equal(&p->dst.ip, ip_is_v4(&p->dst.ip) ? &i->v4 : &i->v6)) {
		s->vanished++;
		trace(s, "gone", p, i->host);
		return;
	}
	trace(s, "  in", p, i->host);
	s->delivered++;
	if (s->tap != NULL && !p->is_caused)
		s->tap(s, false, i, &p->src, &p->dst, p->tos, p->data, p->len);
	memcpy(copy, p->data, p->len);
	i->host->input(i->host, i, &p->src, &p->dst, p->tos, copy, p->len);
	if (s->tap != NULL && !p->is_caused)
		s->tap(s, true, i, &p->src, &p->dst, p->tos, p->data, p->len);
	sim_kick(i->host);
}

static struct sim_iface *find(struct sim *s, const struct sim_nat *nat, const struct ip_addr *ip)
{
	struct sim_host *h;

	TAILQ_FOREACH(h, &s->hosts, link)
	for (unsigned int n = 0; n < h->ifaces_n; n++) {
		struct sim_iface *i = &h->ifaces[n];
		bool v4 = ip_is_v4(ip);

		/* IPv6 is public everywhere. */
		if (i->is_up && (!v4 || i->net->nat == nat) && ip_equal(ip, v4 ? &i->v4 : &i->v6))
			return i;
	}
	return NULL;
}

static struct sim_nat *find_nat(struct sim *s, const struct ip_addr *ip)
{
	struct sim_host *h;

	TAILQ_FOREACH(h, &s->hosts, link)
	for (unsigned int n = 0; n < h->ifaces_n; n++)
		if (h->ifaces[n].net->nat != NULL && ip_equal(&h->ifaces[n].net->nat->outside, ip))
			return h->ifaces[n].net->nat;
	return NULL;
}

/* The packet has left its access network. */
static void internet(struct sim *s, struct sim_event *e)
{
	struct sim_pkt *p = e->pkt;
	struct sim_nat *out = ip_is_v4(&p->dst.ip) ? p->from->nat : NULL, *in;
	struct sim_iface *i;

	if (out != NULL && !sim_nat_out(out, s->now, &p->src, &p->dst)) {
		trace(s, "full", p, NULL);
		s->vanished++;
		return;
	}
	in = find_nat(s, &p->dst.ip);
	/* No hairpin. */
	if (in != NULL && (in == out || !sim_nat_in(in, s->now, &p->src, &p->dst))) {
		trace(s, "wall", p, NULL);
		s->vanished++;
		return;
	}
	i = find(s, in, &p->dst.ip);
	if (i == NULL) {
		s->vanished++;
		return;
	}
	cross(s, i->net, p, arrive, i);
}

void sim_send(struct sim_iface *i, uint16_t src_port, const struct endpoint *to, uint8_t tos,
	      const uint8_t *pkt, size_t len)
{
	struct sim *s = i->host->sim;
	struct sim_pkt *p = malloc(sizeof(*p) + len);
	struct sim_iface *local;

	assert(len <= SIM_PKT_MAX && p != NULL);
	if (s->sent != NULL)
		s->sent(s, to, pkt, len);
	p->src = (struct endpoint){.ip = ip_is_v4(&to->ip) ? i->v4 : i->v6, .port = src_port};
	if (!i->is_up || ip_is_none(&p->src.ip)) {
		s->vanished++;
		free(p);
		return;
	}
	p->dst = *to;
	p->from = i->net;
	p->tos = tos;
	p->is_caused = s->sent != NULL;
	p->len = (uint16_t)len;
	memcpy(p->data, pkt, len);
	/* Two hosts of one private network see each other. */
	local = i->net->nat != NULL ? find(s, i->net->nat, &to->ip) : NULL;
	if (local != NULL && local->net == i->net)
		cross(s, i->net, p, arrive, local);
	else
		cross(s, i->net, p, internet, NULL);
	free(p);
}
