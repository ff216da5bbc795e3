"""Checks the device of a command or a run before any long work."""

from __future__ import annotations

from speechbrain_xser.errors import SettingsError

NAMES = "cpu, cuda, cuda:1 or mps"


def checked_device(device: str | None) -> str:
    """The device, or a ``SettingsError`` if it cannot be used; None is a CUDA GPU if there is one, else the CPU."""
    import torch  # slow to load

    name = device or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError) as error:
        mps = "MPS" if torch.backends.mps.is_available() else "no MPS"
        found = f"there are {torch.cuda.device_count()} CUDA GPUs and {mps}"
        raise SettingsError(
            f"device {name!r} cannot be used here; expected {NAMES} ({found}). Omit --device."
        ) from error
    return name
