"""An evaluation looks at the rows of a manifest one by one, mapped or not."""

from types import SimpleNamespace

import pytest

from speechbrain_xser.data import mapped_rows
from speechbrain_xser.data.manifest import read_manifest, write_manifest
from speechbrain_xser.data.manifest_checks import check_manifests
from speechbrain_xser.data.pipeline import ClipItems
from speechbrain_xser.errors import ManifestError
from speechbrain_xser.inference.evaluation import explain_manifest
from speechbrain_xser.testing import tiny_manifest

CLIPS = 6


@pytest.fixture(params=[0, 1 << 24], ids=["mapped", "listed"])
def manifest(request, tmp_path, monkeypatch):
    monkeypatch.setattr(mapped_rows, "LEAST_BYTES", request.param)
    return tiny_manifest(tmp_path, clips=CLIPS)


def test_rows_are_looked_at_when_their_clips_are_read(manifest, monkeypatch):
    looked, item = [], ClipItems._item
    monkeypatch.setattr(ClipItems, "_item", lambda items, place: looked.append(place) or item(items, place))
    before = []

    def explain_batches(batches, **_):
        for wavs, shares in batches:
            before.append(len(looked))
            yield [f"{round(len(wav) * share)} samples" for wav, share in zip(wavs, shares.tolist(), strict=True)]

    recognizer = SimpleNamespace(
        hparams=SimpleNamespace(max_seconds=30.0), device="cpu", explain_batches=explain_batches
    )
    utterances, explanations = explain_manifest(recognizer, manifest, batch_size=2)
    assert [f"{round(one.duration * 16000)} samples" for one in utterances] == explanations
    assert sorted(one.id for one in utterances) == [f"train-00{number}" for number in range(CLIPS)]
    assert before == [1 + 2 * batch for batch in (1, 2, 3)]  # the data set itself looks at one


def test_a_manifest_that_needs_a_data_folder_is_refused_before_a_model_is_loaded(manifest):
    rows = read_manifest(manifest)
    write_manifest(manifest, [*rows, rows[0]._replace(id="b", wav="{data_root}/b.wav")])
    with pytest.raises(ManifestError, match="utterance 'b': .* needs a data folder"):
        check_manifests([manifest])
    check_manifests([manifest], "/clips")


def test_ids_are_compared_over_all_manifests_of_one_file_of_answers(manifest, tmp_path):
    other = tiny_manifest(tmp_path / "other", split="valid", clips=CLIPS)
    check_manifests([manifest, other], apart=True)
    check_manifests([manifest, manifest])
    with pytest.raises(ManifestError, match="'train-000' is in another manifest too"):
        check_manifests([manifest, other, manifest], apart=True)
