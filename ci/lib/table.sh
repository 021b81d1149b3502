# shellcheck shell=bash
# The runner of the tables, the same on the host and in a guest. After tally.sh. CONTRIBUTING.md says where
# the tables are and how one is written. It reads these, which whoever calls it exports:
#
#   CI_WORK        the folder of the compiled programs
#   PROGRAMS_RUN   the command `merino` (out/bin/merino where it is not set)
#   CI_PLACEMENT   options of `merino run` that say where the nodes run, in place of -n NODES
#   CI_PATIENCE    seconds that a row's processes may outlive it (15)
#   CI_PLANT       how ci/check-tables shows that a table can fail: see planted_command

# run_table TABLE[:SECTION] NAME=VALUE...: each row of a table (a file, ci/tables/TABLE, or TABLE.table among
# the tests of a compatibility layer), or those of a section and what comes before the first one (of the
# section `everywhere` nothing else). {NAME} stands for VALUE.
run_table() {
  local name=${1%%:*} table line row='' seconds=60 environment='' expected='' each=() parameter section=''
  local wanted='' seen=everywhere
  [[ $1 != *:* ]] || wanted=${1#*:}
  shift
  table=$name
  if [ ! -f "$table" ]; then
    table=$(compgen -G "ci/tables/$name" || compgen -G "Sources/Compatibility/*/Tests/$name.table") ||
      { failed "$name" "there is no such table"; return 0; }
  fi
  while IFS= read -r line || [ -n "$line" ]; do
    line=${line#"${line%%[! ]*}"}
    [[ $line == \#* ]] && continue
    row+=$line
    # A row goes on in the next line.
    if [[ $row == *\\ ]]; then
      row=${row%\\}
      continue
    fi
    for parameter in "$@"; do row=${row//"{${parameter%%=*}}"/"${parameter#*=}"}; done
    if [[ $row =~ ^\[(.*)\]$ ]]; then
      section=${BASH_REMATCH[1]} seen+=$'\n'$section row=''
    elif [ -n "$wanted" ] && [ -n "$section" ] && [ "$section" != "$wanted" ]; then
      row=''
    fi
    case $row in
      '') ;;
      *' | '*) expand_row "$row" "$seconds" "$environment" "$expected" ${each[@]+"${each[@]}"} ;;
      seconds\ *) seconds=${row#* } ;;
      environment | environment\ *) environment=${row#environment} ;;
      expected | expected\ *) expected=${row#expected} expected=${expected# } ;;
      each\ *) each_of each "${row#each }" ;;
      *) failed "$table" "this line is neither a row nor a setting: $row" ;;
    esac
    row=''
  done <"$table"
  [ -z "$wanted" ] || grep -Fqx -- "$wanted" <<<"$seen" || failed "$table" "it has no section $wanted"
}

# each_of LIST NAME VALUES: replaces the values of a name, or adds it.
each_of() {
  local -n list=$1
  local name=${2%% *} index
  for index in "${!list[@]}"; do
    [[ ${list[index]} != "$name "* ]] || unset "list[$index]"
  done
  list+=("$2")
}

# expand_row ROW SECONDS ENVIRONMENT EXPECTED "NAME VALUES"...: the row with each value of each name that is
# in it.
expand_row() {
  local row=$1 seconds=$2 environment=$3 expected=$4 entry name value
  shift 4
  for entry in "$@"; do
    name=${entry%% *}
    [[ $row == *"{$name}"* ]] || continue
    for value in ${entry#* }; do
      expand_row "${row//"{$name}"/"$value"}" "$seconds" "${environment//"{$name}"/"$value"}" \
        "${expected//"{$name}"/"$value"}" "$@"
    done
    return 0
  done
  split_row "$row" "$seconds" "$environment" "$expected"
}

# split_row ROW SECONDS ENVIRONMENT EXPECTED: NAME | NODES | PROGRAM | EXIT CODE | EXPECTED | SECONDS, run
# on each number of nodes. The last three arguments count where the row leaves them out.
split_row() {
  local row=$1 fields=() index field count nodes program name
  # A row without a name begins with the bar.
  [[ $row != '| '* ]] || row=" $row"
  IFS=$'\x1f' read -r -a fields <<<"${row// | /$'\x1f'}"
  for index in "${!fields[@]}"; do
    field=${fields[index]#"${fields[index]%%[! ]*}"}
    fields[index]=${field%"${field##*[! ]}"}
  done
  nodes=${fields[1]}
  for count in $(tr , ' ' <<<"${nodes##* }"); do
    program=${fields[2]//"{n}"/"$count"} name=${fields[0]//"{n}"/"$count"}
    if [ -z "$name" ]; then
      name="$program on $count nodes"
    elif [[ $nodes == *,* ]]; then
      name+=" on $count nodes"
    fi
    [[ $nodes == *' '* ]] && count="${nodes% *} $count"
    ${CI_ROW_RUNNER:-run_row} "$name" "$count" "$3 $program" "${fields[3]:-0}" "${fields[4]:-$4}" \
      "${fields[5]:-$2}"
  done
}

# run_row NAME NODES PROGRAM EXIT EXPECTED SECONDS. CI_ROW_RUNNER names a function that stands around it.
run_row() {
  local name=$1 nodes=$2 code=$4 expected=$5 seconds=$6 words=() output mark status=0 began took why
  if [[ ! "$code $seconds" =~ ^([0-9]+|any|ends)\ [0-9.]+$ && -z ${CI_PLANT:-} ]]; then
    failed "$name" "its exit code is '$code' and its seconds are '$seconds'"
    return 0
  elif [[ $code == ends && -z $expected ]]; then
    failed "$name" "nothing is expected of it"
    return 0
  fi
  if [ -n "${CI_PLANT:-}" ]; then
    planted_command words "$code" "$expected" || return 0
    [ "$CI_PLANT" != slow ] || seconds=0.2
  else
    row_command words "$nodes" "$3"
  fi
  output=$(mktemp -t merino-row.XXXXXX)
  mark=${output##*.}
  began=${EPOCHREALTIME/[.,]/}
  # Into a file: who waits for the end of a pipe waits for what a program has left behind, too. And in a shell
  # of its own, which would say that a program was killed.
  (
    env CI_ROW="$mark" SWIFT_BACKTRACE=enable=no timeout --kill-after=5 "$seconds" "${words[@]}" \
      >"$output" 2>&1 </dev/null
    exit $?
  ) 2>/dev/null || status=$?
  took=$(((${EPOCHREALTIME/[.,]/} - began) / 1000000))
  why=$(
    reasons_of_time "$status" "$took" "$seconds"
    reasons_of_exit "$status" "$code"
    reasons_of_output "$output" "$expected"
    reasons_of_processes "$mark"
  )
  report_row "$name" "$why" "$output" "$expected"
  [ "$took" -lt 10 ] || echo "  ($name: $took s)"
  rm -f "$output"
  # Of these two the first row of a table is enough, and all that ci/check-tables waits for.
  [[ ${CI_PLANT:-} != @(slow|left) ]] || exit 1
}

# report_row NAME WHY OUTPUT EXPECTED: of a program of many checks each line is one.
report_row() {
  local name=$1 why=$2 output=$3 note=''
  if [[ " $4 " == *' checks '* ]]; then
    tally_lines "$name" "$output"
    note="$(grep -c '^PASS ' "$output" || true) checks"
  fi
  if [ -n "$why" ]; then
    # Not `grep | head`: grep would be ended by SIGPIPE, and the stage with it.
    awk '!/^PASS / && shown++ < 60 { print "  | " $0 }' "$output"
    failed "$name" "${why//$'\n'/; }"
  else
    passed "$name" "$note"
  fi
}

# planted_command RESULT CODE EXPECTED: in place of a row's program what must make the row fail: another
# exit code; the right one, and of all words those that must not be; too slow; a process that outlives it. 1
# where the row does not say what would be wrong.
planted_command() {
  local -n planted=$1
  local code=$2 other=99 said
  [[ $CI_PLANT != exit || $code != ends ]] && [[ $CI_PLANT != silent || -n $3 ]] || return 1
  [[ $code =~ ^[0-9]+$ ]] || { other=0 code=1; }
  said=$(sed 's/ && /\n/g' <<<"$3" | sed -n 's/^0x ^\{0,1\}//p')
  case $CI_PLANT in
    exit) planted=(sh -c "exit $other") ;;
    silent) planted=(sh -c 'echo "$0"; exit "$1"' "$said" "$code") ;;
    slow) planted=(sleep 20) ;;
    left) planted=(sh -c "sleep 20 & exit $code") ;;
  esac
}

# row_command RESULT NODES PROGRAM: the words to execute. PROGRAM is what a shell takes apart, variables
# before it. NODES is a number, for `merino run`; numbers with colons between them, for as many programs
# with colons between them; a launcher of ci/launch and a number; or `-` for a process by itself.
row_command() {
  # shellcheck disable=SC2178
  local -n command=$1
  local nodes=$2 given=() word merino=${PROGRAMS_RUN:-out/bin/merino} starts=yes counts
  # The standard input is the table.
  eval "given=($3)" </dev/null
  command=(env)
  while [[ ${given[0]-} =~ ^[A-Z_]+= ]]; do
    command+=("${given[0]}")
    given=("${given[@]:1}")
  done
  IFS=: read -r -a counts <<<"$nodes"
  case $nodes in
    -) ;;
    *' '*) command+=(ci/launch "${nodes% *}" "${nodes##* }") ;;
    *)
      # shellcheck disable=SC2206 # words without blanks
      command+=("$merino" run ${CI_PLACEMENT:--n ${counts[0]}} --)
      ;;
  esac
  for word in ${given[@]+"${given[@]}"}; do
    if [ "$word" = : ] && [[ $nodes == *:* ]]; then
      counts=("${counts[@]:1}")
      command+=(: -n "${counts[0]}" --)
      starts=yes
      continue
    fi
    [ -z "$starts" ] || word=$(program_of "$word")
    # What comes after these is a program, too.
    [[ $word == env || $word == -- || $word == [A-Z]*=* && -n $starts ]] && starts=yes || starts=''
    command+=("$word")
  done
}

# program_of WORD: a name without a slash is a program of the table, an example, `merino`, or one of the
# system.
program_of() {
  local folder
  [ "$1" != merino ] || { echo "${PROGRAMS_RUN:-out/bin/merino}"; return; }
  for folder in "${CI_WORK:-}" out/examples out/bin; do
    if [[ $1 != */* && -x $folder/$1 ]]; then
      echo "$folder/$1"
      return
    fi
  done
  echo "$1"
}

# What follows prints a line for each thing that is not as the row says.

# reasons_of_time STATUS TOOK SECONDS: timeout(1) ends with 124, or with 137 where it had to kill.
reasons_of_time() {
  if [ "$1" -eq 124 ] || { [ "$1" -eq 137 ] && [ "$2" -ge "${3%.*}" ]; }; then echo "not over after $3 s"; fi
}

# reasons_of_exit STATUS CODE: `any` is any but 0, `ends` whichever.
reasons_of_exit() {
  case $2 in
    any) [ "$1" -ne 0 ] || echo "exit code 0" ;;
    ends) ;;
    *) [ "$1" = "$2" ] || echo "exit code $1, not $2" ;;
  esac
}

# reasons_of_output FILE EXPECTED: patterns (of grep -E) with && between them; `2x PATTERN` for two lines
# that match, `0x` for none; `checks` for a program of many checks, each a line PASS or FAIL.
reasons_of_output() {
  local file=$1 rest=$2 item count
  while [ -n "$rest" ]; do
    item=${rest%% && *}
    [[ $rest == *' && '* ]] && rest=${rest#* && } || rest=''
    if [ "$item" = checks ]; then
      grep -q '^PASS ' "$file" || echo "no check in its output"
      ! grep -q '^FAIL ' "$file" || echo "$(grep -c '^FAIL ' "$file") checks failed"
    elif [[ $item =~ ^([0-9]+)x\ (.*)$ ]]; then
      count=$(grep -Ec -- "${BASH_REMATCH[2]}" "$file") || true
      [ "$count" -eq "${BASH_REMATCH[1]}" ] ||
        echo "$count lines match ${BASH_REMATCH[2]}, not ${BASH_REMATCH[1]}"
    else
      grep -Eq -- "$item" "$file" || echo "no line matches $item"
    fi
  done
}

# reasons_of_processes MARK: processes of the row that outlive it. A launcher may return a moment before its
# own; what is left in the end is ended here.
reasons_of_processes() {
  local left attempt file words
  for ((attempt = 0; attempt <= ${CI_PATIENCE:-15} * 10; attempt++)); do
    left=$(grep -lsxz "CI_ROW=$1" /proc/[0-9]*/environ || true)
    [ -n "$left" ] || return 0
    sleep 0.1
  done
  for file in $left; do
    words=$(tr '\0' ' ' <"${file%environ}cmdline") || continue
    echo "left behind: ${words% }"
    kill -KILL "$(basename "${file%/environ}")" 2>/dev/null || true
  done
}
