"""Evaluates a trained model on a manifest through the interface that users call.

Every clip that can be read is explained; any other is reported. Speech detection is off: the corpus says that its clips
contain speech, and a detector must not change a score. For the same reason no emotion is "unknown". Training has its
own evaluation, over the batches of a run; this one measures what a user of the folder gets.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from torch import Tensor
from tqdm import tqdm

from speechbrain_xser.data.faults import Fault, FaultCounter
from speechbrain_xser.data.manifest import Utterance
from speechbrain_xser.data.pipeline import dataset
from speechbrain_xser.inference.length_order import explain_by_length
from speechbrain_xser.metrics.answers import UtteranceAnswer
from speechbrain_xser.metrics.scores import Scores, score
from speechbrain_xser.utils.devices import evaluation_rows

if TYPE_CHECKING:
    from speechbrain_xser.answer.explanation import Explanation
    from speechbrain_xser.inference.recognizer import ExplainableEmotionRecognizer


def explain_manifest(
    recognizer: ExplainableEmotionRecognizer,
    manifest: str,
    data_folder: str | None = None,
    batch_size: int | None = None,
) -> tuple[list[Utterance], list[Explanation]]:
    """Explains every clip of a manifest, clips of similar length together.

    A clip that cannot be read, or is longer than the model's ``max_seconds``, is reported and left out.

    Arguments
    ---------
    recognizer : ExplainableEmotionRecognizer
        The model.
    manifest : str
        A JSONL manifest.
    data_folder : str or None
        What ``{data_root}`` in it stands for.
    batch_size : int, optional
        Clips that go through the model together; it does not change an explanation. By default 32 on a GPU of 40 GB or
        more, else 8.

    Returns
    -------
    tuple of list
        The utterances that could be read, short clips first, and an explanation for each.

    Raises
    ------
    ManifestError
        If the manifest is wrong or empty, or needs a data folder.
    TrainingError
        If more than one clip in a hundred (and more than one) is left out.

    Example
    -------
    >>> from speechbrain_xser import ExplainableEmotionRecognizer, packaged_model
    >>> from speechbrain_xser.testing import tiny_manifest
    >>> manifest = tiny_manifest(getfixture("tmp_path"), clips=2)
    >>> recognizer = ExplainableEmotionRecognizer.from_hparams(packaged_model())
    >>> utterances, explanations = explain_manifest(recognizer, manifest)
    >>> sorted(utterance.id for utterance in utterances), len(explanations)
    (['train-000', 'train-001'], 2)
    """
    clips = dataset(manifest, data_folder, recognizer.hparams.max_seconds, skip_long=True)
    unreadable = FaultCounter(len(clips))

    def read(place: int) -> Tensor | None:
        wav = clips[place]["wav"]
        if not isinstance(wav, Fault):
            return wav
        unreadable.add([wav])
        return None

    together = batch_size or evaluation_rows(str(recognizer.device))
    lengths = dict(enumerate(clips.data.seconds))
    found = explain_by_length(recognizer, lengths, read, together, speech_check=False, unknown=False)
    found = list(tqdm(found, desc="explaining", total=len(clips), unit="clip", disable=None))
    utterances = [clips.data[clips.data_ids[place]]["utterance"] for place, _ in found]
    return utterances, [explanation for _, explanation in found]


def scores(utterances: Sequence[Utterance], explanations: Sequence[Explanation]) -> Scores:
    """Scores explanations against what a manifest says.

    Arguments
    ---------
    utterances : sequence of Utterance
        With their true labels.
    explanations : sequence of Explanation
        One for each.

    Returns
    -------
    Scores

    Example
    -------
    >>> from speechbrain_xser.answer.render import render
    >>> from speechbrain_xser.answer.explanation import Explanation
    >>> truth = Utterance("a", "a.wav", transcript="hello you", emotion="happy")
    >>> told = Explanation(render(truth.record()), "hello you", None, "happy", {"happy": 1.0})
    >>> scores([truth], [told]).ua
    100.0
    """
    return score([u.record() for u in utterances], [e.paragraph for e in explanations])


def answers(utterances: Sequence[Utterance], explanations: Sequence[Explanation]) -> list[UtteranceAnswer]:
    """Rows for :func:`~speechbrain_xser.metrics.answers.write_answers`, like those of a training run.

    Example
    -------
    >>> from speechbrain_xser.answer.explanation import Explanation
    >>> answers([Utterance("a", "a.wav")], [Explanation("Sad.", None, None, "sad", {"sad": 1.0})])[0].text
    'Sad.'
    """
    return [UtteranceAnswer(u, e.paragraph, e.probabilities) for u, e in zip(utterances, explanations, strict=True)]
