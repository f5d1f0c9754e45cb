"""The workflow through a real Slurm of one node: whole runs by both profiles, and what clusters do to jobs."""

import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest
import torch
import yaml
from processes import until
from snake import ROOT, TINY, Run, call_snakemake, overlay, start_snakemake

SMALL = Path(__file__).with_name("small.yaml")
SLURM, GENERIC = ROOT / "profiles" / "slurm", ROOT / "profiles" / "cluster-generic"
GUIDE = (ROOT / "docs" / "guides" / "clusters.md").read_text(encoding="utf-8")
FAILED = "Batch job submission failed"
NO_ACCOUNT = "Invalid account or account/partition combination specified"
TABLE = "results/offline_eval.csv"
RAW = "data/raw/tiny/reviews.jsonl.gz"
# jobs here take seconds, and the file system is not shared
QUICK = {
    # submitting takes five seconds and a job some seven; who asks too early waits ten seconds longer the next time
    SLURM.name: ["--slurm-init-seconds-before-status-checks", "14"],
    GENERIC.name: ["--seconds-between-status-checks", "2"],
}
# columns that differ from run to run
TIMINGS = {"query_us", "seconds"}

pytestmark = [pytest.mark.system, pytest.mark.usefixtures("slurm")]


@dataclass(frozen=True)
class Job:
    """A job in Slurm's queue."""

    id: str
    name: str
    comment: str

    def is_of(self, rule: str) -> bool:
        """Whether it runs `rule`: the slurm executor says so in the comment, the generic profile in the name."""
        return self.comment.startswith(f"rule_{rule}_") or self.name == f"semid-{rule}"


def queue(directory: Path, rule: str, state: str = "RUNNING") -> list[Job]:
    """The jobs of a rule of the run in `directory` that are in that state, the oldest first."""
    command = ["squeue", "--noheader", f"--states={state}", "--sort=i", "--format=%i|%j|%k|%Z"]
    lines = [line.split("|") for line in subprocess.check_output(command, text=True).splitlines()]
    return [job for *job_of, place in lines if Path(place) == directory and (job := Job(*job_of)).is_of(rule)]


def in_queue() -> list[str]:
    return subprocess.check_output(["squeue", "--noheader"], text=True).splitlines()


def of_job(job: Job, key: str) -> str:
    """What Slurm holds under `key` for a job that it still remembers."""
    text = subprocess.check_output(["scontrol", "show", "job", job.id], text=True)
    return re.search(rf"\b{key}=(\S*)", text)[1]


def arguments(
    profile: Path, *more: str | Path, targets: Sequence[str] = (TABLE,), config: Path | None = None
) -> list[str | Path]:
    """Options and targets of a snakemake call by a profile, or by a changed copy of it."""
    configs = [TINY, SMALL, *([config] if config else [])]
    quick = [*QUICK[profile.name], "--latency-wait", "5"]
    return ["--profile", profile, *quick, *more, "--configfile", *configs, "--", *targets]


@contextmanager
def started(directory: Path, *options: str | Path) -> Iterator[subprocess.Popen]:
    """A snakemake call at work, which does not outlive the block."""
    directory.mkdir(parents=True, exist_ok=True)
    process = start_snakemake(directory, *options)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def said(directory: Path) -> str:
    return (directory / "said.txt").read_text(encoding="utf-8")


def changed_profile(profile: Path, copy: Path, **default_resources: str) -> Path:
    """A copy of a profile with other default resources, as someone would edit it."""
    shutil.copytree(profile, copy)
    file = copy / "config.yaml"
    content = yaml.safe_load(file.read_text(encoding="utf-8"))
    content["default-resources"] |= default_resources
    overlay(file, content)
    return copy


def assert_same_outputs(directory: Path, expected: Path) -> None:
    """Byte for byte, except manifests, which say when and where, and columns that are times."""
    files = {
        path.relative_to(root): root
        for root in (directory, expected)
        for path in root.rglob("*")
        if path.is_file() and path.relative_to(root).parts[0] in ("data", "results") and path.name != "manifest.json"
    }
    for name in files:
        ours, theirs = directory / name, expected / name
        assert ours.is_file(), name
        assert theirs.is_file(), name
        if name.suffix == ".csv":
            tables = [pd.read_csv(path, dtype=str).drop(columns=TIMINGS, errors="ignore") for path in (ours, theirs)]
            pd.testing.assert_frame_equal(*tables, obj=str(name))
        else:
            assert ours.read_bytes() == theirs.read_bytes(), name


@pytest.fixture(scope="module")
def local_run(tiny_run: tuple[Path, Run], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Run]:
    """The working directory of a run without a batch system, and what it said. Tests may read it and dry-run in it.

    It begins with what the tiny run has: that takes the same jobs to make, by the same files.
    """
    directory = tmp_path_factory.mktemp("local") / "work"
    shutil.copytree(tiny_run[0], directory)
    for tokenizer in ("rqvae_2x16", "vqvae_32"):
        shutil.rmtree(directory / "results/tiny" / tokenizer)
    run = call_snakemake(directory, "--configfile", TINY, SMALL, "--", TABLE)
    assert run.ok, run.text
    return directory, run


def test_a_run_that_is_interrupted_and_then_killed_ends_as_a_local_run(local_run: tuple[Path, Run], tmp_path: Path):
    options = arguments(SLURM)
    # begun on this machine, as far as the splits
    directory = shutil.copytree(local_run[0], tmp_path / "run", ignore=shutil.ignore_patterns("results"))
    with started(directory, *options) as snakemake:
        shards = until(lambda: len(jobs := queue(directory, "embed_items")) == 2 and jobs, "two shards at once")
        snakemake.send_signal(signal.SIGINT)
        snakemake.wait(300)
    assert {of_job(job, "JobState") for job in shards} == {"CANCELLED"}
    assert not in_queue()

    with started(directory, *options) as snakemake:
        until(lambda: queue(directory, "train_rqkmeans"), "training")
        snakemake.kill()
        snakemake.wait()
    # as docs/guides/clusters.md says: the jobs of the killed run first, then the lock
    name = re.search(r"SLURM run ID: (\S+)", said(directory))[1]
    assert queue(directory, "train_rqkmeans")[0].name == name
    subprocess.run(["scancel", f"--name={name}"], check=True)
    until(lambda: not in_queue(), "the end of the jobs")
    locked = call_snakemake(directory, *options)
    assert not locked.ok
    assert "Error: Directory cannot be locked." in locked.text
    assert call_snakemake(directory, "--unlock", *options).ok
    again = call_snakemake(directory, *options)
    assert again.ok, again.text
    assert "rule embed_items" not in again.text
    assert_same_outputs(directory, local_run[0])


def test_a_run_by_any_batch_system_goes_on_after_scancel_of_a_job(local_run: tuple[Path, Run], tmp_path: Path):
    directory, options = tmp_path / "run", arguments(GENERIC, "--retries", "0")
    with started(directory, *options) as snakemake:
        shards = until(lambda: len(jobs := queue(directory, "embed_items")) == 2 and jobs, "two shards at once")
        subprocess.run(["scancel", shards[0].id], check=True)
        assert snakemake.wait(300) == 1
    assert of_job(shards[0], "JobState") == "CANCELLED"
    assert of_job(shards[1], "JobState") == "COMPLETED"
    again = call_snakemake(directory, *options)
    assert again.ok, again.text
    assert again.rules["embed_items"] == 1
    assert_same_outputs(directory, local_run[0])


@pytest.mark.parametrize("profile", [SLURM, GENERIC], ids=lambda path: path.name)
def test_a_job_killed_for_its_memory_is_submitted_again_with_more(profile: Path, tmp_path: Path):
    # less than Python and Snakemake take, then enough
    memory = ["--set-resources", "generate_sample:mem_mb=60 * 20 ** (attempt - 1)"]
    directory, submitted = tmp_path / "run", {}
    with started(directory, *arguments(profile, *memory, targets=[RAW])) as snakemake:
        while snakemake.poll() is None:
            submitted |= {job.id: job for job in queue(directory, "generate_sample", "all")}
            time.sleep(0.2)
    text = said(directory)
    assert snakemake.returncode == 0, text
    assert (directory / RAW).is_file()
    killed, finished = submitted.values()
    assert of_job(killed, "MinMemoryNode") == "60M"
    assert of_job(killed, "JobState") in ("FAILED", "OUT_OF_MEMORY", "CANCELLED")
    assert of_job(finished, "MinMemoryNode") == "1200M"
    assert of_job(finished, "JobState") == "COMPLETED"


@pytest.mark.parametrize(
    ("profile", "setting", "message"),
    [
        (SLURM, {"slurm_partition": "'nope'"}, "sbatch: error: invalid partition specified: nope"),
        (SLURM, {"slurm_extra": "'-Anope'"}, f"sbatch: error: {FAILED}: {NO_ACCOUNT}"),
        (GENERIC, {"submit_options": "'--partition=nope'"}, "sbatch: error: invalid partition specified: nope"),
        (GENERIC, {"submit_options": "'--account=nope'"}, f"sbatch: error: {FAILED}: {NO_ACCOUNT}"),
    ],
)
def test_a_wrong_partition_or_account_is_named(profile: Path, setting: dict[str, str], message: str, tmp_path: Path):
    changed = changed_profile(profile, tmp_path / profile.name, **setting)
    done = call_snakemake(tmp_path / "run", *arguments(changed, "--retries", "0", targets=[RAW]))
    assert not done.ok
    assert message in done.text
    assert message in GUIDE


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
@pytest.mark.parametrize("profile", [SLURM, GENERIC], ids=lambda path: path.name)
def test_cuda_gets_a_gpu_a_job_and_says_where_there_is_none(local_run: tuple[Path, Run], profile: Path, tmp_path: Path):
    directory = shutil.copytree(local_run[0], tmp_path / "run")
    config = overlay(tmp_path / "cuda.yaml", {"compute": {"device": "cuda", "training_threads": 1}})
    targets = [f"results/tiny/rqkmeans_2x{size}/model.safetensors" for size in (4, 8)]
    options = arguments(profile, "--retries", "0", targets=targets, config=config)
    with started(directory, *options) as snakemake:
        jobs = until(lambda: len(jobs := queue(directory, "train_rqkmeans")) == 2 and jobs, "a job a GPU")
        assert snakemake.wait(300) == 1
    assert [of_job(job, "TresPerJob") for job in jobs] == ["gres:gpu:1"] * 2
    for target in targets:
        log = directory / target.replace("results", "logs").replace("model.safetensors", "train.log")
        assert "device 'cuda' is not available here" in log.read_text()
