"""Faults of files that no reader may pass over: each changes the files of a world, or the keys that say how to read."""

import gzip
import json
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

Fault = Callable[[random.Random, Any], bool]
# Splits a text into its lines, which keep their ends.
LINES = r"(?<=\n)|(?<=\r)(?!\n)"


def fault_of(rng: random.Random, world: Any) -> None:
    """Bring one fault that fits into a world; `world.fault` names it."""
    for name in rng.sample(list(FAULTS), len(FAULTS)):
        if FAULTS[name](rng, world):
            world.fault = name
            world.words.append(f"FAULT {name}")
            return
    raise AssertionError("a file can always be missing")


def _paths(world: Any, kind: str = "") -> list[Path]:
    return [
        path
        for paths in world.files.values()
        for path in paths
        if not kind or path.name.lower().removesuffix(".gz").endswith(kind)
    ]


def _interaction_paths(world: Any) -> list[Path]:
    return [path for key, paths in world.files.items() if key != "items" for path in paths]


def _text(path: Path, encoding: str) -> str | None:
    content = path.read_bytes()
    content = gzip.decompress(content) if path.name.endswith(".gz") else content
    for name in ("utf-8", encoding):
        try:
            text = content.decode(name)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return text
    return None


def _rewrite(path: Path, text: str) -> None:
    content = text.encode("utf-8")
    path.write_bytes(gzip.compress(content) if path.name.endswith(".gz") else content)


def _pick(rng: random.Random, world: Any, kind: str = "") -> Path | None:
    paths = _paths(world, kind)
    return rng.choice(paths) if paths else None


def _is_all_of_a_table(world: Any, path: Path) -> bool:
    """Return whether a table has no other part, and must have rows: without any in `valid` there is a warning."""
    return any(paths == [path] for key, paths in world.files.items() if key != "valid")


def cut_gz(rng: random.Random, world: Any) -> bool:
    path = _pick(rng, world, "")
    if path is None or not path.name.endswith(".gz"):
        return False
    path.write_bytes(path.read_bytes()[: -rng.randint(1, 18)])
    return True


def cut_parquet(rng: random.Random, world: Any) -> bool:
    path = _pick(rng, world, ".parquet")
    if path is None:
        return False
    content = path.read_bytes()
    path.write_bytes(content[: rng.randint(1, len(content) - 1)])
    return True


def empty(rng: random.Random, world: Any) -> bool:
    path = _pick(rng, world)
    assert path is not None
    path.write_bytes(b"")
    return True


def missing(rng: random.Random, world: Any) -> bool:
    key = rng.choice(list(world.files))
    if isinstance(world.given[key], str) and "*" in world.given[key]:
        for path in world.files[key]:
            path.unlink()
        return True
    if isinstance(world.given[key], Path) and world.given[key].is_dir():
        return False
    rng.choice(world.files[key]).unlink()
    return True


def header_only(rng: random.Random, world: Any) -> bool:
    path = _pick(rng, world, ".csv")
    if path is None or not _is_all_of_a_table(world, path):
        return False
    text = _text(path, world.layout.encoding)
    if text is None:
        return False
    _rewrite(path, re.split(r"[\r\n]", text)[0])
    return True


def _rename(path: Path, world: Any, old: str, new: str) -> bool:
    if path.name.endswith(".parquet"):
        table = pq.ParquetFile(path).read()
        pq.write_table(table.rename_columns([new if name == old else name for name in table.column_names]), path)
        return True
    text = _text(path, world.layout.encoding)
    if text is None:
        return False
    _rewrite(path, text.replace(f'"{old}": ', f'"{new}": ') if ".json" in path.name else text.replace(old, new, 1))
    return True


def no_column(rng: random.Random, world: Any) -> bool:
    path = _pick(rng, world)
    assert path is not None
    return _rename(path, world, world.layout.column("item_id"), "thing")


def other_case(rng: random.Random, world: Any) -> bool:
    path = _pick(rng, world)
    assert path is not None
    name = world.layout.column("item_id")
    return _rename(path, world, name, rng.choice([name.title(), name.upper(), f" {name}"]))


def no_such_column(rng: random.Random, world: Any) -> bool:
    if not _interaction_paths(world):
        return False
    world.layout.columns = {**world.layout.columns, "rating": "none of these"}
    return True


def other_separator(rng: random.Random, world: Any) -> bool:
    if not _paths(world, ".csv"):
        return False
    others = [other for other in ",;\t|" if other != (world.layout.separator or ",")]
    world.layout.separator = rng.choice(others)
    return True


def undeclared_encoding(rng: random.Random, world: Any) -> bool:
    for path in _paths(world):
        if path.name.endswith(".parquet"):
            continue
        content = path.read_bytes()
        content = gzip.decompress(content) if path.name.endswith(".gz") else content
        try:
            content.decode("utf-8")
            foreign = content.count(0) > 0
        except UnicodeDecodeError:
            foreign = True
        if foreign:
            world.layout.encoding = "utf-8"
            return True
    return False


def fractions(rng: random.Random, world: Any) -> bool:
    path = _pick(rng, world, rng.choice([".parquet", ".jsonl"]))
    if path is None:
        return False
    name = world.layout.column("item_id")
    if path.name.endswith(".parquet"):
        table = pq.ParquetFile(path).read()
        kind = rng.choice([pa.float64(), pa.float32(), pa.decimal128(9, 2)])
        values = pa.array([n + 0.5 for n in range(len(table))]).cast(kind)
        pq.write_table(table.set_column(table.column_names.index(name), name, values), path)
        return True
    text = _text(path, world.layout.encoding)
    if text is None:
        return False
    lines = [json.loads(line) for line in re.split(r"\r\n|\r|\n", text.removeprefix("\ufeff")) if line.strip()]
    _rewrite(path, "".join(json.dumps({**line, name: n + 0.25}) + "\n" for n, line in enumerate(lines)))
    return True


def records_as_ids(rng: random.Random, world: Any) -> bool:
    path = _pick(rng, world, ".parquet")
    if path is None or not _is_all_of_a_table(world, path):
        return False
    name = world.layout.column("item_id")
    table = pq.ParquetFile(path).read()
    value = rng.choice([{"id": "a"}, ["a"], True])
    table = table.set_column(table.column_names.index(name), name, pa.array([value] * len(table)))
    pq.write_table(table, path)
    return True


def bytes_that_are_no_text(rng: random.Random, world: Any) -> bool:
    path = _pick(rng, world, ".parquet")
    if path is None:
        return False
    name = world.layout.column("item_id")
    table = pq.ParquetFile(path).read()
    pq.write_table(table.set_column(table.column_names.index(name), name, pa.array([b"\xff\xfe"] * len(table))), path)
    return True


def other_unit(rng: random.Random, world: Any) -> bool:
    paths = _interaction_paths(world)
    if not paths or any(path.name.endswith(".parquet") for path in paths):
        return False
    other = {"milliseconds": "seconds", "seconds": "milliseconds", "iso": rng.choice(["seconds", "milliseconds"])}
    if world.layout.unit not in other:
        return False
    world.layout.unit = other[world.layout.unit]
    return True


def array(rng: random.Random, world: Any) -> bool:
    return _other_json(rng, world, lambda rows: json.dumps(rows, indent=rng.choice([None, 1])))


def literals(rng: random.Random, world: Any) -> bool:
    return _other_json(rng, world, lambda rows: "".join(f"{row!r}\n" for row in rows))


def pretty(rng: random.Random, world: Any) -> bool:
    return _other_json(rng, world, lambda rows: "".join(json.dumps(row, indent=2) + "\n" for row in rows))


def one_line(rng: random.Random, world: Any) -> bool:
    return _other_json(rng, world, lambda rows: "".join(json.dumps(row) for row in rows))


def _pick_text(rng: random.Random, world: Any, ending: str) -> tuple[Path, str] | None:
    """Pick a file with this ending, and return it with its text; None where there is none, or it cannot be decoded."""
    path = _pick(rng, world, ending)
    text = None if path is None else _text(path, world.layout.encoding)
    return None if path is None or text is None else (path, text)


def _other_json(rng: random.Random, world: Any, written: Callable[[list[Any]], str]) -> bool:
    picked = _pick_text(rng, world, rng.choice([".jsonl", ".json"]))
    if picked is None:
        return False
    path, text = picked
    lines = [json.loads(line) for line in re.split(r"\r\n|\r|\n", text.removeprefix("\ufeff")) if line.strip()]
    _rewrite(path, written(lines))
    return len(lines) > 1


def stray_quote(rng: random.Random, world: Any) -> bool:
    picked = _pick_text(rng, world, ".csv")
    if picked is None or '"' in picked[1]:
        return False
    path, text = picked
    separator = world.layout.separator or ","
    lines = re.split(LINES, text)
    full = [n for n, line in enumerate(lines) if separator in line]
    if len(full) < 5:
        return False
    at = full[rng.randint(1, len(full) - 3)]
    lines[at] = lines[at].replace(separator, f'{separator}"', 1)
    _rewrite(path, "".join(lines))
    return True


def name_twice(rng: random.Random, world: Any) -> bool:
    picked = _pick_text(rng, world, ".csv")
    if picked is None:
        return False
    path, text = picked
    name, separator = world.layout.column("item_id"), world.layout.separator or ","
    _rewrite(path, f"{name}{separator}{text}")
    return True


def ragged(rng: random.Random, world: Any) -> bool:
    picked = _pick_text(rng, world, ".csv")
    if picked is None or '"' in picked[1]:
        return False
    path, text = picked
    separator = world.layout.separator or ","
    lines = re.split(LINES, text)
    at = rng.choice([n for n, line in enumerate(lines) if separator in line][1:])
    wider = lines[at].replace(separator, separator * 2, 1)
    narrower = lines[at].replace(separator, "", 1)
    # an empty value behind the last column is left out
    lines[at] = narrower if lines[at].rstrip("\r\n").endswith(separator) else rng.choice([wider, narrower])
    _rewrite(path, "".join(lines))
    return True


def other_file_in_folder(rng: random.Random, world: Any) -> bool:
    folders = [value for value in world.given.values() if isinstance(value, Path) and value.is_dir()]
    if not folders:
        return False
    (folders[0] / "readme.txt").write_text("hello")
    return True


def garbage(rng: random.Random, world: Any) -> bool:
    path = _pick(rng, world)
    assert path is not None
    path.write_bytes(rng.randbytes(rng.choice([1, 50, 5000])))
    return True


FAULTS: dict[str, Fault] = {
    function.__name__.replace("_", " "): function
    for function in (
        cut_gz, cut_parquet, empty, missing, header_only, no_column, other_case, no_such_column, other_separator,
        undeclared_encoding, fractions, records_as_ids, bytes_that_are_no_text, other_unit, array, literals, pretty,
        one_line, stray_quote, name_twice, ragged, other_file_in_folder, garbage,
    )
}  # fmt: skip
