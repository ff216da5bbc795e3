"""The device that a command or a run uses, seen to be there before any long work."""

from __future__ import annotations

from speechbrain_xser.errors import SettingsError

NAMES = "cpu, cuda, cuda:1 or mps"


def checked_device(device: str | None) -> str:
    """A device that is there.

    Arguments
    ---------
    device : str or None
        cpu, cuda, cuda:N or mps; None for a CUDA GPU where there is one, else the CPU.

    Returns
    -------
    str

    Raises
    ------
    SettingsError
        If it cannot be used.

    Example
    -------
    >>> checked_device("tpu")
    Traceback (most recent call last):
        ...
    speechbrain_xser.errors.SettingsError: device 'tpu' cannot be used here, expected cpu, cuda, cuda:1 or mps...
    """
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
