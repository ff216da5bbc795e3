"""A user's rows and data sets as utterances: labels, ids, paths and skipped rows."""

import io
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile

from speechbrain_xser.data.columns import choose_columns
from speechbrain_xser.data.exclusions import Dropped
from speechbrain_xser.data.importing import Importer
from speechbrain_xser.data.manifest import Utterance
from speechbrain_xser.data.tables import read_table
from speechbrain_xser.errors import ManifestError
from tests.genuine import DATA

LISTS = DATA / "annotations"
needs_lists = pytest.mark.skipif(
    not LISTS.is_dir(), reason="the annotation files are not here: set XSER_DATA to the folder with annotations/"
)


def imported(rows: list[dict], given: dict | None = None, folder=None, emotions=None) -> list[Utterance | Dropped]:
    found = dict.fromkeys(column for row in rows for column in row)
    return list(Importer(choose_columns(found, given), "mine", folder, emotions=emotions).utterances(rows))


def test_usual_names_of_columns_are_found_whatever_their_case_and_hyphens():
    chosen = choose_columns(["Client-ID", "Path", "Sentence", "SEX", "Age", "Label", "up_votes"])
    assert chosen == {
        "wav": "Path",
        "transcript": "Sentence",
        "emotion": "Label",
        "speaker": "Client-ID",
        "gender": "SEX",
        "age": "Age",
    }


def test_a_column_that_the_user_names_takes_precedence():
    assert choose_columns(["path", "label", "mood"], {"emotion": "mood"})["emotion"] == "mood"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "No column with the clips' paths. The table has the columns 'name', 'mood'"),
        ({"wav": "file"}, "there is no column 'file'. The table has the columns 'name', 'mood'"),
        ({"wav": "{nom}.wav"}, "there is no column 'nom'"),
        ({"wav": "{name"}, "there is no column '{name'"),
        ({"wav": "name", "mood": "mood"}, "There is no field 'mood'; expected one of wav, id, transcript"),
    ],
)
def test_a_missing_column_is_named_with_the_existing_ones(given, message):
    with pytest.raises(ManifestError, match=message):
        choose_columns(["name", "mood"], given)


def test_a_second_row_of_a_clip_is_dropped_and_a_repeated_id_gets_a_number():
    rows = [{"path": "/a/1.wav"}, {"path": "/b/1.wav"}, {"path": "/a/1.wav"}]
    first, second, again = imported(rows)
    assert (first.id, second.id, again.reason) == ("mine-1", "mine-1-2", "a second row of the same clip")


def test_segments_of_one_file_are_clips_of_their_own():
    rows = [{"path": "/a.wav", "start": "0", "end": "1.5"}, {"path": "/a.wav", "start": "1.5", "end": "2"}]
    assert [(clip.id, clip.start, clip.stop) for clip in imported(rows)] == [("mine-a", 0, 1.5), ("mine-a-2", 1.5, 2)]


def test_a_time_that_is_not_a_number_is_refused_by_its_row():
    with pytest.raises(ManifestError, match="row 1: start is '00:16:16,059', expected seconds"):
        imported([{"path": "/a.wav", "start": "00:16:16,059"}])


def test_a_path_below_the_data_folder_becomes_portable_and_another_stays(tmp_path):
    rows = [{"path": "b/1.wav"}, {"path": f"{tmp_path}/b/2.wav"}, {"path": "/elsewhere/3.wav"}]
    clips = imported(rows, folder=tmp_path)
    assert [clip.wav for clip in clips] == ["{data_root}/b/1.wav", "{data_root}/b/2.wav", "/elsewhere/3.wav"]
    assert [clip.id for clip in clips] == ["mine-b-1", "mine-b-2", "mine-3"]


def test_a_path_not_in_the_data_folder_is_relative_to_the_table(tmp_path):
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "1.wav").touch()
    importer = Importer({"wav": "path"}, "mine", tmp_path, tmp_path / "lists")
    [clip] = importer.utterances([{"path": "1.wav"}])
    assert clip.wav == str(tmp_path / "lists" / "1.wav")


def test_labels_outside_drop_the_clip_for_an_emotion_and_empty_the_field_for_another():
    rows = [
        {"path": "/1.wav", "emotion": "Awe", "gender": "f", "age": "30"},
        {"path": "/2.wav", "emotion": "", "gender": "third", "age": "old"},
    ]
    importer = Importer(choose_columns(rows[0]), "mine", None)
    awe, unlabelled = importer.utterances(rows)
    assert awe.reason == "emotion 'awe' is outside the vocabulary" and not awe.fault
    assert (unlabelled.emotion, unlabelled.gender, unlabelled.age) == (None, None, None)
    assert importer.unread == {"gender": Counter({"third": 1}), "age": Counter({"old": 1})}


def test_the_user_says_what_a_word_for_an_emotion_means():
    rows = [{"path": "/1.wav", "label": "Freude"}, {"path": "/2.wav", "label": 3}]
    found = imported(rows, emotions={"freude": "happy", "3": "sad"})
    assert [clip.emotion for clip in found] == ["happy", "sad"]
    with pytest.raises(ManifestError, match="Emotion 'joy', expected one of neutral"):
        imported(rows, emotions={"freude": "joy"})


def test_a_row_without_a_path_is_a_fault():
    [dropped] = imported([{"path": " ", "text": "hello"}])
    assert (dropped.id, dropped.fault) == ("row 1", True)


def test_a_transcript_that_says_none_is_a_transcript():
    assert imported([{"path": "/1.wav", "text": "None", "speaker": "None"}])[0][5:7] == (None, "None")


@needs_lists
def test_meld_s_table_is_read_with_paths_put_together_and_has_the_published_counts():
    rows = read_table(LISTS / "meld" / "dev_sent_emo.csv")
    clips = imported(rows, {"wav": "dia{Dialogue_ID}_utt{Utterance_ID}.flac"}, folder="/corpus")
    published = dict(neutral=470, happy=163, surprised=150, angry=153, sad=111, disgusted=22, fearful=40)
    assert Counter(clip.emotion for clip in clips) == published
    assert clips[0].wav == "{data_root}/dia0_utt0.flac"
    assert (clips[0].speaker, clips[0].transcript) == ("mine-Phoebe", "Oh my God, he’s lost it. He’s totally lost it.")


@needs_lists
def test_meld_s_table_without_paths_is_refused_with_its_columns():
    with pytest.raises(ManifestError, match="'Utterance', 'Speaker', 'Emotion'.* as in wav="):
        imported(read_table(LISTS / "meld" / "dev_sent_emo.csv"))


@needs_lists
def test_ears_speakers_have_the_genders_and_ages_that_are_certain():
    rows = read_table(LISTS / "ears" / "speaker_statistics.json")
    clips = imported(rows, {"wav": "{key}/emo_anger_sentences.wav", "speaker": "key"})
    assert Counter(clip.gender for clip in clips) == {"female": 60, "male": 43, None: 4}
    # 26-35; 46-55; 66-75; 18-25, 36-45 and 56-65 lie in two bands each, two speakers do not say
    certain = {"youth adult": 23, "middle-aged": 18, "elderly": 2, None: 30 + 17 + 15 + 2}
    assert Counter(clip.age for clip in clips) == certain


def wav_bytes(seconds: float) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, np.zeros(round(16000 * seconds)), 16000, format="WAV")
    return file.getvalue()


def test_sound_inside_a_data_set_is_written_once_as_it_is(tmp_path):
    datasets = pytest.importorskip("datasets")
    from speechbrain_xser.data.hub_datasets import from_datasets

    clips = [{"bytes": wav_bytes(0.1), "path": "x.wav"}, {"bytes": wav_bytes(0.2), "path": None}]
    dataset = datasets.Dataset.from_dict({"audio": clips, "path": ["u", "v"], "sentence": ["a", "b"]})
    dataset = dataset.cast_column("audio", datasets.Audio(decode=False))
    first, second = from_datasets(dataset, tmp_path)
    assert [Path(clip.wav).name for clip in (first, second)] == ["000000-x.wav", "000001-clip.wav"]
    assert Path(first.wav).read_bytes() == clips[0]["bytes"]
    stamp = Path(first.wav).stat().st_mtime_ns
    assert list(from_datasets(dataset, tmp_path)) == [first, second]
    assert Path(first.wav).stat().st_mtime_ns == stamp
    Path(first.wav).write_bytes(bytes(len(clips[0]["bytes"])))  # of another data set, as large
    assert list(from_datasets(dataset, tmp_path)) == [first, second]
    assert Path(first.wav).read_bytes() == clips[0]["bytes"]


def test_names_of_label_numbers_are_the_data_set_s_and_minus_one_is_unknown(tmp_path):
    datasets = pytest.importorskip("datasets")
    from speechbrain_xser.data.hub_datasets import from_datasets

    features = datasets.Features(
        {"file": datasets.Value("string"), "label": datasets.ClassLabel(names=["joy", "boredom"])}
    )
    columns = {"file": ["/1.wav", "/2.wav", "/3.wav"], "label": [0, 1, -1]}
    happy, bored, unlabelled = from_datasets(datasets.Dataset.from_dict(columns, features), tmp_path)
    assert (happy.emotion, unlabelled.emotion) == ("happy", None)
    assert bored.reason == "emotion 'boredom' is outside the vocabulary"


def test_bytes_that_are_not_sound_are_refused(tmp_path):
    datasets = pytest.importorskip("datasets")
    from speechbrain_xser.data.hub_datasets import from_datasets

    dataset = datasets.Dataset.from_dict({"audio": [{"bytes": b"<html>", "path": None}]})
    with pytest.raises(ManifestError, match="Clip 0 of the data set begins with b'<htm'"):
        list(from_datasets(dataset.cast_column("audio", datasets.Audio(decode=False)), tmp_path))
