"""Codes dealt to items at random."""

from hashlib import blake2b
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy.stats import chisquare

from semid.errors import InputError
from semid.naming import part_name
from semid.semantic_ids import open_codes
from semid.semantic_ids.dealt_codes import DealtCodes
from semid.semantic_ids.given_codes import make_codes

IDS = ["B001", "b001", "7", "Čaj 🫖", "", "x" * 500, "a b", "B002"]
SIZE = {"num_levels": 3, "codebook_size": 100, "seed": 0}


def dealt(folder: Path, ids: list[str], shards: int, name: str = "random_3x100", **size: int) -> np.ndarray:
    """The codes of all shards, as the job writes them."""
    items = folder / "items.parquet"
    pq.write_table(pa.table({"item_id": ids}), items, row_group_size=2)
    parts = [folder / part_name(shard, shards) for shard in range(shards)]
    for shard, part in enumerate(parts):
        make_codes(name, SIZE | size, SimpleNamespace(catalogue=items), shard, shards, part)
    return open_codes(parts)[:]


def by_hand(item_id: str, num_levels: int, codebook_size: int, seed: int) -> list[int]:
    digest = blake2b(f"{seed} 0 {item_id}".encode()).digest()
    return [int.from_bytes(digest[8 * level : 8 * level + 8], "little") % codebook_size for level in range(num_levels)]


def test_codes_follow_from_id_and_seed_in_any_number_of_shards(tmp_path: Path) -> None:
    expected = [by_hand(item_id, 3, 100, 0) for item_id in IDS]
    for shards in (1, 3):
        codes = dealt(tmp_path, IDS, shards)
        assert codes.tolist() == expected
        assert codes.dtype == np.uint16
    # on every machine and in every version
    known = [[153, 234, 119, 142], [238, 14, 181, 128]]
    assert DealtCodes(num_levels=4, codebook_size=256).of_items(["B001", "Čaj"]).tolist() == known


def test_codes_of_an_item_are_the_same_beside_other_items(tmp_path: Path) -> None:
    core = [IDS[6], IDS[1], IDS[3]]
    alone, beside = dealt(tmp_path, core, 1), dealt(tmp_path, IDS, 2)
    np.testing.assert_array_equal(alone, beside[[6, 1, 3]])


def test_seeds_differ_and_longer_ids_begin_as_shorter_ones() -> None:
    ids = [f"item-{number}" for number in range(1_000)]
    codes = [DealtCodes(num_levels=2, codebook_size=256, seed=seed).of_items(ids) for seed in (0, 1, 10**40)]
    for first, second in ((0, 1), (0, 2), (1, 2)):
        assert (codes[first] == codes[second]).mean() == pytest.approx(1 / 256, abs=0.01)
    # a digest has the numbers of eight levels
    long = DealtCodes(num_levels=20, codebook_size=256).of_items(ids)
    np.testing.assert_array_equal(long[:, :2], codes[0])
    assert len({tuple(column) for column in long.T.tolist()}) == 20


def test_codes_are_uniform_and_levels_independent() -> None:
    codes = DealtCodes(num_levels=9, codebook_size=16).of_items([str(number) for number in range(20_000)])
    for level in range(9):
        assert chisquare(np.bincount(codes[:, level], minlength=16)).pvalue > 1e-4
    for first, second in ((0, 1), (1, 2), (0, 8), (7, 8)):
        pairs = np.bincount(codes[:, first] * 16 + codes[:, second], minlength=256)
        assert chisquare(pairs).pvalue > 1e-4


def test_dtypes_are_those_of_tokenizers_and_codebooks_have_an_end(tmp_path: Path) -> None:
    assert dealt(tmp_path, IDS, 1, codebook_size=1 << 16).dtype == np.uint16
    assert dealt(tmp_path, IDS, 1, num_levels=1, codebook_size=1).tolist() == [[0]] * len(IDS)
    assert dealt(tmp_path, [], 1).shape == (0, 3)
    for too_large in ((1 << 16) + 1, 10**30):
        with pytest.raises(InputError, match=f"codebook_size is {too_large}, with 8 items: .* take a smaller one"):
            dealt(tmp_path, IDS, 1, codebook_size=too_large)
