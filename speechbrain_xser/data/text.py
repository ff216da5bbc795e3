"""Transcripts as they were meant: damage of the encoding undone, typographic signs as a keyboard has them.

The mojibake is ftfy's work (Speer, 2019, https://doi.org/10.5281/zenodo.2591652), which knows the ways in which UTF-8
and Windows-1252 are taken for one another. Letters with accents and scripts other than Latin stay as they are. For the
comparison of words see ``metrics/text.py``; this here is what a model learns to write.
"""

from __future__ import annotations

import re

from ftfy import TextFixerConfig, fix_text

_FIXES = TextFixerConfig(unescape_html=False, fix_character_width=False)  # full-width signs are Chinese, no damage
_SIGNS = str.maketrans(
    {
        "\u2014": " - ",  # em dash: it parts words, a hyphen would join them
        "\u2015": " - ",
        "\u2013": "-",  # en dash, as between numbers
        "\u2012": "-",
        "\u2010": "-",
        "\u2011": "-",
        "\u2026": "...",
        "\u00b4": "'",  # accents and primes in an apostrophe's place
        "\u2032": "'",
        "\u2033": '"',
        "\u00ab": '"',
        "\u00bb": '"',
        "\u201e": '"',
        "\u200b": "",  # zero width, invisible
        "\u00ad": "",
    }
)


def plain_text(text: str) -> str:
    """A transcript without mojibake, typographic quotes, dashes and ellipses, its words one space apart.

    Arguments
    ---------
    text : str
        As a corpus has it.

    Returns
    -------
    str
        The same words.

    Example
    -------
    >>> plain_text("It’s  “fine” — isn’t it…"), plain_text("companyâ€™s NestlÃ©")
    ('It\\'s "fine" - isn\\'t it...', "company's Nestlé")
    """
    return re.sub(r"\s+", " ", fix_text(text, _FIXES).translate(_SIGNS)).strip()
