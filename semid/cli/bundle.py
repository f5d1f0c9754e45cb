"""`semid bundle`: a tokenizer, its IDs and what is known of them, in one folder that can travel."""

from pathlib import Path

from semid.bundle import SemanticIDs
from semid.bundle.hub import check_repo_id
from semid.cli.options import shown_log
from semid.errors import InputError
from semid.terminal import printable


def write_bundle(folder: Path, output: Path, table: Path | None, repo_id: str | None, private: bool | None) -> None:
    """Write a bundle to a folder and, where `repo_id` is given, to the hub; say what is there."""
    if not folder.is_dir():
        raise InputError(f"{folder}: there is no such folder")
    if repo_id is not None:
        check_repo_id(repo_id)
    with shown_log():
        ids = SemanticIDs.from_pretrained(folder, table=table)
        ids.save_pretrained(output)
        print(printable(f"{output}: the IDs of {len(ids):,} items, their tokenizer, and README.md, which says more"))
        if repo_id is not None:
            print(printable(ids.push_to_hub(repo_id, private=private)))
