# Running out of something: each lock slot, allocation and operation of the fabric of each function of merino.h fails in turn,
# and the objects are used afterwards (Tests/Injection). After `build`: only a debug build has the injection.
stage_injection() {
  local output status directory mode
  directory=$(mktemp -d -t merino-injection.XXXXXX)
  check "Tests/Injection compiles" ${CC:-cc} -std=gnu11 -O1 -g -Wall -Wextra -Werror -pthread -ISources/Merino/CMerino/include \
    Tests/Injection/injection.c -o "$directory/injection" -L.build/debug -lMerinoC "-Wl,-rpath,$PWD/.build/debug"
  check "every function of merino.h has an entry" ci/check-injection "$directory/injection"
  sed 's/^int merino_fence_release(void);/&\nint merino_new_call(int value);/' Sources/Merino/CMerino/include/merino.h \
    >"$directory/newer.h"
  check_fails "a new function without one is found" "no entry in Tests/Injection for: merino_new_call" \
    ci/check-injection "$directory/injection" "$directory/newer.h"
  for mode in locals fabric; do
    status=0
    output=$(SWIFT_BACKTRACE=enable=no timeout --kill-after=5 120 "$directory/injection" $mode 2>&1) || status=$?
    tally_output "injection, $mode" "$status" "$output"
  done
  check "Tests/Injection/guards.cpp compiles" ${CXX:-c++} -std=c++17 -O1 -g -Wall -Wextra -Werror -pthread \
    -ISources/Merino/CMerino/include Tests/Injection/guards.cpp -o "$directory/guards" -L.build/debug -lMerinoC \
    "-Wl,-rpath,$PWD/.build/debug"
  status=0
  output=$(SWIFT_BACKTRACE=enable=no timeout --kill-after=5 20 "$directory/guards" 2>&1) || status=$?
  tally_output "injection, guards of C++" "$status" "$output"
  check_fails "a library with the injection is found" "has the injection of failures" ci/check-library .build/debug/libMerinoC.so
  rm -rf "$directory"
}
