"""The kernels and every tokenizer on the device of this machine, compared with the CPU: `pytest -m gpu`."""

from pathlib import Path

import numpy as np
import pytest
import torch
from test_tokenizer_contract import CASES, VECTORS, assert_same_codes, every_case, fitted, make, mixture
from torch import Tensor

from semid.quantizers import Compute, RQKMeans, Tokenizer
from semid.quantizers.autoencoder import trainer
from semid.quantizers.autoencoder.ema import EMACodebook
from semid.quantizers.autoencoder.gradient_estimators import GRADIENT_ESTIMATORS
from semid.quantizers.autoencoder.usage import usage_entropy
from semid.quantizers.kernels.beam import BeamSearch
from semid.quantizers.kernels.kmeans import kmeans
from semid.quantizers.kernels.nearest import NearestCodeword
from semid.quantizers.kernels.principal_components import principal_directions

pytestmark = pytest.mark.gpu

# as a share of a row's squared length: squared distances this close may be told apart by rounding alone
NEAR_TIE = 1e-5


@pytest.fixture(scope="module")
def device() -> str:
    if torch.cuda.is_available():
        return "cuda"
    if torch.backends.mps.is_available():
        return "mps"
    pytest.skip("torch finds neither a CUDA nor an MPS device here")


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def mean_error(tokenizer: Tokenizer, codes: np.ndarray) -> float:
    return float(np.square(tokenizer.decode(codes) - VECTORS).sum(axis=1).mean())


# kernels


@pytest.mark.parametrize("codeword_block", [64, 1024])
@pytest.mark.parametrize(("size", "dim"), [(1, 8), (300, 64), (2048, 96)])
def test_nearest_codewords_are_those_of_the_cpu_near_ties_exempt(device: str, size: int, dim: int, codeword_block: int):
    rows, codebook = normal(3_000, dim), normal(size, dim, seed=1)
    expected, scores = NearestCodeword(codebook, codeword_block)(rows)
    nearest = NearestCodeword(codebook.to(device), codeword_block)
    found, found_scores = nearest(rows.to(device))
    assert found.device.type == found_scores.device.type == torch.device(device).type
    torch.testing.assert_close(found_scores.cpu(), scores, rtol=1e-4, atol=1e-3)
    two = torch.cdist(rows.double(), codebook.double()).square().topk(min(2, size), largest=False).values
    near = two[:, -1] - two[:, 0] <= NEAR_TIE * rows.double().square().sum(dim=1)
    clear = ~near if size > 1 else torch.ones(len(rows), dtype=torch.bool)
    assert clear.float().mean() > 0.95
    assert torch.equal(found.cpu()[clear], expected[clear])
    assert torch.equal(nearest.codes(rows.to(device)).cpu()[clear], expected[clear])


@pytest.mark.parametrize(("n_levels", "size"), [(4, 64), (3, 10)])
@pytest.mark.parametrize("beam", [2, 8])
def test_a_beam_ends_with_the_error_of_the_cpu(device: str, n_levels: int, size: int, beam: int):
    codebooks, rows = normal(n_levels, size, 24), 2 * normal(500, 24, seed=1)
    errors = []
    for place in ("cpu", device):
        codes = BeamSearch(codebooks.to(place), beam)(rows.to(place)).cpu()
        quantized = sum(codebook[codes[:, level]] for level, codebook in enumerate(codebooks))
        errors.append(float((rows - quantized).square().sum(dim=1).mean()))
    assert errors[1] == pytest.approx(errors[0], rel=1e-4)


@pytest.mark.parametrize("k", [1, 40, 600])  # one row, and several rows a seeding round
def test_k_means_ends_within_one_percent_of_the_error_on_the_cpu(device: str, k: int):
    rows = torch.from_numpy(mixture(4_000))
    expected, found = kmeans(rows, k), kmeans(rows.to(device), k)
    assert found.centroids.device.type == found.labels.device.type == torch.device(device).type
    assert found.error == pytest.approx(expected.error, rel=0.01)
    assert torch.equal(found.sizes, torch.bincount(found.labels, minlength=k))
    error = (rows - found.centroids.cpu()[found.labels.cpu()]).square().sum(dim=1).mean()
    assert found.error == pytest.approx(float(error), rel=1e-4)


def test_k_means_leaves_clusters_unused_where_rows_are_equal(device: str):
    found = kmeans(torch.from_numpy(np.tile(VECTORS[:5], (40, 1))).to(device), 16)
    assert int((found.sizes > 0).sum()) == 5


def test_principal_directions_are_those_of_the_cpu(device: str):
    rows = normal(500, 10) * torch.linspace(3, 0.3, 10) + 5
    for found, expected in zip(principal_directions(rows.to(device), 4), principal_directions(rows, 4), strict=True):
        torch.testing.assert_close(found.cpu(), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("share", [0.0, 0.3])  # without and with revived codes
def test_moving_averages_are_those_of_the_cpu(device: str, share: float):
    codebooks, revived = {}, {}
    for place in ("cpu", device):
        codebook = EMACodebook(40, 6, 0.9, 1e-5, share).to(place)
        codebook.start(normal(40, 6).to(place), torch.arange(1, 41).to(place), 200)
        generator = torch.Generator().manual_seed(0)
        revived[place] = 0
        for step in range(5):
            rows, codes = normal(200, 6, seed=step), torch.arange(200) ** 2 % 37
            revived[place] += codebook.update(rows.to(place), codes.to(place), generator)
        codebooks[place] = {name: buffer.cpu() for name, buffer in codebook.state_dict().items()}
    assert revived[device] == revived["cpu"]
    assert (revived["cpu"] > 0) == (share > 0)
    for name, expected in codebooks["cpu"].items():
        torch.testing.assert_close(codebooks[device][name], expected, rtol=1e-4, atol=1e-5)


def test_usage_entropy_and_its_gradient_are_those_of_the_cpu(device: str):
    found = []
    for place in ("cpu", device):
        residuals = normal(600, 8).to(place).requires_grad_()
        entropy = usage_entropy(residuals, normal(30, 8, seed=1).to(place), 0.7)
        found.append((entropy.detach().cpu(), torch.autograd.grad(entropy, residuals)[0].cpu()))
    for of_device, expected in zip(*reversed(found), strict=True):
        torch.testing.assert_close(of_device, expected, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("estimator", GRADIENT_ESTIMATORS)
def test_gradient_estimators_are_those_of_the_cpu(device: str, estimator: str):
    gradients = []
    for place in ("cpu", device):
        latent, quantized = normal(50, 8).to(place).requires_grad_(), normal(50, 8, seed=1).to(place)
        value = GRADIENT_ESTIMATORS[estimator](latent, quantized)
        assert torch.equal(value, quantized)
        value.backward(normal(50, 8, seed=2).to(place))
        gradients.append(latent.grad.cpu())
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-5)


# tokenizers


@every_case
def test_a_tokenizer_fitted_on_the_device_is_saved_and_encodes_on_the_cpu(case: str, device: str, tmp_path: Path):
    on_device = Compute(device=device, batch_size=250)
    tokenizer = make(case).fit(VECTORS, on_device)
    codes = tokenizer.encode(VECTORS, on_device)
    assert tokenizer.codebooks_.device.type == torch.device(device).type
    decoded = tokenizer.decode(codes)
    tokenizer.save_pretrained(tmp_path)
    loaded = Tokenizer.from_pretrained(tmp_path)
    assert_same_codes(loaded, VECTORS, loaded.encode(VECTORS), codes)
    np.testing.assert_allclose(loaded.decode(codes), decoded, rtol=1e-4, atol=1e-4)
    assert loaded.cluster_sizes_.sum(dim=1).tolist() == [len(VECTORS)] * tokenizer.num_levels
    # what is learnt there is as good as what is learnt here
    here = fitted(case)
    assert mean_error(loaded, codes) < 1.1 * mean_error(here, here.encode(VECTORS))


@every_case
def test_a_tokenizer_fitted_on_the_cpu_encodes_and_decodes_on_the_device(case: str, device: str, tmp_path: Path):
    fitted(case).save_pretrained(tmp_path)
    loaded = Tokenizer.from_pretrained(tmp_path)
    codes = loaded.encode(VECTORS, Compute(device=device))
    assert_same_codes(fitted(case), VECTORS, fitted(case).encode(VECTORS), codes)
    np.testing.assert_allclose(loaded.decode(codes), fitted(case).decode(codes), rtol=1e-4, atol=1e-4)
    # and comes back
    np.testing.assert_array_equal(loaded.encode(VECTORS), fitted(case).encode(VECTORS))


@pytest.mark.parametrize("place", ["cpu", "device"])
def test_training_on_the_device_starts_from_an_rqkmeans_wherever_that_lies(place: str, device: str):
    on_device = Compute(device=device)
    start = RQKMeans(num_levels=3, codebook_size=16, pca_dim=8).fit(
        VECTORS, on_device if place == "device" else Compute()
    )
    tokenizer = make("rqvae", epochs=0).fit(VECTORS, on_device, start)
    assert_same_codes(tokenizer.to("cpu"), VECTORS, tokenizer.encode(VECTORS), start.encode(VECTORS))


@pytest.mark.parametrize(
    "changes",
    [{}, {"usage_weight": 0.1, "gradient_estimator": "rotation"}, {"keep": "last", "codebook_update": "gradient"}],
    ids=str,
)
def test_training_on_the_device_continues_from_its_checkpoint(
    changes: dict, device: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    on_device, tokenizer = Compute(device=device), make("rqvae", epochs=4, **changes)
    train_epoch = trainer.train_epoch

    def until_epoch_3(*arguments):
        if len(tokenizer.history_) == 3:
            raise KeyboardInterrupt
        return train_epoch(*arguments)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(trainer, "train_epoch", until_epoch_3)
        tokenizer.fit(VECTORS, on_device, checkpoint=tmp_path)
    again = make("rqvae", epochs=4, **changes).fit(VECTORS, on_device, checkpoint=tmp_path)
    assert again.history_[:3] == tokenizer.history_
    assert again.history_[-1]["epoch"] == 4
    whole = make("rqvae", epochs=4, **changes).fit(VECTORS, on_device)
    assert again.history_[-1]["held_out_error"] == pytest.approx(whole.history_[-1]["held_out_error"], rel=0.05)


def test_a_row_that_is_not_finite_is_named_on_the_device_too(device: str):
    vectors = VECTORS.copy()
    vectors[437, 3] = np.nan
    for case in CASES:
        with pytest.raises(ValueError, match="row 437 of"):
            fitted(case).encode(vectors, Compute(device=device, batch_size=100))
