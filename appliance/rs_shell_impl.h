/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef APPLIANCE_RS_SHELL_IMPL_H
#define APPLIANCE_RS_SHELL_IMPL_H

/* What the files of the RS's shell share; nobody else includes it. */
#include "appliance/app.h"
#include "appliance/config.h"
#include "appliance/rs_control.h"
#include "appliance/rs_shell.h"
#include "appliance/rs_worker.h"
#include "common/rng.h"

/* Handshakes of legs in work at once; the DC's are bounded by its own jobs_max. */
enum { RS_HANDSHAKES_MAX = 256 };

struct rs_shell {
	struct app *app;
	struct rs_dp *dp;
	struct rs_control *control; /* NULL until the DC is known */
	struct rng rng;
	struct rs_control_params params;
	struct lcore_stats *stats;	 /* of the control lcore */
	const struct local_table *local; /* whose addresses are endpoints already */
	const char *store;
	uint64_t jobs_lost;
	/* of busy(): cycles of all workers, and when they were summed */
	uint64_t busy_cycles, busy_tsc;
	bool is_draining;
	bool wants_address; /* to be enrolled when the box has one */
};

/* rs_events.c: from the workers to RS control. Returns when to call again. */
uint64_t rs_events_tick(void *ctx, uint64_t now);
/* A packet from a DC of this process. */
struct mail;
void rs_events_link(void *ctx, const struct mail *m, uint64_t now);

/* rs_admin.c */
void rs_admin_add(struct rs_shell *s);

#endif
