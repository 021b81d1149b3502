"""What ci/compare-perftest and ci/compare-threads have in common: their options, and the processes that they start, each with
a time limit; none is left behind."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time

SECONDS = 120
DEVICES = "/sys/class/infiniband"


class Failed(Exception):
    """A program failed, with what it said."""


def refuse(sentence):
    """Ends with what the caller did wrong, or what the machine lacks."""
    print(f"ci/{os.path.basename(sys.argv[0])}: {sentence}", file=sys.stderr)
    sys.exit(2)


def options(words, help_text, defaults, numbers, takes_names=False):
    """The command line as a dictionary: of the defaults those that are False take no value; `numbers` says of each number the
    largest. By hand: argparse takes long to load in an emulated guest."""
    chosen = dict(defaults, names=[])
    words = list(words)
    while words:
        word = words.pop(0)
        name = word[2:] if word.startswith("--") else ""
        if word in ("-h", "--help"):
            print(help_text.strip())
            sys.exit(0)
        if takes_names and not word.startswith("-"):
            chosen["names"].append(word)
        elif defaults.get(name, None) is False:
            chosen[name] = True
        elif name in defaults and words:
            chosen[name] = words.pop(0)
        else:
            refuse(f"{word} is no option, or its value is missing (see --help)")
    for name, most in numbers.items():
        if not str(chosen[name]).isdigit() or not 1 <= int(chosen[name]) <= most:
            refuse(f"--{name} takes a number from 1 to {most}, not {chosen[name]}")
        chosen[name] = int(chosen[name])
    return chosen


def first_device():
    """The name of the first RDMA device, None where there is none."""
    names = sorted(os.listdir(DEVICES)) if os.path.isdir(DEVICES) else []
    return names[0] if names else None


def gid_index(device):
    """The GID that perftest shall use: the first RoCE v2 one that holds an IPv4 address; None to leave it to perftest."""
    port = f"{DEVICES}/{device}/ports/1"
    for index in sorted(int(name) for name in os.listdir(f"{port}/gids")):
        try:
            with open(f"{port}/gids/{index}", encoding="ascii") as file:
                gid = file.read().strip()
            with open(f"{port}/gid_attrs/types/{index}", encoding="ascii") as file:
                kind = file.read().strip()
        except OSError:
            continue  # a hole in the table
        if kind == "RoCE v2" and gid.startswith("0000:0000:0000:0000:0000:ffff:"):
            return index
    return None


def start(command, environment=None):
    """Starts a program in a process group of its own, its output in a pipe."""
    try:
        return subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            start_new_session=True)
    except OSError as error:
        cure = "run `make && make kernels` before" if command[0].startswith("/") else "install the package perftest"
        raise Failed(f"{command[0]} cannot be started ({error.strerror}): {cure}") from None


def finish(process, command):
    """Its output; throws where it fails or takes too long. Ends its whole group either way."""
    try:
        output, _ = process.communicate(timeout=SECONDS)
    except subprocess.TimeoutExpired:
        end(process)
        output, _ = process.communicate()
        raise Failed(f"{' '.join(command)} did not end within {SECONDS} s: {output.strip()[-500:]}") from None
    if process.returncode != 0:
        raise Failed(f"{' '.join(command)} ended with status {process.returncode}: {output.strip()[-500:]}")
    return output


def end(process):
    """Ends a process group that this program started; merino run ends its nodes when it is gone."""
    if process.poll() is None:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


def listens(port):
    """Whether anything on this machine listens at a TCP port."""
    for path in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            with open(path, encoding="ascii") as file:
                for line in file.readlines()[1:]:
                    words = line.split()
                    if words[3] == "0A" and int(words[1].rsplit(":", 1)[1], 16) == port:
                        return True
        except OSError:
            continue
    return False


class Bench:
    """What is run in a round."""

    def __init__(self, root, device, fabric, quick):
        self.root, self.device, self.fabric = root, device, fabric
        self.scale = 5 if quick else 1
        self.port = 18515
        self.gid = gid_index(device) if device else None
        self.seconds = {}

    def timed(self, name, body):
        """Runs `body` and notes how long it took."""
        began = time.monotonic()
        result = body()
        self.seconds[name] = round(time.monotonic() - began, 1)
        return result

    def perftest(self, program, arguments, column):
        """The value of a column, from a server and a client on this machine."""
        from compare_perftest import perftest_value
        self.port += 1
        command = [program, "-F", "-d", self.device, "-p", str(self.port)] + arguments
        if self.gid is not None:
            command += ["-x", str(self.gid)]
        server = start(command)
        try:
            deadline = time.monotonic() + SECONDS
            while not listens(self.port):
                if server.poll() is not None or time.monotonic() > deadline:
                    end(server)
                    raise Failed(f"{' '.join(command)} does not listen: {server.communicate()[0].strip()[-500:]}")
                time.sleep(0.02)
            output = finish(start(command + ["127.0.0.1"]), command)
            finish(server, command)
        finally:
            end(server)
        return perftest_value(output, column)

    def merino(self, name, arguments):
        """The report of a benchmark of two nodes."""
        environment = dict(os.environ, MERINO_FABRIC=self.fabric)
        floor = "verbs" if self.device else "host"
        with tempfile.TemporaryDirectory(prefix="merino-compare.") as directory:
            path = os.path.join(directory, "report.json")
            command = [f"{self.root}/out/bin/merino", "run", "-n", "2", "--", f"{self.root}/out/bin/{name}", "--floor", floor,
                       "-w", "20", "--json", path] + arguments
            finish(start(command, environment), command)
            with open(path, encoding="utf-8") as file:
                report = json.load(file)
        if report["fabric"] != self.fabric:
            raise Failed(f"{name} ran over the fabric {report['fabric']} and was to run over {self.fabric}")
        return report

    def round(self, number):
        """perftest's values and the benchmarks' reports; what is compared runs in turn, in both orders."""
        count = lambda full: str(max(full // self.scale, 5))
        latency, bandwidth = "t_typical[usec]", "BW average[MB/sec]"
        # Beside the figures, and long: in every second round.
        patterns = "contiguous,scattered" if number % 2 == 0 else "contiguous"
        atomics = [("merino-atomic-lat", ["-n", count(500)])] if number % 2 == 0 else []
        groups = [
            ([("ib_read_lat -s 4096", 1000, latency), ("ib_read_lat -s 8", 1000, latency)],
             [("merino-fetch-lat", ["-n", "1000"])]),
            ([("ib_atomic_lat", 1000, latency)],
             [("merino-lock-lat", ["-n", count(500)])] + atomics),
            ([("ib_write_lat -s 64", 500, latency)], [("merino-barrier-lat", ["-n", count(500)])]),
            ([("ib_read_bw -s 4096", 1000, bandwidth)], [("merino-fetch-bw", ["-n", "1280"])]),
            ([], [("merino-release-lat", ["-n", "5", "--pages", "1000", "--patterns", patterns])]),
        ]
        values, reports, self.seconds = {}, {}, {}
        for plain, merino in groups:
            def ours():
                for name, arguments in merino:
                    reports[name] = self.timed(name, lambda: self.merino(name, arguments))
            if number % 2 == 1:
                ours()
            for name, full, column in plain if self.device else []:
                command = name.split() + ["-n", count(full)]
                values[name] = self.timed(name, lambda: self.perftest(command[0], command[1:], column))
            if number % 2 == 0:
                ours()
        return values, reports
