! Blocks and segments by their addresses (type(c_ptr)), and what is said about ranges. Arrays: merino_allocate.
module merino_memory
  use, intrinsic :: iso_c_binding
  use merino_codes
  use merino_errors
  implicit none
  private
  public :: merino_malloc, merino_free, merino_prefetch, merino_pin, merino_unpin
  public :: merino_segment, merino_segment_create, merino_segment_open, merino_segment_attach
  public :: merino_segment_detach, merino_segment_destroy, merino_segment_bytes

  ! A segment, as this process names it.
  type :: merino_segment
    integer(c_int32_t) :: handle = 0
  end type

  ! What merino_segment_info tells: merino_segment_info_t of merino.h.
  type, bind(c) :: segment_info
    integer(c_size_t) :: bytes_of_this_type = 0
    integer(c_int64_t) :: bytes = 0, global_address = 0
    type(c_ptr) :: default_view = c_null_ptr
    integer(c_int32_t) :: unit_bytes = 0, placement = 0, placement_node = 0, views = 0, destroyed = 0, reserved = 0
    character(kind=c_char) :: name(64) = c_null_char
  end type

  ! How a segment is made: merino_segment_options_t of merino.h.
  type, bind(c) :: segment_options
    integer(c_size_t) :: bytes_of_this_type = 0
    integer(c_int32_t) :: unit_bytes = 0, placement = 0, placement_node = 0, header_version = 0
  end type

  ! PROT_READ and PROT_WRITE of the system.
  integer(c_int), parameter :: read_only = 1, read_and_write = 3

  interface
    function c_malloc(bytes) bind(c, name='merino_malloc')
      import :: c_ptr, c_size_t
      integer(c_size_t), value :: bytes
      type(c_ptr) :: c_malloc
    end function
    subroutine c_free(block) bind(c, name='merino_free')
      import :: c_ptr
      type(c_ptr), value :: block
    end subroutine
    function c_prefetch(address, bytes) bind(c, name='merino_prefetch')
      import :: c_int, c_ptr, c_size_t
      type(c_ptr), value :: address
      integer(c_size_t), value :: bytes
      integer(c_int) :: c_prefetch
    end function
    function c_pin(address, bytes, protection) bind(c, name='merino_pin')
      import :: c_int, c_ptr, c_size_t
      type(c_ptr), value :: address
      integer(c_size_t), value :: bytes
      integer(c_int), value :: protection
      integer(c_int) :: c_pin
    end function
    function c_unpin(address, bytes) bind(c, name='merino_unpin')
      import :: c_int, c_ptr, c_size_t
      type(c_ptr), value :: address
      integer(c_size_t), value :: bytes
      integer(c_int) :: c_unpin
    end function
    function c_create(name, bytes, options, segment) bind(c, name='merino_segment_create')
      import :: c_char, c_int, c_int32_t, c_size_t, segment_options
      character(kind=c_char), intent(in) :: name(*)
      integer(c_size_t), value :: bytes
      type(segment_options), intent(in) :: options
      integer(c_int32_t), intent(inout) :: segment
      integer(c_int) :: c_create
    end function
    function c_open(name, segment) bind(c, name='merino_segment_open')
      import :: c_char, c_int, c_int32_t
      character(kind=c_char), intent(in) :: name(*)
      integer(c_int32_t), intent(inout) :: segment
      integer(c_int) :: c_open
    end function
    function c_attach(segment, where, protection, view) bind(c, name='merino_segment_attach')
      import :: c_int, c_int32_t, c_ptr
      integer(c_int32_t), value :: segment
      type(c_ptr), value :: where
      integer(c_int), value :: protection
      type(c_ptr), intent(inout) :: view
      integer(c_int) :: c_attach
    end function
    function c_detach(view) bind(c, name='merino_segment_detach')
      import :: c_int, c_ptr
      type(c_ptr), value :: view
      integer(c_int) :: c_detach
    end function
    function c_destroy(segment) bind(c, name='merino_segment_destroy')
      import :: c_int, c_int32_t
      integer(c_int32_t), value :: segment
      integer(c_int) :: c_destroy
    end function
    function c_info(segment, info) bind(c, name='merino_segment_info')
      import :: c_int, c_int32_t, segment_info
      integer(c_int32_t), value :: segment
      type(segment_info), intent(inout) :: info
      integer(c_int) :: c_info
    end function
  end interface

contains

  ! A block of shared memory, by one node; its address means the same on all. c_null_ptr where it failed.
  function merino_malloc(bytes, stat, errmsg) result(block)
    integer(c_size_t), intent(in) :: bytes
    integer, intent(out), optional :: stat
    character(len=*), intent(inout), optional :: errmsg
    type(c_ptr) :: block
    block = c_malloc(bytes)
    call settle(merge(merino_success, merino_enomem, c_associated(block)), stat, errmsg)
  end function

  ! Frees a block that any node allocated.
  subroutine merino_free(block)
    type(c_ptr), intent(in) :: block
    call c_free(block)
  end subroutine

  ! Fetches the pages of a range that are not here.
  subroutine merino_prefetch(address, bytes, stat, errmsg)
    type(c_ptr), intent(in) :: address
    integer(c_size_t), intent(in) :: bytes
    integer, intent(out), optional :: stat
    character(len=*), intent(inout), optional :: errmsg
    call settle(c_prefetch(address, bytes), stat, errmsg)
  end subroutine

  ! Keeps the pages of a range accessible for system calls, I/O statements and MPI until merino_unpin.
  subroutine merino_pin(address, bytes, writable, stat, errmsg)
    type(c_ptr), intent(in) :: address
    integer(c_size_t), intent(in) :: bytes
    logical, intent(in) :: writable
    integer, intent(out), optional :: stat
    character(len=*), intent(inout), optional :: errmsg
    call settle(c_pin(address, bytes, merge(read_and_write, read_only, writable)), stat, errmsg)
  end subroutine

  ! Ends a merino_pin of the same range.
  subroutine merino_unpin(address, bytes, stat, errmsg)
    type(c_ptr), intent(in) :: address
    integer(c_size_t), intent(in) :: bytes
    integer, intent(out), optional :: stat
    character(len=*), intent(inout), optional :: errmsg
    call settle(c_unpin(address, bytes), stat, errmsg)
  end subroutine

  ! Makes a segment of zeros, for others to open by its name. By one node. `unit_bytes` is its coherence unit, `placement`
  ! one of merino_place_..., with `placement_node` for merino_place_node.
  subroutine merino_segment_create(segment, name, bytes, unit_bytes, placement, placement_node, stat, errmsg)
    type(merino_segment), intent(out) :: segment
    character(len=*), intent(in) :: name
    integer(c_size_t), intent(in) :: bytes
    integer, intent(in), optional :: unit_bytes, placement, placement_node
    integer, intent(out), optional :: stat
    character(len=*), intent(inout), optional :: errmsg
    type(segment_options) :: options
    options%bytes_of_this_type = c_sizeof(options)
    if (present(unit_bytes)) options%unit_bytes = int(unit_bytes, c_int32_t)
    if (present(placement)) options%placement = int(placement, c_int32_t)
    if (present(placement_node)) options%placement_node = int(placement_node, c_int32_t)
    call settle(c_create(c_name(name), bytes, options, segment%handle), stat, errmsg)
  end subroutine

  ! Finds a segment by its name.
  subroutine merino_segment_open(segment, name, stat, errmsg)
    type(merino_segment), intent(out) :: segment
    character(len=*), intent(in) :: name
    integer, intent(out), optional :: stat
    character(len=*), intent(inout), optional :: errmsg
    call settle(c_open(c_name(name), segment%handle), stat, errmsg)
  end subroutine

  ! Maps a segment at the address that is the same on all nodes; use the view by c_f_pointer.
  subroutine merino_segment_attach(segment, view, writable, stat, errmsg)
    type(merino_segment), intent(in) :: segment
    type(c_ptr), intent(out) :: view
    logical, intent(in) :: writable
    integer, intent(out), optional :: stat
    character(len=*), intent(inout), optional :: errmsg
    view = c_null_ptr
    call settle(c_attach(segment%handle, c_null_ptr, merge(read_and_write, read_only, writable), view), stat, errmsg)
  end subroutine

  ! Unmaps a view.
  subroutine merino_segment_detach(view, stat, errmsg)
    type(c_ptr), intent(in) :: view
    integer, intent(out), optional :: stat
    character(len=*), intent(inout), optional :: errmsg
    call settle(c_detach(view), stat, errmsg)
  end subroutine

  ! Removes a segment; its views stay usable.
  subroutine merino_segment_destroy(segment, stat, errmsg)
    type(merino_segment), intent(in) :: segment
    integer, intent(out), optional :: stat
    character(len=*), intent(inout), optional :: errmsg
    call settle(c_destroy(segment%handle), stat, errmsg)
  end subroutine

  ! The bytes of a segment, as it was made.
  subroutine merino_segment_bytes(segment, bytes, stat, errmsg)
    type(merino_segment), intent(in) :: segment
    integer(c_size_t), intent(out) :: bytes
    integer, intent(out), optional :: stat
    character(len=*), intent(inout), optional :: errmsg
    type(segment_info) :: info
    info%bytes_of_this_type = c_sizeof(info)
    call settle(c_info(segment%handle, info), stat, errmsg)
    bytes = int(info%bytes, c_size_t)
  end subroutine
end module
