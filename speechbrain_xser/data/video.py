"""Reads the sound of mp3, mp4, webm and whatever else libsndfile does not read, through PyAV, which brings FFmpeg.

FFmpeg recognises a file by its content and decodes it from start to end, block by block. A file that ends earlier than
its container states is refused (a browser's webm states nothing, an mp3 without a table is only estimated). What the
last block of an mp4 has beyond the stated end is the encoder's padding, and is cut off. Only the formats below are
opened; a playlist, which FFmpeg would follow to other files, is not.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import BinaryIO

import av
import torch
from av.codec import Codec, codecs_available
from av.stream import Disposition

from speechbrain_xser.data.formats import EXPECTED
from speechbrain_xser.data.member import opened
from speechbrain_xser.data.mixing import Track
from speechbrain_xser.data.truncation import mp3_frames
from speechbrain_xser.data.waveform import check_format, check_seconds
from speechbrain_xser.errors import AudioError

logger = logging.getLogger(__name__)

DEMUXERS = (  # FFmpeg's names
    *("mov", "mp4", "m4a", "3gp", "3g2", "mj2", "matroska", "webm", "avi"),
    *("mp3", "aac", "amr", "amrnb", "amrwb", "ogg", "flac", "wav", "w64", "aiff", "caf", "au"),
)
FRAMED = ("mp3", "aac", "amr", "amrnb", "amrwb")  # a mere sequence of blocks, whose length FFmpeg estimates
MAX_MISSING_SECONDS = 0.25  # a container's stated length may include an encoder's lead-in and last block
MAX_DAMAGED = 0.1  # of the blocks of a framed file; where files were joined, one or two cannot be decoded
PADDING_FRAMES = 3  # an MP3 encoder's lead-in and lead-out, which are not sound
MAX_BLOCK_SAMPLES = 1 << 20  # of a channel; the longest of FLAC is 65,535
DURATION_TAG = re.compile(r"([0-9]{1,6}):([0-9]{1,2}):([0-9]{1,2}(?:\.[0-9]{1,9})?)\0*")  # in Matroska and webm
AMR_PAUSES, AMR_SECONDS = (8, 15), 0.02  # types of blocks without speech: comfort noise, and nothing


def load_track(path: str | os.PathLike, max_seconds: float | None = None, track: int | None = None) -> Track:
    """Reads every channel of an audio track: ``track`` counts from 1; None is the default track, or else the first.

    Raises
    ------
    AudioError
        If the file is missing, empty, of another kind, damaged, truncated, too long, or has no sound or no such track.
    """
    blocks = list(stream_track(path, max_seconds, track))
    return Track(torch.cat([block.samples for block in blocks]), *blocks[0][1:])


def track_header(
    path: str | os.PathLike, track: int | None = None, max_seconds: float | None = None
) -> tuple[float, int, int]:
    """Length in seconds, rate in hertz and channels of an audio track.

    A length that is not stated is counted from the blocks (mp3, aac), or by decoding them (a browser's webm), of which
    more than ``max_seconds`` raise an ``AudioError``.
    """
    with _readable(path) as container:
        stream = _stream(container, path, track)
        seconds, rate, channels = _known_seconds(container, stream, path), stream.rate, stream.channels
    counted = seconds or sum(len(block.samples) for block in stream_track(path, max_seconds, track)) / rate
    return counted, rate, channels


def stream_track(
    path: str | os.PathLike, max_seconds: float | None = None, track: int | None = None
) -> Iterator[Track]:
    """Reads an audio track block by block; if its end is missing, the error comes after what is there."""
    with _readable(path) as container:
        stream = _stream(container, path, track)
        stated = _stated_seconds(container, stream, path)
        check_seconds(stated, max_seconds, path)
        _tell_tracks(container, stream, path)
        yield from limited(_decoded(container, stream, path, stated), max_seconds, path)


def stated_seconds(path: str | os.PathLike, track: int | None = None) -> float | None:
    """Length of an audio track without decoding it; None if the file does not state it (a browser's webm)."""
    with _readable(path) as container:
        return _known_seconds(container, _stream(container, path, track), path) or None


def limited(blocks: Iterator[Track], max_seconds: float | None, name: str | os.PathLike) -> Iterator[Track]:
    """Passes on the blocks up to ``max_seconds``, then raises an ``AudioError``: a header's length may be wrong."""
    seconds = 0.0
    for block in blocks:
        seconds += len(block.samples) / block.sample_rate
        if max_seconds is not None and seconds > max_seconds + 1e-6:
            raise AudioError(f"{name}: longer than {max_seconds:g} s. Cut it into shorter clips, or raise max_seconds.")
        yield block


def not_audio(path: str | os.PathLike, reason: object) -> AudioError:
    """The error for a file that no decoder can read."""
    return AudioError(
        f"{path}: cannot be read as audio ({reason}); it is damaged, truncated or of another type. "
        f"Expected {EXPECTED}, whatever its name: convert it, or download it again."
    )


class _Source:
    """A file as FFmpeg reads it: a place that cannot be sought is a number below zero.

    An error would be raised at another call, or be printed where two of them come at once.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file, self.read, self.tell = file, file.read, file.tell
        self.readable, self.seekable = file.readable, file.seekable
        if isinstance(name := getattr(file, "name", None), str):
            self.name = name

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """The new place, or -1."""
        try:
            return self._file.seek(offset, whence)
        except (OSError, ValueError):
            return -1


@contextmanager
def _readable(path: str | os.PathLike):
    """The container, if it contains sound; errors name the file."""
    try:
        # neither a network address nor another file can be reached through the container
        options = {"format_whitelist": ",".join(DEMUXERS), "protocol_whitelist": "", "codec_whitelist": _decoders()}
        with opened(path) as file, av.open(_Source(file), options=options) as container:
            if not container.streams.audio:
                raise AudioError(f"{path}: contains no sound; expected a sound track. Download it again, or omit it.")
            yield container
    except (av.FFmpegError, OSError, OverflowError, ValueError, EOFError) as error:
        if isinstance(error, AudioError):
            raise
        raise not_audio(path, getattr(error, "strerror", None) or error) from error


@cache
def _decoders() -> str:
    """FFmpeg's decoders of sound; a cover picture is never decoded, whatever its size."""
    found = (Codec(name, "r") for name in codecs_available if _decodes(name))
    return ",".join(sorted({codec.name for codec in found if codec.type == "audio"}))


def _decodes(name: str) -> bool:
    try:
        return Codec(name, "r").is_decoder
    except ValueError:  # it only encodes
        return False


def _stream(container, path: str | os.PathLike, track: int | None):
    """The wanted track, or else the container's default one, or else the first; it can be decoded in bounded memory."""
    streams = container.streams.audio
    if track is None:
        stream = next((stream for stream in streams if stream.disposition & Disposition.default), streams[0])
    elif 1 <= track <= len(streams):
        stream = streams[track - 1]
    else:
        raise AudioError(f"{path}: no sound track {track}, expected 1 to {len(streams)}: {_listed(streams)}.")
    if stream.codec_context is None:
        raise not_audio(path, "its codec is unknown")
    check_format(stream.rate or 0, stream.channels, path)
    stream.codec_context.options = {"max_samples": str(MAX_BLOCK_SAMPLES)}
    return stream


def _tell_tracks(container, stream, path: str | os.PathLike) -> None:
    """Warns which of several tracks is read."""
    streams = container.streams.audio
    if len(streams) > 1:
        number = streams.index(stream) + 1
        message = "%s: has %d sound tracks (%s), of which %d is read. Use track, or --track, to choose another."
        logger.warning(message, path, len(streams), _listed(streams), number)


def _listed(streams) -> str:
    """Describes the tracks in words that a person knows them by."""
    return "; ".join(f"{number}: {_words(stream)}" for number, stream in enumerate(streams, start=1))


def _words(stream) -> str:
    seconds = f"{float(stream.duration * stream.time_base):.1f} s" if stream.duration else None
    language = stream.metadata.get("language", "und").replace("und", "")  # undetermined
    default = "default" if stream.disposition & Disposition.default else None
    codec = stream.codec_context.name if stream.codec_context else "unknown codec"
    words = (codec, language, stream.metadata.get("title"), seconds, default)
    return ", ".join(word for word in words if word)


def _decoded(container, stream, path: str | os.PathLike, stated: float) -> Iterator[Track]:
    """A track's blocks, counted against what the container states."""
    samples, rate, last = 0, stream.rate, None
    planar = av.AudioResampler(format="fltp")  # same rate and layout; an error if they change midway
    for frame in (block for coded in _frames(container, stream, path) for block in planar.resample(coded)):
        if last is not None:
            yield last
        names = tuple(channel.name for channel in frame.layout.channels)
        last = Track(torch.from_numpy(frame.to_ndarray()).T, frame.sample_rate, names)
        samples, rate = samples + frame.samples, frame.sample_rate
    if last is not None:
        padding = _padding(container, stream, samples, last)
        yield last._replace(samples=last.samples[: len(last.samples) - padding])
    if samples == 0 or samples / rate < stated - MAX_MISSING_SECONDS:
        raise AudioError(
            f"{path}: truncated, {samples / rate:.2f} of {stated:.2f} s of sound are there. Download it again."
        )


def _padding(container, stream, samples: int, last: Track) -> int:
    """Samples of an mp4's last block beyond the length that the container states."""
    if "mp4" not in container.format.name or stream.duration is None:
        return 0
    beyond = samples - round(stream.duration * stream.time_base * last.sample_rate)
    return beyond if 0 < beyond < len(last.samples) else 0


def _frames(container, stream, path: str | os.PathLike) -> Iterator[av.AudioFrame]:
    """What each block decodes to; damaged blocks of a framed file are skipped, AMR's pauses become silence."""
    blocks = damaged = 0
    for packet in container.demux(stream):
        blocks += 1
        try:
            found = packet.decode()
        except av.FFmpegError:
            if stream.codec_context.name.startswith("amr") and bytes(packet)[0] >> 3 & 15 in AMR_PAUSES:
                found = [_pause(stream.rate)]
            elif container.format.name in FRAMED:
                found, damaged = [], damaged + 1
            else:
                raise
        yield from found
    if damaged > MAX_DAMAGED * blocks:
        raise not_audio(path, f"{damaged} of {blocks} blocks are damaged")
    if damaged:
        logger.warning("%s: %d of %d blocks of sound cannot be decoded and are skipped.", path, damaged, blocks)


def _pause(rate: int) -> av.AudioFrame:
    """The silence that a telephone does not transmit."""
    frame = av.AudioFrame(format="fltp", layout="mono", samples=round(AMR_SECONDS * rate))
    frame.planes[0].update(bytes(frame.planes[0].buffer_size))
    frame.sample_rate = rate
    return frame


def _stated_seconds(container, stream, path: str | os.PathLike) -> float:
    """The track's length as the header states it; 0 if it states none. An estimate does not count as stated."""
    if container.format.name == "mp3":
        with opened(path) as file:
            frames = max(0, mp3_frames(file) - PADDING_FRAMES)
        return frames * (1152 if stream.rate >= 32000 else 576) / stream.rate
    if container.format.name in FRAMED:
        return 0.0
    if stream.duration is not None:
        return float(stream.duration * stream.time_base)
    tag = DURATION_TAG.fullmatch(stream.metadata.get("DURATION", ""))
    return 3600.0 * int(tag[1]) + 60 * int(tag[2]) + float(tag[3]) if tag else 0.0


def _known_seconds(container, stream, path: str | os.PathLike) -> float:
    """The track's length as far as it is known without decoding, otherwise 0."""
    stated = _stated_seconds(container, stream, path)
    if container.format.name not in FRAMED:
        return stated
    counted = float(sum(packet.duration or 0 for packet in container.demux(stream) if packet.size) * stream.time_base)
    exact = float(stream.duration * stream.time_base) if stated and stream.duration else 0.0  # without the lead-in
    return exact if abs(counted - exact) <= MAX_MISSING_SECONDS else counted
