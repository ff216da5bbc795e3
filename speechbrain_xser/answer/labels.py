"""Checks labels: one outside its vocabulary raises an error that names it, and is never guessed at."""

from __future__ import annotations

from speechbrain_xser.answer.record import EMOTIONS, VOCABULARIES, Record
from speechbrain_xser.errors import LabelError


def check_labels(record: Record, where: str = "record") -> Record:
    """Returns the record if every label is in its vocabulary; ``None``, for unknown, always is.

    Arguments
    ---------
    record : Record
        The record to check.
    where : str
        Names the record in the message, e.g. ``"train.jsonl, line 3, utterance 'a'"``.

    Returns
    -------
    Record
        The same record.

    Raises
    ------
    LabelError
        If a label is not; it names the place, the field, what was found and what is allowed.

    Example
    -------
    >>> check_labels(Record(emotion="bored"), "utterance 'a'")
    Traceback (most recent call last):
    ...
    speechbrain_xser.errors.LabelError: utterance 'a': emotion is 'bored', expected one of neutral, happy, sad, \
    angry, surprised, fearful, disgusted, or null. Map the corpus's label in its prepare script.
    """
    for field, allowed in (("emotion", EMOTIONS), *VOCABULARIES.items()):
        found = record.emotion if field == "emotion" else getattr(record.descriptors, field)
        if found is not None and found not in allowed:
            raise LabelError(
                f"{where}: {field} is {found!r}, expected one of {', '.join(allowed)}, or null. "
                "Map the corpus's label in its prepare script."
            )
    return record
