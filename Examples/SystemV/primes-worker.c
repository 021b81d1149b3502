/* primes-worker PATH: takes ranges from the server's board until there are no more. May be started before the server. */
#include <errno.h>

#include "primes.h"

static int take(int semaphores, struct board *board, int *to) {
  change(semaphores, USED, -1);
  change(semaphores, TURN, -1);
  int from = board->from[board->next_out % SLOTS];
  *to = board->to[board->next_out % SLOTS];
  board->next_out++;
  change(semaphores, TURN, 1);
  change(semaphores, FREE, 1);
  return from;
}

static int is_prime(int number) {
  for (int divisor = 2; divisor * divisor <= number; divisor++) {
    if (number % divisor == 0) return 0;
  }
  return 1;
}

int main(int count, char **arguments) {
  if (count != 2) {
    fprintf(stderr, "usage: primes-worker PATH\n");
    return 2;
  }
  int memory, semaphores, to;
  while ((memory = shmget(key(arguments[1]), sizeof(struct board), 0)) < 0 && errno == ENOENT) usleep(10000);
  while ((semaphores = semget(key(arguments[1]), SEMAPHORES, 0)) < 0 && errno == ENOENT) usleep(10000);
  struct board *board = memory >= 0 ? shmat(memory, NULL, 0) : (void *)-1;
  if (semaphores < 0 || board == (void *)-1) {
    perror("primes-worker");
    return 1;
  }
  long primes = 0;
  for (int from; (from = take(semaphores, board, &to)) != to;) {
    for (int number = from; number < to; number++) primes += is_prime(number);
  }
  change(semaphores, TURN, -1);
  board->primes += primes;
  change(semaphores, TURN, 1);
  shmdt(board);
  change(semaphores, ENDED, 1);
  return 0;
}
