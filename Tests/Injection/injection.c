// Makes each use of something by each function of merino.h fail in turn (a lock slot; memory, addresses,
// places in tables; an operation of the fabric) until the call needs no further one, and uses the objects
// afterwards. Linked with a debug build of the library, which alone has the injection (`Injection.c` of
// CPlatform). A job of one.
//
//   injection --list             the functions that are in the table, for comparison with the header
//   injection locals             slots and allocations, in this process
//   injection fabric             the fabric, in a child for each use
// With the name of a function as well: only that one.
#include "children.h"
#include "locals.h"

static void list(void) {
  for (int i = 0; i < entry_count; i++) puts(entries[i].name);
  for (size_t i = 0; i < sizeof left_out / sizeof *left_out; i++) puts(left_out[i]);
  printf("%s\n%s\n", joining.name, leaving.name);
}

int main(int argc, char **argv) {
  const char *mode = argc > 1 ? argv[1] : "", *only = argc > 2 ? argv[2] : NULL;
  if (strcmp(mode, "--list") == 0) {
    list();
    return 0;
  }
  int is_local = strcmp(mode, "locals") == 0;
  if (is_local) (void)join_job();
  else check_node = 0;
  for (int i = 0; i < entry_count; i++) {
    if (only != NULL && strcmp(only, entries[i].name) != 0) continue;
    if (is_local) {
      locals(&entries[i], SLOT);
      locals(&entries[i], ALLOCATION);
    } else {
      each_use(&entries[i], meets_failure, FABRIC);
    }
  }
  if (is_local) return leave_job();
  if (only == NULL) {
    each_use(&joining, joins, ALLOCATION);
    each_use(&joining, joins, FABRIC);
    each_use(&leaving, leaves, FABRIC);
  }
  return check_failures == 0 ? 0 : 1;
}
