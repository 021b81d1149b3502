# shellcheck shell=bash disable=SC2154,SC2034,SC2054
# Soft-RoCE on the kernel that runs: a network card that exists nowhere (dummy), an rxe device over it, and
# both taken away afterwards.

native_interface='' native_device=''

# Several guests and a bad network need guests; else one device of this kernel is the faster and the more
# faithful way.
native_wanted() {
  case ${MERINO_SOFTROCE:-auto} in
    native)
      [ "$guests" = 1 ] || die "MERINO_SOFTROCE=native gives one device; --guests $guests needs guests"
      [ -z "$netem" ] || die "MERINO_SOFTROCE=native: --netem has no effect on one device; it needs guests"
      ;;
    guest) return 1 ;;
    auto) [ "$guests" = 1 ] && [ -z "$netem" ] && native_module ;;
    *) die "MERINO_SOFTROCE is native or guest, not '$MERINO_SOFTROCE'" ;;
  esac
}

# The module, if this kernel has it. Debian's and Ubuntu's cloud kernels have it in a package of its own.
native_module() {
  local extra
  native_has_module && return 0
  # A kernel without modules cannot take one from a package.
  [ -d "/lib/modules/$(uname -r)" ] || return 1
  extra=linux-modules-extra-$(uname -r)
  as_root apt-get update -qq >&2 || true
  apt-cache show "$extra" >/dev/null 2>&1 || return 1
  echo "ci/softroce: installing $extra" >&2
  apt_install "$extra" && native_has_module
}

native_has_module() {
  [ -e /sys/module/rdma_rxe ] || as_root modprobe rdma_rxe 2>/dev/null
}

# Makes the first free pair of softroceN and rxeN, 10.77.N.1. `ip link add` fails where another run has taken
# the name, and so several runs at once get a pair each. Says on stderr why it could not.
native_up() {
  local number reason
  native_module || return 1
  as_root modprobe rdma_ucm 2>/dev/null || [ -e /dev/infiniband/rdma_cm ] || return 1
  for number in {0..9}; do
    [ ! -e "/sys/class/infiniband/rxe$number" ] || continue
    if reason=$(as_root ip link add "softroce$number" type dummy 2>&1); then
      native_interface=softroce$number
      break
    fi
  done
  if [ -z "$native_interface" ]; then
    echo "ci/softroce: no network card of type dummy can be made here: ${reason:-all of rxe0 to rxe9 exist}" \
      >&2
    return 1
  fi
  native_address=10.77.$number.1
  if reason=$(native_device_up "rxe$number" 2>&1); then
    native_device=rxe$number
  else
    echo "ci/softroce: no rxe device can be made here: $reason" >&2
    native_down
    return 1
  fi
}

native_device_up() {
  as_root ip link set "$native_interface" mtu "$mtu" &&
    as_root ip addr add "$native_address/24" dev "$native_interface" &&
    as_root ip link set "$native_interface" up &&
    as_root rdma link add "$1" type rxe netdev "$native_interface" &&
    native_wait_for_port "/sys/class/infiniband/$1/ports/1"
}

# Until the port is active and has a GID for its IPv4 address, which librdmacm asks for.
native_wait_for_port() {
  local deadline=$((SECONDS + 10))
  until grep -q ACTIVE "$1/state" && grep -q ':ffff:0a4d:' "$1/gids/1"; do
    if [ $SECONDS -ge $deadline ]; then
      echo "not active after 10 s: $(cat "$1/state" "$1/gids/1")"
      return 1
    fi
    sleep 0.05
  done
}

# Runs the command and sets `status`. The time limit ends the command's process group. The user and the limit
# of locked memory are set as root, the rest as whoever called.
run_natively() {
  local as=() limit=unlimited
  [ -z "$user" ] || limit=8192 # the kernel's own, which the guest has too
  limit=${memlock:-$limit}
  if [ "$limit" != unlimited ]; then limit=$((limit * 1024)); fi
  as_root prlimit --pid $$ --memlock="$limit:$limit" ||
    echo "ci/softroce: the limit of locked memory stays at $(ulimit -l) KiB; $limit bytes were not" \
      "allowed here." >&2
  [ -z "$user" ] || [ "$(id -u)" -eq 0 ] || as=(sudo --preserve-env)
  [ -z "$user" ] || as+=(setpriv "--reuid=$(id -u "$user")" "--regid=$(id -g "$user")" --init-groups --)
  status=0
  env SOFTROCE=native SOFTROCE_DEVICE="$native_device" SOFTROCE_ADDRESS="$native_address" \
    SOFTROCE_OUT="$out" \
    timeout -k 5 "$timeout_seconds" "${as[@]}" "${command[@]}" </dev/null &
  pids=($!)
  wait "${pids[0]}" || status=$?
  if [ "$status" = 124 ]; then
    echo "ci/softroce: '${command[*]}' did not end within $timeout_seconds s (--timeout)." >&2
  fi
}

native_down() {
  [ -z "$native_device" ] || as_root rdma link delete "$native_device" || true
  [ -z "$native_interface" ] || as_root ip link delete "$native_interface" || true
  native_device='' native_interface=''
}
