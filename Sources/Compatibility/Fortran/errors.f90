! Errors, in the manner of ALLOCATE: with `stat` a call says what happened, without it a failure ends the job with the
! whole sentence of merino_last_error.
module merino_errors
  use, intrinsic :: iso_c_binding
  use, intrinsic :: iso_fortran_env, only: error_unit
  implicit none
  private
  public :: settle, text_of, c_name

  interface
    function last_error() bind(c, name='merino_last_error')
      import :: c_ptr
      type(c_ptr) :: last_error
    end function
    subroutine end_job(code) bind(c, name='merino_abort')
      import :: c_int
      integer(c_int), value :: code
    end subroutine
    pure function length_of(text) bind(c, name='strlen')
      import :: c_ptr, c_size_t
      type(c_ptr), intent(in), value :: text
      integer(c_size_t) :: length_of
    end function
  end interface

contains

  ! `stat` becomes 0 or a negative code (MERINO_E... of merino.h); `errmsg` changes only where the call failed.
  ! The sentence is the library's, unless one is given for what only Fortran forbids.
  subroutine settle(result, stat, errmsg, sentence)
    integer(c_int), intent(in) :: result
    integer, intent(out), optional :: stat
    character(len=*), intent(inout), optional :: errmsg
    character(len=*), intent(in), optional :: sentence
    character(len=:), allocatable :: told
    if (present(stat)) stat = min(int(result), 0)
    if (result >= 0) return
    told = text_of(last_error())
    if (present(sentence)) told = sentence
    if (present(errmsg)) errmsg = told
    if (present(stat)) return
    write (error_unit, '(2a)') 'Merino: ', told
    flush (error_unit)
    call end_job(1_c_int)
  end subroutine

  ! A string of C.
  function text_of(text)
    type(c_ptr), intent(in) :: text
    character(len=:), allocatable :: text_of
    character(kind=c_char), pointer :: characters(:)
    integer :: i, length
    length = int(length_of(text))
    allocate (character(len=length) :: text_of)
    call c_f_pointer(text, characters, [length])
    do i = 1, length
      text_of(i:i) = characters(i)
    end do
  end function

  ! A name as C takes it, without the blanks at its end.
  pure function c_name(name)
    character(len=*), intent(in) :: name
    character(kind=c_char, len=:), allocatable :: c_name
    c_name = trim(name)//c_null_char
  end function
end module
