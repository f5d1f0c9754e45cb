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
    variants = [
        Lines("Recall@10", CANDIDATES, RECALL, list(_lines(dataset, colours)), _rules(dataset, METRIC)),
        Lines(
            "NDCG@10",
            CANDIDATES,
            NDCG,
            list(_lines(dataset, colours, metric="ndcg@10", with_peers=False)),
            _rules(dataset, "ndcg@10"),
        ),
    ]
    decoded = list(_lines(dataset, colours, rerank=DECODED, with_peers=False))
    if decoded:
        variants.append(Lines("Recall@10 by codes alone", CANDIDATES, RECALL, decoded, _rules(dataset, METRIC)))
    variants.append(
        Lines("Recall@10 against time", MICROSECONDS, RECALL, list(_lines(dataset, colours, cost="query_us")))
    )
    return Figure(
        "recall",
        "Recall against candidates",
        "Only points above each other compare tokenizers: they gave equally many candidates. A bar is the 95 % "
        "interval over users, a band the least and the most of several seeds. Hollow points are strategies that "
        "cannot choose how many candidates they give. Grey lines need no semantic IDs. A ringed point is on the "
        "front: nothing else finds as much for less. “By codes alone” ranks candidates by what their codes decode to.",
        "offline_eval.csv, pareto.csv",
        variants,
    )


def _lines(
    dataset: DatasetResults,
    colours: Mapping[str, int],
    metric: str = METRIC,
    rerank: str = RERANK,
    cost: str = "avg_cand_size",
    with_peers: bool = True,
) -> Iterator[Series]:
    """Yield the lines of tokenizers over budgets, the points of their other strategies, and the lines of peers."""
    front = _front(dataset, "on_time_front" if cost == "query_us" else "on_candidates_front", metric)
    for name, seeds in dataset.seeds.items():
        rows = [
            row
            for row in dataset.rows("offline_eval", rerank=rerank)
            if row["tokenizer"] in seeds and not row["candidates"].startswith("random:")
        ]
        points = {
            is_probe: list(
                _points([row for row in rows if (row["candidates"] == STRATEGY) == is_probe], metric, cost, front)
            )
            for is_probe in (True, False)
        }
        if points[True]:
            yield Series(name, points[True], colours[name])
        if points[False]:
            yield Series(name, points[False], colours[name], line=False)
    if with_peers:
        peers = dataset.rows("pareto", tokenizer=PEERS)
        for index in dict.fromkeys(row["candidates"] for row in peers):
            of_index = [row for row in peers if row["candidates"] == index]
            yield Series(f"{index} (no IDs)", list(_points(of_index, metric, cost, front)))


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


def _front(dataset: DatasetResults, column: str, metric: str) -> set[tuple[str, ...]]:
    """Return the keys of the rows that are Pareto-optimal, which `pareto.csv` says of Recall@10 alone."""
    return {_key(row) for row in dataset.tables["pareto"] if row[column] == "1"} if metric == METRIC else set()


def _rules(dataset: DatasetResults, metric: str) -> list[Rule]:
    known = controls(dataset)
    return [
        Rule(
            text, float(known[name][metric]), float(known[name][f"{metric}_low"]), float(known[name][f"{metric}_high"])
        )
        for name, text in REFERENCES.items()
        if name in known
    ]
