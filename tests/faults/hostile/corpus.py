"""Hostile model folders: what a stranger may put into one, each kind made from an ordinary folder by one function."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from safetensors.torch import load_file, save_file

from speechbrain_xser import packaged_model
from speechbrain_xser.errors import BackboneError, CheckpointError, PromptError, UnsafeModelError, XserError
from speechbrain_xser.model_folder.enclosed import NAMES
from speechbrain_xser.model_folder.hyperparams import hyperparams_text
from speechbrain_xser.model_folder.locate import WEIGHT_FILES
from speechbrain_xser.model_folder.release import release_folder
from speechbrain_xser.model_folder.weight_checksums import write_checksums
from speechbrain_xser.utils.sources import fingerprint

MOST_SEALED = 1 << 26  # bytes; a file of holes takes hours to read
ERRORS = {kind.__name__: kind for kind in (BackboneError, CheckpointError, PromptError, UnsafeModelError)}
PLAIN, INSIDE, CHAT = "plain", "inside", "chat"  # ordinary folders: backbones by name, within, and a chat template
TEMPLATE = (
    "{% for message in messages %}<|start_header_id|>{{ message['role'] }}<|end_header_id|>\n\n"
    "{{ message['content'] | trim }}<|eot_id|>{% endfor %}"
    "{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}"
)


class Kind(NamedTuple):
    """One way to be hostile."""

    base: str  # which ordinary folder it is made from
    change: Callable[[Path], object]  # what is done to a copy of it
    error: type[XserError] | None  # what loading, or a first answer, ends with; None where there is no harm
    told: str  # of the message


KINDS: dict[str, Kind] = {}


def kind(error: type[XserError] | None, told: str = "", base: str = PLAIN) -> Callable:
    """Puts a change into ``KINDS``, under the words of its name."""

    def put(change: Callable[[Path], object]) -> Callable[[Path], object]:
        name = change.__name__.replace("_", " ")
        assert name not in KINDS, name
        KINDS[name] = Kind(base, change, error, told)
        return change

    return put


def ordinary_folders(place: Path) -> dict[str, Path]:
    """The folders that every kind starts from, which load and answer."""
    shutil.copytree(packaged_model("tiny"), place / PLAIN)
    release_folder(packaged_model("tiny"), place / INSIDE, with_encoder=True)
    shutil.copytree(place / INSIDE, place / CHAT)
    with json_file(place / CHAT, "llm/tokenizer_config.json") as config:
        config["chat_template"] = TEMPLATE
    with settings_of(place / CHAT) as settings:
        settings["model"]["decoder"]["template"]["style"] = "chat"
    seal(place / CHAT)
    return {name: place / name for name in (PLAIN, INSIDE, CHAT)}


def hostile_folder(name: str, ordinary: dict[str, Path], place: Path) -> Path:
    """A copy of an ordinary folder, changed, with the checksums of what is in it, as an attacker would write them."""
    folder = Path(shutil.copytree(ordinary[KINDS[name].base], place / "model"))
    KINDS[name].change(folder)
    if not any((folder / one).is_file() and (folder / one).stat().st_size > MOST_SEALED for one in WEIGHT_FILES):
        with suppress(Exception):  # of a hostile metadata.json
            write_checksums(folder)
    return folder


class json_file:  # noqa: N801, it reads as a function
    """The content of a JSON file, written back when the block ends."""

    def __init__(self, folder: Path, name: str) -> None:
        self.path = folder / name

    def __enter__(self) -> Any:
        self.content = json.loads(self.path.read_text(encoding="utf-8"))
        return self.content

    def __exit__(self, *_: object) -> None:
        self.path.write_text(json.dumps(self.content), encoding="utf-8")


class settings_of(json_file):  # noqa: N801
    """The content of ``settings.json``; the YAML that follows from it is written too, if it can be."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, "settings.json")

    def __exit__(self, *_: object) -> None:
        super().__exit__()
        try:
            text = hyperparams_text(self.content)
        except Exception:  # a hostile value may be none that our own writer takes
            return
        self.path.with_name("hyperparams.yaml").write_text(text, encoding="utf-8")


def seal(folder: Path) -> None:
    """States the fingerprints of backbones that were changed, as an attacker would."""
    with json_file(folder, "metadata.json") as metadata:
        for name in NAMES:
            if (folder / name).is_dir():
                metadata["backbones"][name]["fingerprint"] = fingerprint(folder / name)


def rewrite(path: Path, change: Callable[[dict], dict]) -> None:
    """Writes a safetensors file with other tensors."""
    tensors = {name: tensor.clone() for name, tensor in load_file(path).items()}
    save_file(change(tensors), path, {"format": "pt"})


def sparse_tensors(path: Path, shapes: dict[str, list[int]], kind: str = "F32") -> None:
    """A safetensors file of any size that takes no room on the disk."""
    size, header, at = {"F32": 4, "F16": 2, "U8": 1}[kind], {}, 0
    for name, shape in shapes.items():
        count = size
        for length in shape:
            count *= length
        header[name] = {"dtype": kind, "shape": shape, "data_offsets": [at, at + count]}
        at += count
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        file.truncate(8 + len(text) + at)
