"""Jinja2 over the folder ``templates``: whatever is put into a page is escaped, unless a template says ``safe``."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from speechbrain_xser.page.numbers import percent, plain, signed

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATES = Path(__file__).with_name("templates")


def render(template: str, **values: object) -> str:
    """A template with its values.

    Arguments
    ---------
    template : str
        A file of ``templates``, without its ending.
    **values : object
        What the template names; a missing one is an error.

    Returns
    -------
    str
        HTML. A template that takes HTML marks it ``safe`` itself.

    Example
    -------
    >>> render("note", text="a < b")
    '<p class="xser-note">a &lt; b</p>'
    """
    return str(environment().get_template(f"{template}.html").render(values))


@cache
def environment() -> Environment:
    """The one environment; jinja2 is loaded when the first page is made."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"percent": percent, "plain": plain, "signed": signed, "fixed": fixed}
    return made


def fixed(value: float, digits: int) -> str:
    """A number with so many decimals, for CSS and SVG.

    Example
    -------
    >>> fixed(2 / 3, 2)
    '0.67'
    """
    return f"{value:.{digits}f}"
