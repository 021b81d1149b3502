! Conjugate gradients (Hestenes, Stiefel 1952) for Poisson's equation on a square: the vectors are shared, each node has a band
! of them, and the scalar products are reductions. The solution is known, so the error is checked.
!
!     out/bin/merino run -n 4 -- out/examples/cg-f90 [SIDE]
program cg
  use, intrinsic :: iso_fortran_env, only: real64
  use merino
  implicit none
  ! With a border of zeros.
  real(real64), pointer :: x(:, :), r(:, :), p(:, :), q(:, :)
  real(real64) :: rho, before, alpha, error
  integer :: side, me, nodes, first, last, iterations

  side = 200
  if (command_argument_count() > 0) side = argument()
  if (side < 2) stop 'usage: cg-f90 [SIDE], at least 2'
  call merino_init()
  me = merino_node()
  nodes = merino_nodes()
  first = side * me / nodes + 1
  last = side * (me + 1) / nodes
  call merino_allocate(x, [side, side])
  call merino_allocate(r, [side, side])
  call merino_allocate(q, [side, side])
  call merino_allocate(p, [side + 1, side + 1], lower=[0, 0])

  ! The right side of a solution that is known; x = 0.
  p(1:side, first:last) = known(first, last)
  call merino_barrier()
  call multiply()
  r(:, first:last) = q(:, first:last)
  call merino_barrier()
  p(1:side, first:last) = r(:, first:last)
  rho = product_of(r, r)
  iterations = 0
  do while (rho > 1.0e-20_real64 .and. iterations < 10 * side)
    ! The neighbours' p is there: product_of is a barrier.
    call multiply()
    alpha = rho / product_of(p(1:, 1:), q)
    x(:, first:last) = x(:, first:last) + alpha * p(1:side, first:last)
    r(:, first:last) = r(:, first:last) - alpha * q(:, first:last)
    before = rho
    rho = product_of(r, r)
    p(1:side, first:last) = r(:, first:last) + rho / before * p(1:side, first:last)
    call merino_barrier()
    iterations = iterations + 1
  end do

  error = maxval(abs(x(:, first:last) - known(first, last)))
  call merino_allreduce(error, merino_max)
  if (me == 0) print '(a,i0,a,i0,a,es9.2)', merge('PASS', 'FAIL', error < 1.0e-8_real64)//' cg-f90: ', side * side, &
    ' unknowns, ', iterations, ' iterations, largest error ', error
  call merino_deallocate(p)
  call merino_deallocate(q)
  call merino_deallocate(r)
  call merino_deallocate(x)
  call merino_finalize()
  if (.not. error < 1.0e-8_real64) stop 1

contains

  integer function argument()
    character(len=20) :: text
    integer :: status
    call get_command_argument(1, text)
    read (text, *, iostat=status) argument
    if (status /= 0) argument = -1
  end function

  function known(first, last)
    integer, intent(in) :: first, last
    real(real64) :: known(side, first:last)
    integer :: row, column
    do column = first, last
      do row = 1, side
        known(row, column) = sin(0.1_real64 * row) + 0.01_real64 * mod(row * column, 7)
      end do
    end do
  end function

  ! q = A p, this node's columns: the five-point star.
  subroutine multiply()
    integer :: row, column
    do column = first, last
      do row = 1, side
        q(row, column) = 4 * p(row, column) - p(row - 1, column) - p(row + 1, column) - p(row, column - 1) &
          - p(row, column + 1)
      end do
    end do
  end subroutine

  ! Of all nodes' columns. A barrier.
  real(real64) function product_of(a, b)
    real(real64), intent(in) :: a(:, :), b(:, :)
    product_of = sum(a(1:side, first:last) * b(1:side, first:last))
    call merino_allreduce(product_of, merino_sum)
  end function
end program
