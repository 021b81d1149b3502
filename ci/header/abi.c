/*
 * Compiled by ci/check-header as C99 and as C++17: the header's initialisers are complete, its numbers are
 * the ones that were published, and its structures have the layout that programs were built against. A line
 * here changes only by being added.
 */
#include "merino.h"

#define HOLDS(name, condition) typedef char name[(condition) ? 1 : -1]

merino_options_t options = MERINO_OPTIONS_INIT;
merino_segment_options_t segment_options = MERINO_SEGMENT_OPTIONS_INIT;
merino_segment_info_t segment_info = MERINO_SEGMENT_INFO_INIT;
merino_stats_t stats = MERINO_STATS_INIT;

HOLDS(codes_1, MERINO_SUCCESS == 0 && MERINO_EINVAL == -1 && MERINO_ENOTINIT == -2 && MERINO_EALREADY == -3);
HOLDS(codes_2, MERINO_ENOMEM == -4 && MERINO_ENOSPC == -5 && MERINO_EEXIST == -6 && MERINO_ENOENT == -7);
HOLDS(codes_3, MERINO_EHANDLE == -8 && MERINO_EBUSY == -9 && MERINO_ETIMEDOUT == -10);
HOLDS(codes_4, MERINO_EDEADLK == -11 && MERINO_EPERM == -12 && MERINO_EADDRINUSE == -13);
HOLDS(codes_5, MERINO_EFAULT == -14 && MERINO_EACCES == -15 && MERINO_ELIMIT == -16 && MERINO_EPEER == -17);
HOLDS(codes_6, MERINO_EMISMATCH == -18 && MERINO_ENOTSUP == -19 && MERINO_ESYSTEM == -20);
HOLDS(codes_7, MERINO_EFABRIC == -21 && MERINO_EFORKED == -22);

HOLDS(placements, MERINO_PLACE_FIRST_TOUCH == 0 && MERINO_PLACE_BLOCKED == 1 && MERINO_PLACE_CYCLIC == 2 &&
                      MERINO_PLACE_NODE == 3);
HOLDS(operations, MERINO_SUM == 0 && MERINO_PROD == 1 && MERINO_MIN == 2 && MERINO_MAX == 3 &&
                      MERINO_BAND == 4 && MERINO_BOR == 5 && MERINO_BXOR == 6);

#if defined(__LP64__)
HOLDS(options_bytes, sizeof(merino_options_t) == 56 && offsetof(merino_options_t, log) == 32);
HOLDS(segment_options_bytes, sizeof(merino_segment_options_t) == 24);
HOLDS(segment_info_bytes,
      sizeof(merino_segment_info_t) == 120 && offsetof(merino_segment_info_t, name) == 56);
HOLDS(stats_bytes, offsetof(merino_stats_t, segment_bytes_in_use) == 176);
HOLDS(stats_hot, offsetof(merino_stats_t, hot_pages) == 184);
#endif
