"""Jinja2 over the folder ``templates``: everything inserted into a page is escaped, unless a template says ``safe``."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from speechbrain_xser.page.numbers import percent, plain, signed, unbroken

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATES = Path(__file__).with_name("templates")


def render(template: str, **values: object) -> str:
    """Renders a template with values.

    Arguments
    ---------
    template : str
        A file in ``templates``, without its suffix.
    **values : object
        The template's variables; a missing one is an error.

    Returns
    -------
    str
        HTML. A template that takes HTML marks it as ``safe`` itself.

    Example
    -------
    >>> render("note", text="a < b")
    '<p class="xser-note">a &lt; b</p>'
    """
    return str(environment().get_template(f"{template}.html").render(values))


@cache
def environment() -> Environment:
    """The shared environment; jinja2 is loaded when the first page is made."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"percent": percent, "plain": plain, "signed": signed, "fixed": fixed, "unbroken": unbroken}
    return made


def fixed(value: float, digits: int) -> str:
    """A number with a fixed number of decimals, for CSS and SVG."""
    return f"{value:.{digits}f}"
