/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef DC_RELAY_H
#define DC_RELAY_H

/* What the DC keeps at its relay servers: grants (a node may have a leg there), paths, and bindings
 * of general hosts; and how an RS is asked for them (Relay Direction, docs/protocol.md section 6.4).
 *
 * The DC's memory is the truth: a row lives here until its time is over, is told to its RS when it
 * is made or renewed, and told again after a new handshake of the RS. DC lcore only.
 */
#include "dc/direction.h"
#include "dc/registry.h"

struct dc;

enum row_type { ROW_GRANT, ROW_PATH, ROW_BINDING, ROW_TYPES };

/* Something told to an RS. */
struct row {
	TAILQ_ENTRY(row) link;
	struct rs *rs;
	uint8_t type;
	bool is_there; /* the RS said so, as it is now */
	bool is_todo;  /* in rs->todo: waits to be sent again */
};

TAILQ_HEAD(row_list, row);

enum { FAMILY_V4 = 1, FAMILY_V6 = 2 };

struct rs {
	struct party p; /* first */
	struct dc *dc;
	uint64_t id;	 /* RS_ID, lasting */
	bool is_up;	 /* registered on a live association, and not silent */
	bool is_suspect; /* did not answer lately: others are tried first */
	bool needs_rows; /* its association is new */
	uint8_t families;
	uint8_t endpoints_n;
	struct endpoint endpoints[MSG_ENDPOINTS_MAX]; /* public addresses of its machine */
	struct msg_load load;
	uint32_t assigned; /* given to it since its last Status */
	uint64_t status_ns;
	uint64_t location;
	struct row_list rows[ROW_TYPES], todo[ROW_TYPES];
	bool is_sending_rows;
	bool is_registering; /* waits for the store */
	uint32_t registering_txn;
	struct timer timer; /* silence */
};

static inline struct rs *rs_of_party(const struct party *p)
{
	return (struct rs *)(uintptr_t)p;
}

struct grant {
	struct row row;
	struct table_link by_vip, by_id;
	struct vips vips;
	uint64_t key_id;
	uint8_t temp_key[KEY_LEN];
	uint64_t made_ns, until_ns;
	uint8_t endpoints_n;
	struct endpoint endpoints[MSG_ENDPOINTS_MAX];
	uint32_t users; /* paths and bindings that name it */
	struct timer timer;
};

/* One of the two ends as a row needs it. */
struct path_end {
	struct vips vips;
	struct grant *grant;
};

struct path {
	struct row row;
	struct table_link by_pair, by_id;
	struct dc *dc;
	uint64_t id;
	uint8_t key[KEY_LEN];
	struct path_end a, b;
	uint64_t made_ns, until_ns, told_ns;
	struct timer timer;
	/* What was decided, for telling the ends and for `ntmctl`. */
	struct node *nodes[2]; /* own nodes among the ends, a then b; NULL: foreign */
	const struct direction_row *why;
	uint8_t suite;
	bool is_same_site;
	bool was_told; /* the ends know it */
	bool is_busy;  /* a direction works on it */
};

struct binding {
	struct row row;
	struct table_link by_name, by_number;
	struct dc *dc;
	struct node *node;
	uint32_t number; /* in the node's block; on the wire 2 * number, + 1 for VIPv6 */
	bool is_live;	 /* else it only keeps its addresses from others */
	bool is_stored;
	struct ip_addr rip4, rip6; /* behind VIPv4 and VIPv6; none: no row */
	struct grant *grant;
	uint64_t until_ns;
	uint64_t rest_real; /* real time, ns: may be used for another host afterwards */
	struct timer timer;
	char name[NAME_MAX_LEN + 1];
};

struct relay {
	struct table grants, grants_by_id, paths, paths_by_id, bindings, bindings_by_number;
	struct rs **rss;
	uint32_t rss_n;
	TAILQ_HEAD(, relay_job) jobs;
};

int relay_create(struct dc *dc);
/* Forget jobs and rows; then, when no party is left, the tables. */
void relay_destroy(struct dc *dc);
void relay_free(struct dc *dc);

/* ---- relay servers: rs.c ---- */

struct party *rs_add(struct dc *dc, const char *name, uint64_t id); /* id 0: a new one */
void rs_remove(struct dc *dc, struct rs *rs);
/* A new association of this RS is proven. */
void rs_opened(struct dc *dc, struct rs *rs);
/* It registered: where it is. */
void rs_registered(struct dc *dc, uint64_t now, struct rs *rs, const struct msg *m);
void rs_status(struct dc *dc, uint64_t now, struct rs *rs, const struct msg_load *load);
void rs_down(struct dc *dc, struct rs *rs);
bool rs_any_up(const struct dc *dc);
bool rs_has_address(const struct rs *rs, const struct ip_addr *a);

/* ---- rows: relay_rows.c, binding.c; what is said of them: relay_msg.c ---- */

struct grant *grant_find(struct dc *dc, const struct rs *rs, const struct vips *v);
struct grant *grant_by_id(struct dc *dc, uint64_t key_id);
/* The grant of v at rs, made or renewed where half of its time is over. NULL: table full. */
struct grant *grant_get(struct dc *dc, uint64_t now, struct rs *rs, const struct vips *v);
/* Past half of its life, or none. */
bool grant_is_due(const struct dc *dc, uint64_t now, const struct grant *g);
/* *at names g from now on (NULL: nobody): grants live as long as somebody uses them. */
void grant_use(struct grant **at, struct grant *g);
void grant_free(struct dc *dc, struct grant *g);
void grant_fill(const struct grant *g, uint64_t now, struct msg_grant *out);

struct path *path_find(struct dc *dc, const struct vips *a, const struct vips *b);
struct path *path_by_id(struct dc *dc, uint64_t id);
/* The path of the two, made where there is none, with a new key where half of its time is over; a
 * is side A. NULL: table full.
 */
struct path *path_get(struct dc *dc, uint64_t now, const struct vips *a, const struct vips *b);
void path_new_id(struct dc *dc, struct path *p);
/* Put it at rs with these grants: it is told there with the next job. */
void path_place(struct dc *dc, struct path *p, struct rs *rs, struct grant *a, struct grant *b);
/* Forget it, and tell its RS. Requests of other files that name it must be cancelled before. */
void path_remove(struct dc *dc, uint64_t now, struct path *p);

struct binding *binding_find(struct dc *dc, const struct node *n, const char *name);
/* Another one of the same node and name; NULL: no more. */
struct binding *binding_find_next(const struct binding *b);
struct binding *binding_by_vip(struct dc *dc, const struct node *n, const struct ip_addr *vip);
struct binding *binding_by_number(struct dc *dc, const struct node *n, uint32_t number);
/* A new number for a host of this node. NULL: the block or the table is full. */
struct binding *binding_add(struct dc *dc, struct node *n, const char *name);
void binding_place(struct dc *dc, uint64_t now, struct binding *b, struct rs *rs, struct grant *g);
struct ip_addr binding_vip(const struct dc *dc, const struct binding *b, bool v6);
/* Not relayed any more; its addresses rest. */
void binding_end(struct dc *dc, uint64_t now, struct binding *b);
/* Its addresses are free. */
void binding_free(struct dc *dc, struct binding *b);
/* Memory of all of them, at the end. */
void binding_fini(struct dc *dc);
int relay_load_binding(struct dc *dc, const uint8_t *key, size_t key_len, const uint8_t *value,
		       size_t len);
/* Everything at an RS: it is expelled, or all ends. */
void relay_forget_rs(struct dc *dc, struct rs *rs);
/* Everything of a node: it is expelled. */
void relay_forget_node(struct dc *dc, uint64_t now, struct node *n);

void row_init(struct row *r, enum row_type type);
void row_attach(struct row *r, struct rs *rs);
void row_detach(struct row *r);
/* Add the row to a Relay Direction; false: no room left in it. */
bool row_add(struct dc *dc, uint64_t now, const struct row *r, struct msg *m);
/* Tell the RS that the row is withdrawn. */
void row_withdraw(struct dc *dc, uint64_t now, const struct row *r);

/* ---- asking an RS: relay.c ---- */

struct relay_want {
	struct vips a, b;		/* ends; b: none where there is only one */
	uint8_t families_a, families_b; /* that each can reach an RS by */
	uint8_t families_gn;		/* of the general host's addresses, 0: none */
	struct rs *prefer[3];		/* the first that can do it is taken */
	struct rs *only;		/* no other will do */
	struct path *path;		/* NULL, or the path to place */
	struct binding *binding;
	struct ip_addr rip4, rip6; /* what the general host's name says; none: nothing */
};

/* status: 0, or an enum msg_error. The rows are placed and confirmed then. */
typedef void (*relay_done)(struct dc *dc, uint64_t now, void *arg, uint16_t status, struct rs *rs,
			   struct grant *a, struct grant *b);

/* Choose an RS and tell it what it needs to know; others are tried if it does not take it. done is
 * called once, perhaps before this returns.
 */
void relay_ask(struct dc *dc, uint64_t now, const struct relay_want *w, relay_done done, void *arg);
/* Forget jobs with this arg without calling done. */
void relay_cancel(struct dc *dc, const void *arg);
/* An RS that is expelled, and down: jobs that wait for it go on to another. Before its rows go. */
void relay_leave(struct dc *dc, uint64_t now, const struct rs *rs);
/* Rows of a type-6 answer: ENDPOINTs of grants and the like, whoever asked. Returns the first error
 * code in it.
 */
uint16_t relay_answer(struct dc *dc, struct rs *rs, const struct msg *m);

#endif
