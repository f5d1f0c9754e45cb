"""The useful work of training a generator, beside what the machine does in bare products of matrices."""

import statistics
import time

import numpy as np
import torch
from torch import nn

from bench.generator import Inputs, seconds_of_epochs, train_epochs
from semid.generative.heads import CodeHeads
from semid.generative.model import Generator
from semid.generative.sequences import length_batches, training_windows
from semid.generative.settings import GeneratorSettings
from semid.generative.training import Training
from semid.retrieval.ragged import Ragged

# A multiply-add is two operations, and a backward pass does twice the work of a forward pass.
OPERATIONS = 2 * 3
# What the item head teaches the code heads is scored without a backward pass.
TEACHING = "scores of all items, to teach"
LARGE_PRODUCT = (1024, 1024, 1024)
SECONDS_OF_PRODUCTS = 0.3
PROFILED, PROFILED_USERS = 10, 4000


def multiply_adds(model: Generator, sequences: Ragged) -> dict[str, float]:
    """Return the multiply-adds of the products in a forward pass over an epoch, by their kind.

    Only real positions count: those that have an item behind them to learn. Padding, look-ups and work element by
    element do not. The uniform negatives of a step are expected to be so many distinct items as they are on average.
    """
    settings, num_items = model.settings, len(model.codes)
    windows = training_windows(sequences, settings.history)
    lengths = windows.lengths.astype(np.int64) - 1
    positions = float(lengths.sum())
    work = {
        "projections of the transformer": positions * _linear_weights(model.transformer),
        "attention": 2.0 * settings.dim * settings.layers * float((lengths * (lengths + 1) // 2).sum()),
    }
    if model.heads is not None:
        work["code heads"] = _of_heads(
            model, model.heads, torch.from_numpy(_items(windows, np.arange(len(windows)), skip=1))
        )
    scored, looked_up, drawn = 0.0, 0.0, settings.negatives if settings.item_weight else 0
    for rows in length_batches(windows.lengths, settings.batch_positions, np.random.default_rng((settings.seed, 0))):
        candidates = _expected_distinct(_items(windows, rows, skip=1), drawn, num_items)
        scored += float(lengths[rows].sum()) * candidates
        looked_up += _expected_distinct(_items(windows, rows), drawn, num_items)
    if settings.item_weight:
        work["item head"] = scored * settings.dim
    if settings.teaching and settings.item_weight and model.heads is not None:
        work[TEACHING] = positions * settings.teaching * num_items * settings.dim
    if settings.items == "codes+content":
        work["projection of the content"] = looked_up * _linear_weights(model.items)
    return work


def operations(model: Generator, sequences: Ragged) -> dict[str, float]:
    """Return the operations of an epoch by their kind, with the backward pass of what has one."""
    work = multiply_adds(model, sequences)
    return {kind: count * (2 if kind == TEACHING else OPERATIONS) for kind, count in work.items()}


def _of_heads(model: Generator, heads: CodeHeads, targets: torch.Tensor) -> float:
    """Return the multiply-adds of a forward pass over targets int64 [n], of which a level computes the uncertain."""
    work = len(targets) * heads.query.weight.numel() if heads.searches else 0
    for level, size in enumerate(heads.sizes):
        weights = heads.hidden[level].weight.numel() + heads.output[level].weight.numel()
        codewords = size * model.settings.dim if heads.searches else 0
        work += len(model.uncertain_rows(targets, level)) * (weights + codewords)
    return float(work)


def _linear_weights(module: nn.Module) -> int:
    return sum(part.weight.numel() for part in module.modules() if isinstance(part, nn.Linear))


def _items(sequences: Ragged, rows: np.ndarray, skip: int = 0) -> np.ndarray:
    """Return the items int64 [n] of these sequences, but for the first so many of each."""
    return np.concatenate(
        [sequences.values[sequences.offsets[row] + skip : sequences.offsets[row + 1]] for row in rows]
    )


def _expected_distinct(items: np.ndarray, drawn: int, num_items: int) -> float:
    """Return how many distinct items these, int64 [n], and so many uniform draws are on average."""
    given = len(np.unique(items))
    return given + (num_items - given) * (1 - (1 - 1 / num_items) ** drawn)


def product_shapes(settings: GeneratorSettings) -> list[tuple[int, int, int]]:
    """The products whose rate the training is held against: the widest of a layer, and a large square one."""
    return [(settings.batch_positions, settings.dim, 4 * settings.dim), LARGE_PRODUCT]


def rate_of_products(shape: tuple[int, int, int]) -> float:
    """Return operations a second of float32 products [n, k] × [k, m] that are done over and over."""
    n, k, m = shape
    left, right, out = torch.randn(n, k), torch.randn(k, m), torch.empty(n, m)
    torch.mm(left, right, out=out)
    done, started = 0, time.perf_counter()
    while time.perf_counter() - started < SECONDS_OF_PRODUCTS:
        torch.mm(left, right, out=out)
        done += 1
    return 2.0 * n * k * m * done / (time.perf_counter() - started)


def work_of_training(inputs: Inputs, settings: GeneratorSettings, repeats: int) -> dict[str, float]:
    """Return figures of training: medians of so many epochs after a first, with bare products after each.

    `share`: the useful operations a second of an epoch over those of the faster of the bare products.
    """
    rates: dict[tuple[int, int, int], list[float]] = {shape: [] for shape in product_shapes(settings)}

    def between(training: Training) -> None:
        for shape, of_shape in rates.items():
            of_shape.append(rate_of_products(shape))

    training = train_epochs(inputs, settings, 1 + repeats, between)
    seconds = statistics.median(seconds_of_epochs(training)[1:])
    kinds = operations(training.model, inputs.sequences)
    useful = sum(kinds.values())
    products = {shape: statistics.median(of_shape) for shape, of_shape in rates.items()}
    shapes = {f"bare products {' × '.join(map(str, shape))}, GFLOP/s": rate / 1e9 for shape, rate in products.items()}
    share = useful / seconds / max(products.values())
    figures = {"share": share, "epoch, s": seconds, "useful work, GFLOP/s": useful / seconds / 1e9, **shapes}
    return figures | {f"{kind}, GFLOP an epoch": count / 1e9 for kind, count in kinds.items()}


def profile_of_training(inputs: Inputs, settings: GeneratorSettings) -> str:
    """Return the table of torch's profiler for an epoch of some users: the operators of most CPU time of their own."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profiler:
        train_epochs(inputs, settings, 1, users=PROFILED_USERS)
    return profiler.key_averages().table(sort_by="self_cpu_time_total", row_limit=PROFILED)
