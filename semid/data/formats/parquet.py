"""Parquet."""

from pathlib import Path
from typing import Self

from semid.data.connection import Database, path_literal
from semid.data.formats.raw_file import RawFile, blank, cut


class Parquet(RawFile):
    """A parquet file; its types are known, so that lists and date-times are read as such."""

    @classmethod
    def opened(cls, database: Database, path: Path) -> Self:
        rows = database.rows(f"SELECT column_name, column_type FROM (DESCRIBE SELECT * FROM {_relation(path)})")
        return cls(database, path, {row.column_name: row.column_type for row in rows})

    def relation(self) -> str:
        return _relation(self.path)

    def scalar(self, name: str) -> str:
        if not self._is_scalar(name):
            return "NULL::VARCHAR"
        value = f"{name}_value"
        nan = f"isnan({value})" if self._type(name) in ("FLOAT", "DOUBLE") else "false"
        return f"CASE WHEN {nan} OR {blank(f'{value}::VARCHAR')} THEN NULL ELSE {value}::VARCHAR END"

    def prose(self, name: str) -> str:
        if self._is_list(name):
            return f"array_to_string({name}_value::VARCHAR[], ' ')"
        return f"{name}_value::VARCHAR" if self._is_scalar(name) else "NULL::VARCHAR"

    def strings(self, name: str, separator: str | None) -> str:
        if self._is_list(name):
            return f"{name}_value::VARCHAR[]"
        return cut(f"{name}_value::VARCHAR", separator) if self._is_scalar(name) else "NULL::VARCHAR[]"

    def is_scalar(self, name: str) -> str:
        return "true" if self._is_scalar(name) else f"{name}_value IS NULL"

    def is_prose(self, name: str) -> str:
        return "true" if self._is_scalar(name) or self._is_list(name) else f"{name}_value IS NULL"

    def milliseconds(self, name: str) -> str | None:
        return f"epoch_ms({name}_value)" if self._type(name).startswith(("TIMESTAMP", "DATE")) else None

    def _type(self, name: str) -> str:
        column = self.fields[name]
        return "VARCHAR" if column is None else self.columns[column]

    def _is_list(self, name: str) -> bool:
        return self._type(name).endswith("]")

    def _is_scalar(self, name: str) -> bool:
        type_name = self._type(name)
        return (
            not self._is_list(name) and not type_name.startswith(("STRUCT", "MAP", "UNION")) and type_name != "BOOLEAN"
        )


def _relation(path: Path) -> str:
    return f"read_parquet({path_literal(path)}, hive_partitioning = false)"
