"""Every test is refused what is outside of this machine."""

import asyncio
import multiprocessing
import os
import socket
import urllib.request

import pytest

from tests.outside import GUARD, OutsideError

pytest_plugins = ("pytester",)

FAR = ("192.0.2.1", 9)  # an address for documentation, which belongs to nobody
FAR_6 = ("2001:db8::1", 9)


def send(*arguments):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.sendto(b"", *arguments)


def connect(address, family=socket.AF_INET):
    with socket.socket(family) as one:
        one.settimeout(1)
        one.connect_ex(address)


WAYS = {
    "connect": lambda: connect(FAR),
    "connect over IPv6": lambda: connect(FAR_6, socket.AF_INET6),
    "datagram": lambda: send(FAR),
    "name": lambda: socket.getaddrinfo("huggingface.co", 443),
    "asyncio": lambda: asyncio.run(asyncio.open_connection(*FAR)),
    "urllib": lambda: urllib.request.urlopen("http://192.0.2.1/", timeout=1),
}


@pytest.fixture
def forgiven():
    """Attempts of a test that is about them do not count."""
    before = list(GUARD.attempts)
    yield
    GUARD.attempts[:] = before


@pytest.mark.parametrize("way", WAYS)
def test_a_socket_to_the_outside_is_refused(way, forgiven):
    with pytest.raises(OutsideError, match="expected this machine only"):
        WAYS[way]()


def test_an_attempt_that_the_code_under_test_swallows_still_fails_the_test(pytester, forgiven):
    pytester.makeconftest("from tests.conftest import nothing_outside")
    pytester.makepyfile(
        f"import socket\ndef test_swallowed():\n    try:\n        socket.create_connection({FAR})\n"
        "    except Exception:\n        pass\n"
    )
    pytester.runpytest_inprocess("-p", "no:cacheprovider").assert_outcomes(passed=1, errors=1)


def test_a_forked_process_is_refused_too(forgiven):
    def child():
        try:
            connect(FAR)
        except OutsideError:
            os._exit(7)

    process = multiprocessing.get_context("fork").Process(target=child)
    process.start()
    process.join(60)
    assert process.exitcode == 7


@pytest.mark.parametrize("family, host", [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET, "localhost")])
def test_this_machine_is_reached(family, host):
    with socket.socket(family) as server, socket.socket(family) as client:
        server.bind(("127.0.0.1", 0))
        server.listen()
        client.connect((host, server.getsockname()[1]))


def test_a_unix_socket_is_reached(tmp_path):
    with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as client:
        server.bind(str(tmp_path / "s"))
        server.listen()
        client.connect(str(tmp_path / "s"))
