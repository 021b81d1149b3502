#include "Options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void help_list(const struct kernel_option *options) {
  for (const struct kernel_option *option = options; option->name != NULL; option++) {
    printf("  --%-14s %s (%ld)\n", option->name, option->help, *option->value);
  }
}

static _Noreturn void help_print(const struct kernel *kernel, const struct kernel_option *common) {
  printf("%s: %s\n", kernel->name, kernel->purpose);
  help_list(kernel->options);
  help_list(common);
  printf("  --%-14s small numbers, for a run that only shows that the kernel is right\n", "tiny");
  printf("  --%-14s the line as JSON\n", "json");
  exit(0);
}

static _Noreturn void line_refuse(const struct kernel *kernel, const char *word, const char *why) {
  fprintf(stderr, "%s: %s %s (see --help)\n", kernel->name, word, why);
  exit(2);
}

static const struct kernel_option *option_find(const struct kernel_option *options, const char *word) {
  for (const struct kernel_option *option = options; option->name != NULL; option++) {
    if (strncmp(word, "--", 2) == 0 && strcmp(word + 2, option->name) == 0) return option;
  }
  return NULL;
}

static void options_shrink(const struct kernel_option *options) {
  for (const struct kernel_option *option = options; option->name != NULL; option++) {
    if (option->tiny != SAME) *option->value = option->tiny;
  }
}

static void option_set(const struct kernel *kernel, const struct kernel_option *option, const char *text) {
  char *end = NULL, why[80];
  errno = 0;
  long value = text == NULL ? 0 : strtol(text, &end, 10);
  if (text == NULL || end == text || *end != '\0' || errno != 0 || value < option->least ||
      value > option->most) {
    snprintf(why, sizeof why, "takes a number from %ld to %ld", option->least, option->most);
    line_refuse(kernel, option->name, why);
  }
  *option->value = value;
}

struct options options_read(int argc, char **argv, const struct kernel *kernel) {
  static struct options read = {.threads = 1};
  static const struct kernel_option common[] = {
      {"threads", &read.threads, 1, 256, SAME, "workers of each process"},
      {"spoil", &read.spoil, 0, 1, SAME, "1: a number of the result is changed, and the check must see it"},
      {NULL, NULL, 0, 0, 0, NULL}};
  for (int i = 1; i < argc; i++) {
    if (strcmp(argv[i], "--help") == 0) help_print(kernel, common);
    if (strcmp(argv[i], "--json") == 0) {
      read.json = 1;
      continue;
    }
    if (strcmp(argv[i], "--tiny") == 0) {
      options_shrink(kernel->options);
      continue;
    }
    const struct kernel_option *option = option_find(kernel->options, argv[i]);
    if (option == NULL) option = option_find(common, argv[i]);
    if (option == NULL) line_refuse(kernel, argv[i], "is no option");
    i++;
    option_set(kernel, option, i < argc ? argv[i] : NULL);
  }
  const char *why = kernel->refuse == NULL ? NULL : kernel->refuse();
  if (why != NULL) line_refuse(kernel, "these numbers:", why);
  return read;
}
