# System V shared memory across nodes: programs that know nothing of Merino, first on the kernel's own memory, which
# must do the same, then as nodes of a job with libmerino-sysv.so before libc. After `release`; uses the helpers of
# stage_programs.sh.
systemv_library=${SYSTEMV_LIBRARY:-$PWD/out/lib/libmerino-sysv.so}

stage_systemv() {
  local name nodes
  check "make sysv" make sysv
  # Not local: the trap is run after the function. A stage has a shell of its own.
  directory=$(mktemp -d -t merino-systemv.XXXXXX)
  trap 'systemv_sweep; rm -rf "$directory"' EXIT
  # 256 keys of this run's own.
  systemv_key=$((0x4d000000 + ($$ & 0xffff) * 256))
  check "the library takes libc's names and no others" systemv_names
  for name in memory semaphores undo ends objects habits signals cancel costs edges; do
    check "Tests/SystemV/$name.c compiles" systemv_compile "Tests/SystemV/$name.c" "$directory/$name"
  done
  for name in memory semaphores undo ends objects habits signals cancel; do
    systemv_checks "$name, the kernel's" systemv_by_hand 4 "$directory/$name"
    systemv_checks "$name on 4 nodes" systemv_job 4 "$directory/$name"
  done
  for nodes in 1 2; do
    for name in memory semaphores objects; do systemv_checks "$name on $nodes nodes" systemv_job "$nodes" "$directory/$name"; done
  done
  systemv_checks "costs, the kernel's" systemv_by_hand 2 "$directory/costs"
  systemv_checks "costs on 2 nodes" systemv_job 2 "$directory/costs"
  LD_PRELOAD=$systemv_library systemv_checks "semaphores, in no job" systemv_by_hand 2 "$directory/semaphores"
  for nodes in 1 4; do
    systemv_checks "Perl on $nodes nodes" systemv_job "$nodes" perl Tests/SystemV/ring.pl
    systemv_checks "Python on $nodes nodes" systemv_job "$nodes" /usr/bin/python3 Tests/SystemV/ring.py
  done
  check "ipcmk of util-linux" systemv_tools
  systemv_example
  systemv_edges
  systemv_mutations
}

systemv_compile() {
  "${CC:-cc}" -std=gnu11 -D_GNU_SOURCE -O1 -g -Wall -Wextra -Werror -pthread "$1" -o "$2"
}

# What is exported exists in libc under the same name.
systemv_names() {
  local libc names
  libc=$(ldconfig -p | awk '$1 == "libc.so.6" { print $NF; exit }')
  names=$(nm -D --defined-only "$systemv_library" | awk '$2 == "T" { print $3 }' | sort)
  [ "$(wc -l <<<"$names")" -gt 80 ] || return 1
  diff <(comm -23 <(echo "$names") <(nm -D --defined-only "$libc" | awk '{ print $3 }' | sed 's/@.*//' | sort -u)) /dev/null
}

# systemv_by_hand N PROGRAM...: N processes, as from as many terminals.
systemv_by_hand() {
  local count=$1 number status=0 processes=()
  shift
  for ((number = 0; number < count; number++)); do
    "$@" "$number" "$count" "$systemv_key" &
    processes+=($!)
  done
  for number in "${processes[@]}"; do wait "$number" || status=$?; done
  return "$status"
}

# systemv_job N PROGRAM...: N nodes.
systemv_job() {
  local count=$1
  shift
  "$programs_run" run -n "$count" -- Tests/SystemV/as-node "$systemv_library" "$systemv_key" "$@"
}

# systemv_checks WHAT COMMAND...: its PASS and FAIL lines go into the tally, as of program_checks.
systemv_checks() {
  local what=$1 output status=0
  shift
  output=$(systemv_limited 60 "$@" 2>&1) || status=$?
  tally_output "$what" "$status" "$output"
}

# systemv_limited SECONDS FUNCTION ARGS...: timeout(1) for a function of this file.
systemv_limited() {
  local seconds=$1
  shift
  export systemv_library systemv_key programs_run
  export -f systemv_by_hand systemv_job
  timeout --kill-after=5 "$seconds" bash -c '"$@"' - "$@"
}

# Of the kernel, where a program has broken off: what has a key of this run.
systemv_sweep() {
  local key id
  while read -r key id; do
    (((key & ~255) == systemv_key)) && ipcrm -m "$id"
  done < <(ipcs -m | awk '/^0x/ { print $1, $2 }')
  while read -r key id; do
    (((key & ~255) == systemv_key)) && ipcrm -s "$id"
  done < <(ipcs -s | awk '/^0x/ { print $1, $2 }')
  true
}

# One node makes memory and a set by a program of util-linux, the other finds and removes them.
systemv_tools() {
  local output
  output=$(LD_PRELOAD=$systemv_library timeout 20 "$programs_run" run -n 1 -- ipcmk -M 70000 -S 3 : -n 1 -- \
    perl -e '
      # The first identifiers of a job; ipcmk takes keys at random.
      my ($memory, $set) = ("", "");
      until (shmctl(4096, 2, $memory) && semctl(4096, 0, 2, $set)) { select(undef, undef, undef, 0.01) }
      print "size ", unpack("x48 Q", $memory), "\n";
      shmctl(4096, 0, 0) && semctl(4096, 0, 0, 0) && print "removed\n";') || { echo "$output"; return 1; }
  grep -q '^Shared memory id: 4096$' <<<"$output" && grep -q '^Semaphore id: 4096$' <<<"$output" &&
    grep -q '^size 70000$' <<<"$output" && grep -q '^removed$' <<<"$output" || { echo "$output"; return 1; }
  ! grep -q ' 70000 ' <<<"$(ipcs -m)"
}

# A server and workers, which are programs of their own: on one machine by hand, and as a job.
systemv_example() {
  local program
  for program in server worker; do
    check "Examples/SystemV/primes-$program.c compiles" systemv_compile "Examples/SystemV/primes-$program.c" \
      "$directory/primes-$program"
  done
  check "the example, by hand" systemv_primes_by_hand
  check "the example, 1 server and 3 workers" ends_with 0 '^25997 primes below 300000$' \
    env LD_PRELOAD="$systemv_library" "$programs_run" run -n 1 -- "$directory/primes-server" "$directory" 300000 3 : \
    -n 3 -- "$directory/primes-worker" "$directory"
  check "the example by mpirun" systemv_primes_by mpirun.openmpi --oversubscribe
  check "the example by mpiexec" systemv_primes_by mpiexec.hydra
}

# systemv_primes_by LAUNCHER...: one server and two workers.
systemv_primes_by() {
  local as_node=(env LD_PRELOAD="$systemv_library") board=$directory
  OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 ends_with 0 '^25997 primes below 300000$' \
    "$@" -n 1 "${as_node[@]}" "$directory/primes-server" "$board" 300000 2 : \
    -n 2 "${as_node[@]}" "$directory/primes-worker" "$board"
}

systemv_primes_by_hand() {
  timeout 20 "$directory/primes-worker" "$directory" &
  timeout 20 "$directory/primes-worker" "$directory" &
  ends_with 0 '^25997 primes below 300000$' "$directory/primes-server" "$directory" 300000 2 && wait
}

# What cannot be done, and the sentence that says so.
systemv_edges() {
  local run=(env LD_PRELOAD="$systemv_library" "$programs_run" run) edges=$directory/edges
  check "fork: a child is refused" ends_with 0 'merino: .*this process is a child made by fork\(\) of a node' \
    "${run[@]}" -n 2 -- "$edges" fork
  check "fork: a child that touches shared memory" ends_with 0 'child made by fork\(\) of node 0 and touched shared memory' \
    "${run[@]}" -n 1 -- "$edges" fork
  check "exit with a mutex held" ends_with 1 'leaving the job: .*(holds|held)' "${run[@]}" -n 1 -- "$edges" held
  check "a second process of a node" ends_with 0 'cannot join the job.*' "${run[@]}" -n 1 -- "$edges" second
  check "a condition with a mutex outside" ends_with 0 'both in shared memory or both outside' \
    "${run[@]}" -n 1 -- "$edges" mixed
  check "more memory than there is" ends_with 0 'shmget.*MERINO_CAPACITY' "${run[@]}" -n 1 -- "$edges" large
  check "a node that never asks for memory" ends_with 1 'cannot join the job.*node 1' \
    env MERINO_JOIN_TIMEOUT=1 "${run[@]}" -n 1 -- "$edges" alone : -n 1 -- sleep 3
  check "a node that goes without leaving" ends_with 1 'node 1.*' \
    "${run[@]}" -n 1 -- "$edges" exit : -n 1 -- env EDGES_EXIT=1 "$edges" exit
}

# The library broken on purpose: the programs must see it.
systemv_mutations() {
  systemv_mutation "sleeping orders nothing" Order.c 's/if (is_ordered) sysv_acquire();/(void)0;/' habits
  systemv_mutation "nothing is pinned" Transfer.c 's/if (merino_pin(.*{$/if (0) {/' habits
  systemv_mutation "page faults can be blocked" Signals.c 's/sigdelset(copy, SIGSEGV);//' signals
  systemv_mutation "SETVAL voids nothing" SemaphoreControl.c 's/set->state->semaphores\[number\].epoch++;//' undo
  systemv_mutation "nothing is undone" Join.c 's/  sysv_semaphores_undo();//' undo
  systemv_mutation "operations are not taken back" SemaphoreOperate.c 's/for (done--; done > 0; done--)/if (0)/' semaphores
  systemv_mutation "files stay open at the end" Join.c 's/  sysv_files_close();//' ends
  systemv_mutation "handlers run in the middle of a wait" Interrupt.c 's/if (!held.is_held) return held;/return held;/' signals
  systemv_mutation "who takes some and waits for zero is not woken" SemaphoreOperate.c \
    's/(net < 0 \&\& semaphore->falling > 0)/(net < 0 \&\& semaphore->value == 0 \&\& semaphore->falling > 0)/' semaphores
  systemv_mutation "nobody is woken" SemaphoreSets.c 's/if (wakes) must/if (0) must/' semaphores
  systemv_mutation "mutexes are libc's" Mutex.c \
    's/^  if (!sysv_is_shared(mutex)) return real()->pthread_mutex_\(un\)\?lock/  return real()->pthread_mutex_\1lock/' objects
}

# systemv_mutation WHAT FILE SCRIPT PROGRAM: the library changed by the sed script.
systemv_mutation() {
  local mutant=$directory/mutant
  mutated_copy "$1" Sources/Compatibility/sysv "$2" "$3" "$mutant" || return 0
  "${CC:-cc}" -shared -std=gnu11 -D_GNU_SOURCE -O1 -fPIC -fvisibility=hidden -w -Iout/include -I"$mutant" "$mutant"/*.c \
    -o "$mutant/libmerino-sysv.so" -Lout/lib -lmerino -Wl,-rpath,"$PWD/out/lib"
  check_fails "mutation: $1" '^FAIL|SIG' systemv_run_mutant "$mutant/libmerino-sysv.so" "$directory/$4"
}

systemv_run_mutant() {
  local output status=0
  output=$(systemv_library=$1 systemv_limited 4 systemv_job 2 "$2" 2>&1) || status=$?
  echo "$output"
  [ "$status" -ne 124 ] || echo "FAIL: it hangs"
  [ "$status" -eq 0 ]
}
