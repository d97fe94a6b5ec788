/* SPDX-License-Identifier: BSD-3-Clause */
#include "common/bytes.h"
#include "tests/sim/sim_node.h"

#include <assert.h>

enum {
	UDP_HDR = 8,
	HEAD = 12, /* magic 4, flow 2, kind 1, 0, sequence 4 */
	MAGIC = 0x4e544d54,
	ORIGINAL = 0,
	ECHO = 1,
	PROTO_UDP = 17,
};

static size_t ip_hdr(const struct ip_addr *a)
{
	return ip_is_v4(a) ? 20 : 40;
}

static uint8_t fill_byte(uint16_t id, uint32_t seq, size_t i)
{
	uint32_t h = (id * 2654435761U) ^ (seq * 40503U) ^ (uint32_t)(i * 97);

	return (uint8_t)(h ^ h >> 8 ^ h >> 17);
}

/* The one packet that a flow may carry as seq. */
static size_t compose(const struct sim_flow *f, uint8_t kind, uint32_t seq,
		      const struct ip_addr *src, const struct ip_addr *dst, uint8_t *p)
{
	size_t ip = ip_hdr(src), len = f->size;
	uint8_t *u = p + ip, *body = u + UDP_HDR;

	memset(p, 0, ip + UDP_HDR);
	if (ip_is_v4(src)) {
		uint32_t be;

		p[0] = 0x45;
		store_be16(p + 2, (uint16_t)len);
		p[6] = 0x40; /* DF */
		p[8] = 64;
		p[9] = PROTO_UDP;
		be = ip_v4(src);
		memcpy(p + 12, &be, 4);
		be = ip_v4(dst);
		memcpy(p + 16, &be, 4);
	} else {
		p[0] = 0x60;
		store_be16(p + 4, (uint16_t)(len - ip));
		p[6] = PROTO_UDP;
		p[7] = 64;
		memcpy(p + 8, src->b, 16);
		memcpy(p + 24, dst->b, 16);
	}
	store_be16(u, f->id);
	store_be16(u + 4, (uint16_t)(len - ip));
	store_be32(body, MAGIC);
	store_be16(body + 4, f->id);
	body[6] = kind;
	body[7] = 0;
	store_be32(body + 8, seq);
	for (size_t i = HEAD; ip + UDP_HDR + i < len; i++)
		body[i] = fill_byte(f->id, seq, i);
	return len;
}

static void output(struct sim_node *n, const struct sim_flow *f, uint8_t kind, uint32_t seq,
		   const struct ip_addr *src, const struct ip_addr *dst)
{
	uint8_t room[DP_HEADROOM + DP_PACKET_MAX + DP_TAILROOM];
	size_t len;

	if (n->dp == NULL)
		return;
	len = compose(f, kind, seq, src, dst, room + DP_HEADROOM);
	dp_output(n->dp, n->host.sim->now, room + DP_HEADROOM, len);
	sim_kick(&n->host);
}

void sim_flow_send(struct sim_flow *f)
{
	if (f->sent >= SIM_FLOW_MAX)
		return;
	output(f->from, f, ORIGINAL, f->sent++, &f->src, &f->dst);
}

static void tick(struct sim *s, struct sim_event *e)
{
	struct sim_flow *f = e->a;

	if (!f->is_running || e->x != f->gap_ns)
		return;
	sim_flow_send(f);
	sim_after(s, f->gap_ns, tick, f, NULL, f->gap_ns);
}

void sim_flow_start(struct sim_flow *f, struct sim_node *from, struct sim_node *to,
		    const struct ip_addr *dst, uint16_t size, uint64_t gap_ns, bool wants_echo)
{
	struct sim *s = from->host.sim;
	struct sim_flow *old;

	TAILQ_FOREACH(old, &s->flows, link)
	if (old == f)
		break;
	if (old != NULL)
		TAILQ_REMOVE(&s->flows, f, link);
	memset(f, 0, sizeof(*f));
	f->from = from;
	f->to = to;
	f->dst = *dst;
	f->src = ip_is_v4(dst) ? from->vips.v4 : from->vips.v6;
	f->id = ++s->next_flow;
	f->size = size;
	f->gap_ns = gap_ns;
	f->wants_echo = wants_echo;
	assert(size >= ip_hdr(dst) + UDP_HDR + HEAD && size <= DP_PACKET_MAX);
	TAILQ_INSERT_TAIL(&s->flows, f, link);
	if (gap_ns != 0) {
		f->is_running = true;
		sim_after(s, 0, tick, f, NULL, gap_ns);
	}
}

void sim_flow_stop(struct sim_flow *f)
{
	f->is_running = false;
}

static void gap(uint64_t now, uint64_t *first, uint64_t *last, uint64_t *longest)
{
	if (*first == 0)
		*first = now;
	else if (now - *last > *longest)
		*longest = now - *last;
	*last = now;
}

static void note(struct sim_flow *f, uint8_t *seen, uint32_t seq, uint32_t *got)
{
	if ((seen[seq / 8] >> (seq % 8) & 1) != 0)
		f->duplicates++;
	else
		(*got)++;
	seen[seq / 8] |= (uint8_t)(1 << (seq % 8));
}

static bool is_icmp(const uint8_t *p)
{
	return p[0] >> 4 == 4 ? p[9] == 1 : p[6] == 58;
}

static struct sim_flow *flow_of(struct sim *s, uint16_t id)
{
	struct sim_flow *f;

	TAILQ_FOREACH(f, &s->flows, link)
	if (f->id == id)
		return f;
	return NULL;
}

/* Judge a packet that came out of the tunnel by what went in. */
void sim_flow_deliver(struct sim_node *n, const uint8_t *p, size_t len)
{
	struct sim *s = n->host.sim;
	size_t ip = p[0] >> 4 == 4 ? 20 : 40;
	uint8_t expected[DP_PACKET_MAX], kind;
	struct sim_flow *f;
	uint32_t seq;
	bool is_gn;

	if (is_icmp(p)) {
		n->icmp++;
		return;
	}
	if (len < ip + UDP_HDR + HEAD || load_be32(p + ip + UDP_HDR) != MAGIC) {
		n->bad_inner++;
		return;
	}
	f = flow_of(s, load_be16(p + ip + UDP_HDR + 4));
	kind = p[ip + UDP_HDR + 6];
	seq = load_be32(p + ip + UDP_HDR + 8);
	if (f == NULL || seq >= f->sent || len != f->size) {
		n->bad_inner++;
		return;
	}
	is_gn = f->to == NULL;
	if (kind == ORIGINAL && !is_gn && n == f->to)
		compose(f, kind, seq, &f->src, &f->dst, expected);
	else if (n == f->from && (kind == ECHO || is_gn))
		compose(f, kind, seq, &f->dst, &f->src, expected);
	else
		len = 0;
	/* ECN bits may have been set on the way. */
	expected[1] = p[1];
	if (ip == 20)
		memcpy(expected + 10, p + 10, 2);
	if (len == 0 || memcmp(expected, p, len) != 0) {
		n->bad_inner++;
		return;
	}
	if (n == f->from) {
		note(f, f->echo_seen, seq, &f->echoes);
		gap(s->now, &f->first_echo_ns, &f->last_echo_ns, &f->longest_echo_gap_ns);
		return;
	}
	note(f, f->seen, seq, &f->got);
	gap(s->now, &f->first_ns, &f->last_ns, &f->longest_gap_ns);
	if (f->wants_echo)
		output(n, f, ECHO, seq, &f->dst, &f->src);
}
