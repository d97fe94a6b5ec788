/* SPDX-License-Identifier: BSD-3-Clause */
#include "common/token.h"
#include "dc/core.h"
#include "dc/directing.h"
#include "dc/relay.h"

#include <errno.h>
#include <stdlib.h>

/* What the operator does: join tokens given out, parties expelled. */

struct op {
	dc_done done;
	void *arg;
};

static void op_stored(struct dc *dc, uint64_t now, void *arg, int status)
{
	struct op *op = arg;

	if (op->done != NULL)
		op->done(op->arg, status);
	free(op);
}

static struct op *op_new(dc_done done, void *arg)
{
	struct op *op = calloc(1, sizeof(*op));

	if (op != NULL) {
		op->done = done;
		op->arg = arg;
	}
	return op;
}

static bool is_ours(const struct dc *dc, const char *name)
{
	for (unsigned int i = 0; i < dc->params.zones_n; i++)
		if (name_is_under(name, dc->params.zones[i]) &&
		    strcmp(name, dc->params.zones[i]) != 0)
			return true;
	return false;
}

static struct party *party_for(struct dc *dc, enum dc_kind kind, const char *name)
{
	struct party *p = registry_by_name(dc, (enum party_kind)kind, name);

	if (p != NULL)
		return p;
	if (kind == DC_RS)
		return dc->registry.rss_n < dc->params.rss_max ? rs_add(dc, name, 0) : NULL;
	return dc->registry.nodes_n < dc->params.nodes_max
		       ? registry_add(dc, PARTY_NODE, name, sizeof(struct node))
		       : NULL;
}

int dc_enrol(struct dc *dc, uint64_t now, enum dc_kind kind, const char *name, uint32_t expiry_sec,
	     uint8_t token[DC_TOKEN_LEN], dc_done done, void *arg)
{
	struct join_token t = {.is_open = true};
	struct party *p;
	struct op *op;

	dc->now = now;
	if (!name_is_valid(name, strlen(name)) || (kind == DC_NODE && !is_ours(dc, name)))
		return -EINVAL;
	p = party_for(dc, kind, name);
	if (p == NULL)
		return -ENOSPC;
	op = op_new(done, arg);
	if (op == NULL)
		return -ENOMEM;
	do {
		rng_fill(dc->rng, t.secret, sizeof(t.secret));
		t.id = token_id(t.secret);
	} while (registry_by_token(dc, t.id) != NULL);
	t.expiry = expiry_sec == 0 ? UINT64_MAX
				   : dc_real(dc, now) + (uint64_t)expiry_sec * DC_NS_PER_SEC;
	registry_set_token(dc, p, &t);
	memcpy(token, t.secret, DC_TOKEN_LEN);
	explicit_bzero(&t, sizeof(t));
	if (dc_write_party(dc, p, op_stored, op) < 0) {
		free(op);
		registry_set_token(dc, p, NULL);
		return -ENOMEM;
	}
	return 0;
}

int dc_expel(struct dc *dc, uint64_t now, enum dc_kind kind, const char *name, dc_done done,
	     void *arg)
{
	struct party *p = registry_by_name(dc, (enum party_kind)kind, name);
	struct op *op;

	dc->now = now;
	if (p == NULL)
		return -ENOENT;
	op = op_new(done, arg);
	if (op == NULL || dc_delete_party(dc, p, op_stored, op) < 0) {
		free(op);
		return -ENOMEM;
	}
	if (kind == DC_NODE) {
		registration_forget(dc, party_node(p));
		directing_forget_node(dc, now, party_node(p));
		relay_forget_node(dc, now, party_node(p));
		dc_publish(dc, party_node(p), true);
	} else {
		rs_remove(dc, rs_of_party(p));
	}
	registry_remove(dc, p);
	registry_free(p);
	return 0;
}
