"""A generated catalogue of a million items through the whole workflow: what every job took, and what grows.

`python -m bench.scale` makes the data, times the run of config/scale.yaml, then its report and the repair of its codes,
then embeds, encodes and exports four times the items. It writes results/bench/scale_runs.csv, scale_jobs.csv and
scale.md.
"""

import argparse
import ast
import csv
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from bench import machine
from bench.memory import rss_anon, sampling
from bench.report import as_csv
from bench.scale_page import JOB_COLUMNS, LARGE, RUN_COLUMNS, SMALL, ScaleTables, page
from semid.files import write_text

ROOT = Path(__file__).resolve().parents[1]
RAW = (f"data/raw/{SMALL}/reviews.jsonl.gz",)
TABLES = ("results/offline_eval.csv", "results/tokenizers.csv")
REPORT = ("results/report.html", f"results/{SMALL}/rqkmeans_4x256/repair-assign/items.parquet")
GROWN = (f"results/{LARGE}/rqkmeans_4x256/items.parquet",)
REPAIRED = ("--config", 'run={"repair": "assign"}')
SECONDS_BETWEEN_SAMPLES = 0.1


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.scale", description="Run config/scale.yaml and measure it.")
    parser.add_argument("--cores", type=int, default=machine.cores(), help="of Snakemake")
    parser.add_argument("--folder", type=Path, default=Path("results/scale"), help="where the run writes its files")
    parser.add_argument("--without-growth", action="store_true", help="leave out the four million items")
    parser.add_argument("--out", type=Path, default=Path("results/bench"), help="where the tables go")
    arguments = parser.parse_args()
    folder = arguments.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    described = "; ".join(machine.describe(arguments.cores))

    def snakemake(*targets: str, changed: tuple[str, ...] = ()) -> float:
        started = time.monotonic()
        command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--cores"]
        command += [str(arguments.cores), "--benchmark-extended", "--directory", str(folder)]
        command += ["--configfile", str(ROOT / "config/scale.yaml"), *changed, "--", *targets]
        subprocess.run(command, check=True)
        return time.monotonic() - started

    with anonymous_memory(folder / "logs") as memory:
        snakemake(*RAW)
        seconds = {"tables": snakemake(*TABLES)}
        began = time.time()
        seconds["report"] = snakemake(*REPORT, changed=REPAIRED)
        if not arguments.without_growth:
            seconds["growth"] = snakemake(*GROWN)
    jobs = [row for dataset in (SMALL, LARGE, "") for row in rows_of(folder, dataset, memory, began)]
    runs = [{"run": name, "seconds": taken, "machine": described} for name, taken in seconds.items()]
    write_text(arguments.out / "scale_runs.csv", as_csv(runs, RUN_COLUMNS))
    write_text(arguments.out / "scale_jobs.csv", as_csv(jobs, JOB_COLUMNS))
    text = page(ScaleTables.read(arguments.out))
    write_text(arguments.out / "scale.md", text)
    print(text)


@contextmanager
def anonymous_memory(logs: Path) -> Iterator[dict[Path, int]]:
    """Yield a map of the logs of jobs below `logs` to the highest anonymous memory of their processes, in bytes.

    The memory is sampled ten times a second; a job writes all it prints into its log.
    """
    highest: dict[Path, int] = {}

    def sample() -> None:
        now: dict[Path, int] = {}
        for process in Path("/proc").glob("[0-9]*"):
            # a process may end meanwhile, and those of other users are not ours to read
            with suppress(OSError):
                log = Path(os.readlink(process / "fd" / "1"))
                if log.is_relative_to(logs):
                    now[log] = now.get(log, 0) + rss_anon(process)
        for log, size in now.items():
            highest[log] = max(highest.get(log, 0), size)

    with sampling(sample, SECONDS_BETWEEN_SAMPLES):
        yield highest


def rows_of(folder: Path, dataset: str, memory: dict[Path, int], report_began: float) -> list[dict[str, Any]]:
    """A row a rule of a dataset, from the benchmark files below `folder`, in the order in which the rules ended.

    dataset: empty for rules of the whole run. `seconds` of all jobs and of the `longest`; `anonymous_mb`: the largest
    anonymous memory of a job; `resident_mb`: with the pages of mapped files. A job that ended after `report_began` is
    of the run of the report.
    """
    jobs: dict[tuple[str, str], list[tuple[float, dict[str, str], int]]] = {}
    benchmarks = folder / "benchmarks"
    for path in benchmarks.rglob("*.tsv"):
        with path.open(encoding="utf-8") as file:
            job = next(csv.DictReader(file, delimiter="\t"))
        wildcards = ast.literal_eval(job["wildcards"])
        if wildcards.get("dataset", "") == dataset:
            ended = path.stat().st_mtime
            kept = [wildcards[name] for name in ("tokenizer", "kind") if name in wildcards]
            run = "growth" if dataset == LARGE else "report" if ended > report_began else "tables"
            run = "generate" if job["rule_name"].startswith("generate") else run
            log = (folder / "logs" / path.relative_to(benchmarks)).with_suffix(".log")
            jobs.setdefault((run, " ".join([job["rule_name"], *kept])), []).append((ended, job, memory.get(log, 0)))
    rows = []
    for (run, rule), found in sorted(jobs.items(), key=lambda item: max(ended for ended, *_ in item[1])):
        seconds = [float(job["s"]) for _, job, _ in found]
        rows.append(
            {
                **{"run": run, "dataset": dataset, "rule": rule, "jobs": len(found)},
                **{"seconds": sum(seconds), "longest": max(seconds)},
                "anonymous_mb": max(size for *_, size in found) / 1e6,
                "resident_mb": max(float(job["max_rss"]) for _, job, _ in found),
                "written_mb": sum(float(job["io_out"]) for _, job, _ in found),
            }
        )
    return rows


if __name__ == "__main__":
    main()
