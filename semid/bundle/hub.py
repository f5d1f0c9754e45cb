"""Bundles on the Hugging Face hub. The one module that imports huggingface_hub, when something is asked of the hub."""

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from semid.bundle.files import BUNDLE_FILES
from semid.errors import InputError

REPO_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+", re.ASCII)
_LONGEST = 300


def download_bundle(
    repo_id: str,
    revision: str | None = None,
    token: str | bool | None = None,
    cache_dir: str | Path | None = None,
    local_files_only: bool = False,
) -> Path:
    """Download the files of a bundle to the cache, unless they are there, and return their folder.

    Raises `InputError` where huggingface_hub is missing, and for whatever the hub or the way to it refuses.
    """
    hub = _huggingface_hub()
    with _refusals_of_the_hub(f"{repo_id}: it is no folder here, and cannot be had from the hub"):
        folder = hub.snapshot_download(
            repo_id,
            revision=revision,
            token=token,
            cache_dir=cache_dir,
            local_files_only=local_files_only,
            allow_patterns=list(BUNDLE_FILES),
        )
    return Path(folder)


def upload_bundle(
    folder: Path,
    repo_id: str,
    private: bool | None = None,
    token: str | bool | None = None,
    commit_message: str = "Upload semantic IDs",
) -> str:
    """Make a repository, unless it is there, and put the bundle in a folder into it, in one commit.

    A file of a bundle that is in the repository and not in the folder is deleted by the same commit; other files stay.
    Returns the address of the commit. Raises `InputError` as :func:`download_bundle` does.
    """
    hub = _huggingface_hub()
    api = hub.HfApi(token=token)
    with _refusals_of_the_hub(f"{repo_id}: the hub does not take the bundle"), warnings.catch_warnings():
        # that a table is no part of most models
        warnings.filterwarnings("ignore", message="It seems that you are about to commit a data file")
        api.create_repo(repo_id, private=private, exist_ok=True)
        names = sorted(path.name for path in folder.iterdir())
        gone = {*BUNDLE_FILES}.intersection(api.list_repo_files(repo_id)).difference(names)
        operations = [
            *(hub.CommitOperationAdd(path_in_repo=name, path_or_fileobj=folder / name) for name in names),
            *(hub.CommitOperationDelete(path_in_repo=name) for name in sorted(gone)),
        ]
        commit = api.create_commit(repo_id, operations, commit_message=commit_message)
    return str(commit.commit_url)


def check_repo_id(repo_id: str) -> None:
    """Raise `InputError` for what is no name of a repository."""
    if not REPO_ID.fullmatch(repo_id):
        raise InputError(f"{repo_id!r} is no repository of the hub: expected owner/name")


def _huggingface_hub() -> Any:
    try:
        import huggingface_hub
    except ModuleNotFoundError:
        raise InputError("the hub needs huggingface_hub: pip install 'semid[hub]'") from None
    return huggingface_hub


@contextmanager
def _refusals_of_the_hub(what: str) -> Iterator[None]:
    """Turn whatever the client of the hub raises, which is of many kinds, into an `InputError` of one line."""
    try:
        yield
    except Exception as error:
        said = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{what}: {said[:_LONGEST]}") from error
