"""Hostile texts in ``hyperparams.yaml``."""

from __future__ import annotations

from speechbrain_xser.errors import UnsafeModelError
from tests.faults.hostile.corpus import kind


def _edit(folder, old, new):
    path = folder / "hyperparams.yaml"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def _add(folder, lines):
    with open(folder / "hyperparams.yaml", "a", encoding="utf-8") as file:
        file.write("\n" + lines + "\n")


@kind(UnsafeModelError, "reference")
def references_that_double_eleven_times(folder):
    refs = [f"a{number}: [{', '.join(['!ref <a' + str(number - 1) + '>'] * 10)}]" for number in range(1, 12)]
    _add(folder, "\n".join(["a0: [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]", *refs]))


@kind(UnsafeModelError, "reference")
def a_long_text_referred_to_a_thousand_times(folder):
    _add(folder, f"a: {'x' * 3000}\nb: [{', '.join(['!ref <a>'] * 900)}]")


@kind(UnsafeModelError, "reference")
def references_in_a_circle(folder):
    _add(folder, "a: !ref <b>\nb: !ref <a>")


@kind(UnsafeModelError, "reference")
def a_power_in_a_reference(folder):
    _add(folder, "a: !ref 9**9**9 + <stage>")


@kind(UnsafeModelError, "apply")
def a_function_that_is_applied(folder):
    _add(folder, "a: !apply:os._exit [7]")


@kind(UnsafeModelError, "nested")
def lists_nested_four_hundred_deep(folder):
    _add(folder, "a: " + "[" * 400 + "]" * 400)


@kind(UnsafeModelError, "hyperparams.yaml")
def sixty_thousand_items(folder):
    _add(folder, f"a: [{','.join('1' * 29000)}]")


@kind(UnsafeModelError, "settings.json")
def a_yaml_that_builds_another_model_than_the_json(folder):
    _edit(folder, "hidden: 384", "hidden: 10000000")


@kind(UnsafeModelError, "settings.json")
def a_yaml_that_names_other_weights_than_the_json(folder):
    (folder / "model.safetensors").rename(folder / "other.safetensors")
    _edit(folder, "branches: model.safetensors", "branches: other.safetensors")


@kind(UnsafeModelError, "settings.json")
def a_yaml_with_a_run_option_of_its_own(folder):
    _add(folder, "jit: true")


@kind(UnsafeModelError)
def a_yaml_with_a_key_that_is_a_list(folder):
    _add(folder, "? [a, b]\n: 1")
