"""The FAISS index: trained, filled by shard, merged; the number of shards leaves no trace."""

import importlib.util
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from semid.embeddings import shard_range, store
from semid.errors import InputError
from semid.retrieval import faiss_index, top_items

pytestmark = pytest.mark.skipif(importlib.util.find_spec("faiss") is None, reason="faiss is not installed")


def random_vectors(rows: int = 300, dim: int = 16) -> np.ndarray:
    rng = np.random.default_rng(0)
    return (rng.standard_normal((rows, dim)) * rng.uniform(0.1, 10, (rows, 1))).astype(np.float16)


def build(folder: Path, vectors: np.ndarray, shards: int, on_disk: bool = False, **options: object) -> Path:
    """The index in a folder that holds nothing else."""
    work = folder / "work"
    work.mkdir(parents=True)
    normalize = bool(options.get("normalize", False))
    faiss_index.train_index(vectors, work / "trained.index", shards, on_disk=on_disk, **options)
    parts = []
    for shard in range(shards):
        parts.append(work / f"part-{shard}.index")
        rows = shard_range(len(vectors), shard, shards)
        faiss_index.fill_index(work / "trained.index", vectors, *rows, parts[-1], normalize)
    faiss_index.merge_indexes(work / "trained.index", parts, folder / "index.faiss", on_disk)
    shutil.rmtree(work)
    return folder / "index.faiss"


@pytest.mark.parametrize("shards", [1, 2, 7])
@pytest.mark.parametrize("normalize", [False, True])
def test_flat_fetches_what_the_exact_search_fetches(normalize, shards, tmp_path, monkeypatch):
    vectors = random_vectors()
    monkeypatch.setattr(store, "BLOCK_VALUES", 16 * 37)
    index = faiss_index.load(build(tmp_path, vectors, shards, normalize=normalize))
    queries = torch.randn(20, 16)
    assert index.shape == (300, 16)
    assert (index.search(queries, 12) == top_items(vectors, queries, 12, normalize)).all()
    assert index.search(queries, 1000).shape == (20, 300)


@pytest.mark.parametrize("factory", ["Flat", "SQfp16", "SQ8", "PQ4x4np", "IVF4,Flat", "IVF4,SQ8", "IVF4_HNSW8,PQ4x4np"])
def test_the_number_of_shards_leaves_no_trace(factory, tmp_path, monkeypatch):
    vectors = random_vectors()
    one, five = (build(tmp_path / str(shards), vectors, shards, factory=factory) for shards in (1, 5))
    assert one.read_bytes() == five.read_bytes()
    monkeypatch.setattr(store, "BLOCK_VALUES", 16 * 37)
    blocks = build(tmp_path / "blocks", vectors, 5, factory=factory)
    assert blocks.read_bytes() == one.read_bytes()


@pytest.mark.parametrize("factory", ["IVF4,Flat", "IVF4_HNSW8,PQ4x4np", "PCA8,IVF4,SQ8"])
def test_lists_on_disk_are_found_wherever_their_folder_is(factory, tmp_path):
    vectors = random_vectors()
    queries = torch.randn(20, 16)
    memory = build(tmp_path / "memory", vectors, 5, factory=factory)
    expected = faiss_index.load(memory).search(queries, 30)
    build(tmp_path / "disk", vectors, 5, on_disk=True, factory=factory)
    shutil.move(tmp_path / "disk", tmp_path / "moved")
    assert sorted(file.name for file in (tmp_path / "moved").iterdir()) == ["index.faiss", "index.ivfdata"]
    index = faiss_index.load(tmp_path / "moved/index.faiss")
    assert index.shape == (300, 16)
    assert (index.search(queries, 30) == expected).all()
    assert (tmp_path / "moved/index.faiss").stat().st_size < memory.stat().st_size


def test_an_index_in_memory_takes_the_lists_of_one_on_disk_away(tmp_path):
    for on_disk in (True, False):
        build(tmp_path / "index", random_vectors(), 2, on_disk=on_disk, factory="IVF4,SQ8")
    assert [file.name for file in (tmp_path / "index").iterdir()] == ["index.faiss"]


def test_lists_on_disk_do_not_depend_on_shards(tmp_path):
    one, five = (build(tmp_path / str(n), random_vectors(), n, on_disk=True, factory="IVF4,SQ8") for n in (1, 5))
    for name in ("index.faiss", "index.ivfdata"):
        assert one.with_name(name).read_bytes() == five.with_name(name).read_bytes()


def test_a_full_disk_is_said_before_the_lists_are_written(tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)._replace(free=100)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(OSError, match=r"No space left .*index\.ivfdata"):
        build(tmp_path / "index", random_vectors(), 2, on_disk=True, factory="IVF4,Flat")
    assert not list((tmp_path / "index").glob("*index*"))


def test_training_is_seeded_and_its_sample_has_what_the_lists_need(tmp_path, monkeypatch):
    monkeypatch.setattr(faiss_index, "TRAINING_ROWS", 100)
    monkeypatch.setattr(store, "BLOCK_VALUES", 16 * 37)
    sizes = []
    read = faiss_index.read_float_rows
    monkeypatch.setattr(faiss_index, "read_float_rows", lambda *call: sizes.append(len(call[1])) or read(*call))
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        faiss_index.train_index(random_vectors(), tmp_path / name, factory="IVF4,Flat", seed=seed)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert (tmp_path / "a").read_bytes() != (tmp_path / "c").read_bytes()
    faiss_index.train_index(random_vectors(), tmp_path / "many", factory="IVF7,Flat")
    faiss_index.train_index(random_vectors(), tmp_path / "more", factory="IVF8,Flat")
    assert sizes == [156, 156, 156, 273, 300]


def test_an_index_that_cannot_be_merged_takes_one_shard(tmp_path):
    vectors = random_vectors()
    queries = torch.from_numpy(vectors[:30].astype(np.float32))
    index = faiss_index.load(build(tmp_path / "one", vectors, 1, factory="HNSW16,Flat", normalize=True))
    assert (index.search(queries, 1)[:, 0] == np.arange(30)).mean() > 0.9
    for factory in ("HNSW16,Flat", "Flat,RFlat"):
        with pytest.raises(InputError, match=rf"cannot merge '{factory}' from the parts of 2 shards"):
            faiss_index.train_index(vectors, tmp_path / "trained.index", 2, factory=factory)
    assert not (tmp_path / "trained.index").exists()


@pytest.mark.parametrize("factory", ["Flat", "HNSW16,Flat", "IVF4,PQ4x4fs"])
def test_what_has_no_lists_cannot_be_kept_on_disk(factory, tmp_path):
    with pytest.raises(InputError, match=rf"'{factory}' has none that can be"):
        faiss_index.train_index(random_vectors(), tmp_path / "trained.index", factory=factory, on_disk=True)


@pytest.mark.parametrize(("factory", "words"), [("Flatt", "no inner-product index"), ("IVF400,Flat", "cannot train")])
def test_a_factory_that_faiss_cannot_make_is_named(factory, words, tmp_path):
    with pytest.raises(InputError, match=rf"{words} '{factory}'"):
        faiss_index.train_index(random_vectors(), tmp_path / "trained.index", factory=factory)


@pytest.mark.parametrize("factory", ["IVF4,SQ8,RFlat", "IDMap,Flat"])
@pytest.mark.parametrize("with_rows", [False, True])
def test_a_factory_that_numbers_items_in_a_way_of_its_own_is_refused_before_training(factory, with_rows, tmp_path):
    with pytest.raises(InputError, match=rf"'{factory}' numbers items in a way of its own"):
        faiss_index.train_index(random_vectors(), tmp_path / "trained.index", factory=factory, with_rows=with_rows)


def test_a_missing_or_broken_index_is_named(tmp_path):
    with pytest.raises(InputError, match=r"index\.faiss is not a readable faiss index"):
        faiss_index.load(tmp_path / "index.faiss")
    (tmp_path / "index.faiss").write_bytes(b"not an index")
    with pytest.raises(InputError, match=r"index\.faiss is not a readable faiss index"):
        faiss_index.load(tmp_path / "index.faiss")
    path = build(tmp_path / "disk", random_vectors(), 2, on_disk=True, factory="IVF4,Flat")
    path.with_suffix(".ivfdata").unlink()
    with pytest.raises(InputError, match=r"index\.faiss is not a readable faiss index"):
        faiss_index.load(path)
