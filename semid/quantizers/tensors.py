"""Learnt tensors in a file: written with a header, and held against those that the file must have."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from semid.errors import InputError
from semid.files import whole_file
from semid.pretrained import CONFIG_FILE, HEADER_ENTRY, MODEL_FILE, header_text

ADVICE = "train or copy it again"
# larger values have no square in float32
_LARGEST = 2.0**63
_WIDEST = 2**31 - 1


def check_tensors(
    path: str | Path, tensors: Mapping[str, Tensor], expected: Mapping[str, Tensor], any_value: bool = False
) -> None:
    """Raise `InputError` unless the tensors of the file `path` are those expected, by name, dtype, shape and values.

    Of the tensors that are expected only names, dtypes and shapes are read, so that they may lie on the device `meta`.
    Floats must be finite and have a square in float32, and integers must not be negative, unless `any_value` will do.
    """
    for name, wanted in expected.items():
        if name not in tensors:
            raise InputError(f"{path}: the tensor {name} is missing, expected {described(wanted)}")
        _check_tensor(path, name, tensors[name], wanted, any_value)
    others = [name for name in tensors if name not in expected]
    if others:
        raise InputError(f"{path}: expected the tensors {', '.join(expected)}, found {others[0]} too")


def _check_tensor(path: str | Path, name: str, tensor: Tensor, wanted: Tensor, any_value: bool) -> None:
    """Raise `InputError` unless a tensor has dtype and shape of the one `wanted`, and usable values or `any_value`."""
    if tensor.dtype != wanted.dtype or tensor.shape != wanted.shape:
        raise InputError(f"{path}: the tensor {name} must be {described(wanted)}, found {described(tensor)}")
    if any_value or tensor.numel() == 0:
        return
    smallest, largest = map(float, torch.aminmax(tensor.detach()))
    if tensor.is_floating_point() and not (smallest >= -_LARGEST and largest <= _LARGEST):
        values = "NaN" if smallest != smallest else f"values from {smallest:.3g} to {largest:.3g}"
        raise InputError(
            f"{path}: the tensor {name} must hold finite values of at most 9e+18, found {values}; {ADVICE}"
        )
    if not tensor.is_floating_point() and smallest < 0:
        raise InputError(f"{path}: the tensor {name} must hold counts, found {smallest:.0f}")


def checked_summary(summary: Any) -> dict[str, Any]:
    """Return what `fit` reported of itself; raise `InputError` unless it is a map of counts that holds `dim`."""
    is_map = isinstance(summary, Mapping)
    counts = {name: count for name, count in summary.items() if type(count) is int and count >= 0} if is_map else {}
    if not is_map or len(counts) < len(summary) or not 1 <= counts.get("dim", 0) <= _WIDEST:
        raise InputError(f"fitted must be a map of whole numbers with a dim from 1 to {_WIDEST:,}, found {summary!r}")
    return counts


def described(tensor: Tensor) -> str:
    """Return dtype and shape of a tensor, as in `float32 [4, 256, 32]`."""
    return f"{str(tensor.dtype).removeprefix('torch.')} {list(tensor.shape)}"


def shaped(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """Return a tensor that has a dtype and a shape but no values."""
    return torch.empty(*shape, dtype=dtype, device="meta")


def save_model(path: str | Path, tensors: Mapping[str, Tensor], description: Mapping[str, Any]) -> None:
    """Write tensors to one safetensors file, with the header that :mod:`semid.pretrained` describes.

    Where the file is called `model.safetensors`, the `config.json` beside it is removed first, since it describes the
    model that is replaced. When JSON cannot hold the description, `InputError` is raised and the files stay as they
    are.
    """
    path = Path(path)
    header = header_text(description)
    on_cpu = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.name == MODEL_FILE:
        # a folder without config.json holds no model: an interruption never pairs a new model with an old config
        (path.parent / CONFIG_FILE).unlink(missing_ok=True)
    with whole_file(path) as temporary:
        save_file(on_cpu, temporary, {HEADER_ENTRY: header})
