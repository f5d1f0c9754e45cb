"""Folders of earlier runs: tokenizers that a dataset loads, and tables to which new codes are aligned.

What is there is a source of the run, and never made by it: what was given out yesterday stays what it was.
"""

import hashlib
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from semid.errors import InputError
from semid.naming import TokenizerName
from semid.planning.datasets import Datasets
from semid.pretrained import CONFIG_FILE, MODEL_FILE

TABLE = "items.parquet"
# what a training leaves in a tokenizer's folder beside its model
HISTORY = "training.csv"


class EarlierTokenizers:
    """What `load` and `align` of a dataset name, for any tokenizer of that dataset.

    `given` turns a path of the configuration into what a rule takes as input, and `source` does so for a file whose
    digest is a param of the rule, and whose time therefore does not count.
    """

    def __init__(
        self, datasets: Datasets, given: Callable[[Any], Any] = str, source: Callable[[Any], Any] = str
    ) -> None:
        self._datasets, self._given, self._source = datasets, given, source

    def loaded_folder(self, dataset: str, tokenizer: str) -> str | None:
        """The folder of the tokenizer that the dataset loads instead of training one."""
        return self._folder("load", dataset, tokenizer)

    def aligned_folder(self, dataset: str, tokenizer: str) -> str | None:
        """The folder to whose codes those of a tokenizer that is trained here are aligned."""
        return self._folder("align", dataset, tokenizer)

    def _folder(self, key: str, dataset: str, tokenizer: str) -> str | None:
        named: dict[str, str] = self._datasets.options(dataset).get(key) or {}
        return named.get(TokenizerName.parse(tokenizer).native.name)

    # files

    def model_files(self, dataset: str, tokenizer: str) -> dict[str, Any]:
        """`model` and `config` of the tokenizer that is loaded.

        Raises `InputError` where they are not there: they are no outputs of this run.
        """
        return {key: self._source(str(path)) for key, path in self._model_paths(dataset, tokenizer).items()}

    def _model_paths(self, dataset: str, tokenizer: str) -> dict[str, Path]:
        folder = Path(self.loaded_folder(dataset, tokenizer) or "")
        paths = {"model": folder / MODEL_FILE, "config": folder / CONFIG_FILE}
        for path in paths.values():
            if not path.is_file():
                raise InputError(
                    f"dataset '{dataset}' loads {tokenizer} from {folder}, where there is no {path.name}: a run makes "
                    f"nothing that it loads; make {folder} before, by a run of its own, or name another folder"
                )
        return paths

    def has_table(self, dataset: str, tokenizer: str) -> bool:
        """Whether the folder of a tokenizer that is loaded says which items had IDs before this run."""
        folder = self.loaded_folder(dataset, tokenizer)
        if folder is None or _is_written(folder, dataset, tokenizer):
            return False
        return (Path(folder) / TABLE).is_file()

    def drift_files(self, dataset: str, tokenizer: str) -> dict[str, Any]:
        """`old`, the semantic-ID table beside the tokenizer that is loaded. Raises `InputError` if there is none."""
        if self.loaded_folder(dataset, tokenizer) is None:
            raise InputError(
                f"drift.csv compares new items with those of a tokenizer that is loaded, and dataset '{dataset}' loads "
                f"no {tokenizer}: name its folder under `load:`"
            )
        return {"old": self._given(self._table("load", dataset, tokenizer))}

    def churn_files(self, dataset: str, tokenizer: str) -> dict[str, Any]:
        """`old`, the semantic-ID table to which codes are aligned. Raises `InputError` if there is none."""
        if self.aligned_folder(dataset, tokenizer) is None:
            raise InputError(
                f"churn.csv compares codes with those of an earlier tokenizer, and dataset '{dataset}' aligns "
                f"{tokenizer} to none: name its folder under `align:`"
            )
        return {"old": self._given(self._table("align", dataset, tokenizer))}

    def aligned_files(self, dataset: str, tokenizer: str) -> dict[str, Any]:
        """`aligned`, the semantic-ID table to which training aligns its codes; no file if there is none."""
        if self.aligned_folder(dataset, tokenizer) is None:
            return {}
        return {"aligned": self._source(self._table("align", dataset, tokenizer))}

    def pinned_files(self, dataset: str, tokenizer: str) -> dict[str, Any]:
        """`pinned`, the IDs that were given out before and stay; no file where the folder that is loaded has none.

        They are those of the same repair; in a folder that is none of results/, such as a bundle, those of its table.
        """
        folder, repair = self.loaded_folder(dataset, tokenizer), TokenizerName.parse(tokenizer).repair
        if folder is None:
            return {}
        self._check_not_written("load", dataset, tokenizer)
        is_shipped = not (Path(folder) / "codes").is_dir()
        tables = [Path(folder) / f"repair-{repair}" / TABLE, *([Path(folder) / TABLE] if is_shipped else [])]
        table = next((table for table in tables if table.is_file()), None)
        return {} if table is None else {"pinned": self._given(str(table.absolute()))}

    def _table(self, key: str, dataset: str, tokenizer: str) -> str:
        """The path of the table in a folder under `load:` or `align:`, as a source that no rule makes anew."""
        self._check_not_written(key, dataset, tokenizer)
        folder = Path(self._folder(key, dataset, tokenizer) or "")
        table = folder / TABLE
        if not table.is_file():
            raise InputError(
                f"dataset '{dataset}', {key}: {tokenizer}: there is no {TABLE} in {folder}, which says what the codes "
                "of items were; name a folder of results/, of `semid fit` or a bundle"
            )
        return str(table.absolute())

    def _check_not_written(self, key: str, dataset: str, tokenizer: str) -> None:
        """Raise `InputError` where a table under `load:` or `align:` is one that the run replaces while it reads it."""
        folder = self._folder(key, dataset, tokenizer) or ""
        if _is_written(folder, dataset, tokenizer):
            raise InputError(
                f"dataset '{dataset}', {key}: IDs of {tokenizer} are compared with those in {folder}, the folder that "
                "this run writes: copy it first, and name the copy"
            )

    # digests

    def loaded_digests(self, dataset: str, tokenizer: str) -> dict[str, str]:
        """SHA-256 of the files of a tokenizer that is loaded; nothing for one that is trained here."""
        if self.loaded_folder(dataset, tokenizer) is None:
            return {}
        return {key: _sha256(path) for key, path in self._model_paths(dataset, tokenizer).items()}

    def aligned_digest(self, dataset: str, tokenizer: str) -> dict[str, str]:
        """SHA-256 of the table to which codes are aligned; nothing if there is none."""
        if self.aligned_folder(dataset, tokenizer) is None:
            return {}
        return {"aligned": _sha256(Path(self._table("align", dataset, tokenizer)))}

    # what no rule makes

    def frozen(self, results: str = "results") -> str:
        """A regular expression before a dataset's name, which no path to a file of a loaded tokenizer matches.

        `results` is the folder of this workflow's results. A file that is not there yet can be made.
        """
        files = sorted(set(self._frozen_files(Path(results))))
        return rf"(?!(?:{'|'.join(map(re.escape, files))})$)" if files else ""

    def _frozen_files(self, results: Path) -> Iterator[str]:
        folders = [
            folder
            for dataset in self._datasets.names()
            for folder in (self._datasets.options(dataset).get("load") or {}).values()
        ]
        loaded = [model for model in (Path(folder) / MODEL_FILE for folder in folders) if model.is_file()]
        # links and dots give a file many names
        for model in results.glob(f"*/*/{MODEL_FILE}") if loaded else ():
            if model.is_file() and any(map(model.samefile, loaded)):
                # what makes the history makes the model too
                yield from (model.with_name(name).relative_to(results).as_posix() for name in (MODEL_FILE, HISTORY))
                config = model.with_name(CONFIG_FILE)
                if config.is_file():
                    yield config.relative_to(results).as_posix()


def _is_written(folder: str, dataset: str, tokenizer: str) -> bool:
    """Whether a folder is that of the tokenizer of a dataset in this run."""
    name = TokenizerName.parse(tokenizer).native.name
    return Path(folder).resolve() == Path(f"results/{dataset}/{name}").resolve()


def _sha256(path: Path) -> str:
    found = path.stat()
    return _sha256_of(path, found.st_size, found.st_mtime_ns)


@cache
def _sha256_of(path: Path, size: int, modified: int) -> str:
    """Size and time say whether a file that was read before is still the same."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
