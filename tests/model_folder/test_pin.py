"""A hub id without a commit: looked up once, recorded, and the same from then on (fault 28)."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile

from speechbrain_xser import packaged_model
from speechbrain_xser.data.synthetic.corpus import SAMPLE_RATE, plan, speak
from speechbrain_xser.errors import BackboneError, CheckpointError, UnsafeModelError
from speechbrain_xser.model_folder.locate import model_folder
from speechbrain_xser.model_folder.pin import pin, pin_file, pinned
from tests.model_folder.stand_in_hub import stand_in_hub

ROOT = Path(__file__).parents[2]
NAME, OLD, NEW = "owner/name", "a" * 40, "b" * 40
ASK = "import sys; from speechbrain_xser.model_folder.locate import model_folder as m; "
DAMAGED = [b"", b"{", b"[]", b"{}", b"\xff\xfe", b'{"model": "owner/name", "commit": "main"}', b"[" * 9999]
DAMAGED += [json.dumps({"model": "owner/other", "commit": OLD}).encode(), b'{"model": "owner/name", "commit": 7}']


@pytest.fixture
def hub(tmp_path):
    commits = {}
    for commit in (OLD, NEW):
        commits[commit] = tmp_path / "repository" / commit
        commits[commit].mkdir(parents=True)
        (commits[commit] / "metadata.json").write_text(json.dumps({"commit": commit}))
        (commits[commit] / "custom.py").write_text("raise SystemExit")
    with stand_in_hub(NAME, commits) as running:
        yield running


class Asked:
    """Runs Python in processes of a user of the stand-in."""

    def __init__(self, address: str, place: Path) -> None:
        own = {"HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
        self.cache = place / "cache"
        places = {"HF_HOME": str(place / "hf"), "XSER_CACHE": str(self.cache), "HF_ENDPOINT": address}
        self.environment = {**os.environ, **own, **places}

    def start(self, *words: str, **more: str) -> subprocess.Popen:
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        return subprocess.Popen([sys.executable, *words], cwd=ROOT, env={**self.environment, **more}, **streams)

    def commit(self, arguments: str = f"{NAME!r}", **more: str) -> tuple[str, str]:
        """The commit of the folder that is found, and what is printed."""
        return self.ended(self.start("-c", f"{ASK}print(m({arguments}))", **more))

    @staticmethod
    def ended(process: subprocess.Popen) -> tuple[str, str]:
        found, told = process.communicate(timeout=120)
        assert process.returncode == 0, told
        folder = Path(found.strip())
        assert not (folder / "custom.py").exists()  # only the files of a model folder were fetched
        return json.loads((folder / "metadata.json").read_text())["commit"], told


@pytest.fixture
def asked(hub, tmp_path):
    return Asked(hub.server.address, tmp_path)


@pytest.mark.slow
def test_the_newest_commit_is_looked_up_once_printed_recorded_and_used_from_then_on(hub, asked):
    found, told = asked.commit()
    assert found == OLD and f"owner/name: commit {OLD} is used from now on" in told
    record = asked.cache / "pins" / "owner--name.json"
    assert str(record) in told and json.loads(record.read_text()) == {"model": NAME, "commit": OLD}
    hub.main = NEW
    assert asked.commit() == (OLD, "") and hub.looked_up == 1
    assert asked.commit(HF_HUB_OFFLINE="1") == (OLD, "")  # and nobody is asked


@pytest.mark.slow
def test_a_revision_moves_the_record_and_a_savedir_has_its_own(hub, asked, tmp_path):
    hub.main = NEW
    assert asked.commit(f"{NAME!r}, savedir={str(tmp_path / 'own')!r}")[0] == NEW
    assert asked.commit(f"{NAME!r}, {OLD!r}, {str(tmp_path / 'own')!r}") == (OLD, "")
    assert asked.commit(f"{NAME!r}, savedir={str(tmp_path / 'own')!r}")[0] == OLD
    assert (tmp_path / "own" / "models--owner--name").is_dir() and not (asked.cache / "pins").exists()
    assert hub.looked_up == 1


@pytest.mark.slow
def test_two_processes_at_once_get_one_commit(hub, asked):
    hub.moves = True
    processes = [asked.start("-c", f"{ASK}print(m({NAME!r}))") for _ in range(2)]
    assert [asked.ended(process)[0] for process in processes] == [OLD, OLD] and hub.looked_up == 1


@pytest.mark.slow
def test_a_model_of_the_hub_explains_a_clip_as_the_local_folder_does(packaged, tmp_path):
    wav = tmp_path / "clip.wav"
    soundfile.write(wav, speak(plan("test", 3, seed=1)), SAMPLE_RATE)
    with stand_in_hub("owner/xser", {OLD: Path(packaged_model())}) as hub:
        asked = Asked(hub.server.address, tmp_path)
        words = ("-m", "speechbrain_xser.cli", "explain", "--model", "owner/xser", "--json", str(wav))
        found, told = asked.start(*words).communicate(timeout=300)
    assert json.loads(found)["paragraph"] == packaged.explain_file(wav).paragraph  # the commit is not among the lines
    assert f"owner/xser: commit {OLD}" in told


@pytest.mark.parametrize("content", DAMAGED, ids=range(len(DAMAGED)))
def test_a_damaged_record_is_named_with_the_remedy_and_nothing_is_looked_up(tmp_path, content):
    path = pin_file(NAME, tmp_path)
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(UnsafeModelError, match=r"owner--name\.json: .*Remove it .* or give revision") as caught:
        pinned(NAME, tmp_path, lambda: pytest.fail("looked up"))
    assert "\n" not in str(caught.value)
    pin(NAME, tmp_path, NEW)  # the caller says which one
    assert pinned(NAME, tmp_path, lambda: OLD) == NEW


def test_a_lookup_that_fails_records_nothing(tmp_path):
    def offline():
        raise BackboneError("offline")

    for newest in (offline, lambda: "main"):
        with pytest.raises(BackboneError):
            pinned(NAME, tmp_path, newest)
        assert not pin_file(NAME, tmp_path).exists()


def test_a_place_that_cannot_be_written_to_is_named_with_the_remedy(tmp_path):
    (tmp_path / "pins").touch()
    with pytest.raises(BackboneError, match="cannot be recorded .*Give a savedir that can be written to, or revision"):
        pinned(NAME, tmp_path, lambda: OLD)
    pin(NAME, tmp_path, OLD)  # who gives a commit needs no record


def test_code_of_a_hub_model_needs_its_commit_even_if_one_is_recorded(tmp_path):
    pin(NAME, tmp_path, OLD)
    with pytest.raises(UnsafeModelError, match="trust_remote_code is given, but no revision; give the full commit"):
        model_folder(NAME, savedir=tmp_path, trust_remote_code=True)


@pytest.mark.slow
def test_a_hub_that_is_away_gives_no_old_commit_as_the_newest(hub, asked):
    asked.commit()
    (asked.cache / "pins" / "owner--name.json").unlink()
    ended = asked.start("-c", f"{ASK}m({NAME!r})", HF_HUB_OFFLINE="1")
    _, told = ended.communicate(timeout=120)
    assert ended.returncode and "BackboneError" in told and not (asked.cache / "pins" / "owner--name.json").exists()


def test_the_file_of_an_llm_is_no_model_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("models").mkdir()
    Path("models/model.gguf").write_bytes(b"GGUF")
    with pytest.raises(CheckpointError, match="give it as llm_source"):
        model_folder("models/model.gguf")
