"""What a model folder keeps to tell whether a clip is like those that the model was trained on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

from speechbrain_xser.errors import CheckpointError
from speechbrain_xser.lobes.clip_means import measured_branches
from speechbrain_xser.model_folder.locate import DOMAIN, METADATA
from speechbrain_xser.model_folder.plain_files import check_size
from speechbrain_xser.model_folder.weight_checksums import write_checksums
from speechbrain_xser.stages import VOICE, Stage
from speechbrain_xser.utils.files import moved_into_place

if TYPE_CHECKING:
    from speechbrain_xser.model import ExplainableSER

DISTANCES = ("voice distance", "state distance")  # measures that every model has, before those of its branches


class TrainingMeans(NamedTuple):
    """How the means of training clips are distributed."""

    voice_mean: Tensor  # [Z] float32, of the descriptor branch's latent
    voice_whitening: Tensor  # [Z, Z] float32, the inverse of the Cholesky factor of its covariance
    state_mean: Tensor  # [n, d] float32, of the encoder's states
    state_spread: Tensor  # [n, d] float32, above 0


class DomainReference(NamedTuple):
    """A logistic regression on M measures of a clip: how probable it is that the clip is out of the model's domain."""

    training: TrainingMeans
    measures: tuple[str, ...]  # M names: the two distances, and those of the branches that are on
    centre: Tensor  # [M] float64, of each measure in the domain
    spread: Tensor  # [M] float64, above 0
    weights: Tensor  # [M] float64, of the measures by centre and spread
    bias: float
    thresholds: tuple[float, float]  # probabilities above which a clip is doubtful, and out


def write_domain(folder: str | Path, reference: DomainReference) -> None:
    """Writes it into a model folder, whole or not at all, and its checksum into the folder's metadata."""
    numbers = {name: getattr(reference, name) for name in ("centre", "spread", "weights", "bias", "thresholds")}
    numbers = {name: torch.as_tensor(value, dtype=torch.float64) for name, value in numbers.items()}
    tensors = reference.training._asdict() | numbers
    tensors = {name: tensor.clone(memory_format=torch.contiguous_format) for name, tensor in tensors.items()}
    with moved_into_place(Path(folder, DOMAIN)) as beside:
        beside.write_bytes(save(tensors, {"measures": json.dumps(reference.measures)}))
    if Path(folder, METADATA).is_file():  # not yet in a folder that is being written
        write_checksums(folder)


def read_domain(
    folder: str | Path, model: ExplainableSER | None = None, stage: Stage | None = None
) -> DomainReference | None:
    """Reads it from a model folder.

    Arguments
    ---------
    folder : str or Path
        A model folder.
    model : ExplainableSER, optional
        Whose clips it must fit.
    stage : Stage, optional
        In which that model answers.

    Returns
    -------
    DomainReference or None
        None where the folder has none.

    Raises
    ------
    CheckpointError
        If the file is damaged, or of another model.

    Example
    -------
    >>> folder, one = getfixture("tmp_path"), torch.ones(2, dtype=torch.float64)
    >>> training = TrainingMeans(torch.zeros(4), torch.eye(4), torch.zeros(3, 8), torch.ones(3, 8))
    >>> write_domain(folder, DomainReference(training, DISTANCES, 0 * one, one, one, -3.0, (0.5, 0.9)))
    >>> read_domain(folder).thresholds, read_domain(folder / "elsewhere")
    ((0.5, 0.9), None)
    """
    path = Path(folder, DOMAIN)
    if not path.is_file():
        return None
    try:
        check_size(path)
        reference = _read(path)
        _check(reference)
        if model is not None:
            _check_model(reference, model, stage)
        return reference
    except Exception as error:  # whatever a damaged file ends in
        raise CheckpointError(
            f"{path}: damaged ({error}), expected a model's domain; download it again, or remove it"
        ) from error


def _read(path: Path) -> DomainReference:
    with safe_open(path, "pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118, it is no mapping
        measures = tuple(json.loads((file.metadata() or {})["measures"]))
    training = TrainingMeans(*(tensors[name].float() for name in TrainingMeans._fields))
    numbers = [tensors[name].double() for name in ("centre", "spread", "weights")]
    doubtful, out = tensors["thresholds"].tolist()
    return DomainReference(training, measures, *numbers, float(tensors["bias"]), (doubtful, out))


def _check(reference: DomainReference) -> None:
    """Refuses shapes that do not fit together, and numbers that decide nothing."""
    mean, whitening, states, state_spread = reference.training
    numbers = (reference.centre, reference.spread, reference.weights)
    if mean.dim() != 1 or whitening.shape != 2 * mean.shape or states.dim() != 2 or state_spread.shape != states.shape:
        raise ValueError(f"training means of shapes {[list(part.shape) for part in reference.training]}")
    if any(part.shape != (len(reference.measures),) for part in numbers):
        raise ValueError(f"{len(reference.measures)} measures, but numbers of {[list(part.shape) for part in numbers]}")
    if not all(part.isfinite().all() for part in (*reference.training, *numbers, torch.tensor(reference.bias))):
        raise ValueError("numbers that are not finite")
    if not (state_spread > 0).all() or not (reference.spread > 0).all():
        raise ValueError("a spread that is not above 0")
    if not 0 <= reference.thresholds[0] <= reference.thresholds[1] <= 1:
        raise ValueError(f"thresholds {reference.thresholds}, not two rising probabilities")


def _check_model(reference: DomainReference, model: ExplainableSER, stage: Stage | None) -> None:
    """Refuses what was measured on another model, or in another stage."""
    on = model.branches if stage is None else stage.on(model.branches)
    recognizes = {name: hasattr(model.branches[name].bottleneck, "recognizer") for name in on}
    expected = (*DISTANCES, *measured_branches(recognizes))
    if VOICE not in recognizes or reference.measures != expected:
        raise ValueError(f"measures {', '.join(reference.measures)}; those of this model are {', '.join(expected)}")
    found = len(reference.training.voice_mean), tuple(reference.training.state_mean.shape)
    sizes = model.branches[VOICE].bottleneck.size, (model.encoder.layer_count, model.encoder.width)
    if found != sizes:
        raise ValueError(f"latents and states of {found}; those of this model are {sizes}")
