# `merino doctor` on this machine, whatever it has: as it is, and with one limit or setting wrong at a time.
# After `release`. What it says of an RDMA device is tried where there is one: ci/lib/guest/doctor.sh,
# called in a guest.
stage_doctor() {
  local section=doctor:everywhere nobody=''
  chmod 755 "$CI_WORK"
  install -m 755 out/bin/merino "$CI_WORK/merino"
  [ "$(id -u)" -ne 0 ] || nobody="setpriv --reuid 65534 --regid 65534 --clear-groups --"
  [ -n "$(ls -A /sys/class/infiniband 2>/dev/null)" ] || section=doctor
  doctor_report "$CI_WORK/report" '' 1
  doctor_report "$CI_WORK/report-summary" '' 2
  doctor_report "$CI_WORK/report-cure" y 1
  run_table "$section" merino="$CI_WORK/merino" nobody="$nobody" report="$CI_WORK/report" \
    processor="$(taskset -cp $$ | grep -oE '[0-9]+' | sed -n 2p)"
  check "doctor: a line for each check, and a summary" doctor_lines "$CI_WORK/merino"
}

# Text and JSON say the same.
doctor_lines() {
  local text
  text=$(MERINO_FABRIC=host "$1" doctor)
  echo "$text"
  [ "$(grep -cE '^(pass|warn|fail|skip)  [a-z_.]+ +[^ ]' <<<"$text")" -eq "$(($(wc -l <<<"$text") - 1))" ]
  tail -n 1 <<<"$text" | grep -qE '^[0-9]+ pass, [0-9]+ warn, 0 fail, [0-9]+ skip: this host is ready'
}

# doctor_report FILE CURE PASSES: a program that prints a report of one check that passes.
doctor_report() {
  cat >"$1" <<REPORT
#!/bin/sh
echo '{"checks": [{"check": "a", "state": "pass", "found": "x", "cure": "$2"}],
  "summary": {"fabric": "host", "pass": $3, "warn": 0, "fail": 0, "skip": 0}}'
REPORT
  chmod +x "$1"
}
