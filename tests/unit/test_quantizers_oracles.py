"""The kernels against other libraries: moving averages, greedy residual codes and beams."""

import numpy as np
import pytest
import torch
from mixtures import mixture
from torch import Tensor

from bench.encode import faiss_encoder
from semid.quantizers import RQKMeans
from semid.quantizers.autoencoder.ema import EMACodebook
from semid.quantizers.kernels.nearest import NearestCodeword

# of a row's squared length: codewords whose squared distances are this close may be told apart by rounding alone
NEAR_TIE = 1e-5


# moving averages against vector-quantize-pytorch


def both_codebooks(size: int, dim: int, decay: float, eps: float, share: float, batch: int) -> tuple:
    """Ours and vector-quantize-pytorch's of equal state: random codewords, the first ones used most.

    A code is dead under `share` of batch / size.
    """
    peers = pytest.importorskip(
        "vector_quantize_pytorch", reason="needs vector-quantize-pytorch: pip install vector-quantize-pytorch==1.32.0"
    )
    peer = peers.VectorQuantize(
        dim=dim,
        codebook_size=size,
        decay=decay,
        eps=eps,
        threshold_ema_dead_code=share * batch / size,
        use_cosine_sim=False,
        rotation_trick=False,
    ).train()
    ours = EMACodebook(size, dim, decay, eps, share)
    codewords = torch.randn(size, dim, generator=torch.Generator().manual_seed(0))
    ours.start(codewords, torch.arange(size, 0, -1), batch)
    state = peer._codebook
    state.embed.copy_(ours.codebook[None])
    state.cluster_size.copy_(ours.counts[None])
    state.embed_avg.copy_(ours.sums[None])
    return ours, peer


def update_both(ours: EMACodebook, peer: torch.nn.Module, rows: Tensor) -> tuple[Tensor, int]:
    """One step of each on rows [n, d]; their codes, which must be the same, and how many codes we revived."""
    codes = NearestCodeword(ours.codebook).codes(rows)
    revived = ours.update(rows, codes, torch.Generator().manual_seed(1))
    assert torch.equal(peer(rows[None])[1][0], codes)
    return codes, revived


@pytest.mark.parametrize(
    ("size", "dim", "decay", "eps"), [(16, 4, 0.99, 1e-5), (16, 4, 0.8, 0.5), (5, 3, 0.0, 1e-5), (1, 2, 0.9, 1e-3)]
)
def test_moving_averages_equal_vector_quantize_pytorch(size: int, dim: int, decay: float, eps: float):
    ours, peer = both_codebooks(size, dim, decay, eps, share=0.0, batch=200)
    before = ours.codebook.clone()
    generator = torch.Generator().manual_seed(2)
    for step in range(20):
        # drifting rows: the codes of a step depend on the updates before it
        update_both(ours, peer, torch.randn(200, dim, generator=generator) + 0.05 * step)
    found, expected = (ours.counts, ours.sums, ours.codebook), peer._codebook
    for tensor, other in zip(found, (expected.cluster_size, expected.embed_avg, expected.embed), strict=True):
        torch.testing.assert_close(tensor, other[0], rtol=1e-5, atol=1e-5)
    assert float((ours.codebook - before).abs().max()) > 0.05


def test_the_codes_that_are_revived_are_those_of_vector_quantize_pytorch():
    ours, peer = both_codebooks(64, 3, decay=0.5, eps=1e-5, share=0.3, batch=400)
    unrevived, _ = both_codebooks(64, 3, decay=0.5, eps=1e-5, share=0.0, batch=400)
    rows = torch.randn(400, 3, generator=torch.Generator().manual_seed(3)) + 1
    codes, revived = update_both(ours, peer, rows)
    unrevived.update(rows, codes, torch.Generator())
    moved = (ours.codebook != unrevived.codebook).any(dim=1)
    torch.testing.assert_close(ours.codebook[~moved], peer.codebook[~moved], rtol=1e-5, atol=1e-5)
    assert torch.equal((peer.codebook - unrevived.codebook).abs().amax(dim=1) > 1e-4, moved)
    assert 5 < revived < 60
    assert int(moved.sum()) == revived
    for codebook in (ours.codebook, peer.codebook):
        assert bool((codebook[moved][:, None] == rows).all(dim=2).any(dim=1).all())


# residual codes against faiss


def faiss_codes(tokenizer: RQKMeans, rows: np.ndarray, beam: int, lookup_tables: int) -> np.ndarray:
    """Codes [n, L] that faiss.ResidualQuantizer finds under the codebooks of the tokenizer."""
    pytest.importorskip("faiss", reason="needs faiss: pip install faiss-cpu")
    return faiss_encoder(tokenizer.codebooks_.numpy(), beam, lookup_tables)(rows)


def first_margins(tokenizer: RQKMeans, rows: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """The smallest margin [n] on the greedy path of `codes` [n, L]: what the second codeword is farther than the first.

    In squared distance, as a share of the row's squared length, in float64.
    """
    residual = rows.astype(np.float64)
    lengths = np.square(residual).sum(axis=1)
    margins = np.full(len(rows), np.inf)
    for level, codebook in enumerate(tokenizer.codebooks_.double().numpy()):
        distances = np.square(codebook).sum(axis=1) - 2 * residual @ codebook.T
        two = np.partition(distances, 1, axis=1)[:, :2]
        margins = np.minimum(margins, (two[:, 1] - two[:, 0]) / lengths)
        residual = residual - codebook[codes[:, level]]
    return margins


def squared_errors(tokenizer: RQKMeans, rows: np.ndarray, codes: np.ndarray) -> np.ndarray:
    codebooks = tokenizer.codebooks_.double().numpy()
    quantized = sum(codebook[codes[:, level]] for level, codebook in enumerate(codebooks))
    return np.square(rows - quantized).sum(axis=1)


@pytest.mark.parametrize("lookup_tables", [0, 1])
@pytest.mark.parametrize(
    ("num_levels", "codebook_size", "dim"),
    [(4, 256, 32), (3, 16, 5), (1, 64, 8), (6, 2, 12), (2, 1024, 48)],  # the last is screened where int8 products are
)
def test_greedy_codes_equal_faiss_near_ties_exempt(num_levels: int, codebook_size: int, dim: int, lookup_tables: int):
    rows = mixture(4_000, dim, clusters=40)
    tokenizer = RQKMeans(num_levels=num_levels, codebook_size=codebook_size, kmeans_iters=5).fit(rows[:2_500])
    codes = tokenizer.encode(rows)
    expected = faiss_codes(tokenizer, rows, 1, lookup_tables)
    clear = first_margins(tokenizer, rows, codes) > NEAR_TIE
    assert clear.mean() > 0.95
    np.testing.assert_array_equal(codes[clear], expected[clear])


@pytest.mark.parametrize("lookup_tables", [0, 1])
@pytest.mark.parametrize("beam", [4, 16])
def test_beams_end_with_the_error_of_faiss(beam: int, lookup_tables: int):
    rows = mixture(2_000, 24, clusters=40)
    greedy = RQKMeans(num_levels=4, codebook_size=64, kmeans_iters=5).fit(rows)
    without = squared_errors(greedy, rows, greedy.encode(rows)).sum()
    greedy.beam = beam
    codes = greedy.encode(rows)
    expected = faiss_codes(greedy, rows, beam, lookup_tables)
    error, peer = squared_errors(greedy, rows, codes).sum(), squared_errors(greedy, rows, expected).sum()
    assert error == pytest.approx(peer, rel=1e-4)
    assert error < 0.99 * without
    assert (codes == expected).all(axis=1).mean() > 0.99
