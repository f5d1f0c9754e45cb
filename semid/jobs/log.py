"""One job's log: everything it prints, native libraries and children included, and a clear last word when it fails."""

import errno
import logging
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from semid.errors import InputError
from semid.files import first_line, is_full_disk

# what a log says changes no result
__affects_results__ = False

REMEDIES = "docs/guides/troubleshooting.md"
INSTALL = "pip install 'semid[workflow,text,bundled,faiss]' for the Python that runs this, or use --sdm conda"
LACK_OF_MEMORY = ("allocate memory", "out of memory", "bad_alloc")
SECONDS_BETWEEN_LOOKS = 1.0
SECONDS_TO_END = 10.0


class _Lines(logging.Formatter):
    """Lines of a log, in which `warning:` stands before what is one, so that it can be found there."""

    def format(self, record: logging.LogRecord) -> str:
        if record.levelno != logging.WARNING:
            return super().format(record)
        warning = logging.makeLogRecord({**record.__dict__, "msg": f"warning: {record.getMessage()}", "args": ()})
        return super().format(warning)


@contextmanager
def job_log(path: str | Path) -> Iterator[None]:
    """Send file descriptors 1 and 2 and the `semid` logger to `path` for the length of the block.

    An `InputError`, an `OSError` (a full disk, a missing file), too little memory or a package that is not installed
    ends the process with status 1 and a message as the log's last line; any other exception keeps its traceback. The
    process also ends when the one that started it dies.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    sys.stdout.flush()
    sys.stderr.flush()
    saved = os.dup(1), os.dup(2)
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o666)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Lines("%(asctime)s %(message)s", datefmt="%H:%M:%S"))
    logger = logging.getLogger("semid")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    # a batch system ends jobs by SIGTERM: as an exception it lets temporary files be removed
    before = signal.signal(signal.SIGTERM, _exit)
    try:
        with _ends_with_parent(logger):
            yield
        logger.info("done in %.1f s", time.monotonic() - started)
    except KeyboardInterrupt:
        logger.error("interrupted: type the same command again to go on")
        raise SystemExit(130) from None
    except Exception as error:
        if message := _message(error):
            logger.error("error: %s", message)
        else:
            traceback.print_exc()
        raise SystemExit(1) from None
    finally:
        signal.signal(signal.SIGTERM, before)
        logger.removeHandler(handler)
        _give_back(saved)


def _message(error: Exception) -> str:
    """One line about an error that a user can mend; empty for a fault of the program."""
    said = str(error)
    # torch and faiss raise a RuntimeError, whose text alone tells
    failed_allocation = isinstance(error, RuntimeError) and any(sign in said for sign in LACK_OF_MEMORY)
    if isinstance(error, MemoryError) or failed_allocation or getattr(error, "errno", None) == errno.ENOMEM:
        return f"out of memory ({first_line(error)}): give the job more, or make it need less: see {REMEDIES}"
    if isinstance(error, ModuleNotFoundError):
        return f"{said}: {INSTALL}"
    if is_full_disk(error):
        return f"{said}: make room on that disk and type the same command again"
    return said if isinstance(error, InputError | OSError) else ""


@contextmanager
def _ends_with_parent(logger: logging.Logger) -> Iterator[None]:
    """End this process when its parent dies in the block: after `kill -9` of Snakemake the job would go on, and later
    write over what the next run makes.

    Files that are being written are removed, unless some long call keeps Python from it for `SECONDS_TO_END`.
    """
    parent, over = os.getppid(), threading.Event()

    def watch() -> None:
        while not over.wait(SECONDS_BETWEEN_LOOKS):
            if os.getppid() != parent:
                logger.error("error: what started this job is gone, so it ends: type the same command again")
                os.kill(os.getpid(), signal.SIGTERM)
                if not over.wait(SECONDS_TO_END):
                    os._exit(1)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


def _give_back(saved: tuple[int, int]) -> None:
    """Point descriptors 1 and 2 at `saved` again; text that a full disk kept out of the log is printed there."""
    for stream in (sys.stdout, sys.stderr):
        # the text stays in its buffer
        with suppress(OSError):
            stream.flush()
    for number, own in enumerate(saved, start=1):
        os.dup2(own, number)
        os.close(own)
    sys.stdout.flush()
    sys.stderr.flush()


def _exit(signum: int, frame: object) -> None:
    raise SystemExit(128 + signum)
