/* SPDX-License-Identifier: BSD-3-Clause */
#include "client/node_impl.h"

/* Outer sizes of docs/protocol.md; PPPoE and LTE lie in between. */
static const uint16_t sizes[] = {1500, 1480, 1460, 1440, 1420, 1400, 1360, MTU_SMALLEST};
enum { SIZES = sizeof(sizes) / sizeof(sizes[0]) };

/* After the full-size probe, after all sizes once, after all sizes twice. */
static const uint64_t pause_ns[] = {0, 250 * NODE_MS, 400 * NODE_MS, 1200 * NODE_MS};
enum { STEPS = sizeof(pause_ns) / sizeof(pause_ns[0]) };

static size_t udp_len(const struct endpoint *to, uint16_t outer)
{
	return outer - (ip_is_v4(&to->ip) ? 20 + 8 : 40 + 8);
}

int mtu_ask(struct chan *c, uint8_t number, const struct datapath_dest *to, uint32_t probe_number,
	    uint16_t size)
{
	const struct endpoint *remote = to != NULL ? &to->to : &c->dest[number].to;
	struct probe p = {.kind = PROBE_ASK, .outer_size = size, .number = probe_number};
	uint8_t body[DATAPATH_PROBE_MAX];
	size_t len = (size != 0 ? udp_len(remote, size) : PROBE_UDP_LEN) - WIRE_OVERHEAD;

	if (len > sizeof(body))
		return -1;
	probe_build(&p, body, len);
	node_count(c->node, NODE_PROBES_SENT);
	return chan_send(c, WIRE_PROBE, number, to, body, len);
}

void mtu_reply(struct chan *c, const struct datapath_rx *rx, const struct probe *p,
	       const uint8_t *body, size_t len)
{
	const struct datapath_dest back = {.link = rx->link, .to = rx->from};
	uint8_t answer[PROBE_UDP_LEN - WIRE_OVERHEAD];

	/* An answer to a size probe need not be as large; none is longer than its ask. */
	if (len > sizeof(answer))
		len = sizeof(answer);
	memcpy(answer, body, len);
	probe_answer(answer, &rx->from);
	node_count(c->node, NODE_PROBES_ANSWERED);
	chan_send(c, WIRE_PROBE, rx->route < DATAPATH_ROUTES ? rx->route : 0, &back, answer, len);
}

static void ask_size(struct mtu_search *s, struct chan *c, uint16_t size)
{
	mtu_ask(c, c->number, NULL, s->first_number++, size);
}

void mtu_start(struct mtu_search *s, struct chan *c)
{
	struct node *n = c->node;
	uint16_t full = link_mtu(n, c->dest[c->number].link);

	s->step = 1;
	s->best = 0;
	s->first_number = (uint32_t)rng_u64(n->conf.rng) | 0x80000000U;
	s->next_ns = n->now + pause_ns[1];
	ask_size(s, c, full);
}

uint64_t mtu_poll(struct mtu_search *s, struct chan *c)
{
	struct node *n = c->node;
	uint16_t full = link_mtu(n, c->dest[c->number].link);

	if (s->step == 0)
		return NODE_NEVER;
	if (n->now < s->next_ns)
		return s->next_ns;
	if (++s->step >= STEPS) {
		s->step = 0;
		/* Nothing that large came back: it goes in two parts. */
		if (s->best == 0)
			chan_outer(c, MTU_SMALLEST);
		return NODE_NEVER;
	}
	for (int i = 0; i < SIZES; i++)
		if (sizes[i] < full || s->step > 2)
			ask_size(s, c, sizes[i] < full ? sizes[i] : full);
	s->next_ns = n->now + pause_ns[s->step];
	return s->next_ns;
}

void mtu_answer(struct mtu_search *s, struct chan *c, const struct probe *p)
{
	struct node *n = c->node;

	if (s->step == 0 || s->first_number - p->number > 3 * SIZES || p->outer_size <= s->best)
		return;
	s->best = p->outer_size;
	chan_outer(c, s->best);
	if (s->best == link_mtu(n, c->dest[c->number].link))
		s->step = 0;
}
