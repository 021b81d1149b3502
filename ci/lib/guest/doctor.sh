#!/usr/bin/env bash
# `merino doctor` where there is a Soft-RoCE device: with it, and with one thing about it wrong at a time. As root:
#
#   ci/softroce -- ci/lib/guest/doctor.sh [MERINO]
#
# Prints PASS or FAIL for each check; ends with 1 where one failed. In a guest it changes permissions and the network
# interface and changes them back; on a machine of its own (SOFTROCE=native) it leaves the interface alone.
set -euo pipefail
cd "$(dirname "$0")/../../.."
merino=${1:-out/bin/merino}
device=${SOFTROCE_DEVICE:-rxe0}
address=${SOFTROCE_ADDRESS:?run this by ci/softroce}
node=/dev/infiniband/$(basename "$(dirname "$(grep -lx "$device" /sys/class/infiniband_verbs/*/ibdev)")")
interface=$(cat "/sys/class/infiniband/$device/parent")
as_user=(setpriv --reuid 65534 --regid 65534 --clear-groups --)
unlimited=(prlimit --memlock=unlimited:unlimited)
failed=0
export MERINO_DEVICE=$device
unset MERINO_FABRIC

# doctor WHAT EXIT CHECK STATE PATTERN COMMAND...: COMMAND ends with EXIT, and its line of CHECK has STATE and matches
# PATTERN. In bash alone: python3 takes half a minute to start under emulation.
doctor() {
  local what=$1 exit=$2 check=$3 state=$4 pattern=$5 output status=0
  shift 5
  output=$("$@" 2>&1) || status=$?
  if [ "$status" -eq "$exit" ] && grep -E "^$state  $check +" <<<"$output" | grep -qE -- "$pattern"; then
    echo "PASS doctor: $what"
  else
    echo "exit code $status ($exit is right); no line $check $state that matches $pattern in:"
    printf '%s\n' "$output"
    echo "FAIL doctor: $what"
    failed=1
  fi
}

with_the_device() {
  doctor "the device is chosen, with its address" 0 rdma.choice pass " $device port 1, ${address//./\\.} of $interface" \
    "${unlimited[@]}" "$merino" doctor
  doctor "an ordinary user can use it" 0 fabric pass ' verbs, where' \
    "${unlimited[@]}" "${as_user[@]}" "$merino" doctor
  doctor "a port that it does not have" 1 rdma.choice fail 'port 2 was demanded' \
    env MERINO_DEVICE="$device:2" "$merino" doctor --fabric verbs
  doctor "a device that is not there" 1 fabric fail 'no port that can be used' \
    env MERINO_DEVICE=mlx5_9 "$merino" doctor --fabric verbs
  doctor "the host fabric does not mind" 0 memory.lock_limit pass 'locks nothing' \
    prlimit --memlock=8388608:8388608 "${as_user[@]}" "$merino" doctor --fabric host
}

with_little_locked_memory() {
  doctor "8 MiB of locked memory, as an ordinary user" 1 memory.lock_limit fail '8 MiB.*limits\.conf' \
    prlimit --memlock=8388608:8388608 "${as_user[@]}" "$merino" doctor --capacity 1G
  doctor "8 MiB that the user may raise" 1 memory.lock_limit fail 'ulimit -l unlimited' \
    prlimit --memlock=8388608:unlimited "${as_user[@]}" "$merino" doctor --capacity 1G
  doctor "8 MiB do not bind root" 0 memory.lock_limit pass 'CAP_IPC_LOCK' \
    prlimit --memlock=8388608:8388608 "$merino" doctor --capacity 1G
}

with_unreadable_files() {
  local before
  before=$(stat -c %a "$node")
  chmod 600 "$node"
  doctor "the uverbs device is unreadable, and nothing demanded" 0 rdma.permissions warn "Permission denied.*chmod a.rw $node" \
    "${unlimited[@]}" "${as_user[@]}" "$merino" doctor
  doctor "the uverbs device is unreadable, and verbs demanded" 1 rdma.permissions fail 'Permission denied' \
    "${unlimited[@]}" "${as_user[@]}" "$merino" doctor --fabric verbs
  doctor "root reads it all the same" 0 rdma.permissions pass 'can be opened' \
    "${unlimited[@]}" "$merino" doctor --fabric verbs
  chmod "$before" "$node"
  before=$(stat -c %a /dev/infiniband/rdma_cm)
  chmod 600 /dev/infiniband/rdma_cm
  doctor "rdma_cm is unreadable" 1 rdma.connection_manager fail 'Permission denied' \
    "${unlimited[@]}" "${as_user[@]}" "$merino" doctor
  chmod "$before" /dev/infiniband/rdma_cm
}

# eventually COMMAND...: the kernel brings addresses and link states to the device a little later.
eventually() {
  local deadline=$((SECONDS + 20))
  until "$@"; do
    [ "$SECONDS" -lt "$deadline" ] || { echo "FAIL doctor: the device does not follow its interface: $*"; exit 1; }
    sleep 0.1
  done
}
port_is() { grep -q "$1" "/sys/class/infiniband/$device/ports/1/state"; }
# The IPv4 address as the last 32 bits of a GID.
has_gid() { grep -qsx "0000:.*:ffff:$gid" "/sys/class/infiniband/$device/ports/1/gids/"*; }
has_no_gid() { ! has_gid; }

with_a_wrong_interface() {
  local mtu prefix gid
  # shellcheck disable=SC2046,SC2183 # four numbers for four fields
  gid=$(printf '%02x%02x:%02x%02x' $(tr . ' ' <<<"$address"))
  has_gid || { echo "FAIL doctor: no GID of $device is $address"; exit 1; }
  mtu=$(cat "/sys/class/net/$interface/mtu")
  prefix=$(ip -o -4 addr show dev "$interface" | awk '{ print $4; exit }')
  ip link set "$interface" mtu 1500
  doctor "an MTU of 1500" 0 rdma.mtu warn '1024 bytes.*MTU of .* is 1500.*mtu 4200' \
    "${unlimited[@]}" "$merino" doctor
  ip link set "$interface" mtu "$mtu"
  ip addr del "$prefix" dev "$interface"
  eventually has_no_gid
  doctor "an interface without an address" 0 rdma.addresses warn "exchanged at joining.*ip addr add .* dev $interface" \
    "${unlimited[@]}" "$merino" doctor
  doctor "an interface without an address, and an address demanded" 1 rdma.addresses fail 'MERINO_CONNECT' \
    env MERINO_CONNECT=cm "${unlimited[@]}" "$merino" doctor
  ip link set "$interface" down
  eventually port_is DOWN
  doctor "an interface that is down" 1 rdma.port_state fail "ip link set $interface up" \
    "${unlimited[@]}" "$merino" doctor --fabric verbs
  ip link set "$interface" up
  ip addr add "$prefix" dev "$interface"
  eventually port_is ACTIVE
  eventually has_gid
  doctor "the interface is as before" 0 rdma.choice pass " $device port 1" "${unlimited[@]}" "$merino" doctor
}

with_the_device
with_little_locked_memory
with_unreadable_files
[ "${SOFTROCE:-}" != guest ] || with_a_wrong_interface
exit "$failed"
