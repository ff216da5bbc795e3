"""Data: audio files, manifests and batches ("moves to" ``speechbrain/dataio``)."""

from speechbrain_xser.data.audio import load_audio
from speechbrain_xser.data.faults import Fault, FaultCounter
from speechbrain_xser.data.manifest import Utterance, read_manifest, write_manifest
from speechbrain_xser.data.pipeline import Batch, collate, dataset
from speechbrain_xser.data.waveform import check_wave

__all__ = [
    "Batch",
    "Fault",
    "FaultCounter",
    "Utterance",
    "check_wave",
    "collate",
    "dataset",
    "load_audio",
    "read_manifest",
    "write_manifest",
]
