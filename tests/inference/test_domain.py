"""Whether a clip is like those of the training: measures against other libraries, and what an answer says of it."""

import json
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from scipy.spatial.distance import mahalanobis
from sklearn.covariance import ledoit_wolf

from speechbrain_xser.errors import CheckpointError
from speechbrain_xser.evidence.clip_evidence import gather_evidence
from speechbrain_xser.evidence.domain_fit import fit_domain, training_means
from speechbrain_xser.inference import ExplainableEmotionRecognizer
from speechbrain_xser.inference.domain import domain_measures, domains, out_probability
from speechbrain_xser.inference.evaluation import explain_manifest
from speechbrain_xser.inference.recognizer import clip_means
from speechbrain_xser.lobes.bottleneck import Latent
from speechbrain_xser.lobes.branch import BranchOutput
from speechbrain_xser.lobes.clip_means import ClipMeans
from speechbrain_xser.lobes.states import LayerStates
from speechbrain_xser.model_folder.domain_reference import (
    DISTANCES,
    DomainReference,
    TrainingMeans,
    read_domain,
    write_domain,
)
from speechbrain_xser.model_folder.release import release_folder
from speechbrain_xser.model_folder.weight_checksums import write_checksums
from speechbrain_xser.stages import SER_STAGE
from speechbrain_xser.testing import tiny_manifest
from tests.trained import trained  # noqa: F401

MEASURES = (*DISTANCES, "content nats", "descriptor nats")
BIAS = {"in": -5.0, "doubtful": 0.0, "out": 5.0}  # probabilities of 0.7, 50 and 99.3 %


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def reference(domain="out", latent=8, states=(3, 32), measures=MEASURES):
    """One that says the same of every clip of the tiny model."""
    zeros, ones = (torch.full((len(measures),), value, dtype=torch.float64) for value in (0.0, 1.0))
    training = TrainingMeans(torch.zeros(latent), torch.eye(latent), torch.zeros(states), torch.ones(states))
    return DomainReference(training, measures, zeros, ones, zeros, BIAS[domain], (0.4, 0.9))


@pytest.fixture
def own(trained):  # noqa: F811
    """A recogniser that a test may change; its clips are tones."""
    return ExplainableEmotionRecognizer.from_hparams(trained.folder, run_opts={"device": "cpu"}, speech_check=False)


@pytest.fixture
def copy(trained, tmp_path):  # noqa: F811
    return shutil.copytree(trained.folder, tmp_path / "copy")


def wave(samples=16000, seed=3):
    return 0.1 * torch.randn(samples, generator=generator(seed))


def test_the_distance_of_the_voice_is_mahalanobis_with_a_shrunk_covariance():
    voices = torch.randn(60, 5, generator=generator()) @ torch.randn(5, 5, generator=generator(1))
    training = training_means(ClipMeans(voices, torch.zeros(60, 1, 2), {}))
    others = torch.randn(7, 5, generator=generator(2))
    found = domain_measures(ClipMeans(others, torch.zeros(7, 1, 2), {}), training)["voice distance"]
    inverse = np.linalg.inv(ledoit_wolf(voices.numpy())[0])  # the second library is scipy's distance
    expected = [mahalanobis(one.numpy(), voices.mean(0).numpy(), inverse) for one in others]
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-4)


def test_two_training_clips_are_enough_for_distances():
    training = training_means(ClipMeans(torch.randn(2, 6, generator=generator()), torch.randn(2, 1, 2), {}))
    assert training.voice_whitening.isfinite().all()


def test_the_distance_of_the_states_is_their_root_mean_square_in_spreads():
    training = TrainingMeans(torch.zeros(1), torch.eye(1), torch.full((1, 2), 1.0), torch.tensor([[1.0, 2.0]]))
    clips = ClipMeans(torch.zeros(1, 1), torch.tensor([[[4.0, 9.0]]]), {})  # three and four spreads away
    assert domain_measures(clips, training)["state distance"].item() == pytest.approx(12.5**0.5)


def test_the_probability_is_the_logistic_of_the_weighted_measures():
    clips = ClipMeans(torch.tensor([[3.0, 4.0]]), torch.zeros(1, 1, 2), {"descriptor nats": torch.tensor([10.0])})
    training = TrainingMeans(torch.zeros(2), torch.eye(2), torch.zeros(1, 2), torch.ones(1, 2))
    centre, spread, weights = (torch.tensor(v).double() for v in ([4.0, 0.0, 8.0], [2.0, 1.0, 4.0], [1.0, 7.0, -3.0]))
    own = DomainReference(training, (*DISTANCES, "descriptor nats"), centre, spread, weights, 0.25, (0.3, 0.4))
    score = 1 * (5 - 4) / 2 + 7 * 0 - 3 * (10 - 8) / 4 + 0.25  # -0.75
    assert out_probability(clips, own).item() == pytest.approx(1 / (1 + np.exp(-score)))  # 0.32
    assert domains(clips, own) == ["doubtful"]


def clips(voice, count=200, seed=0):
    drawn = torch.randn(count, 4, generator=generator(seed))
    return ClipMeans(drawn + voice, drawn[:, None, :2], {"descriptor nats": drawn[:, 0]})


def test_in_no_set_of_the_domain_are_more_than_a_tenth_suspected_or_a_fiftieth_out():
    inside = [clips(0.0, 200, 1), clips(0.5, 50, 2)]
    own = fit_domain(clips(0.0), inside, [clips(3.0, 20, 3), clips(-3.0, 300, 4)])
    for one in inside:
        found = domains(one, own)
        assert found.count("out") <= 0.02 * len(found) and found.count("in") >= 0.9 * len(found)
    assert domains(clips(3.0, 100, 5), own).count("out") > 90


def test_a_set_counts_alike_whatever_its_number_of_clips():
    some = clips(2.0, 40, 3)
    twice = ClipMeans.joined([some, some])
    one, other = (fit_domain(clips(0.0), [clips(0.0, 99, 1)], [foreign, clips(4.0)]) for foreign in (some, twice))
    torch.testing.assert_close(one.weights, other.weights, rtol=1e-3, atol=1e-3)


def test_means_are_over_valid_frames_alone():
    layers = torch.arange(8.0).reshape(1, 1, 4, 2)
    latent = Latent(
        torch.tensor([[[1.0], [3.0], [9.0], [9.0]]]), torch.tensor([2]), None, torch.tensor([[5.0, 7, 9, 9]])
    )
    found = clip_means(
        LayerStates(layers, torch.tensor([2]), torch.zeros(1)), {"descriptor": BranchOutput(None, latent)}
    )
    assert found.voice.item() == 2 and found.states.tolist() == [[[1.0, 2.0]]]
    assert found.branches["descriptor nats"].item() == 6


def test_a_padded_clip_has_the_measures_that_it_has_alone(own):
    short = wave(7000)
    together, alone = own.clip_means([wave(), short]), own.clip_means([short])
    torch.testing.assert_close(together.voice[1:], alone.voice, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(together.states[1:], alone.states, rtol=1e-4, atol=1e-5)
    for name, value in alone.branches.items():
        torch.testing.assert_close(together.branches[name][1:], value, rtol=1e-4, atol=1e-5)
    assert list(alone.branches) == ["content nats", "descriptor nats"]


def test_an_answer_needs_no_second_pass_through_the_encoder(own):
    own.domain, calls = reference(), []
    own.mods.model.encoder.register_forward_hook(lambda *_: calls.append(1))
    own.explain_batch([wave(), wave(7000)])
    assert calls == [1]


@pytest.mark.parametrize("domain", BIAS)
def test_every_way_of_asking_says_the_domain(own, domain, tmp_path):
    own.domain = reference(domain)
    alone, batches = own.explain_batch([wave()]), own.explain_batches([([wave()], None)] * 2)
    *_, live = own.explain_live(wave())
    assert [one.domain for one in (*alone, live, *sum(batches, []))] == 4 * [domain]
    assert gather_evidence(own, wave()).explanation.domain == domain


def test_out_of_the_domain_the_emotion_is_unknown_and_all_else_stays(own):
    [plain] = own.explain_batch([wave()])
    own.domain = reference("out")
    [found] = own.explain_batch([wave()])
    assert (plain.domain, found.domain, found.emotion) == (None, "out", "unknown")
    assert found[:3] == plain[:3] and found.probabilities == plain.probabilities
    own.unknown = False
    assert own.explain_batch([wave()]) == [plain._replace(domain="out")]


@pytest.mark.parametrize("domain", ["in", "doubtful"])
def test_in_the_domain_the_emotion_is_the_paragraph_s(own, domain):
    [plain] = own.explain_batch([wave()])
    own.domain = reference(domain)
    assert own.explain_batch([wave()]) == [plain._replace(domain=domain)]


def test_a_call_may_overrule_the_recogniser(own):
    own.domain = reference("out")
    [[shown]], [[hidden]] = (own.explain_batches([([wave()], None)], unknown=unknown) for unknown in (False, None))
    assert shown.emotion != "unknown" and hidden.emotion == "unknown"


def test_an_evaluation_scores_what_the_paragraphs_name(own, tmp_path):
    manifest = tiny_manifest(tmp_path, clips=2)
    plain = explain_manifest(own, manifest)[1]
    own.domain = reference("out")
    assert explain_manifest(own, manifest)[1] == [one._replace(domain="out") for one in plain]


def test_without_speech_nothing_is_said_of_the_domain(own):
    own.domain, own.speech_check = reference("out"), True
    assert own.explain_batch([torch.zeros(16000)])[0].domain is None


def test_a_folder_without_the_file_says_nothing_of_the_domain(own):
    assert own.domain is None and own.explain_batch([wave()])[0].domain is None


@pytest.mark.parametrize("unknown", [True, False])
def test_a_folder_keeps_it(copy, unknown):
    write_domain(copy, reference("out"))
    options = {"run_opts": {"device": "cpu"}, "speech_check": False, "unknown": unknown}
    [found] = ExplainableEmotionRecognizer.from_hparams(copy, **options).explain_batch([wave()])
    assert found.domain == "out" and (found.emotion == "unknown") == unknown


def test_it_is_read_as_it_was_written(tmp_path):
    fitted = fit_domain(clips(0.0), [clips(0.0, 99, 1)], [clips(2.0)])
    write_domain(tmp_path, fitted)
    found = read_domain(tmp_path)
    torch.testing.assert_close(found.training, fitted.training, rtol=0, atol=0)
    torch.testing.assert_close(found[2:6], fitted[2:6], rtol=0, atol=0)
    assert found.measures == fitted.measures and found.thresholds == fitted.thresholds


def test_an_export_keeps_it(copy, tmp_path):
    write_domain(copy, reference("doubtful"))
    out = release_folder(copy, tmp_path / "out", merge=False).folder
    assert (tmp_path / "out" / "domain.safetensors").read_bytes() == (copy / "domain.safetensors").read_bytes()
    assert read_domain(out).bias == 0


def test_a_damaged_file_is_named(copy):
    (copy / "domain.safetensors").write_bytes(b"not tensors")
    write_checksums(copy)
    with pytest.raises(CheckpointError, match="domain.safetensors: damaged"):
        ExplainableEmotionRecognizer.from_hparams(copy, run_opts={"device": "cpu"})


WRONG = {
    "a threshold above the next": {"thresholds": torch.tensor([0.9, 0.4])},
    "a weight that is no number": {"weights": torch.full((4,), torch.nan)},
    "a spread of nothing": {"spread": torch.zeros(4)},
    "another number of measures": {"centre": torch.zeros(5)},
    "a whitening of another size": {"voice_whitening": torch.eye(7)},
}


@pytest.mark.parametrize("name", WRONG)
def test_numbers_that_decide_nothing_are_refused(tmp_path, name):
    write_domain(tmp_path, reference())
    path = tmp_path / "domain.safetensors"
    save_file(load_file(path) | WRONG[name], path, {"measures": json.dumps(MEASURES)})
    with pytest.raises(CheckpointError, match="domain.safetensors: damaged"):
        read_domain(tmp_path)


def test_names_of_measures_are_needed(tmp_path):
    write_domain(tmp_path, reference())
    path = tmp_path / "domain.safetensors"
    save_file(load_file(path), path)
    with pytest.raises(CheckpointError, match="domain.safetensors: damaged"):
        read_domain(tmp_path)


OTHERS = {
    "latents": reference(latent=9),
    "layers": reference(states=(4, 32)),
    "words": reference(measures=(*DISTANCES, "content words", "descriptor nats")),
    "branches": reference(measures=(*DISTANCES, "descriptor nats")),
}


@pytest.mark.parametrize("name", OTHERS)
def test_that_of_another_model_is_refused(own, tmp_path, name):
    write_domain(tmp_path, OTHERS[name])
    with pytest.raises(CheckpointError, match="of this model are"):
        read_domain(tmp_path, own.mods.model, SER_STAGE)


def test_recognised_words_are_measured_by_their_probability(own, tmp_path):
    latent = Latent(torch.zeros(1, 2, 4), torch.tensor([2]), None, torch.zeros(1, 2), torch.tensor([-0.5]))
    states = LayerStates(torch.zeros(1, 1, 2, 2), torch.tensor([2]), torch.zeros(1))
    outputs = {"content": BranchOutput(None, latent), "descriptor": BranchOutput(None, latent._replace(z=latent.z))}
    assert clip_means(states, outputs).branches["content words"].tolist() == [-0.5]
    words = reference(measures=(*DISTANCES, "content words", "descriptor nats"))
    write_domain(tmp_path, words)
    reads, hears = SimpleNamespace(size=8, recognizer=None), SimpleNamespace(size=8)
    branches = {"content": SimpleNamespace(bottleneck=reads), "descriptor": SimpleNamespace(bottleneck=hears)}
    model = SimpleNamespace(branches=branches, encoder=own.mods.model.encoder)
    assert read_domain(tmp_path, model, SER_STAGE).measures == words.measures
