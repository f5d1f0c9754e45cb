"""Where and in which blocks to compute."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Self

import torch
from annotated_types import Ge

from semid.checks import check_options, doc
from semid.device import resolve_device


@dataclass(frozen=True)
class Compute:
    """Where and in which blocks to compute; changes speed and memory, never what is learnt.

    `device`: a torch device; `batch_size`: rows encoded at once; `codeword_block`: codewords compared at once, except
    by a beam, which compares fewer rows with all of a level. `scratch`: a folder for the training rows, and what is as
    large, in files that need no memory; None is memory. On another device than the CPU its own memory holds them.
    """

    device: Annotated[str, doc("The torch device to compute on.")] = "cpu"
    batch_size: Annotated[int, Ge(1), doc("Rows that are encoded at once.")] = 2048
    codeword_block: Annotated[int, Ge(1), doc("Codewords that are compared at once.")] = 1024
    scratch: Annotated[str | Path | None, doc("The folder of files for the training rows; null is memory.")] = None

    def __post_init__(self) -> None:
        check_options(self)

    @classmethod
    def of_job(cls, resources: Any, threads: int, scratch: str | None = None) -> Self:
        """The device and the blocks among the resources of a job of the workflow, whose process uses `threads` threads.

        `resources` has the attributes `device`, `batch_size` and `codeword_block`. Raises `InputError` for a device
        that this machine does not have.
        """
        torch.set_num_threads(threads)
        return cls(str(resolve_device(resources.device)), resources.batch_size, resources.codeword_block, scratch)

    def in_memory(self) -> Self:
        """The same without files for the training rows."""
        return replace(self, scratch=None)


ON_CPU = Compute()
