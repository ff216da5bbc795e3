"""Publishes a released folder on the Hugging Face hub: private by default, and only the files of a model folder."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import huggingface_hub
from huggingface_hub import HfApi
from huggingface_hub.errors import HFValidationError, HTTPError, OfflineModeIsEnabled
from huggingface_hub.utils import validate_repo_id

from speechbrain_xser.errors import PublishingError
from speechbrain_xser.model_folder.locate import FILES
from speechbrain_xser.model_folder.release import ATTRIBUTES

MESSAGE = "A model folder of speechbrain_xser"


class Published(NamedTuple):
    """Where a folder is on the hub."""

    repository: str  # owner/name
    commit: str  # 40 hexadecimal digits, the revision for from_hparams
    url: str


def check_push(repository: str) -> None:
    """Checks, before any long work, whether a push can begin at all.

    Arguments
    ---------
    repository : str
        ``owner/name``.

    Raises
    ------
    PublishingError
        If the name is invalid, the hub is switched off (offline mode), or nobody is logged in; names the remedy.

    Example
    -------
    >>> check_push("name")
    Traceback (most recent call last):
        ...
    speechbrain_xser.errors.PublishingError: 'name' is not a valid name on the hub; expected owner/name of \
letters, digits, -_.
    """
    try:
        validate_repo_id(repository)
        valid = repository.count("/") == 1
    except HFValidationError:
        valid = False
    if not valid:
        raise PublishingError(
            f"{repository!r} is not a valid name on the hub; expected owner/name of letters, digits, -_."
        )
    if huggingface_hub.constants.is_offline_mode():
        raise PublishingError(f"{repository}: HF_HUB_OFFLINE is set; unset it to push, or omit --push-to-hub.")
    if huggingface_hub.get_token() is None:
        raise PublishingError(f"{repository}: you are not logged in; run `hf auth login` first, or set HF_TOKEN.")


def push_folder(folder: str | Path, repository: str, public: bool = False) -> Published:
    """Uploads a released folder to a repository, which is created if there is none.

    Arguments
    ---------
    folder : str or Path
        From :func:`~speechbrain_xser.model_folder.release.release_folder`.
    repository : str
        ``owner/name``. Files of an older model folder in it are replaced, other files stay.
    public : bool
        Whether anybody may see it. If this is False, a repository that is already public is refused.

    Returns
    -------
    Published

    Raises
    ------
    PublishingError
        If the hub cannot be reached or refuses; the folder on this machine stays intact.
    """
    check_push(repository)
    api, files = HfApi(library_name="speechbrain_xser"), [*FILES, ATTRIBUTES]
    try:
        url = api.create_repo(repository, private=not public, exist_ok=True)
        if not public and not api.repo_info(repository).private:
            raise PublishingError(
                f"{repository} is already public; add --public to push to it, or choose another name."
            )
        commit = api.upload_folder(
            repo_id=repository,
            folder_path=folder,
            allow_patterns=files,
            delete_patterns=list(FILES),
            commit_message=MESSAGE,
        )
    except (OSError, HTTPError, OfflineModeIsEnabled) as error:
        reason = str(error).strip().split("\n")[0]
        raise PublishingError(
            f"{repository}: cannot be pushed ({reason}); the folder {folder} is complete: check the network and your "
            f"permissions, and upload it with `hf upload {repository} {folder}`"
        ) from error
    return Published(repository, commit.oid, str(url))
