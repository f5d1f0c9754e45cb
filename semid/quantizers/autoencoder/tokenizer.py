"""What RQ-VAE and VQ-VAE share: a tokenizer whose codes are those of a trained autoencoder."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import torch
from torch import Tensor

from semid.errors import InputError
from semid.quantizers.autoencoder.checkpoint import Checkpoint, restore_training, save_training, training_key
from semid.quantizers.autoencoder.history import write_history
from semid.quantizers.autoencoder.measures import codes_of
from semid.quantizers.autoencoder.model import Autoencoder
from semid.quantizers.autoencoder.options import AutoencoderOptions
from semid.quantizers.autoencoder.start import check_start, start_from_rows, start_from_rqkmeans
from semid.quantizers.autoencoder.state import Training, TrainingRows, split_rows
from semid.quantizers.autoencoder.trainer import begin_training, train
from semid.quantizers.autoencoder.usage import code_counts
from semid.quantizers.compute import Compute, where_to_compute
from semid.quantizers.kernels.inputs import Vectors
from semid.quantizers.tensors import shaped
from semid.quantizers.tokenizer import Tokenizer

if TYPE_CHECKING:
    from semid.quantizers.rqkmeans import RQKMeans


@dataclass(kw_only=True, eq=False, repr=False)
class VectorQuantizedAutoencoder(AutoencoderOptions, Tokenizer):
    """Encodes a vector as one codeword of each level, which add up to its latent vector, and decodes their sum.

    Its fields include all options of the model and of its training: both take the tokenizer as their
    :class:`AutoencoderOptions`.
    """

    @property
    def dim(self) -> int:
        return self.model_.dim

    @property
    def codebooks_(self) -> Tensor:
        """Codewords [L, K, d] in the latent space."""
        return self.model_.padded_codebooks()

    def fit(
        self,
        vectors: Vectors,
        y: Any = None,
        start: "RQKMeans | None" = None,
        checkpoint: str | Path | None = None,
        *,
        compute: Compute | None = None,
        device: str | torch.device | None = None,
        verbose: bool = False,
    ) -> Self:
        """Learn from vectors [n, dim], from the projection and the codebooks of `start` where one is given.

        `checkpoint` is a folder that holds, after every epoch, all that training needs to go on. The same call with the
        same rows, options, code, device and number of threads continues there, and ends as if it had never been
        interrupted. The folder stays when training ends: remove it once the tokenizer is saved.

        Afterwards `history_` holds a dict for every epoch, which `save_history` writes as a table. `epoch_kept_` is the
        epoch that the tokenizer is at; 0 is the start itself. `rollbacks_` counts the collapses that were undone.

        `device` is where to compute: `cpu`, `cuda`, `cuda:1`, `mps`, or `auto`, the first of cuda, mps and cpu that is
        here. Without it that is the CPU. `compute` says the same and the sizes of blocks, so that only one of the two
        can be given. `verbose` shows on standard error how far the work is: a bar in a terminal, elsewhere a line every
        ten seconds. `y` is where pipelines of scikit-learn give targets, and is ignored; a `Compute` may stand there.

        Raises `InputError` for a start that is no fitted RQ-KMeans of these sizes, and for vectors as any tokenizer
        does.
        """
        self._fit(vectors, where_to_compute(compute, device, y), verbose, start, checkpoint)
        return self

    def _fit(
        self,
        vectors: Vectors,
        compute: Compute,
        verbose: bool,
        start: "RQKMeans | None" = None,
        checkpoint: str | Path | None = None,
    ) -> None:
        if start is not None:
            check_start(start)
        rows = self._training_rows(vectors, compute)
        generator = torch.Generator().manual_seed(self.seed)
        split = split_rows(rows, generator, compute.scratch)
        self._build(rows.shape[1])
        self.to(compute.device)
        file = None
        if checkpoint is not None:
            file = Checkpoint(Path(checkpoint) / "training.safetensors", training_key(self, rows, compute, start))
        training = restore_training(file, self.model_, generator) if file else None
        if training is None:
            training = self._begin(split, compute, generator, start, verbose)
            if file is not None:
                save_training(file, training)
        self.history_ = training.history
        selection = train(training, split, self, compute, file, verbose)
        self.epoch_kept_, self.rollbacks_ = selection.epoch_kept, selection.rollbacks
        self.cluster_sizes_ = code_counts(codes_of(self.model_, rows, compute), self.codebook_size)

    def _build(self, dim: int) -> None:
        """Make an untrained model for vectors of width `dim`, without a history.

        Its random weights follow from `seed`, and the global generators of torch stay as they were.
        """
        with torch.random.fork_rng(devices=[]):
            # `torch.manual_seed` would also seed the generators of GPUs, which `fork_rng` does not restore here.
            torch.random.default_generator.manual_seed(self.seed)
            model = Autoencoder(dim, self.sizes, self)
        self._forget()
        self.model_ = model
        self.history_ = []

    def _begin(
        self,
        rows: TrainingRows,
        compute: Compute,
        generator: torch.Generator,
        start: "RQKMeans | None",
        verbose: bool,
    ) -> Training:
        """Start the model, from an RQ-KMeans where one is given, and measure it."""
        if start is None:
            start_from_rows(self.model_, rows.whole, self, self.seed, compute, verbose)
        else:
            start_from_rqkmeans(self.model_, start, self.linear_start, min(self.batch_size, len(rows.whole)))
        return begin_training(self.model_, rows, self, compute, generator)

    def latent(self, rows: Tensor) -> Tensor:
        return self.model_.network.encode(rows)

    def _encoder(self, compute: Compute) -> Callable[[Tensor], Tensor]:
        return self.model_.encoder(compute.codeword_block)

    def _decode_block(self, codes: Tensor) -> Tensor:
        return self.model_.decode(codes)

    def _state(self) -> dict[str, Tensor]:
        return {**self.model_.state_dict(), "cluster_sizes": self.cluster_sizes_}

    def _code_tensors(self, level: int) -> list[Tensor]:
        codebook = self.model_.levels[level]
        return [codebook.codebook.data, codebook.counts, codebook.sums, self.cluster_sizes_[level]]

    def _tensors(self, dim: int) -> dict[str, Tensor]:
        with torch.device("meta"):
            model = Autoencoder(dim, self.sizes, self).state_dict()
        return {**model, "cluster_sizes": shaped(self.num_levels, self.codebook_size, dtype=torch.int64)}

    def fit_summary(self) -> dict[str, Any]:
        return {"dim": self.dim, "epoch_kept": self.epoch_kept_, "rollbacks": self.rollbacks_}

    def _load(self, state: dict[str, Tensor], fitted: dict[str, Any]) -> None:
        self._build(fitted["dim"])
        self.epoch_kept_, self.rollbacks_ = fitted["epoch_kept"], fitted["rollbacks"]
        cluster_sizes = state.pop("cluster_sizes")
        self.model_.load_state_dict(state)
        self.cluster_sizes_ = cluster_sizes

    def to(self, device: str) -> Self:
        self.model_.to(device)
        return self

    def save_history(self, path: str | Path) -> None:
        """Write `history_` as CSV: an epoch a row, epoch 0 first; docs/reference/tokenizers.md explains the columns."""
        self._check_fitted()
        if not self.history_:
            raise InputError("no training history: a tokenizer has one where fit was called, not where it was read")
        write_history(path, self.history_, self.epoch_kept_)
