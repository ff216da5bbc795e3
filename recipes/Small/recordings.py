"""A session is spoken and written down, clip by clip: what is there already stays, and no file is half written."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import soundfile
import torch
from Small.conditions import recorded
from Small.joining import SAMPLE_RATE, joined, trimmed
from Small.sentences import Transcripts, written
from Small.sessions import Script, Session
from Small.voices import EspeakVoice, Programs, Voice, open_voice, speakers
from torch import Tensor

from speechbrain_xser.data.audio import seconds_of
from speechbrain_xser.data.exclusions import Dropped
from speechbrain_xser.data.manifest import Utterance
from speechbrain_xser.errors import AudioError
from speechbrain_xser.utils.files import moved_into_place

MAX_SECONDS = 20.0
TOO_LONG = f"longer than {MAX_SECONDS:g} s"


def record(
    folder: Path, programs: Programs, transcripts: Transcripts, others: tuple[str, ...], session: Session
) -> list[Utterance | Dropped]:
    """Speaks the clips of a session that are not there yet.

    Arguments
    ---------
    folder : Path
        Where ``NAME.flac`` goes; must be there.
    programs : Programs
        Where the programs are. None is started where every clip is there.
    transcripts : "sentence", "pauseless" or "words"
        How the manifest writes what was said.
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
    >>> [said] = record(getfixture("tmp_path"), Programs(), "sentence", ("he hums",), session)
    >>> said.transcript, Path(said.wav).is_file(), 1.0 < said.duration < 3.0
    ('She sang a song.', True, True)
    """
    torch.set_num_threads(1)
    booth, said = _Booth(session, programs), []
    try:
        for script in session.scripts:
            path = (folder / f"{session.name(script)}.flac").resolve()
            seconds = _length(path) or _write(path, booth, script, others)
            said.append(_utterance(path, seconds, session, script, transcripts))
    finally:
        booth.close()
    return said


class _Booth:
    """The session's voice, which is opened when it is first asked for."""

    def __init__(self, session: Session, programs: Programs):
        self.session, self.programs = session, programs
        self.voice: Voice | None = None

    def say(self, sentence: str) -> Tensor:
        if self.voice is None:
            self.voice = open_voice(self.session.speaker, self.session.manner, self.programs)
        wave = trimmed(self.voice.say(written(sentence)))
        if not wave.any():
            raise AudioError(
                f"{self.session.speaker.id} says nothing where {sentence!r} is to be said, expected sound."
            )
        return wave

    def close(self) -> None:
        if self.voice is not None:
            self.voice.close()


def _length(path: Path) -> float | None:
    """Seconds of a clip that is there and whole."""
    try:
        return seconds_of(path) if path.is_file() else None
    except AudioError:  # a power cut left it empty
        return None


def _write(path: Path, booth: _Booth, script: Script, others: tuple[str, ...]) -> float:
    clean = joined([booth.say(sentence) for sentence in script.sentences], script.pauses)
    babble = _babblers(booth.session.split, others) if script.conditions.noise == "babble" else ()
    wave = recorded(clean, script.conditions, script.seed, babble)
    seconds = len(wave) / SAMPLE_RATE
    if seconds <= MAX_SECONDS:
        with moved_into_place(path) as beside:
            soundfile.write(beside, wave.numpy(), SAMPLE_RATE, subtype="PCM_16", format="FLAC")
    return seconds


@cache
def _babblers(split: str, texts: tuple[str, ...]) -> tuple[Tensor, ...]:
    """Clips that babble is made of, by eSpeak's voices of the split."""
    there = speakers(split, Programs())["espeak"]
    voices = [EspeakVoice(there[7 * number % len(there)].name, 1.0, 1.0) for number in range(len(texts))]
    return tuple(trimmed(voice.say(text)) for voice, text in zip(voices, texts, strict=True))


def _utterance(
    path: Path, seconds: float, session: Session, script: Script, transcripts: Transcripts
) -> Utterance | Dropped:
    if seconds > MAX_SECONDS:
        return Dropped(script.id, TOO_LONG, f"{seconds:.1f} s")
    return Utterance(
        script.id,
        str(path),
        duration=round(seconds, 4),
        speaker=session.speaker.id,
        transcript=" ".join(written(sentence, transcripts) for sentence in script.sentences),
        gender=session.speaker.gender,
        split=session.split,
    )
