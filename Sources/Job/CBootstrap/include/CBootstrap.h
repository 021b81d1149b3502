// What Swift cannot reach for joining and launching: control messages (their macros do not import),
// credentials of a peer, fork and exec with everything that must happen between the two.
// Every function is a thin cover of system calls; failures are -1 with errno unless said otherwise.
#ifndef CBOOTSTRAP_H
#define CBOOTSTRAP_H

#include "CBootstrapPmix.h"
#include <signal.h>
#include <stdint.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/types.h>

/// Descriptors that fit one message: the kernel's SCM_MAX_FD is 253.
#define CBOOTSTRAP_DESCRIPTORS_PER_MESSAGE 128

/// A listening stream socket at `path`: close-on-exec, non-blocking. "@name" is no file but a name that the
/// kernel keeps for the network namespace while the socket is open.
int cbootstrap_listen(const char *path, int backlog);
/// A connected stream socket: close-on-exec, blocking.
int cbootstrap_connect(const char *path);
/// The next connection: close-on-exec, non-blocking.
int cbootstrap_accept(int listener);
/// Two connected stream sockets: close-on-exec, non-blocking.
int cbootstrap_event_pair(int descriptors[2]);
/// Whether it is one end of a connection between processes of this machine, which others may hand over as
/// anything.
int cbootstrap_is_local_stream(int descriptor);
/// Process and effective user at the other end, as they were when the connection was made.
int cbootstrap_peer(int connection, pid_t *process, uid_t *user);

/// A listening TCP socket, close-on-exec and non-blocking; `host` NULL is every address of IPv4 and IPv6.
/// Where a name is the trouble, `name_error` says why, else it is NULL and errno does.
int cbootstrap_tcp_listen(const char *host, const char *port, int backlog, const char **name_error);
/// The port that a listener has.
int cbootstrap_tcp_port(int listener);
/// A connected TCP socket, close-on-exec and non-blocking; each address of the host has the time limit.
int cbootstrap_tcp_connect(const char *host, const char *port, int timeout_milliseconds,
                           const char **name_error);
/// Has the kernel notice within 10 s that the other host is gone. `bounds_sending`: also where what was
/// sent is not taken; a process that was stopped looks the same then.
int cbootstrap_tcp_watch(int connection, int bounds_sending);
/// "10.1.2.3:4711", "[::1]:4711".
int cbootstrap_tcp_peer(int connection, char *text, size_t size);
/// Addresses by which other hosts may reach this one, a line each, IPv4 first.
int cbootstrap_local_addresses(char *text, size_t size);

/// send(2) that also passes `descriptor_count` descriptors; never raises SIGPIPE.
ssize_t cbootstrap_send(int connection, const void *bytes, size_t byte_count, const int *descriptors,
                        int descriptor_count, int flags);
/// recv(2) that also takes up to CBOOTSTRAP_DESCRIPTORS_PER_MESSAGE descriptors, close-on-exec.
/// `truncated` is set where descriptors were lost because this process may not open more.
ssize_t cbootstrap_receive(int connection, void *bytes, size_t byte_count, int *descriptors,
                           int *descriptor_count, int *truncated, int flags);

/// Makes this copy of the library the one that joins in this process. 0 where another copy has, or is about
/// to; then `path` receives the file that it is in, "" for the program itself. Not thread-safe within a copy.
int cbootstrap_claim_process(char *path, size_t size);
/// Takes the claim back: the join failed.
void cbootstrap_give_up_claim(void);

/// fork(2); only for a process of a single thread.
pid_t cbootstrap_fork(void);
/// Orphans among the descendants of this process become its children.
int cbootstrap_become_subreaper(void);

/// A program to start. The child dies by SIGKILL when the thread that started it dies.
typedef struct {
  const char *program; /* looked up in PATH unless it has a slash */
  char *const *arguments;
  char *const *environment;
  int standard_input, standard_output, standard_error; /* -1: inherited */
  sigset_t signal_mask;
  struct sigaction broken_pipe_action;
  struct rlimit open_files;
  /* not 0: in a process group of its own, which the terminal's signals do not reach */
  int own_process_group;
} cbootstrap_program_t;

/// 0 and the process, or the error number of what failed in the child (exec above all).
int cbootstrap_spawn(const cbootstrap_program_t *program, pid_t *process);

/// A descriptor from which the signals of the set (which the caller blocks) are read.
int cbootstrap_signal_descriptor(const sigset_t *signals);
/// 1 and the signal, 0 when none is waiting, -1.
int cbootstrap_read_signal(int descriptor, int *number, int *code);

/// The parent of a process, -1 where there is no such process.
pid_t cbootstrap_parent(pid_t process);
/// The environment of this process, ending with a null pointer.
char **cbootstrap_environment(void);

/// kill(2) for a process that was seen as a child of `parent`: nothing happens where the id
/// belongs to somebody else by now.
int cbootstrap_signal_child(pid_t process, pid_t parent, int number);

/// What an MPI library in this process is at; none that was found where there is none.
typedef enum {
  CBOOTSTRAP_MPI_ABSENT,
  CBOOTSTRAP_MPI_LOADED,
  CBOOTSTRAP_MPI_INITIALIZED,
  CBOOTSTRAP_MPI_FINALIZED
} cbootstrap_mpi_t;
cbootstrap_mpi_t cbootstrap_mpi(void);
/// Whether this process has the shared library of this name.
int cbootstrap_has_library(const char *name);

#endif
