"""Small probes, the same for every view: logistic regression on a clip's mean and deviation, linear CTC on its frames.

Source: probing as a measure of what a representation holds (Alain & Bengio, 2017, ICLR workshop); the control by the
most frequent class stands beside it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple
from zlib import crc32

import jiwer
import torch
from torch import nn

from speechbrain_xser.data.manifest import Utterance
from speechbrain_xser.decoder.heads import HeadsDecoder
from speechbrain_xser.errors import ProbeError
from speechbrain_xser.lobes.adapter import SoftTokens
from speechbrain_xser.metrics.text_normalization import normalise
from speechbrain_xser.probing.latents import ClipLatents
from speechbrain_xser.stages import TRANSCRIBE
from speechbrain_xser.versions import install_hint

FIELDS: dict[str, Callable[[Utterance], str | None]] = {
    "speaker": lambda clip: clip.speaker,
    "gender": lambda clip: clip.gender,
    "pitch": lambda clip: clip.pitch,
    "level": lambda clip: clip.volume,
    "speed": lambda clip: clip.speed,
    "emotion": lambda clip: clip.emotion,
}
CONTENT = "content, CER"
STEPS, BATCH, RATE = 600, 32, 0.05  # of the CTC probe, whose rate falls to zero


class Probe(NamedTuple):
    """What was found of one property.

    Accuracies in percent, the higher the more is kept; of ``content, CER`` the character error rate, the lower.
    """

    name: str
    views: dict[str, float]  # by view
    majority: float | None  # the most frequent class of the training clips; None of the error rate
    clips: int  # tested


def probe_clips(train: Sequence[ClipLatents], test: Sequence[ClipLatents], seed: int = 0) -> list[Probe]:
    """Probes all properties that the clips tell.

    Arguments
    ---------
    train, test : sequence of ClipLatents
        Of other speakers, so that a property is not told by who speaks. The speaker himself is probed within ``test``:
        half of each one's clips, by a checksum of the id, teach who he is.
    seed : int
        Of the CTC probe.

    Returns
    -------
    list of Probe
        In the order of ``FIELDS``, then the words.

    Raises
    ------
    ProbeError
        If there are too few clips for any probe.
    """
    halves: tuple[list[ClipLatents], list[ClipLatents]] = ([], [])
    for clip in test:
        halves[crc32(clip.utterance.id.encode()) % 2].append(clip)
    found = []
    for name, field in FIELDS.items():
        parts = halves if name == "speaker" else (train, test)
        if (probe := _classified(name, field, *parts)) is not None:
            found.append(probe)
    spoken = [[clip for clip in part if normalise(clip.utterance.transcript)] for part in (train, test)]
    if all(spoken):
        views = {view: character_error_rate(view, *spoken, seed=seed) for view in train[0].frames}
        found.append(Probe(CONTENT, views, None, len(spoken[1])))
    if not found:
        raise ProbeError("The manifests have no property that can be probed, or too few clips.")
    return found


def _classified(name: str, field: Callable, train: Sequence[ClipLatents], test: Sequence[ClipLatents]) -> Probe | None:
    """Accuracy in every view; None where the training clips do not have two classes."""
    told = [[clip for clip in part if field(clip.utterance) is not None] for part in (train, test)]
    labels = [[field(clip.utterance) for clip in part] for part in told]
    if len(set(labels[0])) < 2 or not labels[1]:
        return None
    commonest = Counter(labels[0]).most_common(1)[0][0]
    majority = 100 * sum(label == commonest for label in labels[1]) / len(labels[1])
    views = {}
    for view in train[0].frames:
        features = [torch.stack([clip.pooled(view) for clip in part]).numpy() for part in told]
        views[view] = 100 * float(_regression().fit(features[0], labels[0]).score(features[1], labels[1]))
    return Probe(name, views, majority, len(labels[1]))


def _regression():
    try:
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler
    except ImportError as error:
        raise ProbeError(f"Probing needs scikit-learn. Run: {install_hint('report')}") from error
    return make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=1000))


def character_error_rate(view: str, train: Sequence[ClipLatents], test: Sequence[ClipLatents], seed: int = 0) -> float:
    """Character error rate of a linear CTC probe, greedy and without a language model.

    Arguments
    ---------
    view : str
        The weighted sum, or a branch.
    train, test : sequence of ClipLatents
        With transcripts.
    seed : int
        Of the start and the order.

    Returns
    -------
    float
        Percent.
    """
    torch.manual_seed(seed)
    mean, deviation = _standard(view, train)
    decoder = HeadsDecoder(len(mean), transcribes=view)
    optimizer = torch.optim.Adam(decoder.characters.parameters(), RATE)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, STEPS)
    for rows in islice(_batches(len(train)), STEPS):
        tokens = _tokens(view, [train[row] for row in rows], mean, deviation)
        answer = decoder(tokens, TRANSCRIBE, [train[row].utterance.transcript for row in rows])
        optimizer.zero_grad()
        (answer.nats() / max(1, len(answer.targets))).backward()
        optimizer.step()
        schedule.step()
    heard = []
    for start in range(0, len(test), BATCH):
        tokens = _tokens(view, test[start : start + BATCH], mean, deviation)
        heard += decoder.generate(tokens, TRANSCRIBE)
    return 100 * float(jiwer.cer([normalise(clip.utterance.transcript) for clip in test], heard))


def _batches(clips: int) -> Iterator[list[int]]:
    """Endless batches, every clip once before any comes again."""
    while True:
        yield from (rows.tolist() for rows in torch.randperm(clips).split(BATCH))


def _standard(view: str, clips: Sequence[ClipLatents]) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and deviation of every unit over all frames."""
    frames = torch.cat([clip.frames[view] for clip in clips])
    return frames.mean(0), frames.std(0).clamp(min=1e-6)


def _tokens(view: str, clips: Sequence[ClipLatents], mean: torch.Tensor, deviation: torch.Tensor) -> dict:
    frames = [(clip.frames[view] - mean) / deviation for clip in clips]
    padded = nn.utils.rnn.pad_sequence(frames, batch_first=True)
    return {view: SoftTokens(padded, torch.tensor([len(f) for f in frames]))}
