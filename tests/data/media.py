"""Small generated media files."""

from pathlib import Path

import av
import numpy as np


def write_media(path: Path, samples: np.ndarray, layout: str, codec: str = "aac", options: dict | None = None) -> Path:
    """Encodes a track of 48 kHz, [S, C], whose channels are in the layout's order."""
    with av.open(str(path), "w", options=options or {}) as container:
        stream = container.add_stream(codec, rate=48000, layout=layout)
        planes = np.ascontiguousarray(samples.T, dtype=np.float32)
        frame = av.AudioFrame.from_ndarray(planes, format="fltp", layout=layout)
        frame.sample_rate, frame.pts = 48000, 0
        for coded in (frame, None):
            container.mux(stream.encode(coded))
    return path


def write_silent_film(path: Path) -> Path:
    """Three black frames and no sound."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width = stream.height = 32
        for _ in range(3):
            container.mux(stream.encode(av.VideoFrame(32, 32, "yuv420p")))
        container.mux(stream.encode(None))
    return path
