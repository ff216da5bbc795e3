"""What answers earn: true ones most, and cheating ones, written by hand, nothing for their tricks.

The sound is the embedded corpus's, whose labels were set in the synthesiser; honest answers are written from them.
"""

from statistics import mean

import pytest
import torch

from speechbrain_xser.annotator.measures import Measures
from speechbrain_xser.answer.record import Descriptors
from speechbrain_xser.answer.render import render
from speechbrain_xser.data.manifest import Utterance
from speechbrain_xser.data.synthetic.corpus import plan, record, speak
from speechbrain_xser.errors import SettingsError
from speechbrain_xser.metrics.text_normalization import normalise
from speechbrain_xser.training.rewards import Rewards, RewardWeights

CLIPS = 14  # of the test voices: two of each emotion, about


@pytest.fixture(scope="module")
def spoken():
    """Utterances with the labels that were set, and their sound."""
    plans = [plan("test", index, seed=1) for index in range(CLIPS)]
    records = [record(one) for one in plans]
    utterances = [
        Utterance(f"clip-{number}", "-", transcript=one.transcript, emotion=one.emotion, **one.descriptors._asdict())
        for number, one in enumerate(records)
    ]
    return [(utterance, torch.from_numpy(speak(one))) for utterance, one in zip(utterances, plans, strict=True)]


@pytest.fixture(scope="module")
def rewards(spoken):
    return Rewards(utterances=[utterance for utterance, _ in spoken])


def earned(rewards, spoken, answer, **options):
    """The mean of the rewards and of each part, of ``answer(utterance)`` to every clip."""
    found = [rewards(utterance, wav, [answer(utterance)], **options)[0] for utterance, wav in spoken]
    names = {name for one in found for name in one.parts}
    parts = {name: mean(one.parts[name] for one in found if name in one.parts) for name in names}
    return mean(one.total for one in found), parts


def honest(utterance):
    """All that was set, but emphasis, which the annotator does not hear in these voices."""
    record = utterance.record()
    return render(record._replace(descriptors=record.descriptors._replace(emphasis=None)))


def bare(utterance):
    """Quotes, and says nothing else."""
    return f'A person speaks, stating, "{utterance.transcript}".'


@pytest.fixture(scope="module")
def truth(rewards, spoken):
    return earned(rewards, spoken, honest)


def test_an_honest_answer_earns_most_of_what_there_is(truth):
    total, parts = truth
    assert parts["supported"] > 2 * parts["contradicted"]  # the annotator's bounds are of other speech
    assert parts["words"] == parts["malformed"] == parts["looping"] == 0
    assert parts["emotion"] == pytest.approx(1.0)  # weights of classes cancel over the corpus
    assert total == pytest.approx(parts["supported"] - parts["contradicted"] + parts["emotion"])


def test_an_answer_without_claims_earns_nothing(rewards, spoken):
    total, parts = earned(rewards, spoken, bare)
    assert total == 0 and parts["supported"] == parts["contradicted"] == parts["emotion"] == 0


LEVELS = "low, normal or high"
WORDS = {"male": "man", "female": "woman"}
CHEATS = {
    "both of everything": 'A man or a woman with low or high pitch, low and high volume speaks slowly and rapidly, in '
    'flat or lively intonation, stating, "{said}", sounding angry, sad, happy, fearful, surprised or disgusted.',
    "one after another": 'A man with low pitch talks slowly, stating, "{said}". A woman with high pitch talks rapidly.',
    "every label of every field": 'A man and a woman with {levels} pitch, {levels} volume, flat, normal or lively '
    'intonation speaks slowly, rapidly, stating, "{said}".',
    "after the head, with adverbs": 'A person whose pitch is low or even high or maybe normal and whose volume is '
    'first low, then high speaks, stating, "{said}".',
    "after the head": 'A person whose pitch is {levels} and whose volume is {levels}, whose pace is slow or fast, '
    'speaks, stating, "{said}".',
    "words without a claim": 'A person with some pitch and a certain volume speaks at a pace of their own, stating, '
    '"{said}", with an emotion evident.',
    "labels as free text": 'A person speaks in a low pitch high pitch tone, stating, "{said}", a man and a woman.',
    "labels as a topic": 'Within the realm of low pitch and high volume and angry men, a person speaks, stating, '
    '"{said}".',
}  # fmt: skip


@pytest.mark.parametrize("name", CHEATS)
def test_hedging_and_empty_words_earn_no_more_than_saying_nothing(rewards, spoken, name):
    def answer(utterance):
        return CHEATS[name].format(said=utterance.transcript, levels=LEVELS)

    total, parts = earned(rewards, spoken, answer)
    assert parts["supported"] == 0 and parts["emotion"] == 0 and total <= 0


def test_hedging_one_field_costs_what_a_wrong_claim_costs(rewards, spoken):
    told, answers = 'A person with {} volume speaks, stating, "x".', ("low", "high", "low or high")
    utterance, wav = next(one for one in spoken if one[0].volume == "low")
    right, wrong, hedged = (one.parts for one in rewards(utterance, wav, [told.format(how) for how in answers]))
    assert right["supported"] > 0 == right["contradicted"]
    assert hedged == wrong and hedged["contradicted"] == right["supported"]


def test_always_the_majority_s_emotion_earns_what_any_class_earns(spoken):
    """Eight in ten are neutral; the shares are 0.8, 0.2, so the weights are 1 / (2 * 0.8) and 1 / (2 * 0.2)."""
    clips = [spoken[0][0]._replace(id=f"n{number}", emotion="neutral") for number in range(8)]
    clips += [clips[0]._replace(id=f"s{number}", emotion="sad") for number in range(2)]
    rewards, wav = Rewards(utterances=clips), spoken[0][1]
    told = {name: f'A person speaks, stating, "x", sounding {name}.' for name in ("neutral", "sad")}

    def part(answer):
        return mean(rewards(clip, wav, [answer(clip)])[0].parts["emotion"] for clip in clips)

    assert part(lambda clip: told["neutral"]) == pytest.approx(1 / 2)
    assert part(lambda clip: told["sad"]) == pytest.approx(1 / 2)
    assert part(lambda clip: told[clip.emotion]) == pytest.approx(1)


def test_a_rare_class_weighs_at_most_four_times():
    """Without the limit the one sad clip of 300 would weigh 300 / 2 = 150 times."""
    clips = [Utterance(str(number), "-", emotion="sad" if number == 0 else "neutral") for number in range(300)]
    [sad, neutral] = (
        Rewards(utterances=clips)(clip, torch.zeros(16000), [f"A person speaks, sounding {clip.emotion}."], None, False)
        for clip in clips[:2]
    )
    assert sad[0].parts["emotion"] == 4 and neutral[0].parts["emotion"] == pytest.approx(300 / (2 * 299))


def test_what_most_raters_heard_earns_most_however_rare_the_other_is():
    """Six of ten heard neutral; sad is the choice of one clip in ten, and may not win where it is the minority."""
    votes = {str(number): ["neutral"] * 6 + ["sad"] * 4 for number in range(9)} | {"9": ["sad"] * 10}
    clips = [Utterance(name, "-", emotion="neutral") for name in votes]
    rewards, told = Rewards(utterances=clips, votes=votes), [f"Sounding {name}." for name in ("neutral", "sad")]
    neutral, sad = (one.parts["emotion"] for one in rewards(clips[0], torch.zeros(16000), told, quotes=False))
    assert (neutral, sad) == pytest.approx((0.6 / (2 * 0.9), 0.4 / (2 * 0.9)))


def test_raters_who_are_divided_evenly_count_for_both_classes():
    """Classes of 1.5 and 0.5 of two clips weigh 2 / (2 * 1.5) and 2 / (2 * 0.5); the divided clip their mean, 4 / 3."""
    votes = {"a": ["angry", "sad"], "b": ["angry"]}
    clips = [Utterance(name, "-") for name in votes]
    told = [f"Sounding {name}." for name in ("angry", "sad")]
    found = Rewards(utterances=clips, votes=votes)(clips[0], torch.zeros(16000), told, quotes=False)
    assert [one.parts["emotion"] for one in found] == pytest.approx([0.5 * 4 / 3] * 2)


UNCLEAR = Measures(f0_hertz=160.0, gender_log_odds=0.3, level_decibels=-20.0)  # normal for a man, low for a woman


def test_a_gender_that_the_sound_leaves_open_earns_nothing_and_opens_no_pitch(spoken, monkeypatch):
    monkeypatch.setattr("speechbrain_xser.training.clip_facts.measures_of", lambda *_: UNCLEAR)
    rewards, (utterance, wav) = Rewards(), spoken[0]
    told = [f"A {who} with {pitch} pitch." for who in ("man", "woman") for pitch in ("low", "normal", "high")]
    for found in rewards(utterance, wav, told, quotes=False):
        assert found.parts["supported"] == found.parts["contradicted"] == 0
    high = UNCLEAR._replace(f0_hertz=400.0)  # for either
    monkeypatch.setattr("speechbrain_xser.training.clip_facts.measures_of", lambda *_: high)
    found = Rewards()(utterance, wav, ["A man with high pitch.", "A woman with low pitch."], quotes=False)
    assert [one.parts["supported"] for one in found] == [1 / 2, 0]  # of pitch and volume
    assert [one.parts["contradicted"] for one in found] == [0, 1 / 2]


def test_emphasis_counts_as_a_field_wherever_there_are_words_and_shares_stay_shares(spoken, monkeypatch):
    clip = Utterance("a", "-", transcript="kids are talking")
    for prominences in ((0.0, 0.1, 0.0), (0.0, 3.0, 0.0)):  # no word stands out, or one
        measures = Measures(prominences=prominences, syllables_per_second=9.0)
        monkeypatch.setattr("speechbrain_xser.training.clip_facts.measures_of", lambda *_: measures)  # noqa: B023
        told = 'A person speaks slowly, stating, "Kids are talking", stressing the word "{}".'
        answers = [told.format("kids"), told.format("are"), "A person speaks slowly."]
        found = Rewards()(clip, torch.zeros(16000), answers)
        assert [one.parts["contradicted"] for one in found] == pytest.approx([1, 0.5 if prominences[1] > 1 else 1, 0.5])


def test_the_credits_of_an_answer_are_its_reward_and_lie_where_it_is_settled(rewards, spoken):
    utterance, wav = spoken[0]
    cheat = CHEATS["both of everything"].format(said=utterance.transcript)
    answers = [honest(utterance), cheat, "", BROKEN["no quote"]]
    for answer, found in zip(answers, rewards(utterance, wav, answers), strict=True):
        assert sum(credit.value for credit in found.credits.values()) == pytest.approx(found.total)
        assert all(credit.end is None or credit.end <= len(answer) for credit in found.credits.values())
    answer = f'A {WORDS[utterance.gender]} with low pitch talks, stating, "{utterance.transcript}", sounding sad.'
    [found] = rewards(utterance, wav, [answer])
    ends = {name: credit.end for name, credit in found.credits.items() if credit.end}
    assert {name: answer[:end].split()[-1].strip(',."') for name, end in ends.items() if "word" not in name} == {
        "gender": WORDS[utterance.gender],
        "pitch": "pitch",
        "emotion": "sad",
    }
    words = normalise(utterance.transcript).split()
    assert [normalise(answer[: ends[f"word {place}"]]).split()[-1] for place in range(len(words))] == words
    assert answer[: ends[f"word {len(words)}"]].endswith('"')  # where a further word would have been too many
    for name in ("volume", "malformed", "looping", "revised"):  # never named, or of the whole answer
        assert found.credits[name].end is None


def test_a_second_label_is_paid_for_by_the_whole_answer_and_not_by_its_first_mention(rewards, spoken):
    utterance, wav = next(one for one in spoken if one[0].volume == "low")
    told = 'A person with {} volume speaks, stating, "x".'
    right, hedged = rewards(utterance, wav, [told.format("low"), told.format("low") + " At high volume."])
    assert hedged.credits["volume"] == right.credits["volume"] and right.credits["revised"].value == 0
    assert hedged.credits["revised"].value == -2 * right.credits["volume"].value  # from supported to contradicted


def test_the_safest_claims_alone_earn_less_than_all_honest_ones(rewards, spoken, truth):
    def shrunk(utterance):
        return render(utterance.record()._replace(descriptors=Descriptors(gender=utterance.gender)))

    total, parts = earned(rewards, spoken, shrunk)
    assert total < truth[0] and parts["supported"] < truth[1]["supported"] / 2


def test_one_paragraph_for_all_clips_earns_less_than_honest_ones(rewards, spoken, truth):
    """The likeliest label of each field, whatever is heard: a template that has collapsed."""

    def template(utterance):
        always = Descriptors("male", None, "normal", "normal", "normal", "normal")
        return render(utterance.record()._replace(descriptors=always, emotion="neutral"))

    assert earned(rewards, spoken, template)[0] < truth[0] / 2


def test_stressing_every_word_is_worth_less_than_stressing_none(rewards, spoken):
    def every(utterance):
        stressed = Descriptors(emphasis=tuple(utterance.transcript.split()))
        return render(utterance.record()._replace(descriptors=stressed, emotion=None))

    assert earned(rewards, spoken, every)[0] < 0


def test_the_other_gender_is_no_way_to_a_pitch_that_fits(rewards, spoken):
    """Pitch is judged for the gender that is named: what that gains, the gender itself loses."""
    clear = [(u, wav) for u, wav in spoken if rewards(u, wav, [f"A {WORDS[u.gender]}."])[0].parts["supported"]]
    assert len(clear) > CLIPS / 2  # the gender is heard in these
    for utterance, wav in clear:
        other = {"male": "female", "female": "male"}[utterance.gender]
        answers = [
            render(utterance.record()._replace(descriptors=Descriptors(gender=gender, pitch=pitch)))
            for gender in (utterance.gender, other)
            for pitch in ("low", "normal", "high")
        ]
        found = rewards(utterance, wav, answers)
        assert max(one.total for one in found[3:]) <= max(one.total for one in found[:3])


BROKEN = {
    "nothing": "",
    "a quote that stays open": 'A man speaks, stating, "go on',
    "two transcripts": 'A man speaks, stating, "go on", or "go away".',
    "no quote": "A man speaks, his anger evident.",
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_malformed_answer_costs(rewards, spoken, name):
    [found] = rewards(*spoken[0], [BROKEN[name]])
    assert found.parts["malformed"] == 1


def test_an_answer_cut_at_its_limit_and_one_that_loops_cost(rewards, spoken):
    utterance, wav = spoken[0]
    loop = bare(utterance)[:-1] + ", and on" * 20 + "."
    whole, cut, looping = rewards(utterance, wav, [bare(utterance), bare(utterance), loop], [True, False, True])
    assert (whole.parts["malformed"], cut.parts["malformed"]) == (0, 1) and cut.total == whole.total - 1
    assert looping.parts["looping"] > 0.6 and looping.total == pytest.approx(whole.total - looping.parts["looping"])


def test_wrong_words_cost_by_their_rate_and_no_quote_costs_all():
    clip = Utterance("a", "-", transcript="kids are talking by the door")
    rewards = Rewards(utterances=[clip])
    told = 'A person says, "{}".'
    answers = [told.format(text) for text in ("Kids are talking by the door", "kids are walking by a door", "x " * 30)]
    found = [one.parts["words"] for one in rewards(clip, torch.zeros(16000), [*answers, "A person."])]
    assert found == pytest.approx([0, 2 / 6, 1, 1])


def test_emotions_are_graded_by_the_raters_votes():
    """Three of four raters heard anger, one sadness; over the corpus both are as frequent, so weights are 1."""
    clips = [Utterance(name, "-", emotion="neutral") for name in "ab"]
    votes = {"a": ["angry", "angry", "angry", "sad"], "b": ["sad", "sad", "sad", "angry"]}
    rewards = Rewards(utterances=clips, votes=votes)
    told = "A person speaks, sounding {}."
    answers = [told.format(emotion) for emotion in ("angry", "sad", "neutral", "angry and sad")]
    found = rewards(clips[0], torch.zeros(16000), answers, quotes=False)
    assert [one.parts["emotion"] for one in found] == pytest.approx([0.75, 0.25, 0, 0])


def test_a_corpus_without_transcripts_or_labels_is_rewarded_for_what_it_has_and_says_so(spoken, caplog):
    utterance, wav = spoken[0]
    unknown = utterance._replace(id="u", transcript=None, emotion=None)
    rewards = Rewards(utterances=[unknown, utterance._replace(emotion=None)])
    assert "1 of 2 clips have a transcript" in caplog.text
    assert "No clip has an emotion" in caplog.text
    [found] = rewards(unknown, wav, [honest(utterance)])
    assert set(found.parts) == {"supported", "contradicted", "malformed", "looping"}
    assert found.parts["supported"] > 0


def test_a_transcript_without_words_is_told_as_missing(caplog):
    Rewards(utterances=[Utterance("a", "-", transcript="...", emotion="sad")])
    assert "0 of 1 clips have a transcript" in caplog.text


def test_clips_whose_emotion_is_unknown_are_counted_and_those_with_votes_are_known(caplog):
    clips = [Utterance("a", "-", transcript="x"), Utterance("b", "-", transcript="x", emotion="sad")]
    Rewards(utterances=clips)
    assert "1 of 2 clips have an emotion" in caplog.text
    caplog.clear()
    Rewards(utterances=clips, votes={"a": ["angry"]})
    assert not caplog.text


def test_another_sound_under_the_same_name_is_measured_anew(rewards, spoken):
    (utterance, wav), told = spoken[0], ["A person with high volume.", "A person with low volume."]
    loud, soft = (rewards(utterance, wav * gain, told, quotes=False) for gain in (0.5 / wav.abs().max(), 0.001))
    assert loud[0].total > loud[1].total and soft[0].total < soft[1].total


def test_a_sound_is_measured_once(spoken, monkeypatch):
    measured = []
    monkeypatch.setattr("speechbrain_xser.training.clip_facts.measures_of", lambda *_: measured.append(1) or Measures())
    rewards = Rewards()
    for _ in range(3):
        rewards(*spoken[0], ["A man."])
    assert len(measured) == 1


def test_silence_and_what_is_no_number_have_nothing_to_measure(rewards, spoken):
    utterance, wav = spoken[0]
    for number, sound in enumerate((torch.zeros(16000), wav * float("nan"))):
        [found] = rewards(utterance._replace(id=f"broken-{number}"), sound, [honest(utterance)])
        assert "supported" not in found.parts and found.parts["words"] == 0


@pytest.mark.parametrize("weights", [{"words": -1.0}, dict.fromkeys(RewardWeights._fields, 0.0)])
def test_weights_that_reward_nothing_or_the_wrong_way_are_refused(weights):
    with pytest.raises(SettingsError, match="expected weights of at least 0"):
        Rewards(RewardWeights(**weights))
