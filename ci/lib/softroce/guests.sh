# shellcheck shell=bash disable=SC2154,SC2034,SC2054
# The host's side of the guests: writes what each of them reads, starts QEMU, passes output and exit code on.

# quoted WORD...: the words as a POSIX shell reads them back.
quoted() {
  local word
  for word in "$@"; do printf "'%s' " "${word//\'/\'\\\'\'}"; done
}

# kvm only where the processor announces it and a kernel really comes up: a /dev/kvm that opens and then hangs
# exists. Under emulation (TCG) erms and fsrm have to be off. With them the kernel's memcpy, by which rxe
# copies what it reads and writes, is `rep movsb`, and TCG executes that byte by byte: other processors would
# see torn 8-byte words, which no real device makes. pku is off since the kernel sets the key register
# whenever it delivers a signal, at which TCG forgets its whole TLB: a page fault served in a signal handler
# took twice as long.
choose_accelerator() {
  accelerator=(-accel tcg,thread=multi -cpu max,erms=off,fsrm=off,pku=off)
  tsc_khz=$(python3 "$softroce_lib/tsc.py")
  if grep -Eqw 'vmx|svm' /proc/cpuinfo && [ -w /dev/kvm ] && kvm_boots; then
    accelerator=(-accel kvm -cpu host)
    tsc_khz=
  fi
}

# Without a configuration, init fails and the kernel panics, which ends QEMU with status 0: it has come up.
kvm_boots() {
  timeout -k 1 20 qemu-system-x86_64 -accel kvm -cpu host -m 512 -display none -serial none -monitor none \
    -no-reboot \
    -kernel "$guest_image/kernel" -append "panic=-1 rdinit=/none root=none" >/dev/null 2>&1
}

# What init reads: softroce.conf, and the folder softroce, which it copies to the guest's /run/softroce.
write_guest_files() {
  local index=$1 folder=$run/guest$1
  mkdir -p "$folder/softroce"
  cp "$softroce_lib/guest-init.sh" "$folder/init"
  {
    echo "index=$index guests=$guests mtu=$mtu"
    echo "netem=$(quoted "$netem") modules=$(quoted "${modules[*]}")"
    echo "out=$(quoted "$out") keep=$(quoted "$(hidden_folders)")"
  } >"$folder/softroce.conf"
  {
    echo "#!$(python3 -c 'import sys; print(sys.executable)') -IS"
    cat "$softroce_lib/agent.py"
  } >"$folder/softroce/agent"
  write_enter >"$folder/softroce/enter.sh"
  {
    if [ "$guests" -gt 1 ]; then
      echo "/bin/sh /run/softroce/enter.sh /run/softroce/agent --wait ${hosts//,/ } || exit 125"
    fi
    echo "exec /bin/sh /run/softroce/enter.sh $(quoted "${command[@]}")"
  } >"$folder/softroce/command.sh"
  chmod 755 "$folder/init" "$folder/softroce/agent"
  (cd "$folder" && find . | cpio --quiet -o -H newc --owner=+0:+0) |
    cat "$guest_image/base.cpio" - >"$run/initrd$index"
}

# enter.sh COMMAND ARGS...: the command's environment, limits, folder and user.
write_enter() {
  local name
  for name in PATH LANG $(compgen -e MERINO_ || true) "${environment[@]}"; do
    case $name in MERINO_SOFTROCE | MERINO_CACHE) continue ;; esac
    [ -z "${!name+set}" ] || echo "export $name=$(quoted "${!name}")"
  done
  echo "export HOME=/tmp TMPDIR=/tmp SOFTROCE=guest SOFTROCE_DEVICE=rxe0 SOFTROCE_ADDRESS=10.77.0.1"
  echo "export SOFTROCE_OUT=$(quoted "$out")"
  if [ "$guests" -gt 1 ]; then
    echo "export SOFTROCE_HOSTS=$hosts SOFTROCE_AGENT=/run/softroce/agent SOFTROCE_TOKEN=$token"
  fi
  if [ -n "$memlock" ]; then
    echo "ulimit -l $memlock"
  elif [ -z "$user" ]; then
    echo "ulimit -l unlimited"
  fi
  echo "cd $(quoted "$PWD") || exit 125"
  if [ -n "$user" ]; then
    echo "export USER=$user LOGNAME=$user"
    echo "exec setpriv --reuid=$(id -u "$user") --regid=$(id -g "$user") --init-groups --" \
      '/usr/bin/env -- "$@"'
  else
    echo 'exec /usr/bin/env -- "$@"'
  fi
}

# The folders that the guest's empty /tmp, /run and /var/tmp would hide: the repository, the current folder,
# the command's own.
hidden_folders() {
  local folder program
  program=$(command -v -- "${command[0]}" || true)
  for folder in "$(git rev-parse --show-toplevel 2>/dev/null || true)" "$PWD" \
    "$(dirname "$(realpath -m -- "$program")")"; do
    case $folder/ in
      /tmp/?* | /run/?* | /var/tmp/?* | /dev/shm/?*) echo "$folder" ;;
    esac
  done | sort -u
}

# Two guests exchange packets by Unix datagrams, three by multicast that stays on this machine. (Streams,
# `-netdev socket,listen`, delay a READ by 44 ms.)
netdev_of() {
  case $guests in
    1) echo "hubport,id=net,hubid=0" ;;
    2)
      printf 'dgram,id=net,local.type=unix,local.path=%s,remote.type=unix,remote.path=%s\n' \
        "$run/net$1" "$run/net$((3 - $1))" ;;
    *) echo "socket,id=net,mcast=$multicast,localaddr=127.0.0.1" ;;
  esac
}

# Starts guest INDEX and adds its pid to `pids`. QEMU ends with this shell, however that ends, and at the time
# limit.
start_guest() {
  local index=$1 ports=()
  if [ "$index" = 1 ]; then
    ports=(-chardev "file,id=out,path=$run/out" -device virtserialport,nr=1,chardev=out
      -chardev "file,id=err,path=$run/err" -device virtserialport,nr=2,chardev=err
      -chardev "file,id=status,path=$run/status" -device virtserialport,nr=3,chardev=status)
  fi
  local kernel="console=ttyS0 quiet panic=-1 rdinit=/init mitigations=off tsc=reliable cryptomgr.notests"
  kernel+=" audit=0 apparmor=0 rcupdate.rcu_expedited=1${tsc_khz:+ tsc_early_khz=$tsc_khz}"
  setpriv --pdeathsig TERM timeout -k 5 "$timeout_seconds" setpriv --pdeathsig KILL \
    qemu-system-x86_64 "${accelerator[@]}" -nodefaults -no-user-config -no-reboot -display none \
    -smp "$cpus" -m "$memory" -serial "file:$run/console$index" \
    -kernel "$guest_image/kernel" -initrd "$run/initrd$index" \
    -append "$kernel" \
    -netdev "$(netdev_of "$index")" \
    -device "virtio-net-pci,netdev=net,mac=52:54:00:77:00:0$index,host_mtu=$mtu,romfile=" \
    -fsdev local,id=root,path=/,readonly=on,security_model=none,multidevs=remap \
    -device virtio-9p-pci,fsdev=root,mount_tag=hostroot \
    -fsdev "local,id=out,path=$out,security_model=none,multidevs=remap" \
    -device virtio-9p-pci,fsdev=out,mount_tag=out \
    -device virtio-serial-pci "${ports[@]}" </dev/null >"$run/qemu$index" 2>&1 7>&- 8>&- &
  pids+=($!)
}

# Runs the command in guest 1 and sets `status`.
run_in_guests() {
  local index
  choose_accelerator
  token=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
  multicast=239.77.$((RANDOM % 256)).$((RANDOM % 254 + 1)):$((20000 + RANDOM % 20000))
  hosts=guest1
  for ((index = 2; index <= guests; index++)); do hosts+=,guest$index; done
  mkfifo "$run/out" "$run/err"
  # Open here until the guest has ended, so that the readers see the end then, also when QEMU could not start.
  exec 7<>"$run/out" 8<>"$run/err"
  cat "$run/out" 7>&- 8>&- &
  readers=($!)
  cat "$run/err" >&2 7>&- 8>&- &
  readers+=($!)
  for ((index = 1; index <= guests; index++)); do write_guest_files "$index"; done
  for ((index = 1; index <= guests; index++)); do start_guest "$index"; done
  status=0
  wait "${pids[0]}" || status=$?
  exec 7>&- 8>&-
  wait "${readers[@]}" || true
  explain_status
}

# From how QEMU ended to how the command ended.
explain_status() {
  local index ended=$status
  if grep -Eqx '[0-9]+' "$run/status" 2>/dev/null; then
    status=$(cat "$run/status")
  elif [ "$ended" = 124 ] || [ "$ended" = 137 ]; then
    echo "ci/softroce: '${command[*]}' did not end within $timeout_seconds s (--timeout); the guests were" \
      "ended." >&2
    status=124
  else
    echo "ci/softroce: guest 1 ended without an exit code of the command; QEMU's status is $ended." >&2
    status=125
  fi
  if [ "$status" = 125 ]; then
    for ((index = 1; index <= guests; index++)); do
      tail -n 30 "$run/qemu$index" "$run/console$index" >&2 || true
    done
  fi
}

# Ends what still runs and waits for it, so that nothing writes to $run any more.
end_guests() {
  local pid
  for pid in "${pids[@]}" "${readers[@]}"; do kill -TERM "$pid" 2>/dev/null || true; done
  for pid in "${pids[@]}" "${readers[@]}"; do wait "$pid" 2>/dev/null || true; done
}
