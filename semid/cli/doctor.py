"""`semid doctor`: what is installed and what computes here."""

import os
import platform
import re
import shutil
import sys
import tempfile
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

import torch

from semid import __version__
from semid.cli.places import workflow_folder
from semid.device import resolve_device
from semid.errors import InputError
from semid.quantizers.kernels.screening import has_int8_products
from semid.terminal import aligned

# What is missing without the packages of an extra.
EXTRAS = {
    "": "the tokenizers and `semid fit`, `encode`, `card`",
    "workflow": "`semid run` and `semid init`",
    "text": "embeddings of texts",
    "bundled": "the encoder that needs no download",
    "fast": "compiled loops, without which beams, small codebooks and evaluations of large catalogues take longer",
    "faiss": "FAISS, without which the whole catalogue is searched by exact inner products, with the same numbers",
    "hub": "bundles from and to the Hugging Face hub",
}
# of a line of metadata, such as `torch>=2.6` or `requests>=2.31; extra == "workflow"`
_NAME = re.compile(r"[\w.-]+")
_EXTRA = re.compile(r"""extra\s*==\s*['"]([\w-]+)['"]""")
MANY_ITEMS_GB = 20


@dataclass(frozen=True)
class Finding:
    """What was looked at, whether all is well with it, and what was found."""

    what: str
    is_well: bool
    words: str


def show_findings() -> None:
    """Show what was found, a line each; `!` stands before what is missing or slower than it could be."""
    lines = [("" if finding.is_well else "!", finding.what, finding.words) for finding in all_findings()]
    print("\n".join(aligned(lines)))


def all_findings() -> list[Finding]:
    """Look at the packages, the workflow, the devices, the processor and the disk."""
    return [
        Finding("semid", True, f"{__version__}, Python {platform.python_version()} ({sys.executable})"),
        *(_extra(name, use) for name, use in EXTRAS.items()),
        _workflow(),
        _device(),
        _processor(),
        _int8(),
        _disk(),
    ]


def _extra(extra: str, use: str) -> Finding:
    """Say which packages of an extra are there, and in which versions; "" is what semid always needs."""
    found, missing = [], []
    for requirement in requires("semid") or []:
        of_extra = _EXTRA.search(requirement)
        if (of_extra[1] if of_extra else "") != extra:
            continue
        name = _NAME.match(requirement)[0]  # type: ignore[index]
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            missing.append(name)
    what = extra or "packages"
    if missing:
        return Finding(what, False, f"without {', '.join(missing)}: missing: {use} (pip install 'semid[{extra}]')")
    return Finding(what, True, ", ".join(found))


def _workflow() -> Finding:
    try:
        return Finding("Snakefile", True, str(workflow_folder() / "Snakefile"))
    except InputError as error:
        return Finding("Snakefile", False, str(error))


def _device() -> Finding:
    device = resolve_device("auto")
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else {"mps": "Apple GPU", "cpu": "no GPU"}
    words = name if isinstance(name, str) else name[device.type]
    return Finding("device", True, f"auto is {device} ({words})")


def _processor() -> Finding:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    capability = torch.backends.cpu.get_cpu_capability()
    words = f"{cores} of {os.cpu_count()} cores, {torch.get_num_threads()} threads, {capability}"
    return Finding("processor", True, words)


def _int8() -> Finding:
    if has_int8_products():
        return Finding("int8", True, "int8 dot products: large codebooks are screened by them, with the same codes")
    return Finding("int8", False, "no int8 dot products (VNNI or AMX): codes are compared in float32: slower, the same")


def _disk() -> Finding:
    places = {"results/": Path.cwd(), "TMPDIR": Path(tempfile.gettempdir())}
    free = {name: shutil.disk_usage(path).free / 1e9 for name, path in places.items()}
    words = ", ".join(f"{gigabytes:,.0f} GB free for {name}" for name, gigabytes in free.items())
    return Finding("disk", min(free.values()) >= MANY_ITEMS_GB, words)
