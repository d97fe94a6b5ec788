/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_UNIT_EAL_INIT_H
#define TESTS_UNIT_EAL_INIT_H

/* A real EAL for a unit test: no hugepages, no devices, nothing left in /run. Call it once, first
 * in main(); eal_stop() last.
 */
#include <rte_eal.h>
#include <rte_errno.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* The EAL makes its folder under /run/dpdk even where it keeps nothing in it. */
static inline void eal_folder_remove(void)
{
	(void)rmdir(rte_eal_get_runtime_dir());
}

static inline void eal_start(void)
{
	static char prefix[64];
	static char prog[] = "test", huge[] = "--no-huge", pci[] = "--no-pci";
	static char conf[] = "--no-shconf", telemetry[] = "--no-telemetry", m[] = "-m",
		    mb[] = "128";
	static char l[] = "-l", core[] = "0", level[] = "--log-level=error";
	char *argv[] = {prog, huge, pci, conf, telemetry, m, mb, l, core, level, prefix};

	snprintf(prefix, sizeof(prefix), "--file-prefix=ntm-test-%d", (int)getpid());
	if (rte_eal_init(sizeof(argv) / sizeof(argv[0]), argv) < 0) {
		fprintf(stderr, "EAL: %s\n", rte_strerror(rte_errno));
		exit(1);
	}
	atexit(eal_folder_remove);
}

static inline void eal_stop(void)
{
	rte_eal_cleanup();
}

#endif
