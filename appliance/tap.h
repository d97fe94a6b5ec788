/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef APPLIANCE_TAP_H
#define APPLIANCE_TAP_H

/* The exception path: one TAP per interface, through which Linux speaks ARP, ND, ICMP and TCP with
 * the addresses of the box. Workers never call the system: a plain thread reads and writes the
 * TAPs, fed by a mailbox, and gives what Linux sends to a worker's mailbox.
 */
#include "appliance/config.h"
#include "appliance/iface.h"
#include "appliance/pipeline/stats.h"

struct app;
struct nl;
struct tap_thread;

/* Create or take over the TAP of one interface: MAC of the port, MTU, up, addresses and default
 * routes from config. 0 or -errno after a line in the log. Main thread, before workers run.
 */
int tap_open(struct iface *f, const struct config_iface *c, uint32_t route_table, struct nl *nl);
/* Removes the TAP unless it is to be kept. */
void tap_close(struct iface *f);

/* NULL with errno. Starts the thread; it takes from app->tap_mb. */
struct tap_thread *tap_thread_start(struct app *app);
/* Ends and joins the thread; what is still in its mailbox is counted as DROP_STOPPING. */
void tap_thread_stop(struct tap_thread *t);

/* Written by the thread: tx counts what Linux took, created what Linux sent. */
const struct lcore_stats *tap_thread_stats(const struct tap_thread *t);

#endif
