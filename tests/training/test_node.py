"""The weights of backbones are read by the first rank of each machine, and arrive at the others bit by bit."""

import json
import shutil

import pytest
import torch

from speechbrain_xser.lobes.backbone import FAMILIES
from speechbrain_xser.testing import tiny_encoder_folder, tiny_llm_folder, tiny_recognizer_folder
from speechbrain_xser.training import node
from tests.training.test_ddp import launched
from tests.training.two_machines import DAMAGED, MACHINES, ONCE, RANKS, described, kinds, loaded

pytestmark = pytest.mark.training


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder a rank, with other weights on the other machine; the second rank of each has no weights."""
    folder = tmp_path_factory.mktemp("machines")
    for machine in range(MACHINES):
        own = folder / f"machine-{machine}"
        for kind in FAMILIES:
            tiny_encoder_folder(own / "rank-0" / kind, kind, seed=machine)
        tiny_encoder_folder(own / "rank-0" / DAMAGED, seed=machine)
        tiny_llm_folder(own / "rank-0" / "llm", seed=machine)
        tiny_recognizer_folder(own / "rank-0" / "recognizer", seed=machine)
        shutil.copytree(own / "rank-0", own / "rank-1", ignore=shutil.ignore_patterns("*.safetensors"))
    (weights,) = (folder / "machine-0" / "rank-0" / DAMAGED).glob("*.safetensors")
    weights.write_bytes(weights.read_bytes()[:-100])
    return folder


@pytest.fixture(scope="module")
def ranks(folder, python):
    launched(python, "two_machines.py", folder, MACHINES * RANKS)
    return [json.loads((folder / f"rank-{rank}.json").read_text()) for rank in range(MACHINES * RANKS)]


def test_a_rank_without_weight_files_has_what_one_process_reads_on_the_first_rank_of_its_machine(ranks, folder):
    assert ranks[0].keys() == {*kinds(), DAMAGED, ONCE}
    for machine in range(MACHINES):
        torch.manual_seed(1)
        alone = {kind: described(loaded(folder / f"machine-{machine}" / "rank-0", kind)) for kind in kinds()}
        for local in range(RANKS):
            found = ranks[machine * RANKS + local]
            assert {kind: found[kind] for kind in kinds()} == alone
    assert all(ranks[0][kind] != ranks[RANKS][kind] for kind in kinds())


def test_weights_that_cannot_be_read_end_all_ranks_of_the_machine_with_the_same_words(ranks):
    first, second, *others = (rank[DAMAGED] for rank in ranks)
    assert first == second and first.startswith("BackboneError: cannot load ") and "rank-0" in first
    assert others[0] == others[1] and "Error" not in others[0]


def test_the_first_rank_of_each_machine_works_for_the_ranks_of_its_own(ranks):
    assert [rank[ONCE] for rank in ranks] == [[0, 0]] * RANKS + [[RANKS, RANKS]] * RANKS


def test_what_one_rank_tells_the_others_takes_no_memory_of_a_gpu(monkeypatch):
    asked = []
    monkeypatch.setattr(node, "is_distributed_initialized", lambda: True)
    monkeypatch.setattr(node, "rank", lambda: 0)
    monkeypatch.setattr(node, "from_rank", lambda first, work, group: work())
    monkeypatch.setattr(torch.distributed, "new_group", lambda ranks, timeout, backend, **_: asked.append(backend))
    assert node.once_a_machine(lambda: 5) == 5 and asked == ["gloo"]
