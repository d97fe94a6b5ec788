/* SPDX-License-Identifier: BSD-3-Clause */
/* Between the stub resolver and the core: a question for a name becomes a direction. */
#include "client/ntmd.h"
#include "client/resolv.h"
#include "common/dns_name.h"
#include "common/log.h"

#include <errno.h>
#include <stdlib.h>

LOG_TYPE("names");

static const struct ip_addr none;

static void direction_done(void *ctx, void *arg, const struct node_direction *r)
{
	struct ntmd *d = arg;
	enum dns_stub_result result;

	switch (r->status) {
	case NODE_DIRECTION_PATH:
	case NODE_DIRECTION_GN:
		result = DNS_STUB_IS_VIPS;
		break;
	case NODE_DIRECTION_NOT_NTM:
	case NODE_DIRECTION_UNKNOWN:
		result = DNS_STUB_IS_NOT_NTM;
		break;
	default:
		result = DNS_STUB_IS_FAILED;
	}
	if (d->dns != NULL)
		dns_stub_direction(dns_io_stub(d->dns), loop_now(), r->name, result, &r->vips.v4,
				   &r->vips.v6);
}

static void start_direction(void *ctx, const char *name)
{
	struct ntmd *d = ctx;

	if (node_direction_start(d->node, loop_now(), name, NULL, direction_done, d) < 0)
		dns_stub_direction(dns_io_stub(d->dns), loop_now(), name, DNS_STUB_IS_FAILED, &none,
				   &none);
}

static int list_set(struct ntmd *d, enum dns_stub_list which, const char *first, size_t stride,
		    unsigned int n)
{
	struct dns_name names[DNS_STUB_NAMES_MAX];

	if (n > DNS_STUB_NAMES_MAX)
		return -E2BIG;
	for (unsigned int i = 0; i < n; i++)
		if (dns_name_parse(first + i * stride, &names[i]) < 0)
			return -EINVAL;
	return dns_stub_set_names(dns_io_stub(d->dns), which, names, n);
}

int names_relay_set(struct ntmd *d)
{
	return d->dns == NULL ? 0
			      : list_set(d, DNS_STUB_RELAY, d->conf.relay[0],
					 sizeof(d->conf.relay[0]), d->conf.relay_n);
}

/* systemd-resolved keeps its upstream servers there; its resolv.conf names itself, and it would send
 * our names back to us.
 */
static const char resolved_conf[] = "/run/systemd/resolve/resolv.conf";

static int upstreams_set(struct ntmd *d)
{
	const char *path =
		d->conf.dns_mode == CONFIG_DNS_RESOLVED ? resolved_conf : d->conf.resolv_conf;
	struct endpoint found[RESOLV_SERVERS_MAX];
	int n;

	if (d->conf.dns_upstream_n > 0)
		return dns_stub_set_upstreams(dns_io_stub(d->dns), d->conf.dns_upstream,
					      d->conf.dns_upstream_n);
	n = resolv_servers(path, d->conf.dns_listen, d->conf.dns_listen_n, found);
	if (n <= 0 && d->conf.dns_mode == CONFIG_DNS_FILE) {
		/* After a crash the file names us alone: what it said before is in the copy. */
		resolv_give_back(d->conf.state_dir, path);
		n = resolv_servers(path, d->conf.dns_listen, d->conf.dns_listen_n, found);
	}
	if (n < 0)
		LOG(WARN, "no upstream resolver: cannot read %s: %s", path, strerror(-n));
	return dns_stub_set_upstreams(dns_io_stub(d->dns), found, n > 0 ? (unsigned int)n : 0);
}

int names_start(struct ntmd *d)
{
	const struct dns_io_conf conf = {
		.listen = d->conf.dns_listen,
		.listen_n = d->conf.dns_listen_n,
		.mark = d->conf.mark,
		.relay_fails_open = d->conf.relay_fails_open,
		.start_direction = start_direction,
		.ctx = d,
	};
	int ret;

	if (d->conf.dns_mode == CONFIG_DNS_OFF || d->conf.dns_listen_n == 0)
		return 0;
	d->dns = dns_io_create(&d->loop, &conf, &d->rng);
	if (d->dns == NULL)
		return -errno;
	ret = names_relay_set(d);
	if (ret == 0)
		ret = list_set(d, DNS_STUB_EXEMPT, d->join.dc, 0, 1);
	if (ret == 0)
		ret = upstreams_set(d);
	if (ret == 0 && d->conf.dns_mode == CONFIG_DNS_FILE) {
		ret = resolv_take(&d->state, d->conf.resolv_conf, &d->conf.dns_listen[0].ip);
		d->has_resolv = ret == 0;
		if (ret < 0)
			LOG(ERR, "cannot write %s: %s", d->conf.resolv_conf, strerror(-ret));
	}
	return ret;
}

void names_stop(struct ntmd *d)
{
	if (d->has_resolv)
		resolv_give_back(d->conf.state_dir, d->conf.resolv_conf);
	d->has_resolv = false;
	dns_io_destroy(d->dns);
	d->dns = NULL;
}

void names_registered(struct ntmd *d, const struct node_registration *r)
{
	struct dns_stub *stub;
	int ret;

	if (d->dns == NULL)
		return;
	stub = dns_io_stub(d->dns);
	ret = list_set(d, DNS_STUB_SUFFIXES, r->suffixes[0], sizeof(r->suffixes[0]), r->suffixes_n);
	if (ret == 0)
		ret = dns_stub_set_ranges(stub, r->ranges, r->ranges_n);
	if (ret == 0)
		ret = dns_stub_learn(stub, loop_now(), d->join.name, &r->vips.v4, &r->vips.v6,
				     true);
	if (ret < 0)
		LOG(ERR, "the DC's suffixes cannot be used: %s", strerror(-ret));
	if (d->conf.dns_mode != CONFIG_DNS_RESOLVED)
		return;
	ret = resolv_resolved(d->tun.name, &d->conf.dns_listen[0], r->suffixes, r->suffixes_n);
	if (ret < 0)
		LOG(ERR, "cannot tell systemd-resolved: %s", strerror(-ret));
}
