"""Hostile tensors."""

from __future__ import annotations

import json
from pathlib import Path

import torch

from speechbrain_xser.errors import BackboneError, CheckpointError, UnsafeModelError
from tests.faults.hostile.corpus import INSIDE, json_file, kind, rewrite, seal, sparse_tensors

NOT_FINITE = "not finite"


def _nan(tensors):
    return {name: torch.full_like(tensor, float("nan")) for name, tensor in tensors.items()}


def _one_infinite(tensors):
    next(iter(tensors.values())).view(-1)[-1] = float("inf")
    return tensors


@kind(CheckpointError, NOT_FINITE)
def weights_that_are_no_numbers(folder):
    rewrite(folder / "model.safetensors", _nan)


@kind(CheckpointError, NOT_FINITE)
def one_weight_that_is_infinite(folder):
    rewrite(folder / "model.safetensors", _one_infinite)


@kind(CheckpointError, "no finite numbers")
def weights_that_overflow_when_they_are_used(folder):
    rewrite(folder / "model.safetensors", lambda tensors: {name: one * 0 + 3e38 for name, one in tensors.items()})


@kind(CheckpointError, NOT_FINITE)
def an_adapter_of_no_numbers(folder):
    rewrite(folder / "adapter" / "adapter_model.safetensors", _nan)


@kind(CheckpointError, NOT_FINITE, INSIDE)
def an_llm_of_no_numbers(folder):
    rewrite(folder / "llm" / "model.safetensors", _nan)
    seal(folder)


@kind(CheckpointError, NOT_FINITE, INSIDE)
def an_encoder_of_no_numbers(folder):
    rewrite(folder / "encoder" / "model.safetensors", _nan)
    seal(folder)


@kind(CheckpointError, "mean voice")
def a_mean_voice_of_no_numbers(folder):
    rewrite(folder / "mean_voice.safetensors", lambda tensors: {**tensors, "latent": tensors["latent"] * float("nan")})


@kind(CheckpointError)
def weights_of_another_type(folder):
    rewrite(folder / "model.safetensors", lambda tensors: {name: one.bool() for name, one in tensors.items()})


@kind(CheckpointError, "safetensors")
def a_header_of_a_hundred_terabytes(folder):
    (folder / "model.safetensors").write_bytes((10**14).to_bytes(8, "little") + b"{}")


@kind(CheckpointError, "safetensors")
def a_header_that_is_no_json(folder):
    (folder / "model.safetensors").write_bytes((8).to_bytes(8, "little") + b"notjson!")


@kind(CheckpointError, "safetensors")
def a_header_whose_offsets_lie(folder):
    header = b'{"a": {"dtype": "F32", "shape": [1000000000], "data_offsets": [0, 4]}}  '
    (folder / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + b"\0" * 4)


@kind(CheckpointError, "safetensors")
def weights_that_are_cut_short(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-9])


@kind(UnsafeModelError, "sparse")
def a_hundred_gigabytes_of_zeros(folder):
    sparse_tensors(folder / "model.safetensors", {"branches.content.adapter.hidden.weight": [25 * 10**9]})


@kind(UnsafeModelError, "sparse")
def a_hundred_gigabytes_of_voice(folder):
    sparse_tensors(folder / "mean_voice.safetensors", {"latent": [5 * 10**10], "clips": [1]}, "F16")


@kind(CheckpointError, "mean voice")
def a_mean_voice_of_another_size(folder):
    rewrite(folder / "mean_voice.safetensors", lambda tensors: {**tensors, "latent": torch.zeros(10**6)})


@kind(CheckpointError, "mean voice")
def a_mean_voice_of_many_clips(folder):
    rewrite(folder / "mean_voice.safetensors", lambda tensors: {**tensors, "clips": torch.zeros(7)})


@kind(CheckpointError, "domain")
def a_domain_whose_measures_are_a_number(folder):
    from safetensors.torch import save_file

    names = "voice_mean voice_whitening state_mean state_spread centre spread weights bias thresholds".split()
    save_file({name: torch.ones(2) for name in names}, folder / "domain.safetensors", {"measures": "5"})


def _counted(folder: Path, **values: object) -> None:
    """Writes counts of right answers, of which some values are hostile."""
    one = {"low": 0.0, "high": 1.0, "answers": 10, "right": 7} | values
    source = one.pop("source", "clips")
    (folder / "reliability.json").write_text(json.dumps({"source": source, "bins": [one]}))


@kind(CheckpointError, "reliability.json: damaged")
def more_right_answers_than_answers(folder):
    _counted(folder, right=11)


@kind(CheckpointError, "reliability.json: damaged")
def answers_without_end(folder):
    _counted(folder, answers=10**30)


@kind(CheckpointError, "reliability.json: damaged")
def a_count_that_is_a_word(folder):
    _counted(folder, right="seven")


@kind(CheckpointError, "reliability.json: damaged")
def a_bound_that_is_not_a_number(folder):
    _counted(folder, high=float("nan"))


@kind(CheckpointError, "reliability.json: damaged")
def a_bin_with_a_key_of_its_own(folder):
    _counted(folder, script="alert(1)")


@kind(CheckpointError, "reliability.json: damaged")
def counts_of_a_source_of_a_million_letters(folder):
    _counted(folder, source="a" * 10**6)


@kind(CheckpointError, "reliability.json: damaged")
def counts_that_are_a_list(folder):
    (folder / "reliability.json").write_text("[" * 5000 + "]" * 5000)


@kind(BackboneError, "", INSIDE)
def an_llm_without_half_of_its_weights(folder):
    rewrite(folder / "llm" / "model.safetensors", lambda tensors: dict(list(tensors.items())[::2]))
    seal(folder)


@kind(BackboneError, "", INSIDE)
def an_encoder_without_half_of_its_weights(folder):
    rewrite(folder / "encoder" / "model.safetensors", lambda tensors: dict(list(tensors.items())[::2]))
    seal(folder)


@kind(BackboneError, "no weights", INSIDE)
def an_llm_without_any_weights(folder):
    (folder / "llm" / "model.safetensors").unlink()


@kind(CheckpointError, "safetensors", INSIDE)
def an_llm_whose_file_is_cut_short(folder):
    path = folder / "llm" / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-9])
    seal(folder)


@kind(UnsafeModelError, "", INSIDE)
def an_llm_in_pickles(folder):
    torch.save({}, folder / "llm" / "pytorch_model.bin")
    with json_file(folder, "metadata.json"):
        pass
