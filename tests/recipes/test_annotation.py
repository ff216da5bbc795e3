"""Every preparer can pass its manifests to the annotator; tested on real clips if a corpus is present."""

import importlib.util
import inspect
import re
import shutil
from pathlib import Path

import pytest

from speechbrain_xser.annotator.measures import Measures
from speechbrain_xser.answer.parse import parse
from speechbrain_xser.data.manifest import read_manifest
from speechbrain_xser.utils.journal import Journal
from tests.genuine import DATA

ROOT = Path(__file__).parents[2]
RECIPES = sorted(path.parent.name for path in (ROOT / "recipes").glob("*/prepare.py") if path.parent.name != "Tiny")
LANGUAGES = {"EmoDB": '"de"', "EMOSEC": '"zh"', "Generic": "language"}  # of the others: the annotator's own, English


def load_recipe(name: str):
    spec = importlib.util.spec_from_file_location(f"{name}_prepare", ROOT / "recipes" / name / "prepare.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


OWN_WAYS = {"EmotionCoT", "Small"}  # the first has no sound; the other measures the clean voice, before the noise


def needs(corpus: str):
    return pytest.mark.skipif(not (DATA / corpus).is_dir(), reason=f"{corpus} is not here: set XSER_DATA")


def annotated(name: str, data_folder: Path, save_folder: Path, **options) -> list:
    paths = load_recipe(name).prepare(data_folder, save_folder, annotate=True, **options)
    clips = {clip.id: clip for path in paths.values() for clip in read_manifest(path)}
    assert (save_folder / "measures.sqlite").exists() and (save_folder / "cutoffs.json").exists()
    return list(clips.values())


@pytest.mark.parametrize("name", [name for name in RECIPES if name not in OWN_WAYS])
def test_every_preparer_annotates_on_request_in_its_language(name):
    recipe = load_recipe(name)
    assert inspect.signature(recipe.prepare).parameters["annotate"].default is False
    (arguments,) = re.findall(
        r"annotation\(annotate, save_folder, data_folder(.*?)\)", inspect.getsource(recipe.prepare)
    )
    assert (LANGUAGES[name] in arguments) if name in LANGUAGES else "language" not in arguments


@needs("emodb")
@pytest.mark.slow
def test_emodb_s_clips_get_descriptors_from_german_words(tmp_path):
    (tmp_path / "corpus" / "wav").mkdir(parents=True)
    taken: dict[str, int] = {}
    for path in sorted((DATA / "emodb" / "wav").iterdir()):
        taken[path.name[:2]] = taken.get(path.name[:2], 0) + 1
        if taken[path.name[:2]] <= 3:
            shutil.copy(path, tmp_path / "corpus" / "wav")
    clips = annotated("EmoDB", tmp_path / "corpus", tmp_path / "save")
    assert len(clips) > 20 and all(clip.gender and clip.age for clip in clips)
    for field in ("pitch", "volume", "speed", "intonation"):
        assert sum(getattr(clip, field) is not None for clip in clips) >= 0.9 * len(clips), field
    with Journal(tmp_path / "save" / "measures.sqlite", Measures) as journal:
        assert {found.rate_from for found in journal.values()} == {"transcript"}
    assert all(parse(clip.caption) == clip.record() for clip in clips)


@needs("ravdess")
@pytest.mark.slow
def test_ravdess_s_angry_clips_are_called_louder_than_its_neutral_ones(tmp_path):
    for actor in range(1, 25):
        (tmp_path / "corpus" / f"Actor_{actor:02d}").mkdir(parents=True)
        for name in ("03-01-05-02-01-01", "03-01-01-01-01-01", "03-01-04-01-02-01"):  # angry, neutral, sad
            stem = f"Actor_{actor:02d}/{name}-{actor:02d}.flac"
            shutil.copy(DATA / "ravdess" / stem, tmp_path / "corpus" / stem)
    clips = annotated("RAVDESS", tmp_path / "corpus", tmp_path / "save", wording="varied")
    ranks = {"low": 0, "normal": 1, "high": 2}
    loud = {emotion: [ranks[c.volume] for c in clips if c.emotion == emotion] for emotion in ("angry", "neutral")}
    assert sum(loud["angry"]) / len(loud["angry"]) > 1 + sum(loud["neutral"]) / len(loud["neutral"])
    assert all(parse(clip.caption) == clip.record() for clip in clips)
    assert len({clip.description.split()[0] for clip in clips}) > 5  # varied


@needs("cremad")
def test_a_user_s_folder_is_annotated_too(tmp_path):
    (tmp_path / "corpus").mkdir()
    for path in sorted((DATA / "cremad" / "AudioWAV").iterdir())[:6]:
        shutil.copy(path, tmp_path / "corpus")
    clips = annotated("Generic", tmp_path / "corpus", tmp_path / "save")
    assert len(clips) == 6 and all(clip.volume and clip.speed and clip.description for clip in clips)
    assert {(clip.emotion, clip.age, clip.transcript) for clip in clips} == {(None, None, None)}
