/* SPDX-License-Identifier: BSD-3-Clause */
/* The DC's resolver against our own name server on a loopback port, which plays the forwarder. */
#include "common/bytes.h"
#include "dc/dns_answer.h"
#include "dc/dns_client.h"
#include "dc/dns_zone_file.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

enum { RESULTS_MAX = 64, WAIT_SEC = 20 };

struct fixture {
	struct dns_server s;
	struct dns_zones *zones;
	pthread_t server;
	int fd;
	struct endpoint at;
	_Atomic bool is_stopping, is_silent;
	_Atomic unsigned int queries;

	struct dns_client *client;
	pthread_mutex_t lock;
	pthread_cond_t posted;
	unsigned int n;
	struct dns_lookup_result results[RESULTS_MAX];
	struct dns_lookup to_pull;
	bool has_pull;
};

union any_addr {
	struct sockaddr sa;
	struct sockaddr_storage ss;
};

static struct dns_name name_of(const char *text)
{
	struct dns_name n;

	assert_int_equal(dns_name_parse(text, &n), 0);
	return n;
}

static struct ip_addr ip_of(const char *text)
{
	struct ip_addr a;

	assert_int_equal(ip_parse(text, &a), 0);
	return a;
}

static void *server_main(void *arg)
{
	struct fixture *f = arg;
	struct dns_from from = {.src = ip_of("127.0.0.1"), .unix_sec = 1};
	struct pollfd p = {.fd = f->fd, .events = POLLIN};
	uint8_t buf[4096];

	while (!atomic_load(&f->is_stopping)) {
		union any_addr peer;
		socklen_t len = sizeof(peer);
		ssize_t n;

		if (poll(&p, 1, 50) <= 0)
			continue;
		n = recvfrom(f->fd, buf, sizeof(buf), 0, &peer.sa, &len);
		if (n <= 0 || atomic_load(&f->is_silent))
			continue;
		atomic_fetch_add(&f->queries, 1);
		n = (ssize_t)dns_answer(&f->s, &from, buf, (size_t)n, sizeof(buf));
		if (n > 0) {
			buf[3] |= DNS_FLAG_RA; /* a forwarder recurses */
			sendto(f->fd, buf, (size_t)n, 0, &peer.sa, len);
		}
	}
	return NULL;
}

static void on_post(void *ctx, const struct dns_lookup_result *r)
{
	struct fixture *f = ctx;

	pthread_mutex_lock(&f->lock);
	f->results[f->n++ % RESULTS_MAX] = *r;
	pthread_cond_signal(&f->posted);
	pthread_mutex_unlock(&f->lock);
}

static bool on_pull(void *ctx, struct dns_lookup *l)
{
	struct fixture *f = ctx;
	bool has;

	pthread_mutex_lock(&f->lock);
	has = f->has_pull;
	f->has_pull = false;
	*l = f->to_pull;
	pthread_mutex_unlock(&f->lock);
	return has;
}

static int setup(void **state)
{
	static const char text[] = "txt IN TXT \"one\" \"two\"\n"
				   "txt IN TXT \"three\"\n"
				   "host IN A 192.0.2.1\n"
				   "host IN AAAA 2001:db8::1\n"
				   "alias IN CNAME host\n";
	static const uint8_t secret[DNS_COOKIE_SECRET_LEN];
	struct fixture *f = calloc(1, sizeof(*f));
	struct dns_name apex = name_of("dc1.example");
	struct dns_zone_base base = {
		.ns = {name_of("ns1.dc1.example")}, .ns_addr = {{ip_of("203.0.113.1")}}, .ns_n = 1};
	struct siphash_key key = {{1, 2}};
	char path[] = "/tmp/ntm_zone_XXXXXX", why[DNS_ZONE_ERROR_MAX];
	struct endpoint any = {ip_of("127.0.0.1"), 0};
	struct dns_node node = {.vip4 = ip_of("240.0.0.2")};
	struct dns_name bob = name_of("bob.dc1.example");
	union any_addr self;
	socklen_t len = endpoint_to_sockaddr(&any, false, &self.ss);
	struct dns_zone *z;
	int fd = mkstemp(path);

	assert_int_equal(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
	close(fd);
	if (dns_zone_load(path, &apex, &base, &z, why) < 0)
		fail_msg("%s", why);
	unlink(path);
	dns_server_init(&f->s, dns_nodes_create(&apex, 1, 8, &key), &apex, secret);
	dns_nodes_set(f->s.nodes, &bob, &node);
	f->zones = dns_zones_create(&z, 1);
	dns_server_swap(&f->s, f->zones);
	f->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(f->fd, &self.sa, len), 0);
	assert_int_equal(getsockname(f->fd, &self.sa, &len), 0);
	assert_int_equal(endpoint_from_sockaddr(&self.ss, &f->at), 0);
	pthread_mutex_init(&f->lock, NULL);
	pthread_cond_init(&f->posted, NULL);
	assert_int_equal(pthread_create(&f->server, NULL, server_main, f), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	dns_client_destroy(f->client);
	atomic_store(&f->is_stopping, true);
	pthread_join(f->server, NULL);
	close(f->fd);
	dns_nodes_destroy(f->s.nodes);
	dns_zones_destroy(f->zones);
	free(f);
	return 0;
}

static void client_start(struct fixture *f, struct dns_client_conf conf)
{
	const char *why;

	conf.forwarders[0] = f->at;
	conf.forwarder_n = 1;
	conf.post = on_post;
	conf.ctx = f;
	f->client = dns_client_create(&conf, &why);
	if (f->client == NULL)
		fail_msg("%s", why);
}

static void wait_for(struct fixture *f, unsigned int n)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += WAIT_SEC;
	pthread_mutex_lock(&f->lock);
	while (f->n < n)
		assert_int_equal(pthread_cond_timedwait(&f->posted, &f->lock, &until), 0);
	pthread_mutex_unlock(&f->lock);
}

static struct dns_lookup_result *ask(struct fixture *f, const char *name, uint16_t type,
				     bool zone_of)
{
	struct dns_lookup l = {
		.tag = f->n + 100, .name = name_of(name), .type = type, .zone_of = zone_of};
	unsigned int n = f->n;
	struct dns_lookup_result *r = &f->results[n % RESULTS_MAX];

	assert_int_equal(dns_client_ask(f->client, &l), 0);
	wait_for(f, n + 1);
	assert_int_equal(r->tag, l.tag);
	assert_int_equal(r->type, type);
	return r;
}

static void test_lookups(void **state)
{
	struct fixture *f = *state;
	struct dns_lookup_result *r;
	struct dns_name want = name_of("ns1.dc1.example"), zone = name_of("dc1.example");
	struct ip_addr ip = ip_of("192.0.2.1");
	struct dns_client_stats st;
	unsigned int before;

	client_start(f, (struct dns_client_conf){0});
	r = ask(f, "dc1.example", DNS_NS, false);
	assert_int_equal(r->status, DNS_LOOKUP_OK);
	assert_int_equal(r->name_n, 1);
	assert_true(dns_name_equal(&r->names[0], &want));
	assert_in_range(r->ttl_sec, 1, 3600);
	assert_false(r->is_secure);
	before = atomic_load(&f->queries);
	r = ask(f, "dc1.example", DNS_NS, false); /* from the cache */
	assert_int_equal(r->name_n, 1);
	assert_int_equal(atomic_load(&f->queries), before);

	r = ask(f, "bob.dc1.example", DNS_NS, false);
	assert_int_equal(r->status, DNS_LOOKUP_NODATA);
	r = ask(f, "bob.dc1.example", DNS_NS, true);
	assert_int_equal(r->status, DNS_LOOKUP_OK);
	assert_true(dns_name_equal(&r->name, &zone));
	r = ask(f, "a.b.c.dc1.example", DNS_NS, true);
	assert_int_equal(r->status, DNS_LOOKUP_OK);
	assert_true(dns_name_equal(&r->name, &zone));

	r = ask(f, "ns1.dc1.example", DNS_TXT, false);
	assert_int_equal(r->txt_n, 1);
	assert_string_equal(r->txt[0], DNS_ZONE_MARK_DEFAULT);
	r = ask(f, "txt.dc1.example", DNS_TXT, false);
	assert_int_equal(r->txt_n, 2);
	assert_true(strcmp(r->txt[0], "onetwo") == 0 || strcmp(r->txt[1], "onetwo") == 0);
	r = ask(f, "alias.dc1.example", DNS_A, false);
	assert_int_equal(r->addr_n, 1);
	assert_true(ip_equal(&r->addr[0], &ip));
	r = ask(f, "host.dc1.example", DNS_AAAA, false);
	assert_int_equal(r->addr_n, 1);
	r = ask(f, "no.dc1.example", DNS_A, false);
	assert_int_equal(r->status, DNS_LOOKUP_NXDOMAIN);
	r = ask(f, "other.test", DNS_A, false);
	assert_int_equal(r->status, DNS_LOOKUP_FAILED); /* REFUSED */
	dns_client_stats(f->client, &st);
	assert_int_equal(st.asked, 11);
	assert_int_equal(st.ok + st.no_data + st.nx_domain + st.failed, 11);
}

static void test_silence(void **state)
{
	struct fixture *f = *state;
	struct dns_client_conf conf = {.timeout_ms = 200, .pending_max = 4};
	struct dns_lookup l = {.type = DNS_A};
	unsigned int taken = 0;

	client_start(f, conf);
	atomic_store(&f->is_silent, true);
	assert_int_equal(ask(f, "host.dc1.example", DNS_A, false)->status, DNS_LOOKUP_TIMEOUT);
	/* above the limit: refused, the rest ends all the same */
	for (int i = 0; i < 30; i++) {
		l.name = name_of("x.dc1.example");
		l.name.b[1] = (uint8_t)('a' + i % 26);
		taken += dns_client_ask(f->client, &l) == 0;
	}
	assert_in_range(taken, 4, 29);
	wait_for(f, 1 + taken);
	atomic_store(&f->is_silent, false);
}

static void test_pull(void **state)
{
	struct fixture *f = *state;

	client_start(f, (struct dns_client_conf){.pull = on_pull});
	pthread_mutex_lock(&f->lock);
	f->to_pull =
		(struct dns_lookup){.tag = 5, .name = name_of("host.dc1.example"), .type = DNS_A};
	f->has_pull = true;
	pthread_mutex_unlock(&f->lock);
	wait_for(f, 1);
	assert_int_equal(f->results[0].tag, 5);
	assert_int_equal(f->results[0].addr_n, 1);
}

static void test_refused(void **state)
{
	struct dns_client_conf conf = {.post = on_post, .trust_anchor_file = "/nonexistent/anchor"};
	const char *why;

	assert_null(dns_client_create(&conf, &why));
	assert_string_equal(why, "trust anchor file");
	conf.trust_anchor_file = NULL;
	conf.forwarder_n = DNS_CLIENT_FORWARDERS_MAX + 1;
	assert_null(dns_client_create(&conf, &why));
	assert_int_equal(errno, EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_lookups, setup, teardown),
		cmocka_unit_test_setup_teardown(test_silence, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pull, setup, teardown),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
