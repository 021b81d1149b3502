// What the files of the fake provider share. Everything is guarded by one recursive lock.
#ifndef FAKE_H
#define FAKE_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dlfcn.h>
#include <errno.h>
#include <infiniband/verbs.h>
#include <pthread.h>
#include <rdma/rdma_cma.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "CFakeProvider.h"

#undef ibv_query_port
#undef ibv_reg_mr

enum { MOST = 1024, RING = 64, LONGEST_QUEUE = 1024 };

/// A completion, and the send slots that come free when it is polled.
struct fake_report {
  struct ibv_wc completion;
  unsigned slots;
};

struct fake_cq {
  struct ibv_cq cq;
  struct fake_report *ring;  // as many as cq.cqe
  unsigned head, tail;
  int armed;
};

struct fake_channel {
  struct ibv_comp_channel channel;
  struct ibv_cq *events[MOST];
  unsigned head, tail;
};

struct fake_qp {
  struct ibv_qp qp;
  struct ibv_qp_attr attr;
  struct ibv_qp_init_attr init;
  struct ibv_recv_wr receives[RING];
  struct ibv_sge buffers[RING];
  unsigned head, tail;
  unsigned used;        // send slots posted whose end nobody has polled
  unsigned unreported;  // those of them that no report covers yet
  uint64_t posted, writes_end;  // requests so far; the place behind the last WRITE or SEND
};

struct fake_mr {
  struct ibv_mr mr;
  unsigned access;
};

extern __thread int fake_enabled;

#define LOCKED __attribute__((cleanup(fake_unlock))) int fake_guard = fake_enter()
int fake_enter(void);
void fake_unlock(int *guard);

/// Remembers a fake object and what it was made from (up to three parents); forgets it again.
void fake_add(void *object, void *parent, void *second, void *third);
/// False, and a violation, where something made from it is alive.
int fake_remove(void *object);
int fake_is(const void *object);
/// Live regions and contexts, with holes.
extern struct fake_mr *fake_regions[MOST];
extern struct ibv_context *fake_contexts[MOST];
/// Puts `to` where `from` stands in such a table; NULL stands for a hole.
void fake_replace(void *table, void *from, void *to);
/// Nonzero errno where this verb was told to fail.
int fake_failure(const char *verb);
/// Ends the calling function with an errno in the manner of pointers or of -1.
#define FAIL_POINTER(verb)                      \
  do {                                          \
    int fail_code = fake_failure(verb);         \
    if (fail_code) {                            \
      errno = fail_code;                        \
      return NULL;                              \
    }                                           \
  } while (0)
#define FAIL_ERRNO(verb)                        \
  do {                                          \
    int fail_code = fake_failure(verb);         \
    if (fail_code) {                            \
      errno = fail_code;                        \
      return -1;                                \
    }                                           \
  } while (0)

/// The library's own function of this name. Abbreviated in calls below.
#define REAL(name) ((__typeof__(&name))fake_real(#name))
void *fake_real(const char *name);

struct fake_qp *fake_qp_numbered(uint32_t number);
int fake_post_send(struct ibv_qp *, struct ibv_send_wr *, struct ibv_send_wr **);
int fake_post_recv(struct ibv_qp *, struct ibv_recv_wr *, struct ibv_recv_wr **);
int fake_poll_cq(struct ibv_cq *, int, struct ibv_wc *);
int fake_req_notify(struct ibv_cq *, int);
/// The context of "fake0" that the fake librdmacm lends.
struct ibv_context *fake_open_first(void);
/// To the error state; receives and slots come back flushed.
void fake_flush(struct fake_qp *);

#endif
