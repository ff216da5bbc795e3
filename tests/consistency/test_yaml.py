"""What SpeechBrain asks of YAML: its style by yamllint, and no value that nothing uses."""

import re
from pathlib import Path

import pytest
from ruamel.yaml import YAML
from transformers import HubertConfig
from yamllint import linter
from yamllint.config import YamlLintConfig

ROOT = Path(__file__).parents[2]
FILES = sorted([*(ROOT / "hparams").rglob("*.yaml"), *(ROOT / "recipes").glob("*/hparams/*.yaml")])
RULES = """
extends: default
rules:
  document-start: {present: false}
  truthy: {allowed-values: ['True', 'False'], level: error}
  comments: disable
  comments-indentation: disable
  line-length: {level: warning, allow-non-breakable-inline-mappings: true}
"""
RUN_OPTIONS = {"precision", "max_grad_norm", "ckpt_interval_minutes", "grad_accumulation_factor"}  # SpeechBrain's own
each_file = pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))


@each_file
def test_yaml_has_the_style_that_speechbrain_s_linter_wants(path):
    found = linter.run(path.read_text(encoding="utf-8"), YamlLintConfig(RULES))
    assert [str(problem) for problem in found if problem.level == "error"] == []


@pytest.fixture(scope="module")
def code() -> str:
    """The package and the scripts of the recipes."""
    paths = [*(ROOT / "speechbrain_xser").rglob("*.py"), *(ROOT / "recipes").rglob("*.py")]
    return "\n".join(path.read_text(encoding="utf-8") for path in paths)


@each_file
@pytest.mark.slow
def test_every_value_is_used_by_the_yaml_itself_or_by_the_code(path, code):
    text = path.read_text(encoding="utf-8")
    shared = "".join(one.read_text(encoding="utf-8") for one in (ROOT / "hparams").glob("*.yaml"))  # over which it goes
    referred = set(re.findall(r"<(\w+)", text + shared))
    unused = set(YAML().load(text)) - referred - RUN_OPTIONS - set(HubertConfig().to_dict())
    unused = {key for key in unused if not re.search(rf'["\'.]{key}\b|\b{key}: ', code)}
    formed = {key for key in unused if f"}}_{key.partition('_')[2]}" in code}  # f"{split}_manifest"
    assert unused - formed == set()


@each_file
def test_every_file_that_is_included_is_there(path):
    for name in re.findall(r"^[^#]*!include:(\S+)", path.read_text(encoding="utf-8"), re.MULTILINE):
        assert (path.parent / name).is_file()
