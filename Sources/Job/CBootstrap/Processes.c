#define _GNU_SOURCE
#include "CBootstrap.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

pid_t cbootstrap_fork(void) { return fork(); }

int cbootstrap_become_subreaper(void) { return prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); }

static int redirect(int from, int to) { return from < 0 || dup2(from, to) >= 0; }

/// In the child, after fork: returns only on failure, with errno.
static void become(const cbootstrap_program_t *program, pid_t parent) {
  if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0) return;
  // The parent may have died before the call above: then nobody will send the signal any more.
  if (getppid() != parent) _exit(128 + SIGKILL);
  if (!redirect(program->standard_input, 0) || !redirect(program->standard_output, 1) ||
      !redirect(program->standard_error, 2))
    return;
  // The launcher's own needs (many descriptors, signals read from a descriptor) are not the program's.
  if (setrlimit(RLIMIT_NOFILE, &program->open_files) != 0) return;
  if (program->own_process_group && setpgid(0, 0) != 0) return;
  if (sigaction(SIGPIPE, &program->broken_pipe_action, NULL) != 0) return;
  if (sigprocmask(SIG_SETMASK, &program->signal_mask, NULL) != 0) return;
  execvpe(program->program, program->arguments, program->environment);
}

int cbootstrap_spawn(const cbootstrap_program_t *program, pid_t *process) {
  int failure[2];
  if (pipe2(failure, O_CLOEXEC) != 0) return errno;
  pid_t parent = getpid();
  pid_t child = fork();
  if (child == 0) {
    become(program, parent);
    int error = errno;
    ssize_t ignored = write(failure[1], &error, sizeof error);
    (void)ignored;
    _exit(127);
  }
  int error = child < 0 ? errno : 0;
  close(failure[1]);
  if (child > 0) {
    // End of file: exec has closed the child's end, the program runs.
    ssize_t received;
    while ((received = read(failure[0], &error, sizeof error)) < 0 && errno == EINTR) {}
    if (received == (ssize_t)sizeof error)
      while (waitpid(child, NULL, 0) < 0 && errno == EINTR) {}
    else
      error = 0;
  }
  close(failure[0]);
  *process = child;
  return error;
}

int cbootstrap_signal_descriptor(const sigset_t *signals) {
  return signalfd(-1, signals, SFD_CLOEXEC | SFD_NONBLOCK);
}

int cbootstrap_read_signal(int descriptor, int *number, int *code) {
  struct signalfd_siginfo information;
  ssize_t received = read(descriptor, &information, sizeof information);
  if (received < 0) return errno == EAGAIN || errno == EINTR ? 0 : -1;
  if (received != (ssize_t)sizeof information) return 0;
  *number = (int)information.ssi_signo;
  *code = information.ssi_code;
  return 1;
}

char **cbootstrap_environment(void) { return environ; }

pid_t cbootstrap_parent(pid_t process) {
  char path[64], text[512];
  snprintf(path, sizeof path, "/proc/%d/stat", (int)process);
  int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return -1;
  ssize_t length = read(file, text, sizeof text - 1);
  close(file);
  if (length <= 0) return -1;
  text[length] = 0;
  // "pid (name) state parent ...": the name may hold anything, its end is the last parenthesis.
  char *end = strrchr(text, ')');
  return end == NULL || strlen(end) < 5 ? -1 : (pid_t)atoi(end + 4);
}

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#ifndef SYS_pidfd_send_signal
#define SYS_pidfd_send_signal 424
#endif

int cbootstrap_signal_child(pid_t process, pid_t parent, int number) {
  // The descriptor pins the process; whoever has the id now is looked at after pinning.
  int pinned = (int)syscall(SYS_pidfd_open, process, 0);
  if (pinned < 0 && errno != ENOSYS && errno != EPERM) return -1;
  if (cbootstrap_parent(process) != parent) {
    if (pinned >= 0) close(pinned);
    errno = ESRCH;
    return -1;
  }
  if (pinned < 0) return kill(process, number);
  int result = (int)syscall(SYS_pidfd_send_signal, pinned, number, NULL, 0);
  int error = errno;
  close(pinned);
  errno = error;
  return result;
}
