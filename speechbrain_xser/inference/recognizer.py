"""Explains a file: paragraph, transcript, descriptors, emotion, and the decoder's own likelihood of each emotion.

Would move to ``speechbrain/inference``. The emotion is the one that the paragraph names. Its probabilities are the
decoder's own: the paragraph is cut before the word that names the emotion, each class's word is put in its place, and
a softmax is taken over the mean log-probability of each word's tokens::

    p(c) = softmax_c( 1/n_c * sum_i log p(token_i of word c | prompt, audio, text before the word) )

The mean over tokens keeps long words comparable with short ones; since it is not what greedy decoding maximises, the
most probable class can differ from the named one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import torch
from torch import Tensor, nn

from speechbrain_xser.answer import Explanation, parse
from speechbrain_xser.answer.explanation import DEMONSTRATION, OUT, UNKNOWN
from speechbrain_xser.answer.form import structured_form
from speechbrain_xser.answer.reliability import Reliability
from speechbrain_xser.data.sound_source import SoundSource
from speechbrain_xser.data.speech import has_speech
from speechbrain_xser.decoder.generation.loop import PLAIN_DECODING, Decoding
from speechbrain_xser.errors import AudioError, CheckpointError, SettingsError
from speechbrain_xser.inference.domain import domains
from speechbrain_xser.inference.verbs import Verbs
from speechbrain_xser.lobes.adapter import SoftTokens
from speechbrain_xser.lobes.clip_means import clip_means
from speechbrain_xser.lobes.states import SpeechEncoder
from speechbrain_xser.model_folder.domain_reference import DomainReference, read_domain
from speechbrain_xser.model_folder.kept_reliability import read_reliability
from speechbrain_xser.model_folder.load import read_model_folder
from speechbrain_xser.model_folder.locate import HYPERPARAMS, model_folder
from speechbrain_xser.model_folder.mean_voice import MeanVoice, read_mean_voice
from speechbrain_xser.stages import STAGES
from speechbrain_xser.utils.devices import checked_device
from speechbrain_xser.utils.modes import each_within
from speechbrain_xser.utils.out_of_memory import naming_memory

SMALLER_TO_LOAD = "Use the CPU (device cpu), or give run_opts a smaller dtype, or a model with a smaller LLM."
SMALLER_TO_EXPLAIN = "Use fewer or shorter clips at a time (--batch-size), or the CPU (device cpu)."


class _Encoded(NamedTuple):
    """A batch before its answers."""

    spoken: list[bool]  # whether each clip has speech
    tokens: dict[str, SoftTokens] | None = None  # of those that have
    domains: Sequence[str | None] = ()  # of those that have



class ExplainableEmotionRecognizer(Verbs, nn.Module):
    """Explains the emotion of speech with a trained model folder.

    :meth:`from_hparams` gives one that is SpeechBrain's ``Pretrained`` too; this class alone has what the commands need
    without loading SpeechBrain.

    Arguments
    ---------
    modules : dict
        ``{"model": ExplainableSER}``.
    hparams : dict
        ``emotions``, ``max_seconds`` and ``stage`` of the folder.
    run_opts : dict, optional
        ``device``.
    freeze_params : bool
        Whether parameters are frozen and the model is put in eval.

    Raises
    ------
    SettingsError
        If there is no such device, or a run option is SpeechBrain's alone.

    Example
    -------
    >>> import tempfile
    >>> from speechbrain_xser.model_folder.save import write_model_folder
    >>> from speechbrain_xser.testing import tiny_lobes, tiny_manifest, tiny_model
    >>> place = Path(tempfile.mkdtemp())
    >>> model, config = tiny_model(place, max_new_tokens=8), tiny_lobes(place, max_new_tokens=8)
    >>> folder = write_model_folder(place / "trained", model, {"model": config})
    >>> recognizer = ExplainableEmotionRecognizer.from_hparams(folder, run_opts={"device": "cpu"})
    >>> _ = tiny_manifest(place, clips=1)
    >>> recognizer.explain_file(place / "train" / "000.wav").speech  # a tone
    False
    >>> recognizer.speech_check = False  # whatever it is, the model is asked
    >>> explanation = recognizer.explain_file(place / "train" / "000.wav")
    >>> round(sum(explanation.probabilities.values()), 6)
    1.0
    """

    decoding = PLAIN_DECODING
    speech_check = True  # whether a clip without speech is told as such, and the model is not asked
    mean_voice: MeanVoice | None = None  # of the training set, where the folder has it
    domain: DomainReference | None = None  # what the domain of a clip is judged by, where the folder has it
    reliability: Reliability | None = None  # how often answers of a certain sureness are right, where the folder has it
    demonstration = False  # whether answers say that the model is for showing only
    unknown = True  # whether the emotion of a clip out of the domain is "unknown"

    def __init__(self, modules: dict, hparams: dict, run_opts: dict | None = None, freeze_params: bool = True) -> None:
        super().__init__()
        run_opts = run_opts or {}
        if foreign := sorted(set(run_opts) - {"device"}):
            raise SettingsError(
                f"Run options {foreign} are SpeechBrain's: load the model with from_hparams, which supports them."
            )
        self.device = checked_device(run_opts.get("device"))
        self.mods = nn.ModuleDict(modules).to(self.device)
        self.hparams = SimpleNamespace(**hparams)
        if freeze_params:
            self.mods.eval().requires_grad_(False)

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
        pretrained: bool = True,
        speech_check: bool = True,
        unknown: bool = True,
        custom_encoder: SpeechEncoder | None = None,
        trust_remote_code: bool = False,
        **kwargs: object,
    ) -> ExplainableEmotionRecognizer:
        """Loads a trained model folder; without ``trust_remote_code``, nothing that the folder holds is ever run.

        Arguments
        ---------
        source : str or Path
            A local folder, ``small`` or ``tiny`` for a model of the package, ``packaged:NAME``, or a hub id.
        hparams_file : str
            Name of the YAML inside the folder, which has to say the same as its ``settings.json``: that alone decides.
        overrides : dict, optional
            Own values for keys of the YAML, e.g. ``{"encoder_source": "/models/hubert"}`` for a local copy.
        savedir : str or Path, optional
            Where a hub model is downloaded to, and its commit is recorded; by default the user's cache. A local folder
            needs none: it is read where it lies.
        revision : str, optional
            Full commit of a hub model. Without one, the recorded commit is used; where there is no record, the newest
            commit is looked up once, printed and recorded.
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
        pretrained : bool
            Whether it is SpeechBrain's ``Pretrained`` too, with all its run options: a
            :class:`~speechbrain_xser.inference.pretrained.PretrainedRecognizer`. False starts sooner, and knows only
            ``device``.
        speech_check : bool
            Whether a clip is looked for speech first: where there is none, the model is not asked. Without the check
            silence, tones and noise get labels like any speech.
        unknown : bool
            Whether the emotion of a clip that is unlike what the model was trained on is "unknown", where the folder
            can tell; the paragraph and the probabilities stay.
        custom_encoder : SpeechEncoder, optional
            The encoder of a model that was trained with one of a class of your own.
        trust_remote_code : bool
            As in transformers: whether the Python files that lie beside an LLM inside the folder (``llm/*.py``) are
            imported and run, with all rights of this process, where its ``config.json`` names classes in them. Give it
            only for a folder whose code you have read, and a hub model only at that commit. Code of other
            repositories is never run, and the folder cannot set this itself.
        **kwargs
            For the constructor.

        Returns
        -------
        ExplainableEmotionRecognizer

        Raises
        ------
        UnsafeModelError
            If the folder asks for anything outside the allow-list, ``revision`` is no full commit, or the record of a
            hub model's commit is damaged.
        CheckpointError
            If weights are missing, broken, or of other names or shapes.
        BackboneError
            If a backbone cannot be found, or is not the one that the folder was trained with.
        OutOfMemoryError
            If the device has not enough memory for it; names the remedy.
        SettingsError
            If LoRA shall be merged into quantised weights, or ``max_seconds`` is more than the encoder can hear.
        """
        run_opts = dict(run_opts or {})
        dtype = run_opts.pop("dtype", None)
        overrides = {**(overrides or {}), **({"llm_dtype": dtype} if dtype else {})}
        folder = model_folder(source, revision, savedir, trust_remote_code)
        with naming_memory(f"{source} was loaded", SMALLER_TO_LOAD):
            trusted = {"encoder": custom_encoder, "trust_remote_code": trust_remote_code}
            model, hparams = read_model_folder(folder, overrides, hparams_file, **trusted)
            hparams["savedir"] = savedir
            kind = cls
            if pretrained and cls is ExplainableEmotionRecognizer:
                from speechbrain_xser.inference.pretrained import (
                    PretrainedRecognizer as kind,  # loads all of speechbrain
                )
            recognizer = kind(modules={"model": model}, hparams=hparams, run_opts=run_opts, **kwargs)
        recognizer.mean_voice = read_mean_voice(folder, model)
        recognizer.domain = read_domain(folder, model, STAGES[hparams["stage"]])
        recognizer.reliability = read_reliability(folder)
        if merge:
            recognizer.merge()
        form = structured_form(hparams["emotions"]) if structured else None
        recognizer.decoding = Decoding(speculate=speculate, form=form, graphs=graphs)
        recognizer.speech_check, recognizer.unknown = speech_check, unknown
        return recognizer

    def explain_file(self, path: SoundSource, track: int | None = None) -> Explanation:
        """Explains one sound file or film, of any format, rate and channels that ``load_audio`` reads.

        Arguments
        ---------
        path : str, Path, bytes or binary file
            A local file, a pipe, an http(s) address, the content of a file, or a file that is open for reading.
        track : int, optional
            Which sound track of a film, counted from 1; by default the one that it marks as its default, else the
            first.

        Returns
        -------
        Explanation
            Of a file without speech only that: ``speech`` is False.

        Raises
        ------
        AudioError
            If the file is missing, cannot be fetched, is not audio, truncated or empty, holds NaN or infinity, or is
            longer than ``max_seconds``; names the file.
        """
        return self.explain_batch(self.load_audio(path, track=track)[None])[0]

    def explain_batch(
        self, wavs: Tensor, wav_lens: Tensor | None = None, sampling_rate: int | None = None
    ) -> list[Explanation]:
        """Explains a batch; each utterance gets what it would get alone.

        Arguments
        ---------
        wavs : Tensor, array, or list of them
            Samples, [B, S], floats in -1..1; or a list of clips of any lengths, each of them [S], or with channels, or
            a pair (samples, rate) as ``torchaudio.load`` returns it (:mod:`speechbrain_xser.data.arrays`).
        wav_lens : Tensor or sequence of float, optional
            Relative lengths of a [B, S], [B], above 0 and at most 1; all full by default.
        sampling_rate : int, optional
            Samples a second, by default the encoder's; others are resampled.

        Returns
        -------
        list of Explanation
            B of them.

        Raises
        ------
        AudioError
            If an utterance is empty, not finite or longer than ``max_seconds``, a length is not in 0..1, or this is no
            sound at all; names its row.

        Example
        -------
        >>> import speechbrain_xser
        >>> from speechbrain_xser.data.synthetic.corpus import plan, speak
        >>> recognizer = ExplainableEmotionRecognizer.from_hparams(speechbrain_xser.packaged_model())
        >>> one, other = speak(plan("test", 3, seed=1)), 0.1 * torch.randn(16000)
        >>> [alone], both = recognizer.explain_batch([one]), recognizer.explain_batch([one, other])
        >>> alone.paragraph == both[0].paragraph  # padding does not change an explanation
        True
        >>> both[1].speech  # noise
        False
        """
        batches = [(wavs, wav_lens)]
        return [found for batch in self.explain_batches(batches, sampling_rate=sampling_rate) for found in batch]

    def explain_batches(
        self,
        batches: Iterable[tuple[Tensor, Tensor | None]],
        joined: int = 8,
        speech_check: bool | None = None,
        sampling_rate: int | None = None,
        unknown: bool | None = None,
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
        speech_check : bool, optional
            Whether clips are looked for speech first; by default as the recogniser was told.
        sampling_rate : int, optional
            As for :meth:`explain_batch`.
        unknown : bool, optional
            Whether the emotion of a clip out of the domain is "unknown"; by default as the recogniser was told.

        Yields
        ------
        list of Explanation
            For each batch, in order.

        Raises
        ------
        AudioError
            As :meth:`explain_batch`, when all batches before the one that cannot be used have been explained.
        OutOfMemoryError
            If memory runs out; names the remedy.

        Example
        -------
        >>> import speechbrain_xser
        >>> recognizer = ExplainableEmotionRecognizer.from_hparams(speechbrain_xser.packaged_model())
        >>> wavs = [0.1 * torch.randn(2, 8000), 0.1 * torch.randn(1, 16000)]
        >>> found = list(recognizer.explain_batches(((wav, None) for wav in wavs), speech_check=False))
        >>> [len(one) for one in found], found[0][0].speech  # nobody looked
        ([2, 1], True)
        """
        batches = iter(batches)
        while group := list(islice(batches, joined)):
            encoded, refused = [], None
            with naming_memory(f"{len(group)} batches of clips were explained", SMALLER_TO_EXPLAIN), self._precise():
                for batch in group:
                    try:
                        encoded.append(self._encoded(batch, sampling_rate, speech_check))
                    except AudioError as error:  # after the batches before it
                        refused = error
                        break
                found = self._answered([one for one in encoded if one.tokens is not None], unknown)
            for one in encoded:
                yield [next(found) if spoken else Explanation.without_speech() for spoken in one.spoken]
            if refused is not None:
                raise refused

    def explain_live(self, wav: Tensor, sampling_rate: int | None = None) -> Iterator[str | Explanation]:
        """Explains one clip and shows the paragraph while it is generated.

        Arguments
        ---------
        wav : Tensor, array, or a pair of one and its rate
            One clip, as in the list that :meth:`explain_batch` takes.
        sampling_rate : int, optional
            As for :meth:`explain_batch`.

        Yields
        ------
        str or Explanation
            The paragraph so far after each step, the whole one, and at last what :meth:`explain_batch` gives; only that
            where there is no speech.

        Raises
        ------
        AudioError
            As :meth:`explain_batch`, when the first text is asked for.

        Example
        -------
        >>> import speechbrain_xser
        >>> from speechbrain_xser.data.synthetic.corpus import plan, speak
        >>> recognizer = ExplainableEmotionRecognizer.from_hparams(speechbrain_xser.packaged_model())
        >>> wav = speak(plan("test", 3, seed=1))
        >>> *texts, explanation = recognizer.explain_live(wav)
        >>> len(texts) > 1, texts[-1] == explanation.paragraph, [explanation] == recognizer.explain_batch(wav[None])
        (True, True, True)
        """
        yield from each_within(self._live(wav, sampling_rate), self._precise, torch.no_grad)

    def _live(self, wav: Tensor, sampling_rate: int | None) -> Iterator[str | Explanation]:
        [spoken], tokens, heard = self._encoded(([wav], None), sampling_rate)
        if not spoken:
            yield Explanation.without_speech()
            return
        model, stage = self.mods.model, STAGES[self.hparams.stage]
        options = {"close_quotes": stage.quotes, "decoding": self.decoding}
        for text in model.decoder.generate_live(tokens, stage.instruction, **options):
            yield text
        [found] = model.decoder.emotion_probabilities(tokens, stage.instruction, [text], self.hparams.emotions)
        yield self._explanation(text, found.tolist(), *heard)

    def _encoded(self, batch: tuple, sampling_rate: int | None, speech_check: bool | None = None) -> _Encoded:
        """Soft tokens of the clips of a batch that have speech; without the check that is all of them."""
        if not (isinstance(batch, tuple | list) and len(batch) == 2):
            raise AudioError(f"a batch is {type(batch).__name__}; expected a pair (wavs, wav_lens), or (wavs, None).")
        wavs, samples = self.checked_batch(*batch, sampling_rate)
        spoken = [True] * len(wavs)
        if self.speech_check if speech_check is None else speech_check:
            rate = self.mods.model.encoder.sample_rate
            spoken = [has_speech(wav[:count], rate) for wav, count in zip(wavs, samples.tolist(), strict=True)]
        if not any(spoken):
            return _Encoded(spoken)
        states, outputs = self.listen(wavs[spoken], samples[spoken])
        tokens = {name: output.tokens for name, output in outputs.items()}
        if self.domain is None:
            return _Encoded(spoken, tokens, [DEMONSTRATION if self.demonstration else None] * len(states.frames))
        return _Encoded(spoken, tokens, domains(clip_means(states, outputs), self.domain))

    def _answered(self, encoded: list[_Encoded], unknown: bool | None) -> Iterator[Explanation]:
        """Explanations of all rows of several batches."""
        if not encoded:
            return iter(())
        joined = {name: SoftTokens.joined([one.tokens[name] for one in encoded]) for name in encoded[0].tokens}
        stage, emotions = STAGES[self.hparams.stage], self.hparams.emotions
        texts, found = self.mods.model.explain_tokens(joined, stage, emotions, self.decoding)
        heard = [domain for one in encoded for domain in one.domains]
        rows = zip(texts, found.tolist(), heard, strict=True)
        return iter([self._explanation(*row, unknown) for row in rows])

    def forward(
        self, wavs: Tensor, wav_lens: Tensor | None = None, sampling_rate: int | None = None
    ) -> list[Explanation]:
        """The same as :meth:`explain_batch`."""
        return self.explain_batch(wavs, wav_lens, sampling_rate)

    def merge(self) -> None:
        """Merges LoRA into the decoder's weights for deployment; the answers stay the same.

        Raises
        ------
        SettingsError
            If the decoder's weights are quantised.
        """
        self.mods.model.decoder.merge()

    def _explanation(
        self, paragraph: str, probabilities: list[float], domain: str | None, unknown: bool | None = None
    ) -> Explanation:
        if not all(map(math.isfinite, probabilities)):
            raise CheckpointError("the model's probabilities are no finite numbers: its weights overflow.")
        record = parse(paragraph)
        named = dict(zip(self.hparams.emotions, probabilities, strict=True))
        hidden = domain == OUT and (self.unknown if unknown is None else unknown)
        emotion = UNKNOWN if hidden else record.emotion
        return Explanation(paragraph, record.transcript, record.descriptors, emotion, named, domain=domain)
