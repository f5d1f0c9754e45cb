"""Preprocessing: raw files are read, each apart; then number, filter, split, write."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, Self

from semid.data.connection import Database, temporary_database
from semid.data.preprocessing.columns import refuse_unseen
from semid.data.preprocessing.counts import without_zeros
from semid.data.preprocessing.filter import filter_interactions
from semid.data.preprocessing.number import number_users_and_items
from semid.data.preprocessing.part import Kind, write_part
from semid.data.preprocessing.published import compare_with_published
from semid.data.preprocessing.read import read_interactions, read_items
from semid.data.preprocessing.settings import Outputs, PreprocessSettings
from semid.data.preprocessing.split import choose_items, count_splits, split_interactions
from semid.data.preprocessing.stats import describe_source
from semid.data.preprocessing.write import write_outputs
from semid.data.sources.source import Source
from semid.errors import InputError


class Parts(NamedTuple):
    """The files of rows that raw files were read into, in the order of these."""

    items: Sequence[Path] = ()
    interactions: Sequence[Path] = ()

    @classmethod
    def of_job(cls, files: Any) -> Self:
        """The inputs `items_rows` and `interactions_rows` of a job of the workflow."""
        return cls(*([Path(rows) for rows in files.get(f"{kind}_rows", ())] for kind in cls._fields))


def preprocess(
    source: Source,
    settings: PreprocessSettings,
    outputs: Outputs,
    item_ids: Sequence[str] | None = None,
    note: str = "",
) -> None:
    """Read, validate, filter and split the interactions of `source`; write all `outputs`, stats.json last, or none.

    items.parquet: item_index int32 (the row number), item_id, title, description, categories (list), store,
    in_train, in_core; ordered by item_id (bytes); then a text for each of `settings.text_columns`. Text is cleaned;
    what is missing is empty. `settings.catalogue`, whose default is that of the source, says whether all items get
    a row or those of the core alone, which are trained on and evaluated; `in_core` tells them apart. Splits:
    user_id, item_id, item_index int32, timestamp int64 (milliseconds, or positions), rating float (null where there
    is none), sorted by user, then time, then source order. Split files of the source keep their rows: no repeats,
    k-core or split is applied, and valid and test rows of an unknown item have item_index -1. Of official 5-core
    files the items are those of the interactions, as after a k-core of our own.

    stats.json says what was dropped at each step and why; of a single category whose official 5-core has published
    counts, `published` compares them with what was found.

    item_ids: the catalogue, for a source that names no items (with one's own embeddings). Without interactions the
    split files are empty and every item has in_train. note: what stats.json says of the data, such as that it is
    synthetic.

    Raises InputError for files, columns or values that cannot be used and for filters that leave nothing.
    """
    source.check_files()
    _check(source, settings, item_ids)
    with temporary_database(Path(outputs.items).parent, settings.memory_limit, settings.threads) as database:

        def read(kind: Kind, files: int) -> list[Path]:
            parts = [database.folder / f"{kind}-{number}.parquet" for number in range(files)]
            for number, rows in enumerate(parts):
                write_part(database, source, kind, number, rows, settings)
            return parts

        parts = Parts(read("items", len(source.item_files)), read("interactions", len(source.interaction_files)))
        _preprocess(database, source, parts, settings, outputs, item_ids, note)


def read_raw_file(
    source: Source, kind: Kind, number: int, settings: PreprocessSettings, rows: Path, found: Path | None = None
) -> None:
    """Write the rows of one raw file, the `number`-th of its kind from 0, for :func:`preprocess_parts`.

    settings: its `text_columns` count, of files of items, `max_malformed` and the limits. found: where the file lies,
    if that is not where the source says. Raises InputError for a file, a column or values that cannot be used.
    """
    with temporary_database(rows.parent, settings.memory_limit, settings.threads, rows.stem) as database:
        write_part(database, source, kind, number, rows, settings, found)


def preprocess_parts(
    source: Source,
    parts: Parts,
    settings: PreprocessSettings,
    outputs: Outputs,
    item_ids: Sequence[str] | None = None,
    note: str = "",
) -> None:
    """Do what :func:`preprocess` does, with raw files that :func:`read_raw_file` has read."""
    _check(source, settings, item_ids)
    with temporary_database(Path(outputs.items).parent, settings.memory_limit, settings.threads) as database:
        _preprocess(database, source, parts, settings, outputs, item_ids, note)


def _preprocess(
    database: Database,
    source: Source,
    parts: Parts,
    settings: PreprocessSettings,
    outputs: Outputs,
    item_ids: Sequence[str] | None,
    note: str,
) -> None:
    settings = replace(settings, catalogue=settings.catalogue or source.catalogue)
    items = read_items(database, source, parts.items, item_ids, settings.text_columns)
    interactions = read_interactions(database, source, parts.interactions)
    numbering = number_users_and_items(database, source)
    filtered = filter_interactions(database, source, settings, numbering.has_item_list)
    split_interactions(database, filtered.table, source, settings)
    chosen = choose_items(database, source, settings)
    dropped = {**interactions.dropped, **filtered.dropped}
    dropped_items = {**items.dropped, **numbering.dropped, "k_core": chosen.dropped}
    files = {"interactions": interactions.files, "items": items.files}
    stats = {
        "note": note,
        **describe_source(source, settings, files),
        "lines": {**items.lines, **interactions.lines},
        "malformed_lines": {**items.malformed_lines, **interactions.malformed_lines},
        "wrong_types": {"interactions": interactions.wrong_types, "items": items.wrong_types},
        "steps": [step.counts() for step in (*interactions.steps, *filtered.steps)],
        "dropped": {"interactions": without_zeros(dropped), "items": without_zeros(dropped_items)},
        **count_splits(database, source, settings, dropped),
        "items": chosen.counts(),
        **compare_with_published(source, settings, filtered.steps, dropped),
    }
    write_outputs(database, outputs, stats, settings.text_columns)


def _check(source: Source, settings: PreprocessSettings, item_ids: Sequence[str] | None) -> None:
    """Raise InputError for what does not go together."""
    if item_ids is not None and source.item_files:
        raise InputError("item_ids are given, and the dataset names items too; leave one of them out")
    refuse_unseen(settings.text_columns if not source.item_files else (), None, ())
    if item_ids is None and not source.item_files and not source.interaction_files:
        raise InputError("the dataset names neither interactions nor items; name at least one file")
    if settings.is_official and not (source.has_official_files and settings.split in source.official_splits):
        raise InputError(
            f"split: {settings.split} is read from official files: name a category, or the files under splits"
        )
    if source.has_official_files and not settings.is_official:
        known = ", ".join(source.official_splits)
        raise InputError(f"splits: say which of the official splits these files are, under split: {known}")
