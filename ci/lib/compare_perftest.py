"""The arithmetic of ci/compare-perftest: reads what perftest prints and what the Merino benchmarks report, and makes the
table and the lines `ratio NAME VALUE`. Imports little: in an emulated guest every module costs a second."""

import json

# The figures in the order of their lines. A bandwidth is a fraction of the floor, a latency a multiple.
NAMES = [
    "fetch", "first-fetch", "lock-acquire", "lock-cycle", "lock-handover", "barrier", "read-ahead", "prefetch", "release",
]


class Unusable(Exception):
    """A program printed something else than a result."""


def median(values):
    """The middle value; the mean of the two in the middle where their number is even."""
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def perftest_value(text, column):
    """The value below a column of perftest's table, for example t_typical[usec]. The titles contain single spaces, so
    columns are told apart by the order of the known ones."""
    lines = text.splitlines()
    for number, line in enumerate(lines):
        if not line.lstrip().startswith("#bytes"):
            continue
        titles = line.replace("% percentile", "%percentile").replace("BW peak", "BWpeak").replace("BW average", "BWaverage")
        titles = titles.split()
        wanted = column.replace("BW average", "BWaverage").replace("BW peak", "BWpeak")
        for row in lines[number + 1:]:
            values = row.split()
            if len(values) == len(titles) and values[0].isdigit():
                if wanted not in titles:
                    raise Unusable(f"perftest's table has no column {column}: {line.strip()}")
                return float(values[titles.index(wanted)])
    raise Unusable(f"perftest printed no table: {text.strip()[-300:] or 'nothing at all'}")


def series(report, name):
    """The series of that name in a benchmark's report."""
    for one in report["series"]:
        if one["name"] == name:
            return one
    raise Unusable(f"{report['benchmark']} reported no series \"{name}\"")


def release(report, pattern, pages):
    """The series of a pattern and a number of pages."""
    for one in report["series"]:
        if one["facts"]["pattern"] == pattern and one["facts"]["pages"] == pages:
            return one
    raise Unusable(f"{report['benchmark']} reported no release of {pages} {pattern} pages")


def has_release(report, pattern):
    """Whether the pattern was measured."""
    return any(one["facts"]["pattern"] == pattern for one in report["series"])


def page_fault(one):
    """The page fault among the parts of a series' floor, in microseconds."""
    for part in one["floor"]:
        if part["name"].startswith("page fault"):
            return part["latency"]["t_median"]
    raise Unusable(f"the floor of \"{one['name']}\" has no page fault")


def parts(one):
    """The floor of a series as [(what, microseconds)], multiplied out."""
    return [(describe(part), part["count"] * part["latency"]["t_median"]) for part in one["floor"]]


def describe(part):
    """A part with its factor, unless that is 1."""
    return part["name"] if part["count"] == 1 else f"{part['count']:g} x {part['name']}"


def row(name, unit, perftest, floor, merino):
    """A figure of one round. perftest: (what, value) or None; floor: [(what, value)], empty where there is none."""
    total = sum(value for _, value in floor)
    return {
        "name": name, "unit": unit, "perftest": perftest, "floor": floor, "merino": merino,
        "ratio": merino / total if floor else None, "bare": merino / perftest[1] if perftest else None,
    }


def plain(perftest, name):
    """perftest's value with its name; None where it was not run."""
    return (name, perftest[name]) if name in perftest else None


def figures(perftest, reports):
    """All figures of one round.

    perftest: program and size, for example "ib_read_lat -s 4096", with its value in microseconds or MB/s; empty where no
    device is. reports: the benchmarks' JSON by name.
    """
    read, small = plain(perftest, "ib_read_lat -s 4096"), plain(perftest, "ib_read_lat -s 8")
    write, atomic = plain(perftest, "ib_write_lat -s 64"), plain(perftest, "ib_atomic_lat")
    bandwidth = plain(perftest, "ib_read_bw -s 4096")
    again, first = series(reports["merino-fetch-lat"], "refetch"), series(reports["merino-fetch-lat"], "first fetch")
    locks, moved = reports["merino-lock-lat"], reports["merino-fetch-bw"]
    fault = ("page fault", page_fault(again))
    result = [
        row("fetch", "usec", read, [read, fault] if read else parts(again), again["figure_usec"]),
        row("first-fetch", "usec", read, [read, fault, small] if read else parts(first), first["figure_usec"]),
    ]
    for name, title, bare in [
        ("lock-acquire", "acquire", atomic), ("lock-cycle", "acquire and release", atomic),
        ("lock-handover", "hand-over", write),
    ]:
        one = series(locks, title)
        result.append(row(name, "usec", bare, parts(one), one["figure_usec"]))
    barrier = series(reports["merino-barrier-lat"], "barrier")
    result.append(row("barrier", "usec", write, [write] if write else parts(barrier), barrier["figure_usec"]))
    for name, title in [
        ("read-ahead", "read-ahead, cold"), ("prefetch", "prefetch"), ("read-ahead again", "read-ahead, again")
    ]:
        one = series(moved, title)
        ceiling = bandwidth or (one["floor_name"], one["floor"]["BW_median"])
        result.append(row(name, "MB/s", bandwidth, [ceiling], one["bandwidth"]["BW_median"]))
    for name, pattern in [("release", "contiguous"), ("release scattered", "scattered")]:
        # Every round has the contiguous pages, some the others: they take long.
        if pattern == "contiguous" or has_release(reports["merino-release-lat"], pattern):
            one = release(reports["merino-release-lat"], pattern, 1000)
            result.append(row(name, "usec", None, parts(one), one["figure_usec"]))
    for title in ["fetch-and-add", "compare-and-swap", "load"] if "merino-atomic-lat" in reports else []:
        one = series(reports["merino-atomic-lat"], title)
        result.append(row(f"atomic {title}", "usec", atomic, parts(one), one["figure_usec"]))
    return result


def summary(rounds):
    """Medians over the rounds that have a figure. A ratio is the median of the rounds' ratios: what was measured close
    together is compared."""
    result = []
    names = []
    for one in (one for figures_of_round in rounds for one in figures_of_round):
        if one["name"] not in names:
            names.append(one["name"])
    for name in names:
        same = [one for figures_of_round in rounds for one in figures_of_round if one["name"] == name]

        def middle(key, pick=lambda value: value):
            values = [pick(one[key]) for one in same if one[key] is not None]
            return median(values) if values else None
        first = same[0]
        floor = [(what, median([one["floor"][index][1] for one in same])) for index, (what, _) in enumerate(first["floor"])]
        result.append({
            "name": first["name"], "unit": first["unit"],
            "perftest": first["perftest"] and (first["perftest"][0], middle("perftest", lambda value: value[1])),
            "floor": floor, "merino": middle("merino"), "ratio": middle("ratio"), "bare": middle("bare"),
            "ratios": [one["ratio"] for one in same],
        })
    return result


def text(value, digits=2):
    """A number for the table."""
    return "-" if value is None else f"{value:.{digits}f}"


def spread(one):
    """The smallest and the largest ratio of the rounds: far apart, the machine was busy with something else."""
    ratios = [ratio for ratio in one["ratios"] if ratio is not None]
    return f"{min(ratios):.2f}-{max(ratios):.2f}" if ratios else "-"


def table(rows):
    """The table of medians, as lines; under each figure the parts of its floor."""
    line = "{:<26}{:>27}{:>11}{:>11}{:>9}{:>15}{:>12}"
    lines = [line.format("figure", "perftest", "floor", "Merino", "/ floor", "from-to", "/ perftest")]
    for one in rows:
        bare = f"{one['perftest'][0]} {text(one['perftest'][1])}" if one["perftest"] else "-"
        floor = sum(value for _, value in one["floor"]) if one["floor"] else None
        lines.append(line.format(
            f"{one['name']} [{one['unit']}]", bare, text(floor), text(one["merino"]), text(one["ratio"]), spread(one),
            text(one["bare"])))
        if len(one["floor"]) > 1:
            lines += [f"    floor: {text(value):>10}  {what}" for what, value in one["floor"]]
    return lines


def ratio_lines(rows):
    """A line for each figure, in order; "none" where there is nothing to compare with."""
    known = {one["name"]: one["ratio"] for one in rows}
    return [f"ratio {name} {'none' if known[name] is None else format(known[name], '.3f')}" for name in NAMES]


def report(rows, conditions):
    """Everything as JSON."""
    return json.dumps({"conditions": conditions, "figures": rows}, indent=2) + "\n"
