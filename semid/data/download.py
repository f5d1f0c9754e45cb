"""Downloads of official files over HTTP: they go on where they stopped, and files are checked before they are named."""

import hashlib
import logging
import os
import re
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Annotated, Self

import requests
from annotated_types import Ge, Gt
from urllib3.exceptions import InvalidHeader
from urllib3.util import Retry

from semid.addresses import address_below, shown
from semid.checks import FilePath, Pattern, check_options, doc
from semid.data.sources.release import OfficialFile
from semid.errors import InputError
from semid.files import is_full_disk, lock, open_partial, write_json
from semid.progress import Progress

CHUNK_BYTES = 1 << 18
LONGEST_WAIT = 60.0
# The request may succeed later: time-out, too early, too many requests. So may any 5xx.
PASSING_STATUSES = (408, 425, 429)

logger = logging.getLogger("semid")


@dataclass(frozen=True)
class DownloadSettings:
    """Where the files of a release come from, for datasets whose source downloads them, and how long to try.

    Each file must have its official size and SHA-256, whoever put it at `data/raw/<dataset>/<path in the release>`; a
    file that is there is not downloaded. Raises InputError for a value out of its range.

    backoff: the seconds before the second try, which double from try to try up to a minute. A server's `Retry-After`
        takes precedence. It is no key of the configuration.
    mirror: how messages call `base_url`, which a command may take by an option. It is no key either.
    """

    base_url: Annotated[
        Annotated[str, Pattern("^https?://.", "an address that begins with http:// or https://")] | None,
        doc(
            "A mirror of the release, which has `<base_url>/raw/review_categories/Musical_Instruments.jsonl` and so "
            "on; null takes the official address. A user and a password in it (`https://user:password@…`) and a query "
            "(`?token=…`) are sent, and stay out of logs, messages and manifests. Proxies are taken from the "
            "environment (HTTPS_PROXY)."
        ),
    ] = None
    retries: Annotated[
        int,
        Ge(0),
        doc(
            "The failures in a row, without a byte between them, before the download gives up. The tries are 1, 2, "
            "4 … 60 seconds apart, or as far as the server asks. The next run goes on where this one stopped."
        ),
    ] = 8
    timeout: Annotated[float, Gt(0), doc("The seconds to wait for a connection, or for the next bytes.")] = 60
    checksums: Annotated[
        FilePath | None,
        doc(
            "A table of your own (tab-separated path, sha256, size) in place of the one that comes with the source, "
            "for a mirror with other files. Planning reads it, and each file is checked against its line."
        ),
    ] = None
    backoff: float = 1.0
    mirror: str = "`download: base_url`"

    def __post_init__(self) -> None:
        check_options(self, "download")


class _PassingError(Exception):
    """A failure after which the download tries again; `wait` is the time that the server asks for, in seconds."""

    def __init__(self, message: str, wait: float | None = None) -> None:
        super().__init__(message)
        self.wait = wait


def download_file(file: OfficialFile, path: str | Path, settings: DownloadSettings) -> None:
    """Bring one official file to `path`, which appears whole and with the expected SHA-256 or not at all.

    Until then the bytes are in a hidden file `.partial` beside it, from which a later call goes on. A file that is
    already at `path` is checked instead. Raises InputError when the server has no such file or another one, when the
    server cannot be reached, when the disk is full, when something else has the name of the hidden file, and as
    :func:`check_file` does. No message shows a user, a password or a query of the address.
    """
    path = Path(path)
    if path.exists():
        check_file(path, file)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    base = settings.base_url or file.home
    try:
        url = address_below(base, file.path)
    except ValueError:
        # the error would show the whole host
        raise InputError(f"{shown(base)} is no address of a host and a path; see {settings.mirror}") from None
    try:
        with _Partial(path.with_name(f".{path.name}.partial"), file.size) as partial, requests.Session() as session:
            _require_space(path, file.size - partial.done)
            _fetch(session, url, partial, path, settings)
            digest = partial.digest.hexdigest()
            if digest != file.sha256:
                partial.restart()
                raise InputError(
                    f"{shown(url)}: the SHA-256 is {digest}, expected {file.sha256}; what was received is thrown away. "
                    f"Run again; if it stays so, this address serves another file: see {settings.mirror}"
                )
            partial.move_to(path)
    except OSError as error:
        if not is_full_disk(error):
            raise
        raise InputError(f"{path}: the disk is full; make room and run again: it goes on where it stopped") from None


def check_file(path: str | Path, file: OfficialFile) -> None:
    """Raise InputError unless the file at `path` has the size and the SHA-256 of `file`."""
    path = Path(path)
    remedy = "it is cut off or another file. Delete it to download it, or put the official file there"
    size = path.stat().st_size
    if size != file.size:
        raise InputError(f"{path}: {size:,} bytes, expected the {file.size:,} of {file.path}: {remedy}")
    digest = hashlib.sha256()
    with path.open("rb") as opened, Progress(size, f"checking {path.name}", "bytes") as progress:
        _read_into(opened, digest.update, progress)
    if digest.hexdigest() != file.sha256:
        raise InputError(
            f"{path}: the SHA-256 is {digest.hexdigest()}, expected {file.sha256} of {file.path}: {remedy}"
        )


def verify_file(path: str | Path, file: OfficialFile, record: str | Path) -> None:
    """Check the file at `path` as :func:`check_file` does, and write its size and digest to the JSON file `record`."""
    check_file(path, file)
    write_json(record, file._asdict())


class _Partial:
    """The first bytes, on disk, of a file of `size` bytes, with their running SHA-256; only one process writes it."""

    def __init__(self, path: Path, size: int) -> None:
        self.path, self.size = path, size
        self.digest, self.done = hashlib.sha256(), 0

    def __enter__(self) -> Self:
        self._file = open_partial(self.path)
        try:
            # A killed run may have left a job behind that still writes.
            if not lock(self._file):
                logger.warning("%s cannot be locked: make sure that nothing else downloads it now", self.path)
        except BlockingIOError:
            self._file.close()
            raise InputError(f"{self.path}: another process is writing it; wait until it ends, or end it") from None
        size = os.fstat(self._file.fileno()).st_size
        if size > self.size:
            logger.warning("%s is longer than the file that it should become: starting anew", self.path)
            self.restart()
        elif size:
            with Progress(size, f"reading {self.path.name}", "bytes") as progress:
                _read_into(self._file, self.digest.update, progress)
            self.done = size
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        if not self.done:
            self.path.unlink(missing_ok=True)

    def append(self, chunk: bytes) -> None:
        self._file.write(chunk)
        self.digest.update(chunk)
        self.done += len(chunk)

    def move_to(self, path: Path) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())
        self.path.replace(path)

    def restart(self) -> None:
        self._file.truncate(0)
        self.digest, self.done = hashlib.sha256(), 0


def _fetch(session: requests.Session, url: str, partial: _Partial, path: Path, settings: DownloadSettings) -> None:
    """Request what `partial` lacks until it is whole."""
    failures, furthest = 0, partial.done
    while partial.done < partial.size:
        try:
            _request_rest(session, url, partial, settings)
        except (
            _PassingError,
            requests.ConnectionError,
            requests.Timeout,
            requests.exceptions.ChunkedEncodingError,
        ) as error:
            # A server that breaks off at the same byte for ever must not be asked for ever.
            failures = 1 if partial.done > furthest else failures + 1
            furthest = max(furthest, partial.done)
            if failures > settings.retries:
                raise InputError(
                    f"{shown(url)}: given up after {failures} failures in a row ({shown(error)}). Run again to go "
                    f"on from byte {partial.done:,}, set {settings.mirror} to a mirror, or put the file at {path} "
                    "yourself"
                ) from None
            wait = getattr(error, "wait", None) or min(settings.backoff * 2 ** (failures - 1), LONGEST_WAIT)
            logger.warning("%s: %s; again in %.0f s from byte %s", shown(url), shown(error), wait, f"{partial.done:,}")
            time.sleep(wait)
        except requests.RequestException as error:
            raise InputError(f"{shown(url)}: {shown(error)}; see {settings.mirror}") from None


def _request_rest(session: requests.Session, url: str, partial: _Partial, settings: DownloadSettings) -> None:
    """Append to `partial` what one request brings; a _PassingError when the file is not whole then."""
    # The bytes must come as they are stored: a compressed transfer has other ranges.
    headers = {"Accept-Encoding": "identity"}
    if partial.done:
        headers["Range"] = f"bytes={partial.done}-"
    with session.get(url, headers=headers, stream=True, timeout=settings.timeout) as response:
        _check_status(response, url, partial, settings)
        _check_extent(response, url, partial, settings)
        with Progress(partial.size - partial.done, f"downloading {shown(url).rpartition('/')[2]}", "bytes") as progress:
            for chunk in response.iter_content(CHUNK_BYTES):
                if partial.done + len(chunk) > partial.size:
                    raise _another_file(url, f"more than {partial.size:,} bytes", partial, settings)
                partial.append(chunk)
                progress.update(len(chunk))
    if partial.done < partial.size:
        raise _PassingError(f"the connection ended {partial.size - partial.done:,} bytes early")


def _check_status(response: requests.Response, url: str, partial: _Partial, settings: DownloadSettings) -> None:
    status = f"{response.status_code} {response.reason}"
    if response.status_code in PASSING_STATUSES or response.status_code >= 500:
        raise _PassingError(status, _retry_after(response))
    if response.status_code == 416:
        partial.restart()
        raise _PassingError(f"{status}: starting anew")
    if response.status_code not in (200, 206):
        raise InputError(f"{shown(url)}: {status}; see whether {settings.mirror} is the address of the release")


def _check_extent(response: requests.Response, url: str, partial: _Partial, settings: DownloadSettings) -> None:
    """Check that the answer continues `partial`, and that the size is that of its file; a whole file starts it anew."""
    if response.status_code == 206:
        extent = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
        if extent is None or int(extent[1]) != partial.done:
            partial.restart()
            raise _PassingError("the server answered with another range than was asked for: starting anew")
        total = extent[2]
    else:
        if partial.done:
            logger.warning("%s: the server cannot go on where the download stopped: starting anew", shown(url))
            partial.restart()
        total = response.headers.get("Content-Length", "*")
    if total not in ("*", str(partial.size)):
        raise _another_file(url, f"{int(total):,} bytes", partial, settings)


def _another_file(url: str, size: str, partial: _Partial, settings: DownloadSettings) -> InputError:
    partial.restart()
    return InputError(
        f"{shown(url)}: {size}, but the official file has {partial.size:,}: this address serves another file; see "
        f"{settings.mirror}"
    )


def _retry_after(response: requests.Response) -> float | None:
    """Return the seconds that the server asks to wait; None when it does not say."""
    try:
        return Retry().parse_retry_after(response.headers["Retry-After"])
    except (KeyError, InvalidHeader):
        return None


def _require_space(path: Path, missing: int) -> None:
    free = shutil.disk_usage(path.parent).free
    if free < missing:
        raise InputError(
            f"{path}: {missing:,} bytes are still to come and its disk has room for {free:,}; make room, or run in "
            "another place (--directory)"
        )


def _read_into(file: IO[bytes], take: Callable[[bytes], object], progress: Progress) -> None:
    """Read a file from its start, and give `take` its bytes chunk by chunk."""
    file.seek(0)
    while chunk := file.read(CHUNK_BYTES):
        take(chunk)
        progress.update(len(chunk))
