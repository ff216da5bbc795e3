"""A model with random weights and utterances of realistic lengths, drawn by a seed: nothing is downloaded."""

from __future__ import annotations

import json
import shutil
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from benchmarks.sizes import Size
from speechbrain_xser.decoder.decoder import LLMDecoder
from speechbrain_xser.lobes.adapter import Adapter
from speechbrain_xser.lobes.bottleneck import build_bottleneck
from speechbrain_xser.lobes.branch import build_branch
from speechbrain_xser.lobes.encoder import FrozenEncoder
from speechbrain_xser.model import ExplainableSER, build_model
from speechbrain_xser.stages import BRANCHES
from speechbrain_xser.utils.sources import resolve_source

RATE = 16_000
TOKENIZER = ("tokenizer.json", "tokenizer_config.json")
WORD = "the "  # one token of the packaged tokenizer


class Utterances(NamedTuple):
    """A padded batch, with answers of known lengths."""

    wavs: Tensor  # [B, S]
    samples: Tensor  # [B] int64, on the CPU
    answers: list[str]

    @property
    def seconds(self) -> float:
        """Of speech, padding not counted."""
        return float(self.samples.sum()) / RATE


def build(size: Size, folder: Path, device: str, kind: str = "bfloat16", **options) -> ExplainableSER:
    """A model of that size, in eval; LoRA's B is not zero.

    Arguments
    ---------
    size : Size
        Of encoder, branches and LLM.
    folder : Path
        Where two ``config.json`` and a tokenizer are written.
    device : str
        Where the weights are drawn.
    kind : str
        Type of the frozen weights.
    **options
        Of ``LLMDecoder``.

    Returns
    -------
    ExplainableSER
    """
    for name, config in (("encoder", size.encoder), ("llm", size.llm)):
        (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / name / "config.json").write_text(json.dumps(config))
    for name in TOKENIZER:
        shutil.copy(Path(resolve_source("packaged:llama-tiny")) / name, folder / "llm" / name)
    shared = {"dtype": kind, "load_weights": False}
    latent, hidden = size.branch["latent"], size.branch["adapter_hidden"]
    bottleneck, adapter = partial(build_bottleneck, latent=latent), partial(Adapter, hidden=hidden)
    branch = partial(build_branch, bottleneck=bottleneck, adapter=adapter)
    torch.manual_seed(0)
    with torch.device(device):
        model = build_model(
            partial(FrozenEncoder, str(folder / "encoder"), **shared),
            dict.fromkeys(BRANCHES, branch),
            partial(LLMDecoder, str(folder / "llm"), lora=size.lora, **shared, **options),
        )
    for name, parameter in model.named_parameters():
        if ".lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.02)
    return model.to(device).eval()


def speech_seconds(count: int, seed: int = 0) -> np.ndarray:
    """Lengths like those of GigaSpeech's segments: 4.2 s on average, log-normal, between 1 and 20 s."""
    return np.random.default_rng(seed).lognormal(1.25, 0.62, count).clip(1.0, 20.0)


def utterances(seconds: np.ndarray, device: str, seed: int = 0) -> Utterances:
    """Noise of those lengths, and answers as long as paragraphs are: 35 tokens and three words a second.

    Arguments
    ---------
    seconds : array
        [B].
    device : str
        Of the waveforms.
    seed : int
        Of the noise.

    Returns
    -------
    Utterances
    """
    samples = torch.from_numpy((seconds * RATE).round().astype(np.int64))
    generator = torch.Generator().manual_seed(seed)
    wavs = 0.1 * torch.randn(len(seconds), int(samples.max()), generator=generator)
    answers = [(WORD * int(35 + 4 * length)).strip() for length in seconds]
    return Utterances(wavs.to(device), samples, answers)
