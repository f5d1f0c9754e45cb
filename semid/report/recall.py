"""Recall against candidates and against time: a line a tokenizer, beside what needs no semantic IDs."""

from collections.abc import Iterator, Mapping, Sequence

from semid.report.equal_candidates import METRIC, RERANK, STRATEGY, controls
from semid.report.figures import Axis, Figure, Lines, Point, Rule, Series, point_of_seeds
from semid.report.results import DatasetResults, Row, mean

PEERS = "peers"
CANDIDATES = Axis("candidates a query, on average", "count", "log")
MICROSECONDS = Axis("microseconds a query", "count", "log")
RECALL, NDCG = Axis("Recall@10", "share"), Axis("NDCG@10", "share")
# What is drawn as a horizontal line, and what it is called.
REFERENCES = {"all": "whole catalogue", "popularity": "popularity", "cooccurrence": "co-occurrence"}
# What a row under `rerank` is scored by: the embeddings, or what codes decode to.
DECODED = "decoded"


def recall_figure(dataset: DatasetResults, colours: Mapping[str, int]) -> Figure | None:
    """Return the figure of recall against candidates; None for a dataset without evaluation."""
    if not any(row["candidates"] == STRATEGY for row in dataset.tables["offline_eval"]):
        return None
    whole, ndcg = _rules(dataset, METRIC), _rules(dataset, "ndcg@10")
    variants = [
        Lines("Recall@10", CANDIDATES, RECALL, [*_lines(dataset, colours), *_peers(dataset)], whole),
        Lines("NDCG@10", CANDIDATES, NDCG, list(_lines(dataset, colours, metric="ndcg@10")), ndcg),
        Lines("Recall@10 by codes alone", CANDIDATES, RECALL, list(_lines(dataset, colours, rerank=DECODED)), whole),
        Lines("Recall@10, all strategies", CANDIDATES, RECALL, list(_all_strategies(dataset, colours)), whole),
        Lines("Recall@10 against time", MICROSECONDS, RECALL, list(_all_strategies(dataset, colours, "query_us"))),
    ]
    return Figure(
        "recall",
        "Recall against candidates",
        "Only points above each other compare tokenizers: they gave equally many candidates. A bar is the 95 % "
        "interval over users, a band the least and the most of several seeds. Hollow points are strategies that "
        "cannot choose how many candidates they give. Grey lines need no semantic IDs. A ringed point is on the "
        "front: nothing else finds as much for less. “By codes alone” ranks candidates by what their codes decode to.",
        "offline_eval.csv, pareto.csv",
        [variant for variant in variants if variant.series],
    )


def _all_strategies(
    dataset: DatasetResults, colours: Mapping[str, int], cost: str = "avg_cand_size"
) -> Iterator[Series]:
    """Yield the lines over budgets, those of peers, and the points of strategies that have no budget."""
    yield from _lines(dataset, colours, cost=cost)
    yield from _lines(dataset, colours, cost=cost, with_budget=False)
    yield from _peers(dataset, cost)


def _lines(
    dataset: DatasetResults,
    colours: Mapping[str, int],
    metric: str = METRIC,
    rerank: str = RERANK,
    cost: str = "avg_cand_size",
    with_budget: bool = True,
) -> Iterator[Series]:
    """Yield a line over the budgets of each tokenizer, or the points of its strategies that have no budget."""
    front = _front(dataset, cost) if metric == METRIC else set()
    for name, seeds in dataset.seeds.items():
        rows = [
            row
            for row in dataset.rows("offline_eval", rerank=rerank)
            if row["tokenizer"] in seeds
            and not row["candidates"].startswith("random:")
            and (row["candidates"] == STRATEGY) == with_budget
        ]
        if rows:
            yield Series(name, list(_points(rows, metric, cost, front)), colours[name], line=with_budget)


def _peers(dataset: DatasetResults, cost: str = "avg_cand_size") -> Iterator[Series]:
    """Yield the lines of indexes that need no semantic IDs."""
    peers, front = dataset.rows("pareto", tokenizer=PEERS), _front(dataset, cost)
    for index in dict.fromkeys(row["candidates"] for row in peers):
        of_index = [row for row in peers if row["candidates"] == index]
        yield Series(f"{index} (no IDs)", list(_points(of_index, METRIC, cost, front)))


def _points(rows: Sequence[Row], metric: str, cost: str, front: set[tuple[str, ...]]) -> Iterator[Point]:
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row["candidates"], row["budget"]), []).append(row)
    for (candidates, budget), seeds in groups.items():
        x = mean([float(row[cost]) for row in seeds])
        if x > 0:
            note = candidates if budget == "0" else f"{candidates} {budget}"
            is_front = any(_key(row) in front for row in seeds)
            yield point_of_seeds(x, seeds, metric, note=note, mark="front" if is_front else None)


def _key(row: Row) -> tuple[str, ...]:
    return tuple(row[name] for name in ("tokenizer", "candidates", "budget", "rerank"))


def _front(dataset: DatasetResults, cost: str) -> set[tuple[str, ...]]:
    """Return the keys of the rows that are Pareto-optimal in Recall@10 and a cost."""
    column = "on_time_front" if cost == "query_us" else "on_candidates_front"
    return {_key(row) for row in dataset.tables["pareto"] if row[column] == "1"}


def _rules(dataset: DatasetResults, metric: str) -> list[Rule]:
    known = controls(dataset)
    return [
        Rule(
            text, float(known[name][metric]), float(known[name][f"{metric}_low"]), float(known[name][f"{metric}_high"])
        )
        for name, text in REFERENCES.items()
        if name in known
    ]
