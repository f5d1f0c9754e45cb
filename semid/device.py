"""Where tensors live."""

import torch

from semid.errors import InputError

# jobs are not made anew because of another device, and so not because of how one is chosen
__affects_results__ = False


def resolve_device(name: str) -> torch.device:
    """The device `auto`, `cpu`, `mps` or `cuda` (also `cuda:1`) stands for; `auto` prefers cuda, then mps.

    Raises `InputError` for a device that this machine does not have.
    """
    if name == "cpu":
        # without a look at the others, which may take long
        return torch.device("cpu")
    cuda, mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    if name == "auto":
        return torch.device("cuda" if cuda else "mps" if mps else "cpu")
    kind, _, number = name.partition(":")
    if kind not in ("cpu", "mps", "cuda") or (number and not (kind == "cuda" and number.isdecimal())):
        raise InputError(f"device is {name!r}; expected auto, cpu, mps or cuda")
    if (kind == "cuda" and not (cuda and int(number or 0) < torch.cuda.device_count())) or (kind == "mps" and not mps):
        raise InputError(f"device {name!r} is not available here; use `auto` or `cpu`")
    return torch.device(name)
