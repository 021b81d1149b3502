# TreadMarks' interface: the header by itself, programs of two translation units built in several ways,
# mistakes, and the example. After `release`.
stage_treadmarks() {
  local kind layer=Sources/Compatibility/TreadMarks
  local flags=-I$layer misuse=$layer/Tests/misuse.c
  treadmarks_header
  for kind in pie fixed cxx library; do
    check "a program of two units, $kind, compiles" build_treadmarks "$kind" "$CI_WORK/$kind"
  done
  check "misuse.c compiles" build_program $misuse "$CI_WORK/misuse" $flags
  check "misuse.c compiles for fixed addresses" build_program $misuse "$CI_WORK/misuse-fixed" \
    $flags -fno-pie -no-pie
  check "the example is built" make examples
  run_table treadmarks
}

# The header alone, in every language and standard that merino.h serves.
treadmarks_header() {
  local standard
  for standard in gcc-c{99,11,17} clang-c{99,11,17} g++-c++{17,20} clang++-c++{17,20}; do
    ! command -v "${standard%%-*}" >/dev/null ||
      check "${standard%%-*} -std=${standard#*-} compiles Tmk.h" treadmarks_alone "${standard%%-*}" \
        "${standard#*-}"
  done
  check "Tmk.h is documented" treadmarks_documented Sources/Compatibility/TreadMarks/Tmk.h
  sed '/^\/\*\* Gives the lock back/d' Sources/Compatibility/TreadMarks/Tmk.h >"$CI_WORK/Undocumented.h"
  check_fails "a function of Tmk.h without documentation is found" 'Tmk_lock_release' treadmarks_documented \
    "$CI_WORK/Undocumented.h"
}

# treadmarks_alone COMPILER STANDARD
treadmarks_alone() {
  local language=c
  [[ $2 != c++* ]] || language=c++
  printf '%s\n' '#include <Tmk.h>' '#include <Tmk.h>' \
    'int main(int c, char **v) { Tmk_startup(c, v); Tmk_exit(0); }' |
    "$1" -x "$language" -std="$2" -Wpedantic -O1 -g -Wall -Wextra -Werror -pthread \
      -ISources/Merino/CMerino/include \
      -ISources/Compatibility/TreadMarks -fsyntax-only -
}

# Without the bodies of the functions and the include guard, which check-docs takes for declarations.
treadmarks_documented() {
  grep -Ev '^  |^}|MERINO_TREADMARKS_TMK_H' "$1" >"$CI_WORK/declarations.h"
  python3 ci/check-docs header "$CI_WORK/declarations.h"
}
