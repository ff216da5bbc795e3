"""Keys that SpeechBrain's recipes have and ours do not, with what to use instead.

Counted at the top of twelve YAMLs of github.com/speechbrain/speechbrain, one version of each: ``recipes/IEMOCAP``
(wav2vec 2.0, ECAPA), ``VoxCeleb`` (ECAPA), ``CommonLanguage``, ``LibriSpeech/ASR`` (CTC with wav2vec 2.0, seq2seq,
conformer, Whisper, speech LLM), ``CommonVoice``, ``AISHELL-1`` (CTC) and ``Aishell1Mix``. Keys that both have
(``seed``, ``data_folder``, ``batch_size``, ...) need no row. Layers and costs of their models (``dnn_neurons``,
``ctc_cost``, ...) have none.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple


class Counterpart(NamedTuple):
    """What a recipe here has for some keys of SpeechBrain's."""

    theirs: tuple[str, ...]  # the commonest spelling first
    recipes: int  # of the twelve that have one of them
    ours: tuple[str, ...]  # keys; empty where nothing has to be set
    told: str  # what ours do, or why there is none


RATES = ("stage1_learning_rate", "stage2_learning_rate")
COUNTERPARTS = (
    Counterpart(("number_of_epochs", "N_epochs"), 12, ("epochs_per_stage",), "the epochs of each stage"),
    Counterpart(("epoch_counter",), 12, ("epochs_per_stage", "order"), "the schedule counts epochs"),
    Counterpart(("train_log",), 12, (), "the log is always output_folder/train_log.txt"),
    Counterpart(("checkpointer",), 12, ("ckpt_interval_minutes", "keep_latest"), "into output_folder/checkpoints"),
    Counterpart(("modules",), 12, ("architecture",), "the lobes of hparams/model.yaml"),
    Counterpart(
        ("opt_class", "model_opt_class", "optimizer", "opt", "Adam", "whisper_opt_class"),
        12,
        (*RATES, "weight_decay"),
        "each stage has an AdamW of its own",
    ),
    Counterpart(
        ("lr_annealing", "lr_annealing_model", "lr_scheduler", "scheduler", "noam_annealing", "lr_annealing_whisper"),
        12,
        ("stage1_rate_shape", "stage2_rate_shape", "warmup_fraction"),
        "constant or cosine, after a warm-up",
    ),
    Counterpart(
        (
            "train_dataloader_opts",
            "train_dataloader_options",
            "dataloader_options",
            "dataloader_opts",
            "train_loader_kwargs",
        ),
        12,
        ("batch_size", "num_workers"),
        "set one by one",
    ),
    Counterpart(("lr", "lr_adam", "initial_lr", "max_lr", "base_lr"), 11, RATES, "one for each stage"),
    Counterpart(("skip_prep",), 11, ("prepare",), "--prepare=null prepares nothing"),
    Counterpart(("train_csv", "train_annotation", "train_data"), 11, ("train_manifest",), "written by prepare"),
    Counterpart(("valid_csv", "valid_annotation", "valid_data"), 11, ("valid_manifest",), "written by prepare"),
    Counterpart(("test_csv", "test_annotation", "test_data"), 10, ("test_manifest",), "written by prepare"),
    Counterpart(("sample_rate", "sampling_rate"), 10, (), "every clip is resampled to 16 kHz"),
    Counterpart(
        ("sorting", "shuffle", "batch_ordering"), 9, ("pool_windows",), "batches sorted together by cost; 0: random"
    ),
    Counterpart(
        ("output_neurons", "out_n_neurons", "n_languages"), 9, (), "the LLM writes the emotion as a word"
    ),
    Counterpart(
        ("test_batch_size", "valid_dataloader_opts", "test_dataloader_opts", "test_dataloader_options"),
        8,
        ("valid_batch_size",),
        "of validation and test",
    ),
    Counterpart(
        ("output_wer_folder", "wer_file", "cer_file"), 7, (), "answers are in output_folder/test_answers.jsonl"
    ),
    Counterpart(
        ("wav2vec2_hub", "wav2vec2_folder", "whisper_hub", "whisper_folder", "ssl_hub"),
        6,
        ("encoder_source",),
        "a hub id or a folder",
    ),
    Counterpart(
        ("freeze_wav2vec", "freeze_wav2vec2", "freeze_encoder", "ssl_frozen"), 6, (), "the encoder is always frozen"
    ),
    Counterpart(
        ("lr_wav2vec", "lr_wav2vec2", "lr_whisper", "lr_ssl"), 6, RATES, "of what trains; the encoder is frozen"
    ),
    Counterpart(("n_mels", "n_fft", "compute_features"), 5, (), "the encoder makes features of its own"),
    Counterpart(("train_splits", "dev_splits", "test_splits"), 5, ("train_manifest", "valid_manifest"), "one a split"),
    Counterpart(
        ("dynamic_batching", "dynamic_batch_sampler", "max_batch_length", "max_batch_length_train"),
        3,
        ("batch_tokens",),
        "the tokens that fill a batch, about",
    ),
    Counterpart(("pretrainer",), 3, ("start_from",), "a trained folder to begin with"),
    Counterpart(("gradient_accumulation",), 2, ("grad_accumulation_factor",), "micro-batches of an optimiser step"),
    Counterpart(("gradient_clipping", "clip_grad_norm"), 2, ("max_grad_norm",), "over all parameters of a stage"),
    Counterpart(("warmup_steps",), 1, ("warmup_fraction",), "a share of a stage's steps"),
    Counterpart(("avoid_if_longer_than",), 1, ("max_seconds",), "longer clips are an error, which xser check finds"),
    Counterpart(("llm_path",), 1, ("llm_source",), "a hub id or a folder"),
    Counterpart(("lora_rank",), 1, ("lora",), '--lora="{r: 16}"'),
)
BY_KEY = {key: counterpart for counterpart in COUNTERPARTS for key in counterpart.theirs}


def toolkit_hint(key: str, known: Collection[str]) -> str | None:
    """How an error goes on after a key of SpeechBrain's recipes.

    Arguments
    ---------
    key : str
        A key that a recipe does not have.
    known : collection of str
        Keys that it has.

    Returns
    -------
    str or None
        ``None`` for any other key, or if the recipe lacks our counterparts too.

    Example
    -------
    >>> toolkit_hint("number_of_epochs", ["epochs_per_stage"])
    "; here it is 'epochs_per_stage' (the epochs of each stage)"
    >>> toolkit_hint("sample_rate", [])
    '; here it needs none (every clip is resampled to 16 kHz)'
    >>> toolkit_hint("number_of_epochs", []) is toolkit_hint("sead", ["seed"]) is None
    True
    """
    found = BY_KEY.get(key)
    if found is None or not set(found.ours) <= set(known):
        return None
    names = ", ".join(map(repr, found.ours))
    return f"; here it is {names} ({found.told})" if names else f"; here it needs none ({found.told})"
