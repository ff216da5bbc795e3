"""Attention meets few shapes, no cuDNN, and on a GPU no masks; its segments give what padded rows give."""

from threading import Barrier, Thread

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.backends import cuda
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode

from benchmarks.material import speech_seconds
from speechbrain_xser.decoder.generation import row_cache
from speechbrain_xser.decoder.generation.answer import PartialAnswer
from speechbrain_xser.decoder.generation.loop import greedy
from speechbrain_xser.decoder.generation.row_cache import attended_keys
from speechbrain_xser.decoder.packing import attention, segments, trunk
from speechbrain_xser.decoder.packing.stream import Layout, PackedAttention
from speechbrain_xser.decoder.sequence import Stream
from speechbrain_xser.lobes.encoder import FrozenEncoder
from speechbrain_xser.testing import tiny_encoder_folder
from speechbrain_xser.training.step_bytes import on_meta
from speechbrain_xser.utils import attention_kernels
from speechbrain_xser.utils.attention_kernels import without_cudnn
from speechbrain_xser.utils.lengths import rounded

PREFIX, COUNTS, ASKED = 5, (7, 3, 12, 1), [3, 1, 5, 1]
FIXED = 35  # tokens of a prompt's opening, and as many around its slots


@pytest.fixture
def met(monkeypatch):
    """The shapes of queries and keys of every call of attention."""
    shapes, original = [], attention.scaled_dot_product_attention

    def noted(query, key, *rest, **options):
        shapes.append((query.shape, key.shape))
        return original(query, key, *rest, **options)

    monkeypatch.setattr(attention, "scaled_dot_product_attention", noted)
    return shapes


def heads(count, groups, places, dtype=torch.float32, device="cpu"):
    shape = (1, count, places, 16), (1, groups, places, 16), (1, groups, places, 16)
    return tuple(torch.randn(one, dtype=dtype, device=device) for one in shape)


@pytest.mark.parametrize("prefix", [0, PREFIX])
@pytest.mark.parametrize("last", [None, ASKED])
@pytest.mark.parametrize("window", [None, 4])
def test_segments_give_what_padded_rows_give(prefix, last, window, monkeypatch):
    layout = Layout(prefix, COUNTS)
    query, key, value = heads(4, 2, layout.length)
    query = query if last is None else query[:, :, layout.last(last)]
    dense = PackedAttention(layout, "cpu", last).attend(0, query, key, value, sliding_window=window)
    monkeypatch.setattr("speechbrain_xser.decoder.packing.stream.fit_segments", lambda *_: True)
    loop = PackedAttention(layout, torch.device("cpu"), last).attend(0, query, key, value, sliding_window=window)
    torch.testing.assert_close(loop, dense, atol=1e-6, rtol=1e-6)


class Calls(TorchDispatchMode):
    """The names of all operations, and the arguments of the attention over segments."""

    def __init__(self):
        super().__init__()
        self.names, self.given = [], None

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.names.append(func.name())
        if func.name() == "torch_attn::_varlen_attn":
            self.given = [*args, *(kwargs or {}).values()]
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("last", [None, ASKED])
def test_a_gpu_attends_to_segments_in_one_kernel_without_a_mask(last):
    layout = Layout(PREFIX, COUNTS)
    query, key, value = heads(4, 2, layout.length, torch.bfloat16, "meta")
    query = query if last is None else query[:, :, layout.last(last)]
    with Calls() as calls:
        output = PackedAttention(layout, torch.device("meta"), last).attend(0, query, key, value, sliding_window=4)
    assert output.shape == (1, query.shape[2], 4, 16)
    assert calls.names.count("torch_attn::_varlen_attn") == 1
    assert not any("masked_fill" in name or "dot_product" in name for name in calls.names)
    assert calls.given[1].shape[0] == PREFIX * (last is None) + sum(PREFIX + count for count in COUNTS)
    assert [3, 0] in [part for part in calls.given if isinstance(part, list)]  # the query's own place and 3 before it


@pytest.mark.parametrize("dtype, softcap", [(torch.float32, None), (torch.bfloat16, 30.0)])
def test_what_the_kernel_cannot_do_is_left_to_padded_rows(dtype, softcap):
    assert not segments.fit_segments(torch.empty(1, 2, 3, 64, dtype=dtype, device="meta"), softcap)


@pytest.mark.parametrize("backend", [SDPBackend.MATH, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.CUDNN_ATTENTION])
def test_where_flash_attention_is_off_rows_are_padded(backend):
    query, key, value = heads(4, 2, 6, torch.bfloat16, "meta")
    with sdpa_kernel(backend), Calls() as calls:
        PackedAttention(Layout(2, (3, 1)), torch.device("meta")).attend(0, query, key, value)
    assert "torch_attn::_varlen_attn" not in calls.names


def test_a_mask_of_padded_rows_has_the_size_of_arithmetic(monkeypatch):
    made, original = [], attention.additive_mask
    monkeypatch.setattr(attention, "additive_mask", lambda *given: made.append(original(*given)) or made[-1])
    plan = PackedAttention(Layout(35, (100,) * 8), torch.device("meta"))
    for layer in range(3):  # layers share it
        plan.attend(layer, *heads(4, 2, 35 + 800, torch.float32, "meta"))
    [mask] = made
    assert mask.nbytes == 9 * (2 * 128) * (128 + 48) * 4  # rows, queries of 2 heads, keys, bytes


def test_attention_meets_at_most_24_shapes_in_200_steps(met):
    seconds = torch.from_numpy(speech_seconds(1600, seed=3)).view(-1, 8).sort(0).values  # batches of similar clips
    states = heads(2, 1, 1, device="meta")
    for batch in seconds.tolist():
        counts = tuple(int(FIXED + 24 * length) for length in batch)  # 20 soft tokens and 4 answer tokens a second
        layout, last = Layout(FIXED, counts), [int(36 + 4 * length) for length in batch]
        for asked, plan in ((layout.length, None), (sum(last), last)):
            query, key, value = (part.expand(1, -1, layout.length, -1) for part in states)
            PackedAttention(layout, torch.device("meta"), plan).attend(0, query[:, :, :asked], key, value)
    assert len(met) == 400 and len(set(met)) <= 24


def test_attention_meets_at_most_16_shapes_in_200_tokens(plain, met, monkeypatch):
    monkeypatch.setattr(row_cache, "attended_keys", lambda longest, _: attended_keys(longest, torch.device("cuda")))
    attention.use_plans(plain)
    word = plain.get_input_embeddings()
    ids = torch.randint(3, 60, (150,), generator=torch.Generator().manual_seed(0))

    def prompts(rows):
        return Stream(word(torch.cat([ids, *[ids[:3]] * len(rows)])), Layout(150, (3,) * len(rows)))

    answers = [PartialAnswer([], 200, ends={-1}) for _ in range(2)]
    greedy(plain, prompts, [153] * 2, answers, pad=0)
    assert [len(answer.new) for answer in answers] == [200, 200]
    assert len(set(met)) <= 16


@pytest.mark.parametrize("length", [1, 15, 16, 17, 100, 257, 5000])
def test_a_rounded_length_is_at_most_a_quarter_longer_and_is_rounded_to_itself(length):
    assert length <= rounded(length) <= max(16, length * 1.25 + 16)
    assert rounded(rounded(length)) == rounded(length)


def fake_cuda(run, *shapes):
    """Runs something on tensors of a GPU that is not there; cuDNN's switch is read inside each attention."""
    with FakeTensorMode(allow_non_fake_inputs=True):
        return run(*(torch.empty(shape, device="cuda", dtype=torch.bfloat16) for shape in shapes))


def test_the_decoders_attention_is_not_cudnns(monkeypatch):
    switches, original = [], attention.scaled_dot_product_attention

    def noted(*given, **options):
        switches.append(cuda.cudnn_sdp_enabled())
        return original(*given, **options)

    monkeypatch.setattr(attention, "scaled_dot_product_attention", noted)
    fake_cuda(attention.masked_attention, (1, 2, 4, 16), (1, 2, 4, 16), (1, 2, 4, 16), (1, 1, 4, 4))
    assert switches == [False] and cuda.cudnn_sdp_enabled()


def test_attention_without_a_plan_is_not_cudnns(plain, attended, monkeypatch):
    attention.use_plans(plain)
    monkeypatch.setattr(attention, "without_cudnn", lambda _: without_cudnn(torch.device("cuda")))
    plain(torch.tensor([[1, 2, 3]]))
    assert attended and not any(on for _, on in attended) and cuda.cudnn_sdp_enabled()


def test_a_pass_turns_cudnn_off_once(plain, monkeypatch):
    """Layers find it off: changing the switches takes longer than all else that an attention does on the host."""
    changes, original = [], attention_kernels.sdpa_kernel
    monkeypatch.setattr(attention_kernels, "sdpa_kernel", lambda others: changes.append(1) or original(others))
    for place in (attention, trunk):
        monkeypatch.setattr(place, "without_cudnn", lambda _: without_cudnn(torch.device("cuda")))
    attention.use_plans(plain)
    stream = plain.get_input_embeddings()(torch.tensor([1, 2, 3]))
    trunk.last_states(plain, stream, Layout(1, (2,)), [1])
    plan = PackedAttention(Layout(0, (3,)), torch.device("cpu"))
    trunk.run(plain, plan, torch.arange(3)[None], inputs_embeds=stream[None])
    assert len(changes) == 2 and plain.config.num_hidden_layers > 1


@pytest.fixture
def attended(monkeypatch):
    """For every attention of an encoder: the shape of its queries, and whether cuDNN was on."""
    calls, original = [], torch.nn.functional.scaled_dot_product_attention

    def noted(query, *given, **options):
        calls.append((query.shape, cuda.cudnn_sdp_enabled()))
        return original(query, *given, **options)

    monkeypatch.setattr(torch.nn.functional, "scaled_dot_product_attention", noted)
    return calls


@pytest.mark.parametrize("kind", ["hubert", "whisper"])
def test_the_encoders_attention_is_not_cudnns(kind, attended, tmp_path, monkeypatch):
    encoder = FrozenEncoder(tiny_encoder_folder(tmp_path, kind))
    on_gpu = torch.device("cuda")
    monkeypatch.setattr("speechbrain_xser.lobes.encoder.without_cudnn", lambda _: without_cudnn(on_gpu))
    encoder(torch.randn(1, 8000), torch.tensor([8000]))
    assert attended and not any(on for _, on in attended) and cuda.cudnn_sdp_enabled()


def test_an_encoder_on_a_gpu_meets_at_most_24_shapes_in_200_batches(attended, tmp_path):
    folder = tiny_encoder_folder(tmp_path)
    with torch.device("meta"), on_meta():
        encoder = FrozenEncoder(folder, load_weights=False)
        for seconds in speech_seconds(200, seed=3):
            samples = int(16000 * seconds)
            states = encoder(torch.empty(1, samples), torch.tensor([samples], device="cpu"))
            assert states.layers.shape[2] == int(states.frames)
    assert len({shape for shape, _ in attended}) <= 24


@pytest.mark.parametrize("kind", ["hubert", "whisper"])
def test_frames_that_round_a_length_up_change_no_state(kind, tmp_path, monkeypatch):
    encoder, wavs, samples = FrozenEncoder(tiny_encoder_folder(tmp_path, kind)), torch.randn(2, 9000), [9000, 7000]
    expected = encoder(wavs, torch.tensor(samples)).layers
    monkeypatch.setattr("speechbrain_xser.lobes.attention_mask.has_shapes", lambda _: True)
    found = encoder(wavs, torch.tensor(samples)).layers
    assert found.shape == expected.shape
    valid = encoder.frame_counts(torch.tensor(samples)).tolist()
    for row, frames in enumerate(valid):
        torch.testing.assert_close(found[:, row, :frames], expected[:, row, :frames], atol=1e-5, rtol=1e-5)


def test_threads_share_the_switch_and_the_last_one_restores_it():
    inside, left, seen = Barrier(3), Barrier(3), []

    def hold():
        with without_cudnn(torch.device("cuda")):
            inside.wait()
            seen.append(cuda.cudnn_sdp_enabled())
        left.wait()

    threads = [Thread(target=hold) for _ in range(2)]
    with without_cudnn(torch.device("cuda")):
        for thread in threads:
            thread.start()
        inside.wait()
        left.wait()
        seen.append(cuda.cudnn_sdp_enabled())
    for thread in threads:
        thread.join()
    assert seen == [False] * 3 and cuda.cudnn_sdp_enabled()


def test_kernels_that_somebody_turned_off_stay_off():
    with sdpa_kernel([SDPBackend.MATH, SDPBackend.CUDNN_ATTENTION]), without_cudnn(torch.device("cuda")):
        assert cuda.math_sdp_enabled() and not (cuda.flash_sdp_enabled() or cuda.cudnn_sdp_enabled())
    with sdpa_kernel(SDPBackend.CUDNN_ATTENTION), without_cudnn(torch.device("cuda")):
        assert cuda.cudnn_sdp_enabled()  # the only one


def test_a_step_of_one_row_on_a_cpu_needs_no_mask():
    heads = torch.zeros(1, 4, 1, 8)
    assert attention.additive_mask(torch.tensor([[[2, 1, 0]]]), None, heads, heads) is None
    assert attention.additive_mask(torch.tensor([[[2, 1, 0]]]), 2, heads, heads) is not None
    assert attention.additive_mask(torch.tensor([[[2, 1, 0], [1, 0, -1]]]), None, heads, heads) is not None
