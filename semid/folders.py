"""Folders that appear whole: made beside their name, renamed when complete."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from semid.files import sync


@contextmanager
def whole_folder(path: str | Path, replace: bool = False) -> Iterator[Path]:
    """Yield a new folder beside `path` that gets this name when the block ends, and is removed when the block fails.

    The bytes of its files are on the disk before that. An empty folder of the name gives way, and with `replace` one
    that holds files too, as soon as the new one is whole. Raises `OSError` where something else has the name.
    """
    # where the name is a link, the folder behind it is replaced
    path = Path(path).resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".partial", dir=path.parent))
    try:
        folder.chmod(0o755)
        yield folder
        for place in (*folder.rglob("*"), folder):
            if not place.is_symlink() and (place.is_file() or place.is_dir()):
                sync(place)
        if replace and path.is_dir():
            _exchange(folder, path)
        else:
            folder.rename(path)
    except BaseException:
        shutil.rmtree(folder)
        raise


def _exchange(folder: Path, path: Path) -> None:
    """Give `folder` the name `path`, and remove the folder that had it; where that fails, the old one stays."""
    old = folder.with_suffix(".old")
    path.rename(old)
    try:
        folder.rename(path)
    except BaseException:
        old.rename(path)
        raise
    shutil.rmtree(old, ignore_errors=True)
