/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef APPLIANCE_BELL_H
#define APPLIANCE_BELL_H

/* What wakes a sleeping worker when a packet comes to a port that is polled. An af_packet port has no
 * interrupts, but the device under it can be listened to by a second socket: armed, it becomes
 * readable with the first frame; not armed, a filter in the kernel turns every frame away, so that it
 * costs nothing while the worker is awake.
 *
 * One bell per worker and port; the worker's own, but for opening and closing. Before it sleeps a
 * worker arms its bells and looks at the ports once more, so that no packet comes in between unheard.
 */
#include <stdbool.h>

struct bell {
	int fd; /* to be polled for POLLIN; -1: this port has none and must be looked at */
	bool armed;
};

/* device as in config. 0 with fd -1 for a device that cannot ring; -errno. Main thread. */
int bell_open(struct bell *b, const char *device);
void bell_close(struct bell *b);

/* System calls: a worker about to sleep, or just awake. Idempotent. */
void bell_arm(struct bell *b);
void bell_disarm(struct bell *b);

#endif
