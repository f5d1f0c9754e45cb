"""Manifests beside the results say what was made, from what and how. Each is written after the files that it names."""

import hashlib
import os
import platform
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from semid import __version__
from semid.addresses import shown
from semid.errors import InputError
from semid.files import read_json, write_json
from semid.progress import Progress

# a manifest that says more is no reason to make its files anew
__affects_results__ = False

# the files and folders of the project on which results depend
SOURCES = ("Snakefile", "rules", "semid", "workflow_scripts")
SUFFIXES = (".py", ".smk", ".toml", ".tsv")
RECORD = ".verified"
# the text of these settings is never a path, even if it looks like one
TEXTS = ("text", "columns", "categories_separator")
BLOCK_BYTES = 1 << 20


def write_data_manifest(
    path: str | Path,
    dataset: str,
    settings: Mapping[str, Any],
    inputs: Sequence[str | Path],
    outputs: Sequence[str | Path],
    stats: str | Path,
    code: Mapping[str, str],
    compute: Mapping[str, Any],
) -> None:
    """Describe a dataset in `path`: its settings, counts (those of `stats`), digests of its inputs and outputs.

    `code` has the digest of the code of each stage, `compute` the settings of the hardware.
    """
    folder = Path(path).parent
    counted = _entries(stats, "note")
    write_json(
        path,
        {
            "dataset": dataset,
            "note": counted["note"],
            "settings": without_machine_paths(settings),
            "seeds": seeds_in(settings),
            # without interactions there are no splits
            "counts": {key: counted[key] for key in ("steps", "dropped", "splits", "items") if key in counted},
            "inputs": describe_inputs(inputs),
            "files": describe_files(outputs, folder),
            **provenance(code, compute),
        },
    )


def write_tokenizer_manifest(
    path: str | Path,
    dataset: str,
    tokenizer: str,
    settings: Mapping[str, Any],
    data: str | Path,
    files: Sequence[str | Path],
    code: Mapping[str, str],
    compute: Mapping[str, Any],
    model: str | Path | None = None,
    embeddings: str | Path | None = None,
    inputs: Sequence[str | Path] = (),
) -> None:
    """Describe a tokenizer's folder in `path`: its settings and files, and what its data and embeddings were.

    `data` and `embeddings` are manifests: what they digest is not read again. `model` is the tokenizer that encoded,
    `model.safetensors` beside its `config.json`, here or in the folder it was loaded from. `inputs` are the tokenizer
    that training started from, or codes made elsewhere.
    """
    folder = Path(path).parent
    of_data = _entries(data, "note", "seeds", "settings", "counts", "inputs", "files", maps=("seeds",))
    content: dict[str, Any] = {
        "dataset": dataset,
        "tokenizer": tokenizer,
        "note": of_data["note"],
        "settings": without_machine_paths(settings),
        "seeds": {**seeds_in(settings), **{f"data.{key}": seed for key, seed in of_data["seeds"].items()}},
        "data": {key: of_data[key] for key in ("settings", "counts", "inputs", "files")},
    }
    if embeddings:
        content["embeddings"] = _entries(embeddings)
    if inputs:
        content["inputs"] = describe_inputs(inputs)
    if model:
        of_model = [Path(model), Path(model).with_name("config.json")]
        content["trained_on"] = _entries(of_model[1], "metadata", maps=("metadata",))["metadata"].get("device")
        if of_model[0].parent == folder:
            files = [*of_model, *files]
        else:
            content["loaded"] = describe_inputs(of_model)
    write_json(path, {**content, "files": describe_files(files, folder), **provenance(code, compute)})


def write_run_manifest(
    path: str | Path,
    config: Mapping[str, Any],
    data: Sequence[str | Path],
    files: Sequence[str | Path],
    code: Mapping[str, str],
) -> None:
    """Describe a run in `path`: its whole config, its datasets (by their manifests `data`), and `files`: its tables and
    what they were collected from, the manifests of the tokenizers among it.
    """
    keys = ("dataset", "note", "counts", "inputs", "files")
    of_data = [_entries(manifest, *keys) for manifest in data]
    write_json(
        path,
        {
            "config": without_machine_paths(config),
            "seeds": seeds_in(config),
            "data": [{key: manifest[key] for key in keys} for manifest in of_data],
            "files": describe_files(files, Path(path).parent),
            **provenance(code, config["compute"]),
        },
    )


def provenance(code: Mapping[str, str], compute: Mapping[str, Any]) -> dict[str, Any]:
    """How a result was made: the code as it is now and as each stage had it, software, machine and time."""
    return {
        "code": {**code_state(Path(__file__).resolve().parents[2]), "stages": dict(code)},
        "software": software(),
        "machine": machine(),
        "compute": without_machine_paths(compute),
        "written": _utc(datetime.now(UTC).timestamp()),
    }


def describe_files(paths: Iterable[str | Path], folder: str | Path) -> list[dict[str, Any]]:
    """Name relative to `folder`, size, SHA-256 and time of writing of each file; each is read once, in blocks."""
    return [
        {"file": os.path.relpath(file, folder), **digest, "written": _utc(file.stat().st_mtime)}
        for file, digest in _digests(paths)
    ]


def describe_inputs(paths: Iterable[str | Path]) -> list[dict[str, Any]]:
    """Name, size and SHA-256 of each file that came from outside; the name of an absolute path is its last part.

    A `.verified` record holds them for the file beside it, so that this file is not read.
    """
    files = [Path(path) for path in paths]
    records = {file.with_suffix(""): _entries(file, "size", "sha256") for file in files if file.suffix == RECORD}
    known = {file: {"bytes": record["size"], "sha256": record["sha256"]} for file, record in records.items()}
    named = [file for file in files if file.suffix != RECORD]
    known |= dict(_digests(file for file in named if file not in known))
    return [{"file": without_machine_paths(str(file)), **known[file]} for file in named]


def without_machine_paths(settings: Any, key: str = "") -> Any:
    """The `settings` without what is private to a machine or a user.

    Of an absolute path the last part remains. An address loses its user, password, query and fragment.
    """
    if key in TEXTS:
        return settings
    if isinstance(settings, Mapping):
        return {name: without_machine_paths(value, str(name)) for name, value in settings.items()}
    if isinstance(settings, list | tuple):
        return [without_machine_paths(value) for value in settings]
    if not isinstance(settings, str):
        return settings
    if "://" in settings:
        return shown(settings)
    return Path(settings).name if Path(settings).is_absolute() or settings.startswith("~") else settings


def seeds_in(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Every `seed` or `seeds` in nested settings, by its dotted path."""
    return dict(_seeds(settings, ""))


def _seeds(settings: Mapping[str, Any], path: str) -> Iterator[tuple[str, Any]]:
    for key, value in settings.items():
        if key in ("seed", "seeds"):
            yield path + key, value
        elif isinstance(value, Mapping):
            yield from _seeds(value, f"{path}{key}.")


def code_state(root: Path) -> dict[str, Any]:
    """Version and SHA-256 of the code below `root`, and its git commit (null where there is none), `modified` when the
    files of the code are not those of the commit.
    """
    digest = hashlib.sha256()
    found = [file for name in SOURCES for file in (root / name, *(root / name).rglob("*")) if file.is_file()]
    for file in sorted(file for file in found if file.suffix in SUFFIXES or file.name == "Snakefile"):
        digest.update(f"{file.relative_to(root).as_posix()}\0{file.stat().st_size}\0".encode())
        digest.update(file.read_bytes())
    return {"version": __version__, "sha256": digest.hexdigest(), "git": _commit(root)}


def _commit(root: Path) -> dict[str, Any] | None:
    if shutil.which("git") is None:
        return None

    def git(*arguments: str) -> subprocess.CompletedProcess[str]:
        # jobs that run beside each other would fight for the lock of the index
        command = ["git", "--no-optional-locks", "-C", str(root), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    # a folder inside someone else's repository is no checkout of this one
    tracked = git("ls-files", "--error-unmatch", "--", "semid/__init__.py")
    head = git("rev-parse", "--verify", "HEAD")
    status = git("status", "--porcelain", "--", *SOURCES)
    if tracked.returncode or head.returncode or status.returncode:
        return None
    return {"commit": head.stdout.strip(), "modified": bool(status.stdout)}


def software() -> dict[str, Any]:
    """Versions of Python and of every package that this process could import."""
    # of two versions the first on the path is the one that is imported
    # an interrupted pip leaves folders of packages without a name
    packages = {found.name: found.version for found in reversed(list(distributions())) if found.name}
    return {"python": platform.python_version(), "packages": dict(sorted(packages.items(), key=lambda p: p[0].lower()))}


def machine() -> dict[str, Any]:
    """Operating system, processor and number of cores, without the machine's name."""
    return {"platform": platform.platform(), "processor": _processor(), "cores": os.cpu_count()}


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:  # not Linux
        return platform.processor()
    # not every architecture names its model
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _digests(paths: Iterable[str | Path]) -> Iterator[tuple[Path, dict[str, Any]]]:
    files = [Path(path) for path in paths]
    with Progress(sum(file.stat().st_size for file in files), "reading for the manifest", "bytes") as progress:
        for file in files:
            digest, size = hashlib.sha256(), 0
            with file.open("rb") as opened:
                while block := opened.read(BLOCK_BYTES):
                    digest.update(block)
                    size += len(block)
                    progress.update(len(block))
            yield file, {"bytes": size, "sha256": digest.hexdigest()}


def _entries(path: str | Path, *keys: str, maps: Sequence[str] = ()) -> dict[str, Any]:
    """The JSON object in a file that a job wrote.

    `InputError` where it lacks one of `keys`, or where the value of one of `maps` is no JSON object.
    """
    remedy = "; delete it and run the workflow again"
    content = read_json(path, "whole JSON of a job", remedy)
    wrong = [key for key in keys if key not in content or (key in maps and not isinstance(content[key], dict))]
    if wrong:
        raise InputError(f"{path}: not whole, for want of {wrong[0]!r}{remedy}")
    return content


def _utc(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
