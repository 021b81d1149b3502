! Joining and leaving, what concerns all nodes, fences, counters.
module merino_job
  use, intrinsic :: iso_c_binding
  use, intrinsic :: iso_fortran_env, only: int64
  use merino_errors
  implicit none
  private
  public :: merino_init, merino_finalize, merino_abort, merino_node, merino_nodes, merino_version
  public :: merino_barrier, merino_fence_acquire, merino_fence_release
  public :: merino_statistics, merino_read_statistics

  ! What this node has counted; each is described in merino.h, merino_stats_t.
  type, bind(c) :: merino_statistics
    integer(c_size_t) :: bytes_of_this_type = 0
    integer(c_int64_t) :: read_faults = 0, write_faults = 0, pages_fetched = 0, bytes_fetched = 0
    integer(c_int64_t) :: pages_fetched_ahead = 0, first_touches = 0, twins = 0, diffs_sent = 0, diff_bytes_sent = 0
    integer(c_int64_t) :: notices_sent = 0, notices_received = 0, invalidations = 0, log_overflows = 0
    integer(c_int64_t) :: exclusive_pages = 0, migrations_in = 0, migrations_out = 0, locks_local = 0
    integer(c_int64_t) :: locks_remote = 0, barriers = 0, atomics = 0, heap_bytes_in_use = 0
    integer(c_int64_t) :: segment_bytes_in_use = 0, hot_pages = 0
  end type

  interface
    function c_init() bind(c, name='merino_init')
      import :: c_int
      integer(c_int) :: c_init
    end function
    function c_finalize() bind(c, name='merino_finalize')
      import :: c_int
      integer(c_int) :: c_finalize
    end function
    subroutine c_abort(code) bind(c, name='merino_abort')
      import :: c_int
      integer(c_int), value :: code
    end subroutine
    function c_node() bind(c, name='merino_node')
      import :: c_int
      integer(c_int) :: c_node
    end function
    function c_nodes() bind(c, name='merino_nodes')
      import :: c_int
      integer(c_int) :: c_nodes
    end function
    function c_version() bind(c, name='merino_version')
      import :: c_ptr
      type(c_ptr) :: c_version
    end function
    function c_barrier() bind(c, name='merino_barrier')
      import :: c_int
      integer(c_int) :: c_barrier
    end function
    function c_fence_acquire() bind(c, name='merino_fence_acquire')
      import :: c_int
      integer(c_int) :: c_fence_acquire
    end function
    function c_fence_release() bind(c, name='merino_fence_release')
      import :: c_int
      integer(c_int) :: c_fence_release
    end function
    function c_stats(stats) bind(c, name='merino_stats')
      import :: c_int, merino_statistics
      type(merino_statistics), intent(inout) :: stats
      integer(c_int) :: c_stats
    end function
  end interface

contains

  ! Joins the job. Collective.
  subroutine merino_init(stat, errmsg)
    integer, intent(out), optional :: stat
    character(len=*), intent(inout), optional :: errmsg
    call settle(c_init(), stat, errmsg)
  end subroutine

  ! Leaves the job. Collective; pointers into shared memory are invalid afterwards.
  subroutine merino_finalize(stat, errmsg)
    integer, intent(out), optional :: stat
    character(len=*), intent(inout), optional :: errmsg
    call settle(c_finalize(), stat, errmsg)
  end subroutine

  ! Ends the whole job with an exit code, 0...255. Does not return.
  subroutine merino_abort(code)
    integer, intent(in) :: code
    call c_abort(int(code, c_int))
  end subroutine

  ! This node's number, 0...merino_nodes() - 1; negative before joining.
  integer function merino_node()
    merino_node = int(c_node())
  end function

  ! The number of nodes; negative before joining.
  integer function merino_nodes()
    merino_nodes = int(c_nodes())
  end function

  ! The version of the library that runs.
  function merino_version()
    character(len=:), allocatable :: merino_version
    merino_version = text_of(c_version())
  end function

  ! Waits for all nodes. Collective; release before, acquire after.
  subroutine merino_barrier(stat, errmsg)
    integer, intent(out), optional :: stat
    character(len=*), intent(inout), optional :: errmsg
    call settle(c_barrier(), stat, errmsg)
  end subroutine

  ! Acquire without a lock.
  subroutine merino_fence_acquire(stat, errmsg)
    integer, intent(out), optional :: stat
    character(len=*), intent(inout), optional :: errmsg
    call settle(c_fence_acquire(), stat, errmsg)
  end subroutine

  ! Release without a lock.
  subroutine merino_fence_release(stat, errmsg)
    integer, intent(out), optional :: stat
    character(len=*), intent(inout), optional :: errmsg
    call settle(c_fence_release(), stat, errmsg)
  end subroutine

  ! Reads the counters of this node.
  subroutine merino_read_statistics(statistics, stat, errmsg)
    type(merino_statistics), intent(out) :: statistics
    integer, intent(out), optional :: stat
    character(len=*), intent(inout), optional :: errmsg
    statistics%bytes_of_this_type = c_sizeof(statistics)
    call settle(c_stats(statistics), stat, errmsg)
  end subroutine
end module
