/* SPDX-License-Identifier: BSD-3-Clause */
#include "appliance/app.h"
#include "appliance/config.h"
#include "common/log.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum mode { MODE_RUN, MODE_CHECK, MODE_PRINT, MODE_SAMPLE };

static const char usage[] =
	"usage: ntm-appliance [--config FILE] [--check | --print-config | --sample-config]\n"
	"       ntm-appliance --version | --help\n"
	"Relay server (RS) and direction coordinator (DC) of NTMobile, on DPDK.\n"
	"  --config FILE    configuration, /etc/ntm/appliance.yaml unless given\n"
	"  --check          say what is wrong with it, and exit\n"
	"  --print-config   print the values in effect, and exit\n"
	"  --sample-config  print every key with its default, and exit\n";

static const struct option options[] = {
	{"config", required_argument, NULL, 'c'},
	{"check", no_argument, NULL, 'k'},
	{"print-config", no_argument, NULL, 'p'},
	{"sample-config", no_argument, NULL, 's'},
	{"version", no_argument, NULL, 'v'},
	{"help", no_argument, NULL, 'h'},
	{NULL, 0, NULL, 0},
};

/* Signals reach the control lcore's signalfd only; every thread inherits this mask. */
static void block_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
}

static struct config *load(const char *path)
{
	struct config *c = calloc(1, sizeof(*c));
	struct conf_report r;
	int ret;

	if (c == NULL) {
		perror("ntm-appliance");
		return NULL;
	}
	ret = config_load(path, c, &r);
	if (ret < 0)
		conf_report_print(&r, stderr);
	conf_report_free(&r);
	if (ret == 0)
		return c;
	free(c);
	return NULL;
}

static int run(const char *path, struct config *c)
{
	struct app *app = aligned_alloc(RTE_CACHE_LINE_SIZE, RTE_CACHE_LINE_ROUNDUP(sizeof(*app)));
	int ret;

	if (app == NULL) {
		perror("ntm-appliance");
		free(c);
		return EXIT_FAILURE;
	}
	memset(app, 0, sizeof(*app));
	block_signals();
	ret = app_start(app, path, c) < 0 ? EXIT_FAILURE : app_run(app);
	app_stop(app);
	free(app);
	return ret;
}

int main(int argc, char **argv)
{
	const char *path = "/etc/ntm/appliance.yaml";
	enum mode mode = MODE_RUN;
	struct config *c;
	int opt;

	while ((opt = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
		switch (opt) {
		case 'c':
			path = optarg;
			break;
		case 'k':
			mode = MODE_CHECK;
			break;
		case 'p':
			mode = MODE_PRINT;
			break;
		case 's':
			mode = MODE_SAMPLE;
			break;
		case 'v':
			printf("ntm-appliance %s\n", NTM_VERSION);
			return EXIT_SUCCESS;
		default:
			fputs(usage, opt == 'h' ? stdout : stderr);
			return opt == 'h' ? EXIT_SUCCESS : 2;
		}
	}
	if (optind != argc) {
		fputs(usage, stderr);
		return 2;
	}
	if (mode == MODE_SAMPLE) {
		yaml_conf_sample(config_rows, config_title, stdout);
		return EXIT_SUCCESS;
	}
	c = load(path);
	if (c == NULL)
		return EXIT_FAILURE;
	if (mode == MODE_RUN)
		return run(path, c);
	if (mode == MODE_PRINT)
		yaml_conf_print(config_rows, c, stdout);
	free(c);
	return EXIT_SUCCESS;
}
