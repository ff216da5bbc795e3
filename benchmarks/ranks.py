"""Two ranks (gloo, on the CPU) beside one with the same global batch: even shares, and the same gradients."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from transformers import HubertConfig

from benchmarks.material import RATE, build, speech_seconds, utterances
from benchmarks.sizes import CI, Size
from benchmarks.table import Row
from speechbrain_xser.stages import SER_STAGE
from speechbrain_xser.training.work import DESCRIPTION_TOKENS, PROMPT_TOKENS, dealt

RANKS = 2
STACK = 5  # frames a token
BATCHES = 16  # over which the balance is taken


class _Loss(nn.Module):
    """The model as DDP wraps it; its loss is the share of a global batch."""

    def __init__(self, model: nn.Module, tokens: int) -> None:
        super().__init__()
        self.model, self.tokens = model, tokens

    def forward(self, wavs: Tensor, samples: Tensor, answers: list[str]) -> Tensor:
        return self.model(wavs, samples, SER_STAGE, answers).answer.nats() / self.tokens


def rows(size: Size) -> list[Row]:
    """The balance at a size's batch, and how far the gradients of two ranks are from those of one (at CI size)."""
    seconds = speech_seconds(size.batch * RANKS * BATCHES)
    batches = [seconds[start : start + size.batch * RANKS] for start in range(0, len(seconds), size.batch * RANKS)]
    works = [_work(batch, size) for batch in batches]
    shares = [[sum(work[place] for place in part) for part in dealt(work, RANKS)] for work in works]
    even = float(np.mean([np.mean(loads) / max(loads) for loads in shares]))
    return [
        Row(f"work of {RANKS} ranks, mean / largest", "", even, None, "x", "≥ 0.95"),
        Row(f"gradients of {RANKS} ranks, relative difference from one", "", difference(), None, "", "≤ 1e-5"),
    ]


def difference() -> float:
    """Norm of the difference of all gradients, relative to their norm."""
    with tempfile.TemporaryDirectory() as folder:
        torch.multiprocessing.spawn(_rank, (folder,), nprocs=RANKS)
        shared = torch.load(Path(folder) / "gradients.pt", weights_only=True)
    with tempfile.TemporaryDirectory() as folder:
        alone = _gradients(Path(folder), list(range(CI.batch * RANKS)), wrap=False)
    off = sum((shared[name] - gradient).square().sum() for name, gradient in alone.items())
    return float((off / sum(gradient.square().sum() for gradient in alone.values())).sqrt())


def _rank(rank: int, folder: str) -> None:
    """One rank: its share of the global batch, gradients averaged over ranks."""
    torch.set_num_threads(1)
    store = f"file://{folder}/store"
    torch.distributed.init_process_group("gloo", init_method=store, rank=rank, world_size=RANKS)
    share = dealt(_work(speech_seconds(CI.batch * RANKS), CI), RANKS)[rank]
    gradients = _gradients(Path(folder) / str(rank), share, wrap=True)
    if rank == 0:
        torch.save(gradients, Path(folder) / "gradients.pt")
    torch.distributed.destroy_process_group()


def _gradients(folder: Path, places: list[int], wrap: bool) -> dict[str, Tensor]:
    model = build(CI, folder, "cpu", "float32")
    seconds = speech_seconds(CI.batch * RANKS)
    tokens = model.decoder.count_tokens(utterances(seconds, "cpu").answers, "")
    loss = _Loss(model, tokens)
    wrapped = DistributedDataParallel(loss, find_unused_parameters=True) if wrap else loss
    batch = utterances(seconds[places], "cpu", seed=0)
    clips = [utterances(seconds[place : place + 1], "cpu", seed=int(place)).wavs[0] for place in places]
    wavs = nn.utils.rnn.pad_sequence(clips, batch_first=True)
    (wrapped(wavs, batch.samples, batch.answers) * (RANKS if wrap else 1)).backward()
    return {name: p.grad for name, p in loss.named_parameters() if p.grad is not None and p.grad.any()}


def _work(seconds: np.ndarray, size: Size) -> list[float]:
    """Tokens, about, of clips whose answers are as long as descriptions."""
    frames = RATE / HubertConfig(**size.encoder).inputs_to_logits_ratio  # a second
    tokens = 2 * frames / STACK  # of both branches
    return (tokens * seconds + PROMPT_TOKENS + DESCRIPTION_TOKENS).tolist()
