"""Compiled loops find what torch finds, for any number of threads, with and without numba."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from mixtures import mixture

from semid import loops
from semid.pair_products import products_of_pairs
from semid.quantizers import OPQ, VQVAE, RQKMeans, Tokenizer
from semid.quantizers.kernels import compiled
from semid.quantizers.kernels.beam import BeamSearch

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(params=[1, 3])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def test_products_of_pairs_are_those_of_their_rows(threads: int) -> None:
    generator = torch.Generator().manual_seed(0)
    left, right = torch.randn(20, 70, generator=generator), torch.randn(9, 70, generator=generator)
    for n in (0, 1, 50):
        rows, columns = (torch.randint(high, (n,), generator=generator) for high in (20, 9))
        found = products_of_pairs(left, right, rows, columns)
        torch.testing.assert_close(found, (left @ right.t())[rows, columns])


@pytest.mark.parametrize("is_shared", [True, False])
@pytest.mark.parametrize("num_entries", [0, 1, 3])
@pytest.mark.parametrize("count", [1, 4, 500])
def test_the_smallest_sums_are_those_of_a_sort(is_shared: bool, num_entries: int, count: int, threads: int) -> None:
    random = np.random.default_rng(count + num_entries)
    n, width, k = 11, 5, 70
    errors = random.normal(size=(n, width)).astype(np.float32)
    scores = random.normal(size=(n, 1 if is_shared else width, k)).astype(np.float32)
    table = random.normal(size=(20, k)).astype(np.float32)
    entries = random.integers(0, 20, (n, width, num_entries))
    sums = np.zeros((n, width, k), np.float32)
    for entry in range(num_entries):
        sums += table[entries[:, :, entry]]
    sums = ((sums + scores) + errors[:, :, None]).reshape(n, -1)
    order = np.argsort(sums, axis=1, kind="stable")[:, :count]
    found = compiled.smallest_sums(*map(torch.from_numpy, (errors, scores, entries, table)), count)
    np.testing.assert_array_equal(found[0], np.take_along_axis(sums, order, axis=1))
    np.testing.assert_array_equal(found[1], order // k)
    np.testing.assert_array_equal(found[2], order % k)


def test_equal_sums_come_in_the_order_of_parents_and_codes() -> None:
    errors, scores = torch.zeros(1, 2), torch.tensor([[[1.0, 0.0, 0.0, 2.0]]])
    sums, parents, codes = compiled.smallest_sums(
        errors, scores, torch.empty(1, 2, 0, dtype=torch.int64), torch.zeros(1, 4), 5
    )
    assert sums.tolist() == [[0, 0, 0, 0, 1]]
    assert list(zip(parents[0].tolist(), codes[0].tolist(), strict=True)) == [(0, 1), (0, 2), (1, 1), (1, 2), (0, 0)]


@pytest.mark.parametrize(
    "tokenizer",
    [
        RQKMeans(num_levels=3, codebook_size=160, kmeans_iters=3),
        RQKMeans(num_levels=3, codebook_size=160, codebook_sizes=(160, 96, 33), kmeans_iters=3, beam=5),
        VQVAE(codebook_size=200, epochs=1, codebook_dim=8),
        OPQ(num_levels=2, codebook_size=160, rotation_iters=3),
    ],
    ids=lambda tokenizer: f"{type(tokenizer).__name__}, beam {getattr(tokenizer, 'beam', 1)}",
)
def test_tokenizers_learn_and_write_the_same_without_numba(
    tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    vectors = mixture(3000, 32)
    # from the first block on
    monkeypatch.setattr(compiled, "_PRODUCTS_BEFORE", -1)
    with_numba = tokenizer.fit(vectors).encode(vectors)
    state = {name: tensor.clone() for name, tensor in tokenizer._state().items()}
    monkeypatch.setattr(loops, "has_numba", lambda: False)
    np.testing.assert_array_equal(tokenizer.fit(vectors).encode(vectors), with_numba)
    for name, tensor in tokenizer._state().items():
        assert torch.equal(tensor, state[name]), name


def test_codebooks_without_tables_are_searched_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(0)
    codebooks = [torch.randn(70, 24, generator=generator) for _ in range(3)]
    rows = torch.randn(400, 24, generator=generator)
    monkeypatch.setattr("semid.quantizers.kernels.beam._TABLES_AT_MOST", 0)
    with_numba = BeamSearch(codebooks, 6)(rows)
    monkeypatch.setattr(loops, "has_numba", lambda: False)
    assert torch.equal(BeamSearch(codebooks, 6)(rows), with_numba)


def said_by(code: str, **environment: str) -> str:
    """What a Python process prints that runs `code` with a search by two threads before it."""
    before = (
        "import os, sys, threading, torch\n"
        "from semid import loops\nfrom semid.quantizers.kernels import compiled\n"
        "torch.set_num_threads(2)\n"
        "entries = torch.zeros(9, 2, 0, dtype=torch.int64)\n"
        "arguments = torch.zeros(9, 2), torch.ones(9, 1, 40), entries, torch.ones(1, 40)\n"
        "def search():\n"
        "    print(compiled.smallest_sums(*arguments, 1)[0].sum().item(), flush=True)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", before + code],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_process_that_is_forked_searches_too() -> None:
    code = (
        "search()\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    search()\n"
        "    os._exit(0)\n"
        "for _ in range(200):\n"
        "    if os.waitpid(child, os.WNOHANG)[0]:\n"
        "        sys.exit()\n"
        "    threading.Event().wait(0.1)\n"
        "os.kill(child, 9)\n"
        "sys.exit('the child hangs')\n"
    )
    assert said_by(code) == "9.0\n9.0\n"


def test_a_thread_that_outlives_the_main_one_searches_too() -> None:
    code = (
        "main = threading.main_thread()\n"
        "threading.Thread(target=lambda: (main.join(), threading.Event().wait(0.3), search())).start()\n"
    )
    assert said_by("search()\n" + code) == "9.0\n9.0\n"


def test_numba_that_does_not_compile_is_as_none() -> None:
    ask = "print(loops.has_numba())"
    assert said_by(ask) == "True\n"
    assert said_by(ask, NUMBA_DISABLE_JIT="1") == "False\n"
    # what numba says of a numpy that is too new
    broken = (
        "class Refuses:\n    def find_spec(self, name, *_):\n        if name == 'numba.core': raise ImportError(name)\n"
    )
    assert said_by(f"{broken}sys.meta_path.insert(0, Refuses())\n{ask}") == "False\n"


def test_the_default_dtype_of_torch_does_not_count() -> None:
    scores = torch.randn(4, 40)
    torch.set_default_dtype(torch.float64)
    try:
        sums = compiled.smallest_sums(
            scores[:, :1], scores[:, None], torch.zeros(4, 1, 0, dtype=torch.int64), scores[:1], 2
        )
        assert sums[0].dtype == torch.float32
    finally:
        torch.set_default_dtype(torch.float32)


def test_numba_is_not_imported_for_a_few_rows() -> None:
    code = (
        "import sys, numpy as np\n"
        "from semid.quantizers import RQKMeans\n"
        "vectors = np.random.default_rng(0).normal(size=(200, 8))\n"
        "RQKMeans(num_levels=2, codebook_size=8).fit(vectors).encode(vectors)\n"
        "assert 'numba' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
