# Running out of something: each lock slot, allocation and operation of the fabric of each function of
# merino.h fails in turn, and the objects are used afterwards (Tests/Injection). After `build`: only a debug
# build has the injection.
stage_injection() {
  export PROGRAMS_LIBRARY=.build/debug PROGRAMS_NAME=MerinoC
  check "Tests/Injection compiles" build_program Tests/Injection/injection.c "$CI_WORK/injection"
  check "every function of merino.h has an entry" ci/check-injection "$CI_WORK/injection"
  sed 's/^int merino_fence_release(void);/&\nint merino_new_call(int value);/' \
    Sources/Merino/CMerino/include/merino.h \
    >"$CI_WORK/newer.h"
  check_fails "a new function without one is found" "no entry in Tests/Injection for: merino_new_call" \
    ci/check-injection "$CI_WORK/injection" "$CI_WORK/newer.h"
  check "Tests/Injection/guards.cpp compiles" "${CXX:-c++}" -std=c++17 -O1 -g -Wall -Wextra -Werror -pthread \
    -ISources/Merino/CMerino/include Tests/Injection/guards.cpp -o "$CI_WORK/guards" \
    -L.build/debug -lMerinoC \
    "-Wl,-rpath,$PWD/.build/debug"
  run_table injection
  check_fails "a library with the injection is found" "has the injection of failures" \
    ci/check-library .build/debug/libMerinoC.so
}
