"""Parquet."""

import re
from pathlib import Path
from typing import Self

import pyarrow.parquet as pq

from semid.data.connection import Database, path_literal
from semid.data.formats.raw_file import INEXACT_FROM_BY_TYPE, RawFile, blank, refuse_twins
from semid.data.sources.source import TextLayout
from semid.ids import reading_table

# `[]` and `[3]` at the end of the type of a list, once for each level.
LIST_DEPTH = re.compile(r"(\[\d*\])+$")
# How the types of records begin, and those of lists of records.
RECORDS = ("STRUCT", "MAP", "UNION")


class Parquet(RawFile):
    """A parquet file; its types are known, so that lists and date-times are read as such."""

    @classmethod
    def opened(cls, database: Database, path: Path, layout: TextLayout) -> Self:
        rows = database.rows(f"SELECT column_name, column_type FROM (DESCRIBE SELECT * FROM {_relation(path)})")
        columns = {row.column_name: row.column_type for row in rows}
        with reading_table(path, "the names of its columns"):
            names = pq.read_schema(path).names
        refuse_twins(path, names)
        return cls(database, path, columns, layout, content=path)

    def relation(self) -> str:
        return _relation(self.path)

    def query(self) -> str:
        decoded = [
            f"{_decoded(name, self.columns[column])} AS {name}_value"
            for name, column in self.fields.items()
            if column is not None and LIST_DEPTH.sub("", self.columns[column]) == "BLOB"
        ]
        query = super().query()
        return f"SELECT * REPLACE ({', '.join(decoded)}) FROM ({query})" if decoded else query

    def scalar(self, name: str) -> str:
        if not self._is_scalar(name):
            return "NULL::VARCHAR"
        value = f"{name}_value"
        nan = _is_nan(value) if self._type(name) in INEXACT_FROM_BY_TYPE else "false"
        return f"CASE WHEN {nan} OR {blank(f'{value}::VARCHAR')} THEN NULL ELSE {value}::VARCHAR END"

    def identifier(self, name: str) -> str:
        if self._type(name) not in INEXACT_FROM_BY_TYPE:
            return super().identifier(name)
        value = f"{name}_value"
        text = f"CASE WHEN {self.is_inexact(name)} THEN {value}::VARCHAR ELSE TRY_CAST({value} AS BIGINT)::VARCHAR END"
        return f"CASE WHEN {_is_nan(value)} THEN NULL ELSE {text} END"

    def is_inexact(self, name: str) -> str:
        value = f"{name}_value"
        if self._type(name).startswith("DECIMAL") and self._is_scalar(name):
            return f"coalesce({value} <> trunc({value}), false)"
        limit = INEXACT_FROM_BY_TYPE.get(self._type(name))
        if limit is None:
            return super().is_inexact(name)
        return f"(NOT {_is_nan(value)} AND (abs({value}) >= {limit} OR {value} <> trunc({value})))"

    def text(self, name: str) -> str | None:
        return super().text(name) if self._type(name) in ("VARCHAR", "BLOB") else None

    def prose(self, name: str) -> str:
        if self._is_list(name):
            return f"array_to_string({self._list(name)}, ' ')"
        if self._type(name) in INEXACT_FROM_BY_TYPE:
            return self.scalar(name)
        return super().prose(name) if self._is_scalar(name) else "NULL::VARCHAR"

    def strings(self, name: str, separator: str | None) -> str:
        if self._is_list(name):
            return self._list(name)
        return super().strings(name, separator) if self._is_scalar(name) else "NULL::VARCHAR[]"

    def as_json(self, name: str) -> str:
        if not self._is_scalar(name):
            return super().as_json(name)
        # as a text, which has all digits
        return f"to_json({self.scalar(name)})::VARCHAR"

    def is_scalar(self, name: str) -> str:
        return "true" if self._is_scalar(name) else f"{name}_value IS NULL"

    def is_prose(self, name: str) -> str:
        return "true" if self._is_scalar(name) or self._is_list(name) else f"{name}_value IS NULL"

    def milliseconds(self, name: str) -> str | None:
        kind = self._type(name)
        if not self._is_scalar(name):
            return None
        if kind == "TIMESTAMPTZ_NS":  # DuckDB 2.0 has no epoch_ms of this type
            return f"epoch_ns({name}_value) // 1000000"
        return f"epoch_ms({name}_value)" if kind.startswith(("TIMESTAMP", "DATE")) else None

    def _type(self, name: str) -> str:
        column = self.fields[name]
        return "VARCHAR" if column is None else self.columns[column]

    def _is_list(self, name: str) -> bool:
        return self._type(name).endswith("]") and not self._type(name).startswith(RECORDS)

    def _list(self, name: str) -> str:
        """Return SQL for a list as VARCHAR[], the elements of nested lists in one."""
        depth = LIST_DEPTH.search(self._type(name))[0].count("[")  # type: ignore[index]
        value = f"{name}_value::VARCHAR{'[]' * depth}"
        return "flatten(" * (depth - 1) + value + ")" * (depth - 1)

    def _is_scalar(self, name: str) -> bool:
        type_name = self._type(name)
        return not self._is_list(name) and not type_name.startswith(RECORDS) and type_name != "BOOLEAN"


def _is_nan(value: str) -> str:
    """Return SQL for whether a float is NaN.

    DuckDB 2.0 answers one question or the other from the statistics of the file, which leave NaN out: `isnan` where
    numbers differ, and the comparison of texts where they are all one.
    """
    return f"(isnan({value}) OR lower({value}::VARCHAR) = 'nan')"


def _relation(path: Path) -> str:
    return f"read_parquet({path_literal(path)}, hive_partitioning = false)"


def _decoded(name: str, kind: str) -> str:
    """Return SQL for the text of bytes in UTF-8, or for lists of it."""
    depth = kind.count("[")
    text = f"decode({f'part_{depth}' if depth else f'{name}_value'})"
    for level in range(depth, 0, -1):
        whole = f"part_{level - 1}" if level > 1 else f"{name}_value::BLOB{'[]' * depth}"
        text = f"list_transform({whole}, lambda part_{level}: {text})"
    return text
