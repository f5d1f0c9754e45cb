"""The page of `python -m bench.scale`: from its tables, what a million items cost, and a plan for 48 million."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Self

from bench.findings import markdown
from semid.evaluation.table import read_table

TEMPLATE = Path(__file__).with_name("scale.template.md")
SMALL, LARGE = "scale_1m", "scale_4m"
RUN_COLUMNS = ("run", "seconds", "machine")
JOB_COLUMNS = (
    *("run", "dataset", "rule", "jobs", "seconds", "longest"),
    *("anonymous_mb", "resident_mb", "written_mb"),
)
# the bars: of the run to the tables, and of every job
MINUTES, AT_MOST_MB = 9, 2000
# of SMALL, in millions
ITEMS, REVIEWS = 1.0, 5.0
# Amazon Reviews 2023, in millions; its largest category has about a seventh of each
ALL_ITEMS, ALL_REVIEWS, ALL_USERS, LARGEST = 48.2, 571.5, 54.5, 1 / 7
SHARDS = 96
# of a text encoder on two cores: all-MiniLM-L6-v2 reads 160 to 180
TITLES_A_SECOND = 170
DUCKDB_MB = 8000
# a process with torch, before it reads anything
IMPORTED_MB = 200
# bytes an item, user or both, that a job holds
CORE, INVERTED, SCORECARD, EVALUATION = 33, 28, 36, 150


class ScaleTables(NamedTuple):
    """The runs and their jobs, values as text."""

    runs: list[dict[str, str]]
    jobs: list[dict[str, str]]

    @classmethod
    def read(cls, folder: Path) -> Self:
        return cls(
            read_table(folder / "scale_runs.csv", RUN_COLUMNS), read_table(folder / "scale_jobs.csv", JOB_COLUMNS)
        )

    def seconds_of_run(self, name: str) -> float:
        return next(float(row["seconds"]) for row in self.runs if row["run"] == name)

    def of_run(self, *names: str) -> list[dict[str, str]]:
        return [row for row in self.jobs if row["run"] in names]

    def figure(self, rule: str, name: str) -> float:
        """A figure of a rule that ran on SMALL; the largest, where several rules begin so."""
        return max(float(row[name]) for row in self.of_run("tables", "report") if row["rule"].startswith(rule))


def page(tables: ScaleTables) -> str:
    """Return the page in Markdown."""
    minutes = tables.seconds_of_run("tables") / 60
    jobs = tables.of_run("tables", "report")
    most = max(jobs, key=lambda row: float(row["anonymous_mb"]))
    return TEMPLATE.read_text(encoding="utf-8").format(
        machine="\n".join(f"- {line}" for line in tables.runs[0]["machine"].split("; ")),
        generate=f"{float(tables.of_run('generate')[0]['seconds']) / 60:.1f}",
        tables=f"{minutes:.1f} minutes (at most {MINUTES}: {_holds(minutes <= MINUTES)})",
        report=f"{tables.seconds_of_run('report') / 60:.1f}",
        most=f"{float(most['anonymous_mb']):,.0f} MB, of `{most['rule']}` (at most {AT_MOST_MB:,}: "
        f"{_holds(float(most['anonymous_mb']) <= AT_MOST_MB)})",
        jobs_of_tables=_jobs(tables.of_run("tables")),
        jobs_of_report=_jobs(tables.of_run("report")),
        growth=_growth(tables),
        plan=_plan(tables),
    )


def _holds(is_met: bool) -> str:
    return "met" if is_met else "**missed**"


def _jobs(rows: Sequence[dict[str, str]]) -> str:
    head = ("rule", "jobs", "s, all jobs", "s, longest", "anonymous, MB", "resident, MB", "written, MB")
    names = ("seconds", "longest", "anonymous_mb", "resident_mb", "written_mb")
    return markdown(
        head, [[f"`{row['rule']}`", row["jobs"], *(f"{float(row[name]):,.0f}" for name in names)] for row in rows]
    ).strip("\n")


def _growth(tables: ScaleTables) -> str:
    """What the rules that ran on four times the items held there, and on a quarter of them."""
    small = {row["rule"]: row for row in tables.of_run("tables") if row["dataset"] == SMALL}
    rows = [
        [f"`{row['rule']}`", *(f"{float(of[row['rule']]['anonymous_mb']):,.0f}" for of in (small, {row["rule"]: row}))]
        for row in tables.of_run("growth")
        if row["rule"] in small
    ]
    if not rows:
        return "Left out of this run (`--without-growth`)."
    return markdown(("rule", "a million items, MB", "four million, MB"), rows).strip("\n")


def _plan(tables: ScaleTables) -> str:
    """Time and memory of each stage on all of Amazon Reviews 2023: the figures of SMALL times what grows."""
    reviews, items = tables.figure("read_raw interactions", "longest"), tables.figure("read_raw items", "longest")
    files = reviews / REVIEWS * ALL_REVIEWS * LARGEST, items / ITEMS * ALL_ITEMS * LARGEST
    rows_of_shard = ALL_ITEMS * 1e6 / SHARDS

    def whole(rule: str) -> str:
        return _time(tables.figure(rule, "seconds") * ALL_ITEMS / ITEMS)

    def held(rule: str, bytes_each: float) -> str:
        """The memory of a rule: what it held at a million items, and what the others add."""
        return _memory(tables.figure(rule, "anonymous_mb") + bytes_each * (ALL_ITEMS - ITEMS))

    def measured(rule: str) -> str:
        return _memory(tables.figure(rule, "anonymous_mb"))

    shard = tables.figure("encode", "longest") * rows_of_shard / (ITEMS * 1e6 / 8)
    of_repair = tables.figure("repair", "anonymous_mb") - IMPORTED_MB
    rows = [
        ["download, 377 GB", "a file each", "the network's", "0.2 GB"],
        ["`read_raw`", "68, a file each", f"the largest {_time(max(files))}", "`duckdb_mb`: 1 GB"],
        [
            "`preprocess`",
            "1",
            _time(tables.figure("preprocess", "seconds") * ALL_REVIEWS / REVIEWS),
            f"{_memory(DUCKDB_MB + CORE * (ALL_ITEMS + ALL_USERS))} with `duckdb_mb: {DUCKDB_MB}`",
        ],
        [
            "`embed_items`, MiniLM titles",
            f"`shards: {SHARDS}`",
            _time(rows_of_shard / TITLES_A_SECOND),
            "0.7 GB",
        ],
        [
            "`train_rqkmeans`",
            "one a tokenizer",
            _time(tables.figure("train_rqkmeans", "seconds")),
            measured("train_rqkmeans"),
        ],
        ["`train_vqvae`", "one a tokenizer", _time(tables.figure("train_vqvae", "seconds")), measured("train_vqvae")],
        ["`encode`", f"{SHARDS}", _time(shard), measured("encode")],
        ["`export`", "one a tokenizer", whole("export"), measured("export")],
        ["`build_inverted`", "one a tokenizer", whole("build_inverted"), held("build_inverted", INVERTED)],
        ["`score`", "one a tokenizer", whole("score"), held("score", SCORECARD)],
        [
            "`repair`",
            "one a tokenizer",
            whole("repair"),
            held("repair", of_repair),
        ],
        [
            "`evaluate`, 5,000 users",
            "one a tokenizer",
            f"{_time(tables.figure('evaluate rqkmeans', 'seconds'))} and more",
            held("evaluate rqkmeans", EVALUATION),
        ],
        [
            "`evaluate_controls`, 5,000 users",
            "1",
            whole("evaluate_controls"),
            f"{held('evaluate_controls', EVALUATION)} and the rest of the index",
        ],
        ["`Flat` of FAISS", f"{SHARDS} to fill", "minutes", _memory(4e-6 * 384 * ALL_ITEMS * 1e6)],
    ]
    return markdown(("stage", "jobs", "time a job, two cores", "memory a job"), rows).strip("\n")


def _time(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} minutes" if seconds < 5400 else f"{seconds / 3600:.1f} hours"


def _memory(megabytes: float) -> str:
    return f"{megabytes / 1000:.1f} GB"
