"""``XserBrain``: glue between SpeechBrain's loops and the parts of this package, and nothing else.

The loader's batch is the whole window of an optimiser step. ``fit_batch`` splits it into micro-batches
(``--grad_accumulation_factor``), so a step is exact, the tail of an epoch is used, and checkpoints lie between steps.
SpeechBrain's run options keep their meaning: ``precision``, ``max_grad_norm``, ``nonfinite_patience`` (steps in a
row), ``ckpt_interval_steps`` and ``ckpt_interval_minutes``; ``Checkpointer`` is not used (see ``checkpoint.py``).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import speechbrain as sb
import torch
from speechbrain.utils.distributed import if_main_process
from speechbrain.utils.train_logger import TrainLogger
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader

from speechbrain_xser.data.faults import FaultCounter
from speechbrain_xser.errors import CheckpointError
from speechbrain_xser.training import collapse
from speechbrain_xser.training.checkpoint import CheckpointStore
from speechbrain_xser.training.criterion import Criterion
from speechbrain_xser.training.distributed import rank, sum_over_ranks, world_size
from speechbrain_xser.training.guard import NonfiniteGuard
from speechbrain_xser.training.memory import name_out_of_memory
from speechbrain_xser.training.optimizers import LearningRate, StageOptimizers
from speechbrain_xser.training.position import Position
from speechbrain_xser.training.recovery import Recovery
from speechbrain_xser.training.schedule import StageSchedule, Turn
from speechbrain_xser.training.seeding import seed_step
from speechbrain_xser.training.signals import EXIT_CODE, StopRequest
from speechbrain_xser.training.tally import Tally
from speechbrain_xser.training.validation import Answer, Evaluation
from speechbrain_xser.training.window import Window, answers_of, count_totals, make_window

if TYPE_CHECKING:
    from speechbrain_xser.data.pipeline import Batch
    from speechbrain_xser.model import ExplainableSER, Forward

FP16_PATIENCE = 20  # the loss scale starts at 2**16 and is halved at each overflow


class XserBrain(sb.Brain):
    """Trains and evaluates an ``ExplainableSER``.

    Arguments
    ---------
    model : ExplainableSER
        Wrapped once for several ranks, whatever trains in a stage.
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
        Of batches, noise and dropout.
    weight_decay : float
        AdamW's.
    valid_search_every : int
        Epochs of a stage between validations that generate answers; each stage's last epoch always does.
    search_limit : int, optional
        Utterances (on each rank) that a validation answers; ``None`` for all.
    faults : FaultCounter, optional
        Counts unreadable clips and ends the training above its limit.
    train_logger : TrainLogger, optional
        E.g. SpeechBrain's ``FileTrainLogger``.
    hparams, run_opts : dict, optional
        SpeechBrain's run options, those of the command line before those of the YAML.
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
        faults: FaultCounter | None = None,
        train_logger: TrainLogger | None = None,
        hparams: dict | None = None,
        run_opts: dict | None = None,
    ) -> None:
        super().__init__({"model": model}, hparams=hparams, run_opts=run_opts)
        self.model = model  # never the wrapper
        self.schedule, self.criterion, self.score = schedule, criterion, score
        self.store, self.identity = store, dict(identity or {})
        self.seed, self.faults, self.train_logger = seed, faults, train_logger
        self.valid_search_every, self.search_limit = valid_search_every, search_limit
        self.stepper = StageOptimizers(model, schedule.stages, rates, weight_decay)
        self.guard = NonfiniteGuard(FP16_PATIENCE if self.scaler.is_enabled() else self.nonfinite_patience)
        self.position, self.tally, self.recovery = Position(), Tally(), None
        self.last_save, self.saved_step = time.monotonic(), 0
        self.stop, self.metrics = StopRequest(), {}

    # ------------------------------------------------------------------ SpeechBrain's two methods

    def compute_forward(self, batch: Batch, stage: sb.Stage) -> Forward:
        """Answer logits and branch outputs of one micro-batch."""
        model = self.modules["model"] if stage == sb.Stage.TRAIN else self.model
        return model(batch.wavs, batch.samples, self.turn.stage, self.answers)

    def compute_objectives(self, predictions: Forward, batch: Batch, stage: sb.Stage) -> Tensor:
        """A micro-batch's share of its window's loss, []; its sums are kept for the log."""
        self.parts = self.criterion.parts(predictions, self.turn.stage)
        return self.criterion.loss(self.parts, self.totals, self.beta if stage == sb.Stage.TRAIN else None)

    # ------------------------------------------------------------------ one optimiser step

    def fit_batch(self, batch: Batch) -> Tensor:
        """One optimiser step on one window; returns its loss, [], on the CPU."""
        self.turn = self.turn_at(self.position)
        if self.faults is not None:
            self.faults.add(batch.faults)
        with name_out_of_memory(batch, self.save):
            window = make_window(self.model, batch, self.turn.stage, self.grad_accumulation_factor, self.device)
            loss = self._step(window, self._backward(window))
        self.position = self.position.forward()
        self.optimizer_step += 1
        self._save_or_stop()
        return loss

    def _backward(self, window: Window) -> Tensor:
        """Gradients of a whole window; the sums of its micro-batches, [M, 3]."""
        self.totals, turn = window.totals, self.turn
        self.beta = self.criterion.beta_at(turn.stage_step, turn.stage_steps)
        sums = []
        for index, (batch, self.answers) in enumerate(zip(window.micro_batches, window.answers, strict=True)):
            seed_step(self.seed, turn.stage.name, turn.stage_step, index, rank())
            with self.no_sync(index + 1 < len(window.micro_batches)):
                with self.training_ctx:
                    loss = self.compute_objectives(self.compute_forward(batch, sb.Stage.TRAIN), batch, sb.Stage.TRAIN)
                # DDP averages over ranks, and the totals are already those of all ranks
                self.scaler.scale(loss * (window.weight * world_size())).backward()
            sums.append(torch.stack(self.parts).detach() * window.weight)
        return torch.stack(sums)

    def _step(self, window: Window, sums: Tensor) -> Tensor:
        """Clips and steps if every rank's numbers are finite; the one place where a step waits for the device."""
        name = self.turn.stage.name
        optimizer = self.stepper.by_stage[name]
        rate = self.stepper.set_rate(name, self.turn.stage_step, self.turn.stage_steps)
        self.scaler.unscale_(optimizer)
        norm = self.stepper.clip(name, self.max_grad_norm)
        *sums, norm = torch.cat([sums.flatten(), norm.reshape(1).float()]).double().tolist()
        losses = [sum(sums[start : start + 3]) for start in range(0, len(sums), 3)]
        entropy, kl, total, stop = sum_over_ranks(
            [sum(sums[::3]), sum(sums[1::3]) + sum(sums[2::3]), sum(losses) + norm, float(self.stop.requested)], self.device
        )
        self.stop.requested = stop > 0
        if self.guard.accepts(losses, [part.ids for part in window.micro_batches], norm, total) and self.totals.tokens:
            self.scaler.step(optimizer)
        self.scaler.update()
        self.stepper.zero_grad()
        return self._note(entropy, kl, norm, rate)

    def _note(self, entropy: float, kl: float, norm: float, rate: float) -> Tensor:
        entropy, kl = entropy / max(1, self.totals.tokens), kl / max(1, self.totals.frames)
        loss = torch.tensor(entropy + self.beta * kl)
        if torch.isfinite(loss):
            self.tally.add(cross_entropy=entropy, kl=kl, gradient_norm=norm)
        self.rate = rate
        return loss

    # ------------------------------------------------------------------ evaluation

    @torch.no_grad()
    def evaluate_batch(self, batch: Batch, stage: sb.Stage) -> Tensor:
        """Adds a batch's loss and answers to the evaluation; returns its loss, []."""
        if self.faults is not None:
            self.faults.add(batch.faults)
        if not batch.ids:
            return torch.tensor(float("nan"))
        self.answers = answers_of(batch, self.turn.stage)
        self.totals = count_totals(self.model, batch.samples, self.answers)
        batch = batch.to(self.device)
        with self.evaluation_ctx:
            loss = self.compute_objectives(self.compute_forward(batch, stage), batch, stage)
            self._search(batch, stage)
        self.evaluation.add(self.parts, self.totals)
        self._stop_in_validation(stage)
        return loss.detach().cpu()

    def _search(self, batch: Batch, stage: sb.Stage) -> None:
        """Answers the batch, and takes the signs of collapse on the first batch of a validation."""
        if stage == sb.Stage.VALID and not self.evaluation.signs and if_main_process():
            signs = collapse.listen(self.model, batch, self.turn.stage, self.answers)
            collapse.warn(signs)
            self.evaluation.signs = {key: value for sign in signs for key, value in sign.stats().items()}
        if self.evaluation.searching:
            texts = self.model.generate(batch.wavs, batch.samples, self.turn.stage)
            self.evaluation.answers += map(Answer, batch.utterances, texts)

    # ------------------------------------------------------------------ epochs

    def fit(self, train_set: DataLoader, valid_set: DataLoader | None = None, progressbar: bool | None = None) -> None:
        """Trains from the newest checkpoint to the end of the schedule.

        Arguments
        ---------
        train_set : DataLoader
            Over a ``WindowSampler``; each batch is the window of one optimiser step.
        valid_set : DataLoader, optional
            This rank's share of the validation set.
        progressbar : bool, optional
            Only ever on the main process.

        Raises
        ------
        SystemExit
            With the code 143 after a SIGTERM, once a checkpoint is written.
        """
        self.train_sampler = train_set.batch_sampler
        self.steps_per_epoch = len(train_set)
        with self.stop:
            super().fit(self._epochs(), train_set, valid_set, progressbar)

    def _epochs(self) -> Iterator[int]:
        """Lazy, since the position is known only when ``on_fit_start`` has resumed."""
        yield from range(self.position.epoch, self.schedule.epochs + 1)

    def turn_at(self, position: Position) -> Turn:
        """The stage at a position."""
        return self.schedule.turn(position.step(self.steps_per_epoch), self.steps_per_epoch)

    def on_fit_start(self) -> None:
        """Wraps the model and goes on from the newest checkpoint."""
        super().on_fit_start()
        if self.store is None:
            return
        run = {**self.schedule.describe(), "seed": self.seed, "ranks": world_size(), "steps": self.steps_per_epoch}
        self.recovery = Recovery(self.store, self.model, self.identity, run)
        state = self.recovery.resume(self.stepper)
        if state is not None:
            self._restore(state)
        self.last_save, self.saved_step = time.monotonic(), self.optimizer_step

    def init_optimizers(self) -> None:
        """Nothing: the stages' optimisers exist, and no checkpointer takes them."""

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drops the gradients of all stages."""
        self.stepper.zero_grad()

    def on_stage_start(self, stage: sb.Stage, epoch: int | None = None) -> None:
        """Sets the place in the epoch, or begins an evaluation in the stage's own target."""
        if stage == sb.Stage.TRAIN:
            self.train_sampler.start(epoch, self.position.offset)
            self.step = self.position.offset
            if self.position.offset == 0:
                self.tally = Tally()
            return
        last = self.schedule.stages[-1]
        chosen = last if epoch is None else self.schedule.stages_by_epoch()[epoch - 1]
        self.turn = Turn(chosen, 0, 1)
        limit = None if stage == sb.Stage.TEST else self.search_limit if self._is_search_epoch(epoch) else 0
        self.evaluation = Evaluation(chosen, limit)

    def on_stage_end(self, stage: sb.Stage, stage_loss: float, epoch: int | None = None) -> None:
        """Logs, and saves at the end of an epoch's training and of its validation."""
        if stage == sb.Stage.TRAIN:
            self.position = Position(epoch, self.steps_per_epoch)
            self.train_stats = {"loss": float(stage_loss), **self.tally.means(), "skipped": self.guard.skipped}
            self.save()
            return
        losses = self.evaluation.losses(self.criterion, self.device)
        self.metrics = {**losses, **self.evaluation.scores(self.score), **self.evaluation.signs}
        if stage == sb.Stage.TEST:
            self._log({"test of": self.turn.stage.name}, test_stats=self.metrics)
            return
        self._log({"epoch": epoch, "stage": self.turn.stage.name}, self.train_stats, self.metrics)
        self.position = self.position.next_epoch()
        self.tally = Tally()
        self.save(self.metrics)

    def on_evaluate_start(self, max_key: str | None = "ua", min_key: str | None = None) -> None:
        """Loads the best checkpoint, by UA unless told otherwise."""
        if self.store is not None:
            recovery = self.recovery or Recovery(self.store, self.model, self.identity)
            self.evaluated = recovery.load_best(min_key or max_key or "ua", highest=min_key is None)

    # ------------------------------------------------------------------ saving

    def save(self, metrics: Mapping[str, Any] | None = None) -> None:
        """Writes a checkpoint of the present position, on the main process only."""
        if self.recovery is None:
            return
        self.last_save, self.saved_step = time.monotonic(), self.optimizer_step
        if if_main_process():
            step = self.position.step(self.steps_per_epoch)
            self.recovery.save(step, self.stepper, self._state(), metrics)

    def _state(self) -> dict[str, Any]:
        return {
            **self.position._asdict(),
            "stage": self._stage_name(),
            "average_loss": float(self.avg_train_loss),
            "tally": self.tally.state(),
            "skipped": self.guard.skipped,
            "scaler": self.scaler.state_dict(),
        }

    def _restore(self, state: Mapping[str, Any]) -> None:
        self.position = Position.from_state(state)
        self.optimizer_step = self.position.step(self.steps_per_epoch)
        self.avg_train_loss = state["average_loss"]
        self.tally = Tally(state["tally"])
        self.guard.skipped = state["skipped"]
        if self.scaler.is_enabled() and state["scaler"]:
            self.scaler.load_state_dict(state["scaler"])

        if state["stage"] != self._stage_name():
            raise CheckpointError(f"The checkpoint stands in stage {state['stage']!r}, not {self._stage_name()!r}.")

    def _stage_name(self) -> str:
        """The stage of the next step, or of the last one where there is none left."""
        last = self.schedule.epochs * self.steps_per_epoch - 1
        step = min(last, self.position.step(self.steps_per_epoch))
        return self.schedule.stage_at(step, self.steps_per_epoch).name

    def _save_or_stop(self) -> None:
        """Saves when it is time or a signal asks for it; the request is the same on all ranks."""
        if self.stop.requested:
            self.save()
            raise SystemExit(EXIT_CODE)
        minutes = (time.monotonic() - self.last_save) / 60
        if (
            0 < self.ckpt_interval_steps <= self.optimizer_step - self.saved_step
            or 0 < self.ckpt_interval_minutes <= minutes
        ):
            self.save()

    def _stop_in_validation(self, stage: sb.Stage) -> None:
        """A validation is begun again after a stop: the checkpoint of its epoch's training is there already."""
        if self.stop.requested and stage == sb.Stage.VALID:
            raise SystemExit(EXIT_CODE)

    def _is_search_epoch(self, epoch: int) -> bool:
        """Every n-th epoch of a stage, and its last."""
        stages = self.schedule.stages_by_epoch()
        same = [number for number, stage in enumerate(stages, start=1) if stage == stages[epoch - 1]]
        return (same.index(epoch) + 1) % self.valid_search_every == 0 or epoch == same[-1]

    def _log(self, meta: dict, train_stats: dict | None = None, stats: dict | None = None, **test: dict) -> None:
        if self.train_logger is not None:
            self.train_logger.log_stats(meta, train_stats, stats, **test)

    def _wrap_distributed(self) -> None:
        """Once, with everything that ever trains; what a stage does not train is an unused parameter there."""
        if self.distributed_launch:
            devices = None if self.device_type == "cpu" else [self.device]
            self.modules["model"] = DistributedDataParallel(
                self.model, device_ids=devices, find_unused_parameters=True, broadcast_buffers=False
            )
