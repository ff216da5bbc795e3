"""Many clips: the explanation of each, their order, and the cost."""

from pathlib import Path

import pytest
import soundfile
import torch

from speechbrain_xser.cli.explain import _evident
from speechbrain_xser.errors import AudioError
from speechbrain_xser.explaining import clips as clips_module
from speechbrain_xser.explaining.clip_sources import find_clips
from speechbrain_xser.explaining.clips import SourceClip, explain_clips, read_clip
from speechbrain_xser.utils.lengths import relative_from_counts
from tests.local_server import local_server, send


@pytest.fixture(scope="module")
def recognizer(unchecked):
    return unchecked


@pytest.fixture(scope="module")
def recordings(tmp_path_factory) -> list[SourceClip]:
    """Noise of five unsorted lengths."""
    folder, generator = tmp_path_factory.mktemp("recordings"), torch.Generator().manual_seed(3)
    for number, seconds in enumerate((0.9, 0.3, 0.7, 0.5, 1.1)):
        samples = 0.1 * torch.randn(round(16000 * seconds), generator=generator)
        soundfile.write(folder / f"{number}.wav", samples.numpy(), 16000)
    return [SourceClip(path.name, str(path)) for path in sorted(folder.iterdir())]


def test_every_clip_is_measured_once(recognizer, tmp_path, monkeypatch):
    tone = 0.1 * torch.sin(2 * torch.pi * 200 * torch.arange(16000) / 16000)
    soundfile.write(tmp_path / "tone.wav", tone.numpy(), 16000)
    [told] = explain_clips(recognizer, [SourceClip("tone", str(tmp_path / "tone.wav"))])
    assert told.measured.f0_hertz == pytest.approx(200, rel=0.01)
    assert told.measured.level_decibels == pytest.approx(-23.0, abs=0.1)  # 0.1 / sqrt(2)


def counted(module: torch.nn.Module, work) -> list[tuple[int, ...]]:
    """Rows and samples of each forward of a module during a call."""
    rows = []
    handle = module.register_forward_hook(lambda _, inputs, __: rows.append(tuple(inputs[0].shape)))
    try:
        list(work())
    finally:
        handle.remove()
    return rows


def test_explanations_keep_the_order_of_the_clips(recognizer, recordings):
    found = list(explain_clips(recognizer, recordings, batch_size=2))
    assert [told.clip for told in found] == recordings
    alone = [recognizer.explain_file(clip.path).paragraph for clip in recordings]
    assert [told.explanation.paragraph for told in found] == alone


def test_the_encoder_hears_what_it_hears_of_sorted_batches(recognizer, recordings):
    def batches():
        order = sorted((read_clip(recognizer, clip) for clip in recordings), key=len)
        for start in range(0, len(order), 2):
            waves = order[start : start + 2]
            counts = torch.tensor([len(wave) for wave in waves])
            yield torch.nn.utils.rnn.pad_sequence(waves, batch_first=True), relative_from_counts(counts)

    encoder = recognizer.mods.model.encoder
    expected = counted(encoder, lambda: recognizer.explain_batches(batches()))
    found = counted(encoder, lambda: explain_clips(recognizer, recordings, batch_size=2))
    assert found == expected == [(2, 8000), (2, 14400), (1, 17600)]  # 0.3 and 0.5 s, 0.7 and 0.9 s, 1.1 s


def test_waveforms_are_read_when_their_turn_comes(recognizer, recordings, monkeypatch):
    read = []
    monkeypatch.setattr(clips_module, "read_clip", lambda *given: read.append(given) or read_clip(*given))
    found = explain_clips(recognizer, recordings[1:2] * 20, batch_size=1)
    next(found)
    assert len(read) == 8  # batches that are answered together, of 20


def test_a_window_is_explained_before_the_next_one_is_read(recognizer, recordings, monkeypatch):
    monkeypatch.setattr(clips_module, "WINDOW", 2)
    asked = iter(recordings)
    found = explain_clips(recognizer, asked, batch_size=1)
    next(found)
    assert len(list(asked)) == 3


def test_a_clip_that_cannot_be_read_stops_no_other(recognizer, recordings, tmp_path):
    (tmp_path / "bad.wav").write_text("no sound")
    soundfile.write(tmp_path / "nan.wav", torch.full((8000,), torch.nan).numpy(), 16000, subtype="FLOAT")
    bad, nan, gone = (SourceClip(name, str(tmp_path / name)) for name in ("bad.wav", "nan.wav", "gone.wav"))
    given = [bad, recordings[0], nan, recordings[1], gone, SourceClip("x", "x", "known to be of no use")]
    found = list(explain_clips(recognizer, given, batch_size=2))
    assert [told.clip for told in found] == given
    assert [told.explanation is None for told in found] == [True, False, True, False, True, True]
    assert ["NaN" in found[2].fault, "no such file" in found[4].fault, found[5].fault] == [
        True,
        True,
        "known to be of no use",
    ]


def test_a_clip_that_is_too_long_is_named_with_the_remedy(recognizer, tmp_path):
    soundfile.write(tmp_path / "long.wav", torch.zeros(16000 * 31).numpy(), 16000)
    [told] = explain_clips(recognizer, [SourceClip("long.wav", str(tmp_path / "long.wav"))])
    assert told.explanation is None and told.fault.startswith("long.wav: 31.0 s long, expected at most 30 s")
    assert "xser timeline long.wav" in told.fault


def test_no_clips_are_no_work(recognizer):
    assert list(explain_clips(recognizer, [])) == []


def test_a_fault_names_the_clip_as_its_owner_knows_it(recognizer, tmp_path):
    (tmp_path / "sound.wav").write_text("no sound")
    with pytest.raises(AudioError, match="^-: "):
        read_clip(recognizer, SourceClip("-", str(tmp_path / "sound.wav")))


def test_what_is_at_an_address_is_fetched_in_its_turn_and_not_kept(recognizer, recordings, tmp_path, monkeypatch):
    monkeypatch.setattr(clips_module, "WINDOW", 1)
    content = Path(recordings[0].path).read_bytes()
    with local_server(lambda request: send(request, content)) as server:
        addresses = [f"{server.address}/{number}.wav" for number in range(2)]
        found = list(find_clips(addresses, None, tmp_path))
        assert not server.asked
        told = _evident(recognizer, explain_clips(recognizer, found, batch_size=1), None, None)
        [first, _] = next(told)
        assert first.explanation and server.asked == ["GET /0.wav"] and not list(tmp_path.iterdir())
        assert next(told)[0].explanation == first.explanation

