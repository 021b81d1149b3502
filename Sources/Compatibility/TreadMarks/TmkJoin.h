/**
 * @file TmkJoin.h
 * What Tmk.h is made of, not for programs: joining, leaving, and the barrier, which needs everybody.
 */
#ifndef MERINO_TREADMARKS_TMKJOIN_H
#define MERINO_TREADMARKS_TMKJOIN_H

#include "TmkDistribute.h"

#ifdef __cplusplus
extern "C" {
#endif

/* exit, return from main or Tmk_exit: leaves the job, or ends it. */
static inline void tmk_at_exit(int status, void *argument) {
  (void)argument;
  /* A child made by fork is not part of the job. */
  if (tmk_process.joined != getpid()) return;
  if (status != 0) {
    fflush(NULL);
    /* An exit code has 8 bits; 256 must not look like success. */
    merino_abort((status & 255) != 0 ? status & 255 : 1);
  }
  tmk_process.joined = 0;
  tmk_process.left = 1;
  tmk_must(merino_lock_acquire(tmk_process.job->guard), "Tmk_exit(0)");
  tmk_append(tmk_process.barriers, 0, NULL);
  tmk_must(merino_lock_release(tmk_process.job->guard), "Tmk_exit(0)");
  tmk_must(merino_finalize(), "Tmk_exit(0)");
}

static inline void tmk_join(void) {
  if (tmk_process.joined != 0 || tmk_process.left) tmk_fail("Tmk_startup: a process joins once in its life.");
  tmk_must(merino_init(), "Tmk_startup");
  Tmk_nprocs = (unsigned)merino_nodes();
  Tmk_proc_id = (unsigned)merino_node();
  tmk_process.executable = tmk_fingerprint();
  tmk_process.job = (struct tmk_job *)merino_collective_malloc(sizeof *tmk_process.job, 0);
  if (tmk_process.job == NULL) tmk_fail("Tmk_startup: %s", merino_last_error());
  if (Tmk_proc_id == 0) {
    tmk_must(merino_lock_create(&tmk_process.job->guard), "Tmk_startup");
    tmk_process.job->last = tmk_new_block();
  }
  tmk_must(merino_barrier(), "Tmk_startup");
  tmk_go_to(tmk_process.job->last, 0);
  if (on_exit(tmk_at_exit, NULL) != 0)
    tmk_fail("Tmk_startup: no memory for a function to be called at exit.");
  tmk_process.joined = getpid();
  /* Nobody may distribute, and so move `last` on, before all have read it. */
  tmk_must(merino_barrier(), "Tmk_startup");
}

/* A barrier for which somebody who has left is missing would never end. */
static inline void tmk_all_are_here(unsigned id) {
  if (tmk_process.leaver == 0 || tmk_process.leaver_barriers >= tmk_process.barriers) return;
  tmk_fail("Tmk_barrier(%u): process %u has ended by Tmk_exit or a return from main, after %llu barriers, "
           "and this process has called it %llu times; all processes have to call Tmk_barrier equally often.",
           id, tmk_process.leaver - 1, (unsigned long long)tmk_process.leaver_barriers,
           (unsigned long long)tmk_process.barriers);
}

static inline void tmk_wait_for_all(unsigned id) {
  tmk_process.barriers++;
  tmk_all_are_here(id);
  /* Leaving goes through a barrier of Merino's, too; then the record of it has come with that. */
  tmk_must(merino_barrier(), "Tmk_barrier(%u)", id);
  tmk_catch_up();
  tmk_all_are_here(id);
}

#ifdef __cplusplus
}
#endif

#endif
