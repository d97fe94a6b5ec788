/* SPDX-License-Identifier: BSD-3-Clause */
/* A config file: refused with at least one line, or printed, read again and unchanged. */
#include "common/yaml_conf.h"
#include "tests/fuzz/fuzz.h"

struct item {
	char name[16];
	uint32_t vlan;
	struct ip_prefix addr[2];
	uint32_t n_addr;
};

struct conf {
	bool huge;
	uint32_t ports;
	uint64_t idle, memory;
	char zone[32];
	uint32_t mode;
	struct endpoint listen;
	uint64_t steps[4];
	uint32_t n_steps;
	struct item items[3];
	uint32_t n_items;
};

static const char *const modes[] = {"poll", "adaptive", NULL};

static const struct conf_row item_rows[] = {
	CONF_STRING("name", struct item, name, NULL, RESTART, "a name"),
	CONF_U32("tag.vlan", struct item, vlan, 0, 4094, "0", RESTART, "a tag"),
	CONF_LIST(PREFIX, "addresses", struct item, addr, n_addr, "", RELOAD, "addresses"),
	CONF_END,
};

static const struct conf_row rows[] = {
	CONF_BOOL("huge", struct conf, huge, "false", RESTART, "x"),
	CONF_U32("rs.nat.ports", struct conf, ports, 1024, 65535, "65535", RESTART, "x"),
	CONF_DURATION("rs.nat.idle", struct conf, idle, 0, CONF_SEC(86400), "15m", RELOAD, "x"),
	CONF_SIZE("rs.memory", struct conf, memory, 0, UINT64_C(1) << 40, "64M", RESTART, "x"),
	CONF_STRING("zone", struct conf, zone, "dc1.example", RESTART, "x"),
	CONF_ENUM("mode", struct conf, mode, modes, "poll", RELOAD, "x"),
	CONF_ENDPOINT("listen", struct conf, listen, "", RELOAD, "x"),
	CONF_LIST_NUM(DURATION, "steps", struct conf, steps, n_steps, 0, CONF_SEC(10), "", RELOAD,
		      "x"),
	CONF_MAPS("items", struct conf, items, n_items, item_rows, RESTART, "x"),
	CONF_END,
};

static void no_change(void *ctx, const struct conf_row *row, const char *path, const char *was,
		      const char *is)
{
	fprintf(stderr, "%s: '%s' became '%s'\n", path, was, is);
	abort();
}

static void check_round(const struct conf *c)
{
	struct conf_report r;
	struct conf again;
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	FUZZ_CHECK(f != NULL);
	yaml_conf_print(rows, c, f);
	fclose(f);
	FUZZ_CHECK(yaml_conf_parse(rows, "again", text, len, &again, &r) == 0);
	yaml_conf_diff(rows, c, &again, no_change, NULL);
	conf_report_free(&r);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct conf_report r;
	struct conf c;

	if (yaml_conf_parse(rows, "fuzz", (const char *)data, size, &c, &r) == 0)
		check_round(&c);
	else
		FUZZ_CHECK(r.n_errors > 0 && r.text[0][0] != '\0');
	conf_report_free(&r);
	return 0;
}
