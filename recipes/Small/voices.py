"""Voices that can say any text: flite's, eSpeak NG's and Piper's, behind one interface.

A :class:`Speaker` is somebody who can be asked to speak, a :class:`Manner` how fast and how high; :func:`open_voice`
makes a :class:`Voice` of both. What is said depends on text, speaker and manner alone, but for
the breath of eSpeak's f2, f3 and victor, who do not train.
"""

from __future__ import annotations

from math import exp, log
from random import Random
from typing import NamedTuple, Protocol

import torch
import torchaudio
from Small.flite import Flite
from Small.piper import Piper
from torch import Tensor

from speechbrain_xser.data.synthetic.espeak import Espeak, Speaking
from speechbrain_xser.data.synthetic.voices import voices
from speechbrain_xser.errors import SettingsError

SAMPLE_RATE = 16000
WORDS_A_MINUTE = 170  # of eSpeak at rate 1
FLITE = {  # gender, and median F0 in hertz
    "train": {"slt": ("female", 170), "awb": ("male", 130), "kal16": ("male", 95)},
    "valid": {},
    "test": {"rms": ("male", 100)},
}
JOE = ("joe", "male")
BREATHY = ("f5", "Alicia", "sandro")  # of eSpeak's training variants: their noise is another each time
RATES = (0.75, 1.35)  # of the voice's own
PITCHES = (0.8, 1.5)  # so that men too are heard low, normal and high


class Manner(NamedTuple):
    """How somebody speaks, as factors of the speaker's own."""

    rate: float = 1.0
    pitch: float = 1.0


class Speaker(NamedTuple):
    """Somebody who can speak."""

    program: str  # flite, espeak or piper
    name: str  # the program's own
    gender: str  # male or female

    @property
    def id(self) -> str:
        """For a manifest."""
        return f"{self.program}-{self.name}"


class Programs(NamedTuple):
    """What is installed where; eSpeak NG comes with the package."""

    flite: str = "flite"  # a path, or a name that is looked up
    piper: str | None = None  # None where there is none
    piper_model: str | None = None  # en_US-joe-medium.onnx, with its JSON beside it


class Voice(Protocol):
    """A speaker in one manner."""

    def say(self, text: str) -> Tensor:
        """Speaks a text: [S] float32 at 16 kHz, full scale is 1."""

    def close(self) -> None:
        """Ends the program, where one is running."""


class EspeakVoice:
    """eSpeak NG in process.

    Arguments
    ---------
    name : str
        "language+variant".
    rate, pitch : float
        Factors of 170 words a minute, and of the variant's own pitch.

    Example
    -------
    >>> slow, fast = (EspeakVoice("en-us+f1", rate, 1.0).say("Good morning") for rate in (0.8, 1.2))
    >>> len(slow) > len(fast) > 4000
    True
    """

    def __init__(self, name: str, rate: float, pitch: float):
        points = 50 + 25 * log(pitch) / log(4 / 3)  # as speechbrain_xser.data.synthetic.voices.pitch_parameter
        self.speaking = Speaking(name, rate=round(WORDS_A_MINUTE * rate), pitch=max(0, min(100, round(points))))

    def say(self, text: str) -> Tensor:
        """Speaks a text: [S] float32 at 16 kHz."""
        wave = torch.from_numpy(Espeak().say(text, self.speaking, restart=True))
        return torchaudio.functional.resample(wave, Espeak.sample_rate, SAMPLE_RATE)

    def close(self) -> None:
        """Nothing is running."""


def speakers(split: str, programs: Programs) -> dict[str, list[Speaker]]:
    """Who speaks in a split, by program.

    Arguments
    ---------
    split : "train", "valid" or "test"
        eSpeak's variants are divided as in the embedded corpus, without the breathy ones in training. flite's
        rms is kept for testing; Piper's joe trains.
    programs : Programs
        Without a Piper, joe is not there.

    Returns
    -------
    dict of str to list of Speaker
        In a fixed order.

    Example
    -------
    >>> [speaker.id for speaker in speakers("train", Programs())["flite"]]
    ['flite-slt', 'flite-awb', 'flite-kal16']
    >>> list(speakers("test", Programs())), list(speakers("train", Programs(piper="piper")))
    (['flite', 'espeak'], ['flite', 'espeak', 'piper'])
    """
    found = {
        "flite": [Speaker("flite", name, gender) for name, (gender, _) in FLITE[split].items()],
        "espeak": [
            Speaker("espeak", voice.name, voice.gender) for voice in voices(split) if not voice.name.endswith(BREATHY)
        ],
        "piper": [Speaker("piper", *JOE)] if split == "train" and programs.piper else [],
    }
    return {program: there for program, there in found.items() if there}


def draw_speaker(random: Random, by_program: dict[str, list[Speaker]], shares: dict[str, float]) -> Speaker:
    """Draws a speaker: a program by its share, then a gender, then a name.

    Arguments
    ---------
    random : Random
        Decides.
    by_program : dict of str to list of Speaker
        As :func:`speakers` gives it.
    shares : dict of str to float
        How often each program speaks; of those that are not there nothing counts.

    Returns
    -------
    Speaker

    Example
    -------
    >>> there = speakers("train", Programs())
    >>> draw_speaker(Random(1), there, {"flite": 1.0, "espeak": 0.0}).program
    'flite'
    """
    names = [program for program in by_program if shares.get(program, 0.0) > 0]
    (program,) = random.choices(names, [shares[name] for name in names])
    gender = random.choice(sorted({speaker.gender for speaker in by_program[program]}))
    return random.choice([speaker for speaker in by_program[program] if speaker.gender == gender])


def draw_manner(random: Random, speaker: Speaker) -> Manner:
    """Draws how fast and how high somebody speaks; Piper and flite's rms keep their pitch.

    Arguments
    ---------
    random : Random
        Decides.
    speaker : Speaker
        Whose manner it is.

    Returns
    -------
    Manner

    Example
    -------
    >>> draw_manner(Random(1), Speaker("flite", "rms", "male")).pitch
    1.0
    """
    rate, pitch = random.uniform(*RATES), exp(random.uniform(*map(log, PITCHES)))
    fixed = speaker.program == "piper" or speaker.name == "rms"
    return Manner(round(rate, 3), 1.0 if fixed else round(pitch, 3))


def open_voice(speaker: Speaker, manner: Manner, programs: Programs) -> Voice:
    """A speaker who is ready to speak.

    Arguments
    ---------
    speaker : Speaker
        Who.
    manner : Manner
        How.
    programs : Programs
        Where the programs are.

    Returns
    -------
    Voice
        To be closed.

    Raises
    ------
    SettingsError
        If the program is missing or does not have the voice.

    Example
    -------
    >>> voice = open_voice(Speaker("espeak", "en-us+m3", "male"), Manner(), Programs())
    >>> voice.say("Hello").dtype
    torch.float32
    """
    if speaker.program == "espeak":
        return EspeakVoice(speaker.name, *manner)
    if speaker.program == "flite":
        hertz = {name: hertz for side in FLITE.values() for name, (_, hertz) in side.items()}[speaker.name]
        pitch = None if manner.pitch == 1.0 else manner.pitch * hertz
        return Flite(speaker.name, manner.rate, pitch, programs.flite)
    if speaker.program == "piper":
        return Piper(programs.piper, programs.piper_model, manner.rate)
    raise SettingsError(f"There is no program {speaker.program!r} to speak, expected flite, espeak or piper.")
