! The Jacobi method for the heat equation on a square plate, as in jacobi.c. The result is compared bit for bit with that
! of one node alone.
!
!     out/bin/merino run -n 4 -- out/examples/jacobi-f90 [SIDE [STEPS]]
program jacobi
  use, intrinsic :: iso_fortran_env, only: int32, real64
  use merino
  implicit none
  real(real64), pointer :: from(:, :), to(:, :), other(:, :)
  integer :: side, steps, me, nodes, first, last, i
  integer(int32) :: wrong

  side = argument(1, 1000)
  steps = argument(2, 200)
  if (side < 3 .or. steps < 0) stop 'usage: jacobi-f90 [SIDE [STEPS]], SIDE at least 3'
  call merino_init()
  me = merino_node()
  nodes = merino_nodes()
  ! Columns lie together in Fortran: each node has a band of them.
  first = side * me / nodes + 1
  last = side * (me + 1) / nodes
  call merino_allocate(from, [side, side])
  call merino_allocate(to, [side, side])
  call fill(from, first, last)
  call fill(to, first, last)
  call merino_barrier()
  do i = 1, steps
    call step(from, to, first, last)
    call merino_barrier()
    other => from
    from => to
    to => other
  end do
  wrong = 0
  if (me == 0) wrong = differences(from)
  call merino_broadcast(wrong, 0)
  if (me == 0) print '(a,i0,a,i0,a,i0,a)', merge('PASS', 'FAIL', wrong == 0)//' jacobi-f90: ', side, ' x ', side, ', ', &
    steps, ' steps, '//trim(merge('equals      ', 'differs from', wrong == 0))//' the sequential run bit for bit'
  call merino_deallocate(to)
  call merino_deallocate(from)
  call merino_finalize()
  if (wrong /= 0) stop 1

contains

  integer function argument(number, otherwise)
    integer, intent(in) :: number, otherwise
    character(len=20) :: text
    integer :: status
    argument = otherwise
    if (command_argument_count() < number) return
    call get_command_argument(number, text)
    read (text, *, iostat=status) argument
    if (status /= 0) argument = -1
  end function

  ! The edges of the plate are kept at fixed temperatures; inside it is cold.
  subroutine fill(plate, first, last)
    real(real64), intent(inout) :: plate(:, :)
    integer, intent(in) :: first, last
    integer :: column
    do column = first, last
      plate(:, column) = 0
      plate(1, column) = 37.5_real64 * column / side
      plate(side, column) = 37.5_real64 * column / side
      if (column == 1) plate(:, column) = 100
      if (column == side) plate(:, column) = -20
    end do
  end subroutine

  subroutine step(from, to, first, last)
    real(real64), intent(in) :: from(:, :)
    real(real64), intent(inout) :: to(:, :)
    integer, intent(in) :: first, last
    integer :: row, column
    do column = max(first, 2), min(last, side - 1)
      do row = 2, side - 1
        to(row, column) = 0.25_real64 * (from(row, column - 1) + from(row, column + 1) + from(row - 1, column) &
          + from(row + 1, column))
      end do
    end do
  end subroutine

  integer(int32) function differences(result)
    real(real64), intent(in) :: result(:, :)
    real(real64), allocatable :: one(:, :), two(:, :)
    integer :: i
    allocate (one(side, side), two(side, side))
    call fill(one, 1, side)
    call fill(two, 1, side)
    do i = 1, steps
      if (mod(i, 2) == 1) call step(one, two, 1, side)
      if (mod(i, 2) == 0) call step(two, one, 1, side)
    end do
    if (mod(steps, 2) == 1) one = two
    differences = int(count(transfer(one, [0_8]) /= transfer(result, [0_8])), int32)
  end function
end program
