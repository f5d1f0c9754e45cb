"""What the random datasets and broken files of tests/fuzz found in the readers of raw files: each kind on one input."""

import gzip
import json
import logging
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from semid.data import Outputs, PreprocessSettings, Table, preprocess
from semid.data.formats import text_content
from semid.data.formats.quotes import with_line_feeds
from semid.errors import InputError

OFF = PreprocessSettings(k_core=0, repeats="keep")
LOOSE = PreprocessSettings(k_core=0, repeats="keep", max_malformed=0.9)


def items_of(folder: Path, content: str | bytes | pa.Table, name: str, settings=OFF, **options):
    """Return the items that are read from a file of this content, and stats.json."""
    path = folder / name
    if isinstance(content, pa.Table):
        pq.write_table(content, path)
    else:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    names = ("items", "train", "valid", "test")
    outputs = Outputs(*(folder / "out" / f"{split}.parquet" for split in names), stats=folder / "out" / "stats.json")
    preprocess(Table(items=path, **options), settings, outputs)
    return pq.read_table(outputs.items).to_pylist(), json.loads((folder / "out" / "stats.json").read_text())


def refusal(folder: Path, content: str | bytes | pa.Table, name: str, settings=OFF, **options) -> str:
    with pytest.raises(InputError) as caught:
        items_of(folder, content, name, settings, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# Lines


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "utf-16"])
def test_line_ends_that_differ_are_made_alike_in_one_copy(tmp_path, encoding, monkeypatch):
    copies = []
    make = text_content.mkstemp
    monkeypatch.setattr(text_content, "mkstemp", lambda **how: copies.append(how) or make(**how))
    content = 'item_id,title\r\na,"x"\nb,"y\nz"\r"c\rd",é\r\n'
    items, stats = items_of(tmp_path, content.encode(encoding), "items.csv", encoding=encoding)
    assert [(row["item_id"], row["title"]) for row in items] == [("a", "x"), ("b", "y z"), ("c\rd", "é")]
    assert list(stats["lines"].values()) == [3]
    assert len(copies) == 1


def test_files_whose_lines_end_alike_are_not_copied(tmp_path, monkeypatch):
    monkeypatch.setattr(text_content, "mkstemp", None)
    for end in ("\n", "\r\n"):
        items_of(tmp_path, f'item_id,title{end}a,"x"{end}', "items.csv")


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_line_ends_inside_of_quotes_stay_whatever_the_blocks(size):
    content = b'a,b\r\n1,"x\r\ny\r"\r2,5" z\r3,"q ""\r"" w"\n'
    blocks = [content[n : n + size] for n in range(0, len(content), size)]
    assert b"".join(with_line_feeds(blocks, ",")) == b'a,b\n1,"x\r\ny\r"\n2,5" z\n3,"q ""\r"" w"\n'
    assert b"".join(with_line_feeds(blocks, None)) == content.replace(b"\r\n", b"\n").replace(b"\r", b"\n")


def test_a_quote_that_nothing_closes_is_found_between_carriage_returns(tmp_path):
    lines = [f"i{n},t{n},s" for n in range(50)]
    lines[20] = 'i20,"5 inch,s'
    content = "\r".join(["item_id,title,store", *lines])
    message = refusal(tmp_path, content, "items.csv")
    assert "30 of 50 lines cannot be read, the first is line 22, where a quote opens that nothing closes" in message


def test_a_header_may_have_line_ends_inside_of_quotes(tmp_path):
    items, stats = items_of(tmp_path, '"item_id","long\nname",title\na,x,t\n', "items.csv")
    assert (items[0]["title"], list(stats["lines"].values())) == ("t", [1])
    assert "line 1 is empty; it has to be the header" in refusal(tmp_path, "\nitem_id,title\na,t\n", "items.csv")


def test_headers_of_atomic_files_have_no_quotes(tmp_path):
    items, _ = items_of(tmp_path, 'item_id:token\ttitle:token_seq\t"5:token\na\tt\tx\n', "shop.item")
    assert items[0]["title"] == "t"


@pytest.mark.parametrize(
    "line", ['{"item_id": "a"}{"item_id": "b"}', '{"item_id": "a"} x', '{"item_id": "a\tb"}', "[1]"]
)
def test_a_line_that_is_no_single_object_is_counted(tmp_path, line):
    items, stats = items_of(tmp_path, f'{line}\n\n  \n{{"item_id": "c"}}\n', "items.jsonl", LOOSE)
    assert [row["item_id"] for row in items] == ["c"]
    assert (list(stats["lines"].values()), list(stats["malformed_lines"].values())) == ([2], [1])


@pytest.mark.parametrize("n", [10, 20_000])
def test_json_lines_that_are_cut_off_are_an_error_wherever_the_cut_is(tmp_path, n):
    content = gzip.compress("".join(json.dumps({"item_id": f"i{i}"}) + "\n" for i in range(n)).encode())
    for cut in (1, 9, len(content) // 2):
        assert "the file is cut off" in refusal(tmp_path, content[:-cut], "items.jsonl.gz")


# Values


@pytest.mark.parametrize("size", [150_000, 2_500_000])
@pytest.mark.parametrize("ending", [".csv", ".jsonl"])
def test_long_values_are_read(tmp_path, ending, size):
    title = "long " * (size // 5)
    rows = f"item_id,title\na,{title}\nb,x\n" if ending == ".csv" else f'{{"item_id": "a", "title": "{title}"}}\n'
    items, _ = items_of(tmp_path, rows, f"items{ending}")
    assert items[0]["title"] == title.strip()


def test_bytes_are_texts_in_lists_of_every_form(tmp_path):
    for kind, value in (
        (pa.list_(pa.binary(), 2), ["é".encode(), b"b"]),
        (pa.large_list(pa.large_binary()), ["é".encode(), b"b"]),
        (pa.list_(pa.list_(pa.binary())), [["é".encode()], [b"b"]]),
    ):
        table = pa.table({"item_id": ["a"], "categories": pa.array([value], kind)})
        assert items_of(tmp_path, table, "items.parquet")[0][0]["categories"] == ["é", "b"]
    table = pa.table({"item_id": ["a"], "title": [b"\xff"]})
    assert "is no text in UTF-8: save ids and texts as strings" in refusal(tmp_path, table, "items.parquet")


def test_lists_of_lists_of_lists_are_one_list(tmp_path):
    nested = [[["A", "B"], ["C"]], [["D"]]]
    table = pa.table({"item_id": ["a"], "categories": [nested]})
    line = json.dumps({"item_id": "a", "categories": nested})
    for content, name in ((table, "items.parquet"), (line, "items.jsonl")):
        assert items_of(tmp_path, content, name)[0][0]["categories"] == ["A", "B", "C", "D"]


def test_lists_of_records_are_left_out_with_a_warning(tmp_path, caplog):
    row = {"item_id": "a", "title": "t", "categories": [{"name": "A"}]}
    for content, name in ((pa.Table.from_pylist([row]), "items.parquet"), (json.dumps(row), "items.jsonl")):
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            items, stats = items_of(tmp_path, content, name)
        assert items[0]["categories"] == []
        assert stats["wrong_types"]["items"] == {"categories": 1}
        assert "1 values of categories are records" in caplog.text


def test_decimals_that_are_fractions_are_no_ids(tmp_path):
    ids = pa.array([100, 250], pa.int32()).cast(pa.decimal128(12, 2))
    whole = pa.table({"item_id": ids})
    assert [row["item_id"] for row in items_of(tmp_path, whole, "items.parquet")[0]] == ["100", "250"]
    halves = pa.table({"item_id": pa.array([1.5, 2.0]).cast(pa.decimal128(12, 2))})
    assert "the first is 1.50 in row 1; write ids as integers or texts" in refusal(tmp_path, halves, "items.parquet")


# Names of columns


def test_a_name_that_comes_twice_is_an_error_in_every_format(tmp_path):
    table = pa.table([["a"], ["b"], ["t"]], names=["item_id", "item_id", "title"])
    assert "names a column twice: item_id, item_id, title" in refusal(tmp_path, table, "items.parquet")
    assert "names a column twice" in refusal(tmp_path, "item_id,item_id,title\na,b,t\n", "items.csv")


def test_names_that_differ_in_case_alone_are_an_error_unless_one_is_named(tmp_path):
    lines = '{"item_id": "a", "title": "t"}\n{"item_id": "b", "Title": "u"}\n'
    message = refusal(tmp_path, lines, "items.jsonl")
    assert "has both 'title' and 'Title', which differ in case or spaces alone" in message
    items, _ = items_of(tmp_path, lines, "items.jsonl", columns={"title": "Title"})
    assert [row["title"] for row in items] == ["", "u"]
    table = pa.table({"item_id": ["a"], "Title": ["t"], "title": ["u"]})
    assert "'Title'" in refusal(tmp_path, table, "items.parquet")
