/* primes-server PATH LIMIT WORKERS: gives ranges of numbers to workers, which are processes of another program. PATH names
 * the board, by ftok(3). */
#include "primes.h"

union semun {
  int val;
};

static void put(int semaphores, struct board *board, int from, int to) {
  change(semaphores, FREE, -1);
  change(semaphores, TURN, -1);
  board->from[board->next_in % SLOTS] = from;
  board->to[board->next_in % SLOTS] = to;
  board->next_in++;
  change(semaphores, TURN, 1);
  change(semaphores, USED, 1);
}

int main(int count, char **arguments) {
  if (count != 4) {
    fprintf(stderr, "usage: primes-server PATH LIMIT WORKERS\n");
    return 2;
  }
  int limit = atoi(arguments[2]), workers = atoi(arguments[3]);
  int memory = shmget(key(arguments[1]), sizeof(struct board), IPC_CREAT | 0600);
  int semaphores = semget(key(arguments[1]), SEMAPHORES, IPC_CREAT | 0600);
  struct board *board = memory >= 0 ? shmat(memory, NULL, 0) : (void *)-1;
  if (semaphores < 0 || board == (void *)-1) {
    perror("primes-server");
    return 1;
  }
  union semun slots = {.val = SLOTS}, one = {.val = 1};
  semctl(semaphores, FREE, SETVAL, slots);
  semctl(semaphores, TURN, SETVAL, one);
  for (int from = 2; from < limit; from += 10000) put(semaphores, board, from, from + 10000 < limit ? from + 10000 : limit);
  for (int i = 0; i < workers; i++) put(semaphores, board, 0, 0);
  change(semaphores, ENDED, -workers);
  printf("%ld primes below %d\n", board->primes, limit);
  shmdt(board);
  shmctl(memory, IPC_RMID, NULL);
  semctl(semaphores, 0, IPC_RMID);
  return 0;
}
