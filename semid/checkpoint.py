"""Checkpoints of training: a safetensors file, written whole, and read only by a training that would write the same."""

import hashlib
import json
import logging
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from semid.files import whole_file

logger = logging.getLogger(__name__)

# Tensors by the part of a training that they are of, and by their names in it.
Parts = Mapping[str, Mapping[str, Tensor]]
# How the parts of an optimizer begin, each of which is of one parameter.
OPTIMIZER = "optimizer."


@dataclass(frozen=True)
class Checkpoint:
    """The file in which training leaves off and continues.

    `key` names what the result depends on (`options`, `training rows`, …), and gives a digest of each. A file that
    another training wrote is ignored, and the log says what is different.
    """

    path: Path
    key: dict[str, str]

    def write(self, tensors: dict[str, Tensor], scalars: dict[str, Any]) -> None:
        """Replace the file by one that holds `tensors` and, as JSON, `scalars`."""
        on_cpu = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        metadata = {"key": json.dumps(self.key), "scalars": json.dumps(scalars)}
        with whole_file(self.path) as temporary:
            save_file(on_cpu, temporary, {**metadata, "checksum": _checksum(on_cpu, metadata)})

    def read(self) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        """Return tensors and scalars as they were written; None where there is no file, or none that can be used."""
        if not self.path.is_file():
            return None
        try:
            with safe_open(self.path, framework="pt") as file:
                metadata = dict(file.metadata() or {})
                # copies, because a product may round otherwise where the file aligns a tensor otherwise than torch
                tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
            checksum = metadata.pop("checksum", None)
            if checksum != _checksum(tensors, metadata):
                raise ValueError("its checksum does not match")
            key, scalars = json.loads(metadata["key"]), json.loads(metadata["scalars"])
        except (SafetensorError, ValueError, KeyError) as error:
            logger.warning("%s is damaged (%s) and ignored: training begins anew", self.path, error)
            return None
        different = [name for name, digest in self.key.items() if key.get(name) != digest]
        if different:
            logger.warning("%s is of other %s and ignored: training begins anew", self.path, ", ".join(different))
            return None
        return tensors, scalars


def joined_parts(parts: Parts, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Return tensors by `<part>/<name>`, those of an optimizer with them, by its parameters."""
    moments = {f"{OPTIMIZER}{number}": state for number, state in optimizer.state_dict()["state"].items()}
    return {f"{part}/{name}": tensor for part, state in {**parts, **moments}.items() for name, tensor in state.items()}


def parts_of(tensors: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """Return what `joined_parts` joined, by parts, and by the names in each."""
    parts: dict[str, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        part, _, rest = name.partition("/")
        parts.setdefault(part, {})[rest] = tensor
    return parts


def expected_moments(parameters: Iterable[Tensor]) -> dict[str, dict[str, Tensor]]:
    """Return the parts that AdamW keeps of parameters, in their order, for their names and shapes."""
    return {
        f"{OPTIMIZER}{number}": {"step": torch.zeros(()), "exp_avg": parameter, "exp_avg_sq": parameter}
        for number, parameter in enumerate(parameters)
    }


def load_moments(optimizer: torch.optim.Optimizer, parts: Parts) -> None:
    """Put an optimizer where it was when `joined_parts` took its tensors."""
    moments = {int(part.removeprefix(OPTIMIZER)): state for part, state in parts.items() if part.startswith(OPTIMIZER)}
    optimizer.load_state_dict({**optimizer.state_dict(), "state": moments})


def _checksum(tensors: dict[str, Tensor], texts: dict[str, str]) -> str:
    """Return the CRC-32 of names, shapes and values of tensors, and of texts with their names."""
    checksum = 0
    for name in sorted(texts):
        checksum = zlib.crc32(f"{name}={texts[name]}\n".encode(), checksum)
    for name in sorted(tensors):
        checksum = zlib.crc32(f"{name} {tuple(tensors[name].shape)}\n".encode(), checksum)
        checksum = zlib.crc32(tensors[name].reshape(-1).view(torch.uint8).numpy().data, checksum)
    return f"{checksum:08x}"


def digest_of_options(options: Any) -> str:
    """Return the SHA-256 of anything that JSON can hold, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(options, sort_keys=True).encode()).hexdigest()


def digest_of_tensors(tensors: dict[str, Tensor]) -> str:
    """Return the SHA-256 of the names, types, shapes and values of tensors, which are read 16,384 rows at a time."""
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        for part in tensor.detach().split(16_384):
            digest.update(part.cpu().contiguous().numpy())
    return digest.hexdigest()
