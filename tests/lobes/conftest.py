"""Tiny encoders of every kind, written once a session."""

import pytest

from speechbrain_xser.testing import tiny_encoder_folder

KINDS = [(kind, norm) for kind in ("hubert", "wavlm", "wav2vec2") for norm in ("layer", "group")]
KINDS += [("data2vec-audio", "layer"), ("wav2vec2-bert", "layer"), ("whisper", "layer")]


@pytest.fixture(scope="session")
def folders(tmp_path_factory):
    """Folder of a tiny encoder by (kind, norm)."""
    return {
        (kind, norm): tiny_encoder_folder(tmp_path_factory.mktemp(f"{kind}-{norm}"), kind, norm) for kind, norm in KINDS
    }
