"""Which column of a raw file each of our fields is."""

from collections.abc import Collection, Iterable, Mapping, Sequence

from semid.data.formats import RawFile, refuse_twins
from semid.data.sources.source import Source
from semid.errors import InputError
from semid.files import column_list


def columns_of_fields(
    file: RawFile, source: Source, fields: Sequence[str], required: Sequence[str]
) -> dict[str, str | None]:
    """Return the file's column for each field; None for an optional one that is absent."""
    if not file.columns:
        fault = file.fault_of_line(1)
        first = f"; line 1 is none{fault}" if fault else ""
        raise InputError(f"{file.path} has no rows that can be read; JSONL is one JSON object a line{first}")
    columns: dict[str, str | None] = {}
    for name in fields:
        column = source.columns.get(name, name)
        is_needed = name in required or name in source.columns
        if name not in source.columns and column in file.columns and (other := _alike(file.columns, column)):
            raise InputError(
                f"{file.path} has both {column!r} and {other!r}, which differ in case or spaces alone: rename "
                f"one, or name under columns which is the {name}"
            )
        if name == "timestamp" and source.timestamp_unit == "row":
            columns[name] = None
        elif column in file.columns or (file.has_column(column) if is_needed else _may_have(file, column)):
            columns[name] = column
        elif is_needed:
            raise InputError(_no_column(file, source, name, column))
        else:
            columns[name] = None
    return columns


def with_texts(file: RawFile, columns: Mapping[str, str | None], texts: Mapping[str, str]) -> dict[str, str | None]:
    """Return `columns` of fields and those of `texts`, which have the name that is given, or None where it is absent.

    Raises `InputError` where two of all these differ in case alone, because DuckDB takes them for one.
    """
    columns = {**columns, **{field: column if file.has_column(column) else None for field, column in texts.items()}}
    refuse_twins(file.path, sorted({column for column in columns.values() if column is not None}))
    return columns


def refuse_unseen(unseen: Collection[str], path: str | None, columns: Sequence[str]) -> None:
    """Raise InputError where no item file has a column that the text of an item names.

    path, columns: of the last of the files; None without one.
    """
    for column in sorted(unseen):
        text = f"the text of an item names the column {column!r} (embeddings: text)"
        if path is None:
            raise InputError(f"{text}, and the dataset has no file of items")
        alike = _alike(columns, column)
        case = "" if alike is None else f" ({alike!r} differs from it in case or spaces alone)"
        there = column_list(columns)
        raise InputError(f"{path} has no column {column!r}, and {text}; the columns there are: {there}{case}")


def _may_have(file: RawFile, column: str) -> bool:
    """Return whether an optional column may be there; an InputError where it is, in other letters."""
    alike = _alike(file.columns, column)
    if alike is not None:
        raise InputError(
            f"{file.path} has a column {alike!r}, which differs from {column!r} in case or spaces alone: rename it, or "
            "name it under columns"
        )
    return file.may_have_column(column)


def _alike(columns: Iterable[str], column: str) -> str | None:
    """Return the column that differs from this one in case or outer spaces alone, or None."""
    same = column.strip().lower()
    return next((other for other in columns if other != column and other.strip().lower() == same), None)


def _no_column(file: RawFile, source: Source, name: str, column: str) -> str:
    """Return the message that says that a file lacks the column of a field."""
    there = column_list(file.columns)
    remedy = "Name the right one under columns" if source.takes_columns else "This source needs it"
    if name == "timestamp" and source.takes_columns:
        remedy += ", or set timestamp_unit: row where there is none and the rows are in order"
    alike = _alike(file.columns, column)
    case = "" if alike is None else f" ({alike!r} differs from it in case or spaces alone)"
    return f"{file.path} has no column {column!r} for {name}; the columns there are: {there}{case}. {remedy}"
