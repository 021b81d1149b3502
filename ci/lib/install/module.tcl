# module.tcl FILE VARIABLE: loads a modulefile as `module load` does and prints what it does to VARIABLE.
proc module-whatis {text} {}
proc conflict {name} {}
proc setenv {name value} { if {$name eq $::wanted} { puts $value } }
proc prepend-path {name value} {
  if {![file isdirectory $value]} { error "$name gets $value, which is no directory" }
  if {$name eq $::wanted} { puts $value }
}
set wanted [lindex $argv 1]
source [lindex $argv 0]
