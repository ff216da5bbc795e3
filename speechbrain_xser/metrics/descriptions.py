"""Selects the texts that are compared when descriptions are scored: a system's words, without the transcript."""

from __future__ import annotations

from speechbrain_xser.answer.slots import without_transcript
from speechbrain_xser.data.manifest import Utterance
from speechbrain_xser.stages import Stage, target_text


def description_reference(utterance: Utterance, stage: Stage) -> str:
    """What a system is asked to write in a stage, without the transcript; or a corpus's lone description.

    Example
    -------
    >>> from speechbrain_xser.stages import STAGES
    >>> clip = Utterance("a", "a.wav", transcript="Hello", emotion="sad", description="A sad man.")
    >>> description_reference(clip, STAGES["ser"])
    'A sad man.'
    >>> description_reference(clip._replace(caption='A man says, "Hello", sadly.'), STAGES["ser"])
    'A man says, sadly.'
    """
    if utterance.description and not utterance.caption:
        return utterance.description
    return without_transcript(target_text(stage, utterance))


def description_answer(answer: str) -> str:
    """The description in an answer: its text without the transcript.

    Example
    -------
    >>> description_answer('A man says, "Hello".')
    'A man says.'
    """
    return without_transcript(answer)
