"""A model from the hub: one fixed commit, only our files, typed errors, no shadowing (fault 28)."""

import shutil
from fnmatch import fnmatch
from pathlib import Path

import pytest
from huggingface_hub.errors import LocalEntryNotFoundError, RepositoryNotFoundError

from speechbrain_xser import ExplainableEmotionRecognizer
from speechbrain_xser.errors import BackboneError, UnsafeModelError
from speechbrain_xser.model_folder.hyperparams import write_settings
from speechbrain_xser.model_folder.locate import model_folder
from speechbrain_xser.model_folder.settings import read_settings

COMMITS = ("0" * 40, "1" * 40)


class FakeHub:
    """Repositories by name and commit, downloaded as huggingface_hub lays its cache out."""

    def __init__(self, repositories):
        self.repositories = repositories
        self.patterns = None

    def snapshot_download(self, name, revision=None, cache_dir=None, allow_patterns=None, **_):
        if (name, revision) not in self.repositories:
            raise LocalEntryNotFoundError("Cannot find the requested files; outgoing traffic has been disabled.")
        self.patterns = allow_patterns
        source, target = self.repositories[name, revision], Path(cache_dir) / name.replace("/", "--") / revision
        for path in source.rglob("*"):
            relative = path.relative_to(source)
            if path.is_file() and any(fnmatch(str(relative), pattern) for pattern in allow_patterns):
                (target / relative).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, target / relative)
        return str(target)


@pytest.fixture
def hub(trained, folder, monkeypatch):
    """A repository with two commits; the second one has other weights."""
    other = folder.parent / "other"
    shutil.copytree(trained.folder, other)
    write_settings(other, {**read_settings(other / "settings.json"), "max_seconds": 9.0})
    fake = FakeHub(
        {("owner/name", COMMITS[0]): folder, ("owner/name", COMMITS[1]): other, ("owner/b", COMMITS[0]): other}
    )
    monkeypatch.setattr("huggingface_hub.snapshot_download", fake.snapshot_download)
    return fake


def _load(name, revision, savedir):
    return ExplainableEmotionRecognizer.from_hparams(
        name, savedir=savedir, revision=revision, run_opts={"device": "cpu"}, speech_check=False
    )


@pytest.mark.slow
def test_a_hub_model_answers_as_the_local_folder(hub, recognizer, trained, tmp_path):
    own = _load("owner/name", COMMITS[0], tmp_path / "savedir")
    assert own.explain_file(trained.clips[0])[:4] == recognizer.explain_file(trained.clips[0])[:4]


def test_a_newer_commit_is_not_shadowed_by_an_old_savedir(hub, tmp_path):
    seconds = [_load("owner/name", commit, tmp_path / "savedir").hparams.max_seconds for commit in COMMITS]
    assert seconds == [5.0, 9.0]


@pytest.mark.slow
def test_another_source_is_not_shadowed_by_an_old_savedir(hub, trained, tmp_path):
    _load("owner/name", COMMITS[0], tmp_path / "savedir")
    assert _load("owner/b", COMMITS[0], tmp_path / "savedir").hparams.max_seconds == 9.0
    assert _load(trained.folder, None, tmp_path / "savedir").hparams.max_seconds == 5.0


def test_only_the_files_of_a_model_folder_are_asked_for(hub, folder, tmp_path):
    (folder / "custom.py").write_text("raise SystemExit")
    (folder / "weights.bin").write_bytes(b"pickle")
    _load("owner/name", COMMITS[0], tmp_path / "savedir")
    assert {pattern for pattern in hub.patterns if not pattern.startswith(("encoder/", "llm/"))} == {
        "hyperparams.yaml",
        "settings.json",
        "metadata.json",
        "model.safetensors",
        "mean_voice.safetensors",
        "domain.safetensors",
        "reliability.json",
        "adapter/adapter_config.json",
        "adapter/adapter_model.safetensors",
        "README.md",
    }
    inside = [pattern for pattern in hub.patterns if pattern.startswith(("encoder/", "llm/"))]
    assert inside and all(path.endswith((".json", ".txt", ".jinja", ".model", ".safetensors")) for path in inside)


@pytest.mark.parametrize("revision", ["", "main", "v1.0", "0" * 39, "0" * 7])
def test_a_revision_that_can_move_is_refused(hub, revision):
    with pytest.raises(UnsafeModelError, match="full commit"):
        model_folder("owner/name", revision)


def test_offline_is_one_typed_error_that_names_the_remedy(hub, tmp_path):
    with pytest.raises(BackboneError, match="hf download owner/gone"):
        model_folder("owner/gone", COMMITS[0], tmp_path)


def test_a_repository_that_does_not_exist_is_a_typed_error(monkeypatch):
    def missing(*_, **__):
        raise RepositoryNotFoundError("404 Client Error", response=_Response())

    monkeypatch.setattr("huggingface_hub.snapshot_download", missing)
    with pytest.raises(BackboneError, match="owner/gone"):
        model_folder("owner/gone", COMMITS[0])


class _Response:
    status_code, headers, request, url, text = 404, {}, None, "", ""


@pytest.mark.parametrize("source", ["../nowhere", "/no/such/folder", "https://example.org/model", "a/b/c", "a b", ""])
def test_a_source_that_is_neither_folder_nor_hub_id_is_refused(source):
    with pytest.raises(BackboneError, match="folder"):
        model_folder(source)


@pytest.mark.parametrize("name", ["custom.py", "model.ckpt", "pytorch_model.bin", "adapter/adapter_model.bin", "x.pkl"])
def test_a_folder_with_code_or_pickles_is_refused_by_name(folder, name):
    (folder / name).write_bytes(b"")
    with pytest.raises(UnsafeModelError, match=Path(name).name):
        ExplainableEmotionRecognizer.from_hparams(folder)


def test_a_hostile_yaml_in_a_folder_runs_nothing(folder, tmp_path):
    path = folder / "hyperparams.yaml"
    path.write_text(path.read_text() + f"\nx: !apply:os.mkdir ['{tmp_path / 'trace'}']\n")
    with pytest.raises(UnsafeModelError, match="apply"):
        ExplainableEmotionRecognizer.from_hparams(folder)
    assert not (tmp_path / "trace").exists()
