"""Where and in which blocks to compute."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Self

import torch
from annotated_types import Ge
from torch import Tensor

from semid.checks import check_options, doc, documented
from semid.device import resolve_device
from semid.errors import InputError
from semid.quantizers.kernels.blocks import empty_tensor


@documented
@dataclass(frozen=True)
class Compute:
    """Where to compute, and in which blocks: this changes speed, memory, and the rounding of float32.

    Three parts choose their own blocks: a beam, and a search of a large codebook along its leading directions, compare
    fewer rows with all codewords of a level, and OPQ trains on 2,048 rows at a time, because rounding adds up over the
    updates of its rotation. Raises `InputError` for an option out of
    its range, and for a device that this machine does not have.
    """

    device: Annotated[
        str,
        doc(
            "The device to compute on: `cpu`, `mps`, `cuda` (also `cuda:1`), or `auto`, which becomes the first of "
            "cuda, mps and cpu that is here."
        ),
    ] = "cpu"
    batch_size: Annotated[int, Ge(1), doc("Rows that are encoded at once.")] = 2048
    codeword_block: Annotated[int, Ge(1), doc("Codewords that are compared at once.")] = 1024
    scratch: Annotated[
        str | Path | None,
        doc(
            "A folder where the training rows, and tensors as large, lie in files; null keeps them in memory. On a "
            "device other than the CPU they lie in the memory of the device."
        ),
    ] = None

    def __post_init__(self) -> None:
        check_options(self)
        object.__setattr__(self, "device", str(resolve_device(self.device)))

    def in_memory(self) -> Self:
        """The same without files for the training rows."""
        return replace(self, scratch=None)


ON_CPU = Compute()


def where_to_compute(compute: Compute | None, device: str | torch.device | None, y: Any = None) -> Compute:
    """Return where and in which blocks to compute: `compute`, or all defaults on `device`, or the CPU.

    A `Compute` in the place of the targets `y` of an estimator will do. Raises `InputError` where two of these are
    given, and for a `y` that was meant as another argument: a name, or a tokenizer.
    """
    if isinstance(y, str) or hasattr(y, "fit"):
        raise InputError(f"the second argument holds targets, which are ignored, got {y!r}: give device= or start=")
    if isinstance(y, Compute):
        if compute is not None:
            raise InputError("compute is given twice: give one of them")
        compute = y
    if compute is None:
        return ON_CPU if device is None else Compute(str(device))
    if not isinstance(compute, Compute):
        raise InputError(f"compute must be a Compute, got {compute!r}: a device alone is given as device=")
    if device is not None:
        raise InputError(f"device is given twice: as {device}, and in compute as {compute.device}; give one of them")
    return compute


def latent_rows(latent: Callable[[Tensor], Tensor], rows: Tensor, compute: Compute) -> Tensor:
    """Apply `latent` to float32 rows [n, dim] of the CPU, block by block, and return [n, d] on the device.

    On the CPU the result is an :func:`~semid.quantizers.kernels.blocks.empty_tensor` in the folder `compute.scratch`.
    """
    n, d = len(rows), latent(rows[:1].to(compute.device)).shape[1]
    on_cpu = torch.device(compute.device).type == "cpu"
    out = empty_tensor(n, d, scratch=compute.scratch) if on_cpu else torch.empty(n, d, device=compute.device)
    for part, target in zip(rows.split(compute.batch_size), out.split(compute.batch_size), strict=True):
        target.copy_(latent(part.to(compute.device)))
    return out
