"""Joins a passage of a corpus and SpeechCraft's annotation of it to one utterance."""

from __future__ import annotations

from collections import Counter

from SpeechCraft.annotations import Annotation, Annotations
from SpeechCraft.gigaspeech import spoken_text
from SpeechCraft.labels import Labels, read_labels
from SpeechCraft.passage import Passage

from speechbrain_xser.answer.record import Record
from speechbrain_xser.answer.slots import find_slots
from speechbrain_xser.data.exclusions import Dropped
from speechbrain_xser.data.manifest import Utterance
from speechbrain_xser.data.speakers import hashed_side
from speechbrain_xser.data.text_repair import plain_text
from speechbrain_xser.errors import LabelError
from speechbrain_xser.metrics.text_normalization import normalise

NO_SPEECH = "no speech, only a tag for something else"
NO_AUDIO = "annotated, but its audio is not in the data folder"


class Joining:
    """Joins passages with their annotations, and counts what could not be used.

    Arguments
    ---------
    annotations : Annotations
        The annotations; each is taken once.
    shares : dict of str to float
        Share of recordings and readers in each split.
    seed : str
        Seed of the split.
    """

    def __init__(self, annotations: Annotations, shares: dict[str, float], seed: str):
        self.annotations, self.shares, self.seed = annotations, shares, seed
        self.without_annotation = 0  # number of passages
        self.unread: Counter[str] = Counter()  # label words outside our vocabularies
        self.set_aside: Counter[str] = Counter()  # paragraphs, by reason

    def join(self, passage: Passage) -> Utterance | Dropped | None:
        """The utterance of a passage.

        Arguments
        ---------
        passage : Passage
            A passage; its file need not exist yet.

        Returns
        -------
        Utterance, Dropped or None
            None if SpeechCraft does not annotate it.
        """
        annotation = self.annotations.pop(passage.id)
        if annotation is None:
            self.without_annotation += 1
            return None
        id = f"{passage.corpus}-{passage.id}"
        try:
            labels = read_labels(annotation.labels) if annotation.labels else Labels(Record(), ())
        except LabelError as error:
            return Dropped(id, "its label string cannot be read", str(error), fault=True)
        self.unread.update(labels.unknown_words)
        transcript = spoken_text(labels.record.transcript or passage.text or "")
        if transcript is None:
            return Dropped(id, NO_SPEECH)
        return self._utterance(id, passage, labels.record._replace(transcript=transcript), annotation)

    def _utterance(self, id: str, passage: Passage, record: Record, annotation: Annotation) -> Utterance:
        spoken = record.descriptors
        return Utterance(
            id=id,
            wav=str(passage.file),
            start=passage.start,
            stop=passage.stop,
            speaker=f"{passage.corpus}-{passage.speaker}" if passage.speaker else None,
            transcript=record.transcript,
            emotion=record.emotion,
            **spoken._replace(topic=spoken.topic or passage.topic)._asdict(),
            description=self._description(annotation.description),
            caption=self._caption(annotation.instruction, record.transcript),
            split=hashed_side(passage.recording, self.shares, self.seed),
        )

    def _description(self, text: str | None) -> str | None:
        """The paragraph without the transcript; it must not contain quotes."""
        if text and find_slots(text).transcript:
            self.set_aside["description that quotes"] += 1
            return None
        return plain_text(text) if text else None

    def _caption(self, text: str | None, transcript: str) -> str | None:
        """The paragraph with the transcript, if it quotes it; otherwise it would teach to leave the transcript out."""
        if text and normalise(find_slots(text).transcript) != normalise(transcript):
            self.set_aside["instruction that does not quote the transcript"] += 1
            return None
        return plain_text(text) if text else None

    def account(self) -> dict:
        """The counts, for ``summary.json``."""
        return {
            "without_annotation": self.without_annotation,
            "unread": dict(self.unread.most_common()),
            "set_aside": dict(self.set_aside.most_common()),
        }
