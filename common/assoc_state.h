/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef COMMON_ASSOC_STATE_H
#define COMMON_ASSOC_STATE_H

/* What assoc.c, assoc_open.c, assoc_answer.c and responder.c tell each other; nobody else. */
#include "common/assoc.h"

/* assoc.c: own prologue, key and secrets into a job whose clear part is set. */
void assoc_prepare(const struct assoc *a, struct hs_job *job);
/* An index for a new session: the Path ID, or a fresh one from the owner. */
uint64_t assoc_new_index(struct assoc *a);
void assoc_release_index(struct assoc *a, uint64_t own_index);
void assoc_set_life(struct assoc_life *l, const struct hs_job *job, uint64_t now);

/* assoc_open.c: side A. */
void assoc_begin(struct assoc *a, uint64_t now);
void assoc_abandon_job(struct assoc *a);
/* Run the step in a->job->work, here or on another thread, and act on what it says. */
enum hs_verdict assoc_run(struct assoc *a, uint64_t now);
uint64_t assoc_poll_open(struct assoc *a, uint64_t now);

/* assoc_answer.c: side B. May the asker of an authentic message 1 have keys? For OK the job has
 * own index, secrets and PSK; for STALE its attempt is the greatest known.
 */
enum hs_verdict assoc_admit(struct assoc *a, struct hs_job *job);
/* Message 2 is computed: hand the keys over, before it is sent. Not OK: nothing was installed. */
enum hs_verdict assoc_take_keys(struct assoc *a, uint64_t now, struct hs_job *job);
/* Message 2 could not be computed. */
void assoc_drop_keys(struct assoc *a, struct hs_job *job);

#endif
