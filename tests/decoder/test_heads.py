"""The decoder without an LLM: CTC and a classifier, by hand."""

import inspect
import math
import re
from collections import Counter
from pathlib import Path

import pytest
import torch

from speechbrain_xser.answer import parse
from speechbrain_xser.answer.record import EMOTIONS
from speechbrain_xser.decoder.decoder import LLMDecoder
from speechbrain_xser.decoder.generation.sampling import Sampling
from speechbrain_xser.decoder.heads import CHARACTERS, HeadsDecoder
from speechbrain_xser.decoder.protocol import Decoder
from speechbrain_xser.errors import PromptError, SettingsError
from speechbrain_xser.lobes.adapter import SoftTokens
from speechbrain_xser.lobes.pooling import AttentivePooling
from speechbrain_xser.stages import CLASSIFY, TRANSCRIBE
from tests.decoder.conftest import pair

PACKAGE = Path(__file__).parents[2] / "speechbrain_xser"
WHICHEVER = ["model.py", "inference", "evidence/attribution.py", "evidence/knockout.py", "training"]  # ask no LLM
A, B = CHARACTERS.index("a") + 1, CHARACTERS.index("b") + 1


def saying(path: list[int], width: int = 40) -> SoftTokens:
    """Frames from which :func:`telling` reads one character each."""
    frames = torch.zeros(1, len(path), width)
    frames[0, torch.arange(len(path)), torch.tensor(path)] = 100.0
    return SoftTokens(frames, torch.tensor([len(path)]))


def telling(width: int = 40) -> HeadsDecoder:
    """A decoder whose CTC head maps unit i of a frame to class i."""
    decoder = HeadsDecoder(width)
    with torch.no_grad():
        decoder.characters.weight.copy_(torch.eye(len(CHARACTERS) + 1, width))
        decoder.characters.bias.zero_()
    return decoder


def test_one_frame_and_one_character_cost_the_characters_log_probability():
    decoder, frames = telling(), SoftTokens(torch.zeros(1, 1, 40), torch.tensor([1]))
    answer = decoder(pair(frames, frames), TRANSCRIBE, ["a"])
    assert answer.nats().item() == pytest.approx(math.log(len(CHARACTERS) + 1), abs=1e-5)  # all are equally probable
    assert answer.targets.tolist() == [A]


def test_two_frames_and_one_character_sum_over_three_paths():
    decoder, frames = telling(), SoftTokens(torch.zeros(1, 2, 40), torch.tensor([2]))
    nats = decoder(pair(frames, frames), TRANSCRIBE, ["a"]).nats().item()  # aa, a-, -a, each with (1/29)^2
    assert nats == pytest.approx(-math.log(3 / (len(CHARACTERS) + 1) ** 2), abs=1e-5)


def test_an_answer_longer_than_its_frames_costs_nothing_and_has_no_nan():
    frames = SoftTokens(torch.zeros(1, 2, 40), torch.tensor([2]))
    assert telling()(pair(frames, frames), TRANSCRIBE, ["much too long"]).losses.tolist() == [0.0]


def test_the_best_path_loses_repetitions_and_blanks():
    frames = saying([A, A, 0, A, B, B])
    assert telling().generate(pair(frames, frames), TRANSCRIBE) == ["aab"]


def test_padding_is_not_transcribed():
    frames = saying([A, B, B])._replace(counts=torch.tensor([1]))
    assert telling().generate(pair(frames, frames), TRANSCRIBE) == ["a"]


def test_the_classifiers_loss_is_the_labels_log_probability():
    decoder = HeadsDecoder(4)
    with torch.no_grad():
        decoder.classifier.weight.zero_()
        decoder.classifier.bias.zero_()
    frames = SoftTokens(torch.randn(2, 5, 4), torch.tensor([5, 3]))
    answer = decoder(pair(frames, frames), CLASSIFY, ["sad", "happy"])
    assert answer.losses.tolist() == pytest.approx([math.log(len(EMOTIONS))] * 2, abs=1e-6)
    assert decoder.count_tokens(["sad", "happy"], CLASSIFY) == 2
    assert decoder.count_tokens(["ab", "c d"], TRANSCRIBE) == 5


def test_it_answers_in_a_paragraph_that_is_read_back():
    decoder = telling()
    with torch.no_grad():
        decoder.classifier.weight.zero_()
        decoder.classifier.bias.copy_(torch.nn.functional.one_hot(torch.tensor(EMOTIONS.index("sad")), 7).float())
    frames = saying([A, B])
    record = parse(decoder.generate(pair(frames, frames), CLASSIFY)[0])
    assert (record.transcript, record.emotion) == ("ab", "sad")
    found = decoder.emotion_probabilities(pair(frames, frames), CLASSIFY, [""], ("happy", "sad"))
    assert found[0].tolist() == pytest.approx([1 / (1 + math.e), math.e / (1 + math.e)], abs=1e-6)


def test_it_reads_the_branches_that_it_is_given():
    one, other = (SoftTokens(torch.randn(1, 5, 4), torch.tensor([5])) for _ in range(2))
    for hears, changes in ((["descriptor"], False), (["content", "descriptor"], True)):
        decoder = HeadsDecoder(4, hears)
        heard = [decoder.emotion_probabilities(pair(c, one), CLASSIFY, [""], EMOTIONS) for c in (one, other)]
        assert torch.equal(*heard) is not changes
    with pytest.raises(ValueError, match="expected the names of some branches"):
        HeadsDecoder(4, [])


def test_a_clip_alone_is_a_clip_in_a_batch():
    decoder = HeadsDecoder(4)
    frames = torch.randn(2, 6, 4)
    both, alone = SoftTokens(frames, torch.tensor([6, 3])), SoftTokens(frames[1:, :3], torch.tensor([3]))
    for instruction, answers in ((TRANSCRIBE, ["ab", "c"]), (CLASSIFY, ["sad", "happy"])):
        together = decoder(pair(both, both), instruction, answers).losses[1]
        torch.testing.assert_close(together, decoder(pair(alone, alone), instruction, answers[1:]).losses[0])


@pytest.mark.parametrize(("instruction", "answer"), [("Sing it.", "la"), (CLASSIFY, "thirsty")])
def test_an_unknown_instruction_and_an_unknown_emotion_are_named(instruction, answer):
    frames = SoftTokens(torch.randn(1, 5, 4), torch.tensor([5]))
    with pytest.raises(PromptError, match="Sing it|thirsty"):
        HeadsDecoder(4)(pair(frames, frames), instruction, [answer])


def test_attention_is_a_softmax_over_the_valid_frames():
    pooling = AttentivePooling(1)
    with torch.no_grad():
        pooling.score.weight.fill_(1.0)
        pooling.score.bias.zero_()
    pooled = pooling(torch.tensor([[[0.0], [math.log(3)], [50.0]]]), torch.tensor([2]))  # weights 1/4 and 3/4
    assert pooled.item() == pytest.approx(0.75 * math.log(3), abs=1e-6)


def test_its_paragraph_equals_the_streamed_one_and_merging_changes_nothing():
    decoder, frames = telling(), saying([A, B])
    before = {name: tensor.clone() for name, tensor in decoder.state_dict().items()}
    texts = list(decoder.generate_live(pair(frames, frames), CLASSIFY, close_quotes=True))
    decoder.merge()
    assert texts == decoder.generate(pair(frames, frames), CLASSIFY)
    assert all(decoder.state_dict()[name].equal(tensor) for name, tensor in before.items())


def undecided(frames: int, width: int = 40) -> dict[str, SoftTokens]:
    """Frames of which each one may be "a", "b" or a blank with equal probability, to :func:`telling`."""
    logits = torch.full((1, frames, width), -100.0)
    logits[..., [0, A, B]] = 0.0
    soft = SoftTokens(logits, torch.tensor([frames]))
    return pair(soft, soft)


def test_transcripts_are_drawn_as_often_as_ctc_finds_them_probable():
    [answers] = telling().sample(undecided(2), TRANSCRIBE, Sampling(answers=3000, seed=1))
    counts = Counter(answer.text for answer in answers)
    paths = {"": 1, "a": 3, "b": 3, "ab": 1, "ba": 1}  # of nine; "a" is aa, a- and -a
    assert {text: count / 3000 for text, count in counts.items()} == pytest.approx(
        {text: count / 9 for text, count in paths.items()}, abs=0.03
    )
    assert {answer.text: round(math.exp(answer.log_prob) * 9, 3) for answer in answers} == paths


def test_a_drawn_transcripts_log_probability_is_its_loss_with_the_other_sign():
    torch.manual_seed(0)
    decoder, soft = HeadsDecoder(4), SoftTokens(torch.randn(2, 6, 4), torch.tensor([6, 3]))
    with torch.no_grad():
        decoder.characters.bias[[CHARACTERS.index(c) + 1 for c in "' "]] = -1e4  # which a text loses at its ends
    found = decoder.sample(pair(soft, soft), TRANSCRIBE, Sampling(temperature=2.0, top_p=0.9, answers=2))
    for answers in zip(*found, strict=True):  # one of each row
        losses = decoder(pair(soft, soft), TRANSCRIBE, [answer.text for answer in answers]).losses
        assert losses.tolist() == pytest.approx([-answer.log_prob for answer in answers], abs=1e-4)


def test_a_drawn_emotion_adds_its_own_log_probability():
    decoder = telling()
    with torch.no_grad():
        decoder.classifier.weight.zero_()
        decoder.classifier.bias.copy_(torch.tensor([0.5, 0.25, 0.25, 1e-9, 1e-9, 1e-9, 1e-9]).log())
    frames = saying([A, B])
    [answers] = decoder.sample(pair(frames, frames), CLASSIFY, Sampling(answers=2000, seed=2))
    counts = Counter((parse(answer.text).transcript, parse(answer.text).emotion) for answer in answers)
    expected = dict(zip(EMOTIONS[:3], (0.5, 0.25, 0.25), strict=True))
    shares = {emotion: count / 2000 for (_, emotion), count in counts.items()}
    assert {text for text, _ in counts} == {"ab"} and shares == pytest.approx(expected, abs=0.04)
    for answer in answers[:20]:
        assert answer.log_prob == pytest.approx(math.log(expected[parse(answer.text).emotion]), abs=1e-4)


def test_drawn_answers_do_not_depend_on_what_is_beside_them_and_differ_by_seed():
    decoder, frames, sampling = HeadsDecoder(4), torch.randn(2, 6, 4), Sampling(answers=3, seed=1)
    both, first = SoftTokens(frames, torch.tensor([4, 6])), SoftTokens(frames[:1, :4], torch.tensor([4]))
    together = decoder.sample(pair(both, both), CLASSIFY, sampling)
    [alone] = decoder.sample(pair(first, first), CLASSIFY, sampling)
    assert [answer.text for answer in together[0]] == [answer.text for answer in alone]
    assert [len(answers) for answers in together] == [3, 3]
    assert together != decoder.sample(pair(both, both), CLASSIFY, sampling._replace(seed=2))


@pytest.mark.parametrize("instruction", [TRANSCRIBE, CLASSIFY])
def test_a_temperature_close_to_zero_draws_what_is_generated(instruction):
    soft = SoftTokens(torch.randn(2, 6, 4), torch.tensor([6, 3]))
    decoder = HeadsDecoder(4)
    drawn = decoder.sample(pair(soft, soft), instruction, Sampling(temperature=1e-5))
    assert [answer.text for [answer] in drawn] == decoder.generate(pair(soft, soft), instruction)


def test_a_sampling_that_is_out_of_range_is_refused():
    with pytest.raises(SettingsError, match="expected a temperature above 0"):
        HeadsDecoder(40).sample(undecided(1), TRANSCRIBE, Sampling(temperature=0))


PROTOCOL = [name for name in vars(Decoder) if not name.startswith("_")]


@pytest.mark.parametrize("kind", [LLMDecoder, HeadsDecoder])
@pytest.mark.parametrize("name", PROTOCOL)
def test_both_decoders_implement_the_whole_protocol(kind, name):
    asked = getattr(Decoder, name)
    if kind is HeadsDecoder and name == "width":
        return  # an attribute of its own
    found = getattr(kind, name)
    if callable(asked):
        asked, found = (list(inspect.signature(function).parameters) for function in (asked, found))
        assert [parameter for parameter in found if parameter in asked] == asked


def test_no_caller_uses_what_one_kind_of_decoder_lacks():
    places = [PACKAGE / place for place in WHICHEVER]
    files = [file for place in places for file in (place.glob("*.py") if place.is_dir() else [place])]
    asked = {name for file in files for name in re.findall(r"(?:self|model)\.decoder\.(\w+)", file.read_text())}
    assert {"generate", "generate_live", "merge", "count_tokens"} <= asked <= set(PROTOCOL)
