"""The columns of the rows that batch work writes: the same in every file, whatever its clips have.

What measures sound is loaded by those who ask for columns: workers, and not the process that starts them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from speechbrain_xser.answer.record import Descriptors
from speechbrain_xser.data.manifest import NUMBERS, Utterance
from speechbrain_xser.explaining.rows import plain_row

if TYPE_CHECKING:
    import pyarrow

    from speechbrain_xser.annotator.measures import Measures
    from speechbrain_xser.batch.batch_clip import BatchClip
    from speechbrain_xser.explaining.clips import Told

TEXTS = {"contour", "rate_from", "pitch", "volume", "speed", "intonation"}  # among the measured values


def explanation_schema() -> pyarrow.Schema:
    """Columns of an explained clip: those of the JSON line, and the clip's ``id``.

    Example
    -------
    >>> explanation_schema().names[:4]
    ['id', 'path', 'error', 'emotion']
    """
    import pyarrow as pa

    from speechbrain_xser.evidence.measurements import Measured

    descriptors = pa.struct([_descriptor(name) for name in Descriptors._fields])
    kept = {"probabilities": pa.map_(pa.string(), pa.float64()), "descriptors": descriptors, "speech": pa.bool_()}
    names = ("id", "path", "error", "emotion", "transcript", "paragraph", "domain")
    columns = {name: pa.string() for name in names} | kept | {"measured": _measured(Measured._fields)}
    return pa.schema(columns.items())


def annotation_schema() -> pyarrow.Schema:
    """Columns of an annotated clip: those of a manifest, ``error``, and the ``measures``.

    Example
    -------
    >>> annotation_schema().names[:3], annotation_schema().names[-2:]
    (['id', 'wav', 'start'], ['error', 'measures'])
    """
    import pyarrow as pa

    from speechbrain_xser.annotator.measures import Measures

    fields = [
        pa.field(name, pa.float64()) if name in NUMBERS else _descriptor(name) for name in Utterance._fields
    ]
    return pa.schema([*fields, ("error", pa.string()), ("measures", _measured(Measures._fields))])


def explanation_row(clip: BatchClip, told: Told) -> dict[str, Any]:
    """The row of an explained clip, or of one that could not be read.

    Example
    -------
    >>> from speechbrain_xser.batch.batch_clip import BatchClip
    >>> from speechbrain_xser.explaining.clips import SourceClip, Told
    >>> clip = BatchClip(SourceClip("a.wav", "a.wav"), Utterance("a", "a.wav"))
    >>> explanation_row(clip, Told(clip.clip, None, "a.wav: no such file"))
    {'id': 'a', 'path': 'a.wav', 'error': 'a.wav: no such file'}
    """
    row = plain_row(told)
    if told.explanation is not None:
        row["probabilities"] = list(told.explanation.probabilities.items())
    return {"id": clip.utterance.id, **row}


def annotation_row(row: Utterance, measures: Measures | None, error: str | None = None) -> dict[str, Any]:
    """The row of an annotated clip, or of one that could not be read.

    Example
    -------
    >>> annotation_row(Utterance("a", "a.wav"), None, "a.wav: no such file")["error"]
    'a.wav: no such file'
    """
    return {**row._asdict(), "error": error, "measures": None if measures is None else measures.as_dict()}


def _descriptor(name: str) -> pyarrow.Field:
    import pyarrow as pa

    return pa.field(name, pa.list_(pa.string()) if name == "emphasis" else pa.string())


def _measured(names: tuple[str, ...]) -> pyarrow.StructType:
    import pyarrow as pa

    kinds = {"pauses": pa.int64(), "prominences": pa.list_(pa.float64())} | dict.fromkeys(TEXTS, pa.string())
    return pa.struct([(name, kinds.get(name, pa.float64())) for name in names])
