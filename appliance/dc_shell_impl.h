/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef APPLIANCE_DC_SHELL_IMPL_H
#define APPLIANCE_DC_SHELL_IMPL_H

/* What the files of the DC's shell share; nobody else includes it. */
#include "appliance/app.h"
#include "appliance/config.h"
#include "appliance/dc_shell.h"
#include "common/rng.h"
#include "dc/dns_answer.h"
#include "dc/store.h"

/* Mail of the DC lcore beyond that of mailbox.h. */
enum {
	MAIL_DC_REQUEST = MAIL_USER,	 /* struct dc_request; comes back to control under this */
	MAIL_DC_STORED = MAIL_USER + 1,	 /* struct dc_write */
	MAIL_DC_LOOKED = MAIL_USER + 2,	 /* struct dc_looked */
	MAIL_DC_DNS_TCP = MAIL_USER + 3, /* struct dns_tcp_query */
};

struct dc_looked {
	uint64_t id;
	struct dc_lookup_result result;
};

struct dns_client;
struct dns_tcp;

struct dc_shell {
	struct app *app;
	struct dc *dc;
	struct rng rng;
	struct dc_params params;
	struct store *store;
	struct dns_client *client;
	struct dns_tcp *tcp;
	struct dns_server dns;
	struct dns_nodes *nodes;
	struct dns_rrl *rrl;
	struct dns_name apex;
	struct dns_zones *zones;	 /* control lcore changes it */
	const struct local_table *local; /* whose addresses the zone has */
	struct lcore_stats *stats;
	struct rte_ring *questions; /* struct dns_lookup, to the look-up thread */
	uint64_t names_refused, jobs_lost;
};

/* dc_dns.c: the DNS part. */
int dc_dns_create(struct dc_shell *s, const struct config *c);
void dc_dns_destroy(struct dc_shell *s);
/* A tick of the control lcore. */
uint64_t dc_dns_tick(void *ctx, uint64_t now);
/* A query in a frame that worker gave; takes m. DC lcore. */
void dc_dns_packet(struct dc_shell *s, struct rte_mbuf *m, uint16_t worker, uint64_t now);
void dc_dns_publish(void *ctx, const struct dc_name *name, bool is_gone);

/* dc_shell.c: q goes back to its asker. DC lcore. */
void dc_request_answer(struct dc_request *q, int status);

/* dc_admin.c: a request of the control socket. DC lcore. */
void dc_admin_run(struct dc_shell *s, struct dc_request *q, uint64_t now);

/* dc_params.c */
int dc_params_make(struct dc_shell *s, const struct config *c);

/* dc_lookup.c */
int dc_lookup_create(struct dc_shell *s, const struct config *c);
void dc_lookup_ask(void *ctx, uint64_t id, enum dc_lookup_type type, const char *name);

#endif
