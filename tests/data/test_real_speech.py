"""Real recordings are read: flac and opus, at 16 kHz and at other rates in the original."""

import csv

import pytest

from speechbrain_xser.data import Utterance, dataset
from speechbrain_xser.data.audio import load_audio
from tests.genuine import DATA

if not DATA.is_dir():
    pytest.skip("needs real speech: set XSER_DATA to a folder of corpora", allow_module_level=True)


def rows(corpus, step):
    with open(DATA / corpus / "manifest.csv", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))[::step]


@pytest.mark.parametrize("corpus, step", [("ravdess", 60), ("cremad", 300), ("librispeech", 8)])
def test_a_real_clip_is_as_long_as_its_corpus_says(corpus, step):
    for row in rows(corpus, step):
        wave = load_audio(DATA / corpus / row["path"])
        assert len(wave) / 16000 == pytest.approx(float(row["duration"]), abs=0.01), row["id"]


def test_real_rows_make_a_data_set():
    utterances = [
        Utterance(row["id"], row["path"], speaker=row["speaker"], transcript=row["transcript"], emotion=row["emotion"])
        for row in rows("cremad", 900)
    ]
    clips = dataset(utterances, DATA / "cremad")
    assert all(len(clip["wav"]) > 8000 for clip in clips)


def test_a_segment_of_an_opus_file_is_what_the_whole_file_has_there():
    path = DATA / "cremad" / rows("cremad", 6136)[0]["path"]
    whole, part = load_audio(path), load_audio(path, start=0.5, stop=1.0)
    assert len(part) == 8000
    assert (part[800:-800] - whole[8000:16000][800:-800]).abs().max() < 0.02
