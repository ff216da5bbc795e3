"""The small model's training speech: with a flite that hums where the real one is not asked for."""

import os
import shutil
import stat
import sys
import textwrap
from hashlib import sha256
from itertools import product
from pathlib import Path

import pytest
import soundfile
import torch
from Small import crossing
from Small.flite import _voices
from Small.prepare import prepare
from Small.sentences import FILES, sentences, written
from Small.sessions import sessions
from Small.voices import FLITE, Programs

from speechbrain_xser.cli.recipe_command import prepare_command
from speechbrain_xser.data.manifest import Utterance, read_manifest
from speechbrain_xser.data.synthetic.voices import voices
from speechbrain_xser.errors import AudioError, ManifestError, SettingsError

WORDNET = Path("/usr/share/wordnet")
needs_flite = pytest.mark.skipif(
    shutil.which("flite") is None or not (WORDNET / FILES[0]).is_file(), reason="flite or wordnet-base is not installed"
)
pytestmark = pytest.mark.slow  # a program for each sentence
SUBJECTS, ENDS = ("she", "the old man", "nobody", "my sister"), ("a song", "of the war", "in the rain", "to the sea")
SPLITS = ("train", "valid", "test")
COUNTS = {"train_clips": 25, "valid_clips": 4, "test_clips": 6}


@pytest.fixture
def wordnet(tmp_path) -> Path:
    folder = tmp_path / "wordnet"
    folder.mkdir()
    verbs = "sang ran hummed came looked".split()
    glosses = [f'do; "{who} {verb} alone {end}"' for who in SUBJECTS for verb in verbs for end in ENDS]
    for name in FILES:
        (folder / name).write_text("\n".join(f"00001740 29 v 01 do 0 000 | {gloss}" for gloss in glosses) + "\n")
    return folder


@pytest.fixture
def flite(tmp_path):
    """Makes a flite that hums for as long as there are words, and fails after so many sentences."""

    def make(fails_after: int = 10**6) -> str:
        count = tmp_path / "count"
        path = tmp_path / "flite"
        path.write_text(f"#!{sys.executable} -S\nCOUNT, LIMIT = {str(count)!r}, {fails_after}\n" + HUM)
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        count.write_text("")
        return str(path)

    return make


HUM = textwrap.dedent(
    """
    import sys, wave
    if "-lv" in sys.argv:
        print("Voices available: kal16 awb rms slt")
        sys.exit()
    with open(COUNT, "a") as file:
        file.write(".")
    if len(open(COUNT).read()) > LIMIT:
        sys.exit("no memory")
    samples = 4000 * len(sys.argv[sys.argv.index("-t") + 1].split())
    with wave.open(sys.argv[-1], "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))
        file.writeframes(b"".join(bytes([0, 16 + n % 16]) for n in range(samples)))
    """
)


def rows(paths: dict[str, str]) -> dict[str, list[Utterance]]:
    return {split: read_manifest(paths[split]) for split in SPLITS}


def digests(paths: dict[str, str]) -> dict[str, str]:
    """Of every training clip's bytes, by its id; the others' may have eSpeak's breath, which is drawn anew."""
    return {row.id: sha256(Path(row.wav).read_bytes()).hexdigest() for row in rows(paths)["train"]}


def test_clips_are_said_by_the_speakers_of_their_split(wordnet, flite, tmp_path):
    found = rows(prepare(wordnet, tmp_path / "out", flite=flite(), workers=1, **COUNTS))
    assert [len(found[split]) for split in SPLITS] == [25, 4, 6]
    for split in SPLITS:
        names = {f"espeak-{voice.name}" for voice in voices(split)} | {f"flite-{name}" for name in FLITE[split]}
        assert {row.speaker for row in found[split]} <= names
        assert {row.split for row in found[split]} == {split} and all(row.emotion is None for row in found[split])


def test_a_manifest_tells_what_was_said_by_whom_and_how_long(wordnet, flite, tmp_path):
    found = rows(prepare(wordnet, tmp_path / "out", flite=flite(), workers=1, **COUNTS))["train"]
    planned = sessions("train", sentences(wordnet, "train"), 25, 1, Programs())
    scripts = [(session, script) for session in planned for script in session.scripts]
    for row, (session, script) in zip(found, scripts, strict=True):
        header = soundfile.info(row.wav)
        assert (header.samplerate, header.channels, header.format, header.subtype) == (16000, 1, "FLAC", "PCM_16")
        assert row.duration == pytest.approx(header.duration, abs=1e-4) and 1 <= row.duration <= 20
        assert row.transcript == " ".join(map(written, script.sentences)) and row.gender == session.speaker.gender
        assert row.description and row.transcript in row.caption
    assert {len(script.sentences) for _, script in scripts} > {1}  # some are joined


def test_transcripts_can_leave_out_commas(wordnet, flite, tmp_path):
    found = rows(prepare(wordnet, tmp_path / "out", flite=flite(), workers=1, transcripts="words", **COUNTS))
    assert all(row.transcript == row.transcript.lower() and "." not in row.transcript for row in found["train"])


def test_preparing_again_changes_nothing(wordnet, flite, tmp_path):
    paths = prepare(wordnet, tmp_path / "out", flite=flite(), workers=1, **COUNTS)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*.*")}
    assert prepare(wordnet, tmp_path / "out", flite=flite(fails_after=0), workers=1, **COUNTS) == paths
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*.*")} == before


def test_a_preparation_that_was_stopped_goes_on_and_ends_in_the_same_bytes(wordnet, flite, tmp_path):
    with pytest.raises(AudioError, match="failed on .* with code 1: no memory"):
        prepare(wordnet, tmp_path / "out", flite=flite(fails_after=15), workers=1, **COUNTS)
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*.flac")}
    assert kept and not list((tmp_path / "out").glob("*.jsonl"))
    went_on = prepare(wordnet, tmp_path / "out", flite=flite(), workers=1, **COUNTS)
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert digests(went_on) == digests(prepare(wordnet, tmp_path / "whole", flite=flite(), workers=1, **COUNTS))


def test_an_empty_file_that_a_power_cut_left_is_spoken_again(wordnet, flite, tmp_path):
    paths = prepare(wordnet, tmp_path / "out", flite=flite(), workers=1, **COUNTS)
    before, victim = digests(paths), Path(rows(paths)["train"][0].wav)
    victim.write_bytes(b"")
    (tmp_path / "out" / "prepared.json").unlink()
    assert digests(prepare(wordnet, tmp_path / "out", flite=flite(), workers=1, **COUNTS)) == before


def test_more_clips_are_those_and_some(wordnet, flite, tmp_path):
    few = digests(prepare(wordnet, tmp_path / "out", flite=flite(), workers=1, **COUNTS))
    many = digests(prepare(wordnet, tmp_path / "out", flite=flite(), workers=1, **COUNTS | {"train_clips": 45}))
    assert len(many) == len(few) + 20 and few.items() <= many.items()


def test_another_seed_is_another_corpus(wordnet, flite, tmp_path):
    one, two = (prepare(wordnet, tmp_path / "out", flite=flite(), seed=seed, workers=1, **COUNTS) for seed in (1, 2))
    assert one == two and len(list((tmp_path / "out" / "wav" / "train").glob("*.flac"))) == 50


def test_two_processes_speak_the_same_bytes(wordnet, flite, tmp_path):
    one, two = (prepare(wordnet, tmp_path / f"of {n}", flite=flite(), workers=n, **COUNTS) for n in (1, 2))
    assert digests(one) == digests(two)


def test_a_missing_flite_is_told_before_anything_is_spoken(wordnet, tmp_path):
    with pytest.raises(SettingsError, match="no-flite cannot be run"):
        prepare(wordnet, tmp_path / "out", flite="no-flite", **COUNTS)
    assert not list((tmp_path / "out").rglob("*.flac"))


def test_a_piper_without_a_model_is_told_before_anything_is_spoken(wordnet, flite, tmp_path):
    with pytest.raises(SettingsError, match="Piper's model None is not there"):
        prepare(wordnet, tmp_path / "out", flite=flite(), piper="piper", **COUNTS)
    assert not list((tmp_path / "out").rglob("*.flac"))


def test_a_folder_that_is_not_wordnet_s_is_told(flite, tmp_path):
    with pytest.raises(ManifestError, match="Install Debian's wordnet-base"):
        prepare(tmp_path, tmp_path / "out", flite=flite(), **COUNTS)


def test_a_split_without_clips_is_refused(wordnet, flite, tmp_path):
    with pytest.raises(ManifestError, match="at least one in each split"):
        prepare(wordnet, tmp_path / "out", flite=flite(), **COUNTS | {"valid_clips": 0})


@needs_flite
def test_real_voices_say_wordnet_s_sentences_and_the_annotator_measures_them(tmp_path):
    counts = {"train_clips": 20, "valid_clips": 2, "test_clips": 2}
    found = rows(prepare(WORDNET, tmp_path / "out", annotate=True, workers=1, **counts))
    assert sum(row.pitch is not None for row in found["train"]) >= 18
    assert {row.volume for row in found["train"]} == {"low", "normal", "high"}


@pytest.fixture
def actors(tmp_path) -> Path:
    """CREMA-D's names: three actors for training, one each for validation and test, one in each fold; they hum."""
    folder = tmp_path / "cremad" / "AudioWAV"
    folder.mkdir(parents=True)
    for number, (actor, sentence) in enumerate(product((1004, 1007, 1021, 1002, 1003), ("IEO", "TIE", "IOM", "WSI"))):
        wave = 0.2 * torch.sin(2 * torch.pi * (150 + 5 * number) * torch.arange(16000) / 16000)
        soundfile.write(folder / f"{actor}_{sentence}_HAP_XX.wav", wave.numpy(), 16000)
    return folder.parent


def test_the_training_set_has_passages_and_synthetic_speech(actors, wordnet, flite, tmp_path, monkeypatch):
    flite()
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    paths = crossing.prepare(actors, tmp_path / "out", wordnet, passages=True, speech_clips=6, llm_clips=5)
    train = read_manifest(paths["train"])
    passages = [row for row in train if "passages" in row.wav]
    synthetic = [row for row in train if row.id.startswith("small-train")]
    assert len(train) == 12 + 12 + len(passages) + 6 and len(synthetic) == 6
    assert len(passages) >= 3 and all(row.duration > 2.0 and row.volume and row.emotion == "happy" for row in passages)
    assert all(row.recognized == row.transcript and row.transcript in row.caption for row in train)
    assert {row.emotion for row in synthetic} == {None} and len({row.id for row in train}) == len(train)
    heard = read_manifest(paths["train-5"])
    assert len(heard) == 5 and all(row.emotion for row in heard)
    assert {row.id for row in heard} < {row.id for row in train}
    assert [len(read_manifest(paths[split])) for split in ("valid", "test")] == [4, 4]


def test_the_command_of_the_acted_corpus_prints_what_it_wrote(actors, wordnet, tmp_path, capsys):
    folders = [f"--data-folder={actors}", f"--save-folder={tmp_path / 'out'}", f"--wordnet-folder={wordnet}"]
    with pytest.raises(SystemExit) as ended:
        prepare_command(crossing.prepare, [*folders, "--llm-clips=5"])
    assert ended.value.code == 0
    told = capsys.readouterr().out
    assert "4 manifests in" in told and "train-5" in told


def test_a_missing_flite_is_told_before_anything_is_made(actors, wordnet, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    _voices.cache_clear()
    with pytest.raises(SettingsError, match="flite"):
        crossing.prepare(actors, tmp_path / "out", wordnet, speech_clips=6)
    assert not (tmp_path / "out" / "acted").exists()
