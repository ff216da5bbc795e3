"""Sample clips for recipes: noisy tones with made-up words, in tests/tmp/samples of the working folder."""

from pathlib import Path

from speechbrain_xser.data.manifest import read_manifest, write_manifest
from speechbrain_xser.testing import tiny_manifest

FOLDER = Path("tests/tmp/samples").resolve()
EMOTIONS = ("neutral", "happy", "sad", "angry")  # of all corpora


def main() -> None:
    """Clips for training and for validation."""
    for split, clips in (("train", 16), ("valid", 8)):
        manifest = tiny_manifest(FOLDER, clips=clips, split=split)
        write_manifest(manifest, [clip for clip in read_manifest(manifest) if clip.emotion in EMOTIONS])


if __name__ == "__main__":
    main()
