"""Tiny random models and manifests, for our tests and for anybody's: no download, a fraction of a second each.

They are real Hugging Face folders and real wav files, so a test runs the code of the full-size models; their answers
mean nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import soundfile
import torch

from speechbrain_xser.stages import BRANCHES

if TYPE_CHECKING:
    from transformers import FeatureExtractionMixin, PreTrainedModel

    from speechbrain_xser.model import ExplainableSER

SAMPLE_RATE = 16_000
WIDTH = 32
SENTENCES = (
    "kids are talking by the door",
    "dogs are sitting by the door",
    "it is eleven o'clock",
    "the way he talks about people",
    'an old man with low pitch and moderate volume says slowly "that is exactly what happened"',
    "a young woman with high pitch speaks fast, her anger evident in her voice",
    "You are a helpful language and speech assistant.",
    "Please caption the input audio according to content and speech descriptor-related information.",
    "Please transcribe the input audio.",
    "neutral happy sad angry surprised fearful disgusted",
    "system user assistant",
)


def tiny_encoder_folder(
    folder: str | Path,
    kind: Literal["hubert", "wavlm", "wav2vec2", "data2vec-audio", "wav2vec2-bert", "whisper"] = "hubert",
    norm: Literal["layer", "group"] = "layer",
    seed: int = 0,
) -> str:
    """Writes a random speech encoder of width 32 and 3 layers with the hop of the large models, 320 samples.

    Of Whisper it is a whole checkpoint, with a decoder.

    Arguments
    ---------
    folder : str or Path
        Where to write ``config.json``, ``model.safetensors`` and ``preprocessor_config.json``.
    kind : str
        The family of the model.
    norm : str
        Of HuBERT, WavLM and wav2vec 2.0: "layer" is built as the large models are (each utterance normalised, pre-norm
        transformer), "group" as the base models (group norm after the first convolution, post-norm transformer).
    seed : int
        Seed of the weights.

    Returns
    -------
    str
        The folder.

    Example
    -------
    >>> import tempfile
    >>> folder = tiny_encoder_folder(tempfile.mkdtemp())
    >>> sorted(path.name for path in Path(folder).iterdir())
    ['config.json', 'model.safetensors', 'preprocessor_config.json']
    """
    makers = {"whisper": _whisper, "wav2vec2-bert": _wav2vec2_bert}
    build, extractor = makers.get(kind, partial(_wav2vec2, kind, norm))()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        build().save_pretrained(folder)
    (Path(folder) / "generation_config.json").unlink(missing_ok=True)
    extractor.save_pretrained(folder)
    return str(folder)


def _wav2vec2(kind: str, norm: str) -> tuple[Callable[[], PreTrainedModel], FeatureExtractionMixin]:
    """A model that convolves the waveform, and its extractor."""
    import transformers

    name = {"hubert": "Hubert", "wavlm": "WavLM", "wav2vec2": "Wav2Vec2", "data2vec-audio": "Data2VecAudio"}[kind]
    large = norm == "layer"
    options = {"feat_extract_norm": norm, "do_stable_layer_norm": large, "num_conv_pos_embeddings": 16}
    if kind == "data2vec-audio":
        options = {"num_conv_pos_embeddings": 3}
    config = getattr(transformers, f"{name}Config")(
        hidden_size=WIDTH,
        num_hidden_layers=3,
        num_attention_heads=4,
        intermediate_size=64,
        conv_dim=(16,) * 7,
        conv_bias=large,
        num_conv_pos_embedding_groups=4,
        **options,
    )
    extractor = transformers.Wav2Vec2FeatureExtractor(do_normalize=large, return_attention_mask=large)
    return partial(getattr(transformers, f"{name}Model"), config), extractor


def _wav2vec2_bert() -> tuple[Callable[[], PreTrainedModel], FeatureExtractionMixin]:
    """A conformer over a filterbank, and its extractor."""
    import transformers

    config = transformers.Wav2Vec2BertConfig(
        hidden_size=WIDTH,
        num_hidden_layers=3,
        num_attention_heads=4,
        intermediate_size=64,
        conv_depthwise_kernel_size=7,
    )
    return partial(transformers.Wav2Vec2BertModel, config), transformers.SeamlessM4TFeatureExtractor()


def tiny_recognizer_folder(folder: str | Path, seed: int = 0) -> str:
    """Writes a random Whisper of width 32 with its decoder, its extractor, and a tokenizer of a few sentences.

    Arguments
    ---------
    folder : str or Path
        Where to write.
    seed : int
        Seed of the weights.

    Returns
    -------
    str
        The folder.

    Example
    -------
    >>> import tempfile
    >>> from transformers import AutoModelForSpeechSeq2Seq
    >>> AutoModelForSpeechSeq2Seq.from_pretrained(tiny_recognizer_folder(tempfile.mkdtemp())).config.d_model
    32
    """
    from speechbrain_xser.decoder.vocabulary import train_tokenizer

    tokenizer = train_tokenizer(SENTENCES)
    build, extractor = _whisper(len(tokenizer), positions=400)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        build().save_pretrained(folder)
    for part in (tokenizer, extractor):
        part.save_pretrained(folder)
    return str(folder)


def _whisper(
    vocabulary: int = 16, positions: int = 8
) -> tuple[Callable[[], PreTrainedModel], FeatureExtractionMixin]:
    """A Whisper of 30 s with encoder and decoder, and its extractor."""
    import transformers

    config = transformers.WhisperConfig(
        vocab_size=vocabulary,
        d_model=WIDTH,
        encoder_layers=3,
        encoder_attention_heads=4,
        encoder_ffn_dim=64,
        decoder_layers=1,
        decoder_attention_heads=4,
        decoder_ffn_dim=64,
        max_target_positions=positions,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        decoder_start_token_id=1,
        suppress_tokens=None,
        begin_suppress_tokens=None,
    )
    return partial(transformers.WhisperForConditionalGeneration, config), transformers.WhisperFeatureExtractor()


def tiny_llm_folder(folder: str | Path, seed: int = 0) -> str:
    """Writes a random Llama of width 32 and 2 layers, and a tokenizer trained on a few sentences in this call.

    Arguments
    ---------
    folder : str or Path
        Where to write the model and its ``tokenizer.json``.
    seed : int
        Seed of the weights.

    Returns
    -------
    str
        The folder.

    Example
    -------
    >>> import tempfile
    >>> from transformers import AutoTokenizer
    >>> tokenizer = AutoTokenizer.from_pretrained(tiny_llm_folder(tempfile.mkdtemp()))
    >>> tokenizer.eos_token, tokenizer.pad_token
    ('<|eot_id|>', '<|pad|>')
    """
    from transformers import LlamaConfig, LlamaForCausalLM

    from speechbrain_xser.decoder.vocabulary import train_tokenizer

    tokenizer = train_tokenizer(SENTENCES)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=WIDTH,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=1024,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


def tiny_manifest(folder: str | Path, clips: int = 8, seed: int = 0, split: str = "train") -> str:
    """Writes a JSONL manifest of noisy tones of 0.5 to 2 s at 16 kHz, with every field of the record filled in.

    Pitch and volume are true of the tones; everything else is made up.

    Arguments
    ---------
    folder : str or Path
        Where to write ``SPLIT.jsonl`` and ``SPLIT/*.wav``.
    clips : int
        Number of clips.
    seed : int
        Seed of lengths, tones and labels.
    split : str
        Name of the split and of the manifest.

    Returns
    -------
    str
        Path of the manifest.

    Example
    -------
    >>> import tempfile
    >>> manifest = tiny_manifest(tempfile.mkdtemp(), clips=3)
    >>> len(Path(manifest).read_text(encoding="utf-8").splitlines())
    3
    """
    folder = Path(folder)
    (folder / split).mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(seed)
    lines = [json.dumps(_clip(folder / split, split, index, random)) for index in range(clips)]
    manifest = folder / f"{split}.jsonl"
    manifest.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(manifest)


def _clip(folder: Path, split: str, index: int, random: np.random.Generator) -> dict:
    """Writes one tone and returns its manifest entry."""
    pitch, volume = random.choice(["low", "normal", "high"], 2)
    samples = int(random.integers(SAMPLE_RATE // 2, 2 * SAMPLE_RATE))
    tone = np.sin(2 * np.pi * {"low": 110, "normal": 220, "high": 440}[pitch] * np.arange(samples) / SAMPLE_RATE)
    tone = {"low": 0.02, "normal": 0.1, "high": 0.5}[volume] * (tone + 0.05 * random.standard_normal(samples))
    wav = folder / f"{index:03d}.wav"
    soundfile.write(wav, tone, SAMPLE_RATE)
    return _labels(f"{split}-{index:03d}", str(wav), samples / SAMPLE_RATE, str(pitch), str(volume), split, random)


def _labels(
    name: str, wav: str, seconds: float, pitch: str, volume: str, split: str, random: np.random.Generator
) -> dict:
    """A manifest entry with made-up words and a made-up speaker."""
    from speechbrain_xser.answer.record import AGES, EMOTIONS, GENDERS, INTONATIONS, SPEEDS

    transcript = SENTENCES[random.integers(4)]
    return {
        "id": name,
        "wav": wav,
        "start": None,
        "stop": None,
        "duration": seconds,
        "speaker": f"{split}-{random.integers(4)}",
        "transcript": transcript,
        "emotion": str(random.choice(EMOTIONS)),
        "gender": str(random.choice(GENDERS)),
        "age": str(random.choice(AGES)),
        "pitch": pitch,
        "volume": volume,
        "speed": str(random.choice(SPEEDS)),
        "intonation": str(random.choice(INTONATIONS)),
        "emphasis": [transcript.split()[-1]],
        "tone": None,
        "topic": None,
        "description": None,
        "caption": None,
        "split": split,
    }


def tiny_lobes(
    folder: str | Path,
    branches: Sequence[str] = BRANCHES,
    latent: int | None = 8,
    stack: int = 5,
    hidden: int = 16,
    level_feature: bool = False,
    hears: Sequence[str] | None = None,
    **llm,
) -> dict:
    """What builds each lobe of :func:`tiny_model`, as ``hparams/model.yaml`` gives it to ``build_model``.

    Arguments
    ---------
    folder : str or Path
        Where the two backbone folders ``encoder`` and ``llm`` are written (and used again if they are there).
    branches : sequence of str
        Their names, in the order of their slots.
    latent : int, optional
        Size of each bottleneck; ``None`` for none.
    stack, hidden : int
        Of each adapter.
    level_feature : bool
        Gives the descriptor branch the utterance's level.
    hears : sequence of str, optional
        The branches that a classifier pools, in a system without an LLM.
    **llm
        Arguments of ``LLMDecoder`` that shall differ.

    Returns
    -------
    dict
        ``encoder``, ``branches`` and ``decoder``.

    Example
    -------
    >>> lobes = tiny_lobes(getfixture("tmp_path"), branches=["content", "descriptor", "speaker"])
    >>> list(lobes["branches"]), lobes["decoder"].keywords["template"].slots[2]
    (['content', 'descriptor', 'speaker'], 'speaker')
    """
    from speechbrain_xser.decoder.decoder import LLMDecoder
    from speechbrain_xser.decoder.heads import HeadsDecoder
    from speechbrain_xser.decoder.prompt import PromptTemplate
    from speechbrain_xser.lobes.adapter import Adapter
    from speechbrain_xser.lobes.bottleneck import build_bottleneck
    from speechbrain_xser.lobes.branch import build_branch
    from speechbrain_xser.lobes.encoder import FrozenEncoder

    for name, write in (("encoder", tiny_encoder_folder), ("llm", tiny_llm_folder)):
        if not Path(folder, name).exists():
            write(Path(folder, name))
    adapter = partial(Adapter, stack=stack, hidden=hidden)
    bottlenecks = {
        name: partial(build_bottleneck, latent=latent, level_feature=level_feature and name == "descriptor")
        for name in branches
    }
    template = PromptTemplate(slots=tuple(branches))
    defaults = {"source": str(Path(folder, "llm")), "dtype": "float32", "template": template}
    return {
        "encoder": partial(FrozenEncoder, source=str(Path(folder, "encoder"))),
        "branches": {name: partial(build_branch, bottleneck=one, adapter=adapter) for name, one in bottlenecks.items()},
        "decoder": partial(LLMDecoder, **{**defaults, **llm}) if hears is None else partial(HeadsDecoder, hears=hears),
    }


def tiny_model(folder: str | Path, **values) -> ExplainableSER:
    """Builds the whole model from tiny random backbones, in float32.

    Arguments
    ---------
    folder : str or Path
        As for :func:`tiny_lobes`.
    **values
        Arguments of :func:`tiny_lobes`.

    Returns
    -------
    ExplainableSER
        A model with a latent of 8 and an adapter of 16.

    Example
    -------
    >>> import tempfile
    >>> from speechbrain_xser.stages import SER_STAGE
    >>> model = tiny_model(tempfile.mkdtemp())
    >>> tokens = model.encode(torch.randn(2, 9000), torch.tensor([9000, 400]), SER_STAGE)
    >>> tokens["descriptor"].counts.tolist()
    [5, 1]
    """
    from speechbrain_xser.model import build_model

    lobes = tiny_lobes(folder, **values)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return build_model(**lobes)
