/* SPDX-License-Identifier: BSD-3-Clause */
#include "appliance/dc_shell_impl.h"
#include "common/dns_name.h"
#include "common/log.h"
#include "dc/dns_client.h"
#include "dc/dns_zone.h"

#include <rte_cycles.h>
#include <rte_ring_elem.h>

#include <errno.h>
#include <stdlib.h>

LOG_TYPE("lookup");

/* Questions of the core to the DNS, to the look-up thread and back. The thread fetches them from a
 * ring, so that the lcore takes no lock and makes no system call.
 */
enum { QUESTIONS = 512 };

/* The tag of a look-up holds the core's id; the type tells how to read the answer. */
static enum dc_lookup_status status_of(enum dns_lookup_status s)
{
	switch (s) {
	case DNS_LOOKUP_OK:
		return DC_LOOKUP_OK;
	case DNS_LOOKUP_NODATA:
		return DC_LOOKUP_NODATA;
	case DNS_LOOKUP_NXDOMAIN:
		return DC_LOOKUP_NXDOMAIN;
	default:
		return DC_LOOKUP_FAILED;
	}
}

static void copy_names(struct dc_lookup_result *out, const struct dns_lookup_result *r)
{
	char text[DNS_NAME_TEXT_MAX];

	for (uint8_t i = 0; i < r->name_n && out->names_n < DC_LOOKUP_NAMES_MAX; i++) {
		dns_name_format(&r->names[i], text);
		if (strlen(text) <= NAME_MAX_LEN)
			memcpy(out->names[out->names_n++], text, strlen(text) + 1);
	}
}

static void looked(void *ctx, const struct dns_lookup_result *r)
{
	struct dc_shell *s = ctx;
	struct dc_looked *l = calloc(1, sizeof(*l));

	if (l == NULL)
		return; /* the core's own time limit ends the question */
	l->id = r->tag;
	l->result.status = status_of(r->status);
	l->result.ttl_sec = r->ttl_sec;
	for (uint8_t i = 0; i < r->addr_n && i < DC_LOOKUP_ADDRS_MAX; i++)
		l->result.addrs[l->result.addrs_n++] = r->addr[i];
	copy_names(&l->result, r);
	for (uint8_t i = 0; i < r->txt_n; i++)
		l->result.has_mark |= strcmp(r->txt[i], DNS_ZONE_MARK_DEFAULT) == 0;
	while (mailbox_send(&s->app->dc_mb, MAIL_DC_LOOKED, 0, l) < 0) {
		if (app_stopping(s->app)) {
			free(l);
			return;
		}
		rte_delay_us_sleep(1000);
	}
}

static bool next_question(void *ctx, struct dns_lookup *q)
{
	struct dc_shell *s = ctx;

	return rte_ring_dequeue_elem(s->questions, q, sizeof(*q)) == 0;
}

static void failed_at_once(struct dc_shell *s, uint64_t id)
{
	const struct dns_lookup_result none = {.tag = id, .status = DNS_LOOKUP_FAILED};

	looked(s, &none);
}

void dc_lookup_ask(void *ctx, uint64_t id, enum dc_lookup_type type, const char *name)
{
	static const uint16_t types[] = {[DC_LOOKUP_NS] = DNS_NS,
					 [DC_LOOKUP_TXT] = DNS_TXT,
					 [DC_LOOKUP_A] = DNS_A,
					 [DC_LOOKUP_AAAA] = DNS_AAAA};
	struct dc_shell *s = ctx;
	struct dns_lookup q = {.tag = id, .type = types[type]};

	if (dns_name_parse(name, &q.name) < 0 ||
	    rte_ring_enqueue_elem(s->questions, &q, sizeof(q)) != 0)
		failed_at_once(s, id);
}

int dc_lookup_create(struct dc_shell *s, const struct config *c)
{
	struct dns_client_conf conf = {.post = looked, .pull = next_question, .ctx = s};
	const char *why = "no memory";

	s->questions =
		rte_ring_create_elem("ntm_lookups", RTE_ALIGN(sizeof(struct dns_lookup), 4),
				     QUESTIONS, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
	if (s->questions == NULL)
		return -ENOMEM;
	if (!ip_is_none(&c->dc.resolver)) {
		conf.forwarders[0].ip = c->dc.resolver;
		conf.forwarder_n = 1;
	}
	if (c->dc.trust_anchor[0] != '\0')
		conf.trust_anchor_file = c->dc.trust_anchor;
	s->client = dns_client_create(&conf, &why);
	if (s->client == NULL) {
		LOG(ERR, "look-ups: %s", why);
		return -EINVAL;
	}
	return 0;
}
