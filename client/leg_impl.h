/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CLIENT_LEG_IMPL_H
#define CLIENT_LEG_IMPL_H

/* Between leg.c (life of a leg) and leg_control.c (what is said over it). */
#include "client/node_impl.h"

void leg_fill_row(struct msg_path *row, const struct path *p);
void leg_rows(struct leg *l, const struct msg *m);
void leg_observed(struct leg *l, const struct endpoint *seen);
void leg_request(struct chan *c, const struct datapath_rx *rx, struct msg *m);

#endif
