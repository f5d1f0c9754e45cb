"""The user's own vectors: every form of file, in any order, lands in the order of the items; what is wrong is named."""

import json
import logging
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from semid.embeddings import EmbeddingStore, OwnVectors, catalogue_ids, embed_manifest, embed_shard, own_ids, read_ids
from semid.embeddings import store as store_module
from semid.embeddings.own_vectors import align
from semid.embeddings.settings import own_vector_files
from semid.errors import InputError
from semid.naming import part_name

IDS = ["30", "4", "100", "7", "21"]  # in the order of the vectors; items are sorted as strings
ITEMS = sorted(IDS)
VECTORS = np.arange(15, dtype=np.float32).reshape(5, 3)
EXPECTED = VECTORS[[IDS.index(item) for item in ITEMS]]


def write_items(folder: Path, ids: list[str] = ITEMS) -> Path:
    table = pa.table({"item_id": pa.array(ids, pa.string()), "in_core": [True] * len(ids)})
    pq.write_table(table, folder / "items.parquet", row_group_size=2)
    return folder / "items.parquet"


def write_ids(folder: Path, form: str, ids: list[str] = IDS) -> Path:
    if form == "txt":
        (folder / "ids.txt").write_text("".join(f"{name}\n" for name in ids))
        return folder / "ids.txt"
    if form == "txt-dos":
        (folder / "dos.txt").write_bytes(b"\xef\xbb\xbf" + "\r\n".join(ids).encode())
        return folder / "dos.txt"
    if form == "csv":
        (folder / "ids.csv").write_text("item_id,name\n" + "".join(f'{name},"a, b\nc"\n' for name in ids))
        return folder / "ids.csv"
    if form == "csv-one":
        (folder / "one.csv").write_text("asin\n" + "".join(f"{name}\n" for name in ids))
        return folder / "one.csv"
    if form == "json":
        (folder / "ids.json").write_text(json.dumps(ids))
        return folder / "ids.json"
    if form == "json-numbers":
        (folder / "numbers.json").write_text(json.dumps([int(name) for name in ids]))
        return folder / "numbers.json"
    if form.startswith("npy"):
        kinds = {"npy-text": str, "npy-bytes": bytes, "npy-numbers": np.int64, "npy-unsigned": np.uint16}
        np.save(folder / f"{form}.npy", np.array(ids).astype(kinds[form]))
        return folder / f"{form}.npy"
    columns = {"parquet": {"item_id": ids, "other": ids}, "parquet-one": {"key": [int(name) for name in ids]}}
    pq.write_table(pa.table(columns[form]), folder / f"{form}.parquet")
    return folder / f"{form}.parquet"


FORMS = [
    "txt",
    "txt-dos",
    "csv",
    "csv-one",
    "json",
    "json-numbers",
    "npy-text",
    "npy-bytes",
    "npy-numbers",
    "npy-unsigned",
]
FORMS += ["parquet", "parquet-one"]


def write_vectors(folder: Path, vectors: np.ndarray = VECTORS) -> Path:
    np.save(folder / "vectors.npy", vectors)
    return folder / "vectors.npy"


def write_table(folder: Path, kind: pa.DataType, rows: list | None = None, ids: list | None = None) -> Path:
    columns = {"item_id": pa.array(ids or IDS), "embedding": pa.array(VECTORS.tolist() if rows is None else rows, kind)}
    pq.write_table(pa.table(columns), folder / "table.parquet", row_group_size=2)
    return folder / "table.parquet"


def embed(folder: Path, settings: OwnVectors, shards: int = 1, items: list[str] = ITEMS) -> np.ndarray:
    parts = [folder / part_name(shard, shards) for shard in range(shards)]
    for shard, part in enumerate(parts):
        embed_shard(write_items(folder, items), shard, shards, settings, part)
    embed_manifest(folder / "items.parquet", parts, settings, folder / "manifest.json")
    return EmbeddingStore.open(folder / "manifest.json")[:]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("at_once", [2, 1000])
def test_every_form_of_ids_is_read_as_strings(
    tmp_path: Path, form: str, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own_ids, "IDS_AT_ONCE", at_once)
    settings = OwnVectors(vectors=write_vectors(tmp_path), ids=write_ids(tmp_path, form))
    assert read_ids(settings) == IDS
    np.testing.assert_array_equal(embed(tmp_path, settings), EXPECTED)


@pytest.mark.parametrize("shards", [1, 2, 5, 7])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int32"])
def test_vectors_of_any_number_type_and_shards(tmp_path: Path, shards: int, dtype: str) -> None:
    settings = OwnVectors(vectors=write_vectors(tmp_path, VECTORS.astype(dtype)), ids=write_ids(tmp_path, "txt"))
    found = embed(tmp_path, settings, shards)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, EXPECTED)


@pytest.mark.parametrize(
    "kind",
    [
        pa.list_(pa.float32()),
        pa.large_list(pa.float64()),
        pa.list_(pa.float32(), 3),
        pa.list_(pa.float16()),
        pa.list_(pa.int64()),
    ],
    ids=str,
)
@pytest.mark.parametrize("shards", [1, 3])
def test_columns_of_lists_of_numbers_are_vectors(tmp_path: Path, kind: pa.DataType, shards: int) -> None:
    rows = [[np.float16(x) for x in row] for row in VECTORS] if pa.types.is_float16(kind.value_type) else None
    settings = OwnVectors(table=write_table(tmp_path, kind, rows))
    assert read_ids(settings) == IDS
    np.testing.assert_array_equal(embed(tmp_path, settings, shards), EXPECTED)


def test_columns_of_a_table_have_the_names_that_settings_give(tmp_path: Path) -> None:
    table = pa.table({"asin": [int(name) for name in IDS], "v": VECTORS.tolist(), "item_id": ["x"] * 5})
    pq.write_table(table, tmp_path / "t.parquet")
    settings = OwnVectors(table=tmp_path / "t.parquet", id_column="asin", vector_column="v")
    np.testing.assert_array_equal(embed(tmp_path, settings), EXPECTED)
    with pytest.raises(InputError, match=r"t\.parquet: no column 'sku'; its columns are asin, v, item_id"):
        read_ids(OwnVectors(table=tmp_path / "t.parquet", id_column="sku"))
    with pytest.raises(InputError, match=r"t\.parquet: no column 'w'"):
        embed(tmp_path, OwnVectors(table=tmp_path / "t.parquet", id_column="asin", vector_column="w"))
    with pytest.raises(InputError, match="column 'asin' is int64; expected a list of numbers"):
        embed(tmp_path, OwnVectors(table=tmp_path / "t.parquet", id_column="asin", vector_column="asin"))


@pytest.mark.parametrize("form", ["npy", "table"])
def test_many_vectors_in_small_blocks(tmp_path: Path, form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "BLOCK_VALUES", 4 * 13)
    random = np.random.default_rng(3)
    vectors = random.normal(size=(500, 4)).astype(np.float32)
    ids = [str(n) for n in random.permutation(500)]
    items = sorted(ids)[::3]  # most vectors belong to no item
    if form == "npy":
        settings = OwnVectors(vectors=write_vectors(tmp_path, vectors), ids=write_ids(tmp_path, "txt", ids))
    else:
        table = pa.table({"item_id": ids, "embedding": vectors.tolist()})
        pq.write_table(table, tmp_path / "t.parquet", row_group_size=40)
        settings = OwnVectors(table=tmp_path / "t.parquet")
    expected = vectors[[ids.index(item) for item in items]]
    np.testing.assert_array_equal(embed(tmp_path, settings, 3, items), expected)


def test_vectors_are_taken_as_they_are_or_normalised(tmp_path: Path) -> None:
    vectors = np.array([[3.0, 4.0], [0.0, 0.0], [1e30, 0.0]])
    items = ["a", "b", "c"]
    files = {"vectors": write_vectors(tmp_path, vectors), "ids": write_ids(tmp_path, "txt", items)}
    np.testing.assert_array_equal(embed(tmp_path, OwnVectors(**files), items=items), vectors.astype(np.float32))
    found = embed(tmp_path, OwnVectors(**files, normalize=True, dtype="float16"), items=items)
    np.testing.assert_allclose(found, [[0.6, 0.8], [0, 0], [1, 0]], atol=1e-3)


def test_space_is_named_by_the_user(tmp_path: Path) -> None:
    settings = OwnVectors(vectors=write_vectors(tmp_path), ids=write_ids(tmp_path, "txt"), space="clip-2024")
    embed(tmp_path, settings)
    space = EmbeddingStore.open(tmp_path / "manifest.json").space
    assert space == {"model": "own vectors: clip-2024", "normalize": False, "dim": 3}


def test_align_gives_rows_of_vectors(tmp_path: Path) -> None:
    settings = OwnVectors(vectors=write_vectors(tmp_path), ids=write_ids(tmp_path, "npy-numbers"))
    rows = align(settings, ["7", "30"])
    assert rows.dtype == np.int64
    assert rows.tolist() == [3, 0]


def test_vectors_without_an_item_are_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    settings = OwnVectors(vectors=write_vectors(tmp_path), ids=write_ids(tmp_path, "txt"))
    with caplog.at_level(logging.WARNING):
        np.testing.assert_array_equal(embed(tmp_path, settings, items=["4", "7"]), VECTORS[[1, 3]])
    assert "vectors.npy: 5 vectors for 2 items: vectors of no item are left out" in caplog.text


def test_items_without_a_vector_are_counted_and_named(tmp_path: Path) -> None:
    settings = OwnVectors(vectors=write_vectors(tmp_path), ids=write_ids(tmp_path, "txt"))
    items = [*ITEMS, *(f"x{n}" for n in range(7))]
    with pytest.raises(InputError, match=r"ids\.txt: 7 of 12 items have no vector: 'x0', 'x1', 'x2', 'x3', 'x4', …;"):
        embed(tmp_path, settings, items=items)
    assert not (tmp_path / part_name(0, 1)).exists()


def test_no_overlap_shows_ids_of_both_sides(tmp_path: Path) -> None:
    settings = OwnVectors(vectors=write_vectors(tmp_path), ids=write_ids(tmp_path, "txt"))
    with pytest.raises(
        InputError, match=r"none of its 5 ids is one of these 2 items: ids '30', '4', .*; items 'B001', 'B002'"
    ):
        embed(tmp_path, settings, items=["B001", "B002"])


@pytest.mark.parametrize("form", ["txt", "parquet"])
@pytest.mark.parametrize("at_once", [1, 2, 100])
def test_repeated_ids_are_named(tmp_path: Path, form: str, at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_ids, "IDS_AT_ONCE", at_once)
    ids = write_ids(tmp_path, form, ["30", "4", "30", "7", "4"])
    with pytest.raises(InputError, match=r"2 ids appear more than once: '30', '4'"):
        embed(tmp_path, OwnVectors(vectors=write_vectors(tmp_path), ids=ids))


@pytest.mark.parametrize("count", [4, 6])
def test_another_number_of_ids_than_vectors_is_refused_with_both(tmp_path: Path, count: int) -> None:
    ids = write_ids(tmp_path, "txt", [*IDS, "500"][:count])
    with pytest.raises(InputError, match=rf"vectors\.npy: 5 vectors, but .*ids\.txt holds {count} ids"):
        embed(tmp_path, OwnVectors(vectors=write_vectors(tmp_path), ids=ids))


@pytest.mark.parametrize(
    ("vectors", "fault"),
    [
        (np.zeros(5), r"expected .*, found float64 \[5\]"),
        (np.zeros((5, 2, 2)), r"expected .*, found float64 \[5, 2, 2\]"),
        (np.zeros((5, 0)), "vectors of width 0"),
        (np.array([["a"]] * 5), r"expected .*, found <U1 \[5, 1\]"),
        (np.zeros((5, 2), complex), r"expected .*, found complex128 \[5, 2\]"),
    ],
)
def test_vectors_must_be_two_dimensional_numbers(tmp_path: Path, vectors: np.ndarray, fault: str) -> None:
    settings = OwnVectors(vectors=write_vectors(tmp_path, vectors), ids=write_ids(tmp_path, "txt"))
    with pytest.raises(InputError, match=rf"vectors\.npy: {fault}"):
        embed(tmp_path, settings)


def test_pickles_are_never_read(tmp_path: Path) -> None:
    np.save(tmp_path / "objects.npy", np.array([{}, []], dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match=r"objects\.npy: not a whole \.npy file \(.*Python objects in dtype"):
        embed(tmp_path, OwnVectors(vectors=tmp_path / "objects.npy", ids=write_ids(tmp_path, "txt")))
    with pytest.raises(InputError, match=r"objects\.npy: not a whole \.npy file \(.*Python objects in dtype"):
        read_ids(OwnVectors(vectors=write_vectors(tmp_path), ids=tmp_path / "objects.npy"))


def test_lists_of_different_length_name_the_row(tmp_path: Path) -> None:
    rows = [*VECTORS.tolist()[:3], [1.0, 2.0], [1.0] * 3]
    with pytest.raises(InputError, match=r"table\.parquet: row 3 of column 'embedding' holds 2 values; expected 3"):
        embed(tmp_path, OwnVectors(table=write_table(tmp_path, pa.list_(pa.float32()), rows)))


@pytest.mark.parametrize(
    ("kind", "message"),
    [(pa.list_(pa.float32()), "row 3 of column 'embedding' holds 0 values"), (pa.list_(pa.float32(), 3), "every row")],
    ids=str,
)
def test_a_row_without_a_list_is_refused(tmp_path: Path, kind: pa.DataType, message: str) -> None:
    rows = [*VECTORS.tolist()[:3], None, [1.0] * 3]
    with pytest.raises(InputError, match=rf"table\.parquet: .*{message}"):
        embed(tmp_path, OwnVectors(table=write_table(tmp_path, kind, rows)))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_values_that_are_not_finite_name_the_id(tmp_path: Path, bad: float, normalize: bool) -> None:
    vectors = VECTORS.copy()
    vectors[2, 1] = bad
    npy = OwnVectors(vectors=write_vectors(tmp_path, vectors), ids=write_ids(tmp_path, "txt"), normalize=normalize)
    table = OwnVectors(table=write_table(tmp_path, pa.list_(pa.float32()), vectors.tolist()), normalize=normalize)
    for settings in (npy, table):
        with pytest.raises(InputError, match="item '100' holds NaN or infinity"):
            embed(tmp_path, settings)
        # the vector of an item that is left out may hold anything
        assert embed(tmp_path, settings, items=["30", "4"]).shape == (2, 3)


@pytest.mark.parametrize("kind", [pa.float32(), pa.int64()], ids=str)
def test_a_null_inside_a_list_names_the_id(tmp_path: Path, kind: pa.DataType) -> None:
    rows = [[1, 2, 3], [1, None, 3], [1, 2, 3], [1, 2, 3], [1, 2, 3]]
    with pytest.raises(InputError, match="item '4' holds NaN"):
        embed(tmp_path, OwnVectors(table=write_table(tmp_path, pa.list_(kind), rows)))


def test_values_too_large_for_float16_say_to_use_float32(tmp_path: Path) -> None:
    files = {"vectors": write_vectors(tmp_path, VECTORS * 10_000), "ids": write_ids(tmp_path, "txt")}
    with pytest.raises(InputError, match="too large for float16: set `dtype: float32`"):
        embed(tmp_path, OwnVectors(**files, dtype="float16"))
    np.testing.assert_array_equal(embed(tmp_path, OwnVectors(**files)), EXPECTED * 10_000)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("ids.txt", "a\n\nb\n", "the id in row 1 is empty"),
        ("ids.txt", "", "no ids here"),
        ("ids.csv", "", "no column 'item_id'"),
        ("ids.csv", "sku,name\n1,2\n", "no column 'item_id'; its columns are sku, name"),
        ("ids.csv", 'item_id\n""\n', "the id in row 0 is empty"),
        ("ids.csv", "item_id,name\n1\n", "cannot read ids"),
        ("ids.json", "{}", "expected one JSON list"),
        ("ids.json", "[1, null]", "the id in row 1 is empty"),
        ("ids.json", '[1, "a"]', "cannot read ids"),
        ("ids.json", "[1.5, 2.5]", r"the id in row 0 is 1\.5, a double; expected strings or whole"),
        ("ids.json", "[1,", "cannot read ids"),
        ("ids.json", "[" * 100_000, "cannot read ids: it is nested too deeply"),
        ("ids.json", f"[{2**70}]", "cannot read ids"),
        ("ids.csv", f"item_id,{'x' * 200_000}\n1,2\n", "cannot read ids: field larger than field limit"),
        ("ids.parquet", "not parquet", "cannot read ids"),
        ("ids.npy", "not numpy", "not a whole .npy file"),
        ("ids.xlsx", "", "cannot read ids from this kind of file; expected .txt, .csv, .npy, .json, .parquet"),
    ],
)
def test_id_files_that_cannot_be_used_are_named(tmp_path: Path, name: str, content: str, message: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=rf"{name}: .*{message}"):
        read_ids(OwnVectors(vectors=tmp_path / "vectors.npy", ids=tmp_path / name))


@pytest.mark.parametrize("form", ["txt", "npy-text"])
def test_an_empty_id_is_named_by_its_row_of_the_file(
    tmp_path: Path, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own_ids, "IDS_AT_ONCE", 2)
    ids = write_ids(tmp_path, form, [*IDS[:3], "", "21"])
    with pytest.raises(InputError, match="the id in row 3 is empty"):
        embed(tmp_path, OwnVectors(vectors=write_vectors(tmp_path), ids=ids))


def test_missing_files_are_named(tmp_path: Path) -> None:
    vectors, ids = write_vectors(tmp_path), write_ids(tmp_path, "txt")
    for settings in (
        OwnVectors(vectors=vectors, ids=tmp_path / "absent.txt"),
        OwnVectors(vectors=tmp_path / "absent.npy", ids=ids),
        OwnVectors(table=tmp_path / "absent.parquet"),
    ):
        with pytest.raises(InputError, match=r"absent\.\w+: no such file"):
            embed(tmp_path, settings)


def test_npy_ids_must_be_strings_or_whole_numbers(tmp_path: Path) -> None:
    np.save(tmp_path / "ids.npy", np.arange(5) + 0.5)
    with pytest.raises(InputError, match=r"ids\.npy: the id in row 0 is 0\.5"):
        read_ids(OwnVectors(vectors=write_vectors(tmp_path), ids=tmp_path / "ids.npy"))
    np.save(tmp_path / "ids.npy", np.arange(5).astype(float))
    assert read_ids(OwnVectors(vectors=write_vectors(tmp_path), ids=tmp_path / "ids.npy")) == list("01234")
    np.save(tmp_path / "ids.npy", np.ones(5, bool))
    with pytest.raises(InputError, match=r"ids\.npy: ids are"):
        read_ids(OwnVectors(vectors=write_vectors(tmp_path), ids=tmp_path / "ids.npy"))


def test_every_reader_has_a_test() -> None:
    assert {f".{form.split('-')[0]}" for form in FORMS} == own_ids._ID_READERS.keys()


def test_own_vectors_are_a_catalogue_where_a_dataset_names_no_items(tmp_path: Path) -> None:
    options = {"vectors": str(write_vectors(tmp_path)), "ids": str(write_ids(tmp_path, "txt"))}
    assert own_vector_files(options) == options
    assert catalogue_ids(options) == read_ids(OwnVectors(**options))
    assert catalogue_ids({}) is None
    assert own_vector_files({"model": "bundled", "table": None}) == {}
    with pytest.raises(InputError, match="embeddings: an encoder has no ids"):
        catalogue_ids({"model": "hashing"})
