"""Data: audio files, manifests and batches (would move to ``speechbrain/dataio``), each loaded on first use."""

from __future__ import annotations

from importlib import import_module

_LAZY = {
    "Batch": "pipeline",
    "Fault": "faults",
    "FaultCounter": "faults",
    "Utterance": "manifest",
    "check_wave": "waveform",
    "collate": "pipeline",
    "dataset": "pipeline",
    "load_audio": "audio",
    "read_manifest": "manifest",
    "write_manifest": "manifest",
}
__all__ = list(_LAZY)


def __getattr__(name: str) -> object:
    if name in _LAZY:
        return getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
