/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CLIENT_WHY_H
#define CLIENT_WHY_H

/* What happened with each peer, for `ntmctl why`: a bounded history per name, the names bounded
 * too (the longest unused is forgotten).
 */
#include "client/node.h"

#include <sys/queue.h>

enum { WHY_NAMES_MAX = 256, WHY_LINES_MAX = 32 };

struct why_line {
	uint64_t at_ns;
	char text[NODE_WHY_TEXT_MAX];
};

struct why {
	TAILQ_ENTRY(why) link; /* most recent first */
	char name[NAME_MAX_LEN + 1];
	unsigned int next, used;
	struct why_line lines[WHY_LINES_MAX];
};

TAILQ_HEAD(why_list, why);

/* A line equal to the last one only renews its time. */
void why_note(struct node *n, const char *name, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void why_fini(struct node *n);

#endif
