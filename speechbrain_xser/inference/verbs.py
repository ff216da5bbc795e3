"""The recogniser's methods with the names that users of SpeechBrain's ``EncoderClassifier`` and ``EncoderASR`` know."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from speechbrain_xser.answer.explanation import UNKNOWN, Explanation
from speechbrain_xser.data.sound_source import SoundSource
from speechbrain_xser.errors import AudioError, SettingsError
from speechbrain_xser.inference.embeddings import Embeddings, embeddings_of
from speechbrain_xser.inference.listener import Listener
from speechbrain_xser.stages import STAGES, Stage

NOTHING = -1  # the index of a clip without speech


class Classification(NamedTuple):
    """The emotions of a batch; unpacks into the four values of SpeechBrain's ``classify_batch``.

    Example
    -------
    >>> probabilities = torch.tensor([[0.2, 0.8]])
    >>> out_prob, score, index, text_lab = Classification(probabilities, *probabilities.max(-1), ["sad"])
    >>> text_lab[0], round(float(score[0]), 6)
    ('sad', 0.8)
    """

    out_prob: Tensor  # [B, C] float32, probabilities in the order of ``hparams.emotions``
    score: Tensor  # [B] float32, the largest
    index: Tensor  # [B] int64, its class; -1 for a clip without speech
    text_lab: list[str | None]  # its name; "unknown" out of the domain, None without speech


class Verbs(Listener):
    """Mixed into the recogniser, whose ``explain_batch`` they use."""

    def classify_batch(
        self, wavs: Tensor, wav_lens: Tensor | None = None, sampling_rate: int | None = None
    ) -> Classification:
        """Names the emotion of each clip of a batch, as SpeechBrain's ``EncoderClassifier.classify_batch`` does.

        As there, the result is (out_prob, score, index, text_lab), where the label belongs to the largest score. Unlike
        there, scores are probabilities, not their logarithms. The paragraph may name another emotion than the most
        probable one: ``explain_batch`` gives both.

        Arguments
        ---------
        wavs, wav_lens, sampling_rate
            As for ``explain_batch``.

        Returns
        -------
        Classification
            Probabilities [B, C], their maximum [B], its index [B], and B labels. A clip without speech has zeros, the
            index -1 and the label ``None``; one out of the model's domain keeps its numbers and is "unknown".

        Raises
        ------
        AudioError
            As ``explain_batch``.

        Example
        -------
        >>> from speechbrain_xser import ExplainableEmotionRecognizer
        >>> from speechbrain_xser.data.synthetic.corpus import plan, speak
        >>> recognizer = ExplainableEmotionRecognizer.from_hparams("tiny")
        >>> wav = speak(plan("test", 3, seed=1))
        >>> out_prob, score, index, text_lab = recognizer.classify_batch([wav, torch.zeros(16000)])
        >>> text_lab[0] == recognizer.hparams.emotions[index[0]], round(float(out_prob[0].sum()), 6)
        (True, 1.0)
        >>> text_lab[1], int(index[1])  # silence
        (None, -1)
        """
        refuse_without_emotion(STAGES[self.hparams.stage])
        return _classified(self.explain_batch(wavs, wav_lens, sampling_rate), self.hparams.emotions)

    def classify_file(self, path: SoundSource, **options: object) -> Classification:
        """Names the emotion of one file.

        Arguments
        ---------
        path : str, Path, bytes or binary file
            As for ``explain_file``.
        **options
            For ``load_audio``: ``track``; a ``savedir`` is not used.

        Returns
        -------
        Classification
            As of :meth:`classify_batch`, for a batch of one.

        Raises
        ------
        AudioError
            As ``explain_file``.
        """
        return self.classify_batch(self.load_audio(path, **options)[None])

    def transcribe_file(self, path: SoundSource, **options: object) -> str:
        """Writes down what is said in one file: the words that the paragraph quotes.

        Arguments
        ---------
        path : str, Path, bytes or binary file
            As for ``explain_file``.
        **options
            As for :meth:`classify_file`.

        Returns
        -------
        str
            The transcript; empty if there is no speech, or the paragraph quotes nothing.

        Raises
        ------
        AudioError
            As ``explain_file``.
        SettingsError
            If the model was trained on answers without a transcript.

        Example
        -------
        >>> import soundfile
        >>> from speechbrain_xser import ExplainableEmotionRecognizer
        >>> from speechbrain_xser.data.synthetic.corpus import plan, speak
        >>> path = getfixture("tmp_path") / "clip.wav"
        >>> soundfile.write(path, speak(plan("test", 3, seed=1)), 16000)
        >>> recognizer = ExplainableEmotionRecognizer.from_hparams("tiny")
        >>> recognizer.transcribe_file(path) == recognizer.explain_file(path).transcript
        True
        """
        stage = STAGES[self.hparams.stage]
        if not stage.transcribes:
            raise SettingsError(
                f"this model was trained in the stage {stage.name!r}, whose answers have no transcript: use a model of "
                "another stage, or explain_file."
            )
        [told] = self.explain_batch(self.load_audio(path, **options)[None])
        return (told.transcript if stage.quotes else told.paragraph) or ""

    def encode_batch(
        self, wavs: Tensor, wav_lens: Tensor | None = None, sampling_rate: int | None = None
    ) -> Embeddings:
        """Embeds each clip of a batch: what its branches let through, frame by frame and as a mean.

        Speech or not, every clip is embedded. Where the model cuts silence around speech, frames are those of the rest.

        Arguments
        ---------
        wavs, wav_lens, sampling_rate
            As for ``explain_batch``.

        Returns
        -------
        Embeddings
            Of the branches that the model hears, by their names.

        Raises
        ------
        AudioError
            As ``explain_batch``.

        Example
        -------
        >>> from speechbrain_xser import ExplainableEmotionRecognizer
        >>> recognizer = ExplainableEmotionRecognizer.from_hparams("tiny")
        >>> found = recognizer.encode_batch([0.1 * torch.randn(16000), 0.1 * torch.randn(8000)])
        >>> found.frames["descriptor"].shape, found.counts["descriptor"]
        (torch.Size([2, 46, 64]), tensor([46, 21]))
        >>> mean = found.frames["descriptor"][1, :21].mean(0)
        >>> torch.allclose(found.utterances["descriptor"][1], mean, atol=1e-5)
        True
        """
        wavs, samples = self.checked_batch(wavs, wav_lens, sampling_rate)
        if not len(wavs):
            raise AudioError("the batch has no clip; expected at least one.")
        return embeddings_of(self.listen(wavs, samples)[1])


def refuse_without_emotion(stage: Stage) -> None:
    """Refuses a model whose answers name no emotion, so that none is told in its name.

    Example
    -------
    >>> refuse_without_emotion(STAGES["asr"])
    Traceback (most recent call last):
        ...
    speechbrain_xser.errors.SettingsError: this model was trained in the stage 'asr', whose answers name no emotion: \
use a model of another stage.
    """
    if not stage.names_emotion:
        raise SettingsError(
            f"this model was trained in the stage {stage.name!r}, whose answers name no emotion: use a model of "
            "another stage."
        )


def _classified(explanations: Sequence[Explanation], emotions: Sequence[str]) -> Classification:
    rows = [[told.probabilities.get(emotion, 0.0) for emotion in emotions] for told in explanations]
    probabilities = torch.tensor(rows, dtype=torch.float32).reshape(len(rows), len(emotions))
    score, index = probabilities.max(-1)
    spoken = torch.tensor([told.speech for told in explanations], dtype=torch.bool)
    labels = [_label(told, emotions[place]) for told, place in zip(explanations, index.tolist(), strict=True)]
    return Classification(probabilities, score, index.where(spoken, NOTHING), labels)


def _label(told: Explanation, best: str) -> str | None:
    if not told.speech:
        return None
    return UNKNOWN if told.emotion == UNKNOWN else best
