/* SPDX-License-Identifier: BSD-3-Clause */
#include "appliance/telemetry.h"
#include "appliance/app.h"
#include "appliance/report.h"

#include <rte_telemetry.h>

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

/* The interface takes no context, and commands cannot be taken back: hence one pointer, and a lock
 * that keeps the app there while a handler reads. No packet thread takes it.
 */
static struct {
	pthread_mutex_t mutex;
	const struct app *app;
} shown = {.mutex = PTHREAD_MUTEX_INITIALIZER};

/* The sums, or -ENODEV when nothing is running. */
static int sums(struct lcore_stats *sum)
{
	int ret = -ENODEV;

	pthread_mutex_lock(&shown.mutex);
	if (shown.app != NULL) {
		report_sum(shown.app, sum);
		ret = 0;
	}
	pthread_mutex_unlock(&shown.mutex);
	return ret;
}

static int add_counters(const struct lcore_stats *st, struct rte_tel_data *d)
{
	struct counter_row rows[64];
	unsigned int n = stats_counters(st, rows, RTE_DIM(rows));

	rte_tel_data_start_dict(d);
	for (unsigned int i = 0; i < n; i++)
		rte_tel_data_add_dict_u64(d, rows[i].name, rows[i].value);
	return 0;
}

static int on_stats(const char *cmd, const char *params, struct rte_tel_data *d)
{
	struct lcore_stats sum;
	int ret = sums(&sum);

	return ret < 0 ? ret : add_counters(&sum, d);
}

static int on_drops(const char *cmd, const char *params, struct rte_tel_data *d)
{
	struct lcore_stats sum;
	int ret = sums(&sum);

	if (ret < 0)
		return ret;
	rte_tel_data_start_dict(d);
	for (unsigned int i = 0; i < DROP_MAX; i++)
		rte_tel_data_add_dict_u64(d, drop_name(i), sum.drops[i]);
	return 0;
}

static int add_stage(struct rte_tel_data *all, const char *name, const struct stage_stats *st)
{
	struct rte_tel_data *d = rte_tel_data_alloc();

	if (d == NULL)
		return -ENOMEM;
	rte_tel_data_start_dict(d);
	rte_tel_data_add_dict_u64(d, "calls", st->calls);
	rte_tel_data_add_dict_u64(d, "packets", st->packets);
	rte_tel_data_add_dict_u64(d, "cycles", st->cycles);
	return rte_tel_data_add_dict_container(all, name, d, 0);
}

static int on_stages(const char *cmd, const char *params, struct rte_tel_data *d)
{
	struct lcore_stats sum;
	int ret = sums(&sum);

	if (ret < 0)
		return ret;
	rte_tel_data_start_dict(d);
	for (unsigned int i = 0; i < STAGE_MAX && ret == 0; i++)
		ret = add_stage(d, stage_name(i), &sum.stage[i]);
	return ret;
}

/* params: the number of a worker, from 0. */
static int on_worker(const char *cmd, const char *params, struct rte_tel_data *d)
{
	unsigned long id;
	char *end;
	int ret = -EINVAL;

	if (params == NULL || *params == '\0')
		return -EINVAL;
	id = strtoul(params, &end, 10);
	if (*end != '\0')
		return -EINVAL;
	pthread_mutex_lock(&shown.mutex);
	if (shown.app != NULL && id < shown.app->n_workers)
		ret = add_counters(&shown.app->workers[id].stats, d);
	pthread_mutex_unlock(&shown.mutex);
	return ret;
}

static const struct {
	const char *name, *help;
	telemetry_cb fn;
} commands[] = {
	{"/ntm/stats", "Counters of all threads. No parameters", on_stats},
	{"/ntm/drops", "Drops by reason. No parameters", on_drops},
	{"/ntm/stages", "Calls, packets and cycles per stage. No parameters", on_stages},
	{"/ntm/worker", "Counters of one worker. Parameter: its number, from 0", on_worker},
};

int telemetry_start(struct app *app)
{
	int ret = 0;

	pthread_mutex_lock(&shown.mutex);
	shown.app = app;
	pthread_mutex_unlock(&shown.mutex);
	for (size_t i = 0; i < RTE_DIM(commands) && ret == 0; i++)
		ret = rte_telemetry_register_cmd(commands[i].name, commands[i].fn,
						 commands[i].help);
	return ret;
}

void telemetry_stop(void)
{
	pthread_mutex_lock(&shown.mutex);
	shown.app = NULL;
	pthread_mutex_unlock(&shown.mutex);
}
