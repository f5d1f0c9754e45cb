"""What every tokenizer must hold. A new method joins by a constructor in `CASES`."""

import dataclasses
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import scipy.sparse
import torch
from mixtures import mixture
from safetensors.torch import save_file

from semid.embeddings import EmbeddingStore, Rows
from semid.errors import InputError
from semid.methods import CLASSES, METHODS
from semid.pretrained import read_header, write_config
from semid.quantizers import (
    OPQ,
    RQVAE,
    VQVAE,
    Compute,
    DecodedVectors,
    Decoder,
    ExternalCodes,
    RQKMeans,
    Tokenizer,
)
from semid.quantizers.kernels.blocks import sample_rows

N, DIM = 600, 16
SMALL = {"num_levels": 3, "codebook_size": 16}
TRAINING = {"epochs": 5, "batch_size": 64, "hidden": (24,), "learning_rate": 0.005}
CASES: dict[str, tuple[type[Tokenizer], dict]] = {
    "rqkmeans": (RQKMeans, SMALL),
    "rqkmeans-pca": (RQKMeans, {**SMALL, "pca_dim": 8}),
    "rqkmeans-beam": (RQKMeans, {**SMALL, "beam": 4}),
    "rqkmeans-tapered": (RQKMeans, {**SMALL, "codebook_sizes": (16, 8, 5)}),
    "rqvae": (RQVAE, {**SMALL, **TRAINING, "codebook_dim": 8}),
    "rqvae-tiger": (RQVAE, {**SMALL, **TRAINING, "codebook_dim": 8, "linear_start": False, "keep": "last"}),
    "rqvae-tiger-gradient": (
        RQVAE,
        {
            **{**SMALL, **TRAINING, "codebook_dim": 8, "linear_start": False, "keep": "last"},
            "codebook_update": "gradient",
        },
    ),
    "rqvae-tapered": (RQVAE, {**SMALL, **TRAINING, "codebook_dim": 8, "codebook_sizes": (9, 16, 6)}),
    "vqvae": (VQVAE, {"codebook_size": 16, **TRAINING}),
    "opq": (OPQ, SMALL),
    "opq-tapered": (OPQ, {**SMALL, "codebook_sizes": (16, 8, 5)}),
}
every_case = pytest.mark.parametrize("case", CASES)


def make(case: str, **changes) -> Tokenizer:
    """The case with changes; a tapered one stays so in other sizes: half of the largest in every level but one."""
    kind, arguments = CASES[case]
    if kind is VQVAE:
        changes.pop("num_levels", None)
    changed = {**arguments, **changes}
    if "codebook_sizes" in arguments and {"num_levels", "codebook_size"} & changes.keys():
        size = changed["codebook_size"]
        changed["codebook_sizes"] = (size, *[max(1, size // 2)] * (changed["num_levels"] - 1))
    return kind(**changed)


VECTORS = mixture(N, DIM)
_fitted: dict[str, Tokenizer] = {}


def fitted(case: str) -> Tokenizer:
    """The case fitted on `VECTORS` with seed 0; made once, only read."""
    if case not in _fitted:
        _fitted[case] = make(case).fit(VECTORS)
    return _fitted[case]


@torch.no_grad()
def latent(tokenizer: Tokenizer, vectors: np.ndarray) -> np.ndarray:
    rows = torch.from_numpy(np.array(vectors, np.float32))
    rows = tokenizer.latent(rows)
    return rows.double().numpy()


def assert_same_codes(tokenizer: Tokenizer, vectors: np.ndarray, codes: np.ndarray, others: np.ndarray) -> None:
    """Equal codes, near-ties exempt.

    A near-tie is a row whose codes first differ at a level where both codewords are equally far from its residual, to
    1e-5 of the row's squared length in the latent space (with a beam: where both whole codes are). One row in a hundred
    may be one.
    """
    assert codes.dtype == others.dtype
    assert codes.shape == others.shape
    different = np.flatnonzero((codes != others).any(axis=1))
    assert len(different) <= len(codes) // 100
    codebooks = tokenizer.codebooks_.double().numpy()
    for row, vector in zip(different, latent(tokenizer, vectors)[different], strict=True):
        first = int(np.argmax(codes[row] != others[row]))
        depth = len(codebooks) if getattr(tokenizer, "beam", 1) > 1 else first + 1
        errors = [
            np.square(vector - sum(codebooks[level][one[level]] for level in range(depth))).sum()
            for one in (codes[row], others[row])
        ]
        assert abs(errors[0] - errors[1]) <= 1e-5 * np.square(vector).sum()


class Recorder:
    """Vectors that remember which rows were read."""

    def __init__(self, vectors: np.ndarray) -> None:
        self.vectors, self.shape, self.read = vectors, vectors.shape, set()

    def __getitem__(self, rows):
        self.read.update(np.arange(len(self.vectors))[rows].tolist())
        return self.vectors[rows]


class Unreadable:
    """Vectors that have a shape and must not be read."""

    def __init__(self, *shape: int) -> None:
        self.shape = shape

    def __getitem__(self, rows):
        raise AssertionError("rows were read")


@pytest.fixture
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


# codes and vectors


@every_case
def test_codes_have_a_column_a_level_and_lie_below_the_codebook_size(case: str):
    tokenizer = fitted(case)
    codes = tokenizer.encode(VECTORS)
    assert codes.dtype == np.uint16
    assert codes.shape == (N, tokenizer.num_levels)
    assert codes.max() < tokenizer.codebook_size
    assert (codes.max(axis=0) < tokenizer.sizes).all()
    assert all(len(np.unique(column)) > 1 for column in codes.T)
    assert tokenizer.dim == DIM


@pytest.mark.parametrize(("size", "dtype"), [(65_536, np.uint16), (65_537, np.uint32)])
def test_codes_are_uint16_up_to_65536_codes_and_uint32_above(size: int, dtype: type):
    codebook = torch.randn(1, size, 4, generator=torch.Generator().manual_seed(0))
    tokenizer = RQKMeans(num_levels=1, codebook_size=size)
    state = {"mean": torch.zeros(4), "directions": torch.zeros(0, 4), "cluster_sizes": torch.ones(1, size)}
    tokenizer._load({**state, "codebooks": codebook}, {})
    codes = tokenizer.encode(codebook[0, -3:])
    assert codes.dtype == dtype
    assert codes[:, 0].tolist() == [size - 3, size - 2, size - 1]
    np.testing.assert_array_equal(tokenizer.decode(codes), codebook[0, -3:])


@every_case
def test_decode_of_the_codes_is_the_quantised_output(case: str):
    tokenizer = fitted(case)
    codes = tokenizer.encode(VECTORS)
    codebooks = tokenizer.codebooks_.numpy()
    quantised = sum(codebooks[level][codes[:, level]] for level in range(tokenizer.num_levels))
    if isinstance(tokenizer, RQKMeans):
        expected = quantised @ tokenizer.directions_.numpy() if tokenizer.pca_dim else quantised
        expected = expected + tokenizer.mean_.numpy()
    elif isinstance(tokenizer, OPQ):
        expected = quantised @ tokenizer.rotation_.numpy() + tokenizer.mean_.numpy()
    else:
        with torch.no_grad():
            expected = tokenizer.model_.network.decode(torch.from_numpy(quantised)).numpy()
    decoded = tokenizer.decode(codes)
    assert decoded.dtype == np.float32
    np.testing.assert_allclose(decoded, expected, rtol=1e-5, atol=1e-5)
    error, variance = np.square(decoded - VECTORS).sum(), np.square(VECTORS - VECTORS.mean(axis=0)).sum()
    assert error < 0.7 * variance


@every_case
def test_a_catalogue_far_from_the_origin_is_coded_as_well_as_one_near_it(case: str):
    far = VECTORS + np.float32(1_000)
    tokenizer = make(case).fit(far)
    error = np.square(tokenizer.decode(tokenizer.encode(far)).astype(np.float64) - far).sum()
    near = np.square(fitted(case).decode(fitted(case).encode(VECTORS)) - VECTORS).sum()
    assert error < 1.02 * near


@every_case
def test_encode_assigns_the_nearest_codeword_level_by_level(case: str):
    tokenizer = fitted(case)
    if getattr(tokenizer, "beam", 1) > 1:
        pytest.skip("a beam is not greedy; its own tests are in tests/unit")
    residual = latent(tokenizer, VECTORS)
    expected = np.empty((N, tokenizer.num_levels), np.uint16)
    for level, padded in enumerate(tokenizer.codebooks_.double().numpy()):
        codebook = padded[: tokenizer.sizes[level]]
        expected[:, level] = np.square(residual[:, None] - codebook).sum(axis=2).argmin(axis=1)
        residual = residual - codebook[expected[:, level]]
    assert_same_codes(tokenizer, VECTORS, tokenizer.encode(VECTORS), expected)


@every_case
def test_cluster_sizes_count_the_codes_of_the_training_rows(case: str):
    if case == "rqkmeans-beam":
        pytest.skip("training is greedy whatever the beam of encode")
    tokenizer = fitted(case)
    counts = [np.bincount(column, minlength=16).tolist() for column in tokenizer.encode(VECTORS).T]
    assert tokenizer.cluster_sizes_.tolist() == counts


@every_case
def test_the_same_seed_gives_the_same_codes_and_another_seed_other_codebooks(case: str):
    again, other = make(case).fit(VECTORS), make(case, seed=1).fit(VECTORS)
    np.testing.assert_array_equal(again.encode(VECTORS), fitted(case).encode(VECTORS))
    assert not torch.equal(other.codebooks_, again.codebooks_)


@every_case
def test_fit_neither_reads_nor_moves_the_global_random_state(case: str):
    torch.manual_seed(1)
    before = torch.get_rng_state()
    tokenizer = make(case, epochs=1) if case.startswith(("rqvae", "vqvae")) else make(case)
    tokenizer.fit(VECTORS)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    assert torch.equal(tokenizer.codebooks_, dataclasses.replace(tokenizer).fit(VECTORS).codebooks_)


@every_case
def test_reading_does_not_move_the_global_random_state(case: str, tmp_path: Path):
    fitted(case).save_pretrained(tmp_path)
    before = torch.get_rng_state()
    Tokenizer.from_pretrained(tmp_path)
    Tokenizer.from_model(tmp_path / "model.safetensors")
    assert torch.equal(torch.get_rng_state(), before)


@every_case
def test_fit_does_not_seed_the_generators_of_other_devices(case: str, monkeypatch: pytest.MonkeyPatch):
    def seed_all_devices(seed: int):
        raise AssertionError("torch.manual_seed also seeds the generators of all GPUs")

    monkeypatch.setattr(torch, "manual_seed", seed_all_devices)
    tokenizer = make(case, epochs=1) if case.startswith(("rqvae", "vqvae")) else make(case)
    tokenizer.fit(VECTORS)


# inputs


@every_case
def test_every_kind_of_array_gives_the_same_codes(case: str, tmp_path: Path):
    tokenizer = fitted(case)
    half = VECTORS.astype(np.float16)
    expected = tokenizer.encode(half.astype(np.float32))
    np.save(tmp_path / "vectors.npy", half)
    frozen = half.copy()
    frozen.flags.writeable = False
    wide = np.repeat(half, 2, axis=1)
    store = EmbeddingStore([half[:250], half[250:]], {})
    inputs = {
        "float16": half,
        "float32": half.astype(np.float32),
        "float64": half.astype(np.float64),
        "memmap": np.load(tmp_path / "vectors.npy", mmap_mode="r"),
        "read-only": frozen,
        "Fortran order": np.asfortranarray(half),
        "every other column": wide[:, ::2],
        "reversed twice": np.ascontiguousarray(half[::-1])[::-1],
        "tensor": torch.from_numpy(half),
        "transposed tensor": torch.from_numpy(np.ascontiguousarray(half.T)).t(),
        "store": store,
        "rows of a store": Rows(store, np.arange(N)),
    }
    for name, vectors in inputs.items():
        np.testing.assert_array_equal(tokenizer.encode(vectors), expected, err_msg=name)


@every_case
def test_fit_learns_the_same_from_a_store_as_from_an_array_and_changes_neither(case: str):
    half = VECTORS.astype(np.float16)
    kept = half.copy()
    store = EmbeddingStore([half[:250], half[250:]], {})
    from_store = make(case).fit(Rows(store, np.arange(N)))
    single = half.astype(np.float32)
    from_array = make(case).fit(single)
    from_array.encode(single)
    assert torch.equal(from_store.codebooks_, from_array.codebooks_)
    np.testing.assert_array_equal(half, kept)
    np.testing.assert_array_equal(single, kept.astype(np.float32))
    tensor = torch.from_numpy(single.copy())
    make(case).fit(tensor).encode(tensor)
    np.testing.assert_array_equal(tensor.numpy(), single)


@every_case
@pytest.mark.parametrize("compute", [Compute(batch_size=1), Compute(batch_size=97), Compute(codeword_block=5)], ids=str)
def test_codes_do_not_depend_on_block_sizes(case: str, compute: Compute):
    tokenizer = fitted(case)
    assert_same_codes(tokenizer, VECTORS, tokenizer.encode(VECTORS), tokenizer.encode(VECTORS, compute))


@every_case
def test_rows_in_scratch_files_teach_the_same_and_leave_nothing_behind(case: str, tmp_path: Path):
    from_files, expected = make(case).fit(VECTORS, Compute(scratch=tmp_path)), fitted(case)
    for name, tensor in expected._state().items():
        assert torch.equal(from_files._state()[name], tensor), name
    assert list(tmp_path.iterdir()) == []


@every_case
def test_codes_do_not_depend_on_the_number_of_threads(case: str, threads: None):
    tokenizer, vectors = fitted(case), mixture(5_000, seed=5)
    codes = []
    for n_threads in (1, 2):
        torch.set_num_threads(n_threads)
        codes.append(tokenizer.encode(vectors))
    assert_same_codes(tokenizer, vectors, *codes)


@every_case
def test_the_code_of_a_row_does_not_depend_on_the_other_rows(case: str):
    tokenizer = fitted(case)
    codes = tokenizer.encode(VECTORS)
    order = np.random.default_rng(0).permutation(N)
    assert_same_codes(tokenizer, VECTORS[order], codes[order], tokenizer.encode(VECTORS[order]))
    assert_same_codes(tokenizer, VECTORS[order[:101]], codes[order[:101]], tokenizer.encode(VECTORS[order[:101]]))


@every_case
def test_progress_counts_every_row(case: str):
    counts: list[int] = []
    fitted(case).encode(VECTORS, Compute(batch_size=250), counts.append)
    assert counts == [250, 250, 100]


def test_decoded_vectors_decode_the_rows_asked_for():
    tokenizer = fitted("rqkmeans")
    codes = tokenizer.encode(VECTORS)
    decoded = DecodedVectors(tokenizer, codes)
    assert decoded.shape == (N, DIM)
    np.testing.assert_array_equal(decoded[np.array([5, 3])], tokenizer.decode(codes[[5, 3]]))
    np.testing.assert_array_equal(decoded[2:4], tokenizer.decode(codes[2:4]))


# bad input


@every_case
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_not_finite_is_refused_with_its_row(case: str, value: float):
    vectors = VECTORS.copy()
    vectors[437, 3] = vectors[512, 0] = value
    with pytest.raises(ValueError, match="row 437 of"):
        make(case).fit(vectors)
    for batch_size in (10, 2048):
        with pytest.raises(ValueError, match="row 437 of"):
            fitted(case).encode(vectors, Compute(batch_size=batch_size))


@every_case
def test_infinities_that_cancel_are_refused_too(case: str):
    vectors = VECTORS.copy()
    vectors[3, :2] = np.inf, -np.inf
    with pytest.raises(ValueError, match="row 3 of"):
        fitted(case).encode(vectors)


@every_case
def test_values_whose_squares_overflow_are_refused_with_their_row_and_smaller_ones_work(case: str):
    vectors = VECTORS.copy()
    vectors[437, 3] = -2e14
    for call in (make(case).fit, fitted(case).encode):
        with pytest.raises(InputError, match=r"row 437 of the vectors holds 2e\+14: .* at most 7.04e\+13"):
            call(vectors)
    vectors[437, 3] = -(2.0**46)
    assert np.isfinite(fitted(case).decode(fitted(case).encode(vectors))).all()


@every_case
def test_the_row_named_is_the_callers_also_when_training_takes_a_sample(case: str):
    row = int(sample_rows(N, 100, 0)[57])
    vectors = VECTORS.copy()
    vectors[row, 0] = np.nan
    with pytest.raises(ValueError, match=f"row {row} of"):
        make(case, max_train=100).fit(vectors)


@every_case
@pytest.mark.parametrize("shape", [(0, DIM), (N, 0), (DIM,), (2, 3, DIM)], ids=str)
def test_vectors_of_another_shape_are_refused_with_the_shape(case: str, shape: tuple[int, ...]):
    message = str(shape).replace("(", r"\(").replace(")", r"\)")
    for call in (make(case).fit, fitted(case).encode):
        with pytest.raises(ValueError, match=message):
            call(np.zeros(shape, np.float32))


@every_case
def test_vectors_of_another_width_are_refused_with_both_widths(case: str):
    with pytest.raises(ValueError, match=r"11 wide.* 16 wide"):
        fitted(case).encode(VECTORS[:, :11])


UNUSABLE = {
    "a masked array: leave out": np.ma.masked_array(VECTORS, mask=VECTORS > 1),
    r"a table \(Table\): give .*to_numpy": type("Table", (), {"shape": (N, DIM), "to_numpy": None})(),
    r"a table \(.*\): give .*to_numpy": pa.array([1.0]),
    "a sparse matrix .*toarray": scipy.sparse.csr_matrix(VECTORS),
    "a sparse tensor: .*to_dense": torch.from_numpy(VECTORS).to_sparse(),
    "complex128: expected real numbers": VECTORS.astype(complex),
    "complex64: expected real numbers": torch.from_numpy(VECTORS).to(torch.complex64),
    "text: expected real numbers": VECTORS.astype(str),
    "bytes: expected real numbers": VECTORS.astype("S"),
    "Python objects: expected real numbers": VECTORS.astype(object),
    r"datetime64\[s\]: expected real numbers": VECTORS.astype(int).astype("datetime64[s]"),
    "lists of different lengths": [*VECTORS.tolist(), [1.0]],
    "a str: expected an array": "vectors",
    "a NoneType: expected an array": None,
    r"shape \(16,\): expected": VECTORS[0].tolist(),
    r"shape \(0,\): expected": [],
    "a meta tensor": torch.empty(N, DIM, device="meta"),
}


@every_case
@pytest.mark.parametrize("message", UNUSABLE)
def test_what_is_no_array_of_real_numbers_is_refused_in_one_sentence(case: str, message: str):
    for call in (make(case).fit, fitted(case).encode):
        with pytest.raises(InputError, match=f"^vectors (are|have) {message}") as raised:
            call(UNUSABLE[message])
        assert "\n" not in str(raised.value)


class Blocks:
    """Vectors that say nothing of themselves but their shape, and read as their blocks are."""

    def __init__(self, vectors, shape: tuple[int, int]) -> None:
        self.vectors, self.shape = vectors, shape

    def __getitem__(self, rows):
        return self.vectors[rows]


@every_case
def test_blocks_are_checked_as_arrays_are(case: str):
    for call in (make(case).fit, fitted(case).encode):
        for message in ("a masked array", "complex128", "text", "Python objects"):
            vectors = next(vectors for name, vectors in UNUSABLE.items() if name.startswith(message))
            with pytest.raises(InputError, match=f"^vectors are {message}"):
                call(Blocks(vectors, VECTORS.shape))
        with pytest.raises(InputError, match=r"^vectors gave rows of shape \(\d+, 1\): expected \(\d+, 16\)"):
            call(Blocks(VECTORS[:, :1], VECTORS.shape))


@every_case
def test_lists_whole_numbers_and_booleans_are_taken_as_arrays(case: str):
    whole = (10 * VECTORS).astype(np.int64)
    expected = fitted(case).encode(whole.astype(np.float32))
    tensors = [row.requires_grad_() for row in torch.from_numpy(whole.astype(np.float32))]
    for vectors in (whole, whole.tolist(), [tuple(row) for row in whole.tolist()], torch.from_numpy(whole), tensors):
        np.testing.assert_array_equal(fitted(case).encode(vectors), expected)
    np.testing.assert_array_equal(fitted(case).encode(whole > 0), fitted(case).encode((whole > 0).astype(np.float64)))
    decoded = fitted(case).decode(expected)
    for codes in (expected.tolist(), torch.from_numpy(expected.astype(np.int64))):
        np.testing.assert_array_equal(fitted(case).decode(codes), decoded)


def test_fit_takes_lists_as_arrays():
    codes = make("rqkmeans").fit(VECTORS.tolist()).encode(VECTORS)
    np.testing.assert_array_equal(codes, fitted("rqkmeans").encode(VECTORS))
    external = [ExternalCodes(num_levels=3, codebook_size=16) for _ in range(2)]
    external[0].fit(VECTORS, codes=codes)
    external[1].fit(VECTORS.tolist(), codes=codes.tolist())
    assert torch.equal(external[0].codebooks_, external[1].codebooks_)
    with pytest.raises(InputError, match=r"the largest value of the training rows is 1e-20: .* multiply all vectors"):
        external[0].fit(np.full((N, DIM), 1e-20), codes=codes)


@every_case
def test_values_whose_squares_underflow_are_refused_and_zeros_are_not(case: str):
    unit = VECTORS.astype(np.float64) / np.abs(VECTORS).max()
    for tiny in ((unit * 1e-20).astype(np.float32), unit * 1e-20, unit * 1e-60):
        with pytest.raises(InputError, match=r"the largest value of the training rows is .*: .*, multiply all vectors"):
            make(case).fit(tiny)
        assert len(np.unique(fitted(case).encode(tiny), axis=0)) == 1
    assert make(case).fit(unit * 2.0**-39).encode(unit * 2.0**-39).shape[0] == N


def test_codes_of_small_and_large_values_are_those_of_the_values_between():
    expected = fitted("rqkmeans").encode(VECTORS)
    for scale in (2.0**-35, 2.0**35):
        scaled = VECTORS.astype(np.float32) * np.float32(scale)
        np.testing.assert_array_equal(make("rqkmeans").fit(scaled).encode(scaled), expected)


@every_case
def test_values_beyond_float32_are_refused_with_their_row(case: str, recwarn: pytest.WarningsRecorder):
    for value, shown in ((1e20, r"1e\+20"), (1e60, "NaN or infinity as float32")):
        vectors = VECTORS.astype(np.float64)
        vectors[437, 3] = value
        for call in (make(case).fit, fitted(case).encode):
            with pytest.raises(InputError, match=f"^row 437 of the vectors holds {shown}"):
                call(vectors)
    assert not recwarn.list


@every_case
def test_zeros_of_either_sign_are_one_value(case: str):
    vectors = np.where(np.abs(VECTORS) < 1, 0, VECTORS).astype(np.float32)
    negative = np.where(vectors == 0, np.float32(-0.0), vectors)
    tokenizer = make(case).fit(vectors)
    np.testing.assert_array_equal(tokenizer.encode(negative), tokenizer.encode(vectors))
    np.testing.assert_array_equal(make(case).fit(negative).encode(vectors), tokenizer.encode(vectors))


@pytest.mark.parametrize(
    ("message", "codes"),
    [
        ("codes are text: expected integers", np.full((2, 3), "1")),
        ("codes are Python objects: expected integers", np.full((2, 3), None)),
        ("codes are complex128: expected integers", np.zeros((2, 3), complex)),
        ("codes are float64: expected integers", [[0.0, 1.0, 2.0]]),
        ("codes are bool: expected integers", torch.zeros(2, 3, dtype=torch.bool)),
        ("codes are a masked array: leave out", np.ma.masked_array(np.zeros((2, 3), int), mask=True)),
        ("codes are lists of different lengths", [[0, 1, 2], [0]]),
        (r"codes have shape \(3,\): expected", np.zeros(3, int)),
        (r"codes have shape \(\): expected", 7),
    ],
)
def test_codes_of_another_kind_are_refused_in_one_sentence(message: str, codes):
    with pytest.raises(InputError, match=f"^{message}"):
        fitted("rqkmeans").decode(codes)


@every_case
def test_codes_of_another_shape_or_outside_the_codebook_are_refused(case: str):
    tokenizer = fitted(case)
    levels = tokenizer.num_levels
    with pytest.raises(ValueError, match=rf"\(5, {levels + 1}\).*{levels}\]"):
        tokenizer.decode(np.zeros((5, levels + 1), np.uint16))
    if len(set(tokenizer.sizes)) > 1:
        with pytest.raises(
            InputError, match=rf"codes of level {levels} must lie between 0 and {tokenizer.sizes[-1] - 1}"
        ):
            tokenizer.decode(np.full((1, levels), min(tokenizer.sizes) - 1) + (np.arange(levels) == levels - 1))
    for value in (-1, 16):
        with pytest.raises(ValueError, match=f"between 0 and 15, found {value} to {value}"):
            tokenizer.decode(np.full((1, levels), value))
    for other in (np.full((5, levels), 1.5), np.ones((5, levels), bool)):
        with pytest.raises(InputError, match=f"codes are {other.dtype}: expected integers"):
            tokenizer.decode(other)
    assert tokenizer.decode(np.zeros((0, levels), np.uint16)).shape == (0, DIM)


@every_case
def test_more_codes_than_training_rows_are_refused_before_a_row_is_read(case: str):
    with pytest.raises(ValueError, match=r"16 codes .* there are 15"):
        make(case).fit(Unreadable(15, DIM))
    with pytest.raises(ValueError, match=r"16 codes .* there are 12"):
        make(case, max_train=12).fit(Unreadable(N, DIM))


@pytest.mark.parametrize("case", ["rqkmeans-pca", "rqvae", "vqvae"])
def test_more_directions_than_columns_are_refused_with_both_numbers(case: str):
    option = "pca_dim" if case == "rqkmeans-pca" else "codebook_dim"
    with pytest.raises(ValueError, match=rf"{option} is 17, .* 16 columns"):
        make(case, **{option: 17}).fit(VECTORS)


@every_case
@pytest.mark.parametrize("change", [{"codebook_size": 0}, {"num_levels": 0}], ids=str)
def test_sizes_below_one_are_refused(case: str, change: dict):
    if case == "vqvae" and "num_levels" in change:
        with pytest.raises(TypeError, match="unexpected keyword argument 'num_levels'"):
            VQVAE(num_levels=2)
        return
    with pytest.raises(InputError, match=f"^{next(iter(change))} must be a whole number of at least 1, got 0$"):
        make(case, **change)


@pytest.mark.parametrize("kind", [RQKMeans, RQVAE, OPQ])
def test_codebook_sizes_are_as_many_as_levels_and_the_largest_is_the_codebook_size(kind: type[Tokenizer]):
    assert kind(num_levels=2, codebook_size=16).sizes == (16, 16)
    assert kind(num_levels=3, codebook_size=16, codebook_sizes=[4, 16, 8]).sizes == (4, 16, 8)
    with pytest.raises(InputError, match=r"^codebook_sizes must be one for each of 3 levels .*, got 2: \(16, 8\)$"):
        kind(num_levels=3, codebook_size=16, codebook_sizes=(16, 8))
    for sizes in ((8, 8, 4), (32, 16, 16)):
        with pytest.raises(InputError, match=rf"must be codebook_size, which is 16, got {sizes[0]} in "):
            kind(num_levels=3, codebook_size=16, codebook_sizes=sizes)
    for sizes in ((16, 0, 4), 16, (16, 8.5, 4)):
        with pytest.raises(
            InputError, match=r"^codebook_sizes must be a list of whole numbers of at least 1 or null, got"
        ):
            kind(num_levels=3, codebook_size=16, codebook_sizes=sizes)


@pytest.mark.parametrize(("largest", "dtype"), [(65_536, np.uint16), (65_537, np.uint32)])
def test_the_dtype_of_codes_follows_the_largest_codebook(largest: int, dtype: type):
    tokenizer = RQKMeans(num_levels=2, codebook_size=largest, codebook_sizes=(3, largest))
    codebooks = torch.zeros(2, largest, 4)
    codebooks[:, :3] = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(0))
    state = {"mean": torch.zeros(4), "directions": torch.zeros(0, 4), "cluster_sizes": torch.ones(2, largest)}
    tokenizer._load({**state, "codebooks": codebooks}, {})
    assert tokenizer.encode(np.ones((2, 4), np.float32)).dtype == dtype


@pytest.mark.parametrize("case", ["rqkmeans", "rqvae"])
def test_levels_that_are_all_as_large_are_those_of_one_codebook_size(case: str):
    given = make(case, codebook_sizes=(16, 16, 16)).fit(VECTORS)
    assert all(torch.equal(tensor, given._state()[name]) for name, tensor in fitted(case)._state().items())


def test_a_level_with_fewer_codes_leaves_those_before_it_as_they_are():
    tapered = fitted("rqkmeans-tapered")
    assert torch.equal(tapered.codebooks_[0], fitted("rqkmeans").codebooks_[0])
    residual = VECTORS - tapered.codebooks_[0].numpy()[tapered.encode(VECTORS)[:, 0]]
    means = [residual[tapered.encode(VECTORS)[:, 1] == code].mean(axis=0) for code in range(8)]
    np.testing.assert_allclose(tapered.codebooks_[1, :8], np.stack(means), atol=0.04)


SCHEMA = json.loads((Path(__file__).parents[2] / "schemas" / "config.schema.json").read_text())["$defs"]
OPTIONS = [
    (method.load(), option)
    for method in METHODS.values()
    for option in SCHEMA[method.name]["properties"]
    # the first is of the workflow; the other has to fit num_levels and codebook_size, see the tapered kinds
    if option not in ("init", "codebook_sizes")
]


def values_at_the_bounds(rule: dict) -> tuple[list, list]:
    """Values that a rule of the schema only just allows, and values that it refuses."""
    rule = SCHEMA[rule["$ref"].rpartition("/")[2]] if "$ref" in rule else rule
    if "enum" in rule:
        return rule["enum"], ["unheard"]
    if rule["type"] == "boolean":
        return [True, False], ["False", 1]
    if rule["type"] == "array":
        allowed, refused = values_at_the_bounds(rule["items"])
        return [[value] for value in allowed], [[], *([value] for value in refused), 3]
    step = 1 if rule["type"] == "integer" else 1e-9
    refused = [1.5, True, "1"] if rule["type"] == "integer" else [np.nan, True, "0.5"]
    allowed = []
    for bound, outwards in (("inimum", -step), ("aximum", step)):
        if f"m{bound}" in rule:
            allowed.append(rule[f"m{bound}"])
            refused.append(rule[f"m{bound}"] + outwards)
        if f"exclusiveM{bound}" in rule:
            allowed.append(rule[f"exclusiveM{bound}"] - outwards)
            refused.append(rule[f"exclusiveM{bound}"])
    assert allowed
    return allowed, refused


@pytest.mark.parametrize(("kind", "option"), OPTIONS)
def test_options_have_the_range_of_the_workflow_and_are_refused_by_name_and_value(kind: type[Tokenizer], option: str):
    method = CLASSES[kind.__name__].name
    allowed, refused = values_at_the_bounds(SCHEMA[method]["properties"][option])
    for value in allowed:
        kind(**{option: value})
    for value in refused:
        shown = re.escape(repr(tuple(value) if isinstance(value, list) else value))
        with pytest.raises(InputError, match=f"^{option} must be .*, got {shown}$"):
            kind(**{option: value})


@every_case
def test_seeds_from_0_to_2_to_the_53_are_taken(case: str):
    make(case, seed=2**53 - 1).fit(VECTORS)
    for seed in (-1, 2**53, 0.5):
        with pytest.raises(InputError, match=rf"^seed must be a whole number from 0 to 9007199254740991, got {seed}$"):
            make(case, seed=seed)


@pytest.mark.parametrize("change", [{"batch_size": 0}, {"codeword_block": 0}, {"batch_size": -5}], ids=str)
def test_blocks_below_one_are_refused(change: dict):
    ((name, value),) = change.items()
    with pytest.raises(InputError, match=f"^{name} must be a whole number of at least 1, got {value}$"):
        Compute(**change)


def test_devices_are_resolved_or_refused_before_anything_is_computed(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert Compute(device="auto") == Compute()
    make(next(iter(CASES))).fit(VECTORS, Compute(device="auto"))
    for device in ("cuda", "cuda:3", "mps"):
        with pytest.raises(InputError, match=rf"^device '{device}' is not available here; use `auto` or `cpu`$"):
            Compute(device=device)
    with pytest.raises(InputError, match=r"^device is 'gpu'; expected auto, cpu, mps or cuda$"):
        Compute(device="gpu")
    with pytest.raises(InputError, match=r"^device must be a text, got 0$"):
        Compute(device=0)


@every_case
def test_a_failed_fit_leaves_no_tokenizer(case: str, monkeypatch: pytest.MonkeyPatch):
    def broken(*_: object, **__: object) -> None:
        raise MemoryError

    first, again = make(case), make(case).fit(VECTORS)
    for kernel in ("rqkmeans.residual_kmeans", "autoencoder.start.residual_kmeans", "opq.kmeans"):
        monkeypatch.setattr(f"semid.quantizers.{kernel}", broken)
    for tokenizer in (first, again):
        with pytest.raises(MemoryError):
            tokenizer.fit(VECTORS + 1)
        with pytest.raises(InputError, match="not fitted"):
            tokenizer.encode(VECTORS)


# small and degenerate catalogues


@every_case
@pytest.mark.parametrize(
    "change", [{"codebook_size": 1}, {"num_levels": 1}, {"codebook_size": 1, "num_levels": 1}], ids=str
)
def test_one_code_and_one_level_work(case: str, change: dict):
    tokenizer = make(case, **change).fit(VECTORS)
    codes = tokenizer.encode(VECTORS)
    assert codes.shape == (N, tokenizer.num_levels)
    assert codes.max() < tokenizer.codebook_size
    assert np.isfinite(tokenizer.decode(codes)).all()


@every_case
def test_equal_rows_have_equal_codes(case: str):
    vectors = np.concatenate([VECTORS[:100]] * 3)
    codes = make(case).fit(vectors).encode(vectors)
    np.testing.assert_array_equal(codes[:100], codes[100:200])
    np.testing.assert_array_equal(codes[:100], codes[200:])


@every_case
@pytest.mark.parametrize("distinct", [1, 5])
def test_fewer_distinct_rows_than_codes_leave_codes_unused(case: str, distinct: int):
    vectors = np.tile(VECTORS[:distinct], (40, 1))
    tokenizer = make(case).fit(vectors)
    codes = tokenizer.encode(vectors)
    assert all(len(np.unique(column)) <= distinct for column in codes.T)
    assert codes.max() < 16
    decoded = tokenizer.decode(codes)
    assert np.isfinite(decoded).all()
    if case in ("rqkmeans", "rqkmeans-beam"):
        np.testing.assert_allclose(decoded, vectors, atol=1e-5)


@every_case
@pytest.mark.parametrize("value", [0.0, 1.0])
def test_constant_vectors_share_one_code(case: str, value: float):
    vectors = np.full((40, DIM), value, np.float32)
    tokenizer = make(case).fit(vectors)
    codes = tokenizer.encode(vectors)
    assert len(np.unique(codes, axis=0)) == 1
    assert np.isfinite(tokenizer.decode(codes)).all()


@every_case
def test_as_many_rows_as_codes_are_enough(case: str):
    codes = make(case).fit(VECTORS[:16]).encode(VECTORS[:16])
    assert codes.max() < 16


# training on a sample


@every_case
def test_training_reads_a_seeded_sample_of_max_train_rows(case: str):
    reads = []
    for seed in (0, 0, 1):
        recorder = Recorder(VECTORS)
        make(case, max_train=100, seed=seed).fit(recorder)
        reads.append(recorder.read)
    assert len(reads[0]) == len(reads[2]) == 100
    assert reads[0] == reads[1] != reads[2]


@every_case
@pytest.mark.parametrize("max_train", [0, N, N + 1])
def test_training_takes_all_rows_when_max_train_is_zero_or_enough(case: str, max_train: int):
    recorder = Recorder(VECTORS)
    tokenizer = make(case, max_train=max_train).fit(recorder)
    assert recorder.read == set(range(N))
    assert torch.equal(tokenizer.codebooks_, fitted(case).codebooks_)


# saving and loading


@every_case
def test_a_saved_tokenizer_loads_bit_for_bit(case: str, tmp_path: Path):
    tokenizer = fitted(case)
    tokenizer.save_pretrained(tmp_path / "new" / "folder")
    loaded = Tokenizer.from_pretrained(tmp_path / "new" / "folder")
    assert type(loaded) is type(tokenizer)
    new = mixture(300, seed=3)
    codes = tokenizer.encode(new)
    np.testing.assert_array_equal(loaded.encode(new), codes)
    np.testing.assert_array_equal(loaded.decode(codes), tokenizer.decode(codes))
    assert loaded.dim == tokenizer.dim
    assert loaded.fit_summary() == tokenizer.fit_summary()
    state, loaded_state = tokenizer._state(), loaded._state()
    assert state.keys() == loaded_state.keys()
    assert all(torch.equal(state[name], loaded_state[name]) for name in state)


@every_case
def test_a_folder_holds_json_and_safetensors_alone(case: str, tmp_path: Path):
    fitted(case).save_pretrained(tmp_path)
    assert sorted(os.listdir(tmp_path)) == ["config.json", "model.safetensors"]
    config = json.loads((tmp_path / "config.json").read_text())
    assert config["class"] == type(fitted(case)).__name__
    # safetensors: the length of a JSON header, then the header
    content = (tmp_path / "model.safetensors").read_bytes()
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    assert set(header) - {"__metadata__"} == set(fitted(case)._state())


@every_case
def test_saving_again_replaces_the_old_tokenizer(case: str, tmp_path: Path):
    make(case, seed=1).fit(VECTORS).save_pretrained(tmp_path)
    fitted(case).save_pretrained(tmp_path)
    assert sorted(os.listdir(tmp_path)) == ["config.json", "model.safetensors"]
    loaded = Tokenizer.from_pretrained(tmp_path)
    assert loaded.seed == 0
    np.testing.assert_array_equal(loaded.encode(VECTORS), fitted(case).encode(VECTORS))


@every_case
def test_metadata_that_json_cannot_hold_are_refused_and_leave_what_was_there(case: str, tmp_path: Path):
    tokenizer = dataclasses.replace(fitted(case)).fit(VECTORS)
    tokenizer.save_pretrained(tmp_path)
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    for value in (np.float32(0.5), np.arange(3), float("nan")):
        tokenizer.metadata = {"space": value}
        with pytest.raises(InputError, match="metadata and options must be what JSON can hold"):
            tokenizer.save_pretrained(tmp_path)
        assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before


def test_numpy_numbers_as_options_are_those_of_python(tmp_path: Path):
    options = {
        "codebook_size": np.int64(16),
        "seed": np.uint8(3),
        "codebook_dim": np.int8(8),
        "epochs": np.int16(1),
        "decay": np.float64(0.9),
    }
    tokenizer = RQVAE(**options, hidden=np.array([24, 8]), linear_start=np.bool_(True), learning_rate=np.float32(0.5))
    tokenizer.fit(VECTORS, checkpoint=tmp_path / "checkpoint").save_pretrained(tmp_path)
    loaded = RQVAE.from_pretrained(tmp_path)
    assert (loaded.codebook_size, loaded.seed, loaded.epochs, loaded.decay) == (16, 3, 1, 0.9)
    assert (loaded.hidden, loaded.linear_start, loaded.learning_rate) == ((24, 8), True, 0.5)


def test_a_failed_save_leaves_no_half_written_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def full(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("semid.files.os.replace", full)
    with pytest.raises(OSError, match="disk full"):
        fitted("rqkmeans").save_pretrained(tmp_path)
    assert os.listdir(tmp_path) == []


NOT_DEFAULT = {
    RQKMeans: {
        **{
            "num_levels": 2,
            "codebook_size": 8,
            "codebook_sizes": (8, 4),
            "max_train": 300,
            "seed": 3,
            "metadata": {"dataset": "x", "space": [1]},
        },
        **{"pca_dim": 5, "kmeans_iters": 3, "kmeans_tolerance": 0.5, "seed_scale": 0.7, "beam": 2},
    },
    RQVAE: {
        **{
            "num_levels": 2,
            "codebook_size": 8,
            "codebook_sizes": (4, 8),
            "gradient_estimator": "rotation",
            "max_train": 300,
            "seed": 3,
            "metadata": {"dataset": "x", "space": [1]},
        },
        **{"codebook_dim": 6, "hidden": (9, 7), "linear_start": False, "codebook_update": "gradient", "decay": 0.9},
        **{"eps": 1e-3, "threshold_ema_dead_code": 0.1, "kmeans_iters": 3, "commitment_weight": 0.5},
        **{"usage_weight": 0.1, "usage_temperature": 0.7, "epochs": 2, "batch_size": 50, "learning_rate": 0.01},
        **{"keep": "last", "patience": 3},
    },
}
NOT_DEFAULT[OPQ] = {
    **{name: NOT_DEFAULT[RQKMeans][name] for name in ("num_levels", "codebook_size", "codebook_sizes", "max_train")},
    **{"seed": 3, "metadata": {"dataset": "x"}, "kmeans_iters": 3, "rotation_iters": 2, "rotation_tolerance": 0.5},
}
NOT_DEFAULT[VQVAE] = {
    name: value for name, value in NOT_DEFAULT[RQVAE].items() if name not in ("num_levels", "codebook_sizes")
}


def test_every_method_takes_part():
    assert {kind.__name__ for kind, _ in CASES.values()} == CLASSES.keys()
    assert {kind.__name__ for kind in NOT_DEFAULT} == CLASSES.keys()


@pytest.mark.parametrize("kind", NOT_DEFAULT)
def test_every_constructor_argument_survives_saving(kind: type[Tokenizer], tmp_path: Path):
    arguments = NOT_DEFAULT[kind]
    defaults = kind()
    assert {field.name for field in dataclasses.fields(kind) if field.init} == set(arguments)
    assert all(getattr(defaults, name) != value for name, value in arguments.items())
    kind(**arguments).fit(VECTORS).save_pretrained(tmp_path)
    loaded = kind.from_pretrained(tmp_path)
    assert {name: getattr(loaded, name) for name in arguments} == arguments


def test_folders_written_before_sizes_differed_and_models_had_headers_are_read(tmp_path: Path):
    tokenizer = fitted("rqkmeans-beam")
    tokenizer.save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    assert config["arguments"].pop("codebook_sizes") is None
    assert config["arguments"].pop("seed_scale") != 1
    (tmp_path / "config.json").write_text(json.dumps(config))
    save_file(tokenizer._state(), tmp_path / "model.safetensors")
    loaded = Tokenizer.from_pretrained(tmp_path)
    np.testing.assert_array_equal(loaded.encode(VECTORS), tokenizer.encode(VECTORS))
    assert loaded.seed_scale == 1  # what it was before it could be chosen
    model = RQKMeans.from_model(tmp_path / "model.safetensors")
    assert (loaded.beam, model.beam) == (4, 1)
    assert torch.equal(model.codebooks_, tokenizer.codebooks_)
    (tmp_path / "config.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"config\.json"):
        Tokenizer.from_model(tmp_path / "model.safetensors")


@every_case
def test_a_model_alone_is_the_tokenizer_encoding_by_default_options(case: str, tmp_path: Path):
    tokenizer = fitted(case)
    (tmp_path / "config.json").write_text("of another model")
    tokenizer.save_model(tmp_path / "model.safetensors")
    assert os.listdir(tmp_path) == ["model.safetensors"]
    loaded = Tokenizer.from_model(tmp_path / "model.safetensors")
    assert type(loaded) is type(tokenizer)
    if case == "rqkmeans-beam":
        assert loaded.beam == 1
        loaded.beam = 4
    np.testing.assert_array_equal(loaded.encode(VECTORS), tokenizer.encode(VECTORS))
    assert all(torch.equal(tensor, loaded._state()[name]) for name, tensor in tokenizer._state().items())


def test_a_model_of_another_name_leaves_the_tokenizer_in_its_folder_as_it_is(tmp_path: Path):
    fitted("rqkmeans").save_pretrained(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    fitted("opq").save_model(tmp_path / "rotated.safetensors")
    assert {name: (tmp_path / name).read_bytes() for name in before} == before
    assert type(Tokenizer.from_pretrained(tmp_path)) is RQKMeans
    assert type(Tokenizer.from_model(tmp_path / "rotated.safetensors")).__name__ == "OPQ"


def test_the_model_that_is_saved_does_not_depend_on_options_of_encoding(tmp_path: Path):
    for beam in (1, 4):
        tokenizer = make("rqkmeans", beam=beam, metadata={"dataset": "x"}).fit(VECTORS)
        tokenizer.save_pretrained(tmp_path / str(beam))
        made = tmp_path / f"{beam}.json"
        write_config(tmp_path / "1" / "model.safetensors", made, {"beam": beam})
        assert made.read_bytes() == (tmp_path / str(beam) / "config.json").read_bytes()
    models = [(tmp_path / beam / "model.safetensors").read_bytes() for beam in "14"]
    assert models[0] == models[1]


def test_from_pretrained_finds_the_class_and_refuses_another(tmp_path: Path):
    fitted("vqvae").save_pretrained(tmp_path)
    assert type(Tokenizer.from_pretrained(tmp_path)) is VQVAE
    assert type(VQVAE.from_pretrained(tmp_path)) is VQVAE
    for kind in (RQKMeans, RQVAE):
        with pytest.raises(ValueError, match=f"a VQVAE, expected {kind.__name__}"):
            kind.from_pretrained(tmp_path)


def with_value(value: float):
    """A change that puts a value at the end of a tensor."""

    def change(tensor: torch.Tensor) -> torch.Tensor:
        changed = tensor.clone()
        changed.view(-1)[-1:] = value
        return changed

    return change


@pytest.mark.parametrize("case", [*CASES, "external"])
def test_tensors_that_cannot_be_used_are_refused_with_file_name_expectation_and_finding(case: str, tmp_path: Path):
    tokenizer: Decoder = ExternalCodes(num_levels=3, codebook_size=16)
    if case == "external":
        tokenizer.fit(VECTORS, codes=fitted("rqkmeans").encode(VECTORS))
    else:
        tokenizer = fitted(case)
    tokenizer.save_pretrained(tmp_path)
    model = tmp_path / "model.safetensors"
    header = {"semid": json.dumps(read_header(model))}
    whole = tokenizer._state()

    def refusal(state: dict[str, torch.Tensor]) -> str:
        save_file({name: tensor.contiguous() for name, tensor in state.items()}, model, header)
        messages = []
        for read in (lambda: Decoder.from_pretrained(tmp_path), lambda: Decoder.from_model(model)):
            with pytest.raises(
                InputError, match=r"cannot be read as a tokenizer: .*; train or copy it again$"
            ) as raised:
                read()
            messages.append(str(raised.value))
        return messages[0]

    for name, tensor in whole.items():
        dtype, shape = str(tensor.dtype).removeprefix("torch."), list(tensor.shape)
        for changed in (tensor.half(), tensor.double(), tensor[None], tensor[1:], tensor.flatten()):
            if changed.shape != tensor.shape or changed.dtype != tensor.dtype:
                found = f"{str(changed.dtype).removeprefix('torch.')} {list(changed.shape)}"
                message = f"{model}: the tensor {name} must be {dtype} {shape}, found {found}"
                assert message in refusal({**whole, name: changed})
        assert f"{model}: the tensor {name} is missing, expected {dtype} {shape}" in refusal(
            {other: tensor for other, tensor in whole.items() if other != name}
        )
        if not tensor.is_floating_point() or not tensor.numel():
            continue
        for value, found in ((np.nan, "NaN"), (np.inf, "values from .* to inf"), (-1e30, r"values from -1e\+30 to")):
            message = rf"{model}: the tensor {name} must hold finite values of at most 9e\+18, found {found}"
            assert re.search(message, refusal({**whole, name: with_value(value)(tensor)}))
    negative = with_value(-1)(whole["cluster_sizes"])
    assert "the tensor cluster_sizes must hold counts, found -1" in refusal({**whole, "cluster_sizes": negative})
    assert ", found another too" in refusal({**whole, "another": torch.zeros(1)})


@pytest.mark.parametrize(
    "change",
    [
        {"class": []},
        {"arguments": []},
        {"arguments": {"unheard": 1}},
        {"arguments": {"num_levels": 10**30}},
        {"metadata": 1},
        {"fitted": {}},
        {"fitted": []},
        {"fitted": {"dim": "16"}},
        {"fitted": {"dim": 0}},
        {"fitted": {"dim": True}},
        {"fitted": {"dim": 10**30}},
        {"fitted": {"dim": 17, "epoch_kept": 0, "rollbacks": 0}},
    ],
    ids=str,
)
@pytest.mark.parametrize("case", ["rqkmeans", "vqvae", "opq"])
def test_a_config_of_something_else_is_one_sentence(case: str, change: dict, tmp_path: Path):
    fitted(case).save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, **change}))
    with pytest.raises(InputError, match=f"{tmp_path} cannot be read as a tokenizer: .*; train or copy it again$"):
        Decoder.from_pretrained(tmp_path)


@pytest.mark.parametrize("missing", ["config.json", "model.safetensors"])
def test_a_missing_file_is_named(missing: str, tmp_path: Path):
    fitted("rqkmeans").save_pretrained(tmp_path)
    (tmp_path / missing).unlink()
    with pytest.raises(FileNotFoundError, match=f"{tmp_path}.* no {missing}"):
        Tokenizer.from_pretrained(tmp_path)


def test_an_unknown_class_is_named(tmp_path: Path):
    fitted("rqkmeans").save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "class": "Unheard"}))
    with pytest.raises(ValueError, match=r"cannot be read as a tokenizer.*'Unheard'"):
        Tokenizer.from_pretrained(tmp_path)


def test_a_damaged_model_is_named(tmp_path: Path):
    fitted("rqkmeans").save_pretrained(tmp_path)
    whole = (tmp_path / "model.safetensors").read_bytes()
    (tmp_path / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=f"{tmp_path} cannot be read as a tokenizer"):
        Tokenizer.from_pretrained(tmp_path)


def test_fewer_than_two_rows_a_code_are_warned_of(caplog: pytest.LogCaptureFixture):
    rows = np.random.default_rng(0).normal(size=(31, 4))
    RQKMeans(num_levels=1, codebook_size=16).fit(rows)
    assert "31 training rows for 16 codes: fewer than two a code" in caplog.text
    caplog.clear()
    RQKMeans(num_levels=1, codebook_size=15).fit(rows)
    assert "fewer than two" not in caplog.text
