"""The requested device: available, or one line that says what is missing."""

from types import SimpleNamespace

import pytest
import torch

from speechbrain_xser.errors import SettingsError
from speechbrain_xser.utils.devices import checked_device, evaluation_rows


@pytest.mark.skipif(torch.backends.mps.is_available(), reason="MPS is here")
@pytest.mark.parametrize("device", ["mps", "mps:0"])
def test_without_mps_one_line_says_so(device):
    with pytest.raises(SettingsError, match=f"device '{device}' cannot be used here; .*and no MPS") as caught:
        checked_device(device)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("device", ["mps", "mps:0"])
def test_mps_is_used_if_present(monkeypatch, device):
    made, empty = [], torch.empty
    monkeypatch.setattr(torch, "empty", lambda *size, device: made.append(device) or empty(*size))
    assert checked_device(device) == device and made == [device]


def test_mps_is_not_used_unasked(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert checked_device(None) == "cpu"


@pytest.mark.parametrize("gigabytes, rows", [(24, 8), (39, 8), (40, 32), (80, 32), (141, 32)])
def test_a_large_gpu_answers_32_clips_together(gigabytes, rows, monkeypatch):
    card = SimpleNamespace(total_memory=gigabytes * 10**9)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: card)
    assert evaluation_rows("cuda") == rows
    assert evaluation_rows("cpu") == 8
