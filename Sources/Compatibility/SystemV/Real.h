/* libc's functions that stand behind those of this library. */
#ifndef MERINO_SYSV_REAL_H
#define MERINO_SYSV_REAL_H

#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/ipc.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#include "SystemV.h"

struct iovec;

/* F(result, name, arguments) */
#define SYSV_REAL_FUNCTIONS(F) \
  F(int, shmget, (key_t, size_t, int)) \
  F(void *, shmat, (int, const void *, int)) \
  F(int, shmdt, (const void *)) \
  F(int, shmctl, (int, int, struct shmid_ds *)) \
  F(int, semget, (key_t, int, int)) \
  F(int, semop, (int, struct sembuf *, size_t)) \
  F(int, semtimedop, (int, struct sembuf *, size_t, const struct timespec *)) \
  F(int, semctl, (int, int, int, ...)) \
  F(key_t, ftok, (const char *, int)) \
  F(int, pthread_mutex_init, (pthread_mutex_t *, const pthread_mutexattr_t *)) \
  F(int, pthread_mutex_destroy, (pthread_mutex_t *)) \
  F(int, pthread_mutex_lock, (pthread_mutex_t *)) \
  F(int, pthread_mutex_trylock, (pthread_mutex_t *)) \
  F(int, pthread_mutex_timedlock, (pthread_mutex_t *, const struct timespec *)) \
  F(int, pthread_mutex_clocklock, (pthread_mutex_t *, clockid_t, const struct timespec *)) \
  F(int, pthread_mutex_unlock, (pthread_mutex_t *)) \
  F(int, pthread_mutex_consistent, (pthread_mutex_t *)) \
  F(int, pthread_spin_init, (pthread_spinlock_t *, int)) \
  F(int, pthread_spin_destroy, (pthread_spinlock_t *)) \
  F(int, pthread_spin_lock, (pthread_spinlock_t *)) \
  F(int, pthread_spin_trylock, (pthread_spinlock_t *)) \
  F(int, pthread_spin_unlock, (pthread_spinlock_t *)) \
  F(int, pthread_cond_init, (pthread_cond_t *, const pthread_condattr_t *)) \
  F(int, pthread_cond_destroy, (pthread_cond_t *)) \
  F(int, pthread_cond_wait, (pthread_cond_t *, pthread_mutex_t *)) \
  F(int, pthread_cond_timedwait, (pthread_cond_t *, pthread_mutex_t *, const struct timespec *)) \
  F(int, pthread_cond_clockwait, (pthread_cond_t *, pthread_mutex_t *, clockid_t, const struct timespec *)) \
  F(int, pthread_cond_signal, (pthread_cond_t *)) \
  F(int, pthread_cond_broadcast, (pthread_cond_t *)) \
  F(int, pthread_barrier_init, (pthread_barrier_t *, const pthread_barrierattr_t *, unsigned)) \
  F(int, pthread_barrier_destroy, (pthread_barrier_t *)) \
  F(int, pthread_barrier_wait, (pthread_barrier_t *)) \
  F(int, pthread_rwlock_init, (pthread_rwlock_t *, const pthread_rwlockattr_t *)) \
  F(int, pthread_rwlock_destroy, (pthread_rwlock_t *)) \
  F(int, pthread_rwlock_rdlock, (pthread_rwlock_t *)) \
  F(int, pthread_rwlock_tryrdlock, (pthread_rwlock_t *)) \
  F(int, pthread_rwlock_timedrdlock, (pthread_rwlock_t *, const struct timespec *)) \
  F(int, pthread_rwlock_clockrdlock, (pthread_rwlock_t *, clockid_t, const struct timespec *)) \
  F(int, pthread_rwlock_wrlock, (pthread_rwlock_t *)) \
  F(int, pthread_rwlock_trywrlock, (pthread_rwlock_t *)) \
  F(int, pthread_rwlock_timedwrlock, (pthread_rwlock_t *, const struct timespec *)) \
  F(int, pthread_rwlock_clockwrlock, (pthread_rwlock_t *, clockid_t, const struct timespec *)) \
  F(int, pthread_rwlock_unlock, (pthread_rwlock_t *)) \
  F(int, sem_init, (sem_t *, int, unsigned)) \
  F(int, sem_destroy, (sem_t *)) \
  F(int, sem_wait, (sem_t *)) \
  F(int, sem_trywait, (sem_t *)) \
  F(int, sem_timedwait, (sem_t *, const struct timespec *)) \
  F(int, sem_clockwait, (sem_t *, clockid_t, const struct timespec *)) \
  F(int, sem_post, (sem_t *)) \
  F(int, sem_getvalue, (sem_t *, int *)) \
  F(unsigned, sleep, (unsigned)) \
  F(int, usleep, (useconds_t)) \
  F(int, nanosleep, (const struct timespec *, struct timespec *)) \
  F(int, clock_nanosleep, (clockid_t, int, const struct timespec *, struct timespec *)) \
  F(int, sched_yield, (void)) \
  F(int, poll, (struct pollfd *, nfds_t, int)) \
  F(int, select, (int, fd_set *, fd_set *, fd_set *, struct timeval *)) \
  F(int, epoll_wait, (int, struct epoll_event *, int, int)) \
  F(int, close, (int)) \
  F(int, shutdown, (int, int)) \
  F(int, fclose, (FILE *)) \
  F(int, fflush, (FILE *)) \
  F(int, flock, (int, int)) \
  F(int, lockf, (int, int, off_t)) \
  F(int, fcntl, (int, int, ...)) \
  F(ssize_t, read, (int, void *, size_t)) \
  F(ssize_t, pread, (int, void *, size_t, off_t)) \
  F(ssize_t, readv, (int, const struct iovec *, int)) \
  F(ssize_t, recv, (int, void *, size_t, int)) \
  F(ssize_t, recvfrom, (int, void *, size_t, int, struct sockaddr *, socklen_t *)) \
  F(ssize_t, recvmsg, (int, struct msghdr *, int)) \
  F(ssize_t, preadv, (int, const struct iovec *, int, off_t)) \
  F(size_t, fread_unlocked, (void *, size_t, size_t, FILE *)) \
  F(size_t, fread, (void *, size_t, size_t, FILE *)) \
  F(ssize_t, write, (int, const void *, size_t)) \
  F(ssize_t, pwrite, (int, const void *, size_t, off_t)) \
  F(ssize_t, writev, (int, const struct iovec *, int)) \
  F(ssize_t, send, (int, const void *, size_t, int)) \
  F(ssize_t, sendto, (int, const void *, size_t, int, const struct sockaddr *, socklen_t)) \
  F(ssize_t, sendmsg, (int, const struct msghdr *, int)) \
  F(ssize_t, pwritev, (int, const struct iovec *, int, off_t)) \
  F(size_t, fwrite_unlocked, (const void *, size_t, size_t, FILE *)) \
  F(size_t, fwrite, (const void *, size_t, size_t, FILE *)) \
  F(int, sigaction, (int, const struct sigaction *, struct sigaction *)) \
  F(sighandler_t, signal, (int, sighandler_t)) \
  F(int, sigsuspend, (const sigset_t *)) \
  F(int, sigaltstack, (const stack_t *, stack_t *)) \
  F(int, sigprocmask, (int, const sigset_t *, sigset_t *)) \
  F(int, pthread_sigmask, (int, const sigset_t *, sigset_t *))

struct sysv_real {
#define SYSV_MEMBER(result, name, arguments) result(*name) arguments;
  SYSV_REAL_FUNCTIONS(SYSV_MEMBER)
#undef SYSV_MEMBER
  int is_ready; /* set last */
};
extern struct sysv_real sysv_real;
void sysv_real_find(void);

/* Other libraries' constructors may call before ours has run. */
static inline const struct sysv_real *real(void) {
  if (!__atomic_load_n(&sysv_real.is_ready, __ATOMIC_ACQUIRE)) sysv_real_find();
  return &sysv_real;
}

#endif
