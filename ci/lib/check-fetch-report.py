"""check-fetch-report.py FILE.json [REFETCH SEQUENTIAL]: the report of merino-fetch-lat is whole, no fetch is faster
than its floor (which then would be none), and the ratios to the floor are at most the limits.
"""

import json
import sys

with open(sys.argv[1], encoding="utf-8") as file:
    report = json.load(file)
refetch_limit, sequential_limit = (float(text) for text in sys.argv[2:4] or ("1.3", "0.4"))

ratios = {one["name"]: one["ratio"] for one in report["series"]}
ratios["sequential"] = report["sequential_ratio"]
faults = []
for name in ("first touch", "refetch"):
    # A few percent below 1 are the noise of a busy machine.
    if ratios[name] < 0.9:
        faults.append(f"{name} is {ratios[name]:.2f} x the floor: the floor is measured wrongly")
for name, limit in (("refetch", refetch_limit), ("sequential", sequential_limit)):
    if ratios[name] > limit:
        faults.append(f"{name} is {ratios[name]:.2f} x the floor, and must be at most {limit}")
print(", ".join(f"{name} {ratio:.2f} x the floor" for name, ratio in ratios.items()))
for fault in faults:
    print(fault)
sys.exit(1 if faults else 0)
