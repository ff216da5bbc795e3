"""Checks that a corpus's clips exist and finds their lengths, before a manifest promises them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache, partial

from speechbrain_xser.data.audio import seconds_of
from speechbrain_xser.data.exclusions import Dropped
from speechbrain_xser.data.manifest import Utterance
from speechbrain_xser.data.pipeline import resolve
from speechbrain_xser.errors import AudioError
from speechbrain_xser.utils.parallel import in_parallel

UNREADABLE = "cannot be read"
RECENT_FILES = 64  # whose length is cached, because the segments of a long file follow one another


def probe(
    utterances: Iterable[Utterance | Dropped],
    data_folder: str | os.PathLike | None,
    total: int | None = None,
    workers: int | None = None,
) -> Iterator[Utterance | Dropped]:
    """Fills in the length of each clip's file from its header, many files at once.

    Arguments
    ---------
    utterances : iterable of Utterance or Dropped
        Whole files, or segments, to which :func:`~speechbrain_xser.data.importing.fitted` gives their own length again.
        Dropped clips pass through.
    data_folder : str, path-like or None
        Replaces ``{data_root}`` in paths.
    total : int or None
        Number of utterances, for the progress bar.
    workers : int or None
        Files read at once; None for one per core.

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
    probed = partial(_probed, data_folder, lru_cache(RECENT_FILES)(seconds_of))
    yield from in_parallel(probed, utterances, "reading headers", total, workers, threads=True)


def _probed(data_folder, seconds_of: Callable[[str], float], utterance: Utterance | Dropped) -> Utterance | Dropped:
    if isinstance(utterance, Dropped):
        return utterance
    try:
        return utterance._replace(duration=round(seconds_of(resolve(utterance, data_folder)), 4))
    except AudioError as error:
        return Dropped(utterance.id, UNREADABLE, str(error), fault=True)
