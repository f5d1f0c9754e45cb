"""What a run of a large catalogue is said to have taken, and the page that says it."""

import subprocess
import sys
from pathlib import Path

from bench.scale import anonymous_memory, rows_of
from bench.scale_page import ScaleTables, page

ROOT = Path(__file__).resolve().parents[2]
# holds 64 MB until it is told to end
HOLDS = "import sys; held = bytearray(b'1' * 64_000_000); print('held', flush=True); sys.stdin.read()"
HEADER = "s\tmax_rss\tio_out\trule_name\twildcards\n"


def tables_with(seconds: float, megabytes: float) -> ScaleTables:
    """A run of rules that each took so long and held so much."""
    runs = [{"run": run, "seconds": "480", "machine": "a processor; 2 threads"} for run in ("tables", "report")]
    rules = ("read_raw interactions", "read_raw items", "preprocess", "train_rqkmeans rqkmeans_4x256", "train_vqvae")
    rules += ("encode rqkmeans_4x256", "export rqkmeans_4x256", "build_inverted rqkmeans_4x256")
    rules += ("score rqkmeans_4x256", "evaluate rqkmeans_4x256", "evaluate_controls")
    where = [
        ("generate", "generate_sample"),
        *(("tables", rule) for rule in rules),
        ("report", "repair rqkmeans_4x256"),
    ]
    figures = {"jobs": "1", "seconds": str(seconds), "longest": str(seconds), "resident_mb": "900", "written_mb": "1"}
    jobs = [
        {"run": run, "dataset": "scale_1m", "rule": rule, **figures, "anonymous_mb": str(megabytes)}
        for run, rule in where
    ]
    return ScaleTables(runs, jobs)


def test_the_page_says_whether_bars_are_met_and_multiplies_what_grows() -> None:
    text = page(tables_with(seconds=10, megabytes=500))
    assert "8.0 minutes (at most 9: met)" in text
    assert "500 MB, of `read_raw interactions` (at most 2,000: met)" in text
    # a job of all reviews: 10 s for five of 571.5 millions
    assert "| `preprocess` | 1 | 19 minutes |" in text
    assert "Left out of this run" in text
    assert "2,500 MB, of `read_raw interactions` (at most 2,000: **missed**)" in page(tables_with(10, 2500))


def test_the_documented_page_is_that_of_its_tables() -> None:
    tables = ScaleTables.read(ROOT / "docs" / "findings")
    assert (ROOT / "docs" / "scale.md").read_text(encoding="utf-8") == page(tables)


def test_the_memory_of_a_job_is_found_by_its_log(tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    with anonymous_memory(logs) as memory, (logs / "one.log").open("w") as log:
        job = subprocess.Popen([sys.executable, "-c", HOLDS], stdin=subprocess.PIPE, stdout=log)
        while not memory.get(logs / "one.log", 0) > 64_000_000:
            assert job.poll() is None
        job.communicate()
    assert memory.keys() == {logs / "one.log"}
    assert memory[logs / "one.log"] < 150_000_000


def test_jobs_are_added_up_by_rule_and_run(tmp_path: Path) -> None:
    folder = tmp_path / "benchmarks" / "scale_1m"
    folder.mkdir(parents=True)
    for number, seconds in enumerate((2.0, 3.0)):
        wildcards = {"dataset": "scale_1m", "tokenizer": "vqvae_4096", "shard": f"0000{number}-of-00002"}
        text = f"{HEADER}{seconds}\t300\t10\tencode\t{wildcards}\n"
        (folder / f"encode-{number}.tsv").write_text(text, encoding="utf-8")
    memory = {tmp_path / "logs/scale_1m/encode-1.log": 5_000_000}
    assert rows_of(tmp_path, "scale_1m", memory, report_began=float("inf")) == [
        {
            **{"run": "tables", "dataset": "scale_1m", "rule": "encode vqvae_4096", "jobs": 2, "seconds": 5.0},
            **{"longest": 3.0, "anonymous_mb": 5.0, "resident_mb": 300.0, "written_mb": 20.0},
        }
    ]
    assert rows_of(tmp_path, "scale_1m", memory, report_began=0.0)[0]["run"] == "report"
    assert rows_of(tmp_path, "scale_4m", memory, report_began=0.0) == []
