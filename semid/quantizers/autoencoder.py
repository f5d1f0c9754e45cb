"""What RQ-VAE and VQ-VAE share: an autoencoder around EMA codebooks, its training, selection and collapse alarm."""

import copy
import dataclasses
import logging
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

import torch
from annotated_types import Ge, Gt, Le, Lt, MinLen
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from semid.checks import Choices, doc
from semid.errors import InputError
from semid.quantizers.checkpoint import Checkpoint, digest_of_code, digest_of_options, digest_of_tensors
from semid.quantizers.compute import ON_CPU, Compute
from semid.quantizers.ema import EMACodebook
from semid.quantizers.gradient_estimators import GRADIENT_ESTIMATORS
from semid.quantizers.history import write_history
from semid.quantizers.kernels.blocks import Vectors, select_rows
from semid.quantizers.kernels.kmeans import residual_kmeans
from semid.quantizers.kernels.nearest import NearestCodeword
from semid.quantizers.kernels.principal_components import distant_mean, principal_directions
from semid.quantizers.kernels.residual import level_codebooks, residual_codes, residual_walk, sum_of_codewords
from semid.quantizers.network import Network
from semid.quantizers.tokenizer import Tokenizer
from semid.quantizers.usage import code_counts, distinct_rows, n_distinct, perplexity, usage_entropy

if TYPE_CHECKING:
    from semid.quantizers.rqkmeans import RQKMeans

logger = logging.getLogger(__name__)

HELD_OUT_SHARE = 0.05
MAX_ROLLBACKS = 2
LOSSES = ("reconstruction_loss", "commitment_loss", "codebook_loss", "usage_loss")

# options whose defaults differ between the methods
CodebookDim = Annotated[
    int,
    Ge(0),
    doc(
        "Width of the codebooks; 0 is that of the embeddings, where training gains little over `rqkmeans` (0 to 7 % of "
        "the error on Beauty, by seed; at 32 it gains 20 %)."
    ),
]
Patience = Annotated[
    int, Ge(0), doc("With `keep: best`, epochs without a better one before training stops; 0 trains them all.")
]


@dataclass
class _Training:
    """Where training stands after an epoch, beside the tokenizer's own state, history and roll-backs.

    `highest`: the maximum so far of each level's perplexity; `kept`: the state of the best epoch; `resumed`: the one
    that a collapse goes back to; `ended`: whether training stopped before the last epoch.
    """

    generator: torch.Generator
    optimizer: torch.optim.Optimizer
    highest: list[float]
    kept: dict[str, Tensor]
    resumed: dict[str, Tensor]
    ended: bool = False


@dataclass(kw_only=True, eq=False)
class VectorQuantizedAutoencoder(Tokenizer):
    """Encoder, residual quantizer with `num_levels` codebooks, decoder; trained together.

    Space: `codebook_dim`, width of the codebooks (0: as wide as the vectors); `hidden`, widths of the perceptrons'
    hidden layers; `linear_start`, whether encoder and decoder begin as the projection on the principal directions.
    Codebooks: `codebook_update` by moving average (`ema`) or by `gradient`; `decay`, `eps`,
    `threshold_ema_dead_code` as in :class:`EMACodebook`; `kmeans_iters` of their initial k-means.
    Loss, each term summed over dimensions: reconstruction, `commitment_weight` times the commitment of every level,
    less `usage_weight` times the entropy of the batch mean of softmax(−distance² / `usage_temperature`).
    `gradient_estimator`: the decoder's gradient reaches the encoder as it is (`straight_through`), or turned and
    scaled as the latent vector is to the sum of its codewords (`rotation`). That sum is turned once: residuals
    subtract detached codewords, so that a level has no other way to the decoder, and the norms of a late residual
    and its codeword differ by far more than those of the whole.
    Training: `epochs`, `batch_size`, `learning_rate` of Adam. `keep`: `best` keeps the epoch of lowest
    reconstruction on held-out training rows among those with no fewer distinct codes than epoch 0, and rolls back
    when codes collapse; `last` keeps the last epoch as it is. `patience`: with `best`, epochs without a better one
    before training stops; 0 trains all `epochs`.

    After fit `history_` holds a dict an epoch, which `save_history` writes as a table; `epoch_kept_` 0 means that
    training bought nothing over its start; `rollbacks_` counts the collapses undone.
    """

    codebook_dim: CodebookDim = 0
    hidden: Annotated[
        tuple[Annotated[int, Ge(1)], ...],
        MinLen(1),
        doc("Widths of the perceptrons beside the linear maps; the decoder has them in reverse."),
    ] = (512,)
    linear_start: Annotated[
        bool,
        doc(
            "Whether the encoder is `z = W(x − μ) + f(x − μ)` and the decoder `x̂ = Vz + g(z) + μ`, where W begins as "
            "the principal directions, V as its transpose, f and g at zero. False leaves the perceptrons alone, from "
            "random weights."
        ),
    ] = True
    codebook_update: Annotated[
        Literal["ema", "gradient"], doc("Codebooks follow by moving averages (`ema`), or by `gradient`.")
    ] = "ema"
    decay: Annotated[float, Gt(0), Lt(1), doc("Decay of the moving averages of codewords and counts.")] = 0.99
    eps: Annotated[float, Gt(0), doc("Laplace smoothing of the moving counts.")] = 1e-5
    threshold_ema_dead_code: Annotated[
        float,
        Ge(0),
        Le(1),
        doc(
            "A code whose moving count falls under this share of batch / K moves to a random residual; 0 revives none."
        ),
    ] = 0.02
    kmeans_iters: Annotated[int, Ge(1), doc("Most Lloyd iterations a level of the initial k-means.")] = 25
    commitment_weight: Annotated[float, Ge(0), doc("Pull of the encoder to the codewords, at every level.")] = 0.25
    usage_weight: Annotated[float, Ge(0), doc("Weight of the entropy of soft code usage in the loss.")] = 0.0
    usage_temperature: Annotated[float, Gt(0), doc("Temperature of the soft code usage behind that entropy.")] = 0.1
    gradient_estimator: Annotated[
        str,
        Choices(GRADIENT_ESTIMATORS),
        doc(
            "How the decoder's gradient passes the quantization: as it is, or by `rotation`, turned and scaled as the "
            "latent vector is to the sum of its codewords (Fifty et al., 2024). From a k-means start `rotation` learns "
            "less and uses codes less evenly (Beauty, `rqvae_4x256`, 15 epochs: held-out error 0.406 against 0.380; at "
            "full width a flat codebook of 1,024 collapsed)."
        ),
    ] = "straight_through"
    epochs: Annotated[int, Ge(0), doc("Passes over the training rows.")] = 60
    batch_size: Annotated[int, Ge(1), doc("Rows a gradient step.")] = 1024
    learning_rate: Annotated[float, Gt(0), doc("Learning rate of Adam.")] = 1e-3
    keep: Annotated[
        Literal["best", "last"],
        doc(
            "`best` keeps the epoch of lowest error on held-out items and undoes collapses of codes; `last` keeps the "
            "last one as it is."
        ),
    ] = "best"
    patience: Patience = 15

    @property
    def dim(self) -> int:
        return len(self.network_.mean)

    def fit(
        self,
        vectors: Vectors,
        compute: Compute = ON_CPU,
        start: "RQKMeans | None" = None,
        checkpoint: str | Path | None = None,
    ) -> Self:
        """Learn from vectors [n, dim]; `start` gives projection and codebooks, else both are computed here.

        `checkpoint`: a folder that holds, after every epoch, all that training needs to go on. The same call with the
        same rows, options, code, device and threads continues there, and ends as if it had never been interrupted.
        It stays when training ends: remove it once the tokenizer is saved.
        """
        rows = self._training_rows(vectors, compute)
        generator = torch.Generator().manual_seed(self.seed)
        order = torch.randperm(len(rows), generator=generator)
        n_held_out = max(1, round(HELD_OUT_SHARE * len(rows))) if len(rows) > 1 else 0
        held_out, fitted = (select_rows(rows, part, compute.scratch) for part in order.tensor_split([n_held_out]))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            self._build(rows.shape[1])
        self.to(compute.device)
        saved = None
        if checkpoint is not None:
            saved = Checkpoint(Path(checkpoint) / "training.safetensors", self._training_key(rows, compute, start))
        training = self._continued(saved, generator) if saved else None
        held_out = held_out if n_held_out else rows
        if training is None:
            self._start(rows, compute, start)
            training = self._epoch_0(rows, fitted, held_out, compute, generator)
            self._save_checkpoint(saved, training)
        self._train(training, rows, fitted, held_out, compute, saved)
        return self

    def _build(self, dim: int) -> None:
        width = self.codebook_dim or dim
        if self.linear_start and width > dim:
            raise InputError(f"codebook_dim is {width}, more than the {dim} columns of the vectors")
        self._forget()
        self.network_ = Network(dim, width, self.hidden, self.linear_start)
        self.levels_ = [
            EMACodebook(size, width, self.decay, self.eps, self.threshold_ema_dead_code) for size in self.sizes
        ]
        self._trained = nn.ModuleDict({"network": self.network_, "levels": nn.ModuleList(self.levels_)})
        self.epoch_kept_, self.rollbacks_ = 0, 0
        self.history_: list[dict[str, Any]] = []

    @torch.no_grad()
    def _start(self, rows: Tensor, compute: Compute, start: "RQKMeans | None") -> None:
        """Projection and codebooks of `start`, or the principal directions and residual k-means on latent rows."""
        dim, width = rows.shape[1], self.levels_[0].codebook.shape[1]
        if start is not None:
            codebooks, cluster_sizes = start.codebooks_, start.cluster_sizes_
            found, expected = tuple(start.codebooks_.shape), (self.num_levels, self.codebook_size, width)
            if start.dim != dim or found != expected or start.sizes != self.sizes or not self.linear_start:
                raise InputError(
                    f"cannot start from codebooks of shape {found}, level by level of {start.sizes} codes, on vectors "
                    f"{start.dim} wide: expected {expected} (levels, codebook_size, codebook_dim), of {self.sizes} "
                    f"codes, on {dim}, and linear_start; "
                    "start from the RQ-KMeans whose pca_dim is this codebook_dim, or use init: kmeans"
                )
            directions = start.directions_ if start.pca_dim else torch.eye(dim)
            self.network_.start(start.mean_, directions)
        else:
            if self.linear_start and width < dim:
                self.network_.start(*principal_directions(rows, width))
            elif self.linear_start:
                self.network_.start(distant_mean(rows), torch.eye(dim))
            else:
                self.network_.mean.copy_(distant_mean(rows))
            codebooks, cluster_sizes = residual_kmeans(
                self._latent_rows(rows, compute),
                self.sizes,
                iterations=self.kmeans_iters,
                seed=self.seed,
                row_block=compute.batch_size,
                codeword_block=compute.codeword_block,
                scratch=compute.scratch,
            )
        for level, size, codebook, counts in zip(self.levels_, self.sizes, codebooks, cluster_sizes, strict=True):
            level.start(codebook[:size], counts[:size], min(self.batch_size, len(rows)))

    def _epoch_0(
        self, rows: Tensor, fitted: Tensor, held_out: Tensor, compute: Compute, generator: torch.Generator
    ) -> _Training:
        optimizer = self._optimizer(self.learning_rate)
        usage = self._code_usage(rows, held_out, compute)
        kept = resumed = copy.deepcopy(self._trained.state_dict())
        if self.keep == "best" and self.epochs:
            # the start has seen the held-out rows: compare with, and go on from, what it is without them
            self._forget_held_out(fitted, compute, generator)
            resumed = copy.deepcopy(self._trained.state_dict())
        error = self._held_out_error(held_out, compute)
        self._log(0, dict.fromkeys(("loss", *LOSSES)), error, usage, 0, self.learning_rate, 0.0)
        return _Training(generator, optimizer, list(usage["perplexity"]), kept, resumed)

    def _train(
        self,
        training: _Training,
        rows: Tensor,
        fitted: Tensor,
        held_out: Tensor,
        compute: Compute,
        saved: Checkpoint | None,
    ) -> None:
        distinct = distinct_rows(rows, self.codebook_size) if self.keep == "best" else 0
        floors = [0.1 * min(size, distinct) for size in self.sizes]
        while not training.ended and len(self.history_) <= self.epochs:
            started = time.monotonic()
            losses, revived = self._epoch(training, fitted, compute)
            usage, error = self._code_usage(rows, held_out, compute), self._held_out_error(held_out, compute)
            learning_rate, seconds = training.optimizer.param_groups[0]["lr"], time.monotonic() - started
            self._log(len(self.history_), losses, error, usage, revived, learning_rate, seconds)
            if self.keep == "best":
                self._judge(training, floors)
            elif math.isfinite(error):
                self.epoch_kept_ = len(self.history_) - 1
            else:
                raise InputError(
                    f"training diverged in epoch {len(self.history_) - 1}: lower learning_rate, or use keep: best"
                )
            self._save_checkpoint(saved, training)
        if self.keep == "best":
            self._trained.load_state_dict(training.kept)
        self._report()
        self.cluster_sizes_ = code_counts(self._codes(rows, compute), self.codebook_size)

    def _epoch(self, training: _Training, fitted: Tensor, compute: Compute) -> tuple[dict[str, float], int]:
        """Train on every fitted row once; the mean losses and the number of revived codes."""
        totals, revived = torch.zeros(len(LOSSES), device=compute.device), 0
        for batch in torch.randperm(len(fitted), generator=training.generator).split(self.batch_size):
            rows = fitted[batch].to(compute.device)
            losses, n_revived = self._step(rows, training.optimizer, compute, training.generator)
            totals += losses * len(batch)
            revived += n_revived
        means = dict(zip(LOSSES, (totals / len(fitted)).tolist(), strict=True))
        return {"loss": sum(means.values()), **means}, revived

    def _judge(self, training: _Training, floors: Sequence[float]) -> None:
        """Keep the last epoch if it is the best, undo it if codes collapsed, end training if neither for long.

        `floors`: the perplexity under which each level counts as collapsed.
        """
        state, first, best = self.history_[-1], self.history_[0], self.history_[self.epoch_kept_]
        epoch = state["epoch"]
        collapsed = [
            level + 1
            for level, (now, most, floor) in enumerate(zip(state["perplexity"], training.highest, floors, strict=True))
            if now < most / 2 or (now < floor <= most and now < 0.8 * most)
        ]
        if collapsed:
            self._trained.load_state_dict(training.resumed)
            for undone in self.history_[self.epoch_kept_ + 1 :]:
                undone["rolled_back"] = True
            if self.rollbacks_ == MAX_ROLLBACKS:
                logger.warning("level %s collapsed again in epoch %d: training stops", collapsed, epoch)
                training.ended = True
                return
            self.rollbacks_ += 1
            training.optimizer = self._optimizer(state["learning_rate"] / 2)
            logger.warning(
                "level %s collapsed in epoch %d: back to epoch %d, learning rate %g",
                *(collapsed, epoch, self.epoch_kept_, state["learning_rate"] / 2),
            )
            return
        training.highest = [max(pair) for pair in zip(training.highest, state["perplexity"], strict=True)]
        better = state["held_out_error"] < best["held_out_error"]
        if better and state["unique_codes"] >= first["unique_codes"]:
            self.epoch_kept_ = epoch
            training.kept = training.resumed = copy.deepcopy(self._trained.state_dict())
        elif 0 < self.patience <= epoch - self.epoch_kept_:
            logger.info("no better epoch in %d: training stops", self.patience)
            training.ended = True

    def _training_key(self, rows: Tensor, compute: Compute, start: "RQKMeans | None") -> dict[str, str]:
        """Digests of all that the result of training depends on, by what they are of."""
        options = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        del options["metadata"]
        machine = {"torch": torch.__version__, "device": compute.device, "threads": torch.get_num_threads()}
        return {
            "options": digest_of_options({"class": type(self).__name__, **options}),
            "code": digest_of_code(type(self)),
            "training rows": digest_of_tensors({"rows": rows}),
            "start": digest_of_tensors(start._state()) if start is not None else "none",
            "device, threads or torch version": digest_of_options(machine),
        }

    def _save_checkpoint(self, saved: Checkpoint | None, training: _Training) -> None:
        if saved is None:
            return
        states = {"trained": self._trained.state_dict(), "generator": {"state": training.generator.get_state()}}
        if self.keep == "best":
            states["kept"] = training.kept
            if training.resumed is not training.kept:
                states["resumed"] = training.resumed
        for parameter, state in training.optimizer.state_dict()["state"].items():
            states[f"optimizer.{parameter}"] = state
        scalars = {
            **{"history": self.history_, "epoch_kept": self.epoch_kept_, "rollbacks": self.rollbacks_},
            **{"learning_rate": training.optimizer.param_groups[0]["lr"], "highest": training.highest},
            **{"ended": training.ended},
        }
        tensors = {f"{part}/{name}": tensor for part, state in states.items() for name, tensor in state.items()}
        saved.write(tensors, scalars)

    def _continued(self, saved: Checkpoint, generator: torch.Generator) -> _Training | None:
        """Where the checkpoint left off; None where there is none for this training."""
        found = saved.read()
        if found is None:
            return None
        tensors, scalars = found
        states: dict[str, dict[str, Tensor]] = {}
        for name, tensor in tensors.items():
            part, _, rest = name.partition("/")
            states.setdefault(part, {})[rest] = tensor
        optimizer = self._optimizer(scalars["learning_rate"])
        moments = {
            int(part.removeprefix("optimizer.")): state
            for part, state in states.items()
            if part.startswith("optimizer.")
        }
        optimizer.load_state_dict({**optimizer.state_dict(), "state": moments})
        self._trained.load_state_dict(states["trained"])
        generator.set_state(states["generator"]["state"])
        self.history_, self.epoch_kept_ = scalars["history"], scalars["epoch_kept"]
        self.rollbacks_ = scalars["rollbacks"]
        logger.info("%s: training continues after epoch %d", saved.path, self.history_[-1]["epoch"])
        # `keep: last` has neither, and needs neither
        kept = states.get("kept", {})
        return _Training(generator, optimizer, scalars["highest"], kept, states.get("resumed", kept), scalars["ended"])

    @torch.no_grad()
    def _forget_held_out(self, fitted: Tensor, compute: Compute, generator: torch.Generator) -> None:
        """Move every codeword to the mean of the fitted rows it serves, level by level.

        One that serves none moves to a fitted row, drawn without replacement in proportion to its squared error.
        """
        for level, residual, codes in self._residuals(self._latent_rows(fitted, compute), compute):
            codebook = self.levels_[level].codebook
            sizes = torch.bincount(codes, minlength=len(codebook))
            sums = torch.zeros_like(codebook)
            for part, own in zip(residual.split(compute.batch_size), codes.split(compute.batch_size), strict=True):
                sums.index_add_(0, own, part)
            means = sums / sizes.clamp(min=1)[:, None]
            errors = [
                (part - means.index_select(0, own)).square().sum(dim=1)
                for part, own in zip(residual.split(compute.batch_size), codes.split(compute.batch_size), strict=True)
            ]
            # a row alone in its cluster is drawn last: it would only change its code, and leave the old one unused
            weights = torch.cat(errors).cpu() / torch.empty(len(residual)).exponential_(generator=generator)
            empty = (sizes == 0).nonzero().flatten()[: len(residual)]
            means[empty] = residual[weights.topk(len(empty)).indices.to(residual.device)]
            self.levels_[level].start(means, sizes.clamp(min=1), min(self.batch_size, len(fitted)))

    def _residuals(self, residual: Tensor, compute: Compute) -> Iterator[tuple[int, Tensor, Tensor]]:
        """:func:`residual_walk` over latent rows [n, d], which it overwrites, with the codebooks as they are then."""

        def choose(level: int, residual: Tensor) -> Tensor:
            nearest = NearestCodeword(self.levels_[level].codebook, compute.codeword_block)
            return torch.cat([nearest.codes(part) for part in residual.split(compute.batch_size)])

        codebooks = [level.codebook for level in self.levels_]
        return residual_walk(residual, self.num_levels, choose, codebooks, compute.batch_size)

    def _report(self) -> None:
        first, kept = self.history_[0], self.history_[self.epoch_kept_]
        bought = ""
        if not self.epoch_kept_:
            lower = any(state["held_out_error"] < first["held_out_error"] for state in self.history_)
            reason = "every epoch of lower error had fewer distinct codes" if lower else "no epoch had a lower error"
            bought = f": training bought nothing over its start, {reason}"
        logger.info(
            "kept epoch %d: held-out error %.5f (epoch 0: %.5f), %d distinct codes (epoch 0: %d), %d rollbacks%s",
            *(self.epoch_kept_, kept["held_out_error"], first["held_out_error"]),
            *(kept["unique_codes"], first["unique_codes"], self.rollbacks_),
            bought,
        )

    def _optimizer(self, learning_rate: float) -> torch.optim.Optimizer:
        parameters = list(self.network_.parameters())
        if self.codebook_update == "gradient":
            parameters += [level.codebook.requires_grad_() for level in self.levels_]  # type: ignore[misc]
        return torch.optim.Adam(parameters, lr=learning_rate)

    def _step(
        self, rows: Tensor, optimizer: torch.optim.Optimizer, compute: Compute, generator: torch.Generator
    ) -> tuple[Tensor, int]:
        """One gradient step on rows [n, dim]; the terms of the loss, by `LOSSES`, and how many codes were revived."""
        latent = self.network_.encode(rows)
        quantized = torch.zeros_like(latent)
        commitment = codebook_loss = usage = latent.new_zeros(())
        codebooks = [level.codebook for level in self.levels_]
        residuals, codes = [], []

        def nearest(level: int, residual: Tensor) -> Tensor:
            return NearestCodeword(codebooks[level].detach(), compute.codeword_block).codes(residual.detach())

        # detached codewords are subtracted, or the commitment of later levels would never reach the encoder
        for level, residual, code in residual_walk(latent, self.num_levels, nearest, codebooks, in_place=False):
            codeword = codebooks[level].index_select(0, code)
            commitment = commitment + _mean_square(residual - codeword.detach())
            if self.codebook_update == "gradient":
                codebook_loss = codebook_loss + _mean_square(residual.detach() - codeword)
            if self.usage_weight:
                usage = usage - self.usage_weight * usage_entropy(residual, codebooks[level], self.usage_temperature)
            residuals.append(residual.detach())
            codes.append(code)
            quantized = quantized + codeword.detach()
        quantized = GRADIENT_ESTIMATORS[self.gradient_estimator](latent, quantized)
        reconstruction = _mean_square(self.network_.decode(quantized) - rows)
        losses = torch.stack([reconstruction, self.commitment_weight * commitment, codebook_loss, usage])
        optimizer.zero_grad()
        losses.sum().backward()
        optimizer.step()
        revived = 0
        if self.codebook_update == "ema":
            for codebook, residual, code in zip(self.levels_, residuals, codes, strict=True):
                revived += codebook.update(residual, code, generator)
        return losses.detach(), revived

    @torch.inference_mode()
    def _held_out_error(self, held_out: Tensor, compute: Compute) -> float:
        """Mean squared distance of held-out rows to their reconstruction."""
        encode = self._encoder(compute)
        parts = [part.to(compute.device) for part in held_out.split(compute.batch_size)]
        return sum(float((self._decode_block(encode(part)) - part).square().sum()) for part in parts) / len(held_out)

    @torch.inference_mode()
    def _code_usage(self, rows: Tensor, held_out: Tensor, compute: Compute) -> dict[str, Any]:
        """Distinct codes over the rows; used codes, perplexity, and usage entropy on held-out rows, level by level."""
        entropies = [
            float(usage_entropy(residual, self.levels_[level].codebook, self.usage_temperature))
            for level, residual, _ in self._residuals(self._latent_rows(held_out, compute), compute)
        ]
        codes = self._codes(rows, compute)
        sizes = code_counts(codes, self.codebook_size)
        return {
            "unique_codes": n_distinct(codes, self.codebook_size),
            "used_codes": (sizes > 0).sum(dim=1).tolist(),
            "perplexity": perplexity(sizes).tolist(),
            "usage_entropy": entropies,
        }

    def _log(
        self,
        epoch: int,
        losses: dict[str, Any],
        held_out_error: float,
        usage: dict[str, Any],
        revived: int,
        learning_rate: float,
        seconds: float,
    ) -> None:
        self.history_.append(
            {
                **{"epoch": epoch, **losses, "held_out_error": held_out_error, **usage, "revived": revived},
                **{"learning_rate": learning_rate, "seconds": round(seconds, 3), "rolled_back": False},
            }
        )
        logger.info(
            "epoch %d of %d: held-out error %.5f, %d distinct codes, perplexity %s, usage entropy %s, %d revived%s",
            *(epoch, self.epochs, held_out_error, usage["unique_codes"]),
            " ".join(f"{value:.0f}" for value in usage["perplexity"]),
            " ".join(f"{value:.2f}" for value in usage["usage_entropy"]),
            revived,
            f", at most {seconds * (self.epochs - epoch):.0f} s left" if epoch else "",
        )

    def save_history(self, path: str | Path) -> None:
        """Write `history_` as CSV: an epoch a row, epoch 0 first; docs/tokenizers.md explains the columns."""
        self._check_fitted()
        if not self.history_:
            raise InputError("no training history: a tokenizer has one where fit was called, not where it was read")
        write_history(path, self.history_, self.epoch_kept_)

    @torch.inference_mode()
    def _codes(self, rows: Tensor, compute: Compute) -> Tensor:
        encode = self._encoder(compute)
        return torch.cat([encode(part.to(compute.device)).cpu() for part in rows.split(compute.batch_size)])

    @property
    def codebooks_(self) -> Tensor:
        """Codewords [L, K, d] in the latent space."""
        return pad_sequence([level.codebook for level in self.levels_], batch_first=True).detach()

    def latent(self, rows: Tensor) -> Tensor:
        return self.network_.encode(rows)

    def _encoder(self, compute: Compute) -> Callable[[Tensor], Tensor]:
        codebooks = level_codebooks(self.codebooks_, self.sizes)
        levels = [NearestCodeword(codebook, compute.codeword_block) for codebook in codebooks]
        return lambda rows: residual_codes(self.latent(rows), levels, codebooks)

    def _decode_block(self, codes: Tensor) -> Tensor:
        return self.network_.decode(sum_of_codewords(self.codebooks_, codes))

    def _state(self) -> dict[str, Tensor]:
        return {**self._trained.state_dict(), "cluster_sizes": self.cluster_sizes_}

    def fit_summary(self) -> dict[str, Any]:
        return {"dim": self.dim, "epoch_kept": self.epoch_kept_, "rollbacks": self.rollbacks_}

    def _load(self, state: dict[str, Tensor], fitted: dict[str, Any]) -> None:
        self._build(fitted["dim"])
        self.epoch_kept_, self.rollbacks_ = fitted["epoch_kept"], fitted["rollbacks"]
        cluster_sizes = state.pop("cluster_sizes")
        self._trained.load_state_dict(state)
        self.cluster_sizes_ = cluster_sizes

    def to(self, device: str) -> Self:
        self._trained.to(device)
        return self


def _mean_square(differences: Tensor) -> Tensor:
    """Mean over rows of the squared length of differences [n, d]."""
    return differences.square().sum(dim=1).mean()
