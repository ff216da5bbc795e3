"""Versions that cannot work give one clear line, before anything fails on them; newer ones a warning (fault 27, 37)."""

import logging
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from speechbrain_xser.errors import VersionError
from speechbrain_xser.versions import (
    VERSION,
    check_versions,
    find_mismatches,
    install_hint,
    installed_version,
    requirements,
)

ROOT = Path(__file__).parents[2]
BOUNDS = {requirement.name: requirement.specifier for requirement in requirements()}
INSTALLED = {name: installed_version(name) for name in BOUNDS}
SCRIPTS = [
    path.relative_to(ROOT)
    for folder in ("recipes", "benchmarks", "docs")
    for path in sorted((ROOT / folder).rglob("*.py"))
    if "__main__" in path.read_text(encoding="utf-8")
]
PAIR_TOLD = (
    "error: speechbrain_xser cannot run with torch 2.11.0 and torchaudio 2.11.1, which do not work together. "
    'Run: pip install "torchaudio==2.11.0"\n'
)


@pytest.fixture(scope="module")
def broken_pair(tmp_path_factory) -> dict[str, str]:
    """An environment with torch 2.11.0 beside torchaudio 2.11.1, neither of which can be imported, as speechbrain."""
    folder = tmp_path_factory.mktemp("broken")
    for library, version in (("torch", "2.11.0"), ("torchaudio", "2.11.1"), ("speechbrain", "1.1.0")):
        (folder / library).mkdir()
        (folder / library / "__init__.py").write_text("raise OSError('undefined symbol: torch_exception_get_what')")
        metadata = folder / f"{library}-{version}.dist-info" / "METADATA"
        metadata.parent.mkdir()
        metadata.write_text(f"Metadata-Version: 2.1\nName: {library}\nVersion: {version}\n")
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)])}


def run(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize(
    ("library", "version"),
    [
        ("torch", "2.10.0"),
        ("torchaudio", "2.10.0+cpu"),
        ("transformers", "4.57.1"),
        ("peft", "0.20.0"),
        ("speechbrain", "1.0.3"),
        ("click", "8.0.4"),
        ("huggingface_hub", None),
    ],
)
def test_a_library_that_is_missing_or_too_old_is_one_line_with_the_remedy(library, version):
    with pytest.raises(VersionError) as caught:
        check_versions({**INSTALLED, library: version}.get)
    message = str(caught.value)
    assert "\n" not in message
    assert f"{library} {version or 'not installed'} (expected" in message
    assert f'pip install "{library}{BOUNDS[library]}"' in message


@pytest.mark.parametrize("build", ["", "+cu128", "+cpu"])
def test_a_pair_that_does_not_load_is_named_with_the_one_command_that_mends_it(build):
    pair = {"torch": f"2.11.0{build}", "torchaudio": f"2.11.1{build}"}
    with pytest.raises(VersionError, match=r'torch 2\.11\.0.* and torchaudio 2\.11\.1.*"torchaudio==2\.11\.0"$'):
        check_versions({**INSTALLED, **pair}.get)


@pytest.mark.parametrize("pair", [("2.11.0", "2.11.0"), ("2.15.0", "2.11.1"), ("2.15.0+cu130", "2.11.1+cpu")])
def test_the_pairs_that_the_suite_ran_with_are_accepted(pair, caplog):
    check_versions({**INSTALLED, "torch": pair[0], "torchaudio": pair[1]}.get)
    assert not caplog.records


@pytest.mark.parametrize(
    ("torch", "torchaudio", "remedy"),
    [
        ("2.12.1", "2.11.1", "2.11.0"),
        ("2.15.0", "2.11.0", "2.11.1"),
        ("2.13.0", "2.11.1", None),
        ("2.14.1", "2.11.0", None),
    ],
)
def test_pairs_are_refused_as_they_were_tried(torch, torchaudio, remedy):
    versions = {**INSTALLED, "torch": torch, "torchaudio": torchaudio}
    if remedy is None:
        check_versions(versions.get)
        return
    with pytest.raises(VersionError, match=f'pip install "torchaudio=={remedy}"$'):
        check_versions(versions.get)


def test_yaml_that_hyperpyyaml_cannot_load_is_refused_though_it_is_newer():
    with pytest.raises(VersionError, match='ruamel.yaml 0.19.1, which does not work. .*"ruamel.yaml<0.19"$'):
        check_versions({**INSTALLED, "ruamel.yaml": "0.19.1"}.get)


def test_an_environment_without_pip_can_use_everything_that_does_not_fetch():
    check_versions({"gguf": "0.19.0"}.get, [Requirement("pip>=23.2,<28"), Requirement("gguf>=0.17,<0.20")])


def test_newer_versions_are_one_warning_and_no_refusal(caplog):
    with caplog.at_level(logging.WARNING):
        check_versions({**INSTALLED, "transformers": "6.0.0", "peft": "0.22.0"}.get)
    [record] = caplog.records
    assert "transformers 6.0.0" in record.getMessage() and "peft 0.22.0" in record.getMessage()


def test_a_version_above_its_bound_is_newer_and_one_below_is_not():
    found = find_mismatches({"a": "3.0", "b": "0.9"}.get, [Requirement("a>=1,<2"), Requirement("b>=1,<2")])
    assert [(one.library, one.newer) for one in found] == [("a", True), ("b", False)]


def test_a_hint_names_the_libraries_of_an_extra_and_never_this_package():
    assert re.fullmatch(r'pip install "scikit-learn\S+" "matplotlib\S+"', install_hint("report"))


def test_the_version_is_that_of_setup_py():
    assert f'version="{VERSION}"' in (ROOT / "setup.py").read_text(encoding="utf-8")


@pytest.mark.parametrize("script", SCRIPTS, ids=str)
@pytest.mark.slow
def test_every_script_ends_in_one_line_beside_a_pair_that_does_not_load(script, broken_pair):
    module = script.with_suffix("").parts
    as_module = ["-m", ".".join(module).removesuffix(".__main__")] if module[0] == "benchmarks" else [str(script)]
    done = run(broken_pair, *as_module)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", PAIR_TOLD)


@pytest.mark.parametrize("words", [["explain", "a.wav"], ["--help"], ["train"], ["serve"]], ids=" ".join)
def test_every_command_ends_in_one_line_beside_a_pair_that_does_not_load(words, broken_pair):
    done = run(broken_pair, "-m", "speechbrain_xser.cli", *words)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", PAIR_TOLD)


def test_the_package_names_the_pair_after_speechbrain_failed_to_load(broken_pair):
    code = "try:\n    import speechbrain\nexcept OSError:\n    import speechbrain_xser"
    done = run(broken_pair, "-c", code)
    assert done.returncode == 2 and done.stderr == PAIR_TOLD


@pytest.mark.slow
def test_the_package_names_an_old_library_after_speechbrain_was_imported(tmp_path):
    metadata = tmp_path / "peft-0.1.dist-info" / "METADATA"
    metadata.parent.mkdir()
    metadata.write_text("Metadata-Version: 2.1\nName: peft\nVersion: 0.1\n")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])}
    done = run(environment, "-c", "import speechbrain, speechbrain_xser")
    assert done.returncode == 2
    assert re.fullmatch(r'error: speechbrain_xser cannot run with peft 0\.1 \(expected \S+\)\. Run: .*\n', done.stderr)


def test_an_error_of_another_kind_is_shown_as_before(broken_pair):
    code = "try:\n    import speechbrain_xser\nexcept ImportError:\n    pass\nraise KeyError('other')"
    done = run(broken_pair, "-c", code)
    assert done.returncode == 1 and done.stderr.endswith("KeyError: 'other'\n")


def test_importing_the_package_imports_nothing_heavy():
    code = "import sys, speechbrain_xser; print(sorted({'torch', 'transformers', 'speechbrain'} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_an_unknown_name_of_the_package_is_an_attribute_error():
    import speechbrain_xser

    with pytest.raises(AttributeError, match="no_such_name"):
        speechbrain_xser.no_such_name  # noqa: B018
