"""Which files make up a bundle, and where they lie: in a bundle, or in a folder of the workflow."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from semid.errors import InputError
from semid.naming import REPAIRS
from semid.pretrained import CONFIG_FILE, MODEL_FILE

TABLE = "items.parquet"
SCORECARD = "scorecard.json"
MODEL_CARD = "README.md"
# all that a bundle may hold
BUNDLE_FILES = (MODEL_FILE, CONFIG_FILE, TABLE, SCORECARD, MODEL_CARD)
_REPAIR_FOLDERS = tuple(f"repair-{mode}" for mode in REPAIRS)


@dataclass(frozen=True)
class BundleFiles:
    """The files of a bundle.

    model and config: of the tokenizer, in one folder; table: its IDs; scorecard: their figures, where there are any.
    """

    model: Path
    config: Path
    table: Path
    scorecard: Path | None = None

    @classmethod
    def of(cls, folder: str | Path, table: str | Path | None = None) -> Self:
        """Find the files in a bundle, or in a folder that the workflow or `semid fit` made.

        In the workflow the tokenizer of `<tokenizer>/repair-assign` lies in the folder above. `table` names other IDs
        by the same tokenizer, of which the scorecard tells nothing. Raises `InputError` where a file is missing.
        """
        folder = Path(folder)
        is_repaired = folder.absolute().name in _REPAIR_FOLDERS and not (folder / MODEL_FILE).exists()
        of_tokenizer = folder.absolute().parent if is_repaired else folder
        for name in (MODEL_FILE, CONFIG_FILE):
            if not (of_tokenizer / name).is_file():
                raise InputError(
                    f"{of_tokenizer}: there is no {name}: expected a bundle, a folder that `semid fit` made, or one of "
                    "results/<dataset>/"
                )
        if table is None and not (folder / TABLE).is_file():
            raise InputError(
                f"{folder}: there is no {TABLE}, which holds the IDs: in the workflow, ask for the path of this file "
                "(semid run CONFIG PATH)"
            )
        scorecard = folder / SCORECARD
        return cls(
            of_tokenizer / MODEL_FILE,
            of_tokenizer / CONFIG_FILE,
            folder / TABLE if table is None else Path(table),
            scorecard if table is None and scorecard.is_file() else None,
        )

    def copy(self, folder: Path) -> None:
        """Copy the tokenizer and the scorecard to a folder, byte by byte, under their names in a bundle."""
        copies = {MODEL_FILE: self.model, CONFIG_FILE: self.config, SCORECARD: self.scorecard}
        for name, path in copies.items():
            if path is not None:
                shutil.copyfile(path, folder / name)


def check_replaceable(folder: str | Path) -> None:
    """Raise `InputError` unless a bundle may be written there: nothing is there, or nothing but files of a bundle."""
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: expected a folder, found a file")
    others = sorted({path.name for path in folder.iterdir()} - {*BUNDLE_FILES}) if folder.is_dir() else []
    if others:
        raise InputError(f"{folder}: it holds other files than a bundle ({others[0]}): name another folder")
