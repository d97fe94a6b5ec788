/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/dc_cast.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

struct cast *cast_of(void (*change)(struct dc_params *p))
{
	struct cast *c = calloc(1, sizeof(*c));

	world_init(&c->w, 31, 1);
	if (change != NULL)
		change(&c->w.params);
	world_start(&c->w);
	c->rs = peer_enrol(&c->w, HS_RS_DC, "rs1.test", "198.51.100.50:5525");
	c->alice = peer_enrol(&c->w, HS_NODE_DC, "alice.dc1.test", "203.0.113.1:40001");
	c->bob = peer_enrol(&c->w, HS_NODE_DC, "bob.dc1.test", "203.0.113.2:40002");
	peer_register(c->rs, rs_own);
	peer_register(c->alice, behind_nat);
	peer_register(c->bob, behind_nat);
	return c;
}

struct cast *cast_new(void)
{
	return cast_of(NULL);
}

void cast_free(struct cast *c)
{
	world_fini(&c->w);
	free(c);
}

uint16_t keep_alive(struct peer *p)
{
	struct msg *m = calloc(1, sizeof(*m));

	msg_init(m, MSG_KEEP_ALIVE, false, 0);
	m->has |= HAS(LOCATION);
	m->location = p->w->now;
	peer_ask(p, m);
	world_run(p->w, 50 * MS);
	free(m);
	assert_true(p->has_answer);
	return p->answer.error;
}
