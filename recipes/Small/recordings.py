"""A session is spoken and written down, clip by clip: what is there already stays, and no file is half written."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import NamedTuple

import soundfile
import torch
from Small.conditions import recorded
from Small.descriptors import spoken_descriptors, volume_of
from Small.joining import SAMPLE_RATE, joined, trimmed
from Small.sentences import Transcripts, written
from Small.sessions import Script, Session
from Small.voices import EspeakVoice, Programs, Voice, open_voice, speakers
from torch import Tensor

from speechbrain_xser.data.exclusions import Dropped
from speechbrain_xser.data.manifest import Utterance
from speechbrain_xser.errors import AudioError
from speechbrain_xser.utils.files import moved_into_place

MAX_SECONDS = 20.0
TOO_LONG = f"longer than {MAX_SECONDS:g} s"


class Style(NamedTuple):
    """What a manifest says of a clip."""

    transcripts: Transcripts = "sentence"  # how it writes what was said
    annotate: bool = False  # whether it has pitch, volume, speed, intonation and emphasis


class Take(NamedTuple):
    """A clip as it was written down."""

    seconds: float
    descriptors: dict[str, str | list[str] | None]  # empty where none are wanted


def record(
    folder: Path, programs: Programs, style: Style, others: tuple[str, ...], session: Session
) -> list[Utterance | Dropped]:
    """Speaks the clips of a session that are not there yet.

    Arguments
    ---------
    folder : Path
        Where ``NAME.flac`` goes; must be there.
    programs : Programs
        Where the programs are. None is started where every clip is there.
    style : Style
        What the manifest says of a clip. Descriptors are kept in the comment of the file.
    others : tuple of str
        What those say who babble.
    session : Session
        What to say.

    Returns
    -------
    list of Utterance or Dropped
        In the session's order; a clip of more than 20 s is dropped.

    Raises
    ------
    AudioError, SettingsError
        If a voice fails; what was written stays for the next time.

    Example
    -------
    >>> from Small.sessions import sessions
    >>> [session] = sessions("test", ["she sang a song"], 1, 2, Programs())
    >>> session = session._replace(speaker=speakers("test", Programs())["espeak"][0])
    >>> [said] = record(getfixture("tmp_path"), Programs(), Style(), ("he hums",), session)
    >>> said.transcript, Path(said.wav).is_file(), 1.0 < said.duration < 3.0
    ('She sang a song.', True, True)
    """
    torch.set_num_threads(1)
    booth, said = _Booth(session, programs), []
    try:
        for script in session.scripts:
            path = (folder / f"{session.name(script, style if style.annotate else None)}.flac").resolve()
            take = _taken(path) or _write(path, booth, script, style, others)
            said.append(_utterance(path, take, session, script, style))
    finally:
        booth.close()
    return said


class _Booth:
    """The session's voice, which is opened when it is first asked for."""

    def __init__(self, session: Session, programs: Programs):
        self.session, self.programs = session, programs
        self.voice: Voice | None = None

    def say(self, sentence: str) -> Tensor:
        """A sentence without silence at its ends, [S]."""
        if self.voice is None:
            self.voice = open_voice(self.session.speaker, self.session.manner, self.programs)
        wave = trimmed(self.voice.say(written(sentence)))
        if not wave.any():
            raise AudioError(
                f"{self.session.speaker.id} says nothing where {sentence!r} is to be said, expected sound."
            )
        return wave

    def close(self) -> None:
        """Closes the voice, where it was opened."""
        if self.voice is not None:
            self.voice.close()


def _taken(path: Path) -> Take | None:
    """A clip that is there and whole."""
    try:
        with soundfile.SoundFile(path) as file:
            return Take(file.frames / file.samplerate, json.loads(file.comment or "{}"))
    except (soundfile.LibsndfileError, json.JSONDecodeError):  # not there, or empty after a power cut
        return None


def _write(path: Path, booth: _Booth, script: Script, style: Style, others: tuple[str, ...]) -> Take:
    clean = joined([booth.say(sentence) for sentence in script.sentences], script.pauses)
    babble = _babblers(others) if script.conditions.noise == "babble" else ()
    wave = recorded(clean, script.conditions, script.seed, babble)
    if (seconds := len(wave) / SAMPLE_RATE) > MAX_SECONDS:
        return Take(seconds, {})
    gender, transcript = booth.session.speaker.gender, _transcript(script, style)
    found = spoken_descriptors(clean, transcript, gender) | {"volume": volume_of(wave)} if style.annotate else {}
    with (
        moved_into_place(path) as beside,
        soundfile.SoundFile(beside, "w", SAMPLE_RATE, 1, "PCM_16", None, "FLAC") as file,
    ):
        if found:
            file.comment = json.dumps(found)
        file.write(wave.numpy())
    return Take(seconds, found)


@cache
def _babblers(texts: tuple[str, ...]) -> tuple[Tensor, ...]:
    """Clips that babble is made of, by eSpeak's training voices."""
    there = speakers("train", Programs())["espeak"]
    voices = [EspeakVoice(there[7 * number % len(there)].name, 1.0, 1.0) for number in range(len(texts))]
    return tuple(trimmed(voice.say(text)) for voice, text in zip(voices, texts, strict=True))


def _transcript(script: Script, style: Style) -> str:
    return " ".join(written(sentence, style.transcripts) for sentence in script.sentences)


def _utterance(path: Path, take: Take, session: Session, script: Script, style: Style) -> Utterance | Dropped:
    if take.seconds > MAX_SECONDS:
        return Dropped(script.id, TOO_LONG, f"{take.seconds:.1f} s")
    emphasis = take.descriptors.get("emphasis")
    return Utterance(
        script.id,
        str(path),
        duration=round(take.seconds, 4),
        speaker=session.speaker.id,
        transcript=_transcript(script, style),
        gender=session.speaker.gender,
        **(take.descriptors | {"emphasis": emphasis and tuple(emphasis)}),
        split=session.split,
    )
