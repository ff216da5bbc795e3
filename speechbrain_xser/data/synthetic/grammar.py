"""The sentences of the embedded corpus: a small grammar with a known topic for each sentence.

It has about three hundred words in ten topics. A topic is true by construction, because its nouns occur in no other.
"""

from __future__ import annotations

from random import Random
from typing import NamedTuple

TOPICS: dict[str, dict[str, str]] = {
    "politics": {
        "who": "senator minister mayor president governor voter",
        "did": "signed rejected debated defended promised",
        "what": "law election treaty budget campaign speech vote reform parliament tax",
    },
    "sports": {
        "who": "captain goalkeeper runner coach referee champion",
        "did": "kicked won trained scored dropped",
        "what": "ball trophy match marathon medal penalty race stadium tournament record",
    },
    "travel": {
        "who": "pilot tourist driver sailor passenger guide",
        "did": "crossed visited missed boarded reached",
        "what": "airport harbour mountain train island ticket border desert bridge luggage",
    },
    "science": {
        "who": "scientist professor engineer astronaut chemist inventor",
        "did": "measured discovered tested explained launched",
        "what": "planet rocket theory engine atom telescope signal magnet laboratory battery",
    },
    "food": {
        "who": "baker farmer cook waiter butcher customer",
        "did": "cooked tasted ordered burned served",
        "what": "bread soup cheese apple dinner coffee sugar kitchen potato lemon",
    },
    "family": {
        "who": "mother father sister brother cousin uncle",
        "did": "hugged raised married missed blessed",
        "what": "baby wedding birthday daughter orphan twin nephew cradle husband grandmother",
    },
    "weather": {
        "who": "forecaster shepherd fisherman gardener hunter camper",
        "did": "predicted feared survived escaped watched",
        "what": "storm thunder snow rainbow flood breeze winter fog lightning hurricane",
    },
    "work": {
        "who": "manager worker lawyer banker clerk partner",
        "did": "finished delayed printed fired hired",
        "what": "contract report office deadline salary meeting invoice project computer document",
    },
    "music": {
        "who": "singer drummer composer dancer pianist audience",
        "did": "played recorded practised sang applauded",
        "what": "song violin concert guitar melody album opera trumpet symphony ballad",
    },
    "health": {
        "who": "doctor nurse patient surgeon dentist pharmacist",
        "did": "treated cured examined injected healed",
        "what": "fever wound muscle hospital vaccine pain tooth virus medicine infection",
    },
}
ADJECTIVES = (
    "old young tired famous quiet strange clever lazy brave gentle lonely proud silent nervous stubborn honest "
    "foolish careful polite hungry"
).split()
QUALITIES = (
    "new last big small broken perfect heavy secret simple terrible wonderful ugly expensive empty dangerous "
    "beautiful enormous forgotten golden ancient"
).split()
TIMES = (
    "yesterday|today|again|this morning|last night|on Monday|on Friday|in March|in October|at midnight|"
    "before lunch|after school|twice a week|every summer|without help|by accident|for nothing|in public"
).split("|")
PEOPLE = "Anna Peter Maria Thomas Julia Oscar Emma Victor Sophie Daniel".split()
OPENINGS = "I think|I know|they say|you said|we heard|she believes|he forgot that|nobody knew that".split("|")

PATTERNS = (
    "the {adjective} {who} {did} the {what}",
    "the {who} {did} the {quality} {what} {time}",
    "{time} the {who} {did} the {what}",
    "{opening} the {who} {did} the {what}",
    "{person} and the {who} {did} the {quality} {what}",
    "{opening} {person} {did} the {what} {time}",
    "why did {person} forget the {quality} {what}",
    "{person} never {did} the {what} {time}",
)


class Sentence(NamedTuple):
    """A sentence and what is true of it.

    Example
    -------
    >>> sentence = draw(Random(0))
    >>> sentence.topic in TOPICS, set(sentence.content_words) <= set(sentence.text.split())
    (True, True)
    """

    text: str  # first letter upper case, no full stop
    topic: str  # one of TOPICS
    content_words: tuple[str, ...]  # words that may carry the emphasis


def draw(random: Random) -> Sentence:
    """Draws a sentence of four to ten words; the same state of ``random`` gives the same sentence."""
    topic = random.choice(sorted(TOPICS))
    words = {slot: random.choice(choices.split()) for slot, choices in TOPICS[topic].items()}
    words |= {
        "adjective": random.choice(ADJECTIVES),
        "quality": random.choice(QUALITIES),
        "time": random.choice(TIMES),
        "person": random.choice(PEOPLE),
        "opening": random.choice(OPENINGS),
    }
    text = random.choice(PATTERNS).format(**words)
    emphasisable = tuple(word for word in text.split() if word in {words[s] for s in ("who", "did", "what")})
    return Sentence(text[0].upper() + text[1:], topic, emphasisable)


def vocabulary() -> list[str]:
    """All words that a sentence can contain, in lower case, sorted."""
    slots = [choices for topic in TOPICS.values() for choices in topic.values()]
    texts = slots + ADJECTIVES + QUALITIES + TIMES + PEOPLE + OPENINGS + ["the and why did forget never"]
    return sorted({word.lower() for text in texts for word in text.split()})
