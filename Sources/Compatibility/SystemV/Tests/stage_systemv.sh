# System V shared memory across nodes: programs that know nothing of Merino, first on the kernel's own
# memory, which must do the same, then as nodes of a job with libmerino-sysv.so before libc. After
# `release`.
stage_systemv() {
  local name tests=Sources/Compatibility/SystemV/Tests
  export SYSTEMV_LIBRARY=${SYSTEMV_LIBRARY:-$PWD/out/lib/libmerino-sysv.so}
  # 256 keys of this run's own.
  export SYSTEMV_KEY=$((0x4d000000 + ($$ & 0xffff) * 256))
  trap systemv_sweep EXIT
  check "make sysv" make sysv
  check "the library takes libc's names and no others" systemv_names
  for name in memory semaphores undo ends objects habits signals cancel many costs edges; do
    check "$name.c compiles" build_systemv "$tests/$name.c" "$CI_WORK/$name"
  done
  for name in server worker; do
    check "Examples/SystemV/primes-$name.c compiles" build_systemv "Examples/SystemV/primes-$name.c" \
      "$CI_WORK/primes-$name"
  done
  run_table systemv key="$SYSTEMV_KEY" tests=$tests
  check "the example, by hand" systemv_primes_by_hand
  check "ipcmk of util-linux" systemv_tools
}

# What is exported exists in libc under the same name.
systemv_names() {
  local libc names known
  libc=$(ldconfig -p | awk '$1 == "libc.so.6" { print $NF; exit }')
  names=$(nm -D --defined-only "$SYSTEMV_LIBRARY" | awk '$2 == "T" { print $3 }' | sort)
  [ "$(wc -l <<<"$names")" -gt 80 ] || return 1
  known=$(nm -D --defined-only "$libc" | awk '{ print $3 }' | sed 's/@.*//' | sort -u)
  diff <(comm -23 <(echo "$names") <(echo "$known")) /dev/null
}

# Where a program has broken off, as mutants do: what has a key of this run, of the kernel and the file of
# ends.c.
systemv_sweep() {
  local kind key id
  for kind in m s; do
    while read -r key id; do
      (((key & ~255) == SYSTEMV_KEY)) && ipcrm "-$kind" "$id"
    done < <(ipcs "-$kind" | awk '/^0x/ { print $1, $2 }')
  done
  rm -f "/tmp/merino-ends-$(printf %x "$SYSTEMV_KEY")"
}

# One node makes memory and a set by a program of util-linux, the other finds and removes them.
systemv_tools() {
  local output wanted
  output=$(LD_PRELOAD=$SYSTEMV_LIBRARY timeout 20 "$PROGRAMS_RUN" run -n 1 -- ipcmk -M 70000 -S 3 : -n 1 -- \
    perl -e '
      # The first identifiers of a job; ipcmk takes keys at random.
      my ($memory, $set) = ("", "");
      until (shmctl(4096, 2, $memory) && semctl(4096, 0, 2, $set)) { select(undef, undef, undef, 0.01) }
      print "size ", unpack("x48 Q", $memory), "\n";
      shmctl(4096, 0, 0) && semctl(4096, 0, 0, 0) && print "removed\n";') || { echo "$output"; return 1; }
  for wanted in "Shared memory id: 4096" "Semaphore id: 4096" "size 70000" removed; do
    grep -qx "$wanted" <<<"$output" || { echo "no '$wanted' in: $output"; return 1; }
  done
  ! grep -q ' 70000 ' <<<"$(ipcs -m)"
}

systemv_primes_by_hand() {
  local output
  timeout 20 "$CI_WORK/primes-worker" "$CI_WORK" &
  timeout 20 "$CI_WORK/primes-worker" "$CI_WORK" &
  output=$(timeout --kill-after=5 20 "$CI_WORK/primes-server" "$CI_WORK" 300000 2 2>&1) && wait &&
    grep -q '^25997 primes below 300000$' <<<"$output" || { echo "$output"; return 1; }
}
