// Coroutines for the simulator: many flows of control on one thread of the system, switched by hand.
//
// A stack comes from a pool and has a guard page below it, so running off its end is a fault and not a
// silent overwrite. A pool and all that came from it belong to one thread of the system.
#ifndef CCOROUTINE_H
#define CCOROUTINE_H

#include <stddef.h>

/// A flow of control: its saved stack pointer and, but for the host's, its stack.
typedef struct ccoroutine ccoroutine_t;
/// Stacks ready for use.
typedef struct ccoroutine_pool ccoroutine_pool_t;

/// A pool of stacks of at least `stack_bytes` each; NULL where memory is short.
ccoroutine_pool_t *ccoroutine_pool_create(size_t stack_bytes);
/// Unmaps every stack of the pool. No coroutine of it may be running.
void ccoroutine_pool_destroy(ccoroutine_pool_t *pool);

/// The context of the thread that uses the pool: where `ccoroutine_switch` from the outside saves itself.
ccoroutine_t *ccoroutine_host(ccoroutine_pool_t *pool);

/// A coroutine that will run `body(argument)` at the first switch to it. `body` never returns: it ends by a
/// switch away after which nobody switches back. NULL where a stack cannot be mapped (see errno).
ccoroutine_t *ccoroutine_create(ccoroutine_pool_t *pool, void (*body)(void *), void *argument);

/// Gives the stack back to its pool. What it held is forgotten, not unwound.
void ccoroutine_recycle(ccoroutine_pool_t *pool, ccoroutine_t *coroutine);

/// Saves the running context in `from` and goes on in `to`; returns when somebody switches to `from`.
void ccoroutine_switch(ccoroutine_t *from, ccoroutine_t *to);

#endif
