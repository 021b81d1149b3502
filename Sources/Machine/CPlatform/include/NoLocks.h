// Admits a function to code that is marked @_noLocks in Swift: it takes no lock and allocates nothing. For
// the C headers of all targets; a header of its own, so that those that want nothing else of CPlatform
// include it by its path.
#ifndef MERINO_NO_LOCKS_H
#define MERINO_NO_LOCKS_H

#if defined(__clang__) && defined(__swift__)
#define MERINO_NO_LOCKS __attribute__((swift_attr("@_noLocks")))
#else
#define MERINO_NO_LOCKS
#endif

#endif
