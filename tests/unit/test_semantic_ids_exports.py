"""Exports, each read back as the system reads it for which it is written."""

import ast
import csv
import json
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from semid.errors import InputError
from semid.semantic_ids import EXPORTS, ExportFiles, export_semantic_ids, read_external_codes
from semid.semantic_ids.exports import texts as texts_module
from semid.semantic_ids.exports import tokens as tokens_module
from semid.semantic_ids.exports.lcrec import LCRec

IDS = ["b", "007", "ü x", "d", "e"]
CODES = np.array([[12, 7, 200], [0, 0, 3], [12, 7, 0], [0, 0, 3], [3, 1, 9]])
TITLES = [
    "a\ttab, a\nline end and a \"quote\" 'single'",
    "brackets [1, 2] <a_0><b_0> {x}",
    "",
    "😀 \\n backslash \u2028 separator, comma",
    "']; __import__('os').system('false') #",
]
CLEAN = [
    "a tab, a line end and a \"quote\" 'single'",
    "brackets [1, 2] <a_0><b_0> {x}",
    "Item_2",
    "😀 \\n backslash separator, comma",
    "']; __import__('os').system('false') #",
]
DESCRIPTIONS = ["plain", "['evil'.upper()]", None, "[1, 2]", "a\r\nb"]
CLEAN_DESCRIPTIONS = ["plain", "['evil'.upper()]", "", "[1, 2]", "a b"]
SIDS = ["<a_12><b_7><c_200>", "<a_0><b_0><c_3>", "<a_12><b_7><c_0>", "<a_0><b_0><c_3>", "<a_3><b_1><c_9>"]
# users in order of appearance, and their items by number; "gone" is an item without an ID
TRAIN = [("u,1", "b"), ("u,1", "007"), ("u\t2", "e"), ("u\t2", "ü x"), ("u\t2", "b"), ("alone", "b"), ("two", "gone")]
VALID = [("u,1", "ü x"), ("u\t2", "d"), ("two", "d")]
TEST = [("u,1", "d"), ("u\t2", "007"), ("two", "e")]
HISTORIES = {0: [0, 1, 2, 3], 1: [4, 2, 0, 3, 1], 2: [0], 3: [3, 4]}
CONFIG = {"class": "RQKMeans", "arguments": {"num_levels": 3, "codebook_size": 256}}


def write_table(path: Path, ids: list[str] = IDS, codes: np.ndarray = CODES) -> Path:
    levels = {f"c{level + 1}": column for level, column in enumerate(codes.T)}
    pq.write_table(pa.table({"item_id": ids, **levels}), path, row_group_size=2)
    return path


def write_split(path: Path, rows: list[tuple[str, str]]) -> None:
    columns = {"user_id": [user for user, _ in rows], "item_id": [item for _, item in rows]}
    pq.write_table(pa.table({**columns, "timestamp": list(range(len(rows)))}), path, row_group_size=2)


@pytest.fixture
def files(tmp_path: Path) -> ExportFiles:
    folder = tmp_path / "data"
    folder.mkdir()
    texts = {"item_id": IDS, "title": TITLES, "description": DESCRIPTIONS}
    pq.write_table(pa.table(texts), folder / "items.parquet", row_group_size=3)
    for name, rows in (("train", TRAIN), ("valid", VALID), ("test", TEST)):
        write_split(folder / f"{name}.parquet", rows)
    (folder / "config.json").write_text(json.dumps(CONFIG))
    return ExportFiles(write_table(folder / "table.parquet"), folder / "items.parquet", folder, folder / "config.json")


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens_module, "ROWS_AT_ONCE", 2)


def export(files: ExportFiles, name: str, folder: Path, /, **options: Any) -> dict[str, Any]:
    return export_semantic_ids(files, name, folder, options, ("shop", "rqkmeans_3x256"))


def read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def item_numbers(folder: Path) -> dict[str, int]:
    lines = (folder / "item2id.tsv").read_text(encoding="utf-8").splitlines()
    return {name: int(number) for name, number in (line.split("\t") for line in lines)}


# what a format leaves beside item2id.tsv and manifest.json
FILES = {
    "lcrec": {"shop.index.json", "shop.inter.json", "shop.item.json", "user2id.tsv"},
    "minionerec": {
        "index/Office_Products.index.json",
        "index/Office_Products.item.json",
        "info/Office_Products_5_2016-10-2018-11.txt",
        "user2id.tsv",
        *(f"{split}/Office_Products_5_2016-10-2018-11.csv" for split in ("train", "valid", "test")),
    },
    "openonerec": {
        "codes.parquet",
        "pid2sid.parquet",
        "tokens.txt",
        "sft.parquet",
        "valid.parquet",
        "test.parquet",
        "user2id.tsv",
        "README.md",
    },
    "flashrec": {"sid2vid.json", "README.md"},
    "sidinspector": {"sid_assignments.parquet", "interactions.parquet"},
    "grid": {"semantic_ids.npy", "README.md"},
    "hf": {
        "tokens.txt",
        "semantic_ids.parquet",
        "dataset_info.json",
        "user2id.tsv",
        *(f"{form}/{split}.jsonl" for form in ("messages", "instructions") for split in ("train", "valid", "test")),
    },
}
OPTIONS: dict[str, dict[str, Any]] = {"minionerec": {"category": "Office_Products"}}


@pytest.mark.parametrize("name", EXPORTS)
def test_every_format_numbers_the_items_and_names_its_files_in_a_manifest_that_comes_last(
    files: ExportFiles, tmp_path: Path, name: str
) -> None:
    folder = tmp_path / name
    manifest = export(files, name, folder, **OPTIONS.get(name, {}))
    written = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert written == {"item2id.tsv", "manifest.json", *FILES[name]}
    assert {entry["file"] for entry in manifest["files"]} == written - {"manifest.json"}
    assert read_json(folder / "manifest.json") == manifest
    assert item_numbers(folder) == dict(zip(IDS, range(5), strict=True))
    assert (manifest["items"], manifest["levels"], manifest["codes_of_levels"]) == (5, 3, [256, 256, 256])
    assert manifest["items_sharing_an_id"] == 2


@pytest.mark.parametrize("name", EXPORTS)
def test_the_same_input_gives_the_same_bytes_in_a_folder_that_held_an_export(
    files: ExportFiles, tmp_path: Path, name: str
) -> None:
    folder = tmp_path / name
    export(files, name, folder)
    first = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name != "manifest.json"}
    export(files, name, folder)
    assert first == {path: path.read_bytes() for path in first}


def ids_as_written(folder: Path, name: str) -> dict[str, str]:
    """The ID of each item in an export of three codes, letter for letter."""
    numbers = item_numbers(folder)
    if name in ("lcrec", "minionerec"):
        index = read_json(next(folder.rglob("*.index.json")))
        return {item: json.dumps(index[str(number)]) for item, number in numbers.items()}
    if name == "openonerec":
        codes, sids = (pq.read_table(folder / f"{file}.parquet").to_pylist() for file in ("codes", "pid2sid"))
        return {item: str((codes[number]["codes"], sids[number]["sid"])) for item, number in numbers.items()}
    if name == "sidinspector":
        columns = ["sid", *(f"sid_level_{level}" for level in range(3))]
        rows = pq.read_table(folder / "sid_assignments.parquet").to_pylist()
        return {row["item_id"]: str([row[column] for column in columns]) for row in rows}
    if name == "grid":
        codes = np.load(folder / "semantic_ids.npy")
        return {item: str(codes[:, number].tolist()) for item, number in numbers.items()}
    rows = pq.read_table(folder / "semantic_ids.parquet").to_pylist()
    return {row["item_id"]: row["sid"] for row in rows}


@pytest.mark.parametrize("name", EXPORTS)
def test_a_grown_catalogue_keeps_the_id_of_every_old_item(files: ExportFiles, tmp_path: Path, name: str) -> None:
    """Two new items, of which one stands first and moves the numbers of all others; one has an ID that others share."""
    grown_ids = ["new", *IDS, "also new"]
    grown_codes = np.concatenate([[[12, 7, 0]], CODES, [[255, 255, 255]]])
    grown = ExportFiles(
        write_table(tmp_path / "grown.parquet", grown_ids, grown_codes),
        tmp_path / "items.parquet",
        files.interactions,
        files.config,
    )
    texts = {"item_id": grown_ids, "title": ["", *TITLES, "z"], "description": [None, *DESCRIPTIONS, None]}
    pq.write_table(pa.table(texts), tmp_path / "items.parquet")
    for of, folder in ((files, tmp_path / "old"), (grown, tmp_path / "new")):
        export(of, name, folder, **OPTIONS.get(name, {}))
    assert (tmp_path / "old/tokens.txt").exists() == (tmp_path / "new/tokens.txt").exists()
    if (tmp_path / "old/tokens.txt").exists():
        assert (tmp_path / "old/tokens.txt").read_bytes() == (tmp_path / "new/tokens.txt").read_bytes()
    if name == "flashrec":
        old, new = (read_json(tmp_path / folder / "sid2vid.json") for folder in ("old", "new"))
        assert set(new) - set(old) == {"255,255,255"}
        assert set(old) < set(new)
        return
    old, new = (ids_as_written(tmp_path / folder, name) for folder in ("old", "new"))
    assert list(old) == IDS
    assert list(new) == grown_ids
    assert {item: new[item] for item in IDS} == old


def test_lcrec_reads_ids_titles_and_whole_histories(files: ExportFiles, tmp_path: Path) -> None:
    manifest = export(files, "lcrec", tmp_path / "out", name="ds")
    index, items, inters = (read_json(tmp_path / "out" / f"ds.{kind}.json") for kind in ("index", "item", "inter"))
    assert {number: "".join(tokens) for number, tokens in index.items()} == dict(zip("01234", SIDS, strict=True))
    assert [items[str(number)]["title"] for number in range(5)] == CLEAN
    assert [items[str(number)]["description"] for number in range(5)] == CLEAN_DESCRIPTIONS
    # as their data.py goes through it
    assert inters == {str(user): items for user, items in HISTORIES.items() if len(items) >= 3}
    assert all("".join(index[str(item)]) for items in inters.values() for item in items)
    assert manifest["users"] == 2
    assert manifest["users_left_out"] == 2
    assert manifest["interactions_without_id"] == 1
    assert manifest["items_without_title"] == 1
    assert (tmp_path / "out/user2id.tsv").read_text(encoding="utf-8") == "u,1\t0\nu 2\t1\n"


@pytest.mark.parametrize("name", ["lcrec", "minionerec"])
def test_ids_of_index_json_come_back_through_our_importer(files: ExportFiles, tmp_path: Path, name: str) -> None:
    export(files, name, tmp_path / name)
    index = next((tmp_path / name).rglob("*.index.json"))
    (batch,) = read_external_codes(index, tmp_path / name / "item2id.tsv")
    assert batch.ids.to_pylist() == IDS
    assert np.array_equal(batch.codes, CODES)


def minionerec_rows(folder: Path, split: str) -> list[dict[str, Any]]:
    """The rows of a split as their data.py reads them, but for eval."""
    table = pd.read_csv(next((folder / split).iterdir()))
    rows = table.to_dict("records")
    for row in rows:
        for column in ("history_item_title", "history_item_id", "history_item_sid"):
            row[column] = ast.literal_eval(row[column])
    return rows


def test_minionerec_reads_titles_by_id_and_the_examples_of_each_split(files: ExportFiles, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    manifest = export(files, "minionerec", folder, category="Office_Products", history=2)
    lines = (folder / "info/Office_Products_5_2016-10-2018-11.txt").read_text(encoding="utf-8").splitlines()
    assert [line.split("\t") for line in lines] == [
        [sid, title, str(number)] for number, (sid, title) in enumerate(zip(SIDS, CLEAN, strict=True))
    ]
    rows = {split: minionerec_rows(folder, split) for split in ("train", "valid", "test")}
    found = {split: [(row["user_id"], row["history_item_id"], row["item_id"]) for row in rows[split]] for split in rows}
    assert found == {
        "train": [("A0", [0], 1), ("A1", [4], 2), ("A1", [4, 2], 0)],
        "valid": [("A0", [0, 1], 2), ("A1", [2, 0], 3)],
        "test": [("A0", [1, 2], 3), ("A1", [0, 3], 1), ("A3", [3], 4)],
    }
    for row in (row for split in rows.values() for row in split):
        assert row["history_item_title"] == [CLEAN[item] for item in row["history_item_id"]]
        assert row["history_item_sid"] == [SIDS[item] for item in row["history_item_id"]]
        assert (row["item_title"], row["item_sid"]) == (CLEAN[row["item_id"]], SIDS[row["item_id"]])
    assert manifest["lines"] == {"train": 3, "valid": 2, "test": 3}
    assert (manifest["users"], manifest["users_left_out"]) == (3, 1)


def test_no_description_is_evaluated_by_minionerec(files: ExportFiles, tmp_path: Path) -> None:
    export(files, "minionerec", tmp_path / "out", category="Books")
    items = read_json(tmp_path / "out/index/Books.item.json")
    descriptions = [items[str(number)]["description"] for number in range(5)]
    assert [description.strip() for description in descriptions] == CLEAN_DESCRIPTIONS
    assert not any(text.startswith("[") for text in descriptions)


def test_minionerec_says_what_its_scripts_do_not_know(
    files: ExportFiles, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    export(files, "minionerec", tmp_path / "out", category="Wine")
    assert "Wine is no category that MiniOneRec knows: add it to category_dict" in caplog.text
    write_table(Path(files.table), codes=CODES[:, :2])
    export(ExportFiles(files.table, files.items, files.interactions), "minionerec", tmp_path / "two")
    assert "IDs have 2 codes" in caplog.text
    with pytest.raises(InputError, match="exports: minionerec: category must be letters, digits"):
        export(files, "minionerec", tmp_path / "out", category="a/b")


def test_openonerec_reads_codes_and_messages(files: ExportFiles, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    manifest = export(files, "openonerec", folder)
    for name, column in (("codes", "codes"), ("pid2sid", "sid")):
        table = pq.read_table(folder / f"{name}.parquet")
        assert [field.type for field in table.schema] == [pa.int64(), pa.list_(pa.int64())]
        assert table.to_pydict() == {"pid": [0, 1, 2, 3, 4], column: CODES.tolist()}
    tokens = (folder / "tokens.txt").read_text().splitlines()
    expected = [f"<s_{letter}_{code}>" for letter in "abc" for code in range(256)]
    assert tokens == [*expected, "<|sid_begin|>", "<|sid_end|>"]
    rows = pq.read_table(folder / "sft.parquet").to_pylist()
    assert set(rows[0]) == {"source", "uuid", "messages", "metadata"}
    assert len({row["uuid"] for row in rows}) == len(rows) == 3
    messages = json.loads(rows[2]["messages"])
    assert [message["role"] for message in messages] == ["system", "user", "assistant"]
    assert [message["content"][0]["type"] for message in messages] == ["text"] * 3
    assert messages[2]["content"][0]["text"] == "<|sid_begin|><s_a_12><s_b_7><s_c_200><|sid_end|>"
    history = "<|sid_begin|><s_a_3><s_b_1><s_c_9><|sid_end|><|sid_begin|><s_a_12><s_b_7><s_c_0><|sid_end|>"
    assert history in messages[1]["content"][0]["text"]
    tests = pq.read_table(folder / "test.parquet").to_pylist()
    assert [json.loads(row["metadata"]) for row in tests] == [
        {"uid": "u,1", "pid": 3, "item_id": "d"},
        {"uid": "u\t2", "pid": 1, "item_id": "007"},
        {"uid": "two", "pid": 4, "item_id": "e"},
    ]
    assert manifest["lines"] == {"train": 3, "valid": 2, "test": 3}


def test_flashrec_reads_each_id_once_sorted_as_numbers(files: ExportFiles, tmp_path: Path) -> None:
    manifest = export(files, "flashrec", tmp_path / "out")
    text = (tmp_path / "out/sid2vid.json").read_text()
    assert text == '{"0,0,3":1,"3,1,9":1,"12,7,0":1,"12,7,200":1}'
    assert manifest["distinct_ids"] == 4
    keys = [tuple(map(int, key.split(","))) for key in json.loads(text)]
    assert all(low < high for low, high in pairwise(keys))


def test_sidinspector_reads_assignments_and_interactions(files: ExportFiles, tmp_path: Path) -> None:
    export(files, "sidinspector", tmp_path / "out")
    table = pq.read_table(tmp_path / "out/sid_assignments.parquet")
    levels = [f"sid_level_{level}" for level in range(3)]
    assert table.column_names == ["item_id", *levels, "sid", "method", "dataset"]
    assert np.array_equal(np.stack([table[name].to_numpy() for name in levels], axis=1), CODES)
    assert table["sid"].to_pylist() == ["-".join(map(str, row)) for row in CODES]
    assert set(table["method"].to_pylist()) == {"rqkmeans_3x256"}
    assert set(table["dataset"].to_pylist()) == {"shop"}
    rows = pq.read_table(tmp_path / "out/interactions.parquet").to_pylist()
    given = [
        *((*row, "train") for row in TRAIN),
        *((*row, "valid") for row in VALID),
        *((*row, "test") for row in TEST),
    ]
    assert sorted((row["user_id"], row["item_id"], row["split"]) for row in rows) == sorted(
        row for row in given if row[1] != "gone"
    )


def test_the_lines_of_the_readme_make_the_tensor_of_grid(files: ExportFiles, tmp_path: Path) -> None:
    import torch

    folder = tmp_path / "out"
    export(files, "grid", folder)
    readme = (folder / "README.md").read_text()
    code = readme.partition("```python\n")[2].partition("```")[0]
    assert len(code.splitlines()) == 3
    subprocess.run([sys.executable, "-c", code], cwd=folder, check=True)
    tensor = torch.load(folder / "semantic_ids.pt", weights_only=True)
    assert tensor.dtype == torch.int64
    assert torch.equal(tensor, torch.from_numpy(CODES.T))


def read_lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_fine_tuning_text_asks_in_the_same_words_in_all_splits(files: ExportFiles, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    manifest = export(files, "hf", folder, history=2)
    lines = {split: read_lines(folder / f"messages/{split}.jsonl") for split in ("train", "valid", "test")}
    asked = {
        split: [line["messages"][0]["content"] for line in lines[split] if "Next item?" in str(line)] for split in lines
    }
    assert [len(asked[split]) for split in asked] == [3, 2, 3]
    assert {text.partition("<")[0] for texts in asked.values() for text in texts} == {
        "Items of a user, the oldest first: "
    }
    assert lines["test"][0] == {
        "messages": [
            {"role": "user", "content": f"Items of a user, the oldest first: {SIDS[1]}, {SIDS[2]}\nNext item?"},
            {"role": "assistant", "content": SIDS[3]},
        ],
        "user_id": "u,1",
        "item_id": "d",
    }
    titles = [line["messages"] for line in lines["train"][3:]]
    # the item without a title asks for nothing
    assert len(titles) == 2 * 4
    assert titles[0][0]["content"] == f"Item: {SIDS[0]}\nTitle?"
    assert titles[0][1]["content"] == CLEAN[0]
    assert titles[1][1]["content"] == SIDS[0]
    assert manifest["lines"] == {"train": 11, "valid": 2, "test": 3}
    instructions = read_lines(folder / "instructions/valid.jsonl")
    assert instructions[0] == {
        "instruction": "Predict the next item.",
        "input": f"{SIDS[0]}, {SIDS[1]}",
        "output": SIDS[2],
        "user_id": "u,1",
        "item_id": "ü x",
    }


def test_llama_factory_finds_every_file_that_dataset_info_names(files: ExportFiles, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    export(files, "hf", folder)
    information = read_json(folder / "dataset_info.json")
    assert len(information) == 6
    for entry in information.values():
        lines = read_lines(folder / entry["file_name"])
        # as LLaMA-Factory takes an example apart
        assert all(column in line for line in lines for column in entry["columns"].values())
        if entry["formatting"] == "sharegpt":
            tags = entry["tags"]
            turns = [[turn[tags["role_tag"]] for turn in line[entry["columns"]["messages"]]] for line in lines]
            assert all(roles == [tags["user_tag"], tags["assistant_tag"]] for roles in turns)


def test_tokens_are_level_major_with_all_codes_of_the_tokenizer(files: ExportFiles, tmp_path: Path) -> None:
    manifest = export(files, "hf", tmp_path / "out", forms=["messages"], titles=False)
    tokens = (tmp_path / "out/tokens.txt").read_text().splitlines()
    assert tokens == [f"<{letter}_{code}>" for letter in "abc" for code in range(256)]
    assert (manifest["tokens"], manifest["first_token"]) == (768, None)
    assert manifest["options"] == {"tokenizer": None, "history": 50, "forms": ["messages"], "titles": False}
    assert pq.read_table(tmp_path / "out/semantic_ids.parquet").to_pydict() == {
        "item_id": IDS,
        "number": [0, 1, 2, 3, 4],
        "sid": SIDS,
    }


def test_a_level_behind_those_of_the_tokenizer_is_as_wide_as_it_needs_to_be(files: ExportFiles, tmp_path: Path) -> None:
    suffixed = np.hstack([CODES, [[0], [0], [0], [1], [0]]])
    write_table(Path(files.table), codes=suffixed)
    manifest = export(files, "hf", tmp_path / "out")
    assert manifest["codes_of_levels"] == [256, 256, 256, 2]
    assert manifest["items_sharing_an_id"] == 0
    assert (tmp_path / "out/tokens.txt").read_text().splitlines()[-2:] == ["<d_0>", "<d_1>"]


def test_without_a_config_a_level_has_the_codes_that_its_largest_needs(files: ExportFiles, tmp_path: Path) -> None:
    manifest = export(ExportFiles(files.table), "flashrec", tmp_path / "out")
    assert manifest["codes_of_levels"] == [13, 8, 201]


@pytest.mark.parametrize("name", [name for name, export in EXPORTS.items() if not export.needs])
def test_formats_that_need_no_interactions_do_without(files: ExportFiles, tmp_path: Path, name: str) -> None:
    manifest = export(ExportFiles(files.table), name, tmp_path / "out")
    assert manifest["items"] == 5
    assert "users" not in manifest


@pytest.mark.parametrize("name", [name for name, export in EXPORTS.items() if export.needs])
def test_formats_that_need_titles_and_interactions_say_so_in_a_sentence(
    files: ExportFiles, tmp_path: Path, name: str
) -> None:
    with pytest.raises(InputError, match=f"exports: {name} needs interactions, which this dataset does not have"):
        export(ExportFiles(files.table, files.items), name, tmp_path / "out")
    with pytest.raises(InputError, match=f"exports: {name} needs titles of items: give the item table"):
        export(ExportFiles(files.table, interactions=files.interactions), name, tmp_path / "out")


@pytest.mark.parametrize(
    ("name", "levels", "refusal"),
    [
        ("lcrec", 6, "does not take IDs of 6 codes, since its letters a to e"),
        ("openonerec", 4, "does not take IDs of 4 codes, since its scripts take exactly three"),
        ("openonerec", 2, "does not take IDs of 2 codes"),
        ("flashrec", 1, "does not take IDs of 1 code, since it takes a single number for several codes"),
        ("hf", 27, "does not take IDs of 27 codes, since the letters a to z name the levels"),
    ],
)
def test_ids_of_another_number_of_codes_are_refused(
    files: ExportFiles, tmp_path: Path, name: str, levels: int, refusal: str
) -> None:
    write_table(Path(files.table), codes=np.zeros((5, levels), int))
    with pytest.raises(InputError, match=f"exports: {name} {refusal}"):
        export(ExportFiles(files.table, files.items, files.interactions), name, tmp_path / "out")


def test_items_and_interactions_in_any_order_are_found_by_id(files: ExportFiles, tmp_path: Path) -> None:
    reverse = {"title": TITLES[::-1], "item_id": IDS[::-1], "description": DESCRIPTIONS[::-1]}
    pq.write_table(pa.table(reverse), files.items)
    export(files, "lcrec", tmp_path / "reverse", name="ds")
    items = read_json(tmp_path / "reverse/ds.item.json")
    assert [items[str(number)]["title"] for number in range(5)] == CLEAN
    pq.write_table(pa.table({"item_id": ["d", "of no ID"], "title": ["Delta", "x"]}), files.items)
    manifest = export(files, "lcrec", tmp_path / "some", name="ds")
    items = read_json(tmp_path / "some/ds.item.json")
    assert [items[str(number)]["title"] for number in range(5)] == ["Item_0", "Item_1", "Item_2", "Delta", "Item_4"]
    assert manifest["items_without_title"] == 4
    pq.write_table(pa.table({"item_id": ["x"], "title": ["x"]}), files.items)
    with pytest.raises(InputError, match="none of its items has one of these 5 IDs"):
        export(files, "lcrec", tmp_path / "none")


def test_one_table_of_interactions_is_split_by_its_last_two_items(files: ExportFiles, tmp_path: Path) -> None:
    rows = [("u", "d", "40"), ("v", "b", "7"), ("u", "b", "10"), ("u", "007", "20"), ("u", "e", "30")]
    path = tmp_path / "purchases.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("user_id", "item_id", "timestamp"), *rows])
    items = tmp_path / "items.csv"
    with items.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("item_id", "title"), *zip(IDS, TITLES, strict=True)])
    export(ExportFiles(files.table, items, path), "minionerec", tmp_path / "out", category="Books")
    found = {
        split: [(row["history_item_id"], row["item_id"]) for row in minionerec_rows(tmp_path / "out", split)]
        for split in ("train", "valid", "test")
    }
    assert found == {"train": [([0], 1)], "valid": [([0, 1], 4)], "test": [([0, 1, 4], 3)]}


def test_a_table_of_any_form_of_ids_is_exported(files: ExportFiles, tmp_path: Path) -> None:
    path = tmp_path / "codes.csv"
    path.write_text(
        "item_id,code_str\n"
        + "".join(f"{item},{'-'.join(map(str, row))}\n" for item, row in zip(IDS, CODES, strict=True))
    )
    export(ExportFiles(path), "flashrec", tmp_path / "csv")
    export(ExportFiles(files.table), "flashrec", tmp_path / "parquet")
    assert (tmp_path / "csv/sid2vid.json").read_bytes() == (tmp_path / "parquet/sid2vid.json").read_bytes()


@pytest.mark.parametrize(
    ("ids", "refusal"),
    [
        (["a", "b", "a\tb", "d", "e"], "hold a tab or a line end"),
        (["a", "b", "a\n", "d", "e"], "hold a tab or a line end"),
        (["a", "b", "a", "d", "e"], "more than one semantic ID for 'a'"),
    ],
)
def test_ids_that_no_file_of_numbers_can_hold_are_refused(tmp_path: Path, ids: list[str], refusal: str) -> None:
    table = write_table(tmp_path / "table.parquet", ids)
    with pytest.raises(InputError, match=refusal):
        export(ExportFiles(table), "grid", tmp_path / "out")
    assert not (tmp_path / "out/manifest.json").exists()


def test_what_is_no_export_is_not_written_over(files: ExportFiles, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match="expected an empty folder or one with an export"):
        export(files, "grid", folder)
    assert (folder / "mine.txt").read_text() == "mine"
    export_semantic_ids(files, "grid", folder, replace=True)
    assert not (folder / "mine.txt").exists()
    (folder / "mine.txt").write_text("mine")
    # what another export left goes, and nothing else
    export(files, "flashrec", folder)
    assert {path.name for path in folder.iterdir()} == {
        "mine.txt",
        "README.md",
        "sid2vid.json",
        "item2id.tsv",
        "manifest.json",
    }


def test_a_config_of_other_ids_is_refused(files: ExportFiles, tmp_path: Path) -> None:
    config = Path(str(files.config))
    config.write_text(json.dumps({"arguments": {"num_levels": 3, "codebook_size": 16}}))
    with pytest.raises(InputError, match="code 200 of level 3 is none of the 16"):
        export(files, "grid", tmp_path / "out")
    config.write_text(json.dumps({"arguments": {"num_levels": 4, "codebook_size": 256}}))
    with pytest.raises(InputError, match=r"not the config\.json of a tokenizer of at most 3 levels"):
        export(files, "grid", tmp_path / "out")


def test_an_unknown_format_or_option_is_named_with_those_there_are(files: ExportFiles, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="unknown export format 'lc': expected one of lcrec, minionerec"):
        export(files, "lc", tmp_path / "out")
    with pytest.raises(InputError, match="exports: lcrec: its options are name, got title"):
        export(files, "lcrec", tmp_path / "out", title="x")


def test_reading_the_registry_imports_neither_numpy_nor_torch() -> None:
    code = "import sys, semid.semantic_ids.exports.registry; print([m for m in ('numpy', 'torch') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"


def test_an_error_of_a_writer_is_not_blamed_on_the_table_of_items(
    files: ExportFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(*_: Any) -> None:
        raise PermissionError("not here")

    monkeypatch.setattr(LCRec, "write", write)
    with pytest.raises(PermissionError, match="not here"):
        export(files, "lcrec", tmp_path / "out")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"item2id.tsv"}


def test_texts_lie_in_a_file_and_leave_none_behind(files: ExportFiles, tmp_path: Path) -> None:
    ids = pa.array(IDS, pa.large_string())
    with texts_module.item_texts_of(str(files.items), ids, tmp_path) as texts:
        assert [texts.title(number) for number in range(5)] == CLEAN
    assert {path.name for path in tmp_path.iterdir()} == {"data"}
