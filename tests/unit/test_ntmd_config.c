/* SPDX-License-Identifier: BSD-3-Clause */
#include "client/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void test_sample(void **state)
{
	struct conf_report r;
	int ret = yaml_conf_check_sample(config_rows, config_title, CONFIG_SAMPLE,
					 sizeof(struct config), &r);

	if (ret < 0)
		conf_report_print(&r, stderr);
	conf_report_free(&r);
	assert_int_equal(ret, 0);
}

#define KEY "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
#define WHO "name: a.example\ndc: {name: dc.example, key: " KEY "}\n"

/* A file and what it must be refused with; NULL: it is good. */
static const struct {
	const char *text, *error;
} cases[] = {
	{WHO, NULL},
	{"name: a.example\ndc:\n  name: dc.example\n  key: AAEC\n",
	 "t.yaml:4: dc.key: is not 32 bytes in base64"},
	{"port: 1\n", "join: needed, or all of name, dc.name and dc.key"},
	{WHO "keepalive: {first: 60s, max: 30s}\n",
	 "t.yaml:3: keepalive.max: is below keepalive.first"},
	{WHO "suites: [none]\n", "t.yaml:3: suites: \"none\" is only in builds for measuring"},
	{WHO "suites: []\n", "t.yaml:3: suites: at least one is needed"},
	{WHO "join: ntm1:x\n", "t.yaml:3: join: not a join line"},
	{WHO "relay: {names: [Web.Example]}\n",
	 "t.yaml:3: relay.names: \"Web.Example\" is not a name"},
	{WHO "prot: 5\n", "t.yaml:3: prot"},
	{WHO "port: 65536\n", "t.yaml:3: port"},
};

static void test_cases(void **state)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		static struct config c;
		struct conf_report r;
		int ret = yaml_conf_parse(config_rows, "t.yaml", cases[i].text,
					  strlen(cases[i].text), &c, &r);

		if (ret == 0)
			ret = config_check(&c, &r);
		if (cases[i].error == NULL ? ret != 0
					   : ret == 0 || strstr(r.text[0], cases[i].error) == NULL)
			fail_msg("case %zu: %d %s", i, ret, r.n_errors > 0 ? r.text[0] : "");
		conf_report_free(&r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sample),
		cmocka_unit_test(test_cases),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
