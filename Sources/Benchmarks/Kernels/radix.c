/*
 * radix: integers are sorted by one digit after the other (as RADIX of SPLASH). Each worker moves its keys to
 * 1,024 places at once, in pages that nobody has touched; where two workers' keys of a digit meet, they share
 * a page. As in the suite the keys are made in the region, by a generator that is not cheap.
 */
#include <stdlib.h>
#include <string.h>

#include "kernel.h"

static long keys = 8 << 20, digits = 10, passes = 2, effort = 20; /* digits: the bits of one */
static uint32_t *arrays[2];                                       /* shared */
static uint32_t *counts; /* shared: how many keys of each digit each worker has */

static size_t values(void) { return (size_t)1 << digits; }

static uint32_t key_of(size_t number) {
  uint64_t mixed = number;
  for (long i = 0; i < effort; i++) mixed = number_mix(mixed);
  return (uint32_t)(mixed & (((uint64_t)1 << (digits * passes)) - 1));
}

static const char *refuse(void) { return digits * passes <= 32 ? NULL : "a key has 32 bits at most"; }

/* The counts of a worker lie in pages of its own. */
static uint32_t *counts_of(int worker) {
  size_t each = (values() * sizeof *counts + PAGE - 1) / PAGE * PAGE / sizeof *counts;
  return counts + (size_t)worker * each;
}

static void prepare(void) {
  for (int i = 0; i < 2; i++) arrays[i] = memory_allocate((size_t)keys * sizeof **arrays);
  size_t each = (values() * sizeof *counts + PAGE - 1) / PAGE * PAGE;
  counts = memory_allocate(each * (size_t)workers_count());
}

static uint32_t digit_of(uint32_t key, int pass) { return key >> (pass * digits) & (uint32_t)(values() - 1); }

static void digits_count(const uint32_t *from, struct span mine, int pass, int worker) {
  uint32_t *count = counts_of(worker);
  memset(count, 0, values() * sizeof *count);
  for (size_t i = mine.first; i < mine.end; i++) count[digit_of(from[i], pass)]++;
}

/* Where a worker's first key of each digit goes: behind all keys of smaller digits, and those of the
 * same digit of workers before it. */
static void places_find(uint32_t *places, int worker) {
  uint32_t before = 0;
  for (size_t digit = 0; digit < values(); digit++) {
    for (int i = 0; i < workers_count(); i++) {
      if (i == worker) places[digit] = before;
      before += counts_of(i)[digit];
    }
  }
}

static void work(int worker) {
  struct span mine = span_of((size_t)keys, worker);
  uint32_t *places = memory_private(values() * sizeof *places);
  region_begin();
  for (size_t i = mine.first; i < mine.end; i++) arrays[0][i] = key_of(i);
  for (int pass = 0; pass < passes; pass++) {
    const uint32_t *from = arrays[pass % 2];
    uint32_t *to = arrays[(pass + 1) % 2];
    digits_count(from, mine, pass, worker);
    barrier_pass();
    places_find(places, worker);
    for (size_t i = mine.first; i < mine.end; i++) to[places[digit_of(from[i], pass)]++] = from[i];
    barrier_pass();
  }
  region_end();
  free(places);
}

static void spoil(void) { arrays[passes % 2][keys / 2] ^= 1; }

/* In order, and the same keys: their sum, and that of what each one mixes to. */
static void verify(void) {
  const uint32_t *result = arrays[passes % 2];
  uint64_t sum = 0, mixed = 0, unordered = 0;
  for (size_t i = 0; i < (size_t)keys; i++) {
    uint32_t key = key_of(i);
    sum += (uint64_t)result[i] - key;
    mixed += number_mix(result[i]) - number_mix(key);
    unordered += i > 0 && result[i - 1] > result[i];
  }
  result_expect(unordered == 0, "%lu keys are smaller than the one before", (unsigned long)unordered);
  result_expect(sum == 0 && mixed == 0, "the keys are not those that were to be sorted");
}

int main(int argc, char **argv) {
  static const struct kernel_option options[] = {
      {"keys", &keys, 16, 1 << 30, 100000, "integers to sort"},
      {"digit", &digits, 1, 16, SAME, "bits of a digit"},
      {"passes", &passes, 1, 8, SAME, "digits of a key"},
      {"effort", &effort, 1, 1000, SAME, "steps of the generator for a key"},
      {NULL, NULL, 0, 0, 0, NULL}};
  static const struct kernel radix = {
      .name = "radix", .purpose = "sorts integers digit by digit", .options = options, .refuse = refuse,
      .prepare = prepare, .work = work, .spoil = spoil, .verify = verify};
  return kernel_main(argc, argv, &radix);
}
