"""Versions outside the tested ranges give one clear line at import (fault 27)."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from speechbrain_xser.errors import VersionError
from speechbrain_xser.versions import TESTED, VERSION, check_versions, find_mismatches, installed_version

ROOT = Path(__file__).parents[2]
INSTALLED = {name: installed_version(name) for name in TESTED}


@pytest.mark.parametrize(
    ("library", "version"),
    [
        ("torch", "2.12.0"),
        ("torchaudio", "2.10.0+cpu"),
        ("transformers", "4.57.1"),
        ("transformers", "6.0.0"),
        ("peft", "0.22.0"),
        ("speechbrain", "1.0.3"),
        ("ruamel.yaml", "0.19.0"),
        ("huggingface_hub", None),
    ],
)
def test_one_line_names_what_was_found_and_how_to_put_it_right(library, version):
    with pytest.raises(VersionError) as caught:
        check_versions({**INSTALLED, library: version}.get)
    message = str(caught.value)
    assert "\n" not in message
    assert f"{library} {version or 'not installed'}" in message
    assert f'pip install "{library}{TESTED[library]}"' in message


@pytest.mark.parametrize("version", ["2.11.0+cu128", "2.11.1", "2.11.0"])
def test_builds_of_the_tested_torch_are_accepted(version):
    assert not find_mismatches({**INSTALLED, "torch": version, "torchaudio": version}.get)


def test_the_bounds_are_those_of_setup_py():
    setup = (ROOT / "setup.py").read_text(encoding="utf-8")
    required = dict(re.findall(r'"([A-Za-z_.]+)((?:==|>=)[^"]+)",  #', setup))
    assert {name: TESTED[name] for name in TESTED if name in required} == {
        name: bounds for name, bounds in required.items() if name in TESTED
    }


def test_the_version_is_that_of_setup_py():
    assert f'version="{VERSION}"' in (ROOT / "setup.py").read_text(encoding="utf-8")


def test_importing_the_package_imports_nothing_heavy():
    code = "import sys, speechbrain_xser; print(sorted({'torch', 'transformers', 'speechbrain'} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_an_unknown_name_of_the_package_is_an_attribute_error():
    import speechbrain_xser

    with pytest.raises(AttributeError, match="no_such_name"):
        speechbrain_xser.no_such_name  # noqa: B018
