"""Measuring descriptors as batch work: every clip by itself, with the package's fixed bounds of low and high.

Only workers load torch, not the process that starts them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from speechbrain_xser.batch.row_schema import annotation_row, annotation_schema
from speechbrain_xser.batch.shard_worker import RowMaker
from speechbrain_xser.data.paragraphs import Wording
from speechbrain_xser.errors import AudioError, told_as

if TYPE_CHECKING:
    import pyarrow

    from speechbrain_xser.batch.batch_clip import BatchClip


class AnnotateWork(NamedTuple):
    """How clips are described."""

    language: str = "en"  # of the transcripts, by its eSpeak NG name
    wording: Wording = "varied"

    def load(self, place: int = 0, processes: int = 1) -> RowMaker:
        """A function from clips to rows.

        Raises
        ------
        SettingsError
            If the language is unknown.
        """
        import torch

        from speechbrain_xser.annotator.measures import measure

        torch.set_num_threads(1)
        measure(torch.ones(16000).sin(), "a", self.language)  # a wrong language is told before the long work
        return lambda clips: list(map(self._row, clips))

    def schema(self) -> pyarrow.Schema:
        """The columns of an annotated clip."""
        return annotation_schema()

    def fingerprint(self) -> None:
        """Nothing: no model decides these rows."""

    def _row(self, one: BatchClip) -> dict[str, Any]:
        from speechbrain_xser.annotator.annotation import described
        from speechbrain_xser.annotator.cutoffs import reference_cutoffs
        from speechbrain_xser.annotator.measures import measure
        from speechbrain_xser.data.audio import load_audio

        clip, row = one.clip, one.utterance
        try:
            if clip.fault is not None:
                raise AudioError(clip.fault)
            with told_as(clip.name, clip.path):
                wave = load_audio(clip.path, clip.start, clip.stop)
                measures = measure(wave, row.transcript, self.language)
        except AudioError as error:
            return annotation_row(row, None, str(error))
        row = row._replace(duration=row.duration or round(len(wave) / 16000, 4))
        return annotation_row(described(row, measures, reference_cutoffs(), self.wording, row.gender), measures)
