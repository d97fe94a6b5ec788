/* SPDX-License-Identifier: BSD-3-Clause */
#include "appliance/dc_shell_impl.h"
#include "common/base64.h"
#include "common/log.h"
#include "common/siphash.h"
#include "common/state_dir.h"

#include <errno.h>
#include <time.h>

LOG_TYPE("dc");

static int make_key(struct dc_shell *s, const char *dir)
{
	int ret = state_dir_secret(dir, "dc.key", &s->rng, s->params.self.priv, NOISE_KEY_LEN);

	if (ret == 0)
		ret = noise_keypair_public(&s->params.self);
	if (ret == 0)
		ret = state_dir_secret(dir, "reset.secret", &s->rng, s->params.reset_secret,
				       RESET_SECRET_LEN);
	if (ret < 0)
		LOG(ERR, "keys in %s: %s", dir, strerror(-ret));
	return ret;
}

/* Pool and general hosts: two /64 of one random ULA /48 (RFC 4193), which is made once. */
static int make_pool6(struct dc_shell *s, const struct config *c)
{
	uint8_t site[6];
	int ret;

	s->params.pool6 = c->dc.pool6;
	s->params.gn6 = c->dc.gn6;
	if (s->params.pool6.len == 0) {
		ret = state_dir_secret(c->dc.store, "ula", &s->rng, site, sizeof(site));
		if (ret < 0)
			return ret;
		site[0] = 0xfd;
		s->params.pool6 = (struct ip_prefix){.len = 64};
		memcpy(s->params.pool6.ip.b, site, sizeof(site));
	}
	if (s->params.gn6.len == 0) { /* the neighbour of the pool, of its size */
		struct ip_prefix *p = &s->params.gn6;

		*p = s->params.pool6;
		p->ip.b[(p->len - 1) / 8] ^= (uint8_t)(0x80 >> (p->len - 1) % 8);
	}
	return 0;
}

static void put_name(char out[NAME_MAX_LEN + 1], const char *in)
{
	snprintf(out, NAME_MAX_LEN + 1, "%.*s", NAME_MAX_LEN, in);
}

static int make_peers(struct dc_shell *s, const struct config *c)
{
	struct dc_params *p = &s->params;

	p->peers = calloc(c->dc.n_peers + 1, sizeof(*p->peers));
	if (p->peers == NULL)
		return -ENOMEM;
	p->peers_n = (uint8_t)c->dc.n_peers;
	for (uint32_t i = 0; i < c->dc.n_peers; i++) {
		const struct config_peer *in = &c->dc.peers[i];
		struct dc_peer_conf *out = &p->peers[i];

		put_name(out->name, in->name);
		out->endpoint = in->endpoint;
		out->zones_n = (uint8_t)in->n_zones;
		for (uint32_t z = 0; z < in->n_zones; z++)
			put_name(out->zones[z], in->zones[z]);
		if (base64_decode(in->key, strlen(in->key), out->key, NOISE_KEY_LEN) < 0 ||
		    base64_decode(in->psk, strlen(in->psk), out->psk, NOISE_PSK_LEN) < 0) {
			LOG(ERR, "dc.peers: key and psk of %s are 32 bytes in base64", in->name);
			return -EINVAL;
		}
	}
	return 0;
}

/* Where general hosts may not be: on this box. The pools of RS-N are refused by the RS as well. */
static void make_own(struct dc_shell *s)
{
	const struct local_addr *addrs;
	uint32_t n;

	addrs = local_addrs(atomic_load(&s->app->local), &n);
	for (uint32_t i = 0; i < n && s->params.own_n < DC_OWN_MAX; i++)
		s->params.own[s->params.own_n++] = addrs[i].ip;
}

static int64_t real_offset(const struct app *app)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec - (int64_t)clock_ns(&app->clock);
}

int dc_params_make(struct dc_shell *s, const struct config *c)
{
	struct dc_params *p = &s->params;
	int ret = state_dir_make(c->dc.store);

	if (ret < 0) {
		LOG(ERR, "%s: %s", c->dc.store, strerror(-ret));
		return ret;
	}
	dc_params_default(p);
	put_name(p->name, c->dc.name);
	put_name(p->zones[0], c->dc.zone);
	p->zones_n = 1;
	p->real_offset_ns = real_offset(s->app);
	p->pool4 = c->dc.pool4;
	p->gn4 = c->dc.gn4;
	p->nodes_max = c->dc.nodes;
	p->tokens_max = c->dc.nodes;
	p->paths_max = c->dc.paths;
	p->grants_max = 4 * c->dc.nodes;
	p->bindings_max = c->dc.bindings;
	p->key_lifetime_sec = (uint32_t)(c->dc.key_lifetime_ns / 1000000000);
	p->keepalive_sec = (uint32_t)(c->dc.keepalive_ns / 1000000000);
	p->suites = config_suites(c);
	p->limits = c->limits;
	p->relay_suffixes_n = (uint8_t)c->dc.n_relay;
	for (uint32_t i = 0; i < c->dc.n_relay; i++)
		put_name(p->relay_suffixes[i], c->dc.relay_names[i]);
	for (uint32_t i = 0; i < c->rs.n_inner && p->inner_n < DC_INNER_MAX; i++)
		p->inner[p->inner_n++] = c->rs.inner[i];
	make_own(s);
	ret = make_key(s, c->dc.store);
	if (ret == 0)
		ret = make_pool6(s, c);
	return ret == 0 ? make_peers(s, c) : ret;
}
