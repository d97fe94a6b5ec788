/* SPDX-License-Identifier: BSD-3-Clause */
#include "ctl/cli.h"
#include "ctl/qr.h"
#include "ctl/table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct column columns[] = {
	{"peer", "PEER"}, {"rtt_ms", "RTT ms"}, {"hidden", NULL}, {"gone", "GONE"}, {NULL, NULL}};

static void check(const char *json, const struct column *known, const char *want)
{
	json_t *v = json_loads(json, 0, NULL);
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	assert_non_null(v);
	if (json_is_array(v))
		table_print(f, v, known);
	else
		object_print(f, v, NULL);
	fclose(f);
	assert_string_equal(text, want);
	free(text);
	json_decref(v);
}

static void test_table(void **state)
{
	check("[{\"more_bytes\": 7, \"rtt_ms\": 3.14, \"peer\": \"bob\", \"hidden\": 1},"
	      " {\"peer\": \"alice.example\", \"rtt_ms\": 120}]",
	      columns,
	      "PEER           RTT ms  MORE BYTES\n"
	      "bob               3.1           7\n"
	      "alice.example   120.0           -\n");
	check("[]", columns, "");
	check("[{}, 5, null]", columns, "\n\n\n");
}

static void test_cells(void **state)
{
	check("{\"age_s\": 59.94, \"idle_s\": 61, \"up_s\": 90061, \"long_s\": 7261, \"ok\": true,"
	      " \"none\": null, \"t\": \"\", \"roles\": [\"rs\", 7], \"loss_pct\": 0.25,"
	      " \"seen_at\": 1767225600, \"big\": 9007199254740993}",
	      NULL,
	      "age:                 59.9s\n"
	      "idle:                1m01s\n"
	      "up:                  1d01h\n"
	      "long:                2h01m\n"
	      "ok:                  yes\n"
	      "none:                -\n"
	      "t:                   -\n"
	      "roles:               rs, 7\n"
	      "loss_pct:            0.2\n"
	      "seen:                2026-01-01 00:00:00\n"
	      "big:                 9007199254740993\n");
}

/* Names come from other hosts: nothing of them may reach the terminal as a command. */
static void test_escapes(void **state)
{
	check("{\"peer\": \"a\\u001b[2Jb\\u009bc\\r\\nd\\u00e9\"}", NULL,
	      "peer:                a?[2Jb\xc2?c??d\xc3\xa9\n");
}

static void test_nested(void **state)
{
	check("{\"dc\": {\"name\": \"x\", \"rtt_ms\": 1}, \"links\": [{\"name\": \"a\"}], \"z\": 1}",
	      NULL,
	      "dc.name:             x\n"
	      "dc.rtt_ms:           1.0\n"
	      "z:                   1\n"
	      "\n"
	      "links:\n"
	      "NAME\n"
	      "a\n");
}

static void test_duration(void **state)
{
	assert_int_equal(cli_duration("90s"), 90);
	assert_int_equal(cli_duration("15m"), 900);
	assert_int_equal(cli_duration("24h"), 86400);
	assert_int_equal(cli_duration("7d"), 7 * 86400);
	assert_int_equal(cli_duration("0"), 0);
	assert_int_equal(cli_duration("5"), -1);
	assert_int_equal(cli_duration("-5s"), -1);
	assert_int_equal(cli_duration("5sx"), -1);
	assert_int_equal(cli_duration(""), -1);
	assert_int_equal(cli_duration("99999999999999999999s"), -1);
}

static void test_qr(void **state)
{
	char *text = NULL, *longest = calloc(1, 5001);
	size_t len, lines = 0;
	FILE *f = open_memstream(&text, &len);

	assert_int_equal(qr_print(f, "ntm1:a:b:c:d:0"), 0);
	memset(longest, 'x', 5000);
	assert_true(qr_print(f, longest) < 0);
	fclose(f);
	for (const char *c = text; *c != '\0'; c++)
		lines += *c == '\n';
	/* Version 1 has 21 modules; with the quiet zone 25, two in a line. */
	assert_int_equal(lines, 13);
	free(text);
	free(longest);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),	 cmocka_unit_test(test_cells),
		cmocka_unit_test(test_escapes),	 cmocka_unit_test(test_nested),
		cmocka_unit_test(test_duration), cmocka_unit_test(test_qr),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
