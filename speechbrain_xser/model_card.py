"""The model card of a trained folder: what it was made from, what it gives, what it is not for.

The front matter follows the hub's model-card specification (https://huggingface.co/docs/hub/model-cards).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from speechbrain_xser.metadata import Backbone, Metadata

LOCAL = "a local folder"
TEXT = """---
{front}---

# Explainable speech emotion recognition

Turns a clip of speech into one paragraph (the transcript, how it was spoken, and the emotion), a typed record, and
the decoder's own likelihood of each emotion.

```python
from speechbrain_xser import ExplainableEmotionRecognizer

recognizer = ExplainableEmotionRecognizer.from_hparams(source="path/to/this/folder")
explanation = recognizer.explain_file("speech.wav")
print(explanation.paragraph, explanation.emotion, explanation.probabilities)
```

## What it is for

{purpose}

## What is in it

Branches and adapters (`model.safetensors`) and the decoder's LoRA (`adapter/`, which plain `peft` loads
onto the base below). The frozen backbones are not in it; they are found by name and must have these fingerprints
(SHA-256, first 12 digits):

| part | source | revision | fingerprint |
|---|---|---|---|
{backbones}

Emotions: {emotions}. Clips up to {max_seconds:g} s; stage `{stage}`. Written by speechbrain_xser {version}.

## Training

{training}

## Limits

The answer is generated text: a transcript or a descriptor in it can be wrong without any sign of it, and a clip
outside what the model was trained on is still answered. Acted or synthetic emotion is not felt emotion. Not for
decisions about people, such as in hiring, policing, medicine or credit.
"""


def model_card(metadata: Metadata, stage: str, emotions: Sequence[str], max_seconds: float) -> str:
    """Writes the text of a model card.

    Arguments
    ---------
    metadata : Metadata
        The folder's metadata.
    stage : str
        Name of the stage that answers.
    emotions : sequence of str
        The model's classes.
    max_seconds : float
        Longest clip.

    Returns
    -------
    str
        Markdown with YAML front matter.

    Example
    -------
    >>> backbones = {"llm": Backbone("meta-llama/Llama-3.1-8B-Instruct", "0e9e39f", "ab" * 32)}
    >>> card = model_card(Metadata("0.1.0", backbones, {"seed": 1}), "ser", ["sad", "happy"], 30.0)
    >>> card.splitlines()[:4]
    ['---', 'library_name: speechbrain', 'license: apache-2.0', 'pipeline_tag: audio-classification']
    >>> "- meta-llama/Llama-3.1-8B-Instruct" in card.splitlines()
    True
    """
    return TEXT.format(
        front=_front_matter(metadata),
        backbones="\n".join(_row(name, backbone) for name, backbone in metadata.backbones.items()),
        emotions=", ".join(emotions),
        max_seconds=max_seconds,
        stage=stage,
        version=metadata.version,
        purpose=metadata.training.get("purpose", "Not stated."),
        training=_training(metadata.training),
    )


def _front_matter(metadata: Metadata) -> str:
    lines = ["library_name: speechbrain", "license: apache-2.0", "pipeline_tag: audio-classification", "tags:"]
    lines += [f"- {tag}" for tag in ("speechbrain", "speechbrain_xser", "speech-emotion-recognition", "lora")]
    names = [backbone.source for backbone in metadata.backbones.values() if _is_hub_id(backbone.source)]
    return "\n".join(lines + (["base_model:"] + [f"- {name}" for name in names] if names else [])) + "\n"


def _is_hub_id(source: str) -> bool:
    return not source.startswith("packaged:") and not Path(source).is_absolute() and not Path(source).is_dir()


def _row(part: str, backbone: Backbone) -> str:
    source = LOCAL if Path(backbone.source).is_absolute() else f"`{backbone.source}`"
    return f"| {part} | {source} | {backbone.revision or '-'} | `{backbone.fingerprint[:12]}` |"


def _training(values: dict) -> str:
    """One line for each plain value about the run; its purpose has a section of its own."""
    shown = {name: value for name, value in values.items() if name != "purpose"}
    lines = [f"* {name}: {value if isinstance(value, str) else json.dumps(value)}" for name, value in shown.items()]
    return "\n".join(lines) or "Nothing was recorded."
