"""What the numbers were measured on."""

import os
import platform
import sys
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

# the instructions that decide which matrix kernels a library can use
FLAGS = ("avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile")


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0))


def _field(path: str, name: str) -> str:
    lines = Path(path).read_text(encoding="utf-8").splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), "unknown")


def _versions(*names: str) -> list[str]:
    """Name and version of those that are installed."""
    found = []
    for name in names:
        with suppress(PackageNotFoundError):
            found.append(f"{name} {version(name)}")
    return found


def describe(threads: int, device: str = "cpu") -> list[str]:
    """Lines on processor, memory, system, versions, threads and date, and on a device that is not the processor."""
    flags = _field("/proc/cpuinfo", "flags").split()
    memory = int(_field("/proc/meminfo", "MemTotal").split()[0]) / 2**20
    versions = _versions("torch", "numpy", "numba", "faiss-cpu", "scikit-learn")
    wait = os.environ.get("OMP_WAIT_POLICY", "unset")
    return [
        f"{_field('/proc/cpuinfo', 'model name')}, {cores()} cores, {' '.join(f for f in FLAGS if f in flags)}",
        f"{memory:.1f} GB of memory, {platform.platform()}",
        f"Python {sys.version.split()[0]}, {', '.join(versions)}",
        f"{threads} threads, OMP_WAIT_POLICY {wait}, load average {os.getloadavg()[0]:.1f} at the start",
        datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        *_device(device),
    ]


def _device(device: str) -> list[str]:
    if device == "cpu":
        return []
    # the library takes a second, and most benches describe a processor alone
    import torch

    return [torch.cuda.get_device_name(device) if device.startswith("cuda") else device]
