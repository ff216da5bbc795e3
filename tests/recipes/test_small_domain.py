"""The sets that the small model's domain is fitted to, and the script, on two clips of each and the tiny model."""

import csv
import json
from importlib import import_module

import pytest
import soundfile
import torch
from click.testing import CliRunner
from Small import domain as command
from Small.codecs import coded
from Small.domain_sets import CHANGES, changed, halved, inside, outside, pieces
from Small.music import music

from speechbrain_xser.data.manifest import Utterance
from speechbrain_xser.model_folder.domain_reference import read_domain
from tests.trained import folder, trained  # noqa: F401


def tone(seed=0, seconds=0.6):
    time = torch.arange(round(16000 * seconds)) / 16000
    wave = 0.2 * torch.sin(6.2832 * (150 + 40 * seed) * time) * torch.sin(6.2832 * 3 * time).abs()
    return wave + 0.005 * torch.randn(len(time), generator=torch.Generator().manual_seed(seed))


def write(path, seed):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, tone(seed).numpy(), 16000)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Two speakers of each corpus with a clip each, and what must not be used beside them."""
    place = tmp_path_factory.mktemp("corpora")
    recipe = import_module("CREMA-D.prepare")
    sides = recipe.split_speakers(recipe.ACTORS, recipe.SPLIT_SHARES, recipe.SPLIT_SEED)
    actors = [
        actor for split in ("train", "valid", "test") for actor in [a for a in recipe.ACTORS if sides[a] == split][:2]
    ]
    for seed, actor in enumerate(actors):
        write(place / "cremad" / "AudioWAV" / f"{actor}_IEO_SAD_LO.wav", seed)
    for seed, name in enumerate(("03a01Wa", "08a01Na")):
        write(place / "emodb" / "wav" / f"{name}.wav", 10 + seed)
    rows = [{"id": f"l{n}", "path": f"l{n}.wav", "speaker": f"s{n}", "transcript": "HELLO" * (n > 1)} for n in range(4)]
    for seed, row in enumerate(rows):
        write(place / "librispeech" / row["path"], 20 + seed)
    with open(place / "librispeech" / "manifest.csv", "w", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return place


def test_the_halves_of_a_set_have_no_speaker_in_common():
    clips = [Utterance(str(n), "a.wav", speaker=f"s{n % 7}") for n in range(70)]
    sources = halved(clips)
    first, second = ({one.clip.speaker for one in sources if one.half == half} for half in (0, 1))
    assert len(sources) == 70 and not first & second and len(first | second) == 7
    assert sorted(one.half for one in halved(clips, 10)) == [0] * 5 + [1] * 5


def test_clips_that_others_report_are_left_out(data):
    found = inside(data)
    recipe = import_module("CREMA-D.prepare")
    sides = recipe.split_speakers(recipe.ACTORS, recipe.SPLIT_SHARES, recipe.SPLIT_SEED)
    actors = {one.clip.speaker for one in found["CREMA-D (acted)"]}
    assert len(actors) == 2 and {sides[actor] for actor in actors} == {"valid"}
    assert {one.clip.id for one in found["LibriSpeech (read)"]} == {"l0", "l1"}  # those without a transcript


@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_clip_is_as_long_within_full_scale_and_the_same_again(data, name):
    sources = inside(data)["CREMA-D (acted)"]
    once, again = (list(changed(sources, name)) for _ in range(2))
    assert len(once) == 2 and [clip.half for clip in once] == [0, 1]
    for source, clip, other in zip(sources, once, again, strict=True):
        assert len(clip.wave) == len(source.wave()) and 0 < clip.wave.abs().max() <= 1
        assert torch.equal(clip.wave, other.wave) and not torch.allclose(clip.wave, source.wave(), atol=1e-3)


def test_noise_is_five_decibels_above_the_speech(data):
    [source, _] = inside(data)["CREMA-D (acted)"]
    wave, noisy = source.wave(), next(changed([source], "in white noise, -5 dB")).wave
    gain = (wave @ noisy) / (wave @ wave)  # a loud clip is made softer as a whole
    noise = noisy - gain * wave
    assert 10 * (noise.square().sum() / (gain * wave).square().sum()).log10() == pytest.approx(5.0, abs=0.2)


def test_codecs_leave_little_above_their_band():
    wave = torch.randn(16000, generator=torch.Generator().manual_seed(0)) * 0.1
    power = torch.fft.rfft(coded(wave, "GSM")).abs().square()
    assert power[4200:].sum() < 0.01 * power[500:3500].sum()
    assert len(coded(wave, "Opus")) == len(coded(wave, "GSM")) == 16000


def test_each_seed_is_another_piece_of_music():
    waves = [music(torch.Generator().manual_seed(seed)) for seed in range(12)]
    assert len({len(wave) for wave in waves}) > 8 and all(0.1 < wave.abs().max() <= 1 for wave in waves)
    assert [clip.half for clip in pieces(4)] == [0, 1, 0, 1]


def test_the_script_fits_a_domain_and_prints_the_rates_of_the_other_halves(data, folder, tmp_path):  # noqa: F811
    arguments = [str(folder), "--data", str(data), "--out", str(tmp_path / "out"), "--clips", "2"]
    done = CliRunner().invoke(command.main, arguments)
    assert done.exit_code == 0, done.output
    rates = json.loads((tmp_path / "out" / "rates.json").read_text())
    assert list(rates)[:4] == ["CREMA-D (acted)", "LibriSpeech (read)", "EmoDB (German)", "music"] and len(rates) == 10
    assert {row["clips"] for row in rates.values()} <= {1, 2}
    assert "| set | clips | doubtful or out, % | out, % |" in done.output and "| voice distance |" in done.output
    assert "doubtful above 0." in done.output
    measures = ("voice distance", "state distance", "content nats", "descriptor nats")
    assert read_domain(folder).measures == measures


def test_each_foreign_set_is_made_when_it_is_asked_for(data):
    sets = outside(data, [], limit=2)
    assert [len(list(make())) for make in sets.values()] == [2, 2, 0, 0, 0, 0, 0, 0]
