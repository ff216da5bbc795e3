"""Explaining as batch work: each worker loads the model itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from speechbrain_xser.batch.row_schema import explanation_row, explanation_schema
from speechbrain_xser.batch.shard_worker import RowMaker
from speechbrain_xser.utils.devices import checked_device
from speechbrain_xser.utils.files import files_digest

if TYPE_CHECKING:
    import pyarrow

    from speechbrain_xser.batch.batch_clip import BatchClip


class ExplainWork(NamedTuple):
    """A model and how it is asked."""

    model: str  # folder, small, tiny or hub id
    revision: str | None = None
    device: str | None = None
    batch_seconds: float = 40.0  # padded seconds of sound that go through the encoder together
    options: tuple[tuple[str, Any], ...] = ()  # further arguments of from_hparams
    demonstration: bool = False  # whether answers say that the model is for showing only

    def load(self, place: int = 0, processes: int = 1) -> RowMaker:
        """The model, as a function from clips to rows.

        Raises
        ------
        XserError
            If the model cannot be loaded.
        """
        from transformers.utils.logging import disable_progress_bar

        from speechbrain_xser.explaining.clips import explain_clips
        from speechbrain_xser.inference.recognizer import ExplainableEmotionRecognizer  # imports transformers
        from speechbrain_xser.utils.threads import use_threads_for

        disable_progress_bar()
        options = dict(self.options) | {"run_opts": {"device": self._device(place)}, "pretrained": False}
        recognizer = ExplainableEmotionRecognizer.from_hparams(self.model, revision=self.revision, **options)
        recognizer.demonstration = self.demonstration
        if recognizer.device == "cpu":
            use_threads_for(recognizer.mods.model, processes)

        def rows(clips: Sequence[BatchClip]) -> list[dict[str, Any]]:
            told = explain_clips(recognizer, (one.clip for one in clips), batch_seconds=self.batch_seconds)
            return [explanation_row(clip, one) for clip, one in zip(clips, told, strict=True)]

        return rows

    def schema(self) -> pyarrow.Schema:
        """The columns of an explanation."""
        return explanation_schema()

    def fingerprint(self) -> str:
        """The digest of the model's files; its metadata tells of the backbones.

        Raises
        ------
        XserError
            If there is no such model.
        """
        from speechbrain_xser.model_folder.locate import model_files, model_folder

        return files_digest(model_files(model_folder(self.model, self.revision)))

    def _device(self, place: int) -> str:
        """Worker after worker takes the next GPU."""
        import torch

        device = checked_device(self.device)
        return f"cuda:{place % torch.cuda.device_count()}" if device == "cuda" else device
