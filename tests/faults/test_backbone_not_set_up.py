"""A training on a backbone that `xser setup small` has not brought ends before the corpus is prepared."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from speechbrain_xser.training.command import main

ROOT = Path(__file__).parents[2]
YAML = ROOT / "recipes" / "CREMA-D" / "hparams" / "train.yaml"


@pytest.mark.parametrize("layer", ["--scale=ears", "--system=ssl_whisper"])
def test_it_is_named_with_its_command_and_no_clip_is_read(tmp_path, monkeypatch, capsys, layer):
    monkeypatch.syspath_prepend(str(ROOT / "recipes"))
    monkeypatch.setenv("XSER_CACHE", str(tmp_path / "cache"))
    (tmp_path / "corpus" / "AudioWAV").mkdir(parents=True)
    soundfile.write(tmp_path / "corpus" / "AudioWAV" / "1001_IEO_HAP_HI.wav", np.zeros(160), 16000)
    folders = {name: tmp_path / name.split("_")[0] for name in ("output_folder", "save_folder")}
    words = [f"--{name}={folder}" for name, folder in folders.items()]
    with pytest.raises(SystemExit) as ended:
        main([str(YAML), f"--data_folder={tmp_path / 'corpus'}", layer, "--device=cpu", *words])
    told = capsys.readouterr().err.strip().splitlines()[-1]
    assert ended.value.code == 2 and not folders["save_folder"].exists()
    assert "whisper-tiny.en is not in" in told and "say `xser setup small` once" in told
