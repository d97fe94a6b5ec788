/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/sim/sim_rs.h"

#include <assert.h>
#include <errno.h>

enum { PORT_DC = 5525, PORT_RELAY = 5530 };

/* What it believes itself is what it tells; twice is the truth. */
static struct endpoint told(const struct sim_rs *rs, const struct endpoint *e)
{
	struct endpoint lie = *e;

	if (rs->lies && ip_is_v4(&e->ip))
		lie.ip.b[13] ^= 0x40;
	return lie;
}

void sim_rs_out(struct sim_rs *rs, uint16_t local, const struct endpoint *to, uint8_t tos,
		const uint8_t *pkt, size_t len)
{
	struct endpoint e = told(rs, to);

	sim_send(&rs->host.ifaces[0], PORT_RELAY, &e, tos, pkt, len);
}

static void op_send(void *ctx, uint16_t local, const struct endpoint *to, const uint8_t *pkt,
		    size_t len)
{
	sim_rs_out(ctx, local, to, 0, pkt, len);
}

static void op_send_dc(void *ctx, const struct endpoint *to, const uint8_t *pkt, size_t len)
{
	struct sim_rs *rs = ctx;

	sim_send(&rs->host.ifaces[0], PORT_DC, to, 0, pkt, len);
}

static int op_save_psk(void *ctx, const uint8_t psk[KEY_LEN])
{
	struct sim_rs *rs = ctx;

	if (rs->store_fails)
		return -ENOSPC;
	memcpy(rs->params.psk, psk, KEY_LEN);
	rs->params.has_token = false;
	return 0;
}

static uint32_t op_busy(void *ctx)
{
	return 0;
}

static void op_compute(void *ctx, struct hs_job *job)
{
	struct sim_rs *rs = ctx;

	assert(rs->jobs_n < SIM_RS_JOBS);
	rs->jobs[rs->jobs_n].at = rs->host.sim->now + rs->compute_ns;
	rs->jobs[rs->jobs_n++].job = job;
}

static void jobs_run(struct sim_rs *rs, uint64_t now)
{
	while (rs->jobs_n > 0 && rs->jobs[0].at <= now) {
		struct hs_job *job = rs->jobs[0].job;

		rs->jobs_n--;
		memmove(&rs->jobs[0], &rs->jobs[1], rs->jobs_n * sizeof(rs->jobs[0]));
		hs_job_run(job);
		rs_control_filed(rs->control, now, job);
	}
}

static const struct rs_control_ops ops = {
	.send = op_send,
	.send_dc = op_send_dc,
	.save_psk = op_save_psk,
	.busy = op_busy,
};

static const struct rs_control_ops ops_elsewhere = {
	.send = op_send,
	.send_dc = op_send_dc,
	.compute = op_compute,
	.save_psk = op_save_psk,
	.busy = op_busy,
};

static void input(struct sim_host *h, struct sim_iface *i, const struct endpoint *from,
		  const struct endpoint *to, uint8_t tos, uint8_t *pkt, size_t len)
{
	struct sim_rs *rs = h->ctx;
	struct endpoint e = told(rs, from);

	if (to->port == PORT_DC)
		rs_control_dc_packet(rs->control, h->sim->now, from, pkt, len);
	else if (to->port == PORT_RELAY)
		sim_rs_dp_input(rs->dp, h->sim->now, ip_is_v4(&to->ip) ? 0 : 1, &e, tos, pkt, len);
}

static uint64_t poll(struct sim_host *h, uint64_t now)
{
	struct sim_rs *rs = h->ctx;
	uint64_t next;

	jobs_run(rs, now);
	next = rs_control_poll(rs->control, now);
	return rs->jobs_n > 0 && rs->jobs[0].at < next ? rs->jobs[0].at : next;
}

void sim_rs_init(struct sim_rs *rs, struct sim *s, struct sim_net *net, const char *ip4,
		 const char *ip6, uint64_t seed)
{
	memset(rs, 0, sizeof(*rs));
	rng_init_seeded(&rs->rng, seed);
	sim_host_add(s, &rs->host, "rs", rs);
	rs->host.input = input;
	rs->host.poll = poll;
	rs->host.is_off = true;
	sim_iface_add(&rs->host, net, ip4, ip6);
	noise_keypair_generate(&rs->params.self, &rs->rng);
	rng_fill(&rs->rng, rs->params.reset_secret, RESET_SECRET_LEN);
	rs->params.suites = SUITE_SET_DEFAULT;
	rs->params.limits = session_limits_default;
	rs->params.legs_max = SIM_RS_LEGS;
	rs->params.paths_max = SIM_RS_PATHS;
	rs->params.handshakes_max = 64;
}

void sim_rs_start(struct sim_rs *rs)
{
	rs->dp = sim_rs_dp_create(rs);
	rs->dp->locals[0] = (struct endpoint){.ip = rs->host.ifaces[0].v4, .port = PORT_RELAY};
	rs->dp->locals[1] = (struct endpoint){.ip = rs->host.ifaces[0].v6, .port = PORT_RELAY};
	/* Attempt numbers go on: time has passed. */
	rs->control = rs_control_create(&rs->params, rs->compute_ns > 0 ? &ops_elsewhere : &ops,
					rs->dp, &rs->rng, rs);
	assert(rs->control != NULL);
	rs->host.is_off = false;
	sim_kick(&rs->host);
}

void sim_rs_stop(struct sim_rs *rs)
{
	rs->host.is_off = true;
	jobs_run(rs, UINT64_MAX);
	assert(rs->jobs_n == 0);
	rs_control_destroy(rs->control);
	sim_rs_dp_destroy(rs->dp);
	rs->control = NULL;
	rs->dp = NULL;
}
