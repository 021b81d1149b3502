#!/usr/bin/env python3
"""Runs `merino doctor --json` in some way, and checks its exit code, one finding, and that the report is whole.

check-doctor.py EXIT CHECK STATE PATTERN -- COMMAND...

COMMAND ends in "doctor --json ..."; a finding named CHECK must have STATE, and its text (what was found, and the cure)
must match PATTERN.
"""

import json
import re
import subprocess
import sys

STATES = ("pass", "warn", "fail", "skip")
SECONDS = 60


def whole(report):
  """A sentence for everything that is wrong with the report as such."""
  checks, summary = report["checks"], report["summary"]
  for finding in checks:
    if sorted(finding) != ["check", "cure", "found", "state"]:
      yield f"a finding has the fields {sorted(finding)}"
    elif finding["state"] not in STATES or not finding["found"]:
      yield f"a finding is empty or in no state: {finding}"
    elif (finding["cure"] != "") != (finding["state"] in ("warn", "fail")):
      yield f"a finding has a cure and passes, or has none and does not: {finding}"
  for state in STATES:
    count = sum(finding["state"] == state for finding in checks)
    if summary[state] != count:
      yield f"the summary counts {summary[state]} of {state}, and there are {count}"
  if summary["fabric"] not in ("host", "verbs"):
    yield f"the fabric is {summary['fabric']}"


def main():
  code, check, state, pattern, dashes, *command = sys.argv[1:]
  if dashes != "--":
    raise SystemExit(__doc__)
  done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)
  problems = []
  if done.returncode != int(code):
    problems.append(f"exit code {done.returncode}, not {code}")
  try:
    report = json.loads(done.stdout)
  except ValueError:
    raise SystemExit(f"no JSON (exit code {done.returncode}): {done.stdout}{done.stderr}")
  problems += whole(report)
  if (report["summary"]["fail"] > 0) != (done.returncode == 1):
    problems.append(f"{report['summary']['fail']} checks fail, and the exit code is {done.returncode}")
  named = [finding for finding in report["checks"] if finding["check"] == check]
  if not any(
      finding["state"] == state and re.search(pattern, f"{finding['found']}. {finding['cure']}") for finding in named):
    problems.append(f"no finding {check} {state} that matches {pattern}: {named}")
  for problem in problems:
    print(problem)
  if problems:
    others = [finding for finding in report["checks"] if finding["state"] in ("warn", "fail")]
    print(f"what warns or fails: {others}")
  return 1 if problems else 0


sys.exit(main())
