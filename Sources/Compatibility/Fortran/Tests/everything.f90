! The Fortran module on one node and several; see stage_fortran.sh. A line PASS or FAIL for each check.
program everything
  use, intrinsic :: iso_c_binding
  use, intrinsic :: iso_fortran_env, only: int32, int64, output_unit, real32, real64
  use merino
  implicit none
  integer :: me, nodes, failures, stat
  integer(int64), pointer :: watched(:)
  character(len=400) :: errmsg

  failures = 0
  me = -1
  call merino_barrier(stat=stat, errmsg=errmsg)
  call check(stat == merino_enotinit .and. is_sentence(errmsg), 'before joining')
  call merino_init()
  me = merino_node()
  nodes = merino_nodes()
  call check(merino_version() == '0.1.0', 'version')
  call arrays()
  call bad_arrays()
  call dummies()
  call values()
  call more_values()
  call locks()
  call waiting()
  call atomics()
  call segments()
  call statistics()
  call merino_finalize(stat=stat)
  call check(stat == 0, 'finalize')
  if (failures > 0) stop 1

contains

  subroutine check(holds, what)
    logical, intent(in) :: holds
    character(len=*), intent(in) :: what
    character(len=200) :: line
    if (.not. holds) failures = failures + 1
    write (line, '(4a,i0,a)') merge('PASS', 'FAIL', holds), ' ', what, ' [', me, ']'
    write (output_unit, '(a)') trim(line)
    flush (output_unit)
  end subroutine

  logical function is_sentence(text)
    character(len=*), intent(in) :: text
    integer :: length
    length = len_trim(text)
    is_sentence = length > 25
    if (is_sentence) is_sentence = text(length:length) == '.'
  end function

  ! Every kind and rank, bounds, what other nodes wrote.
  subroutine arrays()
    real(real64), pointer :: matrix(:, :), cube(:, :, :), deep(:, :, :, :), deepest(:, :, :, :, :)
    integer(int32), pointer :: small(:)
    integer(int64), pointer :: wide(:)
    real(real32), pointer :: real_numbers(:)
    complex(real32), pointer :: complex_numbers(:)
    complex(real64), pointer :: waves(:, :)
    logical(c_bool), pointer :: flags(:)
    integer :: i, j

    call merino_allocate(matrix, [9, 4 * nodes - 1], lower=[-3, 0])
    call check(all(lbound(matrix) == [-3, 0]) .and. all(ubound(matrix) == [9, 4 * nodes - 1]), 'bounds')
    call check(is_contiguous(matrix), 'contiguous')
    call merino_barrier()
    do j = 4 * me, 4 * me + 3
      do i = -3, 9
        matrix(i, j) = 100 * j + i
      end do
    end do
    call merino_barrier()
    call check(all([((abs(matrix(i, j) - (100 * j + i)) < 0.5, i = -3, 9), j = 0, 4 * nodes - 1)]), 'what all nodes wrote')
    call merino_deallocate(matrix)
    call check(.not. associated(matrix), 'deallocated')

    call merino_allocate(cube, [2, 3, 4])
    call merino_allocate(deep, int([2, 3, 4, 5], int64))
    call merino_allocate(deepest, [2, 1, 2, 1, nodes])
    call merino_allocate(small, [1000])
    call merino_allocate(wide, [1000_int64], lower=[0_int64])
    call merino_allocate(real_numbers, [10])
    call merino_allocate(complex_numbers, [10])
    call merino_allocate(waves, [10, 10])
    call merino_allocate(flags, [nodes])
    call check(size(cube) == 24 .and. all(shape(deep) == [2, 3, 4, 5]) .and. size(deepest) == 4 * nodes, 'ranks')
    call check(lbound(wide, 1) == 0 .and. size(wide) == 1001 .and. sum(small) == 0, 'int64 bounds, zeros')
    call merino_barrier()
    flags(me + 1) = .true.
    deepest(:, :, :, :, me + 1) = me
    if (me == 0) waves = cmplx(1, 2, real64)
    if (me == nodes - 1) complex_numbers = cmplx(3, 4, real32)
    if (me == 0) real_numbers = 0.5
    call merino_barrier()
    call check(all(flags) .and. nint(sum(deepest)) == 2 * nodes * (nodes - 1), 'logical, rank 5')
    call check(abs(sum(waves) - cmplx(100, 200, real64)) < 1e-9, 'complex(real64)')
    call check(abs(sum(abs(complex_numbers)) - 50) < 1e-3 .and. abs(sum(real_numbers) - 5) < 1e-6, 'complex and real')
    call merino_deallocate(cube)
    call merino_deallocate(deep)
    call merino_deallocate(deepest)
    call merino_deallocate(small)
    call merino_deallocate(wide)
    call merino_deallocate(real_numbers)
    call merino_deallocate(complex_numbers)
    call merino_deallocate(waves)
    call merino_deallocate(flags)
  end subroutine

  subroutine bad_arrays()
    real(real64), pointer :: array(:, :)
    errmsg = ''
    call merino_allocate(array, [10, 0], stat=stat, errmsg=errmsg)
    call check(stat < 0 .and. is_sentence(errmsg) .and. .not. associated(array), 'an array of nothing')
    errmsg = ''
    call merino_allocate(array, [huge(1_int64), huge(1_int64)], stat=stat, errmsg=errmsg)
    call check(stat < 0 .and. is_sentence(errmsg) .and. .not. associated(array), 'more than there is')
    errmsg = 'as before'
    call merino_allocate(array, [10, 10], stat=stat, errmsg=errmsg)
    call check(stat == 0 .and. errmsg == 'as before', 'errmsg stays where all is well')
    call merino_deallocate(array)
    call far_bounds()
  end subroutine

  ! Bounds that no default integer holds, and memory that is not shared.
  subroutine far_bounds()
    integer(int64), parameter :: low = 5000000000_int64
    integer(int32), pointer :: far(:), private(:)
    call merino_allocate(far, [low + 9], lower=[low])
    call check(lbound(far, 1, int64) == low .and. size(far) == 10, 'bounds beyond 2**32')
    call merino_deallocate(far, stat=stat, errmsg=errmsg)
    call check(stat == 0 .and. .not. associated(far), 'bounds beyond 2**32: freed')
    allocate (private(3))
    errmsg = ''
    call merino_deallocate(private, stat=stat, errmsg=errmsg)
    call check(stat < 0 .and. is_sentence(errmsg) .and. associated(private), 'what could not be freed is still there')
    deallocate (private)
  end subroutine

  ! What docs/fortran.md says of dummy arguments with the attribute TARGET; the last node writes between two barriers.
  subroutine dummies()
    integer(int64), pointer :: shared(:)
    call merino_allocate(shared, [1000])
    watched => shared
    call read_twice(shared, size(shared), shared(1000))
    call merino_deallocate(shared)
  end subroutine

  subroutine read_twice(field, count, element)
    integer, intent(in) :: count
    integer(int64), intent(in), target :: field(count), element
    integer(int64) :: before(2)
    before = [field(1), element]
    call merino_barrier()
    if (me == nodes - 1) call write_elsewhere()
    call merino_barrier()
    call check(all(before == 0) .and. field(1) == 11 .and. element == 12, 'dummies are read again after a barrier')
  end subroutine

  ! By a pointer of its own.
  subroutine write_elsewhere()
    watched(1) = 11
    watched(size(watched)) = 12
  end subroutine

  subroutine values()
    integer(int32) :: numbers(4)
    integer(int64) :: big
    real(real64) :: real_number
    real(real32) :: reals(2)
    complex(real64) :: wave
    type(c_ptr) :: address
    integer(c_intptr_t) :: number
    integer(int64), target, save :: anything
    numbers = me
    call merino_broadcast(numbers, nodes - 1)
    call check(all(numbers == nodes - 1), 'broadcast: an array')
    wave = cmplx(me, 7, real64)
    call merino_broadcast(wave, 0)
    call check(abs(wave - cmplx(0, 7, real64)) < 1e-12, 'broadcast: a scalar')
    address = c_null_ptr
    if (me == 0) address = c_loc(anything)
    call merino_broadcast(address, 0)
    number = transfer(address, number)
    call check(c_associated(address) .and. number /= 0, 'broadcast: an address')
    numbers = [me, 1, -me, 2]
    call merino_allreduce(numbers, merino_max)
    call check(all(numbers == [nodes - 1, 1, 0, 2]), 'allreduce: int32, largest')
    big = 3
    call merino_allreduce(big, merino_product)
    call check(big == 3_int64**nodes, 'allreduce: int64, product')
    real_number = 0.25_real64 * me
    call merino_allreduce(real_number, merino_sum)
    call check(abs(real_number - 0.125_real64 * nodes * (nodes - 1)) < 1e-12, 'allreduce: real64')
    reals = [real(me), -real(me)]
    call merino_allreduce(reals, merino_min)
    call check(abs(reals(1)) < 1e-6 .and. abs(reals(2) + nodes - 1) < 1e-6, 'allreduce: real32')
    call merino_allreduce(real_number, merino_bxor, stat=stat, errmsg=errmsg)
    call check(stat == merino_einval .and. is_sentence(errmsg), 'allreduce: bits of a real number')
  end subroutine

  ! Matrices, logicals and complex numbers.
  subroutine more_values()
    integer(int32) :: matrix(2, 3), parts(4, 4)
    complex(real32) :: waves(2, 2, 2)
    complex(real64) :: wave
    logical :: flag, flags(2, 2)
    logical(c_bool) :: short
    logical, pointer :: shared_flags(:, :)
    matrix = me
    call merino_broadcast(matrix, nodes - 1)
    call check(all(matrix == nodes - 1), 'broadcast: a matrix')
    parts = me
    call merino_broadcast(parts(::2, 2:3), nodes - 1)
    call check(all(parts(::2, 2:3) == nodes - 1) .and. all(parts(2::2, :) == me) .and. all(parts(:, 1) == me), &
      'broadcast: a section')
    matrix = reshape([1, 2, 3, 4, 5, 6], [2, 3])
    call merino_allreduce(matrix, merino_sum)
    call check(all(matrix == nodes * reshape([1, 2, 3, 4, 5, 6], [2, 3])), 'allreduce: a matrix')
    waves = cmplx(1, -me, real32)
    call merino_allreduce(waves, merino_sum)
    call check(all(abs(waves - cmplx(nodes, -nodes * (nodes - 1) / 2, real32)) < 1e-5), 'allreduce: complex(real32)')
    wave = cmplx(me, 2, real64)
    call merino_allreduce(wave, merino_sum)
    call check(abs(wave - cmplx(nodes * (nodes - 1) / 2, 2 * nodes, real64)) < 1e-12, 'allreduce: complex(real64)')
    errmsg = ''
    call merino_allreduce(wave, merino_product, stat=stat, errmsg=errmsg)
    call check(stat == merino_einval .and. is_sentence(errmsg), 'allreduce: a product of complex numbers')
    flag = me == nodes - 1
    call merino_allreduce(flag, merino_bor)
    call check(flag, 'allreduce: any')
    short = me == nodes - 1
    call merino_allreduce(short, merino_band)
    call check(short .eqv. nodes == 1, 'allreduce: all')
    flags = reshape([me == 0, .true., .false., me >= 0], [2, 2])
    call merino_allreduce(flags, merino_band)
    call check(all(flags .eqv. reshape([nodes == 1, .true., .false., .true.], [2, 2])), 'allreduce: a matrix of logicals')
    errmsg = ''
    call merino_allreduce(matrix, -1, stat=stat, errmsg=errmsg)
    call check(stat == merino_einval .and. is_sentence(errmsg), 'allreduce: an operation below 0')
    call merino_allocate(shared_flags, [3, nodes])
    call check(.not. any(shared_flags), 'default logicals: false')
    call merino_barrier()
    shared_flags(:, me + 1) = .true.
    call merino_barrier()
    call check(all(shared_flags), 'default logicals')
    call merino_deallocate(shared_flags)
  end subroutine

  subroutine locks()
    type(merino_lock) :: lock
    type(merino_rwlock) :: rwlock
    integer(int64), pointer :: counter(:)
    integer :: i
    logical :: taken
    call merino_lock_create_named(lock, 'of all nodes  ')
    if (me == 0) call merino_rwlock_create(rwlock)
    call merino_broadcast(rwlock%handle, 0)
    call merino_allocate(counter, [2])
    call merino_barrier()
    do i = 1, 200
      call merino_lock_acquire(lock)
      counter(1) = counter(1) + 1
      call merino_lock_release(lock)
      call merino_rwlock_acquire_write(rwlock)
      counter(2) = counter(2) + 2
      call merino_rwlock_release(rwlock)
    end do
    call merino_barrier()
    call merino_rwlock_acquire_read(rwlock)
    call check(counter(1) == 200 * nodes .and. counter(2) == 400 * nodes, 'every increment counts')
    call merino_rwlock_release(rwlock)
    call merino_lock_release(lock, stat=stat, errmsg=errmsg)
    call check(stat == merino_eperm .and. is_sentence(errmsg), 'release: not held')
    if (me == 0) call merino_lock_acquire(lock)
    call merino_barrier()
    if (me > 0) then
      call merino_lock_try_acquire(lock, taken)
      call check(.not. taken, 'try: held elsewhere')
      call merino_lock_acquire_within(lock, 0.002_real64, taken, stat=stat)
      call check(.not. taken .and. stat == 0, 'within: held elsewhere')
    end if
    call merino_barrier()
    if (me == 0) call merino_lock_release(lock)
    call merino_lock_acquire_within(lock, 1.0e30_real64, taken)
    call check(taken, 'within: the longest limit')
    call merino_lock_release(lock)
    call merino_deallocate(counter)
    call merino_barrier()
    if (me == 0) call merino_rwlock_destroy(rwlock)
    if (me == 0) call merino_lock_destroy(lock)
  end subroutine

  subroutine waiting()
    type(merino_lock) :: lock
    type(merino_cond) :: cond
    type(merino_event) :: event
    type(merino_thread_barrier) :: barrier
    integer(int32), pointer :: turns(:)
    logical :: woken
    if (me == 0) then
      call merino_lock_create(lock)
      call merino_cond_create(cond)
      call merino_event_create(event)
      call merino_thread_barrier_create(barrier, nodes)
    end if
    call merino_broadcast(lock%handle, 0)
    call merino_broadcast(cond%handle, 0)
    call merino_broadcast(event%handle, 0)
    call merino_broadcast(barrier%handle, 0)
    call merino_allocate(turns, [1])
    if (me == 0) call merino_event_set(event)
    call merino_event_wait(event)
    call merino_thread_barrier_wait(barrier)
    if (me == 0) call merino_event_clear(event)
    ! In turn, node after node.
    call merino_lock_acquire(lock)
    do while (turns(1) /= me)
      call merino_cond_wait(cond, lock)
    end do
    turns(1) = turns(1) + 1
    call merino_cond_broadcast(cond)
    call merino_lock_release(lock)
    call merino_cond_signal(cond)
    call merino_barrier()
    call check(turns(1) == nodes, 'condition: each in its turn')
    call merino_lock_acquire(lock)
    call merino_cond_wait_within(cond, lock, 0.001_real64, woken)
    call check(.not. woken, 'condition: nobody signals')
    call merino_lock_release(lock)
    call merino_deallocate(turns)
    call merino_barrier()
    if (me == 0) then
      call merino_cond_destroy(cond)
      call merino_event_destroy(event)
      call merino_thread_barrier_destroy(barrier)
      call merino_lock_destroy(lock)
    end if
  end subroutine

  subroutine atomics()
    integer(int64), pointer :: words(:)
    integer(int32), pointer :: small(:)
    integer(int64) :: old
    integer(int32) :: value
    integer :: i
    call merino_allocate(words, [1])
    call merino_allocate(small, [2])
    do i = 1, 100
      call merino_atomic_fetch_add(words(1), 2_int64, old, order=merino_relaxed)
    end do
    call merino_barrier()
    call merino_atomic_load(words(1), old)
    call check(old == 200 * nodes, 'atomic add')
    call merino_barrier()
    if (me == 0) then
      call merino_atomic_store(small(1), 5_int32, order=merino_release)
      call merino_atomic_compare_exchange(small(1), 4_int32, 6_int32, value)
      call check(value == 5, 'compare and exchange: another value')
      call merino_atomic_compare_exchange(small(1), 5_int32, 6_int32, value, order=merino_acquire)
      call merino_atomic_exchange(small(1), 7_int32, value)
      call check(value == 6, 'exchange')
      call merino_atomic_load(small(1), value, order=merino_relaxed)
      call check(value == 7, 'load')
    end if
    call private_word()
    call merino_deallocate(words)
    call merino_deallocate(small)
  end subroutine

  subroutine private_word()
    integer(int64) :: word, old
    word = 1
    old = 0
    call merino_atomic_load(word, old, stat=stat, errmsg=errmsg)
    call check(stat == merino_efault .and. is_sentence(errmsg), 'atomic: private memory')
  end subroutine

  subroutine placed_segments()
    type(merino_segment) :: segment
    errmsg = ''
    call merino_segment_create(segment, 'odd', 8192_c_size_t, unit_bytes=5000, stat=stat, errmsg=errmsg)
    call check(stat == merino_einval .and. is_sentence(errmsg), 'segment: an odd unit')
    call merino_segment_create(segment, 'nowhere', 8192_c_size_t, placement=merino_place_node, placement_node=nodes, &
      stat=stat, errmsg=errmsg)
    call check(stat == merino_einval, 'segment: placed on no node')
    if (me == 0) then
      call merino_segment_create(segment, 'in turn', 65536_c_size_t, unit_bytes=16384, placement=merino_place_cyclic)
      call merino_segment_destroy(segment)
    end if
  end subroutine

  subroutine segments()
    type(merino_segment) :: segment
    type(c_ptr) :: view, block
    integer(c_int), pointer :: numbers(:)
    integer(c_size_t) :: bytes
    if (me == 0) call merino_segment_create(segment, 'made in Fortran', 8192_c_size_t)
    call merino_barrier()
    call merino_segment_open(segment, 'made in Fortran')
    call merino_segment_bytes(segment, bytes)
    call check(bytes == 8192, 'segment: bytes')
    call merino_segment_attach(segment, view, writable=.true.)
    call c_f_pointer(view, numbers, [nodes])
    numbers(me + 1) = me
    call merino_barrier()
    call merino_pin(view, 4096_c_size_t, writable=.false.)
    call check(sum(numbers) == nodes * (nodes - 1) / 2, 'segment: what all nodes wrote')
    call merino_segment_detach(view, stat=stat)
    call check(stat == merino_ebusy, 'segment: detached while pinned')
    call merino_unpin(view, 4096_c_size_t)
    call merino_prefetch(view, 8192_c_size_t)
    call merino_segment_detach(view)
    call merino_barrier()
    if (me == 0) call merino_segment_destroy(segment)
    call merino_barrier()
    call merino_segment_open(segment, 'made in Fortran', stat=stat, errmsg=errmsg)
    call check(stat == merino_enoent .and. is_sentence(errmsg), 'segment: no such name')
    call placed_segments()
    block = merino_malloc(1000_c_size_t)
    call merino_fence_release()
    call merino_fence_acquire()
    call merino_free(block)
    block = merino_malloc(huge(1_c_size_t), stat=stat, errmsg=errmsg)
    call check(stat == merino_enomem .and. is_sentence(errmsg), 'malloc: more than there is')
  end subroutine

  subroutine statistics()
    type(merino_statistics) :: mine
    call merino_read_statistics(mine)
    call check(mine%barriers > 0 .and. mine%locks_remote > 0 .and. mine%atomics > 0, 'statistics')
  end subroutine
end program
