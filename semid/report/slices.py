"""Metrics by slices of the queries: popular and rare targets, short and long histories, untied timestamps."""

from collections.abc import Iterator, Mapping, Sequence

from semid.analysis.generative_table import GENERATIVE_SLICE_COLUMNS
from semid.evaluation.table import read_table
from semid.report.equal_candidates import METRIC, RERANK, STRATEGY, chosen_budget
from semid.report.figures import Axis, Figure, Interval, Intervals, interval_of
from semid.report.generators import RANKINGS
from semid.report.recall import REFERENCES
from semid.report.results import CONTROLS, SEEN_REMOVED, DatasetResults, Row, colour_of, mean

TITLES = {
    "all": "all queries",
    "head": "popular targets (head)",
    "middle": "targets of middling popularity",
    "tail": "rare targets (tail)",
    "cold": "cold targets: none in training",
    "short_history": "short histories, at most 5 items",
    "long_history": "long histories",
    "untied": "no tied timestamps",
}


def slice_figure(dataset: DatasetResults, colours: Mapping[str, int]) -> Figure | None:
    """Return the figure of slices of tokenizers at equal candidates and of generators; None without either."""
    variants = []
    budget = str(chosen_budget(dataset))
    rows = {
        name: [
            row
            for row in dataset.rows("slices", candidates=STRATEGY, budget=budget, rerank=RERANK)
            if row["tokenizer"] in seeds
        ]
        for name, seeds in dataset.seeds.items()
    }
    if any(rows.values()):
        known = {REFERENCES[name]: dataset.rows("slices", tokenizer=CONTROLS, candidates=name) for name in REFERENCES}
        variants.append(_variant(f"tokenizers, {STRATEGY} {budget}", {**rows, **known}, colours))
    of_generators = _generator_rows(dataset)
    for ranking in RANKINGS:
        ranked = {name: [row for row in rows if row["ranking"] == ranking] for name, rows in of_generators.items()}
        if any(ranked.values()):
            variants.append(_variant(f"generators, {ranking}", ranked, colours))
    if not variants:
        return None
    return Figure(
        "slices",
        "Who is served",
        "Recall@10 of parts of the queries, with 95 % intervals over users. A third of all training interactions is "
        "with head items, a third with middle and a third with tail ones. A slice of few queries has wide intervals: "
        "read those before the order. For generators seen items are removed.",
        "slices.csv",
        variants,
    )


def _generator_rows(dataset: DatasetResults) -> dict[str, list[Row]]:
    """Return the rows of the slices of all seeds of a generator that are there, by its folder without seeds."""
    return {
        name: [
            row
            for folder in folders
            for path in [dataset.results / folder / "slices.csv"]
            if path.is_file()
            for row in read_table(path, GENERATIVE_SLICE_COLUMNS)
            if row["seen"] == SEEN_REMOVED
        ]
        for name, folders in dataset.generators.items()
    }


def _variant(label: str, rows: Mapping[str, Sequence[Row]], colours: Mapping[str, int]) -> Intervals:
    return Intervals(label, Axis("Recall@10", "share"), list(_intervals(rows, colours)))


def _intervals(subjects: Mapping[str, Sequence[Row]], colours: Mapping[str, int]) -> Iterator[Interval]:
    for name, title in TITLES.items():
        for subject_name, rows in subjects.items():
            of_slice = [row for row in rows if row["slice"] == name and row[METRIC]]
            if of_slice:
                queries = int(of_slice[0]["queries"])
                low, high = interval_of(of_slice, METRIC)
                yield Interval(
                    subject_name,
                    mean([float(row[METRIC]) for row in of_slice]),
                    low,
                    high,
                    group=f"{title} · {queries:,} {'query' if queries == 1 else 'queries'}",
                    colour=colour_of(subject_name, colours),
                )
