"""RQ-VAE and VQ-VAE: their start, their loss, their codebooks, and which epoch is kept."""

import copy
import math
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from mixtures import mixture
from torch import Tensor, nn

from semid.errors import InputError
from semid.quantizers import OPQ, RQVAE, VQVAE, Compute, ExternalCodes, RQKMeans
from semid.quantizers.autoencoder import trainer
from semid.quantizers.autoencoder.ema import EMACodebook
from semid.quantizers.autoencoder.gradient_estimators import rotation_trick
from semid.quantizers.autoencoder.measures import held_out_error
from semid.quantizers.autoencoder.state import Training
from semid.quantizers.autoencoder.usage import usage_entropy

N, DIM = 600, 16
SMALL = {"num_levels": 3, "codebook_size": 16}
TRAINING = {"batch_size": 128, "hidden": (24,)}


VECTORS = mixture(N, DIM)


def mean_error(tokenizer, vectors: np.ndarray) -> float:
    decoded = tokenizer.decode(tokenizer.encode(vectors))
    return float(np.square(decoded - vectors.astype(np.float32)).sum(axis=1).mean())


def n_distinct(codes: np.ndarray) -> int:
    return len(np.unique(codes, axis=0))


# the start


@pytest.mark.parametrize(("pca_dim", "codebook_dim"), [(8, 8), (16, 16), (0, 0), (0, 16), (16, 0)])
def test_without_training_it_is_the_rqkmeans_it_starts_from_code_for_code(pca_dim: int, codebook_dim: int):
    start = RQKMeans(**SMALL, pca_dim=pca_dim).fit(VECTORS)
    tokenizer = RQVAE(**SMALL, **TRAINING, codebook_dim=codebook_dim, epochs=0).fit(VECTORS, start=start)
    new = mixture(3_000, seed=1)
    codes = start.encode(new)
    np.testing.assert_array_equal(tokenizer.encode(new), codes)
    np.testing.assert_allclose(tokenizer.decode(codes), start.decode(codes), atol=1e-5)
    assert torch.equal(tokenizer.cluster_sizes_, start.cluster_sizes_)
    assert tokenizer.epoch_kept_ == 0
    assert [state["epoch"] for state in tokenizer.history_] == [0]


def test_training_that_buys_nothing_gives_back_its_start_code_for_code():
    start = RQKMeans(**SMALL, pca_dim=8).fit(VECTORS)
    tokenizer = RQVAE(**SMALL, **TRAINING, codebook_dim=8, epochs=3, learning_rate=10.0).fit(VECTORS, start=start)
    assert tokenizer.epoch_kept_ == 0
    np.testing.assert_array_equal(tokenizer.encode(VECTORS), start.encode(VECTORS))
    np.testing.assert_allclose(
        tokenizer.decode(start.encode(VECTORS)), start.decode(start.encode(VECTORS)), rtol=1e-5, atol=1e-5
    )


def test_epoch_0_of_the_history_describes_the_start():
    start = RQKMeans(**SMALL, pca_dim=8).fit(VECTORS)
    tokenizer = RQVAE(**SMALL, **TRAINING, codebook_dim=8, epochs=1).fit(VECTORS, start=start)
    first = tokenizer.history_[0]
    assert first["unique_codes"] == n_distinct(start.encode(VECTORS))
    assert first["used_codes"] == (start.cluster_sizes_ > 0).sum(dim=1).tolist()
    shares = start.cluster_sizes_ / N
    np.testing.assert_allclose(first["perplexity"], torch.special.entr(shares).sum(dim=1).exp(), rtol=1e-5)


def test_the_start_is_not_changed_by_the_training_that_begins_there():
    start = RQKMeans(**SMALL, pca_dim=8).fit(VECTORS)
    kept = copy.deepcopy(start._state())
    RQVAE(**SMALL, **TRAINING, codebook_dim=8, epochs=2, learning_rate=0.01).fit(VECTORS, start=start)
    assert all(torch.equal(kept[name], tensor) for name, tensor in start._state().items())


@pytest.mark.parametrize(
    ("start", "changes"),
    [
        ({}, {"codebook_dim": 4}),
        ({"pca_dim": 0}, {}),
        ({"num_levels": 2}, {}),
        ({"codebook_size": 8}, {}),
        ({"codebook_sizes": (16, 8, 4)}, {}),
        ({}, {"codebook_sizes": (16, 8, 4)}),
        ({}, {"linear_start": False}),
    ],
    ids=str,
)
def test_a_start_of_another_shape_is_refused_with_both_shapes(start: dict, changes: dict):
    begin = RQKMeans(**{**SMALL, "pca_dim": 8, **start}).fit(VECTORS)
    tokenizer = RQVAE(**{**SMALL, **TRAINING, "codebook_dim": 8, **changes})
    with pytest.raises(ValueError, match="cannot start") as caught:
        tokenizer.fit(VECTORS, start=begin)
    assert str(tuple(begin.codebooks_.shape)) in str(caught.value)
    assert str((3, 16, tokenizer.codebook_dim)) in str(caught.value)
    assert str(begin.sizes) in str(caught.value)
    assert str(tokenizer.sizes) in str(caught.value)


def test_a_start_from_vectors_of_another_width_is_refused():
    begin = RQKMeans(**SMALL, pca_dim=8).fit(VECTORS[:, :12])
    with pytest.raises(ValueError, match=r"12 wide.* 16"):
        RQVAE(**SMALL, **TRAINING, codebook_dim=8).fit(VECTORS, start=begin)


@pytest.mark.parametrize("kind", [RQVAE, VQVAE, OPQ, ExternalCodes])
@pytest.mark.parametrize("with_checkpoint", [False, True])
def test_a_start_of_another_class_is_refused_with_the_class(kind: type, with_checkpoint: bool, tmp_path: Path):
    sizes = {"codebook_size": 16} if kind is VQVAE else SMALL
    training = {**TRAINING, "codebook_dim": 8, "epochs": 0} if kind in (RQVAE, VQVAE) else {}
    given = {"codes": np.zeros((len(VECTORS), 3), np.int64)} if kind is ExternalCodes else {}
    start = kind(**sizes, **training).fit(VECTORS, **given)
    with pytest.raises(InputError, match=f"cannot start from a tokenizer of class {kind.__name__}; expected RQKMeans"):
        RQVAE(**SMALL, **TRAINING, codebook_dim=8).fit(
            VECTORS, start=start, checkpoint=tmp_path if with_checkpoint else None
        )


@pytest.mark.parametrize("with_checkpoint", [False, True])
def test_a_start_that_is_not_fitted_is_refused(with_checkpoint: bool, tmp_path: Path):
    with pytest.raises(InputError, match="this RQKMeans is not fitted: call fit"):
        RQVAE(**SMALL, **TRAINING, codebook_dim=8).fit(
            VECTORS, start=RQKMeans(**SMALL, pca_dim=8), checkpoint=tmp_path if with_checkpoint else None
        )


def test_a_start_with_a_beam_gives_its_codewords_which_are_chosen_greedily():
    start = RQKMeans(**SMALL, pca_dim=8, beam=4).fit(VECTORS)
    tokenizer = RQVAE(**SMALL, **TRAINING, codebook_dim=8, epochs=0).fit(VECTORS, start=start)
    assert (tokenizer.encode(VECTORS) != start.encode(VECTORS)).any()
    start.beam = 1
    np.testing.assert_array_equal(tokenizer.encode(VECTORS), start.encode(VECTORS))


def test_codewords_that_served_held_out_rows_alone_are_put_to_use_again():
    # so many codes that some served one row alone, and of these some are held out
    tokenizer = VQVAE(codebook_size=400, **TRAINING, epochs=1, learning_rate=1e-12)
    tokenizer.fit(VECTORS)
    assert [state["unique_codes"] for state in tokenizer.history_] == [400, 400]


def test_a_linear_start_without_a_tokenizer_is_the_rqkmeans_of_the_same_seed():
    alone = RQVAE(**SMALL, **TRAINING, codebook_dim=8, epochs=0, seed=3).fit(VECTORS)
    start = RQKMeans(**SMALL, pca_dim=8, seed=3).fit(VECTORS)
    assert (alone.encode(VECTORS) == start.encode(VECTORS)).mean() > 0.99


# the loss


class GivenNetwork(nn.Module):
    """A network whose encoder gives `latent`, whatever the rows, and whose decoder is a function."""

    def __init__(self, latent: Tensor, decode: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.latent, self.decode = latent, decode

    def encode(self, rows: Tensor) -> Tensor:
        return self.latent


def step(tokenizer: RQVAE, latent: Tensor, codebooks: Tensor, decode=None) -> Tensor:
    """The loss and the backward pass of one training step whose encoder gives `latent` [n, d], on rows of zeros.

    The default decoder is always right: nothing is left of the loss but the codebooks' terms.
    """
    tokenizer._build(DIM)
    model, rows = tokenizer.model_, torch.zeros(len(latent), DIM)
    for level, codebook in zip(model.levels, codebooks, strict=True):
        level.start(codebook, torch.ones(len(codebook)), len(latent))
    model.network = GivenNetwork(latent, decode or (lambda point: rows))
    optimizer, generator = torch.optim.SGD([latent], lr=0.0), torch.Generator().manual_seed(0)
    losses, _ = trainer.train_step(Training(model, optimizer, generator, [], {}, {}), rows, Compute())
    return losses


def two_levels() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Latent rows, two codebooks, and by hand the residuals after level 1 and after level 2."""
    generator = torch.Generator().manual_seed(0)
    latent, codebooks = torch.randn(10, 4, generator=generator), torch.randn(2, 5, 4, generator=generator)
    first = latent - codebooks[0][torch.cdist(latent, codebooks[0]).argmin(dim=1)]
    second = first - codebooks[1][torch.cdist(first, codebooks[1]).argmin(dim=1)]
    return latent.requires_grad_(), codebooks, first.detach(), second.detach()


@pytest.mark.parametrize("update", ["ema", "gradient"])
def test_the_commitment_of_every_level_reaches_the_encoder(update: str):
    latent, codebooks, first, second = two_levels()
    tokenizer = RQVAE(
        num_levels=2, codebook_size=5, codebook_dim=4, commitment_weight=0.3, linear_start=False, codebook_update=update
    )
    step(tokenizer, latent, codebooks)
    of_level_2 = latent.grad - 0.3 * 2 * first / len(latent)
    torch.testing.assert_close(of_level_2, 0.3 * 2 * second / len(latent), rtol=1e-4, atol=1e-6)
    assert float(of_level_2.abs().max()) > 0.01


def linear_decoder(weights: Tensor) -> tuple[Callable[[Tensor], Tensor], list[Tensor]]:
    """A decoder to rows of the squared length ⟨weights, point⟩², and the list of the points that it saw."""
    seen = []

    def decode(point: Tensor) -> Tensor:
        seen.append(point.detach())
        return (point * weights).sum(dim=1, keepdim=True).expand(-1, DIM) / math.sqrt(DIM)

    return decode, seen


def test_the_decoder_sees_the_codewords_and_its_gradient_passes_straight_through():
    latent, codebooks, _, second = two_levels()
    weights = torch.linspace(-1, 1, 4)
    decode, seen = linear_decoder(weights)
    tokenizer = RQVAE(num_levels=2, codebook_size=5, codebook_dim=4, commitment_weight=0.0, linear_start=False)
    step(tokenizer, latent, codebooks, decode)
    quantized = latent.detach() - second
    torch.testing.assert_close(seen[0], quantized, rtol=1e-5, atol=1e-6)
    # d/dz of mean (⟨w, q⟩)², taken at q
    expected = 2 * (quantized @ weights)[:, None] * weights / len(latent)
    torch.testing.assert_close(latent.grad, expected, rtol=1e-4, atol=1e-6)


def rotation_matrix(e: Tensor, q: Tensor) -> Tensor:
    """The rotation in the plane of e and q that turns e to the direction of q, by its angle, in float64."""
    u = e / e.norm()
    v = q - (q @ u) * u
    v = v / v.norm()
    cosine = float(q @ u / q.norm())
    sine = math.sqrt(1 - cosine**2)
    plane = torch.outer(u, u) + torch.outer(v, v)
    turned = cosine * plane + sine * (torch.outer(v, u) - torch.outer(u, v))
    return torch.eye(len(e), dtype=e.dtype) - plane + turned


def test_the_rotation_trick_gives_the_codewords_and_the_gradient_of_the_rotation_and_the_rescale():
    generator = torch.Generator().manual_seed(0)
    latent, quantized, above = (torch.randn(20, 6, generator=generator) for _ in range(3))
    latent.requires_grad_()
    value = rotation_trick(latent, quantized)
    assert torch.equal(value, quantized)
    value.backward(above)
    rows = (latent.detach().double(), quantized.double(), above.double(), latent.grad)
    for e, q, gradient, found in zip(*rows, strict=True):
        matrix = q.norm() / e.norm() * rotation_matrix(e, q)
        torch.testing.assert_close(matrix @ e, q)
        torch.testing.assert_close(found.double(), matrix.t() @ gradient, rtol=1e-4, atol=1e-5)


def test_the_rotation_trick_has_a_gradient_where_there_is_nothing_to_rotate():
    e = torch.tensor([[3.0, 4.0, 0.0]])
    above = torch.tensor([[0.5, -1.0, 2.0]])
    zero = torch.zeros(1, 3)
    turned_around = above - 2 * (above @ e.t()) * e / 25
    expected = [(e, e, above), (e, 2 * e, 2 * above), (e, -e, turned_around), (e, -0.5 * e, 0.5 * turned_around)]
    expected += [(zero, e, above), (e, zero, above), (zero, zero, above), (1e-30 * e, e, above)]
    for latent, quantized, gradient in expected:
        latent = latent.clone().requires_grad_()
        value = rotation_trick(latent, quantized)
        assert torch.equal(value, quantized)
        value.backward(above)
        torch.testing.assert_close(latent.grad, gradient, rtol=1e-5, atol=1e-6)
    nearly = (-e + torch.tensor([[1e-7, 0.0, 1e-7]])).requires_grad_()
    rotation_trick(nearly, e).backward(above)
    assert float(nearly.grad.norm()) < 3 * float(above.norm())


def test_by_rotation_the_decoder_sees_the_codewords_and_its_gradient_is_that_of_the_whole_sum_turned():
    latent, codebooks, _, second = two_levels()
    weights = torch.linspace(-1, 1, 4)
    decode, seen = linear_decoder(weights)
    arguments = {"num_levels": 2, "codebook_size": 5, "codebook_dim": 4, "linear_start": False}
    step(RQVAE(**arguments, commitment_weight=0.0, gradient_estimator="rotation"), latent, codebooks, decode)
    quantized = latent.detach() - second
    torch.testing.assert_close(seen[0], quantized, rtol=1e-5, atol=1e-6)
    at_the_sum = 2 * (quantized @ weights)[:, None] * weights / len(latent)
    rows = (latent.detach().double(), quantized.double(), at_the_sum.double(), latent.grad)
    for e, q, gradient, found in zip(*rows, strict=True):
        expected = q.norm() / e.norm() * rotation_matrix(e, q).t() @ gradient
        torch.testing.assert_close(found.double(), expected, rtol=1e-3, atol=1e-5)


def test_an_unknown_gradient_estimator_is_refused_with_the_known_ones():
    with pytest.raises(InputError, match="gradient_estimator must be straight_through or rotation"):
        RQVAE(gradient_estimator="rotate")


def test_the_terms_of_the_loss_are_those_of_its_definition():
    latent, codebooks, first, second = two_levels()
    arguments = {"num_levels": 2, "codebook_size": 5, "codebook_dim": 4, "linear_start": False}
    tokenizer = RQVAE(**arguments, commitment_weight=0.3, usage_weight=0.2, codebook_update="gradient")
    constant = torch.full((10, DIM), 0.5)
    losses = step(tokenizer, latent, codebooks, lambda point: constant + 0 * point.sum())
    squares = [float(left.square().sum(dim=1).mean()) for left in (first, second)]
    entropies = [
        float(direct_entropy(residuals, codebook, 0.1))
        for residuals, codebook in zip((latent.detach(), first), codebooks, strict=True)
    ]
    expected = [DIM * 0.25, 0.3 * sum(squares), sum(squares), -0.2 * sum(entropies)]
    np.testing.assert_allclose(losses, expected, rtol=1e-4)


def test_gradient_codebooks_are_pulled_to_the_residuals_they_serve():
    latent, codebooks, first, second = two_levels()
    tokenizer = RQVAE(num_levels=2, codebook_size=5, codebook_dim=4, linear_start=False, codebook_update="gradient")
    step(tokenizer, latent, codebooks)
    before = latent.detach()
    for level, left in enumerate((first, second)):
        codes = torch.cdist(before, codebooks[level]).argmin(dim=1)
        expected = torch.zeros(5, 4).index_add_(0, codes, -2 * left / len(latent))
        torch.testing.assert_close(tokenizer.model_.levels[level].codebook.grad, expected, rtol=1e-4, atol=1e-6)
        before = left


def test_gradient_codebooks_learn():
    arguments = {**SMALL, **TRAINING, "codebook_dim": 8, "codebook_update": "gradient", "keep": "last", "seed": 1}
    start = RQVAE(**arguments, epochs=0).fit(VECTORS)
    trained = RQVAE(**arguments, epochs=15, learning_rate=0.005).fit(VECTORS)
    assert not torch.equal(trained.codebooks_, start.codebooks_)
    assert mean_error(trained, VECTORS) < 0.95 * mean_error(start, VECTORS)


# codebooks that follow by moving averages


def ema_codebook(threshold: float = 0.02, decay: float = 0.9, size: int = 5) -> EMACodebook:
    codebook = EMACodebook(size, 3, decay, 0.5, threshold)
    values = torch.randn(size, 3, generator=torch.Generator().manual_seed(0))
    codebook.start(values, torch.arange(1, size + 1) * 10, 60)
    return codebook


def test_a_start_sets_counts_to_the_share_of_a_batch_and_sums_to_match():
    codebook = ema_codebook()
    np.testing.assert_allclose(codebook.counts, 60 * np.arange(1, 6) / 15, rtol=1e-6)
    torch.testing.assert_close(codebook.sums / codebook.counts[:, None], codebook.codebook)


def test_an_update_equals_the_formula_by_hand():
    codebook = ema_codebook()
    counts, sums = codebook.counts.double().numpy(), codebook.sums.double().numpy()
    generator = np.random.default_rng(0)
    for _ in range(3):
        rows, codes = generator.normal(size=(60, 3)), generator.integers(5, size=60)
        revived = codebook.update(torch.from_numpy(rows).float(), torch.from_numpy(codes), torch.Generator())
        counts = 0.9 * counts + 0.1 * np.bincount(codes, minlength=5)
        sums = 0.9 * sums + 0.1 * np.stack([rows[codes == code].sum(axis=0) for code in range(5)])
        smoothed = (counts + 0.5) / (counts.sum() + 5 * 0.5) * counts.sum()
        assert revived == 0
    np.testing.assert_allclose(codebook.counts, counts, rtol=1e-5)
    np.testing.assert_allclose(codebook.sums, sums, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(codebook.codebook, sums / smoothed[:, None], rtol=1e-4, atol=1e-5)


def test_a_dead_code_moves_to_a_residual_of_the_batch_and_its_counters_are_reset():
    codebook = ema_codebook(decay=0.0)  # the count is that of the batch
    rows = torch.randn(60, 3, generator=torch.Generator().manual_seed(1))
    codes = torch.arange(60) % 4  # nobody uses code 4
    assert codebook.update(rows, codes, torch.Generator().manual_seed(2)) == 1
    assert bool((codebook.codebook[4] == rows).all(dim=1).any())
    assert float(codebook.counts[4]) == 60 / 5
    torch.testing.assert_close(codebook.sums[4], 12 * codebook.codebook[4])
    np.testing.assert_allclose(codebook.counts[:4], 15)


@pytest.mark.parametrize(("used", "revived"), [(1, 1), (2, 0)])
def test_a_code_is_dead_below_the_given_share_of_batch_over_codes(used: int, revived: int):
    codebook = ema_codebook(threshold=0.15, decay=0.0)  # of 60 / 5 = 12: below 1.8 rows
    codes = torch.cat([torch.full((used,), 4), torch.arange(60 - used) % 4])
    assert codebook.update(torch.randn(60, 3), codes, torch.Generator()) == revived


def test_a_codebook_larger_than_the_batch_is_not_revived_whole():
    codebook = EMACodebook(1024, 3, 0.99, 1e-5, 0.02)
    codebook.start(torch.randn(1024, 3), torch.ones(1024), 64)
    assert codebook.update(torch.randn(64, 3), torch.randint(1024, (64,)), torch.Generator()) == 0


# usage entropy


def direct_entropy(residuals: Tensor, codebook: Tensor, temperature: float) -> Tensor:
    distances = (residuals[:, None] - codebook).square().sum(dim=2)
    shares = torch.softmax(-distances / temperature, dim=1).mean(dim=0)
    return -(shares * shares.log()).sum()


@pytest.mark.parametrize("block", [1, 7, 256])
def test_usage_entropy_and_its_gradient_equal_the_direct_computation(block: int):
    generator = torch.Generator().manual_seed(0)
    residuals = torch.randn(50, 4, generator=generator).requires_grad_()
    codebook = torch.randn(9, 4, generator=generator)
    found, expected = usage_entropy(residuals, codebook, 0.7, block), direct_entropy(residuals, codebook, 0.7)
    torch.testing.assert_close(found, expected)
    gradients = [torch.autograd.grad(value, residuals)[0] for value in (found, expected)]
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-6)
    assert float(gradients[0].abs().max()) > 1e-4
    with torch.no_grad():
        torch.testing.assert_close(usage_entropy(residuals, codebook, 0.7, block), expected)


def test_usage_entropy_is_log_k_for_uniform_usage_and_zero_for_one_code():
    codebook = 3 * torch.eye(8)
    assert float(usage_entropy(torch.zeros(20, 8), codebook, 0.1)) == pytest.approx(math.log(8), rel=1e-6)
    assert float(usage_entropy(codebook, codebook, 0.1)) == pytest.approx(math.log(8), rel=1e-5)
    assert float(usage_entropy(codebook[:1].expand(20, 8), codebook, 0.1)) == pytest.approx(0, abs=1e-6)


def test_usage_entropy_has_a_finite_gradient_where_a_code_is_out_of_reach():
    residuals = torch.zeros(5, 2).requires_grad_()
    codebook = torch.tensor([[0.1, 0.0], [0.0, 0.2], [100.0, 100.0]])
    entropy = usage_entropy(residuals, codebook, 0.1)
    assert float(entropy.detach()) == pytest.approx(float(usage_entropy(residuals.detach(), codebook[:2], 0.1)))
    assert bool(torch.isfinite(torch.autograd.grad(entropy, residuals)[0]).all())


def test_the_usage_entropy_of_the_history_is_that_of_all_held_out_rows():
    vectors = mixture(2_000)
    arguments = {**SMALL, **TRAINING, "codebook_dim": 8, "epochs": 0}
    whole, blocked = (RQVAE(**arguments).fit(vectors, Compute(batch_size=size)) for size in (2048, 7))
    np.testing.assert_allclose(whole.history_[0]["usage_entropy"], blocked.history_[0]["usage_entropy"], rtol=1e-3)
    held_out = vectors[torch.randperm(2_000, generator=torch.Generator().manual_seed(0))[:100]]
    with torch.no_grad():
        latent = whole.latent(torch.from_numpy(held_out))
    expected = float(direct_entropy(latent, whole.codebooks_[0], whole.usage_temperature))
    assert whole.history_[0]["usage_entropy"][0] == pytest.approx(expected, rel=1e-4)


class CountedRows:
    """Rows whose blocks count how many of their copies on a device are alive at the same time."""

    def __init__(self, rows: Tensor) -> None:
        self.rows = rows
        self.alive: weakref.WeakSet[Tensor] = weakref.WeakSet()
        self.most_alive = 0

    def __len__(self) -> int:
        return len(self.rows)

    def split(self, size: int) -> Iterator["CountedRows"]:
        for part in self.rows.split(size):
            block = CountedRows(part)
            block.to = self._copy_of(part)
            yield block

    def _copy_of(self, part: Tensor) -> Callable[[str], Tensor]:
        def to(device: str) -> Tensor:
            copy = part.clone()
            self.alive.add(copy)
            self.most_alive = max(self.most_alive, len(self.alive))
            return copy

        return to


def test_the_held_out_error_has_no_more_than_two_blocks_on_the_device():
    model = RQVAE(**SMALL, **TRAINING, codebook_dim=8, epochs=0).fit(VECTORS).model_
    rows = CountedRows(torch.from_numpy(VECTORS))
    error = held_out_error(model, rows, Compute(batch_size=50))
    assert error == held_out_error(model, rows.rows, Compute(batch_size=50))
    assert 1 <= rows.most_alive <= 2 < len(VECTORS) / 50


@pytest.mark.parametrize("update", ["ema", "gradient"])
def test_a_usage_weight_raises_the_usage_that_training_ends_with(update: str):
    generator = np.random.default_rng(0)
    centres = 3 * generator.normal(size=(12, DIM))
    chosen = np.where(generator.random(N) < 0.97, 0, generator.integers(12, size=N))
    skewed = (centres[chosen] + 0.3 * generator.normal(size=(N, DIM))).astype(np.float32)
    arguments = {"num_levels": 2, "codebook_size": 16, **TRAINING, "codebook_dim": 8, "codebook_update": update}
    without, with_weight = (
        RQVAE(**arguments, keep="last", epochs=12, learning_rate=0.003, usage_temperature=0.3, usage_weight=weight)
        .fit(skewed)
        .history_
        for weight in (0.0, 20.0)
    )
    assert with_weight[0]["usage_entropy"] == without[0]["usage_entropy"]
    assert with_weight[-1]["usage_entropy"][0] > without[-1]["usage_entropy"][0] + 0.003
    assert with_weight[-1]["perplexity"][0] > without[-1]["perplexity"][0]


# which epoch is kept


def scripted(
    monkeypatch: pytest.MonkeyPatch,
    errors: list[float],
    unique: list[int] | None = None,
    perplexity: list[float] | None = None,
    **changes,
) -> tuple[RQVAE, list[dict[str, Tensor]]]:
    """A tokenizer trained under measurements that are given an epoch, and its state at each of them."""
    tokenizer = RQVAE(**{**SMALL, **TRAINING, "codebook_dim": 8, "epochs": len(errors) - 1, **changes})
    states: list[dict[str, Tensor]] = []

    def held_out_error(model: nn.Module, *_: object) -> float:
        states.append(copy.deepcopy(model.state_dict()))
        return errors[len(states) - 1]

    def code_usage(*_: object) -> dict:
        epoch = len(states)
        return {
            "unique_codes": unique[epoch] if unique else 100,
            "used_codes": [16] * 3,
            "perplexity": [16.0, perplexity[epoch] if perplexity else 16.0, 16.0],
            "usage_entropy": [1.0] * 3,
        }

    with monkeypatch.context() as patch:
        patch.setattr(trainer, "held_out_error", held_out_error)
        patch.setattr(trainer, "code_usage", code_usage)
        return tokenizer.fit(VECTORS), states


def is_at(tokenizer: RQVAE, state: dict[str, Tensor]) -> bool:
    return all(torch.equal(tensor, state[name]) for name, tensor in tokenizer.model_.state_dict().items())


@pytest.mark.parametrize(
    ("errors", "unique", "kept"),
    [
        ([5, 4, 3, 2], None, 3),
        ([5, 3, 4, 3.5], None, 1),
        ([5, 4, 3, 2], [100, 100, 100, 9], 3),
        ([5, 2, 3, 4], [100, 99, 100, 101], 1),
        ([5, 3, 3, 3], None, 1),  # the first of equals
    ],
)
def test_the_epoch_of_lowest_error_is_kept_however_many_codes_are_distinct(
    errors, unique, kept, monkeypatch: pytest.MonkeyPatch
):
    tokenizer, states = scripted(monkeypatch, errors, unique)
    assert tokenizer.epoch_kept_ == kept
    assert tokenizer.fit_summary()["epoch_kept"] == kept
    assert is_at(tokenizer, states[kept])
    assert not is_at(tokenizer, states[kept - 1])


def test_epoch_0_is_kept_where_training_bought_nothing(monkeypatch: pytest.MonkeyPatch, caplog):
    with caplog.at_level("INFO", logger="semid"):
        tokenizer, _ = scripted(monkeypatch, [5, 6, 7])
    untrained = RQVAE(**SMALL, **TRAINING, codebook_dim=8, epochs=0).fit(VECTORS)
    assert tokenizer.epoch_kept_ == 0
    assert torch.equal(tokenizer.codebooks_, untrained.codebooks_)
    assert "training bought nothing over its start" in caplog.text


def test_keep_last_keeps_the_last_epoch_whatever_it_measures(monkeypatch: pytest.MonkeyPatch):
    tokenizer, states = scripted(monkeypatch, [1, 2, 3, 4], [100, 9, 9, 9], [16, 1, 1, 1], keep="last")
    assert tokenizer.epoch_kept_ == 3
    assert tokenizer.rollbacks_ == 0
    assert is_at(tokenizer, states[3])


def test_the_kept_epoch_of_a_real_training_is_the_best_of_its_history():
    tokenizer = RQVAE(**SMALL, **TRAINING, codebook_dim=8, epochs=25, learning_rate=0.003).fit(VECTORS)
    history = tokenizer.history_
    assert [state["epoch"] for state in history] == list(range(len(history)))
    assert tokenizer.rollbacks_ == 0
    assert tokenizer.epoch_kept_ == min(history, key=lambda state: state["held_out_error"])["epoch"] > 0
    kept = history[tokenizer.epoch_kept_]
    assert kept["held_out_error"] < history[0]["held_out_error"]
    assert kept["unique_codes"] == n_distinct(tokenizer.encode(VECTORS))
    counts = torch.stack(
        [torch.bincount(torch.from_numpy(column.astype(int)), minlength=16) for column in tokenizer.encode(VECTORS).T]
    )
    assert torch.equal(tokenizer.cluster_sizes_, counts)


def test_patience_ends_training_so_many_epochs_after_the_best(monkeypatch: pytest.MonkeyPatch):
    errors = [5, 4, 6, 6, 6, 1, 1]
    tokenizer, states = scripted(monkeypatch, errors, patience=3)
    assert tokenizer.epoch_kept_ == 1
    assert len(tokenizer.history_) == 5
    assert is_at(tokenizer, states[1])
    patient, _ = scripted(monkeypatch, errors, patience=0)
    assert patient.epoch_kept_ == 5


# collapse


def test_a_collapse_goes_back_to_the_best_epoch_at_half_the_rate_and_the_third_one_ends_training(
    monkeypatch: pytest.MonkeyPatch, caplog
):
    perplexity = [16, 16, 7.9, 16, 7, 16, 6, 16, 16]
    tokenizer, states = scripted(monkeypatch, [9, 8, 1, 8.5, 1, 8.5, 1, 1, 1], None, perplexity)
    assert tokenizer.rollbacks_ == 2
    assert tokenizer.epoch_kept_ == 1
    assert tokenizer.fit_summary()["rollbacks"] == 2
    assert is_at(tokenizer, states[1])
    rates = [state["learning_rate"] for state in tokenizer.history_]
    np.testing.assert_allclose(rates, np.array([4, 4, 4, 2, 2, 1, 1]) * 2.5e-4)
    assert "level [2] collapsed in epoch 2: back to epoch 1" in caplog.text


def test_training_goes_on_from_the_best_epoch_after_a_collapse(monkeypatch: pytest.MonkeyPatch):
    tokenizer, states = scripted(monkeypatch, [9, 8, 1, 7], None, [16, 16, 2, 16], learning_rate=1e-12)
    assert tokenizer.epoch_kept_ == 3
    # a step too small to see: the network of epoch 3 is that of epoch 1, not of the collapsed one
    torch.testing.assert_close(states[3]["network.decode_linear.weight"], states[1]["network.decode_linear.weight"])
    # the averages have moved by one epoch from epoch 1, on other batches than epoch 2 had
    moved = [
        float((states[epoch]["levels.0.codebook"] - states[1]["levels.0.codebook"]).abs().max()) for epoch in (2, 3)
    ]
    assert 0 < moved[1] < 2 * moved[0]


def test_half_of_the_highest_perplexity_so_far_is_a_collapse_half_of_the_first_is_not(monkeypatch: pytest.MonkeyPatch):
    tokenizer, _ = scripted(monkeypatch, [9, 8, 7], None, [8, 16, 7.9])
    assert tokenizer.rollbacks_ == 1
    tokenizer, _ = scripted(monkeypatch, [9, 8, 7], None, [8, 15, 7.9])
    assert tokenizer.rollbacks_ == 0


def test_a_tenth_of_the_codes_is_a_collapse(monkeypatch: pytest.MonkeyPatch):
    tokenizer, _ = scripted(monkeypatch, [9, 8], None, [2.0, 1.5])  # a tenth of 16 is 1.6
    assert tokenizer.rollbacks_ == 1
    # one that began there has not collapsed
    tokenizer, _ = scripted(monkeypatch, [9, 8, 7], None, [1.65, 1.7, 1.55])
    assert tokenizer.rollbacks_ == 0


def test_a_real_collapse_is_undone():
    # so large a rate that the encoder throws every row on a few codes
    tokenizer = RQVAE(**SMALL, **TRAINING, codebook_dim=8, epochs=12, learning_rate=3.0).fit(VECTORS)
    history = tokenizer.history_
    assert tokenizer.rollbacks_ >= 1
    assert history[-1]["learning_rate"] < 3.0
    assert history[tokenizer.epoch_kept_]["unique_codes"] >= history[0]["unique_codes"]
    assert n_distinct(tokenizer.encode(VECTORS)) >= history[0]["unique_codes"]


# training as a whole


@pytest.mark.parametrize(
    "make",
    [
        lambda: RQVAE(**SMALL, **TRAINING, codebook_dim=8, epochs=4),
        lambda: RQVAE(**SMALL, **TRAINING, codebook_dim=8, epochs=4, linear_start=False, codebook_update="gradient"),
        lambda: RQVAE(**SMALL, **TRAINING, codebook_dim=8, epochs=4, usage_weight=0.1),
        lambda: VQVAE(codebook_size=64, **TRAINING, epochs=4),
        lambda: RQVAE(**SMALL, **TRAINING, codebook_dim=8, epochs=4, gradient_estimator="rotation"),
    ],
)
def test_training_twice_is_bit_identical(make):
    first, second = make().fit(VECTORS), make().fit(VECTORS)
    states = first._state(), second._state()
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    for one, other in zip(first.history_, second.history_, strict=True):
        assert {**one, "seconds": 0} == {**other, "seconds": 0}


def test_a_vqvae_reconstructs_better_after_training():
    arguments = {"codebook_size": 64, "codebook_dim": 8, **TRAINING}
    start = VQVAE(**arguments, epochs=0).fit(VECTORS)
    trained = VQVAE(**arguments, epochs=25, learning_rate=0.003).fit(VECTORS)
    assert trained.epoch_kept_ > 0
    assert mean_error(trained, VECTORS) < mean_error(start, VECTORS)
