"""Raw files as people have them: each is read rightly, or one sentence says what to do; no line goes silently."""

import gzip
import json
import logging
import re
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from semid.data import AmazonReviews2023, Outputs, PreprocessSettings, Table, preprocess, source_from_config
from semid.data.formats.quotes import count_lines
from semid.data.raw_files import raw_files
from semid.errors import InputError
from semid.ids import id_strings

T0 = 1_500_000_000_000
OFF = PreprocessSettings(k_core=0, repeats="keep")
LOOSE = PreprocessSettings(k_core=0, repeats="keep", max_malformed=0.9)
HEADER = "user_id,item_id,timestamp\n"
ROWS = [("u", "a", T0), ("u", "b", T0 + 1000), ("u", "c", T0 + 2000)]


def run(folder: Path, source, settings=OFF) -> SimpleNamespace:
    names = ("items", "train", "valid", "test")
    paths = {name: folder / "out" / f"{name}.parquet" for name in names}
    preprocess(source, settings, Outputs(**paths, stats=folder / "out" / "stats.json"))
    tables = {name: pq.read_table(path).to_pylist() for name, path in paths.items()}
    stats = json.loads((folder / "out" / "stats.json").read_text())
    assert_balanced(stats, tables)
    return SimpleNamespace(**tables, stats=stats, rows=[row for name in names[1:] for row in tables[name]])


def assert_balanced(stats, tables) -> None:
    """Lines in are rows out and rows dropped by a reason."""
    kept = sum(len(tables[name]) for name in ("train", "valid", "test"))
    read = sum(stats["lines"][path] for path in stats["files"]["interactions"])
    assert read == kept + sum(stats["dropped"]["interactions"].values())
    if stats["files"]["items"]:
        listed = sum(stats["lines"][path] for path in stats["files"]["items"])
        assert listed == len(tables["items"]) + sum(stats["dropped"]["items"].values())


def refused(folder: Path, source, settings=OFF) -> str:
    with pytest.raises(InputError) as caught:
        run(folder, source, settings)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def text(path: Path, content: str, encoding="utf-8") -> Path:
    path.write_bytes(content.encode(encoding))
    return path


def rows_of(result, *names):
    return [tuple(row[name] for name in names or ("user_id", "item_id", "timestamp")) for row in result.rows]


def interactions(path: Path, column: pa.Array, **others) -> Path:
    """Three interactions of one user as parquet, with these timestamps or ids."""
    columns = {"user_id": ["u"] * 3, "item_id": ["a", "b", "c"], "timestamp": column, **others}
    pq.write_table(pa.table(columns), path)
    return path


def json_lines(path: Path, rows) -> Path:
    with (gzip.open if path.name.endswith(".gz") else open)(path, "wt", encoding="utf-8") as file:
        file.writelines((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows)
    return path


def of_rows(names=("user_id", "item_id", "timestamp"), rows=ROWS):
    return [dict(zip(names, row, strict=True)) for row in rows]


# Quotes that swallow rows


def numbered(n: int) -> list[str]:
    return [f"u{i // 5},i{i},{T0 + i}" for i in range(n)]


def shop(folder: Path, lines: list[str], name="i.csv") -> Table:
    content = HEADER + "".join(f"{line}\n" for line in lines)
    path = folder / name
    path.write_bytes(gzip.compress(content.encode()) if name.endswith(".gz") else content.encode())
    return Table(path, timestamp_unit="milliseconds")


@pytest.mark.parametrize("name", ["i.csv", "i.csv.gz"])
def test_a_quote_that_nothing_closes_is_an_error_with_its_line(tmp_path, name):
    lines = numbered(500)
    lines[99] = lines[99].replace(",i99", ',"i99')
    message = refused(tmp_path, shop(tmp_path, lines, name))
    assert (
        f"{name}: 401 of 500 lines cannot be read, the first is line 101, where a quote opens that nothing" in message
    )
    assert "400 lines ended in no row of their own" in message


@pytest.mark.parametrize("apart", [1, 2, 300])
def test_two_quotes_far_apart_swallow_no_row_silently(tmp_path, apart, caplog):
    lines = numbered(500)
    lines[99] = lines[99].replace(",i99", ',"i99')
    lines[99 + apart] = re.sub(r",(i\d+),", r',\1",', lines[99 + apart])
    source = shop(tmp_path, lines)
    result = run(tmp_path, source, LOOSE)
    assert f"line 101, where a quote opens that closes in line {101 + apart}" in caplog.text
    assert result.stats["malformed_lines"] == {str(source.interactions): apart + 1}
    assert result.stats["steps"][0]["rows"] == 500
    assert not [row for row in result.rows if "\n" in row["item_id"]]
    if apart > 4:
        assert f"{apart + 1} of 500 lines" in refused(tmp_path, source)


def test_a_quote_in_a_text_of_items_counts_the_lines_that_it_swallows(tmp_path, caplog):
    lines = [f"i{i},title {i},about {i}" for i in range(400)]
    lines[10] = 'i10,"5 inch tablet,about 10'
    lines[15] = 'i15,title 15",about 15'
    path = text(tmp_path / "items.csv", "\n".join(["item_id,title,description", *lines]))
    assert "5 of 400 lines cannot be read, the first is line 12, where a quote opens" in refused(
        tmp_path, Table(items=path)
    )
    assert "closes in line 17" in refused(tmp_path, Table(items=path))


@pytest.mark.parametrize("paragraphs", [2, 40, 3000])
def test_texts_of_several_lines_are_no_losses(tmp_path, paragraphs, caplog):
    about = "\n".join(f"Line {i}, with commas, and a 5 screen" if i % 3 else "" for i in range(paragraphs))
    quoted = '"' + about.replace('"', '""') + '"'
    lines = [f"i{i},title {i},{quoted},Shop" if i % 2 else f'i{i},"a, b",short,Shop' for i in range(30)]
    path = text(tmp_path / "items.csv", "\n".join(["item_id,title,description,store", *lines, "", ""]))
    with caplog.at_level(logging.WARNING):
        result = run(tmp_path, Table(items=path))
    assert len(result.items) == 30
    assert result.stats["malformed_lines"] == {str(path): 0}
    assert result.items[1]["description"] == " ".join(about.split())
    assert not caplog.text


def test_lines_of_records_are_counted():
    lines = [b"a,b\n", b"\n", b'1,"two\n', b"\n", b'lines"\n', b'3,"x\n', b"4,5\n", b'6,y"\n', b'7,"open\n', b"8,9\n"]
    counts = count_lines(lines, b",", 2, [])
    assert (counts.blank, counts.continued) == (1, 2)
    assert counts.stray is not None
    assert (counts.stray.first_line, counts.stray.last_line, counts.stray.is_closed) == (6, 8, True)
    assert count_lines(lines[:5], b",", 2, [len(b"".join(lines[:3]))]).stray is not None


# Timestamps


@pytest.mark.parametrize("zone", [None, "UTC", "Europe/Berlin", "-07:00"])
@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_date_times_of_parquet_are_read_in_every_unit_and_zone(tmp_path, unit, zone):
    times = pa.array([time // 1000 if unit == "s" else time for *_, time in ROWS], pa.int64())
    if unit in ("us", "ns"):
        times = pa.array([time.as_py() * (1000 if unit == "us" else 1_000_000) for time in times], pa.int64())
    path = interactions(tmp_path / "i.parquet", times.cast(pa.timestamp(unit, zone)))
    for declared in ("seconds", "iso"):
        assert rows_of(run(tmp_path, Table(path, timestamp_unit=declared))) == ROWS


DATES = [datetime.fromtimestamp(time / 1000, UTC) for *_, time in ROWS]
FORMS = {
    "space": [f"{date:%Y-%m-%d %H:%M:%S}" for date in DATES],
    "zulu": [f"{date:%Y-%m-%dT%H:%M:%S.000Z}" for date in DATES],
    "offset": [date.astimezone(timezone(timedelta(hours=5, minutes=30))).isoformat() for date in DATES],
    "short offset": [date.astimezone(timezone(timedelta(hours=-8))).strftime("%Y-%m-%d %H:%M:%S-08") for date in DATES],
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("ending", [".csv", ".jsonl", ".parquet"])
def test_iso_dates_are_read_and_named_where_another_unit_is_declared(tmp_path, ending, form):
    path = tmp_path / f"i{ending}"
    if ending == ".parquet":
        interactions(path, pa.array(FORMS[form]))
    elif ending == ".csv":
        text(path, HEADER + "".join(f"u,{item},{date}\n" for item, date in zip("abc", FORMS[form], strict=True)))
    else:
        json_lines(path, of_rows(rows=[("u", item, date) for item, date in zip("abc", FORMS[form], strict=True)]))
    assert rows_of(run(tmp_path, Table(path, timestamp_unit="iso"))) == ROWS
    for declared in ("seconds", "milliseconds", "position"):
        message = refused(tmp_path, Table(path, timestamp_unit=declared))
        assert f"{FORMS[form][0]!r}, which is a date: dates as text need timestamp_unit: iso" in message


def test_numbers_are_no_iso_dates(tmp_path):
    path = text(tmp_path / "i.csv", HEADER + "u,a,1500000000\n")
    assert "a number: name its unit under timestamp_unit" in refused(tmp_path, Table(path, timestamp_unit="iso"))


@pytest.mark.parametrize("ending", [".csv", ".jsonl", ".parquet"])
def test_positions_that_are_fractions_keep_their_order(tmp_path, ending):
    rows = [("u", "a", 0.1), ("u", "b", 0.35), ("v", "b", 0.2), ("v", "c", 0.2), ("u", "c", 0.35001), ("v", "a", 1e-9)]
    path = tmp_path / f"i{ending}"
    if ending == ".parquet":
        pq.write_table(pa.Table.from_pylist(of_rows(rows=rows)), path)
    elif ending == ".csv":
        text(path, HEADER + "".join(f"{user},{item},{time!r}\n" for user, item, time in rows))
    else:
        json_lines(path, of_rows(rows=rows))
    result = run(tmp_path, Table(path, timestamp_unit="position"))
    assert sorted(rows_of(result)) == [
        ("u", "a", 1),
        ("u", "b", 3),
        ("u", "c", 4),
        ("v", "a", 0),
        ("v", "b", 2),
        ("v", "c", 2),
    ]
    assert [row["item_id"] for row in result.test] == ["c", "c"]


@pytest.mark.parametrize("ending", [".csv", ".jsonl", ".parquet"])
def test_the_order_of_rows_can_be_that_of_time(tmp_path, ending):
    names = ("user_id", "item_id")
    rows = [("u", "b"), ("v", "c"), ("u", ""), ("u", "a"), ("v", "a"), ("u", "c"), ("v", "b")]
    paths = [tmp_path / f"{part}{ending}" for part in (1, 2)]
    for path, part in zip(paths, (rows[:4], rows[4:]), strict=True):
        if ending == ".parquet":
            pq.write_table(pa.Table.from_pylist(of_rows(names, part)), path)
        elif ending == ".csv":
            text(path, "user_id,item_id\n" + "".join(f"{user},{item}\n" for user, item in part))
        else:
            json_lines(path, of_rows(names, part))
    result = run(tmp_path, Table(paths, timestamp_unit="row"))
    assert rows_of(result) == [("u", "b", 0), ("v", "c", 1), ("u", "a", 3), ("v", "a", 4), ("u", "c", 5), ("v", "b", 6)]
    assert result.stats["timestamp_unit"] == "row"
    assert "set timestamp_unit: row" in refused(tmp_path, Table(paths, timestamp_unit="position"))


def test_an_order_of_rows_takes_no_column_of_timestamps(tmp_path):
    with pytest.raises(InputError, match="timestamp_unit is row, which takes no column of timestamps"):
        Table(tmp_path / "i.csv", timestamp_unit="row", columns={"timestamp": "when"})


# Encodings, line ends, separators


@pytest.mark.parametrize("end", ["\r", "\r\n", "\n"])
def test_every_kind_of_line_end_is_read(tmp_path, end):
    content = HEADER + "".join(f"{user},{item},{time}\n" for user, item, time in ROWS)
    path = text(tmp_path / "i.csv", content.replace("\n", end))
    assert rows_of(run(tmp_path, Table(path, timestamp_unit="milliseconds"))) == ROWS
    path = text(tmp_path / "i.jsonl", "".join(json.dumps(row) + end for row in of_rows()))
    assert rows_of(run(tmp_path, Table(path, timestamp_unit="milliseconds"))) == ROWS


MIXED = {
    "lines": "item_id,title\na,x y\r\nb,z\n",
    "texts": 'item_id,title\na,"x\r\ny"\nb,z\n',
    "old texts": 'item_id,title\r\na,"x\ry"\r\nb,z\r\n',
    "header": "item_id,title\r\na,x y\nb,z",
}


@pytest.mark.parametrize("form", MIXED)
def test_line_ends_may_be_mixed(tmp_path, form):
    result = run(tmp_path, Table(items=text(tmp_path / "items.csv", MIXED[form])))
    assert [(row["item_id"], row["title"]) for row in result.items] == [("a", "x y"), ("b", "z")]
    assert list(result.stats["lines"].values()) == [2]


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "utf-16", "utf-16-le", "utf-32", "gb18030", "utf-8-sig"])
@pytest.mark.parametrize("ending", [".csv", ".jsonl"])
def test_text_files_are_read_in_their_encoding(tmp_path, ending, encoding):
    titles = {f"i{n}": "Café Ärmel" for n in range(50)}
    items = text(
        tmp_path / f"items{ending}",
        "item_id,title\n" + "".join(f"{item},{title}\n" for item, title in titles.items())
        if ending == ".csv"
        else "".join(
            json.dumps({"item_id": i, "title": title}, ensure_ascii=False) + "\n" for i, title in titles.items()
        ),
        encoding,
    )
    result = run(tmp_path, Table(items=items, encoding=encoding))
    assert {row["item_id"]: row["title"] for row in result.items} == titles
    if encoding == "utf-8-sig":
        return
    message = refused(tmp_path, Table(items=items))
    assert re.search(r"line \d", message)
    assert re.search("encoding seems to be UTF-|likely in another encoding: set encoding", message)


def test_a_file_in_utf_8_is_read_as_such_beside_one_in_another_encoding(tmp_path):
    path = text(tmp_path / "i.csv", HEADER + "".join(f"ü,{item},{time}\n" for _, item, time in ROWS))
    items = text(tmp_path / "items.csv", "item_id,title\na,Ä\nb,b\nc,c\n", "utf-16")
    result = run(tmp_path, Table(path, items, timestamp_unit="milliseconds", encoding="utf-16"))
    assert (result.items[0]["title"], result.train[0]["user_id"]) == ("Ä", "ü")


@pytest.mark.parametrize("ending", [".csv", ".jsonl"])
def test_few_lines_in_another_encoding_are_named(tmp_path, ending, caplog):
    lines = [f"i{n},x" if ending == ".csv" else json.dumps({"item_id": f"i{n}", "title": "x"}) for n in range(300)]
    lines[200] = lines[200].replace("x", "é")
    path = tmp_path / f"items{ending}"
    header = "item_id,title\n" if ending == ".csv" else ""
    text(path, header + "".join(f"{line}\n" for line in lines), "latin-1")
    result = run(tmp_path, Table(items=path))
    assert result.stats["malformed_lines"] == {str(path): 1}
    assert f"1 OF 300 LINES ARE LOST, the first is line {202 if header else 201}; that line is not UTF-8" in caplog.text


def test_a_wrong_encoding_is_an_error_with_its_line(tmp_path):
    path = text(tmp_path / "items.csv", "item_id,title\na,x\nb,\x81\n", "latin-1")
    assert "line 3 is not cp1252" in refused(tmp_path, Table(items=path, encoding="cp1252"))
    with pytest.raises(InputError, match="encoding must be one that Python knows, such as latin-1, got 'latin-x'"):
        Table(items=path, encoding="latin-x")


@pytest.mark.parametrize(("separator", "name"), [(";", "';'"), ("\t", "a tab"), ("|", r"'|'")])
def test_other_separators_are_read_and_named(tmp_path, separator, name):
    lines = ["user_id,item_id,timestamp,rating", *(f'u,"{item}",{time},"4.5"' for _, item, time in ROWS)]
    path = text(tmp_path / "i.csv", "\n".join(lines).replace(",", separator).replace("4.5", "4,5"))
    source = Table(path, timestamp_unit="milliseconds", separator=separator, decimal=",")
    assert rows_of(run(tmp_path, source), "item_id", "rating") == [("a", 4.5), ("b", 4.5), ("c", 4.5)]
    message = refused(tmp_path, Table(path, timestamp_unit="milliseconds"))
    assert f"the file seems to be separated by {name}, not by ','; set separator: " in message


def test_ratings_with_a_decimal_comma_are_not_lost_silently(tmp_path, caplog):
    rows = "".join(f'u,{item},{time},"4,5"\n' for _, item, time in ROWS)
    path = text(tmp_path / "i.csv", HEADER.replace("stamp", "stamp,rating") + rows)
    result = run(tmp_path, Table(path, timestamp_unit="milliseconds"))
    assert result.stats["wrong_types"]["interactions"] == {"rating": 3}
    assert "3 values of rating are no numbers and are left out, such as '4,5'" in caplog.text
    assert 'set decimal: ","' in caplog.text


# Ids


@pytest.mark.parametrize("ending", [".csv", ".jsonl", ".parquet"])
def test_whole_numbers_that_went_through_floats_are_one_item(tmp_path, ending):
    path = tmp_path / f"i{ending}"
    items = [7.0, 8.0, 1234567890123.0]
    if ending == ".parquet":
        interactions(path, pa.array([time for *_, time in ROWS]), item_id=pa.array(items), user_id=["1.0", "1", "1.00"])
    elif ending == ".csv":
        text(
            path,
            HEADER
            + "".join(f"1{n * '.0'},{item:.1f},{T0 + n}\n" for n, item in enumerate(items[:2]))
            + f"1,1234567890123.0,{T0 + 2}\n",
        )
    else:
        json_lines(path, of_rows(rows=[(1.0, 7.0, T0), (1, "8.0", T0 + 1), ("1", 1234567890123.0, T0 + 2)]))
    listed = json_lines(tmp_path / "items.jsonl", [{"item_id": i, "title": "x"} for i in (7, "8", 1234567890123)])
    result = run(tmp_path, Table(path, listed, timestamp_unit="milliseconds"))
    assert rows_of(result, "user_id", "item_id") == [("1", "7"), ("1", "8"), ("1", "1234567890123")]
    assert [row["title"] for row in result.items] == ["x", "x", "x"]


@pytest.mark.parametrize("value", [7.5, float(2**53), float(2**53 + 2), float("inf")])
def test_floats_that_are_no_ids_are_refused_with_their_row(tmp_path, value):
    path = interactions(tmp_path / "i.parquet", pa.array([T0] * 3), item_id=pa.array([1.0, value, 2.0]))
    message = refused(tmp_path, Table(path, timestamp_unit="milliseconds"))
    assert re.search(
        r"1 values of item_id are floats .* the first is .* in row 2; write ids as integers or texts", message
    )
    if value < 2**60:
        rows = of_rows(rows=[("u", 1, T0), ("u", value, T0)])
        path = json_lines(tmp_path / "i.jsonl", rows)
        assert "in row 2; write ids" in refused(tmp_path, Table(path, timestamp_unit="milliseconds"))


@pytest.mark.parametrize("written", ["9007199254740992.0", "1.8014398509481984e+16", "18014398509481984.0", "-2E+20"])
def test_floats_written_as_text_are_refused_above_two_to_the_53(tmp_path, written):
    path = text(tmp_path / "i.csv", f"{HEADER}u,a,{T0}\nu,{written},{T0}\n")
    assert f"the first is {written.removesuffix('.0')} in row 2" in refused(
        tmp_path, Table(path, timestamp_unit="milliseconds")
    )


@pytest.mark.parametrize("written", ["9007199254740993", "123456789012345678901234", "1.5", "1e5", "v1.0", "007"])
def test_other_texts_and_large_integers_stay_ids(tmp_path, written):
    path = text(tmp_path / "items.csv", f"item_id\n{written}\n")
    assert [row["item_id"] for row in run(tmp_path, Table(items=path)).items] == [written]
    value = written if not written.isdigit() or written.startswith("0") else int(written)
    path = json_lines(tmp_path / "items.jsonl", [{"item_id": value}])
    assert [row["item_id"] for row in run(tmp_path, Table(items=path)).items] == [written]


def test_single_floats_are_ids_below_two_to_the_24(tmp_path):
    for value, is_exact in ((2.0**24 - 1, True), (2.0**24, False), (2.0**24 + 2, False)):
        ids = pa.array([value, 1.0, 2.0], pa.float32())
        path = interactions(tmp_path / "i.parquet", pa.array([T0, T0 + 1, T0 + 2]), item_id=ids)
        source = Table(path, timestamp_unit="milliseconds")
        if is_exact:
            assert run(tmp_path, source).train[0]["item_id"] == "16777215"
        else:
            assert "in row 1" in refused(tmp_path, source)


@pytest.mark.parametrize(
    "ids",
    [
        pa.array([value], kind)
        for kind, values in {
            pa.float32(): [7.0, 2.0**24 - 1, 2.0**24, 1e20, 0.5],
            pa.float64(): [7.0, 2.0**24, 2.0**53 - 1, 2.0**53, 1e20, 0.5],
            pa.string(): ["7.0", "007", "1e+05", "1e5", "1.8e+19", "9007199254740991.0", "9007199254740992.0"],
        }.items()
        for value in values
    ],
    ids=str,
)
def test_raw_files_and_files_of_ids_have_one_rule_for_floats(tmp_path, ids):
    path = tmp_path / "items.parquet"
    pq.write_table(pa.table({"item_id": ids}), path)
    try:
        expected = id_strings(path, ids, 0).to_pylist()
    except InputError:
        assert "item_id are floats that are no whole numbers" in refused(tmp_path, Table(items=path))
    else:
        assert [row["item_id"] for row in run(tmp_path, Table(items=path)).items] == expected


@pytest.mark.parametrize(
    "kind", [pa.binary(), pa.large_string(), pa.dictionary(pa.int32(), pa.string()), pa.string_view()]
)
def test_every_arrow_type_of_text_is_an_id(tmp_path, kind):
    ids = pa.array(["é", "b", "c"]).cast(pa.string())
    ids = ids.dictionary_encode() if pa.types.is_dictionary(kind) else ids.cast(kind)
    path = interactions(tmp_path / "i.parquet", pa.array([T0, T0 + 1, T0 + 2]), item_id=ids)
    assert run(tmp_path, Table(path, timestamp_unit="milliseconds")).train[0]["item_id"] == "é"


# Lists


LISTS = {
    "python": (["Music", "Women's"], """['Music', "Women's"]"""),
    "json": (["Music", "5\" ü"], r'["Music", "5\" \u00fc"]'),
    "nested": (["A", "B", "C"], "[['A', 'B'], ['A', 'C']]"),
    "one": (["Music"], "['Music']"),
}  # fmt: skip


@pytest.mark.parametrize("form", ["python", "json", "one"])
@pytest.mark.parametrize("ending", [".csv", ".jsonl", ".parquet"])
def test_lists_written_as_text_are_lists(tmp_path, ending, form):
    categories, written = LISTS[form]
    rows = [{"item_id": f"i{n}", "categories": value} for n, value in enumerate([written, "[]", "", written])]
    path = tmp_path / f"items{ending}"
    if ending == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif ending == ".jsonl":
        json_lines(path, rows)
    else:
        quoted = ['"' + row["categories"].replace('"', '""') + '"' for row in rows]
        text(path, "item_id,categories\n" + "".join(f"i{n},{value}\n" for n, value in enumerate(quoted)))
    for separator in (None, ","):
        result = run(tmp_path, Table(items=path, categories_separator=separator))
        assert [row["categories"] for row in result.items] == [categories, [], [], categories]


@pytest.mark.parametrize("ending", [".csv", ".jsonl", ".parquet"])
def test_nested_lists_become_one(tmp_path, ending):
    nested = [["A", "B"], ["A", "C"]]
    path = tmp_path / f"items{ending}"
    if ending == ".parquet":
        pq.write_table(pa.table({"item_id": ["i"], "categories": [nested]}), path)
    elif ending == ".jsonl":
        json_lines(path, [{"item_id": "i", "categories": nested}])
    else:
        text(path, f'item_id,categories\ni,"{nested}"\n')
    assert run(tmp_path, Table(items=path)).items[0]["categories"] == ["A", "B", "A", "C"]


@pytest.mark.parametrize(
    ("written", "categories"),
    [
        ('[null, ["A", "B"], "C"]', ["A", "B", "C"]),
        ('[["A"], [["B", ["C"]]]]', ["A", "B", "C"]),
        ('["A", ["B [1], {2}", "say \\"C\\" \\\\"], [3.5]]', ["A", "B [1], {2}", 'say "C" \\', "3.5"]),
        ("[[], [[]]]", []),
    ],
)
def test_lists_of_json_are_read_at_every_depth(tmp_path, written, categories):
    line = f'{{"item_id": "i", "categories": {written}, "title": {written}}}'
    (item,) = run(tmp_path, Table(items=text(tmp_path / "items.jsonl", line + "\n"))).items
    assert (item["categories"], item["title"]) == (categories, " ".join(categories))


@pytest.mark.parametrize("written", ['[null, {"k": 1}]', '["A", {"k": "B"}]', '[["A"], ["B", [{"k": "C"}]]]'])
def test_a_list_of_json_with_a_record_anywhere_is_counted_as_one(tmp_path, written):
    line = f'{{"item_id": "i", "categories": {written}, "title": {written}}}'
    result = run(tmp_path, Table(items=text(tmp_path / "items.jsonl", line + "\n")))
    assert (result.items[0]["categories"], result.items[0]["title"]) == ([], "")
    assert result.stats["wrong_types"]["items"] == {"categories": 1, "title": 1}


@pytest.mark.parametrize("written", ["[3, 14]", "[Music, guitar]", "['3', 14]", "[3.5]", "[]"])
def test_lists_of_numbers_and_lists_without_quotes_are_categories(tmp_path, written):
    path = text(tmp_path / "items.csv", f'item_id,categories,title\ni,"{written}",[new] tent\nj,"[1]",[1] chair\n')
    items = run(tmp_path, Table(items=path)).items
    assert items[0]["categories"] == [part for part in re.split(r"[\[\]', ]+", written) if part]
    assert [(row["title"], row["categories"]) for row in items][1:] == [("[1] chair", ["1"])]


def test_records_are_left_out_with_a_warning(tmp_path, caplog):
    rows = [{"item_id": "i", "title": "t", "categories": {"a": "b"}}]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "items.parquet")
    for path in (json_lines(tmp_path / "items.jsonl", rows), tmp_path / "items.parquet"):
        caplog.clear()
        result = run(tmp_path, Table(items=path))
        assert result.stats["wrong_types"]["items"] == {"categories": 1}
        assert "1 values of categories are records" in caplog.text


@pytest.mark.parametrize("odd", ["Music", "['Music' 'guitar']", "[1 2]", "{'a': 1}", "('a', 'b')", "['Music', 'gui"])
def test_a_column_with_lists_and_other_texts_stays_and_is_named(tmp_path, odd, caplog):
    path = text(tmp_path / "items.csv", f"item_id,categories\ni,\"['Music', 'guitar']\"\nj,\"{odd}\"\n")
    result = run(tmp_path, Table(items=path))
    assert result.items[1]["categories"] == [odd]
    assert "TEXTS OF COLUMN categories LOOK LIKE LISTS OR MAPS" in caplog.text
    assert "['Music', 'guitar']" in caplog.text


def test_lists_of_bytes_and_descriptions_in_lists_are_texts(tmp_path):
    path = tmp_path / "items.parquet"
    categories = pa.array([["é".encode(), b"b"]], pa.list_(pa.binary()))
    pq.write_table(pa.table({"item_id": ["i"], "categories": categories, "description": ["['one', 'two']"]}), path)
    (item,) = run(tmp_path, Table(items=path)).items
    assert (item["categories"], item["description"]) == (["é", "b"], "one two")


# Layouts


def test_parts_come_as_a_list_a_folder_or_a_pattern(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "i.parquet"
    (folder / "day=2").mkdir(parents=True)
    for name in ("_SUCCESS", ".part-0.parquet.crc"):
        (folder / name).touch()
    parts = [folder / "day=2" / "part-0.parquet", folder / "part-0.parquet", folder / "part-1.parquet"]
    for part, row in zip(parts, ROWS, strict=True):
        pq.write_table(pa.Table.from_pylist(of_rows(rows=[row])), part)
    pq.write_table(pa.Table.from_pylist(of_rows(rows=ROWS[:1])).slice(0, 0), folder / "part-2.parquet")
    for given in ("i.parquet", folder, "i.parquet/**/*.parquet", [*parts]):
        result = run(tmp_path, Table(given, timestamp_unit="milliseconds"))
        assert rows_of(result) == ROWS
    planned = raw_files("mine", {"source": "table", "interactions": "i.parquet", "timestamp_unit": "row"}, None)
    names = [f"i.parquet/{part.relative_to(folder)}" for part in [*parts, folder / "part-2.parquet"]]
    assert planned.inputs() == {"raw_interactions": names}
    assert source_from_config(planned.options).interaction_files == planned.source.interaction_files
    with pytest.raises(InputError, match=r"interactions: none-.* holds no file"):
        raw_files("mine", {"source": "table", "interactions": "none-*.csv", "timestamp_unit": "row"}, None)
    (folder / "notes.txt").touch()
    assert "holds notes.txt too" in refused(tmp_path, Table(folder, timestamp_unit="milliseconds"))


def test_parts_are_in_the_order_of_their_numbers(tmp_path):
    for n in (2, 10, 1):
        text(tmp_path / f"part-{n}.csv", f"user_id,item_id\nu,i{n}\n")
    result = run(tmp_path, Table(f"{tmp_path}/part-*.csv", timestamp_unit="row"))
    assert [row["item_id"] for row in result.rows] == ["i1", "i2", "i10"]


@pytest.mark.parametrize("name", ["i.json", "i.json.gz"])
def test_json_files_are_json_lines(tmp_path, name):
    path = json_lines(tmp_path / name, of_rows())
    assert rows_of(run(tmp_path, Table(path, timestamp_unit="milliseconds"))) == ROWS


def test_other_forms_of_json_are_refused_with_the_conversion(tmp_path):
    literals = json_lines(tmp_path / "a.json", [str(row) for row in of_rows()])
    assert "dictionary as Python writes it" in refused(tmp_path, Table(literals, timestamp_unit="milliseconds"))
    assert "ast.literal_eval" in refused(tmp_path, Table(literals, timestamp_unit="milliseconds"))
    array = text(tmp_path / "b.json", json.dumps(of_rows(), indent=1))
    assert "one JSON array" in refused(tmp_path, Table(array, timestamp_unit="milliseconds"))
    array = text(tmp_path / "c.json", json.dumps(of_rows()))
    assert "one JSON array" in refused(tmp_path, Table(array, timestamp_unit="milliseconds"))
    mixed = json_lines(tmp_path / "d.json", [*of_rows(), "{'user_id': 'u', 'item_id': 'a', 'timestamp': 1}"])
    assert "line 4; that line is a dictionary as Python" in refused(
        tmp_path, Table(mixed, timestamp_unit="milliseconds")
    )


def test_a_key_that_comes_late_is_read(tmp_path):
    rows = [{"user_id": f"u{n // 3}", "item_id": f"i{n}", "timestamp": T0 + n} for n in range(10_500)]
    rows[-1] |= {"rating": 2, "note": "x"}
    path = json_lines(tmp_path / "i.jsonl", rows)
    result = run(tmp_path, Table(path, timestamp_unit="milliseconds"))
    assert {row["item_id"]: row["rating"] for row in result.rows if row["rating"]} == {"i10499": 2.0}
    late = [{"title": "none", "n": n} for n in range(10_500)]
    late[-1]["item_id"] = "i"
    items = json_lines(tmp_path / "items.jsonl", late)
    assert [row["item_id"] for row in run(tmp_path, Table(items=items)).items] == ["i"]
    notes = run(tmp_path, Table(path, timestamp_unit="milliseconds", columns={"rating": "note"}))
    assert {row["rating"] for row in notes.rows} == {None}
    source = Table(path, timestamp_unit="milliseconds", columns={"rating": "stars"})
    assert "has no column 'stars' for rating" in refused(tmp_path, source)


@pytest.mark.parametrize("ending", [".csv", ".jsonl", ".parquet"])
@pytest.mark.parametrize("name", ["Title", "ITEM_ID"])
def test_a_header_that_differs_in_case_is_an_error_that_says_so(tmp_path, ending, name):
    row = {other if other.lower() != name.lower() else name: "x" for other in ("item_id", "title")}
    path = tmp_path / f"items{ending}"
    if ending == ".parquet":
        pq.write_table(pa.Table.from_pylist([row]), path)
    elif ending == ".jsonl":
        json_lines(path, [row])
    else:
        text(path, f"{','.join(row)}\nx,x\n")
    message = refused(tmp_path, Table(items=path))
    assert repr(name) in message
    assert "case" in message
    assert run(tmp_path, Table(items=path, columns={name.lower(): name})).items[0]["title"] == "x"


def test_atomic_files_of_recbole_are_read(tmp_path):
    inter = text(
        tmp_path / "shop.inter",
        "user_id:token\titem_id:token\trating:float\ttimestamp:float\n"
        + "".join(f"{user}\t{item}\t4.5\t{time / 1000}\n" for user, item, time in ROWS),
    )
    items = text(
        tmp_path / "shop.item",
        'item_id:token\ttitle:token_seq\tcategories:token_seq\na\t5" tablet "new\tMusic guitar\nb\tB\t\nc\tC\tBass\n',
    )
    result = run(tmp_path, Table(inter, items, timestamp_unit="seconds"))
    assert rows_of(result) == ROWS
    assert [(row["title"], row["categories"]) for row in result.items] == [
        ('5" tablet "new', ["Music", "guitar"]), ("B", []), ("C", ["Bass"]),
    ]  # fmt: skip


def test_metadata_of_amazon_2023_comes_as_parquet_alone_and_beside_json_lines(tmp_path):
    meta = [
        {"parent_asin": item, "title": f"t{item}", "description": ["one", "two"], "categories": ["A", "B"],
         "store": None, "price": "None", "details": "{}", "images": {"large": ["x"]}}
        for item in "abc"
    ]  # fmt: skip
    rows = of_rows(("user_id", "parent_asin", "timestamp"))
    reviews = json_lines(tmp_path / "reviews.jsonl", rows)
    for n in range(2):
        pq.write_table(pa.Table.from_pylist(meta[n : n + 1]), tmp_path / f"full-{n}.parquet")
    pq.write_table(pa.Table.from_pylist(meta[2:]), tmp_path / "full-2.parquet")
    beside = json_lines(tmp_path / "rest.jsonl", meta[2:])
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "reviews.parquet")
    results = [
        run(tmp_path, AmazonReviews2023((given,), tuple(files)))
        for given in (reviews, tmp_path / "reviews.parquet")
        for files in (
            [tmp_path / f"full-{n}.parquet" for n in range(3)],
            [tmp_path / "full-0.parquet", beside, tmp_path / "full-1.parquet"],
        )
    ]
    for result in results:
        assert rows_of(result) == ROWS
        assert [(row["title"], row["description"], row["categories"], row["store"]) for row in result.items] == [
            (f"t{item}", "one two", ["A", "B"], "") for item in "abc"
        ]
