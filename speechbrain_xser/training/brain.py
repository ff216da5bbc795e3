"""``XserBrain``: glue between SpeechBrain's loops and the parts of this package, and nothing else.

The loader's batch is the whole window of an optimiser step. ``fit_batch`` splits it into micro-batches
(``--grad_accumulation_factor``), so a step is exact, the tail of an epoch is used, and checkpoints lie between steps.
SpeechBrain's run options keep their meaning: ``precision``, ``max_grad_norm``, ``nonfinite_patience`` (steps in a
row), ``ckpt_interval_steps`` and ``ckpt_interval_minutes``; ``Checkpointer`` is not used (see ``checkpoint.py``).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import speechbrain as sb
import torch
from speechbrain.utils.distributed import ddp_barrier, if_main_process
from speechbrain.utils.train_logger import TrainLogger
from torch import Tensor
from torch.utils.data import DataLoader

from speechbrain_xser.answer.record import EMOTIONS
from speechbrain_xser.data.faults import FaultCounter
from speechbrain_xser.errors import CheckpointError, PromptError, SettingsError, TrainingError
from speechbrain_xser.metrics.answers import UtteranceAnswer
from speechbrain_xser.training.autosave import Autosave
from speechbrain_xser.training.checkpoint import CheckpointStore
from speechbrain_xser.training.collapse import hear
from speechbrain_xser.training.criterion import Criterion
from speechbrain_xser.training.data_parallel import EXACT, checked_gradient_dtype, data_parallel
from speechbrain_xser.training.distributed import agree, gather_lists, rank, sum_over_ranks, world_size
from speechbrain_xser.training.loaders import digest_of_clips
from speechbrain_xser.training.optimizers import LearningRate, StageOptimizers
from speechbrain_xser.training.precision import warn_if_emulated
from speechbrain_xser.training.progress import Position
from speechbrain_xser.training.recovery import Recovery
from speechbrain_xser.training.reinforcement import Reinforcement, noise_of
from speechbrain_xser.training.running_sums import Tally
from speechbrain_xser.training.schedule import StageSchedule, Turn
from speechbrain_xser.training.seeding import seed_step
from speechbrain_xser.training.signals import StopRequest
from speechbrain_xser.training.step_memory import SMALLER_MODEL, VALID_KNOB, name_out_of_memory
from speechbrain_xser.training.stepping import Stepper
from speechbrain_xser.training.train_log import TrainLog
from speechbrain_xser.training.validation import Evaluation
from speechbrain_xser.training.window import Window, answers_of, count_totals, make_window, words_of
from speechbrain_xser.utils.out_of_memory import naming_memory

if TYPE_CHECKING:
    from speechbrain_xser.data.pipeline import Batch
    from speechbrain_xser.model import ExplainableSER, Forward
    from speechbrain_xser.training.sharding import ShardedLLM


class XserBrain(sb.Brain):
    """Trains and evaluates an ``ExplainableSER``.

    Arguments
    ---------
    model : ExplainableSER
        Wrapped once for several ranks, whichever parts a stage trains.
    schedule : StageSchedule
        Which stage trains when.
    criterion : Criterion
        The loss of training and evaluation.
    rates : mapping of str to LearningRate
        One for each stage, by name.
    score : callable
        ``score(utterances, answers, target)`` to a mapping of metric to value.
    store : CheckpointStore, optional
        Where to save and resume; without one nothing is saved.
    identity : mapping, optional
        What a checkpoint must share with this run, besides the schedule, the seed and the size of the data.
    seed : int
        Seed of batches, noise and dropout.
    weight_decay : float
        AdamW's.
    valid_search_every : int
        Epochs of a stage between validations that generate answers; each stage's last epoch always does.
    search_limit : int, optional
        Utterances (on each rank) that a validation answers; ``None`` for all.
    emotions : sequence of str
        Classes whose probabilities a test takes.
    reinforcement : Reinforcement, optional
        What a stage that is rewarded needs.
    faults : FaultCounter, optional
        Counts unreadable clips and ends the training above its limit.
    sharding : ShardedLLM, optional
        If the LLM's weights are divided among the ranks.
    gradient_dtype : str
        "bfloat16" rounds the gradients that ranks exchange.
    train_logger : TrainLogger, optional
        E.g. a :class:`~speechbrain_xser.training.train_log.TrainLog`.
    hparams, run_opts : dict, optional
        SpeechBrain's run options; the command line takes precedence over the YAML.

    Example
    -------
    >>> from speechbrain_xser.data.pipeline import dataset
    >>> from speechbrain_xser.testing import tiny_manifest, tiny_model
    >>> from speechbrain_xser.training.loaders import train_loader
    >>> from speechbrain_xser.training.scoring import score_answers
    >>> from speechbrain_xser.training.training_settings import TrainingSettings
    >>> folder = getfixture("tmp_path")
    >>> settings = TrainingSettings(epochs_per_stage=1, batch_size=2, num_workers=0)
    >>> model = tiny_model(folder)
    >>> loader = train_loader(dataset(tiny_manifest(folder, clips=3)), model, settings)
    >>> before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    >>> parts = settings.schedule(), settings.criterion(), settings.rates()
    >>> brain = XserBrain(model, *parts, score_answers, run_opts={"device": "cpu", "noprogressbar": True})
    >>> brain.fit(loader)
    >>> changed = {name for name, tensor in model.state_dict().items() if not tensor.equal(before[name])}
    >>> {name.split(".")[0] for name in changed} == {"branches", "decoder"}  # never the encoder
    True
    """

    def __init__(
        self,
        model: ExplainableSER,
        schedule: StageSchedule,
        criterion: Criterion,
        rates: Mapping[str, LearningRate],
        score: Callable[..., Mapping[str, float]],
        store: CheckpointStore | None = None,
        identity: Mapping[str, Any] | None = None,
        seed: int = 0,
        weight_decay: float = 0.0,
        valid_search_every: int = 1,
        search_limit: int | None = None,
        emotions: Sequence[str] = EMOTIONS,
        reinforcement: Reinforcement | None = None,
        faults: FaultCounter | None = None,
        sharding: ShardedLLM | None = None,
        gradient_dtype: str = EXACT,
        train_logger: TrainLogger | None = None,
        hparams: dict | None = None,
        run_opts: dict | None = None,
    ) -> None:
        try:
            with naming_memory("the model was moved to its device", SMALLER_MODEL, TrainingError):
                super().__init__({"model": model}, hparams=hparams, run_opts=run_opts)
        except ValueError as error:  # e.g. fp16 on a CPU
            raise SettingsError(str(error)) from error
        warn_if_emulated(self.precision, self.device)
        if self.optimizer_step_limit is not None:
            self.optimizer_step_limit = int(self.optimizer_step_limit)  # the command line passes text
        if self.debug and not self.debug_persistently:
            store = None  # a few batches of an epoch are nothing to resume from
        self.model = model  # never the wrapper
        self.schedule, self.criterion, self.score, self.sharding = schedule, criterion, score, sharding
        self.recovery = None if store is None else Recovery(store, model, identity or {}, self.device)
        self.autosave = Autosave(self.ckpt_interval_steps, self.ckpt_interval_minutes)
        self.seed, self.faults, self.train_logger = seed, faults, train_logger
        self.valid_search_every, self.search_limit = valid_search_every, search_limit
        self.stage_optimizers = StageOptimizers(model, schedule.stages, rates, weight_decay)
        options = self.nonfinite_patience, self.max_grad_norm, self.device
        self.stepper = Stepper(self.stage_optimizers, self.scaler, *options)
        self.position, self.tally, self.stop = Position(), Tally(), StopRequest()
        self.emotions, self.reinforcement = tuple(emotions), reinforcement
        self.gradient_dtype = checked_gradient_dtype(gradient_dtype)
        self.valid_utterances, self.data = 0, {}
        self.evaluated = None  # the checkpoint whose weights `evaluate` loaded

    # What a model computes -------------------------------------------------------------------------

    def compute_forward(self, batch: Batch, stage: sb.Stage) -> Forward:
        """Answer logits and branch outputs of one micro-batch."""
        model = self.modules["model"] if stage == sb.Stage.TRAIN else self.model
        try:
            return model(batch.wavs, batch.samples, self.turn.stage, self.answers, words_of(batch))
        except PromptError as error:
            raise PromptError(f"{error} The rows are {', '.join(batch.ids)}.") from error

    def compute_objectives(self, predictions: Forward, batch: Batch, stage: sb.Stage) -> Tensor:
        """A micro-batch's share of its window's loss, []; its sums are kept for the log."""
        rollouts = self.rollouts if stage == sb.Stage.TRAIN else None
        self.parts = self.criterion.parts(predictions, self.turn.stage, rollouts)
        return self.criterion.loss(self.parts, self.totals, self.beta if stage == sb.Stage.TRAIN else None)

    # One optimiser step ----------------------------------------------------------------------------

    def fit_batch(self, batch: Batch) -> Tensor:
        """One optimiser step on one window; its loss, [], on the CPU, or NaN if the step was skipped."""
        self.turn = self.schedule.turn(self.position.step(self.steps_per_epoch), self.steps_per_epoch)
        self.beta = self.criterion.beta_at(self.turn.stage_step, self.turn.stage_steps)
        self.on_fit_batch_start(batch, should_step=True)
        with name_out_of_memory(batch, self.save):
            window, told = self._window(batch)
            for _ in range(self.reinforcement.updates if self.turn.stage.rewarded else 1):
                sums = self._backward(window)
                terms = self.criterion.terms(self.parts, window.totals, self.beta)
                report = self.stepper.step(self.turn, window, sums, terms, self.stop.requested)
                if not report.accepted:
                    break
        loss = torch.tensor(report.loss if report.accepted else math.nan)  # no average takes a NaN
        if report.accepted:
            told |= {} if report.cross_entropy is None else {"cross_entropy": report.cross_entropy}
            told |= {"loss": report.loss, "kl": report.kl, **report.objectives, "gradient_norm": report.gradient_norm}
            self.tally.add(**told)
            if self.turn.stage.rewarded and isinstance(self.train_logger, TrainLog):
                self.train_logger.log_step(self.position.step(self.steps_per_epoch) + 1, told)
        self.position, self.optimizer_step = self.position.forward(), self.optimizer_step + 1
        self.on_fit_batch_end(batch, report, loss, should_step=True)
        self._save_or_stop(report.stop)
        return loss

    def _window(self, batch: Batch) -> tuple[Window, dict[str, float]]:
        """The window of a step, with sampled answers in a stage that is rewarded, and what to log of them."""
        parts = self.grad_accumulation_factor, self.device, self.sharding is not None
        window = make_window(self.model, batch, self.turn.stage, *parts)
        self._count_faults(window.faults)
        if not self.turn.stage.rewarded:
            return window, {}
        self.reinforcement.begin(self.stage_optimizers.parameters[self.turn.stage.name])
        return self.reinforcement.roll_out(self.model, window, self.turn, self.seed, self.training_ctx)

    def _backward(self, window: Window) -> Tensor:
        """Gradients of a whole window; the sums of the parts of its micro-batches, [M, P]."""
        self.totals, sums = window.totals, []
        rollouts = window.rollouts or [None] * len(window.answers)
        parts = zip(window.micro_batches, window.answers, window.weights, rollouts, strict=True)
        for index, (batch, self.answers, weight, self.rollouts) in enumerate(parts):
            seed_step(self.seed, self.turn.stage.name, self.turn.stage_step, index, rank())
            noise = noise_of(batch, self.turn, self.seed) if self.turn.stage.rewarded else nullcontext()
            with self.no_sync(index + 1 < len(window.micro_batches)), noise:
                with self.training_ctx:
                    loss = self.compute_objectives(self.compute_forward(batch, sb.Stage.TRAIN), batch, sb.Stage.TRAIN)
                # wrapped models average over ranks, and the totals are already those of all ranks
                self.scaler.scale(loss * (weight * world_size())).backward()
            sums.append(torch.stack(list(self.parts.values())).detach() * weight)
        return torch.stack(sums)

    # Evaluation ------------------------------------------------------------------------------------

    @torch.no_grad()
    def evaluate_batch(self, batch: Batch, stage: sb.Stage) -> Tensor:
        """Adds a batch's loss and answers to the evaluation; returns its loss, [], on the CPU."""
        self._go_on(busy=True, faults=batch.faults)
        if not batch.ids:
            return torch.tensor(float("nan"))
        self.answers = answers_of(batch, self.turn.stage)
        self.totals = count_totals(self.model, batch.samples, self.answers, self.turn.stage)
        batch = batch.to(self.device)
        with name_out_of_memory(batch, knob=VALID_KNOB), self.evaluation_ctx:
            output = self.compute_forward(batch, stage)
            loss = self.compute_objectives(output, batch, stage)
            if self.turn.stage.start is not None:
                self.evaluation.add_start(output.answer, batch.utterances)
            self._listen_and_search(batch, stage)
        self.evaluation.add(self.parts, self.totals)
        return loss.cpu()

    def _listen_and_search(self, batch: Batch, stage: sb.Stage) -> None:
        """Measures the branches on a validation's first batch, and generates the batch's answers."""
        if stage == sb.Stage.VALID and self.evaluation.heard is None:
            self.evaluation.heard = hear(self.model, batch, self.turn.stage, self.answers)
        if self.evaluation.wants(len(batch.ids)):
            if stage == sb.Stage.TEST and self.turn.stage.names_emotion:
                known = {"words": words_of(batch)}
                texts, found = self.model.explain(batch.wavs, batch.samples, self.turn.stage, self.emotions, **known)
                rows = [dict(zip(self.emotions, row, strict=True)) for row in found.tolist()]
                self.evaluation.answers += map(UtteranceAnswer, batch.utterances, texts, rows)
                return
            if self.turn.stage.rewarded:
                texts, rewards = self.reinforcement.judged(self.model, batch, self.turn.stage)
                self.evaluation.rewards += rewards
            else:
                texts = self.model.generate(batch.wavs, batch.samples, self.turn.stage, words=words_of(batch))
            self.evaluation.answers += map(UtteranceAnswer, batch.utterances, texts)

    def _go_on(self, busy: bool, faults: Sequence[str] = ()) -> bool:
        """Whether any rank has a batch left to evaluate; ends all ranks together if any was asked to stop.

        The ranks count their unreadable clips together.

        Ranks may have different numbers of batches: one that has finished keeps asking until all have finished.
        """
        if self.sharding is not None:
            self.sharding.wait()
        stopping, left, unreadable = sum_over_ranks([self.stop.requested, busy, len(faults)], self.device)
        self._count_faults(gather_lists(list(faults)) if unreadable else ())
        if stopping:  # the checkpoint of this epoch's training already exists
            ddp_barrier()
            raise SystemExit(self.stop.exit_code)
        return left > 0

    def evaluate(self, *arguments: Any, **options: Any) -> float | None:
        """SpeechBrain's own, with the best checkpoint; a signal ends all ranks after the current batch, as in ``fit``.

        Raises
        ------
        SystemExit
            With the code 143 after a SIGTERM, or 130 after Ctrl-C.
        CheckpointError
            If the best checkpoint belongs to another run, or there is none to test.
        """
        with self.stop:
            return super().evaluate(*arguments, **options)

    def on_evaluate_start(self, max_key: str | None = None, min_key: str | None = None) -> None:
        """Loads the best checkpoint, by the store's metric (UA, or the reward) unless a key is given."""
        ddp_barrier()  # the main process may still be writing the last one
        if self.recovery is not None:
            self.evaluated = self.recovery.load_best(min_key or max_key, highest=min_key is None)
        if self.test_only and self.evaluated is None:
            raise CheckpointError("There is no checkpoint to test: train first, into the same output folder.")

    # Epochs ----------------------------------------------------------------------------------------

    def fit(self, train_set: DataLoader, valid_set: DataLoader | None = None, progressbar: bool | None = None) -> None:
        """Trains from the newest checkpoint to the end of the schedule.

        Arguments
        ---------
        train_set : DataLoader
            Over a ``WindowSampler``; each batch is the window of one optimiser step.
        valid_set : DataLoader, optional
            This rank's share of the validation set.
        progressbar : bool, optional
            Shown on the main process only.

        Raises
        ------
        SystemExit
            With the code 143 after a SIGTERM, or 130 after Ctrl-C, once a checkpoint is written.
        TrainingError
            If memory runs out, or too many steps or clips are unusable.
        CheckpointError
            If the newest checkpoint belongs to another run, or one cannot be written.
        """
        self.train_sampler, self.steps_per_epoch = train_set.batch_sampler, len(train_set)
        self.valid_utterances = 0 if valid_set is None else len(valid_set.dataset)
        self.data = {"training clips": digest_of_clips(train_set)}
        with self.stop:
            super().fit(self._epochs(), train_set, valid_set, progressbar)

    def _epochs(self) -> Iterator[int]:
        """Lazy, since the position is known only when ``on_fit_start`` has resumed."""
        yield from range(self.position.epoch, self.schedule.epochs + 1)

    def on_stage_start(self, stage: sb.Stage, epoch: int | None = None) -> None:
        """Sets the position in the epoch, or begins an evaluation of the stage's own target."""
        if stage == sb.Stage.TRAIN:
            if self.position.epoch != epoch:  # the last one ended without a validation
                self.position, self.tally = Position(epoch), Tally()
            self.train_sampler.start(epoch, self.position.offset)
            self.step = self.position.offset
            return
        if self.sharding is not None:
            self.sharding.begin_evaluation()
        chosen = self.schedule.stages[-1] if epoch is None else self.schedule.stages_by_epoch()[epoch - 1]
        self.turn = Turn(chosen, 0, 1)
        limit = None if stage == sb.Stage.TEST else self.search_limit
        searched = chosen.start is None and self.schedule.is_nth(epoch, self.valid_search_every)
        self.evaluation = Evaluation(chosen, limit if searched else 0, self.valid_utterances)

    def on_stage_end(self, stage: sb.Stage, stage_loss: float, epoch: int | None = None) -> None:
        """Logs, and saves at the end of an epoch's training and of its validation."""
        if stage == sb.Stage.TRAIN:
            # the tally has every step of the epoch, however often the run was resumed in it
            self.train_stats = {"loss": math.nan, **self.tally.means(), "skipped": self.stepper.guard.skipped}
            self.save()
            return
        while self._go_on(busy=False):
            pass
        if self.sharding is not None:
            self.sharding.end_evaluation()
        metrics = self.evaluation.metrics(self.criterion, self.score, self.device)
        if stage == sb.Stage.TEST:
            self._log({"test of": self.turn.stage.name}, test_stats=metrics)
            return
        turns = self.schedule.last_turns(self.position.step(self.steps_per_epoch), self.steps_per_epoch)
        meta = {"epoch": epoch, "stage": self.turn.stage.name, **self.stage_optimizers.rates_at(turns)}
        self._log(meta, train_stats=self.train_stats, valid_stats=metrics)
        self.save(metrics)

    # Saving and resuming ---------------------------------------------------------------------------

    def on_fit_start(self) -> None:
        """Compares the ranks, wraps the model, and resumes from the newest checkpoint of any rank."""
        agree({**self._run(), **self.data, "precision": self.precision, "torch": torch.__version__})
        with naming_memory("the model was wrapped for several ranks", SMALLER_MODEL, TrainingError):
            super().on_fit_start()
        if self.recovery is None:
            return
        with naming_memory("the newest checkpoint was loaded", SMALLER_MODEL, TrainingError):
            state = self.recovery.resume(self.stage_optimizers, self._run())
        if state is not None:
            self._restore(state)
            self._restore_reference()
        agree({"step": self.optimizer_step, **self.position._asdict()})
        self.autosave.saved(self.optimizer_step)

    def save(self, metrics: Mapping[str, Any] | None = None) -> None:
        """Writes a checkpoint, on the main process only; metrics of a whole epoch begin the next epoch."""
        if metrics is not None and self.position.offset == self.steps_per_epoch:
            self.position, self.tally = self.position.next_epoch(), Tally()
        if self.recovery is None:
            return
        self.autosave.saved(self.optimizer_step)
        if if_main_process():
            step = self.position.step(self.steps_per_epoch)
            reference = None if self.reinforcement is None else self.reinforcement.reference
            saved = None if reference is None else reference.tensors
            self.recovery.save(step, self.stage_optimizers, self._run(), self._state(), metrics, saved)

    def _save_or_stop(self, stop: bool) -> None:
        """Saves when a checkpoint is due or a signal asks for one; the request is the same on all ranks."""
        if stop or self.autosave.due(self.optimizer_step):
            self.save()
        if stop:
            ddp_barrier()  # a rank that exits early ends the others too
            raise SystemExit(self.stop.exit_code)

    def _run(self) -> dict[str, Any]:
        """What must be the same for a run to resume; not the micro-batches, which running out of memory may change."""
        values = {"beta": self.criterion.beta, "beta_warmup_fraction": self.criterion.warmup_fraction}
        values |= self.stage_optimizers.describe() | {"max_grad_norm": self.max_grad_norm}
        batches = {"steps an epoch": self.steps_per_epoch, "seed": self.seed}
        if self.reinforcement is not None:
            policy = {name: getattr(self.criterion.policy, name) for name in ("clip_range", "reference_weight")}
            values |= self.reinforcement.describe() | policy
        values |= {} if self.gradient_dtype == EXACT else {"gradient_dtype": self.gradient_dtype}
        return {**self.schedule.describe(), **batches, **self.train_sampler.describe(), **values}

    def _state(self) -> dict[str, Any]:
        return {
            **self.position._asdict(),
            "stage": self._stage_name(),
            "tally": self.tally.state(),
            "skipped": self.stepper.guard.skipped,
            "scaler": self.scaler.state_dict(),
        }

    def _restore(self, state: Mapping[str, Any]) -> None:
        self.position, self.tally = Position.from_state(state), Tally(state["tally"])
        self.optimizer_step = self.position.step(self.steps_per_epoch)
        self.avg_train_loss, self.stepper.guard.skipped = self.tally.means().get("loss", 0.0), state["skipped"]
        if self.scaler.is_enabled() and state["scaler"]:
            self.scaler.load_state_dict(state["scaler"])
        if state["stage"] != self._stage_name():
            raise CheckpointError(f"The checkpoint is in stage {state['stage']!r}, not {self._stage_name()!r}.")

    def _restore_reference(self) -> None:
        """Takes the policy that a rewarded stage began with, if it has begun."""
        if self.recovery.reference:
            stage = next(stage for stage in self.schedule.stages if stage.rewarded)
            reference = self.reinforcement.begin(self.stage_optimizers.parameters[stage.name])
            reference.load(self.recovery.reference, "The checkpoint's reference.safetensors")

    def _stage_name(self) -> str:
        """The stage of the next step, or of the last step if none is left."""
        last = self.schedule.epochs * self.steps_per_epoch - 1
        return self.schedule.stage_at(min(last, self.optimizer_step), self.steps_per_epoch).name

    # Overrides of SpeechBrain's own steps ----------------------------------------------------------

    def init_optimizers(self) -> None:
        """Does nothing: the stages' optimisers already exist, and no checkpointer is used."""

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drops the gradients of all stages."""
        self.stage_optimizers.zero_grad()

    def _wrap_distributed(self) -> None:
        """Wraps once, for all stages."""
        if self.distributed_launch:
            self.modules["model"] = data_parallel(self.model, self.sharding, self.gradient_dtype)

    def _count_faults(self, faults: Sequence[str]) -> None:
        """Of all ranks; the first one warns."""
        if self.faults is not None:
            self.faults.add(faults, warned=if_main_process())

    def _log(self, meta: dict[str, Any], **stats: Mapping[str, float]) -> None:
        if self.train_logger is not None:
            self.train_logger.log_stats(meta, **stats)
