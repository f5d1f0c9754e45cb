"""What a run of the workflow does, from the events of Snakemake: jobs that wait, run, end and fail."""

import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from semid.terminal import printable

# Of the end of a log so many bytes are looked at.
END_OF_LOG = 4096
# what says whose a job is, in this order
WHOSE = ("dataset", "tokenizer", "generator", "shard")


@dataclass(eq=False)
class Job:
    """A job of the workflow: its rule, the values of its wildcards, its log, and when it began and ended."""

    rule: str
    wildcards: Mapping[str, str]
    log: Path | None
    started: float = field(default_factory=time.monotonic)
    seconds: float = 0.0

    @property
    def age(self) -> float:
        """Seconds since it began."""
        return time.monotonic() - self.started

    @property
    def stage(self) -> str:
        """The name of the rule in words."""
        return self.rule.replace("_", " ")

    @property
    def whose(self) -> str:
        """The dataset, tokenizer, generator and shard that it works on."""
        return " ".join(str(self.wildcards[name]) for name in WHOSE if name in self.wildcards)

    def last_words(self) -> str:
        """Return the last line of its log, without the time of day; empty where it has said nothing."""
        lines = self._end_of_log().splitlines()
        line = next((line for line in reversed(lines) if line.strip()), "")
        clock, _, rest = line.partition(" ")
        return printable(rest if clock.count(":") == 2 and clock.replace(":", "").isdigit() else line).strip()

    def _end_of_log(self) -> str:
        if self.log is None:
            return ""
        try:
            with self.log.open("rb") as file:
                size = file.seek(0, 2)
                file.seek(max(0, size - END_OF_LOG))
                return file.read().decode(errors="replace")
        except OSError:
            # it has not begun its log, or Snakemake removed it
            return ""


@dataclass(eq=False)
class RunState:
    """The jobs of a run. `folder` is the working directory, at which paths of logs start."""

    folder: Path = Path()
    total: int = 0
    done: int = 0
    running: dict[int, Job] = field(default_factory=dict)
    ended: list[Job] = field(default_factory=list)
    failed: list[Job] = field(default_factory=list)
    datasets: dict[str, None] = field(default_factory=dict)

    def take(self, line: bytes | str) -> Job | None:
        """Take an event in, a line of JSON; return the job that it says has ended or failed, if any."""
        event = json.loads(line)
        return getattr(self, f"_{event.pop('event')}")(event)

    def _run_info(self, event: dict[str, Any]) -> None:
        self.total = int(event["stats"].get("total", self.total))

    def _job_info(self, event: dict[str, Any]) -> None:
        log = next(iter(_paths(event.get("log", []))), None)
        job = Job(event["rule_name"], event.get("wildcards", {}), None if log is None else self.folder / log)
        self.running[event["jobid"]] = job
        if "dataset" in job.wildcards:
            self.datasets[job.wildcards["dataset"]] = None

    def _job_finished(self, event: dict[str, Any]) -> Job | None:
        return self._end(event["job_id"], self.ended)

    def _job_error(self, event: dict[str, Any]) -> Job | None:
        return self._end(event["jobid"], self.failed)

    def _end(self, number: int, among: list[Job]) -> Job | None:
        job = self.running.pop(number, None)
        if job is not None:
            job.seconds = time.monotonic() - job.started
            among.append(job)
        return job

    def _progress(self, event: dict[str, Any]) -> None:
        self.done, self.total = event["done"], event["total"]


def _paths(log: str | Iterable[str]) -> list[str]:
    return [log] if isinstance(log, str) else list(log)
