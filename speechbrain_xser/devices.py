"""The device that a command or a run uses, seen to be there before any long work."""

from __future__ import annotations

from speechbrain_xser.errors import SettingsError


def checked_device(device: str | None) -> str:
    """A device that is there.

    Arguments
    ---------
    device : str or None
        cpu, cuda or cuda:N; None for a GPU where there is one.

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
    speechbrain_xser.errors.SettingsError: device 'tpu' cannot be used here, expected cpu, cuda or cuda:N...
    """
    import torch  # slow to load

    name = device or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError) as error:
        found = f"there are {torch.cuda.device_count()} GPUs"
        raise SettingsError(
            f"device {name!r} cannot be used here, expected cpu, cuda or cuda:N ({found}). Leave --device out."
        ) from error
    return name
