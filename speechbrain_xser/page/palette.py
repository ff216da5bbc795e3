"""A colour for each emotion that colour-blind readers can tell apart, on white and on black.

Source: Okabe and Ito (2008), Color Universal Design, https://jfly.uni-koeln.de/color. Grey and brown replace its black
and yellow, which are hard to see on paper. The order is that of ``EMOTIONS``; with more classes the colours repeat.
"""

from __future__ import annotations

LIGHT = ("#b4b8bf", "#e69f00", "#0065a8", "#d0460b", "#d46fb4", "#009e73", "#5a4032")
DARK = ("#767c86", "#f0b429", "#3a8fd8", "#f0602a", "#e79cc6", "#22c39a", "#a98a6d")


def _variables(colours: tuple[str, ...]) -> str:
    return " ".join(f"--xser-emotion-{place}: {colour};" for place, colour in enumerate(colours))


COLOURS = (
    f":root {{ {_variables(LIGHT)} }}\n@media (prefers-color-scheme: dark) {{ .xser-page {{ {_variables(DARK)} }} }}\n"
    f".dark, .dark .xser-page {{ {_variables(DARK)} }}\n"
)


def colour(place: int) -> str:
    """The CSS colour of the class at an index.

    Example
    -------
    >>> colour(0), colour(7)
    ('var(--xser-emotion-0)', 'var(--xser-emotion-0)')
    """
    return f"var(--xser-emotion-{place % len(LIGHT)})"
