"""Spoils whole files and values, from a seed."""

from __future__ import annotations

import json
import struct
from random import Random

NUMBERS = (0, 1, 2, 3, 255, 256, 65535, 65536, 800_000_000, 2**31 - 1, 2**31, 2**32 - 2, 2**32 - 1)
FORMS = ("<H", ">H", "<I", ">I", "<Q", ">Q")
HEAD = 256  # bytes, in which most of what a decoder believes is stated


def share(random: Random) -> float:
    """A number from 0 to 1; ``random.random`` of Hypothesis is 0 far too often."""
    return random.randrange(100) / 100  # larger ranges have favourites


def chance(random: Random, probability: float) -> bool:
    """Whether something that is so likely happens."""
    return share(random) < probability


def spoiled(content: bytes, random: Random, other: bytes = b"") -> bytes:
    """The content after one to three accidents or attacks."""
    for _ in range(random.choice((1, 1, 2, 3))):
        content = random.choice((_flipped, _numbered, _numbered, _cut, _doubled, _zeroed, _grown))(content, random)
        if other and chance(random, 0.1):
            place = random.randrange(len(content) + 1)
            content = content[:place] + other[random.randrange(len(other)) :]
    return content


def _place(content: bytes, random: Random) -> int:
    return random.randrange(min(len(content), HEAD) if chance(random, 0.6) else len(content)) if content else 0


def _flipped(content: bytes, random: Random) -> bytes:
    found = bytearray(content)
    for _ in range(random.choice((1, 2, 8, 64)) if found else 0):
        found[_place(content, random)] = random.randrange(256)
    return bytes(found)


def _numbered(content: bytes, random: Random) -> bytes:
    form = random.choice(FORMS)
    number = struct.pack(form, random.choice(NUMBERS) % 256 ** struct.calcsize(form))
    place = _place(content, random)
    return content[:place] + number + content[place + len(number) :]


def _cut(content: bytes, random: Random) -> bytes:
    return content[: random.randrange(len(content) + 1)]


def _doubled(content: bytes, random: Random) -> bytes:
    first, last = sorted((_place(content, random), _place(content, random)))
    return content[:last] + content[first:last] * random.choice((1, 1, 20)) + content[last:]


def _zeroed(content: bytes, random: Random) -> bytes:
    first, size = _place(content, random), random.choice((4, 40, 4000))
    return content[:first] + bytes(min(size, len(content) - first)) + content[first + size :]


def _grown(content: bytes, random: Random) -> bytes:
    place = _place(content, random)
    return content[:place] + random.randbytes(random.choice((1, 9, 999))) + content[place:]


TEXTS = (
    *("", " ", "\0", "a\0b", "\ud800", "so \udfff", "\n", "\r", '"', "NaN", "1e999"),
    *("é" * 300, "<Content>", "../" * 99),
)
PLAIN = (None, True, 0, -1, 1.5, -0.0, float("nan"), float("inf"), 10**30, -(10**400), 2**63, "sad", "angry", "0.5")


def odd_value(random: Random, depth: int = 0) -> object:
    """A JSON value that somebody could write."""
    choice = share(random)
    if choice < 0.35:
        return random.choice(PLAIN)
    if choice < 0.6 or depth > 3:
        return random.choice(TEXTS)
    if choice < 0.7:
        return nested(random.choice((5, 70, 900)))
    values = [odd_value(random, depth + 1) for _ in range(random.randrange(4))]
    return values if chance(random, 0.5) else {str(key): value for key, value in enumerate(values)}


def nested(levels: int) -> list:
    """A list of lists."""
    found: list = []
    for _ in range(levels):
        found = [found]
    return found


def odd_fields(fields: dict, random: Random) -> dict:
    """The fields with some dropped, added, or of another value."""
    found = dict(fields)
    for _ in range(random.choice((0, 1, 1, 2, 5))):
        key = random.choice([*found, "strange", ""])
        if chance(random, 0.2):
            found.pop(key, None)
        else:
            found[key] = odd_value(random)
    return found


def odd_lines(rows: list[dict], random: Random) -> bytes:
    """JSON lines of odd rows, sometimes with bytes that no JSON has."""
    lines = [json.dumps(odd_fields(row, random), ensure_ascii=chance(random, 0.7)) for row in rows]
    if chance(random, 0.1):
        lines.insert(random.randrange(len(lines) + 1), "[" * 100_000 + "]" * random.choice((0, 100_000)))
    return odd_bytes("\n".join(lines), random)


def odd_bytes(text: str, random: Random) -> bytes:
    """The text in one of the encodings that people meet, spoiled now and then."""
    encoding = random.choice(("utf-8", "utf-8", "utf-8", "utf-8", "utf-8-sig", "utf-16", "latin-1", "utf-32"))
    content = text.encode(encoding, "surrogatepass" if encoding.startswith("utf") else "replace")
    return spoiled(content, random) if chance(random, 0.3) else content
