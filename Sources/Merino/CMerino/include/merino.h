/**
 * @file merino.h
 * Merino: distributed shared memory. The processes of a job (its nodes) load and store the same pages with
 * plain pointers; a data-race-free program sees sequential consistency.
 *
 * **Results.** Functions that return `int` give MERINO_SUCCESS (0) or a negative code MERINO_E..., unless
 * their description says otherwise. A call that fails changes nothing, except where its description says
 * so. merino_last_error gives the whole sentence: what was tried, on what, what happened, what to do.
 * After MERINO_EPEER, and after MERINO_EFABRIC, the job is over: what the call was to do may be done in part,
 * the node's other waits end with the same code, and locks that a thread holds it holds still. (What the
 * library asks malloc for is not among the things that can fail: where there is no such memory any more, the
 * process ends.)
 *
 * **Threads.** Every function may be called by any thread at any time between merino_init and
 * merino_finalize, unless its description says otherwise. None may be called in a signal handler, except
 * merino_handle_fault. A child made by fork() is no part of the job: its calls give MERINO_EFORKED, and
 * shared memory is not there; touching it says so on standard error and is then a SIGSEGV like any other. The
 * parent goes on.
 *
 * **A lost node.** When a node has died, every function that orders memory or reaches another node fails with
 * MERINO_EPEER, at once or woken from its wait; the sentence names the node and, where it is known, how it
 * ended. docs/after-a-loss.md lists all functions.
 *
 * **Cancellation** (pthread_cancel). Three functions are cancellation points: merino_event_wait,
 * merino_cond_wait and merino_cond_wait_within, as POSIX has it for its own. A thread that is cancelled there
 * has left the queue; after a wait with a condition it holds the lock again when its clean-up handlers run,
 * and a signal that had come for it wakes another one. All other functions are none, waiting for locks and in
 * barriers included: a cancellation that comes meanwhile acts at the thread's next cancellation point. Where
 * the thread's type is asynchronous it acts right before or right behind the call, which is then complete: a
 * lock may be held, and a block allocated. Threads may be cancelled in page faults: in them the deferred type
 * does not act, the asynchronous one acts behind them.
 *
 * **Collective functions** say so: every node calls them, with matching arguments, once each and in the
 * same order on all nodes. All other functions concern the calling node alone.
 *
 * **Happens-before.** "Release" and "acquire" have the meaning that they have in C11: what a thread wrote
 * to shared memory before a release is seen by every thread after the acquire that is ordered after it.
 * Shared accesses by two threads, one of them a write, which no chain of these orders, are a data race: a
 * reader then sees some old or new value of each byte, and nothing else is promised. docs/memory-model.md
 * says it in full.
 *
 * **Structures** begin with `size`. Initialise them with their MERINO_..._INIT, which sets `size` and leaves
 * every other field 0, and 0 always means the default. A program built against an older header passes a
 * smaller `size`, and the fields that it does not know stay as they are by default. One built against a newer
 * header passes a larger `size`: options that it sets and this library does not know give MERINO_ENOTSUP, and
 * what this library does not tell stays 0.
 */
#ifndef MERINO_H
#define MERINO_H

#include <stddef.h>
#include <stdint.h>

/** Major version of this header: changes when programs have to be changed. */
#define MERINO_VERSION_MAJOR 0
/** Minor version of this header: changes when something is added. */
#define MERINO_VERSION_MINOR 1
/** Patch level of this header: changes with every other release. */
#define MERINO_VERSION_PATCH 0
/** The version of this header as one number: 1002003 is 1.2.3. */
#define MERINO_VERSION_NUMBER \
  (MERINO_VERSION_MAJOR * 1000000 + MERINO_VERSION_MINOR * 1000 + MERINO_VERSION_PATCH)

/** Marks a function that does not return. */
#if defined(__GNUC__)
#define MERINO_NORETURN __attribute__((noreturn))
#else
#define MERINO_NORETURN
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ---------------------------------------------------------------------------------------------------------
 * Result codes. The numbers are fixed: they never change their meaning.
 * ------------------------------------------------------------------------------------------------------ */

/** The call did what it says. */
#define MERINO_SUCCESS 0
/** An argument is out of range: a size, an alignment, a count, a null pointer, a field of a structure. */
#define MERINO_EINVAL (-1)
/** This process has not joined: before merino_init, or after merino_finalize. */
#define MERINO_ENOTINIT (-2)
/** This process has joined before; a process joins once in its life. */
#define MERINO_EALREADY (-3)
/** The system has no memory for it, or a limit (RLIMIT_MEMLOCK, vm.max_map_count) forbids it. */
#define MERINO_ENOMEM (-4)
/** The global address space has no free range of this size; MERINO_CAPACITY sets its size. */
#define MERINO_ENOSPC (-5)
/** The name is taken. */
#define MERINO_EEXIST (-6)
/** Nothing has this name. */
#define MERINO_ENOENT (-7)
/** The handle names nothing that lives: never made, or destroyed. */
#define MERINO_EHANDLE (-8)
/** The lock is held by somebody else, or the object is in use. */
#define MERINO_EBUSY (-9)
/** The time limit passed. */
#define MERINO_ETIMEDOUT (-10)
/** The calling thread holds this lock already: waiting for it would never end. */
#define MERINO_EDEADLK (-11)
/** The calling thread does not hold the lock that it wants to release or to wait with. */
#define MERINO_EPERM (-12)
/** The addresses are taken by something else in this process. */
#define MERINO_EADDRINUSE (-13)
/** The address is not in a view of shared memory. */
#define MERINO_EFAULT (-14)
/** The view's protection forbids it: writing through a read-only view. */
#define MERINO_EACCES (-15)
/** A table is full: locks, segments, views or nodes; the sentence names the table and its setting. */
#define MERINO_ELIMIT (-16)
/** A node died or left, and this call cannot be completed without it. The job is over. */
#define MERINO_EPEER (-17)
/** The nodes of a collective call did not pass matching arguments, or run different versions. */
#define MERINO_EMISMATCH (-18)
/** This machine or this build cannot do it: the sentence says what is missing. */
#define MERINO_ENOTSUP (-19)
/** A system call failed; the sentence has its name and the system's reason. */
#define MERINO_ESYSTEM (-20)
/**
 * The fabric reported an operation that failed, or the memory of a node says what none can have written. The
 * job is over for this node: so do all its later calls that need others.
 */
#define MERINO_EFABRIC (-21)
/** This process is a child made by fork() of a node; it is not part of the job. */
#define MERINO_EFORKED (-22)

/* ---------------------------------------------------------------------------------------------------------
 * Joining and leaving
 * ------------------------------------------------------------------------------------------------------ */

/** How urgent a message to merino_log_fn is. */
typedef enum merino_log_level {
  /** Something failed. */
  MERINO_LOG_ERROR = 1,
  /** It works, but less well than it could: a limit too low, a table close to full. */
  MERINO_LOG_WARNING = 2,
  /** What was chosen at joining: fabric, capacity, addresses. */
  MERINO_LOG_INFO = 3,
  /** For people who work on Merino itself. */
  MERINO_LOG_DEBUG = 4
} merino_log_level_t;

/**
 * Receives messages of the library; `message` is one line without its newline, valid during the call.
 * Called on any thread, by several at once; must not call Merino.
 */
typedef void (*merino_log_fn)(void *context, int level, const char *message);

/** Settings of a node. A field that is 0 or NULL takes the environment variable named, then the default. */
typedef struct merino_options {
  /** sizeof(merino_options_t), set by MERINO_OPTIONS_INIT. */
  size_t size;
  /**
   * Bytes of the global address space, the same on all nodes. MERINO_CAPACITY (with suffix K, M, G or T);
   * by default twice the host's memory and 64 GiB at least, of which only what is touched exists; 64 GiB over
   * RDMA, or as much as control memory within the limit of locked memory allows.
   */
  uint64_t capacity_bytes;
  /**
   * Name of the fabric: "verbs" (RDMA), "host" (nodes of one machine), or "auto": verbs where every node has
   * a device, else host where all are on one machine. MERINO_FABRIC; "auto".
   */
  const char *fabric;
  /**
   * Locks, reader-writer locks, events, conditions and barriers of the job. MERINO_LOCKS; 16,777,216, and
   * 65,536 over RDMA.
   */
  uint32_t max_locks;
  /** Milliseconds to wait for the others to join. MERINO_JOIN_TIMEOUT (in seconds); 60,000. */
  uint32_t join_timeout_ms;
  /**
   * Receives the messages up to log_level. NULL: they go to standard error where MERINO_LOG is set to
   * error, warning, info or debug, and nowhere otherwise.
   */
  merino_log_fn log;
  /** Passed to `log`. */
  void *log_context;
  /** A merino_log_level_t: what is passed to `log`. MERINO_LOG; MERINO_LOG_WARNING. */
  int32_t log_level;
  /** MERINO_VERSION_NUMBER of the header that the program was compiled with, set by MERINO_OPTIONS_INIT: for
   * messages. */
  uint32_t header_version;
} merino_options_t;

/** Initialises a merino_options_t: all defaults. */
#define MERINO_OPTIONS_INIT { sizeof(merino_options_t), 0, NULL, 0, 0, NULL, NULL, 0, MERINO_VERSION_NUMBER }

/**
 * Joins the job with default settings. Collective: returns when all nodes have joined, and orders what
 * every node did before it before what any node does after it.
 *
 * A process started by `merino run`, or by a launcher that speaks PMIx or PMI (mpirun, mpiexec, srun), joins
 * that job; one started without a launcher is a job of one node. A launcher that is there but cannot be
 * reached is an error. In an MPI program it may come before MPI_Init or behind it, in the same order in all
 * processes. From here on the process has a handler for SIGSEGV, which passes faults outside shared memory on
 * to the handler that was there before. A program that installs its own handler later calls
 * merino_handle_fault in it.
 *
 * @return MERINO_SUCCESS; MERINO_EALREADY also where another copy of the library (libmerino.a inside a shared
 *   library, a second libmerino.so) has joined in this process; MERINO_ETIMEDOUT with a sentence naming who
 *   is missing; MERINO_EMISMATCH where the nodes differ in version or settings; MERINO_EADDRINUSE where no
 *   range of addresses is free on all nodes; MERINO_ENOMEM, MERINO_ENOTSUP, MERINO_ESYSTEM; MERINO_EPEER.
 *   A process that failed to join is as it was before. Where a setting was wrong, or the process is a job of
 *   one without a launcher, it may try again; once it has told a launcher which node it is, a second try is
 *   refused.
 */
int merino_init(void);

/**
 * Joins the job as merino_init does, with settings of its own.
 * @param options NULL: all defaults. Read during the call only, except what `log_context` points at.
 * @return as merino_init; MERINO_EINVAL for a setting out of range; MERINO_ENOTSUP for a setting of a later
 *   merino.h than this library's: the sentence has both versions.
 */
int merino_init_with(const merino_options_t *options);

/**
 * Leaves the job. Collective: waits for all nodes, since the pages that this node is home of leave with it.
 * Threads of this node have given back their locks and returned from all Merino calls, and none uses shared
 * memory any more. Where one holds a lock, or waits for something, the call is refused and this node stays in
 * the job, so that no other node waits for a lock that never comes; nodes that leave wait for it meanwhile.
 * Afterwards all views are unmapped, the signal action for SIGSEGV is as before, threads of the library have
 * ended, and pointers into shared memory are invalid. Segments that were not destroyed are gone.
 * @return MERINO_SUCCESS; MERINO_ENOTINIT; MERINO_EBUSY where a thread of this node holds a lock, waits for a
 *   lock, an event, a condition or a barrier, or is in merino_barrier: nothing has changed; MERINO_EPEER
 *   where a node died (this process has left then, too); MERINO_EFABRIC where something has failed here (it
 *   has left, and is lost to the others).
 */
int merino_finalize(void);

/**
 * Ends the whole job: this process exits with `code` at once, without running exit handlers, and the
 * launcher ends all other nodes. In a process that has not joined, or is a child made by fork(), it ends that
 * process.
 * @param code the exit code, 0...255.
 */
MERINO_NORETURN void merino_abort(int code);

/** This node's number, 0...merino_nodes() - 1; MERINO_ENOTINIT before joining. */
int merino_node(void);

/** The number of nodes of the job; MERINO_ENOTINIT before joining. */
int merino_nodes(void);

/**
 * The version of the library that runs, "MAJOR.MINOR.PATCH". A constant; may be called before joining.
 */
const char *merino_version(void);

/**
 * A few words for a result code, "time limit passed"; never NULL, also for numbers that are no code.
 * A constant; may be called before joining.
 */
const char *merino_strerror(int code);

/**
 * The sentence for the last Merino call of this thread that failed; "" if none has. Valid until the
 * next call of this thread that fails. May be called before joining.
 */
const char *merino_last_error(void);

/**
 * Serves a page fault, for a program that installs its own SIGSEGV handler after joining: that handler
 * (installed with SA_SIGINFO) calls this first and returns if the result is 1.
 *
 * Async-signal-safe; keeps errno. Block all signals during the handler (sa_mask filled by sigfillset).
 *
 * @param signal the handler's first argument.
 * @param info the handler's second argument, a siginfo_t *.
 * @param context the handler's third argument, a ucontext_t *.
 * @return 1: the fault was one on shared memory and has been served: return, and the access is done again.
 *   0: not a fault of Merino's (also before joining): handle it as if Merino were not there.
 */
int merino_handle_fault(int signal, void *info, void *context);

/* ---------------------------------------------------------------------------------------------------------
 * Segments: named extents of global memory
 * ------------------------------------------------------------------------------------------------------ */

/** The longest name of a segment or of a lock, in bytes, without the terminating zero. */
#define MERINO_NAME_MAX 63

/** A segment, in this process. Other nodes open it by its name. 0 names no segment. */
typedef uint32_t merino_segment_t;

/**
 * Which node a page of a segment lives at (its home). A wish: a node becomes home of a page once its memory
 * is ready for it; until then the page is placed by first touch.
 */
typedef enum merino_placement {
  /** The first node that writes a page becomes its home. */
  MERINO_PLACE_FIRST_TOUCH = 0,
  /** Consecutive parts of equal size, one for each node in order. */
  MERINO_PLACE_BLOCKED = 1,
  /** Coherence units in turn, one for each node. */
  MERINO_PLACE_CYCLIC = 2,
  /** All at one node, `placement_node`. */
  MERINO_PLACE_NODE = 3
} merino_placement_t;

/** How a segment is made. */
typedef struct merino_segment_options {
  /** sizeof(merino_segment_options_t), set by MERINO_SEGMENT_OPTIONS_INIT. */
  size_t size;
  /**
   * Bytes that are fetched and invalidated together, the coherence unit: a power of two from 4096 (or the
   * system's page size where that is larger) to 2 MiB. 0: the smallest.
   */
  uint32_t unit_bytes;
  /** A merino_placement_t. 0: first touch. */
  int32_t placement;
  /** The node, for MERINO_PLACE_NODE. */
  int32_t placement_node;
  /** MERINO_VERSION_NUMBER of the header that the program was compiled with, set by
   * MERINO_SEGMENT_OPTIONS_INIT: for messages. */
  uint32_t header_version;
} merino_segment_options_t;

/** Initialises a merino_segment_options_t: all defaults. */
#define MERINO_SEGMENT_OPTIONS_INIT { sizeof(merino_segment_options_t), 0, 0, 0, MERINO_VERSION_NUMBER }

/** What merino_segment_info tells. */
typedef struct merino_segment_info {
  /** sizeof(merino_segment_info_t), set by MERINO_SEGMENT_INFO_INIT. */
  size_t size;
  /** Bytes of the segment, as it was made. */
  uint64_t bytes;
  /** Where the segment begins in the global address space: the same on all nodes. */
  uint64_t global_address;
  /** Where it is attached by default: the same on all nodes. */
  void *default_view;
  /** Its coherence unit in bytes. */
  uint32_t unit_bytes;
  /** Its merino_placement_t. */
  int32_t placement;
  /** The node, for MERINO_PLACE_NODE. */
  int32_t placement_node;
  /** Views of it in this process. */
  uint32_t views;
  /** 1 once it has been destroyed and only its views keep it alive; 0 before. */
  uint32_t destroyed;
  /** 0. */
  uint32_t reserved;
  /** Its name. */
  char name[MERINO_NAME_MAX + 1];
} merino_segment_info_t;

/** Initialises a merino_segment_info_t. */
#define MERINO_SEGMENT_INFO_INIT { sizeof(merino_segment_info_t), 0, 0, NULL, 0, 0, 0, 0, 0, 0, "" }

/**
 * Makes a segment of zeros. It is attached nowhere yet. One node makes it, the others open it.
 * @param name 1...MERINO_NAME_MAX bytes of UTF-8, unique in the job.
 * @param bytes at least 1; rounded up to whole coherence units.
 * @param options NULL: all defaults.
 * @param segment receives the segment.
 * @return MERINO_SUCCESS; MERINO_EINVAL; MERINO_EEXIST; MERINO_ENOSPC; MERINO_ELIMIT; MERINO_ENOTSUP for a
 *   unit smaller than the system's page; MERINO_ENOTINIT; MERINO_EPEER.
 */
int merino_segment_create(const char *name, size_t bytes, const merino_segment_options_t *options,
                          merino_segment_t *segment);

/**
 * Finds a segment by its name, from any node at any time. Making it happens before finding it.
 * @return MERINO_SUCCESS; MERINO_EINVAL; MERINO_ENOENT also where it has been destroyed; MERINO_ENOTINIT;
 *   MERINO_EPEER.
 */
int merino_segment_open(const char *name, merino_segment_t *segment);

/**
 * Maps a segment into this process: a view. One process may have several views of one segment at once,
 * which see the same bytes as any other mappings of the same memory do.
 * @param where NULL: the segment's default address, the same on all nodes, so that pointers stored in the
 *   segment mean the same everywhere. Otherwise a free address, a multiple of the page size.
 * @param protection PROT_READ, or PROT_READ | PROT_WRITE, of <sys/mman.h>. A store through a read-only view
 *   is a segmentation fault, as for mmap.
 * @param view receives the address of the view's first byte.
 * @return MERINO_SUCCESS; MERINO_EINVAL; MERINO_EHANDLE; MERINO_EADDRINUSE where something lies there,
 *   another view included; MERINO_ELIMIT; MERINO_ENOMEM; MERINO_ENOTINIT; MERINO_EPEER.
 */
int merino_segment_attach(merino_segment_t segment, void *where, int protection, void **view);

/**
 * Unmaps a view. What was written through it stays in the segment. No thread may use the view any more.
 * @param view as merino_segment_attach gave it.
 * @return MERINO_SUCCESS; MERINO_EFAULT where no view begins there (also at a second detach);
 *   MERINO_EBUSY while a range of it is pinned; MERINO_ENOTINIT; MERINO_EPEER: the view is still there.
 */
int merino_segment_detach(void *view);

/**
 * Removes a segment, as IPC_RMID does: its name is free at once, and its addresses and memory are given
 * back within two barriers of all nodes after the last view of any node is detached. Views stay usable.
 * @return MERINO_SUCCESS; MERINO_EHANDLE also where it has been destroyed before, by any node;
 *   MERINO_ENOTINIT; MERINO_EPEER.
 */
int merino_segment_destroy(merino_segment_t segment);

/**
 * Describes a segment.
 * @param info initialised by MERINO_SEGMENT_INFO_INIT; filled as far as its `size` goes.
 * @return MERINO_SUCCESS; MERINO_EINVAL; MERINO_EHANDLE; MERINO_ENOTINIT; MERINO_EPEER.
 */
int merino_segment_info(merino_segment_t segment, merino_segment_info_t *info);

/* ---------------------------------------------------------------------------------------------------------
 * The heap: blocks with the same address on every node
 * ------------------------------------------------------------------------------------------------------ */

/**
 * Allocates a block of shared memory: the address means the same on every node, and any node may free it.
 * The contents are undefined. Freeing a block happens before its bytes are allocated again. Passing the
 * pointer to another node is up to the program, like any other shared value.
 * @return the block, aligned for every type; NULL with merino_last_error and errno: ENOMEM, EINVAL, EHOSTDOWN
 *   where a node is lost, EIO where the fabric has failed. For 0 bytes a pointer that can only be freed.
 */
void *merino_malloc(size_t bytes);

/**
 * Allocates `count` times `bytes` of zeros, as merino_malloc.
 * @return the block; NULL with merino_last_error and errno as merino_malloc, ENOMEM also where the product
 *   overflows.
 */
void *merino_calloc(size_t count, size_t bytes);

/**
 * Makes a block larger or smaller, moving it where needed; the contents up to the smaller size stay. The
 * caller must have the block to itself, as for realloc: reading it and freeing it must be no data race.
 * @param block NULL: as merino_malloc.
 * @param bytes 0: frees the block and returns NULL.
 * @return the block; NULL with merino_last_error and errno as merino_malloc, and the old block is still
 *   there.
 */
void *merino_realloc(void *block, size_t bytes);

/**
 * Allocates as merino_malloc, at a multiple of `alignment`.
 * @param alignment a power of two, at most 2 MiB.
 * @return the block; NULL with merino_last_error and errno as merino_malloc, EINVAL also for the alignment.
 */
void *merino_aligned_alloc(size_t alignment, size_t bytes);

/**
 * Frees a block that any node allocated. The frees of one block happen before its next allocation.
 * @param block NULL: nothing happens. A pointer that is no block in use (freed before, or never allocated)
 *   changes nothing, sets errno to EINVAL and leaves its sentence in merino_last_error.
 */
void merino_free(void *block);

/**
 * Allocates a block of zeros and gives every node the same pointer. Collective, and a barrier of all nodes
 * as merino_barrier is. In a block of 1 MiB or more, memory that nobody has had before costs nothing until it
 * is used, however large the block is, and whoever writes to a page first becomes its home. Smaller blocks,
 * and memory that was freed before, are zeroed by all nodes, each a part, which makes homes of untouched
 * pages.
 * @param bytes the same on all nodes, at least 1.
 * @param alignment the same on all nodes: a power of two, at most 2 MiB; 0: the page size.
 * @return the block; NULL on all nodes, with merino_last_error and errno as merino_malloc.
 */
void *merino_collective_malloc(size_t bytes, size_t alignment);

/**
 * Frees a block of merino_collective_malloc. Collective, and a barrier of all nodes.
 * @param block the same on all nodes. NULL: only the barrier.
 * @return MERINO_SUCCESS; on all nodes MERINO_EFAULT where no such block is in use, or MERINO_EMISMATCH
 *   where the nodes passed different pointers; MERINO_ENOTINIT; MERINO_EPEER.
 */
int merino_collective_free(void *block);

/* ---------------------------------------------------------------------------------------------------------
 * Locks. Handles mean the same on every node and may be stored in shared memory; 0 names nothing.
 * ------------------------------------------------------------------------------------------------------ */

/** A lock between threads of all nodes. */
typedef uint64_t merino_lock_t;

/**
 * Makes a lock, free. Local: no other node takes part. The others get the handle through shared memory.
 * @return MERINO_SUCCESS; MERINO_EINVAL; MERINO_ELIMIT where all locks of the job are in use;
 *   MERINO_ENOTINIT; MERINO_EPEER.
 */
int merino_lock_create(merino_lock_t *lock);

/**
 * Makes the lock of this name, or finds it where a node has made it before: all nodes that ask get the same.
 * @param name 1...MERINO_NAME_MAX bytes of UTF-8, apart from the names of segments.
 * @return as merino_lock_create.
 */
int merino_lock_create_named(const char *name, merino_lock_t *lock);

/**
 * Removes a lock, which nobody may hold, wait for, or use any more. A name is free at once.
 * @return MERINO_SUCCESS; MERINO_EHANDLE; MERINO_EBUSY where it is held; MERINO_ENOTINIT; MERINO_EPEER.
 */
int merino_lock_destroy(merino_lock_t lock);

/**
 * Takes the lock, waiting as long as it takes; first come, first served between nodes. The calling thread
 * becomes its owner. Acquire: sees what every earlier holder wrote before its release. No cancellation point.
 * @return MERINO_SUCCESS; MERINO_EDEADLK where this thread holds it already; MERINO_ELIMIT where threads of
 *   this node hold or await as many locks as it has slots (MERINO_LOCK_SLOTS); MERINO_EHANDLE;
 *   MERINO_ENOTINIT; MERINO_EPEER.
 */
int merino_lock_acquire(merino_lock_t lock);

/**
 * Takes the lock if it is free, without waiting. Acquire if it succeeds.
 * @return MERINO_SUCCESS; MERINO_EBUSY where somebody holds it or waits for it; MERINO_EDEADLK where this
 *   thread holds it; MERINO_ELIMIT as merino_lock_acquire; MERINO_EHANDLE; MERINO_ENOTINIT; MERINO_EPEER.
 */
int merino_lock_try_acquire(merino_lock_t lock);

/**
 * Takes the lock if it becomes free within a time limit; stands in no queue meanwhile, so that those who
 * wait in merino_lock_acquire go first. Acquire if it succeeds. No cancellation point.
 * @param timeout_ns nanoseconds from now; 0: as merino_lock_try_acquire, but MERINO_ETIMEDOUT.
 * @return MERINO_SUCCESS; MERINO_ETIMEDOUT; MERINO_EDEADLK; MERINO_ELIMIT as merino_lock_acquire;
 *   MERINO_EHANDLE; MERINO_ENOTINIT; MERINO_EPEER.
 */
int merino_lock_acquire_within(merino_lock_t lock, uint64_t timeout_ns);

/**
 * Gives the lock back. Release: what this thread wrote is seen by the next holder. Needs no slot. Where it
 * fails, the thread still holds the lock.
 * @return MERINO_SUCCESS; MERINO_EPERM where this thread does not hold it; MERINO_EHANDLE;
 *   MERINO_ENOTINIT; MERINO_EPEER.
 */
int merino_lock_release(merino_lock_t lock);

/** A lock that either one writer or any number of readers holds. */
typedef uint64_t merino_rwlock_t;

/**
 * Makes a reader-writer lock, free. Local.
 * @return MERINO_SUCCESS; MERINO_EINVAL; MERINO_ELIMIT; MERINO_ENOTINIT; MERINO_EPEER.
 */
int merino_rwlock_create(merino_rwlock_t *lock);

/**
 * Removes a reader-writer lock, which nobody may hold, wait for, or use any more.
 * @return MERINO_SUCCESS; MERINO_EHANDLE; MERINO_EBUSY where it is held; MERINO_ENOTINIT; MERINO_EPEER.
 */
int merino_rwlock_destroy(merino_rwlock_t lock);

/**
 * Takes the lock for reading, together with other readers. Acquire: sees what every earlier writer wrote.
 * New readers do not overtake a writer that waits. No cancellation point.
 * @return MERINO_SUCCESS; MERINO_EDEADLK where this thread holds it, either way; MERINO_ELIMIT where it would
 *   have to wait and threads of this node hold or await as many locks as it has slots (MERINO_LOCK_SLOTS);
 *   MERINO_EHANDLE; MERINO_ENOTINIT; MERINO_EPEER.
 */
int merino_rwlock_acquire_read(merino_rwlock_t lock);

/**
 * Takes the lock for writing, alone. Acquire: sees what every earlier writer wrote, and is ordered after
 * what every earlier reader read. No cancellation point.
 * @return as merino_rwlock_acquire_read.
 */
int merino_rwlock_acquire_write(merino_rwlock_t lock);

/**
 * Gives the lock back, however this thread holds it. Release. Needs no slot. Where it fails, the thread still
 * holds the lock.
 * @return MERINO_SUCCESS; MERINO_EPERM where this thread does not hold it; MERINO_EHANDLE;
 *   MERINO_ENOTINIT; MERINO_EPEER.
 */
int merino_rwlock_release(merino_rwlock_t lock);

/* ---------------------------------------------------------------------------------------------------------
 * Events, condition variables, barriers
 * ------------------------------------------------------------------------------------------------------ */

/** A flag that threads wait for; it stays set until it is cleared. */
typedef uint64_t merino_event_t;

/**
 * Makes an event, clear. Local.
 * @return MERINO_SUCCESS; MERINO_EINVAL; MERINO_ELIMIT; MERINO_ENOTINIT; MERINO_EPEER.
 */
int merino_event_create(merino_event_t *event);

/**
 * Removes an event, which nobody may wait for or use any more.
 * @return MERINO_SUCCESS; MERINO_EHANDLE; MERINO_ENOTINIT; MERINO_EPEER.
 */
int merino_event_destroy(merino_event_t event);

/**
 * Sets the event: all who wait go on, and all who come later pass until it is cleared. Release.
 * @return MERINO_SUCCESS; MERINO_EHANDLE; MERINO_ENOTINIT; MERINO_EPEER.
 */
int merino_event_set(merino_event_t event);

/**
 * Clears the event. Orders nothing.
 * @return MERINO_SUCCESS; MERINO_EHANDLE; MERINO_ENOTINIT; MERINO_EPEER.
 */
int merino_event_clear(merino_event_t event);

/**
 * Waits until the event is set. Acquire: sees what those who set it wrote before they did. A cancellation
 * point.
 * @return MERINO_SUCCESS; MERINO_ELIMIT where it would have to wait and threads of this node hold or await as
 *   many locks as it has slots (MERINO_LOCK_SLOTS); MERINO_EHANDLE; MERINO_ENOTINIT; MERINO_EPEER.
 */
int merino_event_wait(merino_event_t event);

/** A condition variable: threads of all nodes wait with a lock until others say that something changed. */
typedef uint64_t merino_cond_t;

/**
 * Makes a condition variable. Local.
 * @return MERINO_SUCCESS; MERINO_EINVAL; MERINO_ELIMIT; MERINO_ENOTINIT; MERINO_EPEER.
 */
int merino_cond_create(merino_cond_t *condition);

/**
 * Removes a condition variable, which nobody may wait for or use any more.
 * @return MERINO_SUCCESS; MERINO_EHANDLE; MERINO_ENOTINIT; MERINO_EPEER.
 */
int merino_cond_destroy(merino_cond_t condition);

/**
 * Releases the lock, waits for a signal or broadcast that comes after, and takes the lock again. May return
 * without one: call it in a loop that looks at what it waits for. All waiters use the same lock.
 * Ordered by the lock: release, then acquire. A cancellation point.
 * @return MERINO_SUCCESS; MERINO_EPERM where this thread does not hold the lock; MERINO_ELIMIT where threads
 *   of this node hold or await as many locks as it has slots (MERINO_LOCK_SLOTS), without having waited;
 *   MERINO_EHANDLE; MERINO_ENOTINIT; MERINO_EPEER. The lock is held afterwards, except where the job is over:
 *   after MERINO_EPEER or MERINO_EFABRIC it may not be.
 */
int merino_cond_wait(merino_cond_t condition, merino_lock_t lock);

/**
 * Waits as merino_cond_wait does, but no longer than a time limit; taking the lock again is not limited. A
 * cancellation point.
 * @param timeout_ns nanoseconds from now.
 * @return as merino_cond_wait; MERINO_ETIMEDOUT, with the lock held.
 */
int merino_cond_wait_within(merino_cond_t condition, merino_lock_t lock, uint64_t timeout_ns);

/**
 * Wakes at least one of those who wait, if any. Call it holding the lock, or a waiter about to wait may
 * miss it. Orders nothing by itself; the lock does.
 * @return MERINO_SUCCESS; MERINO_EHANDLE; MERINO_ENOTINIT; MERINO_EPEER.
 */
int merino_cond_signal(merino_cond_t condition);

/**
 * Wakes all who wait. As merino_cond_signal otherwise.
 * @return MERINO_SUCCESS; MERINO_EHANDLE; MERINO_ENOTINIT; MERINO_EPEER.
 */
int merino_cond_broadcast(merino_cond_t condition);

/**
 * Waits for all nodes of the job. Collective: one call on each node. Release before, acquire after: what
 * any node wrote before is seen by every node after. Pages may change their home here. No cancellation point.
 * @return MERINO_SUCCESS; MERINO_EBUSY where another thread of this node is in it; MERINO_ENOTINIT;
 *   MERINO_EPEER.
 */
int merino_barrier(void);

/** A barrier of a fixed number of threads, any threads of any nodes. */
typedef uint64_t merino_barrier_t;

/**
 * Makes a barrier. Local.
 * @param participants how many threads it waits for each time, at least 1.
 * @return MERINO_SUCCESS; MERINO_EINVAL; MERINO_ELIMIT; MERINO_ENOTINIT; MERINO_EPEER.
 */
int merino_barrier_create(uint32_t participants, merino_barrier_t *barrier);

/**
 * Removes a barrier, in which nobody may wait any more.
 * @return MERINO_SUCCESS; MERINO_EHANDLE; MERINO_EBUSY where threads wait in it; MERINO_ENOTINIT;
 *   MERINO_EPEER.
 */
int merino_barrier_destroy(merino_barrier_t barrier);

/**
 * Waits until as many threads have come as the barrier was made for; it is then ready for the next round.
 * Release before, acquire after, among those who took part. No cancellation point.
 * @return MERINO_SUCCESS; MERINO_ELIMIT where it would have to wait and threads of this node hold or await as
 *   many locks as it has slots (MERINO_LOCK_SLOTS): the thread has not come; MERINO_EHANDLE; MERINO_ENOTINIT;
 *   MERINO_EPEER.
 */
int merino_barrier_wait(merino_barrier_t barrier);

/* ---------------------------------------------------------------------------------------------------------
 * Fences
 * ------------------------------------------------------------------------------------------------------ */

/**
 * Acquire without a lock: asks every node what it has released so far; every release that completed before
 * this call began happens before what follows. Costs a round trip to each node.
 * @return MERINO_SUCCESS; MERINO_ENOTINIT; MERINO_EPEER.
 */
int merino_fence_acquire(void);

/**
 * Release without a lock: what this thread wrote before is in place when it returns, and is seen by every
 * acquire that is ordered after it, a merino_fence_acquire included.
 * @return MERINO_SUCCESS; MERINO_ENOTINIT; MERINO_EPEER.
 */
int merino_fence_release(void);

/* ---------------------------------------------------------------------------------------------------------
 * Atomics on shared words
 *
 * They act at the word's home, on the enclosing aligned 8 bytes: between two synchronisations nothing but
 * atomics may change any of these 8 bytes, two neighbouring 32-bit words included, and plain loads of them
 * may see an old value. Addresses are aligned to the word's size and lie in a view that allows the access
 * (a load needs reading, everything else writing).
 *
 * Without a suffix they are relaxed: the word itself changes in one order that all nodes agree upon, and
 * other memory is not ordered. _acquire adds a merino_fence_acquire after, _release a merino_fence_release
 * before, _acq_rel both. So a release form makes what this thread wrote before it visible to a thread whose
 * acquire form finds the value that it stored. The fences concern all shared memory and cost as they do.
 *
 * All return MERINO_SUCCESS; MERINO_EINVAL for an address that is not aligned; MERINO_EFAULT outside shared
 * memory; MERINO_EACCES; MERINO_ENOTINIT; MERINO_EPEER.
 * ------------------------------------------------------------------------------------------------------ */

/** Reads the word into `*value`. Relaxed. */
int merino_atomic_load_u32(const uint32_t *address, uint32_t *value);
/** As merino_atomic_load_u32, then an acquire fence. */
int merino_atomic_load_u32_acquire(const uint32_t *address, uint32_t *value);

/** Sets the word to `value`. Relaxed. */
int merino_atomic_store_u32(uint32_t *address, uint32_t value);
/** As merino_atomic_store_u32, after a release fence. */
int merino_atomic_store_u32_release(uint32_t *address, uint32_t value);

/** Sets the word to `value`; the value before goes to `*old`, unless that is NULL. Relaxed. */
int merino_atomic_exchange_u32(uint32_t *address, uint32_t value, uint32_t *old);
/** As merino_atomic_exchange_u32, then an acquire fence. */
int merino_atomic_exchange_u32_acquire(uint32_t *address, uint32_t value, uint32_t *old);
/** As merino_atomic_exchange_u32, after a release fence. */
int merino_atomic_exchange_u32_release(uint32_t *address, uint32_t value, uint32_t *old);
/** As merino_atomic_exchange_u32, after a release fence and before an acquire fence. */
int merino_atomic_exchange_u32_acq_rel(uint32_t *address, uint32_t value, uint32_t *old);

/**
 * Sets the word to `desired` if it is `expected`. The value before goes to `*old`, unless that is NULL:
 * the word was changed where it equals `expected`. Never fails spuriously. Relaxed.
 */
int merino_atomic_compare_exchange_u32(uint32_t *address, uint32_t expected, uint32_t desired, uint32_t *old);
/** As merino_atomic_compare_exchange_u32, then an acquire fence. */
int merino_atomic_compare_exchange_u32_acquire(uint32_t *address, uint32_t expected,
                                               uint32_t desired, uint32_t *old);
/** As merino_atomic_compare_exchange_u32, after a release fence. */
int merino_atomic_compare_exchange_u32_release(uint32_t *address, uint32_t expected,
                                               uint32_t desired, uint32_t *old);
/** As merino_atomic_compare_exchange_u32, after a release fence and before an acquire fence. */
int merino_atomic_compare_exchange_u32_acq_rel(uint32_t *address, uint32_t expected,
                                               uint32_t desired, uint32_t *old);

/** Adds to the word, modulo 2^32; the value before goes to `*old`, unless that is NULL. Relaxed. */
int merino_atomic_fetch_add_u32(uint32_t *address, uint32_t addend, uint32_t *old);
/** As merino_atomic_fetch_add_u32, then an acquire fence. */
int merino_atomic_fetch_add_u32_acquire(uint32_t *address, uint32_t addend, uint32_t *old);
/** As merino_atomic_fetch_add_u32, after a release fence. */
int merino_atomic_fetch_add_u32_release(uint32_t *address, uint32_t addend, uint32_t *old);
/** As merino_atomic_fetch_add_u32, after a release fence and before an acquire fence. */
int merino_atomic_fetch_add_u32_acq_rel(uint32_t *address, uint32_t addend, uint32_t *old);

/** Reads the word into `*value`. Relaxed. */
int merino_atomic_load_u64(const uint64_t *address, uint64_t *value);
/** As merino_atomic_load_u64, then an acquire fence. */
int merino_atomic_load_u64_acquire(const uint64_t *address, uint64_t *value);

/** Sets the word to `value`. Relaxed. */
int merino_atomic_store_u64(uint64_t *address, uint64_t value);
/** As merino_atomic_store_u64, after a release fence. */
int merino_atomic_store_u64_release(uint64_t *address, uint64_t value);

/** Sets the word to `value`; the value before goes to `*old`, unless that is NULL. Relaxed. */
int merino_atomic_exchange_u64(uint64_t *address, uint64_t value, uint64_t *old);
/** As merino_atomic_exchange_u64, then an acquire fence. */
int merino_atomic_exchange_u64_acquire(uint64_t *address, uint64_t value, uint64_t *old);
/** As merino_atomic_exchange_u64, after a release fence. */
int merino_atomic_exchange_u64_release(uint64_t *address, uint64_t value, uint64_t *old);
/** As merino_atomic_exchange_u64, after a release fence and before an acquire fence. */
int merino_atomic_exchange_u64_acq_rel(uint64_t *address, uint64_t value, uint64_t *old);

/**
 * Sets the word to `desired` if it is `expected`. The value before goes to `*old`, unless that is NULL:
 * the word was changed where it equals `expected`. Never fails spuriously. Relaxed.
 */
int merino_atomic_compare_exchange_u64(uint64_t *address, uint64_t expected, uint64_t desired, uint64_t *old);
/** As merino_atomic_compare_exchange_u64, then an acquire fence. */
int merino_atomic_compare_exchange_u64_acquire(uint64_t *address, uint64_t expected,
                                               uint64_t desired, uint64_t *old);
/** As merino_atomic_compare_exchange_u64, after a release fence. */
int merino_atomic_compare_exchange_u64_release(uint64_t *address, uint64_t expected,
                                               uint64_t desired, uint64_t *old);
/** As merino_atomic_compare_exchange_u64, after a release fence and before an acquire fence. */
int merino_atomic_compare_exchange_u64_acq_rel(uint64_t *address, uint64_t expected,
                                               uint64_t desired, uint64_t *old);

/** Adds to the word, modulo 2^64; the value before goes to `*old`, unless that is NULL. Relaxed. */
int merino_atomic_fetch_add_u64(uint64_t *address, uint64_t addend, uint64_t *old);
/** As merino_atomic_fetch_add_u64, then an acquire fence. */
int merino_atomic_fetch_add_u64_acquire(uint64_t *address, uint64_t addend, uint64_t *old);
/** As merino_atomic_fetch_add_u64, after a release fence. */
int merino_atomic_fetch_add_u64_release(uint64_t *address, uint64_t addend, uint64_t *old);
/** As merino_atomic_fetch_add_u64, after a release fence and before an acquire fence. */
int merino_atomic_fetch_add_u64_acq_rel(uint64_t *address, uint64_t addend, uint64_t *old);

/* ---------------------------------------------------------------------------------------------------------
 * Broadcast and reduction of small values
 * ------------------------------------------------------------------------------------------------------ */

/** How merino_allreduce_... combines the values of the nodes. */
typedef enum merino_op {
  /** The sum; of integers modulo 2^64. */
  MERINO_SUM = 0,
  /** The product; of integers modulo 2^64. */
  MERINO_PROD = 1,
  /** The smallest. */
  MERINO_MIN = 2,
  /** The largest. */
  MERINO_MAX = 3,
  /** The bitwise and, of integers only. */
  MERINO_BAND = 4,
  /** The bitwise or, of integers only. */
  MERINO_BOR = 5,
  /** The bitwise exclusive or, of integers only. */
  MERINO_BXOR = 6
} merino_op_t;

/**
 * Copies the root's bytes to all nodes. Collective, and a barrier of all nodes as merino_barrier is. Made for
 * small values such as a pointer; large data belong into shared memory.
 * @param buffer the bytes at the root, room for them elsewhere: private or shared memory.
 * @param bytes the same on all nodes; 0: only the barrier.
 * @param root the node whose bytes it is, the same on all nodes.
 * @return MERINO_SUCCESS; MERINO_EINVAL; MERINO_EMISMATCH; MERINO_ENOTINIT; MERINO_EPEER.
 */
int merino_broadcast(void *buffer, size_t bytes, int root);

/**
 * Combines `count` values of each node, element by element, and gives all nodes the result in place.
 * Collective, and a barrier of all nodes as merino_barrier is. Made for small values.
 * @param values this node's values, then the result: private or shared memory (not the same on two nodes).
 * @param count the same on all nodes; 0: only the barrier.
 * @param op the same on all nodes.
 * @return MERINO_SUCCESS; MERINO_EINVAL; MERINO_EMISMATCH; MERINO_ENOTINIT; MERINO_EPEER.
 */
int merino_allreduce_i64(int64_t *values, size_t count, merino_op_t op);

/** As merino_allreduce_i64, of unsigned values. */
int merino_allreduce_u64(uint64_t *values, size_t count, merino_op_t op);

/**
 * As merino_allreduce_i64, of doubles; MERINO_EINVAL for the bitwise operations. Combined in the order of the
 * nodes, so that the result is the same on all nodes and in every run, bit for bit.
 */
int merino_allreduce_f64(double *values, size_t count, merino_op_t op);

/* ---------------------------------------------------------------------------------------------------------
 * Hints, pinning, statistics
 * ------------------------------------------------------------------------------------------------------ */

/**
 * Fetches the pages of a range that are not here, all in flight at once. A hint: it orders nothing, and a
 * page may be gone again before it is used.
 * @param address anywhere in a view; the range lies in one view.
 * @param bytes the length of the range; 0 does nothing.
 * @return MERINO_SUCCESS; MERINO_EFAULT; MERINO_ENOTINIT; MERINO_EPEER.
 */
int merino_prefetch(const void *address, size_t bytes);

/**
 * Keeps the pages of a range accessible until merino_unpin: for system calls (which do not take page
 * faults: read(2) into a protected page gives EFAULT), MPI calls, devices. Coherence goes on: releases send
 * what changed, acquires merge what others changed. Pins of one range nest.
 * @param address anywhere in a view; the range lies in one view.
 * @param bytes the length of the range; 0 does nothing.
 * @param protection PROT_READ, or PROT_READ | PROT_WRITE.
 * @return MERINO_SUCCESS; MERINO_EINVAL; MERINO_EFAULT; MERINO_EACCES; MERINO_ENOTINIT; MERINO_EPEER.
 */
int merino_pin(void *address, size_t bytes, int protection);

/**
 * Ends a merino_pin of the same range.
 * @return MERINO_SUCCESS; MERINO_EFAULT where the range is not pinned; MERINO_ENOTINIT.
 */
int merino_unpin(void *address, size_t bytes);

/** Counters of this node since it joined; pages are coherence units. Differences tell what a phase did. */
typedef struct merino_stats {
  /** sizeof(merino_stats_t), set by MERINO_STATS_INIT. */
  size_t size;
  /** Page faults on loads. */
  uint64_t read_faults;
  /** Page faults on stores. */
  uint64_t write_faults;
  /** Pages READ from their home, by a fault, by read-ahead or by prefetch. */
  uint64_t pages_fetched;
  /** Bytes of these pages. */
  uint64_t bytes_fetched;
  /** Of these pages, those READ along with the one that a fault or a window of merino_prefetch began with. */
  uint64_t pages_fetched_ahead;
  /** Pages that got their home by a write of this node. */
  uint64_t first_touches;
  /** Twins made: first writes to cached pages. */
  uint64_t twins;
  /** Diffs sent to homes. */
  uint64_t diffs_sent;
  /** Bytes of these diffs: what had changed. */
  uint64_t diff_bytes_sent;
  /** Write notices appended to this node's log, one a page. */
  uint64_t notices_sent;
  /** Write notices of other nodes (ranges of pages) that this node applied. */
  uint64_t notices_received;
  /** Copies invalidated, by notices or overflows. */
  uint64_t invalidations;
  /** Acquires that found a log overwritten and invalidated every copy. */
  uint64_t log_overflows;
  /** Times a page at home was set exclusive: written without faults and notices. */
  uint64_t exclusive_pages;
  /** Pages that moved their home to this node. */
  uint64_t migrations_in;
  /** Pages that moved their home away from this node. */
  uint64_t migrations_out;
  /** Lock acquisitions handed over between threads of this node. */
  uint64_t locks_local;
  /** Lock acquisitions through the lock's home. The library's own locks count too: those of the
      allocator, and one for each step of a condition, semaphore or reader-writer lock. */
  uint64_t locks_remote;
  /** Barriers of all nodes. */
  uint64_t barriers;
  /** Atomics on shared words. */
  uint64_t atomics;
  /** Bytes of blocks in use in the heap, of all nodes, at this moment. */
  uint64_t heap_bytes_in_use;
  /** Bytes of the global address space in use by segments, of all nodes, at this moment. */
  uint64_t segment_bytes_in_use;
  /** Times a release left a copy writable, since this node writes it behind each of them. */
  uint64_t hot_pages;
} merino_stats_t;

/** Initialises a merino_stats_t. */
#define MERINO_STATS_INIT \
  { sizeof(merino_stats_t), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }

/**
 * Reads the counters. Exact for what happened before the call. The two amounts in use are asked from where
 * they are kept, a round trip each; when a node is lost they are 0.
 * @param stats initialised by MERINO_STATS_INIT; filled as far as its `size` goes.
 * @return MERINO_SUCCESS; MERINO_EINVAL; MERINO_ENOTINIT.
 */
int merino_stats(merino_stats_t *stats);

/* ---------------------------------------------------------------------------------------------------------
 * System V shared memory: the calls of <sys/shm.h>, across the nodes of the job
 *
 * They do what their namesakes do, with the flags, commands and structures of <sys/ipc.h> and <sys/shm.h>,
 * and give -1 with errno where those do; merino_last_error has the sentence. Keys and identifiers belong to
 * the job: they mean the same on all its nodes and are gone with it. What one node stores, another sees after
 * synchronising by Merino (docs/memory-model.md); docs/system-v.md tells of the library that does this for
 * programs that do not know Merino. Besides the errnos of their namesakes: ENOSYS before merino_init, EPERM
 * in the child of a fork(), EHOSTDOWN where a node is lost, EIO where the fabric has failed.
 * ------------------------------------------------------------------------------------------------------ */

/**
 * Finds the shared memory of a key, or makes it: zeros, as shmget(2).
 * @param key IPC_PRIVATE, or a key that the nodes agree upon. (ftok(3) gives different keys on different
 *   hosts.)
 * @param bytes at least 1 where it is made; at most what it was made with where it is found.
 * @param flags the permissions, with IPC_CREAT, IPC_EXCL; the flags for huge pages are ignored.
 * @return an identifier; -1 with errno: ENOENT, EEXIST, EACCES, EINVAL, ENOSPC, ENOMEM.
 */
int merino_shmget(int32_t key, size_t bytes, int flags);

/**
 * Attaches it to this process, as shmat(2). At NULL the first attachment is at the same address on every
 * node, so that pointers in it mean the same everywhere; further ones of a process are at others.
 * @param identifier what merino_shmget gave, on any node.
 * @param address NULL, or where: a multiple of the page size, or SHM_RND is set.
 * @param flags SHM_RDONLY, SHM_RND. SHM_REMAP and SHM_EXEC are not supported (EINVAL).
 * @return the address; (void *)-1 with errno: EINVAL, EACCES, ENOMEM, ENOSPC.
 */
void *merino_shmat(int identifier, const void *address, int flags);

/**
 * Detaches it, as shmdt(2).
 * @param address what merino_shmat gave.
 * @return 0; -1 with errno: EINVAL.
 */
int merino_shmdt(const void *address);

/**
 * Removes, describes or changes it, as shmctl(2).
 * @param identifier what merino_shmget gave; for SHM_STAT a place in the job's table.
 * @param command IPC_STAT, IPC_SET, IPC_RMID, and Linux' SHM_LOCK, SHM_UNLOCK, SHM_STAT, SHM_STAT_ANY,
 *   IPC_INFO, SHM_INFO.
 * @param buffer a struct shmid_ds *; for IPC_INFO a struct shminfo *, for SHM_INFO a struct shm_info *.
 *   Process numbers in it are those of each process on its own host.
 * @return 0, or what shmctl(2) says for the last four; -1 with errno: EINVAL, EACCES, EPERM, EFAULT.
 */
int merino_shmctl(int identifier, int command, void *buffer);

#ifdef __cplusplus
}
#endif

#endif /* MERINO_H */
