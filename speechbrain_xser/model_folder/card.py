"""The model card of a trained folder: what it was made from, what it returns, and what it must not be used for.

The front matter follows the hub's model-card specification (https://huggingface.co/docs/hub/model-cards).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from huggingface_hub import EvalResult, ModelCardData
from huggingface_hub.utils import yaml_dump

from speechbrain_xser.model_folder.enclosed import INSIDE
from speechbrain_xser.model_folder.licences import OTHER, OWN, base_licence, is_known, licence_note
from speechbrain_xser.model_folder.metadata import Backbone, Metadata

LOCAL = "a local folder"
PARTS = {"encoder": "the frozen encoder", "llm": "the LLM", "recognizer": "the speech recogniser"}  # in a sentence
SCORES = {  # of a run's test, as the hub names tasks and metrics; in percent
    "wer": ("automatic-speech-recognition", "wer", "word error rate (%)"),
    "ua": ("audio-classification", "recall", "unweighted accuracy, mean recall of the emotions (%)"),
    "wa": ("audio-classification", "accuracy", "weighted accuracy of the emotion (%)"),
}
TEXT = """---
{front}---

# Explainable speech emotion recognition

This model explains the emotion in a clip of speech. It writes one paragraph that gives the transcript, describes how
the words were spoken, and names the emotion. It also returns these facts as a typed record, and the decoder's own
likelihood of each emotion.

```python
from speechbrain_xser import ExplainableEmotionRecognizer

recognizer = ExplainableEmotionRecognizer.from_hparams(source="path/to/this/folder")
explanation = recognizer.explain_file("speech.wav")
print(explanation.paragraph, explanation.emotion, explanation.probabilities)
```

## Intended use

{purpose}

## Contents

{contents}

| part | source | revision | fingerprint |
|---|---|---|---|
{backbones}

The model knows these emotions: {emotions}. It takes clips of up to {max_seconds:g} seconds{silence} and answers as in
training stage `{stage}`. speechbrain_xser {version} wrote this folder.

## Training

{training}

## Licence

{licence}

## Limits

The model generates text. Its transcript and its descriptors can be wrong, and the text does not show it. It also
answers clips that are unlike its training data; only if this folder has a `domain.safetensors` does an answer say so.
Acted or synthetic emotion is not felt emotion. Do not use this model for decisions about people, for example in hiring,
policing, medicine or credit.
"""


def model_card(
    metadata: Metadata,
    stage: str,
    emotions: Sequence[str],
    max_seconds: float,
    has_lora: bool = True,
    licence: str | None = None,
    name: str = "speechbrain_xser",
    cut_silence: bool = False,
) -> str:
    """Writes the text of a model card.

    Arguments
    ---------
    metadata : Metadata
        The folder's metadata. From "training", the card uses "purpose", "test" (scores in percent), "corpus" (that of
        the test), "corpora" (the licence of each training corpus, by name) and "bases" (the sources of the backbones
        that are now inside the folder).
    stage : str
        Name of the stage that answers.
    emotions : sequence of str
        The model's classes.
    max_seconds : float
        Longest clip.
    has_lora : bool
        Whether the folder holds LoRA weights apart from their base.
    licence : str, optional
        The hub's name of the weights' licence; by default :func:`weights_licence`.
    name : str
        Of the model, for the hub's table of results.
    cut_silence : bool
        Whether silence before and after speech is cut off first.

    Returns
    -------
    str
        Markdown with YAML front matter.

    Example
    -------
    >>> backbones = {"llm": Backbone("meta-llama/Llama-3.1-8B-Instruct", "0e9e39f", "ab" * 32)}
    >>> card = model_card(Metadata("0.1.0", backbones, {"seed": 1}), "ser", ["sad", "happy"], 30.0)
    >>> card.splitlines()[:4]
    ['---', 'library_name: speechbrain', 'license: llama3.1', 'pipeline_tag: audio-classification']
    >>> "- meta-llama/Llama-3.1-8B-Instruct" in card.splitlines()
    True
    """
    corpora, bases = metadata.training.get("corpora", {}), metadata.training.get("bases", {})
    return TEXT.format(
        front=_front_matter(metadata, has_lora, licence or weights_licence(metadata), name),
        contents=_contents(metadata, has_lora),
        backbones="\n".join(_row(part, backbone, bases) for part, backbone in metadata.backbones.items()),
        emotions=", ".join(emotions),
        max_seconds=max_seconds,
        silence=", without the silence before and after speech" if cut_silence else "",
        stage=stage,
        version=metadata.version,
        purpose=metadata.training.get("purpose", "The author did not state a purpose."),
        training=_training(metadata.training),
        licence=licence_note(list(map(_shown, bases.values())), corpora, list(map(_shown, _outside_llm(metadata)))),
    )


def weights_licence(metadata: Metadata) -> str:
    """The licence that follows from the bases inside the folder and from the LLM that the LoRA was trained on.

    For weights inside with an unknown licence, it is "other". LoRA for an unknown LLM is its author's to license.

    Arguments
    ---------
    metadata : Metadata
        Of the folder.

    Returns
    -------
    str
        The hub's name of it.

    Example
    -------
    >>> weights_licence(Metadata("0.1.0", {"llm": Backbone("meta-llama/Llama-3.1-8B-Instruct", None, "ab")}, {}))
    'llama3.1'
    """
    return base_licence([*metadata.training.get("bases", {}).values(), *filter(is_known, _outside_llm(metadata))])


def _outside_llm(metadata: Metadata) -> list[str]:
    """The source of the LLM that the LoRA was trained on, if it is somebody else's and not inside the folder."""
    found = metadata.backbones.get("llm")
    inside = "llm" in metadata.training.get("bases", {})
    return [] if found is None or inside or base_licence([found.source]) == OWN else [found.source]


def _front_matter(metadata: Metadata, has_lora: bool, licence: str, name: str) -> str:
    """The front matter that the hub reads, with keys in the order of the hub's own examples."""
    results, bases = _results(metadata), _base_names(metadata)
    values = ModelCardData(
        model_name=name,
        eval_results=results or None,
        metrics=sorted({result.metric_type for result in results}) or None,
        base_model=bases or None,
        base_model_relation="adapter" if has_lora else "finetune",
        license_name="see-the-section-licence" if licence == OTHER else None,
    ).to_dict()
    tags = ["speechbrain", "speechbrain_xser", "speech-emotion-recognition", *(["lora"] if has_lora else [])]
    front = {"library_name": "speechbrain", "license": licence, "license_name": values.pop("license_name", None)}
    front |= {"pipeline_tag": "audio-classification", "tags": tags}
    front |= {key: values.get(key) for key in ("base_model", "base_model_relation", "metrics", "model-index")}
    if not bases:
        del front["base_model_relation"]
    return yaml_dump({key: value for key, value in front.items() if value is not None}, sort_keys=False)


def _base_names(metadata: Metadata) -> list[str]:
    """Hub ids of the backbones, wherever their weights are now."""
    bases = metadata.training.get("bases", {})
    names = [bases.get(part, backbone.source) for part, backbone in metadata.backbones.items()]
    return [name for name in names if _is_hub_id(name)]


def _results(metadata: Metadata) -> list[EvalResult]:
    """The measured scores that the hub has a name for."""
    test, corpus = metadata.training.get("test", {}), metadata.training.get("corpus", "test set of the run")
    return [
        EvalResult(task, corpus, corpus, metric, round(test[key], 2), metric_name=label, dataset_split="test")
        for key, (task, metric, label) in SCORES.items()
        if isinstance(test, dict) and key in test
    ]


def _contents(metadata: Metadata, has_lora: bool) -> str:
    """Says what the folder contains, what it does not, and what the table of backbones is for."""
    inside = [part for part, backbone in metadata.backbones.items() if backbone.source.startswith(INSIDE)]
    outside = [part for part in metadata.backbones if part not in inside]
    parts = ["the branches and adapters (`model.safetensors`)"]
    parts += ["the LoRA of the decoder (`adapter/`)"] if has_lora else []
    parts += [f"{PARTS[part]} (`{part}/`)" for part in inside]
    told = [f"This folder contains {_listed(parts)}."]
    if has_lora:
        told.append("Plain `peft` loads the LoRA onto its base.")
    if outside:
        told.append(f"`from_hparams` loads {_listed([PARTS[part] for part in outside])} by name.")
    if "encoder" not in metadata.backbones:
        told.append("The encoder is of the author's own class: pass it to `from_hparams` as `custom_encoder`.")
    return " ".join([*told, "Each backbone must have its fingerprint in this table (first 12 digits of the SHA-256):"])


def _listed(parts: Sequence[str]) -> str:
    """Joins parts of a sentence, with "and" before the last."""
    *first, last = parts
    return f"{', '.join(first)} and {last}" if first else last


def _is_hub_id(source: str) -> bool:
    local = source.startswith(("packaged:", "setup:", INSIDE)) or Path(source).is_absolute() or Path(source).is_dir()
    return not local


def _shown(source: str) -> str:
    """A source, without a path of this machine."""
    return LOCAL if Path(source).is_absolute() else f"`{source}`"


def _row(part: str, backbone: Backbone, bases: dict[str, str]) -> str:
    source = _shown(backbone.source) + (f", made from {_shown(bases[part])}" if part in bases else "")
    return f"| {part} | {source} | {backbone.revision or '-'} | `{backbone.fingerprint[:12]}` |"


def _training(values: dict) -> str:
    """One line for each plain value about the run; values with a section of their own are left out."""
    shown = {name: value for name, value in values.items() if name not in ("purpose", "corpora", "bases")}
    lines = [f"* {name}: {value if isinstance(value, str) else json.dumps(value)}" for name, value in shown.items()]
    return "\n".join(lines) or "Nothing was recorded."
