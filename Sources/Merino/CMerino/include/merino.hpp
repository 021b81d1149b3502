/**
 * @file merino.hpp
 * Merino for C++14 and later: merino.h as classes, without a library of its own. merino.h says what
 * everything means; here is only what C++ adds.
 *
 * **Errors** are exceptions: merino::error with the code and the whole sentence, merino::bad_alloc where
 * memory is asked for. A call that throws has changed nothing, except where merino.h says so.
 *
 * **Threads**: as in merino.h; every function may be called by any thread while the process has joined.
 *
 * **What may lie in shared memory.** Addresses are the same on all nodes, so pointers, and containers with
 * merino::allocator, mean the same everywhere; who uses a container, and when, is up to the program's locks,
 * as between threads. Objects with virtual functions, pointers to functions, std::type_info and references to
 * static objects hold addresses of the program itself, which differ between nodes unless all run the same
 * executable without address randomisation. std::mutex, std::atomic and what is built on them order nothing
 * between nodes.
 *
 * **Left out**
 * - merino_handle_fault: for signal handlers, which are C
 * - merino_calloc: merino::allocator and merino::create construct what they allocate
 * - merino_realloc: moves bytes, and C++ moves objects
 * - merino_shmget: for programs that have <sys/shm.h>; new ones take merino::segment
 * - merino_shmat: the same
 * - merino_shmdt: the same
 * - merino_shmctl: the same
 */
#ifndef MERINO_HPP
#define MERINO_HPP

#include "merino.h"

#include "merino/atomic.hpp"
#include "merino/cluster.hpp"
#include "merino/error.hpp"
#include "merino/memory.hpp"
#include "merino/segment.hpp"
#include "merino/synchronisation.hpp"

#endif
