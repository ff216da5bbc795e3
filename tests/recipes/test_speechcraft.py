"""SpeechCraft's preparation: small corpora of real speech as GigaSpeech's two releases and LibriTTS-R have it."""

import csv
import json
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pytest
import soundfile
from SpeechCraft.annotations import indexed
from SpeechCraft.gigaspeech import recorded_passages, spoken_text
from SpeechCraft.prepare import prepare

from speechbrain_xser.answer.parse import parse
from speechbrain_xser.data.manifest import read_manifest
from speechbrain_xser.data.pipeline import dataset
from speechbrain_xser.data.speakers import hashed_side
from speechbrain_xser.errors import ManifestError, TrainingError
from tests.genuine import DATA

GENUINE = DATA / "annotations" / "speechcraft" / "labels_LJspeech_0.json"
SAMPLE = DATA / "annotations" / "gigaspeech" / "GigaSpeech_sample.json"
SPEECH = DATA / "librispeech" / "test-other"
needs_speech = pytest.mark.skipif(not SPEECH.is_dir(), reason="LibriSpeech is not here: set XSER_DATA")
needs_annotations = pytest.mark.skipif(
    not (GENUINE.is_file() and SAMPLE.is_file()),
    reason="SpeechCraft's and GigaSpeech's samples are not here: set XSER_DATA to the folder with annotations/",
)
RATE = 16000
RECORDINGS = ("POD0000000001", "YOU0000000012", "AUD0000000025")


SHARES = {"train": 0.4, "valid": 0.3, "test": 0.3}
SEED = next(s for s in map(str, range(1000)) if [hashed_side(r, SHARES, s) for r in RECORDINGS] == list(SHARES))
SPLIT = {"valid_share": 0.3, "test_share": 0.3, "seed": SEED}  # each of the three recordings in another split


@pytest.fixture(scope="module")
def speech() -> list[np.ndarray]:
    """Ten clips of people reading, at 16 kHz."""
    return [soundfile.read(path)[0][: 4 * RATE] for path in sorted(SPEECH.rglob("*.flac"))[:10]]


def text_of(number: int) -> str:
    return f"WELL <COMMA> THIS IS I AND NUMBER {'ONE TWO THREE FOUR FIVE SIX'.split()[number]} <PERIOD>"


def plain(number: int) -> str:
    return spoken_text(text_of(number))


def segment(recording: str, number: int, start: float, text: str) -> dict:
    """With the seven keys of the genuine sample."""
    times = {"begin_time": start, "end_time": start + 4.0}
    sid = f"{recording}_S{number:07d}"
    return {"sid": sid, "speaker": "N/A", **times, "text_raw": "", "text_tn": text, "subsets": ["{XL}", "{M}"]}


def entry(recording: str, seconds: float, segments: list[dict]) -> dict:
    """With the sixteen keys of the genuine sample."""
    return {
        "title": "A show",
        "url": "https://example.org/show",
        "path": f"audio/podcast/P0001/{recording}.opus",
        "aid": recording,
        "source": "podcast",
        "format": "opus",
        "sample_rate": 16000,
        "codec": "s16le",
        "channels": 1,
        "md5": "0",
        "duration": seconds,
        "size": 1,
        "speaker": "N/A",
        "category": "News  and  Politics",
        "subsets": ["{XL}", "{M}"],
        "segments": segments,
    }


def labels(number: int) -> str:
    tags = {"age": "Elderly", "gender": "male", "pitch": "low", "volume": "normal", "speed": "fast", "emotion": "sad"}
    tags |= {"transcription": f" {plain(number)}"}
    return "\t".join(f"{name}:{word}" for name, word in tags.items())


def ids(segments: int = 6) -> list[str]:
    return [f"{RECORDINGS[n % 3]}_S{n:07d}" for n in range(segments)]


def write_annotations(folder: Path, wanted: list[str], prefix: str = "GigaSpeech_") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    files = {"labels_en.json": {}, "description_en.json": {}, "instruction_en.json": {}}
    for number, id in enumerate(wanted):
        files["labels_en.json"][prefix + id] = {"labels": labels(number)}
        files["description_en.json"][prefix + id] = "A sad old male with low pitch speaks rapidly."
        told = f'A sad old male with low pitch speaks rapidly, saying, "{plain(number)}"'
        files["instruction_en.json"][prefix + id] = {"llama-instruction": told}
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content))


def write_original(folder: Path, speech: list[np.ndarray]) -> list[str]:
    """Three recordings of twelve seconds as opus, two segments annotated in each, and GigaSpeech.json."""
    audios = []
    for place, recording in enumerate(RECORDINGS):
        path = folder / "audio" / "podcast" / "P0001" / f"{recording}.opus"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, np.concatenate(speech[place : place + 3]), RATE, format="OGG", subtype="OPUS")
        segments = [segment(recording, n, 4.0 * (n // 3), text_of(n)) for n in range(6) if n % 3 == place]
        segments.append(segment(recording, 90, 8.0, "NOT ANNOTATED <PERIOD>"))
        audios.append(entry(recording, 12.0, segments))
    (folder / "GigaSpeech.json").write_text(json.dumps({"dataset": "GigaSpeech", "language": "EN", "audios": audios}))
    write_annotations(folder / "annotations", ids())
    return ids()


def write_hub(folder: Path, speech: list[np.ndarray], archives: int = 2) -> None:
    """The same six clips in tar.gz archives, with a table beside each."""
    for archive in range(archives):
        name, rows = f"m_chunks_{archive:04d}", []
        path = folder / "data" / "audio" / "m_files_additional" / f"{name}.tar.gz"
        table = folder / "data" / "metadata" / "m_metadata_additional" / f"{name}_metadata.csv"
        for place in (path, table):
            place.parent.mkdir(parents=True, exist_ok=True)
        with tarfile.open(path, "w:gz") as tar:
            for number, id in enumerate(ids()):
                if number % archives == archive:
                    soundfile.write(folder / f"{id}.wav", speech[number], RATE)
                    tar.add(folder / f"{id}.wav", f"{name}/{id}.wav")
                    (folder / f"{id}.wav").unlink()
                    rows.append({"sid": id, "aid": id[:13], "text_tn": text_of(number), "category": "", "path": "x"})
        with open(table, "w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    write_annotations(folder / "annotations", ids())


def write_libritts(folder: Path, speech: list[np.ndarray]) -> list[str]:
    """Three readers of LibriTTS-R at its 24 kHz."""
    wanted = []
    for number, reader in enumerate(("103", "1034", "1040")):
        name = f"{reader}_1241_000000_00000{number}"
        path = folder / "LibriTTS_R" / "train-clean-100" / reader / "1241" / f"{name}.wav"
        path.parent.mkdir(parents=True)
        soundfile.write(path, np.repeat(speech[number], 3)[::2], 24000)
        path.with_suffix(".normalized.txt").write_text("“It’s a story,” Sara said.")
        wanted.append(name)
    return wanted


def everything(paths: dict[str, str]) -> dict:
    return {clip.id: clip for path in paths.values() for clip in read_manifest(path)}


def summary_of(folder: Path) -> dict:
    return json.loads((folder / "summary.json").read_text())


@pytest.fixture
def original(tmp_path, speech):
    write_original(tmp_path / "corpus", speech)
    return tmp_path / "corpus"


@needs_speech
@pytest.mark.slow
def test_the_original_release_is_read_by_segment_without_a_copy(original, tmp_path, speech):
    paths = prepare(original, tmp_path / "save", **SPLIT)
    clips = everything(paths)
    assert sorted(clips) == sorted(f"gigaspeech-{id}" for id in ids())
    assert {name: len(read_manifest(path)) for name, path in paths.items()} == {"train": 2, "valid": 2, "test": 2}
    second = clips[f"gigaspeech-{ids()[3]}"]
    assert (second.wav, second.start, second.stop, second.duration) == (
        "{data_root}/audio/podcast/P0001/POD0000000001.opus", 4.0, 8.0, 4.0,
    )  # fmt: skip
    assert not list((tmp_path / "save").rglob("*.opus")) and not (tmp_path / "save" / "audio").exists()
    heard = dataset(paths["train"], original)[1]["wav"].numpy()
    assert len(heard) == 4 * RATE and np.corrcoef(heard, speech[1])[0, 1] > 0.9  # opus is lossy


@needs_speech
@pytest.mark.slow
def test_an_utterance_has_speechcrafts_labels_and_both_of_its_paragraphs(original, tmp_path):
    clip = everything(prepare(original, tmp_path / "save", **SPLIT))[f"gigaspeech-{ids()[0]}"]
    assert clip.transcript == "Well, this is I and number one."
    assert (clip.emotion, clip.gender, clip.age) == ("sad", "male", "elderly")
    assert (clip.pitch, clip.volume, clip.speed, clip.topic) == ("low", "normal", "fast", "News and Politics")
    assert clip.description == "A sad old male with low pitch speaks rapidly."
    assert clip.caption.endswith('saying, "Well, this is I and number one."')
    assert parse(clip.caption).transcript == clip.transcript and clip.speaker is None


@needs_speech
@pytest.mark.slow
def test_segments_that_speechcraft_does_not_annotate_are_counted_not_kept(original, tmp_path):
    prepare(original, tmp_path / "save", **SPLIT)
    assert summary_of(tmp_path / "save")["without_annotation"] == 3


@needs_speech
def test_the_hubs_archives_give_the_same_clips_sample_by_sample(tmp_path, speech):
    write_hub(tmp_path / "hub", speech)
    paths = prepare(tmp_path / "hub", tmp_path / "save", **SPLIT)
    clips = everything(paths)
    assert sorted(clips) == sorted(f"gigaspeech-{id}" for id in ids())
    assert {name: len(read_manifest(path)) for name, path in paths.items()} == {"train": 2, "valid": 2, "test": 2}
    first = clips[f"gigaspeech-{ids()[0]}"]
    assert first.wav == str(tmp_path / "save" / "audio" / "m_chunks_0000" / f"{ids()[0]}.wav") and first.start is None
    assert np.abs(soundfile.read(first.wav)[0] - speech[0]).max() < 1 / 32768
    assert first.topic is None  # the table's category is empty


@needs_speech
def test_archives_that_are_unpacked_already_are_read_where_they_are(tmp_path, speech):
    write_hub(tmp_path / "hub", speech)
    for path in (tmp_path / "hub").rglob("*.tar.gz"):
        with tarfile.open(path) as tar:
            tar.extractall(path.parent, filter="data")
        path.unlink()
    clips = everything(prepare(tmp_path / "hub", tmp_path / "save", **SPLIT))
    assert len(clips) == 6 and all(clip.wav.startswith("{data_root}/data/audio/") for clip in clips.values())
    assert not (tmp_path / "save" / "audio").exists()


@needs_speech
def test_an_archive_is_not_unpacked_again(tmp_path, speech):
    write_hub(tmp_path / "hub", speech)
    prepare(tmp_path / "hub", tmp_path / "save", **SPLIT)
    written = {path: path.stat().st_mtime_ns for path in (tmp_path / "save" / "audio").rglob("*.wav")}
    (tmp_path / "save" / "prepared.json").unlink()  # as after a kill
    prepare(tmp_path / "hub", tmp_path / "save", **SPLIT)
    assert written == {path: path.stat().st_mtime_ns for path in (tmp_path / "save" / "audio").rglob("*")
                       if path.is_file()}  # fmt: skip


@needs_speech
def test_a_save_folder_inside_the_data_folder_is_not_read_as_a_release(tmp_path, speech):
    write_hub(tmp_path, speech)
    first = everything(prepare(tmp_path, tmp_path / "save", **SPLIT))
    next((tmp_path / "save" / "audio").rglob("*.wav")).unlink()  # as if it had been stopped in the middle
    (tmp_path / "save" / "prepared.json").unlink()
    assert everything(prepare(tmp_path, tmp_path / "save", **SPLIT)) == first and len(first) == 6


@needs_speech
def test_a_cut_archive_stops_the_preparation_and_is_named(tmp_path, speech):
    write_hub(tmp_path / "hub", speech)
    path = next((tmp_path / "hub").rglob("m_chunks_0001.tar.gz"))
    path.write_bytes(path.read_bytes()[:20000])
    with pytest.raises(TrainingError, match="m_chunks_0001.tar.gz"):
        prepare(tmp_path / "hub", tmp_path / "save", **SPLIT)


@needs_speech
@pytest.mark.slow
def test_libritts_r_joins_by_file_name_and_brings_its_readers(original, tmp_path, speech):
    wanted = write_libritts(original, speech)
    entries = {f"LibriTTS-R_{id}": "gender:female\temphasis:story, said\temotion:unknown" for id in wanted}
    (original / "annotations" / "libritts_labels.json").write_text(json.dumps(entries))
    clip = everything(prepare(original, tmp_path / "save", **SPLIT))[f"libritts-{wanted[0]}"]
    assert (clip.speaker, clip.gender, clip.emotion, clip.topic) == ("libritts-103", "female", None, "audiobook")
    assert clip.transcript == '"It\'s a story," Sara said.' and clip.emphasis == ("story", "said")
    assert parse(clip.caption).transcript == "'It's a story,' Sara said."  # written from the record


@needs_speech
@pytest.mark.slow
def test_an_instruction_without_the_transcript_is_set_aside(original, tmp_path):
    path = original / "annotations" / "instruction_en.json"
    told = json.loads(path.read_text())
    told[f"GigaSpeech_{ids()[0]}"]["llama-instruction"] = "Surprised, an adult male speaks rapidly, exclaiming,  Their"
    path.write_text(json.dumps(told))
    clip = everything(prepare(original, tmp_path / "save", **SPLIT))[f"gigaspeech-{ids()[0]}"]
    assert clip.caption is None and clip.description is not None
    assert summary_of(tmp_path / "save")["set_aside"] == {"instruction that does not quote the transcript": 1}


@needs_speech
@pytest.mark.slow
def test_annotations_without_audio_and_audio_without_speech_are_told_apart(original, tmp_path):
    path = original / "annotations" / "labels_en.json"
    told = json.loads(path.read_text())
    told["GigaSpeech_POD0000009999_S0000001"] = {"labels": labels(0)}
    told[f"GigaSpeech_{ids()[4]}"]["labels"] = "gender:male\ttranscription: <MUSIC>"
    told["POD0000000777_S0000000"] = {"labels": labels(0)}
    path.write_text(json.dumps(told))
    metadata = json.loads((original / "GigaSpeech.json").read_text())
    metadata["audios"].append(entry("POD0000000777", 12.0, [segment("POD0000000777", 0, 0.0, "NOT FETCHED")]))
    (original / "GigaSpeech.json").write_text(json.dumps(metadata))
    assert len(everything(prepare(original, tmp_path / "save", **SPLIT))) == 5
    dropped = {reason: row["clips"] for reason, row in summary_of(tmp_path / "save")["dropped"].items()}
    assert dropped == {
        "annotated, but its audio is not in the data folder": 2,
        "no speech, only a tag for something else": 1,
    }


@needs_speech
@pytest.mark.slow
def test_a_longer_clip_is_left_out_and_counted(original, tmp_path):
    metadata = json.loads((original / "GigaSpeech.json").read_text())
    metadata["audios"][0]["segments"][0]["end_time"] = 7.0
    (original / "GigaSpeech.json").write_text(json.dumps(metadata))
    assert len(everything(prepare(original, tmp_path / "save", max_seconds=5.0, **SPLIT))) == 5
    assert summary_of(tmp_path / "save")["dropped"]["longer than 5 s"]["clips"] == 1


@needs_speech
@pytest.mark.slow
def test_a_segment_beyond_its_recording_and_a_cut_recording_are_faults(original, tmp_path):
    path = original / "audio" / "podcast" / "P0001" / f"{RECORDINGS[0]}.opus"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(TrainingError, match=RECORDINGS[0]):
        prepare(original, tmp_path / "save", **SPLIT)


@needs_speech
@pytest.mark.slow
def test_repeating_it_reads_nothing_and_changes_nothing(original, tmp_path, monkeypatch):
    paths = prepare(original, tmp_path / "save", **SPLIT)
    before = {path: Path(path).stat().st_mtime_ns for path in paths.values()}
    monkeypatch.setattr("SpeechCraft.prepare.indexed", None)
    assert prepare(original, tmp_path / "save", **SPLIT) == paths
    assert before == {path: Path(path).stat().st_mtime_ns for path in paths.values()}
    assert not (tmp_path / "save" / "annotations.sqlite").exists()


@needs_annotations
def test_every_entry_of_the_genuine_annotations_can_be_looked_up(tmp_path):
    with indexed([GENUINE], tmp_path) as annotations:
        assert annotations.pop("LJSpeech_LJ010-0227").labels.startswith("age:Elderly\tgender:male")
        assert len(list(annotations.rest())) == 219


@needs_annotations
@needs_speech
@pytest.mark.slow
def test_the_genuine_metadata_of_gigaspeech_is_read(tmp_path, speech):
    shutil.copy(SAMPLE, tmp_path / "GigaSpeech.json")
    path = tmp_path / "audio" / "podcast" / "P0001" / "POD0000000001.opus"
    path.parent.mkdir(parents=True)
    soundfile.write(path, np.tile(np.concatenate(speech[:5]), 9), RATE, format="OGG", subtype="OPUS")
    wanted = ["POD0000000001_S0000008"]
    write_annotations(tmp_path / "annotations", wanted)
    (tmp_path / "annotations" / "labels_en.json").write_text(json.dumps({wanted[0]: {"labels": "age:Youth"}}))
    (passage,) = recorded_passages(tmp_path / "GigaSpeech.json")
    assert passage.file.exists() and (passage.start, passage.stop, passage.topic) == (159.0, 167.52, "Arts")
    assert passage.text == (
        "Douglas mcgray is going to be our guide you walk through the door, you see the red carpeting, you see someone "
        "in a suit. They may be greeting you."
    )
    with pytest.raises(ManifestError, match="No utterance for .*valid.jsonl, .*test.jsonl"):  # one recording, one split
        prepare(tmp_path, tmp_path / "save", valid_share=1e-9, test_share=1e-9)


@pytest.mark.parametrize(
    "written, spoken",
    [
        ("HELLO <COMMA> I'M I <EXCLAMATIONPOINT> WHO <QUESTIONMARK>", "Hello, I'm I! Who?"),
        ("<NOISE> SO <SIL> IT GOES <PERIOD>", "So it goes."),
        ("Already as people write, NASA says.", "Already as people write, NASA says."),
        ("<SIL>", None),
        ("<OTHER> <COMMA>", None),
        ("", None),
    ],
)
def test_gigaspeechs_text_becomes_what_people_write(written, spoken):
    assert spoken_text(written) == spoken


def test_a_folder_without_annotations_says_where_they_are(tmp_path):
    with pytest.raises(ManifestError, match="thuhcsi/SpeechCraft"):
        prepare(tmp_path, tmp_path / "save")


def test_a_folder_without_audio_says_what_is_expected(tmp_path):
    write_annotations(tmp_path / "annotations", ids())
    with pytest.raises(ManifestError, match=r"GigaSpeech.json.*chunks.*LibriTTS_R"):
        prepare(tmp_path, tmp_path / "save")


@needs_speech
@pytest.mark.parametrize("name", ["GigaSpeech.json", "annotations/labels_en.json"])
@pytest.mark.slow
def test_a_json_file_that_is_cut_short_is_named(original, tmp_path, name):
    path = original / name
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ManifestError, match=f"{path.name}: truncated"):
        prepare(original, tmp_path / "save", **SPLIT)
    assert not (tmp_path / "save" / "annotations.sqlite").exists()


@needs_speech
@pytest.mark.slow
def test_an_entry_that_is_not_gigaspeech_s_is_named(original, tmp_path):
    metadata = json.loads((original / "GigaSpeech.json").read_text())
    del metadata["audios"][1]["segments"][0]["end_time"]
    (original / "GigaSpeech.json").write_text(json.dumps(metadata))
    with pytest.raises(ManifestError, match="GigaSpeech.json, recording 2: no 'end_time'"):
        prepare(original, tmp_path / "save", **SPLIT)
