"""Files that come in parts: a folder or a pattern goes in, the paths of the parts come out in order.

This module needs the standard library alone, since Snakemake imports it to plan.
"""

import re
from glob import glob, has_magic
from pathlib import Path
from typing import Any

from semid.errors import InputError

# What writers of parts leave beside them: `_SUCCESS`, `_metadata`, `.part-0.crc`.
BESIDE_PARTS = ("_", ".")


def expanded(key: str, files: Any, endings: tuple[str, ...]) -> Any:
    """Return the value of a key that names files, with each folder or pattern replaced by its parts, as texts.

    Part-2 comes before part-10. A path of a file, an address, and a path of nothing stay as they are. `endings` are
    those that parts may have. Raises `InputError` for a folder or a pattern without parts, and for a folder that holds
    other files too.
    """
    if files is None:
        return None
    if isinstance(files, str | Path):
        parts = _parts(key, str(files), endings)
        return files if parts is None else parts
    paths: list[Any] = []
    for path in files:
        parts = _parts(key, str(path), endings)
        paths += [path] if parts is None else parts
    return type(files)(paths) if isinstance(files, list | tuple) else paths


def _parts(key: str, path: str, endings: tuple[str, ...]) -> list[str] | None:
    """Return the parts in a folder or of a pattern in the order of their names; None for anything else."""
    if "://" in path or Path(path).is_file():
        return None
    if Path(path).is_dir():
        inside = [other for other in Path(path).rglob("*") if other.is_file() and not _is_beside(other, path)]
        others = [other for other in sorted(inside) if not other.name.lower().endswith(endings)]
        if others:
            raise InputError(
                f"{key}: the folder {path} holds {others[0].name} too, which does not end in one of "
                f"{', '.join(endings)}; name the parts with a pattern such as {path}/*{endings[-1]}"
            )
        parts = [str(other) for other in inside]
        if not parts:
            raise InputError(f"{key}: {path} is no file, and a folder without parts")
    elif has_magic(path):
        parts = [other for other in glob(path, recursive=True) if Path(other).is_file()]
    else:
        return None
    if not parts:
        raise InputError(f"{key}: {path} holds no file (relative paths start at {Path.cwd()})")
    return sorted(parts, key=_with_numbers)


def _with_numbers(path: str) -> list[Any]:
    """Return a key by which part-2 comes before part-10."""
    return [int(piece) if n % 2 else piece for n, piece in enumerate(re.split(r"([0-9]+)", path))]


def _is_beside(path: Path, folder: str) -> bool:
    return any(part.startswith(BESIDE_PARTS) for part in path.relative_to(folder).parts)
