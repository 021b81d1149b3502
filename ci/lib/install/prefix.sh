# make install and make uninstall: what they put where, and that they leave no trace.

# Installs to $CI_WORK/site, by a DESTDIR; the programs are then built in $CI_WORK, too.
install_prefix_checks() {
  local site=$CI_WORK/site staged=$CI_WORK/staged
  check "make install" make install PREFIX="$site"
  check "the installed programs and libraries need no Swift and are bound at load" \
    ci/check-needs "$site"/bin/* "$site/lib/libmerino.so"
  check "the installed library exports only merino_* and stands alone" \
    ci/check-library "$site/lib/libmerino.so"
  check "the archive has merino_* and nothing else to link with" archive_symbols "$site/lib/libmerino.a"
  check "one program was installed, the others are links to it" \
    test "$(find "$site/bin" -type f -printf '%f ')" = "merino "
  check "an installed link is a benchmark" grep -q '^USAGE: merino-fetch-lat ' \
    <("$site/bin/merino-fetch-lat" --help)
  check "the installed version is that of the package" test "$("$site/bin/merino" --version)" = \
    "merino $(packaging/version)"

  check "make install to a DESTDIR" make install PREFIX=/opt/merino LIBDIR=lib/test DESTDIR="$staged"
  check "a DESTDIR has the same files" same_files "$site" "$staged/opt/merino"
  check "nothing that was installed knows the DESTDIR" unknown "$staged" "$staged"
  check "nothing that was installed knows the repository" unknown "$PWD/" "$staged"
  check "make install over an installation of before" make install PREFIX=/opt/merino DESTDIR="$staged"
  check "no file of the one before is left" test ! -e "$staged/opt/merino/lib/test"
  check "make uninstall" make uninstall PREFIX=/opt/merino DESTDIR="$staged"
  check "make uninstall leaves nothing" test -z "$(ls -A "$staged")"
  check_fails "make uninstall where nothing is" 'was not installed' \
    make uninstall PREFIX=/opt/merino DESTDIR="$staged"

  mkdir -p "$staged/opt/merino/bin" "$staged/opt/merino/share"
  echo mine >"$staged/opt/merino/bin/mine"
  check "make install beside somebody else's files" make install PREFIX=/opt/merino DESTDIR="$staged"
  check "make uninstall beside somebody else's files" make uninstall PREFIX=/opt/merino DESTDIR="$staged"
  check "make uninstall leaves what is not ours" \
    diff <(cd "$staged" && find . | LC_ALL=C sort) <(printf '%s\n' . ./opt{,/merino{,/bin{,/mine},/share}})
  install_prefix_refusals "$staged"
}

install_prefix_refusals() {
  check_fails "a PREFIX that is relative is refused" 'must be an absolute path' \
    make install PREFIX=here DESTDIR="$1"
  check_fails "a LIBDIR that is absolute is refused" 'is relative to PREFIX' \
    make install LIBDIR=/lib DESTDIR="$1"
  check_fails "installing what is not built is refused" 'run make first' make install OUT="$1" DESTDIR="$1"
  mkdir -p "$CI_WORK/version"/Sources/{Machine/Platform,Merino/CMerino/include}
  cp Sources/Machine/Platform/Version.swift "$CI_WORK/version/Sources/Machine/Platform/"
  sed 's/define MERINO_VERSION_MINOR .*/define MERINO_VERSION_MINOR 99/' \
    Sources/Merino/CMerino/include/merino.h \
    >"$CI_WORK/version/Sources/Merino/CMerino/include/merino.h"
  check_fails "a header of another version is found" 'its version is [0-9]+\.99\.' packaging/version \
    "$CI_WORK/version"
  echo "$CI_WORK" >"$CI_WORK/version/text"
  check_fails "a file that knows where it was made is found" 'version/text' unknown "$CI_WORK" \
    "$CI_WORK/version"
  check_fails "check-needs finds a library that not every host has" 'needs libpthread_of_mine.so' \
    ci/check-needs "$(needy_program)"
  check_fails "check-needs finds a path of the build machine" 'has a path of its own' \
    ci/check-needs "$(needy_program)"
  check_fails "check-needs finds a program that is not bound at load" 'not linked with -z now' \
    ci/check-needs "$(needy_program)"
}

# A program with a library beside it that it finds by a RUNPATH; prints its name.
needy_program() {
  local folder=$CI_WORK/needy
  mkdir -p "$folder"
  echo 'int needed(void) { return 0; }' | gcc -shared -fPIC -x c \
    -Wl,-soname,libpthread_of_mine.so -o "$folder/libneeded.so" -
  echo 'int needed(void); int main(void) { return needed(); }' |
    gcc -x c -o "$folder/program" - -L"$folder" -lneeded -Wl,-rpath,"$folder",-z,lazy
  echo "$folder/program"
}

# same_files A B: the same names, but for LIBDIR.
same_files() {
  diff <(cd "$1" && find . -type f -o -type l | LC_ALL=C sort) \
    <(cd "$2" && find . -type f -o -type l | sed 's|^./lib/test/|./lib/|' | LC_ALL=C sort)
}

# unknown TEXT FOLDER: no file below FOLDER has TEXT in it.
unknown() {
  local files
  files=$(grep -rlF -- "$1" "$2") || return 0
  echo "these have $1 in them:" $files
  return 1
}

archive_symbols() {
  local others
  # Not by a pipe: grep -q ends at the first match, and nm would be ended by the pipe.
  grep -q ' T merino_init$' <<<"$(nm -g --defined-only "$1")" || { echo "$1 has no merino_init"; return 1; }
  others=$(nm -g --defined-only "$1" | awk 'NF == 3 && $3 !~ /^merino_/ { print $3 }')
  [ -z "$others" ] || { echo "$1 has" $others; return 1; }
}
