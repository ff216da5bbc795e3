"""Genuine clips that ``explain`` would tell to have no speech, by corpus.

    python benchmarks/speech_check.py DATA [CORPUS...]

DATA holds a folder of audio files for each corpus. The table stands in docs/explain.md.
"""

import sys
from pathlib import Path

from speechbrain_xser.data.audio import load_audio
from speechbrain_xser.data.audio_files import find_audio_below
from speechbrain_xser.data.speech import has_speech
from speechbrain_xser.utils.plain_table import plain_table

QUIET = 0.01  # peak, of full scale


def row(folder: Path) -> tuple[str, ...]:
    """Clips, those passed over, and the same of the quiet ones."""
    waves = map(load_audio, find_audio_below(folder))
    found = [(float(wave.abs().max()) < QUIET, has_speech(wave)) for wave in waves]
    missed = sum(not spoken for _, spoken in found)
    quiet = [spoken for quiet, spoken in found if quiet]
    share = f"{100 * missed / len(found):.2f} %"
    return folder.name, *map(str, (len(found), missed, share, len(quiet), quiet.count(False)))


if __name__ == "__main__":
    header = ("corpus", "clips", "no speech found", "share", "peak below 0.01", "of these, no speech found")
    folders = [Path(sys.argv[1], name) for name in sys.argv[2:]] or sorted(Path(sys.argv[1]).iterdir())
    print(plain_table([header, *(row(folder) for folder in folders if folder.is_dir())]))
