"""All evidence for one clip, together with the model's explanation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from speechbrain_xser.annotator.analysis import hear
from speechbrain_xser.annotator.cutoffs import Cutoffs
from speechbrain_xser.answer.claim import Claim
from speechbrain_xser.answer.reliability import Reliability, SureBin
from speechbrain_xser.data.waveform import SAMPLE_RATE, resampled
from speechbrain_xser.decoder.decoder import LLMDecoder
from speechbrain_xser.errors import SettingsError
from speechbrain_xser.evidence.attribution import Attribution, voice_or_words, with_voice
from speechbrain_xser.evidence.claims import examined
from speechbrain_xser.evidence.curves import Curves, curves_of
from speechbrain_xser.evidence.localization import Where, where_in_time
from speechbrain_xser.evidence.measurements import Measured
from speechbrain_xser.evidence.quote_check import QuoteCheck, whisper_check
from speechbrain_xser.lobes.adapter import SoftTokens
from speechbrain_xser.lobes.branch import BranchOutput
from speechbrain_xser.lobes.word_recognizer import WhisperRecognizer
from speechbrain_xser.model import recognizers
from speechbrain_xser.model_folder.mean_voice import voice_tokens
from speechbrain_xser.stages import STAGES, VOICE, Stage
from speechbrain_xser.utils.modes import evaluating

if TYPE_CHECKING:
    from speechbrain_xser.answer.explanation import Explanation
    from speechbrain_xser.inference.recognizer import ExplainableEmotionRecognizer
    from speechbrain_xser.model import ExplainableSER


class Evidence(NamedTuple):
    """The explanation of one clip and the evidence for it; without speech, everything else is empty or None."""

    explanation: Explanation
    claims: list[Claim]  # of the paragraph, compared with the signal
    measured: Measured | None  # in the clip, whatever the paragraph says
    attribution: Attribution | None  # voice or words
    swapped: dict[str, float] | None  # the classes' probabilities with the other voice, if one was given
    average: dict[str, float] | None  # the same with the training set's mean voice, if the model has it
    where: Where | None
    curves: Curves | None
    reliability: Reliability | None = None  # of answers as sure, where the folder has it
    wav: Tensor | None = None  # the clip, [S] at 16 kHz

    def as_dict(self) -> dict:
        """Plain values for JSON, without the sound, and pitch, level and waveform over time.

        Returns
        -------
        dict
            ``claims``, ``measured``, ``reliability``, ``voice_or_words``, ``swapped``, ``average`` and ``where``;
            without speech, no claims and None for the others.
        """
        shares, sure = self.attribution, self.as_sure
        return {
            "claims": [claim._asdict() | {"verdict": claim.verdict.value} for claim in self.claims],
            "measured": None if self.measured is None else self.measured._asdict(),
            "reliability": None if sure is None else sure._asdict() | {"source": self.reliability.source},
            "voice_or_words": None if shares is None else shares._asdict() | {"total": shares.total},
            "swapped": self.swapped,
            "average": self.average,
            "where": _plain(self.where),
        }

    @property
    def as_sure(self) -> SureBin | None:
        """How often answers with about this probability were right; None if that is not known."""
        told = self.explanation
        return None if self.reliability is None else self.reliability.of(told.probabilities.get(told.emotion))


def gather_evidence(
    recognizer: ExplainableEmotionRecognizer,
    wav: Tensor,
    explanation: Explanation | None = None,
    voice: Tensor | None = None,
    transcript: str | None = None,
    cutoffs: Cutoffs | None = None,
    sampling_rate: int | None = None,
) -> Evidence:
    """Explains a clip and gathers the evidence; a clip without speech has none.

    Arguments
    ---------
    recognizer : ExplainableEmotionRecognizer
        A recogniser whose model has an LLM.
    wav : Tensor, array, or a pair of one and its rate
        One clip, [S], as ``recognizer.load_audio`` reads it or as ``recognizer.explain_live`` takes it.
    explanation : Explanation, optional
        The clip's explanation, if it was explained already.
    voice : Tensor, array, or a pair of one and its rate, optional
        Another clip, [S'], whose voice replaces the clip's own.
    transcript : str, optional
        What is actually said; by default what the paragraph quotes.
    cutoffs : Cutoffs, optional
        Where low ends and high begins; by default the package's references.
    sampling_rate : int, optional
        Samples per second of both clips, by default the encoder's; other rates are resampled.

    Returns
    -------
    Evidence

    Raises
    ------
    AudioError
        If a waveform is empty, not finite, too long for the model, or not a waveform.
    SettingsError
        If the model writes no paragraphs, or its stage names no emotion.

    Example
    -------
    >>> import speechbrain_xser
    >>> from speechbrain_xser.inference.recognizer import ExplainableEmotionRecognizer
    >>> recognizer = ExplainableEmotionRecognizer.from_hparams(speechbrain_xser.packaged_model())
    >>> from speechbrain_xser.data.synthetic.corpus import plan, speak
    >>> evidence = gather_evidence(recognizer, speak(plan("test", 3, seed=1)))
    >>> evidence.attribution.emotion == evidence.explanation.emotion
    True
    >>> gather_evidence(recognizer, 0.1 * torch.sin(6.2832 * 200 * torch.arange(16000) / 16000)).where is None  # a tone
    True
    """
    model, stage, emotions = recognizer.mods.model, STAGES[recognizer.hparams.stage], recognizer.hparams.emotions
    check_paragraphs(model, stage)
    wav = recognizer.checked_clip(wav, sampling_rate)
    voice = None if voice is None else recognizer.checked_clip(voice, sampling_rate, "voice")
    explanation = explanation or recognizer.explain_batch([wav])[0]
    if not explanation.speech:
        return Evidence(explanation, [], None, None, None, None, None, None)
    paragraph = explanation.paragraph
    with evaluating(model), torch.no_grad():
        branches = _heard(recognizer, wav)
        tokens = {name: output.tokens for name, output in branches.items()}
        [attribution] = voice_or_words(model, tokens, stage, [paragraph], emotions)
        other, mean = None if voice is None else _heard(recognizer, voice)[VOICE].tokens, None
        if recognizer.mean_voice is not None and (latent := branches[VOICE].latent) is not None:
            mean = voice_tokens(model, recognizer.mean_voice, latent.frames)
        swapped = _with(model, tokens, other, stage, paragraph, emotions)
        average = _with(model, tokens, mean, stage, paragraph, emotions)
    where = where_in_time(model, branches, stage, paragraph, emotions, attribution.emotion)
    where = where._replace(start_seconds=recognizer.heard_span(wav).start / model.encoder.sample_rate)
    check = _quote_check(recognizer, wav)
    wav = resampled(wav, model.encoder.sample_rate, SAMPLE_RATE, "the clip")
    heard = hear(wav)
    found = examined(paragraph, heard, transcript, cutoffs, check=check)
    told = (attribution, swapped, average, where, curves_of(wav, heard), recognizer.reliability, wav)
    return Evidence(explanation, *found, *told)


def _quote_check(recognizer: ExplainableEmotionRecognizer, wav: Tensor) -> QuoteCheck | None:
    """Asks the model's own Whisper about the words, as the model heard the clip; None for a model without one."""
    own = next((one for one in recognizers(recognizer.mods.model) if isinstance(one, WhisperRecognizer)), None)
    return None if own is None else whisper_check(own, wav[recognizer.heard_span(wav)].to(recognizer.device))


def check_paragraphs(model: ExplainableSER, stage: Stage) -> None:
    """Raises a ``SettingsError`` if the model has no LLM, or its stage names no emotion."""
    if not (isinstance(model.decoder, LLMDecoder) and stage.names_emotion):
        raise SettingsError(
            f"This model answers with a {type(model.decoder).__name__} in stage {stage.name!r}, expected an LLM that "
            "names an emotion: evidence needs paragraphs. Use a model of another system."
        )


def _with(
    model: ExplainableSER, tokens: Mapping[str, SoftTokens], voice: SoftTokens | None, stage: Stage, paragraph: str,
    emotions: Sequence[str],
) -> dict[str, float] | None:  # fmt: skip
    """The classes' probabilities with another voice."""
    if voice is None:
        return None
    [row] = with_voice(model, tokens, voice, stage, [paragraph], emotions).tolist()
    return dict(zip(emotions, row, strict=True))


def _heard(recognizer: ExplainableEmotionRecognizer, wav: Tensor) -> dict[str, BranchOutput]:
    """The outputs of all branches for one clip."""
    wav = wav[recognizer.heard_span(wav)]
    samples, stage = torch.tensor([len(wav)]), STAGES[recognizer.hparams.stage]
    return recognizer.mods.model.encode_branches(wav[None].to(recognizer.device), samples, stage)


def _plain(value: object) -> object:
    """Named tuples and tensors as dictionaries and lists."""
    if isinstance(value, Tensor):
        return [round(number, 6) for number in value.tolist()]
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}
    if hasattr(value, "_asdict"):
        return {name: _plain(part) for name, part in value._asdict().items()}
    return value
