"""Trains the packaged tiny Llama, on text alone: from noisy ideal frames to the transcript or the paragraph.

It learns what an instruction-tuned LLM already knows: the language of the answers and how to read a prompt. It is not
trained on real clips; sentences are the training split's share of the grammar, and CREMA-D's twelve.
To continue an interrupted training, give the same command again: it starts after the last finished epoch.
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from random import Random

import speechbrain_xser  # noqa: F401, checks the versions of the libraries imported below

# isort: split
import torch
from torch import Tensor, nn
from torch.utils.data import IterableDataset
from transformers import LlamaConfig, LlamaForCausalLM

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # recipes
from Tiny.ideal_frames import IdealFrames  # noqa: E402
from Tiny.pretraining import PretrainingBrain, load_recipe, pretrain  # noqa: E402

from speechbrain_xser.answer.record import AGES, EMOTIONS, GENDERS, Descriptors, Record  # noqa: E402
from speechbrain_xser.answer.render import VARIANTS, render  # noqa: E402
from speechbrain_xser.data.synthetic.corpus import plan, record  # noqa: E402
from speechbrain_xser.decoder.prompt import PromptTemplate  # noqa: E402
from speechbrain_xser.decoder.vocabulary import train_tokenizer  # noqa: E402
from speechbrain_xser.stages import CAPTION, TRANSCRIBE  # noqa: E402

CREMAD_SENTENCES = tuple(import_module("CREMA-D.prepare").SENTENCES.values())


class Reader(nn.Module):
    """The LLM with the tables of ideal frames.

    Arguments
    ---------
    hparams : dict
        Keys of ``LlamaConfig``, including ``hidden_size``, and the ``noise`` of the frames.
    tokenizer : PreTrainedTokenizerBase
        Determines the size of the vocabulary and the special tokens.

    Example
    -------
    >>> tokenizer = train_tokenizer([CAPTION, TRANSCRIBE])
    >>> sizes = dict.fromkeys(("hidden_size", "intermediate_size", "num_attention_heads", "num_hidden_layers"), 8)
    >>> reader = Reader({**sizes, "num_attention_heads": 2, "num_key_value_heads": 2, "noise": 0.7}, tokenizer)
    >>> segments = {TRANSCRIBE: PromptTemplate().segments(TRANSCRIBE, tokenizer)}
    >>> logits, targets = reader([(TRANSCRIBE, Record("hello"), {}, [5, 6], Random(0))], segments)
    >>> logits.shape == (2, len(tokenizer)), targets
    (True, tensor([5, 6]))
    """

    def __init__(self, hparams: dict, tokenizer):
        super().__init__()
        names = LlamaConfig().to_dict().keys() & hparams.keys()
        self.llm = LlamaForCausalLM(
            LlamaConfig(
                **{name: hparams[name] for name in names},
                vocab_size=len(tokenizer),
                max_position_embeddings=2048,
                tie_word_embeddings=True,
                bos_token_id=tokenizer.bos_token_id,
                eos_token_id=tokenizer.eos_token_id,
                pad_token_id=tokenizer.pad_token_id,
            )
        )
        self.frames = IdealFrames(hparams["hidden_size"], noise=hparams["noise"])

    def forward(self, batch: list[tuple], segments: dict[str, list[list[int]]]) -> tuple[Tensor, Tensor]:
        """Predicts the tokens of the answers.

        Arguments
        ---------
        batch : list of tuple
            Task (the instruction), record, audible attributes, token ids of the answer, and ``Random``, as
            :class:`Batches` draws them.
        segments : dict of str to Segments
            The prompt of each task, as token ids.

        Returns
        -------
        tuple of (Tensor, Tensor)
            Logits [N, V] and targets [N], int64, at the answers' N positions.
        """
        rows, targets = [], []
        for task, spoken, heard, answer, random in batch:
            content, descriptor = self.frames(spoken, heard, random)
            if task == TRANSCRIBE:
                descriptor = torch.zeros_like(descriptor)
            before, between, after = (self.llm.get_input_embeddings()(torch.tensor(ids)) for ids in segments[task])
            prompt = torch.cat([before, content, between, descriptor, after])
            rows.append(torch.cat([prompt, self.llm.get_input_embeddings()(torch.tensor(answer))]))
            targets.append(torch.tensor([-100] * (len(prompt) - 1) + answer + [-100]))
        embeddings = nn.utils.rnn.pad_sequence(rows, batch_first=True)
        targets = nn.utils.rnn.pad_sequence(targets, batch_first=True, padding_value=-100)
        hidden = self.llm.model(inputs_embeds=embeddings).last_hidden_state  # causal, and padded on the right
        asked = targets != -100
        return self.llm.lm_head(hidden[asked]), targets[asked]


def draw_record(random: Random, real_share: float) -> tuple[Record, dict[str, str]]:
    """Draws a record, and the attributes that are audible in it.

    Arguments
    ---------
    random : Random
        The source of every choice.
    real_share : float
        Share of records like CREMA-D's, 0..1; the rest is like the embedded corpus.

    Returns
    -------
    tuple of (Record, dict of str to str)
        The record, and the audible attributes by name.

    Example
    -------
    >>> spoken, heard = draw_record(Random(0), real_share=1.0)
    >>> spoken.emotion == heard["emotion"], spoken.transcript in CREMAD_SENTENCES
    (True, True)
    """
    if random.random() < real_share:
        return _draw_real(random)
    drawn = plan("train", random.randrange(10**9), random.randrange(10**9))
    spoken = record(drawn)
    heard = {"gender": drawn.voice.gender, **drawn.prosody._asdict()}
    if random.random() < 0.3:
        heard["emotion"] = drawn.emotion
    return spoken, heard


def _draw_real(random: Random) -> tuple[Record, dict[str, str]]:
    """Like CREMA-D: the emotion is audible; pitch, volume and speed are not labelled."""
    heard = {"gender": random.choice(GENDERS), "age": random.choice(AGES[2:])}
    emotion = random.choice(EMOTIONS[:4] + EMOTIONS[5:])
    spoken = Record(random.choice(CREMAD_SENTENCES), Descriptors(**heard), emotion)
    return spoken, heard | {"emotion": emotion}


class Batches(IterableDataset):
    """Batches drawn for each epoch; equal for equal seed, epoch and step.

    Arguments
    ---------
    tokenizer : PreTrainedTokenizerBase
        Tokenizer of the answers.
    hparams : dict
        ``batch_size`` and ``real_share``.
    seed : int
        Seed, different for training and validation.
    steps : int
        Number of batches in an epoch.

    Example
    -------
    >>> tokenizer, hparams = train_tokenizer([CAPTION, TRANSCRIBE]), {"batch_size": 2, "real_share": 0.5}
    >>> first, second = (next(iter(Batches(tokenizer, hparams, seed=1, steps=3))) for _ in range(2))
    >>> [row[:4] for row in first] == [row[:4] for row in second]
    True
    """

    def __init__(self, tokenizer, hparams: dict, seed: int, steps: int):
        self.tokenizer, self.hparams, self.seed, self.steps, self.epoch = tokenizer, hparams, seed, steps, 0

    def __len__(self) -> int:
        return self.steps

    def __iter__(self):
        for step in range(self.steps):
            random = Random(f"{self.seed} {self.epoch} {step}")
            yield [self._draw(random) for _ in range(self.hparams["batch_size"])]
        self.epoch += 1

    def _draw(self, random: Random) -> tuple:
        spoken, heard = draw_record(random, self.hparams["real_share"])
        task = TRANSCRIBE if random.random() < 0.35 else CAPTION
        text = spoken.transcript if task == TRANSCRIBE else render(spoken, random.randrange(len(VARIANTS)))
        answer = self.tokenizer.encode(text, add_special_tokens=False) + [self.tokenizer.eos_token_id]
        return task, spoken, heard, answer, random


class ReaderBrain(PretrainingBrain):
    """Computes the cross-entropy of the answers."""

    def compute_forward(self, batch, stage):
        """Logits and targets of the answers, as :class:`Reader` gives them."""
        return self.modules.reader(batch, self.hparams.segments)

    def compute_objectives(self, predictions, batch, stage):
        """Mean cross-entropy over the answers' tokens, in nats."""
        logits, targets = predictions
        return nn.functional.cross_entropy(logits.float(), targets)


def build_tokenizer(hparams: dict):
    """A vocabulary for the prompt, the grammar's sentences and the paragraphs.

    Arguments
    ---------
    hparams : dict
        ``seed``, ``real_share`` and ``vocabulary_size``.

    Returns
    -------
    LlamaTokenizer
        As :func:`speechbrain_xser.decoder.vocabulary.train_tokenizer` gives it; the same for the same values.
    """
    random = Random(hparams["seed"])
    texts = [PromptTemplate().system, CAPTION, TRANSCRIBE, "system user assistant"] * 200
    for _ in range(6000):
        spoken, _ = draw_record(random, hparams["real_share"])
        texts += [spoken.transcript, render(spoken, random.randrange(len(VARIANTS)))]
    return train_tokenizer(texts, hparams["vocabulary_size"])


def main(arguments: list[str]) -> None:
    """Trains the vocabulary and the model, and writes the folder ``llama-tiny``.

    Arguments
    ---------
    arguments : list of str
        As for :func:`Tiny.pretraining.load_recipe`.
    """
    hparams, run_opts = load_recipe(arguments)
    tokenizer = build_tokenizer(hparams)
    hparams["segments"] = {task: PromptTemplate().segments(task, tokenizer) for task in (CAPTION, TRANSCRIBE)}
    reader = Reader(hparams, tokenizer)
    print(f"{sum(p.numel() for p in reader.llm.parameters()) / 1e6:.2f} M parameters, {len(tokenizer)} pieces")
    train_set = Batches(tokenizer, hparams, hparams["seed"], hparams["steps_an_epoch"])
    pretrain(ReaderBrain, "reader", reader, hparams, run_opts, train_set, Batches(tokenizer, hparams, -1, 8))
    folder = Path(hparams["output_folder"]) / "llama-tiny"
    reader.llm.half().save_pretrained(folder)
    tokenizer.save_pretrained(folder)


if __name__ == "__main__":
    main(sys.argv[1:])
