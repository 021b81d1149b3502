#!/usr/bin/env python3
"""generate.py synchronisation|arrays|values|atomics: prints that module of the Fortran interface.

What differs only by a type, a rank or a name is made here, since Fortran 2008 has no templates.
"""

import sys

# Kind of the constants of iso_fortran_env, and what its procedures are called.
TYPES = [
    ("integer(int32)", "int32"), ("integer(int64)", "int64"), ("real(real32)", "real32"), ("real(real64)", "real64"),
    ("complex(real32)", "complex32"), ("complex(real64)", "complex64"), ("logical(c_bool)", "logical"),
    ("logical", "default_logical"),
]
RANKS = range(1, 6)
REPORT = """    integer, intent(out), optional :: stat
    character(len=*), intent(inout), optional :: errmsg
"""


def head(name, public, comment):
  print(f"! {comment}\n! Made by Sources/Compatibility/Fortran/generate.py.\nmodule {name}")
  print("  use, intrinsic :: iso_c_binding\n  use, intrinsic :: iso_fortran_env, only: int32, int64, real32, real64")
  print("  use merino_codes\n  use merino_errors\n  implicit none\n  private")
  for each in public:
    print(f"  public :: {each}")
  print()


def generic(name, procedures):
  print(f"  interface {name}")
  for each in procedures:
    print(f"    module procedure {each}")
  print("  end interface\n")


def function(name, c_name, arguments, declarations, imports):
  """An interface to a function of C that returns an int."""
  print(f"    function {name}({', '.join(arguments)}) &\n      bind(c, name='{c_name}')")
  print(f"      import :: {', '.join(sorted({'c_int', *imports}))}")
  for each in declarations:
    print(f"      {each}")
  print(f"      integer(c_int) :: {name}\n    end function")


def arrays():
  head("merino_arrays", ["merino_allocate", "merino_deallocate"],
       "Arrays in shared memory, at the same address on all nodes: Fortran pointers with bounds.")
  kinds = [(type_, name, rank) for type_, name in TYPES for rank in RANKS]
  generic("merino_allocate", [f"allocate_{n}_{r}_{b}" for _, n, r in kinds for b in ("int32", "int64")])
  generic("merino_deallocate", [f"deallocate_{n}_{r}" for _, n, r in kinds])
  print("""  interface
    function collective_malloc(bytes, alignment) bind(c, name='merino_collective_malloc')
      import :: c_ptr, c_size_t
      integer(c_size_t), value :: bytes, alignment
      type(c_ptr) :: collective_malloc
    end function
    function collective_free(block) bind(c, name='merino_collective_free')
      import :: c_int, c_ptr
      type(c_ptr), value :: block
      integer(c_int) :: collective_free
    end function
  end interface

contains

  ! Room for elements of so many bits between the bounds; null where it failed. All nodes call it with the same bounds.
  subroutine get_room(lower, upper, bits, block, stat, errmsg)
    integer(int64), intent(in) :: lower(:), upper(:)
    integer, intent(in) :: bits
    type(c_ptr), intent(out) :: block
""" + REPORT + """    integer(int64) :: bytes
    integer :: i
    bytes = bits / 8
    do i = 1, size(upper)
      ! More than there can be stays more: the product does not wrap.
      if (upper(i) < lower(i)) then
        bytes = 0
      else if (bytes > huge(bytes) / max(upper(i) - lower(i) + 1, 1_int64)) then
        bytes = huge(bytes)
      else
        bytes = bytes * (upper(i) - lower(i) + 1)
      end if
    end do
    block = collective_malloc(int(bytes, c_size_t), 0_c_size_t)
    call settle(merge(merino_success, merino_enomem, c_associated(block)), stat, errmsg)
  end subroutine
""")
  for type_, name, rank in kinds:
    colons = ", ".join(":" * rank)
    bounds = ", &\n        ".join(f"first({i}):last({i})" for i in range(1, rank + 1))
    for kind in ("int32", "int64"):
      print(f"""  subroutine allocate_{name}_{rank}_{kind}(array, upper, lower, stat, errmsg)
    {type_}, pointer, intent(out) :: array({colons})
    integer({kind}), intent(in) :: upper({rank})
    integer({kind}), intent(in), optional :: lower({rank})
{REPORT}    {type_}, pointer :: flat(:)
    {type_} :: element
    integer(int64) :: first({rank}), last({rank})
    type(c_ptr) :: block
    nullify (array)
    first = 1
    if (present(lower)) first = int(lower, int64)
    last = int(upper, int64)
    call get_room(first, last, storage_size(element), block, stat, errmsg)
    if (.not. c_associated(block)) return
    call c_f_pointer(block, flat, [product(last - first + 1)])
    array({bounds}) => flat
  end subroutine
""")
    print(f"""  subroutine deallocate_{name}_{rank}(array, stat, errmsg)
    {type_}, pointer, intent(inout) :: array({colons})
{REPORT}    type(c_ptr) :: block
    integer(c_int) :: result
    block = c_null_ptr
    if (associated(array)) block = c_loc(array)
    result = collective_free(block)
    ! What could not be freed is still there.
    if (result == 0) nullify (array)
    call settle(result, stat, errmsg)
  end subroutine
""")
  print("end module")


def allreduce(type_, name, rank):
  """Combined as 64-bit integers or doubles, which is what merino.h has; logicals as 0 and 1, complex numbers in two parts."""
  wide = "real(c_double)" if "real" in name or "complex" in name else "integer(c_int64_t)"
  suffix = "f64" if "real" in name or "complex" in name else "i64"
  flat = "reshape(value, [size(value)])" if rank else "[value]"
  kind = type_[type_.index("(") + 1:-1] if "(" in type_ else "kind(value)"
  parts, check = 1, ""
  if "int" in name:
    widen, narrow = f"wide(:) = int({flat}, c_int64_t)", f"int(wide, {kind})"
  elif "logical" in name:
    widen, narrow = f"wide(:) = merge(1_c_int64_t, 0_c_int64_t, {flat})", f"logical(wide /= 0, {kind})"
  elif "real" in name:
    widen, narrow = f"wide(:) = real({flat}, c_double)", f"real(wide, {kind})"
  else:
    parts = 2
    widen = f"wide(1::2) = real({flat}, c_double)\n    wide(2::2) = real(aimag({flat}), c_double)"
    narrow = f"cmplx(wide(1::2), wide(2::2), {kind})"
    check = """    if (op /= merino_sum) then
      call settle(merino_einval, stat, errmsg, 'complex numbers can only be added up by merino_allreduce: pass merino_sum.')
      return
    end if
"""
  count = "size(value)" if rank else "1"
  shape = f"({', '.join(':' * rank)})" if rank else ""
  assign = f"value = reshape({narrow}, shape(value))" if rank else f"one = {narrow}\n      value = one(1)"
  one = "" if rank else f"    {type_} :: one(1)\n"
  print(f"""  subroutine allreduce_{name}_{rank}(value, op, stat, errmsg)
    {type_}, intent(inout) :: value{shape}
    integer, intent(in) :: op
{REPORT}    {wide}, allocatable :: wide(:)
{one}    integer(c_int) :: result
{check}    allocate (wide({parts} * {count}))
    {widen}
    result = c_allreduce_{suffix}(wide, size(wide, kind=c_size_t), int(op, c_int))
    if (result == 0) then
      {assign}
    end if
    call settle(result, stat, errmsg)
  end subroutine
""")


def values():
  head("merino_values", ["merino_broadcast", "merino_allreduce", "merino_sum, merino_product, merino_min, merino_max",
                         "merino_band, merino_bor, merino_bxor"],
       "Broadcast and reduction of small values, scalars and arrays.")
  print("  ! How merino_allreduce combines the values of the nodes. The last three take integers, and logicals: all, any, an odd\n"
        "  ! number. Complex numbers are only added up.")
  print("  integer, parameter :: merino_sum = 0, merino_product = 1, merino_min = 2, merino_max = 3")
  print("  integer, parameter :: merino_band = 4, merino_bor = 5, merino_bxor = 6\n")
  shapes = [0, *RANKS]
  generic("merino_broadcast", [f"broadcast_{n}_{r}" for _, n in TYPES for r in shapes] + ["broadcast_address"])
  generic("merino_allreduce", [f"allreduce_{n}_{r}" for _, n in TYPES for r in shapes])
  print("  interface")
  function("c_broadcast", "merino_broadcast", ["buffer", "bytes", "root"],
           ["type(c_ptr), value :: buffer", "integer(c_size_t), value :: bytes", "integer(c_int), value :: root"],
           ["c_ptr", "c_size_t"])
  for suffix, type_ in (("i64", "integer(c_int64_t)"), ("f64", "real(c_double)")):
    function(f"c_allreduce_{suffix}", f"merino_allreduce_{suffix}", ["values", "count", "op"],
             [f"{type_}, intent(inout) :: values(*)", "integer(c_size_t), value :: count",
              "integer(c_int), value :: op"], ["c_size_t", "c_int64_t" if suffix == "i64" else "c_double"])
  print("  end interface\n\ncontains\n")
  print("""  ! Gives all nodes the root's address. Collective.
  subroutine broadcast_address(value, root, stat, errmsg)
    type(c_ptr), intent(inout) :: value
    integer, intent(in) :: root
""" + REPORT + """    integer(c_intptr_t), target :: number
    number = transfer(value, number)
    call settle(c_broadcast(c_loc(number), c_sizeof(number), int(root, c_int)), stat, errmsg)
    value = transfer(number, value)
  end subroutine
""")
  for type_, name in TYPES:
    print(f"""  subroutine broadcast_{name}_0(value, root, stat, errmsg)
    {type_}, intent(inout), target :: value
    integer, intent(in) :: root
{REPORT}    call settle(c_broadcast(c_loc(value), int(storage_size(value) / 8, c_size_t), int(root, c_int)), stat, errmsg)
  end subroutine
""")
    for rank in RANKS:
      print(f"""  subroutine broadcast_{name}_{rank}(value, root, stat, errmsg)
    {type_}, intent(inout), contiguous, target :: value({", ".join(":" * rank)})
    integer, intent(in) :: root
{REPORT}    type(c_ptr) :: first
    first = c_null_ptr
    if (size(value) > 0) first = c_loc(value)
    call settle(c_broadcast(first, size(value, kind=c_size_t) * int(storage_size(value) / 8, c_size_t), &
      int(root, c_int)), stat, errmsg)
  end subroutine
""")
  for type_, name in TYPES:
    for rank in shapes:
      allreduce(type_, name, rank)
  print("end module")


def atomics():
  operations = ["load", "store", "exchange", "compare_exchange", "fetch_add"]
  head("merino_atomics", [f"merino_atomic_{o}" for o in operations] +
       ["merino_relaxed, merino_acquire, merino_release, merino_acq_rel"],
       "Atomics on shared words of 4 and 8 bytes; see merino.h for what may lie beside the word, and what orders cost.")
  print("  ! What an atomic orders beside its word. Without one: a load acquires, a store releases, others do both.")
  print("  integer, parameter :: merino_relaxed = 0, merino_acquire = 1, merino_release = 2, merino_acq_rel = 3\n")
  for operation in operations:
    generic(f"merino_atomic_{operation}", [f"{operation}_int32", f"{operation}_int64"])
  orders = {"load": ["", "_acquire"], "store": ["", "_release"]}
  extra = {"load": ["value"], "store": ["value"], "exchange": ["value", "old"],
           "compare_exchange": ["expected", "desired", "old"], "fetch_add": ["addend", "old"]}
  print("  interface")
  for size, type_ in (("u32", "c_int32_t"), ("u64", "c_int64_t")):
    for operation in operations:
      for order in orders.get(operation, ["", "_acquire", "_release", "_acq_rel"]):
        name = f"{operation}_{size}{order}"
        declarations = ["type(c_ptr), value :: address"]
        for each in extra[operation]:
          given = each == "old" or operation == "load"
          declarations.append(f"integer({type_}), {'intent(inout)' if given else 'value'} :: {each}")
        function(f"c_{name}", f"merino_atomic_{name}", ["address", *extra[operation]], declarations, ["c_ptr", type_])
  print("  end interface\n\ncontains\n")
  for size, kind in (("u32", "int32"), ("u64", "int64")):
    for operation in operations:
      mine = extra[operation]
      results = {"old"} if operation != "load" else {"value"}
      print(f"  subroutine {operation}_{kind}(word, {', '.join(mine)}, order, stat, errmsg)")
      print(f"    integer({kind}), intent(inout), target :: word")
      for each in mine:
        print(f"    integer({kind}), intent({'inout' if each in results else 'in'}) :: {each}")
      print("    integer, intent(in), optional :: order")
      print(REPORT, end="")
      print("    integer(c_int) :: result\n    integer :: asked")
      default = {"load": "merino_acquire", "store": "merino_release"}.get(operation, "merino_acq_rel")
      print(f"    asked = {default}\n    if (present(order)) asked = order\n    select case (asked)")
      call = f"(c_loc(word), {', '.join(mine)})"
      cases = {
          "load": [("merino_acquire, merino_acq_rel", "_acquire")],
          "store": [("merino_release, merino_acq_rel", "_release")],
      }.get(operation, [("merino_acquire", "_acquire"), ("merino_release", "_release"), ("merino_acq_rel", "_acq_rel")])
      for case, suffix in cases:
        print(f"    case ({case})\n      result = c_{operation}_{size}{suffix}{call}")
      print(f"    case default\n      result = c_{operation}_{size}{call}\n    end select")
      print("    call settle(result, stat, errmsg)\n  end subroutine\n")
  print("end module")


# Objects that order threads: their name, that of their handles in C, and their operations.
OBJECTS = [
    ("merino_lock", "A lock between threads of all nodes.", ["acquire", "release"]),
    ("merino_rwlock", "A lock that one writer or any number of readers holds.",
     ["acquire_read", "acquire_write", "release"]),
    ("merino_event", "A flag that threads wait for.", ["set", "clear", "wait"]),
    ("merino_cond", "A condition variable.", ["signal", "broadcast"]),
    ("merino_thread_barrier", "A barrier of a fixed number of threads.", ["wait"]),
]


def subroutine(name, arguments, declarations, call):
  print(f"  subroutine {name}({', '.join([*arguments, 'stat', 'errmsg'])})")
  for each in declarations:
    print(f"    {each}")
  print(f"{REPORT}    call settle({call}, stat, errmsg)\n  end subroutine\n")


def synchronisation():
  names = [name for name, _, _ in OBJECTS]
  public = []
  for name, _, operations in OBJECTS:
    public += [name] + [f"{name}_{o}" for o in ["create", "destroy", *operations]]
  public += ["merino_lock_create_named", "merino_lock_try_acquire", "merino_lock_acquire_within", "merino_cond_wait",
             "merino_cond_wait_within"]
  head("merino_synchronisation", public,
       "Locks, events, conditions, barriers of threads. They are values of 8 bytes that mean the same on every node and may\n"
       "! be stored in shared memory. Release and acquire are as merino.h says.")
  for name, comment, _ in OBJECTS:
    print(f"  ! {comment}\n  type, bind(c) :: {name}\n    integer(c_int64_t) :: handle = 0\n  end type\n")
  print("  interface")
  handle = "integer(c_int64_t), value :: handle"
  made = "integer(c_int64_t), intent(inout) :: handle"
  limit = "integer(c_int64_t), value :: nanoseconds"
  for name, _, operations in OBJECTS:
    c = name.replace("thread_", "")
    participants = ["participants"] if "barrier" in name else []
    function(f"c_{name}_create", f"{c}_create", [*participants, "handle"],
             [*["integer(c_int32_t), value :: participants" for _ in participants], made],
             ["c_int64_t", *["c_int32_t" for _ in participants]])
    for operation in ["destroy", *operations]:
      function(f"c_{name}_{operation}", f"{c}_{operation}", ["handle"], [handle], ["c_int64_t"])
  function("c_create_named", "merino_lock_create_named", ["name", "handle"],
           ["character(kind=c_char), intent(in) :: name(*)", made], ["c_char", "c_int64_t"])
  function("c_try_acquire", "merino_lock_try_acquire", ["handle"], [handle], ["c_int64_t"])
  function("c_acquire_within", "merino_lock_acquire_within", ["handle", "nanoseconds"], [handle, limit], ["c_int64_t"])
  both = [handle, "integer(c_int64_t), value :: lock"]
  function("c_wait", "merino_cond_wait", ["handle", "lock"], both, ["c_int64_t"])
  function("c_wait_within", "merino_cond_wait_within", ["handle", "lock", "nanoseconds"], [*both, limit], ["c_int64_t"])
  print("  end interface\n\ncontains\n")
  for name, _, operations in OBJECTS:
    participants = "barrier" in name
    subroutine(f"{name}_create", ["object", *(["participants"] if participants else [])],
               [f"type({name}), intent(out) :: object", *(["integer, intent(in) :: participants"] if participants else [])],
               f"c_{name}_create({'int(participants, c_int32_t), ' if participants else ''}object%handle)")
    for operation in ["destroy", *operations]:
      subroutine(f"{name}_{operation}", ["object"], [f"type({name}), intent(in) :: object"],
                 f"c_{name}_{operation}(object%handle)")
  subroutine("merino_lock_create_named", ["object", "name"],
             ["type(merino_lock), intent(out) :: object", "character(len=*), intent(in) :: name"],
             "c_create_named(c_name(name), object%handle)")
  subroutine("merino_cond_wait", ["object", "lock"],
             ["type(merino_cond), intent(in) :: object", "type(merino_lock), intent(in) :: lock"],
             "c_wait(object%handle, lock%handle)")
  tries = [
      ("merino_lock_try_acquire", "merino_lock", [], "c_try_acquire(object%handle)", "merino_ebusy", "taken"),
      ("merino_lock_acquire_within", "merino_lock", ["seconds"], "c_acquire_within(object%handle, limit(seconds))",
       "merino_etimedout", "taken"),
      ("merino_cond_wait_within", "merino_cond", ["lock", "seconds"],
       "c_wait_within(object%handle, lock%handle, limit(seconds))", "merino_etimedout", "woken"),
  ]
  for name, type_, arguments, call, no, outcome in tries:
    print(f"  ! `{outcome}` says whether it was; a wait that was in vain is no failure.")
    print(f"  subroutine {name}({', '.join(['object', *arguments, outcome, 'stat', 'errmsg'])})")
    print(f"    type({type_}), intent(in) :: object")
    if "lock" in arguments:
      print("    type(merino_lock), intent(in) :: lock")
    if "seconds" in arguments:
      print("    real(real64), intent(in) :: seconds")
    print(f"    logical, intent(out) :: {outcome}\n{REPORT}    integer(c_int) :: result")
    print(f"    result = {call}\n    {outcome} = result == 0\n    if (result == {no}) result = 0")
    print("    call settle(result, stat, errmsg)\n  end subroutine\n")
  print("""  ! Seconds in nanoseconds: none for a time that has passed, and as many as there are for more.
  pure function limit(seconds)
    real(real64), intent(in) :: seconds
    integer(c_int64_t) :: limit
    limit = int(min(max(seconds, 0.0_real64), 9.0e9_real64) * 1.0e9_real64, c_int64_t)
  end function
end module""")


if __name__ == "__main__":
  {"arrays": arrays, "values": values, "atomics": atomics, "synchronisation": synchronisation}[sys.argv[1]]()
