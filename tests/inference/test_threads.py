"""One recogniser in eight threads, loaded in eight, pickled, copied and after a fork: the same answers."""

import copy
import pickle
import sys
import time
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import get_all_start_methods, get_context
from threading import Barrier

import pytest
import torch
from torch import nn

import speechbrain_xser
from speechbrain_xser import ExplainableEmotionRecognizer
from speechbrain_xser.data.pipeline import dataset
from speechbrain_xser.decoder import lora
from speechbrain_xser.decoder.generation.speculative import NGramDrafts
from speechbrain_xser.evidence.clip_evidence import gather_evidence
from speechbrain_xser.stages import STAGES
from speechbrain_xser.testing import tiny_manifest
from speechbrain_xser.training.loaders import evaluation_loader
from speechbrain_xser.training.training_settings import TrainingSettings
from speechbrain_xser.utils.modes import evaluating
from tests.annotator.real_clips import clips, needs_real_clips

THREADS = 8
SECONDS = 500  # until a child that hangs is given up


@pytest.fixture(scope="module")
def packaged() -> ExplainableEmotionRecognizer:
    source = speechbrain_xser.packaged_model()
    return ExplainableEmotionRecognizer.from_hparams(source, run_opts={"device": "cpu"})


@pytest.fixture(scope="module")
def wavs():
    return [clip.wav for clip in clips("cremad", THREADS)]


class Watched:
    """A tokenizer's backend that lets other threads in before it encodes, and knows what was changed in it."""

    def __init__(self, backend):
        vars(self).update(backend=backend, changed=[])

    def __getattr__(self, name):
        return getattr(self.backend, name)

    def __setattr__(self, name, value):
        self.changed.append(name)
        setattr(self.backend, name, value)

    def encode_batch(self, *texts, **options):
        time.sleep(1e-3)
        return self.backend.encode_batch(*texts, **options)


@pytest.fixture
def watched(packaged, monkeypatch) -> Watched:
    """The backend of the model's tokenizer."""
    tokenizer = packaged.mods.model.decoder.tokenizer
    monkeypatch.setattr(tokenizer, "_tokenizer", Watched(tokenizer._tokenizer))
    return tokenizer._tokenizer


@pytest.fixture
def often():
    """Threads take turns fifty times as often as usual."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-4)
    yield
    sys.setswitchinterval(before)


def explained(recognizer, wav):
    return recognizer.explain_batch(wav[None])[0]


def live(recognizer, wav):
    return list(recognizer.explain_live(wav))


def evidence(recognizer, wav):
    return gather_evidence(recognizer, wav).as_dict()


def together(work, items) -> list:
    """What the work gives for each item, all threads starting at the same moment."""
    start = Barrier(len(items))

    def one(item):
        start.wait()
        return work(item)

    with ThreadPoolExecutor(len(items)) as pool:
        return list(pool.map(one, items))


@needs_real_clips
@pytest.mark.parametrize(("answer", "count"), [(explained, 8), (live, 4), (evidence, 2)])
def test_eight_threads_get_the_answers_of_one(packaged, watched, wavs, often, answer, count):
    alone = [answer(packaged, wav) for wav in wavs[:count]]
    answers = together(lambda number: answer(packaged, wavs[number % count]), range(THREADS))
    assert answers == [alone[number % count] for number in range(THREADS)]


def test_eight_threads_tokenise_prompts_and_answers_as_one_does(packaged, watched, often):
    decoder, instruction = packaged.mods.model.decoder, STAGES["ser"].instruction

    def tokenised(_):
        prompt = decoder.template.segments(instruction, decoder.tokenizer)
        return prompt, decoder.plain_tokens("she says <|eot_id|> by the door")

    alone = tokenised(None)
    found = together(lambda _: [tokenised(_) == alone for _ in range(20)], range(THREADS))
    assert all(map(all, found))


@needs_real_clips
@pytest.mark.parametrize("answer", [explained, live])
def test_no_answer_turns_a_switch_of_the_tokenizer(packaged, watched, wavs, answer):
    answer(packaged, wavs[0])
    assert watched.changed == []


def test_who_leaves_first_does_not_put_the_others_back_into_training():
    layer = nn.Dropout()
    first, second = evaluating(layer), evaluating(layer)
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert not layer.training
    second.__exit__(None, None, None)
    assert layer.training


def test_another_threads_precision_is_its_own(packaged, monkeypatch):
    monkeypatch.setattr(packaged, "precision", "bf16")
    packaged.inference_ctx = torch.autocast("cpu", torch.bfloat16)
    encoded, wav = type(packaged)._encoded, torch.zeros(1, 8000)

    def interrupted(recognizer, *batch):  # another thread explains a clip from beginning to end
        monkeypatch.setattr(packaged, "_encoded", lambda *again: encoded(packaged, *again))
        together(lambda one: recognizer.explain_batch(one), [wav])
        return encoded(packaged, *batch)

    monkeypatch.setattr(packaged, "_encoded", lambda *batch: interrupted(packaged, *batch))
    with torch.autocast("cpu", torch.bfloat16):
        packaged.explain_batch(wav)
        assert torch.is_autocast_enabled("cpu")


def test_a_dropout_that_another_thread_draws_meanwhile_is_not_taken_for_ones_own(monkeypatch):
    dropout, own, other, draw = lora.SharedDropout(), torch.ones(8), torch.full((8,), 2.0), lora._drop

    def interrupted(x, level):
        drawn = draw(x, level)
        monkeypatch.setattr(lora, "_drop", draw)
        dropout(other, 0.25)
        return drawn

    monkeypatch.setattr(lora, "_drop", interrupted)
    assert dropout(own, 0.25).values.max() == 1
    assert dropout(other, 0.25).values.max() == 2


class Forgotten(OrderedDict):
    """Another thread lets a context be forgotten as soon as it is there."""

    def __setitem__(self, key, value):
        super().__setitem__(key, value)
        del self[key]

    def __contains__(self, key):
        return True


def test_guesses_survive_that_another_thread_forgets_what_they_look_at():
    drafts = NGramDrafts(length=2, context=1)
    drafts._next = Forgotten()
    drafts.learn([1, 2])
    assert drafts.guess([1], limit=2) == []


@needs_real_clips
def test_another_thread_may_load_a_model_of_bfloat16_meanwhile(packaged, wavs):
    alone = live(packaged, wavs[0])
    torch.set_default_dtype(torch.bfloat16)  # as transformers does while it loads one, for all threads
    try:
        assert live(packaged, wavs[0]) == alone
    finally:
        torch.set_default_dtype(torch.float32)


@needs_real_clips
@pytest.mark.parametrize("options", [{}, {"merge": True}, {"speculate": 4, "structured": True}])
@pytest.mark.parametrize("again", [lambda one: pickle.loads(pickle.dumps(one)), copy.deepcopy], ids=["pickle", "copy"])
@pytest.mark.slow
def test_a_copy_of_a_recogniser_gives_its_answers(wavs, options, again):
    source = speechbrain_xser.packaged_model()
    recognizer = ExplainableEmotionRecognizer.from_hparams(source, run_opts={"device": "cpu"}, **options)
    assert live(again(recognizer), wavs[0]) == live(recognizer, wavs[0])


def test_what_a_loader_hands_to_its_workers_can_be_pickled(tmp_path):
    loader = evaluation_loader(dataset(tiny_manifest(tmp_path, clips=2)), TrainingSettings(num_workers=0))
    handed = loader.dataset, loader.collate_fn, loader.worker_init_fn
    clips, collated, _ = pickle.loads(pickle.dumps(handed))
    again = collated([clips[index] for index in range(2)])
    [batch] = loader
    assert torch.equal(again.wavs, batch.wavs) and again.utterances == batch.utterances


def in_a_child(method: str, work, *arguments):
    """What a function gives in a child; None where it hangs or ends without a word."""
    context = get_context(method)
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=sent, args=(sender, work, *arguments))
    child.start()
    sender.close()
    try:
        return receiver.recv() if receiver.poll(SECONDS) else None
    except EOFError:
        return None
    finally:
        child.kill()
        child.join()


def sent(sender, work, *arguments) -> None:
    sender.send(work(*arguments))


@needs_real_clips
@pytest.mark.skipif("fork" not in get_all_start_methods(), reason="this system has no fork")
def test_a_child_that_was_forked_gives_the_answers_of_its_parent(packaged, wavs):
    threads = torch.get_num_threads()
    alone = explained(packaged, wavs[0])
    torch.set_num_threads(2)
    try:
        torch.ones(999, 999) @ torch.ones(999, 999)  # starts a second thread, which the child does not have
        assert in_a_child("fork", explained, packaged, wavs[0]) == alone
    finally:
        torch.set_num_threads(threads)


def cold(pickled: bytes, wav) -> list:
    """In a fresh process eight threads load at once: half of them the folder, half of them the pickled bytes."""

    def loaded(number):
        if number % 2:
            return explained(pickle.loads(pickled), wav)
        from speechbrain_xser.inference import ExplainableEmotionRecognizer

        return explained(ExplainableEmotionRecognizer.from_hparams(speechbrain_xser.packaged_model()), wav)

    return together(loaded, range(THREADS))


@needs_real_clips
def test_eight_threads_of_a_fresh_process_load_at_once(packaged, wavs):
    found = in_a_child("spawn", cold, pickle.dumps(packaged), wavs[0])
    assert found == [explained(packaged, wavs[0])] * THREADS
