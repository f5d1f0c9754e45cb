"""A generated catalogue of a million items through the whole workflow: what every job took, and what grows.

`python -m bench.scale` makes the data, then times the run of config/scale.yaml, then embeds, encodes and exports four
times the items. It writes results/bench/scale.csv and scale.md from the benchmark files of the jobs.
"""

import argparse
import ast
import csv
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from bench import machine
from semid.files import write_text

ROOT = Path(__file__).resolve().parents[1]
SMALL, LARGE = "scale_1m", "scale_4m"
RUN = ("results/offline_eval.csv", "results/tokenizers.csv")
GROWN = f"results/{LARGE}/rqkmeans_4x256/items.parquet"
# of the memory of a job, in MB
AT_MOST = 2500
MINUTES = 20
COLUMNS = ("dataset", "rule", "jobs", "seconds", "longest", "peak_mb", "written_mb")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.scale", description="Run config/scale.yaml and measure it.")
    parser.add_argument("--cores", type=int, default=machine.cores(), help="of Snakemake")
    parser.add_argument("--folder", type=Path, default=Path("results/scale"), help="where the run writes its files")
    parser.add_argument("--out", type=Path, default=Path("results/bench"), help="where the tables go")
    parser.add_argument("--without-growth", action="store_true", help="leave out the four million items")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    described = machine.describe(arguments.cores)

    def snakemake(*targets: str) -> float:
        started = time.monotonic()
        command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--cores"]
        command += [str(arguments.cores), "--benchmark-extended", "--directory", str(arguments.folder)]
        subprocess.run([*command, "--configfile", str(ROOT / "config/scale.yaml"), "--", *targets], check=True)
        return time.monotonic() - started

    snakemake(f"data/raw/{SMALL}/reviews.jsonl.gz")
    seconds = snakemake(*RUN)
    if not arguments.without_growth:
        snakemake(GROWN)
    rows = [row for dataset in (SMALL, LARGE) for row in rows_of(arguments.folder, dataset)]
    with_header = [COLUMNS, *([row[name] for name in COLUMNS] for row in rows)]
    arguments.out.mkdir(parents=True, exist_ok=True)
    with (arguments.out / "scale.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows(with_header)
    page = as_markdown(described, seconds, rows)
    write_text(arguments.out / "scale.md", page)
    print(page)


def rows_of(folder: Path, dataset: str) -> list[dict[str, Any]]:
    """A row a rule of a dataset, from the benchmark files below `folder`, in the order in which the rules ended.

    `seconds` of all jobs and of the `longest`; `peak_mb`: the largest resident memory of a job, pages of mapped files
    included.
    """
    jobs: dict[str, list[tuple[float, dict[str, str]]]] = {}
    for path in (folder / "benchmarks").rglob("*.tsv"):
        with path.open(encoding="utf-8") as file:
            job = next(csv.DictReader(file, delimiter="\t"))
        wildcards = ast.literal_eval(job["wildcards"])
        if wildcards.get("dataset") == dataset:
            rule = " ".join([job["rule_name"], *([wildcards["tokenizer"]] if "tokenizer" in wildcards else [])])
            jobs.setdefault(rule, []).append((path.stat().st_mtime, job))
    rows = []
    for rule, found in sorted(jobs.items(), key=lambda item: max(ended for ended, _ in item[1])):
        seconds = [float(job["s"]) for _, job in found]
        rows.append(
            {
                **{"dataset": dataset, "rule": rule, "jobs": len(found)},
                **{"seconds": sum(seconds), "longest": max(seconds)},
                "peak_mb": max(float(job["max_rss"]) for _, job in found),
                "written_mb": sum(float(job["io_out"]) for _, job in found),
            }
        )
    return rows


def as_markdown(described: list[str], seconds: float, rows: list[dict[str, Any]]) -> str:
    """The page: the machine, the time of the whole run, a table of the rules."""
    lines = ["# Scale run", "", *(f"- {line}" for line in described)]
    most = max(row["peak_mb"] for row in rows)
    lines += [
        f"- the run of {SMALL} after its data was there: {seconds / 60:.1f} minutes (at most {MINUTES})",
        f"- the largest peak of a job: {most:,.0f} MB (at most {AT_MOST:,})",
        "",
        "| dataset | rule | jobs | s | longest, s | peak, MB | written, MB |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for row in rows:
        lines.append(
            f"| {row['dataset']} | {row['rule']} | {row['jobs']} | {row['seconds']:,.0f} | {row['longest']:,.0f} "
            f"| {row['peak_mb']:,.0f} | {row['written_mb']:,.0f} |"
        )
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    main()
