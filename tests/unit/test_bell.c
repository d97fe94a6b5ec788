/* SPDX-License-Identifier: BSD-3-Clause */
/* A bell rings for a frame from the wire while it is armed, and only then. */
#include "appliance/bell.h"
#include "tests/unit/own_net.h"

#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static int wire; /* raw socket at the other end, "bell1" */

static int raw_open(const char *name)
{
	union {
		struct sockaddr_ll ll;
		struct sockaddr any;
	} at = {.ll = {.sll_family = AF_PACKET, .sll_ifindex = (int)if_nametoindex(name)}};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, &at.any, sizeof(at.ll)), 0);
	return fd;
}

static void frame_send(int fd)
{
	uint8_t frame[60] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x88, 0xb5};

	assert_int_equal(send(fd, frame, sizeof(frame), 0), sizeof(frame));
}

static int rings(const struct bell *b, int ms)
{
	struct pollfd fd = {.fd = b->fd, .events = POLLIN};

	return poll(&fd, 1, ms);
}

static void rings_when_armed(void **state)
{
	struct bell b;

	assert_int_equal(bell_open(&b, "net_af_packet0,iface=bell0,qpairs=2"), 0);
	assert_true(b.fd >= 0);
	for (int i = 0; i < 3; i++) {
		frame_send(wire); /* a veth hands it over before the call is back */
		assert_int_equal(rings(&b, 0), 0);
		bell_arm(&b);
		assert_int_equal(rings(&b, 0), 0);
		for (int k = 0; k < 5; k++)
			frame_send(wire);
		assert_int_equal(rings(&b, 5000), 1);
		bell_disarm(&b);
		assert_int_equal(rings(&b, 0), 0);
	}
	bell_close(&b);
	assert_int_equal(b.fd, -1);
}

static void own_frames_do_not(void **state)
{
	int own = raw_open("bell0");
	struct bell b;

	assert_int_equal(bell_open(&b, "net_af_packet0,iface=bell0"), 0);
	bell_arm(&b);
	frame_send(own);
	assert_int_equal(rings(&b, 0), 0);
	bell_close(&b);
	close(own);
}

static void others_have_none(void **state)
{
	struct bell b;

	assert_int_equal(bell_open(&b, "0000:03:00.0"), 0);
	assert_int_equal(b.fd, -1);
	assert_int_equal(bell_open(&b, "net_tap0,iface=bell0"), 0);
	assert_int_equal(b.fd, -1);
	bell_arm(&b);
	bell_disarm(&b);
	bell_close(&b);
	assert_true(bell_open(&b, "net_af_packet0,iface=nobody") < 0);
	assert_int_equal(b.fd, -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rings_when_armed),
		cmocka_unit_test(own_frames_do_not),
		cmocka_unit_test(others_have_none),
	};
	int ret;

	if (!own_net_enter() || !own_net_veth("bell0", "bell1", "1500"))
		return 77; /* skipped: no namespace, or no veth in it */
	wire = raw_open("bell1");
	ret = cmocka_run_group_tests(tests, NULL, NULL);
	close(wire);
	return ret;
}
