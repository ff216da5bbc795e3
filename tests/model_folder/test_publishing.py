"""A folder on the hub: private, nothing but a model's files, and one line with the remedy where it cannot be."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner
from huggingface_hub.errors import HfHubHTTPError, HTTPError
from huggingface_hub.utils import filter_repo_objects

from speechbrain_xser.cli.main import xser
from speechbrain_xser.errors import PublishingError
from speechbrain_xser.model_folder.publish import check_push, push_folder

COMMIT = "c" * 40
MODEL = {
    "README.md", ".gitattributes", "settings.json", "hyperparams.yaml", "metadata.json", "model.safetensors",
    "mean_voice.safetensors", "domain.safetensors", "reliability.json",
    "llm/config.json", "llm/generation_config.json", "llm/model.safetensors", "llm/tokenizer.json",
    "llm/tokenizer_config.json",
}  # fmt: skip


class FakeHub:
    """What of HfApi leaves this machine; files are chosen by huggingface_hub's own rule."""

    def __init__(self):
        self.private, self.made, self.files, self.deleted, self.error = True, None, None, set(), None
        self.there = ["README.md", "adapter/adapter_model.safetensors", "notes.txt"]

    def create_repo(self, repo_id, private=None, exist_ok=False):
        if self.error:
            raise self.error
        self.made = (repo_id, private, exist_ok)
        return f"https://huggingface.co/{repo_id}"

    def repo_info(self, repo_id):
        return SimpleNamespace(private=self.private)

    def upload_folder(self, repo_id, folder_path, allow_patterns, delete_patterns, commit_message):
        names = [str(path.relative_to(folder_path)) for path in Path(folder_path).rglob("*") if path.is_file()]
        self.files = set(filter_repo_objects(names, allow_patterns=allow_patterns))
        self.deleted = set(filter_repo_objects(self.there, allow_patterns=delete_patterns)) - self.files
        return SimpleNamespace(oid=COMMIT)


@pytest.fixture
def hub(monkeypatch):
    fake = FakeHub()
    monkeypatch.setattr("huggingface_hub.constants.is_offline_mode", lambda: False)
    monkeypatch.setattr("huggingface_hub.get_token", lambda: "hf_x")
    monkeypatch.setattr("speechbrain_xser.model_folder.publish.HfApi", lambda **_: fake)
    return fake


@pytest.fixture
def folder(tmp_path):
    for name in (*MODEL, "custom.py", ".env", "llm/weights.bin"):
        path = tmp_path / "model" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return tmp_path / "model"


def test_exactly_a_model_s_files_are_put_into_a_private_repository(hub, folder):
    found = push_folder(folder, "owner/name")
    assert hub.made == ("owner/name", True, True) and hub.files == MODEL
    assert found == ("owner/name", COMMIT, "https://huggingface.co/owner/name")


def test_what_an_older_model_left_goes_and_other_files_stay(hub, folder):
    push_folder(folder, "owner/name")
    assert hub.deleted == {"adapter/adapter_model.safetensors"}


def test_a_public_repository_takes_it_only_when_that_was_said(hub, folder):
    hub.private = False
    with pytest.raises(PublishingError, match="already public; add --public"):
        push_folder(folder, "owner/name")
    assert hub.files is None
    push_folder(folder, "owner/name", public=True)
    assert hub.made[1] is False and hub.files == MODEL


def test_the_command_exports_pushes_and_tells_the_commit(hub, tmp_path):
    words = ["export", "packaged:xser-tiny", "--out", str(tmp_path / "out"), "--push-to-hub", "owner/name"]
    done = CliRunner().invoke(xser, words)
    assert done.exit_code == 0 and done.stdout.splitlines()[-1] == f"https://huggingface.co/owner/name at {COMMIT}"
    assert hub.files == MODEL - {"domain.safetensors", "reliability.json"}  # the packaged model has none


@pytest.mark.parametrize(
    "error",
    [
        HfHubHTTPError("403 Forbidden: you do not have the right", response=SimpleNamespace(headers={}, request=None)),
        ConnectionError("no route to host"),
        HTTPError("timed out"),
    ],
)
def test_a_hub_that_refuses_is_one_error_and_the_folder_is_whole(hub, folder, error):
    hub.error = error
    with pytest.raises(PublishingError, match="is complete: check the network and your permissions, and .*`hf upload"):
        push_folder(folder, "owner/name")


def test_offline_is_told_before_the_work(monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.is_offline_mode", lambda: True)
    words = ["export", "packaged:xser-tiny", "--out", str(tmp_path / "out"), "--push-to-hub", "owner/name"]
    done = CliRunner().invoke(xser, words)
    assert done.exit_code == 2 and "HF_HUB_OFFLINE is set; unset it" in done.output and not (tmp_path / "out").exists()


def test_without_a_token_the_remedy_is_to_log_in(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.is_offline_mode", lambda: False)
    monkeypatch.setattr("huggingface_hub.get_token", lambda: None)
    with pytest.raises(PublishingError, match="hf auth login"):
        check_push("owner/name")


@pytest.mark.parametrize("name", ["name", "a/b/c", "owner/na me", "owner/", "owner/.."])
def test_a_name_that_is_none_is_refused(name):
    with pytest.raises(PublishingError, match="expected owner/name"):
        check_push(name)
