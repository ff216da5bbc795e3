"""Formats numbers for readers."""

from __future__ import annotations

import re

MINUS = "\N{MINUS SIGN}"
BREAK = re.compile(r"(?<=\d) (?=%)")
LEAST = 1e-4  # smaller values are shown as 0


def percent(share: float) -> str:
    """A share of one as a percentage.

    Example
    -------
    >>> percent(0.876), percent(1.0), percent(0.0002)
    ('87.6 %', '100.0 %', '<0.1 %')
    """
    return "<0.1 %" if 0 < share < 0.0005 else f"{100 * share:.1f} %"


def unbroken(text: str) -> str:
    """A text in which no line ends between a number and its "%".

    Example
    -------
    >>> unbroken("sad 75 %, out of domain")
    'sad 75\xa0%, out of domain'
    """
    return BREAK.sub("\N{NO-BREAK SPACE}", text)


def signed(value: float) -> str:
    """A difference with its sign and two decimals.

    Example
    -------
    >>> signed(3.804), signed(-0.045), signed(-0.001)
    ('+3.80', '−0.04', '0.00')
    """
    shown = f"{value:+.2f}".replace("-", MINUS)
    return shown[1:] if float(f"{value:.2f}") == 0 else shown


def plain(value: float) -> str:
    """A measured value with three significant digits.

    Example
    -------
    >>> plain(212.34), plain(-23.41), plain(4.0), plain(12345.6), plain(0.00001)
    ('212', '−23.4', '4', '12346', '0')
    """
    if abs(value) < LEAST:
        return "0"
    return (f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}").replace("-", MINUS)


def ordinal(value: float) -> str:
    """An English ordinal number.

    Example
    -------
    >>> [ordinal(value) for value in (1, 2.2, 3, 11, 12, 13, 21, 63.4, 100)]
    ['1st', '2nd', '3rd', '11th', '12th', '13th', '21st', '63rd', '100th']
    """
    place = round(value)
    tail = "th" if place % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(place % 10, "th")
    return f"{place}{tail}"


def clock(seconds: float) -> str:
    """A time as hours, minutes and seconds.

    Example
    -------
    >>> clock(3.25), clock(3723.96), clock(59.96)
    ('0:00:03.2', '1:02:04.0', '0:01:00.0')
    """
    tenths = round(seconds * 10)
    minutes, tenths = divmod(tenths, 600)
    return f"{minutes // 60}:{minutes % 60:02d}:{tenths // 10:02d}.{tenths % 10}"
