"""Who says what, planned before anything is spoken: sessions of one speaker in one manner, a few clips each.

Session ``n`` of a split depends on the seed and on the sessions before it, so more clips are the same clips and some.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from random import Random
from typing import NamedTuple

from Small.conditions import Chances, Conditions, draw_conditions
from Small.voices import Manner, Programs, Speaker, draw_manner, draw_speaker, speakers

VERSION = 1  # of how a plan is spoken, in the names of files: another version is spoken anew
CLIPS = {"train": 20, "valid": 1, "test": 1}  # a session: one, so that a small set has every speaker
SHARES = {"flite": 0.5, "espeak": 0.25, "piper": 0.25}
CHARACTERS_A_SECOND = 16.0  # at rate 1; the voices say 17 to 20
SECONDS = (1.5, 16.0)  # of a clip's speech, as it is planned
LONGEST = 16.5  # seconds as planned, so that with silence and pauses no clip is longer than 20 s
PAUSES = (0.15, 0.7)  # seconds between sentences
PLAIN = Chances(room=0.0, noise=0.0, silence_seconds=(0.1, 0.5), level=(-30.0, -20.0), low_pass=0.0)  # of the test


class Script(NamedTuple):
    """One clip."""

    id: str
    sentences: tuple[str, ...]  # as WordNet has them
    pauses: tuple[float, ...]  # seconds, between them
    conditions: Conditions
    seed: int  # of the noise


class Session(NamedTuple):
    """A few clips of one speaker in one manner."""

    split: str
    speaker: Speaker
    manner: Manner
    scripts: tuple[Script, ...]

    def name(self, script: Script, style: tuple | None = None) -> str:
        """The file of a clip, without its suffix: of another plan, or in another style, another."""
        plan = repr((VERSION, self.speaker, self.manner, script, style))
        return f"{script.id}-{sha256(plan.encode()).hexdigest()[:8]}"


def sessions(split: str, sentences: Sequence[str], clips: int, seed: int, programs: Programs) -> list[Session]:
    """Plans the clips of a split.

    Training and validation have clips of one sentence to many, under all conditions; the test has one sentence a clip,
    as the voice speaks it, in quiet.

    Arguments
    ---------
    split : "train", "valid" or "test"
        Chooses speakers and conditions.
    sentences : sequence of str
        Are said in this order, and again from the first when all are said.
    clips : int
        How many.
    seed : int
        Decides everything else.
    programs : Programs
        Who is there to speak.

    Returns
    -------
    list of Session
        The last may be shorter.

    Example
    -------
    >>> few = sessions("train", ["he hums", "she sang a song"], 30, 1, Programs())
    >>> [len(session.scripts) for session in few]
    [20, 10]
    >>> more = sessions("train", ["he hums", "she sang a song"], 40, 1, Programs())
    >>> more[0] == few[0], more[1].scripts[:10] == few[1].scripts
    (True, True)
    """
    texts, there = _Texts(sentences), speakers(split, programs)
    return [
        _session(split, number, min(CLIPS[split], clips - number), texts, there, seed)
        for number in range(0, clips, CLIPS[split])
    ]


def _session(split: str, number: int, clips: int, texts: _Texts, there: dict[str, list[Speaker]], seed: int) -> Session:
    random = Random(f"{seed} {split} {number}")
    speaker = draw_speaker(random, there, SHARES)
    manner = Manner() if split == "test" else draw_manner(random, speaker)
    return Session(
        split, speaker, manner, tuple(_script(split, number + index, texts, manner, random) for index in range(clips))
    )


def _script(split: str, number: int, texts: _Texts, manner: Manner, random: Random) -> Script:
    said = (texts.take(),) if split == "test" else _several(texts, random, manner.rate)
    return Script(
        f"small-{split}-{number:05d}",
        said,
        tuple(round(random.uniform(*PAUSES), 3) for _ in said[1:]),
        draw_conditions(random, PLAIN if split == "test" else None),
        seed=random.randrange(2**31),
    )


def _several(texts: _Texts, random: Random, rate: float) -> tuple[str, ...]:
    """As many sentences as come nearest to a length: short clips are as frequent as long ones by their logarithm."""
    shortest, longest = SECONDS
    wanted = shortest * (longest / shortest) ** random.random()
    said = [texts.take()]
    seconds = _seconds(said[0], rate)
    while seconds + (more := _seconds(texts.next, rate)) / 2 < wanted and seconds + more < LONGEST:
        said.append(texts.take())
        seconds += more
    return tuple(said)


def _seconds(sentence: str, rate: float) -> float:
    """How long a sentence and the pause before it will be, about."""
    return len(sentence) / (CHARACTERS_A_SECOND * rate) + sum(PAUSES) / 2


class _Texts:
    """Sentences one after the other, again from the first when all are taken; the next can be looked at."""

    def __init__(self, sentences: Sequence[str]):
        self.sentences, self.taken = sentences, 0

    @property
    def next(self) -> str:
        """What :meth:`take` will give."""
        return self.sentences[self.taken % len(self.sentences)]

    def take(self) -> str:
        """The next sentence."""
        sentence, self.taken = self.next, self.taken + 1
        return sentence
