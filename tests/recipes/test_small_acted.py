"""Variants of CREMA-D's clips: what changes, what is kept, and what is true of them."""

from pathlib import Path

import pytest
import soundfile
import torch
from Small.acted import CHANCES, acted, vary
from Small.descriptors import volume_of
from Small.noise import level_of

from speechbrain_xser.annotator.cutoffs import reference_cutoffs
from speechbrain_xser.data.audio import load_audio
from speechbrain_xser.data.manifest import Utterance, read_manifest, write_manifest
from speechbrain_xser.errors import TrainingError
from tests.genuine import DATA

REAL = DATA / "cremad" / "AudioWAV"
needs_real_clips = pytest.mark.skipif(not REAL.is_dir(), reason=f"CREMA-D's clips are not in {REAL}: set XSER_DATA")
pytestmark = pytest.mark.slow  # tens of variants each
ALWAYS = CHANCES._replace(noise=0.0, low_pass=0.0, high_band=0.0, digital_silence=0.0)


def speech(level: float = -25.0, floor: float = -70.0) -> torch.Tensor:
    """A second that sounds like two syllables over noise."""
    time = torch.arange(16000) / 16000
    loud = (torch.sin(2 * torch.pi * 3 * time) > -0.5).float() * torch.sin(2 * torch.pi * 220 * time)
    noise = torch.randn(16000, generator=torch.Generator().manual_seed(0))
    return 10 ** (level / 20) * 2**0.5 * loud + 10 ** (floor / 20) * noise


@pytest.fixture
def manifest(tmp_path):
    """Writes a manifest of clips whose sound is given."""

    def write(*waves: torch.Tensor, **fields) -> Path:
        rows = []
        for number, wave in enumerate(waves):
            path = tmp_path / f"{number}.wav"
            soundfile.write(path, wave.numpy(), 16000, "PCM_16")
            rows.append(Utterance(f"clip{number}", f"{{data_root}}/{number}.wav", **fields))
        write_manifest(tmp_path / "train.jsonl", rows)
        return tmp_path / "train.jsonl"

    return write


def varied(path: Path, **given) -> list[Utterance]:
    return read_manifest(vary(path, path.parent / "out", path.parent, workers=1, **given))


def test_labels_are_kept_and_paragraphs_are_of_the_variant(manifest):
    path = manifest(speech(), speaker="a", transcript="Go home", emotion="angry", gender="male", split="train")
    rows = varied(path, variants=12)
    assert [row.id for row in rows] == [f"clip0-v{number}" for number in range(1, 13)]
    assert {(row.speaker, row.transcript, row.emotion, row.gender, row.split) for row in rows} == {
        ("a", "Go home", "angry", "male", "train")
    }
    assert len({row.caption for row in rows}) > 3 and all("Go home" in row.caption for row in rows)


def test_a_human_s_paragraph_is_kept(manifest):
    (row,) = varied(manifest(speech(), emotion="angry", description="He barks."))
    assert (row.description, row.caption) == ("He barks.", None)


def test_silence_of_up_to_a_second_and_more_stands_around_the_clip(manifest):
    rows = varied(manifest(speech()), variants=40)
    assert all(1.0 <= row.duration <= 3.4 for row in rows)
    assert min(row.duration for row in rows) < 1.7 and max(row.duration for row in rows) > 2.6
    assert all(row.duration == pytest.approx(soundfile.info(row.wav).duration, abs=1e-4) for row in rows)


def test_the_silence_is_as_noisy_as_the_clip_s_own(manifest):
    rows = varied(manifest(speech(floor=-60.0)), chances=ALWAYS._replace(silence_seconds=(1.0, 1.0)))
    wave = load_audio(rows[0].wav)
    lead, within = level_of(wave[:16000]), level_of(wave[16000 + 3300 : 16000 + 4700])  # between the syllables
    assert lead == pytest.approx(within - 3.0, abs=1.5)  # there the clip's own noise comes to it


def test_the_volume_is_that_of_the_variant(manifest):
    low, _ = reference_cutoffs().level_decibels
    rows = varied(manifest(speech(low), volume="low"), variants=20)
    assert {row.volume for row in rows} == {"low", "normal"}
    assert all(row.volume == volume_of(load_audio(row.wav)) for row in rows)


def test_a_volume_that_nobody_labelled_stays_unknown(manifest):
    assert varied(manifest(speech()))[0].volume is None


def test_levels_differ_by_six_decibels_and_stay_within_full_scale(manifest):
    chances = ALWAYS._replace(silence_seconds=(0.0, 0.0))
    levels = [level_of(load_audio(row.wav)) for row in varied(manifest(speech(-25.0)), variants=40, chances=chances)]
    assert 8 < max(levels) - min(levels) <= 12.1
    full = speech(-25.0)
    loud = varied(manifest(full / full.abs().max()), variants=10)
    assert all(load_audio(row.wav).abs().max() < 1.0 for row in loud)


def test_bands_differ(manifest):
    wave = torch.randn(16000, generator=torch.Generator().manual_seed(0)) / 30

    def above(row: Utterance, hertz: float) -> float:
        wave = load_audio(row.wav)
        power, frequencies = torch.fft.rfft(wave).abs().square(), torch.fft.rfftfreq(len(wave), 1 / 16000)
        return 10 * (power[frequencies > hertz].sum() / power.sum()).log10().item()

    chances = CHANCES._replace(noise=0.0, digital_silence=1.0)
    rows = varied(manifest(wave), variants=40, chances=chances)
    narrow = sum(above(row, 4800) < -50 for row in rows)
    assert 6 <= narrow <= 22  # 35 %


def test_what_is_there_stays_and_what_is_lost_comes_back_the_same(manifest):
    path = manifest(speech(), speech(-30.0))
    rows = varied(path, variants=3)
    bytes_of = {row.id: Path(row.wav).read_bytes() for row in rows}
    times = {row.id: Path(row.wav).stat().st_mtime_ns for row in rows}
    Path(rows[2].wav).unlink()
    Path(rows[4].wav).write_bytes(b"")
    again = varied(path, variants=3)
    assert again == rows and {row.id: Path(row.wav).read_bytes() for row in again} == bytes_of
    kept = [row for index, row in enumerate(again) if index not in (2, 4)]
    assert all(Path(row.wav).stat().st_mtime_ns == times[row.id] for row in kept)


def test_a_clip_that_cannot_be_read_is_told_and_too_many_stop(manifest, caplog):
    path = manifest(*[speech()] * 3)
    (path.parent / "1.wav").write_bytes(b"")
    assert [row.id for row in varied(path)] == ["clip0-v1", "clip2-v1"]
    assert "clip1-v1" in caplog.text
    (path.parent / "2.wav").unlink()
    with pytest.raises(TrainingError, match="2 of 3 clips cannot be read"):
        varied(path)


@needs_real_clips
def test_real_actors_are_described_by_the_package_s_bounds_and_varied(tmp_path):
    clips = tmp_path / "cremad" / "AudioWAV"
    clips.mkdir(parents=True)
    for path in REAL.glob("*_IEO_ANG_HI*"):
        (clips / path.name).symlink_to(path)
    (clips.parent / "manifest.csv").symlink_to(REAL.parent / "manifest.csv")  # who is a woman
    paths = acted(clips.parent, tmp_path / "out", workers=1)
    rows = {name: read_manifest(path) for name, path in paths.items()}
    assert len(rows["train-varied"]) == len(rows["train"]) and "test-varied" not in rows
    assert sum(row.pitch is not None for row in rows["train"]) > 0.95 * len(rows["train"])
    for plain, other in zip(rows["train"], rows["train-varied"], strict=True):
        assert (plain.pitch, plain.speed, plain.emotion) == (other.pitch, other.speed, other.emotion)
        assert plain.wav.startswith("{data_root}") and other.duration >= plain.duration - 0.01
