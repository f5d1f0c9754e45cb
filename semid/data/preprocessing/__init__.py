"""From a source to items.parquet, train.parquet, valid.parquet, test.parquet and stats.json.

DuckDB does what grows with text; integers (one a user, item or interaction) go through numpy for the k-core.
"""

from collections.abc import Sequence
from pathlib import Path

from semid.data.database import temporary_database
from semid.data.preprocessing.filter import apply_k_core, drop_repeats, drop_unknown_items, k_core, number
from semid.data.preprocessing.read import read_interactions, read_items
from semid.data.preprocessing.run import Run
from semid.data.preprocessing.settings import Outputs, PreprocessSettings
from semid.data.preprocessing.split import compare_with_published, index_items, order_and_split
from semid.data.preprocessing.write import ITEMS_SCHEMA, SPLIT_SCHEMA, write
from semid.data.sources.source import Source
from semid.errors import InputError

__all__ = ["ITEMS_SCHEMA", "SPLIT_SCHEMA", "Outputs", "PreprocessSettings", "k_core", "preprocess"]


def preprocess(
    source: Source,
    settings: PreprocessSettings,
    outputs: Outputs,
    item_ids: Sequence[str] | None = None,
    note: str = "",
) -> None:
    """Read, validate, filter and split the interactions of `source`; write all `outputs`, stats.json last, or none.

    items.parquet: item_index int32 (the row number), item_id, title, description, categories (list), store, in_train;
    ordered by item_id (bytes). Text is cleaned; what is missing is empty. Splits: user_id, item_id, item_index int32,
    timestamp int64 (milliseconds, or positions), rating float (null where there is none), sorted by user, then time,
    then source order. Split files of the source keep their rows: no repeats, k-core or split is applied, and valid and
    test rows of an unknown item have item_index -1. Of official 5-core files the items are those of the interactions,
    as after a k-core of our own.

    stats.json says what was dropped at each step and why; of a single category whose official 5-core has published
    counts, `published` compares them with what was found.

    item_ids: the catalogue, for a source that names no items (with one's own embeddings). Without interactions the
    split files are empty and every item has in_train. note: what stats.json says of the data, such as that it is
    synthetic.

    Raises InputError for files, columns or values that cannot be used and for filters that leave nothing.
    """
    source.check_files()
    if item_ids is not None and source.item_files:
        raise InputError("item_ids are given, and the dataset names items too; leave one of them out")
    if item_ids is None and not source.item_files and not source.interaction_files:
        raise InputError("the dataset names neither interactions nor items; name at least one file")
    if settings.is_official and not (source.has_official_files and settings.split in source.official_splits):
        raise InputError(
            f"split: {settings.split} is read from official files: name a category, or the files under splits"
        )
    if source.has_official_files and not settings.is_official:
        known = ", ".join(source.official_splits)
        raise InputError(f"splits: say which of the official splits these files are, under split: {known}")
    with temporary_database(Path(outputs.items).parent, settings.memory_limit, settings.threads) as database:
        run = Run(database, source, settings)
        read_items(run, item_ids)
        read_interactions(run)
        number(run)
        drop_unknown_items(run)
        if source.interaction_files and not run.is_split:
            drop_repeats(run)
            apply_k_core(run)
        order_and_split(run)
        index_items(run)
        compare_with_published(run)
        write(run, outputs, note)
