"""Which rows are identical, and the file that says so."""

from pathlib import Path

import numpy as np
import pytest
from test_embeddings_store import write_store

from semid.embeddings import (
    first_of_identical,
    identical,
    read_first_of_identical,
    store,
    write_first_of_identical,
)
from semid.errors import InputError
from semid.parts import Parts


def first_equal_row(vectors: np.ndarray) -> list[int]:
    first: dict[bytes, int] = {}
    return [first.setdefault(row.tobytes(), i) for i, row in enumerate(vectors)]


@pytest.mark.parametrize("dim", [4, 5, 6])
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_every_row_gets_the_first_with_the_same_bytes(dtype, dim, monkeypatch):
    vectors = np.random.default_rng(0).integers(0, 2, (300, dim)).astype(dtype)
    assert first_of_identical(vectors).tolist() == first_equal_row(vectors)
    monkeypatch.setattr(store, "BLOCK_VALUES", 35)
    monkeypatch.setattr(identical, "HASHED_WORDS", 35)
    assert first_of_identical(vectors).tolist() == first_equal_row(vectors)
    assert first_of_identical(vectors[:1]).tolist() == [0]


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("dim", [1, 4, 5, 6])
def test_zeros_of_either_sign_are_one_value(dim: int, dtype: type):
    values = np.array([0.0, -0.0, 1.0, -1.0], dtype)
    vectors = values[np.random.default_rng(0).integers(0, 4, (400, dim))]
    assert first_of_identical(vectors).tolist() == first_equal_row(vectors + dtype(0))


def test_rows_of_one_hash_are_compared_before_they_are_called_equal(monkeypatch):
    vectors = np.random.default_rng(0).integers(0, 2, (60, 4)).astype(np.float32)
    monkeypatch.setattr(identical, "_row_hashes", lambda vectors: np.zeros(len(vectors), np.uint64))
    assert first_of_identical(vectors).tolist() == first_equal_row(vectors)


def test_distinct_rows_stand_for_themselves():
    vectors = np.random.default_rng(0).standard_normal((50, 3))
    assert first_of_identical(vectors).tolist() == list(range(50))


def test_rows_that_differ_in_few_bits_get_their_own_hashes():
    """Small whole numbers at the high end of a word: a plain sum of its products keeps their sum alone."""
    vectors = np.zeros((60_000, 8), np.float16)
    vectors[:, 3], vectors[:, 7] = np.divmod(np.arange(60_000), 245)
    assert len(np.unique(identical._row_hashes(vectors))) == 60_000


def test_equal_titles_of_beauty_have_one_vector(shared_data: Path):
    vectors = np.load(shared_data / "amazon2014-beauty" / "embeddings_minilm_f16.npy", allow_pickle=False)
    assert len(np.unique(first_of_identical(vectors))) == len(np.unique(vectors, axis=0)) < len(vectors)


def test_parts_give_what_one_array_gives():
    vectors = np.random.default_rng(0).standard_normal((40, 6)).astype(np.float16)
    vectors[30] = vectors[3]
    found = first_of_identical(Parts([vectors[:13], vectors[13:]]))
    assert found[30] == 3
    assert (found == first_of_identical(vectors)).all()


def test_the_file_is_read_as_it_was_written(tmp_path: Path):
    vectors = np.random.default_rng(0).integers(0, 2, (30, 4)).astype(np.float32)
    path = tmp_path / "first_of_identical.npy"
    write_first_of_identical(write_store(tmp_path / "embeddings", vectors, 2), path)
    assert (read_first_of_identical(path, 30) == first_of_identical(vectors)).all()
    with pytest.raises(InputError, match=r"first_of_identical\.npy holds int32 \[30\], expected int32 \[31\]"):
        read_first_of_identical(path, 31)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(InputError, match=r"first_of_identical\.npy: (not a whole|no such file)"):
        read_first_of_identical(path, 30)
    path.unlink()
    with pytest.raises(InputError, match=r"first_of_identical\.npy: (not a whole|no such file)"):
        read_first_of_identical(path, 30)
