// A program that was compiled with the header of a later version, whose structures have more fields than this
// library knows: what it leaves at its default does no harm, and what it sets is refused and not ignored.
#include "check.h"

typedef struct {
  merino_options_t known;
  uint64_t later;
} later_options_t;

typedef struct {
  merino_segment_options_t known;
  uint32_t later, also;
} later_segment_options_t;

enum { version_0_2_0 = 2000 };

static void check_refused(int code, const char *name) {
  CHECK(code == MERINO_ENOTSUP && is_sentence(merino_last_error()), name);
  char ours[48];
  snprintf(ours, sizeof ours, "libmerino %s", merino_version());
  CHECK(strstr(merino_last_error(), ours) != NULL, "the library's version is named");
}

int main(void) {
  later_options_t options = {.known = MERINO_OPTIONS_INIT, .later = 1};
  CHECK(options.known.header_version == MERINO_VERSION_NUMBER, "the header leaves its version");
  options.known.size = sizeof options;
  options.known.header_version = version_0_2_0;
  check_refused(merino_init_with(&options.known), "an option that this library does not know");
  CHECK(strstr(merino_last_error(), "merino.h 0.2.0") != NULL, "the program's version is named");
  // As a program does that fills the structure by hand.
  options.known.header_version = 0;
  check_refused(merino_init_with(&options.known), "an option of a version that nobody names");
  options.known.size = 1 << 17;
  CHECK_CODE(merino_init_with(&options.known), MERINO_EINVAL, "a size that is none");
  options.known.size = sizeof options;
  options.later = 0;
  NEED(merino_init_with(&options.known));
  check_node = merino_node();
  CHECK(1, "a larger structure without later settings joins");
  later_segment_options_t segment_options = {.known = MERINO_SEGMENT_OPTIONS_INIT, .also = 1};
  merino_segment_t segment;
  char name[32];
  snprintf(name, sizeof name, "later %d", check_node);
  segment_options.known.size = sizeof segment_options;
  segment_options.known.header_version = version_0_2_0;
  check_refused(merino_segment_create(name, 4096, &segment_options.known, &segment),
                "an option of a segment");
  CHECK(strstr(merino_last_error(), "merino.h 0.2.0") != NULL, "the program's version is named");
  segment_options.also = 0;
  CHECK_CODE(merino_segment_create(name, 4096, &segment_options.known, &segment), MERINO_SUCCESS,
             "left at its default");
  struct {
    merino_segment_info_t known;
    uint64_t later;
  } info = {.known = MERINO_SEGMENT_INFO_INIT, .later = 0};
  info.known.size = sizeof info;
  CHECK_CODE(merino_segment_info(segment, &info.known), MERINO_SUCCESS, "what a later library would tell");
  CHECK(info.known.bytes == 4096 && info.later == 0, "stays 0");
  return leave_job();
}
