"""check-fetch-report.py FILE.json...: the reports of merino-fetch-lat are whole; prints the medians of their ratios.
With --limits REFETCH SEQUENTIAL first: fails where a median is above its limit, or below 0.9 (then the floor is none).
"""

import json
import statistics
import sys

arguments = sys.argv[1:]
limits = None
if arguments[:1] == ["--limits"]:
    limits = {"refetch": float(arguments[1]), "sequential": float(arguments[2])}
    arguments = arguments[3:]

ratios = {"first touch": [], "refetch": [], "sequential": []}
for path in arguments:
    with open(path, encoding="utf-8") as file:
        report = json.load(file)
    for one in report["series"]:
        assert one["fetch"]["n_iterations"] == one["floor"]["n_iterations"] > 0, f"{path}: {one['name']} has no samples"
        assert one["fetch"]["t_typical"] > 0 and one["floor"]["t_typical"] > 0, f"{path}: {one['name']} took no time"
        ratios[one["name"]].append(one["ratio"])
    ratios["sequential"].append(report["sequential_ratio"])

faults = []
for name, values in ratios.items():
    assert len(values) == len(arguments) and min(values) > 0, f"{name} is missing"
    median = statistics.median(values)
    print(f"{name}: {median:.2f} x the floor")
    if limits is None:
        continue
    if name != "sequential" and median < 0.9:
        faults.append(f"{name} is faster than its floor: the floor is measured wrongly")
    if name in limits and median > limits[name]:
        faults.append(f"{name} must be at most {limits[name]} x the floor")
for fault in faults:
    print(fault)
sys.exit(1 if faults else 0)
