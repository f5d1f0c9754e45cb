"""How long a plan of 200 tokenizers takes, from the start of `snakemake -n` to its end: `python -m bench.planning`."""

import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
# of three methods and all of their sizes, with each seed, 200
RESIDUAL = ("2x256", "3x256", "4x256", "3x512", "4x512", "2x1024", "3x1024", "4x1024")
FLAT = ("1024", "2048", "4096", "8192")
SEEDS = range(10)


def tokenizers() -> list[str]:
    """Names without seeds."""
    return [
        *(f"{method}_{size}" for method in ("rqkmeans", "rqvae") for size in RESIDUAL),
        *(f"vqvae_{size}" for size in FLAT),
    ]


def plan(targets: list[str], seeds: Iterable[int] = SEEDS) -> tuple[float, float, str]:
    """Seconds, processor seconds and job statistics of a dry run of `targets`, of which nothing exists."""
    with tempfile.TemporaryDirectory() as directory:
        config = Path(directory, "planning.yaml")
        config.write_text(yaml.safe_dump({"run": {"tokenizers": tokenizers(), "seeds": list(seeds)}}))
        command = [sys.executable, "-m", "snakemake", "-n", "--snakefile", ROOT / "Snakefile", "--directory", directory]
        before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        done = subprocess.run(
            [*map(str, command), "--configfile", str(config), "--", *targets],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        seconds, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
        if done.returncode:
            raise SystemExit(done.stdout)
        processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return seconds, processor, done.stdout.rpartition("Job stats:")[2].partition("\n\n")[0]


def main() -> None:
    print(f"{len(tokenizers()) * len(SEEDS)} tokenizers")
    for targets in (["results/offline_eval.csv"], ["all"]):
        seconds, processor, jobs = plan(targets)
        total = jobs.split()[-1]
        print(f"{targets[0]}: {total} jobs planned in {seconds:.1f} s, {processor:.1f} s of them on a processor")


if __name__ == "__main__":
    main()
