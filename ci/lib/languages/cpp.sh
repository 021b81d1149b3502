# merino.hpp: every class by every standard that it promises, and the check that it covers merino.h.
languages_cpp() {
  local header=Sources/Merino/CMerino/include/merino.h standard part parts=(Sources/Merino/CMerino/include/merino/*.hpp)
  for standard in 14 17 20; do
    check "classes.cpp as C++$standard" cpp_program "$standard" classes
    program_checks 2 classes
  done
  program_checks 1 classes
  program_checks 4 classes
  for part in "${parts[@]}"; do
    check "$(basename "$part") by itself" g++ -std=c++14 -Wall -Wextra -Wpedantic -Werror -fsyntax-only -x c++ "$part"
  done
  check "unwinding.cpp" cpp_program 17 unwinding
  check "an exception on one node ends the job and is told" cpp_unwinds
  check "merino.hpp covers merino.h" ci/check-languages "$header" merino.hpp Sources/Merino/CMerino/include/merino.hpp "${parts[@]}"
  grep -v merino_barrier_wait Sources/Merino/CMerino/include/merino/synchronisation.hpp >"$languages_work/part.hpp"
  check_fails "check-languages finds a function that is missing" "merino_barrier_wait" \
    ci/check-languages "$header" merino.hpp Sources/Merino/CMerino/include/merino.hpp "$languages_work/part.hpp"
}

# cpp_program STANDARD NAME
cpp_program() {
  g++ "-std=c++$1" -O1 -g -Wall -Wextra -Wpedantic -Werror -pthread -Iout/include "Tests/Languages/$2.cpp" \
    -o "$languages_work/$2" -Lout/lib -lmerino "-Wl,-rpath,$PWD/out/lib"
}

cpp_unwinds() {
  local output status=0
  output=$(timeout --kill-after=5 60 out/bin/merino run -n 3 -- "$languages_work/unwinding" 2>&1) || status=$?
  echo "$output"
  echo "status $status"
  [ "$status" -eq 7 ] && grep -q '^caught -7: could not open segment "never made"' <<<"$output"
}
