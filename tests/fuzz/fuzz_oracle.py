"""What a dataset is by a plain reading of its files: with csv, json and pyarrow, and the rules of the documentation.

Nothing here imports semid: it is what semid is held against.
"""

import csv
import gzip
import io
import json
import math
import re
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

TEXTS = ("title", "description", "store")
WHOLE = re.compile(r"(-?[0-9]+)\.0+")


@dataclass
class Layout:
    """How the files of a world are read: the keys of the dataset that say so."""

    encoding: str = "utf-8"
    separator: str | None = None
    decimal: str = "."
    unit: str | None = "milliseconds"
    categories_separator: str | None = None
    lists_as_text: bool = False
    columns: dict[str, str] = field(default_factory=dict)

    def column(self, name: str) -> str:
        return self.columns.get(name, name)


def rows_of(path: Path, layout: Layout) -> list[dict[str, Any] | None]:
    """Return the rows of a file by its columns, in its order; None for a line that is no row."""
    content = path.read_bytes()
    name = path.name.lower().removesuffix(".gz")
    if name != path.name.lower():
        content = gzip.decompress(content)
    if name.endswith(".parquet"):
        return _arrow_rows(path)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode(layout.encoding)
    if layout.encoding != "utf-8" and "\0" in text:
        text = content.decode(layout.encoding)
    text = text.removeprefix("\ufeff")
    if name.endswith((".jsonl", ".json")):
        return [_object(line) for line in re.split(r"\r\n|\r|\n", text) if line.strip()]
    if name.endswith((".inter", ".item")):
        lines = [line.split(layout.separator or "\t") for line in re.split(r"\r\n|\r|\n", text) if line]
        names = [column.partition(":")[0] for column in lines[0]]
        return [dict(zip(names, line, strict=True)) for line in lines[1:]]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=layout.separator or ",", strict=True)
    names = next(reader)
    return [dict(zip(names, row, strict=True)) if len(row) == len(names) else None for row in reader if row]


def _object(line: str) -> dict[str, Any] | None:
    try:
        value = json.loads(line)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _arrow_rows(path: Path) -> list[dict[str, Any] | None]:
    table = pq.ParquetFile(path).read()
    return [dict(zip(table.column_names, row, strict=True)) for row in zip(*map(_values, table.columns), strict=True)]


def _values(column: Any) -> list[Any]:
    """Return the values of a column; dates and times as pandas has them, which keeps nanoseconds."""
    if str(column.type).startswith("timestamp"):
        return [None if value is pd.NaT else value for value in pd.DatetimeIndex(column.to_pandas())]
    return column.to_pylist()


def identifier(value: Any) -> str | None:
    """Return an id as text: 7, 7.0 and "7.0" are one, and what is blank or NaN is none."""
    if value is None or isinstance(value, bool | list | dict) or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, bytes):
        value = value.decode()
    if isinstance(value, float | Decimal):
        value = int(value)
    text = str(value)
    whole = WHOLE.fullmatch(text)
    return None if not text.strip(" \t\r\n") else whole[1] if whole else text


def milliseconds(value: Any, layout: Layout) -> int | None:
    """Return a time in milliseconds, floored; None for what is no time."""
    if value is None or value == "" or isinstance(value, bool | list | dict):
        return None
    if isinstance(value, pd.Timestamp):
        return value.value // 1_000_000
    if isinstance(value, datetime | date):
        return pd.Timestamp(value).value // 1_000_000
    if isinstance(value, bytes):
        value = value.decode()
    if isinstance(value, str):
        if layout.unit == "iso":
            time = datetime.fromisoformat(value)
            time = time if time.tzinfo else time.replace(tzinfo=UTC)
            return round(time.timestamp() * 1000)
        value = Decimal(value.replace(layout.decimal, "."))
    return round(value * 1000) if layout.unit == "seconds" else int(value)


def rating(value: Any, layout: Layout) -> float | None:
    value = value.decode() if isinstance(value, bytes) else value
    if value is None or value == "" or isinstance(value, list | dict):
        return None
    number = np.float32(float(str(value).replace(layout.decimal, ".") if isinstance(value, str) else value))
    return float(number) if np.isfinite(number) else None


def prose(value: Any) -> str:
    """Return the text of a value as one line; a list is joined by spaces."""
    if isinstance(value, list):
        value = " ".join(prose(part) for part in value if part is not None)
    if isinstance(value, bytes):
        value = value.decode()
    return " ".join(str(value).split()) if value is not None and not isinstance(value, dict) else ""


def categories(value: Any, layout: Layout) -> list[str]:
    value = value.decode() if isinstance(value, bytes) else value
    if isinstance(value, list):
        flat = [part for parts in value for part in (parts if isinstance(parts, list) else [parts])]
    elif isinstance(value, str) and layout.lists_as_text and value.strip():
        flat = eval(value, {"null": None, "true": True})
    elif isinstance(value, str) and value.strip() and layout.categories_separator:
        flat = value.split(layout.categories_separator)
    else:
        flat = [value]
    return [text for text in map(prose, flat) if text]


@dataclass
class Expected:
    """What has to come out: the rows of items.parquet, and those of each split."""

    items: list[tuple[Any, ...]]
    splits: dict[str, list[tuple[Any, ...]]]


def expected(files: dict[str, list[Path]], layout: Layout, repeats: str = "keep", split: Any = None) -> Expected:
    """Return what a dataset of these files is.

    files: the paths of `interactions` and of `items`, or of the splits `train`, `valid` and `test`. split: None to
    leave the last two out, or two times.
    """
    given = "train" in files
    parts = ("train", "valid", "test") if given else ("interactions",)
    events = []
    for part in parts:
        for row in [row for path in files.get(part, []) for row in rows_of(path, layout)]:
            if row is None:
                events.append(None)
                continue
            event = {
                "user": identifier(row.get(layout.column("user_id"))),
                "item": identifier(row.get(layout.column("item_id"))),
                "time": len(events)
                if layout.unit == "row"
                else milliseconds(row.get(layout.column("timestamp")), layout),
                "rating": rating(row.get(layout.column("rating")), layout),
                "part": part,
            }
            events.append(None if None in (event["user"], event["item"], event["time"]) else event)
    rows = [event for event in events if event is not None]
    describing = files["items"] if "items" in files else [path for part in parts for path in files[part] if given]
    listed = listings([row for path in describing for row in rows_of(path, layout)], layout)
    if "items" in files:
        rows = [event for event in rows if event["item"] in listed or event["part"] in ("valid", "test")]
    elif not given:
        listed = {event["item"]: ("", "", [], "") for event in rows}
    if not given:
        rows = _without_repeats(rows, repeats)
    ordered = sorted(rows, key=lambda event: (event["user"].encode(), parts.index(event["part"]), event["time"]))
    splits: dict[str, list[Any]] = {"train": [], "valid": [], "test": []}
    for number, event in enumerate(ordered):
        splits[event["part"] if given else _split(ordered, number, split)].append(event)
    names = sorted(listed, key=str.encode)
    index = {item: number for number, item in enumerate(names)}
    in_train = {event["item"] for event in splits["train"]} if "interactions" in files or given else set(names)
    return Expected(
        [(index[item], item, *listed[item], item in in_train) for item in names],
        {
            name: [(e["user"], e["item"], index.get(e["item"], -1), e["time"], e["rating"]) for e in events]
            for name, events in splits.items()
        },
    )


def listings(rows: list[dict[str, Any] | None], layout: Layout) -> dict[str, tuple[Any, ...]]:
    """Return what describes each item: its first row with a title, or its first row."""
    listed: dict[str, tuple[Any, ...]] = {}
    for row in rows:
        item = None if row is None else identifier(row.get(layout.column("item_id")))
        if row is None or item is None:
            continue
        title, description, store = (prose(row.get(layout.column(name))) for name in TEXTS)
        described = (title, description, categories(row.get(layout.column("categories")), layout), store)
        listed[item] = _better(listed.get(item), described)
    return listed


def _better(first: tuple[Any, ...] | None, second: tuple[Any, ...] | None) -> Any:
    return second if first is None or (second is not None and not first[0] and second[0]) else first


def _without_repeats(rows: list[dict[str, Any]], repeats: str) -> list[dict[str, Any]]:
    if repeats == "keep":
        return rows
    chosen: dict[Any, int] = {}
    order = sorted(range(len(rows)), key=lambda number: rows[number]["time"], reverse=repeats == "last")
    if repeats == "last":
        order = sorted(range(len(rows)), key=lambda number: (rows[number]["time"], number), reverse=True)
    for number in order:
        chosen.setdefault((rows[number]["user"], rows[number]["item"]), number)
    return [rows[number] for number in sorted(chosen.values())]


def _split(ordered: list[dict[str, Any]], number: int, split: Any) -> str:
    event = ordered[number]
    if split is not None:
        return "train" if event["time"] < split[0] else "valid" if event["time"] < split[1] else "test"
    later = sum(other["user"] == event["user"] for other in ordered[number + 1 :])
    all_of_user = sum(other["user"] == event["user"] for other in ordered)
    return "train" if all_of_user < 3 else {0: "test", 1: "valid"}.get(later, "train")
