"""OPQ: sub-spaces, the first rotation, the updates by hand, product codes, and faiss as the oracle."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from mixtures import mixture

from bench.opq import faiss_opq
from bench.quality import reconstruction_error
from semid.errors import InputError
from semid.quantizers import Compute
from semid.quantizers import opq as module
from semid.quantizers.kernels.product import (
    balanced_order,
    cluster_sums,
    mean_codewords,
    merge_equal,
    nearest_rotation,
    subspaces,
)
from semid.quantizers.opq import OPQ


def error_of(tokenizer: OPQ, vectors: np.ndarray) -> float:
    return reconstruction_error(vectors, tokenizer.decode(tokenizer.encode(vectors)))


def correlated(n: int = 3_000, dim: int = 16, seed: int = 0) -> np.ndarray:
    """float32 rows [n, dim] of a mixture, every column a blend of all directions, which have falling variances."""
    generator = np.random.default_rng(7)
    blend, _ = np.linalg.qr(generator.normal(size=(dim, dim)))
    return (mixture(n, dim, seed) * 0.8 ** np.arange(dim) @ blend).astype(np.float32)


@pytest.fixture(scope="module")
def fitted() -> OPQ:
    return OPQ(num_levels=4, codebook_size=16).fit(correlated())


# parts, by hand


@pytest.mark.parametrize(("dim", "count", "widths"), [(8, 4, [2] * 4), (7, 3, [2, 2, 3]), (3, 3, [1] * 3), (5, 1, [5])])
def test_widths_of_sub_spaces_differ_by_one_at_most(dim: int, count: int, widths: list[int]):
    spaces = subspaces(dim, count)
    assert [space.stop - space.start for space in spaces] == widths
    assert [column for space in spaces for column in range(dim)[space]] == list(range(dim))


def test_directions_go_to_the_sub_space_of_the_smallest_product_of_variances():
    # 16 | 8; 8 · 4 = 32 | 16; 16 · 2 = 32 | 32: the fourth by the smaller product, the last two by what is left
    order = balanced_order(torch.tensor([16.0, 8.0, 4.0, 2.0, 1.0, 1.0]), subspaces(6, 2))
    assert order.tolist() == [0, 3, 4, 1, 2, 5]
    # a full sub-space takes no more, however small its product
    assert balanced_order(torch.tensor([64.0, 2.0, 2.0]), subspaces(3, 2)).tolist() == [0, 1, 2]


def test_the_scale_of_variances_does_not_move_directions_and_none_at_all_is_no_error():
    variances = 0.7 ** torch.arange(12, dtype=torch.float64)
    expected = balanced_order(variances, subspaces(12, 3))
    for scale in (1e-8, 1e8):
        assert torch.equal(balanced_order(scale * variances, subspaces(12, 3)), expected)
    products = torch.stack([variances[expected[space]].log().sum() for space in subspaces(12, 3)])
    assert float(products.max() - products.min()) < 0.2 * float(products.abs().max())
    assert sorted(balanced_order(torch.zeros(5), subspaces(5, 2)).tolist()) == [0, 1, 2, 3, 4]


def test_sums_and_means_are_those_of_the_rows_of_each_code():
    # a quarter turn: (x, y) becomes (y, −x)
    rotation = torch.tensor([[0.0, 1.0], [-1.0, 0.0]])
    rows = torch.tensor([[1.0, 4.0], [3.0, 5.0], [-3.0, -2.0]])
    codebooks = [torch.tensor([[-1.0], [1.0], [99.0]]), torch.tensor([[-1.0], [1.0], [99.0]])]
    sums, sizes = cluster_sums(rows, rotation, codebooks)
    assert sizes.tolist() == [[1, 2, 0], [2, 1, 0]]
    assert sums[0].tolist() == [[-3.0, -2.0], [4.0, 9.0], [0.0, 0.0]]
    assert sums[1].tolist() == [[4.0, 9.0], [-3.0, -2.0], [0.0, 0.0]]
    means = mean_codewords(sums, sizes, rotation, codebooks)
    assert means[0].tolist() == [[-2.0], [4.5], [99.0]]
    assert means[1].tolist() == [[-2.0], [3.0], [99.0]]


def test_the_nearest_rotation_is_the_one_that_made_the_codewords():
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(50, 5, generator=generator)
    rotation = torch.linalg.qr(torch.randn(5, 5, generator=generator)).Q
    codewords = rows @ rotation.t()
    spaces = subspaces(5, 2)
    # every row has a code of its own in both sub-spaces
    found = nearest_rotation([rows, rows], [codewords[:, space] for space in spaces])
    torch.testing.assert_close(found, rotation, rtol=0, atol=1e-5)


def test_codewords_equal_but_for_rounding_become_the_first_of_them():
    codebook = torch.tensor([[0.0, 0.0], [3.0, 4.0], [3.0, 4.0 + 1e-6], [3.0, 4.1], [0.0, 0.0], [3.0 - 1e-6, 4.0]])
    assert torch.equal(merge_equal(codebook, 1e-5), codebook[[0, 1, 1, 3, 0, 1]])
    assert torch.equal(merge_equal(codebook, 0.1), codebook[[0, 1, 1, 1, 0, 1]])
    grid = torch.cartesian_prod(torch.arange(50.0), torch.arange(50.0))
    assert torch.equal(merge_equal(torch.cat([grid, grid + 0.1]), 0.25), torch.cat([grid, grid]))


def test_no_update_raises_the_error():
    vectors = correlated(1_000)
    errors = [
        error_of(OPQ(num_levels=4, codebook_size=16, rotation_iters=iters, rotation_tolerance=0).fit(vectors), vectors)
        for iters in range(6)
    ]
    assert all(after <= before * (1 + 1e-5) for before, after in pairwise(errors))
    assert errors[-1] < 0.98 * errors[0]


def test_training_stops_at_its_tolerance_and_at_its_number_of_updates(monkeypatch: pytest.MonkeyPatch):
    calls: list[int] = []
    original = module.nearest_rotation
    monkeypatch.setattr(module, "nearest_rotation", lambda *arguments: calls.append(1) or original(*arguments))
    counts = []
    for options in ({"rotation_iters": 3}, {"rotation_tolerance": 0.5}, {"rotation_iters": 0}):
        calls.clear()
        OPQ(num_levels=4, codebook_size=16, **options).fit(correlated())
        counts.append(len(calls))
    assert counts == [3, 2, 0]


# what is learnt


@pytest.mark.parametrize("num_levels", [1, 3, 4, 16])
def test_the_rotation_is_orthogonal_and_codewords_are_zero_outside_their_sub_space(num_levels: int):
    tokenizer = OPQ(num_levels=num_levels, codebook_size=8, rotation_iters=5).fit(correlated(500))
    rotation = tokenizer.rotation_.double()
    torch.testing.assert_close(rotation @ rotation.t(), torch.eye(16, dtype=torch.float64), rtol=0, atol=1e-5)
    assert tokenizer.codebooks_.shape == (num_levels, 8, 16)
    for codebook, space in zip(tokenizer.codebooks_, subspaces(16, num_levels), strict=True):
        outside = codebook.clone()
        outside[:, space] = 0
        assert not outside.any()
        assert codebook[:, space].any()


def test_codes_are_the_nearest_codewords_of_each_sub_space(fitted: OPQ):
    vectors = correlated(seed=1)
    rotated = (vectors.astype(np.float64) - fitted.mean_.double().numpy()) @ fitted.rotation_.double().numpy().T
    codes = fitted.encode(vectors, Compute(batch_size=100))
    for level, space in enumerate(subspaces(16, 4)):
        codebook = fitted.codebooks_[level, :, space].double().numpy()
        distances = np.square(rotated[:, None, space] - codebook).sum(axis=2)
        chosen = np.take_along_axis(distances, codes[:, level, None].astype(int), axis=1)[:, 0]
        np.testing.assert_allclose(chosen, distances.min(axis=1), rtol=0, atol=1e-5)


def test_the_whole_code_is_the_nearest_of_all_codes():
    """Which residual codes are not: sub-spaces are orthogonal, so that what is best in each is best together."""
    vectors = correlated(200, dim=6)
    tokenizer = OPQ(num_levels=2, codebook_size=8).fit(vectors)
    every_code = np.stack(np.meshgrid(range(8), range(8), indexing="ij"), axis=-1).reshape(-1, 2)
    distances = np.square(vectors[:, None].astype(np.float64) - tokenizer.decode(every_code)).sum(axis=2)
    errors = np.square(vectors - tokenizer.decode(tokenizer.encode(vectors)).astype(np.float64)).sum(axis=1)
    np.testing.assert_allclose(errors, distances.min(axis=1), rtol=0, atol=1e-5)


def test_a_rotated_product_of_few_values_is_decoded_exactly():
    # variances 64 and 1, 32 and 2, 16 and 4: products of 64 are what balance makes of them
    signs = np.array([[1, 1], [1, -1], [-1, 1], [-1, -1]])
    parts = [signs * np.sqrt(variances) for variances in ([64, 1], [32, 2], [16, 4])]
    every = np.stack(np.meshgrid(range(4), range(4), range(4), indexing="ij"), axis=-1).reshape(-1, 3)
    rows = np.concatenate([part[column] for part, column in zip(parts, every.T, strict=True)], axis=1)
    blend, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(6, 6)))
    vectors = (rows @ blend + 3).astype(np.float32)
    tokenizer = OPQ(num_levels=3, codebook_size=4).fit(vectors)
    codes = tokenizer.encode(vectors)
    assert len(np.unique(codes, axis=0)) == 4**3
    np.testing.assert_allclose(tokenizer.decode(codes), vectors, rtol=0, atol=1e-4)


def test_the_error_is_below_that_of_a_product_without_a_learnt_rotation(fitted: OPQ):
    vectors = correlated()
    balanced = OPQ(num_levels=4, codebook_size=16, rotation_iters=0).fit(vectors)
    assert error_of(fitted, vectors) < 0.97 * error_of(balanced, vectors)


def test_training_does_not_depend_on_the_blocks_of_encoding(fitted: OPQ, tmp_path: Path):
    compute = Compute(batch_size=77, codeword_block=5, scratch=tmp_path)
    again = OPQ(num_levels=4, codebook_size=16).fit(correlated(), compute)
    assert all(torch.equal(tensor, again._state()[name]) for name, tensor in fitted._state().items())
    assert list(tmp_path.iterdir()) == []


def test_more_sub_spaces_than_columns_are_refused_with_both_numbers():
    with pytest.raises(InputError, match="num_levels is 17, more sub-spaces than the 16 columns"):
        OPQ(num_levels=17, codebook_size=8).fit(correlated(100))


# against faiss


@pytest.mark.parametrize(("num_levels", "dim"), [(2, 16), (4, 16)])
def test_the_error_is_that_of_faiss_or_less(num_levels: int, dim: int):
    pytest.importorskip("faiss", reason="needs faiss: pip install faiss-cpu")
    vectors = correlated(dim=dim)
    tokenizer = OPQ(num_levels=num_levels, codebook_size=16).fit(vectors)
    peer = reconstruction_error(vectors, faiss_opq(vectors, num_levels, 16))
    assert error_of(tokenizer, vectors) <= 1.01 * peer


@pytest.mark.parametrize(("num_levels", "of_faiss"), [(4, 0.3505), (8, 0.3000)])
def test_beauty_is_coded_with_at_most_one_percent_more_error_than_by_faiss(
    shared_data: Path, num_levels: int, of_faiss: float
):
    """faiss 1.15.1 at its defaults; its training takes minutes: `python -m bench --task opq`."""
    vectors = np.load(shared_data / "amazon2014-beauty" / "embeddings_minilm_f16.npy")
    tokenizer = OPQ(num_levels=num_levels, codebook_size=256).fit(vectors)
    assert error_of(tokenizer, vectors.astype(np.float32)) <= 1.01 * of_faiss
    assert bool((tokenizer.cluster_sizes_ > 0).all())
