/* SPDX-License-Identifier: BSD-3-Clause */
#include "dc/dns_client.h"
#include "common/dns_rr.h"
#include "common/log.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unbound.h>
#include <unistd.h>

LOG_TYPE("dns_client");

enum {
	TIMEOUT_MS_DEFAULT = 3000,
	PENDING_DEFAULT = 256,
	PENDING_LIMIT = 65536,
	PULL_MS_DEFAULT = 2,
	NEGATIVE_TTL_DEFAULT = 60,
};

#define NS_PER_MS UINT64_C(1000000)

/* A look-up under way; helper thread only. */
struct pending {
	struct dns_client *client;
	struct dns_lookup lookup;
	struct dns_name asked; /* differs from lookup.name when the zone above is asked */
	uint64_t deadline;
	int async_id;
	bool is_used;
};

struct dns_client {
	struct dns_client_conf conf;
	struct ub_ctx *ub;
	pthread_t thread;
	int wake_fd;
	_Atomic bool is_stopping;
	struct pending *pending;
	uint32_t pending_n; /* helper thread */
	struct dns_lookup_result result;

	pthread_mutex_t lock; /* what follows */
	struct dns_lookup *queue;
	uint32_t queue_head, queue_n;
	struct dns_client_stats stats;
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void stats_add(struct dns_client *c, enum dns_lookup_status status)
{
	pthread_mutex_lock(&c->lock);
	switch (status) {
	case DNS_LOOKUP_OK:
		c->stats.ok++;
		break;
	case DNS_LOOKUP_NODATA:
		c->stats.no_data++;
		break;
	case DNS_LOOKUP_NXDOMAIN:
		c->stats.nx_domain++;
		break;
	case DNS_LOOKUP_FAILED:
		c->stats.failed++;
		break;
	case DNS_LOOKUP_BOGUS:
		c->stats.bogus++;
		break;
	case DNS_LOOKUP_TIMEOUT:
		c->stats.timeouts++;
		break;
	}
	pthread_mutex_unlock(&c->lock);
}

/* The look-up ends with c->result. */
static void finish(struct pending *p, enum dns_lookup_status status)
{
	struct dns_client *c = p->client;
	struct dns_lookup_result *r = &c->result;

	r->tag = p->lookup.tag;
	r->name = p->asked;
	r->type = p->lookup.type;
	r->status = status;
	p->is_used = false;
	c->pending_n--;
	stats_add(c, status);
	c->conf.post(c->conf.ctx, r);
}

static void txt_take(struct dns_lookup_result *r, const uint8_t *data, size_t len)
{
	char *out = r->txt[r->txt_n];
	size_t n = 0;

	for (size_t at = 0; at < len; at += 1u + data[at]) {
		size_t part = data[at];

		if (part > len - at - 1 || part > DNS_LOOKUP_TXT_LEN_MAX - n)
			return;
		memcpy(out + n, data + at + 1, part);
		n += part;
	}
	out[n] = '\0';
	r->txt_n++;
}

static void rdata_take(struct dns_lookup_result *r, uint16_t type, const uint8_t *data, size_t len)
{
	size_t off = 0;
	uint32_t v4;

	if (type == DNS_A && len == 4 && r->addr_n < DNS_LOOKUP_ADDRS_MAX) {
		memcpy(&v4, data, 4);
		r->addr[r->addr_n++] = ip_from_v4(v4);
	} else if (type == DNS_AAAA && len == 16 && r->addr_n < DNS_LOOKUP_ADDRS_MAX) {
		memcpy(r->addr[r->addr_n++].b, data, 16);
	} else if (type == DNS_NS && r->name_n < DNS_LOOKUP_NAMES_MAX) {
		if (dns_name_read(data, len, &off, false, &r->names[r->name_n]) == 0)
			r->name_n++;
	} else if (type == DNS_TXT && r->txt_n < DNS_LOOKUP_TXTS_MAX) {
		txt_take(r, data, len);
	}
}

/* The owner of the SOA that a negative answer carries: the zone that the name stands in. */
static bool soa_zone(const struct ub_result *u, struct dns_name *zone)
{
	struct dns_rr_walk w;
	struct dns_rr rr;

	if (u->answer_packet == NULL || u->answer_len < 0 ||
	    dns_rr_walk_init(&w, u->answer_packet, (size_t)u->answer_len) < 0)
		return false;
	while (dns_rr_next(&w, &rr) > 0) {
		if (rr.section != DNS_AUTHORITY || rr.type != DNS_SOA)
			continue;
		*zone = rr.owner;
		return true;
	}
	return false;
}

static enum dns_lookup_status status_of(const struct ub_result *u)
{
	if (u->bogus)
		return DNS_LOOKUP_BOGUS;
	if (u->havedata)
		return DNS_LOOKUP_OK;
	if (u->nxdomain || u->rcode == DNS_NXDOMAIN)
		return DNS_LOOKUP_NXDOMAIN;
	return u->rcode == DNS_NOERROR ? DNS_LOOKUP_NODATA : DNS_LOOKUP_FAILED;
}

static void on_result(void *arg, int err, struct ub_result *u);

/* 0, or libunbound's error: on_result() is not called then. */
static int start(struct pending *p)
{
	char text[DNS_NAME_TEXT_MAX];

	return ub_resolve_async(p->client->ub, dns_name_format(&p->asked, text), p->lookup.type,
				DNS_IN, p, on_result, &p->async_id);
}

static void fail(struct pending *p)
{
	memset(&p->client->result, 0, sizeof(p->client->result));
	p->client->result.rcode = DNS_SERVFAIL;
	finish(p, DNS_LOOKUP_FAILED);
}

/* With zone_of: the name is no zone; ask again for the zone it stands in, or else one label up. */
static bool go_up(struct pending *p, const struct ub_result *u, enum dns_lookup_status status)
{
	struct dns_name up;

	if (!p->lookup.zone_of || p->lookup.type != DNS_NS ||
	    (status != DNS_LOOKUP_NODATA && status != DNS_LOOKUP_NXDOMAIN))
		return false;
	if (!soa_zone(u, &up) || !dns_name_under(&p->asked, &up) || up.len == p->asked.len) {
		up = p->asked;
		if (!dns_name_chop(&up) || up.len == 1)
			return false;
	}
	p->asked = up;
	if (start(p) != 0)
		fail(p);
	return true;
}

/* Called by ub_process(). */
static void on_result(void *arg, int err, struct ub_result *u)
{
	struct pending *p = arg;
	struct dns_lookup_result *r = &p->client->result;
	enum dns_lookup_status status;

	if (err != 0 || u == NULL) {
		fail(p);
		return;
	}
	status = status_of(u);
	if (go_up(p, u, status)) {
		ub_resolve_free(u);
		return;
	}
	memset(r, 0, sizeof(*r));
	r->rcode = u->rcode;
	r->is_secure = u->secure;
	r->ttl_sec = u->ttl > 0 ? (uint32_t)u->ttl : 0;
	for (int i = 0; status == DNS_LOOKUP_OK && u->data[i] != NULL; i++)
		rdata_take(r, p->lookup.type, (const uint8_t *)u->data[i], (size_t)u->len[i]);
	finish(p, status);
	ub_resolve_free(u);
}

static void lookup_begin(struct dns_client *c, const struct dns_lookup *l)
{
	struct pending *p = c->pending;

	while (p->is_used) /* pending_n is below the size */
		p++;
	*p = (struct pending){.client = c,
			      .lookup = *l,
			      .asked = l->name,
			      .deadline = now_ns() + c->conf.timeout_ms * NS_PER_MS,
			      .is_used = true};
	c->pending_n++;
	if (start(p) != 0)
		fail(p);
}

static bool queue_take(struct dns_client *c, struct dns_lookup *l)
{
	bool has;

	pthread_mutex_lock(&c->lock);
	has = c->queue_n > 0;
	if (has) {
		*l = c->queue[c->queue_head];
		c->queue_head = (c->queue_head + 1) % c->conf.pending_max;
		c->queue_n--;
	}
	pthread_mutex_unlock(&c->lock);
	return has;
}

static bool pull_take(struct dns_client *c, struct dns_lookup *l)
{
	if (c->conf.pull == NULL || !c->conf.pull(c->conf.ctx, l))
		return false;
	pthread_mutex_lock(&c->lock);
	c->stats.asked++;
	pthread_mutex_unlock(&c->lock);
	return true;
}

static void take_all(struct dns_client *c)
{
	struct dns_lookup l;

	while (c->pending_n < c->conf.pending_max && (queue_take(c, &l) || pull_take(c, &l)))
		lookup_begin(c, &l);
}

static void expire(struct dns_client *c)
{
	uint64_t now = now_ns();

	for (uint32_t i = 0; i < c->conf.pending_max && c->pending_n > 0; i++) {
		struct pending *p = &c->pending[i];

		if (!p->is_used || p->deadline > now)
			continue;
		ub_cancel(c->ub, p->async_id);
		memset(&c->result, 0, sizeof(c->result));
		c->result.rcode = DNS_SERVFAIL;
		finish(p, DNS_LOOKUP_TIMEOUT);
	}
}

/* How long there is nothing to do but to listen; -1 for ever. */
static int wait_ms(const struct dns_client *c)
{
	uint64_t now = now_ns(), next = UINT64_MAX;
	int ms = -1;

	for (uint32_t i = 0; i < c->conf.pending_max && c->pending_n > 0; i++)
		if (c->pending[i].is_used && c->pending[i].deadline < next)
			next = c->pending[i].deadline;
	if (next != UINT64_MAX)
		ms = next > now ? (int)((next - now) / NS_PER_MS) + 1 : 0;
	if (c->conf.pull != NULL && (ms < 0 || ms > (int)c->conf.pull_ms))
		ms = (int)c->conf.pull_ms;
	return ms;
}

static void *helper_main(void *arg)
{
	struct dns_client *c = arg;
	struct pollfd fds[2] = {{.fd = ub_fd(c->ub), .events = POLLIN},
				{.fd = c->wake_fd, .events = POLLIN}};
	uint64_t woken;

	while (!atomic_load_explicit(&c->is_stopping, memory_order_acquire)) {
		if (poll(fds, 2, wait_ms(c)) < 0 && errno != EINTR)
			LOG_RL(ERR, "poll failed errno=%d", errno);
		if (fds[1].revents != 0 && read(c->wake_fd, &woken, sizeof(woken)) < 0)
			woken = 0; /* somebody's earlier wake-up was enough */
		if (fds[0].revents != 0)
			ub_process(c->ub);
		expire(c);
		take_all(c); /* last: what ended has made room for what waits */
	}
	return NULL;
}

static bool is_loopback(const struct ip_addr *a)
{
	static const struct ip_addr v6 = {.b = {[15] = 1}};

	return ip_equal(a, &v6) || (ip_is_v4(a) && a->b[12] == 127);
}

static const char *forwarder_set(struct ub_ctx *ub, const struct endpoint *e)
{
	char text[IP_TEXT_MAX + 8], ip[IP_TEXT_MAX];

	snprintf(text, sizeof(text), "%s@%u", ip_format(&e->ip, ip), e->port != 0 ? e->port : 53u);
	if (is_loopback(&e->ip) && ub_ctx_set_option(ub, "do-not-query-localhost:", "no") != 0)
		return "forwarder on loopback";
	return ub_ctx_set_fwd(ub, text) != 0 ? "forwarder" : NULL;
}

static const char *ub_configure(struct ub_ctx *ub, const struct dns_client_conf *conf)
{
	const char *why = NULL;
	char number[16];

	snprintf(number, sizeof(number), "%u", conf->negative_ttl_max_sec);
	if (ub_ctx_set_option(ub, "cache-max-negative-ttl:", number) != 0)
		return "negative TTL";
	if (conf->root_hints != NULL && ub_ctx_set_option(ub, "root-hints:", conf->root_hints) != 0)
		return "root hints";
	if (conf->trust_anchor_file == NULL) {
		if (ub_ctx_set_option(ub, "module-config:", "iterator") != 0)
			return "resolution without validation";
	} else if (access(conf->trust_anchor_file, R_OK) != 0 ||
		   ub_ctx_add_ta_file(ub, conf->trust_anchor_file) != 0) {
		return "trust anchor file";
	}
	for (unsigned int i = 0; i < conf->forwarder_n && why == NULL; i++)
		why = forwarder_set(ub, &conf->forwarders[i]);
	if (why == NULL && ub_ctx_async(ub, 1) != 0)
		why = "asynchronous resolution";
	/* libunbound itself denies this zone; laboratories use it (RFC 6761 6.2). Comes last: it
	 * ends the setting of options.
	 */
	if (why == NULL && ub_ctx_zone_remove(ub, "test.") != 0)
		why = "zone test.";
	return why;
}

static void defaults_fill(struct dns_client_conf *conf)
{
	if (conf->timeout_ms == 0)
		conf->timeout_ms = TIMEOUT_MS_DEFAULT;
	if (conf->pending_max == 0)
		conf->pending_max = PENDING_DEFAULT;
	if (conf->negative_ttl_max_sec == 0)
		conf->negative_ttl_max_sec = NEGATIVE_TTL_DEFAULT;
	if (conf->pull_ms == 0)
		conf->pull_ms = PULL_MS_DEFAULT;
}

/* Signals are the main thread's business, also in the thread that libunbound makes from this one. */
static int thread_start(struct dns_client *c)
{
	sigset_t all, old;
	int ret;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	ret = pthread_create(&c->thread, NULL, helper_main, c);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return ret;
}

struct dns_client *dns_client_create(const struct dns_client_conf *conf, const char **why)
{
	struct dns_client *c = calloc(1, sizeof(*c));

	*why = "no memory";
	errno = ENOMEM;
	if (c == NULL)
		return NULL;
	c->conf = *conf;
	defaults_fill(&c->conf);
	*why = "limits";
	errno = EINVAL;
	if (c->conf.pending_max > PENDING_LIMIT || conf->forwarder_n > DNS_CLIENT_FORWARDERS_MAX)
		goto err_free;
	*why = "no memory";
	errno = ENOMEM;
	c->pending = calloc(c->conf.pending_max, sizeof(*c->pending));
	c->queue = calloc(c->conf.pending_max, sizeof(*c->queue));
	c->ub = ub_ctx_create();
	if (c->pending == NULL || c->queue == NULL || c->ub == NULL)
		goto err_delete_ub;
	errno = EINVAL;
	*why = ub_configure(c->ub, &c->conf);
	if (*why != NULL)
		goto err_delete_ub;
	*why = "wake-up descriptor";
	c->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (c->wake_fd < 0)
		goto err_delete_ub;
	pthread_mutex_init(&c->lock, NULL);
	*why = "thread";
	errno = thread_start(c);
	if (errno != 0)
		goto err_close;
	return c;

err_close:
	pthread_mutex_destroy(&c->lock);
	close(c->wake_fd);
err_delete_ub:
	if (c->ub != NULL)
		ub_ctx_delete(c->ub);
	free(c->queue);
	free(c->pending);
err_free:
	free(c);
	return NULL;
}

static void wake(struct dns_client *c)
{
	uint64_t one = 1;

	if (write(c->wake_fd, &one, sizeof(one)) < 0)
		LOG_RL(ERR, "cannot wake the resolver thread errno=%d", errno);
}

void dns_client_destroy(struct dns_client *c)
{
	if (c == NULL)
		return;
	atomic_store_explicit(&c->is_stopping, true, memory_order_release);
	wake(c);
	pthread_join(c->thread, NULL);
	ub_ctx_delete(c->ub); /* stops libunbound's own thread */
	pthread_mutex_destroy(&c->lock);
	close(c->wake_fd);
	free(c->queue);
	free(c->pending);
	free(c);
}

int dns_client_ask(struct dns_client *c, const struct dns_lookup *l)
{
	int ret = 0;

	pthread_mutex_lock(&c->lock);
	if (c->queue_n == c->conf.pending_max) {
		c->stats.refused++;
		ret = -EAGAIN;
	} else {
		c->queue[(c->queue_head + c->queue_n++) % c->conf.pending_max] = *l;
		c->stats.asked++;
	}
	pthread_mutex_unlock(&c->lock);
	if (ret == 0)
		wake(c);
	return ret;
}

void dns_client_stats(struct dns_client *c, struct dns_client_stats *out)
{
	pthread_mutex_lock(&c->lock);
	*out = c->stats;
	pthread_mutex_unlock(&c->lock);
}
