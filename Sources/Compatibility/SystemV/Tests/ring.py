"""A ring of processes that hands a counter on, in Python with Debian's python3-sysv-ipc, which knows nothing of Merino.

Arguments: number, how many, key.
"""

import os
import struct
import sys

import sysv_ipc

me, everybody, key = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3], 0)
BYTES, ROUNDS = 40_000, 30
failed = 0


def check(holds, what):
  global failed
  failed += not holds
  os.write(1, f"{'PASS' if holds else 'FAIL'} {what} [{me}]\n".encode())


def made_or_found(kind, name, *arguments, **settings):
  try:
    return kind(name, sysv_ipc.IPC_CREX, *arguments, **settings)
  except sysv_ipc.ExistentialError:
    return kind(name)


memory = made_or_found(sysv_ipc.SharedMemory, key, mode=0o600, size=BYTES, init_character=b"\0")
turns = [made_or_found(sysv_ipc.Semaphore, key + 1 + number, mode=0o600) for number in range(everybody + 1)]
if me == 0:
  turns[0].release()
for turn in range(ROUNDS):
  turns[me].acquire()
  (counter,) = struct.unpack("<I", memory.read(4))
  if counter != turn * everybody + me:
    check(False, f"round {turn}: {counter}")
    sys.exit(1)
  memory.write(struct.pack("<I", counter + 1) + bytes([turn]) * (BYTES - 4))
  turns[(me + 1) % everybody].release()
check(True, f"{ROUNDS} rounds")
check(memory.size == BYTES and memory.number_attached >= 1, "its size and attachments")
never = sysv_ipc.Semaphore(None, sysv_ipc.IPC_CREX, mode=0o600)
try:
  never.acquire(0.05)
  check(False, "a semaphore that nobody releases")
except sysv_ipc.BusyError:
  check(True, "a semaphore that nobody releases")
never.remove()
turns[everybody].release()
if me == 0:
  for _ in range(everybody):
    turns[everybody].acquire()
  memory.detach()
  memory.remove()
  for semaphore in turns:
    semaphore.remove()
sys.exit(failed)
