"""Step 1, one raw file: its rows become a file of rows, each with the reason why it cannot be used; lines are counted.

Files are read apart from each other, in any order and by any number of jobs; :mod:`read` puts their rows together in
the order of the files. A file of rows has the columns of raw_items or of raw_interactions, which :mod:`read` describes,
and in its metadata what was counted.
"""

import json
import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal, Self

import pyarrow as pa
import pyarrow.parquet as pq

from semid.data.connection import Database, literal, path_literal
from semid.data.formats import RawFile, open_raw_file, reading
from semid.data.preprocessing.columns import columns_of_fields, refuse_unseen, with_texts
from semid.data.preprocessing.insert import FileCounts, insert
from semid.data.preprocessing.lists_as_text import with_lists_as_text
from semid.data.preprocessing.settings import PreprocessSettings, text_fields
from semid.data.preprocessing.units import advice_on_unit, milliseconds
from semid.data.preprocessing.write import ROWS_A_BATCH
from semid.data.sources.source import INTERACTION_FIELDS, ITEM_FIELDS, InteractionFile, Source
from semid.errors import InputError
from semid.files import whole_file

logger = logging.getLogger(__name__)

Kind = Literal["interactions", "items"]
RECORD = b"semid"
TYPES = {
    "user_id": "VARCHAR",
    "item_id": "VARCHAR",
    "timestamp": "BIGINT",
    "rating": "FLOAT",
    "title": "VARCHAR",
    "description": "VARCHAR",
    "categories": "VARCHAR[]",
    "store": "VARCHAR",
    "split": "VARCHAR",
    "position": "DOUBLE",
}
IDS = ("user_id", "item_id")
REQUIRED_OF_INTERACTIONS = ("user_id", "item_id", "timestamp")
REQUIRED_OF_ITEMS = ("item_id",)


@dataclass(frozen=True)
class Part:
    """A raw file that was read.

    path, lines, malformed, without_row: as of :class:`semid.data.preprocessing.insert.FileCounts`. columns: those of
    the raw file. texts: those of the columns asked for as texts that it has. advice: what to do about timestamps that
    are wrong in the unit of the source, as the end of a sentence. named: the path by which the source names the file,
    and its split. text_columns: the columns that were asked for as texts.
    """

    path: str
    lines: int
    malformed: int
    without_row: int
    columns: Sequence[str]
    texts: Sequence[str] = ()
    advice: str = ""
    named: Sequence[str | None] = ()
    text_columns: Sequence[str] = ()

    @classmethod
    def of(cls, rows: str | Path) -> Self:
        """Return what the file of rows says of the raw file that it was made of.

        Raises InputError for a file that :func:`write_part` has not written.
        """
        try:
            return cls(**json.loads(pq.read_metadata(rows).metadata[RECORD]))
        except (OSError, pa.ArrowInvalid, KeyError, TypeError, ValueError):
            raise InputError(
                f"{rows} holds no rows of a raw file as this version reads them: remove it, and run again"
            ) from None

    @classmethod
    def counted(cls, counts: FileCounts, columns: Iterable[str], texts: Sequence[str] = (), advice: str = "") -> Self:
        """Return the part that has these counts."""
        return cls(**counts._asdict(), columns=[*columns], texts=texts, advice=advice)


def write_part(
    database: Database,
    source: Source,
    kind: Kind,
    number: int,
    rows: Path,
    settings: PreprocessSettings,
    found: Path | None = None,
) -> None:
    """Write the rows of the file of that `kind` and `number` to `rows`, which appears whole.

    settings: `max_malformed` and, of files of items, `text_columns` count. found: where the file lies, if that is not
    where the source says. Raises InputError for a file or a column that cannot be used.
    """
    text_columns = settings.text_columns if kind == "items" else ()
    files = (
        source.interaction_files if kind == "interactions" else [InteractionFile(p, None) for p in source.item_files]
    )
    path, split = files[number]
    source.check_file(path, found)
    table = f"raw_{kind}"
    read = _read_interactions if kind == "interactions" else _read_items
    part = read(database, source, InteractionFile(found or path, split), settings.max_malformed, text_columns)
    part = replace(part, named=[str(path), split], text_columns=[*text_columns])
    record = f"{{{RECORD.decode()}: {literal(json.dumps(asdict(part)))}}}"
    with whole_file(rows) as file:
        # without a file of DuckDB's own, which would stay when the job is killed
        options = f"FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {ROWS_A_BATCH}, USE_TMP_FILE false"
        options += f", KV_METADATA {record}"
        database.execute(f"COPY {table} TO {literal(str(file))} ({options})")
    database.execute(f"DROP TABLE {table}")


def insert_parts(database: Database, table: str, parts: Sequence[Path]) -> None:
    """Append the rows of files of rows to a table, in their order; files in the folder of the database go."""
    for rows in parts:
        database.execute(
            f"INSERT INTO {table} BY NAME FROM read_parquet({path_literal(rows)}, hive_partitioning = false)"
        )
        if rows.parent == database.folder:
            rows.unlink()


def create_interactions(database: Database, unit: str | None) -> None:
    """Make raw_interactions without rows. unit: of the timestamps; positions have a column more."""
    _create(database, "raw_interactions", INTERACTION_FIELDS, "split", *(("position",) if unit == "position" else ()))


def create_items(database: Database, text_columns: Sequence[str]) -> None:
    """Make raw_items without rows."""
    _create(database, "raw_items", ITEM_FIELDS, *text_fields(text_columns))


def _read_items(
    database: Database, source: Source, of: InteractionFile, max_malformed: float, text_columns: Sequence[str]
) -> Part:
    """Make raw_items of one file."""
    create_items(database, text_columns)
    texts = text_fields(text_columns)
    file = open_raw_file(database, of.path, source.text_layout)
    fields = columns_of_fields(file, source, ITEM_FIELDS, REQUIRED_OF_ITEMS)
    file = file.with_fields(with_texts(file, fields, texts))
    named = {*file.fields.values()}
    seen = [column for column in text_columns if column in named]
    if len(source.item_files) == 1:
        refuse_unseen({*text_columns}.difference(seen), str(of.path), [*file.columns])
    with reading(of.path):
        file = with_lists_as_text(database, file, ("categories", "description", "title", "store"))
    counts = insert(database, "raw_items", file, _items_query(file, source, texts), max_malformed)
    file.close()
    return Part.counted(counts, file.columns, seen)


def _read_interactions(
    database: Database, source: Source, of: InteractionFile, max_malformed: float, text_columns: Sequence[str]
) -> Part:
    """Make raw_interactions of one file; timestamps become milliseconds (or stay positions)."""
    unit = source.timestamp_unit
    required = IDS if unit == "row" else REQUIRED_OF_INTERACTIONS
    create_interactions(database, unit)
    file = open_raw_file(database, of.path, source.text_layout)
    file = file.with_fields(columns_of_fields(file, source, INTERACTION_FIELDS, required))
    query = _interactions_query(file, source, of.split, required)
    counts = insert(database, "raw_interactions", file, query, max_malformed)
    advice = ""
    if database.count("raw_interactions WHERE dropped = 'wrong_type_timestamp'"):
        advice = advice_on_unit(database, file, unit)
    if database.count("raw_interactions WHERE wrong_rating"):
        _warn_of_ratings(database, file)
    file.close()
    return Part.counted(counts, file.columns, advice=advice)


def _create(database: Database, table: str, fields: Sequence[str], *others: str) -> None:
    columns = [f"{name} {TYPES.get(name, 'VARCHAR')}" for name in (*fields, *others)]
    marks = [f"wrong_{name} BOOLEAN" for name in fields]
    database.execute(f"CREATE TABLE {table} ({', '.join([*columns, *marks])}, dropped VARCHAR)")


def _items_query(file: RawFile, source: Source, texts: Iterable[str]) -> str:
    """Return a query for the rows of raw_items that the file gives; `texts` are fields of any type, read as JSON."""
    wrong = {name: f"NOT {file.is_scalar(name) if name == 'item_id' else file.is_prose(name)}" for name in ITEM_FIELDS}
    values = ", ".join(
        [f"{file.prose(name)} AS {name}" for name in ("title", "description", "store")]
        + [f"{file.as_json(name)} AS {name}" for name in texts]
    )
    return (
        f"SELECT * EXCLUDE (malformed, inexact_item_id), {_reason(REQUIRED_OF_ITEMS)} AS dropped "
        f"FROM (SELECT malformed, {file.identifier('item_id')} AS item_id, {file.is_inexact('item_id')} AS "
        f"inexact_item_id, {values}, "
        f"{_categories(file, source)} AS categories, {_marks(wrong)} "
        f"FROM (SELECT *, {file.scalar('item_id')} AS item_id_scalar FROM ({file.query()})))"
    )


def _categories(file: RawFile, source: Source) -> str:
    """Return SQL for an item's categories, without those that say that it has none."""
    categories = file.strings("categories", source.categories_separator)
    ignored = ", ".join(map(literal, source.ignored_categories))
    return f"list_filter({categories}, lambda category: category NOT IN ({ignored}))" if ignored else categories


def _interactions_query(file: RawFile, source: Source, split: str | None, required: Sequence[str]) -> str:
    """Return a query for the rows of raw_interactions that the file gives.

    Each layer is a query of the one before, so that DuckDB computes each value once.
    """
    scalars = ", ".join(f"{file.scalar(name)} AS {name}_scalar" for name in INTERACTION_FIELDS)
    ids = ", ".join(f"{file.identifier(name)} AS {name}, {file.is_inexact(name)} AS inexact_{name}" for name in IDS)
    marks = _marks({name: f"NOT {file.is_scalar(name)}" for name in INTERACTION_FIELDS})
    with_scalars = f"SELECT *, {scalars}, {marks} FROM ({file.query()})"
    timestamp = file.milliseconds("timestamp") or milliseconds("timestamp_scalar", source.timestamp_unit)
    with_values = (
        f"SELECT *, {ids}, {timestamp} AS timestamp, "
        "TRY_CAST(rating_scalar AS FLOAT) AS rating, TRY_CAST(timestamp_scalar AS DOUBLE) AS position "
        f"FROM ({with_scalars})"
    )
    # A text that is no number has a wrong type too.
    with_all_marks = (
        "SELECT * REPLACE ("
        "wrong_timestamp OR (timestamp_scalar IS NOT NULL AND timestamp IS NULL) AS wrong_timestamp, "
        f"wrong_rating OR (rating_scalar IS NOT NULL AND rating IS NULL) AS wrong_rating) FROM ({with_values})"
    )
    return (
        "SELECT user_id, item_id, timestamp, CASE WHEN isfinite(rating) THEN rating END AS rating, "
        f"{'position, ' if source.timestamp_unit == 'position' else ''}"
        f"{'NULL' if split is None else literal(split)} AS split, {_reason(required)} AS dropped, "
        f"{', '.join(f'wrong_{name}' for name in INTERACTION_FIELDS)} FROM ({with_all_marks})"
    )


def _marks(conditions: Mapping[str, str]) -> str:
    """Return SQL for `wrong_<field>`, whether the field's condition holds."""
    return ", ".join(f"({condition}) AS wrong_{name}" for name, condition in conditions.items())


def _reason(required: Sequence[str]) -> str:
    """Return SQL for why a row is dropped, NULL where it stays."""
    cases = "".join(f"WHEN inexact_{name} THEN 'inexact_{name}' " for name in required if name in IDS)
    cases += "".join(
        f"WHEN wrong_{name} THEN 'wrong_type_{name}' WHEN {name} IS NULL THEN 'null_{name}' " for name in required
    )
    return f"CASE WHEN malformed THEN 'malformed' {cases}END"


def _warn_of_ratings(database: Database, file: RawFile) -> None:
    """Log how many ratings of a file are no numbers, with an example and what to do."""
    ratings = f"SELECT {file.scalar('rating')} AS text FROM ({file.query()})"
    wrong = database.row(
        f"SELECT count(*) AS n, any_value(text) AS example FROM ({ratings}) "
        "WHERE text IS NOT NULL AND TRY_CAST(text AS FLOAT) IS NULL"
    )
    if not wrong.n:
        return
    advice = ""
    if re.fullmatch(r"-?[0-9]*,[0-9]+", wrong.example):
        advice = '; the decimal sign seems to be a comma: set decimal: ","'
    logger.warning(
        "%s: %s values of rating are no numbers and are left out, such as %r%s",
        file.path,
        f"{wrong.n:,}",
        wrong.example,
        advice,
    )
