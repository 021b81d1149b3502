! Merino for Fortran 2008: distributed shared memory as Fortran pointers. merino.h says what everything means, docs/fortran.md
! how it is used.
!
! Left out
! - merino_init_with: the environment has a variable for each setting
! - struct merino_options: the same
! - merino_strerror: errmsg has the whole sentence
! - merino_handle_fault: for signal handlers, which are C
! - merino_calloc: merino_allocate gives zeros
! - merino_realloc: Fortran pointers do not grow
! - merino_aligned_alloc: merino_allocate gives whole pages
! - merino_allreduce_u64: Fortran has no unsigned integers
! - merino_shmget: System V's calls are C's, and merino_segment_create is for new programs
! - merino_shmat: the same
! - merino_shmdt: the same
! - merino_shmctl: the same
! - merino_log_error: for the callback of merino_init_with
! - merino_log_warning: the same
! - merino_log_info: the same
! - merino_log_debug: the same
module merino
  use merino_codes
  use merino_errors, only:
  use merino_job
  use merino_synchronisation
  use merino_memory
  use merino_arrays
  use merino_values
  use merino_atomics
  implicit none
  public
end module
