"""The reference shows what stands behind a field of a named tuple in the source: its shape, its unit.

Type variables have no entry of their own, so nothing refers to them.
"""

import inspect
import re
import sys
from functools import cache
from typing import TypeVar

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


def leave_type_variable(app, env, node, content):
    """Shows a type variable as it is, without a link."""
    module, _, name = node.get("reftarget", "").rpartition(".")
    return content if isinstance(getattr(sys.modules.get(module), name, None), TypeVar) else None
