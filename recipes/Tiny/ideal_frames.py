"""Ideal frames: what a perfect pair of branches would put into the two slots, with noise.

A large LLM can read spelled-out text in its prompt; a tiny one has to learn it. The content slot gets one frame for
every one to three letters (the mean of their embeddings), the descriptor slot gets attribute embeddings at random
positions and a mark where the emphasised word is spoken. The tables are discarded after training.
"""

from __future__ import annotations

from random import Random

import torch
from torch import Tensor, nn

from speechbrain_xser.answer.record import AGES, EMOTIONS, GENDERS, INTONATIONS, LEVELS, SPEEDS, Record

LETTERS = " 'abcdefghijklmnopqrstuvwxyz"
ATTRIBUTES = {
    "gender": GENDERS,
    "age": AGES,
    "pitch": LEVELS,
    "volume": LEVELS,
    "speed": SPEEDS,
    "intonation": INTONATIONS,
    "emotion": EMOTIONS,
    "emphasis": ("here",),
}
_INDEX = {pair: i for i, pair in enumerate((name, value) for name, values in ATTRIBUTES.items() for value in values)}


class IdealFrames(nn.Module):
    """Turns a record into the frames of the two slots.

    Arguments
    ---------
    width : int
        Width of the LLM's embeddings.
    deviation : float
        Standard deviation of the tables' initial values, that of the LLM's embeddings.
    noise : float
        Standard deviation of the noise, relative to ``deviation``.
    """

    def __init__(self, width: int, deviation: float = 0.02, noise: float = 0.7):
        super().__init__()
        self.letters = nn.Embedding(len(LETTERS), width)
        self.attributes = nn.Embedding(len(_INDEX), width)
        self.noise = noise * deviation
        nn.init.normal_(self.letters.weight, std=deviation)
        nn.init.normal_(self.attributes.weight, std=deviation)

    def forward(self, record: Record, heard: dict[str, str], random: Random) -> tuple[Tensor, Tensor]:
        """Content and descriptor frames, [K, width] each.

        Arguments
        ---------
        record : Record
            The transcript and the emphasised words.
        heard : dict
            The attributes that the descriptor frames carry.
        random : Random
            Source of speaking rate, silences and positions.
        """
        chunks, emphasised = _chunks(record, random)
        content = torch.stack([self._mean(self.letters, [LETTERS.index(c) for c in chunk]) for chunk in chunks])
        known = [_INDEX[pair] for pair in heard.items()]
        marks = []
        for is_emphasised in emphasised:
            marks.append([i for i in known if random.random() < 0.4] + [_INDEX["emphasis", "here"]] * is_emphasised)
        descriptor = torch.stack([self._mean(self.attributes, mark) for mark in marks])
        return content + self._noise_like(content), descriptor + self._noise_like(descriptor)

    def _mean(self, table: nn.Embedding, indices: list[int]) -> Tensor:
        if not indices:
            return torch.zeros(table.embedding_dim)
        return table.weight[indices].mean(0)

    def _noise_like(self, frames: Tensor) -> Tensor:
        return self.noise * torch.randn_like(frames)


def _chunks(record: Record, random: Random) -> tuple[list[str], list[bool]]:
    """The transcript cut into pieces of 0.1 s, with silences; and which pieces are emphasised."""
    rate = random.uniform(0.8, 2.4)  # letters per frame
    chunks, emphasised = [""] * random.randint(0, 3), []
    emphasised += [False] * len(chunks)
    for word in record.transcript.lower().split():
        letters, position = f"{word} ", 0.0
        while position < len(letters):
            following = position + rate * random.uniform(0.7, 1.3)
            chunks.append(letters[round(position) : round(following)])
            emphasised.append(word in [w.lower() for w in record.descriptors.emphasis or ()])
            position = following
    silence = random.randint(0, 3)
    return chunks + [""] * silence, emphasised + [False] * silence
