"""The whole model without a Brain: what each stage computes, trains and keeps."""

from functools import partial
from pathlib import Path

import pytest
import torch
from hyperpyyaml import load_hyperpyyaml

from speechbrain_xser.decoder.heads import HeadsDecoder
from speechbrain_xser.errors import PromptError
from speechbrain_xser.lobes.bottleneck import build_bottleneck
from speechbrain_xser.lobes.branch import build_branch
from speechbrain_xser.model import build_model
from speechbrain_xser.model_folder.lobes import KNOWN, NEVER_SAID, plain
from speechbrain_xser.stages import ASR_STAGE, SER_STAGE, STAGES, Mode
from speechbrain_xser.testing import tiny_encoder_folder, tiny_llm_folder, tiny_lobes, tiny_model

HPARAMS = Path(__file__).parents[1] / "hparams" / "model.yaml"
SAMPLES = torch.tensor([16000, 9000, 300])
WAVS = 0.1 * torch.randn(3, 16000, generator=torch.Generator().manual_seed(0))
WAVS = WAVS * (torch.arange(16000) < SAMPLES[:, None])
ANSWERS = ["the way he talks about people", 'says "<Content> <Speech descriptor>"', ""]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("backbones")
    tiny_encoder_folder(folder / "encoder")
    tiny_llm_folder(folder / "llm")
    return folder


@pytest.fixture
def model(folder):
    """With large soft tokens and a LoRA that is not zero, so that answers depend on the audio."""
    model = tiny_model(folder)
    generator = torch.Generator().manual_seed(3)
    for name, parameter in model.named_parameters():
        if "lora_B" in name or "adapter.output.weight" in name:
            parameter.data.copy_(0.5 * torch.randn(parameter.shape, generator=generator))
    return model.eval()


def parts_with_gradient(model):
    names = (name for name, parameter in model.named_parameters() if parameter.grad is not None)
    names = (name.removeprefix("branches.") for name in names)
    return {name.split(".")[0] + ("" if ".lora_" in name or "llm" not in name else " base") for name in names}


def backward(model, stage):
    output = model.train()(WAVS, SAMPLES, stage, ANSWERS)
    loss = torch.nn.functional.cross_entropy(output.answer.logits, output.answer.targets)
    for branch in output.branches.values():
        if branch.latent.kl.requires_grad:
            loss = loss + branch.latent.kl.mean()
    loss.backward()
    return output


@pytest.mark.parametrize(
    "stage, parts",
    [(ASR_STAGE, {"content", "decoder"}), (SER_STAGE, {"descriptor", "decoder"})],
    ids=lambda value: getattr(value, "name", None),
)
def test_gradient_reaches_the_parts_that_the_stage_trains_and_no_other(model, stage, parts):
    backward(model, stage)
    assert parts_with_gradient(model) == parts


def test_joint_training_reaches_both_branches(model):
    backward(model, STAGES["joint"])
    assert parts_with_gradient(model) == {"content", "descriptor", "decoder"}


def test_a_branch_that_is_off_is_not_computed(model):
    model.branches.descriptor.bottleneck.register_forward_hook(lambda *_: pytest.fail("computed"))
    assert model(WAVS, SAMPLES, ASR_STAGE, ANSWERS).branches.keys() == {"content"}


def test_a_branch_that_is_off_leaves_zero_tokens_of_its_own_length(model):
    content, descriptor = model.encode(WAVS, SAMPLES, ASR_STAGE).values()
    assert descriptor.embeddings.abs().sum() == 0
    assert descriptor.counts.tolist() == content.counts.tolist() == [9, 5, 1]  # 49, 27 and 1 frames, 5 a token


def test_a_frozen_branch_gives_its_mean_while_the_other_one_samples(model):
    first, second = (model.train()(WAVS, SAMPLES, SER_STAGE, ANSWERS) for _ in range(2))
    latent = first.branches["content"].latent
    assert torch.equal(latent.z[0], latent.posterior.mean[0])
    same = {
        name: torch.equal(output.tokens.embeddings, second.branches[name].tokens.embeddings)
        for name, output in first.branches.items()
    }
    assert same == {"content": True, "descriptor": False}


def test_each_utterance_gives_what_it_gives_alone(model):
    output = model(WAVS, SAMPLES, SER_STAGE, ANSWERS)
    for row, samples in enumerate(SAMPLES.tolist()):
        alone = model(WAVS[row : row + 1, :samples], SAMPLES[row : row + 1], SER_STAGE, ANSWERS[row : row + 1])
        torch.testing.assert_close(
            output.answer.logits[output.answer.rows == row], alone.answer.logits, atol=1e-4, rtol=0
        )


def test_each_utterance_is_answered_as_it_is_alone(model):
    together = model.generate(WAVS, SAMPLES, max_new_tokens=12)
    alone = [
        model.generate(WAVS[row : row + 1, :samples], SAMPLES[row : row + 1], max_new_tokens=12)[0]
        for row, samples in enumerate(SAMPLES.tolist())
    ]
    assert together == alone and len(set(together)) > 1


def test_answers_depend_on_the_audio_of_both_branches(model):
    logits = model(WAVS, SAMPLES, SER_STAGE, ANSWERS).answer.logits
    for branch in ("content", "descriptor"):
        alone = SER_STAGE._replace(branches={branch: Mode.TRAIN})
        assert (logits - model(WAVS, SAMPLES, alone, ANSWERS).answer.logits).abs().max() > 1e-3


def test_the_instruction_is_the_stages(model):
    other = SER_STAGE._replace(instruction=ASR_STAGE.instruction)
    differ = [model(WAVS, SAMPLES, stage, ANSWERS).answer.logits for stage in (SER_STAGE, other)]
    assert not torch.allclose(*differ, atol=1e-5)


def test_the_encoder_stays_in_eval_whatever_train_says(model):
    model.train()
    assert model.decoder.training and not any(module.training for module in model.encoder.modules())


def test_generation_is_the_same_in_train_mode_and_leaves_it(model):
    expected = model.generate(WAVS, SAMPLES, max_new_tokens=6)
    assert model.train().generate(WAVS, SAMPLES, max_new_tokens=6) == expected
    assert model.training and model.branches.descriptor.training and not model.encoder.training


def test_a_frozen_decoder_drops_nothing_out_and_passes_gradients_on(model):
    stage = SER_STAGE._replace(branches={"descriptor": Mode.TRAIN}, decoder=Mode.FROZEN)
    torch.manual_seed(0)
    first = model.train()(WAVS, SAMPLES, stage, ANSWERS).answer.logits
    torch.manual_seed(0)
    model.eval().branches.descriptor.train()
    assert torch.equal(first, model(WAVS, SAMPLES, stage, ANSWERS).answer.logits)
    first.sum().backward()
    assert model.branches.descriptor.adapter.output.weight.grad.abs().sum() > 0


def test_the_state_is_branches_and_lora_only(model):
    names = set(model.state_dict())
    assert {name.split(".")[0] for name in names} == {"branches", "decoder"}
    assert all(".lora_" in name for name in names if name.startswith("decoder."))


@pytest.mark.slow
def test_a_saved_state_loads_strictly_and_answers_the_same(model, folder):
    other = tiny_model(folder).eval()
    assert other.generate(WAVS, SAMPLES, max_new_tokens=8) != model.generate(WAVS, SAMPLES, max_new_tokens=8)
    other.load_state_dict(model.state_dict(), strict=True)
    assert other.generate(WAVS, SAMPLES, max_new_tokens=8) == model.generate(WAVS, SAMPLES, max_new_tokens=8)


def test_a_state_of_another_latent_size_is_refused_by_name(model, folder):
    with pytest.raises(RuntimeError, match=r"(?s)mismatch for branches\.content\.bottleneck.*descriptor\.bottleneck"):
        tiny_model(folder, latent=4).load_state_dict(model.state_dict())


def test_a_missing_branch_is_refused_by_name(model):
    whole = model.state_dict()
    state = {name: tensor for name, tensor in whole.items() if "descriptor.adapter" not in name}
    with pytest.raises(RuntimeError, match=r"Missing key.*descriptor\.adapter\.hidden\.weight"):
        model.load_state_dict(state)


def test_the_level_is_a_feature_of_the_descriptor_branch_only(folder):
    names = set(tiny_model(folder, level_feature=True).state_dict()) - set(tiny_model(folder).state_dict())
    assert names and all(name.startswith("branches.descriptor.") for name in names)


def test_an_utterance_beyond_the_context_is_refused_with_its_length(model):
    seconds = torch.zeros(1, 16000 * 60)
    with pytest.raises(PromptError, match=r"Row 0 has 1\d\d\d tokens.*context is 1024"):
        model(seconds, torch.tensor([16000 * 60]), SER_STAGE, ["by the door"])


def test_the_yaml_says_every_argument_of_every_lobe_and_only_those():
    hparams = load_hyperpyyaml(HPARAMS.read_text(encoding="utf-8"))
    for name in ("speech_encoder", "llm", "heads", "adapter"):
        known, said = KNOWN[hparams[name].func.__name__], set(hparams[name].keywords)
        unsaid = {"emotions", "transcribes"} if name == "heads" else set()
        assert said - set(NEVER_SAID) == set(known.arguments) - unsaid


def test_the_yamls_values_are_the_defaults_of_the_lobes():
    hparams = load_hyperpyyaml(HPARAMS.read_text(encoding="utf-8"))
    defaults = plain({"branches": {name: build_branch for name in ("content", "descriptor")}, "heads": HeadsDecoder})
    assert plain({name: hparams[name] for name in defaults}) == defaults
    for name in ("speech_encoder", "llm"):
        said = partial(hparams[name].func, source=hparams[name].keywords["source"])
        assert plain(hparams[name]) == plain(said)


def test_a_lobe_can_be_given_as_it_is_or_as_what_builds_it(model, folder):
    given = tiny_lobes(folder)
    whole = build_model(model.encoder, {**given["branches"], "content": model.branches.content}, model.decoder)
    assert whole.encoder is model.encoder and whole.branches.content is model.branches.content
    assert whole.branches.descriptor is not model.branches.descriptor


def test_a_bottleneck_of_ones_own_takes_the_place_of_ours(folder):
    class Silence(torch.nn.Module):
        def __init__(self, layer_count, width):
            super().__init__()
            self.inner = build_bottleneck(layer_count, width, latent=6)
            self.size = 6

        def forward(self, states):
            return self.inner(states)._replace(kl=torch.zeros(states.layers.shape[1:3]))

    given = tiny_lobes(folder)
    given["branches"]["descriptor"] = partial(build_branch, bottleneck=Silence)
    output = build_model(**given)(WAVS, SAMPLES, SER_STAGE, ANSWERS)
    assert output.branches["descriptor"].latent.z.shape[2] == 6 and not output.branches["descriptor"].latent.kl.any()
