"""An interrupted shard goes on where it stopped and ends with the same bytes; what does not fit is begun anew."""

import fcntl
import json
import logging
import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from processes import until

from semid.embeddings import HashingSettings, embed_shard
from semid.embeddings.hashing import HashingEncoder
from semid.embeddings.partial import resumable_part
from semid.errors import InputError

WINDOW = 50  # row groups are windows
SETTINGS = HashingSettings(dim=16)
KEY = {"settings": {"dim": 3}, "texts": "abc"}
# slow enough to be killed between two windows
SCRIPT = """
import time
from semid.embeddings import HashingSettings, embed_shard
from semid.embeddings.hashing import HashingEncoder
plain = HashingEncoder.encode_tokens
def slow(self, *arguments):
    time.sleep(0.1)
    return plain(self, *arguments)
HashingEncoder.encode_tokens = slow
embed_shard("items.parquet", 0, 1, HashingSettings(dim=16), "part.npy")
"""


def write_items(folder: Path, titles: list[str]) -> Path:
    table = pa.table({"item_id": [f"i{number:05d}" for number in range(len(titles))], "title": titles})
    pq.write_table(table, folder / "items.parquet", row_group_size=WINDOW)
    return folder / "items.parquet"


TITLES = [f"title {number % 700} of shelf {number % 11}" for number in range(30 * WINDOW)]


def record_of(part: Path) -> Path:
    return part.with_name(f".{part.name}.rows.partial")


def rows_kept(part: Path) -> int:
    return json.loads(record_of(part).read_text())["rows"] if record_of(part).exists() else 0


class Interrupted(BaseException):
    pass


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The windows that are encoded, by their size."""
    sizes: list[int] = []
    plain = HashingEncoder.encode_tokens

    def counted(self: HashingEncoder, tokens: Any, *more: Any) -> np.ndarray:
        sizes.append(tokens.shape[0])
        return plain(self, tokens, *more)

    monkeypatch.setattr(HashingEncoder, "encode_tokens", counted)
    return sizes


def embed_until(windows: int, folder: Path, settings: HashingSettings = SETTINGS, **options: Any) -> None:
    """Embed, and be interrupted in the window after so many."""
    plain = HashingEncoder.encode_tokens
    left = windows

    def limited(self: HashingEncoder, *arguments: Any) -> np.ndarray:
        nonlocal left
        if not left:
            raise Interrupted
        left -= 1
        return plain(self, *arguments)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(Interrupted):
        patch.setattr(HashingEncoder, "encode_tokens", limited)
        embed_shard(folder / "items.parquet", 0, 1, settings, folder / "part.npy", **options)


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def has_kept(part: Path, windows: int) -> bool:
    return rows_kept(part) >= windows * WINDOW


def test_a_process_killed_three_times_goes_on_and_ends_with_the_same_bytes(tmp_path: Path, encoded: list[int]) -> None:
    items = write_items(tmp_path, TITLES)
    embed_shard(items, 0, 1, SETTINGS, tmp_path / "whole.npy")
    part = tmp_path / "part.npy"
    for signum, windows in ((signal.SIGKILL, 3), (signal.SIGTERM, 6), (signal.SIGINT, 9)):
        killed = subprocess.Popen([sys.executable, "-c", SCRIPT], cwd=tmp_path, stderr=subprocess.DEVNULL)
        until(partial(has_kept, part, windows), f"{windows} windows are kept", killed)
        killed.send_signal(signum)
        assert killed.wait(60) != 0
        kept = rows_kept(part)
        assert windows * WINDOW <= kept < len(TITLES)
        assert not part.exists()
    encoded.clear()
    embed_shard(items, 0, 1, SETTINGS, part)
    assert sum(encoded) == len(set(TITLES)) - len(set(TITLES[:kept])) < len(set(TITLES))
    assert part.read_bytes() == (tmp_path / "whole.npy").read_bytes()
    assert files(tmp_path) == ["items.parquet", "part.npy", "whole.npy"]


@pytest.mark.parametrize(
    ("titles", "settings", "options", "what"),
    [
        (TITLES, HashingSettings(dim=16, seed=1), {}, "settings, model"),
        (TITLES, HashingSettings(dim=16, dtype="float32"), {}, "settings"),
        (["another title", *TITLES[1:]], SETTINGS, {}, "texts"),
        (TITLES[:-1], SETTINGS, {}, "texts"),
        (TITLES, SETTINGS, {"batch_size": 7}, "batch size, threads or compiling"),
        (TITLES, SETTINGS, {"threads": 2}, "batch size, threads or compiling"),
    ],
)
def test_what_was_left_of_another_shard_is_begun_anew(
    titles: list[str],
    settings: HashingSettings,
    options: dict,
    what: str,
    tmp_path: Path,
    encoded: list[int],
    caplog: pytest.LogCaptureFixture,
) -> None:
    write_items(tmp_path, TITLES)
    embed_until(3, tmp_path)
    items = write_items(tmp_path, titles)
    encoded.clear()
    embed_shard(items, 0, 1, settings, tmp_path / "part.npy", **options)
    assert sum(encoded) == len(set(titles))
    assert f".part.npy.partial is of other {what} and ignored: the part is begun anew" in caplog.text
    expected = HashingEncoder(settings).encode(titles).astype(settings.dtype)
    np.testing.assert_array_equal(np.load(tmp_path / "part.npy"), expected)


def test_other_code_or_software_begins_anew(
    tmp_path: Path, encoded: list[int], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    items = write_items(tmp_path, TITLES)
    changes = [
        ("sklearn.__version__", "other", "software or device"),
        ("semid.embeddings.embed.code_digest", lambda *roots: "other", "code"),
    ]
    for target, value, what in changes:
        embed_until(3, tmp_path)
        encoded.clear()
        with monkeypatch.context() as patch:
            patch.setattr(target, value)
            embed_shard(items, 0, 1, SETTINGS, tmp_path / "part.npy")
        assert sum(encoded) == len(set(TITLES))
        assert f"is of other {what} and ignored" in caplog.text


@pytest.mark.parametrize("damage", ["record", "cut record", "cut part", "no part", "another array", "negative"])
def test_a_damaged_partial_is_begun_anew(damage: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    items = write_items(tmp_path, TITLES)
    embed_until(3, tmp_path)
    partial, record = tmp_path / ".part.npy.partial", record_of(tmp_path / "part.npy")
    if damage == "record":
        record.write_text("[]")
    elif damage == "cut record":
        record.write_bytes(record.read_bytes()[:-10])
    elif damage == "cut part":
        partial.write_bytes(partial.read_bytes()[:-10])
    elif damage == "no part":
        partial.unlink()
    elif damage == "another array":
        with partial.open("wb") as file:
            np.save(file, np.zeros((len(TITLES), 16), np.float32))
    else:
        record.write_text(record.read_text().replace(f'"rows": {3 * WINDOW}', '"rows": -1'))
    embed_shard(items, 0, 1, SETTINGS, tmp_path / "part.npy")
    assert "damaged" in caplog.text
    expected = HashingEncoder(SETTINGS).encode(TITLES).astype(np.float16)
    np.testing.assert_array_equal(np.load(tmp_path / "part.npy"), expected)
    assert files(tmp_path) == ["items.parquet", "part.npy"]


def test_what_stopped_before_the_first_record_leaves_nothing(tmp_path: Path) -> None:
    write_items(tmp_path, TITLES)
    embed_until(0, tmp_path)
    assert files(tmp_path) == ["items.parquet"]


def test_rows_that_were_kept_are_not_written_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "folder" / "part.npy"
    with pytest.raises(Interrupted), resumable_part(path, 4, 3, "float16", KEY) as part:
        part.vectors[:2] = 1
        part.keep(2)
        part.vectors[2] = 9
        raise Interrupted
    with caplog.at_level(logging.INFO), resumable_part(path, 4, 3, "float16", KEY) as part:
        assert part.done == 2
        part.vectors[2:] = 2
    assert "going on after 2 of 4 rows" in caplog.text
    assert np.load(path)[:, 0].tolist() == [1, 1, 2, 2]
    assert files(path.parent) == ["part.npy"]


def test_two_processes_do_not_write_one_part(tmp_path: Path) -> None:
    with resumable_part(tmp_path / "part.npy", 4, 3, "float16", KEY) as part:
        part.vectors[:] = 1
        with (
            pytest.raises(InputError, match=r"\.part\.npy\.partial: another process is writing this part"),
            resumable_part(tmp_path / "part.npy", 4, 3, "float16", KEY),
        ):
            pass
    assert np.load(tmp_path / "part.npy")[3].tolist() == [1, 1, 1]


def test_where_files_cannot_be_locked_the_user_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def absent(*arguments: object) -> None:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", absent)
    with resumable_part(tmp_path / "part.npy", 1, 1, "float16", KEY) as part:
        part.vectors[:] = 1
    assert "cannot be locked" in caplog.text
    assert (tmp_path / "part.npy").exists()


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="no room can be reserved here")
def test_a_full_disk_is_an_error_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    items = write_items(tmp_path, TITLES)
    with pytest.raises(OSError, match=r"No space left on device: .*\.part\.npy\.partial"):
        embed_shard(items, 0, 1, SETTINGS, tmp_path / "part.npy")
    assert files(tmp_path) == ["items.parquet"]


def test_a_link_in_the_place_of_what_was_left_is_refused_and_what_it_leads_to_stays(tmp_path: Path):
    precious = tmp_path / "precious.txt"
    precious.write_text("precious")
    (tmp_path / ".part-0.npy.partial").symlink_to(precious)
    with (
        pytest.raises(InputError, match=r"\.part-0\.npy\.partial: expected a plain file .* remove it$"),
        resumable_part(tmp_path / "part-0.npy", 4, 3, "float32", KEY),
    ):
        pass
    assert precious.read_text() == "precious"
