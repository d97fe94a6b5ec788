/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef APPLIANCE_FLOW_RULES_H
#define APPLIANCE_FLOW_RULES_H

/* Flow rules of all ports of the process: what is planned for its workers (flow_plan.h) and what the
 * ports take of it (flow_port.h), kept up with the addresses of the box, which others may change. Control
 * lcore.
 */
#include <stddef.h>
#include <stdint.h>

struct app;
struct flow_rules;

/* After the ports have started. NULL where there is nothing to do (one worker, no RS) or no memory: never
 * a reason not to start.
 */
struct flow_rules *flow_rules_start(const struct app *app);
/* Takes all rules away; before the ports stop. */
void flow_rules_stop(struct flow_rules *r);

/* A tick of main_loop.h, ctx is the struct flow_rules: rules follow the addresses. */
uint64_t flow_rules_tick(void *ctx, uint64_t now);

/* How packets of a port (its place in app->ports) reach their workers, in words. */
void flow_rules_way(const struct app *app, uint16_t place, char *text, size_t size);

#endif
