/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef APPLIANCE_WORKERS_H
#define APPLIANCE_WORKERS_H

/* All workers of the process, from memory to lcores and back. Main thread. */
struct app;

/* Allocate and wire app->workers; the fib and local snapshots come later. 0 or -errno. */
int workers_create(struct app *app);
void workers_destroy(struct app *app);

/* Launch the loops on their lcores. 0 or -errno. */
int workers_launch(struct app *app);

#endif
