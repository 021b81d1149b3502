# Programs that are built against the installed prefix, as its users build them, and run with the installed
# `merino`.

install_program_checks() {
  local site=$CI_WORK/site moved=$CI_WORK/elsewhere/merino
  # Where nothing leads back to the repository.
  mkdir -p "$CI_WORK/away/parmacs" "$CI_WORK/gone" "$(dirname "$moved")"
  cp Examples/{jacobi,treadmarks}.c Tests/Programs/{segments.c,check.h} "$CI_WORK/away/"
  cp Sources/Compatibility/PARMACS/Tests/{{lu,heap,shared}.c.in,check.h,by-hand} "$CI_WORK/away/parmacs/"
  cp -r Examples/SystemV "$CI_WORK/away/sysv"
  cp Examples/*.cpp Examples/*.f90 "$CI_WORK/away/" 2>/dev/null || true
  install_away "$site" pkg-config
  cp -a "$site" "$CI_WORK/only"
  rm "$CI_WORK/only"/lib/libmerino.so*
  install_away "$CI_WORK/only" "archive alone"
  cp -r ci/fixtures/outside "$CI_WORK/away/project"
  install_away "$site" CMake
  mv "$site"/lib/libmerino.* "$CI_WORK/gone/"
  install_away "$site" "CMake without libraries"
  mv "$CI_WORK"/gone/* "$site/lib/"
  mv "$site" "$moved"
  install_away "$moved" moved
  mv "$moved" "$site"
  module_checks "$site"
}

# install_away PREFIX SECTION NAME=VALUE...: a section of the table, in the folder outside, with what is
# installed at PREFIX.
install_away() {
  local repository=$PWD cpp f90
  cpp=$(examples_in cpp) f90=$(examples_in f90)
  (
    cd "$CI_WORK/away"
    PROGRAMS_RUN=$1/bin/merino PKG_CONFIG_PATH=$1/lib/pkgconfig run_table "$repository/ci/tables/install:$2" \
      prefix="$1" \
      ci="$repository/ci" version="$("$repository/packaging/version")" cpp="$cpp" f90="$f90" \
      programs="$(sed 's/[^ ]*/&-cpp/g' <<<"$cpp") $(sed 's/[^ ]*/&-f90/g' <<<"$f90")" "${@:3}"
  )
}

# examples_in SUFFIX: the names of the examples in a language.
examples_in() {
  find "$CI_WORK/away" -maxdepth 1 -name "*.$1" -printf '%f\n' | sed "s/\.$1\$//" | LC_ALL=C sort | xargs
}

# What `module load` does, by Tcl with the commands of modulefiles defined.
module_checks() {
  local file
  file=$1/share/merino/modulefiles/merino/$(packaging/version)
  check "the modulefile leads to the installed merino" \
    test "$(tclsh ci/lib/install/module.tcl "$file" PATH)" = "$1/bin"
  check "the modulefile leads to the installed library" \
    test "$(tclsh ci/lib/install/module.tcl "$file" LD_LIBRARY_PATH)" = "$1/lib"
  echo 'prepend-paht PATH /' >"$CI_WORK/module"
  check_fails "a mistake in a modulefile is found" 'invalid command name "prepend-paht"' \
    tclsh ci/lib/install/module.tcl "$CI_WORK/module" PATH
}
