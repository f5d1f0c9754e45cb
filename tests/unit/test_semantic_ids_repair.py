"""One item an ID: what a repair moves, where to, and what it says of it."""

import itertools
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
import torch

from semid.errors import InputError
from semid.quantizers import OPQ, RQVAE, ExternalCodes
from semid.quantizers.suffixed import SuffixedDecoder, decoder_of_codes
from semid.semantic_ids import read_semantic_ids
from semid.semantic_ids.repair import PinnedCodes, Repair, repair_codes, repair_table
from semid.semantic_ids.repair.nearest_first import nearest_first
from semid.semantic_ids.repair.solve import best_codes, quantised_costs

DIM = 6


def decoder_with(*codebooks: np.ndarray) -> ExternalCodes:
    """A decoder that adds up codewords [K, dim] of each level, in the space of the vectors."""
    sizes = tuple(len(codebook) for codebook in codebooks)
    decoder = ExternalCodes(num_levels=len(sizes), codebook_size=max(sizes), codebook_sizes=sizes)
    decoder.codebooks_ = torch.zeros(len(sizes), max(sizes), codebooks[0].shape[1])
    for level, codebook in enumerate(codebooks):
        decoder.codebooks_[level, : sizes[level]] = torch.from_numpy(codebook.astype(np.float32))
    decoder.cluster_sizes_ = torch.zeros(len(sizes), max(sizes), dtype=torch.int64)
    return decoder


class World:
    """Items with random vectors and codes, whose codewords are random too."""

    def __init__(self, seed: int, n: int, sizes: tuple[int, ...]) -> None:
        random = np.random.default_rng(seed)
        self.sizes = sizes
        self.decoder = decoder_with(*(random.standard_normal((size, DIM)) for size in sizes))
        self.vectors = random.standard_normal((n, DIM)).astype(np.float32)
        self.codes = np.stack([random.integers(0, size, n) for size in sizes], axis=1).astype(np.uint16)
        self.ids = [f"item{number:04d}" for number in random.permutation(n)]

    def repair(self, mode: str = "assign", **options: object) -> Repair:
        return repair_codes(self.codes, self.sizes, self.ids, mode, (self.decoder, self.vectors), **options)

    def error(self, codes: np.ndarray) -> np.ndarray:
        """The squared error of every item, float64 [n]."""
        decoded = self.decoder.decode(codes).astype(np.float64)
        return np.square(self.vectors - decoded).sum(axis=1)


def distinct(codes: np.ndarray) -> int:
    return len(np.unique(codes, axis=0))


def groups_of(codes: np.ndarray) -> list[np.ndarray]:
    """The rows of each prefix of all codes but the last."""
    _, group = np.unique(codes[:, :-1], axis=0, return_inverse=True)
    return [np.flatnonzero(group == number) for number in range(group.max() + 1)]


@pytest.mark.parametrize("seed", range(30))
def test_moves_and_costs_are_the_least_that_brute_force_finds(seed: int) -> None:
    world = World(seed, 9, (2, 6))
    codes = repaired = world.repair().codes
    for rows in groups_of(world.codes):
        if len(rows) > 6:
            continue
        # distances are quantised over the codes that are free to take, which those of single items are not
        own = world.codes[rows, 1].astype(int)
        residual = (
            world.vectors[rows].astype(float) - world.decoder.codebooks_[0][world.codes[rows[0], 0]].double().numpy()
        )
        squared = np.square(residual[:, None] - world.decoder.codebooks_[1, :6].double().numpy()).sum(axis=2)
        alone = [code for code in own if (own == code).sum() == 1]
        movable = np.flatnonzero(~np.isin(own, alone))
        if not len(movable):
            np.testing.assert_array_equal(codes[rows], world.codes[rows])
            continue
        allowed = squared[movable]
        allowed[:, alone] = np.inf
        costs = quantised_costs(allowed)
        tried = [
            (sum(a != b for a, b in zip(new, own[movable], strict=True)), sum(costs[range(len(movable)), new]))
            for new in itertools.permutations(range(6), len(movable))
            if not set(new) & set(alone)
        ]
        new = repaired[rows[movable], 1].astype(int)
        assert ((new != own[movable]).sum(), costs[range(len(movable)), new].sum()) == min(tried)


@pytest.mark.parametrize("seed", range(5))
def test_ids_are_unique_with_the_known_number_of_moves_and_items_alone_stay(seed: int) -> None:
    world = World(seed, 300, (4, 5, 40))
    repair = world.repair()
    assert repair.codes.shape == world.codes.shape
    assert distinct(repair.codes) == 300
    np.testing.assert_array_equal(repair.codes[:, :-1], world.codes[:, :-1])
    moved = (repair.codes != world.codes).any(axis=1)
    report = repair.report
    assert report.known_minimum == 300 - distinct(world.codes) == moved.sum() == report.moved > 0
    _, inverse, counts = np.unique(world.codes, axis=0, return_inverse=True, return_counts=True)
    assert not moved[counts[inverse] == 1].any()
    assert report.items_sharing_before == counts[counts > 1].sum()
    assert report.ids_shared_before == (counts > 1).sum()
    assert (report.items_sharing_after, report.ids_shared_after, report.suffixed, report.suffix_size) == (0, 0, 0, 0)
    added = (world.error(repair.codes) - world.error(world.codes))[repair.changes.rows]
    np.testing.assert_allclose(repair.changes.added_error, added, rtol=1e-4, atol=1e-4)
    assert report.mean_added_error == pytest.approx(added.mean(), rel=1e-4)
    assert set(repair.changes.rows) == set(np.flatnonzero(moved))


@pytest.mark.parametrize("sizes", [(3, 4, 30), (2, 3, 8), (2, 4, 4)])
@pytest.mark.parametrize("mode", ["assign", "suffix"])
@pytest.mark.parametrize("with_vectors", [True, False])
def test_the_order_of_the_items_does_not_matter(sizes: tuple[int, ...], mode: str, with_vectors: bool) -> None:
    world = World(0, 60, sizes)
    world.vectors[10:20] = world.vectors[10]
    world.codes[10:20] = world.codes[10]
    order = np.random.default_rng(1).permutation(60)

    def repair(rows: np.ndarray) -> Repair:
        ids = [world.ids[row] for row in rows]
        measured = (world.decoder, world.vectors[rows]) if with_vectors else None
        return repair_codes(world.codes[rows], sizes, ids, mode, measured)

    first, second = repair(np.arange(60)), repair(order)
    np.testing.assert_array_equal(first.codes[order], second.codes)
    assert asdict(first.report) == asdict(second.report)
    ids = pa.array(world.ids, pa.large_string())
    assert first.changes.table(ids).equals(second.changes.table(ids.take(pa.array(order))))


def test_identical_items_are_separated_in_the_order_of_their_ids_nearest_code_first() -> None:
    codebook = np.arange(5.0)[:, None] * np.ones((1, DIM))
    decoder = decoder_with(np.zeros((1, DIM)), codebook)
    vectors = np.full((4, DIM), 1.25, np.float32)
    ids = ["d", "b", "c", "a"]
    repair = repair_codes(np.tile([0, 1], (4, 1)), (1, 5), ids, "assign", (decoder, vectors))
    # a keeps code 1; then 2 at .75 a dimension, 0 at 1.25, 3 at 1.75
    assert dict(zip(ids, repair.codes[:, 1].tolist(), strict=True)) == {"a": 1, "b": 2, "c": 0, "d": 3}
    assert repair.report.irreducible == 3
    table = repair.changes.table(pa.array(ids))
    assert table["item_id"].to_pylist() == ["b", "c", "d"]
    assert table["reason"].to_pylist() == ["identical"] * 3
    assert table["new_code"].to_pylist() == ["0-2", "0-0", "0-3"]


def test_only_items_of_one_id_and_one_vector_are_irreducible() -> None:
    world = World(3, 6, (1, 20))
    world.codes[:] = [[0, 1], [0, 1], [0, 1], [0, 2], [0, 2], [0, 3]]
    world.vectors[1] = world.vectors[0]
    world.vectors[5] = world.vectors[0]
    report = world.repair().report
    assert (report.irreducible, report.known_minimum, report.moved) == (1, 3, 3)


def nearest_pairs(room: np.ndarray, rank: np.ndarray, distances: np.ndarray) -> list[int]:
    """The joined prefixes, by going through all pairs from the nearest on."""
    joined, room = [-1] * len(rank), room.copy()
    pairs = sorted((distances[i, p], rank[i], p, i) for i in range(len(rank)) for p in range(len(room)))
    for _, _, prefix, item in pairs:
        if joined[item] < 0 and room[prefix]:
            joined[item] = prefix
            room[prefix] -= 1
    return joined


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("ties", [False, True])
def test_nearest_first_joins_the_nearest_pairs(seed: int, ties: bool) -> None:
    random = np.random.default_rng(seed)
    m, prefixes = random.integers(1, 30), random.integers(1, 6)
    distances = random.integers(0, 4, (m, prefixes)).astype(float) if ties else random.random((m, prefixes))
    room, rank = random.integers(0, 8, prefixes), random.permutation(m)
    joined = nearest_first(room, rank, lambda rows: distances[rows], rows_at_once=7)
    assert joined.tolist() == nearest_pairs(room, rank, distances)


@pytest.mark.parametrize("with_vectors", [True, False])
@pytest.mark.parametrize("seed", range(5))
def test_a_group_that_is_too_large_spreads_over_its_neighbours_with_as_few_moves(seed: int, with_vectors: bool) -> None:
    world = World(seed, 60, (2, 6, 8))
    # forty items spread over twelve prefixes of eight codes, and twenty more in one of these
    world.codes[20:, :2] = np.stack([np.arange(40) % 2, np.arange(40) % 12 // 2], axis=1)
    world.codes[:20, :2] = [1, 3]
    measured = (world.decoder, world.vectors) if with_vectors else None
    repair = repair_codes(world.codes, world.sizes, world.ids, "assign", measured)
    assert repair.codes.shape == world.codes.shape
    assert distinct(repair.codes) == 60
    np.testing.assert_array_equal(repair.codes[:, 0], world.codes[:, 0])
    leaves = (repair.codes[:, :2] != world.codes[:, :2]).any(axis=1)
    in_group = (world.codes[:, :2] == [1, 3]).all(axis=1)
    assert repair.report.moved == repair.report.known_minimum
    assert leaves.sum() == leaves[in_group].sum() == in_group.sum() - 8 == repair.report.moved_to_other_prefix
    assert (repair.codes[:, :2] == [1, 3]).all(axis=1).sum() == 8
    reasons = repair.changes.table(pa.array(world.ids))["reason"].to_pylist()
    assert reasons.count("prefix full") == leaves.sum()
    if with_vectors:
        added = (world.error(repair.codes) - world.error(world.codes))[repair.changes.rows]
        np.testing.assert_allclose(repair.changes.added_error, added, rtol=1e-4, atol=1e-4)


def test_of_a_group_that_is_too_large_the_nearest_keeps_each_code() -> None:
    decoder = decoder_with(np.zeros((1, 1)), np.array([[0.0], [10.0]]), np.array([[-1.0], [1.0]]))
    vectors = np.array([[1.5], [1.1], [-0.8], [4.0], [-3.0]], np.float32)
    codes = np.array([[0, 0, 1], [0, 0, 1], [0, 0, 0], [0, 0, 1], [0, 0, 0]])
    repair = repair_codes(codes, (1, 2, 2), list("abcde"), "assign", (decoder, vectors))
    # b is nearest to 1 and c to -1; of a, d and e, d is nearest to the other prefix, then a, and e finds no room; there
    # -1 costs a 56.25 and d 25, and 1 costs a 90.25 and d 49
    assert repair.codes.tolist() == [[0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0], [0, 1, 1, 0], [0, 0, 0, 1]]
    table = repair.changes.table(pa.array(list("abcde")))
    assert table["item_id"].to_pylist() == ["a", "d", "e"]
    assert table["reason"].to_pylist() == ["prefix full", "prefix full", "no room"]
    assert table["new_code"].to_pylist() == ["0-1-0-0", "0-1-1-0", "0-0-0-1"]
    report = repair.report
    assert (report.moved, report.moved_to_other_prefix, report.suffixed, report.suffix_size) == (2, 2, 1, 2)
    assert report.items_sharing_after == 0


@pytest.mark.parametrize("with_vectors", [True, False])
def test_what_has_no_room_at_all_gets_a_suffix_and_is_named(with_vectors: bool) -> None:
    world = World(0, 50, (1, 3, 4))
    measured = (world.decoder, world.vectors) if with_vectors else None
    repair = repair_codes(world.codes, world.sizes, world.ids, "assign", measured)
    assert repair.codes.shape == (50, 4)
    assert distinct(repair.codes) == 50
    # all twelve codes are in use once the moves are done
    assert distinct(repair.codes[:, :3]) == 12
    assert repair.report.suffixed == 50 - 12 == (repair.codes[:, 3] > 0).sum()
    assert repair.sizes == (1, 3, 4, repair.report.suffix_size)
    named = repair.changes.table(pa.array(world.ids))
    assert named["reason"].to_pylist().count("no room") == 38


def test_codes_of_one_level_are_refused_and_a_suffix_offered() -> None:
    codes = np.array([[3], [3], [1]])
    with pytest.raises(InputError, match=r"one level.*`suffix`"):
        repair_codes(codes, (4,), list("abc"), "assign")
    repair = repair_codes(codes, (4,), list("bac"), "suffix")
    assert repair.codes.tolist() == [[3, 1], [3, 0], [1, 0]]
    assert repair.sizes == (4, 2)


def test_a_suffix_counts_the_items_of_an_id_in_the_order_of_their_ids() -> None:
    world = World(0, 200, (4, 5))
    repair = world.repair("suffix")
    np.testing.assert_array_equal(repair.codes[:, :2], world.codes)
    assert distinct(repair.codes) == 200
    _, counts = np.unique(world.codes, axis=0, return_counts=True)
    assert repair.sizes == (4, 5, counts.max())
    assert repair.report.suffixed == repair.report.known_minimum == len(repair.changes)
    assert (repair.report.moved, repair.report.mean_added_error) == (0, 0.0)
    for code in np.unique(world.codes, axis=0):
        rows = np.flatnonzero((world.codes == code).all(axis=1))
        by_id = sorted(rows, key=lambda row: world.ids[row])
        assert repair.codes[by_id, 2].tolist() == list(range(len(rows)))
    # where nothing collides, the level has one code
    alone = repair_codes(np.array([[0], [1]]), (2,), ["a", "b"], "suffix")
    assert (alone.codes.tolist(), alone.sizes) == ([[0, 0], [1, 0]], (2, 1))


def test_without_vectors_the_first_by_id_stays_and_others_take_the_smallest_free_codes() -> None:
    codes = np.array([[0, 4], [0, 4], [0, 1], [0, 4], [0, 1], [1, 1]])
    repair = repair_codes(codes, (2, 6), ["c", "a", "f", "b", "e", "d"], "assign")
    # taken: 1 and 4; a and e stay; b, c, f follow
    assert repair.codes.tolist() == [[0, 2], [0, 4], [0, 3], [0, 0], [0, 1], [1, 1]]
    table = repair.changes.table(pa.array(["c", "a", "f", "b", "e", "d"]))
    assert table["added_error"].null_count == 3
    assert (repair.report.mean_added_error, repair.report.irreducible) == (None, None)


@pytest.mark.parametrize("with_vectors", [True, False])
@pytest.mark.parametrize("seed", range(5))
def test_pinned_items_never_move_and_others_find_room_beside_them(seed: int, with_vectors: bool) -> None:
    world = World(seed, 120, (3, 60))
    measured = (world.decoder, world.vectors) if with_vectors else None
    old = np.arange(100)
    before = repair_codes(
        world.codes[old], world.sizes, world.ids[:100], "assign", measured and (world.decoder, world.vectors[old])
    )
    after = repair_codes(world.codes, world.sizes, world.ids, "assign", measured, pinned=PinnedCodes(old, before.codes))
    np.testing.assert_array_equal(after.codes[:100], before.codes)
    assert distinct(after.codes) == 120
    assert after.report.pinned == 100
    moved = (after.codes != world.codes).any(axis=1)[100:]
    # a new item moves where its code is taken by an old one, or by another new one
    free = [code for code in np.unique(world.codes[100:], axis=0) if not (before.codes == code).all(axis=1).any()]
    assert moved.sum() == after.report.moved == 20 - len(free)


def test_pinned_suffixes_stay_and_new_items_take_the_numbers_that_are_left() -> None:
    codes = np.zeros((4, 2), np.int64)
    pinned = PinnedCodes(np.array([1, 3]), np.array([[0, 0, 2], [0, 0, 0]]))
    repair = repair_codes(codes, (1, 1), list("abcd"), "suffix", pinned=pinned)
    assert repair.codes.tolist() == [[0, 0, 1], [0, 0, 2], [0, 0, 3], [0, 0, 0]]
    assert repair.changes.rows.tolist() == [0, 2]


def test_pinned_items_that_share_an_id_are_counted() -> None:
    codes = np.array([[0, 1], [0, 1], [0, 1]])
    repair = repair_codes(codes, (1, 4), list("abc"), "assign", pinned=PinnedCodes(np.array([0, 1]), codes[:2]))
    assert repair.codes.tolist() == [[0, 1], [0, 1], [0, 0]]
    assert (repair.report.items_sharing_after, repair.report.ids_shared_after) == (2, 1)
    assert any("2 pinned items still share 1 IDs" in sentence for sentence in repair.sentences())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mode": "none"}, "repair must be one of assign, suffix"),
        ({"item_ids": ["a", "b", "a"]}, "more than one code for 'a'"),
        ({"item_ids": ["a", "b"]}, "3 codes, but 2 ids"),
        ({"sizes": (2, 2)}, "do not fit into codebooks of 2, 2"),
        ({"pinned": PinnedCodes(np.array([0]), np.zeros((1, 4), int))}, "another tokenizer"),
    ],
)
def test_what_cannot_be_repaired_is_refused(change: dict[str, object], message: str) -> None:
    options = {"codes": np.array([[0, 1], [0, 1], [1, 2]]), "sizes": (2, 3), "item_ids": list("abc"), "mode": "assign"}
    with pytest.raises(InputError, match=message):
        repair_codes(**(options | change))


def test_no_items_are_no_error() -> None:
    assert len(repair_codes(np.empty((0, 2), np.uint16), (2, 2), [], "assign").codes) == 0
    assert repair_codes(np.empty((0, 2), np.uint16), (2, 2), [], "suffix").codes.shape == (0, 3)


def test_one_assignment_prefers_fewer_moves_to_any_error() -> None:
    # to leave 0 to the second item would be much nearer, and one move more
    squared = np.array([[0.0, 1.0, 900.0], [0.0, 1000.0, 1.0]])
    assert best_codes(squared, np.array([0, 0])).tolist() == [1, 0]
    assert best_codes(np.array([[5.0, 1.0], [2.0, 1.0]])).tolist() == [1, 0]
    assert best_codes(np.zeros((2, 2)), np.array([1, 0])).tolist() == [1, 0]


def test_an_added_error_of_sub_spaces_is_that_of_the_decoded_vectors() -> None:
    vectors = np.random.default_rng(0).standard_normal((300, 8)).astype(np.float32)
    tokenizer = OPQ(num_levels=2, codebook_size=8, rotation_iters=3).fit(vectors[:200])
    few = np.sort(np.random.default_rng(1).choice(300, 40, replace=False))
    codes = tokenizer.encode(vectors[few])
    ids = [f"item{number:02d}" for number in range(40)]
    repair = repair_codes(codes, tokenizer.sizes, ids, "assign", (tokenizer, vectors[few]))
    assert repair.report.moved > 0
    rows = repair.changes.rows
    old, new = (
        np.square(vectors[few][rows] - tokenizer.decode(of)[:, :8]).sum(axis=1)
        for of in (codes[rows], repair.codes[rows, :2])
    )
    np.testing.assert_allclose(repair.changes.added_error, new - old, rtol=1e-3, atol=1e-4)


def test_a_suffix_decodes_to_nothing(tmp_path: Path) -> None:
    vectors = np.random.default_rng(0).standard_normal((60, 8)).astype(np.float32)
    tokenizer = RQVAE(num_levels=2, codebook_size=4, codebook_dim=4, epochs=1).fit(vectors)
    tokenizer.save_pretrained(tmp_path)
    codes = tokenizer.encode(vectors)
    repair = repair_codes(codes, tokenizer.sizes, [f"{row:02d}" for row in range(60)], "suffix")
    decoder = decoder_of_codes(tmp_path, repair.codes)
    assert isinstance(decoder, SuffixedDecoder)
    assert decoder.sizes == repair.sizes == (4, 4, repair.report.suffix_size)
    np.testing.assert_array_equal(decoder.decode(repair.codes), tokenizer.decode(codes))
    assert decoder.codebooks_.shape == (3, max(decoder.sizes), 4)
    assert not decoder.codebooks_[2].any()
    np.testing.assert_array_equal(decoder.codebooks_[:2, :4], tokenizer.codebooks_)
    assert decoder.fit_summary() == tokenizer.fit_summary()
    assert type(decoder_of_codes(tmp_path, codes)) is RQVAE
    with pytest.raises(InputError, match="has 2 levels, the codes have 4"):
        decoder_of_codes(tmp_path, np.zeros((3, 4), np.uint16))


def write_table(path: Path, ids: list[str], codes: np.ndarray) -> Path:
    columns = {"item_id": ids} | {f"c{level + 1}": column for level, column in enumerate(codes.T)}
    table = pa.table(columns)
    if path.suffix == ".csv":
        pyarrow.csv.write_csv(table, path)
    else:
        pq.write_table(table, path)
    return path


@pytest.mark.parametrize("with_vectors", [True, False])
def test_a_table_is_repaired_into_the_same_files_whatever_its_order(tmp_path: Path, with_vectors: bool) -> None:
    world = World(0, 80, (3, 40))
    files = []
    for number, order in enumerate((np.arange(80), np.random.default_rng(1).permutation(80))):
        table = write_table(tmp_path / f"{number}.csv", [world.ids[row] for row in order], world.codes[order])
        np.save(tmp_path / f"{number}.npy", world.vectors[order])
        folder = tmp_path / f"out{number}"
        vectors = tmp_path / f"{number}.npy" if with_vectors else None
        repair = repair_table(table, folder, vectors=vectors, codebook_size=60)
        assert repair.report.moved == repair.report.known_minimum > 0
        files.append([(folder / name).read_bytes() for name in ("items.parquet", "repair.parquet", "repair.json")])
    assert files[0] == files[1]
    ids = pq.read_table(folder / "items.parquet")["item_id"].to_pylist()
    assert ids == sorted(world.ids)
    codes = read_semantic_ids(folder / "items.parquet")
    assert distinct(codes) == 80
    assert json.loads((folder / "repair.json").read_text()) == asdict(repair.report)
    rows = pq.read_table(folder / "repair.parquet").to_pylist()
    old = dict(zip(world.ids, world.codes.tolist(), strict=True))
    new = dict(zip(ids, codes.tolist(), strict=True))
    assert {row["item_id"] for row in rows} == {name for name in ids if old[name] != new[name]}
    assert all(row["old_code"] == "-".join(map(str, old[row["item_id"]])) for row in rows)
    assert all(row["new_code"] == "-".join(map(str, new[row["item_id"]])) for row in rows)


def test_a_table_takes_vectors_by_their_ids_and_a_model(tmp_path: Path) -> None:
    world = World(0, 80, (3, 40))
    table = write_table(tmp_path / "table.parquet", world.ids, world.codes)
    order = np.random.default_rng(1).permutation(80)
    np.save(tmp_path / "vectors.npy", world.vectors[order])
    (tmp_path / "ids.txt").write_text("\n".join(world.ids[row] for row in order))
    world.decoder.save_pretrained(tmp_path / "model")
    found = repair_table(
        table,
        tmp_path / "out",
        vectors=tmp_path / "vectors.npy",
        ids=tmp_path / "ids.txt",
        model=tmp_path / "model",
    )
    expected = world.repair()
    by_id = np.argsort(world.ids)
    np.testing.assert_array_equal(found.codes, expected.codes[by_id])
    assert found.report == expected.report
    # the IDs of the table that was written stay beside a new item
    grown = write_table(tmp_path / "grown.parquet", [*world.ids, "new"], np.vstack([world.codes, world.codes[:1]]))
    pinned = repair_table(grown, tmp_path / "grown", codebook_size=40, pinned=tmp_path / "out" / "items.parquet")
    ids = [*sorted(world.ids), "new"]
    assert sorted(ids) == ids
    np.testing.assert_array_equal(pinned.codes[:-1], found.codes)
    assert pinned.report.moved == 1
    with pytest.raises(InputError, match="80 vectors for 81 items"):
        repair_table(grown, tmp_path / "grown", vectors=tmp_path / "vectors.npy")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model": "folder", "codebook_size": 4}, "leave codebook_size out"),
        ({"ids": "ids.txt"}, "ids.txt: ids of which vectors"),
        ({"codebook_size": 2}, "do not fit into codebooks of 2, 2"),
    ],
)
def test_options_of_a_table_that_contradict_are_refused(
    tmp_path: Path, options: dict[str, object], message: str
) -> None:
    table = write_table(tmp_path / "table.parquet", ["a", "b"], np.array([[1, 2], [1, 2]]))
    with pytest.raises(InputError, match=message):
        repair_table(table, tmp_path / "out", **options)


def test_a_table_of_hashes_is_refused(tmp_path: Path) -> None:
    table = write_table(tmp_path / "hashes.parquet", ["a", "b"], np.array([[1, 10**12], [1, 10**12]]))
    with pytest.raises(InputError, match="number the codes of every level from 0"):
        repair_table(table, tmp_path / "out")


def test_a_table_of_tokens_takes_a_suffix(tmp_path: Path) -> None:
    pq.write_table(pa.table({"item_id": ["a", "b", "c"], "token": [5, 5, 2]}), tmp_path / "flat.parquet")
    with pytest.raises(InputError, match="one level"):
        repair_table(tmp_path / "flat.parquet", tmp_path / "out")
    repair_table(tmp_path / "flat.parquet", tmp_path / "out", "suffix")
    rows = pq.read_table(tmp_path / "out" / "items.parquet").to_pylist()
    assert [row["code_str"] for row in rows] == ["5-0", "5-1", "2-0"]
