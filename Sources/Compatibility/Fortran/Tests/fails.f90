! A failure without `stat` ends the job with its sentence; see stage_fortran.sh.
program fails
  use merino
  implicit none
  type(merino_segment) :: segment
  call merino_init()
  if (merino_node() == 0) call merino_segment_open(segment, 'never made')
  call merino_barrier()
  print '(a)', 'it went on'
end program
