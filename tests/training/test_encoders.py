"""Other encoders in a recipe's YAML: from the command line to a folder that answers."""

import json
import shutil
from functools import partial
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from torch import nn

from speechbrain_xser.cli.main import xser
from speechbrain_xser.errors import BackboneError, SettingsError
from speechbrain_xser.evidence.localization import where_in_time
from speechbrain_xser.inference import ExplainableEmotionRecognizer
from speechbrain_xser.lobes import FrozenEncoder, LayerStates
from speechbrain_xser.lobes.states import check_max_seconds, level_db
from speechbrain_xser.model import build_model
from speechbrain_xser.model_folder.feature_cache import keep_features
from speechbrain_xser.model_folder.release import OWN_ENCODER, release_folder
from speechbrain_xser.model_folder.save import write_model_folder
from speechbrain_xser.model_folder.settings import complete_settings
from speechbrain_xser.probing.model_probes import probe_model
from speechbrain_xser.stages import SER_STAGE
from speechbrain_xser.testing import tiny_encoder_folder, tiny_lobes, tiny_manifest
from speechbrain_xser.training.recipe_yaml import load_recipe
from speechbrain_xser.training.run import make_model, merged
from speechbrain_xser.training.work import soft_tokens_a_second
from tests.training.test_recipe import ROOT, script  # noqa: F401

TINY = str(ROOT / "recipes" / "Tiny" / "hparams" / "train.yaml")


class Framer(nn.Module):
    """Samples of each 40 ms, 25 frames a second, as a single layer; its scale is a weight that does not train."""

    layer_count, width, sample_rate, frame_rate = 1, 640, 16000, 25.0

    def __init__(self, scale=1.0):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(float(scale)), requires_grad=False)

    def frame_counts(self, samples):
        return (samples // self.width).clamp(min=1)

    def forward(self, wavs, samples):
        wavs = nn.functional.pad(wavs, (0, max(0, self.width - wavs.shape[1])))
        framed = self.scale * wavs.unfold(1, self.width, self.width)
        return LayerStates(framed[None], self.frame_counts(samples), level_db(wavs, samples))


def with_encoder(folder, encoder):
    """The Tiny recipe with an encoder of another kind."""
    text = Path(TINY).read_text(encoding="utf-8").replace("../../../hparams", str(ROOT / "hparams"))
    rest = "    branches: !ref <architecture[branches]>\n    decoder: !ref <architecture[decoder]>"
    own = f"model: !name:speechbrain_xser.model.build_model\n    encoder: {encoder}\n{rest}"
    assert "model: !ref <architecture[model]>" in text
    (folder / "own.yaml").write_text(text.replace("model: !ref <architecture[model]>", own), encoding="utf-8")
    return str(folder / "own.yaml")


def command(folder, recipe=TINY, **values):
    """A recipe on four clips: two steps of each stage, without its corpus and its cache."""
    manifests = {f"{split}_manifest": tiny_manifest(folder, 4, split=split) for split in ("train", "valid", "test")}
    small = {"epochs_per_stage": 1, "batch_size": 2, "prepare": "null", "feature_cache": "null"}
    small |= {"output_folder": folder / "run", "training": "{num_workers: 0, search_limit: 1}"}
    values = {**manifests, **small, **values}
    return [recipe, "--device=cpu", "--noprogressbar", *(f"--{key}={value}" for key, value in values.items())]


def answers_of(folder, recognizer):
    """What the run answered on its test set, beside what a recogniser answers."""
    wavs = {clip["id"]: clip["wav"] for clip in map(json.loads, (folder / "test.jsonl").read_text().splitlines())}
    run = [json.loads(line) for line in (folder / "run" / "test_answers.jsonl").read_text().splitlines()]
    return {one["id"]: one["answer"] for one in run}, {
        one["id"]: recognizer.explain_file(wavs[one["id"]]).paragraph for one in run
    }


@pytest.mark.training
def test_an_encoder_of_ones_own_is_named_in_the_yaml_trains_and_is_handed_over_to_the_folder(
    script,  # noqa: F811
    tmp_path,
):
    own = with_encoder(tmp_path, "!new:tests.training.test_encoders.Framer {scale: 2.0}")
    script.main(command(tmp_path, own, architecture="{max_new_tokens: 8}"))
    assert "train loss" in (tmp_path / "run" / "train_log.txt").read_text()

    folder = str(tmp_path / "run" / "model")
    recognizer = ExplainableEmotionRecognizer.from_hparams(folder, custom_encoder=Framer(), speech_check=False)
    assert float(recognizer.mods.model.encoder.scale) == 2.0  # its weights are in the folder
    run, again = answers_of(tmp_path, recognizer)
    assert run == again
    with pytest.raises(BackboneError, match="hand one over"):
        ExplainableEmotionRecognizer.from_hparams(folder)


@pytest.mark.training
@pytest.mark.parametrize("seconds", ["null", 3])
def test_whisper_named_as_the_source_trains_and_its_folder_answers_as_the_run_did(script, tmp_path, seconds):  # noqa: F811
    whisper = tiny_encoder_folder(tmp_path / "whisper", "whisper")
    architecture = f"{{encoder_pad_to_seconds: {seconds}, max_new_tokens: 8}}"
    features = str(tmp_path / "features")
    script.main(command(tmp_path, encoder_source=whisper, architecture=architecture, feature_cache=features))

    folder = str(tmp_path / "run" / "model")
    recognizer = ExplainableEmotionRecognizer.from_hparams(folder, speech_check=False)
    encoder = recognizer.mods.model.encoder
    assert (encoder.layer_count, encoder.network.least_frames) == (4, 0 if seconds == "null" else 150)
    run, again = answers_of(tmp_path, recognizer)
    assert run == again

    released = release_folder(folder, tmp_path / "release", with_encoder=True).folder
    shutil.rmtree(whisper)
    recognizer = ExplainableEmotionRecognizer.from_hparams(released, speech_check=False)
    assert answers_of(tmp_path, recognizer)[1].keys() == run.keys()
    assert recognizer.mods.model.encoder.network.least_frames == encoder.network.least_frames


def test_the_feature_cache_keeps_clips_with_silence_apart_from_those_without(tmp_path):
    tiny_encoder_folder(tmp_path / "encoder", "whisper")
    for seconds in (None, 3):
        lobes = tiny_lobes(tmp_path)
        lobes["encoder"] = partial(lobes["encoder"], pad_to_seconds=seconds)
        model = build_model(**lobes)
        keep_features(model, tmp_path / "features", complete_settings({"model": lobes})["model"])
        model.encode(torch.randn(1, 9000), torch.tensor([9000]))
    assert len(list((tmp_path / "features").iterdir())) == 2


def test_frames_and_tokens_of_the_evidence_lie_as_far_apart_as_the_encoder_says(tmp_path):
    model = build_model(**{**tiny_lobes(tmp_path), "encoder": Framer()}).eval()
    branches = model.encode_branches(torch.randn(1, 16000), torch.tensor([16000]))
    where = where_in_time(model, branches, SER_STAGE, "A man speaks, his anger evident.", ["angry", "sad"], "sad")
    content = where.branches["content"]
    assert (len(content.kl_nats), where.frame_seconds, content.token_seconds) == (25, 0.04, 0.2)
    assert soft_tokens_a_second(model) == 2 * 25 / 5


def test_an_encoder_in_the_yaml_may_be_ours_with_options_of_its_own(tmp_path):
    whisper = tiny_encoder_folder(tmp_path / "whisper", "whisper")
    ours = f"!new:speechbrain_xser.lobes.encoder.FrozenEncoder {{source: {whisper}, pad_to_seconds: 5.0}}"
    hparams, _ = load_recipe(with_encoder(tmp_path, ours), {"feature_cache": "null"})
    encoder = make_model(merged(hparams)).encoder
    assert isinstance(encoder, FrozenEncoder) and encoder.network.least_frames == 250


def test_the_feature_cache_refuses_an_encoder_that_has_no_source(tmp_path):
    hparams, _ = load_recipe(with_encoder(tmp_path, "!new:tests.training.test_encoders.Framer {}"), {})
    with pytest.raises(SettingsError, match="feature_cache"):
        make_model(merged(hparams))


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A trained folder whose encoder is of a class of one's own, of scale 2, with LoRA that changes the answers."""
    place = tmp_path_factory.mktemp("own")
    lobes = {**tiny_lobes(place, max_new_tokens=8), "encoder": Framer(2.0)}
    model = build_model(**lobes)
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if "lora_B" in name or ".adapter." in name:
                tensor.add_(0.3 * torch.randn(tensor.shape, generator=torch.Generator().manual_seed(len(name))))
    return write_model_folder(place / "folder", model, {"model": lobes})


def explained(folder):
    recognizer = ExplainableEmotionRecognizer.from_hparams(folder, custom_encoder=Framer(), speech_check=False)
    return recognizer.explain_batch(0.1 * torch.randn(2, 16000, generator=torch.Generator().manual_seed(0)))


def test_a_folder_is_exported_with_the_encoder_of_ones_own_that_is_handed_over(own, tmp_path):
    release = release_folder(own, tmp_path / "merged", custom_encoder=Framer())
    assert release.merged and release.inside == ("llm",) and release.needs == (OWN_ENCODER,)
    for one, other in zip(explained(own), explained(release.folder), strict=True):
        assert other.paragraph == one.paragraph
        assert other.probabilities == pytest.approx(one.probabilities, abs=1e-4)


def test_an_export_that_merges_nothing_needs_no_encoder(own, tmp_path):
    assert explained(release_folder(own, tmp_path / "kept", merge=False).folder) == explained(own)


def test_an_encoder_of_ones_own_cannot_lie_in_the_exported_folder(own, tmp_path):
    with pytest.raises(SettingsError, match="which no folder can hold"):
        release_folder(own, tmp_path / "out", with_encoder=True, custom_encoder=Framer())
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_the_branches_over_an_encoder_of_ones_own_are_probed(own, tmp_path):
    train, test = (tiny_manifest(tmp_path, 6, split=split) for split in ("train", "test"))
    probes = probe_model(own, train, test, custom_encoder=Framer())
    assert probes and all(list(probe.views) == ["weighted sum", "content", "descriptor"] for probe in probes)


@pytest.mark.parametrize("command", ["export", "probe", "explain"])
def test_a_command_says_in_one_line_what_to_do_in_python(own, tmp_path, command):
    manifest = tiny_manifest(tmp_path, 1)
    words = {
        "export": [own, "--out", str(tmp_path / "out")],
        "probe": ["--model", own, "--train", manifest, "--test", manifest],
        "explain": ["--model", own, "--device", "cpu", str(tmp_path / "train" / "000.wav")],
    }
    done = CliRunner().invoke(xser, [command, *words[command]])
    [line] = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert done.exit_code == 2 and line.startswith(f"error: {own}: the encoder of this model is of a class of your own")
    assert "release.release_folder" in line and "model_probes.probe_model" in line and not (tmp_path / "out").exists()


def test_a_run_starts_from_such_a_folder_with_the_recipe_s_own_encoder(own, tmp_path):
    hparams = {"model": partial(build_model, **tiny_lobes(Path(own).parent, max_new_tokens=8)), "start_from": own}
    encoder = Framer(1.0)
    hparams["model"].keywords["encoder"] = encoder
    model = make_model(hparams)
    assert model.encoder is encoder and float(encoder.scale) == 2.0  # with the weights that the folder has of it
    trained = ExplainableEmotionRecognizer.from_hparams(own, custom_encoder=Framer()).mods.model.state_dict()
    assert all(tensor.equal(trained[name]) for name, tensor in model.state_dict().items())


@pytest.fixture(scope="module")
def whisper(tmp_path_factory):
    """A place with a tiny Whisper as the encoder, and its lobes."""
    place = tmp_path_factory.mktemp("hears30")
    tiny_encoder_folder(place / "encoder", "whisper")
    return place, tiny_lobes(place)


def test_a_run_with_longer_clips_than_the_encoder_hears_is_refused_at_its_start(whisper):
    hparams = {"model": partial(build_model, **whisper[1]), "max_seconds": 40}
    with pytest.raises(SettingsError, match="max_seconds is 40, but the encoder hears at most 30 s: give at most 30"):
        make_model(hparams)
    make_model({**hparams, "max_seconds": 30})


def test_a_folder_with_longer_clips_than_the_encoder_hears_is_refused_when_it_is_loaded(whisper, tmp_path):
    place, lobes = whisper
    config = {"model": lobes, "max_seconds": 30.5}
    folder = write_model_folder(tmp_path / "folder", build_model(**lobes), config)
    with pytest.raises(SettingsError, match="max_seconds is 30.5, but the encoder hears at most 30 s"):
        ExplainableEmotionRecognizer.from_hparams(folder)
    shorter = ExplainableEmotionRecognizer.from_hparams(folder, overrides={"max_seconds": 20.0})
    assert shorter.hparams.max_seconds == 20.0


def test_the_limit_is_the_encoder_s_own_also_behind_a_cache_and_one_without_hears_all(whisper, tmp_path):
    place, lobes = whisper
    model = build_model(**lobes)
    keep_features(model, tmp_path / "features", complete_settings({"model": lobes})["model"])
    short = Framer()
    short.max_seconds = 12.0
    for encoder, most in ((model.encoder, 30), (short, 12)):
        check_max_seconds(encoder, most)
        with pytest.raises(SettingsError, match=f"hears at most {most} s"):
            check_max_seconds(encoder, most + 0.1)
    check_max_seconds(Framer(), 3600.0)
    check_max_seconds(FrozenEncoder(tiny_encoder_folder(tmp_path / "hubert")), 3600.0)
