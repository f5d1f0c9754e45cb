"""A logger of Snakemake that hands what jobs do to `semid run`: a line of JSON for an event.

Snakemake finds loggers by the names of top-level modules, so that this one stands in a folder of its own, which `semid
run` alone puts on the path. The lines go to the open file whose number `SEMID_EVENTS` says.
"""

import json
import os
import signal
from collections.abc import Mapping
from logging import LogRecord
from typing import Any

from snakemake_interface_logger_plugins.base import LogHandlerBase

# of an event, what its reader uses
FIELDS = ("jobid", "job_id", "rule_name", "wildcards", "log", "done", "total", "stats")
EVENTS = ("run_info", "job_info", "job_finished", "job_error", "progress")


class LogHandler(LogHandlerBase):
    """Writes events to the pipe of `semid run`."""

    def __post_init__(self) -> None:
        self._pipe = int(os.environ["SEMID_EVENTS"])

    def emit(self, record: LogRecord) -> None:
        """Write the event of a record, where it is one."""
        event = str(record.__dict__.get("event") or "")
        if event not in EVENTS:
            return
        fields = {name: record.__dict__[name] for name in FIELDS if record.__dict__.get(name) is not None}
        try:
            os.write(self._pipe, (json.dumps({"event": event, **fields}, default=_plain) + "\n").encode())
        except BrokenPipeError:
            # who asked for the run is gone, and nobody would see it go on
            os.kill(os.getpid(), signal.SIGTERM)

    @property
    def writes_to_stream(self) -> bool:
        """Snakemake's own lines still go to its standard error."""
        return False

    @property
    def writes_to_file(self) -> bool:
        """A pipe is no log file."""
        return False

    @property
    def has_filter(self) -> bool:
        """All events are wanted, however quiet Snakemake is to be."""
        return True

    @property
    def has_formatter(self) -> bool:
        """The lines are JSON."""
        return True

    @property
    def needs_rulegraph(self) -> bool:
        """No graph is drawn."""
        return False


def _plain(value: Any) -> Any:
    return dict(value) if isinstance(value, Mapping) else str(value)
