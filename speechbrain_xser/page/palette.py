"""A colour for each emotion that stays itself for colour-blind readers, on white and on black.

Source: Okabe and Ito (2008), Color Universal Design, https://jfly.uni-koeln.de/color; grey and brown in place of
its black and its yellow, which paper swallows. The order is that of ``EMOTIONS``; a model of more classes begins again.
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
    """The colour of the class at a place, for CSS.

    Example
    -------
    >>> colour(0), colour(7)
    ('var(--xser-emotion-0)', 'var(--xser-emotion-0)')
    """
    return f"var(--xser-emotion-{place % len(LIGHT)})"
