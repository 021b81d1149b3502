# merino.hpp: every class by every standard that it promises, and the check that it covers merino.h. After
# `release`; the stages `jobs` and `install` run the examples. (The Fortran module has the stage `fortran`.)
stage_languages() {
  local header=Sources/Merino/CMerino/include/merino.h standard part
  local parts=(Sources/Merino/CMerino/include/merino/*.hpp)
  for standard in 14 17 20; do
    check "classes.cpp as C++$standard" languages_program "$standard" classes "classes-$standard"
  done
  check "unwinding.cpp" languages_program 17 unwinding unwinding
  run_table languages
  for part in "${parts[@]}"; do
    check "$(basename "$part") by itself" g++ -std=c++14 -Wall -Wextra -Wpedantic -Werror -fsyntax-only \
      -x c++ "$part"
  done
  check "merino.hpp covers merino.h" ci/check-languages "$header" merino.hpp \
    Sources/Merino/CMerino/include/merino.hpp "${parts[@]}"
  grep -v merino_barrier_wait Sources/Merino/CMerino/include/merino/synchronisation.hpp >"$CI_WORK/part.hpp"
  check_fails "check-languages finds a function that is missing" "merino_barrier_wait" \
    ci/check-languages "$header" merino.hpp Sources/Merino/CMerino/include/merino.hpp "$CI_WORK/part.hpp"
}

# languages_program STANDARD NAME TARGET
languages_program() {
  g++ "-std=c++$1" -O1 -g -Wall -Wextra -Wpedantic -Werror -pthread -Iout/include "Tests/Languages/$2.cpp" \
    -o "$CI_WORK/$3" -Lout/lib -lmerino "-Wl,-rpath,$PWD/out/lib"
}
