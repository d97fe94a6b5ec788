/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef APPLIANCE_DC_LCORE_H
#define APPLIANCE_DC_LCORE_H

/* The loop of the DC lcore: DNS over UDP and NTM messages for the DC arrive by ring from the
 * workers, sealed messages of an RS in this process by the loop (loop.h), and time passes. What
 * the DC does with them is a service of pure cores, which makes no system call.
 */
#include "appliance/mailbox.h"
#include "appliance/pipeline/stats.h"

#include <stdbool.h>
#include <stdint.h>

struct app;
struct dc_lcore;

struct dc_service {
	void *ctx;
	/* Owns the packet of m afterwards, if m brings one (MAIL_DNS, MAIL_DC_NTM). */
	void (*msg)(void *ctx, const struct mail *m, uint64_t now);
	/* Returns the time of the next call it needs, UINT64_MAX for none. */
	uint64_t (*tick)(void *ctx, uint64_t now);
	/* The process ends: say so to peers. May be NULL. */
	void (*bye)(void *ctx, uint64_t now);
};

/* NULL with errno. Main thread, before the lcore is launched. */
struct dc_lcore *dc_lcore_create(struct app *app, const struct dc_service *s);
void dc_lcore_destroy(struct dc_lcore *d);

/* The lcore's main function; arg is the struct dc_lcore. Returns when app_stopping(). */
int dc_lcore_main(void *arg);

/* Written by the DC lcore. */
struct lcore_stats *dc_lcore_stats(struct dc_lcore *d);

#endif
