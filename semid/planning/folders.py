"""Folders of the workflow, which are nothing that can be asked for: what is made is files."""

from collections.abc import Iterable
from typing import NoReturn

from semid.errors import InputError
from semid.generator_names import GENERATOR_FOLDER
from semid.naming import REPAIR_FOLDER, grammar
from semid.semantic_ids.exports.registry import EXPORTS, export_named

# The endings of what the workflow makes, and of what it reads.
_ENDINGS = "csv|json|jsonl|md|npy|parquet|safetensors|gz|log|tsv|txt|faiss|ivfdata|index|inter|item|html|svg|pdf"
_NO_FILE = rf"(?![^/]*\.(?i:{_ENDINGS})$)[^/]+"
# Users keep files of any kind below data/, and names of files have a dot.
_NO_FILE_OF_USERS = r"[^/.]+"
_EXPORTS = rf"results/[^/]+/[^/]+(?:/{REPAIR_FOLDER})?/exports"
# Regular expression of the paths of folders: of all results and data, of a dataset, of a tokenizer, and those in these;
# and of exports in a format that there is not.
FOLDERS = (
    rf"results(?:/{_NO_FILE})?|data(?:/{_NO_FILE_OF_USERS})?|data/raw/{_NO_FILE_OF_USERS}|results/[^/]+/{_NO_FILE}"
    rf"|results/[^/]+/[^/]+(?:/{REPAIR_FOLDER})?/(?:codes|inverted|checkpoint|{GENERATOR_FOLDER})"
    rf"|results/[^/]+/[^/]+(?:/{REPAIR_FOLDER})?/{GENERATOR_FOLDER}/checkpoint"
    rf"|results/[^/]+/[^/]+/(?!{REPAIR_FOLDER}\.){REPAIR_FOLDER}|{_EXPORTS}(?:/{_NO_FILE})?"
    rf"|{_EXPORTS}/(?!(?:{'|'.join(EXPORTS)})/)[^/]+/manifest\.json"
)


def folder_refusal(folder: str, datasets: Iterable[str]) -> NoReturn:
    """Raise `InputError`, which says what can be asked for in the place of a folder.

    `folder` may also be the manifest of an export in an unknown format. `datasets` are the names of datasets.
    """
    if folder.endswith("/manifest.json"):
        export_named(folder.split("/")[-2])
    raise InputError(
        f"'{folder}' is a folder, and what can be asked for are files: results/offline_eval.csv (the tables of a run), "
        "results/<dataset>/<tokenizer>/items.parquet (beside it scorecard.json, offline_eval.csv and others), "
        "results/<dataset>/<tokenizer>/generator/generative_eval.csv (a recommender on these IDs), "
        "results/<dataset>/<tokenizer>/exports/<format>/manifest.json (the IDs for another system: "
        f"{', '.join(EXPORTS)}) or "
        f"data/<dataset>/items.parquet, where <dataset> is one of {', '.join(datasets)}, and <tokenizer> is {grammar()}"
    )
