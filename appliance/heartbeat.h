/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef APPLIANCE_HEARTBEAT_H
#define APPLIANCE_HEARTBEAT_H

/* Are the other lcores alive? Each counts the turns of its loop; the control lcore looks whether
 * the counters still move, says so in the log when one stands still, and withholds the watchdog
 * message from systemd then (sd_notify(3), sent by hand: it is one datagram).
 */
#include <stdbool.h>
#include <stdint.h>

struct app;

enum { HEARTBEATS_MAX = 40 };

struct heartbeat {
	struct app *app;
	uint64_t next_check, next_notify, notify_every_ns; /* 0: systemd wants none */
	struct {
		uint64_t loops, moved_at;
		bool hung;
	} lcore[HEARTBEATS_MAX];
	unsigned int n_hung;
};

void heartbeat_init(struct heartbeat *h, struct app *app);
/* Returns when to call again. Control lcore. */
uint64_t heartbeat_tick(struct heartbeat *h, uint64_t now);
void heartbeat_ready(struct heartbeat *h);
void heartbeat_stopping(struct heartbeat *h);

#endif
