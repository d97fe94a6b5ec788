/* SPDX-License-Identifier: BSD-3-Clause */
#include "perf/pktgen/plan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	NET_A = 0xc6120000,	/* 198.18.0.0 */
	NET_B = 0xc6130000,	/* 198.19.0.0 */
	NET_HOSTS = 0xc6138000, /* 198.19.128.0 */
	SKIP = 256,		/* addresses left out at the start of a net */
	USED_A = 65000,
	USED_B = 32000,
	NODE_PORT = 20000,
};
#define NET_VIP 0xf0100000u	  /* 240.16.0.0 */
#define NET_VIP_HOSTS 0xf1000000u /* 241.0.0.0 */

const char *way_name(enum way w)
{
	static const char *const names[WAYS] = {"rs_s.a", "rs_s.b", "rs_n.out", "rs_n.in"};

	return names[w];
}

static struct ip_addr v4(uint32_t host_order)
{
	return ip_from_v4(__builtin_bswap32(host_order));
}

struct ip_addr plan_vip(uint32_t node)
{
	return v4(NET_VIP + 1 + node);
}

struct ip_addr plan_vip_host(uint32_t host)
{
	return v4(NET_VIP_HOSTS + 1 + host);
}

struct ip_addr plan_host_addr(uint32_t host)
{
	return v4(NET_HOSTS + 1 + host);
}

/* Number of a node on its side, and the net that side is in. */
struct ip_addr plan_node_addr(const struct plan *p, uint32_t node)
{
	bool side_b = node >= p->conf.legs;
	uint32_t n = side_b ? node - p->conf.legs : node;
	struct ip_addr ip = {.b = {0x20, 0x01, 0x00, 0x02, 0, 0, 0, side_b ? 0xb : 0xa}};

	if (!p->conf.outer6)
		return v4(side_b ? NET_B + SKIP + n % USED_B : NET_A + SKIP + n % USED_A);
	n += 1;
	for (int i = 0; i < 4; i++)
		ip.b[15 - i] = (uint8_t)(n >> 8 * i);
	return ip;
}

static uint16_t node_port(const struct plan *p, uint32_t node)
{
	bool side_b = node >= p->conf.legs;
	uint32_t n = side_b ? node - p->conf.legs : node;

	return (uint16_t)(NODE_PORT + (p->conf.outer6 ? 0 : n / (side_b ? USED_B : USED_A)));
}

/* Of an odd number modulo 2^64: each step doubles the bits that are right. */
static uint64_t inverse(uint64_t odd)
{
	uint64_t x = odd;

	for (int i = 0; i < 6; i++)
		x *= 2 - odd * x;
	return x;
}

static int conf_check(const struct plan_conf *c)
{
	if (c->legs == 0 || c->legs > PLAN_LEGS_MAX || c->paths > PLAN_PATHS_MAX ||
	    c->flows > PLAN_FLOWS_MAX || c->hosts == 0 || c->hosts > PLAN_HOSTS_MAX ||
	    c->flows / c->legs > PLAN_FLOWS_PER_LEG || (c->paths == 0 && c->flows == 0))
		return -EINVAL;
	return suite_is_known(c->suite) ? 0 : -EINVAL;
}

static void path_keys_make(struct plan *p)
{
	for (int side = 0; side < 2; side++) {
		uint8_t secret[KEYS_SPLIT_LEN];
		struct keys k;

		rng_fill(&p->rng, secret, sizeof(secret));
		(void)keys_derive(&k, p->conf.suite, secret); /* the suite is known */
		aead_expand(p->aead, &k, false, p->path_keys[side].send);
		aead_expand(p->aead, &k, true, p->path_keys[side].recv);
		memcpy(p->path_iv[side], k.iv, sizeof(k.iv));
		keys_wipe(&k);
	}
}

int plan_init(struct plan *p, const struct plan_conf *conf)
{
	size_t nodes = 2 * (size_t)conf->legs;
	int ret = conf_check(conf);

	memset(p, 0, sizeof(*p));
	if (ret < 0)
		return ret;
	p->conf = *conf;
	rng_init_seeded(&p->rng, conf->seed);
	p->aead = aead_create(AEAD_BEST);
	p->node = calloc(nodes, sizeof(*p->node));
	if (p->aead == NULL || p->node == NULL)
		return -ENOMEM;
	if (conf->flows > 0) {
		p->leg_keys = aligned_alloc(64, conf->legs * sizeof(*p->leg_keys));
		p->pub = calloc(conf->flows, sizeof(*p->pub));
		if (p->leg_keys == NULL || p->pub == NULL)
			return -ENOMEM;
	}
	for (uint32_t i = 0; i < nodes; i++)
		p->node[i].self = (struct endpoint){plan_node_addr(p, i), node_port(p, i)};
	p->id_factor = rng_u64(&p->rng) | 1;
	p->id_inverse = inverse(p->id_factor);
	path_keys_make(p);
	return 0;
}

void plan_fini(struct plan *p)
{
	if (p->leg_keys != NULL)
		explicit_bzero(p->leg_keys, p->conf.legs * sizeof(*p->leg_keys));
	explicit_bzero(p->path_keys, sizeof(p->path_keys));
	aead_destroy(p->aead);
	free(p->leg_keys);
	free(p->pub);
	free(p->node);
}

void plan_leg_keys(struct plan *p, uint32_t node, const struct epoch_keys *k)
{
	struct plan_node *n = &p->node[node];

	n->suite = k->send.suite;
	memcpy(n->send_iv, k->send.iv, sizeof(n->send_iv));
	memcpy(n->recv_iv, k->recv.iv, sizeof(n->recv_iv));
	if (p->leg_keys == NULL || node >= p->conf.legs)
		return;
	aead_expand(p->aead, &k->send, false, p->leg_keys[node].send);
	aead_expand(p->aead, &k->recv, true, p->leg_keys[node].recv);
}
