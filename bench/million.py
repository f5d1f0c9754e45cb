"""Anonymous memory of the jobs that read a whole catalogue: a million items of 256 values, five million interactions.

`python -m bench.million` makes random data in a temporary folder, runs each job in a process of its own, and writes
results/bench/million.csv and million.md. Random codes are the hardest case of candidate generation: nearly every prefix
occurs. Measurements are functions of the folder of the data, named by the import strings that `bench.memory` takes.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import torch

from bench import machine, memory
from bench.report import as_csv
from bench.tables import write_tables
from semid.data.preprocessing.write import ITEMS_SCHEMA, ROWS_A_BATCH, SPLIT_SCHEMA
from semid.embeddings.store import EmbeddingStore, block_rows, new_part, write_manifest
from semid.evaluation.files import BenchmarkOptions
from semid.files import write_array
from semid.interactions import SPLITS
from semid.quantizers import RQKMeans
from semid.retrieval import InvertedIndex, faiss_index
from semid.semantic_ids.codes import write_codes
from semid.semantic_ids.table import export_table

DIM = 256
COLLAPSED = "rqkmeans_4x256-collapsed"
CODES = {"rqkmeans_4x256": (4, 256), "rqkmeans_3x512": (3, 512), "rqkmeans_3x1024": (3, 1024), COLLAPSED: (4, 256)}
# a share of the items of the collapsed codes lies in one bucket
IN_ONE_BUCKET = 0.1
# rows of train a user; valid and test have one each
TRAIN_ROWS = 3
LONG_HISTORY = 2000
ZERO_VECTORS = 0.01
SHARDS = 8
AT_MOST = 2500
COLUMNS = ("job", "items", "interactions", "users", "seconds", "anonymous_mb", "imported_mb", "total_mb", "limit_mb")


class Files(SimpleNamespace):
    """Inputs of a job by their names, as Snakemake gives them."""

    def get(self, name: str) -> Any:
        return getattr(self, name, None)


def files_of(folder: str, name: str = "") -> Files:
    """What jobs read of the data in `folder`, and of the tokenizer `name`."""
    root = Path(folder)
    splits = [str(root / f"{split}.parquet") for split in SPLITS]
    return Files(
        splits=splits,
        train=splits[:1],
        manifest=str(root / "manifest.json"),
        representatives=str(root / "first_of_identical.npy"),
        catalogue=str(root / "items.parquet"),
        faiss=[str(root / "index.faiss")],
        model=str(root / name / "model.safetensors"),
        index=[str(root / name / "inverted" / "codes.npy")],
        codes=[str(root / name / "codes.npy")],
    )


def evaluate(folder: str, tokenizer: str, users: int) -> Callable[[], object]:
    """Evaluate a tokenizer with all candidate strategies, and its random codes."""
    from semid.evaluation.tokenizers import write_tokenizer_evaluation

    paths = SimpleNamespace(table=f"{folder}/{tokenizer}.csv", ranks=f"{folder}/{tokenizer}.parquet")
    options = BenchmarkOptions("million", {"max_users": users}, normalize=True)
    return lambda: write_tokenizer_evaluation(
        tokenizer, files_of(folder, tokenizer), options, paths, torch.get_num_threads()
    )


def score(folder: str, tokenizer: str) -> Callable[[], object]:
    """Score a tokenizer."""
    from semid.scorecard.score import score_tokenizer

    paths = SimpleNamespace(scorecard=f"{folder}/{tokenizer}.json", page=f"{folder}/{tokenizer}.md")
    return lambda: score_tokenizer(
        "million", tokenizer, files_of(folder, tokenizer), paths, threads=torch.get_num_threads()
    )


def controls(folder: str, users: int) -> Callable[[], object]:
    """Evaluate the controls, with FAISS."""
    from semid.evaluation.controls import write_control_evaluation

    import_faiss()
    paths = SimpleNamespace(table=f"{folder}/controls.csv", ranks=f"{folder}/controls.parquet")
    options = BenchmarkOptions("million", {"max_users": users}, normalize=True)
    return lambda: write_control_evaluation(files_of(folder), options, paths, torch.get_num_threads())


def fit_query(folder: str, users: int) -> Callable[[], object]:
    """Choose the query by so many users of the validation split, with FAISS."""
    from semid.evaluation import query_choice

    import_faiss()
    query_choice.MAX_USERS = users
    options = BenchmarkOptions("million", {"seed": 0}, normalize=True)
    return lambda: query_choice.write_query_choice(
        files_of(folder), options, f"{folder}/query.json", torch.get_num_threads()
    )


def report(folder: str) -> Callable[[], object]:
    """Make the trees of all tokenizers, and the map of the items, that the page of a run has."""
    from semid.report.explorer import MOST_ITEMS, MOST_TREES, explore
    from semid.report.results import TABLES, DatasetResults

    data = Path(folder).absolute()
    root = data / "report"
    links = {root / "data" / "million" / "items.parquet": data / "items.parquet"}
    parts = [*data.glob("part-*.npy"), data / "manifest.json"]
    links |= {root / "results" / "million" / "embeddings" / part.name: part for part in parts}
    for name in CODES:
        place = root / "results" / "million" / name
        links |= {place / file: data / name / file for file in ("model.safetensors", "config.json")}
        export_table(data / "items.parquet", [data / name / "codes.npy"], place / "items.parquet", flat=False)
    for link, target in links.items():
        link.parent.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(target)
    tables: dict[str, list[dict[str, str]]] = {name: [] for name in TABLES}
    tables["tokenizers"] = [{"tokenizer": name} for name in CODES]
    dataset = DatasetResults("million", root / "results", tables)
    return lambda: explore(dataset, MOST_ITEMS, MOST_TREES)


def import_faiss() -> None:
    """Count FAISS among what is imported."""
    import faiss  # noqa: F401


def interactions(folder: str) -> Callable[[], object]:
    """Read all interactions, and make the queries of all users."""
    from semid.evaluation import build_queries, read_interactions

    return lambda: build_queries(read_interactions(folder))


def sign_flips(users: int, permutations: int) -> Callable[[], object]:
    """Compare four tokenizers by two metrics of random users, of whom a tenth has a hit."""
    from semid.analysis.paired_tests import paired_differences

    values = (np.random.default_rng(0).random((users, 4, 2)) < 0.1).astype(np.float64)
    return lambda: paired_differences(values, permutations=permutations)


def make_data(folder: Path, items: int, threads: int) -> None:
    """Write embeddings, a `Flat` index, the item table, the split tables, and the tokenizers of CODES."""
    random = np.random.default_rng(0)
    _write_embeddings(folder, items, random)
    store = EmbeddingStore.open(folder / "manifest.json")
    write_array(folder / "first_of_identical.npy", _first_of_identical(items))
    faiss_index.train_index(store, folder / "trained.index", normalize=True, threads=threads)
    faiss_index.fill_index(folder / "trained.index", store, 0, items, folder / "index.faiss", True, threads)
    _write_items(folder / "items.parquet", items, random)
    _write_splits(folder, items, random)
    for name, (levels, k) in CODES.items():
        codes = random.integers(0, k, (items, levels))
        if name == COLLAPSED:
            codes[random.random(items) < IN_ONE_BUCKET] = 0
        write_codes(folder / name / "codes.npy", codes, k)
        InvertedIndex.build(codes.astype(np.uint16)).save(folder / name / "inverted")
        tokenizer = RQKMeans(num_levels=levels, codebook_size=k)
        tokenizer.mean_, tokenizer.directions_ = torch.zeros(DIM), torch.zeros(0, DIM)
        tokenizer.codebooks_ = torch.from_numpy(random.standard_normal((levels, k, DIM), np.float32) / DIM**0.5)
        tokenizer.cluster_sizes_ = torch.ones(levels, k, dtype=torch.int64)
        tokenizer.save_pretrained(folder / name)


def _first_of_identical(items: int) -> np.ndarray:
    first = np.arange(items, dtype=np.int32)
    first[: _zero_vectors(items)] = 0
    return first


def _zero_vectors(items: int) -> int:
    return max(1, round(ZERO_VECTORS * items))


def _write_embeddings(folder: Path, items: int, random: np.random.Generator) -> None:
    parts = []
    for shard, rows in enumerate(np.array_split(np.arange(items), SHARDS)):
        parts.append(folder / f"part-{shard:05d}-of-{SHARDS:05d}.npy")
        with new_part(parts[-1], len(rows), DIM, "float16") as part:
            for start in range(0, len(rows), block_rows(DIM)):
                block = part[start : start + block_rows(DIM)]
                block[:] = random.standard_normal(block.shape, np.float32) / DIM**0.5
            part[rows < _zero_vectors(items)] = 0
    write_manifest(folder / "manifest.json", parts, {"model": "random"}, items)


def _write_items(path: Path, items: int, random: np.random.Generator) -> None:
    with pq.ParquetWriter(path, ITEMS_SCHEMA) as writer:
        for start in range(0, items, ROWS_A_BATCH):
            index = np.arange(start, min(start + ROWS_A_BATCH, items))
            names = _names("B", index)
            steps = [_names(letter, random.integers(0, size, len(index))) for letter, size in (("a", 20), ("b", 300))]
            offsets = pa.array(np.arange(0, 2 * len(index) + 1, 2, dtype=np.int32))
            paths = pa.ListArray.from_arrays(offsets, pa.concat_arrays(steps).take(_interleaved(len(index))))
            empty, is_used = pa.array([""] * len(index)), pa.array(np.ones(len(index), bool))
            columns = [pa.array(index, pa.int32()), names, names, empty, paths, empty, is_used, is_used]
            writer.write_table(pa.table(columns, schema=ITEMS_SCHEMA))


def _interleaved(n: int) -> pa.Array:
    return pa.array(np.arange(2 * n).reshape(2, n).T.ravel())


def _write_splits(folder: Path, items: int, random: np.random.Generator) -> None:
    """As many users as items: five interactions each, and one user with a long history."""
    users = np.arange(items)
    train = np.concatenate([np.repeat(users, TRAIN_ROWS), np.full(min(LONG_HISTORY, items), users[-1])])
    for split, user in zip(SPLITS, (train, users, users), strict=True):
        with pq.ParquetWriter(folder / f"{split}.parquet", SPLIT_SCHEMA) as writer:
            for start in range(0, len(user), ROWS_A_BATCH):
                of_batch = user[start : start + ROWS_A_BATCH]
                item = random.integers(0, items, len(of_batch))
                time = pa.array(np.arange(start, start + len(of_batch)) + len(train) * SPLITS.index(split))
                rating = pa.array(np.full(len(of_batch), 5, np.float32))
                columns = [_names("A", of_batch), _names("B", item), pa.array(item, pa.int32()), time, rating]
                writer.write_table(pa.table(columns, schema=SPLIT_SCHEMA))


def _names(letter: str, numbers: np.ndarray) -> pa.Array:
    """A letter and thirteen digits, as long as ids of Amazon."""
    return pc.binary_join_element_wise(letter, pc.utf8_lpad(pa.array(numbers).cast(pa.string()), 13, "0"), "")


def measured(folder: Path, items: int, users: int, threads: int, jobs: list[str]) -> list[dict[str, Any]]:
    """A row a job whose name begins with one of `jobs`."""
    data = {"folder": str(folder)}
    measurements: list[tuple[str, str, dict[str, Any]]] = [
        ("interactions", "interactions", data),
        *(("evaluate " + name, "evaluate", {**data, "tokenizer": name, "users": users}) for name in CODES),
        *(("score " + name, "score", {**data, "tokenizer": name}) for name in CODES),
        ("controls", "controls", {**data, "users": users}),
        ("fit_query", "fit_query", {**data, "users": users}),
        ("report", "report", data),
        ("sign flips", "sign_flips", {"users": 20 * users, "permutations": 100_000}),
    ]
    rows = []
    for job, function, arguments in measurements:
        if not any(job.startswith(name) for name in jobs):
            continue
        row = memory.measure("job", threads, run=f"bench.million:{function}", **arguments)
        size = {"job": job, "items": items, "interactions": items * (TRAIN_ROWS + 2), "users": users}
        rows.append({**size, **row, "total_mb": row["anonymous_mb"] + row["imported_mb"], "limit_mb": AT_MOST})
        print({name: round(value) for name, value in row.items()} | {"job": job}, file=sys.stderr, flush=True)
    return rows


def as_markdown(described: list[str], rows: list[dict[str, Any]]) -> str:
    """The page: the machine, and a table of the jobs."""
    lines = ["# Anonymous memory", "", *(f"- {line}" for line in described), ""]
    lines += ["| job | s | MB, of the job | MB, with what is imported | at most | holds |"]
    lines += ["| --- | ---: | ---: | ---: | ---: | --- |"]
    for row in rows:
        holds = "yes" if row["total_mb"] <= row["limit_mb"] else "no"
        figures = [f"{row[name]:,.0f}" for name in ("seconds", "anonymous_mb", "total_mb", "limit_mb")]
        lines.append("| " + " | ".join([row["job"], *figures, holds]) + " |")
    return "\n".join([*lines, ""])


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.million", description=__doc__)
    parser.add_argument("--items", type=int, default=1_000_000, help="of the catalogue; five interactions each")
    parser.add_argument("--users", type=int, default=5000, help="who are evaluated")
    parser.add_argument("--threads", type=int, default=machine.cores(), help="of every library")
    parser.add_argument("--job", action="append", default=[], help="begins the names of jobs; may be repeated")
    parser.add_argument("--folder", type=Path, help="keep the data here, and use what is there")
    parser.add_argument("--out", type=Path, default=Path("results/bench"), help="where the tables go")
    arguments = parser.parse_args()
    described = machine.describe(arguments.threads)
    with tempfile.TemporaryDirectory() as name:
        folder = arguments.folder or Path(name)
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / COLLAPSED / "config.json").is_file():
            make_data(folder, arguments.items, arguments.threads)
        rows = measured(folder, arguments.items, arguments.users, arguments.threads, arguments.job or [""])
    described.append(f"{arguments.items:,} items of {DIM} values, {arguments.users:,} users")
    write_tables(arguments.out, "million", as_csv(rows, COLUMNS), as_markdown(described, rows))


if __name__ == "__main__":
    main()
