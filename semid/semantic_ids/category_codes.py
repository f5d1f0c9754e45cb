"""Paths of categories as semantic IDs, a control that says what is better than the order that people gave items."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from annotated_types import Ge, Le

from semid.checks import check_options, doc
from semid.embeddings.store import shard_range
from semid.errors import InputError
from semid.items import items_in_core
from semid.semantic_ids.codes import write_codes
from semid.semantic_ids.given_codes import ItemFiles
from semid.semantic_ids.numbered_categories import MAX_LEVELS, numbered_categories

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class CategoryCodes:
    """The path of an item's categories, from the widest to the narrowest, as its semantic ID: a level for each step.

    A code numbers the categories that stand under the same path from 1, the one with the most core items first and
    those with equally many by their names. Code 0 stands where the path of an item has ended, so that items without
    categories share the code of zeros. A level has as many codes as the largest number of categories under one path,
    and one for 0. There are as many levels as the deepest path of a core item has, at most `max_levels`. Core items
    alone are counted, so that their codes are the same under `catalogue: all` and under `core`.
    """

    max_levels: Annotated[
        int,
        Ge(1),
        Le(100),
        doc("The most levels of an ID. Where paths of categories are deeper, what is deeper is left out."),
    ] = MAX_LEVELS

    def __post_init__(self) -> None:
        check_options(self)

    def of_items(self, items_path: str | Path) -> np.ndarray:
        """Return the codes int64 [n, L] of the n items of `items.parquet`.

        Raises `InputError` where no core item has categories.
        """
        in_core = items_in_core(items_path)
        codes = sibling_numbers(numbered_categories(items_path, self.max_levels), in_core)
        used = codes[in_core].any(axis=0)
        if not used.any():
            raise InputError(
                f"{items_path}: no item that is evaluated has categories, so there are no codes of them: give the "
                "items `categories`, or leave the tokenizer `category` out"
            )
        return codes[:, : 1 + int(np.flatnonzero(used)[-1])]

    def write(self, files: ItemFiles, shard: int, shards: int, output: str | Path) -> None:
        """Write the codes of one shard of the items, in their order. Raises `InputError` as :meth:`of_items` does.

        The categories of the whole catalogue are read, since codes depend on how many items each of them has.
        """
        codes = self.of_items(files.catalogue)
        start, stop = shard_range(len(codes), shard, shards)
        sizes = ", ".join(str(size) for size in codes.max(axis=0) + 1)
        without = int((codes == 0).all(axis=1).sum())
        logger.info("codes at each level: %s; %d of %d items have no categories", sizes, without, len(codes))
        write_codes(output, codes[start:stop], int(codes.max()) + 1)


def sibling_numbers(names: np.ndarray, is_counted: np.ndarray) -> np.ndarray:
    """Number the names at each level of paths anew, from 1 among those that follow the same path.

    `names [n, L]` are integers of at least 0, a path a row; 0 stands where a path has ended and remains 0. Among the
    names that follow one path, the one with the most rows of `is_counted`, bool [n], is 1; of those with equally many
    the smallest is first. Returns int64 [n, L].
    """
    numbers = np.zeros(names.shape, np.int64)
    path_of_row = np.zeros(len(names), np.int64)
    for level in range(names.shape[1]):
        column = names[:, level].astype(np.int64)
        names_at_level = int(column.max(initial=0)) + 1
        paths, path_of_row = np.unique(path_of_row * names_at_level + column, return_inverse=True)
        parents, last_names = np.divmod(paths, names_at_level)
        counts = np.bincount(path_of_row[is_counted], minlength=len(paths))
        named = np.flatnonzero(last_names)
        ordered = named[np.lexsort((last_names[named], -counts[named], parents[named]))]
        first_of_parent = np.searchsorted(parents[ordered], parents[ordered])
        number_of_path = np.zeros(len(paths), np.int64)
        number_of_path[ordered] = 1 + np.arange(len(ordered)) - first_of_parent
        numbers[:, level] = number_of_path[path_of_row]
    return numbers
