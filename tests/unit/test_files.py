"""Files appear whole or not at all."""

import errno
import hashlib
import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from semid.data.download import _Partial
from semid.embeddings.partial import resumable_part
from semid.errors import InputError
from semid.files import column_list, open_partial, sha256_of, whole_file, write_array, write_json, write_text
from semid.folders import whole_folder


@pytest.fixture(params=[0o022, 0o077, 0o002], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def write_half(path: Path, error: BaseException) -> None:
    with whole_file(path) as temporary:
        temporary.write_text("half")
        raise error


def test_the_file_appears_when_the_block_ends_and_the_folder_is_made(tmp_path: Path):
    path = tmp_path / "new" / "folder" / "file.txt"
    with whole_file(path) as temporary:
        temporary.write_text("whole")
        assert temporary.parent == path.parent
        assert not path.exists()
    assert path.read_text() == "whole"
    assert os.listdir(path.parent) == ["file.txt"]


def test_a_failure_leaves_nothing(tmp_path: Path):
    path = tmp_path / "file.txt"
    with pytest.raises(RuntimeError, match="boom"):
        write_half(path, RuntimeError("boom"))
    assert os.listdir(tmp_path) == []


def test_a_failure_keeps_the_old_file(tmp_path: Path):
    path = tmp_path / "file.txt"
    write_text(path, "old")
    with pytest.raises(KeyboardInterrupt):
        write_half(path, KeyboardInterrupt())
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["file.txt"]


def test_success_replaces_the_old_file(tmp_path: Path):
    path = tmp_path / "file.txt"
    write_text(path, "old and longer")
    write_text(path, "new")
    assert path.read_text() == "new"
    assert os.listdir(tmp_path) == ["file.txt"]


def test_the_mode_follows_the_umask(tmp_path: Path, umask: int):
    write_text(tmp_path / "file.txt", "x")
    assert stat.S_IMODE((tmp_path / "file.txt").stat().st_mode) == 0o666 & ~umask
    now = os.umask(umask)
    assert now == umask


def test_the_umask_of_the_process_is_never_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("os.umask", lambda mask: pytest.fail("another thread would write with this umask"))
    write_text(tmp_path / "file.txt", "x")


def test_a_link_of_a_temporary_name_is_neither_followed_nor_removed(tmp_path: Path):
    (tmp_path / "precious.txt").write_text("precious")
    link = tmp_path / ".file.txt.12345678.partial"
    link.symlink_to("precious.txt")
    os.mkfifo(tmp_path / ".file.txt.87654321.partial")
    write_text(tmp_path / "file.txt", "x")
    assert (tmp_path / "precious.txt").read_text() == "precious"
    assert link.is_symlink()


@pytest.fixture
def synced_at_rename(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Of every file that is renamed from here on, or that a renamed folder holds: whether its bytes were synced."""
    synced: set[int] = set()
    found: list[bool] = []
    fsync, replace, rename = os.fsync, os.replace, Path.rename

    def synced_now(handle: int) -> None:
        synced.add(os.fstat(handle).st_ino)
        fsync(handle)

    def seen(path: str | Path) -> None:
        files = [path] if Path(path).is_file() else [file for file in Path(path).rglob("*") if file.is_file()]
        found.extend(os.stat(file).st_ino in synced for file in files)

    monkeypatch.setattr(os, "fsync", synced_now)
    monkeypatch.setattr(os, "replace", lambda old, new: (seen(old), replace(old, new)))
    monkeypatch.setattr(Path, "rename", lambda old, new: (seen(old), rename(old, new))[1])
    return found


def test_bytes_are_on_the_disk_before_a_file_gets_its_name(tmp_path: Path, synced_at_rename: list[bool]):
    with whole_file(tmp_path / "out") as path:
        # as a library does that puts a file of its own there
        path.unlink()
        path.write_text("whole")
    with whole_folder(tmp_path / "folder") as folder:
        (folder / "below").mkdir()
        (folder / "below" / "file").write_text("whole")
        (folder / "other").write_text("whole")
    with whole_folder(tmp_path / "folder", replace=True) as folder:
        (folder / "new").write_text("whole")
    with _Partial(tmp_path / "download.partial", 5) as download:
        download.append(b"whole")
        download.move_to(tmp_path / "download")
    with resumable_part(tmp_path / "part.npy", 3, 2, "float32", {}) as part:
        part.vectors[:] = 1
    assert len(synced_at_rename) >= 6
    assert all(synced_at_rename)


@pytest.mark.parametrize("kind", ["link", "dangling link", "second name", "folder", "pipe"])
def test_a_partial_file_is_a_file_of_its_own(kind: str, tmp_path: Path):
    precious, partial = tmp_path / "precious.txt", tmp_path / ".file.txt.partial"
    precious.write_text("precious")
    make = {
        "link": lambda: partial.symlink_to(precious),
        "dangling link": lambda: partial.symlink_to(tmp_path / "absent.txt"),
        "second name": lambda: os.link(precious, partial),
        "folder": partial.mkdir,
        "pipe": lambda: os.mkfifo(partial),
    }
    make[kind]()
    with pytest.raises(InputError, match=r"\.file\.txt\.partial: expected a plain file .* remove it$"):
        open_partial(partial)
    assert precious.read_text() == "precious"
    assert not (tmp_path / "absent.txt").exists()


def test_a_partial_file_is_read_and_appended_to(tmp_path: Path, umask: int):
    path = tmp_path / "file.partial"
    for content in (b"one", b"two"):
        with open_partial(path) as file:
            file.write(content)
    with open_partial(path) as file:
        file.seek(0)
        assert file.read() == b"onetwo"
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~umask


def test_two_writers_of_one_file_do_not_share_a_temporary_file(tmp_path: Path):
    path = tmp_path / "file.txt"
    with whole_file(path) as first, whole_file(path) as second:
        assert first != second
        first.write_text("first")
        second.write_text("second")
    assert path.read_text() == "first"


def test_what_a_killed_writer_left_is_removed_by_the_next_one(tmp_path: Path):
    script = (
        "import os, signal\nfrom semid.files import whole_file\n"
        "with whole_file('file.txt') as temporary:\n"
        "    temporary.write_text('half')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)"
    )
    killed = subprocess.run([sys.executable, "-c", script], cwd=tmp_path)
    assert killed.returncode == -signal.SIGKILL
    (left,) = tmp_path.iterdir()
    assert left.read_text() == "half"
    others = [
        tmp_path / name for name in (".file.txt.rows.partial", ".file.txt.partial", ".other.txt.12345678.partial")
    ]
    for other in others:
        other.touch()
    with whole_file(tmp_path / "file.txt"):
        assert not left.exists()
    assert sorted(tmp_path.iterdir()) == sorted([*others, tmp_path / "file.txt"])


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EDQUOT, "Disk quota exceeded"),
        RuntimeError("write error in index: 0 != 1 (No space left on device)"),
    ],
    ids=["no name", "quota", "of a library"],
)
def test_a_full_disk_names_the_file(tmp_path: Path, error: Exception):
    with pytest.raises(OSError, match=r"(No space left on device|quota exceeded): '.*/file\.txt'"):
        write_half(tmp_path / "file.txt", error)
    assert os.listdir(tmp_path) == []


def test_a_full_disk_keeps_the_name_it_has(tmp_path: Path):
    with pytest.raises(OSError, match=r"device: 'elsewhere\.npy'"):
        write_half(tmp_path / "file.txt", OSError(errno.ENOSPC, "No space left on device", "elsewhere.npy"))


@pytest.mark.parametrize("array", [np.arange(6).reshape(2, 3), np.arange(5, dtype=np.uint16), np.zeros((0, 4))])
def test_arrays_are_written_as_numpy_writes_them(tmp_path: Path, array: np.ndarray):
    write_array(tmp_path / "ours.npy", array)
    np.save(tmp_path / "numpy.npy", array)
    assert (tmp_path / "ours.npy").read_bytes() == (tmp_path / "numpy.npy").read_bytes()


def test_columns_are_written_as_rows(tmp_path: Path):
    columns = np.asfortranarray(np.arange(6).reshape(2, 3))
    write_array(tmp_path / "file.npy", columns)
    written = np.load(tmp_path / "file.npy")
    np.testing.assert_array_equal(written, columns)
    assert written.flags.c_contiguous


def test_text_is_utf8_whatever_the_locale(tmp_path: Path):
    write_text(tmp_path / "file.txt", "naïve ✓")
    assert (tmp_path / "file.txt").read_bytes() == "naïve ✓".encode()


def test_json_reads_back_and_ends_with_a_line_break(tmp_path: Path):
    content = {"title": "naïve", "rows": [1, 2.5, None]}
    write_json(tmp_path / "file.json", content)
    text = (tmp_path / "file.json").read_text(encoding="utf-8")
    assert json.loads(text) == content
    assert "naïve" in text
    assert text.endswith("}\n")


def test_json_refuses_nan_and_leaves_nothing(tmp_path: Path):
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "file.json", {"x": float("nan")})
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("size", [0, 5, 3_000_000])
def test_sha256_is_that_of_the_bytes(tmp_path: Path, size: int):
    content = bytes(range(256)) * (size // 256 + 1)
    (tmp_path / "file").write_bytes(content[:size])
    assert sha256_of(tmp_path / "file") == hashlib.sha256(content[:size]).hexdigest()


def test_messages_list_a_hundred_columns_at_most_and_cut_their_names() -> None:
    assert column_list(["item_id", "c1"]) == "item_id, c1"
    assert column_list(["a" * 61, "b"]) == f"{'a' * 60}…, b"
    assert column_list(map(str, range(101))).endswith(", 98, 99, …")
