"""Hostile values in ``settings.json`` and ``metadata.json``."""

from __future__ import annotations

from pathlib import Path

from speechbrain_xser.errors import BackboneError, CheckpointError, PromptError, SettingsError, UnsafeModelError
from tests.faults.hostile.corpus import INSIDE, json_file, kind, settings_of

DOES_NOT_FIT = "does not fit this model"


def _in_settings(place: str, value: object, folder: Path) -> None:
    """Changes one value; its place is a path with dots."""
    *parents, name = place.split(".")
    with settings_of(folder) as settings:
        at = settings["model"]
        for parent in parents:
            at = at[parent]
        at[name] = value


@kind(CheckpointError, DOES_NOT_FIT)
def an_adapter_of_ten_million_units(folder):
    _in_settings("branches.content.adapter.hidden", 10**7, folder)


@kind(CheckpointError, DOES_NOT_FIT)
def a_latent_of_a_hundred_million_units(folder):
    _in_settings("branches.descriptor.bottleneck.latent", 10**8, folder)


@kind(CheckpointError, DOES_NOT_FIT)
def an_adapter_that_stacks_ten_million_frames(folder):
    _in_settings("branches.content.adapter.stack", 10**7, folder)


@kind(CheckpointError, DOES_NOT_FIT)
def lora_of_rank_a_million(folder):
    _in_settings("decoder.lora.r", 10**6, folder)


@kind(CheckpointError)
def an_adapter_beyond_what_an_integer_holds(folder):
    _in_settings("branches.content.adapter.hidden", 10**30, folder)


@kind(CheckpointError)
def an_adapter_of_less_than_no_units(folder):
    _in_settings("branches.content.adapter.hidden", -1, folder)


@kind(CheckpointError)
def an_adapter_that_stacks_no_frames(folder):
    _in_settings("branches.content.adapter.stack", 0, folder)


@kind(CheckpointError)
def an_adapter_whose_size_is_a_word(folder):
    _in_settings("branches.content.adapter.hidden", "large", folder)


@kind(UnsafeModelError)
def a_lobe_whose_type_is_a_list(folder):
    _in_settings("branches.content.adapter.type", ["Adapter"], folder)


@kind(UnsafeModelError, "branches")
def two_hundred_branches(folder):
    with settings_of(folder) as settings:
        branches = settings["model"]["branches"]
        small = {"type": "build_branch", "bottleneck": {"type": "build_bottleneck"}, "adapter": {"type": "Adapter"}}
        branches |= {f"b{number}": small for number in range(200)}


@kind(UnsafeModelError)
def a_branch_with_a_dot_in_its_name(folder):
    with settings_of(folder) as settings:
        settings["model"]["branches"]["a.b"] = settings["model"]["branches"]["content"]


@kind(UnsafeModelError)
def a_branch_named_as_a_method(folder):
    with settings_of(folder) as settings:
        settings["model"]["branches"]["keys"] = settings["model"]["branches"]["content"]


@kind(UnsafeModelError)
def values_nested_seven_hundred_deep(folder):
    nested = {}
    for _ in range(700):
        nested = {"a": nested}
    _in_settings("decoder.lora", nested, folder)


@kind(CheckpointError)
def settings_nested_until_the_parser_gives_up(folder):
    (folder / "settings.json").write_text('{"format": 1, "a": ' + "[" * 30000 + "]" * 30000 + "}")


@kind(SettingsError, "max_new_tokens")
def answers_without_an_end(folder):
    _in_settings("decoder.max_new_tokens", 10**12, folder)


@kind(SettingsError, "max_new_tokens")
def an_answer_length_that_is_a_word(folder):
    _in_settings("decoder.max_new_tokens", "long", folder)


@kind(PromptError, "system")
def a_system_turn_that_is_no_text(folder):
    _in_settings("decoder.template.system", 5, folder)


@kind(PromptError, "slots")
def slots_that_are_no_list(folder):
    _in_settings("decoder.template.slots", 7, folder)


@kind(CheckpointError)
def lora_with_an_unknown_argument(folder):
    _in_settings("decoder.lora.init", "custom", folder)


@kind(CheckpointError)
def a_temperature_that_is_a_list(folder):
    _in_settings("decoder.emotion_temperature", [1.0], folder)


@kind(UnsafeModelError, "trust_remote_code")
def a_folder_that_trusts_itself(folder):
    _in_settings("decoder.trust_remote_code", True, folder)


@kind(UnsafeModelError, "max_seconds")
def clips_of_not_a_number_of_seconds(folder):
    with settings_of(folder) as settings:
        settings["max_seconds"] = float("nan")


@kind(UnsafeModelError, "stage")
def a_stage_that_is_a_mapping(folder):
    with settings_of(folder) as settings:
        settings["stage"] = {}


@kind(UnsafeModelError, "encoder_source")
def an_encoder_anywhere_on_the_machine(folder):
    _in_settings("encoder.source", "/etc", folder)


@kind(UnsafeModelError, "encoder_source")
def an_encoder_in_the_folder_s_parent(folder):
    _in_settings("encoder.source", "..", folder)


@kind(BackboneError, "cannot load 'owner/name'")
def an_llm_on_a_hub_that_is_out_of_reach(folder):
    _in_settings("decoder.source", "owner/name", folder)


@kind(UnsafeModelError)
def an_encoder_outside_under_a_prefix(folder):
    _in_settings("encoder.source", "inside:../../etc", folder)


@kind(BackboneError)
def a_packaged_encoder_that_leads_out(folder):
    _in_settings("encoder.source", "packaged:../../etc", folder)


@kind(UnsafeModelError)
def an_encoder_of_a_revision_that_is_a_list(folder):
    _in_settings("encoder.revision", ["main"], folder)


@kind(CheckpointError)
def metadata_with_a_fingerprint_that_is_a_number(folder):
    with json_file(folder, "metadata.json") as metadata:
        metadata["backbones"]["llm"]["fingerprint"] = 5


@kind(CheckpointError)
def metadata_whose_training_is_a_list(folder):
    with json_file(folder, "metadata.json") as metadata:
        metadata["training"] = [1]


@kind(CheckpointError)
def metadata_whose_backbones_are_a_word(folder):
    with json_file(folder, "metadata.json") as metadata:
        metadata["backbones"] = "none"


@kind(BackboneError, "fingerprint", INSIDE)
def other_weights_than_the_fingerprint_says(folder):
    with open(folder / "llm" / "model.safetensors", "r+b") as file:
        file.seek(-64, 2)
        file.write(b"\0" * 64)
