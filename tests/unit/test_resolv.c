/* SPDX-License-Identifier: BSD-3-Clause */
#include "client/resolv.h"
#include "tests/unit/temp_dir.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>

#include <cmocka.h>

static const char before[] =
	"# by hand\nnameserver 192.0.2.53\nsearch example\nnameserver 2001:db8::53\n";

struct fixture {
	struct temp_dir t;
	struct state s;
	char dir[256], conf[256];
	struct ip_addr stub;
};

static void up(struct fixture *f)
{
	temp_dir_make(&f->t);
	snprintf(f->dir, sizeof(f->dir), "%s", temp_dir_path(&f->t, "state"));
	snprintf(f->conf, sizeof(f->conf), "%s", temp_dir_path(&f->t, "resolv.conf"));
	assert_int_equal(state_open(&f->s, f->dir), 0);
	assert_int_equal(ip_parse("127.0.0.153", &f->stub), 0);
	temp_dir_write(&f->t, "resolv.conf", before);
}

static void down(struct fixture *f)
{
	state_close(&f->s);
	temp_dir_remove(&f->t);
}

static void test_servers(void **state)
{
	struct endpoint own[1], out[RESOLV_SERVERS_MAX];
	struct fixture f;
	char text[64];

	up(&f);
	assert_int_equal(endpoint_parse("192.0.2.53:53", &own[0]), 0);
	assert_int_equal(resolv_servers(f.conf, NULL, 0, out), 2);
	assert_string_equal(endpoint_format(&out[1], text), "[2001:db8::53]:53");
	assert_int_equal(resolv_servers(f.conf, own, 1, out), 1);
	temp_dir_write(&f.t, "resolv.conf",
		       "nameserver 1.1.1.1\n nameserver 1.1.1.2\nnameserver x\nnameserver\n"
		       "nameserver 1.1.1.3 # third\nnameserver 1.1.1.4\nnameserver 1.1.1.5\n");
	assert_int_equal(resolv_servers(f.conf, NULL, 0, out), RESOLV_SERVERS_MAX);
	assert_int_equal(resolv_servers("/nonexistent", NULL, 0, out), -ENOENT);
	down(&f);
}

/* In place: whoever has the file mounted or open sees the change. */
static void test_take_and_give_back(void **state)
{
	struct fixture f;
	struct stat was, is;
	const char *text;

	up(&f);
	assert_int_equal(stat(f.conf, &was), 0);
	assert_int_equal(resolv_take(&f.s, f.conf, &f.stub), 0);
	text = temp_dir_read(&f.t, "resolv.conf");
	assert_non_null(strstr(text, "nameserver 127.0.0.153\n"));
	assert_non_null(strstr(text, "search example\n"));
	assert_null(strstr(text, "192.0.2.53"));
	assert_string_equal(temp_dir_read(&f.t, "state/resolv.conf.saved"), before);
	assert_int_equal(resolv_give_back(f.dir, f.conf), 0);
	assert_string_equal(temp_dir_read(&f.t, "resolv.conf"), before);
	assert_int_equal(access(temp_dir_path(&f.t, "state/resolv.conf.saved"), F_OK), -1);
	assert_int_equal(stat(f.conf, &is), 0);
	assert_int_equal(was.st_ino, is.st_ino);
	/* Nothing taken, nothing to give back. */
	assert_int_equal(resolv_give_back(f.dir, f.conf), 0);
	assert_string_equal(temp_dir_read(&f.t, "resolv.conf"), before);
	down(&f);
}

/* Killed while it had the file: the next run takes it again, and the first copy comes back. */
static void test_after_a_crash(void **state)
{
	struct fixture f;

	up(&f);
	assert_int_equal(resolv_take(&f.s, f.conf, &f.stub), 0);
	assert_int_equal(resolv_take(&f.s, f.conf, &f.stub), 0);
	assert_string_equal(temp_dir_read(&f.t, "state/resolv.conf.saved"), before);
	assert_int_equal(resolv_give_back(f.dir, f.conf), 0);
	assert_string_equal(temp_dir_read(&f.t, "resolv.conf"), before);
	down(&f);
}

/* A DHCP client wrote the file in the meantime: its text is newer than our copy. */
static void test_others_write_too(void **state)
{
	static const char theirs[] = "nameserver 198.51.100.53\n";
	struct fixture f;

	up(&f);
	assert_int_equal(resolv_take(&f.s, f.conf, &f.stub), 0);
	temp_dir_write(&f.t, "resolv.conf", theirs);
	assert_int_equal(resolv_give_back(f.dir, f.conf), 0);
	assert_string_equal(temp_dir_read(&f.t, "resolv.conf"), theirs);
	assert_int_equal(access(temp_dir_path(&f.t, "state/resolv.conf.saved"), F_OK), -1);
	down(&f);
}

/* More than we would keep: refused before anything is changed. */
static void test_too_large(void **state)
{
	static char big[RESOLV_TEXT_MAX + 10];
	struct fixture f;

	up(&f);
	memset(big, '#', sizeof(big) - 1);
	temp_dir_write(&f.t, "resolv.conf", big);
	assert_int_equal(resolv_take(&f.s, f.conf, &f.stub), -EFBIG);
	assert_string_equal(temp_dir_read(&f.t, "resolv.conf"), big);
	down(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_servers),	      cmocka_unit_test(test_take_and_give_back),
		cmocka_unit_test(test_after_a_crash), cmocka_unit_test(test_others_write_too),
		cmocka_unit_test(test_too_large),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
