/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef APPLIANCE_RELOAD_H
#define APPLIANCE_RELOAD_H

/* SIGHUP or `ntmctl reload`: the file is read and checked anew; the whole of it is taken over, or
 * nothing of it and the log says why. Packets do not notice. Control lcore.
 */
#include <jansson.h>

struct app;

/* 0, -EINVAL when the file is refused, -EBUSY when a changed key needs a restart. */
int reload_config(struct app *app);
/* The same, and what changed into the lists "changed" and "restart" of answer, errors as "error". */
int reload_config_tell(struct app *app, json_t *answer);

#endif
