"""JSON Lines: one JSON object a line."""

import codecs
import re
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Self

from semid.data.connection import Database, identifier, literal, path_literal
from semid.data.formats.raw_file import MalformedLines, RawFile, blank, cut, is_inexact_text, list_text, reading
from semid.data.formats.text_content import compression, encoding_fault, open_bytes, readable_content
from semid.data.sources.source import TextLayout
from semid.errors import InputError

ROWS_SEARCHED_FOR_KEYS = 10_000
BYTES_SEARCHED = 1 << 16
# A string of JSON, and what in the text of a nested list is one of its values.
JSON_STRING = r'"(?:[^"\\]|\\.)*"'
JSON_LEAF = rf"{JSON_STRING}|[^\[\],\s]+"


class JsonLines(RawFile):
    """One JSON object a line; a line that has none of the fields counts as malformed, as what is no object does.

    The values stay JSON (`<field>_value`) beside the names of their types (`<field>_type`) and their text
    (`<field>_text`), each of which DuckDB computes once, and only where it is used.
    """

    @classmethod
    def opened(cls, database: Database, path: Path, layout: TextLayout) -> Self:
        content, n_lines = readable_content(database, path, layout.encoding)
        with open_bytes(content) as file:
            start = file.read(BYTES_SEARCHED)
        if start.startswith(codecs.BOM_UTF8):  # DuckDB 2.0 loses that line with several threads, not with one
            raise InputError(
                f"{path} begins with a byte-order mark, which JSON does not allow; write it as UTF-8 without one"
            )
        _refuse_other_forms(path, start.lstrip())
        opened = cls(database, path, {}, layout, content, n_lines)
        return replace(opened, columns=opened._keys(f"LIMIT {ROWS_SEARCHED_FOR_KEYS}"))

    def has_column(self, name: str) -> bool:
        # Most keys are in the first rows, and a search of the whole file takes as long as reading it.
        return name in self.columns or name in self._keys()

    def may_have_column(self, name: str) -> bool:
        return True

    def relation(self) -> str:
        types = ", ".join(f"{literal(column)}: 'JSON'" for column in self._chosen_columns())
        return (
            f"read_json({_options(self.content)}, format = 'newline_delimited', records = true, columns = {{{types}}})"
        )

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

    def is_inexact(self, name: str) -> str:
        # DuckDB calls integers of more than 64 bits DOUBLE too, and keeps their digits.
        is_float = f"{name}_type = 'DOUBLE' AND {name}_value::VARCHAR <> 'NaN'"
        is_fraction = f"{is_float} AND NOT regexp_matches({name}_text, '^-?[0-9]+(\\.0+)?$')"
        return f"coalesce({is_fraction} OR {is_inexact_text(f'{name}_text')}, false)"

    def text(self, name: str) -> str:
        return f"CASE {name}_type WHEN 'VARCHAR' THEN {name}_text END"

    def prose(self, name: str) -> str:
        if name in self.lists:
            return f"coalesce(array_to_string({list_text(self.text(name))}, ' '), {self._prose(name)})"
        return self._prose(name)

    def _prose(self, name: str) -> str:
        return (
            f"CASE {name}_type WHEN 'ARRAY' THEN array_to_string({self._list(name)}, ' ') "
            f"WHEN 'OBJECT' THEN NULL ELSE {name}_text END"
        )

    def strings(self, name: str, separator: str | None) -> str:
        text = list_text(f"{name}_text") if name in self.lists else cut(f"{name}_text", separator)
        return (
            f"CASE {name}_type WHEN 'ARRAY' THEN {self._list(name)} WHEN 'VARCHAR' THEN {text} ELSE NULL::VARCHAR[] END"
        )

    def _list(self, name: str) -> str:
        """Return SQL for the values of a list at any depth as VARCHAR[]; NULL for a list with a record in it."""
        text = f"{name}_value::VARCHAR"
        leaves = f"regexp_extract_all({text}, '{JSON_LEAF}')"
        values = f"list_transform({leaves}, lambda leaf: json_extract_string(leaf::JSON, '$'))"
        return (
            f"CASE WHEN {_has_record(name)} THEN NULL WHEN contains(({text})[2:], '[') THEN {values} "
            f"ELSE TRY_CAST({name}_value AS VARCHAR[]) END"
        )

    def as_json(self, name: str) -> str:
        return f"{name}_value::VARCHAR"

    def is_scalar(self, name: str) -> str:
        return f"coalesce({name}_type, 'NULL') NOT IN ('ARRAY', 'OBJECT', 'BOOLEAN')"

    def is_prose(self, name: str) -> str:
        return (
            f"coalesce(CASE {name}_type WHEN 'OBJECT' THEN false WHEN 'ARRAY' THEN NOT {_has_record(name)} END, true)"
        )

    def malformed_lines(self, rows: int) -> MalformedLines:
        lost = self.n_lines - rows
        if lost > 0:
            with open_bytes(self.content) as file:
                lost -= sum(not line.strip() for line in file)
        return MalformedLines(max(0, lost), None)

    def line_of_row(self, row: int) -> int | None:
        with open_bytes(self.content) as file:
            filled = (number for number, line in enumerate(file, start=1) if line.strip())
            return next(islice(filled, row, None), None)

    def fault_of_line(self, number: int) -> str:
        with open_bytes(self.content) as file:
            line = next(islice(file, number - 1, None), b"")
        return encoding_fault(line) or _literal_fault(line.lstrip())

    def _keys(self, limit: str = "") -> dict[str, str]:
        """Return the keys of the first objects, or of all, as the columns of the file."""
        with reading(self.path):
            keys = self.database.rows(
                "SELECT DISTINCT unnest(json_keys(json)) AS key "
                f"FROM (SELECT json FROM read_ndjson_objects({_options(self.content)}) {limit}) "
                "WHERE json_type(json) = 'OBJECT' ORDER BY key"
            )
        return {row.key: "JSON" for row in keys}

    def _chosen_columns(self) -> list[str]:
        return sorted({column for column in self.fields.values() if column is not None})


def _has_record(name: str) -> str:
    """Return SQL for whether a record is anywhere in a list."""
    text = f"{name}_value::VARCHAR"
    without_strings = f"regexp_replace({text}, '{JSON_STRING}', '', 'g')"
    return f"CASE WHEN contains({text}, '{{') THEN contains({without_strings}, '{{') ELSE false END"


def _options(path: Path) -> str:
    return f"{path_literal(path)}, ignore_errors = true, compression = '{compression(path)}'"


def _refuse_other_forms(path: Path, start: bytes) -> None:
    """Raise InputError for the start of a file that has other things than a JSON object a line."""
    if re.match(rb"\[\s*\{", start):
        raise InputError(
            f"{path} holds one JSON array, and not one JSON object a line; convert it with jq -c '.[]' FILE > NEW.jsonl"
        )
    if fault := _literal_fault(start.partition(b"\n")[0]):
        raise InputError(f"{path}: line 1 cannot be read{fault}")


def _literal_fault(line: bytes) -> str:
    """Return what to do about a line that is a dictionary of Python; empty for any other line."""
    if not re.match(rb"\{\s*u?'", line):
        return ""
    return (
        "; that line is a dictionary as Python writes it, and not JSON: convert the file with python -c "
        "'import ast, json, sys; [print(json.dumps(ast.literal_eval(line))) for line in sys.stdin]' < FILE > NEW.jsonl"
    )
