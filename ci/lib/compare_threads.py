"""The arithmetic of ci/compare-threads: which kernels there are, what they are compared with, and the table of what came out."""

import json

from compare_perftest import median


class Unusable(Exception):
    """A kernel printed something else than its line."""


class Kernel:
    """A program of Sources/Benchmarks/Kernels with its numbers and its model."""

    def __init__(self, name, program, options, model):
        self.name, self.program, self.options, self.model = name, program, options, model


# The models are programs of SPLASH-3, measured at 4017223 on two cores: their name, n=1 / P=1, speed n=2 / P=2.
KERNELS = [
    Kernel("lu", "lu", "", ("LU-NC 2048", 0.97, 0.16)),
    Kernel("lu-contiguous", "lu", "--contiguous 1 --size 1536", ("LU-C 2048", 0.77, 1.08)),
    Kernel("transpose", "transpose", "", ("FFT -m24", 1.50, 0.32)),
    Kernel("radix", "radix", "", ("RADIX 16M", 1.33, 0.55)),
    Kernel("solver", "solver", "", ("OCEAN-C 2050", 1.92, 0.58)),
    Kernel("tree", "tree", "", ("BARNES 32k", 14.0, 0.04)),
    Kernel("rays", "queue", "--width 384 --height 384 --tile 8 --effort 1000 --ids 1", ("RAYTRACE balls4", 1.39, 0.17)),
    Kernel("tiles", "queue", "", ("VOLREND hs2", 1.00, 0.23)),
    Kernel("bodies", "bodies", "", ("WATER-NSQ", 1.22, 0.77)),
    Kernel("touch", "touch", "", None),
]


def chosen(names):
    """The kernels of these names in the order of the list; all where none is named."""
    unknown = [name for name in names if name not in [kernel.name for kernel in KERNELS]]
    if unknown:
        raise Unusable(f"{unknown[0]} is none of " + ", ".join(kernel.name for kernel in KERNELS))
    return [kernel for kernel in KERNELS if not names or kernel.name in names]


def result(text, side, nodes, threads):
    """The line of a run as a dictionary; it must be the one that was asked for, and no check of it have failed."""
    lines = [line for line in text.splitlines() if line.startswith("{")]
    try:
        found = json.loads(lines[-1])
        asked = (found["side"], found["nodes"], found["threads"]) == (side, nodes, threads)
        if found["checks"] > 0 and found["failed"] == 0 and min(found["seconds"], found["processor"]) > 0 and asked:
            return found
    except (IndexError, KeyError, ValueError):
        pass
    raise Unusable(f"no result of {nodes} x {threads} {side}: {text.strip()[-300:] or 'nothing was printed'}")


def ratios(results, clock="seconds"):
    """The two ratios of a round of a kernel, from its four results. By the clock `processor` they are the processors' time
    of all workers: what they are on a machine where something else runs, too."""
    return {
        "one": results["nodes one"][clock] / results["threads one"][clock],
        "speed": results["threads many"][clock] / results["nodes many"][clock],
    }


def summary(kernel, rounds):
    """What the rounds of a kernel come to. A ratio is the median of the rounds' ratios: what ran close together is compared."""
    row = {"kernel": kernel.name, "model": kernel.model, "seconds": {}, "ratios": {}, "last": rounds[-1]}
    for run in rounds[0]:
        row["seconds"][run] = median([results[run]["seconds"] for results in rounds])
    for which in ("one", "speed"):
        values = [ratios(results)[which] for results in rounds]
        processor = median([ratios(results, "processor")[which] for results in rounds])
        row["ratios"][which] = {"median": median(values), "from": min(values), "to": max(values), "processor": processor}
    return row


def shape(nodes, threads):
    """How many workers, as it stands in names: 2, 4, 2x2."""
    return f"{nodes}" if threads == 1 else f"{nodes}x{threads}"


def table(rows, nodes, threads):
    """A line for each kernel, and one with the titles; `cpu` are the ratios by the processors' time."""
    many, workers = shape(nodes, threads), nodes * threads
    titles = ["kernel", "P=1 s", "n=1 s", "n=1/P=1", "from-to", "cpu", "model", f"P={workers} s", f"n={many} s",
              f"n={many}/P={workers}", "from-to", "cpu", "model"]
    lines = [titles]
    for row in rows:
        line = [row["kernel"]]
        for runs, which in ((("threads one", "nodes one"), "one"), (("threads many", "nodes many"), "speed")):
            ratio = row["ratios"][which]
            line += [f"{row['seconds'][run]:.3f}" for run in runs]
            line += [f"{ratio['median']:.2f}", f"{ratio['from']:.2f}-{ratio['to']:.2f}", f"{ratio['processor']:.2f}"]
            # The models ran on two nodes.
            has_model = row["model"] and (which == "one" or many == "2")
            line += [f"{row['model'][1 if which == 'one' else 2]:.2f}" if has_model else "-"]
        lines.append(line)
    widths = [max(len(line[column]) for line in lines) for column in range(len(titles))]
    return ["  ".join(cell.rjust(width) if column else cell.ljust(width)
                      for column, (cell, width) in enumerate(zip(line, widths))) for line in lines]


def ratio_lines(rows, nodes, threads):
    """Lines that a script reads: `ratio NAME VALUE`."""
    lines = []
    for row in rows:
        lines.append(f"ratio {row['kernel']}/one {row['ratios']['one']['median']:.3f}")
        lines.append(f"ratio {row['kernel']}/speed-{shape(nodes, threads)} {row['ratios']['speed']['median']:.3f}")
    return lines


def report(rows, taken):
    """The whole as JSON: the conditions, and of each kernel the medians and the last round's lines."""
    conditions = {name: taken[name] for name in ("rounds", "nodes", "threads", "quick", "noise", "with")}
    return json.dumps({"conditions": conditions, "kernels": rows}, indent=1) + "\n"


SAID = {"kernel", "side", "nodes", "threads", "seconds", "processor", "checks", "failed"}


def counter_lines(rows):
    """What the last round's nodes counted, those of one node and of many."""
    lines = []
    for row in rows:
        for run in ("nodes one", "nodes many"):
            last = row["last"][run]
            words = [f"{name}={value}" for name, value in last.items() if name not in SAID]
            lines.append(f"counters {row['kernel']} {last['nodes']}x{last['threads']} " + " ".join(words))
    return lines
