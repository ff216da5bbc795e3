"""Recordings as moments: their times and content, independent of batches."""

import numpy as np
import pytest
import soundfile
import torch
from torchaudio.functional import resample

import speechbrain_xser
from speechbrain_xser.data.synthetic.espeak import Espeak, Speaking
from speechbrain_xser.errors import AudioError, SettingsError
from speechbrain_xser.inference import ExplainableEmotionRecognizer
from speechbrain_xser.timeline.cutting import Cutting
from speechbrain_xser.timeline.moment import Moment
from speechbrain_xser.timeline.moment_stream import read_timeline
from speechbrain_xser.timeline.store import KeptMoments
from speechbrain_xser.utils.journal import Journal
from tests.annotator.real_clips import clips, needs_real_clips
from tests.timeline.stub import RATE, Loudness, Stub, tones

BARE = Cutting(context_seconds=0.0)


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    """Seventy tones of different lengths, a second apart: 71 s of silence among about 100 s of tone."""
    path = tmp_path_factory.mktemp("recording") / "tones.wav"
    lengths = [part for place in range(70) for part in (1.0, 0.5 + 0.032 * (place % 60))]
    soundfile.write(path, tones(*lengths, 1.0), RATE)
    return path


def moments(path, recognizer=None, **options):
    return list(read_timeline(recognizer or Stub(), path, **{"cutting": BARE, "detector": Loudness(), **options}))


def test_each_stretch_is_a_moment_with_its_samples(tmp_path):
    soundfile.write(tmp_path / "a.wav", tones(0.512, 1.024, 1.024, 0.512, 0.512), RATE)
    found = moments(tmp_path / "a.wav")
    assert [(moment.start_seconds, moment.end_seconds) for moment in found] == [(0.512, 1.536), (2.56, 3.072)]
    assert [moment.explanation.transcript.split(",")[0] for moment in found] == ["16384 samples", "8192 samples"]


def test_the_result_does_not_depend_on_the_batch_size(recording):
    one, five = Stub(), Stub()
    assert moments(recording, one, batch_size=1) == moments(recording, five, batch_size=5)
    assert max(one.rows) == 1 and max(five.rows) == 5 and sum(five.rows) == 70


def test_each_moment_has_its_own_explanation_though_batches_are_by_length(recording):
    found = moments(recording)
    lengths = [round(RATE * (moment.end_seconds - moment.start_seconds)) for moment in found]
    assert [moment.explanation.transcript.split()[0] for moment in found] == list(map(str, lengths))
    assert len(found) == 70 and found == sorted(found, key=lambda moment: moment.start_seconds)


def test_moments_are_yielded_while_the_recording_is_read(recording):
    seen = []
    found = read_timeline(Stub(), recording, BARE, 1, progress=seen.append, detector=Loudness())
    next(found)
    assert seen and max(seen) < 30


def test_progress_is_in_seconds_and_ends_with_the_recording(recording):
    seen = []
    moments(recording, progress=seen.append)
    assert seen == sorted(seen) and seen[-1] == pytest.approx(soundfile.info(recording).duration, abs=0.001)


def test_silence_is_an_empty_timeline(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros(5 * RATE), RATE)
    assert list(read_timeline(Stub(), tmp_path / "a.wav")) == []


def test_a_recording_without_its_end_gives_its_moments_and_then_the_fault(recording, tmp_path):
    content = recording.read_bytes()
    (tmp_path / "half.wav").write_bytes(content[: len(content) // 2])
    found = read_timeline(Stub(), tmp_path / "half.wav", BARE, detector=Loudness())
    given = []
    with pytest.raises(AudioError, match="half.wav: truncated"):
        given.extend(iter(found.__next__, None))
    assert given[:-1] == moments(recording)[: len(given) - 1] and 20 < len(given) < 50


def test_a_maximum_beyond_the_model_s_is_refused_before_reading():
    with pytest.raises(SettingsError, match="expected 2 to 10"):
        next(read_timeline(Stub(max_seconds=10.0), "nowhere.wav"))


def test_what_was_explained_before_is_not_explained_again(recording, tmp_path):
    first, second = Stub(), Stub()
    with Journal(tmp_path / "a.journal", Moment) as journal:
        once = moments(recording, first, kept=KeptMoments(journal, "one"))
    with Journal(tmp_path / "a.journal", Moment) as journal:
        again = KeptMoments(journal, "one")
        assert moments(recording, second, kept=again) == once == list(again)
    assert sum(first.rows) == 70 and second.rows == [] and again.added == 0


def test_a_group_that_was_cut_short_is_explained_as_the_whole_it_was(recording, tmp_path):
    with Journal(tmp_path / "a.journal", Moment) as journal:
        whole = moments(recording, kept=KeptMoments(journal, "one"))
        everything = dict(journal)
    first = sorted(everything, key=lambda key: int(key.split()[1]))[:40]  # the second group of 32 is cut short
    rest = Stub()
    with Journal(tmp_path / "rest.journal", Moment) as journal:
        journal.add_all((key, everything[key]) for key in first)
        assert moments(recording, rest, kept=KeptMoments(journal, "one")) == whole
        assert dict(journal) == everything
    assert rest.rows == [8, 8, 8, 8, 6]


def test_a_group_of_moments_is_kept_in_one_transaction(recording, tmp_path, monkeypatch):
    counts = []
    with Journal(tmp_path / "a.journal", Moment) as journal:
        usual = journal.add_all
        monkeypatch.setattr(journal, "add_all", lambda pairs: counts.append(len(pairs)) or usual(pairs))
        moments(recording, kept=KeptMoments(journal, "one"))
    assert counts == [32, 32, 6]


def test_another_recording_model_or_setting_reuses_nothing(recording, tmp_path):
    with Journal(tmp_path / "a.journal", Moment) as journal:
        moments(recording, kept=KeptMoments(journal, "one"))
        other = Stub()
        moments(recording, other, kept=KeptMoments(journal, "other"))
    assert sum(other.rows) == 70


def ends_near(found, truth, tolerance):
    assert len(found) == len(truth), [(moment.start_seconds, moment.end_seconds) for moment in found]
    for moment, (start, end) in zip(found, truth, strict=True):
        assert moment.start_seconds == pytest.approx(start, abs=tolerance), (moment, start)
        assert moment.end_seconds == pytest.approx(end, abs=tolerance), (moment, end)


def joined(waves, pause, path):
    """A file of waves with pauses between them, and the place of each."""
    truth, parts, at = [], [np.zeros(round(pause * RATE), "float32")], round(pause * RATE)
    for wave in waves:
        truth.append((at / RATE, (at + len(wave)) / RATE))
        parts += [wave, parts[0]]
        at += len(wave) + len(parts[0])
    soundfile.write(path, np.concatenate(parts), RATE)
    return truth


def loud_part(wave, floor):
    """The range of samples from the first to the last 20 ms that reach a share of the loudest."""
    levels = np.abs(wave[: len(wave) // 320 * 320].reshape(-1, 320)).max(axis=1)
    loud = np.flatnonzero(levels > floor * levels.max())
    return loud[0] * 320, (loud[-1] + 1) * 320


def test_synthetic_speech_is_found_where_it_was_put(tmp_path):
    espeak, waves = Espeak(), []
    for text in ("The minister signed the tax.", "Why did Anna forget the bread?", "They played a song on Monday."):
        wave = torch.from_numpy(np.array(espeak.say(text, Speaking("en-us+m3"))))
        wave = resample(wave, espeak.sample_rate, RATE).numpy()
        waves.append(wave[slice(*loud_part(wave, 0.02))])
    truth = joined(waves, 1.2, tmp_path / "a.wav")
    ends_near(list(read_timeline(Stub(), tmp_path / "a.wav", BARE)), truth, 0.2)


@needs_real_clips
@pytest.mark.parametrize("corpus", ["cremad", "librispeech"])
@pytest.mark.slow
def test_real_speech_is_found_where_it_was_put(corpus, tmp_path):
    """The loud part of each clip is in its moment, and the moment is within the clip."""
    waves = [clip.wav.numpy() for clip in clips(corpus, 6)]
    placed = joined(waves, 1.5, tmp_path / "a.flac")
    found = list(read_timeline(Stub(), tmp_path / "a.flac", Cutting(pause_seconds=1.0)))
    assert len(found) == len(waves)
    for moment, wave, (start, end) in zip(found, waves, placed, strict=True):
        first, last = loud_part(wave, 0.2)
        assert start - 0.25 <= moment.start_seconds <= start + first / RATE + 0.05
        assert start + last / RATE - 0.05 <= moment.end_seconds <= end + 0.25


@pytest.mark.slow
def test_the_packaged_models_answers_do_not_depend_on_the_batch_size(tmp_path):
    """Words and emotions are the same; probabilities differ by the rounding of float32."""
    recognizer = ExplainableEmotionRecognizer.from_hparams(
        speechbrain_xser.packaged_model(), run_opts={"device": "cpu"}
    )
    espeak = Espeak()
    texts = ("They played a song.", "Why did Anna forget the bread again?", "Yes.", "The minister signed the tax.")
    waves = [resample(torch.from_numpy(np.array(espeak.say(text, Speaking("en-us+f3")))), espeak.sample_rate, RATE)
             for text in texts]  # fmt: skip
    joined([wave.numpy() for wave in waves], 1.0, tmp_path / "a.wav")
    one, five = (list(read_timeline(recognizer, tmp_path / "a.wav", batch_size=size)) for size in (1, 5))
    assert len(one) >= 4 and [each.explanation[:4] for each in one] == [each.explanation[:4] for each in five]
    for alone, together in zip(one, five, strict=True):
        assert together.explanation.probabilities == pytest.approx(alone.explanation.probabilities, abs=1e-4)
