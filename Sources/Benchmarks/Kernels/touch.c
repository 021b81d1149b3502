/*
 * touch: pages that nobody has touched are written for the first time, and then once more in each pass,
 * by the same worker, with a barrier between: what a page costs before it is of any use.
 */
#include "kernel.h"

static long megabytes = 256, passes = 2, words = 512;
static uint64_t *memory; /* shared */

enum { PAGE_WORDS = PAGE / sizeof(uint64_t) };

static size_t pages(void) { return (size_t)megabytes * (1 << 20) / PAGE; }

static void prepare(void) { memory = memory_allocate(pages() * PAGE); }

static uint64_t word_of(size_t number, long pass) { return number * 0x9e3779b97f4a7c15u + (uint64_t)pass; }

static void work(int worker) {
  struct span mine = span_of(pages(), worker);
  region_begin();
  for (long pass = 1; pass <= passes; pass++) {
    for (size_t page = mine.first; page < mine.end; page++) {
      for (long word = 0; word < words; word++) {
        size_t number = page * PAGE_WORDS + (size_t)word;
        memory[number] = word_of(number, pass);
      }
    }
    barrier_pass();
  }
  region_end();
}

static void spoil(void) { memory[pages() / 2 * PAGE_WORDS] ^= 1; }

static void verify(void) {
  uint64_t wrong = 0;
  for (size_t page = 0; page < pages(); page++) {
    for (long word = 0; word < words; word++) {
      size_t number = page * PAGE_WORDS + (size_t)word;
      wrong += memory[number] != word_of(number, passes);
    }
  }
  result_expect(wrong == 0, "%lu words are wrong", (unsigned long)wrong);
}

int main(int argc, char **argv) {
  static const struct kernel_option options[] = {
      {"megabytes", &megabytes, 1, 1 << 20, 2, "megabytes to write"},
      {"passes", &passes, 1, 1000, SAME, "times that each page is written"},
      {"words", &words, 1, PAGE_WORDS, SAME, "words of a page that are written"},
      {NULL, NULL, 0, 0, 0, NULL}};
  static const struct kernel touch = {
      .name = "touch", .purpose = "writes memory for the first time", .options = options, .prepare = prepare,
      .work = work, .spoil = spoil, .verify = verify};
  return kernel_main(argc, argv, &touch);
}
