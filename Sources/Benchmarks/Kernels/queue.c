/*
 * queue: an image is computed tile by tile. Each worker has a queue of tiles, and takes from the others'
 * when it is empty; the results, 3 bytes a pixel, go into an image that all share (as in RAYTRACE and
 * VOLREND of SPLASH). With --ids N each N pixels of a worker take a number from a counter that all share,
 * as each ray of RAYTRACE does: then a page goes from one node to the other for 3 bytes at a time.
 */
#include <string.h>

#include "kernel.h"

static long width = 1366, height = 3072, tile = 16, effort = 30, ids = 256, together = 0;

/* In pages of their own. */
struct queue {
  struct lock lock;
  long next, end; /* tiles that are left: next, next + step, ... */
};
struct counter {
  struct lock lock;
  uint64_t last;
};

static uint8_t *image;           /* shared: 3 bytes a pixel */
static char *queues;             /* shared */
static struct counter *numbers;  /* shared */
static uint64_t *taken;          /* shared: tiles that each worker has done, a page for each */

static long tiles_across(void) { return (width + tile - 1) / tile; }
static long tiles(void) { return tiles_across() * ((height + tile - 1) / tile); }
static size_t image_bytes(void) { return (size_t)(width * height) * 3; }
static struct queue *queue_of(int worker) { return (struct queue *)(queues + (size_t)worker * PAGE); }

static void prepare(void) {
  image = memory_allocate(image_bytes());
  queues = memory_allocate((size_t)workers_count() * PAGE);
  numbers = memory_allocate(sizeof *numbers);
  taken = memory_allocate((size_t)workers_count() * PAGE);
}

/* A worker begins with a part of the image of its own (--together 1), or each tile has another's
 * beside it. */
static void fill(void) {
  int workers = workers_count();
  memset(image, 0, image_bytes());
  locks_make(&numbers->lock, 1);
  numbers->last = 0;
  for (int worker = 0; worker < workers; worker++) {
    struct queue *queue = queue_of(worker);
    struct span span = span_of((size_t)tiles(), worker);
    locks_make(&queue->lock, 1);
    queue->next = together ? (long)span.first : worker;
    queue->end = together ? (long)span.end : tiles();
    taken[(size_t)worker * PAGE / sizeof *taken] = 0;
  }
}

/* A tile of a queue, -1 where none is left. */
static long tile_take(struct queue *queue) {
  lock_take(&queue->lock);
  long found = queue->next < queue->end ? queue->next : -1;
  if (found >= 0) queue->next += together ? 1 : workers_count();
  lock_give(&queue->lock);
  return found;
}

/* A queue that was empty stays so: it is not asked again. */
static long tile_find(int worker, int *empty) {
  for (; *empty < workers_count(); ++*empty) {
    long found = tile_take(queue_of((worker + *empty) % workers_count()));
    if (found >= 0) return found;
  }
  return -1;
}

/* Some parts of the image are more work than others. */
static uint32_t pixel_compute(long x, long y) {
  uint64_t value = (uint64_t)(y * width + x);
  long rounds = effort / 2 + effort * x / width;
  for (long i = 0; i < rounds; i++) value = number_mix(value);
  return (uint32_t)(value & 0xffffff) | 0x010101;
}

static void pixel_store(uint8_t *at, uint32_t colour) {
  at[0] = (uint8_t)colour;
  at[1] = (uint8_t)(colour >> 8);
  at[2] = (uint8_t)(colour >> 16);
}

static void number_take(void) {
  lock_take(&numbers->lock);
  numbers->last++;
  lock_give(&numbers->lock);
}

static void tile_compute(long number, uint64_t *done) {
  long left = number % tiles_across() * tile, above = number / tiles_across() * tile;
  for (long y = above; y < above + tile && y < height; y++) {
    for (long x = left; x < left + tile && x < width; x++) {
      if (ids > 0 && (*done)++ % (uint64_t)ids == 0) number_take();
      pixel_store(&image[(y * width + x) * 3], pixel_compute(x, y));
    }
  }
}

static void work(int worker) {
  int empty = 0;
  uint64_t done = 0, count = 0;
  region_begin();
  for (long number; (number = tile_find(worker, &empty)) >= 0; count++) tile_compute(number, &done);
  taken[(size_t)worker * PAGE / sizeof *taken] = count;
  region_end();
}

static void spoil(void) { image[image_bytes() / 2] ^= 1; }

static void verify(void) {
  long wrong = 0;
  uint64_t done = 0;
  for (long y = 0; y < height; y++) {
    for (long x = 0; x < width; x++) {
      uint8_t pixel[3];
      pixel_store(pixel, pixel_compute(x, y));
      wrong += memcmp(pixel, &image[(y * width + x) * 3], 3) != 0;
    }
  }
  for (int worker = 0; worker < workers_count(); worker++)
    done += taken[(size_t)worker * PAGE / sizeof *taken];
  result_expect(wrong == 0, "%ld pixels are wrong", wrong);
  result_expect(done == (uint64_t)tiles(), "%lu tiles were done, of %ld", (unsigned long)done, tiles());
  /* Each worker takes a number at its first pixel, and then at each of so many. */
  uint64_t least = ids > 0 ? (uint64_t)(width * height / ids) : 0;
  result_expect(numbers->last >= least && numbers->last <= least + (ids > 0 ? (uint64_t)workers_count() : 0),
                "%lu numbers were taken", (unsigned long)numbers->last);
}

int main(int argc, char **argv) {
  static const struct kernel_option options[] = {
      {"width", &width, 1, 1 << 16, 64, "pixels of a row"},
      {"height", &height, 1, 1 << 16, 48, "rows of the image"},
      {"tile", &tile, 1, 1 << 12, SAME, "pixels of a tile's edge"},
      {"effort", &effort, 1, 1 << 20, SAME, "steps for a pixel"},
      {"ids", &ids, 0, 1 << 20, SAME, "pixels between two numbers of the shared counter; 0: none are taken"},
      {"together", &together, 0, 1, SAME, "1: a worker's tiles lie together at first"},
      {NULL, NULL, 0, 0, 0, NULL}};
  static const struct kernel queue = {.name = "queue",
                                      .purpose = "computes an image from queues of tiles",
                                      .options = options,
                                      .prepare = prepare,
                                      .fill = fill,
                                      .work = work,
                                      .spoil = spoil,
                                      .verify = verify};
  return kernel_main(argc, argv, &queue);
}
