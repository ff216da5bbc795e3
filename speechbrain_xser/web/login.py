"""The user and the password that a server asks for, if others than this machine can reach it."""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
from collections.abc import Awaitable, Callable
from pathlib import Path

from speechbrain_xser.errors import SettingsError

WRONG_SECONDS = 1.0  # before a wrong password is refused
EXPECTED = "expected user:password, both not empty"


def parsed_login(text: str, source: str = "--auth") -> tuple[str, str]:
    """User and password of ``user:password``; the password may contain colons.

    Raises
    ------
    SettingsError
        If one of them is empty; the message names the source, and no part of the text.

    Example
    -------
    >>> parsed_login("anna:a:b")
    ('anna', 'a:b')
    """
    user, _, password = text.partition(":")
    if not user.strip() or not password:
        raise SettingsError(f"{source}: {EXPECTED}.")
    return user.strip(), password


def login_in(path: str | Path) -> tuple[str, str]:
    """User and password in the first line of a file."""
    try:
        with open(path, encoding="utf-8-sig") as file:
            line = file.readline(1000)
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"--auth-file {path} cannot be read ({error}); {EXPECTED} in its first line.") from error
    return parsed_login(line.rstrip("\r\n"), f"--auth-file {path}")


def is_own(host: str) -> bool:
    """Whether only this machine can reach an address that a server listens at.

    Example
    -------
    >>> is_own("localhost"), is_own("127.0.0.2"), is_own("::1"), is_own("0.0.0.0"), is_own("example.org")
    (True, True, True, False, False)
    """
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def checked_by(login: tuple[str, str]) -> Callable[[str, str], Awaitable[bool]]:
    """What Gradio asks whether a user and a password are right; a wrong answer takes a second, one after another."""
    right = "\0".join(login).encode()
    one_by_one = asyncio.Lock()

    async def check(user: str, password: str) -> bool:
        if hmac.compare_digest("\0".join((user, password)).encode(), right):
            return True
        async with one_by_one:
            await asyncio.sleep(WRONG_SECONDS)
        return False

    return check
