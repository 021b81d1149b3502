# Programs that are built against the installed prefix, as its users build them, and run with the installed `merino`.

install_program_checks() {
  local site=$install_work/site
  # Where nothing leads back to the repository.
  mkdir "$install_work/away"
  cp Examples/{jacobi,treadmarks}.c Tests/Programs/{segments.c,check.h} "$install_work/away/"
  mkdir "$install_work/away/parmacs"
  cp Tests/Parmacs/{{lu,heap,shared}.c.in,check.h} "$install_work/away/parmacs/"
  cp -r Examples/SystemV "$install_work/away/sysv"
  cp Examples/*.cpp Examples/*.f90 "$install_work/away/" 2>/dev/null || true
  pkg_config_checks "$site"
  compatibility_checks "$site"
  systemv_checks_installed "$site"
  cmake_checks "$site"
  moved_checks "$site"
  module_checks "$site"
}

# away COMMAND ARGS...: in the directory outside, with the prefix's pkg-config files.
away() {
  (cd "$install_work/away" && PKG_CONFIG_PATH=$install_prefix/lib/pkgconfig "$@")
}

# compiled COMPILER SOURCE TARGET PACKAGE OPTIONS...: with the flags that pkg-config gives for PACKAGE.
compiled() {
  local compiler=$1 source=$2 target=$3 package=$4 flags
  shift 4
  flags=$(pkg-config "$@" --cflags --libs "$package") || return 1
  # A folder outside the loader's path is named when linking, as for any library.
  case $package$* in
    merino | merino-parmacs) flags+=" -Wl,-rpath,$(pkg-config --variable=libdir "$package")" ;;
  esac
  $compiler -O1 -Wall -Wextra -Werror "$source" -o "$target" $flags
}

# job PROGRAM ARGS...: on 4 nodes, in the directory outside; says PASS and no FAIL.
job() {
  job_of 4 "$@"
}

# job_of NODES PROGRAM ARGS...
job_of() {
  local nodes=$1 output
  shift
  output=$(away timeout --kill-after=5 60 "$install_prefix/bin/merino" run -n "$nodes" -- "$@" 2>&1) || {
    echo "status $?"
    echo "$output"
    return 1
  }
  echo "$output"
  grep -q '^PASS ' <<<"$output" && ! grep -q '^FAIL ' <<<"$output"
}

pkg_config_checks() {
  install_prefix=$1
  local name
  check "pkg-config knows the version" test "$(away pkg-config --modversion merino)" = "$(packaging/version)"
  check "jacobi.c by pkg-config" away compiled "gcc -std=c11" jacobi.c ./jacobi merino
  check "it needs libmerino.so" needs_merino yes jacobi
  check "it runs on 4 nodes" job ./jacobi 400 50
  check "jacobi.c by pkg-config merino-static" away compiled "gcc -std=c11" jacobi.c ./jacobi-static merino-static
  check "it needs no libmerino.so" needs_merino no jacobi-static
  check "it needs no Swift, and is bound at load" away "$install_repository/ci/check-needs" ./jacobi-static
  check "it runs on 4 nodes" job ./jacobi-static 400 50
  # Another linker, which throws away what nobody seems to refer to: the runtime's tables must not be among it.
  check "jacobi.c by pkg-config merino-static and lld" away compiled \
    "gcc -std=c11 -fuse-ld=lld -B$(dirname "$(command -v swift)") -Wl,--gc-sections" jacobi.c ./jacobi-lld merino-static
  check "it runs on 4 nodes" job ./jacobi-lld 400 50
  # Errors of every kind go through the casts that fail where a static runtime is linked wrongly.
  check "segments.c by pkg-config merino-static" away compiled "gcc -std=gnu11 -pthread -DWITH_MERINO" segments.c \
    ./segments-static merino-static
  check "its checks pass on 4 nodes" job ./segments-static
  archive_only_checks
  for name in $(examples_in cpp); do
    check "$name.cpp by pkg-config" away compiled "g++ -std=c++17 -pthread" "$name.cpp" "./$name-cpp" merino
    check "it runs on 4 nodes" job "./$name-cpp"
  done
  for name in $(examples_in f90); do
    check "$name.f90 by pkg-config" away compiled "gfortran $(away pkg-config --variable=fortran_source merino)" \
      "$name.f90" "./$name-f90" merino
    check "it runs on 4 nodes" job "./$name-f90"
  done
}

# examples_in SUFFIX: the names of the examples in a language.
examples_in() {
  find "$install_work/away" -maxdepth 1 -name "*.$1" -printf '%f\n' | sed "s/\.$1\$//" | LC_ALL=C sort
}

# Where a site has only the archive, `pkg-config --static` is enough.
archive_only_checks() {
  local only=$install_work/only
  cp -a "$install_prefix" "$only"
  rm "$only"/lib/libmerino.so*
  check "jacobi.c by pkg-config --static, with the archive alone" \
    env PKG_CONFIG_PATH="$only/lib/pkgconfig" bash -c "$(declare -f compiled); cd '$install_work/away' &&
      compiled 'gcc -std=c11' jacobi.c ./jacobi-only merino --static"
  check "it is bound at load" away "$install_repository/ci/check-needs" ./jacobi-only
  check "it runs on 4 nodes" job ./jacobi-only 400 50
  rm -rf "$only"
}

# needs_merino yes|no PROGRAM
needs_merino() {
  local found=no
  if grep -q 'NEEDED.*\[libmerino\.so\.[0-9]*\]' <<<"$(readelf -dW "$install_work/away/$2")"; then found=yes; fi
  [ "$found" = "$1" ]
}

cmake_checks() {
  install_prefix=$1
  local name
  cmake_project "$install_work/away/project"
  check "find_package(Merino) finds it" away cmake_build "$1"
  check "jacobi.c by CMake runs on 4 nodes" job project/build/jacobi 400 50
  check "jacobi.c by CMake, linked with the archive, runs on 4 nodes" job project/build/jacobi_static 400 50
  for name in $(examples_in cpp | sed 's/$/-cpp/') $(examples_in f90 | sed 's/$/-f90/'); do
    check "$name by CMake runs on 4 nodes" job "project/build/$name"
  done
  check "treadmarks.c by CMake runs on 4 nodes" job project/build/treadmarks
  check "lu.c.in by CMake runs on 4 nodes" job project/build/lu 4
  check "heap.c.in by CMake, its heap carried, runs on 4 nodes" job project/build/heap 4
  check "the one needs libmerino.so" needs_merino yes project/build/jacobi
  check "the other does not" needs_merino no project/build/jacobi_static
  check "the other is bound at load" away "$install_repository/ci/check-needs" project/build/jacobi_static
  check_fails "find_package refuses a later version" 'requested version "0\.99' away cmake_build "$1" -DASKED=0.99
  check_fails "find_package refuses another major version" 'requested version "9\.0' away cmake_build "$1" -DASKED=9.0
  mkdir "$install_work/gone"
  mv "$1"/lib/libmerino.* "$install_work/gone/"
  check_fails "find_package says that the libraries are gone" 'no libmerino.so.[0-9]+ and no libmerino.a' away cmake_build "$1"
  mv "$install_work"/gone/* "$1/lib/"
}

# cmake_project FOLDER: the examples of every language.
cmake_project() {
  local name languages=C
  mkdir "$1"
  [ -z "$(examples_in cpp)" ] || languages+=" CXX"
  [ -z "$(examples_in f90)" ] || languages+=" Fortran"
  {
    echo "cmake_minimum_required(VERSION 3.16)"
    echo "project(Outside $languages)"
    echo "set(CMAKE_CXX_STANDARD 17)"
    echo "set(ASKED 0.1 CACHE STRING \"\")"
    echo "find_package(Merino \${ASKED} REQUIRED)"
    cmake_program jacobi jacobi.c merino
    cmake_program jacobi_static jacobi.c merino_static
    cmake_compatibility
    for name in $(examples_in cpp); do cmake_program "$name-cpp" "$name.cpp" merino; done
    for name in $(examples_in f90); do cmake_program "$name-f90" "$name.f90" fortran; done
  } >"$1/CMakeLists.txt"
}

# cmake_program NAME SOURCE TARGET
cmake_program() {
  echo "add_executable($1 ../$2)"
  echo "target_link_libraries($1 PRIVATE Merino::$3)"
}

# cmake_build PREFIX OPTIONS...
cmake_build() {
  local prefix=$1
  shift
  rm -rf project/build
  cmake -S project -B project/build -DCMAKE_PREFIX_PATH="$prefix" "$@" && cmake --build project/build
}

# A prefix that was moved: pkg-config and CMake find what they need where it is now.
moved_checks() {
  local moved=$install_work/elsewhere/merino
  mkdir -p "$(dirname "$moved")"
  mv "$1" "$moved"
  install_prefix=$moved
  check "a moved prefix by pkg-config" away compiled "gcc -std=c11" jacobi.c ./jacobi merino
  check "it runs on 4 nodes" job ./jacobi 400 50
  check "a moved prefix by CMake" away cmake_build "$moved"
  check "jacobi.c by CMake runs on 4 nodes" job project/build/jacobi 400 50
  mv "$moved" "$1"
}

# What `module load` does, by Tcl with the commands of modulefiles defined.
module_checks() {
  local file
  file=$1/share/merino/modulefiles/merino/$(packaging/version)
  check "the modulefile leads to the installed merino" test "$(tclsh ci/lib/install/module.tcl "$file" PATH)" = "$1/bin"
  check "the modulefile leads to the installed library" \
    test "$(tclsh ci/lib/install/module.tcl "$file" LD_LIBRARY_PATH)" = "$1/lib"
  echo 'prepend-paht PATH /' >"$install_work/module"
  check_fails "a mistake in a modulefile is found" 'invalid command name "prepend-paht"' \
    tclsh ci/lib/install/module.tcl "$install_work/module" PATH
}
