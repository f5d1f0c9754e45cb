"""RQ-VAE: from vectors to codes and back, trained."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

from bench.methods import Case, Method, Run
from bench.processes import Measured, measure
from bench.quality import reconstruction_error, unique_codes, usage

LATENT = 32
BATCH = 1024
LEARNING_RATE = 1e-3
COMMITMENT = 0.25
SHARES = (0.0, 0.1, 0.25, 0.5)


def semid(case: Case, share: float = 1.0, **options: Any) -> Run:
    """`share` of the epochs; the time includes the k-means that it starts from."""
    from semid.quantizers import RQVAE, RQKMeans

    sizes: dict[str, Any] = {"num_levels": case.levels, "codebook_size": case.k, "max_train": 0}

    def run(rows: np.ndarray, seed: int) -> dict[str, np.ndarray]:
        tokenizer = RQVAE(**sizes, codebook_dim=LATENT, epochs=round(share * case.epochs), seed=seed, **options)
        if tokenizer.linear_start:
            tokenizer.fit(rows, start=RQKMeans(**sizes, pca_dim=LATENT, seed=seed).fit(rows))
        else:
            tokenizer.fit(rows)
        codes = tokenizer.encode(rows)
        return {"codes": codes, "decoded": tokenizer.decode(codes)}

    return run


def _perceptron(widths: tuple[int, ...]):
    from torch import nn

    layers = []
    for before, after in pairwise(widths):
        layers += [nn.Linear(before, after), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def _train(rows: np.ndarray, epochs: int, parameters, loss_of: Callable) -> None:
    """Adam over shuffled batches, as semid's loop, for libraries that leave the loop to their users."""
    import torch

    data = torch.from_numpy(rows)
    optimizer = torch.optim.Adam(parameters, lr=LEARNING_RATE)
    for _ in range(epochs):
        for batch in torch.randperm(len(data)).split(BATCH):
            optimizer.zero_grad()
            loss_of(data[batch]).backward()
            optimizer.step()


def vector_quantize_pytorch(case: Case, hidden: tuple[int, ...], decay: float) -> Run:
    """Same widths, optimizer, schedule and loss as semid: both terms summed over dimensions.

    Its mean over the latent dimensions is undone by the weight. k-means starts from all rows, not from one batch; dead
    codes are revived at the share of a batch at which semid revives.
    """
    import torch
    from vector_quantize_pytorch import ResidualVQ

    def run(rows: np.ndarray, seed: int) -> dict[str, np.ndarray]:
        torch.manual_seed(seed)
        data, dim = torch.from_numpy(rows), rows.shape[1]
        encoder, decoder = _perceptron((dim, *hidden, LATENT)), _perceptron((LATENT, *hidden[::-1], dim))
        quantizer = ResidualVQ(
            dim=LATENT,
            num_quantizers=case.levels,
            codebook_size=case.k,
            kmeans_init=True,
            kmeans_iters=25,
            decay=decay,
            threshold_ema_dead_code=0.02 * BATCH / case.k,
            commitment_weight=COMMITMENT * LATENT,
        )
        with torch.no_grad():
            quantizer(encoder(data)[None])

        def loss_of(batch):
            quantized, _, commitment = quantizer(encoder(batch)[None])
            return (decoder(quantized[0]) - batch).square().sum(dim=1).mean() + commitment.sum()

        _train(rows, case.epochs, [*encoder.parameters(), *quantizer.parameters(), *decoder.parameters()], loss_of)
        quantizer.eval()
        with torch.inference_mode():
            quantized, codes, _ = quantizer(encoder(data)[None])
            return {"codes": codes[0].numpy(), "decoded": decoder(quantized[0]).numpy()}

    return run


def semantic_id(case: Case, hidden: tuple[int, ...]) -> Run:
    """Its own loop. Without `verbose` it restores the first epoch: the collision rate it selects by stays 0."""
    import torch
    from semantic_id import RQVAE

    def run(rows: np.ndarray, seed: int) -> dict[str, np.ndarray]:
        torch.manual_seed(seed)
        tokenizer = RQVAE(
            in_dim=rows.shape[1],
            num_emb_list=[case.k] * case.levels,
            e_dim=LATENT,
            layers=list(hidden),
            kmeans_init=True,
            kmeans_iters=25,
            beta=COMMITMENT,
            lr=LEARNING_RATE,
            batch_size=BATCH,
            epochs=case.epochs,
            verbose=case.epochs,
        ).fit(rows)
        codes = tokenizer.encode(rows)
        return {"codes": codes, "decoded": np.asarray(tokenizer.decode(codes), dtype=np.float32)}

    return run


def rectokens(case: Case) -> Run:
    """Two hidden layers of one width, as it builds them; the loss with the same weights as above."""
    import torch
    from rectokens.tokenizers.rqvae import RQVAETokenizer

    def run(rows: np.ndarray, seed: int) -> dict[str, np.ndarray]:
        torch.manual_seed(seed)
        tokenizer = RQVAETokenizer(
            rows.shape[1], LATENT, 512, case.levels, case.k, commitment_weight=COMMITMENT * LATENT
        )

        def loss_of(batch):
            out = tokenizer(batch)
            return (out.recon - batch).square().sum(dim=1).mean() + out.commitment_loss

        _train(rows, case.epochs, tokenizer.parameters(), loss_of)
        tokenizer.eval()
        tokens = tokenizer.encode(torch.from_numpy(rows))
        return {"codes": tokens.codes.numpy(), "decoded": tokenizer.decode(tokens).numpy()}

    return run


TIGER = (512, 256, 128)
METHODS = [
    Method("semid", "semid", semid, "linear start, 512"),
    Method(
        "semid tiger",
        "semid",
        semid,
        "512-256-128, random start",
        options={"linear_start": False, "hidden": TIGER, "keep": "last"},
    ),
    *(
        Method(
            "vector-quantize-pytorch",
            "vector-quantize-pytorch",
            vector_quantize_pytorch,
            f"{'-'.join(map(str, hidden))}, decay {decay}",
            "vector-quantize-pytorch",
            {"hidden": hidden, "decay": decay},
        )
        # 0.8 is its default, 0.99 that of semid
        for hidden, decay in (((512,), 0.8), ((512,), 0.99), (TIGER, 0.8))
    ),
    Method("semantic-id", "semantic-id", semantic_id, "512", "semantic-id", {"hidden": (512,)}),
    Method("rectokens", "rectokens", rectokens, "512-512, without torch.compile", "rectokens"),
    *(
        Method("semid, fewer epochs", "semid", semid, f"{share:.0%} of the epochs", options={"share": share}, once=True)
        for share in SHARES
    ),
]


def run(case: Case, repeats: int, patience: float) -> list[Measured]:
    """Every method, and semid with fewer epochs: when it reaches the others' reconstruction."""
    rows = np.load(case.rows)

    def quality(arrays: dict[str, np.ndarray]) -> dict[str, float]:
        codes = arrays["codes"].astype(np.int64)
        perplexity, dead_codes = usage(codes, case.k)
        return {
            "error": reconstruction_error(rows, arrays["decoded"]),
            "unique_codes": unique_codes(codes),
            "perplexity": perplexity,
            "dead_codes": dead_codes,
        }

    return measure("training", METHODS, case, quality, repeats=repeats, patience=patience, warm_up_rows=BATCH)
