"""Tiny models of transformers, written as CTranslate2 and llama.cpp write them, and wheels that hold them.

The files are written by the formats' own rules, apart from the readers that are tested; the models themselves are the
references.
"""

import hashlib
import json
import struct
import zipfile
from pathlib import Path

import gguf
import numpy as np
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, WhisperConfig, WhisperForConditionalGeneration

from speechbrain_xser.backbones.catalogue import Backbone, Wheel
from speechbrain_xser.backbones.llama import convert_llama
from speechbrain_xser.backbones.whisper_weights import convert_whisper
from speechbrain_xser.utils.sources import fingerprint

ALPHABET = sorted(pre_tokenizers.ByteLevel.alphabet())
SPECIAL = ["<|endoftext|>", "<|startoftranscript|>", "<|startofprev|>", "<|notimestamps|>"]
CHAT = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
)
NUMBERS = {"float32": 0, "int8": 1, "int16": 2, "int32": 3, "float16": 4}


def whisper(seed: int = 0) -> WhisperForConditionalGeneration:
    """A random Whisper with two layers per side, whose values fit float16."""
    torch.manual_seed(seed)
    config = WhisperConfig(
        vocab_size=len(SPECIAL) + len(ALPHABET),
        num_mel_bins=16,
        d_model=16,
        encoder_layers=2,
        decoder_layers=2,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=24,
        decoder_ffn_dim=24,
        max_source_positions=1500,
        max_target_positions=20,
        decoder_start_token_id=1,
        **dict.fromkeys(("bos_token_id", "eos_token_id", "pad_token_id"), 0),
    )
    model = WhisperForConditionalGeneration(config).eval()
    for parameter in model.parameters():
        parameter.data = torch.randn_like(parameter).mul(0.3).half().float()
    return model


def whisper_variables(model: WhisperForConditionalGeneration) -> dict[str, np.ndarray]:
    """The variables that CTranslate2's converter writes for a Whisper."""
    weights = {name: values.numpy().astype(np.float16) for name, values in model.model.state_dict().items()}
    found = {}

    def linear(theirs: str, *ours: str) -> None:
        found[f"{theirs}/weight"] = np.concatenate([weights[f"{name}.weight"] for name in ours])
        width = len(weights[f"{ours[0]}.weight"])
        biases = [weights.get(f"{name}.bias", np.zeros(width, np.float16)) for name in ours]
        found[f"{theirs}/bias"] = np.concatenate(biases)

    def norm(theirs: str, ours: str) -> None:
        found[f"{theirs}/gamma"], found[f"{theirs}/beta"] = weights[f"{ours}.weight"], weights[f"{ours}.bias"]

    for side in ("encoder", "decoder"):
        found[f"{side}/num_heads"] = np.int16(2)
        found[f"{side}/position_encodings/encodings"] = weights[f"{side}.embed_positions.weight"]
        norm(f"{side}/layer_norm", f"{side}.layer_norm")
        for number in range(2):
            theirs, ours = f"{side}/layer_{number}", f"{side}.layers.{number}"
            norm(f"{theirs}/self_attention/layer_norm", f"{ours}.self_attn_layer_norm")
            linear(f"{theirs}/self_attention/linear_0", *(f"{ours}.self_attn.{part}_proj" for part in "qkv"))
            linear(f"{theirs}/self_attention/linear_1", f"{ours}.self_attn.out_proj")
            norm(f"{theirs}/ffn/layer_norm", f"{ours}.final_layer_norm")
            linear(f"{theirs}/ffn/linear_0", f"{ours}.fc1")
            linear(f"{theirs}/ffn/linear_1", f"{ours}.fc2")
            if side == "decoder":
                norm(f"{theirs}/attention/layer_norm", f"{ours}.encoder_attn_layer_norm")
                linear(f"{theirs}/attention/linear_0", f"{ours}.encoder_attn.q_proj")
                linear(f"{theirs}/attention/linear_1", f"{ours}.encoder_attn.k_proj", f"{ours}.encoder_attn.v_proj")
                linear(f"{theirs}/attention/linear_2", f"{ours}.encoder_attn.out_proj")
    linear("encoder/conv1", "encoder.conv1")
    linear("encoder/conv2", "encoder.conv2")
    found["decoder/embeddings/weight"] = weights["decoder.embed_tokens.weight"]
    found["decoder/scale_embeddings"] = np.int8(0)
    return found


def write_ctranslate2(
    path: Path, variables: dict[str, np.ndarray], name: str = "WhisperSpec", version: int = 6
) -> None:
    """A model file whose output layer is an alias of the embeddings."""

    def text(word: str) -> bytes:
        return struct.pack("<H", len(word) + 1) + word.encode() + b"\0"

    parts = [struct.pack("<I", version), text(name), struct.pack("<II", 3, len(variables))]
    for key, values in variables.items():
        head = struct.pack(f"<B{values.ndim}I", values.ndim, *values.shape)
        parts += [text(key), head, struct.pack("<BI", NUMBERS[str(values.dtype)], values.nbytes), values.tobytes()]
    parts += [struct.pack("<I", 1), text("decoder/projection/weight"), text("decoder/embeddings/weight")]
    path.write_bytes(b"".join(parts))


def write_whisper(folder: Path, variables: dict[str, np.ndarray]) -> None:
    """A CTranslate2 folder: model, tokenizer and suppressed tokens."""
    folder.mkdir(parents=True, exist_ok=True)
    write_ctranslate2(folder / "model.bin", variables)
    tokens = Tokenizer(models.BPE({token: number for number, token in enumerate([*SPECIAL, *ALPHABET])}, []))
    tokens.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokens.add_special_tokens(SPECIAL)
    tokens.save(str(folder / "tokenizer.json"))
    suppressed = {"alignment_heads": [[1, 0]], "suppress_ids": [2], "suppress_ids_begin": [0]}
    (folder / "config.json").write_text(json.dumps(suppressed))


def llama(seed: int = 0) -> LlamaForCausalLM:
    """A random Llama with more queries than keys; its rows fit blocks of 32 and its values fit bfloat16."""
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=5 + len(ALPHABET),
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=128,
        rms_norm_eps=1e-5,
        tie_word_embeddings=True,
        rope_parameters={"rope_theta": 1e4, "rope_type": "default"},
    )
    model = LlamaForCausalLM(config).eval()
    for parameter in model.parameters():
        parameter.data = torch.randn_like(parameter).mul(0.3).bfloat16().float()
    return model


def in_pairs(rows: np.ndarray, heads: int) -> np.ndarray:
    """Rows of queries or keys in llama.cpp's order: rows rotated together are neighbours."""
    width = len(rows) // heads
    firsts = [head * width + place for head in range(heads) for place in range(width // 2)]
    return rows[[row for first in firsts for row in (first, first + width // 2)]]


def write_gguf(path: Path, model: LlamaForCausalLM, kind: str = "F32", cut: str = "smollm", **more: np.ndarray) -> None:
    """A GGUF file with a byte tokenizer; the layers' matrices have the given type."""
    path.parent.mkdir(parents=True, exist_ok=True)
    config, writer = model.config, gguf.GGUFWriter(path, "llama")
    _write_head(writer, config, cut)
    weights = {name: values.numpy() for name, values in model.state_dict().items()}
    writer.add_tensor("token_embd.weight", weights["model.embed_tokens.weight"])
    writer.add_tensor("output_norm.weight", weights["model.norm.weight"])
    for number in range(config.num_hidden_layers):
        ours = f"model.layers.{number}"
        for name, part in (("attn_norm", "input_layernorm"), ("ffn_norm", "post_attention_layernorm")):
            writer.add_tensor(f"blk.{number}.{name}.weight", weights[f"{ours}.{part}.weight"])
        attention = {name: weights[f"{ours}.self_attn.{name}_proj.weight"] for name in "qkvo"}
        feed = {name: weights[f"{ours}.mlp.{name}_proj.weight"] for name in ("gate", "up", "down")}
        matrices = {
            "attn_q": in_pairs(attention["q"], config.num_attention_heads),
            "attn_k": in_pairs(attention["k"], config.num_key_value_heads),
            "attn_v": attention["v"],
            "attn_output": attention["o"],
            **{f"ffn_{name}": values for name, values in feed.items()},
        }
        for name, values in matrices.items():
            _add(writer, f"blk.{number}.{name}.weight", values, gguf.GGMLQuantizationType[kind])
    for name, values in more.items():
        writer.add_tensor(name, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _add(writer: gguf.GGUFWriter, name: str, values: np.ndarray, kind: gguf.GGMLQuantizationType) -> None:
    writer.add_tensor(name, gguf.quantize(np.ascontiguousarray(values), kind), raw_dtype=kind)


def _write_head(writer: gguf.GGUFWriter, config: LlamaConfig, cut: str) -> None:
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_rope_freq_base(1e4)
    writer.add_rope_dimension_count(config.hidden_size // config.num_attention_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_vocab_size(config.vocab_size)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(cut)
    tokens = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", *ALPHABET, "in", "Ġ1"]
    control, normal = gguf.TokenType.CONTROL, gguf.TokenType.NORMAL
    writer.add_token_list(tokens)
    writer.add_token_types([control] * 3 + [normal] * (len(tokens) - 3))
    writer.add_token_merges(["i n", "Ġ 1"])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_pad_token_id(2)
    writer.add_chat_template(CHAT)


def fake_backbones(wheels: Path, work: Path) -> tuple[Backbone, Backbone]:
    """Two backbones as in the catalogue, and their wheels in a folder."""
    write_whisper(work / "whisper" / "fake_whisper" / "model", whisper_variables(whisper()))
    write_gguf(work / "llama" / "fake_llama" / "a.gguf", llama(), "Q4_1")
    return (
        _fake("whisper", "fake_whisper/model", convert_whisper, wheels, work),
        _fake("llama", "fake_llama", convert_llama, wheels, work),
    )


def _fake(name: str, inside: str, convert, wheels: Path, work: Path) -> Backbone:
    """One of them, with the fingerprint of a folder made here."""
    package = f"fake-{name}"
    content = _write_wheel(wheels, package, work / name)
    sha256 = hashlib.sha256(content.read_bytes()).hexdigest()
    made = work / f"{name} made"
    made.mkdir()
    convert(work / name / inside, made)
    size = sum(path.stat().st_size for path in made.iterdir())
    wheel = Wheel(package, "1.0", content.stat().st_size, sha256)
    return Backbone(name, f"A fake {name}", "MIT", "nowhere", wheel, inside, convert, size, fingerprint(made))


def _write_wheel(wheels: Path, package: str, folder: Path) -> Path:
    """A wheel that pip accepts, with all files of a folder."""
    wheels.mkdir(parents=True, exist_ok=True)
    name = package.replace("-", "_")
    path, head = wheels / f"{name}-1.0-py3-none-any.whl", f"{name}-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.rglob("*.*")):
            archive.write(file, file.relative_to(folder))
        archive.writestr(f"{head}/METADATA", f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        archive.writestr(f"{head}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{head}/RECORD", "")
    return path
