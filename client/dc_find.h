/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CLIENT_DC_FIND_H
#define CLIENT_DC_FIND_H

/* Addresses of the DC by its name, asked of the system's resolver in a thread of its own, again and
 * again until there is an answer: a laptop starts without a network. Before resolv.conf names our
 * own stub.
 */
#include "client/loop.h"
#include "common/ip.h"

enum { DC_FIND_MAX = 4 };

struct dc_find;

/* Called on the loop's thread, once; ports are 0. The search is over and freed after it. */
typedef void (*dc_find_done)(void *ctx, const struct endpoint *dc, unsigned int n);

/* NULL with errno. name is copied. */
struct dc_find *dc_find_start(struct loop *l, const char *name, dc_find_done done, void *ctx);
/* Give up: done is not called. The thread ends by itself. */
void dc_find_stop(struct dc_find *f);

#endif
