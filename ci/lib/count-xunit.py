"""count-xunit.py DIRECTORY STATUS: counts the tests in the *.xml reports of `swift test`.

Prints lines for the tally ("passed COUNT swift test"), and one line for each test that failed or was
skipped. STATUS is the exit status of `swift test`: nonzero without a failure in the reports means that the
run ended early, and counts as one failure; DIRECTORY/log, what it printed, tells which tests were running.
"""

import glob
import os
import re
import sys
import xml.etree.ElementTree as ElementTree



def unfinished(log):
    """Names of the tests that the log sees begin and not end."""
    if not os.path.exists(log):
        return []
    with open(log, encoding="utf-8", errors="replace") as file:
        text = file.read()
    began = re.findall(r"^. Test (\S+\(.*?\)) started\.$", text, re.MULTILINE)
    ended = set(re.findall(r"^. Test (\S+\(.*?\)) (?:with .*)?(?:passed|failed) after", text, re.MULTILINE))
    return [name for name in began if name not in ended]


directory, status = sys.argv[1], int(sys.argv[2])
passed = failed = skipped = 0
for report in sorted(glob.glob(os.path.join(directory, "*.xml"))):
    for case in ElementTree.parse(report).getroot().iter("testcase"):
        name = f'{case.get("classname")}.{case.get("name")}'
        if case.find("failure") is not None or case.find("error") is not None:
            failed += 1
            print(f"  FAILED: {name}")
        elif case.find("skipped") is not None:
            skipped += 1
            print(f"  skipped: {name}: {case.find('skipped').text or 'no reason given'}")
        else:
            passed += 1

if status != 0 and failed == 0:
    failed = 1
    print(f"  FAILED: swift test ended early, with status {status}")
    for name in unfinished(os.path.join(directory, "log")):
        print(f"    {name} had not ended")
if passed + failed == 0:
    failed = 1
    print("  FAILED: swift test ran no test")
print(f"  {passed} tests passed, {failed} failed, {skipped} skipped")
print(f"passed {passed} swift test")
print(f"failed {failed} swift test")
