"""Downloads from a real HTTP server on loopback that cuts, stalls, redirects and lies."""

import errno
import fcntl
import hashlib
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import SimpleNamespace
from typing import IO

import numpy as np
import pytest

from semid.data.download import DownloadSettings, check_file, download_file, verify_file
from semid.data.sources.amazon2023 import HOME, AmazonReviews2023, chosen_categories, meta_path, reviews_path
from semid.data.sources.release import OfficialFile, official_file, official_files
from semid.errors import InputError

CONTENT = np.random.default_rng(0).bytes(3_000_001)
FILE = OfficialFile("raw/review_categories/Toys.jsonl", hashlib.sha256(CONTENT).hexdigest(), len(CONTENT))
HALF = len(CONTENT) // 2
SPLITS = [".train", ".valid", ".test"]


class Handler(BaseHTTPRequestHandler):
    """Serves CONTENT, with ranges, unless the server's next behaviour says otherwise."""

    protocol_version = "HTTP/1.1"
    server: "Server"

    def do_GET(self) -> None:
        self.server.requests.append((self.path, self.headers.get("Range")))
        behaviour = self.server.behaviours.pop(0) if self.server.behaviours else serve
        behaviour(self)

    def log_message(self, *_: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    """A server that remembers what was asked (path, Range) and answers by `behaviours`, then as it should."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests: list[tuple[str, str | None]] = []
        self.behaviours: list[Callable[[Handler], None]] = []

    def handle_error(self, request: object, client: object) -> None:
        if not isinstance(sys.exception(), ConnectionError):  # clients hang up here
            super().handle_error(request, client)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


def serve(
    handler: Handler, content: bytes = CONTENT, upto: int | None = None, ranges: bool = True, length: bool = True
) -> None:
    """Answer with `content` or the range of it that was asked for; after `upto` bytes of it hang up."""
    asked = handler.headers.get("Range") if ranges else None
    start = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
    handler.send_response(206 if asked else 200)
    if asked:
        handler.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
    if length:
        handler.send_header("Content-Length", str(len(content) - start))
    handler.send_header("Connection", "close")
    handler.end_headers()
    handler.wfile.write(content[start:upto])
    handler.close_connection = True


def cut(upto: int = HALF, **options: bool) -> Callable[[Handler], None]:
    return lambda handler: serve(handler, upto=upto, **options)


def status(code: int, **headers: str) -> Callable[[Handler], None]:
    def answer(handler: Handler) -> None:
        handler.send_response(code)
        for name, value in {"Content-Length": "0", **headers}.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()

    return answer


def stall(handler: Handler) -> None:
    """Send half, then nothing for longer than the client waits."""
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(CONTENT)))
    handler.end_headers()
    handler.wfile.write(CONTENT[:HALF])
    handler.wfile.flush()
    sleep(handler)


def sleep(handler: Handler) -> None:
    """Say nothing for longer than the client waits, and hang up."""
    time.sleep(1)
    handler.close_connection = True


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def settings(server: Server) -> DownloadSettings:
    return DownloadSettings(server.url, retries=2, timeout=30, backoff=0.01)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "raw" / "Toys.jsonl"


def partial_of(path: Path) -> Path:
    return path.with_name(f".{path.name}.partial")


def offsets(server: Server) -> list[int]:
    """First byte that each request asked for."""
    return [int(asked[len("bytes=") : -1]) if asked else 0 for _, asked in server.requests]


def assert_whole(path: Path) -> None:
    assert path.read_bytes() == CONTENT
    assert list(path.parent.iterdir()) == [path]


def assert_nothing(path: Path) -> None:
    assert not list(path.parent.iterdir())


def test_a_file_arrives_whole(server: Server, settings: DownloadSettings, path: Path) -> None:
    download_file(FILE, path, settings)
    assert_whole(path)
    assert server.requests == [(f"/{FILE.path}", None)]


def test_a_cut_connection_goes_on_where_it_stopped(server: Server, settings: DownloadSettings, path: Path) -> None:
    server.behaviours = [cut(HALF), cut(HALF + 700_000)]
    download_file(FILE, path, settings)
    assert_whole(path)
    first, second, third = offsets(server)
    assert first == 0
    assert 0 < second <= HALF < third <= HALF + 700_000


def test_an_end_without_a_length_is_not_taken_for_the_whole(
    server: Server, settings: DownloadSettings, path: Path
) -> None:
    server.behaviours = [cut(HALF, length=False)]
    download_file(FILE, path, settings)
    assert_whole(path)
    assert offsets(server) == [0, HALF]


def test_progress_renews_the_tries(server: Server, settings: DownloadSettings, path: Path) -> None:
    server.behaviours = [cut(upto) for upto in range(300_000, 3_000_000, 300_000)]
    download_file(FILE, path, settings)
    assert_whole(path)


def test_a_download_killed_in_the_middle_is_continued_by_the_next_process(
    server: Server, settings: DownloadSettings, path: Path
) -> None:
    server.behaviours = [stall]
    script = (
        "import sys; from semid.data.sources.release import OfficialFile; "
        "from semid.data.download import DownloadSettings, download_file; "
        "download_file(OfficialFile(*sys.argv[1:3], int(sys.argv[3])), sys.argv[4], DownloadSettings(sys.argv[5]))"
    )
    command = [sys.executable, "-c", script, *map(str, FILE[:3]), str(path), server.url]
    process = subprocess.Popen(command)
    try:
        deadline = time.monotonic() + 60
        while not (partial_of(path).exists() and partial_of(path).stat().st_size > 1_000_000):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.01)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert not path.exists()
    there = partial_of(path).stat().st_size
    download_file(FILE, path, settings)
    assert_whole(path)
    assert offsets(server) == [0, there]


def test_a_whole_partial_needs_no_request(server: Server, settings: DownloadSettings, path: Path) -> None:
    path.parent.mkdir()
    partial_of(path).write_bytes(CONTENT)
    download_file(FILE, path, settings)
    assert_whole(path)
    assert not server.requests


def test_a_partial_that_is_too_long_is_thrown_away(server: Server, settings: DownloadSettings, path: Path) -> None:
    path.parent.mkdir()
    partial_of(path).write_bytes(CONTENT + b"more")
    download_file(FILE, path, settings)
    assert_whole(path)
    assert offsets(server) == [0]


@pytest.mark.parametrize("is_hard", [False, True])
def test_a_partial_that_is_a_link_is_refused_and_what_it_leads_to_stays(
    server: Server, settings: DownloadSettings, path: Path, is_hard: bool
) -> None:
    path.parent.mkdir()
    precious = path.parent / "precious.txt"
    # longer than the file, so that it would be emptied
    precious.write_bytes(CONTENT + b"more")
    if is_hard:
        os.link(precious, partial_of(path))
    else:
        partial_of(path).symlink_to(precious)
    with pytest.raises(InputError, match=r"\.Toys\.jsonl\.partial: expected a plain file .* remove it$"):
        download_file(FILE, path, settings)
    assert precious.read_bytes() == CONTENT + b"more"
    assert not server.requests


SECRET = "s3cret"


@pytest.mark.parametrize(
    "behaviours",
    [
        [cut(HALF)],
        [status(503)] * 9,
        [status(404)],
        [status(401)],
        [lambda handler: serve(handler, content=CONTENT[::-1])],
        [lambda handler: serve(handler, content=CONTENT + b"more")],
        [cut(HALF), lambda handler: serve(handler, ranges=False)],
        [status(302, Location=f"ftp://{SECRET}:{SECRET}@host/?{SECRET}")],
    ],
    ids=["cut", "unavailable", "absent", "refused", "other bytes", "longer", "no ranges", "redirected"],
)
def test_secrets_of_the_address_are_sent_and_not_shown(
    behaviours: list[Callable[[Handler], None]],
    server: Server,
    settings: DownloadSettings,
    path: Path,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    address = f"http://me:{SECRET}@127.0.0.1:{server.server_port}/release/?token={SECRET}"
    server.behaviours = list(behaviours)
    said = ""
    with caplog.at_level(logging.INFO, "semid"):
        try:
            download_file(FILE, path, replace(settings, base_url=address))
        except InputError as error:
            said = str(error)
    printed = "".join(capfd.readouterr())
    assert SECRET not in said + caplog.text + printed
    assert server.requests[0][0] == f"/release/{FILE.path}?token={SECRET}"


@pytest.mark.parametrize(
    "address", ["http://me:{0}@127.0.0.1:{1}/?{0}", "http://me:{0}@127.0.0.1:{1}x/", "http://me:{0}@[::{1}/"]
)
def test_an_address_where_nothing_answers_shows_no_secret(address: str, settings: DownloadSettings, path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(InputError, match="base_url") as raised:
        download_file(FILE, path, replace(settings, base_url=address.format(SECRET, port)))
    assert SECRET not in str(raised.value)


@pytest.mark.parametrize("value", [f"htp://me:{SECRET}@host", f"me:{SECRET}@host/x", f"http:/me:{SECRET}@host"])
def test_an_address_that_is_none_is_refused_without_its_password(value: str) -> None:
    with pytest.raises(InputError, match=r"download: base_url must be an address .*, got '.*host") as raised:
        DownloadSettings(value)
    assert SECRET not in str(raised.value)


def test_two_processes_do_not_write_one_partial(server: Server, settings: DownloadSettings, path: Path) -> None:
    path.parent.mkdir()
    with partial_of(path).open("wb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(InputError, match=r"\.partial: another process is writing it"):
            download_file(FILE, path, settings)
    download_file(FILE, path, settings)
    assert_whole(path)
    assert len(server.requests) == 1


def test_a_file_system_without_locks_will_do(
    settings: DownloadSettings, path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr("semid.files.fcntl.flock", refuse)
    with caplog.at_level(logging.WARNING, "semid"):
        download_file(FILE, path, settings)
    assert_whole(path)
    assert "make sure that nothing else downloads it now" in caplog.text


def test_a_server_without_ranges_starts_anew(server: Server, settings: DownloadSettings, path: Path) -> None:
    server.behaviours = [cut(HALF), lambda handler: serve(handler, ranges=False)]
    download_file(FILE, path, settings)
    assert_whole(path)


@pytest.mark.parametrize("upto", [HALF, 0])
@pytest.mark.parametrize("length", [True, False])
def test_a_server_that_always_cuts_at_the_same_byte_is_given_up(
    server: Server, settings: DownloadSettings, path: Path, upto: int, length: bool
) -> None:
    server.behaviours = [cut(upto, ranges=False, length=length)] * 100
    with pytest.raises(
        InputError, match=r"given up after 3 failures in a row .*put the file at .*Toys\.jsonl yourself"
    ):
        download_file(FILE, path, settings)
    assert len(server.requests) == 3
    assert not path.exists()


@pytest.mark.parametrize("answer", [(416, {}), (206, {"Content_Range": f"bytes 7-8/{len(CONTENT)}"}), (206, {})])
def test_a_range_that_was_not_asked_for_starts_anew(
    server: Server, settings: DownloadSettings, path: Path, answer: tuple[int, dict[str, str]]
) -> None:
    server.behaviours = [cut(HALF), status(answer[0], **answer[1])]
    download_file(FILE, path, settings)
    assert_whole(path)
    assert offsets(server)[2] == 0


def test_wrong_bytes_never_get_the_name(server: Server, settings: DownloadSettings, path: Path) -> None:
    wrong = CONTENT[:HALF] + bytes([CONTENT[HALF] ^ 1]) + CONTENT[HALF + 1 :]
    server.behaviours = [lambda handler: serve(handler, content=wrong)]
    with pytest.raises(InputError, match=rf"{FILE.path}: the SHA-256 is \w+, expected {FILE.sha256}.* Run again"):
        download_file(FILE, path, settings)
    assert_nothing(path)
    download_file(FILE, path, settings)
    assert_whole(path)


def test_a_file_of_another_size_is_refused_at_once(server: Server, settings: DownloadSettings, path: Path) -> None:
    page = b"<html>please sign in</html>"
    server.behaviours = [
        lambda handler: serve(handler, content=page),
        lambda handler: serve(handler, content=CONTENT + b"more", length=False),
    ]
    for found in ("27 bytes", "more than 3,000,001 bytes"):
        with pytest.raises(InputError, match=rf"{found}, but the official file has 3,000,001.*base_url"):
            download_file(FILE, path, settings)
        assert_nothing(path)
    server.behaviours = [cut(HALF), lambda handler: serve(handler, content=CONTENT + b"more")]
    with pytest.raises(InputError, match="3,000,005 bytes, but the official file has 3,000,001"):
        download_file(FILE, path, settings)


@pytest.mark.parametrize("code", [401, 404])
def test_a_refusal_is_not_asked_again(server: Server, settings: DownloadSettings, path: Path, code: int) -> None:
    server.behaviours = [status(code)] * 3
    with pytest.raises(InputError, match=rf"{FILE.path}: {code} .*base_url"):
        download_file(FILE, path, settings)
    assert len(server.requests) == 1
    assert_nothing(path)


def test_an_unavailable_server_is_asked_again(
    server: Server, settings: DownloadSettings, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server.behaviours = [status(503), status(429, Retry_After="soon")]
    with caplog.at_level(logging.WARNING, "semid"):
        download_file(FILE, path, settings)
    assert_whole(path)
    assert "503 Service Unavailable; again in" in caplog.text
    server.behaviours = [status(503)] * 9
    with pytest.raises(InputError, match=r"given up after 3 failures in a row \(503"):
        download_file(FILE, path.with_name("other"), settings)
    assert len(server.requests) == 3 + 3


@pytest.mark.parametrize(
    ("asked", "least", "most"), [(lambda: "7", 7, 7), (lambda: formatdate(time.time() + 30, usegmt=True), 25, 30)]
)
def test_the_wait_a_server_asks_for_is_kept(
    server: Server,
    settings: DownloadSettings,
    path: Path,
    monkeypatch: pytest.MonkeyPatch,
    asked: Callable[[], str],
    least: float,
    most: float,
) -> None:
    waits: list[float] = []
    monkeypatch.setattr("semid.data.download.time.sleep", waits.append)
    server.behaviours = [status(503, Retry_After=asked())]
    download_file(FILE, path, settings)
    assert_whole(path)
    assert len(waits) == 1
    assert least <= waits[0] <= most


def test_waits_grow_to_a_minute(
    server: Server, settings: DownloadSettings, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    monkeypatch.setattr("semid.data.download.time.sleep", waits.append)
    server.behaviours = [status(500)] * 9
    with pytest.raises(InputError, match="500"):
        download_file(FILE, path, DownloadSettings(server.url, retries=8))
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60]


def test_redirects_are_followed_with_the_range(server: Server, settings: DownloadSettings, path: Path) -> None:
    server.behaviours = [cut(HALF), status(302, Location="/elsewhere?signed=1")]
    download_file(FILE, path, settings)
    assert_whole(path)
    (_, first), (_, second), elsewhere = server.requests
    assert first is None
    assert elsewhere == ("/elsewhere?signed=1", second)
    server.behaviours = [status(302, Location=f"/{FILE.path}")] * 100
    with pytest.raises(InputError, match=r"Exceeded 30 redirects.*base_url"):
        download_file(FILE, path.with_name("other"), settings)


def test_a_server_that_falls_silent_is_asked_again(
    server: Server, settings: DownloadSettings, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server.behaviours = [stall, sleep]
    with caplog.at_level(logging.WARNING, "semid"):
        download_file(FILE, path, replace(settings, timeout=0.3))
    assert caplog.text.count("Read timed out") == 2
    assert_whole(path)
    first, second, third = offsets(server)
    assert 0 == first < second == third


def test_no_server_is_one_message(settings: DownloadSettings, path: Path) -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))  # bound and not listening: refused
        url = f"http://127.0.0.1:{reserved.getsockname()[1]}"
        with pytest.raises(InputError, match=r"given up after 2 failures.*base_url` to a mirror"):
            download_file(FILE, path, DownloadSettings(url, retries=1, timeout=1, backoff=0.01))
    with pytest.raises(InputError, match=r"base_url"):
        download_file(FILE, path, DownloadSettings("https://", retries=1))
    assert_nothing(path)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_full_disk_is_one_message_and_no_file(
    server: Server, settings: DownloadSettings, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def on_a_full_disk(partial: Path) -> IO[bytes]:
        partial.touch()
        return open("/dev/full", "ab")

    monkeypatch.setattr("semid.data.download.open_partial", on_a_full_disk)
    with pytest.raises(InputError, match=r"Toys\.jsonl: the disk is full; make room and run again"):
        download_file(FILE, path, settings)
    assert_nothing(path)


def test_a_disk_without_room_is_seen_before_anything_is_sent(
    server: Server, settings: DownloadSettings, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path.parent.mkdir()
    partial_of(path).write_bytes(CONTENT[:1])
    usage = SimpleNamespace(free=FILE.size - 2)
    monkeypatch.setattr("semid.data.download.shutil.disk_usage", lambda _: usage)
    with pytest.raises(InputError, match="3,000,000 bytes are still to come and its disk has room for 2,999,999"):
        download_file(FILE, path, settings)
    assert not server.requests
    usage.free += 1
    download_file(FILE, path, settings)
    assert_whole(path)


def test_a_file_put_there_by_hand_is_checked_and_kept(server: Server, settings: DownloadSettings, path: Path) -> None:
    path.parent.mkdir()
    record = path.with_name("record.json")
    path.write_bytes(CONTENT)
    download_file(FILE, path, settings)
    verify_file(path, FILE, record)
    assert json.loads(record.read_text()) == FILE._asdict()
    record.unlink()
    for content, message in ((CONTENT[:-1], "3,000,000 bytes, expected the 3,000,001"), (CONTENT[::-1], "SHA-256 is")):
        path.write_bytes(content)
        for check in (
            lambda: check_file(path, FILE),
            lambda: download_file(FILE, path, settings),
            lambda: verify_file(path, FILE, record),
        ):
            with pytest.raises(InputError, match=rf"Toys\.jsonl: (the )?{message}.*Delete it to download it"):
                check()
        assert path.read_bytes() == content
        assert os.listdir(path.parent) == [path.name]
    assert not server.requests


def test_the_table_of_the_release_is_whole() -> None:
    files = AmazonReviews2023.release()
    categories = chosen_categories("all", files)
    assert len(categories) == 34
    assert "Unknown" in categories
    assert chosen_categories("Toys_and_Games", files) == ["Toys_and_Games"]
    assert chosen_categories(["Books", "All_Beauty", "Books"], files) == ["Books", "All_Beauty"]
    assert files[reviews_path("Musical_Instruments")].size == 1_557_845_107
    assert files[meta_path("Musical_Instruments")].size == 631_877_970
    for core, n in (("0core", 34), ("5core", 28)):
        for folder, splits in (("rating_only", [""]), *((name, SPLITS) for name in ("timestamp", "last_out"))):
            here = [name for name in categories if f"benchmark/{core}/{folder}/{name}{splits[0]}.csv" in files]
            assert len(here) == n
            assert all(f"benchmark/{core}/{folder}/{name}{split}.csv" in files for name in here for split in splits)
    assert len(files) == 2 * 34 + (34 + 28) * (1 + 2 * 3)


def test_the_table_equals_the_published_one(shared_data: Path) -> None:
    published = official_files(shared_data / "amazon2023_hf_lfs_sha256.tsv", HOME)
    files = AmazonReviews2023.release()
    assert {path: published[path] for path in files} == files


def test_a_wrong_name_names_its_neighbours() -> None:
    files = AmazonReviews2023.release()
    with pytest.raises(InputError, match=r"'musical instruments' is none of All_Beauty.*mean Musical_Instruments"):
        chosen_categories("musical instruments", files)
    with pytest.raises(InputError, match=r"'Toys' is none of"):
        chosen_categories(["Books", "Toys"], files)
    with pytest.raises(InputError, match=r"is no file of the release; did you mean raw/review_categories/Books\.jsonl"):
        official_file("raw/review_categories/Book.jsonl", files)
    assert official_file(reviews_path("Books"), files) == files[reviews_path("Books")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the first line must be"),
        ("path\tsize\n", "the first line must be"),
        ("path\tsha256\tsize\n../up.csv\t" + "a" * 64 + "\t1\n", "line 2: expected a relative path"),
        ("path\tsha256\tsize\n/raw/a.csv\t" + "a" * 64 + "\t1\n", "line 2: expected a relative path"),
        ("path\tsha256\tsize\na.csv\t" + "a" * 63 + "\t1\n", "line 2: expected a relative path"),
        ("path\tsha256\tsize\na.csv\t" + "a" * 64 + "\t-1\n", "line 2: expected a relative path"),
        ("path\tsha256\tsize\na.csv\t" + "a" * 64 + "\n", "line 2: expected a relative path"),
        ("path\tsha256\tsize\n" + 2 * ("a.csv\t" + "a" * 64 + "\t1\n"), "line 3: a.csv is there twice"),
    ],
)
def test_a_broken_table_of_checksums_names_its_line(tmp_path: Path, text: str, message: str) -> None:
    table = tmp_path / "mirror.tsv"
    table.write_text(text)
    with pytest.raises(InputError, match=rf"mirror\.tsv: {message}"):
        official_files(table)


def test_a_table_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"mirror\.tsv: cannot be read"):
        official_files(tmp_path / "mirror.tsv")
