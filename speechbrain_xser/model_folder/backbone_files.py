"""What the files of a stranger's backbone may ask for, before transformers reads one of them.

A configuration of a few bytes can ask for a billion layers, labels or mel filters, which are built one by one, or for
code: of the model, of a quantisation, of an attention kernel on the hub.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from speechbrain_xser.errors import BackboneError, UnsafeModelError
from speechbrain_xser.model_folder.plain_files import check_file, read_object
from speechbrain_xser.model_folder.tokenizer_files import CONFIG as TOKENIZER_CONFIG
from speechbrain_xser.model_folder.tokenizer_files import check_tokenizer

FEATURES = "preprocessor_config.json"
MOST = 4096  # layers, labels and the like, and values in a list
COUNT = re.compile(r"(n|num|number)_.*(layer|block|label|expert|codebook|stage|head|group).*|(.*_)?layers|depth")
ATTENTION = ("eager", "sdpa", "flash_attention_2", "flash_attention_3", "flex_attention")  # any other is code
FEATURE_RANGES = {  # of a feature extractor; those of the known families lie well within
    "sampling_rate": (1000, 192_000),
    "feature_size": (1, 1024),
    "num_mel_bins": (1, 1024),
    "n_fft": (1, 16_384),
    "hop_length": (1, 16_384),
    "chunk_length": (1, 3600),
    "stride": (1, 64),
}


def check_backbone_files(folder: str | Path) -> None:
    """Refuses a backbone whose files ask for more than any model of their kind needs.

    Arguments
    ---------
    folder : str or Path
        A Hugging Face model folder.

    Raises
    ------
    UnsafeModelError
        If a file is no regular file, or a configuration names code or other files.
    BackboneError
        If a number is out of range, or a tokenizer multiplies its text.

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> _ = (folder / "config.json").write_text('{"num_hidden_layers": 20000}')
    >>> check_backbone_files(folder)
    Traceback (most recent call last):
        ...
    speechbrain_xser.errors.BackboneError: ...config.json: num_hidden_layers is 20000; expected at most 4096
    """
    folder = Path(folder)
    for path in folder.iterdir():
        if not path.is_dir():
            check_file(path)
    for path in folder.glob("*config.json"):
        content = read_object(path)
        _refuse_code(content, path)
        if path.name != TOKENIZER_CONFIG:  # its lists are tokens, which are counted apart
            _check_counts(content, path)
    if (folder / FEATURES).exists():
        _check_features(read_object(folder / FEATURES), folder / FEATURES)
    check_tokenizer(folder)


def _values(content: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    """All keys of nested mappings, each with its value."""
    waiting = [content]
    while waiting:
        for key, value in waiting.pop().items():
            yield key, value
            if isinstance(value, Mapping):
                waiting.append(value)


def _refuse_code(content: Mapping[str, object], path: Path) -> None:
    """Refuses configurations that name code or weights elsewhere; the model's own code is ``enclosed.py``'s."""
    for key, value in _values(content):
        if key.endswith("attn_implementation"):
            named = list(value.values()) if isinstance(value, Mapping) else [value]
            if any(one is not None and one not in ATTENTION for one in named):
                raise UnsafeModelError(f"{path}: {key} is {value!r}, which is code; expected {', '.join(ATTENTION)}")
        elif key == "quantization_config":
            if not isinstance(value, Mapping) or value.get("quant_method") != "bitsandbytes":
                raise UnsafeModelError(f"{path}: {key} is of another library than bitsandbytes; give plain weights")
        elif key == "transformers_weights" and value is not None:
            raise UnsafeModelError(f"{path}: {key} is {value!r}; expected weights under their usual name")


def _check_counts(content: Mapping[str, object], path: Path) -> None:
    for key, value in _values(content):
        if isinstance(value, list) and len(value) > MOST:
            raise BackboneError(f"{path}: {key} has {len(value)} values; expected at most {MOST}")
        if isinstance(value, int | float) and COUNT.fullmatch(key) and abs(value) > MOST:
            raise BackboneError(f"{path}: {key} is {value}; expected at most {MOST}")


def _check_features(content: Mapping[str, object], path: Path) -> None:
    for key, (least, most) in FEATURE_RANGES.items():
        value = content.get(key, least)
        if not isinstance(value, int) or not least <= value <= most:
            raise BackboneError(f"{path}: {key} is {value!r}; expected {least} to {most}")
