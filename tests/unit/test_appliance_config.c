/* SPDX-License-Identifier: BSD-3-Clause */
#include "appliance/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

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

#define IFACE "interfaces:\n  - name: ntm0\n    port: net_null0\n"

/* A file and the one line it must be refused with; NULL: it is good. */
static const struct {
	const char *text, *error;
} cases[] = {
	{IFACE, NULL},
	{IFACE "    addresses: [192.0.2.1/24, \"2001:db8::1/64\"]\n", NULL},
	{IFACE "    addresses: [kernel]\n", NULL},
	{"role: [rs]\n", "c.yaml: interfaces: at least one"},
	{IFACE "role: [dc]\n", "c.yaml: dc.zone: the role dc needs one"},
	{IFACE "role: [dc]\ndc:\n  zone: dc1.example\n", NULL},
	{IFACE "suites: []\n", "c.yaml:4: suites: "},
	{IFACE "rs:\n  join: x\n  dc: [\"192.0.2.1:5525\"]\n  store: x\n", "c.yaml:5: rs.join: "},
	{IFACE "rule: [dc]\n", "c.yaml:4: rule: "},
	{IFACE "    addresses: [192.0.2.1]\n", "c.yaml:4: interfaces[0].addresses: "},
	{IFACE "    addresses: [192.0.2.1/33]\n", "c.yaml:4: interfaces[0].addresses: "},
	{IFACE "    addresses: [224.0.0.1/24]\n", "c.yaml:4: interfaces[0].addresses: "},
	{IFACE "    mtu: 9000\n", NULL},
	{IFACE "    mtu: 9000\ntables:\n  packet_bytes: 2176\n", "c.yaml:4: interfaces[0].mtu: "},
	{IFACE "    mtu: 9601\n", "c.yaml:4: interfaces[0].mtu: "},
	{IFACE "    flow_rules: off\n", NULL},
	{IFACE "    flow_rules: maybe\n", "c.yaml:4: interfaces[0].flow_rules: "},
	{IFACE "    vlan: 4095\n", "c.yaml:4: interfaces[0].vlan: "},
	{IFACE "  - name: ntm0\n    port: net_null1\n", "c.yaml:4: interfaces[1].name: "},
	{IFACE "  - name: ntm1\n    port: net_null0\n", "c.yaml:4: interfaces[1].name: "},
	{IFACE "  - name: ntm1\n    port: net_null0\n    vlan: 7\n", NULL},
	{IFACE "ntm:\n  port: 5530\n", "c.yaml:5: ntm.port: "},
	{IFACE "ntm:\n  alt_port: 5525\n", "c.yaml:5: ntm.alt_port: "},
	{IFACE "ntm:\n  alt_port: 0\n", NULL},
	{IFACE "ntm:\n  port: 70000\n", "c.yaml:5: ntm.port: "},
	{IFACE "lcores:\n  workers: 2\n  worker_cpus: [\"0\"]\n", "c.yaml:6: lcores.worker_cpus: "},
	{IFACE "dpdk:\n  file_prefix: a/b\n", "c.yaml:5: dpdk.file_prefix: "},
};

static void load(const char *text, struct config *c, struct conf_report *r)
{
	char dir[] = "/tmp/ntm-config-XXXXXX", path[64];
	FILE *f;

	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/c.yaml", dir);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	(void)config_load(path, c, r);
	unlink(path);
	rmdir(dir);
}

static void test_cases(void **state)
{
	static struct config c;
	struct conf_report r;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		load(cases[i].text, &c, &r);
		if (cases[i].error == NULL && r.n_errors != 0)
			fail_msg("case %zu is refused: %s", i, r.text[0]);
		if (cases[i].error != NULL &&
		    (r.n_errors != 1 || strstr(r.text[0], cases[i].error) != r.text[0]))
			fail_msg("case %zu: %u errors, first: %s", i, r.n_errors, r.text[0]);
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
