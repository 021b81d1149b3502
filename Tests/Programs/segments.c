// Segments as a program sees them: names, views, protections, what destroying leaves behind. On any number
// of nodes; node 0 makes, the others open.
#define _GNU_SOURCE
#include "check.h"

#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>

static sigjmp_buf escape;
static volatile sig_atomic_t faults;
static void *volatile fault_address;

static void on_fault(int signal, siginfo_t *info, void *context) {
  (void)signal;
  (void)context;
  faults++;
  fault_address = info->si_addr;
  siglongjmp(escape, 1);
}

static merino_segment_t make_or_open(const char *name, size_t bytes,
                                     const merino_segment_options_t *options) {
  merino_segment_t segment = 0;
  if (check_node == 0) NEED(merino_segment_create(name, bytes, options, &segment));
  NEED(merino_barrier());
  if (check_node != 0) NEED(merino_segment_open(name, &segment));
  return segment;
}

static void refusals(void) {
  merino_segment_t s = 77;
  void *view = NULL;
  char name[80];
  memset(name, 'n', sizeof name);
  name[79] = 0;
  merino_segment_options_t options = MERINO_SEGMENT_OPTIONS_INIT;
  CHECK_CODE(merino_segment_create("zero", 0, NULL, &s), MERINO_EINVAL, "create: no bytes");
  CHECK_CODE(merino_segment_create("", 1, NULL, &s), MERINO_EINVAL, "create: empty name");
  CHECK_CODE(merino_segment_create(NULL, 1, NULL, &s), MERINO_EINVAL, "create: no name");
  CHECK_CODE(merino_segment_create("x", 1, NULL, NULL), MERINO_EINVAL, "create: nowhere to put it");
  CHECK_CODE(merino_segment_create(name, 1, NULL, &s), MERINO_EINVAL, "create: name of 79 bytes");
  CHECK_CODE(merino_segment_create("\xff\xfe", 1, NULL, &s), MERINO_EINVAL, "create: name not UTF-8");
  CHECK_CODE(merino_segment_create("big", (size_t)1 << 46, NULL, &s), MERINO_ENOSPC,
             "create: beyond capacity");
  CHECK_CODE(merino_segment_create("big", SIZE_MAX, NULL, &s), MERINO_ENOSPC, "create: SIZE_MAX");
  CHECK_CODE(merino_segment_create("big", SIZE_MAX / 2, NULL, &s), MERINO_ENOSPC, "create: SIZE_MAX / 2");
  options.unit_bytes = 2048;
  CHECK_CODE(merino_segment_create("u", 1, &options, &s), MERINO_ENOTSUP, "create: unit below the page");
  options.unit_bytes = 12288;
  CHECK_CODE(merino_segment_create("u", 1, &options, &s), MERINO_EINVAL, "create: unit no power of two");
  options.unit_bytes = 4 << 20;
  CHECK_CODE(merino_segment_create("u", 1, &options, &s), MERINO_EINVAL, "create: unit above 2 MiB");
  options.unit_bytes = 0;
  options.placement = 9;
  CHECK_CODE(merino_segment_create("u", 1, &options, &s), MERINO_EINVAL, "create: placement unknown");
  options.placement = MERINO_PLACE_NODE;
  options.placement_node = merino_nodes();
  CHECK_CODE(merino_segment_create("u", 1, &options, &s), MERINO_EINVAL, "create: placed at no node");
  options.placement_node = -1;
  CHECK_CODE(merino_segment_create("u", 1, &options, &s), MERINO_EINVAL, "create: placed at node -1");
  options.placement = 0;
  options.size = 0;
  CHECK_CODE(merino_segment_create("u", 1, &options, &s), MERINO_EINVAL, "create: options not initialised");
  CHECK_CODE(merino_segment_open("nobody made it", &s), MERINO_ENOENT, "open: no such name");
  CHECK_CODE(merino_segment_open(NULL, &s), MERINO_EINVAL, "open: no name");
  CHECK(s == 77, "what fails stores nothing");
  CHECK_CODE(merino_segment_attach(0, NULL, PROT_READ, &view), MERINO_EHANDLE, "attach: 0");
  CHECK_CODE(merino_segment_attach(12345, NULL, PROT_READ, &view), MERINO_EHANDLE, "attach: no segment");
  CHECK_CODE(merino_segment_destroy(0), MERINO_EHANDLE, "destroy: 0");
  CHECK_CODE(merino_segment_detach(NULL), MERINO_EFAULT, "detach: NULL");
  CHECK_CODE(merino_segment_detach(&s), MERINO_EFAULT, "detach: the stack");
}

static void views(void) {
  size_t bytes = 3 * 4096 + 5;
  merino_segment_t s = make_or_open("views", bytes, NULL);
  if (check_node == 0) {
    merino_segment_t again;
    CHECK_CODE(merino_segment_create("views", 1, NULL, &again), MERINO_EEXIST, "create: name exists");
  }
  unsigned char *a, *b, *c;
  void *d;
  NEED(merino_segment_attach(s, NULL, PROT_READ | PROT_WRITE, (void **)&a));
  merino_segment_info_t info = MERINO_SEGMENT_INFO_INIT;
  NEED(merino_segment_info(s, &info));
  CHECK(info.default_view == a, "the default view is where info says");
  CHECK(info.bytes == bytes && strcmp(info.name, "views") == 0, "info: bytes and name");
  CHECK(info.unit_bytes == 4096 && info.placement == 0, "info: unit and placement");
  CHECK(info.views == 1 && info.destroyed == 0, "info: one view");
  void *elsewhere = mmap(NULL, 4 << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK_CODE(merino_segment_attach(s, elsewhere, PROT_READ, &d), MERINO_EADDRINUSE, "attach: taken by mmap");
  munmap(elsewhere, 4 << 20);
  CHECK_CODE(merino_segment_attach(s, NULL, PROT_READ, &d), MERINO_EADDRINUSE, "attach: twice by default");
  CHECK_CODE(merino_segment_attach(s, (char *)elsewhere + 1, PROT_READ, &d), MERINO_EINVAL,
             "attach: address not aligned");
  CHECK_CODE(merino_segment_attach(s, elsewhere, PROT_WRITE, &d), MERINO_EINVAL, "attach: write only");
  CHECK_CODE(merino_segment_attach(s, elsewhere, PROT_NONE, &d), MERINO_EINVAL, "attach: no protection");
  CHECK_CODE(merino_segment_attach(s, elsewhere, PROT_READ, NULL), MERINO_EINVAL, "attach: nowhere to tell");
  NEED(merino_segment_attach(s, elsewhere, PROT_READ | PROT_WRITE, (void **)&b));
  NEED(merino_segment_attach(s, (char *)elsewhere + (1 << 20), PROT_READ, (void **)&c));
  CHECK((void *)b == elsewhere, "attached where asked");
  // Views of one process see each other's stores at once; nodes see each other's after the barrier.
  a[check_node] = (unsigned char)(10 + check_node);
  CHECK(b[check_node] == 10 + check_node && c[check_node] == 10 + check_node, "views agree: first store");
  b[4096 + check_node] = (unsigned char)(20 + check_node);
  CHECK(a[4096 + check_node] == 20 + check_node && c[4096 + check_node] == 20 + check_node,
        "views agree: store through the second");
  NEED(merino_barrier());
  int wrong = 0;
  for (int n = 0; n < merino_nodes(); n++) {
    wrong += c[n] != 10 + n || a[n] != 10 + n || b[4096 + n] != 20 + n || c[4096 + n] != 20 + n;
  }
  CHECK(wrong == 0, "all nodes' stores through all views");
  NEED(merino_barrier());
  b[check_node] = (unsigned char)(30 + check_node);
  NEED(merino_barrier());
  for (int n = 0; n < merino_nodes(); n++) wrong += c[n] != 30 + n || a[n] != 30 + n || b[n] != 30 + n;
  CHECK(wrong == 0, "a second round through the other view");
  // A store through the read-only view goes to the handler that was there before joining.
  int before = faults;
  if (sigsetjmp(escape, 1) == 0) *(volatile unsigned char *)&c[9] = 1;
  CHECK(faults == before + 1 && fault_address == &c[9], "read-only view: a store is the program's SIGSEGV");
  CHECK(a[9] == 0, "read-only view: nothing was stored");
  if (sigsetjmp(escape, 1) == 0) *(volatile int *)8 = 1;
  CHECK(faults == before + 2, "a stray store is the program's SIGSEGV");
  NEED(merino_segment_info(s, &info));
  CHECK(info.views == 3, "info: three views");
  CHECK_CODE(merino_segment_detach(b + 4096), MERINO_EFAULT, "detach: the middle of a view");
  CHECK_CODE(merino_segment_detach(b), MERINO_SUCCESS, "detach");
  CHECK_CODE(merino_segment_detach(b), MERINO_EFAULT, "detach: a second time");
  if (sigsetjmp(escape, 1) == 0) (void)*(volatile unsigned char *)b;
  CHECK(faults == before + 3, "a detached view is gone");
  CHECK(a[4096] == 20, "the other views stay");
  NEED(merino_segment_detach(a));
  NEED(merino_segment_detach(c));
  // With no view left the contents stay in the segment.
  NEED(merino_barrier());
  NEED(merino_segment_attach(s, NULL, PROT_READ, (void **)&a));
  for (int n = 0; n < merino_nodes(); n++) wrong += a[n] != 30 + n;
  CHECK(wrong == 0, "contents stay between views");
  CHECK(a[bytes - 1] == 0, "the last byte");
  NEED(merino_barrier());
  if (check_node == 0) NEED(merino_segment_destroy(s));
  NEED(merino_barrier());
  CHECK_CODE(merino_segment_destroy(s), MERINO_EHANDLE, "destroy: a second time, by any node");
  merino_segment_t other;
  CHECK_CODE(merino_segment_open("views", &other), MERINO_ENOENT, "destroyed: the name is free");
  NEED(merino_segment_info(s, &info));
  CHECK(info.destroyed == 1 && info.views == 1, "info: destroyed, kept by its views");
  CHECK(a[0] == 30, "destroyed: views stay usable");
  NEED(merino_barrier());
  merino_segment_t same_name = make_or_open("views", 4096, NULL);
  unsigned char *fresh;
  NEED(merino_segment_attach(same_name, NULL, PROT_READ | PROT_WRITE, (void **)&fresh));
  CHECK(fresh != a && fresh[0] == 0, "a new segment of the same name is another one");
  NEED(merino_segment_detach(a));
  NEED(merino_segment_detach(fresh));
  NEED(merino_barrier());
  CHECK_CODE(merino_segment_attach(s, NULL, PROT_READ, &d), MERINO_EHANDLE, "attach: destroyed and gone");
  if (check_node == 0) NEED(merino_segment_destroy(same_name));
}

static void units(void) {
  for (uint32_t unit = 4096; unit <= 2u << 20; unit <<= 1) {
    merino_segment_options_t options = MERINO_SEGMENT_OPTIONS_INIT;
    options.unit_bytes = unit;
    options.placement = (int)(unit >> 12) % 4;
    options.placement_node = merino_nodes() - 1;
    char name[32];
    snprintf(name, sizeof name, "unit-%u", unit);
    size_t count = 3 * (size_t)unit / sizeof(uint32_t) + 7;
    merino_segment_t s = make_or_open(name, count * 4, &options);
    volatile uint32_t *word;
    NEED(merino_segment_attach(s, NULL, PROT_READ | PROT_WRITE, (void **)&word));
    merino_segment_info_t info = MERINO_SEGMENT_INFO_INIT;
    NEED(merino_segment_info(s, &info));
    int nodes = merino_nodes(), wrong = info.unit_bytes != unit || info.placement != options.placement;
    // Neighbouring words belong to different nodes: false sharing in every unit.
    size_t step = unit / 64;
    for (int round = 1; round <= 3; round++) {
      for (size_t i = (size_t)check_node; i < count; i += step / 4 * (size_t)nodes + (size_t)nodes) {
        word[i] = (uint32_t)(i * 7 + (size_t)round);
      }
      NEED(merino_barrier());
      for (int n = 0; n < nodes; n++) {
        for (size_t i = (size_t)n; i < count; i += step / 4 * (size_t)nodes + (size_t)nodes) {
          wrong += word[i] != i * 7 + (size_t)round;
        }
      }
      NEED(merino_barrier());
    }
    snprintf(name, sizeof name, "unit of %u bytes", unit);
    CHECK(wrong == 0, name);
    NEED(merino_segment_detach((void *)word));
    NEED(merino_barrier());
    if (check_node == 0) NEED(merino_segment_destroy(s));
  }
}

int main(void) {
  struct sigaction action = {0};
  action.sa_sigaction = on_fault;
  action.sa_flags = SA_SIGINFO;
  sigaction(SIGSEGV, &action, NULL);
  join_job();
  refusals();
  NEED(merino_barrier());
  views();
  NEED(merino_barrier());
  units();
  return leave_job();
}
