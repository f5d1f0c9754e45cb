"""Run the matrix of config/sweep.yaml part by part: `python -m bench.sweep`, or some of its parts with `--part`.

A part is a file of config/sweep/, laid over config/sweep.yaml, and is named as its file is, with or without the number.
What is finished stays: a part that was stopped goes on, and one that is complete does nothing. `python -m
bench.findings` then gathers the results and writes docs/findings.md.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from semid.errors import InputError
from semid.naming import TokenizerName

ROOT = Path(__file__).parents[1]
MATRIX = ROOT / "config" / "sweep.yaml"
# parts whose generators have one option changed begin so; they are of this dataset
ABLATIONS, ABLATED = "ablations", "beauty"


def parts() -> dict[str, Path]:
    """Return the files of the parts by their names, in the order of their numbers."""
    files = sorted(MATRIX.with_suffix("").glob("*.yaml"), key=lambda path: int(path.stem.split("-")[0]))
    return {path.stem.split("-", 1)[1]: path for path in files}


def run_of(part: Path) -> dict[str, Any]:
    """Return what a part runs: `datasets`, `tokenizers` and, where it trains some, `generators`."""
    run: dict[str, Any] = yaml.safe_load(part.read_text(encoding="utf-8"))["run"]
    return run


def cells() -> dict[str, tuple[list[str], list[str]]]:
    """Return, by dataset, the folders of all tokenizers of the matrix and those of all generators, each once.

    Folders are named below that of the dataset, such as `rqkmeans_4x256-s1/generator-small-s1`. A repaired tokenizer
    is none of its own. Ablations are left out.
    """
    found: dict[str, tuple[list[str], list[str]]] = {}
    for name, part in parts().items():
        run = run_of(part)
        for dataset in run["datasets"] if not name.startswith(ABLATIONS) else ():
            tokenizers, generators = found.setdefault(dataset, ([], []))
            tokenizers += [name for name in run["tokenizers"] if TokenizerName.parse(name).native.name == name]
            generators += _generators(run)
    return {
        dataset: (list(dict.fromkeys(tokenizers)), list(dict.fromkeys(generators)))
        for dataset, (tokenizers, generators) in found.items()
    }


def ablations() -> list[str]:
    """Return the folders of generators with one option changed, all of `ABLATED`."""
    return [
        folder for name, part in parts().items() if name.startswith(ABLATIONS) for folder in _generators(run_of(part))
    ]


def _generators(run: Mapping[str, Any]) -> list[str]:
    folders: list[str] = []
    for generator in run.get("generators", ()):
        knows_ids = generator.startswith("generator")
        folders += [f"{name}/{generator}" for name in run["tokenizers"]] if knows_ids else [generator]
    return folders


def command(part: Path, options: Sequence[str] = ()) -> list[str]:
    """Return the call of Snakemake that makes all figures of a part in the working directory."""
    tables = ["results/tokenizers.csv", "results/offline_eval.csv"]
    if run_of(part).get("generators"):
        tables.append("results/generative_eval.csv")
    snakemake = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--directory", "."]
    return [*snakemake, *(options or ("--cores", "all")), "--configfile", str(MATRIX), str(part), "--", *tables]


def chosen(names: Sequence[str]) -> dict[str, Path]:
    """Return the named parts, or all; an InputError for a name that no part has lists those there are."""
    known = parts()
    wanted = [name.split("-", 1)[1] if name.split("-")[0].isdigit() else name for name in names]
    unknown = [name for name in wanted if name not in known]
    if unknown:
        raise InputError(f"--part {unknown[0]} is none of the parts of the sweep: {', '.join(known)}")
    return {name: path for name, path in known.items() if not wanted or name in wanted}


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m bench.sweep",
        description="Run the parts of config/sweep.yaml one after the other. What stands behind -- goes to Snakemake, "
        "in the place of --cores all.",
    )
    parser.add_argument("--part", action="append", default=[], help="run this part alone; may be given again")
    parser.add_argument("options", nargs="*", help="options of Snakemake, such as -- --cores 1 --dry-run")
    arguments = parser.parse_args()
    try:
        selected = chosen(arguments.part)
    except InputError as error:
        parser.error(str(error))
    for number, (name, path) in enumerate(selected.items(), 1):
        print(f"part {number} of {len(selected)}: {name}", flush=True)
        started = time.monotonic()
        subprocess.run(command(path, arguments.options), check=True)
        print(f"{name}: {(time.monotonic() - started) / 60:.1f} minutes", flush=True)


if __name__ == "__main__":
    main()
