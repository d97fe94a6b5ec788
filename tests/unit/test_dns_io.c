/* SPDX-License-Identifier: BSD-3-Clause */
/* The sockets around the stub resolver, in a network namespace of their own: an application by UDP
 * and TCP on one side, a name server that this test plays on the other.
 */
#include "client/dns_io.h"
#include "common/bytes.h"
#include "tests/unit/own_net.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { PORT = 5300, UPSTREAM_PORT = 5301, CONNS = 40, TURNS = 200 };

struct bed {
	struct loop loop;
	struct rng rng;
	struct dns_io *io;
	int upstream;	  /* UDP */
	int upstream_tcp; /* listens */
	char asked[256];  /* name of the last direction */
};

static struct endpoint at(uint16_t port)
{
	struct endpoint e = {.port = port};

	assert_int_equal(ip_parse("127.0.0.1", &e.ip), 0);
	return e;
}

static int socket_at(int type, uint16_t port, bool server)
{
	struct endpoint e = at(port);
	struct sockaddr_storage ss;
	socklen_t len = endpoint_to_sockaddr(&e, false, &ss);
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0), one = 1;

	assert_true(fd >= 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (server)
		assert_int_equal(bind(fd, (void *)&ss, len), 0);
	else
		assert_int_equal(connect(fd, (void *)&ss, len), 0);
	if (server && type == SOCK_STREAM)
		assert_int_equal(listen(fd, 4), 0);
	return fd;
}

static void start_direction(void *ctx, const char *name)
{
	struct bed *b = ctx;

	snprintf(b->asked, sizeof(b->asked), "%s", name);
}

static int bed_up(void **state)
{
	struct bed *b = calloc(1, sizeof(*b));
	struct endpoint listen = at(PORT), upstream = at(UPSTREAM_PORT);
	struct dns_io_conf conf = {
		.listen = &listen, .listen_n = 1, .start_direction = start_direction, .ctx = b};
	struct dns_name suffix;

	assert_non_null(b);
	*state = b;
	rng_init_seeded(&b->rng, 1);
	b->upstream = socket_at(SOCK_DGRAM, UPSTREAM_PORT, true);
	b->upstream_tcp = socket_at(SOCK_STREAM, UPSTREAM_PORT, true);
	assert_int_equal(loop_open(&b->loop), 0);
	b->io = dns_io_create(&b->loop, &conf, &b->rng);
	assert_non_null(b->io);
	assert_int_equal(dns_stub_set_upstreams(dns_io_stub(b->io), &upstream, 1), 0);
	assert_int_equal(dns_name_parse("dc1.example", &suffix), 0);
	return dns_stub_set_names(dns_io_stub(b->io), DNS_STUB_SUFFIXES, &suffix, 1);
}

static int bed_down(void **state)
{
	struct bed *b = *state;

	dns_io_destroy(b->io);
	loop_close(&b->loop);
	close(b->upstream);
	close(b->upstream_tcp);
	free(b);
	return 0;
}

/* Turn the loop until fd can be read. */
static void turn_until(struct bed *b, int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	for (int i = 0; i < TURNS; i++) {
		uint64_t now = loop_now();

		if (poll(&p, 1, 0) == 1)
			return;
		dns_io_poll(b->io, now);
		loop_run_once(&b->loop, now, now + 20000000);
	}
	fail_msg("nothing came");
}

/* A question for the A records of name; returns its length. */
static size_t question(uint8_t *q, uint16_t id, const char *name)
{
	static const uint8_t head[12] = {0, 0, 1, 0, 0, 1};
	struct dns_name n;

	assert_int_equal(dns_name_parse(name, &n), 0);
	memcpy(q, head, sizeof(head));
	store_be16(q, id);
	memcpy(q + 12, n.b, n.len);
	memcpy(q + 12 + n.len, "\0\1\0\1", 4);
	return 12 + n.len + 4u;
}

/* The question of len bytes as its own answer, with one address. */
static size_t answer(uint8_t *m, size_t len, uint16_t flags, uint8_t last)
{
	static const uint8_t rr[16] = {0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 0};

	store_be16(m + 2, flags);
	store_be16(m + 6, 1);
	store_be16(m + 10, 0);
	memcpy(m + len, rr, sizeof(rr));
	m[len + 15] = last;
	return len + sizeof(rr);
}

/* The question as the name server hears it; answered at once. */
static void upstream_answers(struct bed *b, uint16_t flags, uint8_t last)
{
	uint8_t m[600];
	struct sockaddr_storage ss;
	socklen_t n = sizeof(ss);
	ssize_t len;

	turn_until(b, b->upstream);
	len = recvfrom(b->upstream, m, 512, 0, (void *)&ss, &n);
	assert_true(len > 12);
	len = (ssize_t)answer(m, (size_t)len, flags, last);
	assert_int_equal(sendto(b->upstream, m, (size_t)len, 0, (void *)&ss, n), len);
}

/* What came by TCP is asked by TCP. */
static void upstream_answers_tcp(struct bed *b, uint8_t last)
{
	uint8_t m[600];
	size_t n;
	int conn;

	turn_until(b, b->upstream_tcp);
	conn = accept(b->upstream_tcp, NULL, NULL);
	turn_until(b, conn);
	n = (size_t)recv(conn, m, 512, 0) - 2;
	assert_int_equal(load_be16(m), n);
	n = answer(m + 2, n, 0x8180, last);
	store_be16(m, (uint16_t)n);
	assert_int_equal(send(conn, m, n + 2, 0), (ssize_t)n + 2);
	close(conn);
}

static void by_udp(void **state)
{
	struct bed *b = *state;
	uint8_t q[600];
	int app = socket_at(SOCK_DGRAM, PORT, false);
	size_t len = question(q, 0x1234, "www.example");
	ssize_t n;

	assert_int_equal(send(app, q, len, 0), (ssize_t)len);
	upstream_answers(b, 0x8180, 7);
	turn_until(b, app);
	n = recv(app, q, sizeof(q), 0);
	assert_int_equal(n, (ssize_t)len + 16);
	assert_int_equal(load_be16(q), 0x1234);
	assert_int_equal(q[n - 1], 7);
	assert_string_equal(b->asked, "");
	close(app);
}

/* Truncated by UDP: asked again by TCP, on one connection, and answered from there. */
static void upstream_by_tcp(void **state)
{
	struct bed *b = *state;
	uint8_t q[600], m[600];
	int app = socket_at(SOCK_DGRAM, PORT, false), conn;
	size_t len = question(q, 1, "big.example"), n;

	assert_int_equal(send(app, q, len, 0), (ssize_t)len);
	upstream_answers(b, 0x8380, 7);
	turn_until(b, b->upstream_tcp);
	conn = accept(b->upstream_tcp, NULL, NULL);
	turn_until(b, conn);
	n = (size_t)recv(conn, m + 2, sizeof(m) - 2, 0) - 2;
	assert_int_equal(load_be16(m + 2), n);
	memmove(m + 2, m + 4, n);
	n = answer(m + 2, n, 0x8180, 9);
	store_be16(m, (uint16_t)n);
	/* In two pieces: a message is what its length says, not what one read gives. */
	assert_int_equal(send(conn, m, 5, 0), 5);
	for (int i = 0; i < 3; i++)
		loop_run_once(&b->loop, loop_now(), loop_now() + 1000000);
	assert_int_equal(send(conn, m + 5, n - 3, 0), (ssize_t)n - 3);
	turn_until(b, app);
	assert_int_equal(recv(app, q, sizeof(q), 0), (ssize_t)n);
	assert_int_equal(q[n - 1], 9);
	close(conn);
	close(app);
}

/* Two questions in one segment, the second cut in two; both answered on the connection. */
static void by_tcp(void **state)
{
	struct bed *b = *state;
	uint8_t buf[1200];
	int app = socket_at(SOCK_STREAM, PORT, false);
	size_t one = question(buf + 2, 1, "one.example"), two;
	unsigned int have = 0;

	store_be16(buf, (uint16_t)one);
	two = question(buf + 2 + one + 2, 2, "two.example");
	store_be16(buf + 2 + one, (uint16_t)two);
	assert_true(send(app, buf, 2 + one + 5, 0) > 0);
	upstream_answers_tcp(b, 1);
	assert_true(send(app, buf + 2 + one + 5, two + 2 - 5, 0) > 0);
	upstream_answers_tcp(b, 2);
	while (have < 2 * (2 + 16) + one + two) {
		ssize_t n;

		turn_until(b, app);
		n = recv(app, buf + have, sizeof(buf) - have, 0);
		assert_true(n > 0);
		have += (unsigned int)n;
	}
	assert_int_equal(load_be16(buf), one + 16);
	assert_int_equal(load_be16(buf + 2), 1);
	assert_int_equal(load_be16(buf + 2 + one + 16), two + 16);
	assert_int_equal(load_be16(buf + 4 + one + 16), 2);
	close(app);
}

/* A name below the DC's suffix starts a direction, and nobody upstream hears of it. */
static void direction(void **state)
{
	struct bed *b = *state;
	struct pollfd p = {.fd = b->upstream, .events = POLLIN};
	struct ip_addr vip4, none = {{0}};
	uint8_t q[600];
	int app = socket_at(SOCK_DGRAM, PORT, false);
	size_t len = question(q, 3, "bob.dc1.example");
	ssize_t n;

	assert_int_equal(ip_parse("240.0.0.9", &vip4), 0);
	assert_int_equal(send(app, q, len, 0), (ssize_t)len);
	for (int i = 0; i < TURNS && b->asked[0] == '\0'; i++)
		loop_run_once(&b->loop, loop_now(), loop_now() + 20000000);
	assert_string_equal(b->asked, "bob.dc1.example");
	dns_stub_direction(dns_io_stub(b->io), loop_now(), b->asked, DNS_STUB_IS_VIPS, &vip4,
			   &none);
	turn_until(b, app);
	n = recv(app, q, sizeof(q), 0);
	assert_int_equal(load_be16(q + 6), 1);
	assert_int_equal(q[n - 4], 240);
	assert_int_equal(q[n - 1], 9);
	assert_int_equal(poll(&p, 1, 0), 0);
	close(app);
}

/* Applications that keep connections open do not shut the others out. */
static void idle_connections(void **state)
{
	struct bed *b = *state;
	int conn[CONNS];
	uint8_t buf[600];
	size_t len = question(buf + 2, 4, "last.example");

	for (int i = 0; i < CONNS; i++) {
		conn[i] = socket_at(SOCK_STREAM, PORT, false);
		loop_run_once(&b->loop, loop_now(), loop_now() + 20000000);
	}
	/* The first ones were ended for the last ones. */
	turn_until(b, conn[0]);
	assert_int_equal(recv(conn[0], buf, 1, MSG_DONTWAIT), 0);
	len = question(buf + 2, 4, "last.example");
	store_be16(buf, (uint16_t)len);
	assert_int_equal(send(conn[CONNS - 1], buf, len + 2, 0), (ssize_t)len + 2);
	upstream_answers_tcp(b, 5);
	turn_until(b, conn[CONNS - 1]);
	assert_int_equal(recv(conn[CONNS - 1], buf, sizeof(buf), 0), (ssize_t)len + 18);
	for (int i = 0; i < CONNS; i++)
		close(conn[i]);
}

/* A question longer than any: the connection ends, nothing else does. */
static void too_long(void **state)
{
	struct bed *b = *state;
	int app = socket_at(SOCK_STREAM, PORT, false);
	uint8_t head[2] = {0xff, 0xff}, c;

	assert_int_equal(send(app, head, sizeof(head), 0), 2);
	turn_until(b, app);
	assert_int_equal(recv(app, &c, 1, 0), 0);
	close(app);
	by_udp(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(by_udp, bed_up, bed_down),
		cmocka_unit_test_setup_teardown(upstream_by_tcp, bed_up, bed_down),
		cmocka_unit_test_setup_teardown(by_tcp, bed_up, bed_down),
		cmocka_unit_test_setup_teardown(direction, bed_up, bed_down),
		cmocka_unit_test_setup_teardown(idle_connections, bed_up, bed_down),
		cmocka_unit_test_setup_teardown(too_long, bed_up, bed_down),
	};

	if (!own_net_enter()) {
		fprintf(stderr, "skipped: no network namespace to be had\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
