"""Prints the rate of this processor's time stamp counter in kHz; nothing where it has none.

An emulated guest's counter is the host's. The guest's kernel finds out its rate by comparing it with an emulated timer while it
boots. On a busy host that goes wrong: guests were seen whose clocks ran 30 times too fast, with time limits 30 times too
short. So the kernel is told (tsc_early_khz).
"""

import ctypes
import mmap
import platform
import time


def counter():
  """A function that reads the counter: rdtsc; shl rdx, 32; or rax, rdx; ret."""
  code = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
  code.write(bytes.fromhex("0f31 48c1e220 4809d0 c3"))
  address = ctypes.addressof(ctypes.c_char.from_buffer(code))
  function = ctypes.CFUNCTYPE(ctypes.c_uint64)(address)
  function.memory = code
  return function


def together(read):
  """The clock in nanoseconds and the counter at the same moment: of many looks the quickest one."""
  looks = []
  for _ in range(100):
    before = time.monotonic_ns()
    count = read()
    looks.append((time.monotonic_ns() - before, before, count))
  length, before, count = min(looks)
  return before + length // 2, count


if platform.machine() == "x86_64":
  read = counter()
  first = together(read)
  time.sleep(0.2)
  last = together(read)
  print(round((last[1] - first[1]) * 1_000_000 / (last[0] - first[0])))
