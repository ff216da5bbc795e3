"""A model folder's hyperparameters never run anything (fault 28)."""

import time

import pytest

from speechbrain_xser.errors import UnsafeModelError
from speechbrain_xser.model_folder.safe_yaml import MAX_BYTES, load_safely, read_text

HOSTILE = {
    "apply": "a: !apply:os.mkdir ['{}']",
    "applyref": "a: !applyref:os.mkdir ['{}']",
    "python object": "a: !!python/object/apply:os.mkdir ['{}']",
    "python object by its full tag": "a: !<tag:yaml.org,2002:python/object/apply:os.mkdir> ['{}']",
    "python object by a tag directive": "%TAG !p! tag:yaml.org,2002:python/object/apply:\n---\na: !p!os.mkdir ['{}']",
    "foreign class": "a: !new:pathlib.Path ['{}']",
    "foreign function": "a: !name:os.mkdir\n  path: '{}'",
    "module": "a: !module:os",
    "include": "a: !include:{}",
    "copy": "b: 1\na: !copy <b>",
    "attribute behind a reference": "b: 1\na: !ref <b.__class__>",
    "plain tuple": "a: (!!python/object/apply:os.mkdir ['{}'])",
    "quoted tuple": "a: \"(!!python/object/apply:os.mkdir ['{}'])\"",
    "tuple as a key": "? \"(!!python/object/apply:os.mkdir ['{}'])\"\n: 1",
    "tuple tag": "a: !tuple \"(!!python/object/apply:os.mkdir ['{}'])\"",
    "tuple behind a comma": "a: [1, '(!!python/object/apply:os.mkdir [''{}''])']",
    "nested below an allowed tag": "a: !name:speechbrain_xser.model.build_model\n  b: !apply:os.mkdir ['{}']",
    "tag of our own package that is not listed": "a: !new:speechbrain_xser.model_folder.safe_yaml.YAML",
    "listed name as a class call": "a: !new:speechbrain_xser.model.build_model",
    "anchors": "a: &x [1]\nb: *x",
    "merge key": "a: &x {b: 1}\nc:\n  <<: *x",
    "two documents": "a: 1\n---\nb: !apply:os.mkdir ['{}']",
    "deep nesting": "a: " + "[" * 400 + "]" * 400,
    "a list": "[1, 2]",
    "not YAML": "a: [1",
    "circular references": "a: !ref <b>\nb: !ref <a>",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_text_is_refused_and_runs_nothing(text, tmp_path):
    trace = tmp_path / "trace"
    with pytest.raises(UnsafeModelError):
        load_safely(text.replace("{}", str(trace)))
    assert not trace.exists()


@pytest.mark.parametrize("power", ["<a>**<a>**<a>", "9**9**9 + <a>", "<b>"])
def test_a_power_in_a_reference_does_not_hang(power):
    start = time.monotonic()
    with pytest.raises(UnsafeModelError):
        load_safely(f"a: 99999999\nb: '<a>**<a>'\nc: !ref {power}")
    assert time.monotonic() - start < 2


def test_a_hostile_override_is_refused_too():
    with pytest.raises(UnsafeModelError, match="bracket"):
        load_safely("a: 1", {"a": "(!!python/object/apply:os.getcwd [])"})


def test_an_override_of_an_unknown_key_is_refused_by_name():
    with pytest.raises(UnsafeModelError, match="no_such_key"):
        load_safely("a: 1", {"no_such_key": 2})


def test_references_to_whole_keys_are_resolved():
    assert load_safely("a: {b: 7}\nc: !ref <a[b]>")["c"] == 7


def test_the_message_names_the_line_and_the_tag():
    with pytest.raises(UnsafeModelError, match=r"my.yaml, line 2: tag '!apply:os.getcwd'"):
        load_safely("a: 1\nb: !apply:os.getcwd []", where="my.yaml")


def test_a_file_over_the_limit_is_not_parsed(tmp_path):
    (tmp_path / "h.yaml").write_text("a: " + "x" * MAX_BYTES)
    with pytest.raises(UnsafeModelError, match="larger than"):
        read_text(tmp_path / "h.yaml")


def test_a_file_that_is_not_text_is_refused(tmp_path):
    (tmp_path / "h.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UnsafeModelError, match="UTF-8"):
        read_text(tmp_path / "h.yaml")
