"""Maps language codes to eSpeak NG's voices."""

from __future__ import annotations

VOICES = {"en": "en-us", "zh": "cmn"}  # where eSpeak's name differs from the code


def voice_of(language: str) -> str:
    """eSpeak NG's voice for an ISO 639-1 code such as ``de``; a name of eSpeak's own is kept.

    Example
    -------
    >>> voice_of("zh"), voice_of("de")
    ('cmn', 'de')
    """
    return VOICES.get(language.lower(), language.lower())
