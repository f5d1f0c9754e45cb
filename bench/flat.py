"""What training adds to a flat codebook, by the number of rows: `python -m bench.flat` writes flat.csv and flat.md.

Held-out error of the k-means that a VQ-VAE begins as, and of each epoch after it. A million rows want a GPU.
"""

import argparse
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor

from bench import machine
from bench.data import vectors_for
from bench.report import Row, as_csv
from bench.tables import write_tables
from semid.device import resolve_device
from semid.errors import InputError
from semid.quantizers import VQVAE, Compute
from semid.quantizers.autoencoder.model import Assignment, Autoencoder

COLUMNS = ("rows", "codebook_size", "options", "epoch", "held_out_error", "seconds")
# in the place of an option: the weight of a term that is tried here and is none of the product
ORTHOGONALITY = "orthogonality"
OPTIONS: tuple[Mapping[str, Any], ...] = (
    {},
    {"learning_rate": 1e-4},
    {"codebook_dim": 96},
    *({"codebook_update": "gradient", "learning_rate": 1e-4, ORTHOGONALITY: weight} for weight in (0, 0.1, 10)),
)


def with_orthogonality(weight: float) -> Callable[..., tuple[Tensor, list[Assignment]]]:
    """Return :meth:`Autoencoder.loss` with one term more: `weight` times the mean squared cosine of two codewords.

    The source is the orthogonal regularization of Shin et al., "Translation-equivariant Image Quantizer for
    Bi-directional Image-Text Generation", 2021. Codebooks that follow moving averages do not feel it.
    """
    plain = Autoencoder.loss

    def loss(self: Autoencoder, rows: Tensor, codeword_block: int) -> tuple[Tensor, list[Assignment]]:
        terms, assignments = plain(self, rows, codeword_block)
        for codebook in self.codebooks:
            units = torch.nn.functional.normalize(codebook, dim=1)
            cosines = units @ units.t() - torch.eye(len(units), device=units.device)
            added = torch.zeros_like(terms)
            # with the terms of the codebooks
            added[2] = weight * cosines.square().mean()
            terms = terms + added
        return terms, assignments

    return loss


def errors_of(
    rows: Sequence[int], sizes: Sequence[int], path: Path | None, epochs: int, device: str
) -> tuple[list[Row], str]:
    """A row an epoch of each training, epoch 0 being the start; and a line that says what the vectors are."""
    vectors, what = vectors_for(path, max(rows))
    found: list[Row] = []
    for n in rows:
        for size in sizes:
            for options in OPTIONS:
                started = time.perf_counter()
                of_product = {name: value for name, value in options.items() if name != ORTHOGONALITY}
                tokenizer = VQVAE(codebook_size=size, epochs=epochs, patience=epochs, max_train=n, **of_product)
                with patch.object(Autoencoder, "loss", with_orthogonality(options.get(ORTHOGONALITY, 0))):
                    tokenizer.fit(vectors[:n], Compute(device))
                seconds = round(time.perf_counter() - started, 1)
                said = ", ".join(f"{name} {value}" for name, value in options.items()) or "default"
                of_training = {"rows": n, "codebook_size": size, "options": said, "seconds": seconds}
                errors = [round(float(epoch["held_out_error"]), 5) for epoch in tokenizer.history_]
                found += [
                    {**of_training, "epoch": epoch, "held_out_error": error} for epoch, error in enumerate(errors)
                ]
                print(f"{n:,} rows, {size:,} codes, {said}: {errors}, {seconds} s", file=sys.stderr)
    return found, what


def page_of(rows: Sequence[Row], described: Sequence[str]) -> str:
    """A line a training: the error before it, at its lowest and after its last epoch."""
    trainings: dict[tuple[int, int, str], list[float]] = {}
    for row in rows:
        trainings.setdefault((row["rows"], row["codebook_size"], row["options"]), []).append(row["held_out_error"])
    lines = [*(f"- {line}" for line in described), "", "| rows | codes | options | before | lowest after it | last |"]
    lines.append("| ---: | ---: | --- | ---: | ---: | ---: |")
    for (n, size, options), (before, *after) in trainings.items():
        lines.append(f"| {n:,} | {size:,} | {options} | {before:.4f} | {min(after):.4f} | {after[-1]:.4f} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.flat", description=__doc__)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--codebook-size", type=int, nargs="+", default=[1024, 4096])
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--vectors", type=Path, help="a .npy file; default: titles of Beauty, grown")
    parser.add_argument("--out", type=Path, default=Path("results/bench"))
    arguments = parser.parse_args()
    if arguments.epochs < 1:
        parser.error("--epochs must be at least 1")
    try:
        device = str(resolve_device(arguments.device))
        rows, what = errors_of(arguments.rows, arguments.codebook_size, arguments.vectors, arguments.epochs, device)
    except InputError as error:
        sys.exit(f"bench: {error}")
    described = [*machine.describe(torch.get_num_threads(), device), what]
    write_tables(arguments.out, "flat", as_csv(rows, COLUMNS), page_of(rows, described))


if __name__ == "__main__":
    main()
