"""What the two pretraining scripts share: values from a YAML, a learning-rate cycle, a checkpoint per epoch."""

from __future__ import annotations

import speechbrain as sb
import torch
from speechbrain.utils.checkpoints import Checkpointer
from torch import nn
from torch.utils.data import DataLoader, IterableDataset

from speechbrain_xser.training import recipe_yaml
from speechbrain_xser.training.arguments import read_words


def load_recipe(arguments: list[str]) -> tuple[dict, dict]:
    """Reads a command line, seeds torch and creates the output folder.

    Arguments
    ---------
    arguments : list of str
        The YAML, then SpeechBrain's run options and overrides of values.

    Returns
    -------
    tuple of (dict, dict)
        Values of the YAML, and run options.

    Raises
    ------
    SettingsError
        If there is no such YAML, or a key is unknown.
    """
    hparams_file, run_opts, given = read_words(arguments)
    hparams, overrides = recipe_yaml.load_recipe(hparams_file, given)
    sb.create_experiment_directory(hparams["output_folder"], hparams_file, overrides)
    torch.manual_seed(hparams["seed"])
    return hparams, run_opts


class PretrainingBrain(sb.Brain):
    """AdamW with one cycle over the whole training; ``valid_stats`` gives the results of an epoch.

    Sources: AdamW (Loshchilov & Hutter, 2019, ICLR), one cycle (Smith, 2018, arXiv:1803.09820). A subclass adds the two
    ``compute_`` methods. Needs the values ``lr``, ``number_of_epochs``, ``steps_an_epoch``, ``warmup_share`` and
    ``train_logger``.
    """

    def init_optimizers(self):
        """Builds the optimiser and its cycle, and adds both to the checkpoint."""
        self.optimizer = torch.optim.AdamW(self.modules.parameters(), lr=self.hparams.lr, weight_decay=0.01)
        self.optimizers_dict = {"optimizer": self.optimizer}
        total = self.hparams.number_of_epochs * self.hparams.steps_an_epoch
        self.scheduler = torch.optim.lr_scheduler.OneCycleLR(
            self.optimizer, self.hparams.lr, total_steps=total + 1, pct_start=self.hparams.warmup_share
        )
        self.checkpointer.add_recoverable("optimizer", self.optimizer)
        self.checkpointer.add_recoverable("scheduler", self.scheduler)

    def on_fit_batch_end(self, batch, outputs, loss, should_step):
        """Advances the cycle by one step."""
        self.scheduler.step()

    def valid_stats(self, loss: float) -> dict[str, float]:
        """The logged results of a validation; a subclass may add to them.

        Arguments
        ---------
        loss : float
            Mean loss of the validation.

        Returns
        -------
        dict of str to float
            Values by name, including "loss".
        """
        return {"loss": loss}

    def on_stage_end(self, stage, stage_loss, epoch=None):
        """Keeps the training loss; after a validation, logs it and saves only the newest checkpoint."""
        if stage == sb.Stage.TRAIN:
            self.train_loss = float(stage_loss)
            return
        stats = self.valid_stats(float(stage_loss))
        self.hparams.train_logger.log_stats({"epoch": epoch}, {"loss": self.train_loss}, stats)
        self.checkpointer.save_and_keep_only(meta={"loss": stats["loss"]}, num_to_keep=1, keep_recent=True)


def pretrain(
    brain_class: type[PretrainingBrain],
    name: str,
    module: nn.Module,
    hparams: dict,
    run_opts: dict,
    train_set: IterableDataset,
    valid_set: IterableDataset,
) -> None:
    """Trains a module, starting after the last finished epoch in its output folder, if any.

    Arguments
    ---------
    brain_class : type of PretrainingBrain
        Class that computes the loss.
    name : str
        Name of the module in ``modules`` and in the checkpoint.
    module : nn.Module
        Trained in place.
    hparams : dict
        The values that :class:`PretrainingBrain` needs, with ``epoch_counter`` and ``save_folder``.
    run_opts : dict
        SpeechBrain's run options.
    train_set, valid_set : IterableDataset
        Data sets of whole batches; the first has an attribute ``epoch``, from 0.
    """
    counter = hparams["epoch_counter"]
    checkpointer = Checkpointer(hparams["save_folder"], {"counter": counter, name: module})
    brain = brain_class({name: module}, None, hparams, run_opts, checkpointer)
    brain.init_optimizers()
    checkpointer.recover_if_possible()
    train_set.epoch = counter.current
    brain.fit(counter, DataLoader(train_set, batch_size=None), DataLoader(valid_set, batch_size=None))
