"""What every tokenizer must hold on catalogues that nobody chose: small, degenerate, in any layout."""

import itertools
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_tokenizer_contract import CASES, VECTORS, N, every_case, fitted, latent, make

from semid.quantizers import RQVAE, VQVAE, Compute, RQKMeans, Tokenizer
from semid.quantizers.kernels import kmeans as kmeans_module
from semid.quantizers.kernels.kmeans import kmeans
from semid.quantizers.kernels.nearest import NearestCodeword
from semid.quantizers.kernels.residual import level_codebooks

GREEDY = [case for case in CASES if case != "rqkmeans-beam"]
# as a share of a row's squared length: squared distances this close may be told apart by rounding alone
NEAR_TIE = 1e-5

a_few = settings(deadline=None, max_examples=12, suppress_health_check=[HealthCheck.too_slow])


@contextmanager
def threads(number: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@st.composite
def catalogues(draw: st.DrawFn) -> np.ndarray:
    """float32 rows [1 … 60, 1 … 8]: scattered, on a grid, repeated, constant, sparse, far away, of unlike lengths."""
    n, dim = draw(st.integers(1, 60)), draw(st.integers(1, 8))
    generator = np.random.default_rng(draw(st.integers(0, 9_999)))
    rows = generator.normal(size=(n, dim))
    kind = draw(st.sampled_from(["scattered", "grid", "repeated", "constant", "sparse", "far away", "unlike lengths"]))
    if kind == "grid":
        rows = generator.integers(-2, 3, size=(n, dim))
    elif kind == "repeated":
        rows = rows[generator.integers(max(1, n // 6), size=n)]
    elif kind == "constant":
        rows = np.tile(rows[:1], (n, 1))
    elif kind == "sparse":
        rows = rows * (generator.random((n, dim)) < 0.2)
    elif kind == "far away":
        rows = rows + 20
    elif kind == "unlike lengths":
        rows = rows * np.logspace(-3, 2, n)[:, None]
    return rows.astype(np.float32)


@st.composite
def sizes(draw: st.DrawFn, case: str, vectors: np.ndarray) -> Tokenizer:
    """A tokenizer of the case that fits on the vectors; of one code or one level too."""
    n, dim = vectors.shape
    changes = {"codebook_size": draw(st.integers(1, min(n, 12))), "num_levels": draw(st.integers(1, 3))}
    if case.startswith(("rqvae", "vqvae")):
        changes |= {"epochs": draw(st.integers(0, 2)), "codebook_dim": draw(st.integers(0, dim)), "hidden": (6,)}
    if case == "rqkmeans-pca":
        changes["pca_dim"] = draw(st.integers(0, dim))
    if case.startswith("opq"):
        changes["num_levels"] = min(changes["num_levels"], dim)
    return make(case, **changes)


def margins(tokenizer: Tokenizer, vectors: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """What the second codeword is farther than the first, [n, L], along the path of greedy codes; infinite for K = 1.

    In squared distance, as a share of the squared length of the row and of what it is compared with, in float64.
    """
    residual = latent(tokenizer, vectors)
    lengths = np.square(residual).sum(axis=1)
    found = np.full(codes.shape, np.inf)
    for level, padded in enumerate(tokenizer.codebooks_.double().numpy()):
        codebook = padded[: tokenizer.sizes[level]]
        distances = np.square(residual[:, None] - codebook).sum(axis=2)
        if len(codebook) > 1:
            two = np.sort(distances, axis=1)[:, :2]
            scale = np.maximum(lengths, np.square(codebook).sum(axis=1).max()) + 1e-30
            found[:, level] = (two[:, 1] - two[:, 0]) / scale
        residual = residual - codebook[codes[:, level]]
    return found


def clear_rows(tokenizer: Tokenizer, vectors: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Whether each row [n] is free of near-ties at every level."""
    return (margins(tokenizer, vectors, codes) > NEAR_TIE).all(axis=1)


def errors_of(tokenizer: Tokenizer, vectors: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Squared distance [n] of rows to the sum of their codewords, in the latent space."""
    codebooks = tokenizer.codebooks_.double().numpy()
    quantized = sum(codebook[codes[:, level]] for level, codebook in enumerate(codebooks))
    return np.square(latent(tokenizer, vectors) - quantized).sum(axis=1)


# codes and vectors


@every_case
@a_few
@given(st.data())
def test_any_catalogue_gets_codes_in_range_finite_vectors_and_saves_bit_for_bit(case: str, data: st.DataObject):
    vectors = data.draw(catalogues())
    tokenizer = data.draw(sizes(case, vectors)).fit(vectors)
    codes = tokenizer.encode(vectors)
    assert codes.shape == (len(vectors), tokenizer.num_levels)
    assert (codes.max(axis=0) < tokenizer.sizes).all()
    assert all(
        not padded[size:].any()
        for learnt in (tokenizer.codebooks_, tokenizer.cluster_sizes_)
        for padded, size in zip(learnt, tokenizer.sizes, strict=True)
    )
    decoded = tokenizer.decode(codes)
    assert decoded.shape == vectors.shape
    assert np.isfinite(decoded).all()
    assert tokenizer.cluster_sizes_.sum(dim=1).tolist() == [len(vectors)] * tokenizer.num_levels
    with tempfile.TemporaryDirectory() as folder:
        tokenizer.save_pretrained(folder)
        loaded = Tokenizer.from_pretrained(folder)
    state = loaded._state()
    assert all(torch.equal(tensor, state[name]) for name, tensor in tokenizer._state().items())
    np.testing.assert_array_equal(loaded.encode(vectors), codes)
    np.testing.assert_array_equal(loaded.decode(codes), decoded)


@pytest.mark.parametrize("case", GREEDY)
@a_few
@given(st.data())
def test_encode_gives_the_training_rows_the_codes_that_fit_counted(case: str, data: st.DataObject):
    vectors = data.draw(catalogues())
    tokenizer = data.draw(sizes(case, vectors)).fit(vectors)
    codes = tokenizer.encode(vectors, Compute(batch_size=data.draw(st.integers(1, 64))))
    counts = np.stack([np.bincount(column, minlength=tokenizer.codebook_size) for column in codes.T])
    unclear = (~clear_rows(tokenizer, vectors, codes)).sum()
    assert np.abs(tokenizer.cluster_sizes_.numpy() - counts).sum(axis=1).max() <= 2 * unclear


@pytest.mark.parametrize("pca_dim", [0, 8])
@a_few
@given(st.integers(1, 4), st.integers(1, 40), st.integers(0, 999), st.integers(1, 300), st.integers(1, 50))
def test_encode_assigns_the_training_rows_as_k_means_did(
    pca_dim: int, num_levels: int, codebook_size: int, seed: int, batch_size: int, codeword_block: int
):
    labels = []

    def recorded(*arguments, **options):
        found = kmeans(*arguments, **options)
        labels.append(found.labels.numpy())
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kmeans_module, "kmeans", recorded)
        tokenizer = RQKMeans(
            num_levels=num_levels, codebook_size=codebook_size, pca_dim=pca_dim, kmeans_iters=3, seed=seed
        )
        tokenizer.fit(VECTORS)
    codes = tokenizer.encode(VECTORS, Compute(batch_size=batch_size, codeword_block=codeword_block))
    clear = clear_rows(tokenizer, VECTORS, codes)
    assert clear.mean() > 0.8
    np.testing.assert_array_equal(codes[clear], np.stack(labels, axis=1)[clear])


@every_case
@a_few
@given(st.data())
def test_in_the_latent_space_a_distinct_codeword_is_its_own_code(case: str, data: st.DataObject):
    vectors = data.draw(catalogues())
    tokenizer = data.draw(sizes(case, vectors)).fit(vectors)
    for codebook in level_codebooks(tokenizer.codebooks_, tokenizer.sizes):
        nearest = NearestCodeword(codebook, codeword_block=data.draw(st.integers(1, 14)))
        distances = (codebook.double()[:, None] - codebook.double()).square().sum(dim=2)
        near = distances <= NEAR_TIE * codebook.double().square().sum(dim=1).max()
        own = torch.arange(len(codebook))
        distinct = near.sum(dim=1) == 1
        codes = nearest.codes(codebook)
        assert torch.equal(codes[distinct], own[distinct])
        assert bool(near[own, codes].all())


# RQ-KMeans: what levels and beams buy


@a_few
@given(st.data())
def test_the_mean_error_of_any_catalogue_does_not_rise_with_a_level(data: st.DataObject):
    vectors = data.draw(catalogues())
    size = data.draw(st.integers(1, min(len(vectors), 12)))
    tokenizer = RQKMeans(num_levels=4, codebook_size=size).fit(vectors)
    codes, left = tokenizer.encode(vectors), latent(tokenizer, vectors)
    power = np.square(left).sum(axis=1)
    errors = [power.mean()]
    for level, codebook in enumerate(tokenizer.codebooks_.double().numpy()):
        left = left - codebook[codes[:, level]]
        errors.append(np.square(left).sum(axis=1).mean())
    # splitting moves a centroid by 1/1024 of its length
    assert all(after <= before + 2e-6 * power.mean() for before, after in itertools.pairwise(errors))


@a_few
@given(st.integers(0, 9_999))
def test_the_mean_error_of_a_mixture_falls_with_every_level_and_with_the_beam(seed: int):
    generator = np.random.default_rng(seed)
    centres = generator.normal(size=(20, 12))
    vectors = centres[generator.integers(20, size=400)] + 0.5 * generator.normal(size=(400, 12))
    errors = []
    for num_levels in (1, 2, 3, 4):
        tokenizer = RQKMeans(num_levels=num_levels, codebook_size=16, kmeans_iters=5).fit(vectors)
        errors.append(errors_of(tokenizer, vectors, tokenizer.encode(vectors)).mean())
    for beam in (4, 16):
        tokenizer.beam = beam
        errors.append(errors_of(tokenizer, vectors, tokenizer.encode(vectors)).mean())
    assert all(after < before for before, after in itertools.pairwise(errors))


@a_few
@given(st.data())
def test_no_beam_finds_better_codes_than_the_beam_of_all_codes(data: st.DataObject):
    vectors = data.draw(catalogues())
    size, num_levels = data.draw(st.integers(1, min(len(vectors), 5))), data.draw(st.integers(1, 3))
    tokenizer = RQKMeans(num_levels=num_levels, codebook_size=size).fit(vectors)
    errors = {}
    for beam in (1, 2, 4, size**num_levels):
        tokenizer.beam = beam
        errors[beam] = errors_of(tokenizer, vectors, tokenizer.encode(vectors))
    rounding = NEAR_TIE * np.square(vectors).sum(axis=1).max()
    assert all((errors[size**num_levels] <= error + rounding).all() for error in errors.values())


# blocks and threads


@every_case
@a_few
@given(st.data())
def test_codes_of_any_catalogue_do_not_depend_on_blocks_and_threads(case: str, data: st.DataObject):
    vectors = data.draw(catalogues())
    tokenizer = data.draw(sizes(case, vectors)).fit(vectors)
    codes = tokenizer.encode(vectors)
    with threads(data.draw(st.integers(1, 2))):
        compute = Compute(batch_size=data.draw(st.integers(1, 64)), codeword_block=data.draw(st.integers(1, 14)))
        others = tokenizer.encode(vectors, compute)
    if case == "rqkmeans-beam":
        rounding = NEAR_TIE * np.square(vectors).sum(axis=1).max()
        assert np.allclose(*(errors_of(tokenizer, vectors, found) for found in (codes, others)), rtol=0, atol=rounding)
        return
    clear = clear_rows(tokenizer, vectors, codes)
    np.testing.assert_array_equal(codes[clear], others[clear])


@settings(deadline=None, max_examples=6)
@given(st.integers(0, 9_999), st.integers(100, 1_000), st.integers(3, 20))
def test_k_means_does_not_depend_on_blocks_and_threads(seed: int, row_block: int, codeword_block: int):
    generator = torch.Generator().manual_seed(seed)
    centres = 4 * torch.randn(12, 8, generator=generator)
    rows = centres[torch.arange(1_000) % 12] + torch.randn(1_000, 8, generator=generator)
    found = kmeans(rows, 12, seed=seed, iterations=8)
    with threads(2):
        other = kmeans(rows, 12, seed=seed, iterations=8, row_block=row_block, codeword_block=codeword_block)
    assert (found.labels != other.labels).float().mean() <= 0.005
    assert other.error == pytest.approx(found.error, rel=1e-3)


@settings(deadline=None, max_examples=8)
@given(
    st.sampled_from([RQVAE, VQVAE]),
    st.integers(1, 2),
    st.fixed_dictionaries(
        {
            "codebook_update": st.sampled_from(["ema", "gradient"]),
            "gradient_estimator": st.sampled_from(["straight_through", "rotation"]),
            "usage_weight": st.sampled_from([0.0, 0.1]),
            "linear_start": st.booleans(),
            "keep": st.sampled_from(["best", "last"]),
            "codebook_dim": st.sampled_from([0, 5]),
            "seed": st.integers(0, 99),
        }
    ),
)
def test_training_is_bit_identical_at_a_fixed_number_of_threads(kind: type[Tokenizer], n_threads: int, options: dict):
    # a batch of more than the 32,768 values at which torch begins to share out sums
    vectors = np.random.default_rng(0).normal(size=(800, 64)).astype(np.float32)
    with threads(n_threads):
        first, second = (
            kind(codebook_size=16, epochs=1, batch_size=600, hidden=(64,), kmeans_iters=2, **options).fit(vectors)
            for _ in range(2)
        )
    state = second._state()
    assert all(torch.equal(tensor, state[name]) for name, tensor in first._state().items())


# inputs


def laid_out(rows: np.ndarray, layout: str, folder: Path) -> np.ndarray:
    """The same values as rows, otherwise in memory."""
    if layout == "Fortran order":
        return np.asfortranarray(rows)
    if layout == "every other row and column":
        wide = np.repeat(np.repeat(rows, 2, axis=0), 2, axis=1)
        return wide[::2, ::2]
    if layout == "backwards":
        return np.ascontiguousarray(rows[::-1, ::-1])[::-1, ::-1]
    if layout == "other byte order":
        return rows.astype(rows.dtype.newbyteorder())
    if layout == "memmap":
        np.save(folder / "rows.npy", rows)
        return np.load(folder / "rows.npy", mmap_mode="r")
    return rows


@every_case
@a_few
@given(st.data())
def test_fit_and_encode_see_values_and_no_layout(case: str, data: st.DataObject):
    dtype = data.draw(st.sampled_from([np.float16, np.float32, np.float64]))
    rows = data.draw(catalogues()).astype(dtype)
    tokenizer = data.draw(sizes(case, rows))
    layouts = ["as it is", "Fortran order", "every other row and column", "backwards", "other byte order", "memmap"]
    with tempfile.TemporaryDirectory() as folder:
        vectors = laid_out(rows, data.draw(st.sampled_from(layouts)), Path(folder))
        if data.draw(st.booleans()):
            vectors.flags.writeable = False
        codes, codebooks = tokenizer.fit(vectors).encode(vectors), tokenizer.codebooks_.clone()
        np.testing.assert_array_equal(vectors, rows)
    plain = rows.astype(np.float32)
    np.testing.assert_array_equal(tokenizer.fit(plain).encode(plain), codes)
    assert torch.equal(tokenizer.codebooks_, codebooks)


@every_case
@a_few
@given(
    row=st.integers(0, N - 1),
    column=st.integers(0, VECTORS.shape[1] - 1),
    value=st.sampled_from([np.nan, np.inf, -np.inf]),
    dtype=st.sampled_from([np.float16, np.float32, np.float64]),
    batch_size=st.integers(1, 2 * N),
)
def test_the_first_row_that_is_not_finite_is_named(case: str, row: int, column: int, value: float, dtype, batch_size):
    vectors = VECTORS.astype(dtype)
    vectors[row, column] = vectors[N - 1, 0] = value
    for call in (make(case).fit, lambda rows: fitted(case).encode(rows, Compute(batch_size=batch_size))):
        with pytest.raises(ValueError, match=f"row {row} of the vectors holds NaN or infinity"):
            call(vectors)


# fewer distinct rows than codes


@every_case
@settings(deadline=None, max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(distinct=st.integers(1, 15), copies=st.integers(2, 30), seed=st.integers(0, 999))
def test_codes_that_no_row_needs_stay_unused_and_are_warned_of(
    case: str, caplog: pytest.LogCaptureFixture, distinct: int, copies: int, seed: int
):
    generator = np.random.default_rng(seed)
    vectors = VECTORS[generator.permutation(N)[:distinct]].repeat(max(copies, -(-16 // distinct)), axis=0)
    vectors = generator.permutation(vectors)
    caplog.clear()
    tokenizer = make(case).fit(vectors)
    assert "fewer distinct rows than clusters" in caplog.text
    codes = tokenizer.encode(vectors)
    assert all(len(np.unique(column)) <= distinct for column in codes.T)
    if case.startswith("rqkmeans"):
        # every distinct row has a code of its own
        assert len(np.unique(codes[:, 0])) == distinct
