"""One training run from its hyperparameters: data, model, brain, trained folder. ``recipes/train.py`` is its shell."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from speechbrain.utils.distributed import if_main_process, infer_device, run_on_main
from torch.utils.data import DataLoader

from speechbrain_xser.answer.record import EMOTIONS
from speechbrain_xser.data.faults import FaultCounter
from speechbrain_xser.data.manifest import read_manifest
from speechbrain_xser.data.pipeline import dataset
from speechbrain_xser.data.ratings import read_votes
from speechbrain_xser.data.subset import sampled_batches
from speechbrain_xser.errors import SettingsError, TrainingError
from speechbrain_xser.evidence.latent_mean import CLIPS, mean_voice
from speechbrain_xser.lobes.cache import CachedEncoder
from speechbrain_xser.lobes.states import check_max_seconds
from speechbrain_xser.metrics import Scores, table
from speechbrain_xser.metrics.scores import plain_scores
from speechbrain_xser.model import ExplainableSER, recognizers
from speechbrain_xser.model_folder.feature_cache import keep_features
from speechbrain_xser.model_folder.load import load_lora, load_weights
from speechbrain_xser.model_folder.locate import CHECKPOINTS, model_folder
from speechbrain_xser.model_folder.mean_voice import MeanVoice
from speechbrain_xser.model_folder.metadata import describe_backbone
from speechbrain_xser.model_folder.save import write_model_folder
from speechbrain_xser.model_folder.settings import OWN, backbones, complete_settings, flat
from speechbrain_xser.training.brain import XserBrain
from speechbrain_xser.training.checkpoint import CheckpointStore
from speechbrain_xser.training.corpora import corpora
from speechbrain_xser.training.device_memory import check_device_memory, device_bytes
from speechbrain_xser.training.experiment_loggers import make_loggers
from speechbrain_xser.training.loaders import evaluation_loader, train_loader
from speechbrain_xser.training.node import once_a_machine, read_once_a_machine
from speechbrain_xser.training.precision import refuse_other_half
from speechbrain_xser.training.reinforcement import Reinforcement
from speechbrain_xser.training.rewards import Rewards
from speechbrain_xser.training.run_checks import check_clips, check_new_branches, check_stages
from speechbrain_xser.training.scoring import paragraph_scores, score_answers
from speechbrain_xser.training.seeding import derive_seed
from speechbrain_xser.training.sharding import ShardedLLM
from speechbrain_xser.training.step_memory import SMALLER_MODEL
from speechbrain_xser.training.train_log import TrainLog
from speechbrain_xser.training.training_settings import RUN_OPTIONS, TrainingSettings
from speechbrain_xser.utils.devices import straight_to
from speechbrain_xser.utils.out_of_memory import naming_memory
from speechbrain_xser.utils.sources import resolve_source

NOT_LEARNED = ("source", "revision", "dtype", "quantization", "max_new_tokens", "emotion_temperature")  # by suffix


class Loaders(NamedTuple):
    """The three splits; ``test`` is ``None`` if the recipe names no test manifest."""

    train: DataLoader
    valid: DataLoader
    test: DataLoader | None


def merged(hparams: Mapping[str, Any]) -> dict[str, Any]:
    """The recipe's values over those of the ``training`` file that it includes, over our run options.

    Example
    -------
    >>> merged({"beta": 1, "training": {"beta": 2, "seed": 3}})["beta"]
    1
    """
    return {**RUN_OPTIONS, **(hparams.get("training") or {}), **hparams}


def run_option(name: str, hparams: Mapping[str, Any], run_opts: Any) -> Any:
    """A SpeechBrain run option: from the command line, else the YAML, else SpeechBrain's default.

    Example
    -------
    >>> from speechbrain.utils.run_opts import RunOptions
    >>> run_option("max_grad_norm", RUN_OPTIONS, RunOptions())
    1.0
    """
    given = name in run_opts.overridden_args or name not in hparams
    return run_opts[name] if given else hparams[name]


def make_loaders(
    hparams: Mapping[str, Any], model: ExplainableSER, accumulation: int, device: str | None = None
) -> Loaders:
    """Reads the manifests named ``train_manifest``, ``valid_manifest`` and, if given, ``test_manifest``.

    Arguments
    ---------
    hparams : mapping
        With ``data_folder`` (or ``None``) and the keys of ``TrainingSettings``.
    model : ExplainableSER
        The model to train; it determines how much work a clip is.
    accumulation : int
        Micro-batches of an optimiser step.
    device : str, optional
        Where the model runs; a large GPU answers more clips at a time.

    Returns
    -------
    Loaders

    Raises
    ------
    ManifestError
        If a manifest is wrong, or an utterance lacks what a scheduled stage needs for its target.
    PromptError
        If an utterance is longer than the decoder's context.
    """
    settings = TrainingSettings.from_hparams(hparams)
    folder = hparams.get("data_folder")
    clips = {
        split: dataset(hparams[f"{split}_manifest"], folder, settings.max_seconds)
        for split in Loaders._fields
        if hparams.get(f"{split}_manifest")
    }
    once_a_machine(lambda: check_clips(clips, model, settings))
    train = train_loader(clips["train"], model, settings, accumulation)
    valid = evaluation_loader(clips["valid"], settings, device)
    return Loaders(train, valid, evaluation_loader(clips["test"], settings, device) if "test" in clips else None)


def make_model(hparams: Mapping[str, Any], device: str | None = None) -> ExplainableSER:
    """Calls the YAML's ``model`` with the seed of the run, so that every rank starts from the same weights.

    Ranks on GPUs, and those that divide the LLM, read the backbones once a machine. The LLM's weights go straight to
    ``device``, if that is a GPU: no rank then needs a copy of it in the host's memory. Everything else is moved later.

    With ``start_from`` it begins with the weights of a trained folder, on the recipe's own encoder (those of
    ``new_branches`` excepted), and with ``start_lora`` with another folder's LoRA; with ``feature_cache`` its encoder
    computes each clip once.

    Raises
    ------
    SettingsError
        If the encoder does not accept clips of ``max_seconds``, or a new branch has an unknown name.
    """
    settings = TrainingSettings.from_hparams(hparams)
    # before the model is built
    start, lora = (None if one is None else model_folder(one) for one in (settings.start_from, settings.start_lora))
    torch.manual_seed(derive_seed(settings.seed, "model"))
    target = None if settings.shard else device  # a GPU would not hold it whole
    once = read_once_a_machine(device, settings.shard)
    with naming_memory("the model was loaded", SMALLER_MODEL, TrainingError), straight_to(target), once:
        model = hparams["model"]()
        for part in (model.encoder, *recognizers(model)):
            check_max_seconds(part, settings.max_seconds)
        check_stages(model, settings.schedule().stages)
        check_new_branches(model, settings)
        if start is not None:
            load_weights(model, start, settings.new_branches)
        if lora is not None:
            load_lora(model, lora)
    if settings.feature_cache is not None:
        keep_features(model, settings.feature_cache, lobes(hparams), device or "cpu")
    if start is None and model.standardization is not None:
        standardize(model, hparams)
    return model


def standardize(model: ExplainableSER, hparams: Mapping[str, Any]) -> None:
    """Measures the mean and the spread of the encoder's states over clips of the training set, the same on every rank.

    Arguments
    ---------
    model : ExplainableSER
        With a standardisation, whose buffers are written.
    hparams : mapping
        With ``train_manifest``.

    Raises
    ------
    TrainingError
        If no clip of the training set can be read.
    """
    some = (hparams["train_manifest"], hparams.get("data_folder"), TrainingSettings.from_hparams(hparams).max_seconds)
    batches = sampled_batches(*some, CLIPS, "mean and spread", max_unreadable=1.0)
    model.standardization.fit(model.encoder(batch.wavs, batch.samples) for batch in batches)


def check_backbones(hparams: Mapping[str, Any]) -> None:
    """Raises a ``BackboneError`` if a backbone is not on this machine and names no hub id, before any clip is read."""
    for source, _ in backbones(lobes(hparams)).values():
        resolve_source(source)


def check_precision(hparams: Mapping[str, Any], run_opts: Any) -> None:
    """Raises a ``SettingsError`` if training or evaluation would compute in the half that the LLM is not in."""
    dtype = lobes(hparams)["decoder"].get("dtype")
    for option in ("precision", "eval_precision"):
        refuse_other_half(option, run_option(option, hparams, run_opts), dtype)


def check_memory(hparams: Mapping[str, Any], device: str, accumulation: int) -> None:
    """Says what the largest step needs of a GPU, and raises a ``TrainingError`` if the GPU has less; not of shards."""
    settings = TrainingSettings.from_hparams(hparams)
    if device_bytes(device) is not None and not settings.shard:
        clips = dataset(hparams["train_manifest"], hparams.get("data_folder"), settings.max_seconds)
        check_device_memory(lobes(hparams), settings, clips, device, accumulation)


def identity(model: ExplainableSER, lobes: Mapping[str, Any]) -> dict[str, Any]:
    """What a checkpoint must share with a run for its weights to mean the same.

    Arguments
    ---------
    model : ExplainableSER
        Its vocabulary is counted.
    lobes : mapping
        Complete, as plain values.

    Returns
    -------
    dict
        Fingerprints of the backbones, the vocabulary's size, and the architecture's values.
    """
    known = {name: describe_backbone(*source).fingerprint for name, source in backbones(lobes).items()}
    known.setdefault("encoder", type(model.encoder).__qualname__)  # a class of the user's own
    shape = {f"model.{key}": value for key, value in flat(lobes) if not key.endswith(NOT_LEARNED)}
    return {**known, "vocabulary": model.decoder.vocabulary, **shape}


def make_brain(hparams: Mapping[str, Any], run_opts: Any, model: ExplainableSER, utterances: int) -> XserBrain:
    """Puts the parts of a run together.

    Arguments
    ---------
    hparams : mapping
        Merged; ``output_folder`` is where checkpoints and the log go.
    run_opts : RunOptions
        SpeechBrain's, from the command line.
    model : ExplainableSER
        What to train.
    utterances : int
        Number of training utterances, for the share that may be unreadable.

    Returns
    -------
    XserBrain
    """
    settings = TrainingSettings.from_hparams(hparams)
    if (
        run_option("ckpt_interval_steps", hparams, run_opts) > 0
        and "ckpt_interval_minutes" not in run_opts.overridden_args
    ):
        hparams = {**hparams, "ckpt_interval_minutes": 0}  # SpeechBrain accepts only one of them
    output, reinforcement = Path(hparams["output_folder"]), make_reinforcement(hparams)
    best = "ua" if reinforcement is None else "reward"
    device = run_opts["device"] or infer_device()
    if reinforcement is not None and settings.shard:
        raise SettingsError("A stage that is rewarded samples on each rank by itself: train it without shard.")
    return XserBrain(
        model,
        settings.schedule(),
        settings.criterion(),
        settings.rates(),
        score_answers,
        store=CheckpointStore(output / CHECKPOINTS, settings.keep_latest, best),
        identity=run_on_main(identity, [model, lobes(hparams)]),
        seed=settings.seed,
        weight_decay=settings.weight_decay,
        valid_search_every=settings.valid_search_every,
        search_limit=settings.search_limit,
        emotions=hparams.get("emotions") or EMOTIONS,
        reinforcement=reinforcement,
        faults=FaultCounter(utterances, settings.max_unreadable),
        sharding=ShardedLLM(model.decoder, device) if settings.shard else None,
        gradient_dtype=settings.gradient_dtype,
        train_logger=TrainLog(output / "train_log.txt", make_loggers(hparams.get("train_logger"), output)),
        hparams=dict(hparams),
        run_opts=run_opts,
    )


def make_reinforcement(hparams: Mapping[str, Any]) -> Reinforcement | None:
    """What a stage that is rewarded needs; ``None`` if no stage of the run is.

    Raises
    ------
    SettingsError
        If a weight or a number is out of range.
    ManifestError
        If the ratings cannot be read.
    """
    settings = TrainingSettings.from_hparams(hparams)
    if not any(stage.rewarded for stage in settings.schedule().stages):
        return None
    votes = None if settings.ratings is None else read_votes(settings.ratings)
    clips = read_manifest(hparams["train_manifest"])
    rewards = Rewards(settings.reward_weights(), clips, votes, settings.language)
    return Reinforcement(rewards, settings.answers_per_clip, settings.updates_per_sample, settings.credit_discount)


def lobes(hparams: Mapping[str, Any]) -> dict[str, Any]:
    """The lobes that the YAML gives ``build_model``, as plain values."""
    return complete_settings({"model": hparams["model"].keywords})["model"]


def evaluation_scores(brain: XserBrain) -> Scores | None:
    """Scores of the answers of the last evaluation; ``None`` if there are no answers."""
    answers = brain.evaluation.answers
    if not answers:
        return None
    return paragraph_scores([a.utterance for a in answers], [a.text for a in answers], brain.evaluation.stage.target)


def export(hparams: Mapping[str, Any], brain: XserBrain, scores: Scores | None) -> str:
    """Writes the best weights as a folder that ``ExplainableEmotionRecognizer.from_hparams`` takes.

    Returns
    -------
    str
        ``output_folder/model``, or ``output_folder/debug_model`` for a debug run.
    """
    if brain.evaluated is None:
        brain.on_evaluate_start()
    settings = TrainingSettings.from_hparams(hparams)
    training = {
        "seed": settings.seed,
        "schedule": brain.schedule.describe(),
        "beta": settings.beta,
        "steps": None if brain.evaluated is None else brain.evaluated.step,
        "test": {} if scores is None else plain_scores(scores),
    }
    training |= corpora(hparams)
    if hparams.get("purpose"):
        training["purpose"] = str(hparams["purpose"]).strip()
    config = {
        "model": hparams["model"].keywords,
        "stage": OWN["stage"] if brain.schedule.stages[-1].start else brain.schedule.stages[-1].name,
        "max_seconds": settings.max_seconds,
        "training": training,
    }
    config["cut_silence"] = hparams.get("cut_silence", OWN["cut_silence"])
    if hparams.get("emotions"):
        config["emotions"] = list(hparams["emotions"])
    voice = training_voice(hparams, brain)
    if isinstance(brain.model.encoder, CachedEncoder):
        brain.model.encoder = brain.model.encoder.encoder
    folder = Path(hparams["output_folder"]) / ("debug_model" if brain.debug else "model")
    return run_on_main(write_model_folder, [folder, brain.model, config], {"voice": voice})


def training_voice(hparams: Mapping[str, Any], brain: XserBrain) -> MeanVoice | None:
    """The mean voice of the training set in the trained model; ``None`` if the last stage has no descriptor branch.

    Unreadable clips are left out: the training has judged how many there are, and a finished one leaves a model.

    Returns
    -------
    MeanVoice or None
        On the main process; ``None`` on others.
    """
    if not if_main_process():
        return None
    settings = TrainingSettings.from_hparams(hparams)
    some = (hparams["train_manifest"], hparams.get("data_folder"), settings.max_seconds, CLIPS)
    heard = {"label": "mean voice", "cut_silence": hparams.get("cut_silence", OWN["cut_silence"])}
    batches = sampled_batches(*some, **heard, max_unreadable=1.0)
    return mean_voice(brain.model, batches, brain.schedule.stages[-1])


def summary(scores: Scores | None, folder: str, column: str = "this run") -> str:
    """What a run prints at its end.

    Example
    -------
    >>> print(summary(None, "results/model"))
    Trained model: results/model
    """
    lines = [] if scores is None else [table({column: scores}), ""]
    return "\n".join([*lines, f"Trained model: {folder}"])
