# The manual pages, as they are installed.

manual_checks() {
  local site=$CI_WORK/site bad=$CI_WORK/manual
  check "the manual pages are whole" ci/check-man "$site"
  mkdir -p "$bad/share" "$bad/bin"
  cp -r "$site/share/man" "$bad/share/"
  touch "$bad/bin/merino-new"
  check_fails "check-man finds a command without a page" 'no page for the command merino-new' \
    ci/check-man "$bad"
  rm "$bad/bin/merino-new"
  sed 's/int merino_barrier(void);/&\nint merino_wall(void);/' Sources/Merino/CMerino/include/merino.h \
    >"$bad/merino.h"
  check_fails "check-man finds a function without a page" 'no page for the function merino_wall$' \
    ci/check-man "$bad" Sources "$bad/merino.h"
  echo 'let x = "MERINO_COLOUR"' >"$bad/setting.swift"
  check_fails "check-man finds a variable without a description" 'nothing of MERINO_COLOUR' \
    ci/check-man "$bad" "$bad"
  printf '.so man3/nowhere.3\n' >"$bad/share/man/man3/merino_pin.3"
  check_fails "check-man finds a link to no page" 'leads to man3/nowhere.3' ci/check-man "$bad"
  printf '.so man3/merino_locks.3\n' >"$bad/share/man/man3/merino_pin.3"
  check_fails "check-man finds a link to the wrong page" 'merino_pin.3 says nothing of merino_pin' \
    ci/check-man "$bad"
  printf '.TH X 7\n.SH NAME\nx \\- y\n.undefined\n' >"$bad/share/man/man7/x.7"
  check_fails "check-man finds a mistake in a page" "macro .undefined' not defined" ci/check-man "$bad"
  printf '.TH X 7\n.SH DESCRIPTION\ny\n' >"$bad/share/man/man7/x.7"
  check_fails "check-man finds a page without a name" 'whatis' ci/check-man "$bad"
}
