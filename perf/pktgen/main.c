/* SPDX-License-Identifier: BSD-3-Clause */
/* ntm-pktgen [EAL ARGS] -- [ARGS]: valid sealed NTM traffic of many paths and flows through an RS,
 * with every packet accounted for; see perf/pktgen/README.md.
 * ntm-pktgen --join [SEED]: the join string that the RS is configured with.
 */
#include "common/join.h"
#include "perf/pktgen/measure.h"
#include "perf/pktgen/options.h"
#include "perf/pktgen/talk.h"

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static _Atomic bool quit;

static void on_signal(int number)
{
	(void)number;
	atomic_store(&quit, true);
}

int main(int argc, char **argv)
{
	struct sigaction sa = {.sa_handler = on_signal};
	char folder[4096], join[JOIN_TEXT_MAX];
	struct options o;
	int n, ret;

	if (argc == 2 && strcmp(argv[1], "--help") == 0) {
		options_help();
		return 0;
	}
	if (argc >= 2 && strcmp(argv[1], "--join") == 0) {
		printf("%s\n", talk_join_text(argc > 2 ? strtoull(argv[2], NULL, 0) : 1, join));
		return 0;
	}
	n = rte_eal_init(argc, argv);
	if (n < 0) {
		fprintf(stderr, "ntm-pktgen: EAL: %s\n", rte_strerror(rte_errno));
		return 1;
	}
	snprintf(folder, sizeof(folder), "%s", rte_eal_get_runtime_dir());
	ret = options_parse(&o, argc - n, argv + n);
	if (ret == 0) {
		(void)sigaction(SIGINT, &sa, NULL);
		(void)sigaction(SIGTERM, &sa, NULL);
		ret = measure(&o, &quit);
	}
	rte_eal_cleanup();
	(void)rmdir(folder); /* made by the EAL even where it keeps nothing there */
	return ret < 0 ? 1 : 0;
}
