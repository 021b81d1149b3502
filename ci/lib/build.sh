# shellcheck shell=bash
# How the tests' programs are built, as a user would, with every warning on; for every stage. What is linked
# with:
#
#   PROGRAMS_LIBRARY  folder of the library (out/lib), and
#   PROGRAMS_NAME     its name (merino); SWIFT's debug build is .build/debug and MerinoC
#   CC, CXX           the compilers

# build_program SOURCE TARGET FLAGS...
build_program() {
  local source=$1 target=$2 library=${PROGRAMS_LIBRARY:-out/lib}
  shift 2
  ${CC:-cc} -std=gnu11 -O1 -g -Wall -Wextra -Werror -pthread -ISources/Merino/CMerino/include "$source" "$@" \
    -o "$target" \
    -L"$library" "-l${PROGRAMS_NAME:-merino}" "-Wl,-rpath,$PWD/$library"
}

# build_checks FOLDER FLAGS... -- SOURCE...: each is a check.
build_checks() {
  local folder=$1 flags=() source
  shift
  while [ "$1" != -- ]; do
    flags+=("$1")
    shift
  done
  for source in "${@:2}"; do
    check "$source compiles" build_program "$source" "$folder/$(basename "$source" .c)" \
      ${flags[@]+"${flags[@]}"}
  done
}

# build_parmacs SOURCE TARGET FLAGS...: by m4, c.m4.merino and cc. The flags of the linker come last.
build_parmacs() {
  local source=$1 target=$2 tests=Sources/Compatibility/PARMACS/Tests
  shift 2
  m4 -Ulen -Uindex out/share/merino/parmacs/c.m4.merino "$source" >"$target.c" || return 1
  ${CC:-cc} -std=gnu11 -O1 -g -Wall -Wextra -Wno-missing-field-initializers -Werror -Iout/include "-I$tests" \
    "$target.c" -o "$target" -L"${PARMACS_LIBRARY:-out/lib}" -lmerino_parmacs -Lout/lib -lmerino -lm \
    "-Wl,-rpath,$PWD/out/lib" "$@"
}

# build_systemv SOURCE TARGET: without Merino.
build_systemv() {
  ${CC:-cc} -std=gnu11 -D_GNU_SOURCE -O1 -g -Wall -Wextra -Werror -pthread "$1" -o "$2"
}

# build_treadmarks KIND TARGET: of two units; the second one as C, linked for random or for fixed addresses,
# as C++, or as a shared library.
build_treadmarks() {
  local layer=Sources/Compatibility/TreadMarks kind=$1 target=$2
  local folder=$layer/Tests header="-I$layer -ITests/Programs"
  case $kind in
    pie) build_program $folder/treadmarks.c "$target" $header -fPIE -pie $folder/other.c ;;
    fixed) build_program $folder/treadmarks.c "$target" $header -fno-pie -no-pie $folder/other.c ;;
    cxx)
      "${CXX:-c++}" -x c++ -std=c++17 -O1 -g -Wall -Wextra -Werror -pthread -ISources/Merino/CMerino/include \
        $header \
        -c $folder/other.c -o "$target.o" && build_program $folder/treadmarks.c "$target" $header "$target.o"
      ;;
    library)
      build_program $folder/other.c "$target-other.so" $header -fPIC -shared &&
        build_program $folder/treadmarks.c "$target" $header -DOTHER_IS_LIBRARY "$target-other.so"
      ;;
  esac
}

# build_stress: .build-static/release/MerinoStress.
build_stress() {
  swift build -c release --scratch-path .build-static -Xswiftc -static-stdlib -Xswiftc -use-ld=lld \
    --product MerinoStress
}

# build_for_guests FILE...: what guests need under the repository, all of it in out/verbs, not in /tmp,
# which they have for themselves; what is missing is built, and each FILE is a product of the debug build.
build_for_guests() {
  local name folder=out/verbs layers=Sources/Compatibility
  [ -x out/bin/merino ] && [ -e out/lib/libmerino.so ] || check "make" make
  [ -x out/examples/jacobi ] || check "the examples are built" make examples
  [ -x .build-static/release/MerinoStress ] || check "the stress programs are built" build_stress
  [ $# -eq 0 ] || [ -e "$1" ] || check "the tests are built" swift build --build-tests
  [ -e out/lib/libmerino-sysv.so ] || check "make sysv" make sysv
  mkdir -p "$folder"
  for name in Tests/Programs/*.c; do
    [ "$name" != Tests/Programs/never_joined.c ] || continue
    check "$name compiles for the guests" build_program "$name" "$folder/$(basename "$name" .c)"
  done
  check "the TreadMarks program compiles for the guests" build_treadmarks pie "$folder/treadmarks"
  for name in globals lu queue pauses; do
    check "$name in PARMACS compiles for the guests" build_parmacs "$layers/PARMACS/Tests/$name.c.in" \
      "$folder/parmacs-$name"
  done
  check "heap in PARMACS, carried, compiles for the guests" build_parmacs $layers/PARMACS/Tests/heap.c.in \
    "$folder/parmacs-heap" @out/share/merino/parmacs/carried-heap.link
  check "shared in PARMACS compiles for the guests" build_parmacs $layers/PARMACS/Tests/shared.c.in \
    "$folder/parmacs-shared" -fPIC -pie -Wl,-z,now
  for name in memory semaphores undo ends objects habits signals; do
    check "$name of System V compiles for the guests" build_systemv "$layers/SystemV/Tests/$name.c" \
      "$folder/systemv-$name"
  done
  for name in server worker; do
    check "primes-$name.c compiles for the guests" build_systemv "Examples/SystemV/primes-$name.c" \
      "$folder/primes-$name"
  done
  install -m 755 $layers/SystemV/Tests/as-node "$folder/as-node"
}

# logged FILE COMMAND...: what it says goes to FILE; the end of it is shown where it fails.
logged() {
  "${@:2}" >"$1" 2>&1 || { tail -n 60 "$1"; return 1; }
}
