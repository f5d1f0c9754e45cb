"""From raw files to items, splits and statistics: every rule on small files with known answers."""

import csv
import gzip
import json
import logging
import os
import random
import shutil
from collections import Counter
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from semid.data import AmazonReviews2023, Outputs, PreprocessSettings, Table, preprocess, source_from_config
from semid.data.connection import temporary_database
from semid.data.formats import open_raw_file
from semid.data.preprocessing import (
    ITEMS_SCHEMA,
    SPLIT_SCHEMA,
    Parts,
    filter,
    k_core,
    preprocess_parts,
    read_raw_file,
)
from semid.data.preprocessing import part as reading
from semid.data.sources.amazon2023 import FIVE_CORE_COUNTS, OFFICIAL_SPLITS, split_path
from semid.data.sources.source import Counts
from semid.errors import InputError

T0 = 1_500_000_000_000
OFF = PreprocessSettings(k_core=0, repeats="keep")


def write(path: Path, rows, columns=None) -> Path:
    """Write rows (dicts; strings are lines as they are) in the format that the name ends in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.name.endswith(".parquet"):
        pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=1000)
        return path
    with (gzip.open if path.name.endswith(".gz") else open)(path, "wt", encoding="utf-8", newline="") as file:
        if ".jsonl" in path.name:
            file.writelines((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows)
        else:
            columns = columns or list(rows[0])
            writer = csv.DictWriter(file, columns, lineterminator="\n")
            writer.writeheader()
            for row in rows:
                file.write(row + "\n") if isinstance(row, str) else writer.writerow(row)
    return path


def interactions(text: str) -> list[dict]:
    """Rows from "user item time" lines; times are seconds after T0."""
    parts = (line.split() for line in text.strip().splitlines())
    return [{"user_id": user, "item_id": item, "timestamp": T0 + 1000 * int(time)} for user, item, time in parts]


def run(folder: Path, source, settings=OFF, item_ids=None):
    names = ("items", "train", "valid", "test")
    out = folder / "out"
    outputs = Outputs(*(out / f"{name}.parquet" for name in names), stats=out / "stats.json")
    preprocess(source, settings, outputs, item_ids)
    assert {path.name for path in out.iterdir()} == {"stats.json", *(f"{name}.parquet" for name in names)}
    tables = {name: pq.read_table(out / f"{name}.parquet") for name in names}
    return SimpleNamespace(
        **{name: table.to_pylist() for name, table in tables.items()},
        tables=tables,
        stats=json.loads((out / "stats.json").read_text()),
    )


def refused(folder: Path, source, settings=OFF, item_ids=None) -> str:
    """Run, expect an InputError and nothing left behind; return its message."""
    with pytest.raises(InputError) as caught:
        run(folder, source, settings, item_ids)
    assert not (folder / "out").exists() or not list((folder / "out").iterdir())
    assert "\n" not in str(caught.value)
    return str(caught.value)


def pairs(rows, *names):
    return [tuple(row[name] for name in names or ("user_id", "item_id")) for row in rows]


def table(folder: Path, text: str, items="", name="interactions.csv", **options) -> Table:
    path = write(folder / name, interactions(text))
    if items:
        options["items"] = write(
            folder / "items.jsonl", [{"item_id": item, "title": f"t{item}"} for item in items.split()]
        )
    return Table(interactions=path, timestamp_unit="milliseconds", **options)


# Contract of the outputs


def test_outputs_have_the_schema_and_order_of_the_contract(tmp_path):
    result = run(tmp_path, table(tmp_path, "u2 b 3\nu2 a 2\nu2 B 1\nu1 c 9\nu1 b 8\nu1 a 7", "c b a B é z"))
    assert result.tables["items"].schema == ITEMS_SCHEMA
    assert pairs(result.items, "item_index", "item_id") == list(enumerate(["B", "a", "b", "c", "z", "é"]))
    for split in ("train", "valid", "test"):
        assert result.tables[split].schema == SPLIT_SCHEMA
        assert [row["item_id"] for row in getattr(result, split)] == [
            result.items[row["item_index"]]["item_id"] for row in getattr(result, split)
        ]
    assert pairs(result.train) == [("u1", "a"), ("u2", "B")]
    assert pairs(result.valid) == [("u1", "b"), ("u2", "a")]
    assert pairs(result.test, "user_id", "item_id", "timestamp", "rating") == [
        ("u1", "c", T0 + 9000, None),
        ("u2", "b", T0 + 3000, None),
    ]
    assert pairs(result.items, "item_id", "in_train") == [
        ("B", True), ("a", True), ("b", False), ("c", False), ("z", False), ("é", False),
    ]  # fmt: skip
    assert all(row["in_core"] for row in result.items)
    assert result.stats["items"] == {"rows": 6, "in_train": 2, "in_core": 6, "outside_core": 0}
    assert result.stats["timestamp_unit"] == "milliseconds"
    assert result.stats["settings"]["split"] == "leave_last_out"


def test_item_order_is_that_of_strings_also_for_numeric_ids(tmp_path):
    items = write(tmp_path / "items.jsonl", [{"item_id": i, "title": "x"} for i in (10, 9, 100)])
    rows = [{"user_id": 7, "item_id": i, "timestamp": T0 + i} for i in (9, 10, 100)]
    result = run(tmp_path, Table(write(tmp_path / "i.parquet", rows), items, timestamp_unit="milliseconds"))
    assert [row["item_id"] for row in result.items] == ["10", "100", "9"]
    assert pairs(result.train) == [("7", "9")]


# Amazon Reviews 2023


def amazon_files(folder: Path):
    reviews = [
        {"user_id": "A", "parent_asin": f"P{i}", "asin": f"V{i}", "timestamp": T0 + i, "rating": 5.0 - i, "text": "x",
         "images": [], "title": "no item title", "helpful_vote": 0, "verified_purchase": True}
        for i in range(4)
    ]  # fmt: skip
    meta = [
        {"parent_asin": "P0", "title": "", "price": 1.5, "description": [], "categories": [], "store": None},
        {"parent_asin": "P1", "title": "Tom &amp;amp; Co", "price": "from 2", "description": ["a<br>", "b &lt; c"],
         "categories": ["Home &amp; Kitchen", " ", "Pans"], "store": "Tom &amp; Co", "details": {"k": [1]}},
        {"parent_asin": "P0", "title": "second listing", "description": ["text"], "categories": ["X"], "store": "s"},
        {"parent_asin": "P2", "title": None, "price": None},
        {"parent_asin": "P3", "title": "three"},
        {"parent_asin": "P0", "title": "third listing"},
        {"parent_asin": None, "title": "nobody"},
    ]  # fmt: skip
    return write(folder / "reviews.jsonl.gz", reviews), write(folder / "meta.jsonl", meta)


def test_amazon_reviews_use_parent_asin_and_clean_text(tmp_path):
    reviews, meta = amazon_files(tmp_path)
    result = run(tmp_path, AmazonReviews2023((reviews,), (meta,)))
    assert pairs(result.train, "item_id", "timestamp", "rating") == [("P0", T0, 5.0), ("P1", T0 + 1, 4.0)]
    assert pairs(result.test, "item_id", "rating") == [("P3", 2.0)]
    first, second, third, _ = result.items
    assert (first["title"], first["description"], first["categories"], first["store"]) == (
        "second listing", "text", ["X"], "s",
    )  # fmt: skip
    assert (second["title"], second["description"], second["store"]) == ("Tom & Co", "a b < c", "Tom & Co")
    assert second["categories"] == ["Home & Kitchen", "Pans"]
    assert (third["title"], third["description"], third["categories"], third["store"]) == ("", "", [], "")
    assert result.stats["dropped"]["items"] == {"null_item_id": 1, "duplicate_listing": 2}


def test_several_files_are_read_in_the_order_named(tmp_path):
    reviews, meta = amazon_files(tmp_path)
    tie = write(tmp_path / "more.jsonl", [{"user_id": "A", "parent_asin": "P1", "timestamp": T0 + 3, "rating": 1}])
    for files, last in (((reviews, tie), "P1"), ((tie, reviews), "P3")):
        result = run(tmp_path, AmazonReviews2023(files, (meta,)))
        assert pairs(result.test, "item_id") == [(last,)]


# Bad rows


def test_unusable_rows_are_dropped_and_counted_by_reason(tmp_path):
    good = interactions("u a 1\nu b 2\nu c 3\nu a 4")
    bad = [
        {"user_id": None, "item_id": "a", "timestamp": T0},
        {"user_id": " ", "item_id": "a", "timestamp": T0},
        {"item_id": "a", "timestamp": T0},
        {"user_id": ["u"], "item_id": "a", "timestamp": T0},
        {"user_id": "u", "item_id": "", "timestamp": T0},
        {"user_id": "u", "item_id": {"id": 1}, "timestamp": T0},
        {"user_id": "u", "item_id": float("nan"), "timestamp": T0},
        {"user_id": "u", "item_id": "a", "timestamp": None},
        {"user_id": "u", "item_id": "a", "timestamp": "yesterday"},
    ]
    good[0]["rating"], good[1]["rating"], good[2]["rating"] = "4.5", "good", [5]
    result = run(tmp_path, Table(write(tmp_path / "i.jsonl", bad[:5] + good + bad[5:]), timestamp_unit="milliseconds"))
    assert pairs(result.train, "item_id", "rating") == [("a", 4.5), ("b", None)]
    assert result.stats["dropped"]["interactions"] == {
        "null_user_id": 3, "wrong_type_user_id": 1, "null_item_id": 2, "wrong_type_item_id": 1,
        "null_timestamp": 1, "wrong_type_timestamp": 1,
    }  # fmt: skip
    assert result.stats["wrong_types"]["interactions"] == {"user_id": 1, "item_id": 1, "timestamp": 1, "rating": 2}
    assert [step["rows"] for step in result.stats["steps"]] == [13, 4]


def test_missing_numbers_of_parquet_are_no_ids(tmp_path):
    rows = [
        {"user_id": u, "item_id": i, "timestamp": T0 + i} for i, u in enumerate([15.0, 15.0, 15.0, float("nan"), None])
    ]
    result = run(tmp_path, Table(write(tmp_path / "i.parquet", rows), timestamp_unit="milliseconds"))
    assert pairs(result.train) == [("15", "0")]
    assert result.stats["dropped"]["interactions"] == {"null_user_id": 2}


def test_malformed_lines_are_counted_and_the_run_goes_on_below_one_percent(tmp_path):
    rows = [{"user_id": "u", "item_id": f"i{n}", "timestamp": T0 + n} for n in range(298)]
    lines = [*rows[:100], '{"user_id": "u", "item', "", *rows[100:], r'{"user_id": "\ud800", "item_id": "x"}']
    result = run(tmp_path, Table(write(tmp_path / "i.jsonl.gz", lines), timestamp_unit="milliseconds"))
    assert list(result.stats["malformed_lines"].values()) == [2]
    assert result.stats["dropped"]["interactions"] == {"malformed": 2}
    assert len(result.train) == 296
    assert result.stats["steps"][0]["rows"] == 300


@pytest.mark.parametrize("name", ["i.jsonl", "i.jsonl.gz"])
def test_too_many_malformed_lines_stop_the_run_and_the_first_is_named(tmp_path, name):
    rows = [{"user_id": "u", "item_id": f"i{n}", "timestamp": T0 + n} for n in range(50)]
    lines = [*rows[:10], "", "   ", "[1, 2]", *rows[10:], "{"]
    message = refused(tmp_path, Table(write(tmp_path / name, lines), timestamp_unit="milliseconds"))
    assert f"{name}: 2 of 52 lines" in message
    assert "line 13" in message
    relaxed = replace(OFF, max_malformed=0.04)
    assert len(run(tmp_path, Table(tmp_path / name, timestamp_unit="milliseconds"), relaxed).train) == 48


def test_malformed_csv_lines_are_counted_too(tmp_path):
    rows = interactions("\n".join(f"u i{n} {n}" for n in range(50)))
    path = write(tmp_path / "i.csv", [*rows[:10], "a,b", "a,b,1,2,3", *rows[10:]], list(rows[0]))
    message = refused(tmp_path, Table(path, timestamp_unit="milliseconds"))
    assert "2 of 52 lines" in message
    assert "line 12" in message
    result = run(tmp_path, Table(path, timestamp_unit="milliseconds"), replace(OFF, max_malformed=0.04))
    assert result.stats["dropped"]["interactions"] == {"malformed": 2}
    assert result.stats["steps"][0]["rows"] == 52


# Formats and columns


ITEMS = [
    {"id": "a", "name": 'Ä, "q"', "about": "x<br>y", "genres": "A|B"},
    {"id": "b", "name": "two\nlines", "about": "", "genres": ""},
    {"id": "c", "name": "'; DROP TABLE users; --", "about": "z", "genres": "C"},
]
COLUMNS = {"item_id": "id", "title": "name", "description": "about", "categories": "genres", "user_id": "who",
           "timestamp": "when", "rating": "stars"}  # fmt: skip


@pytest.mark.parametrize("end", [".jsonl", ".jsonl.gz", ".csv", ".csv.gz", ".parquet"])
def test_every_format_gives_the_same_result(tmp_path, end):
    rows = [{"who": "u", "when": 1_500_000_000 + n, "id": i, "stars": 4.5} for n, i in enumerate("abcab")]
    source = Table(
        write(tmp_path / f"i{end}", rows),
        write(tmp_path / f"items{end}", ITEMS),
        columns=COLUMNS,
        timestamp_unit="seconds",
        categories_separator="|",
    )
    result = run(tmp_path, source)
    assert pairs(result.items, "item_id", "title", "description", "categories") == [
        ("a", 'Ä, "q"', "x y", ["A", "B"]),
        ("b", "two lines", "", []),
        ("c", "'; DROP TABLE users; --", "z", ["C"]),
    ]
    assert pairs(result.train, "item_id", "timestamp", "rating") == [
        ("a", T0, 4.5), ("b", T0 + 1000, 4.5), ("c", T0 + 2000, 4.5),
    ]  # fmt: skip


@pytest.mark.parametrize("end", [".jsonl", ".parquet"])
def test_lists_are_read_as_lists(tmp_path, end):
    items = [{"item_id": "a", "title": "t", "description": ["one", "two"], "categories": ["A", "B|C"]}]
    source = Table(items=write(tmp_path / f"items{end}", items), categories_separator="|")
    assert pairs(run(tmp_path, source).items, "description", "categories") == [("one two", ["A", "B|C"])]


def test_categories_text_without_a_separator_is_one_category(tmp_path):
    source = Table(items=write(tmp_path / "items.csv", [{"item_id": "a", "categories": "A|B"}]))
    assert run(tmp_path, source).items[0]["categories"] == ["A|B"]


def test_paths_and_columns_with_quotes_and_patterns_work(tmp_path):
    folder = tmp_path / 'it\'s [a] "b" *; DROP'
    rows = [{"user'\"_~/id": "u", "item_id": i, "timestamp": T0 + n} for n, i in enumerate("abc")]
    write(tmp_path / 'it\'s a "b" xx; DROP' / "i.csv", interactions("w x 1\nw y 2\nw z 3"))
    for name in ("i.csv", "i.jsonl", "item_id=z/i.parquet"):
        source = Table(write(folder / name, rows), columns={"user_id": "user'\"_~/id"}, timestamp_unit="milliseconds")
        assert pairs(run(folder, source).train) == [("u", "a")]
        shutil.rmtree(folder / "out")
    path = write(tmp_path / "what?" / "i.csv", interactions("u a 1\nu b 2\nu c 3"))
    source = Table(path, timestamp_unit="milliseconds")
    assert len(run(tmp_path, source).train) == 1
    assert "'?'" in refused(tmp_path / "what?", source)


def test_date_time_columns_of_parquet_need_no_conversion(tmp_path):
    rows = [{"user_id": "u", "item_id": i, "timestamp": datetime(2020, 1, 1 + n)} for n, i in enumerate("abc")]
    result = run(tmp_path, Table(write(tmp_path / "i.parquet", rows), timestamp_unit="milliseconds"))
    assert pairs(result.train, "timestamp") == [(1_577_836_800_000,)]


def test_positions_stay_as_they_are(tmp_path):
    rows = [{"user_id": "u", "item_id": i, "position": n} for n, i in ((0, "a"), (10, "b"), (9, "c"))]
    source = Table(write(tmp_path / "i.csv", rows), columns={"timestamp": "position"}, timestamp_unit="position")
    result = run(tmp_path, source)
    assert [pairs(s, "item_id", "timestamp") for s in (result.train, result.valid, result.test)] == [
        [("a", 0)], [("c", 9)], [("b", 10)],
    ]  # fmt: skip
    assert result.stats["timestamp_unit"] == "position"


# Unknown items, repeats, k-core


def test_interactions_of_unknown_items_go_before_the_k_core(tmp_path):
    # With x, user u has two interactions an item a two; without x, u has one and a one.
    text = "u a 1\nu x 2\nv a 3\nv b 4\nw a 5\nw b 6"
    settings = replace(OFF, k_core=2)
    result = run(tmp_path, table(tmp_path, text + "\nv a 7\nw b 8", "a b c"), settings)
    assert {row["user_id"] for row in result.train + result.valid + result.test} == {"v", "w"}
    assert result.stats["dropped"]["interactions"] == {"unknown_item": 1, "k_core": 1}
    assert pairs(result.items, "item_id", "in_core") == [("a", True), ("b", True), ("c", False)]
    result = run(tmp_path, table(tmp_path, text + "\nv a 7\nw b 8", "a b c"), replace(settings, catalogue="core"))
    assert [row["item_id"] for row in result.items] == ["a", "b"]
    assert result.stats["dropped"]["items"] == {"k_core": 1}


def test_without_an_item_file_the_items_are_those_of_the_interactions(tmp_path):
    result = run(tmp_path, table(tmp_path, "u b 1\nu a 2\nu c 3"))
    assert pairs(result.items, "item_id", "title", "categories") == [("a", "", []), ("b", "", []), ("c", "", [])]


@pytest.mark.parametrize(
    ("repeats", "kept"),
    [
        ("first", [("a", 1), ("b", 2), ("c", 4)]),
        ("last", [("b", 2), ("a", 3), ("c", 5)]),
        ("keep", [("a", 1), ("b", 2), ("a", 3), ("c", 4), ("c", 5)]),
    ],
)
def test_of_repeated_pairs_the_setting_decides_which_stays(tmp_path, repeats, kept):
    result = run(tmp_path, table(tmp_path, "u a 3\nu a 1\nu b 2\nu c 4\nu c 5"), replace(OFF, repeats=repeats))
    rows = result.train + result.valid + result.test
    assert [(row["item_id"], (row["timestamp"] - T0) // 1000) for row in rows] == kept
    assert result.stats["dropped"]["interactions"] == ({"repeated": 2} if repeats != "keep" else {})


def test_of_repeats_with_one_timestamp_the_source_order_decides(tmp_path):
    rows = [dict(row, rating=n) for n, row in enumerate(interactions("u a 1\nu a 1\nu a 1\nu b 2\nu c 3"))]
    path = write(tmp_path / "i.csv", rows)
    for repeats, rating in (("first", 0), ("last", 2)):
        result = run(tmp_path, Table(path, timestamp_unit="milliseconds"), replace(OFF, repeats=repeats))
        assert result.train[0]["rating"] == rating


def plain_k_core(edges, k):
    """The definition, one node at a time: remove any user or item with fewer than k until there is none."""
    edges = list(edges)
    while True:
        users, items = Counter(u for u, _ in edges), Counter(i for _, i in edges)
        poor_user = next((u for u, n in users.items() if n < k), None)
        poor_item = next((i for i, n in items.items() if n < k), None)
        if poor_user is None and poor_item is None:
            return edges
        edges = [(u, i) for u, i in edges if u != poor_user and i != poor_item]


def rounds_of_k_core(edges, k):
    """The number of rounds, each of which drops all interactions of users and items that have fewer than k."""
    rounds = 0
    while True:
        users, items = Counter(u for u, _ in edges), Counter(i for _, i in edges)
        kept = [(u, i) for u, i in edges if users[u] >= k and items[i] >= k]
        if len(kept) == len(edges):
            return rounds
        edges, rounds = kept, rounds + 1


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=80), st.integers(1, 5), st.integers(1, 90))
def test_k_core_is_the_largest_set_with_k_interactions_each(edges, k, rows_a_block):
    array = np.array(edges, dtype=np.int32).reshape(-1, 2)
    blocks = [array[start : start + rows_a_block].T for start in range(0, len(array), rows_a_block)]
    users, items, rounds = k_core(lambda: blocks, 10, 10, k)
    assert rounds == rounds_of_k_core(edges, k)
    kept = [(u, i) for u, i in edges if u in set(users.tolist()) and i in set(items.tolist())]
    assert kept == plain_k_core(edges, k)
    assert users.tolist() == sorted({u for u, _ in kept})
    assert items.tolist() == sorted({i for _, i in kept})


def test_k_core_goes_on_until_nothing_is_dropped(tmp_path):
    # Every round takes one more link off the end of the chain; the block at its start stays.
    block = "\n".join(f"{user} {item} {time}" for user in "pqr" for time, item in enumerate("abc"))
    chain = "s1 a 7\ns1 d 8\ns2 d 9\ns2 e 10\ns3 e 11"
    result = run(tmp_path, table(tmp_path, block + "\n" + chain), replace(OFF, k_core=2))
    assert result.stats["steps"][-1] == {"step": "k_core", "rows": 9, "users": 3, "items": 3, "rounds": 5}
    assert result.stats["dropped"] == {"interactions": {"k_core": 5}, "items": {}}
    assert result.stats["items"] == {"rows": 5, "in_train": 1, "in_core": 3, "outside_core": 2}


def test_k_core_off_keeps_items_without_interactions(tmp_path):
    result = run(tmp_path, table(tmp_path, "u a 1\nu b 2\nu c 3", "a b c d e"))
    assert pairs(result.items, "item_id", "in_train") == [(i, i == "a") for i in "abcde"]


# Which items get a row

CORE_OF_TWO = "u a 1\nu b 2\nu c 3\nv a 1\nv b 2\nv c 3\nv d 4\nw x 5\nw y 6"


@pytest.mark.parametrize("split", ["leave_last_out", (T0 + 2000, T0 + 3000)])
def test_items_outside_the_core_get_a_row_or_are_counted(tmp_path, split):
    source = table(tmp_path, CORE_OF_TWO, "z d c b a y")
    settings = replace(OFF, k_core=2, split=split)
    whole, core = (run(tmp_path, source, replace(settings, catalogue=catalogue)) for catalogue in ("all", "core"))
    assert pairs(whole.items, "item_index", "item_id", "title", "in_core") == [
        (0, "a", "ta", True), (1, "b", "tb", True), (2, "c", "tc", True),
        (3, "d", "td", False), (4, "y", "ty", False), (5, "z", "tz", False),
    ]  # fmt: skip
    assert core.items == [row for row in whole.items if row["in_core"]]
    assert not any(row["in_train"] for row in whole.items if not row["in_core"])
    assert (core.train, core.valid, core.test) == (whole.train, whole.valid, whole.test)
    for result, outside, dropped in ((whole, 3, {}), (core, 0, {"k_core": 3})):
        items = result.stats["items"]
        assert result.stats["dropped"]["items"] == dropped
        assert (items["in_core"], items["outside_core"]) == (3, outside)
        assert items["rows"] == items["in_core"] + items["outside_core"] == 6 - sum(dropped.values())
    # x is in no item file: its interaction is dropped, and it is no row
    assert whole.stats["dropped"]["interactions"] == core.stats["dropped"]["interactions"]
    assert whole.stats["dropped"]["interactions"]["unknown_item"] == 1


def test_item_index_is_a_row_of_all_items(tmp_path):
    result = run(
        tmp_path, table(tmp_path, "u m 1\nu n 2\nu o 3\nv m 1\nv n 2\nv o 3", "a m b n c o"), replace(OFF, k_core=2)
    )
    assert pairs(result.train + result.valid + result.test, "item_id", "item_index") == [
        ("m", 3), ("m", 3), ("n", 4), ("n", 4), ("o", 5), ("o", 5),
    ]  # fmt: skip


def test_the_default_is_all_items_of_a_table_and_the_core_of_other_sources(tmp_path):
    source = table(tmp_path, CORE_OF_TWO, "a b c d")
    result = run(tmp_path, source, replace(OFF, k_core=2))
    assert (len(result.items), result.stats["settings"]["catalogue"]) == (4, "all")
    reviews = [{**row, "parent_asin": row["item_id"], "rating": 5} for row in interactions(CORE_OF_TWO)]
    meta = [{"parent_asin": item, "title": item} for item in "abcd"]
    source = AmazonReviews2023((write(tmp_path / "r.jsonl", reviews),), (write(tmp_path / "m.jsonl", meta),))
    result = run(tmp_path, source, replace(OFF, k_core=2))
    assert ([row["item_id"] for row in result.items], result.stats["settings"]["catalogue"]) == (list("abc"), "core")
    result = run(tmp_path, source, replace(OFF, k_core=2, catalogue="all"))
    assert pairs(result.items, "item_id", "in_core") == [("a", True), ("b", True), ("c", True), ("d", False)]


def test_without_an_item_file_all_items_are_those_that_anybody_met(tmp_path):
    result = run(tmp_path, table(tmp_path, CORE_OF_TWO), replace(OFF, k_core=2))
    assert pairs(result.items, "item_id", "in_core") == [(item, item in "abc") for item in "abcdxy"]


# Splits and order


def test_users_with_fewer_than_three_interactions_stay_in_train(tmp_path):
    result = run(tmp_path, table(tmp_path, "u a 1\nv a 1\nv b 2\nw a 1\nw b 2\nw c 3"))
    assert pairs(result.train) == [("u", "a"), ("v", "a"), ("v", "b"), ("w", "a")]
    assert pairs(result.valid) == [("w", "b")]
    assert pairs(result.test) == [("w", "c")]
    assert result.stats["users_too_short_to_split"] == 2


def test_split_by_timestamps_is_closed_on_the_left(tmp_path):
    text = "u a 1\nu b 2\nu c 3\nu d 4\nu e 5\nv a 5"
    result = run(tmp_path, table(tmp_path, text), replace(OFF, split=(T0 + 2000, T0 + 4000)))
    assert pairs(result.train) == [("u", "a")]
    assert pairs(result.valid) == [("u", "b"), ("u", "c")]
    assert pairs(result.test) == [("u", "d"), ("u", "e"), ("v", "a")]


USERS = random.Random(0).choices([f"u{n}" for n in range(500)], k=12_000)
MANY = [{"user_id": user, "item_id": f"i{n}", "timestamp": T0 + n % 3} for n, user in enumerate(USERS)]


@pytest.mark.parametrize("end", [".jsonl", ".jsonl.gz", ".csv", ".csv.gz", ".parquet"])
def test_row_numbers_are_those_of_the_file_with_several_threads(tmp_path, end):
    # Several of the buffers (32 MB) and row groups that DuckDB hands to its threads.
    n, padding = 200_000, "x" * 400
    path = tmp_path / f"i{end}"
    if end == ".parquet":
        pq.write_table(pa.table({"n": range(n), "padding": [padding] * n}), path, row_group_size=5000)
    else:
        line = '{{"n": {}, "padding": "{}"}}\n' if "jsonl" in end else "{},{}\n"
        content = "".join(line.format(i, padding) for i in range(n))
        header = "n,padding\n" if "csv" in end else ""
        data = (header + content).encode()
        path.write_bytes(gzip.compress(data, 1) if end.endswith("gz") else data)
    with temporary_database(tmp_path, memory_limit=500, threads=4) as database:
        file = open_raw_file(database, path).with_fields({"n": "n", "text": "padding"})
        query = f"SELECT {file.scalar('n')}::INTEGER AS n, text_value FROM ({file.query()})"
        database.execute(f"CREATE TABLE numbers AS {query}")
        assert (database.count("numbers"), database.count("numbers WHERE rowid = n")) == (n, n)
        database.execute("CREATE TABLE sorted AS SELECT n FROM numbers ORDER BY n % 2, n")
        assert database.count(f"sorted WHERE rowid = n // 2 + (n % 2) * {n // 2}") == n


@pytest.mark.parametrize("end", [".jsonl", ".jsonl.gz", ".csv", ".csv.gz", ".parquet"])
def test_ties_keep_the_source_order_with_several_threads(tmp_path, end):
    path = write(tmp_path / f"i{end}", MANY)
    expected = sorted(MANY, key=lambda row: (row["user_id"], row["timestamp"]))  # stable
    contents = []
    for threads in (1, 4):
        result = run(tmp_path, Table(path, timestamp_unit="milliseconds"), replace(OFF, threads=threads))
        last = {row["user_id"]: row["item_id"] for row in expected}
        assert {row["user_id"]: row["item_id"] for row in result.test} == last
        held_out = set(pairs(result.valid)) | set(pairs(result.test))
        assert pairs(result.train) == [pair for pair in pairs(expected) if pair not in held_out]
        contents.append({name: table.to_pydict() for name, table in result.tables.items()})
    assert contents[0] == contents[1]


def test_shuffled_ties_stay_inside_their_timestamp_and_follow_the_seed(tmp_path):
    path = write(tmp_path / "i.csv", MANY[:5000])

    def order(**options):
        result = run(tmp_path, Table(path, timestamp_unit="milliseconds"), replace(OFF, **options))
        times = pairs(result.train, "user_id", "timestamp")
        assert times == sorted(times)
        return pairs(result.train) + pairs(result.valid) + pairs(result.test)

    first = order(ties="shuffle", seed=1)
    assert first == order(ties="shuffle", seed=1, threads=4)
    others = order(ties="shuffle", seed=2), order(ties="source")
    assert first not in others
    assert all(sorted(first) == sorted(other) for other in others)


def test_users_whose_last_two_are_tied_are_counted(tmp_path):
    text = "u a 1\nu b 2\nu c 2\nv a 1\nv b 1\nv c 3\nw a 1\nx a 1\nx b 1"
    result = run(tmp_path, table(tmp_path, text))
    assert result.stats["ties"] == {"users_with_two_interactions": 3, "last_two_tied": 2, "share": 2 / 3}


def test_counts_add_up(tmp_path):
    rows = [{**row, "item_id": f"i{n * n % 41}"} for n, row in enumerate(MANY[:3000])]
    rows += interactions("u0 i0 1\nu0 i0 2\nu0 gone 3")
    items = write(tmp_path / "items.jsonl", [{"item_id": f"i{n}"} for n in range(60)])
    source = Table(write(tmp_path / "i.jsonl", [*rows, {"user_id": "u"}]), items, timestamp_unit="milliseconds")
    stats = run(tmp_path, source, PreprocessSettings(k_core=4)).stats
    kept = sum(split["rows"] for split in stats["splits"].values())
    assert stats["steps"][0]["rows"] == len(rows) + 1
    assert (
        stats["steps"][0]["rows"] - sum(stats["dropped"]["interactions"].values()) == kept == stats["steps"][-1]["rows"]
    )
    assert {"null_item_id", "unknown_item", "repeated"} <= set(stats["dropped"]["interactions"])
    assert [step["step"] for step in stats["steps"]] == ["read", "usable", "known_items", "repeats", "k_core"]


# Official splits of Amazon Reviews 2023


CUTS = (1628643414042, 1658002729837)


def review_rows(seed: int, users=range(60), items=range(25)) -> list[dict]:
    """Reviews about the official cut points, each of these among the times; every user has three items or more."""
    draw = random.Random(seed)
    times = [*CUTS, *(draw.randrange(CUTS[0] - 3 * 10**10, CUTS[1] + 2 * 10**10) for _ in range(200))]
    pairs = [(user, item) for user in users for item in draw.sample(items, 3)]
    pairs += [(draw.choice(users), draw.choice(items)) for _ in range(200)]
    draw.shuffle(pairs)
    names = [(f"U{user}", f"B{item:02}") for user, item in pairs]
    return [
        {"user_id": user, "parent_asin": item, "rating": draw.choice([1.0, 5.0]), "timestamp": draw.choice(times)}
        for user, item in names
    ]


def official_parts(reviews: list[dict], k: int, way: str) -> dict[str, list[dict]]:
    """The published benchmark as its makers describe it: the first review of a pair, the k-core, the split."""
    kept: dict[tuple[str, str], dict] = {}
    for row in sorted(reviews, key=lambda row: row["timestamp"]):
        kept.setdefault((row["user_id"], row["parent_asin"]), row)
    core = set(plain_k_core(kept, k))
    histories: dict[str, list[dict]] = {}
    for pair, row in kept.items():
        if pair in core:
            history = histories.setdefault(row["user_id"], [])
            history.append({**row, "history": " ".join(earlier["parent_asin"] for earlier in history)})
    parts: dict[str, list[dict]] = {"train": [], "valid": [], "test": []}
    for history in histories.values():
        for n, row in enumerate(reversed(history)):
            last_out = {0: "test", 1: "valid"}.get(n, "train")
            by_time = "train" if row["timestamp"] < CUTS[0] else "valid" if row["timestamp"] < CUTS[1] else "test"
            parts[last_out if way == "last_out" else by_time].insert(0, row)
    return parts


def official_files(folder: Path, parts, split, category="Musical_Instruments", end="", history=False):
    columns = ["user_id", "parent_asin", "rating", "timestamp", *(["history"] if history else [])]
    return {
        part: (
            write(
                folder / f"{split_path(split, category, part)}{end}",
                [{name: row[name] for name in columns} for row in rows],
                columns,
            ),
        )
        for part, rows in parts.items()
    }


def raw_files(folder: Path, reviews, category="Musical_Instruments"):
    meta = [{"parent_asin": f"B{i:02}", "title": f"item {i}"} for i in range(30)]
    return (
        (write(folder / f"{category}.jsonl", reviews),),
        (write(folder / f"meta_{category}.jsonl", meta),),
    )


@pytest.mark.parametrize("split", OFFICIAL_SPLITS)
def test_official_files_and_our_own_split_of_the_reviews_are_the_same(tmp_path, split):
    core, way = (5, 0)["0core" in split], split.partition("core_")[2]
    rows = review_rows(0)
    reviews, meta = raw_files(tmp_path, rows)
    splits = official_files(tmp_path, official_parts(rows, core, way), split)
    ours = PreprocessSettings(k_core=core, split="leave_last_out" if way == "last_out" else CUTS)
    made = run(tmp_path / "made", AmazonReviews2023(reviews, meta), ours)
    taken = run(tmp_path / "taken", AmazonReviews2023(None, meta, splits), PreprocessSettings(split=split))
    assert taken.tables == made.tables
    whole = run(
        tmp_path / "whole", AmazonReviews2023(None, meta, splits), PreprocessSettings(split=split, catalogue="all")
    )
    assert len(whole.items) == 30
    assert [row["item_id"] for row in whole.items if row["in_core"]] == [row["item_id"] for row in taken.items]
    assert len(made.items) == (
        30 if core == 0 else len({row["item_id"] for row in made.train + made.valid + made.test})
    )
    if core == 5:
        assert 0 < made.stats["steps"][-1]["users"] < 60
    assert (taken.stats["settings"]["split"], taken.stats["split_by_source"]) == (split, True)
    assert "k_core" not in taken.stats["settings"]


@pytest.mark.parametrize("end", ["", ".gz"])
def test_histories_windows_line_ends_and_byte_order_marks_of_official_files_change_nothing(tmp_path, end):
    split = "official_5core_last_out"
    rows = review_rows(1)
    _, meta = raw_files(tmp_path, rows)
    parts = official_parts(rows, 5, "last_out")
    plain = run(
        tmp_path / "plain",
        AmazonReviews2023(None, meta, official_files(tmp_path, parts, split)),
        replace(OFF, split=split),
    )
    splits = official_files(tmp_path / "other", parts, split, end=end, history=True)
    for (path,) in splits.values():
        opened = gzip.open if end else open
        with opened(path, "rb") as file:
            content = file.read()
        with opened(path, "wb") as file:
            file.write(b"\xef\xbb\xbf" + content.replace(b"\n", b"\r\n"))
    assert run(tmp_path, AmazonReviews2023(None, meta, splits), replace(OFF, split=split)).tables == plain.tables


def test_official_files_of_several_categories_make_one_dataset(tmp_path):
    split = "official_5core_last_out"
    categories = {"Musical_Instruments": review_rows(1), "Video_Games": review_rows(2, users=range(30, 90))}
    parts = {name: official_parts(rows, 5, "last_out") for name, rows in categories.items()}
    files = [official_files(tmp_path, parts[name], split, name) for name in categories]
    _, meta = raw_files(tmp_path, [])
    splits = {part: tuple(path for by_part in files for path in by_part[part]) for part in files[0]}
    result = run(tmp_path, AmazonReviews2023(None, meta, splits), replace(OFF, split=split))
    for part in ("train", "valid", "test"):
        expected = [(row["user_id"], row["parent_asin"]) for name in categories for row in parts[name][part]]
        assert sorted(pairs(getattr(result, part))) == sorted(expected)
    assert max(Counter(row["user_id"] for row in result.test).values()) == 2
    assert "published" not in result.stats


def test_rows_of_official_files_without_an_item_are_those_of_other_split_files(tmp_path):
    split = "official_0core_last_out"
    parts = {
        "train": [{"user_id": "u", "parent_asin": "B01", "rating": 5.0, "timestamp": T0},
                  {"user_id": "u", "parent_asin": "gone", "rating": 5.0, "timestamp": T0 + 1}],
        "valid": [{"user_id": "u", "parent_asin": "gone", "rating": 1.0, "timestamp": T0 + 2}],
        "test": [{"user_id": "single", "parent_asin": "B02", "rating": 5.0, "timestamp": T0}],
    }  # fmt: skip
    _, meta = raw_files(tmp_path, [])
    source = AmazonReviews2023(None, meta, official_files(tmp_path, parts, split))
    result = run(tmp_path, source, replace(OFF, split=split))
    assert pairs(result.train, "item_id", "item_index") == [("B01", 1)]
    assert pairs(result.valid, "item_id", "item_index") == [("gone", -1)]
    assert pairs(result.test, "user_id", "item_id", "rating") == [("single", "B02", 5.0)]
    assert len(result.items) == 30


def test_what_is_no_official_split_is_named(tmp_path):
    rows = review_rows(0)
    reviews, meta = raw_files(tmp_path, rows)
    splits = official_files(tmp_path, official_parts(rows, 5, "last_out"), "official_5core_last_out")
    official = replace(OFF, split="official_5core_last_out")
    assert "name a category, or the files under splits" in refused(tmp_path, AmazonReviews2023(reviews, meta), official)
    assert "name a category" in refused(tmp_path, table(tmp_path, "u a 1\nu b 2\nu c 3"), official)
    message = refused(tmp_path, AmazonReviews2023(None, meta, splits))
    assert "say which of the official splits" in message
    assert "official_0core_timestamp" in message
    with pytest.raises(InputError, match=r"expected either category, or reviews .*, got meta, reviews, splits$"):
        AmazonReviews2023(reviews, meta, splits)
    with pytest.raises(InputError, match=r"splits: (valid|test) is missing, got \{'train'"):
        AmazonReviews2023(None, meta, {"train": splits["train"]})
    with pytest.raises(InputError, match=r"splits: valid must be a path or a list of paths.*, got \(\)"):
        AmazonReviews2023(None, meta, {**splits, "valid": ()})
    with pytest.raises(InputError, match=r"splits: test: .*jsonl does not end in one of \.csv"):
        AmazonReviews2023(None, meta, {**splits, "test": reviews}).check_files()


# The published sizes


def published(folder: Path, rows, settings=PreprocessSettings(), category="Musical_Instruments"):  # noqa: B008
    return run(folder, AmazonReviews2023(*raw_files(folder, rows, category)), settings).stats.get("published")


def test_a_five_core_is_held_against_its_published_size(tmp_path, monkeypatch, caplog):
    rows = review_rows(0)
    parts = official_parts(rows, 5, "last_out")
    core = [row for part in parts.values() for row in part]
    size = Counts(len({row["user_id"] for row in core}), len({row["parent_asin"] for row in core}), len(core))
    split = "official_5core_last_out"
    with caplog.at_level(logging.INFO, "semid"):
        assert published(tmp_path, rows) == {
            "category": "Musical_Instruments",
            "expected": {"users": 57_439, "items": 24_587, "interactions": 511_836},
            "found": size._asdict(),
            "matches": False,
        }
        _, meta = raw_files(tmp_path, rows)
        official = AmazonReviews2023(None, meta, official_files(tmp_path, parts, split))
        assert not run(tmp_path, official, replace(OFF, split=split)).stats["published"]["matches"]
        warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
        told = [text for text in warnings if "NOT THE PUBLISHED ONE" in text]
        assert len(told) == 2
        found = f"{size.users} users, {size.items} items, {size.interactions} interactions"
        assert all(found in text and "57,439 users, 24,587 items, 511,836 interactions" in text for text in told)

        monkeypatch.setitem(FIVE_CORE_COUNTS, "Musical_Instruments", size)
        caplog.clear()
        assert published(tmp_path, rows)["matches"]
        assert published(tmp_path, rows, PreprocessSettings(split=CUTS))["matches"]
        assert run(tmp_path, official, replace(OFF, split=split)).stats["published"]["matches"]
        assert not [record for record in caplog.records if record.levelno == logging.WARNING]


def test_nothing_else_is_held_against_a_published_size(tmp_path):
    rows = review_rows(0)
    assert published(tmp_path, rows, PreprocessSettings(k_core=4)) is None
    assert published(tmp_path, rows, PreprocessSettings(repeats="keep")) is None
    assert published(tmp_path, rows, category="mine") is None
    (reviews,), meta = raw_files(tmp_path, rows)
    (others,), _ = raw_files(tmp_path, rows, "Video_Games")
    source = AmazonReviews2023((reviews, others), meta)
    assert "published" not in run(tmp_path, source, PreprocessSettings()).stats


# Oddities of the release


def test_prices_and_details_of_any_kind_cost_no_item(tmp_path):
    reviews, _ = raw_files(tmp_path, review_rows(0))
    prices = [12.99, 5, "12.99", "from 2.99", "\u2014", "", None, {"low": 1}, [1]]
    details = [
        {"Best Sellers Rank": {"Guitars": 1, "Nested": {"deep": [1, {"er": None}]}}},
        {f"key {n}": n for n in range(5000)},
        {"": "empty", "Is Discontinued": False},
        {},
        None,
        "{'a': 1}",
        [],
    ]
    rows = [
        {"parent_asin": f"B{n:02}", "title": f"item {n}", "price": prices[n % 9], "details": details[n % 7],
         "bought_together": [None, ["B01"]][n % 2], "categories": [[], ["A", "B"], None][n % 3],
         "features": None, "images": [{"large": "x"}], "videos": [], "average_rating": 4.5}
        for n in range(30)
    ]  # fmt: skip
    result = run(tmp_path, AmazonReviews2023(reviews, (write(tmp_path / "meta.jsonl", rows),)))
    assert pairs(result.items, "item_id", "title") == [(f"B{n:02}", f"item {n}") for n in range(30)]
    assert [row["categories"] for row in result.items[:3]] == [[], ["A", "B"], []]
    assert result.stats["wrong_types"]["items"] == {}
    assert result.stats["dropped"]["items"] == {}


def test_text_survives_every_escape(tmp_path):
    meta = [
        r'{"parent_asin": "B1", "title": "caf\u00e9 \ud83c\udfb8 \"q\" \\ \/ tab\tend", "store": "a\u0000b"}',
        '{"parent_asin": "B2", "title": "日本 é &amp;eacute;<br/>x", "description": ["one\\ntwo", "", "three"]}',
        r'{"parent_asin": "B3", "title": "half \ud83c pair"}',
        '{"parent_asin": "B4", "title": "", "description": null, "store": ""}',
        '{"parent_asin": "", "title": "no id"}',
        '{"title": "no id either"}',
    ]
    reviews = [{"user_id": "u\u0000é", "parent_asin": f"B{n}", "timestamp": T0 + n, "rating": 5} for n in (1, 2, 4)]
    paths = write(tmp_path / "r.jsonl", reviews), write(tmp_path / "m.jsonl", meta)
    result = run(tmp_path, AmazonReviews2023(paths[:1], paths[1:]), replace(OFF, max_malformed=0.2))
    assert pairs(result.items, "item_id", "title", "description", "store") == [
        ("B1", 'café \U0001f3b8 "q" \\ / tab end', "", "a b"),
        ("B2", "日本 é é x", "one two three", ""),
        ("B4", "", "", ""),
    ]
    # half of a surrogate pair is no JSON text
    assert result.stats["dropped"]["items"] == {"malformed": 1, "null_item_id": 2}
    assert pairs(result.test, "user_id") == [("u\u0000é",)]


@pytest.mark.parametrize("threads", [1, 4])
def test_lines_of_any_kind_are_read_or_counted(tmp_path, threads):
    def review(n, **fields):
        return json.dumps({"user_id": "u", "parent_asin": f"B{n}", "timestamp": T0 + n, "rating": 4.0, **fields})

    good = [review(n) for n in range(4)]
    lines = [
        good[0],
        good[0],
        "",
        "  \t",
        good[1] + "\r",
        "\ufeff" + review(9),
        '{"user_id": "u", "parent_asin": "B5", "timesta',
        review(6) + review(7),
        "null",
        "[]",
        "{}",
        '{"text": "of nobody"}',
        review(3, user_id="u2"),
        good[2],
        '{"parent_asin": "B4", "timestamp": 1500000000009}',
        good[3],
        review(3, rating=1.0),
        review(8),
    ]
    first, second = ("\n".join(part).encode() for part in (lines[:6], lines[6:]))
    path = tmp_path / "r.jsonl.gz"
    path.write_bytes(gzip.compress(first + b"\n" + second[:30]) + gzip.compress(second[30:]))  # no newline at the end
    meta = write(tmp_path / "m.jsonl", [{"parent_asin": f"B{n}", "title": "t"} for n in (0, 1, 2, 3, 99)])
    settings = replace(OFF, repeats="first", max_malformed=0.5, threads=threads)
    result = run(tmp_path, AmazonReviews2023((path,), (meta,)), settings)
    assert pairs(result.train + result.valid + result.test, "user_id", "item_id", "rating") == [
        ("u", "B0", 4.0), ("u", "B1", 4.0), ("u2", "B3", 4.0), ("u", "B2", 4.0), ("u", "B3", 4.0),
    ]  # fmt: skip
    assert result.stats["malformed_lines"] == {str(path): 7, str(meta): 0}
    assert result.stats["dropped"]["interactions"] == {
        "malformed": 7, "null_user_id": 1, "unknown_item": 1, "repeated": 2,
    }  # fmt: skip
    assert pairs(result.items, "item_id", "in_train") == [
        ("B0", True), ("B1", True), ("B2", False), ("B3", True), ("B99", False),
    ]  # fmt: skip
    assert "7 of 16 lines cannot be read, the first is line 6;" in refused(
        tmp_path / "strict", AmazonReviews2023((path,), (meta,)), replace(settings, max_malformed=0.1)
    )


def test_a_byte_order_mark_is_refused_in_json_lines(tmp_path):
    (tmp_path / "i.jsonl").write_text(json.dumps(interactions("u a 1")[0]), encoding="utf-8-sig")
    message = refused(tmp_path, Table(tmp_path / "i.jsonl", timestamp_unit="milliseconds"))
    assert "i.jsonl begins with a byte-order mark" in message


def test_the_order_of_lines_and_files_changes_nothing_where_times_differ(tmp_path):
    rows = [{**row, "timestamp": row["timestamp"] + n} for n, row in enumerate(review_rows(3))]
    assert len({row["timestamp"] for row in rows}) == len(rows)
    expected = None
    for n, threads in enumerate((1, 4, 2)):
        random.Random(n).shuffle(rows)
        folder = tmp_path / str(n)
        _, meta = raw_files(folder, [])
        halves = write(folder / "a.jsonl", rows[:150]), write(folder / "b.jsonl.gz", rows[150:])
        source = AmazonReviews2023(halves[:: (-1) ** n], meta)
        result = run(folder, source, PreprocessSettings(k_core=5, threads=threads))
        expected = expected or result
        assert result.tables == expected.tables
        assert result.stats["steps"] == expected.stats["steps"]
    assert 0 < expected.stats["steps"][-1]["rows"] < expected.stats["steps"][-2]["rows"]


# Split files


def split_files(folder: Path, **parts: str) -> dict[str, Path]:
    return {name: write(folder / f"{name}.parquet", interactions(text)) for name, text in parts.items()}


def test_split_files_are_taken_as_they_are(tmp_path):
    splits = split_files(tmp_path, train="v a 5\nu a 2\nu a 1\nu x 3", valid="u b 1\nw y 1", test="u c 9\nu a 9\nw z 9")
    items = write(tmp_path / "items.jsonl", [{"item_id": i, "title": i} for i in "abcd"])
    result = run(tmp_path, Table(items=items, splits=splits, timestamp_unit="milliseconds"), PreprocessSettings())
    assert pairs(result.train, "user_id", "item_id", "item_index") == [("u", "a", 0), ("u", "a", 0), ("v", "a", 0)]
    assert pairs(result.valid, "user_id", "item_id", "item_index") == [("u", "b", 1), ("w", "y", -1)]
    assert pairs(result.test, "item_id", "item_index") == [("c", 2), ("a", 0), ("z", -1)]
    assert pairs(result.items, "item_id", "in_train") == [("a", True), ("b", False), ("c", False), ("d", False)]
    assert result.stats["dropped"]["interactions"] == {"unknown_item": 1}
    assert result.stats["split_by_source"] is True
    assert "k_core" not in result.stats["settings"]


def test_split_files_with_text_describe_their_own_items(tmp_path):
    def rows(text, *titles):
        return [
            {**row, "title": title, "description": f"about {title}"}
            for row, title in zip(interactions(text), titles, strict=True)
        ]

    splits = {
        "train": write(tmp_path / "train.parquet", rows("u a 1\nu b 2", None, "bee")),
        "valid": write(tmp_path / "valid.parquet", rows("u a 3", "ay")),
        "test": write(tmp_path / "test.parquet", rows("u a 4\nv c 1", "later", "sea")),
    }
    result = run(tmp_path, Table(splits=splits, timestamp_unit="milliseconds"))
    assert pairs(result.items, "item_id", "title", "description", "in_train") == [
        ("a", "ay", "about ay", True), ("b", "bee", "about bee", True), ("c", "sea", "about sea", False),
    ]  # fmt: skip
    assert pairs(result.test, "item_index") == [(0,), (2,)]
    assert result.stats["dropped"] == {"interactions": {}, "items": {}}


# Items alone


def test_items_alone_give_empty_splits_and_train_on_everything(tmp_path):
    source = Table(items=write(tmp_path / "items.csv", [{"item_id": i, "title": i} for i in ("b", "a", "b")]))
    result = run(tmp_path, source, PreprocessSettings())
    assert pairs(result.items, "item_index", "item_id", "in_train") == [(0, "a", True), (1, "b", True)]
    assert (result.train, result.valid, result.test) == ([], [], [])
    assert result.tables["train"].schema == SPLIT_SCHEMA
    assert result.stats["dropped"]["items"] == {"duplicate_listing": 1}


def test_item_ids_are_a_catalogue(tmp_path):
    result = run(tmp_path, Table(), item_ids=["b", "a", "it's"])
    assert pairs(result.items, "item_id", "title", "in_train") == [("a", "", True), ("b", "", True), ("it's", "", True)]
    result = run(tmp_path, table(tmp_path, "u a 1\nu x 2\nu b 3\nu a 4"), item_ids=["b", "a"])
    assert pairs(result.train + result.valid + result.test) == [("u", "a"), ("u", "b"), ("u", "a")]
    assert result.stats["dropped"]["interactions"] == {"unknown_item": 1}


# Errors


def test_missing_files_and_unknown_formats_are_named(tmp_path):
    reviews, meta = amazon_files(tmp_path)
    with pytest.raises(InputError, match=r"meta: .*none\.jsonl does not exist"):
        AmazonReviews2023((reviews,), (tmp_path / "none.jsonl",)).check_files()
    with pytest.raises(InputError, match=r"expected either category, or reviews and meta, .*, got meta$"):
        AmazonReviews2023(None, (meta,))
    with pytest.raises(InputError, match=r"reviews must be a path or a list of paths.*, got \(\)"):
        AmazonReviews2023((), (meta,))
    with pytest.raises(InputError, match=r"meta: .*csv does not end in one of \.jsonl"):
        AmazonReviews2023((reviews,), (tmp_path / "items.csv",)).check_files()
    with pytest.raises(InputError, match=r"interactions: .*\.xlsx does not end"):
        Table(tmp_path / "i.xlsx", timestamp_unit="seconds").check_files()
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(InputError, match=r"items: .* is no file"):
        Table(items=tmp_path / "folder.csv").check_files()


def test_wrong_options_of_a_table_are_named(tmp_path):
    path = write(tmp_path / "i.csv", interactions("u a 1"))
    with pytest.raises(InputError, match=r"expected .*, with a timestamp_unit for either, got interactions$"):
        Table(path)
    with pytest.raises(InputError, match=r"timestamp_unit must be one of seconds, .*, iso, .*, got 'minutes'"):
        Table(path, timestamp_unit="minutes")
    with pytest.raises(InputError, match=r"columns: 'titel' is no key here; the keys are user_id, .*title"):
        Table(path, columns={"titel": "name"}, timestamp_unit="seconds")
    with pytest.raises(InputError, match=r"splits: (valid|test) is missing, got \{'train'"):
        Table(splits={"train": path}, timestamp_unit="seconds")
    with pytest.raises(
        InputError, match=r"expected .*, and not both interactions and splits, .*, got interactions, splits"
    ):
        Table(path, splits={"train": path, "valid": path, "test": path}, timestamp_unit="seconds")
    with pytest.raises(InputError, match="categories_separator must be a text that is not empty or null, got ''"):
        Table(items=path, categories_separator="")
    assert "neither interactions nor items" in refused(tmp_path, Table())
    assert "leave one of them out" in refused(tmp_path, Table(items=path), item_ids=["a"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"k_core": -1}, "k_core must be a whole number of at least 0, got -1"),
        ({"repeats": "all"}, "repeats must be first or last or keep, got 'all'"),
        ({"ties": "random"}, "ties must be source or shuffle, got 'random'"),
        ({"split": "random"}, "split must be leave_last_out, {timestamps: .*official_0core_timestamp, got 'random'"),
        ({"split": (2, 1)}, r"split: timestamps must be two, the first smaller, got \[2, 1\]"),
        ({"split": (1, 2, 3)}, r"preprocess: split: timestamps must be 2 whole numbers, got \(1, 2, 3\)"),
        ({"seed": -1}, "seed must be a whole number of at least 0, got -1"),
        ({"max_malformed": 2}, "max_malformed must be a number from 0 to 1, got 2"),
        ({"memory_limit": 1}, "memory_limit is 1 MB"),
    ],
)
def test_wrong_settings_are_named(options, message):
    with pytest.raises(InputError, match=message):
        PreprocessSettings(**options)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("i.csv", b""), ("i.jsonl", b""),
        # names of tests must be the same in every worker
        ("i.csv.gz", gzip.compress(b"", mtime=0)), ("i.jsonl.gz", gzip.compress(b"", mtime=0)),
        ("i.csv", b"user_id,item_id,timestamp\n"), ("i.jsonl", b"\n \n"), ("i.parquet", b""),
    ],
)  # fmt: skip
def test_empty_files_are_named(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    message = refused(tmp_path, Table(tmp_path / name, timestamp_unit="seconds"))
    assert name in message
    assert "empty" in message or "no rows" in message


@pytest.mark.parametrize("name", ["i.csv.gz", "i.jsonl.gz"])
@pytest.mark.parametrize("share", [0.001, 0.5, 0.9999])
def test_truncated_gzip_files_are_named(tmp_path, name, share):
    path = write(tmp_path / name, MANY)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    message = refused(tmp_path, Table(path, timestamp_unit="milliseconds"))
    assert f"{name} cannot be read" in message
    assert "cut off" in message


@pytest.mark.parametrize("name", ["i.csv.gz", "i.jsonl.gz", "i.parquet"])
def test_files_of_another_format_are_named(tmp_path, name):
    (tmp_path / name).write_bytes(b"user_id,item_id,timestamp\nu,a,1\n")
    assert f"{name} cannot be read" in refused(tmp_path, Table(tmp_path / name, timestamp_unit="seconds"))


@pytest.mark.parametrize("end", [".jsonl", ".csv", ".parquet"])
def test_a_missing_column_is_named_with_those_that_are_there(tmp_path, end):
    path = write(tmp_path / f"i{end}", [{"user": "u", "item_id": "a", "timestamp": T0}])
    message = refused(tmp_path, Table(path, timestamp_unit="milliseconds"))
    assert "no column 'user_id'" in message
    there = message.partition("the columns there are: ")[2].partition(". ")[0]
    assert set(there.split(", ")) == {"user", "item_id", "timestamp"}
    source = Table(path, columns={"user_id": "user", "rating": "stars"}, timestamp_unit="milliseconds")
    assert "no column 'stars' for rating" in refused(tmp_path, source)


def test_a_json_array_is_no_jsonl(tmp_path):
    (tmp_path / "i.jsonl").write_text(json.dumps([{"user_id": "u", "item_id": "a", "timestamp": T0}], indent=1))
    assert "one JSON object a line" in refused(tmp_path, Table(tmp_path / "i.jsonl", timestamp_unit="milliseconds"))


def test_ids_that_are_all_null_are_reported(tmp_path):
    rows = [{"user_id": None, "item_id": "a", "timestamp": T0}, {"user_id": "", "item_id": "b", "timestamp": T0}]
    message = refused(tmp_path, Table(write(tmp_path / "i.jsonl", rows), timestamp_unit="milliseconds"))
    assert "none of 2 rows" in message
    assert "null_user_id: 2" in message
    items = write(tmp_path / "items.csv", [{"item_id": "", "title": "x"}])
    assert "no row has an item id" in refused(tmp_path, Table(items=items))


@pytest.mark.parametrize(
    ("declared", "factor", "advice"),
    [
        ("milliseconds", 1e-3, "looks like seconds"),
        ("seconds", 1, "looks like milliseconds"),
        ("milliseconds", 1e3, "looks like microseconds"),
        ("milliseconds", 1e6, "looks like nanoseconds"),
    ],
)
def test_timestamps_in_another_unit_are_recognised(tmp_path, declared, factor, advice):
    rows = [{**row, "timestamp": int(row["timestamp"] * factor)} for row in interactions("u a 1\nu b 2\nu c 3")]
    message = refused(tmp_path, Table(write(tmp_path / "i.csv", rows), timestamp_unit=declared))
    assert f"timestamp_unit is {declared}" in message
    assert advice in message


def test_positions_declared_as_time_are_recognised(tmp_path):
    rows = [{"user_id": "u", "item_id": i, "timestamp": n} for n, i in enumerate("abc")]
    assert "its unit is `position`" in refused(
        tmp_path, Table(write(tmp_path / "i.csv", rows), timestamp_unit="seconds")
    )


def test_an_empty_k_core_tells_what_was_there_before(tmp_path):
    message = refused(tmp_path, table(tmp_path, "u a 1\nu b 2\nu c 3"), PreprocessSettings())
    assert "3 interactions of 1 users with 3 items" in message
    assert "Lower k_core" in message


def test_ids_that_never_match_are_shown_from_both_sides(tmp_path):
    message = refused(tmp_path, table(tmp_path, "u a.0 1\nu b.0 2\nu c.0 3", "a b c"))
    assert "'a.0', 'b.0', 'c.0'" in message
    assert "'a', 'b', 'c'" in message


def test_empty_splits_are_errors(tmp_path):
    assert "no user has 3 interactions" in refused(tmp_path, table(tmp_path, "u a 1\nu b 2"))
    source = table(tmp_path, "u a 1\nu b 2\nu c 3")
    message = refused(tmp_path, source, replace(OFF, split=(1, 2)))
    assert "train is empty" in message
    assert f"{T0 + 1000} to {T0 + 3000}" in message
    assert "test is empty" in refused(tmp_path, source, replace(OFF, split=(T0 + 2500, T0 + 9000)))
    splits = split_files(tmp_path, train="u x 1", valid="u a 2", test="u a 3")
    items = write(tmp_path / "items.jsonl", [{"item_id": "a"}])
    assert "splits: train" in refused(tmp_path, Table(items=items, splits=splits, timestamp_unit="milliseconds"))


def test_a_failure_leaves_earlier_outputs_alone(tmp_path):
    run(tmp_path, table(tmp_path, "u a 1\nu b 2\nu c 3"))
    before = {path: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    with pytest.raises(InputError):
        run(tmp_path, table(tmp_path, "u a 1"))
    assert {path: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before


def test_outputs_appear_together_and_stats_last(tmp_path, monkeypatch):
    renamed, replace_file = [], os.replace
    monkeypatch.setattr(os, "replace", lambda old, new: (renamed.append(Path(new).name), replace_file(old, new)))
    run(tmp_path, table(tmp_path, "u a 1\nu b 2\nu c 3"))
    rows, *outputs = renamed
    assert rows == "interactions-0.parquet"
    assert outputs == ["items.parquet", "train.parquet", "valid.parquet", "test.parquet", "stats.json"]


def test_too_little_memory_names_the_setting(tmp_path):
    with (
        temporary_database(tmp_path, memory_limit=100, threads=1) as database,
        pytest.raises(InputError, match="100 MB are too few here: raise duckdb_mb"),
    ):
        database.execute("CREATE TABLE one_value AS SELECT list(range) FROM range(50_000_000)")
    assert not list(tmp_path.iterdir())


# Configuration


def test_sources_come_from_a_dataset_of_the_config(tmp_path):
    reviews, meta = amazon_files(tmp_path)
    for kind, paths in (("amazon2023", [str(reviews)]), ("sample", str(reviews))):
        source = source_from_config({"source": kind, "reviews": paths, "meta": str(meta), "items": 15_000, "k_core": 5})
        assert (source.interaction_files, source.item_files) == (((reviews, None),), (meta,))
        assert (source.columns, source.timestamp_unit) == ({"item_id": "parent_asin"}, "milliseconds")
        assert source.format == "AmazonReviews2023"
    path = write(tmp_path / "i.csv", interactions("u a 1"))
    options = {"interactions": str(path), "columns": {"title": "name"}, "timestamp_unit": "seconds", "items": None}
    assert source_from_config({"source": "table", **options, "shards": 1}) == Table(
        str(path), columns={"title": "name"}, timestamp_unit="seconds"
    )
    with pytest.raises(InputError, match=r"source must be one of sample, amazon2023, table.*, got 'amazon'"):
        source_from_config({"source": "amazon"})
    amazon = [{"user_id": "u", "parent_asin": "P0", "rating": 5.0, "timestamp": T0}]
    splits = {part: str(write(tmp_path / f"{part}.csv", amazon)) for part in ("train", "valid", "test")}
    source = source_from_config({"source": "amazon2023", "splits": splits, "meta": str(meta)})
    assert source.interaction_files == tuple((Path(file), part) for part, file in splits.items())
    assert (source.item_files, source.has_official_files) == ((meta,), True)


# Real data


def test_beauty_keeps_everything(tmp_path, shared_data):
    folder = shared_data / "amazon2014-beauty"
    source = Table(folder / "interactions.csv.gz", folder / "items.jsonl.gz", timestamp_unit="seconds")
    result = run(tmp_path, source, PreprocessSettings(threads=2))
    assert result.stats["steps"][-1] == {
        "step": "k_core", "rows": 198_215, "users": 22_332, "items": 12_086, "rounds": 0,
    }  # fmt: skip
    assert result.stats["dropped"] == {"interactions": {}, "items": {}}
    assert [len(split) for split in (result.items, result.train, result.valid, result.test)] == [
        12_086, 153_551, 22_332, 22_332,
    ]  # fmt: skip
    assert result.stats["ties"]["share"] == pytest.approx(0.435, abs=0.001)
    # The source is chronological, so that the last line of a user is the test item.
    with gzip.open(folder / "interactions.csv.gz", "rt") as file:
        last = {row["user_id"]: row["item_id"] for row in csv.DictReader(file)}
    assert {row["user_id"]: row["item_id"] for row in result.test} == last
    assert not any("&amp;" in row["title"] for row in result.items)


def test_industrial_keeps_all_items_without_a_k_core(tmp_path, shared_data):
    folder = shared_data / "amazon2018-industrial"
    source = Table(
        folder / "interactions.csv.gz",
        folder / "items.jsonl.gz",
        columns={"timestamp": "position", "store": "brand"},
        timestamp_unit="position",
    )
    result = run(tmp_path, source, OFF)
    assert len(result.items) == 3_686
    assert sum(row["description"] != "" for row in result.items) >= 3_400
    assert result.stats["steps"][-1] == {"step": "known_items", "rows": 22_743, "users": 3_285, "items": 3_541}


def test_movielens_genres_become_lists(tmp_path, shared_data):
    folder = shared_data / "movielens-latest-small"
    source = Table(
        folder / "ratings.csv.gz",
        folder / "movies.csv.gz",
        columns={"user_id": "userId", "item_id": "movieId", "categories": "genres"},
        timestamp_unit="seconds",
        categories_separator="|",
    )
    result = run(tmp_path, source, PreprocessSettings())
    assert result.stats["steps"][-1] | {"rounds": 0} == {
        "step": "k_core", "rows": 90_274, "users": 610, "items": 3_650, "rounds": 0,
    }  # fmt: skip
    toy_story = next(row for row in result.items if row["item_id"] == "1")
    assert toy_story["categories"] == ["Adventure", "Animation", "Children", "Comedy", "Fantasy"]


def test_what_looks_like_the_folder_of_a_killed_job_and_is_a_link_stays(tmp_path):
    precious, beside = tmp_path / "precious", tmp_path / "beside"
    precious.mkdir()
    beside.mkdir()
    (beside / ".preprocess-link").symlink_to(precious)
    (beside / ".preprocess-stray").symlink_to(tmp_path / "absent")
    (beside / ".preprocess-file").write_text("a file")
    (beside / ".preprocess-left").mkdir()
    (beside / ".preprocess-left" / "work.duckdb").write_text("of a killed job")
    (beside / ".preprocess-odd").mkdir()
    (beside / ".preprocess-odd" / "lock").symlink_to(tmp_path / "absent")
    with temporary_database(beside, memory_limit=100, threads=1) as database:
        assert database.row("SELECT 1 AS one").one == 1
    assert sorted(path.name for path in beside.iterdir()) == [
        ".preprocess-file",
        ".preprocess-link",
        ".preprocess-odd",
        ".preprocess-stray",
    ]
    assert not list(precious.iterdir())
    assert not (tmp_path / "absent").exists()


# Columns of the items as text


ANY_COLUMNS = [
    {"item_id": "a", "Title": "Pan", "price": "12.90", "features": ["red &amp; round", "", "blue"]},
    {"item_id": "b", "Title": "Pot", "price": None, "features": []},
]
for row, details in zip(ANY_COLUMNS, ({"Size": [1, 2]}, {"Brand": "B", "Size": None}), strict=True):
    row["details"] = details
AS_TEXT = {
    "price": ["12.90", ""],
    "features": ["red & round, blue", ""],
    "details": ["Size: 1, 2", "Brand: B"],
    "Title": ["Pan", "Pot"],
}


@pytest.mark.parametrize("ending", [".csv", ".jsonl", ".parquet"])
def test_any_column_of_the_items_is_kept_as_text(tmp_path, ending):
    rows = ANY_COLUMNS
    if ending == ".csv":
        # as pandas writes lists and records
        rows = [{name: "" if value is None else str(value) for name, value in row.items()} for row in rows]
    path = write(tmp_path / f"items{ending}", rows)
    settings = replace(OFF, text_columns=["Title", "details", "features", "price"])
    result = run(tmp_path, Table(items=path, columns={"title": "Title"}), settings)
    assert result.tables["items"].schema.names == [*ITEMS_SCHEMA.names, *settings.text_columns]
    assert {name: [row[name] for row in result.items] for name in AS_TEXT} == AS_TEXT
    assert [row["title"] for row in result.items] == ["Pan", "Pot"]
    assert result.stats["settings"]["text_columns"] == settings.text_columns


def test_types_of_parquet_columns_are_kept_as_they_are_written(tmp_path):
    columns = {
        "item_id": ["a", "b"],
        "whole": pa.array([7, None]),
        "single": pa.array([12.9, float("nan")], pa.float32()),
        "day": pa.array([datetime(2020, 1, 2).date(), None]),
        "sale": pa.array([True, False]),
        "sizes": pa.array([[1.5, 2.0], None]),
        "map": pa.array([[("k", 1)], []], pa.map_(pa.string(), pa.int64())),
        "tag": pa.array(["x", "y"]).dictionary_encode(),
        "json": pa.array(['{"a": {"b": 1}}', None]),
        "parts": pa.array([[{"n": 1, "m": float("nan")}], [None]]),
    }
    pq.write_table(pa.table(columns), tmp_path / "items.parquet")
    names = [name for name in columns if name != "item_id"]
    result = run(tmp_path, Table(items=tmp_path / "items.parquet"), replace(OFF, text_columns=names))
    first, second = ([row[name] for name in names] for row in result.items)
    assert first[:8] == ["7", "12.9", "2020-01-02", "true", "1.5, 2.0", "k: 1", "x", "a: b: 1"]
    assert first[8].startswith("n: 1")
    assert second == ["", "", "", "false", "", "", "y", "", ""]


def test_columns_of_amazon_reviews_are_kept_as_text(tmp_path):
    meta = [
        {
            "parent_asin": "a",
            "title": "T",
            "features": ["f"],
            "price": 9.99,
            "average_rating": 4.5,
            "details": {"A": "b"},
        },
        {"parent_asin": "b", "title": "U", "features": [], "price": "from 3", "average_rating": 4.0, "details": {}},
        {"parent_asin": "c", "title": "V", "price": None},
    ]
    reviews = [{"user_id": "u", "parent_asin": item, "timestamp": T0 + n, "rating": 5} for n, item in enumerate("abc")]
    source = AmazonReviews2023(
        reviews=write(tmp_path / "reviews.jsonl", reviews), meta=write(tmp_path / "meta.jsonl", meta)
    )
    names = ["average_rating", "details", "features", "price"]
    result = run(tmp_path, source, replace(OFF, text_columns=names))
    assert pairs(result.items, *names) == [("4.5", "A: b", "f", "9.99"), ("4.0", "", "", "from 3"), ("", "", "", "")]


@pytest.mark.parametrize("ending", [".csv", ".jsonl", ".parquet"])
def test_a_column_that_no_item_file_has_is_named_with_those_there_are(tmp_path, ending):
    path = write(tmp_path / f"items{ending}", [{"item_id": "a", "title": "T", "Price": 3}])
    message = refused(tmp_path, Table(items=path), replace(OFF, text_columns=["price"]))
    assert message.startswith(f"{path} has no column 'price', and the text of an item names the column 'price'")
    assert {"item_id", "title", "Price"} <= set(message.partition("there are: ")[2].partition(" (")[0].split(", "))
    assert "('Price' differs from it in case or spaces alone)" in message


@pytest.mark.parametrize("ending", [".csv", ".jsonl", ".parquet"])
def test_two_columns_of_the_text_that_differ_in_case_alone_are_named(tmp_path, ending):
    path = tmp_path / f"items{ending}"
    if ending == ".parquet":
        pq.write_table(pa.table({"item_id": ["a"], "price": [1], "Price": [2]}), path)
    else:
        write(path, [{"item_id": "a", "price": 1, "Price": 2}])
    message = refused(tmp_path, Table(items=path), replace(OFF, text_columns=["price", "Price"]))
    assert message.startswith(f"{path} has both ")
    assert "'Price' and 'price', which differ in case alone" in message


def test_one_of_several_parts_may_lack_a_column_of_the_text(tmp_path):
    parts = [
        write(tmp_path / "1.jsonl", [{"item_id": "a", "price": 3}]),
        write(tmp_path / "2.jsonl", [{"item_id": "b", "title": "T"}]),
    ]
    result = run(tmp_path, Table(items=parts), replace(OFF, text_columns=["price"]))
    assert pairs(result.items, "item_id", "price") == [("a", "3"), ("b", "")]


def test_a_text_of_columns_needs_a_file_of_items(tmp_path):
    message = refused(tmp_path, table(tmp_path, "u a 1"), replace(OFF, text_columns=["price"]))
    assert (
        message
        == "the text of an item names the column 'price' (embeddings: text), and the dataset has no file of items"
    )


def test_faults_are_looked_for_in_the_rows_of_their_own_file(tmp_path, monkeypatch, caplog):
    rows = interactions("u1 a 1\nu1 b 2\nu2 a 3\nu2 b 4")
    rated = [[{**row, "rating": value} for row in rows] for value in (5, "good", 4, 3)]
    parts = [write(tmp_path / f"{number}.csv", part) for number, part in enumerate(rated)]
    warned = []
    plain = reading._warn_of_ratings
    monkeypatch.setattr(
        reading, "_warn_of_ratings", lambda database, file: warned.append(file.path) or plain(database, file)
    )
    run(tmp_path, Table(interactions=parts, timestamp_unit="milliseconds"))
    assert warned == parts[1:2]
    assert "1.csv: 4 values of rating are no numbers" in caplog.text


def test_nan_in_a_parquet_column_is_no_text_whatever_the_statistics_say(tmp_path):
    table = {"item_id": ["a", "b", "c"], "price": [1.1, float("nan"), 3.0], "description": [float("nan"), 2.5, 3.5]}
    pq.write_table(pa.table(table), tmp_path / "items.parquet")
    result = run(tmp_path, Table(items=tmp_path / "items.parquet"), replace(OFF, text_columns=["price"]))
    assert [row["price"] for row in result.items] == ["1.1", "", "3.0"]
    assert [row["description"] for row in result.items] == ["", "2.5", "3.5"]


def files_of(outputs):
    return {name: Path(getattr(outputs, name)).read_bytes() for name in ("items", "train", "valid", "test", "stats")}


def outputs_in(folder):
    return Outputs(
        *(folder / name for name in ("items.parquet", "train.parquet", "valid.parquet", "test.parquet", "s.json"))
    )


PART_SETTINGS = PreprocessSettings(k_core=2, ties="shuffle", seed=3, text_columns=("price",), threads=2)


def many_interactions(n=600):
    random = np.random.default_rng(0)
    return [
        {"user_id": f"u{user}", "item_id": f"i{item}", "timestamp": T0 + int(time), "rating": 5}
        for user, item, time in zip(
            random.integers(0, 60, n), random.integers(0, 90, n), random.integers(0, 20, n), strict=True
        )
    ]


def listed_items():
    items = [{"item_id": f"i{number}", "title": f"Item {number % 7}", "price": number} for number in range(80)]
    return [*items, {"item_id": "i3", "title": "twice", "price": 0}]


@pytest.mark.parametrize("end", [".csv", ".jsonl.gz", ".parquet"])
def test_files_that_are_read_by_jobs_of_their_own_make_the_same_bytes(tmp_path, end):
    rows, items = many_interactions(), listed_items()
    source = Table(
        interactions=[write(tmp_path / f"part-{n}{end}", rows[n::3]) for n in range(3)],
        items=[write(tmp_path / f"items-{n}{end}", items[n::2]) for n in range(2)],
        timestamp_unit="milliseconds",
    )
    preprocess(source, PART_SETTINGS, together := outputs_in(tmp_path / "together"))
    numbered = [("interactions", n) for n in range(3)] + [("items", n) for n in range(2)]
    read = {name: tmp_path / f"{name[0]}-{name[1]:05d}.parquet" for name in numbered}
    for kind, number in reversed(numbered):
        read_raw_file(source, kind, number, PART_SETTINGS, read[kind, number])
    parts = Parts([read["items", n] for n in range(2)], [read["interactions", n] for n in range(3)])
    preprocess_parts(source, parts, PART_SETTINGS, apart := outputs_in(tmp_path / "apart"))
    assert files_of(apart) == files_of(together)
    assert not list(tmp_path.glob("*/.preprocess-*"))


def test_what_comes_out_does_not_depend_on_the_number_of_files(tmp_path):
    rows, items = many_interactions(), listed_items()
    made = []
    for number in (1, 2, 5):
        folder = tmp_path / str(number)
        folder.mkdir()
        interactions = [
            write(folder / f"part-{n}.csv", [rows[row] for row in of])
            for n, of in enumerate(np.array_split(range(600), number))
        ]
        source = Table(
            interactions=interactions, items=write(folder / "items.csv", items), timestamp_unit="milliseconds"
        )
        preprocess(source, PART_SETTINGS, outputs := outputs_in(folder / "out"))
        made.append({name: data for name, data in files_of(outputs).items() if name != "stats"})
    assert made[0] == made[1] == made[2]


def test_the_k_core_does_not_depend_on_its_blocks(tmp_path, monkeypatch):
    source = Table(
        interactions=write(tmp_path / "i.csv", many_interactions()),
        items=write(tmp_path / "items.csv", listed_items()),
        timestamp_unit="milliseconds",
    )
    preprocess(source, PART_SETTINGS, whole := outputs_in(tmp_path / "whole"))
    monkeypatch.setattr(filter, "ROWS_A_BLOCK", 7)
    preprocess(source, PART_SETTINGS, blocks := outputs_in(tmp_path / "blocks"))
    assert files_of(blocks) == files_of(whole)


def test_rows_of_other_files_are_refused(tmp_path):
    rows = many_interactions()
    files = [write(tmp_path / f"part-{n}.csv", rows[n::2]) for n in range(2)]
    items = write(tmp_path / "items.csv", listed_items())
    source = Table(interactions=files, items=items, timestamp_unit="milliseconds")
    read = [tmp_path / f"interactions-{n}.parquet" for n in range(2)]
    for number, path in enumerate(read):
        read_raw_file(source, "interactions", number, PART_SETTINGS, path)
    of_items = tmp_path / "items-0.parquet"
    read_raw_file(source, "items", 0, PART_SETTINGS, of_items)
    for wrong in (read[:1], [read[0], read[0]], read[::-1], []):
        with pytest.raises(InputError, match="are not those of the raw files in their order"):
            preprocess_parts(source, Parts([of_items], wrong), PART_SETTINGS, outputs_in(tmp_path / "out"))
    other = replace(PART_SETTINGS, text_columns=("title",))
    with pytest.raises(InputError, match=r"items-0\.parquet was read for the texts of price and not of title"):
        preprocess_parts(source, Parts([of_items], read), other, outputs_in(tmp_path / "out"))


def test_a_file_that_is_read_twice_is_named_twice(tmp_path):
    rows = write(tmp_path / "rows.csv", many_interactions(40))
    source = Table(splits={"train": rows, "valid": rows, "test": rows}, timestamp_unit="milliseconds")
    assert run(tmp_path, source).stats["files"] == {kind: [str(rows)] * 3 for kind in ("interactions", "items")}


def test_reading_leaves_the_rows_of_a_file_alone(tmp_path):
    source = Table(interactions=write(tmp_path / "i.csv", many_interactions()), timestamp_unit="milliseconds")
    (tmp_path / "rows").mkdir()
    found = (tmp_path / "i.csv").rename(tmp_path / "elsewhere.csv")
    read_raw_file(source, "interactions", 0, OFF, tmp_path / "rows/interactions-0.parquet", found)
    assert [path.name for path in (tmp_path / "rows").iterdir()] == ["interactions-0.parquet"]
    assert reading.Part.of(tmp_path / "rows/interactions-0.parquet").path == str(found)


def test_a_file_of_rows_that_is_none_is_refused(tmp_path):
    source = Table(interactions=write(tmp_path / "i.csv", many_interactions()), timestamp_unit="milliseconds")
    pq.write_table(pa.table({"a": [1]}), tmp_path / "other.parquet")
    with pytest.raises(InputError, match=r"other\.parquet holds no rows of a raw file as this version reads them"):
        preprocess_parts(source, Parts((), [tmp_path / "other.parquet"]), OFF, outputs_in(tmp_path / "out"))
