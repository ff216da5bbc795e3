"""Whether a corpus's clips are there, whole and how long, before a manifest promises them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from functools import partial

from speechbrain_xser.data.audio import seconds_of
from speechbrain_xser.data.dropped import Dropped
from speechbrain_xser.data.manifest import Utterance
from speechbrain_xser.data.parallel import in_parallel
from speechbrain_xser.data.pipeline import resolve
from speechbrain_xser.errors import AudioError

UNREADABLE = "cannot be read"


def probe(
    utterances: Iterable[Utterance],
    data_folder: str | os.PathLike | None,
    total: int | None = None,
    workers: int | None = None,
) -> Iterator[Utterance | Dropped]:
    """Fills in each clip's length from its header, many files at a time.

    Arguments
    ---------
    utterances : iterable of Utterance
        Whole files; segments of longer files know their length already.
    data_folder : str, path-like or None
        What ``{data_root}`` stands for.
    total : int or None
        How many, for the progress bar.
    workers : int or None
        Files at a time, None for one a core.

    Returns
    -------
    iterator of Utterance or Dropped
        In the same order; a clip that cannot be read is dropped as a fault.

    Example
    -------
    >>> [dropped] = probe([Utterance("a", "{data_root}/missing.wav")], "/nowhere")
    >>> dropped.id, dropped.reason, dropped.fault
    ('a', 'cannot be read', True)
    """
    yield from in_parallel(partial(_probed, data_folder), utterances, "reading headers", total, workers, threads=True)


def _probed(data_folder: str | os.PathLike | None, utterance: Utterance) -> Utterance | Dropped:
    try:
        return utterance._replace(duration=round(seconds_of(resolve(utterance, data_folder)), 4))
    except AudioError as error:
        return Dropped(utterance.id, UNREADABLE, str(error), fault=True)
