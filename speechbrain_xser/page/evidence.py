"""All evidence for one clip, from the paragraph down to the encoder's layers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from speechbrain_xser.evidence.shapley import ALL
from speechbrain_xser.page.assets import asset
from speechbrain_xser.page.bars import branch_bar, distributions_table, layer_bars, probability_bars
from speechbrain_xser.page.brief import DOMAINS, no_speech_text, reliability_text
from speechbrain_xser.page.claim_table import claims_table
from speechbrain_xser.page.environment import render
from speechbrain_xser.page.measured_values import measured_list
from speechbrain_xser.page.paragraph import legend, marked_paragraph
from speechbrain_xser.page.plot import signal_plot

if TYPE_CHECKING:
    from speechbrain_xser.evidence.clip_evidence import Evidence

NOTES = {
    "Emotion": "The probability of each emotion's word at this place of the paragraph. ▸ marks the answer.",
    "Voice or words": "How much the words and the voice each speak for the label, in nats: +0.7 nats double its odds, "
    "−0.7 nats halve them. What only both together do is shared out evenly (Shapley values).",
    "Another voice": "The probabilities with the same words in another voice: the mean of the training set, or that of "
    "another clip.",
    "Measured in the sound": "Whatever the paragraph says: no model takes part in these measurements.",
    "Claims against the signal": "What the paragraph says, what is measured or heard in the recording, and where what "
    "was said begins or ends. Nothing in the sound is compared with the emotion and the topic.",
    "Over time": "The signal; how much of it each branch of the model lets through (in nats; 0 is nothing); "
    "and how much each moment speaks for the label or against it (+0.7 nats double its odds).",
    "Layers": "The weight of each layer of the speech encoder in a branch's input, in percent.",
}

CLIP_SCRIPT = asset("clip.js")
SILENT = ", so the page makes no claim about it. Was the microphone on, and does somebody speak?"


def evidence_sections(evidence: Evidence, sound: str | None = None, name: str = "the clip") -> str:
    """Paragraph, probabilities, voice or words, claims, curves and layers of one clip; one sentence without speech.

    Arguments
    ---------
    evidence : Evidence
        Of one clip.
    sound : str or None
        Address of the clip's sound, for a player; ``CLIP_SCRIPT`` after it moves a cursor over the curves.
    name : str
        The clip's, for screen readers.

    Returns
    -------
    str
        HTML of one ``div``; it needs a document's style, and can be read without a script.

    Example
    -------
    >>> import speechbrain_xser
    >>> from speechbrain_xser.evidence.clip_evidence import gather_evidence
    >>> from speechbrain_xser.inference.recognizer import ExplainableEmotionRecognizer
    >>> recognizer = ExplainableEmotionRecognizer.from_hparams(speechbrain_xser.packaged_model())
    >>> from speechbrain_xser.data.synthetic.corpus import plan, speak
    >>> found = gather_evidence(recognizer, speak(plan("test", 3, seed=1)))
    >>> [name for name in NOTES if f"<h3>{name}</h3>" in evidence_sections(found)]
    ['Emotion', 'Voice or words', 'Another voice', 'Measured in the sound', 'Claims against the signal', 'Over time', \
'Layers']
    """
    told = evidence.explanation
    if not told.speech:
        return render("evidence", silent=no_speech_text("this clip") + SILENT, sound=sound, name=name)
    return render(
        "evidence",
        silent="",
        notes=NOTES,
        paragraph=marked_paragraph(told.paragraph, evidence.claims),
        legend=legend(),
        emotion=told.emotion,
        share=told.probabilities.get(told.emotion),
        transcript=told.transcript,
        domain=DOMAINS.get(told.domain),
        sure="" if evidence.as_sure is None else reliability_text(evidence.as_sure, evidence.reliability.source),
        sound=sound,
        name=name,
        measured=measured_list(evidence.measured),
        probabilities=probability_bars(told.probabilities, told.emotion),
        branches=branch_bar(evidence.attribution),
        distributions=distributions_table(evidence.attribution.distributions),
        claims=claims_table(evidence.claims),
        voices=_voices(evidence),
        plot=signal_plot(evidence.curves, evidence.where),
        layers=layer_bars(evidence.where),
    )


def _voices(evidence: Evidence) -> str:
    """The clip's own voice beside the others; empty without others."""
    others = {"the mean voice": evidence.average, "the other clip's": evidence.swapped}
    others = {name: found for name, found in others.items() if found is not None}
    own = {"its own voice": evidence.attribution.distributions[ALL]}
    return distributions_table(own | others) if others else ""
