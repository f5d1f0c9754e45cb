"""One job's log: everything it prints, native libraries and children included, and a clear last word when it fails."""

import logging
import os
import signal
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from semid.errors import InputError


@contextmanager
def job_log(path: str | Path) -> Iterator[None]:
    """Send file descriptors 1 and 2 and the `semid` logger to `path` for the length of the block.

    An `InputError` or an `OSError` (a full disk, a missing file) ends the process with status 1 and its message as the
    log's last line; any other exception keeps its traceback.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    sys.stdout.flush()
    sys.stderr.flush()
    saved = os.dup(1), os.dup(2)
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", datefmt="%H:%M:%S"))
    logger = logging.getLogger("semid")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    # a batch system ends jobs by SIGTERM: as an exception it lets temporary files be removed
    before = signal.signal(signal.SIGTERM, _exit)
    try:
        yield
        logger.info("done in %.1f s", time.monotonic() - started)
    except (InputError, OSError) as error:
        logger.error("error: %s", error)
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        logger.error("interrupted: type the same command again to go on")
        raise SystemExit(130) from None
    except Exception:
        traceback.print_exc()
        raise SystemExit(1) from None
    finally:
        signal.signal(signal.SIGTERM, before)
        logger.removeHandler(handler)
        sys.stdout.flush()
        sys.stderr.flush()
        os.dup2(saved[0], 1)
        os.dup2(saved[1], 2)
        os.close(saved[0])
        os.close(saved[1])


def _exit(signum: int, frame: object) -> None:
    raise SystemExit(128 + signum)
