"""Explains a file: paragraph, transcript, descriptors, emotion, and the decoder's own likelihood of each emotion.

Would move to ``speechbrain/inference``. The emotion is the one that the paragraph names. Its probabilities are the
decoder's own: the paragraph is cut before the word that names the emotion, each class's word is put in its place, and
a softmax is taken over the mean log-probability of each word's tokens::

    p(c) = softmax_c( 1/n_c * sum_i log p(token_i of word c | prompt, audio, text before the word) )

The mean over tokens keeps long words comparable with short ones; since it is not what greedy decoding maximises, the
most probable class can differ from the named one.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import torch
from speechbrain.inference.interfaces import Pretrained
from torch import Tensor

from speechbrain_xser.answer import Descriptors, parse
from speechbrain_xser.answer.form import structured_form
from speechbrain_xser.data.audio import load_audio
from speechbrain_xser.data.waveform import check_seconds, check_wave, offset_of
from speechbrain_xser.decoder.generation import PLAIN_DECODING, Decoding
from speechbrain_xser.errors import AudioError
from speechbrain_xser.evidence.mean_voice import MeanVoice, read_mean_voice
from speechbrain_xser.hub import HYPERPARAMS, model_folder
from speechbrain_xser.lengths import counts_from_relative, valid_mask
from speechbrain_xser.lobes.adapter import SoftTokens
from speechbrain_xser.modes import each_within, evaluating
from speechbrain_xser.restore import read_model_folder
from speechbrain_xser.training.stages import STAGES


class Explanation(NamedTuple):
    """What one utterance is found to be; ``None`` where the answer does not say."""

    paragraph: str  # the decoder's raw answer
    transcript: str | None  # the quoted words
    descriptors: Descriptors  # gender, age, pitch, volume, speed, intonation, emphasis, tone, topic
    emotion: str | None  # that the paragraph names, be it among the model's classes or not
    probabilities: dict[str, float]  # of every class of the model; sums to one


class ExplainableEmotionRecognizer(Pretrained):
    """Explains the emotion of speech with a trained model folder.

    Arguments
    ---------
    modules : dict
        ``{"model": ExplainableSER}``.
    hparams : dict
        ``emotions``, ``max_seconds`` and ``stage`` of the folder.
    run_opts : dict, optional
        SpeechBrain's run options; ``device`` and ``precision`` count here.
    freeze_params : bool
        Whether parameters are frozen and the model is put in eval.

    Example
    -------
    >>> import tempfile
    >>> from speechbrain_xser.export import write_model_folder
    >>> from speechbrain_xser.testing import tiny_manifest, tiny_model
    >>> place = Path(tempfile.mkdtemp())
    >>> arguments = {"latent": 8, "adapter_hidden": 16, "llm_dtype": "float32", "max_new_tokens": 8}
    >>> model = tiny_model(place, **arguments)
    >>> arguments |= {"encoder_source": str(place / "encoder"), "llm_source": str(place / "llm")}
    >>> folder = write_model_folder(place / "trained", model, {"model": arguments})
    >>> recognizer = ExplainableEmotionRecognizer.from_hparams(folder, run_opts={"device": "cpu"})
    >>> _ = tiny_manifest(place, clips=1)
    >>> explanation = recognizer.explain_file(place / "train" / "000.wav")
    >>> round(sum(explanation.probabilities.values()), 6)
    1.0
    """

    HPARAMS_NEEDED = ["emotions", "max_seconds", "stage"]
    MODULES_NEEDED = ["model"]
    decoding = PLAIN_DECODING
    mean_voice: MeanVoice | None = None  # of the training set, where the folder has it

    @classmethod
    def from_hparams(
        cls,
        source: str | Path,
        hparams_file: str = HYPERPARAMS,
        overrides: dict | None = None,
        savedir: str | Path | None = None,
        revision: str | None = None,
        run_opts: dict | None = None,
        merge: bool = False,
        speculate: int = 0,
        structured: bool = False,
        graphs: bool = False,
        **kwargs: object,
    ) -> ExplainableEmotionRecognizer:
        """Loads a trained model folder; nothing that the folder holds is ever run.

        Arguments
        ---------
        source : str or Path
            A local folder, ``packaged:NAME``, or a hub id.
        hparams_file : str
            Name of the YAML inside the folder.
        overrides : dict, optional
            Own values for keys of the YAML, e.g. ``{"encoder_source": "/models/hubert"}`` for a local copy.
        savedir : str or Path, optional
            Download cache of a hub model. A local folder is read where it lies.
        revision : str, optional
            Full commit of a hub model.
        run_opts : dict, optional
            SpeechBrain's run options (``device``, ``precision``), and ``dtype``: that of the frozen decoder.
        merge : bool
            Whether LoRA is merged into the decoder's weights: faster, and the same answers but for rounding to the
            weights' type.
        speculate : int
            Tokens that are guessed ahead from what was answered before: faster where answers resemble each other, and
            the same answers.
        structured : bool
            Whether every paragraph has the same form, of which the decoder only decides the facts: faster, and nothing
            is left unparsed; but what the model would have said otherwise is not said.
        graphs : bool
            Whether steps are replayed as CUDA graphs, where there is a GPU.
        **kwargs
            For the constructor.

        Returns
        -------
        ExplainableEmotionRecognizer

        Raises
        ------
        UnsafeModelError
            If the folder asks for anything outside the allow-list, or a hub id has no full commit.
        CheckpointError
            If weights are missing, broken, or of other names or shapes.
        BackboneError
            If a backbone cannot be found, or is not the one that the folder was trained with.
        """
        run_opts = dict(run_opts or {})
        dtype = run_opts.pop("dtype", None)
        overrides = {**(overrides or {}), **({"llm_dtype": dtype} if dtype else {})}
        folder = model_folder(source, revision, savedir)
        model, hparams = read_model_folder(folder, overrides, hparams_file)
        hparams["savedir"] = savedir
        recognizer = cls(modules={"model": model}, hparams=hparams, run_opts=run_opts, **kwargs)
        recognizer.mean_voice = read_mean_voice(folder, model)
        if merge:
            recognizer.merge()
        form = structured_form(hparams["emotions"]) if structured else None
        recognizer.decoding = Decoding(speculate=speculate, form=form, graphs=graphs)
        return recognizer

    def explain_file(self, path: str | Path, track: int | None = None) -> Explanation:
        """Explains one sound file or film, of any format, rate and channels that ``load_audio`` reads.

        Arguments
        ---------
        path : str or Path
            A local file, or a pipe.
        track : int, optional
            Which sound track of a film, counted from 1; by default the one that it marks as its default, else the
            first.

        Returns
        -------
        Explanation

        Raises
        ------
        AudioError
            If the file is missing, not audio, truncated, empty, holds NaN or infinity, or is longer than
            ``max_seconds``; names the file.
        """
        return self.explain_batch(self.load_audio(path, track=track)[None])[0]

    def load_audio(self, path: str | Path, savedir: object = None, track: int | None = None) -> Tensor:
        """Reads a local file as the encoder hears it.

        SpeechBrain's own method links files into a folder by their names, where the next one of the same name is
        shadowed; here a file is read where it lies.

        Arguments
        ---------
        path : str or Path
            A local file.
        savedir : object
            Not used.
        track : int, optional
            As for :meth:`explain_file`.

        Returns
        -------
        Tensor
            Samples at the encoder's rate, [S], float32.

        Raises
        ------
        AudioError
            As :meth:`explain_file`.
        """
        if not isinstance(path, str | os.PathLike):
            raise AudioError(f"path is {type(path).__name__}; expected a file's path. Samples go to explain_batch.")
        rate = self.mods.model.encoder.sample_rate
        return load_audio(path, sample_rate=rate, max_seconds=self.hparams.max_seconds, track=track)

    def explain_batch(self, wavs: Tensor, wav_lens: Tensor | None = None) -> list[Explanation]:
        """Explains a padded batch; each utterance gets what it would get alone.

        Arguments
        ---------
        wavs : Tensor or array
            Samples at the encoder's rate, [B, S], floats in -1..1.
        wav_lens : Tensor or sequence of float, optional
            Relative lengths, [B], above 0 and at most 1; all full by default.

        Returns
        -------
        list of Explanation
            B of them.

        Raises
        ------
        AudioError
            If an utterance is empty, not finite or longer than ``max_seconds``, or a length is not in 0..1; names
            its row.

        Example
        -------
        >>> import speechbrain_xser
        >>> recognizer = ExplainableEmotionRecognizer.from_hparams(speechbrain_xser.packaged_model())
        >>> wav = 0.1 * torch.randn(1, 16000)
        >>> [alone], both = recognizer.explain_batch(wav), recognizer.explain_batch(wav.repeat(2, 2), [0.5, 1.0])
        >>> alone.paragraph == both[0].paragraph  # padding does not change an explanation
        True
        """
        return [explanation for found in self.explain_batches([(wavs, wav_lens)]) for explanation in found]

    def explain_batches(
        self, batches: Iterable[tuple[Tensor, Tensor | None]], joined: int = 8
    ) -> Iterator[list[Explanation]]:
        """Explains many batches; each utterance gets what it would get alone, sooner.

        Answers of several batches grow together, and one that has ended makes room for another.

        Arguments
        ---------
        batches : iterable of (Tensor, Tensor)
            Waveforms [B, S] and relative lengths [B] (or ``None``), as for :meth:`explain_batch`; read as they are
            needed.
        joined : int
            Batches whose answers grow together.

        Yields
        ------
        list of Explanation
            For each batch, in order.

        Raises
        ------
        AudioError
            As :meth:`explain_batch`, when all batches before the one that cannot be used have been explained.

        Example
        -------
        >>> import speechbrain_xser
        >>> recognizer = ExplainableEmotionRecognizer.from_hparams(speechbrain_xser.packaged_model())
        >>> wavs = [0.1 * torch.randn(2, 8000), 0.1 * torch.randn(1, 16000)]
        >>> [len(found) for found in recognizer.explain_batches((wav, None) for wav in wavs)]
        [2, 1]
        """
        batches = iter(batches)
        while group := list(islice(batches, joined)):
            tokens, refused = [], None
            with self.inference_ctx:
                for batch in group:
                    try:
                        tokens.append(self._encoded(*batch))
                    except AudioError as error:  # after the batches before it
                        refused = error
                        break
                found = self._answered([one for one in tokens if one is not None])
            for one in tokens:
                yield list(islice(found, 0 if one is None else len(one[0].counts)))
            if refused is not None:
                raise refused

    def explain_live(self, wav: Tensor) -> Iterator[str | Explanation]:
        """Explains one clip and shows the paragraph while it is generated.

        Arguments
        ---------
        wav : Tensor or array
            Samples at the encoder's rate, [S], floats in -1..1.

        Yields
        ------
        str or Explanation
            The paragraph so far after each step, the whole one, and at last what :meth:`explain_batch` gives.

        Raises
        ------
        AudioError
            As :meth:`explain_batch`, when the first text is asked for.

        Example
        -------
        >>> import speechbrain_xser
        >>> recognizer = ExplainableEmotionRecognizer.from_hparams(speechbrain_xser.packaged_model())
        >>> wav = 0.1 * torch.randn(16000, generator=torch.Generator().manual_seed(1))
        >>> *texts, explanation = recognizer.explain_live(wav)
        >>> len(texts) > 1, texts[-1] == explanation.paragraph, [explanation] == recognizer.explain_batch(wav[None])
        (True, True, True)
        """
        yield from each_within(self._live(torch.as_tensor(wav)), lambda: self.inference_ctx, torch.no_grad)

    def _live(self, wav: Tensor) -> Iterator[str | Explanation]:
        tokens, model, stage = self._encoded(wav[None], None), self.mods.model, STAGES[self.hparams.stage]
        options = {"close_quotes": stage.quotes, "decoding": self.decoding}
        for text in model.decoder.generate_live(*tokens, stage.instruction, **options):
            yield text
        [found] = model.decoder.emotion_probabilities(*tokens, stage.instruction, [text], self.hparams.emotions)
        yield self._explanation(text, found.tolist())

    def _encoded(self, wavs: Tensor, wav_lens: Tensor | None) -> tuple[SoftTokens, SoftTokens] | None:
        """Soft tokens of a batch that can be used, or None for an empty one."""
        wavs = torch.as_tensor(wavs)
        samples = self.checked_samples(wavs, wav_lens)
        if len(wavs) == 0:
            return None
        wavs = self._without_offsets(wavs.float(), samples).masked_fill(
            ~valid_mask(samples, wavs.shape[1], wavs.device), 0.0
        )
        with evaluating(self.mods.model), torch.no_grad():
            return self.mods.model.encode(wavs.to(self.device), samples, STAGES[self.hparams.stage])

    def _without_offsets(self, wavs: Tensor, samples: Tensor) -> Tensor:
        """Rows less their constant offsets, as files are read."""
        rate = self.mods.model.encoder.sample_rate
        offsets = [offset_of(wav[:count], rate) for wav, count in zip(wavs, samples.tolist(), strict=True)]
        return wavs - wavs.new_tensor(offsets)[:, None]

    def _answered(self, tokens: list[tuple[SoftTokens, SoftTokens]]) -> Iterator[Explanation]:
        """Explanations of all rows of several batches."""
        if not tokens:
            return iter(())
        joined = [SoftTokens.joined(parts) for parts in zip(*tokens, strict=True)]
        stage, emotions = STAGES[self.hparams.stage], self.hparams.emotions
        texts, found = self.mods.model.explain_tokens(*joined, stage, emotions, self.decoding)
        return iter([self._explanation(text, row) for text, row in zip(texts, found.tolist(), strict=True)])

    def forward(self, wavs: Tensor, wav_lens: Tensor | None = None) -> list[Explanation]:
        """The same as :meth:`explain_batch`."""
        return self.explain_batch(wavs, wav_lens)

    def merge(self) -> None:
        """Merges LoRA into the decoder's weights for deployment; the answers stay the same."""
        self.mods.model.decoder.merge()

    def _explanation(self, paragraph: str, probabilities: list[float]) -> Explanation:
        record = parse(paragraph)
        named = dict(zip(self.hparams.emotions, probabilities, strict=True))
        return Explanation(paragraph, record.transcript, record.descriptors, record.emotion, named)

    def checked_samples(self, wavs: Tensor, wav_lens: Tensor | None = None) -> Tensor:
        """Valid samples of each row, [B] int64.

        Raises
        ------
        AudioError
            As :meth:`explain_batch`, of what cannot be used.
        """
        if wavs.dim() != 2 or not wavs.is_floating_point():
            raise AudioError(f"wavs is {wavs.dtype} of shape {list(wavs.shape)}; expected floats [B, S]")
        wav_lens = torch.ones(len(wavs)) if wav_lens is None else torch.as_tensor(wav_lens)
        if wav_lens.shape != wavs.shape[:1]:
            raise AudioError(f"wav_lens has shape {list(wav_lens.shape)}; expected one length a row, [{len(wavs)}]")
        samples = counts_from_relative(wav_lens.cpu(), wavs.shape[1])
        for row, (count, share) in enumerate(zip(samples.tolist(), wav_lens.tolist(), strict=True)):
            if not 0 <= share <= 1:
                raise AudioError(f"row {row}: relative length {share:g}; expected above 0 and at most 1")
            check_seconds(count / self.mods.model.encoder.sample_rate, self.hparams.max_seconds, f"row {row}")
            check_wave(wavs[row, :count], f"row {row}")
        return samples
