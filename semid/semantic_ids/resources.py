"""Where and in which blocks a job computes, as its resources say."""

from typing import Any

import torch

from semid.quantizers import Compute


def compute_of_job(resources: Any, threads: int, scratch: str | None = None) -> Compute:
    """Return the device and the blocks of a job of the workflow, whose process uses `threads` threads from here on.

    `resources` has the attributes `device`, `batch_size` and `codeword_block`; `scratch` is a folder for files in the
    place of memory. Raises `InputError` for a device that this machine does not have.
    """
    torch.set_num_threads(threads)
    return Compute(resources.device, resources.batch_size, resources.codeword_block, scratch)
