"""Languages by their usual codes, as eSpeak NG names its voices."""

from __future__ import annotations

VOICES = {"en": "en-us", "zh": "cmn"}  # where eSpeak's name is not the language's


def voice_of(language: str) -> str:
    """eSpeak NG's voice for a language.

    Arguments
    ---------
    language : str
        ISO 639-1, such as ``de``, or a name of eSpeak's own.

    Returns
    -------
    str

    Example
    -------
    >>> voice_of("zh"), voice_of("de")
    ('cmn', 'de')
    """
    return VOICES.get(language.lower(), language.lower())
