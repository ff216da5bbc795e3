"""EmotionCoT's lines and the clips they belong to, with paths of IEMOCAP, MELD and EARS."""

import json

import pytest

from speechbrain_xser.data.emotioncot import Labels, match, read_labels
from speechbrain_xser.errors import ManifestError

LINE = {  # the fields of the published data card
    "audio_path": "/IEMOCAP/Ses01F_impro01_F000.wav",
    "transcription": "excuse me.",
    "emotion": "neutral",
    "gender": "Female",
    "age_level": "Young Adult",
    "pitch_level": "normal",
    "energy_level": "low",
    "speed_level": "fast",
    "intonation": "falling",
    "stressed_words": ["excuse"],
    "source": "iemocap",
    "cot_analysis": "The speaker, ...",
}


def read(tmp_path, *lines) -> list[Labels]:
    path = tmp_path / "emotioncot.jsonl"
    path.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines), "utf-8-sig")
    return list(read_labels(path))


def test_a_line_is_read_into_this_package_s_labels(tmp_path):
    [labels] = read(tmp_path, LINE)
    assert labels == Labels(
        LINE["audio_path"], "normal", "low", "fast", None, ("excuse",), "female", "youth adult", unread=()
    )


@pytest.mark.parametrize(
    "written, word", [("flat", "flat"), ("expressive", "lively"), ("rising-falling", None), ("uncertain", None)]
)
def test_a_contour_does_not_give_the_range(tmp_path, written, word):
    [labels] = read(tmp_path, {**LINE, "intonation": written})
    assert labels.intonation == word and labels.unread == ()


@pytest.mark.parametrize(
    "field, value, age",
    [("age_level", "Aiddle-aged", "middle-aged"), ("age_level", "Elderly", "elderly"), ("age_level", None, None)],
)
def test_ages_are_read_as_the_card_spells_them(tmp_path, field, value, age):
    [labels] = read(tmp_path, {**LINE, field: value})
    assert labels.age == age and labels.unread == ()


def test_a_value_without_a_word_is_handed_back_and_one_that_says_nothing_is_not(tmp_path):
    [labels] = read(tmp_path, {**LINE, "pitch_level": "insufficient_voiced", "energy_level": "very high", "gender": ""})
    assert (labels.pitch, labels.volume, labels.gender) == (None, None, None)
    assert labels.unread == ("energy_level:very high",)


@pytest.mark.parametrize("line", ['{"audio_path": "a.wav', "[]", '{"gender": "Male"}'])
def test_a_wrong_line_is_refused_by_number(tmp_path, line):
    with pytest.raises(ManifestError, match="emotioncot.jsonl, line 2"):
        read(tmp_path, LINE, line)


def test_a_path_with_two_opinions_is_refused_and_one_said_twice_is_not(tmp_path):
    assert len(read(tmp_path, LINE, LINE)) == 2
    with pytest.raises(ManifestError, match="line 2: /IEMOCAP/Ses01F_impro01_F000.wav occurs twice"):
        read(tmp_path, LINE, {**LINE, "pitch_level": "high"})


def matched(paths: list[str], clips: list[str]) -> dict[str, str]:
    return {clip: labels.path for clip, labels in match([Labels(path) for path in paths], clips).labels.items()}


def test_names_that_are_there_once_need_no_folder():
    clip = "{data_root}/Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_F000.wav"
    assert matched(["C:\\data\\IEMOCAP\\Ses01F_impro01_F000.wav"], [clip]) == {
        clip: "C:\\data\\IEMOCAP\\Ses01F_impro01_F000.wav"
    }


def test_meld_s_equal_names_are_told_by_the_split_in_a_folder():
    clips = [f"/out/audio/{split}/dia0_utt0.flac" for split in ("train", "dev", "test")]
    paths = ["/MELD/train_splits/dia0_utt0.wav", "/MELD/dev_splits_complete/dia0_utt0.wav"]
    assert matched(paths, clips) == dict(zip(clips, paths, strict=False))


def test_ears_equal_names_are_told_by_the_speaker_s_folder():
    clips = [f"EARS/p00{n}/emo_anger_sentences.wav" for n in (1, 2)]
    assert matched([f"/EARS/{clip.removeprefix('EARS/')}" for clip in clips], clips) == {c: f"/{c}" for c in clips}


def test_an_ambiguous_label_is_given_to_no_clip():
    clips = [f"/out/{split}/dia0_utt0.flac" for split in ("train", "dev")]
    found = match([Labels("/MELD/dia0_utt0.wav")], clips)
    assert found.labels == {} and (found.ambiguous, found.unmatched) == (2, 1)
