/* SPDX-License-Identifier: BSD-3-Clause */
#include "common/rng.h"
#include "common/yaml_conf.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

struct port {
	char name[16];
	uint32_t vlan;
	uint64_t hold;
	struct ip_prefix addr[3];
	uint32_t n_addr;
};

struct conf {
	bool huge;
	uint32_t ports;
	uint64_t big, mem, idle;
	char zone[32], join[32];
	uint32_t mode;
	struct ip_addr src;
	struct endpoint listen;
	struct ip_prefix pools[4];
	uint32_t n_pools;
	uint64_t steps[4];
	uint32_t n_steps;
	uint32_t kinds[3];
	uint32_t n_kinds;
	struct port ifs[3];
	uint32_t n_ifs;
};

static const char *const modes[] = {"poll", "adaptive", "off", NULL};

static const struct conf_row port_rows[] = {
	CONF_STRING("name", struct port, name, NULL, RESTART, "the netdev"),
	CONF_U32("tag.vlan", struct port, vlan, 0, 4094, "0", RESTART, "802.1Q tag, 0 for none"),
	CONF_DURATION("tag.hold", struct port, hold, 0, CONF_SEC(60), "1s", RELOAD, "how long"),
	CONF_LIST(PREFIX, "addresses", struct port, addr, n_addr, "10.0.0.0/8", RELOAD, "own ones"),
	CONF_END,
};

static const struct conf_row rows[] = {
	CONF_BOOL("huge", struct conf, huge, "false", RESTART, "use hugepages"),
	CONF_U32("rs.nat.ports", struct conf, ports, 1024, 65535, "65535", RESTART,
		 "how many ports a public address has"),
	CONF_DURATION("rs.nat.idle", struct conf, idle, CONF_MS(250), CONF_SEC(86400), "15m",
		      RELOAD, "an idle mapping goes after this"),
	CONF_SIZE("rs.memory", struct conf, mem, 4096, UINT64_C(1) << 32, "64M", RESTART,
		  "for tables"),
	CONF_U64("big", struct conf, big, 0, UINT64_MAX, "0", RELOAD, "any number"),
	CONF_STRING("zone", struct conf, zone, "dc1.example", RESTART, "the zone \"we\" serve"),
	CONF_SECRET("join", struct conf, join, "", RELOAD, "the join string"),
	CONF_ENUM("mode", struct conf, mode, modes, "adaptive", RELOAD, "what an idle lcore does"),
	CONF_IP("source", struct conf, src, "", RELOAD, "own address"),
	CONF_ENDPOINT("listen", struct conf, listen, "[::1]:5300", RELOAD, "where"),
	CONF_LIST(PREFIX, "pools", struct conf, pools, n_pools, "240.0.0.0/8, fd00:1::/48", RESTART,
		  "where virtual addresses come from"),
	CONF_LIST_NUM(DURATION, "steps", struct conf, steps, n_steps, 0, CONF_SEC(10), "0s, 150ms",
		      RELOAD, "when to resend"),
	CONF_LIST_ENUM("kinds", struct conf, kinds, n_kinds, modes, "off", RELOAD, "which"),
	CONF_MAPS("interfaces", struct conf, ifs, n_ifs, port_rows, RESTART, "what packets use"),
	CONF_END,
};

static int parse(const char *text, struct conf *c, struct conf_report *r)
{
	memset(c, 0xa5, sizeof(*c));
	return yaml_conf_parse(rows, "a.yaml", text, strlen(text), c, r);
}

static void test_defaults(void **state)
{
	struct conf_report r;
	struct conf c;

	assert_int_equal(yaml_conf_defaults(rows, &c, &r), 0);
	assert_false(c.huge);
	assert_int_equal(c.ports, 65535);
	assert_int_equal(c.idle, 15 * 60 * UINT64_C(1000000000));
	assert_int_equal(c.mem, 64 << 20);
	assert_string_equal(c.zone, "dc1.example");
	assert_int_equal(c.mode, 1);
	assert_true(ip_is_none(&c.src));
	assert_int_equal(c.listen.port, 5300);
	assert_int_equal(c.n_pools, 2);
	assert_int_equal(c.n_steps, 2);
	assert_int_equal(c.steps[1], 150000000);
	assert_int_equal(c.n_kinds, 1);
	assert_int_equal(c.kinds[0], 2);
	assert_int_equal(c.n_ifs, 0);
}

static void test_values(void **state)
{
	struct conf_report r;
	struct conf c;

	assert_int_equal(parse("huge: yes\n"
			       "rs:\n"
			       "  nat: {ports: 1024, idle: 250ms}\n"
			       "  memory: 2G\n"
			       "big: 18446744073709551615\n"
			       "zone: \"a b\"\n"
			       "mode: poll\n"
			       "source: 192.0.2.7\n"
			       "listen: 192.0.2.7:53\n"
			       "pools: []\n"
			       "steps: [0, 1s, 900ms]\n"
			       "interfaces:\n"
			       "  - name: lan0\n"
			       "    tag:\n"
			       "      vlan: 12\n"
			       "    addresses: [192.0.2.0/24, '2001:db8::/32']\n"
			       "  - {name: wan0}\n",
			       &c, &r),
			 0);
	assert_true(c.huge);
	assert_int_equal(c.ports, 1024);
	assert_int_equal(c.idle, 250000000);
	assert_int_equal(c.mem, UINT64_C(2) << 30);
	assert_true(c.big == UINT64_MAX);
	assert_string_equal(c.zone, "a b");
	assert_int_equal(c.mode, 0);
	assert_true(ip_is_v4(&c.src));
	assert_int_equal(c.n_pools, 0);
	assert_int_equal(c.n_steps, 3);
	assert_int_equal(c.steps[0], 0);
	assert_int_equal(c.steps[2], 900000000);
	assert_int_equal(c.n_ifs, 2);
	assert_string_equal(c.ifs[0].name, "lan0");
	assert_int_equal(c.ifs[0].vlan, 12);
	assert_int_equal(c.ifs[0].n_addr, 2);
	assert_int_equal(c.ifs[0].hold, 1000000000);
	assert_string_equal(c.ifs[1].name, "wan0");
	assert_int_equal(c.ifs[1].vlan, 0);
	assert_int_equal(c.ifs[1].n_addr, 1);
	conf_report_free(&r);
	/* Nothing at all, or groups whose keys are all commented out, are the defaults. */
	assert_int_equal(parse("", &c, &r), 0);
	conf_report_free(&r);
	assert_int_equal(parse("# nothing\n---\n", &c, &r), 0);
	conf_report_free(&r);
	assert_int_equal(parse("rs:\nzone: x\n", &c, &r), 0);
	assert_int_equal(c.ports, 65535);
	conf_report_free(&r);
}

/* Each text is refused with exactly this line first. */
static const struct {
	const char *text, *error;
} refused[] = {
	{"\nrs:\n  nat:\n    ports: 70000\n",
	 "a.yaml:4: rs.nat.ports: 70000 is above 65535 (allowed: 1024 to 65535)"},
	{"rs: {nat: {ports: 7}}",
	 "a.yaml:1: rs.nat.ports: 7 is below 1024 (allowed: 1024 to 65535)"},
	{"rs: {nat: {ports: 99999999999999999999}}",
	 "a.yaml:1: rs.nat.ports: 99999999999999999999 is above 65535 (allowed: 1024 to 65535)"},
	{"rs: {nat: {ports: -1}}", "a.yaml:1: rs.nat.ports: '-1' is not a whole number"},
	{"rs: {nat: {ports: 12x}}", "a.yaml:1: rs.nat.ports: '12x' is not a whole number"},
	{"rs: {nat: {ports: }}", "a.yaml:1: rs.nat.ports: '' is not a whole number"},
	{"rs: {nat: {idle: 2d}}", "a.yaml:1: rs.nat.idle: 2d is above 1d (allowed: 250ms to 1d)"},
	{"rs: {nat: {idle: 90}}",
	 "a.yaml:1: rs.nat.idle: '90' is not a duration such as 90s, 15m or 250ms"},
	{"rs: {memory: 5T}", "a.yaml:1: rs.memory: '5T' is not a size such as 4096, 64K or 16M"},
	{"rs: {memory: 99999999999999G}",
	 "a.yaml:1: rs.memory: 99999999999999G is above 4G (allowed: 4K to 4G)"},
	{"huge: maybe", "a.yaml:1: huge: 'maybe' is neither true nor false"},
	{"mode: fast", "a.yaml:1: mode: 'fast' is not known (allowed: poll, adaptive or off)"},
	{"zone: 0123456789012345678901234567890123456789",
	 "a.yaml:1: zone: 40 bytes, allowed are 0 to 31"},
	{"source: 1.2.3",
	 "a.yaml:1: source: '1.2.3' is not an address such as 192.0.2.1 or 2001:db8::1"},
	{"listen: ::1",
	 "a.yaml:1: listen: '::1' is not an endpoint such as 192.0.2.1:53 or [2001:db8::1]:53"},
	{"pools: [1.2.3.4/8]",
	 "a.yaml:1: pools[0]: '1.2.3.4/8' is not a prefix such as 192.0.2.0/24 "
	 "or 2001:db8::/48 (host bits zero)"},
	{"pools: 1.0.0.0/8", "a.yaml:1: pools: wants a list"},
	{"pools: {a: b}", "a.yaml:1: pools: wants a list"},
	{"steps: [1s, 1s, 1s, 1s, 1s]", "a.yaml:1: steps: has more than 4 values"},
	{"steps: [[1s]]", "a.yaml:1: steps: is a list inside a list"},
	{"steps: [{a: 1s}]", "a.yaml:1: steps: wants plain values in its list"},
	{"zone: [a]", "a.yaml:1: zone: wants a single value"},
	{"zone: {a: b}", "a.yaml:1: zone: wants a value, not keys"},
	{"rs: 5", "a.yaml:1: rs: wants keys below it, not a value"},
	{"rs: [a]", "a.yaml:1: rs: wants keys below it"},
	{"zones: x", "a.yaml:1: zones: unknown key"},
	{"rs.nat.ports: 2000", "a.yaml:1: rs.nat.ports: unknown key"},
	{"rs:\n  nat:\n    port: 1\n", "a.yaml:3: rs.nat.port: unknown key"},
	{"zone: a\nzone: b\n", "a.yaml:2: zone: is here twice"},
	{"rs: {memory: 4K}\nzone: a\nrs: {nat: {}}\n", "a.yaml:3: rs: is here twice"},
	{"rs: {nat: {}, nat: {}}\n", "a.yaml:1: rs.nat: is here twice"},
	{"interfaces:\n- tag: {vlan: 1}\n", "a.yaml:3: interfaces[0].name: must be given"},
	{"interfaces:\n- name: a\n- name: b\n  tag:\n    vlan: 5000\n",
	 "a.yaml:5: interfaces[1].tag.vlan: 5000 is above 4094 (allowed: 0 to 4094)"},
	{"interfaces:\n- name: a\n  speed: 5\n", "a.yaml:3: interfaces[0].speed: unknown key"},
	{"interfaces: [{name: a}, {name: a}, {name: a}, {name: a}]",
	 "a.yaml:1: interfaces: has more than 3 values"},
	{"interfaces: [eth0]", "a.yaml:1: interfaces[0]: wants a map of keys"},
	{"interfaces: {name: a}", "a.yaml:1: interfaces: wants a list"},
	{"interfaces: eth0", "a.yaml:1: interfaces: wants a list"},
	{"zone: &a x", "a.yaml:1: zone: anchors and tags are not read"},
	{"zone: !!str x", "a.yaml:1: zone: anchors and tags are not read"},
	{"zone: *a", "a.yaml:1: zone: aliases are not read"},
	{"zone: \"a\\0b\"", "a.yaml:1: zone: has a zero byte in it"},
	{"[a]: b", "a.yaml:1: a key must be a word"},
	{"{a: b}: c", "a.yaml:1: a key must be a word"},
	{"- a", "a.yaml:1: a map of keys must stand here"},
	{"word", "a.yaml:1: a map of keys must stand here"},
	{"zone: a\n---\nzone: b\n", "a.yaml:2: a second document is not read"},
	{"zone: \"a\n", "a.yaml:2: found unexpected end of stream"},
};

static void test_refused(void **state)
{
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		struct conf_report r;
		struct conf c;

		if (parse(refused[i].text, &c, &r) != -EINVAL)
			fail_msg("taken: %s", refused[i].text);
		assert_string_equal(r.text[0], refused[i].error);
		conf_report_free(&r);
	}
}

static void test_every_error(void **state)
{
	struct conf_report r;
	struct conf c;
	char *text = NULL;
	size_t len;
	FILE *f;

	assert_int_equal(parse("huge: 2\nunknown: {a: [b, {c: d}]}\nzone: a\nmode: x\n", &c, &r),
			 -EINVAL);
	assert_int_equal(r.n_errors, 3);
	assert_non_null(strstr(r.text[1], "a.yaml:2: unknown: "));
	assert_non_null(strstr(r.text[2], "a.yaml:4: mode: "));
	conf_report_free(&r);
	f = open_memstream(&text, &len);
	for (int i = 0; i < 40; i++)
		fprintf(f, "k%d: v\n", i);
	fclose(f);
	assert_int_equal(parse(text, &c, &r), -EINVAL);
	assert_int_equal(r.n_errors, 40);
	free(text);
	f = open_memstream(&text, &len);
	conf_report_print(&r, f);
	fclose(f);
	assert_non_null(strstr(text, "a.yaml: 24 more errors\n"));
	free(text);
	conf_report_free(&r);
}

static void test_bounds(void **state)
{
	enum { DEEP = 4000 };
	struct conf_report r;
	struct conf c;
	char *text = malloc(DEEP);

	memcpy(text, "x: ", 3);
	memset(text + 3, '[', DEEP - 3);
	assert_int_equal(yaml_conf_parse(rows, "a.yaml", text, DEEP, &c, &r), -EINVAL);
	assert_string_equal(r.text[1], "a.yaml:1: x: is nested too deep");
	conf_report_free(&r);
	free(text);
	text = calloc(1, CONF_FILE_MAX + 2);
	memset(text, '\n', CONF_FILE_MAX + 1);
	assert_int_equal(yaml_conf_parse(rows, "a.yaml", text, CONF_FILE_MAX + 1, &c, &r), -EINVAL);
	assert_string_equal(r.text[0], "a.yaml: the file is too large");
	conf_report_free(&r);
	free(text);
	assert_int_equal(yaml_conf_load(rows, "/nonexistent/a.yaml", &c, &r), -ENOENT);
	assert_string_equal(r.text[0], "a.yaml: No such file or directory");
	conf_report_free(&r);
}

static void test_reject(void **state)
{
	struct conf_report r;
	struct conf c;

	assert_int_equal(parse("zone: a\ninterfaces:\n- name: a\n\n- name: b\n", &c, &r), 0);
	assert_int_equal(yaml_conf_reject(&r, "zone", "no %s", "dot"), -EINVAL);
	assert_string_equal(r.text[0], "a.yaml:1: zone: no dot");
	yaml_conf_reject(&r, "interfaces[1].tag.vlan", "taken");
	assert_string_equal(r.text[1], "a.yaml:5: interfaces[1].tag.vlan: taken");
	yaml_conf_reject(&r, "rs.memory", "too small");
	assert_string_equal(r.text[2], "a.yaml: rs.memory: too small");
	conf_report_free(&r);
}

struct changes {
	unsigned int n;
	char text[8][200];
};

static void note(void *ctx, const struct conf_row *row, const char *path, const char *was,
		 const char *is)
{
	struct changes *ch = ctx;

	assert_true(ch->n < 8);
	snprintf(ch->text[ch->n++], sizeof(ch->text[0]), "%s %s -> %s", path, was, is);
}

static void test_diff(void **state)
{
	struct changes ch = {0};
	struct conf_report r;
	struct conf a, b;

	assert_int_equal(parse("join: secret\ninterfaces: [{name: a}]", &a, &r), 0);
	conf_report_free(&r);
	assert_int_equal(parse("mode: off\nrs: {memory: 4K}\njoin: other\nsteps: [1s]\n"
			       "interfaces: [{name: a, tag: {hold: 2s}}]",
			       &b, &r),
			 0);
	conf_report_free(&r);
	assert_int_equal(yaml_conf_diff(rows, &a, &a, note, &ch), 0);
	assert_int_equal(ch.n, 0);
	assert_int_equal(yaml_conf_diff(rows, &a, &b, note, &ch), 1);
	assert_int_equal(ch.n, 5);
	assert_string_equal(ch.text[0], "rs.memory 64M -> 4K");
	assert_string_equal(ch.text[1], "join (not shown) -> (not shown)");
	assert_string_equal(ch.text[2], "mode adaptive -> off");
	assert_string_equal(ch.text[3], "steps [0s, 150ms] -> [1s]");
	assert_string_equal(ch.text[4], "interfaces[0].tag.hold 1s -> 2s");
	ch.n = 0;
	assert_int_equal(parse("interfaces: [{name: a}, {name: b}]", &b, &r), 0);
	conf_report_free(&r);
	assert_int_equal(yaml_conf_diff(rows, &a, &b, note, &ch), 1);
	assert_string_equal(ch.text[1], "interfaces 1 items -> 2 items");
}

/* What is printed loads again to the same values. */
static void test_print(void **state)
{
	struct conf_report r;
	struct conf a, b;
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	assert_int_equal(parse("zone: \"q\\\"\\\\\\x01: # é\"\nsource: \"::1\"\nlisten: \"\"\n"
			       "steps: []\nkinds: [poll, off]\ninterfaces:\n"
			       "- {name: x, addresses: []}\n- {name: -, tag: {vlan: 3}}\n",
			       &a, &r),
			 0);
	conf_report_free(&r);
	yaml_conf_print(rows, &a, f);
	fclose(f);
	assert_int_equal(parse(text, &b, &r), 0);
	conf_report_free(&r);
	assert_int_equal(yaml_conf_diff(rows, &a, &b, note, NULL), 0);
	assert_non_null(strstr(text, "\n  - name: x\n    tag:\n      vlan: 0\n"));
	free(text);
	assert_int_equal(parse("join: hunter2", &a, &r), 0);
	conf_report_free(&r);
	f = open_memstream(&text, &len);
	yaml_conf_print(rows, &a, f);
	fclose(f);
	assert_null(strstr(text, "hunter2"));
	free(text);
}

static void test_sample(void **state)
{
	char path[] = "/tmp/ntm-sample-XXXXXX";
	int fd = mkstemp(path);
	struct conf_report r;
	struct conf c;
	FILE *f;

	assert_true(fd >= 0);
	f = fdopen(fd, "w");
	yaml_conf_sample(rows, "A sample.", f);
	fclose(f);
	if (yaml_conf_check_sample(rows, "A sample.", path, sizeof(c), &r) != 0)
		fail_msg("%s", r.text[0]);
	conf_report_free(&r);
	assert_int_equal(yaml_conf_check_sample(rows, "Another.", path, sizeof(c), &r), -EINVAL);
	conf_report_free(&r);
	f = fopen(path, "a");
	fprintf(f, "# one more line\n");
	fclose(f);
	assert_int_equal(yaml_conf_check_sample(rows, "A sample.", path, sizeof(c), &r), -EINVAL);
	conf_report_free(&r);
	unlink(path);
}

/* Uncommenting the whole example of a list of maps gives text that loads. */
static void test_sample_items(void **state)
{
	char *text = NULL, *line, *rest;
	struct conf_report r;
	struct conf c;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	yaml_conf_sample(rows, "t", f);
	fclose(f);
	line = strstr(text, "interfaces: []");
	assert_non_null(line);
	memcpy(line, "interfaces:   ", 14);
	for (rest = strchr(line, '\n'); rest[1] != '\0'; rest = strchr(rest + 1, '\n')) {
		assert_int_equal(rest[1], '#');
		rest[1] = ' ';
	}
	if (parse(text, &c, &r) != 0)
		fail_msg("%s in:\n%s", r.text[0], text);
	assert_int_equal(c.n_ifs, 1);
	assert_int_equal(c.ifs[0].n_addr, 1);
	conf_report_free(&r);
	free(text);
}

static void test_tables(void **state)
{
	static const struct conf_row bad_default[] = {
		CONF_U32("a", struct conf, ports, 1, 5, "6", RELOAD, "x"), CONF_END};
	static const struct conf_row twice[] = {
		CONF_U32("a", struct conf, ports, 1, 5, "5", RELOAD, "x"),
		CONF_U32("a", struct conf, ports, 1, 5, "5", RELOAD, "x"), CONF_END};
	static const struct conf_row apart[] = {
		CONF_U32("a.x", struct conf, ports, 1, 5, "5", RELOAD, "x"),
		CONF_U32("b", struct conf, ports, 1, 5, "5", RELOAD, "x"),
		CONF_U32("a.y", struct conf, ports, 1, 5, "5", RELOAD, "x"), CONF_END};
	static const struct conf_row both[] = {
		CONF_U32("a", struct conf, ports, 1, 5, "5", RELOAD, "x"),
		CONF_U32("a.y", struct conf, ports, 1, 5, "5", RELOAD, "x"), CONF_END};
	static const struct conf_row no_default[] = {
		CONF_U32("a", struct conf, ports, 1, 5, NULL, RELOAD, "x"), CONF_END};
	const struct conf_row *const tables[] = {bad_default, twice, apart, both, no_default};
	struct conf_report r;
	struct conf c;

	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
		if (yaml_conf_defaults(tables[i], &c, &r) != -EINVAL)
			fail_msg("table %zu is taken", i);
}

/* Whatever a mutated file says, the answer is 0 or at least one line. */
static void test_mutated(void **state)
{
	static const char seed[] =
		"rs:\n  nat: {ports: 1024, idle: 1s}\nzone: \"a\"\npools: [::/0]\n"
		"interfaces:\n  - name: a\n    tag:\n      vlan: 3\n  - {name: b}\n";
	static const char bytes[] = "{}[]:,-&*!|>'\"%@#? \n\t~0az\\";
	struct rng rng;
	struct conf_report r;
	struct conf c;
	char text[sizeof(seed)];

	print_message("seed 20260101\n");
	rng_init_seeded(&rng, 20260101);
	for (int i = 0; i < 20000; i++) {
		memcpy(text, seed, sizeof(seed));
		for (uint64_t n = 1 + rng_below(&rng, 4); n > 0; n--)
			text[rng_below(&rng, sizeof(seed) - 1)] =
				bytes[rng_below(&rng, sizeof(bytes) - 1)];
		if (parse(text, &c, &r) == 0)
			assert_int_equal(r.n_errors, 0);
		else
			assert_true(r.n_errors > 0);
		conf_report_free(&r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults), cmocka_unit_test(test_values),
		cmocka_unit_test(test_refused),	 cmocka_unit_test(test_every_error),
		cmocka_unit_test(test_bounds),	 cmocka_unit_test(test_reject),
		cmocka_unit_test(test_diff),	 cmocka_unit_test(test_print),
		cmocka_unit_test(test_sample),	 cmocka_unit_test(test_sample_items),
		cmocka_unit_test(test_tables),	 cmocka_unit_test(test_mutated),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
