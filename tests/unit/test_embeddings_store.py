"""The sharded store: whatever the number of parts, it is one array; its manifest trusts nothing it has not checked."""

import json
from pathlib import Path

import numpy as np
import pytest

from semid.embeddings import EmbeddingStore, Rows, shard_range, write_manifest
from semid.embeddings.store import cast, new_part
from semid.errors import InputError
from semid.naming import part_name

SPACE = {"model": "test", "text": "{title}"}


def write_store(folder: Path, vectors: np.ndarray, shards: int) -> Path:
    parts = []
    for shard in range(shards):
        start, stop = shard_range(len(vectors), shard, shards)
        parts.append(folder / part_name(shard, shards))
        with new_part(parts[-1], stop - start, vectors.shape[1], vectors.dtype.name) as part:
            part[:] = vectors[start:stop]
    manifest = folder / "manifest.json"
    write_manifest(manifest, parts, SPACE, len(vectors))
    return manifest


def random_vectors(rows: int, dim: int, dtype: str = "float16") -> np.ndarray:
    return np.random.default_rng(0).normal(size=(rows, dim)).astype(dtype)


@pytest.mark.parametrize(("rows", "shards"), [(10, 1), (10, 3), (3, 7), (0, 2), (1000, 7)])
def test_shards_are_contiguous_and_of_nearly_equal_size(rows: int, shards: int) -> None:
    ranges = [shard_range(rows, shard, shards) for shard in range(shards)]
    assert [row for start, stop in ranges for row in range(start, stop)] == list(range(rows))
    sizes = [stop - start for start, stop in ranges]
    assert max(sizes) - min(sizes) <= 1


def test_a_shard_that_does_not_exist_is_refused() -> None:
    with pytest.raises(InputError, match="shard 3 of 3"):
        shard_range(10, 3, 3)


def test_part_names_sort_by_shard() -> None:
    assert part_name(0, 1) == "part-00000-of-00001.npy"
    names = [part_name(shard, 12) for shard in range(12)]
    assert names == sorted(names)


@pytest.mark.parametrize("dtype", ["float16", "float32"])
@pytest.mark.parametrize("shards", [1, 3, 7, 40])
def test_store_equals_the_whole_array(tmp_path: Path, shards: int, dtype: str) -> None:
    vectors = random_vectors(31, 5, dtype)
    store = EmbeddingStore.open(write_store(tmp_path, vectors, shards))
    assert store.shape == (31, 5)
    assert len(store) == 31
    assert store.dtype == dtype
    keys = [
        slice(None),
        slice(4, 29),
        slice(-3, None),
        slice(9, 2),
        slice(None, None, 4),
        slice(20, 3, -3),
        np.array([30, 0, 7, 7, -1, 15]),
        np.array([], np.int64),
        [],
        [3, 1],
        np.arange(31) % 3 == 0,
        np.array([2, 1], np.uint16),
        12,
        -31,
        np.int32(8),
    ]
    for key in keys:
        expected = vectors[np.array(key, np.int64) if key == [] else key] if isinstance(key, list) else vectors[key]
        found = store[key]
        assert type(found) is np.ndarray
        assert found.dtype == dtype
        np.testing.assert_array_equal(found, expected)


def test_what_the_store_returns_can_be_changed_without_changing_the_store(tmp_path: Path) -> None:
    vectors = random_vectors(6, 2)
    store = EmbeddingStore.open(write_store(tmp_path, vectors, 1))
    for key in (slice(0, 3), np.array([0, 1]), 2):
        store[key][...] = 9
    np.testing.assert_array_equal(store[:], vectors)


@pytest.mark.parametrize("key", [6, -7, np.array([0, 6]), np.array([-7]), np.ones(5, bool), np.array([0.5]), (0, 1, 9)])
def test_rows_that_do_not_exist_are_refused(tmp_path: Path, key: object) -> None:
    store = EmbeddingStore.open(write_store(tmp_path, random_vectors(6, 2), 2))
    with pytest.raises(IndexError):
        store[key]


@pytest.mark.parametrize("shards", [1, 3])
def test_rows_gathers_a_subset_in_its_own_order(tmp_path: Path, shards: int) -> None:
    vectors = random_vectors(20, 3)
    indices = np.array([19, 4, 4, 0, 11], np.int32)
    rows = Rows(EmbeddingStore.open(write_store(tmp_path, vectors, shards)), indices)
    assert rows.shape == (5, 3)
    assert len(rows) == 5
    assert rows.dtype == np.float16
    for key in (slice(None), slice(1, 4), np.array([4, 0]), 3, -1):
        np.testing.assert_array_equal(rows[key], vectors[indices][key])


def test_rows_does_not_take_a_mask() -> None:
    with pytest.raises(TypeError, match="indices must be a one-dimensional integer array"):
        Rows(random_vectors(3, 2), np.array([True, False, True]))


def test_manifest_describes_every_part_and_the_space(tmp_path: Path) -> None:
    manifest = json.loads(write_store(tmp_path, random_vectors(10, 4), 3).read_text())
    assert (manifest["rows"], manifest["dim"], manifest["dtype"]) == (10, 4, "float16")
    assert manifest["space"] == {**SPACE, "dim": 4}
    assert [part["rows"] for part in manifest["parts"]] == [3, 3, 4]
    assert all(len(part["sha256"]) == 64 for part in manifest["parts"])
    assert EmbeddingStore.open(tmp_path / "manifest.json").space == {**SPACE, "dim": 4}


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_not_finite_is_named_by_part_and_row(tmp_path: Path, bad: float) -> None:
    vectors = random_vectors(10, 4)
    vectors[7, 2] = bad
    with pytest.raises(InputError, match=r"part-00002-of-00003\.npy: row 7 "):
        write_store(tmp_path, vectors, 3)
    assert not (tmp_path / "manifest.json").exists()


def test_parts_of_different_width_or_dtype_are_refused(tmp_path: Path) -> None:
    for name, dim, dtype in (("a.npy", 3, "float16"), ("b.npy", 4, "float16"), ("c.npy", 3, "float32")):
        with new_part(tmp_path / name, 2, dim, dtype) as part:
            part[:] = 1
    for other in ("b.npy", "c.npy"):
        with pytest.raises(InputError, match=other):
            write_manifest(tmp_path / "manifest.json", [tmp_path / "a.npy", tmp_path / other], SPACE, 4)


def test_parts_must_hold_all_items(tmp_path: Path) -> None:
    with new_part(tmp_path / "a.npy", 2, 3, "float16") as part:
        part[:] = 1
    with pytest.raises(InputError, match="2 rows, but there are 3 items"):
        write_manifest(tmp_path / "manifest.json", [tmp_path / "a.npy"], SPACE, 3)


def test_a_missing_part_is_refused(tmp_path: Path) -> None:
    manifest = write_store(tmp_path, random_vectors(10, 4), 3)
    (tmp_path / part_name(1, 3)).unlink()
    with pytest.raises(InputError, match=r"part-00001-of-00003\.npy: no such file"):
        EmbeddingStore.open(manifest)


@pytest.mark.parametrize("other", [random_vectors(4, 4), random_vectors(3, 5), random_vectors(3, 4, "float32")])
def test_a_part_of_another_shape_or_dtype_is_refused(tmp_path: Path, other: np.ndarray) -> None:
    manifest = write_store(tmp_path, random_vectors(10, 4), 3)
    np.save(tmp_path / part_name(0, 3), other)
    with pytest.raises(InputError, match="the manifest says"):
        EmbeddingStore.open(manifest)


def test_a_truncated_part_is_refused(tmp_path: Path) -> None:
    manifest = write_store(tmp_path, random_vectors(10, 4), 1)
    part = tmp_path / part_name(0, 1)
    part.write_bytes(part.read_bytes()[:-3])
    with pytest.raises(InputError, match="not a whole"):
        EmbeddingStore.open(manifest)


def test_changed_bytes_are_found_when_verified(tmp_path: Path) -> None:
    vectors = random_vectors(10, 4)
    manifest = write_store(tmp_path, vectors, 3)
    EmbeddingStore.open(manifest, verify=True)
    np.save(tmp_path / part_name(2, 3), vectors[6:] * np.float16(2))
    with pytest.raises(InputError, match=r"part-00002-of-00003\.npy.*changed"):
        EmbeddingStore.open(manifest, verify=True)


def test_parts_that_the_manifest_does_not_name_are_not_read(tmp_path: Path) -> None:
    vectors = random_vectors(10, 4)
    manifest = write_store(tmp_path, vectors, 1)
    np.save(tmp_path / part_name(1, 2), vectors)
    assert len(EmbeddingStore.open(manifest)) == 10


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"parts": 1}', "not json"])
def test_a_broken_manifest_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(InputError, match=r"manifest\.json: not a manifest of embeddings"):
        EmbeddingStore.open(tmp_path / "manifest.json")


def test_a_missing_manifest_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there are no embeddings"):
        EmbeddingStore.open(tmp_path / "manifest.json")


def test_a_part_that_fails_half_way_does_not_appear(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="half way"), new_part(tmp_path / "a.npy", 2, 3, "float16"):
        raise RuntimeError("half way")
    assert list(tmp_path.iterdir()) == []


def test_values_too_large_for_float16_are_an_error_that_names_float32() -> None:
    vectors = np.ones((3, 2), np.float32)
    vectors[1, 1] = -70_000
    with pytest.raises(InputError, match=r"'b'.*70000.*too large for float16: set `dtype: float32`"):
        cast(vectors, "float16", np.arange(3), ["a", "b", "c"])
    np.testing.assert_array_equal(cast(vectors, "float32", np.arange(3)), vectors)


def test_items_without_names_are_named_by_row() -> None:
    with pytest.raises(InputError, match="item in row 42 holds NaN"):
        cast(np.array([[1.0], [np.nan]]), "float32", np.array([41, 42]))
