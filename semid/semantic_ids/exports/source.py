"""What every export format is made from: IDs, texts of items and histories of users."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from semid.errors import InputError
from semid.files import read_json
from semid.ids import first_few
from semid.semantic_ids.code_table import CodeTable, read_code_table
from semid.semantic_ids.codes import bucket_sizes
from semid.semantic_ids.exports.format import ExportFormat
from semid.semantic_ids.exports.histories import Histories, read_histories
from semid.semantic_ids.exports.texts import ItemTexts, item_texts_of

logger = logging.getLogger(__name__)

# A token that nobody could use is a slip: hashes and packed codes are no codes of a level.
LARGEST_SIZE = 1 << 22


@dataclass(frozen=True)
class ExportFiles:
    """The files from which semantic IDs are exported.

    table: a semantic-ID table, of any form that :func:`semid.semantic_ids.read_external_codes` reads.
    items: a table with `item_id`, `title` and `description`, parquet or CSV.
    interactions: the folder of the splits of a dataset, or a table with `user_id`, `item_id` and `timestamp`.
    config: the `config.json` of the tokenizer, which knows how many codes each level has; without it a level has as
        many as its largest code says.
    """

    table: str | Path
    items: str | Path | None = None
    interactions: str | Path | None = None
    config: str | Path | None = None

    @classmethod
    def of_inputs(cls, inputs: Any) -> Self:
        """The inputs of a rule of the workflow: `table`, `config`, and `catalogue` and `splits` where it has them."""
        splits = inputs.get("splits")
        return cls(inputs.table, inputs.get("catalogue"), Path(splits[0]).parent if splits else None, inputs.config)


@dataclass(frozen=True, eq=False)
class ExportSource:
    """What every export format is made from.

    ids: large_string [n], the items in the order of their numbers, from 0; codes: integers [n, L]; sizes: the codes of
    each level; texts and histories are None where they were not given. dataset and tokenizer are names, or empty.
    """

    ids: pa.LargeStringArray
    codes: np.ndarray
    sizes: tuple[int, ...]
    texts: ItemTexts | None
    histories: Histories | None
    dataset: str
    tokenizer: str

    @property
    def num_levels(self) -> int:
        """The codes of an ID."""
        return int(self.codes.shape[1])

    def items_sharing_an_id(self) -> int:
        """The number of items whose ID another item has too."""
        counts = bucket_sizes(self.codes)
        return int(counts[counts > 1].sum())


@contextmanager
def read_source(
    files: ExportFiles, name: str, export: ExportFormat, folder: Path, names: tuple[str, str] = ("", "")
) -> Iterator[ExportSource]:
    """Read what a format takes; `folder` holds temporary files of texts, and `names` are dataset and tokenizer.

    Raises `InputError` where a file is missing that the format called `name` needs, where an item is there twice, and
    for IDs of a number of codes that the format does not take.
    """
    for kind in export.needs:
        if getattr(files, kind) is None:
            _refuse(name, kind)
    ids, codes = _exported_table(files.table)
    export.check_levels(codes.shape[1], name)
    sizes = _sizes(codes, files)
    with ExitStack() as stack:
        texts = histories = None
        if files.items is not None and "items" in export.reads:
            texts = stack.enter_context(item_texts_of(files.items, ids, folder))
        if files.interactions is not None and "interactions" in export.reads:
            histories = read_histories(files.interactions, ids)
            if histories.unknown:
                logger.warning(
                    "%s: %d interactions are left out, since their items have no semantic ID",
                    files.interactions,
                    histories.unknown,
                )
            if not len(histories.items):
                raise InputError(
                    f"{files.interactions}: no interaction is with one of the {len(ids)} items of {files.table}: give "
                    "the interactions of this table, or leave them out where the format can do without"
                )
        yield ExportSource(ids, codes, sizes, texts, histories, *names)


def _refuse(name: str, kind: str) -> NoReturn:
    what = {
        "items": "titles of items: give the item table of the dataset (items.parquet, with item_id and title)",
        "interactions": (
            "interactions, which this dataset does not have: give the folder of its splits, or take another format "
            "(flashrec, grid, sidinspector, openonerec and hf do without)"
        ),
    }
    raise InputError(f"exports: {name} needs {what[kind]}")


def _exported_table(path: str | Path) -> CodeTable:
    """Read a table, and refuse ids and codes that the files of exports cannot hold."""
    table = read_code_table(path)
    largest = int(table.codes.max())
    if largest >= LARGEST_SIZE:
        raise InputError(
            f"{path}: the largest code is {largest}: a hash or a token of a vocabulary, it seems; number the codes "
            "of every level from 0"
        )
    wrong = table.ids.filter(pc.match_substring_regex(table.ids, r"[\t\r\n]"))
    if len(wrong):
        raise InputError(
            f"{path}: ids {first_few(wrong)} hold a tab or a line end, which item2id.tsv cannot: rename these items"
        )
    return table


def _sizes(codes: np.ndarray, files: ExportFiles) -> tuple[int, ...]:
    """The codes of each level: what the tokenizer says of it, or as many as its largest code needs."""
    needed = [int(level.max()) + 1 for level in codes.T]
    known = _sizes_of_tokenizer(files.config, len(needed)) if files.config is not None else ()
    for level, (size, least) in enumerate(zip(known, needed, strict=False), start=1):
        if size < least:
            raise InputError(
                f"{files.table}: code {least - 1} of level {level} is none of the {size} that {files.config} tells of: "
                "give the config.json of the tokenizer that made these IDs"
            )
    # a level behind those of the tokenizer tells items apart that share an ID, and is as wide as it needs to be
    return (*known, *needed[len(known) :])


def _sizes_of_tokenizer(config: str | Path, num_levels: int) -> Sequence[int]:
    remedy = ": give the config.json of a tokenizer, or leave it out"
    arguments = read_json(config, "the config.json of a tokenizer", remedy).get("arguments")
    arguments = arguments if isinstance(arguments, dict) else {}
    sizes = arguments.get("codebook_sizes") or [arguments.get("codebook_size")] * arguments.get("num_levels", 1)
    if not all(isinstance(size, int) for size in sizes) or len(sizes) > num_levels:
        raise InputError(f"{config}: not the config.json of a tokenizer of at most {num_levels} levels{remedy}")
    return tuple(sizes)
