/* The command line of a kernel. */
#ifndef OPTIONS_H
#define OPTIONS_H

#include "kernel.h"

/* What every kernel takes beside its own numbers. */
struct options {
  long threads, spoil;
  int json;
};

/* Ends the process where the words are wrong (2), or ask for help (0). Before the job is joined: then
 * one node says it. */
struct options options_read(int argc, char **argv, const struct kernel *kernel);

#endif
