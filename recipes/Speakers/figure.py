"""How well `xser timeline --speakers` tells speakers apart: the figure of docs/results/speakers.md.

    python recipes/Speakers/figure.py choose --data=corpora
    python recipes/Speakers/figure.py test --data=corpora

``choose`` prints errors for many thresholds on held-out speakers, ``test`` the figure at the package's threshold. Both
need `xser setup speakers`. ``corpora`` holds ``librispeech``, ``cremad`` and ``ravdess``, each with a ``manifest.csv``.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # recipes

import speechbrain_xser  # noqa: F401, it checks the versions of what is imported next

# isort: split
import click
import numpy as np
import soundfile
from Speakers.conversations import Clip, Conversation, clips_held_out, clips_to_test, conversations
from Speakers.diarization_error import Errors, Segment, diarization_errors, total
from tqdm import tqdm

from speechbrain_xser.data.speech import SpeechDetector
from speechbrain_xser.data.waveform import SAMPLE_RATE
from speechbrain_xser.lobes.speaker_encoder import SpeakerEncoder, speaker_encoder
from speechbrain_xser.timeline.cutting import PLAIN_CUTTING, Span
from speechbrain_xser.timeline.diarization import assign
from speechbrain_xser.timeline.moment_stream import find_speech
from speechbrain_xser.timeline.recording import Recording
from speechbrain_xser.utils.commandline import one_line_errors

COLLAR = 0.25  # seconds, as in NIST's evaluations; moments have a context of 0.2 s
THRESHOLDS = [round(0.10 + 0.02 * step, 2) for step in range(21)]
TESTED = {"LibriSpeech": 10, "CREMA-D": 10}  # conversations
CHOSEN_ON = {"LibriSpeech": 12, "CREMA-D": 30, "RAVDESS": 30}


class Heard(NamedTuple):
    """A conversation as the timeline hears it."""

    conversation: Conversation
    spans: list[Span]
    voices: np.ndarray  # [N, E]

    @property
    def seconds(self) -> np.ndarray:
        """Lengths of the moments, [N]."""
        return np.array([(span.stop - span.start) / SAMPLE_RATE for span in self.spans])

    def errors(self, labels: Sequence[int], collar: float) -> Errors:
        """The errors of a choice of speakers."""
        found = [
            Segment(span.start / SAMPLE_RATE, span.stop / SAMPLE_RATE, str(label))
            for span, label in zip(self.spans, labels, strict=True)
        ]
        return diarization_errors(self.conversation.segments, found, collar)


def hear(conversation: Conversation, encoder: SpeakerEncoder) -> Heard:
    """The moments of a conversation, found in its file, and their voices."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "conversation.flac")
        soundfile.write(path, conversation.wav.numpy(), SAMPLE_RATE)
        speech = list(find_speech(Recording(path), PLAIN_CUTTING, SpeechDetector()))
    voices = np.stack([encoder.embed(one.samples).numpy() for one in speech])
    return Heard(conversation, [one.span for one in speech], voices)


def all_heard(clips: dict[str, list[Clip]], counts: dict[str, int], encoder: SpeakerEncoder) -> dict[str, list[Heard]]:
    """So many conversations of each corpus."""
    heard = {}
    for corpus, found in clips.items():
        spoken = conversations(corpus, found, counts[corpus])
        heard[corpus] = [hear(one, encoder) for one in tqdm(spoken, corpus, counts[corpus])]
    return heard


class Figure(NamedTuple):
    """A way to name speakers, over several conversations."""

    strict: Errors  # without a collar
    errors: Errors  # with it
    right: int  # conversations whose number of speakers was found
    numbers: list[tuple[int, int]]  # speakers, and speakers found


def figure(heard: Sequence[Heard], name: Callable[[Heard], list[int]]) -> Figure:
    """Measures what ``name(one)`` makes of the moments of each conversation."""
    labels = [name(one) for one in heard]
    numbers = [(one.conversation.speakers, len(set(own))) for one, own in zip(heard, labels, strict=True)]
    strict, lenient = (
        total([one.errors(own, collar) for one, own in zip(heard, labels, strict=True)]) for collar in (0.0, COLLAR)
    )
    return Figure(strict, lenient, sum(truth == found for truth, found in numbers), numbers)


def row(name: str, found: Figure) -> str:
    """A row of the table in Markdown."""
    parts = (found.errors.missed, found.errors.false_alarm, found.errors.confused)
    shares = [f"{100 * part / found.errors.speech:.1f}" for part in parts]
    rates = [f"{100 * one.rate:.1f} %" for one in (found.errors, found.strict)]
    return f"| {name} | {rates[0]} | {' / '.join(shares)} | {rates[1]} | {found.right} of {len(found.numbers)} |"


def chosen(encoder: SpeakerEncoder, known: bool = False) -> Callable[[Heard], list[int]]:
    """The package's own choice of speakers, with or without their number."""
    return lambda one: assign(
        one.voices, one.seconds, encoder.apart, one.conversation.speakers if known else None
    )


@click.group()
def main() -> None:
    """Chooses the threshold, or tests it."""


DATA = click.option("--data", type=click.Path(exists=True, file_okay=False, path_type=Path), required=True)


def table(heard: dict[str, list[Heard]], encoder: SpeakerEncoder) -> list[str]:
    """The figure's rows, and the number of speakers of each conversation beside the number that was found."""
    ways = {
        f"{encoder.name}, distance {encoder.apart:g}": chosen(encoder),
        f"{encoder.name}, number of speakers given": chosen(encoder, known=True),
        "all one speaker": lambda one: [0] * len(one.spans),
    }
    groups = {**heard, "both": [one for own in heard.values() for one in own]}
    rows = [row(f"{corpus}: {name}", figure(own, way)) for corpus, own in groups.items() for name, way in ways.items()]
    numbers = figure(groups["both"], chosen(encoder)).numbers
    return [*rows, "speakers, and found: " + ", ".join(f"{truth}→{found}" for truth, found in numbers)]


@main.command()
@DATA
def choose(data: Path) -> None:
    """Errors by threshold on held-out speakers; the smallest mean over the corpora was chosen."""
    with one_line_errors():
        heard = all_heard(clips_held_out(data), CHOSEN_ON, speaker_encoder())
        for apart in THRESHOLDS:
            cells = []
            for own in heard.values():
                found = figure(own, lambda one, apart=apart: assign(one.voices, one.seconds, apart))
                cells.append(f"{100 * found.errors.rate:.1f} %, {found.right} of {len(own)}")
            print(f"| {apart:.2f} | {' | '.join(cells)} |", flush=True)


@main.command()
@DATA
def test(data: Path) -> None:
    """The figure on 20 conversations of test speakers."""
    with one_line_errors():
        encoder = speaker_encoder()
        print(*table(all_heard(clips_to_test(data), TESTED, encoder), encoder), sep="\n")


if __name__ == "__main__":
    main()
