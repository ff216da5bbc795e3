"""Probes find what was put into a view, and nothing where nothing was put."""

import json
from pathlib import Path

import pytest
import torch

from speechbrain_xser.data.manifest import Utterance
from speechbrain_xser.decoder.heads import CHARACTERS
from speechbrain_xser.errors import ProbeError
from speechbrain_xser.probing.latents import SUM, ClipLatents, read_clips
from speechbrain_xser.probing.probe_sheet import probe_sheet
from speechbrain_xser.probing.probes import CONTENT, character_error_rate, probe_clips
from speechbrain_xser.stages import BRANCHES
from speechbrain_xser.testing import tiny_manifest, tiny_model

pytestmark = pytest.mark.slow

EMOTIONS, SPEAKERS, WORDS = ("sad", "happy"), ("s0", "s1", "s2"), ("so it is", "go on then", "by the door")
WIDTH = 40
VIEWS = (SUM, *BRANCHES)


def clip(number: int, generator: torch.Generator, side: str) -> ClipLatents:
    """A clip whose descriptor frames tell the emotion, whose content frames spell, and whose sum tells who speaks."""
    emotion, speaker, words = EMOTIONS[number % 2], number % 3, WORDS[(number // 2) % 3]
    noise = {view: 0.3 * torch.randn(2 * len(words), WIDTH, generator=generator) for view in VIEWS}
    noise["descriptor"][:, 0] += EMOTIONS.index(emotion)
    noise["weighted sum"][:, 1 + speaker] += 1.0
    for place, letter in enumerate(words):
        noise["content"][2 * place : 2 * place + 1, CHARACTERS.index(letter) + 1] += 3.0
    utterance = Utterance(
        f"{side}{number}", "a.wav", speaker=f"{side}{SPEAKERS[speaker]}", emotion=emotion, transcript=words
    )
    return ClipLatents(utterance, noise)


@pytest.fixture(scope="module")
def found():
    generator = torch.Generator().manual_seed(0)
    train = [clip(number, generator, "train") for number in range(120)]
    test = [clip(number, generator, "test") for number in range(180)]
    return {probe.name: probe for probe in probe_clips(train, test)}


def test_a_property_is_found_where_it_was_put_and_nowhere_else(found):
    emotion = found["emotion"].views
    assert emotion["descriptor"] > 95 and max(emotion["content"], emotion["weighted sum"]) < 70
    speaker = found["speaker"].views
    assert speaker["weighted sum"] > 95 and max(speaker["content"], speaker["descriptor"]) < 60
    assert found[CONTENT].views["content"] < 5 < 50 < found[CONTENT].views["descriptor"]


def test_the_most_frequent_class_stands_beside_it(found):
    assert found["emotion"].majority == 50.0 and found[CONTENT].majority is None
    assert found["emotion"].clips == 180 and 60 < found["speaker"].clips < 120  # the other half teaches who speaks


def test_what_no_clip_tells_is_not_probed(found):
    assert not {"gender", "pitch", "level", "speed"} & set(found)


def test_nothing_to_probe_is_said():
    silent = ClipLatents(Utterance("a", "a.wav"), {view: torch.zeros(3, 2) for view in VIEWS})
    with pytest.raises(ProbeError, match="have no property"):
        probe_clips([silent], [silent])


def test_a_probe_is_the_same_each_time():
    generator = torch.Generator().manual_seed(1)
    clips = [clip(number, generator, "train") for number in range(12)]
    assert character_error_rate("content", clips, clips, seed=3) == character_error_rate(
        "content", clips, clips, seed=3
    )


def test_the_table_says_what_was_lost(found):
    sheet = probe_sheet([list(found.values()), list(found.values())])
    row = next(row for row in sheet.rows if row[0] == "emotion")
    told = found["emotion"].views
    assert row[3] == f"{told['descriptor']:.1f} ({told['descriptor'] - told['weighted sum']:+.1f})"
    assert len(row) == len(sheet.header)


def test_a_part_of_a_manifest_has_all_classes_whatever_their_period(tmp_path):
    model = tiny_model(tmp_path / "model")
    path = Path(tiny_manifest(tmp_path, clips=24))
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    path.write_text("".join(json.dumps(row | {"emotion": EMOTIONS[n % 2]}) + "\n" for n, row in enumerate(rows)))
    clips = read_clips(model, str(path), None, 30.0, limit=12)
    assert len(clips) == 12 and {clip.utterance.emotion for clip in clips} == set(EMOTIONS)
    assert all(clip.frames["content"].shape[0] == clip.frames["weighted sum"].shape[0] for clip in clips)
