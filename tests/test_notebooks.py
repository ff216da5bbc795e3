"""The notebooks of the documentation run from their first cell to their last, and are kept without outputs."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))
SECONDS = 300  # of one cell, on a machine that does much else


def names(path: Path) -> str:
    return path.stem


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    """Runs a notebook once, in a folder of its own, on this checkout."""
    done = {}

    def run(name: str) -> nbformat.NotebookNode:
        if name not in done:
            notebook = nbformat.read(ROOT / "docs" / "notebooks" / f"{name}.ipynb", as_version=4)
            folder = tmp_path_factory.mktemp(name)
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("PYTHONPATH", str(ROOT))
                patch.setenv("HF_HUB_OFFLINE", "1")
                patch.setenv("OMP_NUM_THREADS", "1")
                client = NotebookClient(notebook, timeout=SECONDS, resources={"metadata": {"path": str(folder)}})
                done[name] = client.execute()
            assert not list(folder.iterdir()), "a notebook writes into a temporary folder, not where it is opened"
        return done[name]

    return run


def printed(notebook: nbformat.NotebookNode) -> str:
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    return "".join(output.text for output in outputs if output.output_type == "stream" and output.name == "stdout")


def pictures(notebook: nbformat.NotebookNode) -> int:
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    return sum("image/png" in output.get("data", {}) for output in outputs)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=names)
def test_a_notebook_is_kept_without_outputs(path):
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "code":
            assert cell.outputs == [] and cell.execution_count is None


@pytest.mark.parametrize("path", NOTEBOOKS, ids=names)
def test_a_notebook_names_no_machine_and_no_version_of_one(path):
    metadata = nbformat.read(path, as_version=4).metadata
    assert set(metadata.language_info) == {"name"} and metadata.kernelspec.name == "python3"


@pytest.mark.slow
def test_the_explanation_s_notebook_shows_claims_shares_curves_and_the_page(executed):
    notebook = executed("explain-a-clip")
    text = printed(notebook)
    assert "supported" in text and "from the words" in text and "other voice" in text
    page = notebook.cells[-1].outputs[0].data["text/html"]
    assert "xser-evidence" in page and "<svg" in page
    assert pictures(notebook) == 1


@pytest.mark.training
def test_the_training_s_notebook_trains_both_stages_in_turns_and_opens_its_folder(executed):
    notebook = executed("train-the-tiny-model")
    text = printed(notebook)
    stages = [line.split("stage: ")[1].split(",")[0] for line in text.splitlines() if line.startswith("epoch: ")]
    assert stages == ["asr", "ser", "asr", "ser"]
    assert pictures(notebook) == 1
    assert notebook.cells[-1].outputs[-1].text.strip()  # a paragraph


@pytest.mark.training
def test_the_mix_in_s_notebook_learns_and_keeps_the_encoder_out(executed):
    notebook = executed("mix-in")
    text = printed(notebook)
    assert "'encoder'" not in text and "encoder in training mode: False" in text
    assert "embeddings: (8, 9, 64)" in text  # the longest clip: 16,000 samples, 97, 48, 46 frames; five a token
    assert pictures(notebook) == 2
