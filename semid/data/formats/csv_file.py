"""Comma-separated values."""

import csv
from pathlib import Path
from typing import Self

from semid.data.connection import Database, literal, path_literal
from semid.data.formats.raw_file import MalformedLines, RawFile, blank, compression, cut, open_bytes
from semid.errors import InputError


class Csv(RawFile):
    """Comma-separated values under a header line; all values are text, empty ones NULL."""

    @classmethod
    def opened(cls, database: Database, path: Path) -> Self:
        with open_bytes(path) as file:
            header = file.readline().decode("utf-8-sig", errors="replace").rstrip("\r\n")
        # A table saved with its row numbers has a column without a name.
        columns = [name or f"column {i}" for i, name in enumerate(next(csv.reader([header]), []), start=1)]
        if len({name.lower() for name in columns}) < len(columns):
            raise InputError(f"{path}: the header names a column twice: {', '.join(columns)}")
        for table in ("reject_errors", "reject_scans"):
            database.execute(f"DROP TABLE IF EXISTS {table}")
        return cls(database, path, dict.fromkeys(columns, "VARCHAR"))

    def relation(self) -> str:
        types = ", ".join(f"{literal(name)}: '{type_name}'" for name, type_name in self.columns.items())
        return (
            f"read_csv({path_literal(self.path)}, compression = '{compression(self.path)}', auto_detect = false, "
            f"header = true, columns = {{{types}}}, delim = ',', quote = '\"', escape = '\"', "
            "ignore_errors = true, store_rejects = true, rejects_limit = 0)"
        )

    def scalar(self, name: str) -> str:
        return f"CASE WHEN {blank(f'{name}_value')} THEN NULL ELSE {name}_value END"

    def prose(self, name: str) -> str:
        return f"{name}_value"

    def strings(self, name: str, separator: str | None) -> str:
        return cut(f"{name}_value", separator)

    def is_scalar(self, name: str) -> str:
        return "true"

    def is_prose(self, name: str) -> str:
        return "true"

    def malformed_lines(self) -> MalformedLines:
        row = self.database.row("SELECT count(DISTINCT line) AS lines, min(line) AS first_line FROM reject_errors")
        return MalformedLines(row.lines, row.first_line)
