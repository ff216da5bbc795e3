"""The figures of a report, as PNG files, drawn by matplotlib without a display."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from safetensors.torch import load_file

from speechbrain_xser.answer.record import EMOTIONS
from speechbrain_xser.errors import ReproductionError
from speechbrain_xser.reproduction.outcomes import Outcome
from speechbrain_xser.reproduction.plan import Plan, Run
from speechbrain_xser.reproduction.published import rows
from speechbrain_xser.versions import install_hint

BETAS = {"beta_1": 1.0, "beta_1e-1": 0.1, "beta_1e-2": 0.01, "fd_ser_sed_asr": 0.001, "beta_1e-4": 0.0001}
PROPOSED = "fd_ser_sed_asr"
BLUE, ORANGE, GREY = "#2563a8", "#c2571a", "#8a8f98"
METADATA = {"Software": None}  # the same figure gives the same file


def draw(plan: Plan, outcomes: Mapping[str, Outcome], folder: Path) -> dict[str, str]:
    """Draws the figures that the finished systems allow into a folder; returns captions by file name."""
    folder.mkdir(parents=True, exist_ok=True)
    labelled, found = all(outcome.labelled for outcome in outcomes.values()), {}
    if labelled:
        found["confusions.png"] = "Confusion matrices, in percent of the true class, all seeds together."
        _save(_confusions(outcomes), folder / "confusions.png")
    if labelled and set(BETAS) <= set(outcomes):
        found["beta.png"] = "UA over beta: ours with the 95 % interval and a dot a seed, and the paper's."
        _save(_betas(outcomes), folder / "beta.png")
    if PROPOSED in outcomes and plan.setting != "zero-shot":
        found["layers.png"] = "Weights of the encoder's layers in each branch of the proposed system; a dot a seed."
        _save(_layers(layer_weights(plan, PROPOSED)), folder / "layers.png")
    return found


def draw_steps(log: str | Path, path: str | Path) -> list[str]:
    """Draws a curve of each part of the reward, and of what a rewarded stage logs beside it, over its steps.

    Arguments
    ---------
    log : str or Path
        ``steps.jsonl`` of a run. A step that was taken again after a kill is there twice, with the same values.
    path : str or Path
        A PNG file.

    Returns
    -------
    list of str
        The names of the curves.

    Raises
    ------
    ReproductionError
        If the file has no steps, or matplotlib is missing.

    Example
    -------
    >>> from speechbrain_xser.training.train_log import TrainLog
    >>> place = getfixture("tmp_path")
    >>> log = TrainLog(place / "train_log.txt")
    >>> for step in (1, 2):
    ...     log.log_step(step, {"reward": 0.25 * step})
    >>> draw_steps(place / "steps.jsonl", place / "curves.png"), (place / "curves.png").stat().st_size > 0
    (['reward'], True)
    """
    lines = Path(log).read_text(encoding="utf-8").splitlines()
    steps = {one["step"]: one for one in map(json.loads, filter(None, lines))}
    names = list(dict.fromkeys(name for one in steps.values() for name in one if name != "step"))
    if not names:
        raise ReproductionError(f"{log}: no steps, expected those of a stage that is rewarded.")
    columns = min(4, len(names))
    size = {"figsize": (3 * columns, 2.1 * -(-len(names) // columns)), "squeeze": False, "layout": "constrained"}
    figure, axes = _pyplot().subplots(-(-len(names) // columns), columns, sharex=True, **size)
    for axis in axes.ravel()[len(names) :]:
        axis.axis("off")
    for axis, name in zip(axes.ravel(), names, strict=False):
        known = [(step, one[name]) for step, one in sorted(steps.items()) if name in one]
        axis.plot(*zip(*known, strict=True), color=GREY, linewidth=0.6)
        axis.plot([step for step, _ in known], _smooth([value for _, value in known]), color=BLUE)
        axis.set_title(name, fontsize=9)
        axis.grid(alpha=0.25)
    figure.supxlabel("optimiser step", fontsize=9)
    _save(figure, Path(path))
    return names


def _smooth(values: Sequence[float], width: int = 15) -> np.ndarray:
    """The mean of up to ``width`` values around each."""
    half = width // 2
    return np.array([np.mean(values[max(0, place - half) : place + half + 1]) for place in range(len(values))])


def layer_weights(plan: Plan, system: str) -> dict[str, np.ndarray]:
    """The softmax weights of the encoder's layers, [S, n] for each branch: one row per seed and fold."""
    found: dict[str, list] = {"content": [], "descriptor": []}
    for seed in plan.seeds:
        for fold in plan.folds:
            folder = plan.out / Run(plan.corpus, system, seed, fold).name / "model"
            tensors = load_file(folder / "model.safetensors")
            for branch, weights in found.items():
                weights.append(tensors[f"branches.{branch}.bottleneck.mix.logits"].float().softmax(0).numpy())
    return {branch: np.array(weights) for branch, weights in found.items()}


def _confusions(outcomes: Mapping[str, Outcome]):
    plt = _pyplot()
    columns = min(4, len(outcomes))
    lines = -(-len(outcomes) // columns)
    figure, axes = plt.subplots(
        lines, columns, figsize=(3.2 * columns, 3.1 * lines), squeeze=False, layout="constrained"
    )
    for axis in axes.ravel()[len(outcomes) :]:
        axis.axis("off")
    for axis, (name, outcome) in zip(axes.ravel(), outcomes.items(), strict=False):
        names = sorted(set(outcome.truth.tolist()), key=EMOTIONS.index)
        shares = _shares(outcome, names)
        axis.imshow(shares, cmap="Blues", vmin=0, vmax=100)
        for y, x in np.ndindex(shares.shape):
            axis.text(
                x,
                y,
                f"{shares[y, x]:.0f}",
                ha="center",
                va="center",
                fontsize=7,
                color="white" if shares[y, x] > 55 else "black",
            )
        axis.set_title(f"{name}, UA {outcome.ua.value:.1f}", fontsize=9)
        axis.set_xticks(range(len(names) + 1), [n[:3] for n in names] + ["-"], fontsize=7)
        axis.set_yticks(range(len(names)), [n[:3] for n in names], fontsize=7)
    figure.supxlabel("answered (-: unparsed or another)", fontsize=9)
    figure.supylabel("true", fontsize=9)
    return figure


def _shares(outcome: Outcome, names: Sequence[str]) -> np.ndarray:
    """Percent of each true class, [C, C + 1]; the last column is everything else."""
    truth, heard = outcome.truth.repeat(outcome.heard.shape[1]), outcome.heard.ravel()
    counts = np.array([[((truth == one) & (heard == other)).sum() for other in names] for one in names], dtype=float)
    totals = np.array([(truth == one).sum() for one in names], dtype=float)
    return 100 * np.column_stack([counts, totals - counts.sum(1)]) / totals[:, None]


def _betas(outcomes: Mapping[str, Outcome]):
    plt = _pyplot()
    figure, axis = plt.subplots(figsize=(6.4, 3.8), layout="constrained")
    order = sorted(BETAS, key=BETAS.get)
    betas, ours = [BETAS[name] for name in order], [outcomes[name].ua for name in order]
    spread = [[f.value - f.interval.low for f in ours], [f.interval.high - f.value for f in ours]]
    label = f"ours, {outcomes[PROPOSED].plan.corpus}"
    axis.errorbar(betas, [f.value for f in ours], spread, color=BLUE, marker="o", capsize=3, label=label)
    for beta, figure_of in zip(betas, ours, strict=True):
        axis.plot([beta] * len(figure_of.seeds), figure_of.seeds, ".", color=BLUE, alpha=0.5)
    published = {row.system: row.figures for row in rows(3)}
    for corpus, color in (("IEMOCAP", ORANGE), ("MELD", GREY)):
        values = [published[name][corpus]["UA"] for name in order]
        axis.plot(betas, values, color=color, marker="s", linestyle="--", label=f"paper, {corpus}")
    axis.set_xscale("log")
    axis.set_xlabel("beta")
    axis.set_ylabel("UA %")
    axis.grid(alpha=0.25)
    axis.legend(frameon=False)
    return figure


def _layers(weights: Mapping[str, np.ndarray]):
    plt = _pyplot()
    figure, axis = plt.subplots(figsize=(6.4, 3.2), layout="constrained")
    for shift, color, (branch, values) in zip((-0.2, 0.2), (BLUE, ORANGE), weights.items(), strict=True):
        places = np.arange(1, values.shape[1] + 1) + shift
        axis.bar(places, values.mean(0), width=0.38, color=color, label=branch)
        for row in values:
            axis.plot(places, row, ".", color="black", markersize=3)
    axis.axhline(1 / values.shape[1], color=GREY, linewidth=0.8, linestyle=":")
    axis.set_xticks(range(1, values.shape[1] + 1))
    axis.set_xlabel("layer of the encoder")
    axis.set_ylabel("weight")
    figure.legend(loc="outside upper center", ncols=2, frameon=False)
    return figure


def _pyplot():
    try:
        import matplotlib
    except ImportError as error:
        raise ReproductionError(f"The report needs matplotlib. Run: {install_hint('report')}") from error
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    return plt


def _save(figure, path: Path) -> None:
    figure.savefig(path, dpi=120, metadata=METADATA)
    _pyplot().close(figure)
