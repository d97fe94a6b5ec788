/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef APPLIANCE_RS_SHELL_H
#define APPLIANCE_RS_SHELL_H

/* The role RS in this process: RS control (rs_control.h) on the control lcore, the data path
 * (rs_dp.h) in the workers, and what is around them: events up, packets down, handshakes on the
 * pool, keys in files, the way to the DC, be it in this process or elsewhere.
 */
#include <stdint.h>

struct app;
struct rs_shell;
struct rs_worker;

/* Main thread, before the workers are made: the tables. 0 or -errno after a line in the log. */
int rs_shell_create(struct app *app);
/* The worker's part of the data path. */
struct rs_worker *rs_shell_worker(struct rs_shell *s, uint16_t worker);
/* When addresses are known, and the DC of this process is made: endpoints, control, the way to the
 * DC. 0 or -errno after a line in the log.
 */
int rs_shell_start(struct app *app);
/* After lcores and pool have stopped. */
void rs_shell_destroy(struct rs_shell *s);

#endif
