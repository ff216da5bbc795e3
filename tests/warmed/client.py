"""Stands for the interpreter: hands its command to the server, passes signals on, and ends as the process ended."""

import json
import os
import signal
import socket
import sys

PASSED_ON = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)


def main(address: str, python: str, words: list[str]) -> None:
    """Has a command run by the server.

    What is neither a module, code nor a script is for the real interpreter, and so is what inherits more than its
    streams: a worker of a pool reads its work from a descriptor.
    """
    given, environment = words, dict(os.environ)
    if words[:1] == ["-u"]:
        words, environment = words[1:], {**environment, "PYTHONUNBUFFERED": "1"}
    runs = bool(words) and (words[0] in ("-m", "-c") or not words[0].startswith("-"))
    if not runs or inherits():
        os.execv(python, [python, *given])
    with socket.socket(socket.AF_UNIX) as server:
        server.connect(address)
        asked = {"pid": os.getpid(), "words": words, "folder": os.getcwd(), "environment": environment}
        told = json.dumps(asked).encode()
        socket.send_fds(server, [len(told).to_bytes(8)], [0, 1, 2])
        server.sendall(told)
        for number in PASSED_ON:
            signal.signal(number, lambda number, _: server.send(bytes([number])))
        code = server.makefile().readline()
    end(int(code) if code else -signal.SIGKILL)


def inherits() -> bool:
    """Whether there are open descriptors beside the three streams and the one that lists them."""
    return len(os.listdir("/proc/self/fd")) > 4


def end(code: int) -> None:
    """Ends with an exit code, or by the signal that a negative one stands for."""
    if code < 0:
        signal.signal(-code, signal.SIG_DFL) if -code != signal.SIGKILL else None
        os.kill(os.getpid(), -code)
    os._exit(code)


if __name__ == "__main__":
    main(*sys.argv[1:3], sys.argv[3:])
