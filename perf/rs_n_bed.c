/* SPDX-License-Identifier: BSD-3-Clause */
#include "perf/rs_n_bed.h"

#include "appliance/pipeline/outer.h"
#include "common/wire.h"

#include <errno.h>
#include <stdlib.h>

enum { HOST_PORT = 443, IN_PORT = 5000, NODE_PORT = 1111 };
#define PEER_INDEX 0xabcdef0012345678ULL

static struct ip_addr ip_of(const char *text)
{
	struct ip_addr ip;

	if (ip_parse(text, &ip) < 0)
		abort();
	return ip;
}

static struct ip_addr ip_plus(const char *text, uint32_t n)
{
	struct ip_addr ip = ip_of(text);

	store_be32(ip.b + 12, load_be32(ip.b + 12) + n);
	return ip;
}

/* Legs in their own address each would need a million of them: ports tell them apart, too. */
static struct endpoint node_of(uint32_t leg)
{
	return (struct endpoint){ip_plus("198.51.0.10", leg >> 12),
				 (uint16_t)(NODE_PORT + (leg & 4095))};
}

/* Ethernet header and an IPv4 UDP packet of len bytes with a right checksum; its length. */
static uint16_t frame_make(struct rs_n_bed *n, uint8_t *p, const struct endpoint *src,
			   const struct endpoint *dst, const uint8_t *body, uint16_t len)
{
	uint8_t *udp = p + RTE_ETHER_HDR_LEN + IP4_HDR_LEN;
	uint16_t total = (uint16_t)(UDP_HDR_LEN + len), check;
	struct outer o = {.src = &src->ip, .dst = &dst->ip, .ttl = 64, .proto = IPPROTO_UDP};

	memset(p, 0, RTE_ETHER_HDR_LEN);
	memcpy(p, n->bed.iface.mac.addr_bytes, RTE_ETHER_ADDR_LEN);
	p[11] = 0x77;
	store_be16(p + 12, RTE_ETHER_TYPE_IPV4);
	outer_write(udp, total, &o);
	store_be16(udp, src->port);
	store_be16(udp + 2, dst->port);
	store_be16(udp + 4, total);
	store_be16(udp + 6, 0);
	memcpy(udp + UDP_HDR_LEN, body, len);
	check = (uint16_t)~csum_fold(
		csum_bytes(udp, total, csum_pseudo(&src->ip, &dst->ip, IPPROTO_UDP, total)));
	memcpy(udp + 6, &check, sizeof(check));
	return (uint16_t)(RTE_ETHER_HDR_LEN + IP4_HDR_LEN + total);
}

static int leg_up(struct rs_n_bed *n, uint32_t l)
{
	struct rs_dp_leg leg = {
		.vip4 = ip_plus("240.0.0.2", l), .peer = node_of(l), .confirmed = true};
	struct epoch_keys k = {.peer_index = PEER_INDEX + l};
	struct ip_addr vip = ip_of("240.128.0.1"), rip = ip_of("198.51.100.80");
	struct rs_dp *dp = n->bed.dp;
	int ret;

	rng_fill(&n->rng, &k.recv, sizeof(k.recv));
	rng_fill(&n->rng, &k.send, sizeof(k.send));
	k.recv.suite = n->cfg.suite;
	k.send.suite = n->cfg.suite;
	n->send[l] = k.recv;
	ret = rs_dp_leg_reserve(dp, rng_u64(&n->rng), &n->index[l]);
	if (ret == 0)
		ret = rs_dp_leg_add(dp, n->index[l], &leg);
	if (ret == 0)
		ret = rs_dp_leg_key_install(dp, n->index[l], &k, UINT64_MAX);
	if (ret == 0)
		ret = rs_dp_leg_key_use(dp, n->index[l], 0);
	if (ret < 0)
		return ret;
	n->key[l] = (uint32_t)leg_key_at(leg_table_find(dp->legs, n->index[l]), 0);
	return rs_dp_binding_add(dp, n->index[l], 1, &vip, &rip);
}

/* Flow f exists before anything is measured; its public end is noted. */
static int flow_up(struct rs_n_bed *n, uint32_t f)
{
	struct leg_table *legs = n->bed.dp->legs;
	const struct leg *leg = leg_table_find(legs, n->index[f % n->cfg.legs]);
	struct nat *nat = n->bed.w->rs->nat;
	struct ip_addr vip = ip_of("240.128.0.1");
	enum drop_reason why;
	struct nat_flow *flow =
		nat_flow_open(nat, leg->subscriber, NAT_UDP, (uint16_t)(IN_PORT + f / n->cfg.legs),
			      &vip, n->bed.w->now, &why);

	if (flow == NULL)
		return -ENOSPC;
	nat_flow_touch(nat, flow, true, 0, n->bed.w->now);
	n->pub[f] = (struct endpoint){*nat_pool_addr(nat->pool, flow->addr), flow->port};
	return 0;
}

uint16_t rs_n_bed_frame(struct rs_n_bed *n, uint32_t i, uint16_t in_port, uint8_t *frame)
{
	uint32_t l = rs_n_bed_leg(n, i);
	struct endpoint own = *rs_dp_local(n->bed.dp, 0), node = node_of(l);
	struct endpoint mn = {ip_plus("240.0.0.2", l), in_port};
	struct endpoint gn = {ip_of("240.128.0.1"), HOST_PORT};
	uint8_t inner[RS_N_FRAME_MAX] = {0}, pkt[RS_N_FRAME_MAX] = {0};
	uint8_t keys[AEAD_KEY_BYTES] __rte_aligned(64);
	struct aead_op op = {.suite = n->cfg.suite,
			     .body_len = n->cfg.inner,
			     .pkt = pkt,
			     .keys = keys,
			     .iv = n->send[l].iv};
	uint16_t len = aead_sealed_len(n->cfg.suite, n->cfg.inner);

	aead_expand(n->bed.dp->workers[0].aead, &n->send[l], false, keys);
	frame_make(n, inner, &mn, &gn, pkt, (uint16_t)(n->cfg.inner - IP4_HDR_LEN - UDP_HDR_LEN));
	wire_build(pkt, WIRE_DATA, wire_flags(true, 0, 0), n->seq[i], n->index[l]);
	memcpy(pkt + WIRE_HDR_LEN, inner + RTE_ETHER_HDR_LEN, n->cfg.inner);
	aead_seal(n->bed.dp->workers[0].aead, &op, 1);
	return frame_make(n, frame, &node, &own, pkt, len);
}

static void frame_open(struct rs_n_bed *n, uint32_t i)
{
	uint16_t in_port = (uint16_t)(IN_PORT + n->order[i] / n->cfg.legs);

	n->len[RS_N_OPEN] = rs_n_bed_frame(n, i, in_port, n->frame[RS_N_OPEN][i]);
}

static void frame_seal(struct rs_n_bed *n, uint32_t i)
{
	struct endpoint host = {ip_of("198.51.100.80"), HOST_PORT};
	uint8_t body[RS_N_FRAME_MAX] = {0};

	n->len[RS_N_SEAL] = frame_make(n, n->frame[RS_N_SEAL][i], &host, &n->pub[n->order[i]], body,
				       (uint16_t)(n->cfg.inner - IP4_HDR_LEN - UDP_HDR_LEN));
}

/* The pool's addresses are the worker's too. */
static int pool_up(struct rs_n_bed *n, const struct nat_range *range)
{
	struct local_addr own = {.ip = ip_of("192.0.2.1")};
	struct local_pool pool = {range->prefix, range->port_min, range->port_max};

	local_destroy(n->bed.local);
	n->bed.local = local_create(&own, 1, &pool, 1);
	n->bed.w->local = n->bed.local;
	return n->bed.local == NULL ? -ENOMEM : 0;
}

/* Which flow each packet is of: all of them in turn, shuffled where there is more than one leg, so
 * that no prefetcher of the hardware knows the next.
 */
static void order_make(struct rs_n_bed *n)
{
	uint32_t *sent = calloc(n->cfg.legs, sizeof(*sent));

	if (sent == NULL)
		abort();
	for (uint32_t i = 0; i < n->cfg.packets; i++)
		n->order[i] = i % n->cfg.flows;
	for (uint32_t i = n->cfg.packets - 1; n->cfg.legs > 1 && i > 0; i--) {
		uint32_t j = (uint32_t)rng_below(&n->rng, i + 1), f = n->order[i];

		n->order[i] = n->order[j];
		n->order[j] = f;
	}
	for (uint32_t i = 0; i < n->cfg.packets; i++)
		n->seq[i] = sent[rs_n_bed_leg(n, i)]++;
	free(sent);
}

static int arrays_make(struct rs_n_bed *n)
{
	const struct rs_n_config *c = &n->cfg;

	n->pub = calloc(c->flows, sizeof(*n->pub));
	n->order = calloc(c->packets, sizeof(*n->order));
	n->seq = calloc(c->packets, sizeof(*n->seq));
	n->index = calloc(c->legs, sizeof(*n->index));
	n->key = calloc(c->legs, sizeof(*n->key));
	n->send = calloc(c->legs, sizeof(*n->send));
	n->frame[RS_N_OPEN] = calloc(c->packets, RS_N_FRAME_MAX);
	n->frame[RS_N_SEAL] = calloc(c->packets, RS_N_FRAME_MAX);
	if (n->pub == NULL || n->order == NULL || n->seq == NULL || n->index == NULL ||
	    n->key == NULL || n->send == NULL || n->frame[RS_N_OPEN] == NULL ||
	    n->frame[RS_N_SEAL] == NULL)
		return -ENOMEM;
	return 0;
}

static void config_fill(struct rs_n_bed *n, struct rs_dp_config *dp)
{
	dp->n_workers = 1;
	dp->rng = &n->rng;
	dp->paths_max = dp->paths_max ? dp->paths_max : 64;
	dp->legs_max = dp->legs_max ? dp->legs_max : RTE_MAX(n->cfg.legs, 64u);
	dp->bindings_max = dp->bindings_max ? dp->bindings_max : dp->legs_max;
	dp->nat.flows_max = RTE_MAX(dp->nat.flows_max, RTE_MAX(2 * n->cfg.flows, 1024u));
	dp->nat.n_ranges = 1;
	dp->nat.ranges[0].port_min = 1024;
	dp->nat.ranges[0].port_max = 65535;
	if (prefix_parse("192.0.2.128/25", &dp->nat.ranges[0].prefix) < 0 ||
	    prefix_parse("198.51.100.0/24", &dp->inner[dp->n_inner++]) < 0)
		abort();
}

void rs_n_bed_down(struct rs_n_bed *n)
{
	rs_bed_down(&n->bed);
	free(n->pub);
	free(n->order);
	free(n->seq);
	free(n->index);
	free(n->key);
	free(n->send);
	free(n->frame[RS_N_OPEN]);
	free(n->frame[RS_N_SEAL]);
	free(n);
}

int rs_n_bed_up(struct rs_n_bed **out, const struct rs_n_config *cfg)
{
	struct rs_n_bed *n = aligned_alloc(64, RTE_ALIGN_CEIL(sizeof(*n), 64));
	int ret;

	if (n == NULL)
		return -ENOMEM;
	memset(n, 0, sizeof(*n));
	n->cfg = *cfg;
	rng_init_seeded(&n->rng, 3);
	config_fill(n, &n->cfg.dp);
	ret = arrays_make(n);
	if (ret == 0)
		ret = rs_bed_up(&n->bed, cfg->name, &n->cfg.dp);
	if (ret == 0)
		ret = pool_up(n, &n->cfg.dp.nat.ranges[0]);
	for (uint32_t l = 0; ret == 0 && l < cfg->legs; l++)
		ret = leg_up(n, l);
	for (uint32_t f = 0; ret == 0 && f < cfg->flows; f++)
		ret = flow_up(n, f);
	if (ret < 0) {
		rs_n_bed_down(n);
		return ret;
	}
	order_make(n);
	for (uint32_t i = 0; i < cfg->packets; i++) {
		frame_open(n, i);
		frame_seal(n, i);
	}
	*out = n;
	return 0;
}

void rs_n_bed_put(struct rs_n_bed *n, uint8_t (*frame)[RS_N_FRAME_MAX], uint16_t len,
		  uint32_t packets)
{
	rte_ring_reset(n->bed.in);
	rte_ring_reset(n->bed.out);
	for (uint32_t i = 0; i < packets; i++) {
		struct rte_mbuf *m = n->bed.pkt[i];

		rte_pktmbuf_reset(m);
		m->port = n->bed.port;
		m->data_len = len;
		m->pkt_len = len;
		memcpy(rte_pktmbuf_mtod(m, void *), frame[i], len);
	}
	if (rte_ring_enqueue_bulk(n->bed.in, (void **)n->bed.pkt, packets, NULL) != packets)
		abort();
}

void rs_n_bed_forget(struct rs_n_bed *n)
{
	struct leg_table *legs = n->bed.dp->legs;

	memset(legs->windows, 0, legs->windows_max * sizeof(*legs->windows));
	for (uint32_t l = 0; l < n->cfg.legs; l++)
		atomic_store(&legs->keys[n->key[l]].tx_seq[0], 0);
}

void rs_n_bed_refill(struct rs_n_bed *n, enum rs_n_side side)
{
	rs_n_bed_forget(n);
	rs_n_bed_put(n, n->frame[side], n->len[side], n->cfg.packets);
}
