"""Starts commands in other guests, in the manner of ssh.

    agent HOST COMMAND ARGS...   runs it there by the shell, the arguments joined by spaces as ssh joins them;
                                 passes stdin, stdout and stderr on; ends with its exit code (128 + N after signal N)
    agent --wait HOST...         until the agents of these hosts answer
    agent --serve                the other end

When the caller is killed or hangs up, the command and all it started in its process group are ended. Only a caller that
knows $SOFTROCE_TOKEN, which is random for each run, is served.
"""
import os
import select
import signal
import socket
import struct
import sys
import time

PORT = 7077
TOKEN = os.environ["SOFTROCE_TOKEN"].encode()
CHUNK = 65536
# Kinds of messages; each is a kind, a length and as many bytes.
HELLO, COMMAND, STDIN, END_OF_STDIN, SIGNAL = b"h", b"c", b"i", b"e", b"s"  # to the agent
STDOUT, STDERR, EXIT = b"o", b"r", b"x"  # from it
STDIN_TAKEN = b"t"  # from it: the next STDIN may come; so a command that does not read blocks nothing else


def send(connection, kind, payload=b""):
    connection.sendall(kind + struct.pack("!I", len(payload)) + payload)


def receive_exactly(connection, count):
    parts = b""
    while len(parts) < count:
        part = connection.recv(count - len(parts))
        if not part:
            raise EOFError
        parts += part
    return parts


def receive(connection, limit=1 << 24):
    header = receive_exactly(connection, 5)
    length = struct.unpack("!I", header[1:])[0]
    if length > limit:
        raise EOFError
    return header[:1], receive_exactly(connection, length)


def write_all(descriptor, payload):
    while payload:
        payload = payload[os.write(descriptor, payload):]


def reset_signals():
    # Python ignores SIGPIPE; a command must not inherit that.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)


# ---- the serving end


def serve():
    listener = socket.create_server(("", PORT), backlog=64)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # sessions are not waited for
    while True:
        connection, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            try:
                session(connection)
            except (EOFError, OSError):
                pass
            os._exit(0)
        connection.close()


def session(connection):
    connection.settimeout(20)  # a caller says at once who it is and what it wants
    if receive(connection, len(TOKEN)) != (HELLO, TOKEN):
        return
    kind, command = receive(connection)
    if kind != COMMAND:
        return
    connection.settimeout(None)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    stdin, stdout, stderr = os.pipe(), os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        os.setsid()
        for target, descriptor in enumerate((stdin[0], stdout[1], stderr[1])):
            os.dup2(descriptor, target)
        os.closerange(3, 256)
        reset_signals()
        os.execv("/bin/sh", ["sh", "-c", os.fsdecode(command)])
    for descriptor in (stdin[0], stdout[1], stderr[1]):
        os.close(descriptor)
    try:
        relay(connection, child, stdin[1], {stdout[0]: STDOUT, stderr[0]: STDERR})
        _, status = os.waitpid(child, 0)
        send(connection, EXIT, struct.pack("!i", os.waitstatus_to_exitcode(status)))
    except (EOFError, OSError):
        end_group(child)


def relay(connection, child, stdin, outputs):
    """Until both outputs are at their end, as ssh does it; raises EOFError when the caller is gone."""
    os.set_blocking(stdin, False)
    pending, ended = b"", False
    while outputs:
        ready, writable, _ = select.select([connection, *outputs], [stdin] if pending else [], [])
        if connection in ready:
            kind, payload = receive(connection)
            if kind == SIGNAL:
                signal_group(child, struct.unpack("!i", payload)[0])
            elif kind == STDIN:
                pending = payload
            elif kind == END_OF_STDIN:
                ended = True
        if writable:
            try:
                pending = pending[os.write(stdin, pending):]
            except BrokenPipeError:
                pending = b""
            if not pending:
                send(connection, STDIN_TAKEN)
        if ended and not pending and stdin is not None:
            os.close(stdin)
            stdin = None
        for descriptor in [one for one in ready if one in outputs]:
            payload = os.read(descriptor, CHUNK)
            if payload:
                send(connection, outputs[descriptor], payload)
            else:
                os.close(descriptor)
                del outputs[descriptor]


def signal_group(child, number):
    try:
        os.killpg(child, number)
    except ProcessLookupError:
        pass


def end_group(child):
    """A second to end in order after SIGHUP, as after the end of an ssh session; then by force."""
    signal_group(child, signal.SIGHUP)
    deadline = time.monotonic() + 1
    while time.monotonic() < deadline and os.waitpid(child, os.WNOHANG) == (0, 0):
        time.sleep(0.02)
    signal_group(child, signal.SIGKILL)


# ---- the calling end


def call(host, words):
    try:
        connection = socket.create_connection((host, PORT), timeout=20)
    except OSError as error:
        print(f"agent: {host} cannot be reached: {error}", file=sys.stderr)
        return 255
    connection.settimeout(None)
    send(connection, HELLO, TOKEN)
    send(connection, COMMAND, os.fsencode(" ".join(words)))
    try:
        return converse(connection, forward_signals())
    except BrokenPipeError:
        return 128 + signal.SIGPIPE
    except (EOFError, ConnectionError):
        print(f"agent: the connection to {host} ended before the command", file=sys.stderr)
        return 255


def converse(connection, signals):
    waiting = [connection, signals, 0]
    while True:
        ready, _, _ = select.select(waiting, [], [])
        if signals in ready:
            send(connection, SIGNAL, struct.pack("!i", signals.recv(1)[0]))
        if 0 in ready:
            payload = os.read(0, CHUNK)
            send(connection, STDIN if payload else END_OF_STDIN, payload)
            waiting.remove(0)
        if connection in ready:
            kind, payload = receive(connection)
            if kind == EXIT:
                code = struct.unpack("!i", payload)[0]
                return code if code >= 0 else 128 - code
            if kind == STDIN_TAKEN:
                waiting.append(0)
            else:
                write_all(2 if kind == STDERR else 1, payload)


def forward_signals():
    """A socket that yields the number of each signal. A second one ends this process, and so hangs up."""
    arrived = []

    def note(number, _):
        arrived.append(number)
        if len(arrived) > 1:
            os._exit(128 + number)

    reader, writer = socket.socketpair()
    writer.setblocking(False)
    signal.set_wakeup_fd(writer.detach())
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, note)
    return reader


def wait(hosts):
    deadline = time.monotonic() + 90
    for host in hosts:
        while True:
            try:
                socket.create_connection((host, PORT), timeout=2).close()
                break
            except OSError as error:
                if time.monotonic() > deadline:
                    print(f"agent: {host} does not answer: {error}", file=sys.stderr)
                    return 1
                time.sleep(0.1)
    return 0


if __name__ == "__main__":
    if sys.argv[1:] == ["--serve"]:
        serve()
    elif sys.argv[1:2] == ["--wait"]:
        sys.exit(wait(sys.argv[2:]))
    elif len(sys.argv) >= 3:
        sys.exit(call(sys.argv[1], sys.argv[2:]))
    else:
        print("usage: agent HOST COMMAND ARGS...", file=sys.stderr)
        sys.exit(255)
