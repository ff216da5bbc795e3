"""What a recogniser hears of a clip before it answers: checked samples, and what encoder and branches make of them."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor

from speechbrain_xser.data.arrays import batch_of, clip_of
from speechbrain_xser.data.audio import load_audio
from speechbrain_xser.data.sound_source import SoundSource, sound_file
from speechbrain_xser.data.speech import spoken_span, without_silence
from speechbrain_xser.lobes.branch import BranchOutput
from speechbrain_xser.lobes.clip_means import ClipMeans, clip_means
from speechbrain_xser.lobes.states import LayerStates
from speechbrain_xser.stages import STAGES, Stage
from speechbrain_xser.utils.modes import evaluating


class Listener:
    """Mixed into the recogniser, whose ``mods.model``, ``hparams`` and ``device`` it uses."""

    def load_audio(
        self,
        path: SoundSource,
        savedir: object = None,
        track: int | None = None,
        start: float | None = None,
        stop: float | None = None,
    ) -> Tensor:
        """Reads a file as the encoder hears it.

        SpeechBrain's own method links files into a folder by their names, where the next one of the same name is
        shadowed; here a file is read where it lies.

        Arguments
        ---------
        path : str, Path, bytes or binary file
            As for :meth:`explain_file`.
        savedir : object
            Not used.
        track : int, optional
            As for :meth:`explain_file`.
        start, stop : float, optional
            Seconds between which the file is read; by default all of it.

        Returns
        -------
        Tensor
            Samples at the encoder's rate, [S], float32.

        Raises
        ------
        AudioError
            As :meth:`explain_file`.
        """
        rate, most = self.mods.model.encoder.sample_rate, self.hparams.max_seconds
        with sound_file(path) as file:
            return load_audio(file, start, stop, rate, most, track)

    def checked_clip(self, wav: Tensor, sampling_rate: int | None = None, name: str = "wav") -> Tensor:
        """One clip as the encoder hears it, [S]; arguments and errors as of :meth:`explain_live`."""
        return clip_of(wav, sampling_rate, self.mods.model.encoder.sample_rate, name, self.hparams.max_seconds)

    def checked_batch(
        self, wavs: Tensor, wav_lens: Tensor | None = None, sampling_rate: int | None = None
    ) -> tuple[Tensor, Tensor]:
        """Clips as the encoder hears them, [B, S], and their samples, [B]; the rest as for :meth:`explain_batch`."""
        rate = self.mods.model.encoder.sample_rate
        return batch_of(wavs, wav_lens, sampling_rate, rate, self.hparams.max_seconds)

    def listen(
        self, wavs: Tensor, samples: Tensor, stage: Stage | None = None
    ) -> tuple[LayerStates, Mapping[str, BranchOutput]]:
        """What encoder and branches make of clips, without the silence around speech where the model was trained so.

        Arguments
        ---------
        wavs : Tensor
            Clips as :meth:`checked_batch` gives them, [B, S].
        samples : Tensor
            Valid samples, [B] int64.
        stage : Stage, optional
            Another than the model's own, for instance one with fewer branches.

        Returns
        -------
        tuple of (LayerStates, mapping of str to BranchOutput)
            The encoder's states, and the outputs by branch.

        Example
        -------
        >>> from speechbrain_xser import ExplainableEmotionRecognizer
        >>> recognizer = ExplainableEmotionRecognizer.from_hparams("tiny", run_opts={"device": "cpu"})
        >>> states, outputs = recognizer.listen(0.1 * torch.randn(1, 16000), torch.tensor([16000]))
        >>> sorted(outputs), outputs["descriptor"].latent.frames.equal(states.frames)
        (['content', 'descriptor'], True)
        """
        model = self.mods.model
        if self.hparams.cut_silence:
            wavs, samples = without_silence(wavs, samples, model.encoder.sample_rate)
        wavs = wavs[:, : samples.max()].to(self.device)
        with self._precise(), evaluating(model), torch.no_grad():
            states = model.states(wavs, samples)
            return states, model.branch_outputs(states, stage or STAGES[self.hparams.stage])

    def clip_means(
        self, wavs: Tensor, wav_lens: Tensor | None = None, sampling_rate: int | None = None, stage: Stage | None = None
    ) -> ClipMeans:
        """What the domain of clips is judged by, whether or not there is speech in them.

        Arguments
        ---------
        wavs, wav_lens, sampling_rate
            As for :meth:`explain_batch`.
        stage : Stage, optional
            As for :meth:`listen`.

        Returns
        -------
        ClipMeans
            Of B clips.

        Raises
        ------
        AudioError
            As :meth:`explain_batch`.
        """
        return clip_means(*self.listen(*self.checked_batch(wavs, wav_lens, sampling_rate), stage))

    def heard_span(self, wav: Tensor) -> slice:
        """The samples of a clip, [S], that the model hears: for some models silence around speech is cut off."""
        if not self.hparams.cut_silence:
            return slice(0, len(wav))
        return spoken_span(wav, self.mods.model.encoder.sample_rate)

    def _precise(self) -> AbstractContextManager:
        """The precision of ``run_opts``: here that of the weights."""
        return nullcontext()
