"""eSpeak NG in this process, through the shared library in ``espeakng-loader``.

The library has one global state, so threads take turns; a corpus is spoken by several processes. API: eSpeak NG's
``speak_lib.h``.
"""

from __future__ import annotations

import _ctypes
import ctypes
from bisect import bisect_right
from itertools import accumulate
from operator import itemgetter
from typing import NamedTuple
from xml.sax.saxutils import escape

import numpy as np

from speechbrain_xser.utils.locks import ProcessLock

_SYNCHRONOUS = 2
_FLAGS = 0x01 | 0x10  # UTF-8 text, SSML marks
_UTF8, _IPA, _UNDERSCORES = 1, 0x02, ord("_") << 8  # underscores between the phonemes of a word
_RATE, _VOLUME, _PITCH, _RANGE = 1, 2, 3, 4
_PHONEME_EVENTS = 0x01  # requested when the library is initialised
_LAST_EVENT, _WORD_EVENT, _PHONEME_EVENT = 0, 1, 7
_SILENT = frozenset("-–—…\"'“”‘’„«».,;:!?()[]¿¡")  # a word of only these is not spoken
_OPEN, _CLOSE = "<speak>", "</speak>"


class _Event(ctypes.Structure):
    """``espeak_EVENT``; the last field is a union, read as its text."""

    _fields_ = [
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("string", ctypes.c_char * 8),
    ]


_turn = ProcessLock()  # for the library, whose state all threads share
_UNLOAD = _ctypes.dlclose if hasattr(_ctypes, "dlclose") else _ctypes.FreeLibrary
_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))


class Speaking(NamedTuple):
    """eSpeak's parameters for one utterance."""

    voice: str  # "language+variant", such as "en-us+f1"
    rate: int = 165  # words per minute, 80..450
    pitch: int = 50  # 0..100; 50 is the voice's own
    pitch_range: int = 50  # 0 is a monotone, 100 the liveliest
    emphasis: str | None = None  # a word of the text, spoken with strong emphasis


class Phone(NamedTuple):
    """A phoneme and when it starts."""

    seconds: float
    name: str  # eSpeak's ASCII name; empty for a pause


class WordStart(NamedTuple):
    """A word of the text and when it starts."""

    seconds: float
    index: int  # among the text's words, split at white space


class Espeak:
    """The synthesiser.

    ``phones`` and ``words`` belong to the last text spoken. A word that eSpeak joins to the one before it ("the" in
    "of the") or does not speak (a dash) has no start of its own.

    Raises
    ------
    OSError
        If the library does not find its data.

    Example
    -------
    >>> espeak = Espeak()
    >>> wave = espeak.say("Hello", Speaking("en-us+m3"))
    >>> len(wave) > espeak.sample_rate // 10
    True
    >>> wave = espeak.say("Tom & Jerry", Speaking("en-us"))
    >>> [word.index for word in espeak.words]
    [0, 1, 2]
    """

    _library: ctypes.CDLL | None = None
    sample_rate: int = 0

    def __init__(self):
        with _turn:
            if Espeak._library is None:
                Espeak._library, Espeak.sample_rate = _initialize()
        self._chunks: list[np.ndarray] = []
        self.phones: list[Phone] = []  # of the last text
        self.words: list[WordStart] = []  # of the last text
        self._offsets: list[tuple[int, int]] = []  # position of each word in the SSML, and its index
        self._callback = _CALLBACK(self._collect)

    @staticmethod
    @_turn
    def restart() -> None:
        """Reloads the library in about a millisecond, so that the sound depends on its text alone.

        The library's oscillators continue where the last utterance left them, which shifts a word by up to 20 ms, and
        ``espeak_Terminate`` alone does not reset them. Breathy variants stay random.

        Example
        -------
        >>> espeak, sounds = Espeak(), []
        >>> for _ in range(2):
        ...     wave = espeak.say("Good morning", Speaking("en-us"))
        ...     espeak.restart()
        ...     sounds.append(espeak.say("Hello", Speaking("en-us")))
        >>> np.array_equal(*sounds)
        True
        """
        Espeak._library.espeak_Terminate()
        _UNLOAD(Espeak._library._handle)
        Espeak._library, Espeak.sample_rate = _initialize()

    def _collect(self, samples, count: int, events) -> int:
        if count > 0:
            self._chunks.append(np.ctypeslib.as_array(samples, (count,)).copy())
        index = 0
        while events[index].type != _LAST_EVENT:
            self._note(events[index])
            index += 1
        return 0

    def _note(self, event: _Event) -> None:
        seconds = event.sample / self.sample_rate
        if event.type == _PHONEME_EVENT:
            self.phones.append(Phone(seconds, event.string.decode()))
        if event.type == _WORD_EVENT and self._offsets:
            index = self._offsets[max(0, bisect_right(self._offsets, event.text_position, key=itemgetter(0)) - 1)][1]
            if not self.words or index > self.words[-1].index:  # a number causes several events
                self.words.append(WordStart(seconds, index))

    @_turn
    def say(self, text: str, speaking: Speaking, restart: bool = False) -> np.ndarray:
        """Speaks a plain text: [S] float32 in -1..1 at ``sample_rate`` Hz.

        ``restart`` reloads the library first, so that nothing spoken earlier affects the sound.

        Raises
        ------
        ValueError
            For an unknown voice, or an emphasised word that is not in the text.
        """
        if restart:
            self.restart()
        library = Espeak._library
        library.espeak_SetSynthCallback(self._callback)
        if library.espeak_SetVoiceByName(speaking.voice.encode()) != 0:
            raise ValueError(f"eSpeak NG has no voice {speaking.voice!r}; give 'language+variant', such as 'en-us+f1'.")
        values = {_RATE: speaking.rate, _PITCH: speaking.pitch, _RANGE: speaking.pitch_range, _VOLUME: 60}
        for parameter, value in values.items():
            library.espeak_SetParameter(parameter, int(value), 0)
        words = _marked(text, speaking.emphasis)
        self._chunks, self.phones, self.words = [], [], []
        self._offsets = _offsets(words)
        data = f"{_OPEN}{' '.join(words)}{_CLOSE}".encode("utf-8", "replace")
        library.espeak_Synth(data, len(data) + 1, 0, 1, 0, _FLAGS, None, None)
        samples = np.concatenate(self._chunks) if self._chunks else np.zeros(0, np.int16)
        return samples.astype(np.float32) / 32768

    @staticmethod
    @_turn
    def phonemes(text: str, voice: str) -> str:
        """The pronunciation of a text in IPA, underscores between phonemes; an unknown voice raises a ``ValueError``.

        Example
        -------
        >>> Espeak().phonemes("two cats", "en-us")
        't_ˈuː k_ˈæ_t_s'
        """
        library = Espeak._library
        if library.espeak_SetVoiceByName(voice.encode()) != 0:
            raise ValueError(f"eSpeak NG has no voice {voice!r}; give a language such as 'en', 'de' or 'cmn'.")
        rest, clauses = ctypes.c_char_p(text.encode("utf-8", "replace")), []
        while rest.value is not None:
            clauses.append(library.espeak_TextToPhonemes(ctypes.byref(rest), _UTF8, _IPA | _UNDERSCORES).decode())
        return " ".join(clauses)


def _marked(text: str, emphasis: str | None) -> list[str]:
    """The words of a text as SSML."""
    words = [escape(word) for word in text.split()]
    if emphasis is not None:
        index = text.split().index(emphasis)
        words[index] = f'<emphasis level="strong"><prosody rate="80%">{words[index]}</prosody></emphasis>'
    return words


def _offsets(words: list[str]) -> list[tuple[int, int]]:
    """Where each word starts in the SSML, counted from one as in events, and its index.

    eSpeak reports a word after a dash at the dash, so a dash has the index of the word after it.
    """
    starts = list(accumulate((len(word) + 1 for word in words), initial=len(_OPEN) + 1))
    offsets, spoken = [], len(words) - 1
    for index in reversed(range(len(words))):
        spoken = spoken if set(words[index]) <= _SILENT else index
        offsets.append((starts[index], spoken))
    return offsets[::-1]


def _initialize() -> tuple[ctypes.CDLL, int]:
    import espeakng_loader

    library = ctypes.CDLL(espeakng_loader.get_library_path())
    path = str(espeakng_loader.get_data_path())
    path = path.removesuffix("espeak-ng-data").rstrip("/") or "/"
    sample_rate = library.espeak_Initialize(_SYNCHRONOUS, 0, path.encode(), _PHONEME_EVENTS)
    if sample_rate <= 0:
        raise OSError(f"eSpeak NG found no data in {path}; install espeakng-loader again.")
    library.espeak_TextToPhonemes.restype = ctypes.c_char_p
    library.espeak_TextToPhonemes.argtypes = [ctypes.POINTER(ctypes.c_char_p), ctypes.c_int, ctypes.c_int]
    return library, sample_rate
