"""Ends a process at one of its calls of the system, as a kill at that instant would."""

import os

CALLS = ("replace", "rename", "unlink", "remove", "rmdir", "fsync", "mkdir")
KILLED = 9


def die_after(count: int, calls: tuple[str, ...] = CALLS) -> None:
    """Ends this process, with the exit code ``KILLED``, at the call after so many of some functions of ``os``."""
    left = iter(range(count))
    for name in calls:
        original = getattr(os, name)

        def counted(*arguments, _original=original, **options):
            if next(left, None) is None:
                os._exit(KILLED)
            return _original(*arguments, **options)

        setattr(os, name, counted)
