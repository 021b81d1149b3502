#!/bin/sh
# shellcheck disable=SC2086,SC2154,SC1091,SC2114  # words of softroce.conf are split on purpose
# The first process of a guest, under busybox in the initramfs: loads the modules, mounts the host's files,
# brings up rxe0, runs the command (guest 1) or the agent (the others), reports the exit code and powers off.
# softroce.conf, from ci/lib/softroce/guests.sh, sets every variable below that is not set here.
export PATH=/bin
. /softroce.conf
root=/newroot
inside=$root/run/softroce

# The ports of the virtio serial device: bytes pass unchanged, apart from the kernel's console.
port() { echo /dev/vport*p"$1"; }
stdout_port=1 stderr_port=2 status_port=3

finish() {
  [ "$index" != 1 ] || echo "$1" >"$(port $status_port)"
  poweroff -f
  sleep 60
}

fail() {
  echo "ci/softroce: guest$index: $1" >/dev/console
  [ "$index" != 1 ] || echo "ci/softroce: guest$index: $1" >"$(port $stderr_port)"
  finish 125
}

load() {
  while read -r file parameters; do
    # Without quotes: no parameters, no argument.
    insmod "/modules/$file" $parameters 2>/dev/null ||
      grep -q "^$(echo "${file%.ko}" | tr - _) " /proc/modules ||
      fail "the module $file cannot be loaded"
  done <"/modules/$1.order"
}

# A program of the host. By env: busybox would take its own applet of the same name, and its tc knows no
# netem.
host() {
  chroot $root /usr/bin/env PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"
}

mount_9p() {
  mount -t 9p -o "trans=virtio,version=9p2000.L,msize=262144,$3" "$1" "$2" ||
    fail "the host's folder $1 cannot be mounted"
}

# The host's root, read-only, with the guest's own /proc, /sys, /dev and empty temporary folders over it.
# $keep names folders below those that have to stay visible (a repository in /tmp).
mount_root() {
  mount_9p hostroot $root "ro,cache=loose"
  number=0
  for folder in $keep; do
    number=$((number + 1))
    mkdir -p /keep/$number
    mount --bind "$root$folder" /keep/$number
  done
  for folder in /tmp /run /var/tmp; do mount -t tmpfs -o mode=1777 tmpfs $root$folder; done
  number=0
  for folder in $keep; do
    number=$((number + 1))
    mkdir -p "$root$folder"
    mount --move /keep/$number "$root$folder"
  done
  mount --move /proc $root/proc
  mount --move /sys $root/sys
  mount --move /dev $root/dev
  rm -rf /dev /proc /sys
  ln -s $root/dev $root/proc $root/sys /
  mkdir -p /dev/pts /dev/shm
  mount -t devpts -o mode=620,ptmxmode=666 devpts /dev/pts
  mount -t tmpfs -o mode=1777 tmpfs /dev/shm
  ln -sf /proc/self/fd /dev/fd
  ln -sf fd/0 /dev/stdin
  ln -sf fd/1 /dev/stdout
  ln -sf fd/2 /dev/stderr
  mkdir -p $inside "$root$out"
  mount_9p out "$root$out" "rw,cache=none"
  cp /softroce/* $inside/
}

name_hosts() {
  hostname "guest$index"
  {
    echo "127.0.0.1 localhost"
    for n in $(seq "$guests"); do echo "10.77.0.$n guest$n"; done
  } >$inside/hosts
  mount --bind $inside/hosts $root/etc/hosts
}

bring_up_network() {
  ip link set lo up
  echo 0 >/proc/sys/net/ipv6/conf/eth0/accept_dad # the link-local GID without a second of waiting
  ip link set eth0 mtu "$mtu" || fail "eth0 does not take the MTU $mtu"
  ip addr add "10.77.0.$index/24" dev eth0
  ip link set eth0 up
  if [ -n "$netem" ]; then
    load sch_netem
    # Without quotes: the words of netem's own syntax.
    host tc qdisc add dev eth0 root netem $netem || fail "tc does not take 'netem $netem'"
  fi
  host rdma link add rxe0 type rxe netdev eth0 ||
    fail "rdma link add rxe0 failed; the kernel said: $(dmesg | grep rxe)"
}

# Until the port is active and has the GID of its IPv4 address, which librdmacm asks for.
wait_for_port() {
  state=/sys/class/infiniband/rxe0/ports/1
  gid=$(printf '0000:0000:0000:0000:0000:ffff:0a4d:%04x' "$index")
  for _ in $(seq 200); do
    grep -q ACTIVE $state/state && grep -q "$gid" $state/gids/1 && return
    sleep 0.05
  done
  fail "rxe0 is not active after 10 s: $(cat $state/state $state/gids/1)"
}

# Ends whatever the command left running, so that its pipes close.
end_other_processes() {
  for folder in /proc/[0-9]*; do
    pid=${folder#/proc/}
    case " 1 $1 $2 " in *" $pid "*) continue ;; esac
    kill -KILL "$pid" 2>/dev/null
  done
}

# Through pipes, since a port can be opened by one process at a time, and programs may open /dev/stdout.
run_command() {
  mkdir /pipes
  mkfifo /pipes/out /pipes/err
  cat /pipes/out >"$(port $stdout_port)" &
  out_pid=$!
  cat /pipes/err >"$(port $stderr_port)" &
  err_pid=$!
  chroot $root /bin/sh /run/softroce/command.sh </dev/null >/pipes/out 2>/pipes/err
  status=$?
  end_other_processes $out_pid $err_pid
  wait $out_pid $err_pid
}

mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
load base
for module in $modules; do load "$module"; done
mount_root
name_hosts
bring_up_network
wait_for_port
if [ "$guests" -gt 1 ]; then
  chroot $root /bin/sh /run/softroce/enter.sh /run/softroce/agent --serve </dev/null >/dev/console 2>&1 &
fi
if [ "$index" = 1 ]; then
  run_command
  finish $status
fi
wait
fail "the agent ended"
