# `merino doctor` on this machine, whatever it has: as it is, and with one limit or setting wrong at a time. After
# `release`. What it says of an RDMA device is tried where there is one: ci/lib/guest/doctor.sh, called in a guest.
stage_doctor() {
  local directory
  directory=$(mktemp -d -t merino-doctor.XXXXXX)
  # Where any user can run it, whatever the permissions above this repository are.
  chmod 755 "$directory"
  install -m 755 out/bin/merino "$directory/merino"
  doctor_host "$directory/merino"
  doctor_limits "$directory/merino"
  doctor_settings "$directory/merino" "$directory"
  doctor_itself "$directory"
  rm -rf "$directory"
}

# doctor WHAT EXIT CHECK STATE PATTERN COMMAND...: see ci/lib/check-doctor.py.
doctor() {
  local what=$1
  shift
  check "doctor: $what" python3 ci/lib/check-doctor.py "${@:1:4}" -- "${@:5}"
}

doctor_host() {
  local merino=$1
  doctor "this host can run jobs of its own" 0 fabric pass '^host, as demanded' \
    env MERINO_FABRIC=host "$merino" doctor --json
  check "doctor: a line for each check, and a summary" doctor_lines "$merino"
  if [ -z "$(ls -A /sys/class/infiniband 2>/dev/null)" ]; then
    doctor "no device, and nothing demanded" 0 rdma.devices warn 'jobs stay on this host.*rdma link add' \
      env -u MERINO_FABRIC "$merino" doctor --json
    doctor "no device, and verbs demanded" 1 rdma.devices fail 'no RDMA device' \
      env MERINO_FABRIC=verbs "$merino" doctor --json
    doctor "no device, and no modules for one" 1 rdma.connection_manager fail 'modprobe rdma_ucm' \
      "$merino" doctor --json --fabric verbs
  fi
}

# Text and JSON say the same.
doctor_lines() {
  local text
  text=$(MERINO_FABRIC=host "$1" doctor)
  echo "$text"
  [ "$(grep -cE '^(pass|warn|fail|skip)  [a-z_.]+ +[^ ]' <<<"$text")" -eq "$(($(wc -l <<<"$text") - 1))" ]
  tail -n 1 <<<"$text" | grep -qE '^[0-9]+ pass, [0-9]+ warn, 0 fail, [0-9]+ skip: this host is ready'
}

doctor_limits() {
  local merino=$1 as_nobody=() room=$((1 << 30))
  [ "$(id -u)" -ne 0 ] || as_nobody=(setpriv --reuid 65534 --regid 65534 --clear-groups --)
  doctor "8 MiB of locked memory, as an ordinary user" 1 memory.lock_limit fail '8 MiB.*limits.conf' \
    prlimit --memlock=8388608:8388608 "${as_nobody[@]}" "$merino" doctor --json --fabric verbs --capacity 1G
  doctor "8 MiB of locked memory over the host fabric" 0 memory.lock_limit pass 'locks nothing' \
    prlimit --memlock=8388608:8388608 "${as_nobody[@]}" "$merino" doctor --json --fabric host
  doctor "small files" 1 limits.file_size fail 'ulimit -f' \
    prlimit --fsize=1048576 "$merino" doctor --json --fabric host --capacity 1G
  doctor "few addresses" 1 limits.addresses fail 'ulimit -v' \
    prlimit --as=$((4 * room)) "$merino" doctor --json --fabric host --nodes 4 --capacity 1G
  doctor "few addresses leave no range" 1 system.address_range fail 'MERINO_CAPACITY' \
    prlimit --as=$room "$merino" doctor --json --fabric host --nodes 1 --capacity 4G
  doctor "few open files" 1 limits.open_files fail 'nofile' \
    prlimit --nofile=64:64 "$merino" doctor --json --fabric host --nodes 16
  doctor "few processors for many nodes" 0 system.processors warn 'take turns' \
    taskset -c "$(taskset -cp $$ | grep -oE '[0-9]+' | sed -n 2p)" "$merino" doctor --json --fabric host --nodes 2
  doctor "addresses that are not randomised" 0 system.randomisation pass 'off for this process' \
    setarch -R "$merino" doctor --json --fabric host
}

doctor_settings() {
  local merino=$1 directory=$2
  doctor "a capacity that is no number" 1 job.settings fail 'MERINO_CAPACITY=12Q' \
    env MERINO_CAPACITY=12Q "$merino" doctor --json --fabric host
  doctor "a capacity that no host has addresses for" 1 limits.addresses fail 'fewer nodes' \
    "$merino" doctor --json --fabric host --nodes 16 --capacity 8T
  doctor "a job that is over" 1 launcher.environment fail 'unset MERINO_RENDEZVOUS' \
    env MERINO_RENDEZVOUS="$directory/gone" MERINO_NODE=0 MERINO_NODES=2 "$merino" doctor --json --fabric host
  doctor "inside a job" 0 launcher.environment pass 'node 0 of a job' \
    "$merino" run -n 1 -- "$merino" doctor --json --fabric host
  check "doctor: a wrong command line ends with 2" doctor_misuse "$merino"
}

doctor_misuse() {
  local status=0
  "$1" doctor --nodes 0 || status=$?
  [ "$status" -eq 2 ]
}

# The check of a report finds what is wrong with it.
doctor_itself() {
  local good='{"check": "a", "state": "pass", "found": "x", "cure": ""}' report=$1/report
  doctor_says() {
    echo "#!/bin/sh
echo '{\"checks\": [$1], \"summary\": {\"fabric\": \"host\", \"pass\": $2, \"warn\": 0, \"fail\": 0, \"skip\": 0}}'" >"$report"
    chmod +x "$report"
  }
  doctor_says "$good" 1
  check "check-doctor admits a whole report" python3 ci/lib/check-doctor.py 0 a pass x -- "$report"
  check_fails "check-doctor finds another state" 'no finding a warn' \
    python3 ci/lib/check-doctor.py 0 a warn x -- "$report"
  check_fails "check-doctor finds another exit code" 'exit code 0, not 1' \
    python3 ci/lib/check-doctor.py 1 a pass x -- "$report"
  doctor_says "$good" 2
  check_fails "check-doctor finds a wrong summary" 'counts 2 of pass' \
    python3 ci/lib/check-doctor.py 0 a pass x -- "$report"
  doctor_says '{"check": "a", "state": "pass", "found": "x", "cure": "y"}' 1
  check_fails "check-doctor finds a cure for what passes" 'has a cure and passes' \
    python3 ci/lib/check-doctor.py 0 a pass x -- "$report"
}
