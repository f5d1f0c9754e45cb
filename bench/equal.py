"""Hold the results of one run against those of another: `python -m bench.equal BEFORE AFTER`, two working directories.

Arrays and files of bytes must be the same bytes, tables the same cells in the same rows, whatever the order of their
columns; a column that only one of the tables has is named. Left out are models (their codes tell), manifests and what
depends on the clock: `query_us`, `seconds` and what `pareto.csv` makes of them. The call ends with status 1 where
anything differs.
"""

import argparse
import csv
import json
import sys
from collections import Counter
from pathlib import Path

TIMED = {"query_us", "seconds", "on_time_front"}
# files compared byte by byte; JSON files are compared as values
BYTES = {".npy", ".parquet", ".md"}
JSON = {"scorecard.json", "query.json", "stats.json"}


def differences(before: Path, after: Path) -> list[str]:
    """What differs below the folders `data` and `results` of two working directories, a line each."""
    found: list[str] = []
    compared: Counter[str] = Counter()
    names, other_names = _names(before), _names(after)
    found += [f"{name}: missing" for name in sorted(names - other_names)]
    found += [f"{name}: not there before" for name in sorted(other_names - names)]
    for name in sorted(names & other_names):
        path, other = before / name, after / name
        compared[name.suffix] += 1
        if name.suffix == ".csv":
            found += [f"{name}: {fault}" for fault in _table_differences(path, other)]
        elif name.suffix == ".json":
            if json.loads(path.read_text()) != json.loads(other.read_text()):
                found.append(f"{name}: says something else")
        elif path.read_bytes() != other.read_bytes():
            found.append(f"{name}: other bytes")
    print(", ".join(f"{count} {suffix[1:]} files" for suffix, count in sorted(compared.items())), "compared")
    return found if compared else [f"{before} and {after} have no results in common"]


def _names(directory: Path) -> set[Path]:
    """The files of a working directory that are compared, by their path in it."""
    paths = [path for folder in ("data", "results") for path in (directory / folder).rglob("*")]
    kept = [path for path in paths if path.suffix in BYTES | {".csv"} or path.name in JSON]
    return {path.relative_to(directory) for path in kept}


def _table_differences(before: Path, after: Path) -> list[str]:
    (names, rows), (other_names, other_rows) = map(_read, (before, after))
    found = [f"column {name} is gone" for name in names if name not in other_names]
    if added := [name for name in other_names if name not in names]:
        print(f"{after.name}: new columns {', '.join(added)}")
    if len(rows) != len(other_rows):
        return [*found, f"{len(other_rows)} rows instead of {len(rows)}"]
    for number, (row, other) in enumerate(zip(rows, other_rows, strict=True), start=2):
        shared = [name for name in names if name in other_names and name not in TIMED]
        found += [
            f"line {number}: {name} is {other[name]}, was {row[name]}" for name in shared if row[name] != other[name]
        ]
    return found


def _read(path: Path) -> tuple[list[str], list[dict[str, str]]]:
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        return list(reader.fieldnames or ()), list(reader)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.equal", description=__doc__)
    parser.add_argument("before", type=Path, help="the working directory of one run")
    parser.add_argument("after", type=Path, help="the working directory of another")
    arguments = parser.parse_args()
    faults = differences(arguments.before, arguments.after)
    print("\n".join(faults) or "equal")
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
