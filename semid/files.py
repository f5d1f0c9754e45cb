"""Files that appear whole: written beside their name, renamed when complete."""

import errno
import fcntl
import glob
import hashlib
import json
import os
import secrets
import stat
import tokenize
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import numpy as np

from semid.errors import InputError

# The most columns that a message lists, and the most characters of a name.
COLUMNS_SHOWN, LONGEST_COLUMN = 100, 60
# file systems of clusters may be mounted without locks
NO_LOCKS = (errno.ENOSYS, errno.ENOTSUP, errno.ENOLCK)
NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
# What numpy raises for a file that is no array, or for the header of a broken one, which it evaluates.
NO_ARRAY = (
    ValueError,
    EOFError,
    OSError,
    TypeError,
    OverflowError,
    MemoryError,
    RecursionError,
    SyntaxError,
    tokenize.TokenError,
    zipfile.BadZipFile,
)


@contextmanager
def whole_file(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path in the folder of `path`; rename it to `path` on success, remove it on failure.

    Its bytes are on the disk before the rename, so that a loss of power leaves no name without them. Temporary files
    that a killed process left of the same `path` are removed first. A full disk raises an `OSError` that names `path`.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_left_behind(path)
    handle, temporary = _new_file_beside(path)
    try:
        # the lock lasts as long as this process, so others can tell the file from one that a killed process left
        with open(handle, "r+b") as file, full_disk_names(path, temporary):
            lock(file)
            mode = stat.S_IMODE(os.fstat(handle).st_mode)
            yield temporary
            # a library may have put a file of its own there
            temporary.chmod(mode)
            sync(temporary)
            os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk; raises the `OSError` of a disk that fails."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _new_file_beside(path: Path) -> tuple[int, Path]:
    """Make a file of a random name beside `path`, and return its descriptor and its path.

    The system gives it the mode of a new file, so that the umask need not be known, which a process can only read by
    setting it. `tempfile` would make it private.
    """
    while True:
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
        with suppress(FileExistsError):
            return os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o666), temporary


def open_partial(path: Path) -> IO[bytes]:
    """Open, or create, a file of a predictable name that is written bit by bit, to read it and to append to it.

    Raises `InputError` where something else has the name: a link, which could lead the bytes into a file that is none
    of this program's, a file that has a second name, a folder or a pipe.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        handle = os.open(path, flags, 0o666)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EMLINK, errno.EISDIR, errno.ENXIO):
            raise _not_a_partial(path) from None
        raise
    status = os.fstat(handle)
    if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
        os.close(handle)
        raise _not_a_partial(path)
    return open(handle, "a+b")


def _not_a_partial(path: Path) -> InputError:
    return InputError(
        f"{path}: expected a plain file of its own, which holds what was written before an interruption, found a link "
        "or another kind of file: remove it"
    )


def _remove_left_behind(path: Path) -> None:
    """Remove the temporary files of `path` that nobody writes any more; links and pipes of such names stay."""
    for temporary in path.parent.glob(f".{glob.escape(path.name)}.{'?' * 8}.partial"):
        # gone meanwhile, another user's, or still being written
        with suppress(FileNotFoundError, PermissionError, BlockingIOError, InputError), open_partial(temporary) as file:
            if lock(file):
                temporary.unlink()


def lock(file: IO[Any]) -> bool:
    """Lock an open file until it is closed or the process dies; False where the file system has no locks.

    Raises `BlockingIOError` while another process has the lock.
    """
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
        return False
    return True


def reserve_room(file: IO[Any], size: int) -> None:
    """Reserve `size` bytes of the disk for an open file, since a page that finds no room would end the process.

    It does nothing on macOS, which cannot reserve room in this way. Raises `OSError` when the disk has no room.
    """
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file.fileno(), 0, size)


def is_full_disk(error: BaseException) -> bool:
    """Whether an error comes from a full disk or a quota. Errors of C++ and Rust say so in their message alone."""
    return getattr(error, "errno", None) in NO_ROOM or any(os.strerror(number) in str(error) for number in NO_ROOM)


@contextmanager
def full_disk_names(path: Path, temporary: Path | None = None) -> Iterator[None]:
    """Turn the error of a full disk in the block into an `OSError` that names `path`, unless it names another file.

    `temporary` is the file that stands for `path` while it is written; its name would tell a user nothing.
    """
    try:
        yield
    except Exception as error:
        named = getattr(error, "filename", None) not in (None, str(temporary))
        if named or not is_full_disk(error):
            raise
        number = errno.EDQUOT if os.strerror(errno.EDQUOT) in str(error) else errno.ENOSPC
        raise OSError(number, os.strerror(number), str(path)) from error


def write_text(path: str | Path, text: str) -> None:
    """Write `text` as UTF-8, whole or not at all."""
    with whole_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: str | Path, content: Any) -> None:
    """Write `content` as indented JSON, whole or not at all; NaN is refused."""
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def parse_json(text: str | bytes, **hooks: Any) -> Any:
    """What JSON says, as `json.loads` takes it apart; what is nested too deeply to be read is a `ValueError` too."""
    try:
        return json.loads(text, **hooks)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def write_array(path: str | Path, array: np.ndarray) -> None:
    """Write `array` as `.npy` in C order, whole or not at all."""
    array = np.ascontiguousarray(array)
    with whole_file(path) as temporary, temporary.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, np.lib.format.header_data_from_array_1_0(array))
        # np.save would say of a full disk only how many values were written
        file.write(array.data)


def with_found_files(settings: Mapping[str, Any], files: Any) -> dict[str, Any]:
    """The `settings` of a dataset with the paths of its files replaced by `files.get("raw_<key>")`, where that is."""
    return {
        key: with_found_files(value, files) if isinstance(value, Mapping) else files.get(f"raw_{key}", value)
        for key, value in settings.items()
    }


def sha256_of(path: str | Path) -> str:
    """Hexadecimal SHA-256 of a file's bytes, read in blocks."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def column_list(names: Iterable[str]) -> str:
    """Return the names of columns for a message: each cut to 60 characters, and dots behind the first hundred."""
    names = list(names)
    shown = [name if len(name) <= LONGEST_COLUMN else f"{name[:LONGEST_COLUMN]}…" for name in names[:COLUMNS_SHOWN]]
    return ", ".join(shown + ["…"] * (len(names) > COLUMNS_SHOWN))


def first_line(error: BaseException | str) -> str:
    """The first line of an error's message that is not blank, or the name of its type, for messages of one sentence."""
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)


def read_json(path: str | Path, what: str, remedy: str = "") -> dict[str, Any]:
    """The JSON object that a file holds.

    `InputError`, ending in `remedy`, when it is missing or holds anything else; `what` says what it should hold.
    """
    try:
        content = parse_json(Path(path).read_text(encoding="utf-8"))
        # NaN and halves of surrogate pairs can be read, but not written again
        json.dumps(content, ensure_ascii=False, allow_nan=False).encode()
    except FileNotFoundError:
        raise InputError(f"{path}: no such file{remedy}") from None
    except (ValueError, OSError) as error:
        raise InputError(f"{path}: not {what} ({first_line(error)}){remedy}") from None
    if not isinstance(content, dict):
        raise InputError(f"{path}: not {what}, but JSON of another form{remedy}")
    return content


def load_array(path: str | Path, remedy: str = "") -> Any:
    """Open a `.npy` file as a read-only memmap, or an archive of arrays; never unpickles.

    `InputError`, ending in `remedy`, when it is missing, broken, or shorter or longer than its header says.
    """
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file{remedy}") from None
    except NO_ARRAY as error:
        raise InputError(f"{path}: not a whole .npy file ({first_line(error)}){remedy}") from None
    if isinstance(array, np.memmap) and (size := Path(path).stat().st_size) != array.offset + array.nbytes:
        raise InputError(
            f"{path}: not a whole .npy file ({size:,} bytes, where its header tells of {array.offset + array.nbytes:,})"
            f"{remedy}"
        )
    return array


def open_array(path: str | Path, kinds: str, expected: str, remedy: str = "") -> np.ndarray:
    """Open a two-dimensional `.npy` file as a read-only memmap; never unpickles.

    `InputError`, ending in `remedy`, as :func:`load_array` raises it, and for an archive, and a dtype whose kind is not
    among `kinds`; `expected` says in the message what it should hold.
    """
    array = load_array(path, remedy)
    if not isinstance(array, np.ndarray):
        # an archive: np.savez writes one
        names = ", ".join(array.files)
        raise InputError(
            f"{path}: expected {expected}, found an archive of the arrays {names}; save the one that is meant as .npy: "
            f"np.save('vectors.npy', np.load('{Path(path).name}')['{array.files[0] if array.files else 'vectors'}'])"
        )
    if array.ndim != 2 or array.dtype.kind not in kinds:
        is_bfloat16 = array.dtype == np.dtype("V2")
        advice = "; these may be bfloat16, which numpy does not know: save them as float32" if is_bfloat16 else remedy
        raise InputError(f"{path}: expected {expected}, found {array.dtype} {list(array.shape)}{advice}")
    return array
