# Programs in PARMACS style and of TreadMarks, built against what was installed as docs/parmacs.md and docs/treadmarks.md
# say, and run with the installed `merino`. With the helpers of programs.sh.

# By hand, then by pkg-config, which is asked where the macros and the carried heap are.
compatibility_checks() {
  install_prefix=$1
  check "treadmarks.c by pkg-config" away compiled \
    "gcc -std=c11 -I$(away pkg-config --variable=treadmarks_includedir merino)" treadmarks.c ./treadmarks merino
  check "it runs on 4 nodes" job ./treadmarks
  check "lu.c.in by hand" away parmacs_by_hand parmacs/lu.c.in ./parmacs/lu
  check "it runs on 4 nodes" job ./parmacs/lu 4
  check "lu.c.in by pkg-config merino-parmacs" away parmacs_by_pkg_config parmacs/lu.c.in ./parmacs/lu-pkg
  check "it runs on 4 nodes" job ./parmacs/lu-pkg 4
  check "heap.c.in by pkg-config, its heap carried" away parmacs_by_pkg_config parmacs/heap.c.in ./parmacs/heap carried
  check "it runs on 4 nodes" job ./parmacs/heap 4
  check "shared.c.in by pkg-config" away parmacs_by_pkg_config parmacs/shared.c.in ./parmacs/shared shared
  check "it runs on 4 nodes" with_shared_globals job ./parmacs/shared 4
}

# Programs that know nothing of Merino, by cc and nothing else.
systemv_checks_installed() {
  install_prefix=$1
  check "primes-server.c and primes-worker.c without Merino" away systemv_plain
  check "they run on 4 nodes" away systemv_primes "$(away pkg-config --variable=sysv_library merino)" \
    "$install_prefix/bin/merino"
}

systemv_plain() {
  cc -O2 -std=gnu11 sysv/primes-server.c -o sysv/primes-server && cc -O2 -std=gnu11 sysv/primes-worker.c -o sysv/primes-worker
}

# systemv_primes LIBRARY MERINO
systemv_primes() {
  ends_with 0 '^25997 primes below 300000$' env LD_PRELOAD="$1" "$2" run -n 1 -- sysv/primes-server . 300000 3 : \
    -n 3 -- sysv/primes-worker .
}

with_shared_globals() {
  MERINO_PARMACS_GLOBALS=shared "$@"
}

# parmacs_by_hand SOURCE TARGET
parmacs_by_hand() {
  local prefix=$install_prefix
  m4 "$prefix/share/merino/parmacs/c.m4.merino" "$1" >"$2.c" &&
    cc -O2 -Wall -Wextra -Werror -I"$prefix/include" "$2.c" -o "$2" -L"$prefix/lib" -lmerino_parmacs -lmerino -lm \
      "-Wl,-rpath,$prefix/lib"
}

# parmacs_by_pkg_config SOURCE TARGET [carried|shared]
parmacs_by_pkg_config() {
  local options=()
  case ${3:-} in
    carried) options+=("@$(pkg-config --variable=carried_heap merino-parmacs)") ;;
    shared) options+=(-fPIC -Wl,-z,now) ;;
  esac
  m4 "$(pkg-config --variable=macros merino-parmacs)" "$1" >"$2.c" &&
    compiled "cc ${options[*]-}" "$2.c" "$2" merino-parmacs
}

# The lines of CMakeLists.txt for programs of both.
cmake_compatibility() {
  cmake_program treadmarks treadmarks.c treadmarks
  cmake_parmacs lu
  cmake_parmacs heap
  # shellcheck disable=SC2016 # CMake's variable
  echo 'target_link_options(heap PRIVATE "@${Merino_PARMACS_CARRIED_HEAP}")'
}

# cmake_parmacs NAME
cmake_parmacs() {
  cat <<CMAKE
add_custom_command(OUTPUT $1.c DEPENDS \${CMAKE_CURRENT_SOURCE_DIR}/../parmacs/$1.c.in
  COMMAND m4 \${Merino_PARMACS_MACROS} \${CMAKE_CURRENT_SOURCE_DIR}/../parmacs/$1.c.in >$1.c)
add_executable($1 $1.c)
target_include_directories($1 PRIVATE ../parmacs)
target_link_libraries($1 PRIVATE Merino::parmacs)
CMAKE
}
