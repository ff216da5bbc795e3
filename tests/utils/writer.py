"""Fills a journal in a separate process, so that it can be killed or run out of disk space.

python -m tests.utils.writer PATH COUNT [BYTES]: adds rows of a thousand letters, tells each number once it is safe, and
waits to be killed at the end. No file may grow beyond so many bytes.
"""

import sys
from typing import NamedTuple

from speechbrain_xser.errors import JournalError
from speechbrain_xser.utils.journal import Journal


class Text(NamedTuple):
    """The smallest content of a journal."""

    text: str

    def as_dict(self) -> dict:
        return self._asdict()

    @classmethod
    def from_dict(cls, values: dict) -> "Text":
        return cls(**values)


def row(number: int) -> tuple[str, Text]:
    """A key and a thousand letters derived from it."""
    return f"{number:06}", Text(chr(ord("a") + number % 26) * 1000)


def main(path: str, count: str, limit: str | None = None) -> None:
    if limit:
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), int(limit)))
    with Journal(path, Text) as journal:
        for number in range(int(count)):
            try:
                journal.add(*row(number))
            except JournalError as error:
                print(error, flush=True)
                return
            print(number, flush=True)
        print("done", flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main(*sys.argv[1:])
