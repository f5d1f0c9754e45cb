"""JSON Lines: one JSON object a line."""

import codecs
from itertools import islice
from pathlib import Path
from typing import Self

from semid.data.connection import Database, identifier, literal, path_literal
from semid.data.formats.raw_file import RawFile, blank, compression, cut, open_bytes
from semid.errors import InputError

ROWS_SEARCHED_FOR_KEYS = 10_000


class JsonLines(RawFile):
    """One JSON object a line; a line that has none of the fields counts as malformed, as what is no object does.

    The values stay JSON (`<field>_value`) beside the names of their types (`<field>_type`) and their text
    (`<field>_text`), each of which DuckDB computes once, and only where it is used.
    """

    @classmethod
    def opened(cls, database: Database, path: Path) -> Self:
        with open_bytes(path) as file:
            if file.read(3) == codecs.BOM_UTF8:  # DuckDB 2.0 loses that line with several threads, not with one
                raise InputError(
                    f"{path} begins with a byte-order mark, which JSON does not allow; write it as UTF-8 without one"
                )
        keys = database.rows(
            "SELECT DISTINCT unnest(json_keys(json)) AS key "
            f"FROM (SELECT json FROM read_ndjson_objects({_options(path)}) LIMIT {ROWS_SEARCHED_FOR_KEYS}) "
            "WHERE json_type(json) = 'OBJECT' ORDER BY key"
        )
        return cls(database, path, {row.key: "JSON" for row in keys})

    def relation(self) -> str:
        types = ", ".join(f"{literal(column)}: 'JSON'" for column in self._chosen_columns())
        return f"read_json({_options(self.path)}, format = 'newline_delimited', records = true, columns = {{{types}}})"

    def query(self) -> str:
        values = ", ".join(
            f"{value} AS {name}_value, json_type({value}) AS {name}_type, "
            f"json_extract_string({value}, '$') AS {name}_text"
            for name, value in (
                (name, "NULL::JSON" if column is None else identifier(column)) for name, column in self.fields.items()
            )
        )
        present = f"coalesce({', '.join(map(identifier, self._chosen_columns()))})"
        return f"SELECT {present} IS NULL AS malformed, {values} FROM {self.relation()}"

    def scalar(self, name: str) -> str:
        missing = f"NOT {self.is_scalar(name)} OR {name}_value::VARCHAR = 'NaN' OR {blank(f'{name}_text')}"
        return f"CASE WHEN {missing} THEN NULL ELSE {name}_text END"

    def prose(self, name: str) -> str:
        return (
            f"CASE {name}_type WHEN 'ARRAY' THEN array_to_string(TRY_CAST({name}_value AS VARCHAR[]), ' ') "
            f"WHEN 'OBJECT' THEN NULL ELSE {name}_text END"
        )

    def strings(self, name: str, separator: str | None) -> str:
        return (
            f"CASE {name}_type WHEN 'ARRAY' THEN TRY_CAST({name}_value AS VARCHAR[]) "
            f"WHEN 'VARCHAR' THEN {cut(f'{name}_text', separator)} ELSE NULL::VARCHAR[] END"
        )

    def is_scalar(self, name: str) -> str:
        return f"coalesce({name}_type, 'NULL') NOT IN ('ARRAY', 'OBJECT', 'BOOLEAN')"

    def is_prose(self, name: str) -> str:
        return f"coalesce({name}_type, 'NULL') <> 'OBJECT'"

    def line_of_row(self, row: int) -> int:
        with open_bytes(self.path) as file:
            filled = (number for number, line in enumerate(file, start=1) if line.strip())
            return next(islice(filled, row, None))

    def _chosen_columns(self) -> list[str]:
        return sorted({column for column in self.fields.values() if column is not None})


def _options(path: Path) -> str:
    return f"{path_literal(path)}, ignore_errors = true, compression = '{compression(path)}'"
