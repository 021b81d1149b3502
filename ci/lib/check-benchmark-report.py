"""check-benchmark-report.py [--limits REFETCH SEQUENTIAL] FILE.json...: reports of the benchmarks are whole; prints the
medians of their ratios. With --limits, for merino-fetch-lat: fails where a refetch takes more than REFETCH times its
floor, or a page of a sequential read more than SEQUENTIAL times, or a fetch less than 0.9 times (then the floor is none).
"""

import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
sys.dont_write_bytecode = True
from compare_perftest import median

# What each program has to report; of merino-release-lat the names depend on its options.
SERIES = {
    "merino-fetch-lat": ["first fetch", "refetch"],
    "merino-fetch-bw": ["read-ahead, cold", "read-ahead, again", "prefetch"],
    "merino-write-lat": ["first write to a cached page", "write to an uncached page"],
    "merino-release-lat": None,
    "merino-lock-lat": ["acquire", "acquire and release", "hand-over"],
    "merino-barrier-lat": ["barrier"],
    "merino-atomic-lat": ["fetch-and-add", "compare-and-swap", "load"],
}
LATENCY = ["MsgSize", "n_iterations", "t_min", "t_max", "t_typical", "t_median", "t_avg", "t_stdev", "percentile_99",
           "percentile_99.9"]
BANDWIDTH = ["MsgSize", "n_iterations", "BW_peak", "BW_average", "BW_median", "MsgRate"]


def check_table(where, table, names):
    """All columns are there, with numbers, of samples that were taken."""
    assert list(table) == names, f"{where}: the columns are {', '.join(table)}"
    assert table["n_iterations"] > 0, f"{where} has no samples"
    assert all(isinstance(value, (int, float)) for value in table.values()), f"{where}: a value is no number"
    for name in ("t_median", "BW_median"):
        assert table.get(name, 1) > 0, f"{where} took no time"


def check(path, report):
    """The report has all that its program measures."""
    benchmark = report["benchmark"]
    assert benchmark in SERIES, f"{path}: no benchmark is called {benchmark}"
    assert report["nodes"] >= 2 and report["floor_source"] in ("verbs", "host") and report["floor_note"], f"{path}: head"
    names = [one["name"] for one in report["series"]]
    assert names and names == (SERIES[benchmark] or names), f"{path}: the series are {', '.join(names)}"
    for one in report["series"]:
        where = f"{path}: {one['name']}"
        if "bandwidth" in one:
            check_table(where, one["bandwidth"], BANDWIDTH)
            check_table(f"{where}, floor", one["floor"], BANDWIDTH)
            assert one["ratio"] > 0, f"{where}: no ratio"
            continue
        check_table(where, one["latency"], LATENCY)
        for part in one["floor"]:
            check_table(f"{where}, floor of {part['name']}", part["latency"], LATENCY)
        total = sum(part["count"] * part["latency"]["t_median"] for part in one["floor"])
        if one["floor"]:
            # Five decimals are lost by rounding, no more.
            assert abs(total - one["floor_usec"]) < 0.01, f"{where}: the floor is not the sum of its parts"
            assert abs(one["figure_usec"] / total - one["ratio"]) < 0.01, f"{where}: the ratio is another"
        if "facts" in one and "diffs_per_release" in one["facts"]:
            assert one["facts"]["diffs_per_release"] == one["facts"]["pages"], f"{where}: pages sent no diff"


def ratios(report):
    """Ratios by name; the sequential read's is to the refetch's floor, a page."""
    result = {}
    for one in report["series"]:
        if "ratio" in one:
            result[one["name"]] = one["ratio"]
        if "sequential_usec_per_page" in one.get("facts", {}):
            result["sequential"] = one["facts"]["sequential_usec_per_page"] / one["floor_usec"]
    return result


def main():
    arguments = sys.argv[1:]
    limits = None
    if arguments[:1] == ["--limits"]:
        limits = {"refetch": float(arguments[1]), "sequential": float(arguments[2])}
        arguments = arguments[3:]
    found = {}
    for path in arguments:
        with open(path, encoding="utf-8") as file:
            report = json.load(file)
        check(path, report)
        for name, value in ratios(report).items():
            found.setdefault(name, []).append(value)
    faults = []
    for name, values in found.items():
        assert len(values) == len(arguments) or limits is None, f"{name} is missing in a report"
        middle = median(values)
        print(f"{name}: {middle:.2f} x the floor")
        if limits and name in ("first fetch", "refetch") and middle < 0.9:
            faults.append(f"{name} is faster than its floor: the floor is measured wrongly")
        if limits and middle > limits.get(name, middle):
            faults.append(f"{name} must be at most {limits[name]} x the floor")
    for name in limits or {}:
        assert name in found, f"{name} is missing"
    for fault in faults:
        print(fault)
    sys.exit(1 if faults else 0)


main()
