"""Bad input to every command: exit code 2, a line that names the fault, no traceback, and nothing written.

A row is a call with names of files that ``there`` makes, and words of the message. New commands add rows. ``explain``
tells of each file by itself, and its own tests look at that.
"""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner

from speechbrain_xser.cli.main import xser

MANIFEST = json.dumps({"id": "a", "wav": "a.wav", "transcript": "go", "emotion": "sad"}) + "\n"
CALLS = [
    # no such file or folder
    ("annotate gone --out out", "'gone' does not exist"),
    ("check gone.jsonl", "'gone.jsonl' does not exist"),
    ("shard gone.jsonl --out out", "'gone.jsonl' does not exist"),
    ("evaluate gone.jsonl", "'gone.jsonl' does not exist"),
    ("score gone.jsonl", "'gone.jsonl' does not exist"),
    ("probe --model packaged:xser-tiny --train gone.jsonl --test good.jsonl", "'gone.jsonl' does not exist"),
    ("prepare CREMA-D --data-folder gone --save-folder out", "'gone' does not exist"),
    ("reproduce --table 2 --corpus CREMA-D --data-folder gone", "'gone' does not exist"),
    ("train gone.yaml", "There is no recipe 'gone.yaml'; expected a YAML file, or one of: CREMA-D"),
    ("export ./gone --out out", "'./gone' is neither a folder here"),
    ("setup spice --from gone", "'gone' does not exist"),
    ("timeline gone.wav", "gone.wav"),
    ("faithfulness gone.jsonl", "'gone.jsonl' does not exist"),
    ("serve --model gone/gone --device cpu", "cannot load 'gone/gone'"),
    # a folder in the place of a file, and the other way round
    ("check folder", "'folder' is a directory"),
    ("shard folder --out out", "'folder' is a directory"),
    ("evaluate folder", "'folder' is a directory"),
    ("score folder", "'folder' is a directory"),
    ("train folder", "There is no recipe 'folder'"),
    ("timeline folder", "folder"),
    ("faithfulness folder", "'folder' is a directory"),
    ("annotate folder --out good.jsonl", "'good.jsonl' is a file"),
    ("shard good.jsonl --out good.jsonl", "'good.jsonl' is a file"),
    ("export packaged:xser-tiny --out good.jsonl", "'good.jsonl' is a file"),
    ("reproduce --table 2 --corpus CREMA-D --data-folder good.jsonl", "'good.jsonl' is a file"),
    ("setup spice --from good.jsonl", "'good.jsonl' is a file"),
    ("prepare CREMA-D --data-folder good.jsonl --save-folder out", "AudioWAV"),
    ("prepare CREMA-D --data-folder folder --save-folder good.jsonl", "'good.jsonl' is a file"),
    ("evaluate good.jsonl --answers folder", "'folder' is a directory"),
    # empty, no JSON, no text
    ("check binary.jsonl", "binary.jsonl"),
    *[(f"shard {name} --out out", name) for name in ("empty.jsonl", "text.jsonl", "binary.jsonl")],
    *[(f"evaluate {name} --device cpu", name) for name in ("empty.jsonl", "text.jsonl", "binary.jsonl")],
    *[(f"score {name}", name) for name in ("empty.jsonl", "text.jsonl", "binary.jsonl")],
    *[(f"annotate {name} --out out", name) for name in ("text.jsonl", "binary.jsonl")],
    *[(f"train {name}", name) for name in ("empty.jsonl", "text.jsonl", "binary.jsonl")],
    ("annotate folder --out out", "expected wav"),
    ("timeline binary.jsonl --device cpu", "binary.jsonl"),
    ("faithfulness binary.jsonl --device cpu", "binary.jsonl"),
    ("probe --model packaged:xser-tiny --train empty.jsonl --test good.jsonl", "empty.jsonl"),
    # no model
    ("evaluate good.jsonl --device cpu --model folder", "settings.json"),
    ("evaluate good.jsonl --device cpu --model half", "metadata.json"),
    ("evaluate good.jsonl --device cpu --model owner/name", "cannot load 'owner/name'"),
    ("export folder --out out", "settings.json"),
    ("export half --out out", "metadata.json"),
    ("export owner/name --out out", "cannot load 'owner/name'"),
    ("export packaged:gone --out out", "there is no packaged model 'gone'"),
    ("probe --model folder --train good.jsonl --test good.jsonl", "settings.json"),
    # wrong values
    ("explain corpus/a.wav --device tpu", "device 'tpu' cannot be used here"),
    ("timeline corpus/a.wav --device tpu", "device 'tpu' cannot be used here"),
    ("serve --device tpu", "device 'tpu' cannot be used here"),
    ("faithfulness good.jsonl --device tpu", "device 'tpu' cannot be used here"),
    ("timeline corpus/a.wav --out gone/a.srt --device cpu", "gone"),
    ("explain corpus/a.wav --html gone/a.html --device cpu", "gone"),
    ("serve --port 99999", "99999"),
    ("evaluate good.jsonl --device tpu", "device 'tpu' cannot be used here"),
    ("evaluate good.jsonl --batch-size 0", "0 is not in the range"),
    ("evaluate good.jsonl --answers gone/a.jsonl", "the folder 'gone' for 'a.jsonl' does not exist"),
    ("train CREMA-D", "'data_folder' is a !PLACEHOLDER"),
    ("train CREMA-D --data_folder=folder --sead=1", "no key 'sead'; did you mean 'seed'"),
    ("train CREMA-D --data_folder=folder --output_folder=out --seed=many", "seed is 'many'; expected a whole number"),
    ("train CREMA-D --data_folder=folder --output_folder=out --device=tpu", "device 'tpu' cannot be used here"),
    ("train CREMA-D --data_folder", "--data_folder has no value"),
    ("train CREMA-D stray --data_folder=folder", "'stray' is not an option"),
    ("train CREMA-D --data_folder=folder --output_folder=good.jsonl", "good.jsonl"),
    ("prepare CREMA-X --data-folder folder --save-folder out", "No recipe prepares 'CREMA-X'. Available: CREMA-D"),
    ("prepare CREMA-D --save-folder out", "Missing option '--data-folder'"),
    ("prepare CREMA-D --data-folder folder --save-folder out --wording rude", "'rude' is not one of"),
    ("prepare --recipes folder CREMA-D", "there are no recipes"),
    ("train --recipes folder CREMA-D", "there are no recipes"),
    ("reproduce --recipes folder --table 2 --corpus CREMA-D --data-folder folder", "there are no recipes"),
    ("reproduce --table 2 --corpus CREMA-X --data-folder folder --out out", "There is no recipe 'CREMA-X'"),
    ("reproduce --table 2 --corpus CREMA-D --data-folder folder --set beta --out out", "expected KEY=VALUE"),
    ("check good.jsonl --corpus gone", "no recipe of that name has published counts; available: CREMA-D"),
    ("check good.jsonl --corpus CREMA-D --recipes folder", "there are no recipes"),
    ("score good.jsonl good.jsonl", "given twice"),
    ("shard good.jsonl folder/good.jsonl --out out", "does not exist"),
    ("export packaged:xser-tiny --out folder --public", "--public needs --push-to-hub"),
    ("export packaged:xser-tiny --out full", "holds thesis.txt"),
    ("export packaged:xser-tiny --out out --push-to-hub name", "'name' is not a valid name on the hub"),
    # told before the model, which could not be loaded
    ("evaluate rooted.jsonl --model half", "needs a data folder. Give data_folder (--data-folder)"),
    ("faithfulness rooted.jsonl --model half", "needs a data folder"),
    ("probe --model half --train good.jsonl --test rooted.jsonl", "needs a data folder"),
    ("export half --out out --mean-voice-of rooted.jsonl", "needs a data folder"),
    ("annotate rooted.jsonl --out out --classifier half", "needs a data folder"),
    # nowhere to write
    ("export packaged:xser-tiny --out /dev/null/out", "/dev/null/out"),
    ("annotate good.jsonl --out /dev/null/out", "/dev/null/out"),
    ("shard good.jsonl --out /dev/null/out", "/dev/null/out"),
    ("prepare Generic --data-folder corpus --save-folder /dev/null/out", "/dev/null/out"),
    ("evaluate good.jsonl --answers /dev/null/a.jsonl", "/dev/null"),
]


@pytest.fixture
def there(tmp_path, monkeypatch):
    """Makes the files that the calls name, in the current folder."""
    for folder in ("folder", "half", "full", "corpus"):
        (tmp_path / folder).mkdir()
    soundfile.write(tmp_path / "corpus" / "a.wav", np.full(8000, 0.1), 16000)
    packaged = Path(__file__).parents[2] / "speechbrain_xser" / "packaged" / "xser-tiny"
    for name in ("settings.json", "hyperparams.yaml"):
        (tmp_path / "half" / name).write_text((packaged / name).read_text())
    (tmp_path / "full" / "thesis.txt").write_text("years of work")
    (tmp_path / "good.jsonl").write_text(MANIFEST)
    (tmp_path / "rooted.jsonl").write_text(MANIFEST.replace("a.wav", "{data_root}/a.wav"))
    (tmp_path / "empty.jsonl").touch()
    (tmp_path / "text.jsonl").write_text("Dear diary,\n\ttoday: [was\n")
    (tmp_path / "binary.jsonl").write_bytes(bytes(range(256)) * 4)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return tmp_path


def kept(folder: Path) -> dict[str, bytes]:
    """The files that were there before, by name."""
    files = [path for path in folder.rglob("*") if path.is_file() and "out" not in path.parts]
    return {str(path): path.read_bytes() for path in files}


@pytest.mark.parametrize(("call", "said"), CALLS)
@pytest.mark.slow
def test_it_is_one_clear_line_and_ends_with_2(there, call, said):
    before = kept(there)
    done = CliRunner().invoke(xser, call.split())
    assert done.exception is None or isinstance(done.exception, SystemExit), repr(done.exception)
    lines = [line for line in done.output.splitlines() if line.lower().startswith("error: ")]
    assert done.exit_code == 2, done.output
    assert len(lines) == 1 and said in lines[0], done.output
    assert "Traceback" not in done.output and kept(there) == before


def test_a_read_only_folder_is_reported_before_the_work(there, monkeypatch):
    monkeypatch.setattr("os.access", lambda place, right: right != os.W_OK)
    done = CliRunner().invoke(xser, "evaluate good.jsonl --answers folder/a.jsonl".split())
    assert done.exit_code == 2 and "the folder 'folder' is not writable" in done.output
