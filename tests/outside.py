"""No test reaches another machine: whatever asks for a socket to one is refused, and the test fails."""

import ipaddress
import socket
import sys

CONNECTS = ("socket.connect", "socket.sendto", "socket.sendmsg")
RESOLVES = ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr")
HERE = {"", "localhost", "<broadcast>", None}


class OutsideError(RuntimeError):
    """A test asked for another machine. No ``OSError``, which code that expects to be offline would catch."""


class Guard:
    """Refuses sockets to the outside from the moment it is installed, in this process and in those that it forks.

    It is an audit hook, which no code can pass by and nobody can remove.
    """

    def __init__(self) -> None:
        self.attempts: list[str] = []

    def install(self) -> None:
        """Begins to refuse."""
        sys.addaudithook(self._asked)

    def _asked(self, event: str, arguments: tuple) -> None:
        if event in CONNECTS and arguments[0].family in (socket.AF_INET, socket.AF_INET6) and arguments[1]:
            self._check(arguments[1][0], "connects to")
        elif event in RESOLVES and not _is_address(arguments[0]):
            self._check(arguments[0], "asks for the address of")

    def _check(self, host: str | bytes | None, does: str) -> None:
        host = host.decode() if isinstance(host, bytes) else host
        if host in HERE or host == socket.gethostname() or _is_here(host):
            return
        self.attempts.append(f"{does} {host}")
        raise OutsideError(f"A test {does} {host}; expected this machine only: give it a stand-in on 127.0.0.1.")


def _is_address(host: str | bytes | None) -> bool:
    """Whether nobody has to be asked what the host is."""
    try:
        ipaddress.ip_address(host.decode() if isinstance(host, bytes) else host)
    except (ValueError, AttributeError):
        return False
    return True


def _is_here(host: str) -> bool:
    """Whether it is an address of this machine."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


GUARD = Guard()
