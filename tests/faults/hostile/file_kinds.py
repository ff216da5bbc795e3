"""Files that are none, and files that lie elsewhere."""

from __future__ import annotations

import os
import socket

from speechbrain_xser.errors import CheckpointError, UnsafeModelError
from tests.faults.hostile.corpus import INSIDE, kind, seal

NO_FILE = "is no regular file"
GIBIBYTES_64 = 1 << 36


def _pipe(folder, name):
    (folder / name).unlink(missing_ok=True)
    os.mkfifo(folder / name)


def _link(folder, name, target):
    (folder / name).unlink(missing_ok=True)
    (folder / name).symlink_to(target)


@kind(UnsafeModelError, NO_FILE)
def a_pipe_as_hyperparameters(folder):
    _pipe(folder, "hyperparams.yaml")


@kind(UnsafeModelError, NO_FILE)
def a_pipe_as_settings(folder):
    _pipe(folder, "settings.json")


@kind(UnsafeModelError, NO_FILE)
def a_pipe_as_metadata(folder):
    _pipe(folder, "metadata.json")


@kind(UnsafeModelError, NO_FILE)
def a_pipe_as_weights(folder):
    _pipe(folder, "model.safetensors")


@kind(UnsafeModelError, NO_FILE)
def a_pipe_as_an_adapter(folder):
    _pipe(folder, "adapter/adapter_model.safetensors")


@kind(UnsafeModelError, NO_FILE)
def a_pipe_as_the_mean_voice(folder):
    _pipe(folder, "mean_voice.safetensors")


@kind(UnsafeModelError, NO_FILE, INSIDE)
def a_pipe_as_a_backbone_s_configuration(folder):
    _pipe(folder, "llm/config.json")


@kind(UnsafeModelError, NO_FILE)
def a_socket_as_hyperparameters(folder):
    (folder / "hyperparams.yaml").unlink()
    here = os.getcwd()
    os.chdir(folder)  # a socket's path is short
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("hyperparams.yaml")
    os.chdir(here)


@kind(UnsafeModelError, "link")
def a_device_that_never_ends_as_settings(folder):
    _link(folder, "settings.json", "/dev/zero")


@kind(UnsafeModelError)
def sixty_four_gigabytes_of_settings(folder):
    os.truncate(folder / "settings.json", GIBIBYTES_64)


@kind(UnsafeModelError)
def sixty_four_gigabytes_of_yaml(folder):
    os.truncate(folder / "hyperparams.yaml", GIBIBYTES_64)


@kind(UnsafeModelError, "", INSIDE)
def sixty_four_gigabytes_of_configuration(folder):
    os.truncate(folder / "encoder" / "config.json", GIBIBYTES_64)


@kind(UnsafeModelError, "", INSIDE)
def sixty_four_gigabytes_of_tokenizer(folder):
    os.truncate(folder / "llm" / "tokenizer.json", GIBIBYTES_64)


@kind(UnsafeModelError, "link")
def weights_that_are_a_link_to_another_place(folder):
    outside = folder.with_name("secret.safetensors")
    (folder / "model.safetensors").rename(outside)
    _link(folder, "model.safetensors", outside)


@kind(UnsafeModelError, "link")
def a_card_that_is_a_link_to_another_place(folder):
    _link(folder, "README.md", "/etc/hostname")


@kind(UnsafeModelError, "link")
def an_adapter_folder_that_is_a_link_to_another_place(folder):
    (folder / "adapter").rename(folder.with_name("elsewhere"))
    _link(folder, "adapter", folder.with_name("elsewhere"))


@kind(UnsafeModelError, "link")
def a_link_to_itself(folder):
    _link(folder, "settings.json", "settings.json")


@kind(UnsafeModelError, "link")
def a_link_to_nothing(folder):
    _link(folder, "mean_voice.safetensors", "nothing")


@kind(UnsafeModelError)
def a_folder_where_a_file_is_expected(folder):
    (folder / "settings.json").unlink()
    (folder / "settings.json").mkdir()


@kind(UnsafeModelError, "files")
def twenty_thousand_files(folder):
    (folder / "more").mkdir()
    for number in range(20000):
        (folder / "more" / f"{number}.txt").touch()


@kind(UnsafeModelError, "custom.py")
def code_beside_the_weights(folder):
    (folder / "custom.py").write_text("raise SystemExit('run')")


@kind(UnsafeModelError, "modeling_own.py", INSIDE)
def code_beside_a_backbone(folder):
    (folder / "llm" / "modeling_own.py").write_text("raise SystemExit('run')")
    seal(folder)


@kind(CheckpointError)
def settings_that_are_a_list(folder):
    (folder / "settings.json").write_text("[1]")


@kind(UnsafeModelError, "UTF-8")
def settings_that_are_no_text(folder):
    (folder / "settings.json").write_bytes(b"\xff\xfe\x00")
