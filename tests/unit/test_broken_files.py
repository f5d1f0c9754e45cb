"""Files of vectors, ids, codes and manifests that are broken: one sentence that names the file, and no other error."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from semid.embeddings import EmbeddingStore, OwnVectors, read_ids, write_manifest
from semid.errors import InputError
from semid.files import open_array, read_json
from semid.items import item_batches
from semid.jobs.manifest import write_run_manifest, write_tokenizer_manifest
from semid.quantizers import Decoder, RQKMeans
from semid.retrieval.inverted import InvertedIndex
from semid.semantic_ids import read_external_codes

DEEP = "[" * 100_000
HUGE = str(10**40)


def refusal(call: Callable[[], object]) -> str:
    with pytest.raises(InputError) as caught:
        call()
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("ids.json", DEEP),
        ("ids.json", f"[{HUGE}]"),
        ("ids.json", f"[{'9' * 5000}]"),
        ("ids.csv", "item_id" + "x" * 200_000 + "\na\n"),
        ("ids.csv", 'item_id,"' + "x" * 200_000 + "\na\n"),
        ("ids.npy", "PK\x03\x04" + "x" * 100),
        ("ids.npy", "\x93NUMPY\x01\x00v\x00{'descr': '<i8', 'fortran_order': False, 'shape': ((((((("),
        ("ids.txt", "a\n\xff\n"),
    ],
)
def test_ids_that_cannot_be_read_are_refused(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_bytes(content.encode("latin-1"))
    assert name in refusal(lambda: read_ids(OwnVectors(vectors=tmp_path / "v.npy", ids=tmp_path / name)))


def test_an_archive_holds_no_ids(tmp_path: Path) -> None:
    with (tmp_path / "ids.npy").open("wb") as file:
        np.savez(file, ids=np.arange(3))
    message = refusal(lambda: read_ids(OwnVectors(vectors=tmp_path / "v.npy", ids=tmp_path / "ids.npy")))
    assert "ids are an archive of arrays" in message


@pytest.mark.parametrize(
    "content", [DEEP, f'{{"a": {DEEP}', f'{{"a": [1, {HUGE}]}}', '{"a": [1.5]}', '{"\\ud800": [1]}']
)
def test_codes_that_cannot_be_read_are_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "index.json").write_text(content)
    assert "index.json" in refusal(lambda: list(read_external_codes(tmp_path / "index.json")))


def test_codes_of_eighteen_digits_are_read(tmp_path: Path) -> None:
    (tmp_path / "index.json").write_text(json.dumps({"a": [10**18 - 1]}))
    ((ids, codes),) = read_external_codes(tmp_path / "index.json")
    assert (ids.to_pylist(), codes.tolist()) == (["a"], [[10**18 - 1]])


@pytest.mark.parametrize("change", [-1, 1, 64])
def test_arrays_are_as_long_as_their_header_says(tmp_path: Path, change: int) -> None:
    np.save(tmp_path / "a.npy", np.ones((5, 3), np.float32))
    content = (tmp_path / "a.npy").read_bytes()
    (tmp_path / "a.npy").write_bytes(content[:change] if change < 0 else content + bytes(change))
    message = refusal(lambda: open_array(tmp_path / "a.npy", "f", "vectors", "; make it again"))
    assert re.search(r"a\.npy: not a whole \.npy file \(.*\); make it again", message)


def store(folder: Path) -> Path:
    for number in range(2):
        np.save(folder / f"{number}.npy", np.ones((5, 3), np.float32))
    write_manifest(folder / "manifest.json", [folder / "0.npy", folder / "1.npy"], {"model": "m"}, 10)
    return folder / "manifest.json"


@pytest.mark.parametrize(
    "change",
    [
        lambda manifest: {**manifest, "parts": manifest["parts"][:1]},
        lambda manifest: {**manifest, "parts": []},
        lambda manifest: {**manifest, "parts": [1, 2]},
        lambda manifest: {**manifest, "parts": [{**part, "file": None} for part in manifest["parts"]]},
        lambda manifest: {**manifest, "parts": [{**part, "file": "a\0b"} for part in manifest["parts"]]},
        lambda manifest: {**manifest, "parts": [{**part, "file": "."} for part in manifest["parts"]]},
        lambda manifest: {**manifest, "space": "m"},
        lambda manifest: {**manifest, "dim": "3"},
        lambda manifest: [manifest],
        lambda manifest: {**manifest, "note": float("nan")},
        lambda manifest: {key: value for key, value in manifest.items() if key != "rows"},
    ],
)
def test_a_manifest_of_embeddings_with_other_values_is_refused(tmp_path: Path, change: Callable) -> None:
    path = store(tmp_path)
    assert EmbeddingStore.open(path).shape == (10, 3)
    path.write_text(json.dumps(change(json.loads(path.read_text()))))
    assert "run the embedding step again" in refusal(lambda: EmbeddingStore.open(path))


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("items", [0, 1, 1]),
        ("items", [0, 1, 3]),
        ("items", [-1, 0, 1]),
        ("offsets", [0, 0, 3]),
        ("offsets", [1, 2, 3]),
        ("offsets", [0.0, 2.0, 3.0]),
    ],
)
def test_an_index_names_each_item_once(tmp_path: Path, field: str, values: list) -> None:
    InvertedIndex.build(np.array([[0], [1], [0]])).save(tmp_path)
    assert InvertedIndex.load(tmp_path).bucket_of_item.tolist() == [0, 1, 0]
    np.save(tmp_path / f"{field}.npy", np.array(values))
    assert "not of one inverted index: build the inverted index again" in refusal(lambda: InvertedIndex.load(tmp_path))


@pytest.mark.parametrize("content", ["", "{", "[]", DEEP, '{"a": NaN}', '{"a": 1e999}', '{"a": "\\ud800"}', "\xff"])
def test_json_that_cannot_be_written_again_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "a.json").write_bytes(content.encode("latin-1"))
    message = refusal(lambda: read_json(tmp_path / "a.json", "a manifest", "; make it again"))
    assert re.search(r"a\.json: not a manifest.*; make it again", message)


@pytest.mark.parametrize("content", ["{", "{}", '{"note": ""}', '{"dataset": "d", "seeds": 3}'])
def test_manifests_of_jobs_that_are_cut_off_are_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "data.json").write_text(content)
    for call in (
        lambda: write_run_manifest(tmp_path / "m.json", {"compute": {}}, [tmp_path / "data.json"], [], {}),
        lambda: write_tokenizer_manifest(tmp_path / "m.json", "d", "t", {}, tmp_path / "data.json", [], {}, {}),
    ):
        assert "data.json: not whole" in refusal(call).replace("not whole JSON of a job", "not whole")
    assert not (tmp_path / "m.json").exists()


@pytest.mark.parametrize(
    "change", [{"arguments": []}, {"arguments": {"num_levels": 10**30}}, {"class": []}, {"class": "Path"}]
)
def test_a_tokenizer_with_another_config_is_refused(tmp_path: Path, change: dict) -> None:
    RQKMeans(num_levels=2, codebook_size=2).fit(np.eye(4, dtype=np.float32)).save_pretrained(tmp_path)
    path = tmp_path / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    assert "cannot be read as a tokenizer" in refusal(lambda: Decoder.from_pretrained(tmp_path))


def test_broken_pages_of_items_are_told_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "items.parquet"
    pq.write_table(pa.table({"item_id": ["a", "b"]}), path)
    content = path.read_bytes()
    messages = []
    for at in range(4, 60):
        path.write_bytes(content[:at] + b"\x0f" * 8 + content[at + 8 :])
        try:
            list(item_batches(path, ["item_id"]))
        except InputError as error:
            messages.append(str(error))
    assert messages
    assert not [message for message in messages if "\n" in message]
