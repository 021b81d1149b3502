/*
 * treadmarks: the shortest round trip through some cities by branch and bound, written for TreadMarks.
 *
 *   merino run -n 4 -- out/examples/treadmarks [CITIES]
 *
 * Process 0 draws the map, which is a private variable that it distributes, and allocates the queue of partial tours,
 * which is shared. All processes take the most promising tour from the queue under a lock; short ones they
 * lengthen by each city that is left and put back, long ones they finish by themselves. The shortest trip so far
 * lies beside the queue. In the end process 0 searches alone, and compares.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <Tmk.h>

enum { MOST = 16, ROOM = 20000, SHORT = 4, QUEUE = 0, NOT_EMPTY = 0 };

struct tour {
  int bound;  /* no trip that begins so is shorter */
  int length; /* so far */
  int count;
  unsigned char city[MOST];
};

/* In shared memory, under the lock QUEUE. */
struct queue {
  int count, busy; /* tours in it; processes at work on one */
  int shortest;
  unsigned char trip[MOST];
  long taken[TMK_NPROCS];  /* by each process */
  struct tour tours[ROOM]; /* a heap: the lowest bound first */
};

/* The same in all processes, by Tmk_distribute. */
static int cities;
static int distance[MOST][MOST], nearest[MOST];
static struct queue *queue;

static void draw_map(int number) {
  int x[MOST], y[MOST];
  unsigned state = 12345;
  cities = number;
  for (int i = 0; i < cities; i++) {
    x[i] = (int)((state = state * 1103515245u + 12345u) >> 16 & 1023);
    y[i] = (int)((state = state * 1103515245u + 12345u) >> 16 & 1023);
  }
  for (int i = 0; i < cities; i++) {
    nearest[i] = INT_MAX;
    for (int j = 0; j < cities; j++) {
      distance[i][j] = abs(x[i] - x[j]) + abs(y[i] - y[j]);
      if (j != i && distance[i][j] < nearest[i]) nearest[i] = distance[i][j];
    }
  }
}

static int has(const struct tour *tour, int city) { return memchr(tour->city, city, (size_t)tour->count) != NULL; }

/* The tour with one more city. */
static struct tour longer(const struct tour *tour, int city) {
  struct tour next = *tour;
  next.length += distance[tour->city[tour->count - 1]][city];
  next.city[next.count++] = (unsigned char)city;
  next.bound = next.length + nearest[city];
  for (int i = 0; i < cities; i++) next.bound += has(&next, i) ? 0 : nearest[i];
  return next;
}

/* Searches all trips that begin so, and keeps the shortest in `best`. */
static void finish(const struct tour *tour, struct tour *best) {
  if (tour->count == cities) {
    int length = tour->length + distance[tour->city[cities - 1]][tour->city[0]];
    if (length < best->length) {
      *best = *tour;
      best->length = length;
    }
    return;
  }
  for (int i = 0; i < cities; i++) {
    if (has(tour, i)) continue;
    struct tour next = longer(tour, i);
    if (next.bound < best->length) finish(&next, best);
  }
}

static void put(const struct tour *tour) {
  if (queue->count == ROOM) {
    fprintf(stderr, "treadmarks: the queue has no room for more than %d tours\n", ROOM);
    Tmk_exit(2);
  }
  int i = queue->count++;
  for (; i > 0 && queue->tours[(i - 1) / 2].bound > tour->bound; i = (i - 1) / 2) {
    queue->tours[i] = queue->tours[(i - 1) / 2];
  }
  queue->tours[i] = *tour;
}

static struct tour take(void) {
  struct tour first = queue->tours[0], last = queue->tours[--queue->count];
  int i = 0, child;
  for (; (child = 2 * i + 1) < queue->count; i = child) {
    if (child + 1 < queue->count && queue->tours[child + 1].bound < queue->tours[child].bound) child++;
    if (queue->tours[child].bound >= last.bound) break;
    queue->tours[i] = queue->tours[child];
  }
  queue->tours[i] = last;
  return first;
}

/* Takes tours until there are none, and nobody is at work who might put some. */
static void work(void) {
  Tmk_lock_acquire(QUEUE);
  for (;;) {
    while (queue->count == 0 && queue->busy > 0) Tmk_cond_wait(QUEUE, NOT_EMPTY);
    if (queue->count == 0) break;
    struct tour tour = take(), best = {0};
    if (tour.bound >= queue->shortest) continue;
    queue->busy++;
    queue->taken[Tmk_proc_id]++;
    if (tour.count < SHORT) {
      for (int i = 0; i < cities; i++) {
        if (has(&tour, i)) continue;
        struct tour next = longer(&tour, i);
        put(&next);
      }
    } else {
      best.length = queue->shortest;
      Tmk_lock_release(QUEUE);
      finish(&tour, &best);
      Tmk_lock_acquire(QUEUE);
      if (best.count == cities && best.length < queue->shortest) {
        queue->shortest = best.length;
        memcpy(queue->trip, best.city, sizeof best.city);
      }
    }
    queue->busy--;
    Tmk_cond_broadcast(QUEUE, NOT_EMPTY);
  }
  Tmk_lock_release(QUEUE);
}

/* The length of the trip that was found; -1 if it does not pass every city once. */
static int trip_length(void) {
  unsigned seen = 0;
  int length = 0;
  for (int i = 0; i < cities; i++) {
    seen |= 1u << queue->trip[i];
    length += distance[queue->trip[i]][queue->trip[(i + 1) % cities]];
  }
  return seen == (1u << cities) - 1 ? length : -1;
}

int main(int argc, char **argv) {
  const struct tour start = {.count = 1};
  int number = argc > 1 ? atoi(argv[1]) : 12, failed = 0;
  if (number <= SHORT || number > MOST) {
    fprintf(stderr, "usage: treadmarks [CITIES], %d to %d\n", SHORT + 1, MOST);
    return 2;
  }
  Tmk_startup(argc, argv);
  if (Tmk_proc_id == 0) {
    draw_map(number);
    queue = Tmk_malloc(sizeof *queue);
    memset(queue, 0, sizeof *queue);
    queue->shortest = INT_MAX;
    put(&start);
    Tmk_distribute(&cities, sizeof cities);
    Tmk_distribute(distance, sizeof distance);
    Tmk_distribute(nearest, sizeof nearest);
    Tmk_distribute(&queue, sizeof queue);
  }
  Tmk_barrier(0);
  work();
  Tmk_barrier(0);
  if (Tmk_proc_id == 0) {
    struct tour alone = {.length = INT_MAX};
    finish(&start, &alone);
    failed = queue->shortest != alone.length || trip_length() != alone.length;
    printf("%s treadmarks: %u processes, %d cities: a trip of %d, found alone %d; tours taken:",
           failed ? "FAIL" : "PASS", Tmk_nprocs, cities, queue->shortest, alone.length);
    for (unsigned i = 0; i < Tmk_nprocs; i++) printf(" %ld", queue->taken[i]);
    printf("\n");
    Tmk_free(queue);
  }
  Tmk_exit(failed);
}
