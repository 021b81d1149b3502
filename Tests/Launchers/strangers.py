#!/usr/bin/env python3
"""strangers.py PROGRAM: what each process of a job of two runs, under a launcher that is not `merino run`.

Process 0 becomes the program at once and waits for the other at the port that it has opened. Process 1 finds that port,
comes to it as strangers do, in every way that it knows, and only then becomes the program as well. A child of it, which
outlives neither, says "CLOSED" when the port is closed while process 0 still runs.
"""
import errno
import os
import resource
import socket
import sys
import time

STORM = 300
PATIENCE_SECONDS = 20
SOFT_LIMIT = 80


def rank():
    for name in ("PMIX_RANK", "PMI_RANK"):
        if name in os.environ:
            return int(os.environ[name])
    sys.exit("no launcher")


def is_process_zero(process, program):
    """The program, started by the same launcher as this one: it has process 0's place in the same job."""
    try:
        if os.readlink(f"/proc/{process}/exe") != program:
            return False
        with open(f"/proc/{process}/environ", "rb") as file:
            variables = file.read().split(b"\0")
    except OSError:
        return False
    return os.getppid() == parent(process) and any(v in (b"PMIX_RANK=0", b"PMI_RANK=0") for v in variables)


def parent(process):
    with open(f"/proc/{process}/stat") as file:
        return int(file.read().rpartition(") ")[2].split()[1])


def sockets(process):
    found = set()
    for name in os.listdir(f"/proc/{process}/fd"):
        try:
            target = os.readlink(f"/proc/{process}/fd/{name}")
        except OSError:
            continue
        if target.startswith("socket:["):
            found.add(target[8:-1])
    return found


def listening_ports(process):
    # Launchers leave theirs open in the processes that they start, and do not like strangers at all.
    own = sockets(process) - sockets(os.getpid()) - sockets(os.getppid())
    ports = []
    for table in ("tcp", "tcp6"):
        with open(f"/proc/{process}/net/{table}") as file:
            for line in list(file)[1:]:
                fields = line.split()
                if fields[3] == "0A" and fields[9] in own:
                    ports.append(int(fields[1].rpartition(":")[2], 16))
    return ports


def find_process_zero(program):
    due = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < due:
        for name in os.listdir("/proc"):
            if not name.isdigit() or not is_process_zero(int(name), program):
                continue
            # An MPI library may listen as well: theirs are not the only ones that are visited.
            ports = listening_ports(int(name))
            if ports:
                return int(name), ports
        time.sleep(0.01)
    sys.exit("process 0 opens no port")


def come(port):
    """Everything that a stranger says at once; the connections stay open beyond exec."""
    greeting = b"MERINO\x02\x00" + os.urandom(32)
    words = [b"MERINO", b"M", b"MERINO\x02", greeting, greeting + b"\0" * 32, greeting + b"\0" * 31, b"\xff" * 65536,
             b"GET / HTTP/1.0\r\n\r\n", b""]
    for number in range(STORM):
        connection = socket.create_connection(("127.0.0.1", port), 5)
        word = words[number % len(words)]
        try:
            if number % 2 == 0:
                connection.sendall(word)
            else:
                for index in range(min(len(word), 80)):
                    connection.sendall(word[index:index + 1])
        except OSError:
            pass
        if number % 3 == 0:
            connection.close()
        else:
            connection.set_inheritable(True)
            connection.detach()


def watch(process, ports):
    """Until the port is closed, which it has to be before process 0 ends."""
    due = time.monotonic() + PATIENCE_SECONDS
    open_ports = set(ports)
    while time.monotonic() < due and open_ports and os.path.exists(f"/proc/{process}/exe"):
        for port in list(open_ports):
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
            except OSError as error:
                if error.errno == errno.ECONNREFUSED and os.path.exists(f"/proc/{process}"):
                    print("CLOSED", flush=True)
                    return
        time.sleep(0.002)
    print("NOT CLOSED", flush=True)


def main():
    program = os.path.realpath(sys.argv[1])
    if rank() == 1:
        process, ports = find_process_zero(program)
        for port in ports:
            come(port)
        print(f"CAME to {len(ports)}", flush=True)
        if os.fork() == 0:
            watch(process, ports)
            os._exit(0)
    else:
        # Fewer than the strangers want: what they hold must not be missing where the program opens its own files.
        resource.setrlimit(resource.RLIMIT_NOFILE, (SOFT_LIMIT, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    os.execv(program, [program])


main()
