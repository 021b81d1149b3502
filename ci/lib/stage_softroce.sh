# The test bed itself: what a command sees in a guest, what comes back from it, and that nothing is left
# behind. Guests are forced, so that the same is tested on every machine; the native way is tried inside a
# guest.
stage_softroce() {
  softroce_one_guest "$CI_WORK"
  softroce_limits "$CI_WORK"
  softroce_two_guests "$CI_WORK"
  check "softroce: scripts are clean for shellcheck, where it is installed" softroce_shellcheck
}

# softroce_run SCRATCH NAME WANTED_STATUS ARGS...: output in SCRATCH/NAME.out and .err; temporary files in
# SCRATCH/NAME.
softroce_run() {
  local scratch=$1 name=$2 wanted=$3 status=0
  shift 3
  mkdir "$scratch/$name"
  MERINO_SOFTROCE=guest TMPDIR=$scratch/$name ci/softroce "$@" \
    >"$scratch/$name.out" 2>"$scratch/$name.err" || status=$?
  [ "$status" -eq "$wanted" ] && return 0
  echo "exit status $status, not $wanted"
  cat "$scratch/$name.out" "$scratch/$name.err"
  return 1
}

# No file in the run's temporary folder, and no process that names it.
softroce_left_nothing() {
  local folder=$1 line left=0
  if [ -n "$(ls -A "$folder")" ]; then
    ls -lA "$folder"
    left=1
  fi
  for line in /proc/[0-9]*/cmdline; do
    if tr '\0' ' ' <"$line" 2>/dev/null | grep -F "$folder/softroce."; then left=1; fi
  done
  return $left
}

softroce_one_guest() {
  local scratch=$1
  mkdir "$scratch/result"
  check "softroce: compiling torn-words" \
    gcc -O2 -Wall -Wextra -Werror -o "$scratch/result/torn-words" ci/fixtures/torn-words.c -libverbs -lpthread
  check "softroce: the exit code of a command in a guest" \
    softroce_run "$scratch" one 7 --timeout 120 --module dummy --out "$scratch/result" -- bash -c '
      echo "to stdout"; echo "to stderr" >&2
      python3 ci/lib/softroce/tsc.py >"$SOFTROCE_OUT/khz"
      ibv_devinfo -d rxe0 | tr -s "\t " " "
      rping -s -a $SOFTROCE_ADDRESS -C 5 >/dev/null 2>&1 &
      until rdma resource show cm_id | grep -q LISTEN; do sleep 0.1; done
      rping -c -a $SOFTROCE_ADDRESS -C 5 -v | grep -c "ping data"; wait
      ib_read_lat -x 1 -F -s 4096 -n 200 >/dev/null 2>&1 &
      until grep -q ":4853 .* 0A " /proc/net/tcp /proc/net/tcp6; do sleep 0.1; done
      ib_read_lat -x 1 -F -s 4096 -n 200 $SOFTROCE_ADDRESS 2>/dev/null | grep "^ 4096" | sed "s/^/read/"; wait
      cp "$SOFTROCE_OUT/torn-words" /tmp; /tmp/torn-words rxe0 3 && echo "no word torn"
      touch "$SOFTROCE_OUT/written" 2>&1; touch "$PWD/not-written" 2>/dev/null || echo "read-only"
      MERINO_SOFTROCE=native ci/softroce -- sh -c "echo native \$SOFTROCE_DEVICE
        ibv_devinfo -d \$SOFTROCE_DEVICE | grep -c PORT_ACTIVE; exit 9"
      echo "native status $?"; echo "left: $(ls /sys/class/infiniband)"
      exit 7'
  local want
  for want in "to stdout" " state: PORT_ACTIVE (4)" " active_mtu: 4096 (5)" "5" "read-only" "no word torn" \
    "native rxe1" \
    "native status 9" "left: rxe0"; do
    check "softroce: in a guest: $want" grep -Fxq -- "$want" "$scratch/one.out"
  done
  check "softroce: in a guest: READ latency was measured" grep -Eq '^read 4096 +200 +[0-9.]+ ' \
    "$scratch/one.out"
  check "softroce: a guest's clock goes as fast as the host's" softroce_clock "$scratch/result/khz"
  check "softroce: stderr apart from stdout" softroce_only_stderr "$scratch/one"
  check "softroce: a file of the guest is on the host" test -e "$scratch/result/written"
  check "softroce: a run leaves nothing behind" softroce_left_nothing "$scratch/one"
}

# softroce_clock FILE: the rate of the time stamp counter, which is the host's, by the guest's clock, in kHz.
softroce_clock() {
  local khz
  khz=$(python3 ci/lib/softroce/tsc.py)
  # Processors of other kinds have a counter whose rate they say themselves.
  [ -n "$khz" ] || [ "$(uname -m)" != x86_64 ] || return 1
  [ -z "$khz" ] || awk -v khz="$khz" '
    { off = $1 / khz; found = off > 0.98 && off < 1.02 }
    END { exit !found }' "$1"
}

softroce_only_stderr() {
  ! grep -q "to stderr" "$1.out" && grep -Fxq "to stderr" "$1.err" && ! grep -q "to stdout" "$1.err"
}

softroce_limits() {
  local scratch=$1
  check "softroce: the time limit" softroce_run "$scratch" limit 124 --timeout 4 -- sleep 100
  check "softroce: the time limit says so" grep -q "'sleep 100' did not end within 4 s" "$scratch/limit.err"
  check "softroce: the time limit leaves nothing behind" softroce_left_nothing "$scratch/limit"
  check "softroce: SIGTERM ends a run and leaves nothing behind" softroce_killed "$scratch/killed" TERM
  check_fails "softroce: an unknown option" "no such option: --guest " ci/softroce --guest 2 -- true
  check_fails "softroce: a wrong number" "takes 1, 2 or 3, not '4'" ci/softroce --guests 4 -- true
}

# Sends SIGNAL when the command of a guest has said that it runs.
softroce_killed() {
  local folder=$1 signal=$2 pid status=0 deadline=$((SECONDS + 90))
  mkdir "$folder" "$folder.result"
  MERINO_SOFTROCE=guest TMPDIR=$folder ci/softroce --timeout 120 --out "$folder.result" -- \
    sh -c 'touch "$SOFTROCE_OUT/running"; sleep 100' &
  pid=$!
  until [ -e "$folder.result/running" ]; do
    if [ $SECONDS -ge $deadline ]; then
      echo "the command did not start"
      kill -KILL "$pid"
      return 1
    fi
    sleep 0.1
  done
  kill -s "$signal" "$pid"
  wait "$pid" || status=$?
  echo "exit status $status"
  [ "$status" -eq 143 ] && softroce_left_nothing "$folder"
}

softroce_two_guests() {
  local scratch=$1
  check "softroce: two guests" \
    softroce_run "$scratch" two 0 --guests 2 --cpus 1 --timeout 150 --netem "delay 1ms" -- bash -c '
      echo "hosts $SOFTROCE_HOSTS"
      echo input | "$SOFTROCE_AGENT" guest2 "uname -n; cat; echo to stderr >&2; exit 5"; echo "agent $?"
      "$SOFTROCE_AGENT" guest2 rping -s -a 10.77.0.2 -C 5 >/dev/null 2>&1 </dev/null &
      "$SOFTROCE_AGENT" guest2 "until rdma resource show cm_id | grep -q LISTEN; do sleep 0.1; done"
      rping -c -a 10.77.0.2 -C 5 -v | grep -c "ping data"; wait
      SOFTROCE_TOKEN=wrong "$SOFTROCE_AGENT" guest2 echo served 2>/dev/null; echo "without the token $?"
      timeout 3 "$SOFTROCE_AGENT" guest2 sleep 1234
      "$SOFTROCE_AGENT" guest2 "ps -eo args | grep -c ^[s]leep.1234"
      echo "delayed $(tc -s qdisc show dev eth0 | grep -c "netem.*delay 1ms")"'
  local want
  for want in "hosts guest1,guest2" guest2 input "agent 5" "5" "without the token 255" "0" "delayed 1"; do
    check "softroce: two guests: $want" grep -Fxq -- "$want" "$scratch/two.out"
  done
  check "softroce: two guests: the agent keeps stderr apart" grep -Fxq "to stderr" "$scratch/two.err"
  check "softroce: two guests leave nothing behind" softroce_left_nothing "$scratch/two"
}

softroce_shellcheck() {
  command -v shellcheck >/dev/null || { echo "not installed"; return 0; }
  shellcheck -x ci/softroce ci/lib/softroce/*.sh
}
