// What a SIGSEGV handler needs and Swift cannot say: the fields of siginfo_t and ucontext_t, and calls of
// other people's handlers through function pointers, which @_noLocks refuses.
#ifndef CFAULTHANDLER_H
#define CFAULTHANDLER_H

#include <signal.h>
#include <stdint.h>

#include "../../../Machine/CPlatform/include/NoLocks.h"

typedef void (*cfault_entry)(int signal, void *info, void *context);

enum {
  /// Not a data access that the protection of a mapped page refused.
  CFAULT_NONE = 0,
  CFAULT_READ = 1,
  CFAULT_WRITE = 2,
};

/// What kind of access faulted. CFAULT_NONE for everything that raising a page's protection cannot cure:
/// signals that were sent, unmapped memory, execution, protection keys.
MERINO_NO_LOCKS int cfault_access(const void *info, const void *context);

/// The address that was accessed.
MERINO_NO_LOCKS uint64_t cfault_address(const void *info);

/// Nonzero for an access to an address where nothing is mapped.
MERINO_NO_LOCKS int cfault_is_missing(const void *info);

/// Makes `entry` the handler of SIGSEGV and keeps the action before. 0 or errno. Not thread-safe.
int cfault_install(cfault_entry entry);

/// Takes the handler out again. 1: the action before is back. 0: somebody has installed a handler over ours,
/// which therefore stays and passes everything on to the action before. Not thread-safe.
int cfault_uninstall(void);

/// Nonzero between install and uninstall, but 0 in a child made by fork().
MERINO_NO_LOCKS int cfault_is_active(void);

/// Nonzero in a child made by fork(), or by clone(2) without CLONE_VM, between install and uninstall.
MERINO_NO_LOCKS int cfault_is_forked_child(void);

/// Does with the signal what the action before ours would have done. Called from the handler, as its last
/// act: the handler of the application may leave by siglongjmp, or ask the kernel to end the process.
MERINO_NO_LOCKS void cfault_forward(int signal, void *info, void *context);

#endif
