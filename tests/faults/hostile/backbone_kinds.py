"""Hostile configurations of backbones that lie inside a folder."""

from __future__ import annotations

from speechbrain_xser.errors import BackboneError, CheckpointError, UnsafeModelError
from tests.faults.hostile.corpus import INSIDE, json_file, kind, seal, sparse_tensors


def _configure(folder, name, **values):
    """Changes values of a backbone's JSON file, and states its new fingerprint."""
    with json_file(folder, name) as config:
        config.update(values)
    seal(folder)


@kind(BackboneError, "num_hidden_layers", INSIDE)
def twenty_thousand_layers_of_an_llm(folder):
    _configure(folder, "llm/config.json", num_hidden_layers=20000)


@kind(BackboneError, "num_hidden_layers", INSIDE)
def twenty_thousand_layers_of_an_encoder(folder):
    _configure(folder, "encoder/config.json", num_hidden_layers=20000)


@kind(BackboneError, "conv_dim", INSIDE)
def a_hundred_thousand_convolutions(folder):
    many = {"conv_dim": [32] * 100_000, "conv_kernel": [3] * 100_000, "conv_stride": [1] * 100_000}
    _configure(folder, "encoder/config.json", num_feat_extract_layers=100_000, **many)


@kind(BackboneError, "weights", INSIDE)
def an_llm_of_a_hundred_thousand_units(folder):
    _configure(folder, "llm/config.json", hidden_size=100_000, intermediate_size=400_000)


@kind(BackboneError, "weights", INSIDE)
def an_encoder_of_a_hundred_thousand_units(folder):
    _configure(folder, "encoder/config.json", hidden_size=100_000, intermediate_size=400_000)


@kind(BackboneError, "weights", INSIDE)
def a_vocabulary_of_a_billion(folder):
    _configure(folder, "llm/config.json", vocab_size=10**9)


@kind(BackboneError, "num_labels", INSIDE)
def a_billion_labels(folder):
    _configure(folder, "llm/config.json", num_labels=10**9)


@kind(BackboneError, "", INSIDE)
def a_billion_positions_of_convolution(folder):
    _configure(folder, "encoder/config.json", num_conv_pos_embeddings=10**9)


@kind(BackboneError, "num_hidden_layers", INSIDE)
def a_billion_layer_types(folder):
    _configure(folder, "llm/config.json", model_type="qwen3", num_hidden_layers=10**9, use_sliding_window=True)


@kind(BackboneError, "", INSIDE)
def a_model_type_that_nobody_knows(folder):
    _configure(folder, "llm/config.json", model_type="no_such_model")


@kind(BackboneError, "", INSIDE)
def an_encoder_that_is_no_encoder(folder):
    _configure(folder, "encoder/config.json", model_type="llama")


@kind(BackboneError, "", INSIDE)
def a_size_that_is_a_word(folder):
    _configure(folder, "llm/config.json", hidden_size="large")


@kind(BackboneError, "", INSIDE)
def a_size_of_nought(folder):
    _configure(folder, "llm/config.json", hidden_size=0, num_attention_heads=0)


@kind(BackboneError, "", INSIDE)
def an_activation_that_is_none(folder):
    _configure(folder, "llm/config.json", hidden_act="os.system")


@kind(BackboneError, "", INSIDE)
def rope_of_an_unknown_type(folder):
    _configure(folder, "llm/config.json", rope_parameters={"rope_type": "spiral", "rope_theta": "x"})


@kind(UnsafeModelError, "auto_map", INSIDE)
def a_configuration_that_names_code(folder):
    _configure(folder, "llm/config.json", auto_map={"AutoConfig": "own.Config"}, model_type="own")


@kind(UnsafeModelError, "attn_implementation", INSIDE)
def attention_whose_code_is_on_the_hub(folder):
    _configure(folder, "llm/config.json", attn_implementation="kernels-community/flash-attn")


@kind(UnsafeModelError, "quantization_config", INSIDE)
def weights_of_a_foreign_quantisation(folder):
    _configure(folder, "llm/config.json", quantization_config={"quant_method": "gptq", "bits": 4})


@kind(UnsafeModelError, "transformers_weights", INSIDE)
def a_configuration_that_names_other_weights(folder):
    _configure(folder, "llm/config.json", transformers_weights="../model.safetensors")


@kind(BackboneError, "sampling_rate", INSIDE)
def a_billion_samples_a_second(folder):
    _configure(folder, "encoder/preprocessor_config.json", sampling_rate=10**9)


@kind(BackboneError, "sampling_rate", INSIDE)
def no_samples_a_second(folder):
    _configure(folder, "encoder/preprocessor_config.json", sampling_rate=0)


@kind(BackboneError, "sampling_rate", INSIDE)
def a_sampling_rate_that_is_a_word(folder):
    _configure(folder, "encoder/preprocessor_config.json", sampling_rate="fast")


def _whisper(folder, **values):
    """Puts a Whisper in the encoder's place, whose features can be of any size."""
    from speechbrain_xser.testing import tiny_encoder_folder

    for path in (folder / "encoder").iterdir():
        path.unlink()
    tiny_encoder_folder(folder / "encoder", "whisper")
    _configure(folder, "encoder/preprocessor_config.json", **values)


@kind(BackboneError, "n_fft", INSIDE)
def a_spectrum_of_a_billion_bins(folder):
    _whisper(folder, n_fft=10**9)


@kind(BackboneError, "feature_size", INSIDE)
def a_billion_mel_filters(folder):
    _whisper(folder, feature_size=10**9)


@kind(BackboneError, "chunk_length", INSIDE)
def clips_that_are_padded_to_thirty_years(folder):
    _whisper(folder, chunk_length=10**9)


@kind(BackboneError, "hop_length", INSIDE)
def a_hop_of_nothing(folder):
    _whisper(folder, hop_length=0)


@kind(UnsafeModelError, "keys and values", INSIDE)
def a_configuration_that_is_a_list(folder):
    (folder / "encoder" / "config.json").write_text("[1]")
    seal(folder)


@kind(UnsafeModelError, "", INSIDE)
def an_index_of_shards_elsewhere(folder):
    (folder / "llm" / "model.safetensors.index.json").write_text('{"weight_map": {"a": "../../x.safetensors"}}')
    seal(folder)


@kind(BackboneError, "no weights", INSIDE)
def an_index_of_shards_that_are_missing(folder):
    (folder / "llm" / "model.safetensors").unlink()
    shards = '{"weight_map": {"a": "model-00001-of-00001.safetensors"}}'
    (folder / "llm" / "model.safetensors.index.json").write_text(shards)


@kind(UnsafeModelError, "keys and values", INSIDE)
def generation_settings_that_are_a_list(folder):
    (folder / "llm" / "generation_config.json").write_text("[1, 2]")


@kind(CheckpointError, "no model can be built", INSIDE)
def an_end_token_that_is_a_mapping(folder):
    (folder / "llm" / "generation_config.json").write_text('{"eos_token_id": {"a": 1}}')


@kind(CheckpointError, "no model can be built", INSIDE)
def end_tokens_of_two_types(folder):
    (folder / "llm" / "generation_config.json").write_text('{"eos_token_id": [4, "x"]}')


@kind(UnsafeModelError, "sparse", INSIDE)
def a_hundred_gigabytes_of_weights_that_are_not_there(folder):
    _configure(folder, "llm/config.json", vocab_size=10**8)
    sparse_tensors(folder / "llm" / "model.safetensors", {"model.embed_tokens.weight": [10**8, 192]})
