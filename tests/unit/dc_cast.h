/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_UNIT_DC_CAST_H
#define TESTS_UNIT_DC_CAST_H

/* Who plays in most tests of directions: one RS and two nodes behind NATs, all registered. */
#include "tests/unit/dc_world.h"

struct cast {
	struct world w;
	struct peer *rs, *alice, *bob;
};

struct cast *cast_new(void);
/* The same at a DC with other parameters than a test world's. */
struct cast *cast_of(void (*change)(struct dc_params *p));
void cast_free(struct cast *c);

/* A Keep-Alive to the DC, waited for: the error of its answer, 0 without one. */
uint16_t keep_alive(struct peer *p);

#endif
