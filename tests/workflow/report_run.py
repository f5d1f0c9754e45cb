"""A run as its files say it, without running it: small tables whose numbers are known, codes, vectors and counts."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from semid.analysis.comparisons import COMPARISON_COLUMNS
from semid.analysis.generative_table import GENERATIVE_COLUMNS, GENERATIVE_SLICE_COLUMNS
from semid.analysis.pareto import PARETO_COLUMNS, pareto_rows
from semid.analysis.proxies import PROXY_COLUMNS
from semid.analysis.slices import SLICE_COLUMNS
from semid.embeddings.store import new_part, write_manifest
from semid.evaluation.metrics import HEADLINE
from semid.evaluation.table import ENDS, FIRST_METRICS, TABLE_COLUMNS, read_table, write_table
from semid.naming import TokenizerName
from semid.quantizers import RQKMeans
from semid.scorecard import ScoredTokenizer, collect_scorecards, reconstruction_error, scorecard
from semid.semantic_ids.table import write_semantic_ids

DIM = 8
CATEGORIES = (["Home", "Pans"], ["Home", "Lids"], ["Garden"], [], None)
# Recall@10 of each tokenizer with 100 candidates; with 10 it is half of that.
RECALLS = {"rqkmeans_2x8": 0.06, "rqkmeans_2x8-s1": 0.05, "rqvae_2x8": 0.04, "rqkmeans_2x4": 0.03}
CONTROLS = {"all": 0.09, "popularity": 0.01, "cooccurrence": 0.02}
GENERATED = {"generate": 0.03, "dense": 0.05, "hybrid": 0.045}
SIZES = {"head": 30, "middle": 40, "tail": 25, "cold": 5}


def write_run(
    folder: Path, datasets: Sequence[str] = ("shop",), titles: Sequence[str] | None = None, items: int = 60
) -> Path:
    """Write the files of a run, and return the folder of its results; titles: of the first items, and their ids."""
    cards: list[Path] = []
    tables: dict[str, list[dict[str, Any]]] = {name: [] for name in COLUMNS}
    for dataset in datasets:
        named = [*(titles or []), *(f"Pan number {number}" for number in range(len(titles or []), items))]
        _write_data(folder / "data" / dataset, named)
        _write_codes(folder / "results" / dataset, folder / "data" / dataset, items, cards)
        _write_beside(folder, dataset)
        for name, rows in _tables(dataset).items():
            tables[name] += rows
    results = folder / "results"
    collect_scorecards(cards, results / "tokenizers.csv")
    for name, rows in tables.items():
        write_table(rows, results / f"{name}.csv", COLUMNS[name])
    write_table(
        pareto_rows([row for row in read_table(results / "offline_eval.csv") if row["tokenizer"] != "controls"]),
        results / "pareto.csv",
        PARETO_COLUMNS,
    )
    manifest = {"code": {"version": "1.2.3", "git": {"commit": "a" * 40, "modified": False}}, "written": "2026-11-26"}
    (results / "manifest.json").write_text(json.dumps(manifest))
    return results


COLUMNS: dict[str, Sequence[str]] = {
    "offline_eval": TABLE_COLUMNS,
    "slices": SLICE_COLUMNS,
    "comparisons": COMPARISON_COLUMNS,
    "proxies": PROXY_COLUMNS,
    "generative_eval": GENERATIVE_COLUMNS,
}


def _write_data(data: Path, titles: Sequence[str]) -> None:
    data.mkdir(parents=True)
    n = len(titles)
    columns = {
        "item_id": pa.array([f"{title}#{number}" for number, title in enumerate(titles)]),
        "title": pa.array([None if number == 7 else title for number, title in enumerate(titles)]),
        "categories": pa.array([CATEGORIES[number % 5] for number in range(n)], pa.list_(pa.string())),
        "in_train": pa.array([True] * n),
        "in_core": pa.array([True] * n),
    }
    pq.write_table(pa.table(columns), data / "items.parquet")
    steps = [
        {"step": "read", "rows": 700, "users": 120, "items": n},
        {"step": "k_core", "rows": 500, "users": 100, "items": n},
    ]
    stats = {
        "settings": {"k_core": 5, "ties": "source"},
        "steps": steps,
        "dropped": {"interactions": {"k_core": 200}, "items": {}},
        "ties": {"users_with_two_interactions": 100, "last_two_tied": 25, "share": 0.25},
        "splits": {"train": {"rows": 300, "users": 100, "items": n}, "test": {"rows": 100, "users": 100, "items": 40}},
        "items": {"rows": n, "in_train": n, "in_core": n - 3, "outside_core": 3},
    }
    (data / "stats.json").write_text(json.dumps(stats))


def _write_codes(results: Path, data: Path, items: int, cards: list[Path]) -> None:
    vectors = np.random.default_rng(0).normal(size=(items, DIM)).astype(np.float16)
    part = results / "embeddings" / "part-00000-of-00001.npy"
    with new_part(part, items, DIM, "float16") as array:
        array[:] = vectors
    write_manifest(results / "embeddings" / "manifest.json", [part], {"model": "none"}, items)
    ids = pq.read_table(data / "items.parquet").column("item_id").combine_chunks()
    for name in RECALLS:
        parsed = TokenizerName.parse(name)
        tokenizer = RQKMeans(num_levels=2, codebook_size=parsed.codebook_size, seed=parsed.seed).fit(vectors)
        codes = tokenizer.encode(vectors)
        tokenizer.save_pretrained(results / name)
        write_semantic_ids(results / name / "items.parquet", ids, codes)
        fit = {"epoch_kept": 0, "rollbacks": 1} if parsed.method == "rqvae" else {}
        scored = ScoredTokenizer(results.name, parsed, items, fit)
        card = scorecard(scored, codes, np.arange(items), reconstruction_error(vectors, tokenizer.decode, codes))
        cards.append(results / name / "scorecard.json")
        card.write(cards[-1])


def _write_beside(folder: Path, dataset: str) -> None:
    """Write histories of training, slices of generators, and what jobs took."""
    history = (
        "epoch,loss,held_out_error,unique_codes,rolled_back,kept\n0,,0.5,50,0,1\n1,0.4,0.45,40,1,0\n2,0.3,0.6,45,0,0\n"
    )
    (folder / "results" / dataset / "rqvae_2x8" / "training.csv").write_text(history)
    for generator in ("rqkmeans_2x8/generator-tiny", "sasrec"):
        place = folder / "results" / dataset / generator
        place.mkdir(parents=True)
        rows = [
            {"seen": "removed", "ranking": ranking, "slice": name, "queries": size, **_metrics(0.001 * size, HEADLINE)}
            for ranking in GENERATED
            for name, size in SIZES.items()
        ]
        write_table(rows, place / "slices.csv", GENERATIVE_SLICE_COLUMNS)
    of_dataset = {"read_items-00000": 1, "preprocess": 2}
    of_tokenizer = {"rqkmeans_2x8/train": 5, "rqkmeans_2x8/encode-00000-of-00001": 2}
    for job, seconds in (of_dataset | of_tokenizer).items():
        path = folder / "benchmarks" / dataset / f"{job}.tsv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"s\th:m:s\tmax_rss\n{seconds}\t0:00:0{seconds}\t120.5\n")


DRIFT = (
    "figure,level,old,new,chance,limit,beyond,verdict\n"
    "items,,50,10,,,,\n"
    "error,,0.4,0.6,0.5,0.48,True,\n"
    "divergence,1,,0.05,0.2,0.1,False,\n"
    "verdict,,,,,,,{verdict}\n"
)
VERDICT = "train another tokenizer: decoding loses more of new items (0.6 a vector, 0.4 of old ones)"
CHURN = "level,items,before,after\n1,50,0.900000,0.100000\n2,50,0.950000,0.200000\nall,50,0.980000,0.250000\n"


def write_earlier(results: Path, dataset: str = "shop") -> None:
    """Write what a run says of a tokenizer that it loads, and of one that is aligned to an earlier one."""
    (results / dataset / "rqvae_2x8" / "drift.csv").write_text(DRIFT.format(verdict=f'"{VERDICT}"'))
    (results / dataset / "rqkmeans_2x4" / "churn.csv").write_text(CHURN)


def _metrics(recall: float, metrics: Sequence[str] = FIRST_METRICS) -> dict[str, float]:
    values = {metric: recall * (1 if metric.startswith("recall") else 0.5) for metric in metrics}
    ends = {
        f"{name}_{end}": value * factor
        for name, value in values.items()
        for end, factor in zip(ENDS, (0.9, 1.2), strict=True)
    }
    return values | ends


def _tables(dataset: str) -> dict[str, list[dict[str, Any]]]:
    return {
        "offline_eval": list(_evaluations(dataset)),
        "slices": _slices(dataset),
        "comparisons": _comparisons(dataset),
        "proxies": [
            {"dataset": dataset, "figure": figure, "candidates": "probe", "budget": 100, "rerank": "exact"}
            | {"tokenizers": 4, "spearman": spearman, "p": p}
            for figure, spearman, p in (("unique_codes", 0.8, 0.04), ("reconstruction_error", -0.4, 0.6))
        ],
        "generative_eval": _generated(dataset),
    }


ASKED: Mapping[str, Any] = {
    "users": 95,
    "queries": 100,
    "split": "test",
    "no_history_skipped": 2,
    "unknown_target_skipped": 1,
    "seen_skipped": 0,
    "cold_start_skipped": 3,
    "query_us": 12.5,
}


def _evaluations(dataset: str) -> list[dict[str, Any]]:
    rows = []
    for name, recall in CONTROLS.items():
        of = {"dataset": dataset, "tokenizer": "controls", "candidates": name, "budget": 0, "rerank": "faiss"}
        rows.append({**of, **ASKED, "avg_cand_size": 60.0, "cand_recall": 1.0, **_metrics(recall)})
    for name, recall in RECALLS.items():
        for candidates, budget, rerank, share in (
            ("probe", 10, "exact", 0.5),
            ("probe", 100, "exact", 1),
            ("probe", 100, "decoded", 0.7),
            ("exact", 0, "exact", 0.2),
            ("random:probe", 100, "exact", 0.1),
        ):
            of = {"dataset": dataset, "tokenizer": name, "candidates": candidates, "budget": budget, "rerank": rerank}
            size = {"avg_cand_size": float(budget or 3.5), "cand_recall": 0.5, "item_coverage@10": 0.7}
            rows.append({**of, **ASKED, **size, **_metrics(recall * share)})
    return rows


def _slices(dataset: str) -> list[dict[str, Any]]:
    subjects = [(name, "probe", 100, "exact") for name in RECALLS] + [
        ("controls", name, 0, "faiss") for name in CONTROLS
    ]
    return [
        {"dataset": dataset, "tokenizer": name, "candidates": candidates, "budget": budget, "rerank": rerank}
        | {"slice": part, "users": size, "queries": size, **_metrics(0.001 * size, HEADLINE)}
        for name, candidates, budget, rerank in subjects
        for part, size in SIZES.items()
    ]


def _comparisons(dataset: str) -> list[dict[str, Any]]:
    means = {"rqkmeans_2x8": 0.055, "rqvae_2x8": 0.04, "rqkmeans_2x4": 0.03}
    p_values = {
        ("rqkmeans_2x8", "rqvae_2x8"): 0.2,
        ("rqkmeans_2x8", "rqkmeans_2x4"): 0.003,
        ("rqvae_2x8", "rqkmeans_2x4"): 1.0,
    }
    return [
        {"dataset": dataset, "candidates": "probe", "budget": 100, "rerank": "exact", "metric": metric}
        | {
            "tokenizer_a": a,
            "tokenizer_b": b,
            "seeds_a": 1,
            "seeds_b": 1,
            "users": 95,
            "mean_a": means[a],
            "mean_b": means[b],
        }
        | {"difference": means[a] - means[b], "low": means[a] - means[b] - 0.01, "high": means[a] - means[b] + 0.01}
        | {"p": p / 3, "p_holm": p}
        for metric in ("recall@10", "ndcg@10")
        for (a, b), p in p_values.items()
    ]


def _generated(dataset: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = [
        {
            "dataset": dataset,
            "tokenizer": "controls",
            "ranking": "popularity",
            "seen": "removed",
            **ASKED,
            **_metrics(0.01),
        }
    ]
    for tokenizer, generator in (("rqkmeans_2x8", "generator-tiny"), ("", "sasrec")):
        for seen, factor in (("removed", 1.0), ("kept", 0.9)):
            for ranking, recall in GENERATED.items():
                if tokenizer or ranking == "dense":
                    of = {"dataset": dataset, "tokenizer": tokenizer, "generator": generator, "seen": seen, "seed": 0}
                    rows.append({**of, "ranking": ranking, **ASKED, **_metrics(recall * factor), "train_seconds": 90.0})
    return rows
