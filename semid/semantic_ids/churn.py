"""How many items have other codes than an earlier tokenizer gave them."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from semid.errors import InputError
from semid.files import read_json, write_text
from semid.items import item_ids
from semid.semantic_ids.codes import open_codes
from semid.semantic_ids.codes_of_items import codes_of_items

logger = logging.getLogger(__name__)

# the entry of a tokenizer's metadata that says how its codes were aligned
ALIGNMENT = "alignment"
REMEDY = "; train the tokenizer again"
COLUMNS = ("level", "items", "before", "after")


class ChurnFiles(Protocol):
    """What is compared: the parts of the codes, in order, the config of their tokenizer, the items, the `old` table."""

    codes: Sequence[str]
    config: str
    catalogue: str
    old: str


def churn(old: np.ndarray, new: np.ndarray) -> list[float]:
    """Return the share of items whose code changed, level by level, and at the end that of items with another ID.

    `old` and `new` are codes [n, L] of the same items.
    """
    changed = old != new
    return [*changed.mean(axis=0).tolist(), float(changed.any(axis=1).mean())]


def write_churn(files: ChurnFiles, output: str | Path) -> None:
    """Write `churn.csv`: for each level and for whole IDs the share of items whose code is another than before.

    `before` is that without the alignment, of the items by which it was chosen; `after` counts all items that the
    catalogue and the old table share. Raises `InputError` for a tokenizer that was not aligned.
    """
    described = read_json(files.config, "the config of a tokenizer", REMEDY)["metadata"].get(ALIGNMENT)
    if described is None:
        raise InputError(f"{files.config}: this tokenizer was not aligned{REMEDY}")
    codes = open_codes(files.codes)
    old = codes_of_items(files.old, item_ids(files.catalogue))
    after = churn(old.codes, codes[old.rows])
    names = [*(str(level) for level in range(1, len(after))), "all"]
    lines = [",".join(COLUMNS)]
    lines += [
        f"{name},{len(old.rows)},{before:.6f},{now:.6f}"
        for name, before, now in zip(names, described["before"], after, strict=True)
    ]
    write_text(output, "\n".join(lines) + "\n")
    logger.info(
        "%.2f %% of the %d items that both have got another ID; without the alignment %.2f %%",
        100 * after[-1],
        len(old.rows),
        100 * described["before"][-1],
    )
