! Result codes: what `stat` gets. merino.h says what each means; ci/check-fortran compares the numbers.
module merino_codes
  implicit none
  public
  integer, parameter :: merino_success = 0, merino_einval = -1, merino_enotinit = -2, merino_ealready = -3, &
    merino_enomem = -4, merino_enospc = -5, merino_eexist = -6, merino_enoent = -7, merino_ehandle = -8, &
    merino_ebusy = -9, merino_etimedout = -10, merino_edeadlk = -11, merino_eperm = -12, merino_eaddrinuse = -13, &
    merino_efault = -14, merino_eacces = -15, merino_elimit = -16, merino_epeer = -17, merino_emismatch = -18, &
    merino_enotsup = -19, merino_esystem = -20, merino_efabric = -21, merino_eforked = -22

  ! The longest name of a segment or of a lock.
  integer, parameter :: merino_name_max = 63

  ! Where the pages of a segment live.
  integer, parameter :: merino_place_first_touch = 0, merino_place_blocked = 1, merino_place_cyclic = 2, &
    merino_place_node = 3
end module
