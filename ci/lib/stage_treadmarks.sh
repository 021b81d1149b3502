# TreadMarks' interface: the header by itself, programs of two translation units built in several ways, mistakes,
# and the example. After `release`; uses the helpers of stage_programs.sh.
stage_treadmarks() {
  local kind
  # Not local: the trap is run after the function. A stage has a shell of its own.
  directory=$(mktemp -d -t merino-treadmarks.XXXXXX)
  trap 'rm -rf "$directory"' EXIT
  treadmarks_header
  for kind in pie fixed cxx library; do
    check "a program of two units, $kind, compiles" treadmarks_program "$kind" "$directory/$kind"
    program_checks 4 "$kind"
  done
  program_checks 1 pie
  program_checks 2 pie
  treadmarks_mistakes
  treadmarks_ends
  treadmarks_example
}

treadmarks_flags=(-O1 -g -Wall -Wextra -Werror -pthread -ISources/Merino/CMerino/include -ISources/Compatibility/TreadMarks)

treadmarks_compile() {
  "${CC:-cc}" -std=gnu11 "${treadmarks_flags[@]}" "$@" -L"$programs_library" "-l$programs_name" \
    -Wl,-rpath,"$PWD/$programs_library"
}

# The header alone, in every language and standard that merino.h serves.
treadmarks_header() {
  local compiler standard
  for compiler in gcc clang g++ clang++; do
    command -v "$compiler" >/dev/null || continue
    for standard in c99 c11 c17 c++17 c++20; do
      case $compiler-$standard in *++-c[19]* | gcc-c++* | clang-c++*) continue ;; esac
      check "$compiler -std=$standard compiles Tmk.h" treadmarks_alone "$compiler" "$standard"
    done
  done
  check "Tmk.h is documented" treadmarks_documented Sources/Compatibility/TreadMarks/Tmk.h
  sed '/^\/\*\* Gives the lock back/d' Sources/Compatibility/TreadMarks/Tmk.h >"$directory/Undocumented.h"
  check_fails "a function of Tmk.h without documentation is found" 'Tmk_lock_release' treadmarks_documented \
    "$directory/Undocumented.h"
}

# Without the bodies of the functions and the include guard, which check-docs takes for declarations.
treadmarks_documented() {
  grep -Ev '^  |^}|MERINO_TREADMARKS_TMK_H' "$1" >"$directory/declarations.h"
  python3 ci/check-docs header "$directory/declarations.h"
}

treadmarks_alone() {
  local language=c
  [[ $2 != c++* ]] || language=c++
  printf '#include <Tmk.h>\n#include <Tmk.h>\nint main(int c, char **v) { Tmk_startup(c, v); Tmk_exit(0); }\n' |
    "$1" -x "$language" -std="$2" -Wpedantic "${treadmarks_flags[@]}" -fsyntax-only -
}

# treadmarks_program KIND TARGET: the second unit as C, linked for random or for fixed addresses, as C++, or as a
# shared library.
treadmarks_program() {
  local folder=Tests/Programs/TreadMarks kind=$1 target=$2
  case $kind in
    pie) treadmarks_compile -fPIE -pie $folder/{treadmarks,other}.c -o "$target" ;;
    fixed) treadmarks_compile -fno-pie -no-pie $folder/{treadmarks,other}.c -o "$target" ;;
    cxx)
      "${CXX:-c++}" -x c++ -std=c++17 "${treadmarks_flags[@]}" -c $folder/other.c -o "$target.o" &&
        treadmarks_compile $folder/treadmarks.c "$target.o" -o "$target"
      ;;
    library)
      treadmarks_compile -fPIC -shared $folder/other.c -o "$target-other.so" &&
        treadmarks_compile -DOTHER_IS_LIBRARY $folder/treadmarks.c "$target-other.so" -o "$target"
      ;;
  esac
}

# treadmarks_mistake CASE PATTERN: the last of two processes says so and ends the job.
treadmarks_mistake() {
  check "mistake: $1" ends_with 1 "^merino: (process 1: )?$2" "$programs_run" run -n 2 -- "$directory/misuse" "$1"
}

treadmarks_mistakes() {
  local name
  check "misuse.c compiles" treadmarks_compile Tests/Programs/TreadMarks/misuse.c -o "$directory/misuse"
  treadmarks_mistake before_startup 'Tmk_barrier: this process has not joined the job; call Tmk_startup first\.'
  treadmarks_mistake startup_twice 'Tmk_startup: a process joins once'
  treadmarks_mistake no_lock 'Tmk_lock_acquire: there is no lock 4096; the numbers are 0\.\.\.4095'
  treadmarks_mistake negative_lock 'Tmk_lock_release: there is no lock 4294967295'
  treadmarks_mistake no_barrier 'Tmk_barrier: there is no barrier 4096'
  treadmarks_mistake no_condition 'Tmk_cond_wait: there is no condition variable 16'
  treadmarks_mistake acquire_twice 'Tmk_lock_acquire\(3\): .*holds it already'
  treadmarks_mistake not_held 'Tmk_lock_release\(3\): .*does not hold it'
  treadmarks_mistake wait_not_held 'Tmk_cond_wait\(lock 3, condition 1\): the caller does not hold the lock'
  treadmarks_mistake arguments_swapped 'Tmk_cond_signal\(lock 1, condition 3\): the caller does not hold the lock'
  treadmarks_mistake broadcast_not_held 'Tmk_cond_broadcast\(lock 3, condition 1\): the caller does not hold the lock'
  for name in stack heap shared thread library constant protected code too_much overflow number; do
    treadmarks_mistake "distribute_$name" 'Tmk_distribute\(0x[0-9a-f]*, [0-9]*\): these bytes are not a static or global'
  done
  treadmarks_mistake too_large 'Tmk_malloc\(1152921504606846976\): .*'
  treadmarks_mistake free_private 'Tmk_free\(0x[0-9a-f]*\): .*'
  treadmarks_mistake free_twice 'Tmk_free\(0x[0-9a-f]*\): .*'
  treadmarks_mistake leave_before_barrier \
    'Tmk_barrier\(0\): process 0 has ended .* after 1 barriers, and this process has called it 2 times'
  # The same source, laid out otherwise.
  check "misuse.c compiles for fixed addresses" treadmarks_compile -fno-pie -no-pie \
    Tests/Programs/TreadMarks/misuse.c -o "$directory/misuse-fixed"
  check "mistake: two executables" ends_with 1 'process 1: Tmk_distribute by process 0: .*different executables' \
    "$programs_run" run -n 1 -- "$directory/misuse" distribute_variable : \
    -n 1 -- "$directory/misuse-fixed" distribute_variable
}

treadmarks_ends() {
  local run=("$programs_run" run -n 3 -- "$directory/misuse")
  check "Tmk_exit(0): the others go on" ends_with 0 '^COUNTED 200, 0 wrong' "${run[@]}" leave_early
  check "Tmk_exit(3) ends the job" ends_with 3 'code 3' "${run[@]}" exit_3
  check "Tmk_exit(256) is no success" ends_with 1 'code 1' "${run[@]}" exit_256
  check "exit(7) ends the job" ends_with 7 'code 7' "${run[@]}" libc_exit_7
  check "a child that ends does not end the job" ends_with 0 'the job went on' "${run[@]}" child
  check "distributing nothing" ends_with 0 '' "${run[@]}" distribute_zero
  check "one executable for all" ends_with 0 '' "${run[@]}" distribute_variable
}

treadmarks_example() {
  local nodes
  check "the example is built" make examples
  for nodes in 1 2 4; do
    check_job "treadmarks on $nodes nodes" "$nodes" treadmarks
  done
}
