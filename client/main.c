/* SPDX-License-Identifier: BSD-3-Clause */
#include "client/ntmd.h"
#include "client/resolv.h"
#include "common/log.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

enum { OPT_CHECK = 256, OPT_PRINT, OPT_SAMPLE, OPT_VERSION, OPT_RESTORE, OPT_HELP };

static const struct option options[] = {
	{"config", required_argument, NULL, 'c'},
	{"check", no_argument, NULL, OPT_CHECK},
	{"print-config", no_argument, NULL, OPT_PRINT},
	{"print-sample", no_argument, NULL, OPT_SAMPLE},
	{"restore-dns", no_argument, NULL, OPT_RESTORE},
	{"version", no_argument, NULL, OPT_VERSION},
	{"help", no_argument, NULL, OPT_HELP},
	{0},
};

static void usage(FILE *f)
{
	fputs("usage: ntmd [--config FILE] [--check | --print-config | --print-sample |\n"
	      "            --restore-dns | --version]\n"
	      "The node daemon. FILE is /etc/ntm/ntmd.yaml by default.\n",
	      f);
}

static struct ntmd *load(const char *path)
{
	struct ntmd *d = calloc(1, sizeof(*d));
	struct conf_report r;
	int ret;

	if (d == NULL) {
		perror("ntmd");
		return NULL;
	}
	ret = config_load(path, &d->conf, &r);
	if (ret < 0)
		conf_report_print(&r, stderr);
	conf_report_free(&r);
	if (ret == 0)
		return d;
	free(d);
	return NULL;
}

static int run(struct ntmd *d)
{
	if (ntmd_start(d) < 0)
		return EXIT_FAILURE;
	ntmd_run(d);
	ntmd_stop(d);
	return d->is_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	const char *path = "/etc/ntm/ntmd.yaml";
	struct ntmd *d;
	int opt, what = 0, ret;

	while ((opt = getopt_long(argc, argv, "c:", options, NULL)) != -1) {
		if (opt == 'c') {
			path = optarg;
		} else if (opt == '?') {
			usage(stderr);
			return 2;
		} else {
			what = opt;
		}
	}
	if (what == OPT_HELP) {
		usage(stdout);
		return 0;
	}
	if (what == OPT_VERSION) {
		puts("ntmd " NTM_VERSION);
		return 0;
	}
	if (what == OPT_SAMPLE) {
		yaml_conf_sample(config_rows, config_title, stdout);
		return 0;
	}
	d = load(path);
	if (d == NULL)
		return EXIT_FAILURE;
	d->config_path = path;
	log_set_level(d->conf.log_level);
	switch (what) {
	case OPT_CHECK:
		printf("%s: good\n", path);
		ret = 0;
		break;
	case OPT_PRINT:
		yaml_conf_print(config_rows, &d->conf, stdout);
		ret = 0;
		break;
	case OPT_RESTORE:
		ret = resolv_give_back(d->conf.state_dir, d->conf.resolv_conf) < 0;
		break;
	default:
		ret = run(d);
	}
	free(d);
	return ret;
}
