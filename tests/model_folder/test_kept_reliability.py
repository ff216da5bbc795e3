"""The counts of right answers that a folder keeps: written, checked, exported, used."""

import json
import shutil

import pytest

from speechbrain_xser import packaged_model
from speechbrain_xser.answer.reliability import Reliability, SureBin
from speechbrain_xser.errors import CheckpointError
from speechbrain_xser.inference.recognizer import ExplainableEmotionRecognizer
from speechbrain_xser.model_folder.kept_reliability import read_reliability, write_reliability
from speechbrain_xser.model_folder.release import release_folder
from speechbrain_xser.model_folder.weight_checksums import check_weight_files

COUNTS = Reliability("clips of “others”", (SureBin(0.0, 0.5, 40, 15), SureBin(0.5, 1.0, 40, 33)))


@pytest.fixture
def folder(tmp_path):
    copied = shutil.copytree(packaged_model("tiny"), tmp_path / "model")
    write_reliability(copied, COUNTS)
    return copied


def test_it_is_read_as_it_was_written_and_has_a_checksum(folder):
    check_weight_files(folder)
    assert read_reliability(folder) == COUNTS


def test_a_changed_count_is_refused_by_its_checksum(folder):
    path = folder / "reliability.json"
    path.write_text(path.read_text().replace("33", "39"))
    with pytest.raises(CheckpointError, match="reliability.json: damaged .* or remove it"):
        check_weight_files(folder)


def test_an_export_keeps_it(folder, tmp_path):
    out = release_folder(folder, tmp_path / "out", merge=False).folder
    assert read_reliability(out) == COUNTS


@pytest.mark.slow
def test_a_recogniser_brings_it_along(folder):
    recognizer = ExplainableEmotionRecognizer.from_hparams(folder, run_opts={"device": "cpu"}, pretrained=False)
    assert recognizer.reliability == COUNTS


def bins(*rows):
    return {"source": "mine", "bins": [dict(zip(SureBin._fields, row, strict=True)) for row in rows]}


WRONG = {
    "no bins": bins(),
    "bounds that fall": bins((0.5, 1.0, 4, 2), (0.0, 0.5, 4, 2)),
    "bounds that overlap": bins((0.0, 0.6, 4, 2), (0.5, 1.0, 4, 2)),
    "a bin of no width": bins((0.0, 0.5, 4, 2), (0.5, 0.5, 4, 2), (0.5, 1.0, 4, 2)),
    "bounds with a gap": bins((0.0, 0.4, 4, 2), (0.5, 1.0, 4, 2)),
    "bounds from above zero": bins((0.99, 1.0, 10**9, 10**9)),
    "bounds to below one": bins((0.0, 0.5, 4, 2)),
    "a bound above one": bins((0.0, 1.5, 4, 2)),
    "fewer than none": bins((0.0, 1.0, 4, -1)),
    "a bin without an answer": bins((0.0, 1.0, 0, 0)),
    "a count that is a truth value": bins((0.0, 1.0, 4, True)),
    "half an answer": bins((0.0, 1.0, 4.0, 2)),
    "two hundred bins": bins(*((place / 200, (place + 1) / 200, 1, 1) for place in range(200))),
    "a source with a line break": bins((0.0, 1.0, 4, 2)) | {"source": "a\nb"},
    "no source": {"bins": bins((0.0, 1.0, 4, 2))["bins"]},
    "a list": [],
}


@pytest.mark.parametrize("name", WRONG)
def test_what_no_counting_gives_is_refused(tmp_path, name):
    (tmp_path / "reliability.json").write_text(json.dumps(WRONG[name]))
    with pytest.raises(CheckpointError, match="reliability.json: damaged"):
        read_reliability(tmp_path)
