# shellcheck shell=bash
# A Slurm cluster of this machine for a stage's time, in the stage's folder CI_WORK.

# Its daemons are children of the calling shell (SLURM_DAEMONS), its files in CI_WORK/slurm.
slurm_up() {
  local host port attempt daemon slurm=$CI_WORK/slurm
  host=$(hostname -s)
  port=$((20000 + $$ % 10000))
  mkdir -p "$slurm/state" "$slurm/spool"
  chmod 755 "$CI_WORK" "$slurm"
  (umask 077 && head -c 1024 /dev/urandom >"$slurm/munge.key")
  sed "s|@slurm@|$slurm|g; s|@host@|$host|g; s|@port@|$port|; s|@slurmd_port@|$((port + 1))|
    s|@user@|$(id -un)|" \
    ci/fixtures/slurm.conf >"$slurm/slurm.conf"
  export SLURM_CONF=$slurm/slurm.conf
  munged --foreground --force --socket="$slurm/munge.socket" --key-file="$slurm/munge.key" \
    --pid-file="$slurm/munged.pid" --seed-file="$slurm/munge.seed" >"$slurm/munged.log" 2>&1 &
  SLURM_DAEMONS=($!)
  for attempt in $(seq 100); do [ -S "$slurm/munge.socket" ] && break || sleep 0.1; done
  for daemon in slurmctld slurmd; do
    "$daemon" -D -f "$SLURM_CONF" >"$slurm/$daemon.log" 2>&1 &
    SLURM_DAEMONS+=($!)
  done
  for attempt in $(seq 200); do
    slurm_is_up && return 0 || sleep 0.1
  done
  tail -n 20 "$slurm"/*.log
  return 1
}

slurm_is_up() {
  [ "$(sinfo --noheader --format=%t 2>/dev/null)" = idle ] && return 0
  cat "$CI_WORK/slurm.txt"
  return 1
}

slurm_down() {
  local daemon
  for daemon in ${SLURM_DAEMONS[@]+"${SLURM_DAEMONS[@]}"}; do
    kill "$daemon" 2>/dev/null || continue
    wait "$daemon" 2>/dev/null || true
  done
}
