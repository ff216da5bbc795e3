"""The reference shows what stands behind a field of a named tuple in the source: its shape, its unit."""

import inspect
import re
import sys
from functools import cache

FIELD = re.compile(r"^    (\w+): [^#\n]*?(?:  # (.*))?$", re.MULTILINE)


@cache
def comments(module: str, owner: str) -> dict[str, str]:
    """The comments behind the fields of a class, by the field's name."""
    source = inspect.getsource(getattr(sys.modules[module], owner))
    return {name: comment or "" for name, comment in FIELD.findall(source)}


def describe_field(app, what: str, name: str, thing, options, lines: list[str]) -> None:
    """Puts the comment in the place of ``Alias for field number 0``."""
    if not (lines and lines[0].startswith("Alias for field number")):
        return
    module, owner, field = name.rsplit(".", 2)
    lines[:] = [comments(module, owner).get(field, "")]
