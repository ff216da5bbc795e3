"""The annotator over whole manifests: what it fills, what it keeps, and how it resumes after a kill."""

import os
import tracemalloc
import wave
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import soundfile

from speechbrain_xser import packaged_model
from speechbrain_xser.annotator import annotation as module
from speechbrain_xser.annotator.annotation import annotate
from speechbrain_xser.annotator.classifier import Classifier, Estimate
from speechbrain_xser.annotator.cutoffs import corpus_cutoffs, cutoffs_from, reference_cutoffs
from speechbrain_xser.annotator.describe import descriptors_of
from speechbrain_xser.annotator.measured_clips import clip_of
from speechbrain_xser.annotator.measures import Measures
from speechbrain_xser.answer.record import EMOTIONS
from speechbrain_xser.data.audio import load_audio
from speechbrain_xser.data.manifest import Utterance, read_manifest, write_manifest
from speechbrain_xser.data.member import sound_digest
from speechbrain_xser.data.paragraphs import with_paragraphs
from speechbrain_xser.errors import JournalError, ManifestError
from speechbrain_xser.inference.model_classifier import recognizer_classifier
from speechbrain_xser.utils.journal import Journal

CUTOFFS = cutoffs_from(
    {
        "pitch_hertz": {"male": [100, 150], "female": [180, 220]},
        "level_decibels": [-30, -20],
        "syllables_per_second": [3, 5],
    }
)


def tone(folder: Path, name: str, hertz: float, gain: float, seconds: float = 1.0) -> str:
    time = np.arange(round(seconds * 16000)) / 16000
    soundfile.write(folder / f"{name}.wav", gain * np.sin(2 * np.pi * hertz * time), 16000)
    return f"{name}.wav"


def write(folder: Path, **rows) -> dict[str, str]:
    for name, utterances in rows.items():
        write_manifest(folder / f"{name}.jsonl", utterances)
    return {name: str(folder / f"{name}.jsonl") for name in rows}


@pytest.mark.parametrize(
    "hertz, gender, word",
    [(100, "male", "low"), (101, "male", "normal"), (151, "male", "high"), (151, "female", "low"), (151, None, None)],
)
def test_pitch_is_low_or_high_for_its_gender(hertz, gender, word):
    assert descriptors_of(Measures(f0_hertz=float(hertz)), CUTOFFS, gender=gender)["pitch"] == word


def test_a_slow_loud_clip_is_called_so():
    found = descriptors_of(Measures(level_decibels=-12.0, syllables_per_second=2.0), CUTOFFS)
    assert (found["volume"], found["speed"]) == ("high", "slow")


def test_unmeasured_attributes_are_not_mentioned():
    assert set(descriptors_of(Measures(), CUTOFFS).values()) == {None}


def test_an_unclear_voice_has_no_gender():
    words = [descriptors_of(Measures(gender_log_odds=odds), CUTOFFS)["gender"] for odds in (5.0, -5.0, 0.1)]
    assert words == ["female", "male", None]


def test_a_corpus_gets_speechcraft_s_cutoffs():
    men = [(Measures(f0_hertz=float(hertz)), "male") for hertz in range(1, 102)]
    women = [(Measures(f0_hertz=float(hertz)), "female") for hertz in range(201, 302)]
    pitch = corpus_cutoffs(men + women, "mine").pitch_hertz
    assert pitch["male"] == pytest.approx((41, 91)) and pitch["female"] == pytest.approx((211, 261))


def test_a_few_clips_use_the_reference_cutoffs():
    few = [(Measures(level_decibels=float(level)), None) for level in range(-19, 0)]
    assert corpus_cutoffs(few, "mine").level_decibels == reference_cutoffs().level_decibels


def test_cut_offs_that_fall_are_refused():
    with pytest.raises(ManifestError, match="must rise"):
        cutoffs_from({**CUTOFFS.as_dict(), "level_decibels": [-20, -30]})


def test_empty_columns_are_filled_and_existing_values_kept(tmp_path):
    wav = tone(tmp_path, "a", 250, 0.5)
    paths = write(tmp_path, train=[Utterance("a", wav, gender="female", pitch="low", emotion="sad")])
    annotate(paths, tmp_path / "measures.sqlite", workers=1)
    [row] = read_manifest(paths["train"])
    assert (row.pitch, row.volume, row.emotion, row.age, row.intonation) == ("low", "high", "sad", None, "flat")
    assert "high volume" in row.caption


def test_the_bounds_of_the_test_part_are_those_of_the_training_part(tmp_path):
    train = [Utterance(f"t{n}", tone(tmp_path, f"t{n}", 120, 0.001 * 1.1**n)) for n in range(24)]
    loud = [Utterance(f"v{n}", tone(tmp_path, f"v{n}", 120, 0.5)) for n in range(2)]
    paths = write(tmp_path, train=train, test=loud)
    annotate(paths, tmp_path / "measures.sqlite", workers=1)
    assert [row.volume for row in read_manifest(paths["test"])] == ["high", "high"]
    words = [row.volume for row in read_manifest(paths["train"])]
    assert [words.count(word) for word in ("low", "normal", "high")] == [8, 8, 8]


def test_a_second_run_measures_nothing(tmp_path, monkeypatch):
    paths = write(tmp_path, train=[Utterance("a", tone(tmp_path, "a", 200, 0.1))])
    assert annotate(paths, tmp_path / "measures.sqlite", workers=1)["measured"] == 1
    first = Path(paths["train"]).read_bytes()
    monkeypatch.setattr(module, "measure", lambda *_: pytest.fail("measured again"))
    assert annotate(paths, tmp_path / "measures.sqlite", workers=1)["measured"] == 0
    assert Path(paths["train"]).read_bytes() == first


def test_a_changed_file_is_measured_again(tmp_path):
    paths = write(tmp_path, train=[Utterance("a", tone(tmp_path, "a", 200, 0.1))])
    annotate(paths, tmp_path / "measures.sqlite", workers=1)
    tone(tmp_path, "a", 200, 0.1, seconds=2.0)
    assert annotate(paths, tmp_path / "measures.sqlite", workers=1)["measured"] == 1


def test_another_file_of_the_same_size_name_and_time_is_measured_again(tmp_path):
    path = tmp_path / tone(tmp_path, "a", 200, 0.1)
    rows, before = [Utterance("a", "a.wav", gender="female")], path.stat()
    annotate(write(tmp_path, train=rows), tmp_path / "measures.sqlite", workers=1)
    tone(tmp_path, "a", 400, 0.1)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size and path.stat().st_mtime_ns == before.st_mtime_ns
    paths = write(tmp_path, train=rows)
    assert annotate(paths, tmp_path / "measures.sqlite", workers=1)["measured"] == 1
    assert read_manifest(paths["train"])[0].pitch == "high"


def test_a_clip_of_a_changed_archive_is_measured_again(tmp_path):
    tone(tmp_path, "a", 200, 0.1)
    content = (tmp_path / "a.wav").read_bytes()
    rows = [Utterance("a", f"a.tar#100+{len(content)}")]
    counts = []
    for first in (b"", b"other bytes before the clip", bytes(50)):  # only the last part of the clip itself
        (tmp_path / "a.tar").write_bytes(first.ljust(100, b"-")[:100] + content)
        content = content[:-50] + bytes(50) if first else content
        counts.append(annotate(write(tmp_path, train=rows), tmp_path / "measures.sqlite", workers=1)["measured"])
    assert counts == [1, 0, 1]


def test_a_recording_of_many_segments_is_digested_once(tmp_path, monkeypatch):
    read = []
    monkeypatch.setattr(module, "sound_digest", lambda path: read.append(path) or "digest")
    wav = tone(tmp_path, "a", 200, 0.1)
    rows = [Utterance(f"a{n}", wav, start=n / 10, stop=n / 10 + 0.5) for n in range(5)]
    annotate(write(tmp_path, train=rows), tmp_path / "measures.sqlite", workers=1)
    assert read == [str(tmp_path / "a.wav")]


def test_an_old_measures_file_or_a_foreign_file_is_refused_and_kept(tmp_path):
    paths = write(tmp_path, train=[Utterance("a", tone(tmp_path, "a", 200, 0.1))])
    (tmp_path / "diary.txt").write_text("Monday: rain\n")
    with pytest.raises(JournalError, match="diary.txt is not a journal of this program"):
        annotate(paths, tmp_path / "diary.txt", workers=1)
    assert (tmp_path / "diary.txt").read_text() == "Monday: rain\n"


def test_an_unreadable_clip_stays_as_it_was_and_is_counted(tmp_path):
    paths = write(
        tmp_path, train=[Utterance("a", "gone.wav", emotion="sad"), Utterance("b", tone(tmp_path, "b", 99, 0.1))]
    )
    assert annotate(paths, tmp_path / "measures.sqlite", workers=1) == {"clips": 2, "measured": 1, "unreadable": 1}
    assert read_manifest(paths["train"])[0].volume is None


@pytest.mark.slow
def test_several_processes_give_the_measures_of_one(tmp_path):
    wavs = [tone(tmp_path, f"{n:02}", 150 + 5 * n, 0.1) for n in range(30)]  # more than are handed out at once
    rows = [Utterance(wav, wav, gender="male") for wav in wavs]
    found = []
    for workers in (1, 2):
        paths = write(tmp_path, train=rows)
        annotate(paths, tmp_path / f"{workers}.sqlite", workers=workers)
        found.append(read_manifest(paths["train"]))
    assert found[0] == found[1] and found[0][0].pitch is not None


def test_a_human_caption_stays(tmp_path):
    wav = tone(tmp_path, "a", 200, 0.1)
    paths = write(tmp_path, train=[Utterance("a", wav, description="一个声音", transcript="你好")])
    annotate(paths, tmp_path / "measures.sqlite", language="zh", workers=1)
    [row] = read_manifest(paths["train"])
    assert (row.description, row.caption) == ("一个声音", None) and row.volume is not None


def test_a_classifier_fills_what_is_null_and_nothing_else(tmp_path):
    rows = [
        Utterance("a", tone(tmp_path, "a", 200, 0.1)),
        Utterance("b", tone(tmp_path, "b", 300, 0.1), emotion="sad", age="child"),
        Utterance("c", "gone.wav"),
        Utterance("d", tone(tmp_path, "d", 250, 0.1), emotion="sad"),
    ]
    asked = []

    def labels(wav):
        asked.append(len(wav))
        return {"emotion": "happy", "age": None}

    paths, mine = write(tmp_path, train=rows), Classifier("mine", labels)
    annotate(paths, tmp_path / "measures.sqlite", workers=1, classifier=mine)
    found = {row.id: (row.emotion, row.age) for row in read_manifest(paths["train"])}
    assert found == {"a": ("happy", None), "b": ("sad", "child"), "c": (None, None), "d": ("sad", None)}
    assert "happ" in read_manifest(paths["train"])[0].caption
    annotate(write(tmp_path, train=rows), tmp_path / "measures.sqlite", workers=1, classifier=mine)
    assert asked == [16000] * 2  # what was estimated is kept
    with Journal(tmp_path / "estimates.sqlite", Estimate) as estimates:
        assert [(key.split()[1], found.emotion) for key, found in estimates.items()] == [("mine", "happy")] * 2


def test_emotion_and_age_stay_null_without_a_classifier(tmp_path):
    paths = write(tmp_path, train=[Utterance("a", tone(tmp_path, "a", 200, 0.1))])
    annotate(paths, tmp_path / "measures.sqlite", workers=1)
    [row] = read_manifest(paths["train"])
    assert (row.emotion, row.age) == (None, None) and not (tmp_path / "estimates.sqlite").exists()


def test_a_classifier_s_label_outside_its_vocabulary_is_refused(tmp_path):
    paths = write(tmp_path, train=[Utterance("a", tone(tmp_path, "a", 200, 0.1))])
    bored = Classifier("mine", lambda wav: {"emotion": "bored"})
    with pytest.raises(ManifestError, match="classifier 'mine': emotion is 'bored'"):
        annotate(paths, tmp_path / "measures.sqlite", workers=1, classifier=bored)


def test_a_trained_model_is_a_classifier(tmp_path):
    classifier = recognizer_classifier(packaged_model())
    with wave.open(str(tmp_path / "long.wav"), "wb") as file:
        file.setnchannels(1), file.setsampwidth(2), file.setframerate(16000), file.writeframes(bytes(2 * 40 * 16000))
    found = classifier.labels(load_audio(tmp_path / "long.wav"))
    assert set(found) == {"emotion", "age"} and found["emotion"] in (*EMOTIONS, None)


def peak_bytes(folder: Path, clips: int) -> int:
    """Peak memory of a run that finds everything measured, so only its bookkeeping counts."""
    folder.mkdir()
    soundfile.write(folder / "a.wav", np.zeros(16000 * 40), 16000)
    rows = [Utterance(f"a{n}", "a.wav", start=n / 100, stop=n / 100 + 1, transcript="go " * 50) for n in range(clips)]
    paths = write(folder, train=rows)
    with Journal(folder / "measures.sqlite", Measures) as journal:
        digest = cache(sound_digest)
        keys = (clip_of(row, None, folder, digest=digest).key for row in rows)
        journal.add_all((key, Measures(level_decibels=-20.0)) for key in keys)
    del rows
    tracemalloc.start()
    annotate(paths, folder / "measures.sqlite", workers=1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


@pytest.mark.slow
def test_memory_holds_a_key_for_each_clip_and_not_its_row(tmp_path):
    few, many = (peak_bytes(tmp_path / str(clips), clips) for clips in (200, 2200))
    assert (many - few) / 2000 < 600  # a row with its transcript and paragraphs is some 2,000


def test_the_varied_wording_is_written_on_request(tmp_path):
    wav = tone(tmp_path, "a", 250, 0.5)
    paths = write(tmp_path, train=[Utterance("a", wav, gender="female", emotion="sad", transcript="Go")])
    annotate(paths, tmp_path / "measures.sqlite", workers=1, wording="varied")
    [row] = read_manifest(paths["train"])
    assert row.caption == with_paragraphs(row._replace(caption=None, description=None), "varied").caption


def test_a_speaker_s_clips_decide_the_gender_together(tmp_path, monkeypatch):
    odds = iter([3.0, 3.0, -0.5])
    monkeypatch.setattr(module, "measure", lambda *_: Measures(gender_log_odds=next(odds)))
    rows = [Utterance(name, tone(tmp_path, name, 150 + 50 * n, 0.1), speaker="s") for n, name in enumerate("abc")]
    paths = write(tmp_path, train=rows)
    annotate(paths, tmp_path / "measures.sqlite", workers=1)
    assert [row.gender for row in read_manifest(paths["train"])] == ["female"] * 3
