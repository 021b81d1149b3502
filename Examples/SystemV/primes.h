/* What the server and its workers share. An ordinary program of the System V style: it knows nothing of Merino, and runs
 * on one machine as it is, or on the nodes of a job with libmerino-sysv.so before libc (docs/system-v.md). */
#ifndef PRIMES_H
#define PRIMES_H

#include <stdio.h>
#include <stdlib.h>
#include <sys/ipc.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <unistd.h>

enum { SLOTS = 8 };
/* The semaphores: slots to fill, slots to empty, whose turn it is to change the board, and who has ended. */
enum { FREE, USED, TURN, ENDED, SEMAPHORES };

struct board {
  int from[SLOTS], to[SLOTS]; /* from == to: no more work */
  int next_in, next_out;
  long primes;
};

static key_t key(const char *path) {
  key_t found = ftok(path, 'p');
  if (found == -1) {
    perror(path);
    exit(1);
  }
  return found;
}

static void change(int semaphores, int number, int by) {
  struct sembuf operation = {(unsigned short)number, (short)by, 0};
  if (semop(semaphores, &operation, 1) != 0) {
    perror("semop");
    exit(1);
  }
}

#endif
