"""Repairs transcripts: damaged encoding is restored, typographic characters become those of a keyboard.

ftfy repairs mojibake (Speer, 2019, https://doi.org/10.5281/zenodo.2591652); it knows the ways in which UTF-8 and
Windows-1252 are mistaken for one another. Accented letters and non-Latin scripts stay as they are. A model learns to
write this text; ``metrics/text_normalization.py`` normalises texts for comparison.
"""

from __future__ import annotations

import re

from ftfy import TextFixerConfig, fix_text

_FIXES = TextFixerConfig(unescape_html=False, fix_character_width=False)  # full-width signs are Chinese, not damage
_SIGNS = str.maketrans(
    {
        "\u2014": " - ",  # em dash: it separates words, a hyphen would join them
        "\u2015": " - ",
        "\u2013": "-",  # en dash, as between numbers
        "\u2012": "-",
        "\u2010": "-",
        "\u2011": "-",
        "\u2026": "...",
        "\u00b4": "'",  # accents and primes used as apostrophes
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
    """A transcript without mojibake, typographic quotes, dashes and ellipses, and with single spaces.

    Arguments
    ---------
    text : str
        A transcript of a corpus.

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
