"""What RQ-VAE and VQ-VAE share: an autoencoder around EMA codebooks, its training, selection and collapse alarm."""

import copy
import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Self

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from semid.errors import InputError
from semid.quantizers.blocks import Vectors
from semid.quantizers.ema import EMACodebook
from semid.quantizers.kmeans import kmeans
from semid.quantizers.nearest import NearestCodeword, residual_codes
from semid.quantizers.network import Network
from semid.quantizers.pca import principal_directions
from semid.quantizers.rqkmeans import RQKMeans, sum_of_codewords
from semid.quantizers.tokenizer import ON_CPU, Compute, Tokenizer

logger = logging.getLogger(__name__)

HELD_OUT_SHARE = 0.05
MAX_ROLLBACKS = 2


@dataclass(kw_only=True, eq=False)
class VectorQuantizedAutoencoder(Tokenizer):
    """Encoder, residual quantizer with `num_levels` codebooks, decoder; trained together.

    Space: `codebook_dim`, width of the codebooks (0: as wide as the vectors); `hidden`, widths of the perceptrons'
    hidden layers; `linear_start`, whether encoder and decoder begin as the projection on the principal directions.
    Codebooks: `codebook_update` by moving average (`ema`) or by `gradient`; `decay`, `eps`,
    `threshold_ema_dead_code` as in :class:`EMACodebook`; `kmeans_iters` of their initial k-means.
    Loss, each term summed over dimensions: reconstruction, `commitment_weight` times the commitment of every level,
    less `usage_weight` times the entropy of the batch mean of softmax(−distance² / `usage_temperature`).
    Training: `epochs`, `batch_size`, `learning_rate` of Adam. `keep`: `best` keeps the epoch of lowest
    reconstruction on held-out training rows among those with no fewer distinct codes than epoch 0, and rolls back
    when codes collapse; `last` keeps the last epoch as it is. `patience`: with `best`, epochs without a better one
    before training stops; 0 trains all `epochs`.

    After fit `history_` holds a dict an epoch; `epoch_kept_` 0 means that training bought nothing over its start;
    `rollbacks_` counts the collapses undone.
    """

    codebook_dim: int = 0
    hidden: tuple[int, ...] = (512,)
    linear_start: bool = True
    codebook_update: Literal["ema", "gradient"] = "ema"
    decay: float = 0.99
    eps: float = 1e-5
    threshold_ema_dead_code: float = 0.02
    kmeans_iters: int = 25
    commitment_weight: float = 0.25
    usage_weight: float = 0.0
    usage_temperature: float = 0.1
    epochs: int = 60
    batch_size: int = 1024
    learning_rate: float = 1e-3
    keep: Literal["best", "last"] = "best"
    patience: int = 15

    def __post_init__(self) -> None:
        super().__post_init__()
        self.hidden = tuple(self.hidden)
        for name in ("kmeans_iters", "batch_size"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} must be at least 1, got {getattr(self, name)}")
        if min(self.epochs, self.codebook_dim, self.patience) < 0:
            raise InputError("epochs, codebook_dim and patience must be at least 0")
        if self.codebook_update not in ("ema", "gradient") or self.keep not in ("best", "last"):
            raise InputError("codebook_update must be ema or gradient, keep must be best or last")

    @property
    def dim(self) -> int:
        return len(self.network_.mean)

    def fit(
        self,
        vectors: Vectors,
        compute: Compute = ON_CPU,
        start: RQKMeans | None = None,
    ) -> Self:
        """Learn from vectors [n, dim]; `start` gives projection and codebooks, else both are computed here."""
        rows = self._training_rows(vectors)
        generator = torch.Generator().manual_seed(self.seed)
        order = torch.randperm(len(rows), generator=generator)
        n_held_out = max(1, round(HELD_OUT_SHARE * len(rows))) if len(rows) > 1 else 0
        held_out, fitted = rows[order[:n_held_out]], rows[order[n_held_out:]]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            self._build(rows.shape[1])
        self.to(compute.device)
        self._start(rows, compute, start)
        self._train(rows, fitted, held_out if n_held_out else rows, compute, generator)
        return self

    def _build(self, dim: int) -> None:
        width = self.codebook_dim or dim
        if self.linear_start and width > dim:
            raise InputError(f"codebook_dim is {width}, more than the {dim} columns of the vectors")
        self.network_ = Network(dim, width, self.hidden, self.linear_start)
        self.levels_ = [
            EMACodebook(self.codebook_size, width, self.decay, self.eps, self.threshold_ema_dead_code)
            for _ in range(self.num_levels)
        ]
        self._trained = nn.ModuleDict({"network": self.network_, "levels": nn.ModuleList(self.levels_)})
        self.epoch_kept_, self.rollbacks_ = 0, 0
        self.history_: list[dict[str, Any]] = []

    @torch.no_grad()
    def _start(self, rows: Tensor, compute: Compute, start: RQKMeans | None) -> None:
        """Projection and codebooks of `start`, or the principal directions and residual k-means on latent rows."""
        dim, width = rows.shape[1], self.levels_[0].codebook.shape[1]
        if start is not None:
            codebooks, sizes = list(start.codebooks_), list(start.cluster_sizes_)
            found, expected = tuple(start.codebooks_.shape), (self.num_levels, self.codebook_size, width)
            if start.dim != dim or found != expected or not self.linear_start:
                raise InputError(
                    f"cannot start from codebooks of shape {found} on vectors {start.dim} wide: "
                    f"expected {expected} (levels, codebook_size, codebook_dim) on {dim}, and linear_start; "
                    "start from the RQ-KMeans whose pca_dim is this codebook_dim, or use init: kmeans"
                )
            directions = start.directions_ if start.pca_dim else torch.eye(dim)
            self.network_.start(start.mean_, directions)
        else:
            if self.linear_start and width < dim:
                self.network_.start(*principal_directions(rows, width))
            elif self.linear_start:
                self.network_.start(torch.zeros(dim), torch.eye(dim))
            codebooks, sizes = self._residual_kmeans(rows, compute)
        for level, codebook, size in zip(self.levels_, codebooks, sizes, strict=True):
            level.start(codebook, size, min(self.batch_size, len(rows)))

    def _residual_kmeans(self, rows: Tensor, compute: Compute) -> tuple[list[Tensor], list[Tensor]]:
        latent = torch.cat([self.network_.encode(part.to(compute.device)) for part in rows.split(compute.batch_size)])
        codebooks, sizes = [], []
        for level in range(self.num_levels):
            found = kmeans(
                latent,
                self.codebook_size,
                iterations=self.kmeans_iters,
                seed=self.seed * 1_000 + level,
                row_block=compute.batch_size,
                codeword_block=compute.codeword_block,
            )
            logger.info("k-means of level %d: error %.5f after %d iterations", level + 1, found.error, found.iterations)
            latent = latent - found.centroids[found.labels]
            codebooks.append(found.centroids)
            sizes.append(found.sizes)
        return codebooks, sizes

    def _train(
        self, rows: Tensor, fitted: Tensor, held_out: Tensor, compute: Compute, generator: torch.Generator
    ) -> None:
        distinct = len(torch.unique(rows, dim=0)) if self.keep == "best" else len(rows)
        learning_rate = self.learning_rate
        optimizer = self._optimizer(learning_rate)
        state = self._measure(rows, held_out, compute)
        kept = resumed = copy.deepcopy(self._trained.state_dict())
        if self.keep == "best" and self.epochs:
            # the start has seen the held-out rows: compare with, and go on from, what it is without them
            self._forget_held_out(fitted, compute, generator)
            state["held_out_error"] = self._measure(rows, held_out, compute)["held_out_error"]
            resumed = copy.deepcopy(self._trained.state_dict())
        self._log({"epoch": 0, **state, "loss": None, "revived": 0, "learning_rate": learning_rate, "seconds": 0.0})
        first, best, highest = state, state, list(state["perplexity"])
        for epoch in range(1, self.epochs + 1):
            started = time.monotonic()
            losses, revived = [], 0
            for batch in torch.randperm(len(fitted), generator=generator).split(self.batch_size):
                loss, n_revived = self._step(fitted[batch].to(compute.device), optimizer, compute, generator)
                losses.append(loss * len(batch))
                revived += n_revived
            state = self._measure(rows, held_out, compute)
            self._log(
                {
                    **{"epoch": epoch, **state, "loss": sum(losses) / len(fitted), "revived": revived},
                    **{"learning_rate": learning_rate, "seconds": round(time.monotonic() - started, 3)},
                }
            )
            if self.keep == "last":
                if not math.isfinite(state["held_out_error"]):
                    raise InputError(f"training diverged in epoch {epoch}: lower learning_rate, or use keep: best")
                self.epoch_kept_ = epoch
                continue
            floor = 0.1 * min(self.codebook_size, distinct)
            collapsed = [
                level + 1
                for level, (now, most) in enumerate(zip(state["perplexity"], highest, strict=True))
                if now < most / 2 or now < floor <= most
            ]
            if collapsed:
                self._trained.load_state_dict(resumed)
                if self.rollbacks_ == MAX_ROLLBACKS:
                    logger.warning("level %s collapsed again in epoch %d: training stops", collapsed, epoch)
                    break
                self.rollbacks_ += 1
                learning_rate /= 2
                optimizer = self._optimizer(learning_rate)
                logger.warning(
                    "level %s collapsed in epoch %d: back to epoch %d, learning rate %g",
                    *(collapsed, epoch, self.epoch_kept_, learning_rate),
                )
                continue
            highest = [max(pair) for pair in zip(highest, state["perplexity"], strict=True)]
            better = state["held_out_error"] < best["held_out_error"]
            if better and state["unique_codes"] >= first["unique_codes"]:
                best, self.epoch_kept_ = state, epoch
                kept = resumed = copy.deepcopy(self._trained.state_dict())
            elif 0 < self.patience <= epoch - self.epoch_kept_:
                logger.info("no better epoch in %d: training stops", self.patience)
                break
        if self.keep == "best":
            self._trained.load_state_dict(kept)
        self._report(first, best if self.keep == "best" else state)
        self.cluster_sizes_ = _level_counts(self._codes(rows, compute), self.codebook_size)

    @torch.no_grad()
    def _forget_held_out(self, fitted: Tensor, compute: Compute, generator: torch.Generator) -> None:
        """Move every codeword to the mean of the fitted rows it serves, level by level."""
        residual = torch.cat(
            [self.network_.encode(part.to(compute.device)) for part in fitted.split(compute.batch_size)]
        )
        for level in self.levels_:
            nearest = NearestCodeword(level.codebook, compute.codeword_block)
            codes = torch.cat([nearest(part)[0] for part in residual.split(compute.batch_size)])
            sizes = torch.bincount(codes, minlength=self.codebook_size)
            sums = torch.zeros_like(level.codebook).index_add_(0, codes, residual)
            means = sums / sizes.clamp(min=1)[:, None]
            strays = torch.randint(len(residual), (self.codebook_size,), generator=generator).to(residual.device)
            codebook = torch.where(sizes[:, None] > 0, means, residual[strays])
            level.start(codebook, sizes.clamp(min=1), min(self.batch_size, len(fitted)))
            residual = residual - codebook.index_select(0, codes)

    def _report(self, first: dict[str, Any], kept: dict[str, Any]) -> None:
        logger.info(
            "kept epoch %d: held-out error %.5f (epoch 0: %.5f), %d distinct codes (epoch 0: %d), %d rollbacks%s",
            *(self.epoch_kept_, kept["held_out_error"], first["held_out_error"]),
            *(kept["unique_codes"], first["unique_codes"], self.rollbacks_),
            "" if self.epoch_kept_ else ": training bought nothing over its start",
        )

    def _optimizer(self, learning_rate: float) -> torch.optim.Optimizer:
        parameters = list(self.network_.parameters())
        if self.codebook_update == "gradient":
            parameters += [level.codebook.requires_grad_() for level in self.levels_]  # type: ignore[misc]
        return torch.optim.Adam(parameters, lr=learning_rate)

    def _step(
        self, rows: Tensor, optimizer: torch.optim.Optimizer, compute: Compute, generator: torch.Generator
    ) -> tuple[float, int]:
        """One gradient step on rows [n, dim]; the loss and the number of revived codes."""
        latent = self.network_.encode(rows)
        residual, quantized = latent, torch.zeros_like(latent)
        loss = latent.new_zeros(())
        residuals, codes = [], []
        for level in self.levels_:
            code, _ = NearestCodeword(level.codebook.detach(), compute.codeword_block)(residual.detach())
            codeword = level.codebook.index_select(0, code)
            loss = loss + self.commitment_weight * (residual - codeword.detach()).square().sum(dim=1).mean()
            if self.codebook_update == "gradient":
                loss = loss + (residual.detach() - codeword).square().sum(dim=1).mean()
            if self.usage_weight:
                loss = loss - self.usage_weight * usage_entropy(residual, level.codebook, self.usage_temperature)
            residuals.append(residual.detach())
            codes.append(code)
            # detached, or the commitment of later levels would never reach the encoder
            residual = residual - codeword.detach()
            quantized = quantized + codeword.detach()
        straight_through = latent + (quantized - latent).detach()
        loss = loss + (self.network_.decode(straight_through) - rows).square().sum(dim=1).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        revived = 0
        if self.codebook_update == "ema":
            for level, level_residual, code in zip(self.levels_, residuals, codes, strict=True):
                revived += level.update(level_residual, code, generator)
        return float(loss.detach()), revived

    @torch.inference_mode()
    def _measure(self, rows: Tensor, held_out: Tensor, compute: Compute) -> dict[str, Any]:
        """Held-out reconstruction and usage entropy; distinct codes, used codes and perplexity over the rows."""
        encode = self._encoder(compute)
        parts = list(held_out.split(compute.batch_size))
        error = sum(
            float((self._decode_block(encode(part.to(compute.device))) - part.to(compute.device)).square().sum())
            for part in parts
        )
        residual = self.network_.encode(parts[0].to(compute.device))
        entropies = []
        for level in self.levels_:
            entropies.append(float(usage_entropy(residual, level.codebook, self.usage_temperature)))
            code, _ = NearestCodeword(level.codebook, compute.codeword_block)(residual)
            residual = residual - level.codebook.index_select(0, code)
        codes = self._codes(rows, compute)
        sizes = _level_counts(codes, self.codebook_size)
        return {
            "held_out_error": error / len(held_out),
            "unique_codes": _n_distinct(codes, self.codebook_size),
            "used_codes": (sizes > 0).sum(dim=1).tolist(),
            "perplexity": _perplexity(sizes).tolist(),
            "usage_entropy": entropies,
        }

    def _log(self, state: dict[str, Any]) -> None:
        self.history_.append(state)
        left = state["seconds"] * (self.epochs - state["epoch"])
        logger.info(
            "epoch %d of %d: held-out error %.5f, %d distinct codes, perplexity %s, usage entropy %s, %d revived%s",
            *(state["epoch"], self.epochs, state["held_out_error"], state["unique_codes"]),
            " ".join(f"{value:.0f}" for value in state["perplexity"]),
            " ".join(f"{value:.2f}" for value in state["usage_entropy"]),
            state["revived"],
            f", at most {left:.0f} s left" if state["epoch"] else "",
        )

    @torch.inference_mode()
    def _codes(self, rows: Tensor, compute: Compute) -> Tensor:
        encode = self._encoder(compute)
        return torch.cat([encode(part.to(compute.device)).cpu() for part in rows.split(compute.batch_size)])

    @property
    def codebooks_(self) -> Tensor:
        """Codewords [L, K, d] in the latent space."""
        return torch.stack([level.codebook for level in self.levels_]).detach()

    def _encoder(self, compute: Compute) -> Callable[[Tensor], Tensor]:
        codebooks = self.codebooks_
        levels = [NearestCodeword(codebook, compute.codeword_block) for codebook in codebooks]
        return lambda rows: residual_codes(self.network_.encode(rows), levels, codebooks)

    def _decode_block(self, codes: Tensor) -> Tensor:
        return self.network_.decode(sum_of_codewords(self.codebooks_, codes))

    def _state(self) -> dict[str, Tensor]:
        return {**self._trained.state_dict(), "cluster_sizes": self.cluster_sizes_}

    def fit_summary(self) -> dict[str, Any]:
        return {"dim": self.dim, "epoch_kept": self.epoch_kept_, "rollbacks": self.rollbacks_}

    def _load(self, state: dict[str, Tensor], fitted: dict[str, Any]) -> None:
        self._build(fitted["dim"])
        self.epoch_kept_, self.rollbacks_ = fitted["epoch_kept"], fitted["rollbacks"]
        self.cluster_sizes_ = state.pop("cluster_sizes")
        self._trained.load_state_dict(state)

    def to(self, device: str) -> Self:
        self._trained.to(device)
        return self


def usage_entropy(residuals: Tensor, codebook: Tensor, temperature: float, block: int = 256) -> Tensor:
    """Entropy in nats of the mean over rows of softmax(−‖r − c‖² / temperature), a scalar; at most log K.

    Soft, hence with a gradient for the residuals [n, d]; computed `block` rows at a time and recomputed in the
    backward pass, so that no n × K is held.
    """

    def probabilities(rows: Tensor) -> Tensor:
        scores = torch.addmm(norms, rows, codebook.t(), alpha=-2)
        return torch.softmax(-scores / temperature, dim=1).sum(dim=0)

    codebook = codebook.detach()
    norms = codebook.square().sum(dim=1)
    total = codebook.new_zeros(len(codebook))
    for rows in residuals.split(block):
        total = total + (
            checkpoint(probabilities, rows, use_reentrant=False) if rows.requires_grad else probabilities(rows)
        )
    # at 0, where softmax underflows, the gradient of the entropy is infinite
    shares = (total / len(residuals)).clamp(min=torch.finfo(total.dtype).tiny)
    return torch.special.entr(shares).sum()


def _level_counts(codes: Tensor, codebook_size: int) -> Tensor:
    """Rows of each code, int64 [L, K], of codes [n, L]."""
    return torch.stack([torch.bincount(column, minlength=codebook_size) for column in codes.t()])


def _perplexity(sizes: Tensor) -> Tensor:
    """exp of the entropy of each level's code distribution, [L], of counts [L, K]."""
    return torch.special.entr(sizes / sizes.sum(dim=1, keepdim=True)).sum(dim=1).exp()


def _n_distinct(codes: Tensor, codebook_size: int) -> int:
    """Distinct rows of codes [n, L], without packing a row into one integer, which overflows."""
    groups = torch.zeros(len(codes), dtype=torch.int64)
    for column in codes.t():
        groups = torch.unique(groups * codebook_size + column, return_inverse=True)[1]
    return int(groups.max()) + 1
