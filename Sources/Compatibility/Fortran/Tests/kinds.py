#!/usr/bin/env python3
"""Prints kinds.f90: shared arrays, broadcasts and reductions of every type and rank that the Fortran module has."""

import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from generate import RANKS, TYPES  # pylint: disable=wrong-import-position

EXTENTS, LOWER = [5, 4, 3, 2, 3], [0, -2, 1, 7, -9]


def checks(type_, name, rank):
  """The subroutine for one type and rank; values stand for numbers, logicals for odd ones."""
  extents, lower = EXTENTS[:rank], LOWER[:rank]
  upper = [first + extent - 1 for first, extent in zip(lower, extents)]
  colons, shape = ", ".join(":" * rank), str(extents)
  kind = type_[type_.index("(") + 1:-1] if "(" in type_ else "kind(.true.)"
  count = 1
  for extent in extents:
    count *= extent
  convert = {"i": f"int(NUMBER, {kind})", "r": f"real(NUMBER, {kind})", "c": f"cmplx(NUMBER, -3 * (NUMBER), {kind})",
             "l": f"logical(mod(NUMBER, 2) == 1, {kind})"}[type_[0]]
  differs = {"i": "A /= B", "l": "A .neqv. B"}.get(type_[0], "abs(A - (B)) > 0")
  op = "merino_bxor" if type_[0] == "l" else "merino_sum"

  def value(number):
    return convert.replace("NUMBER", number)

  def equal(one, other):
    return f"count({differs.replace('A', one).replace('B', other)}) == 0"

  print(f"""
  subroutine try_{name}_{rank}()
    {type_}, pointer :: shared({colons})
    {type_}, allocatable :: mine({colons})
    integer :: i, numbers({count})
    numbers = [(i, i = 1, {count})]
    call merino_allocate(shared, {upper}, lower={lower})
    call check(all(lbound(shared) == {lower}) .and. all(ubound(shared) == {upper}), &
      'bounds, {name}, rank {rank}')
    call check({equal('shared', value('0'))}, 'zeros, {name}, rank {rank}')
    call merino_barrier()
    if (me == nodes - 1) shared = reshape({value('numbers')}, {shape})
    call merino_barrier()
    allocate (mine({', '.join(map(str, extents))}))
    mine = reshape({value('numbers')}, {shape})
    call check({equal('shared', 'mine')}, 'what another node wrote, {name}, rank {rank}')
    mine = reshape({value('numbers + me')}, {shape})
    call merino_broadcast(mine, 0)
    call check({equal('shared', 'mine')}, 'broadcast, {name}, rank {rank}')
    call merino_allreduce(mine, {op})
    call check({equal('mine', f"reshape({value('numbers * nodes')}, {shape})")}, &
      'allreduce, {name}, rank {rank}')
    call merino_deallocate(shared)
    call check(.not. associated(shared), 'freed, {name}, rank {rank}')
  end subroutine""")


def main():
  print("""! Made by Sources/Compatibility/Fortran/Tests/kinds.py.
program kinds
  use, intrinsic :: iso_c_binding, only: c_bool
  use, intrinsic :: iso_fortran_env, only: int32, int64, output_unit, real32, real64
  use merino
  implicit none
  integer :: me, nodes, failures
  failures = 0
  call merino_init()
  me = merino_node()
  nodes = merino_nodes()""")
  every = [(type_, name, rank) for type_, name in TYPES for rank in RANKS]
  for _, name, rank in every:
    print(f"  call try_{name}_{rank}()")
  print("""  call merino_finalize()
  if (failures > 0) stop 1

contains

  subroutine check(holds, what)
    logical, intent(in) :: holds
    character(len=*), intent(in) :: what
    if (.not. holds) failures = failures + 1
    write (output_unit, '(4a,i0,a)') merge('PASS', 'FAIL', holds), ' ', what, ' [', me, ']'
    flush (output_unit)
  end subroutine""")
  for type_, name, rank in every:
    checks(type_, name, rank)
  print("end program")


main()
