"""What a method under measurement is, and the kinds of process that methods run in."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

PEERS_APART = Path(__file__).resolve().parent.parent / ".bench-peers"


@dataclass(frozen=True)
class Case:
    """What all methods of one comparison are given.

    `rows`: path of float32 [n, dim]. Where the task encodes, `tokenizer`: folder of a semid tokenizer, and `codebooks`:
    path of its codebooks, float32 [L, k, dim]. `k`, `levels`, `beam`, `iterations` (of Lloyd), `epochs`: the sizes.
    `threads`: what every library may use.
    """

    rows: str
    threads: int
    k: int
    levels: int = 1
    beam: int = 1
    iterations: int = 0
    epochs: int = 0
    tokenizer: str = ""
    codebooks: str = ""


# from rows [n, dim] and a seed to named arrays; only this call is timed
Run = Callable[[np.ndarray, int], dict[str, np.ndarray]]


@dataclass(frozen=True)
class Method:
    """One way to do a task: a library in one setting.

    `prepare` imports the library and makes the `Run`; `package` is the distribution whose version is reported. Methods
    of one `name` are variants, told apart by `settings`: the fastest of them counts. `options` go to `prepare`.
    `largest_k`: not run with larger codebooks, for the reason `limit`. `once`: never repeated.
    """

    name: str
    package: str
    prepare: Callable[..., Run]
    settings: str = ""
    process: str = "torch"
    options: Mapping[str, Any] = field(default_factory=dict)
    largest_k: int | None = None
    limit: str = ""
    once: bool = False

    @property
    def label(self) -> str:
        return f"{self.name} ({self.settings})" if self.settings else self.name


@dataclass(frozen=True)
class Process:
    """Environment variables, set before the interpreter starts, and a folder that only this process imports from."""

    environment: Mapping[str, str] = field(default_factory=dict)
    folder: str = ""


PROCESSES: dict[str, Process] = {
    # semid shares its process with the bare products that it is compared with
    "torch": Process(),
    "faiss": Process(),
    # the OpenBLAS in faiss takes a recent CPU for an old one
    "faiss-coretype": Process({"OPENBLAS_CORETYPE": "SkylakeX"}),
    "superkmeans": Process(),
    "sklearn": Process(),
    "vector-quantize-pytorch": Process(),
    # needs numpy 2 by its metadata, and runs with 1
    "semantic-id": Process(folder="semantic-id"),
    # needs triton by its metadata, for its GPU kernels alone; torch.compile would cost more than these runs take
    "rectokens": Process({"TORCHDYNAMO_DISABLE": "1"}, folder="rectokens"),
}
