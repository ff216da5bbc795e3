"""The checkout as a whole: metadata, what the wheel holds, and commands that the README names."""

import re
import runpy
import subprocess
import tomllib
from glob import glob
from pathlib import Path

import pytest
import setuptools
from packaging.requirements import Requirement

from speechbrain_xser.versions import requirements

ROOT = Path(__file__).parents[1]
MACHINE_PATH = re.compile(r"(?<![\w.])/(?:home|root|work|tmp/[a-z]|Users)/\w")


@pytest.fixture(scope="module")
def metadata() -> dict:
    """The keywords that setup.py hands to setuptools."""
    caught = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(setuptools, "setup", lambda **keywords: caught.update(keywords))
        patch.chdir(ROOT)
        runpy.run_path(str(ROOT / "setup.py"))
    return caught


def tracked_files() -> list[Path]:
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listing.returncode:
        pytest.skip("not a git checkout: which files belong to it is unknown")
    return [ROOT / name for name in listing.stdout.splitlines() if (ROOT / name).is_file()]


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


def test_every_requirement_has_a_lower_and_an_upper_bound(metadata):
    requirements = metadata["install_requires"] + sum(metadata["extras_require"].values(), [])
    for requirement in map(Requirement, requirements):
        operators = {specifier.operator for specifier in requirement.specifier}
        assert operators in ({">=", "<"}, {"=="}), requirement


def test_the_import_checks_every_version_that_setup_asks_for(metadata):
    assert set(map(Requirement, metadata["install_requires"])) == set(requirements())


def test_every_folder_with_code_is_a_package_of_the_wheel(metadata):
    folders = {path.parent.relative_to(ROOT) for path in (ROOT / "speechbrain_xser").rglob("*.py")}
    assert {".".join(folder.parts) for folder in folders} == set(metadata["packages"])


def test_every_packaged_file_is_put_into_the_wheel(metadata):
    package = ROOT / "speechbrain_xser"
    patterns = metadata["package_data"]["speechbrain_xser"]
    built = {name for pattern in patterns for name in glob(pattern, root_dir=package, recursive=True)}
    packaged = {str(path.relative_to(package)) for path in (package / "packaged").rglob("*") if path.is_file()}
    assert {"packaged/xser-tiny/hyperparams.yaml", "packaged/hubert-tiny/model.safetensors"} <= packaged <= built


def test_the_licence_is_apache_2(metadata):
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert metadata["license"] == "Apache-2.0"
    assert "Version 2.0, January 2004" in text and "END OF TERMS AND CONDITIONS" in text


def test_pyproject_holds_no_metadata():
    assert "project" not in tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def test_every_make_command_in_the_documents_is_a_target():
    for document in [ROOT / "README.md", *ROOT.glob("docs/*.md"), *ROOT.glob("recipes/*/README.md")]:
        named = set(re.findall(r"(?:`|^|\s{4})make ([a-z-]+)", document.read_text(encoding="utf-8"), re.MULTILINE))
        assert named <= make_targets(), document


def test_every_file_that_the_makefile_runs_is_there():
    scripts = re.findall(r"(?:tests/)?recipes/\S+\.(?:py|yaml)\b", (ROOT / "Makefile").read_text(encoding="utf-8"))
    assert scripts and all((ROOT / script).exists() for script in scripts)


def test_every_link_in_the_documents_leads_to_a_file():
    for document in [ROOT / "README.md", *ROOT.glob("docs/*.md"), *ROOT.glob("recipes/*/README.md")]:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", document.read_text(encoding="utf-8")):
            assert (document.parent / target).exists(), f"{document.name}: {target}"


def test_no_file_names_a_path_of_one_machine():
    texts = {".py", ".md", ".yaml", ".toml", ".json", ".jsonl", ".csv", ""}
    for path in tracked_files():
        if path.suffix in texts and path.name != Path(__file__).name:
            found = MACHINE_PATH.search(path.read_text(encoding="utf-8", errors="ignore"))
            assert found is None, f"{path}: {found and found.group()}"
