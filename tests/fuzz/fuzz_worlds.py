"""Small random datasets as people have them: files in every format, and the keys that say how they are read.

A world is made of its seed alone. Most must be read, and then equal the plain reading of :mod:`fuzz_oracle`; the others
have one fault, and must be refused in one sentence that names the file.
"""

import csv
import gzip
import io
import json
import math
import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from fuzz_faults import fault_of
from fuzz_oracle import Layout

T0 = 1_500_000_000_000
REFUSED = 0.18
WORDS = [
    "Guitar",
    "5 inch tablet",
    "a, b; c|d",
    'say "hi"',
    "Café Ärmel",
    "x" * 300,
    "[new] tent",
    "-",
    "0",
    "N/A",
    "it's",
]
WIDE = ["日本語", "smile 😀", "Ελλάδα"]
FORMATS = ("csv", "csv", "csv", "jsonl", "jsonl", "atomic", "parquet", "parquet", "parquet")
LITTER = ('{"item_id": ', "no JSON", "[1]", "12", '{"item_id": "a"} {"item_id": "b"}', "{'a': 1}")
ENDS = ("\n", "\n", "\r\n", "\r", "mixed")
ENCODINGS = ("utf-8", "utf-8", "utf-8", "utf-8-sig", "latin-1", "cp1252", "utf-16", "utf-16-le", "utf-32", "gb18030")


@dataclass
class World:
    """The files of a dataset by their keys, how they are read, and the fault for which they are refused (or none)."""

    seed: int
    files: dict[str, list[Path]]
    given: dict[str, Any]
    layout: Layout
    repeats: str = "keep"
    split: tuple[int, int] | None = None
    max_malformed: float = 0.01
    fault: str = ""
    words: list[str] = field(default_factory=list)

    def options(self) -> dict[str, Any]:
        """Return the keys of the dataset."""
        layout = self.layout
        keys = {
            "timestamp_unit": None if set(self.files) == {"items"} else layout.unit,
            "encoding": layout.encoding,
            "separator": layout.separator,
            "decimal": layout.decimal,
            "categories_separator": layout.categories_separator,
            "columns": layout.columns,
        }
        splits = {part: self.given[part] for part in ("train", "valid", "test") if part in self.given}
        tables = {key: value for key, value in self.given.items() if key not in splits}
        return {"source": "table", **keys, **tables, **({"splits": splits} if splits else {})}

    def __str__(self) -> str:
        return f"world {self.seed}: {', '.join(self.words)}"


def make_world(seed: int, folder: Path) -> World:
    """Write the files of the world of a seed into a folder."""
    rng = random.Random(seed)
    folder.mkdir(parents=True, exist_ok=True)
    return _Maker(rng, folder, seed).world()


class _Maker:
    def __init__(self, rng: random.Random, folder: Path, seed: int) -> None:
        self.rng, self.folder, self.seed = rng, folder, seed
        self.words: list[str] = []
        encoding = rng.choice(ENCODINGS)
        separator = rng.choice([None, None, ",", ";", "\t", "|"])
        self.layout = Layout(
            encoding=encoding,
            separator=separator,
            decimal=rng.choice([".", ".", ","]),
            unit=rng.choice(["milliseconds", "milliseconds", "seconds", "iso", "position", "row"]),
            categories_separator=rng.choice([None, "|", ">", ", "]),
            lists_as_text=rng.random() < 0.25,
        )
        if rng.random() < 0.3:
            names = {
                "user_id": "customer",
                "item_id": "sku",
                "timestamp": "when did",
                "rating": "Stars",
                "title": "name",
            }
            self.renamed = {name: names[name] for name in names if rng.random() < 0.5}
        else:
            self.renamed = {}
        if self.layout.unit == "row":
            self.renamed.pop("timestamp", None)
        texts = [*WORDS, *WIDE] if encoding.startswith(("utf", "gb")) else WORDS
        self.texts = texts

    # the tables before they are written

    def world(self) -> World:
        rng = self.rng
        kind = rng.choice(["both", "both", "both", "interactions", "items", "splits", "splits and items"])
        if kind == "items":
            self.layout.unit = "milliseconds"
        self.has_splits = kind.startswith("splits")
        self.ids = self._ids()
        interactions, items = self._interactions(), self._items()
        names = {"both": ("interactions", "items"), "splits and items": ("train", "valid", "test", "items")}
        keys = names.get(kind, ("train", "valid", "test") if kind == "splits" else (kind,))
        # `columns` holds for files of interactions and of items alike
        self.layout.columns = self.renamed
        tables = {key: items if key == "items" else interactions for key in keys}
        if kind == "splits":
            described = [{**row, **dict(list(rng.choice(items).items())[1:])} for row in interactions]
            tables = dict.fromkeys(keys, described)
        if "train" in tables:
            for part in ("train", "valid", "test"):
                share = [row for row in tables[part] if rng.random() < 0.5]
                whole = [
                    row for row in tables[part] if None not in (row["user_id"], row["item_id"], row.get("timestamp", 0))
                ]
                tables[part] = [*share, whole[0]]
        fault = rng.random() < REFUSED
        # where lines may be lost, those that stay are read all the same
        self.is_littered = not fault and self.layout.unit != "row" and rng.random() < 0.2
        files, given = {}, {}
        for key, rows in tables.items():
            files[key], given[key] = self._written(key, [self._renamed(row) for row in rows])
        world = World(self.seed, files, given, self.layout, words=[kind, *self.words])
        world.max_malformed = 0.9 if self.is_littered else 0.01
        world.repeats = rng.choice(["keep", "keep", "first", "last"])
        # all times of a column of dates are those of one midnight
        if (
            self.layout.unit not in ("row", "position")
            and "date" not in str(world)
            and world.repeats == "keep"
            and rng.random() < 0.3
        ):
            world.split = (T0 + 1, T0 + 40_000)
        if fault:
            fault_of(rng, world)
        return world

    def _renamed(self, row: dict[str, Any]) -> dict[str, Any]:
        return {self.layout.columns.get(name, name): value for name, value in row.items()}

    def _ids(self) -> list[str]:
        rng = self.rng
        n = rng.randint(3, 12)
        kind = rng.choice(["numbers", "large", "texts", "zeros", "odd", "floats"])
        self.words.append(f"ids {kind}")
        self.id_kind = kind
        if kind in ("numbers", "floats"):
            return [str(rng.randint(0, 10**6) * 100 + i) for i in range(n)]
        if kind == "large":
            return [str(2**60 + rng.randint(0, 10**9) * 100 + i) for i in range(n)]
        if kind == "zeros":
            return [f"{i:05d}" for i in rng.sample(range(1000), n)]
        if kind == "odd":
            odd = [
                "a b",
                "a/b",
                "it's",
                "NA",
                "null",
                "None",
                "nan",
                "-1",
                "1e5",
                "1.5",
                "v1.0",
                "TRUE",
                "é",
                "a" * 200,
                "#1",
            ]
            return rng.sample(odd, min(n, len(odd)))
        return [f"B{rng.randint(0, 9999):04d}{i}" for i in range(n)]

    def _interactions(self) -> list[dict[str, Any]]:
        rng = self.rng
        users = [f"u{i}" for i in range(rng.randint(1, 6))]
        rows = []
        for number in range(rng.randint(6, 40)):
            time = rng.choice([T0 + number * 1000, T0 + rng.randint(0, 10**5), T0 + 5000])
            score = rng.choice([1.0, 2.5, 4.0, 5.0, None])
            rows.append(self._interaction(rng.choice(users), rng.choice(self.ids), time, score))
        # one user with a history, and both ends of time
        for number, time in enumerate((T0, T0 + 30_000, T0 + 10**5)):
            rows.append(self._interaction("u0", self.ids[number % len(self.ids)], time, 3.0, 0))
        rng.shuffle(rows)
        return rows

    def _interaction(self, user: str, item: str, time: int, score: float | None, gaps: float = 0.03) -> dict[str, Any]:
        row = {"user_id": user, "item_id": item, "timestamp": time, "rating": score}
        if self.rng.random() < gaps:
            row[self.rng.choice(["user_id", "item_id", "timestamp"])] = None
        if self.layout.unit == "row":
            del row["timestamp"]
        elif self.layout.unit == "position" and row["timestamp"] is not None:
            row["timestamp"] -= T0
        return row

    def _items(self) -> list[dict[str, Any]]:
        rng = self.rng
        rows = []
        for item in [*self.ids, *rng.choices(self.ids, k=2), "extra"]:
            parts = [rng.choice(["Music", "Women's", "5 string", "Café", "A & B"]) for _ in range(rng.randint(0, 3))]
            rows.append(
                {
                    "item_id": item,
                    "title": rng.choice([*self.texts, None]),
                    "description": rng.choice([*self.texts, None]),
                    "categories": parts,
                    "store": rng.choice(["Shop", None, "Läden"]),
                }
            )
        rng.shuffle(rows)
        return rows

    # files

    def _written(self, key: str, rows: list[dict[str, Any]]) -> tuple[list[Path], Any]:
        """Write the rows as one file or as parts; return the paths in order, and the value of the key."""
        rng = self.rng
        self.form = rng.choice(FORMATS)
        if self.form == "atomic" and self.layout.separator == ",":
            # without quotes, decimal commas would be separators
            self.form = "csv"
        self.words.append(f"{key} {self.form}")
        extra = rng.random() < 0.3
        if extra:
            rows = [{"more": rng.randint(0, 9), **row} for row in rows]
        order = list(rows[0])
        rng.shuffle(order)
        rows = [{name: row[name] for name in order} for row in rows]
        # many files take long
        how = "one" if self.has_splits else rng.choice(["one", "one", "one", "list", "folder", "glob"])
        if how == "one":
            path = self._file(key, rows)
            return [path], rng.choice([str(path), path])
        cut = sorted(rng.sample(range(1, len(rows)), rng.choice([1, 1, 2])))
        parts = [rows[a:b] for a, b in zip([0, *cut], [*cut, len(rows)], strict=True)]
        home = self.folder / f"{key} of parts"
        home.mkdir()
        paths = [self._file(f"{home.name}/part-{number}", part) for number, part in enumerate(parts, start=9)]
        self.words.append(how)
        if how == "folder":
            (home / "_SUCCESS").touch()
            return paths, home
        if how == "glob":
            endings = {path.name.partition(".")[2] for path in paths}
            return (paths, f"{home}/part-*.{endings.pop()}") if len(endings) == 1 else (paths, paths)
        return paths, tuple(paths)

    def _file(self, name: str, rows: list[dict[str, Any]]) -> Path:
        if self.form == "parquet":
            return self._parquet(self.folder / f"{name}.parquet", rows)
        if self.form == "jsonl":
            return self._json_lines(name, rows)
        if self.form == "atomic":
            return self._atomic(name, rows)
        return self._csv(name, rows)

    def _save(self, path: Path, text: str) -> Path:
        # one encoding holds for all files, of which one may be in UTF-8 all the same
        encoding = self.layout.encoding if self.rng.random() < 0.85 else "utf-8"
        try:
            content = text.encode(encoding)
        except UnicodeEncodeError:
            content = text.encode("utf-8")
        if path.name.endswith(".gz"):
            half = len(content) // 2 if self.rng.random() < 0.3 else 0
            content = gzip.compress(content[:half]) + gzip.compress(content[half:]) if half else gzip.compress(content)
        path.write_bytes(content)
        return path

    def _time(self, value: int | None) -> Any:
        """Return a time as the unit of the dataset has it, as a text."""
        rng, unit = self.rng, self.layout.unit
        if value is None:
            return None
        if unit == "seconds":
            return f"{value / 1000:.3f}" if value % 1000 or rng.random() < 0.3 else str(value // 1000)
        if unit == "iso":
            moment = datetime.fromtimestamp(value / 1000, UTC)
            form = rng.choice(["%Y-%m-%d %H:%M:%S.%f", "%Y-%m-%dT%H:%M:%S.%fZ", "offset"])
            if form == "offset":
                return moment.astimezone(timezone(timedelta(hours=5, minutes=30))).isoformat()
            return moment.strftime(form)
        return str(value)

    def _text_row(self, row: dict[str, Any]) -> dict[str, str]:
        """Return a row of texts, as a file of separated values has them."""
        names = {
            self.layout.columns.get(name, name): name for name in (*row, "user_id", "item_id", "timestamp", "rating")
        }
        values: dict[str, str] = {}
        for column, value in row.items():
            name = names.get(column, column)
            if name == "timestamp":
                value = self._time(value)
                if value is not None and self.layout.unit != "iso":
                    value = value.replace(".", self.layout.decimal)
            elif name == "rating" and value is not None:
                value = str(value).replace(".", self.layout.decimal)
            elif name == "item_id" and value is not None and self.id_kind == "floats" and self.rng.random() < 0.5:
                value = f"{value}.0" if value.isdigit() else value
            elif name == "categories":
                value = self._categories(value)
            values[column] = "" if value is None else str(value)
        return values

    def _categories(self, parts: list[str]) -> str:
        if self.layout.lists_as_text:
            return repr(parts) if self.rng.random() < 0.7 else json.dumps(parts)
        return (self.layout.categories_separator or " / ").join(parts)

    def _csv(self, name: str, rows: list[dict[str, Any]]) -> Path:
        rng = self.rng
        texts = [self._text_row(row) for row in rows]
        end = rng.choice(ENDS)
        quoting = rng.choice([csv.QUOTE_MINIMAL, csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
        inside = rng.random() < 0.3 and end in ("\n", "\r\n")
        if inside:
            # the writer of Python leaves texts with a carriage return without quotes
            quoting = csv.QUOTE_ALL
        out = io.StringIO(newline="")
        writer = csv.writer(
            out, delimiter=self.layout.separator or ",", quoting=quoting, lineterminator="\n" if end == "mixed" else end
        )
        writer.writerow(texts[0])
        for row in texts:
            if inside and row.get("description"):
                row["description"] += rng.choice(["\n", "\r\n", "\r", "\n\n"]) + "more, of it"
            writer.writerow(row.values())
            if self.is_littered and rng.random() < 0.1:
                writer.writerow(["too", "few"] if rng.random() < 0.5 else [*row.values(), "too", "many"])
        text = out.getvalue()
        if end == "mixed":
            text = "".join(line + rng.choice(["\n", "\r\n", "\r"]) for line in text.split("\n")[:-1])
        if rng.random() < 0.2:
            text = text.rstrip("\r\n")
        elif rng.random() < 0.2:
            text += "\n" if end == "mixed" else end * 2
        self.words.append(f"ends {end!r} quoting {quoting}{' breaks inside' if inside else ''} {self.layout.encoding}")
        return self._save(self.folder / f"{name}{rng.choice(['.csv', '.csv', '.CSV', '.csv.gz'])}", text)

    def _atomic(self, name: str, rows: list[dict[str, Any]]) -> Path:
        kinds = {"timestamp": "float", "rating": "float", "title": "token_seq", "description": "token_seq"}
        texts = [self._text_row(row) for row in rows]
        separator = self.layout.separator or "\t"
        texts = [{column: value.replace(separator, " ") for column, value in row.items()} for row in texts]
        lines = [separator.join(f"{column}:{kinds.get(column, 'token')}" for column in texts[0])]
        lines += [separator.join(row.values()) for row in texts]
        end = self.rng.choice(["\n", "\r\n"])
        ending = ".item" if name.startswith("items") else ".inter"
        return self._save(self.folder / f"{name}{ending}", "".join(line + end for line in lines))

    def _json_lines(self, name: str, rows: list[dict[str, Any]]) -> Path:
        rng = self.rng
        names = {
            self.layout.columns.get(known, known): known for known in ("item_id", "timestamp", "user_id", "rating")
        }
        lines = []
        is_ascii, style = rng.random() < 0.5, rng.choice(["same", "same", "texts", "mixed"])
        for row in rows:
            written: dict[str, Any] = {}
            for column, value in row.items():
                field_name = names.get(column, column)
                # a column that is named must be in every part
                if value is None and lines and rng.random() < 0.5:
                    continue
                if field_name == "timestamp":
                    value = self._time(value)
                    if value is not None and self.layout.unit != "iso" and (style == "same" or rng.random() < 0.3):
                        value = json.loads(value)
                elif field_name == "item_id" and value is not None and self.id_kind in ("numbers", "floats", "large"):
                    if value.isdigit() and (style == "same" or rng.random() < 0.5):
                        value = float(value) if self.id_kind == "floats" else int(value)
                elif field_name == "rating" and value is None:
                    value = rng.choice([None, float("nan")])
                elif field_name == "categories":
                    form = rng.choice(["list", "list", "text", "nested"])
                    if form == "text" or self.layout.lists_as_text:
                        value = self._categories(value)
                    elif form == "nested":
                        value = [value[:1], value[1:]] if value else None
                elif field_name == "description" and value is not None and rng.random() < 0.2:
                    value = [value, "and more"]
                written[column] = value
            lines.append(json.dumps(written, ensure_ascii=is_ascii))
            if rng.random() < 0.05:
                lines.append(rng.choice(["", "  "]))
            if self.is_littered and rng.random() < 0.1:
                lines.append(rng.choice(LITTER))
        end = rng.choice(["\n", "\n", "\r\n", "\r"])
        text = end.join(lines) + rng.choice(["", end])
        self.words.append(f"ends {end!r} {self.layout.encoding}")
        return self._save(self.folder / f"{name}{rng.choice(['.jsonl', '.jsonl.gz', '.json', '.json.gz'])}", text)

    # parquet

    def _parquet(self, path: Path, rows: list[dict[str, Any]]) -> Path:
        rng = self.rng
        names = {
            self.layout.columns.get(known, known): known for known in ("item_id", "timestamp", "user_id", "rating")
        }
        columns = {}
        for column in rows[0]:
            name = names.get(column, column)
            values = [row[column] for row in rows]
            make = {
                "timestamp": self._times,
                "rating": self._ratings,
                "item_id": self._id_column,
                "user_id": self._text_column,
                "categories": self._list_column,
            }.get(name, self._text_column)
            columns[column] = pa.array(values) if column == "more" else make(values)
            self.words.append(f"{name} {columns[column].type}")
        table = pa.table(columns)
        codec = rng.choice(["snappy", "zstd", "gzip", "none"])
        pq.write_table(table, path, row_group_size=rng.choice([3, 1000]), compression=codec)
        return path

    def _times(self, values: list[int | None]) -> pa.Array:
        rng, unit = self.rng, self.layout.unit
        if unit == "iso" and rng.random() < 0.5:
            return self._text_column(list(map(self._time, values)))
        if unit != "position" and rng.random() < 0.5:
            size, zone = rng.choice(["s", "ms", "us", "ns"]), rng.choice([None, "UTC", "Europe/Berlin", "-07:00"])
            per = {"s": 0.001, "ms": 1, "us": 1000, "ns": 1_000_000}[size]
            times = [None if value is None else int(value * per) for value in values]
            return pa.array(times, pa.int64()).cast(pa.timestamp(size, zone))
        if unit == "iso":
            days = [None if value is None else datetime.fromtimestamp(value / 1000, UTC).date() for value in values]
            return pa.array(days, rng.choice([pa.date32(), pa.date64()]))
        numbers = [None if value is None else value / 1000 if unit == "seconds" else value for value in values]
        kind = rng.choice([pa.float64(), pa.int64(), pa.uint64(), pa.decimal128(20, 3), pa.string()])
        if pa.types.is_floating(kind):
            return pa.array(numbers, kind)
        if pa.types.is_decimal(kind):
            return pa.array([None if value is None else Decimal(str(value)) for value in numbers], kind)
        if pa.types.is_string(kind):
            return pa.array([None if value is None else str(value) for value in numbers])
        return pa.array([None if value is None else int(value) for value in numbers], kind)

    def _ratings(self, values: list[float | None]) -> pa.Array:
        kind = self.rng.choice([pa.float64(), pa.float32(), pa.float16(), pa.int8(), pa.decimal128(4, 1), pa.string()])
        if pa.types.is_integer(kind):
            return pa.array([None if value is None else int(value) for value in values], kind)
        if pa.types.is_decimal(kind):
            return pa.array([None if value is None else Decimal(str(value)) for value in values], kind)
        if pa.types.is_string(kind):
            return pa.array([None if value is None else str(value) for value in values])
        filled = [math.nan if value is None and self.rng.random() < 0.5 else value for value in values]
        return pa.array(filled, pa.float32() if kind == pa.float16() else kind).cast(kind)

    def _id_column(self, values: list[str | None]) -> pa.Array:
        rng = self.rng
        numeric = self.id_kind in ("numbers", "floats", "large") and all(v is None or v.isdigit() for v in values)
        if not numeric or rng.random() < 0.3:
            return self._text_column(values)
        numbers = [None if value is None else int(value) for value in values]
        kinds = [pa.int64(), pa.uint64(), pa.decimal128(20, 0), pa.decimal128(30, 2)]
        if self.id_kind != "large":
            kinds += [pa.int32(), pa.uint32(), pa.float64(), pa.float64()]
        kind = rng.choice(kinds)
        if pa.types.is_decimal(kind):
            return pa.array([None if number is None else Decimal(number) for number in numbers], kind)
        if pa.types.is_floating(kind):
            return pa.array([math.nan if number is None and rng.random() < 0.5 else number for number in numbers], kind)
        return pa.array(numbers, kind) if rng.random() < 0.8 else pa.array(numbers, kind).dictionary_encode()

    def _text_column(self, values: list[str | None]) -> pa.Array:
        kind = self.rng.choice(
            ["string", "large_string", "string_view", "binary", "large_binary", "dictionary", "ordered"]
        )
        if all(value is None for value in values) and self.rng.random() < 0.5:
            return pa.nulls(len(values))
        texts = pa.array(values, pa.string())
        if kind in ("dictionary", "ordered"):
            codes = texts.dictionary_encode()
            return pa.DictionaryArray.from_arrays(
                codes.indices.cast(pa.int8()), codes.dictionary, ordered=kind == "ordered"
            )
        if kind.endswith("binary"):
            return pa.array([None if value is None else value.encode() for value in values], getattr(pa, kind)())
        return texts.cast(getattr(pa, kind)())

    def _list_column(self, values: list[list[str]]) -> pa.Array:
        rng = self.rng
        if self.layout.lists_as_text or rng.random() < 0.2:
            return self._text_column([self._categories(value) for value in values])
        inner = rng.choice([pa.string(), pa.large_string(), pa.binary(), pa.dictionary(pa.int32(), pa.string())])
        form = rng.choice(["list", "large", "nested", "fixed"])
        parts: list[Any] = [[*value, None] if rng.random() < 0.1 else value for value in values]
        if pa.types.is_binary(inner):
            parts = [[None if part is None else part.encode() for part in value] for value in parts]
        if form == "fixed":
            parts = [[*value, None, None, None][:3] for value in parts]
            return pa.array(parts, pa.list_(inner if not pa.types.is_dictionary(inner) else pa.string(), 3))
        if pa.types.is_dictionary(inner):
            inner = pa.string()
        if form == "nested":
            return pa.array([[value[:1], value[1:]] for value in parts], pa.list_(pa.list_(inner)))
        return pa.array(parts, pa.large_list(inner) if form == "large" else pa.list_(inner))
