"""Prepares CREMA-D's acted speech for the small model: labels of the voice from its clips, words from WordNet.

The corpus has twelve sentences, which an LLM learns by heart instead of reading what the recogniser wrote. So most
clips keep their voice and get other words: the manifest says that the recogniser has written a sentence of WordNet's,
and the paragraph quotes that sentence. The two branches never see each other, so nothing is untrue to either.

Passages of several clips and synthetic speech can stand beside the clips, since an actor's sentence of two seconds is
unlike what people record: passages are longer, and synthetic speech is faster, slower, softer and louder.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # recipes

import speechbrain_xser  # noqa: F401, it checks the versions of what is imported next

# isort: split
from Small.acted import acted, vary
from Small.passages import write_passages
from Small.prepare import prepare as speak
from Small.sentences import FILES, sentences, written

from speechbrain_xser.annotator.annotation import annotate
from speechbrain_xser.cli.recipe_command import prepare_command
from speechbrain_xser.data.manifest import Utterance, read_manifest
from speechbrain_xser.data.paragraphs import Wording, with_paragraphs
from speechbrain_xser.data.pipeline import resolve
from speechbrain_xser.data.preparation import prepare_once

OWN_WORDS = 0.1  # share of clips that keep their own sentence
SENTENCES = (1, 1, 1, 1, 1, 2, 2, 3, 4)  # of a clip, drawn
FRAGMENTS = 0.15  # share of one-sentence clips that are cut to their first words
SECONDS = 4.0  # of a clip, for each sentence more


def prepare(
    data_folder: str | Path,
    save_folder: str | Path,
    wordnet_folder: str | Path,
    variants: int = 1,
    passages: bool = False,
    speech_clips: int = 0,
    valid_clips: int = 200,
    llm_clips: int = 1600,
    wording: Wording = "plain",
) -> dict[str, str]:
    """Writes ``train``, ``train-LLM_CLIPS``, ``valid`` and ``test.jsonl``; the test set keeps its own words.

    Arguments
    ---------
    data_folder : str | Path
        CREMA-D's.
    save_folder : str | Path
        Where manifests, variants of clips and measures go.
    wordnet_folder : str | Path
        WordNet's, e.g. /usr/share/wordnet.
    variants : int
        Of each training clip, beside the clip as it was recorded.
    passages : bool
        Whether passages of several clips stand beside the clips.
    speech_clips : int
        Of synthetic speech, which need flite; 0 for none. They have no emotion, so the LLM does not hear them: it would
        learn to leave emotions out.
    valid_clips : int
        Validation clips at most, drawn once.
    llm_clips : int
        Training clips that the LLM hears, drawn once: it is a hundred times slower than the start.
    wording : str
        Of the paragraphs. In "varied" an emotion may stand anywhere: after 200 steps the LLM ended before it.

    Returns
    -------
    dict[str, str]
        Path of the manifest by split.

    Raises
    ------
    ManifestError
        If a folder is not what it should be.
    SettingsError
        If synthetic speech is asked for and flite is missing.
    AudioError
        If flite fails, or a clip of a passage cannot be read.
    """
    options = {"passages": passages, "valid_clips": valid_clips, "llm_clips": llm_clips}
    folder, found = Path(save_folder, "acted"), {}
    if speech_clips:
        found["speech"] = _spoken(wordnet_folder, Path(save_folder, "speech"), speech_clips, wording)
    found |= acted(data_folder, folder, variants)
    if passages:
        found["passages"] = _passages(found["train"], folder, data_folder, variants)
    few = f"train-{llm_clips}"
    return prepare_once(
        save_folder,
        {**options, "found": sorted(found)},
        [*map(Path, found.values()), *(Path(wordnet_folder, name) for name in FILES)],
        lambda: _chosen(found, data_folder, wordnet_folder, valid_clips, llm_clips, wording),
        manifests=("train", few, "valid", "test"),
        places=lambda clip: (few, "train") if clip.split == few else (clip.split,),
        wording=wording,
    )


def _chosen(
    found: Mapping[str, str],
    data_folder: str | Path,
    wordnet_folder: str | Path,
    valid_clips: int,
    llm_clips: int,
    wording: Wording,
) -> Iterator[Utterance]:
    """The clips of all manifests; those that the LLM hears are in the split of their own manifest."""
    clips = {name: _placed(read_manifest(path), data_folder) for name, path in found.items()}
    valid = Random("small valid").sample(clips["valid"], min(valid_clips, len(clips["valid"])))
    train = clips["train"] + clips["train-varied"] + clips.get("passages", [])
    train = list(crossed(train, sentences(wordnet_folder, "train"), "train", wording))
    heard = {clip.id for clip in Random("small llm").sample(train, min(llm_clips, len(train)))}
    yield from (clip._replace(split=f"train-{llm_clips}" if clip.id in heard else "train") for clip in train)
    for clip in clips.get("speech", []):
        yield clip._replace(split="train", recognized=clip.transcript)  # the recogniser is said to have written it
    for clip in crossed(valid, sentences(wordnet_folder, "valid"), "valid", wording):
        yield clip._replace(split="valid")
    yield from (clip._replace(split="test") for clip in clips["test"])


def _passages(manifest: str, folder: Path, data_folder: str | Path, variants: int) -> str:
    """Variants of passages of a manifest's clips, with the descriptors of whole passages."""
    path = write_passages(manifest, folder, data_folder)
    annotate({"passages": path}, folder / "measures.sqlite", cutoffs="reference")
    return vary(path, folder, variants=variants)


def _spoken(wordnet_folder: str | Path, folder: Path, clips: int, wording: Wording) -> str:
    """The manifest of synthetic speech."""
    return speak(wordnet_folder, folder, clips, valid_clips=1, test_clips=1, annotate=True, wording=wording)["train"]


def _placed(clips: Sequence[Utterance], data_folder: str | Path) -> list[Utterance]:
    """Clips whose paths need no data folder."""
    return [clip._replace(wav=resolve(clip, Path(data_folder).resolve())) for clip in clips]


def crossed(
    clips: Sequence[Utterance], texts: Sequence[str], seed: str, wording: Wording = "plain"
) -> Iterator[Utterance]:
    """Clips with other words, which the recogniser is said to have written.

    Arguments
    ---------
    clips : Sequence[Utterance]
        One may be there several times; its ids are told apart.
    texts : Sequence[str]
        Sentences.
    seed : str
        Of what is drawn.
    wording : str
        Of the paragraphs, "plain" or "varied".

    Yields
    ------
    Utterance
        With ``recognized``, and paragraphs that quote it.

    Example
    -------
    >>> clips = [Utterance("a", "a.wav", transcript="It's eleven o'clock", emotion="sad")] * 2
    >>> first, again = crossed(clips, ["she sang a song"], "train")
    >>> first.id, again.id, first.recognized == first.transcript
    ('a-0', 'a-1', True)
    """
    random = Random(f"crossed {seed}")
    for number, clip in enumerate(clips):
        own = random.random() < OWN_WORDS
        words = written(clip.transcript) if own else _drawn(texts, random, clip.duration or 0.0)
        bare = clip._replace(id=f"{clip.id}-{number}", transcript=words, recognized=words, emphasis=None)
        yield with_paragraphs(bare._replace(description=None, caption=None), wording)


def _drawn(texts: Sequence[str], random: Random, seconds: float) -> str:
    """Some sentences, or the beginning of one, as a recogniser writes them; more of them for a long clip."""
    count = random.choice(SENTENCES) + int(seconds / SECONDS)
    if count == 1 and random.random() < FRAGMENTS:
        words = random.choice(texts).split()
        return written(" ".join(words[: random.randint(1, min(4, len(words)))]).rstrip(",;"))
    return " ".join(written(one) for one in random.choices(texts, k=count))


if __name__ == "__main__":
    prepare_command(prepare)
