/* SPDX-License-Identifier: BSD-3-Clause */
#include "dc/core.h"
#include "dc/directing.h"
#include "dc/relay.h"

/* Rows of a node or of an RS that is expelled, and of all at the end. */

static bool is_of(const struct path *p, const struct node *n)
{
	return p->nodes[0] == n || p->nodes[1] == n;
}

/* Paths are found by their RS: expelling is rare, an index for it would cost every path. */
static void forget_paths(struct dc *dc, uint64_t now, struct row_list *list, const struct node *n)
{
	struct row *row, *next;

	for (row = TAILQ_FIRST(list); row != NULL; row = next) {
		struct path *p = table_entry(row, struct path, row);
		struct node *other;
		uint64_t id = p->id;

		next = TAILQ_NEXT(row, link);
		if (!is_of(p, n))
			continue;
		other = p->nodes[0] == n ? p->nodes[1] : p->nodes[0];
		path_remove(dc, now, p);
		if (other != NULL)
			release_send(dc, now, other, id);
	}
}

void relay_forget_node(struct dc *dc, uint64_t now, struct node *n)
{
	uint32_t size = pool_size(&dc->params.gn4);

	for (uint32_t i = 0; i < dc->relay->rss_n; i++) {
		struct rs *rs = dc->relay->rss[i];
		struct grant *g;

		forget_paths(dc, now, &rs->rows[ROW_PATH], n);
		forget_paths(dc, now, &rs->todo[ROW_PATH], n);
		g = n->has_vips ? grant_find(dc, rs, &n->vips) : NULL;
		if (g != NULL)
			row_withdraw(dc, now, &g->row);
	}
	for (uint32_t k = POOL_RESERVED; n->bindings_n > 0 && k < size; k++) {
		struct binding *b = binding_by_number(dc, n, k);

		if (b == NULL)
			continue;
		if (b->is_live)
			binding_end(dc, now, b);
		binding_free(dc, b);
	}
	for (uint32_t i = 0; i < dc->relay->rss_n; i++) {
		struct grant *g = n->has_vips ? grant_find(dc, dc->relay->rss[i], &n->vips) : NULL;

		if (g != NULL)
			grant_free(dc, g);
	}
}

static void forget_list(struct dc *dc, struct rs *rs, struct row_list *list)
{
	while (!TAILQ_EMPTY(list)) {
		struct row *row = TAILQ_FIRST(list);

		switch ((enum row_type)row->type) {
		case ROW_PATH:
			path_remove(dc, dc->now, table_entry(row, struct path, row));
			break;
		case ROW_BINDING:
			binding_end(dc, dc->now, table_entry(row, struct binding, row));
			break;
		default:
			grant_free(dc, table_entry(row, struct grant, row));
			break;
		}
	}
}

void relay_forget_rs(struct dc *dc, struct rs *rs)
{
	/* What names grants goes before the grants. */
	for (int t = ROW_TYPES - 1; t >= 0; t--) {
		forget_list(dc, rs, &rs->rows[t]);
		forget_list(dc, rs, &rs->todo[t]);
	}
}
