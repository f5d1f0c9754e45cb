"""Paired comparisons as forest plots: the difference of each pair with its interval, and whether it is sure."""

from collections.abc import Iterator, Sequence

from semid.analysis.comparisons import COMPARED_METRICS
from semid.analysis.generator_comparisons import CANDIDATES as OF_GENERATORS
from semid.report.equal_candidates import RERANK, STRATEGY, chosen_budget
from semid.report.figures import Axis, Figure, Interval, Intervals
from semid.report.headline import LEVEL
from semid.report.results import DatasetResults, Row

METRIC_NAMES = {"recall@10": "Recall@10", "ndcg@10": "NDCG@10"}
# The most pairs of a forest, beyond which it has those of the best alone, and the most rows of all its variants.
MOST_PAIRS, MOST_ROWS = 1000, 8000
CAPTION = (
    "Left of a row's interval stand two names: the value is how much more the first finds than the second, on the same "
    "users. Filled points differ from 0 after Holm's correction over all pairs (p < 0.05); hollow ones may be chance. "
    "Choose a name to see it against all others."
)


def comparison_figures(dataset: DatasetResults) -> list[Figure]:
    """Return the forest plot of tokenizers, and that of generators; neither without comparisons of them."""
    figures = []
    for name, title, of_generators in (
        ("comparisons", "Which differences are real", False),
        ("generator-comparisons", "Which differences between generators are real", True),
    ):
        rows = [row for row in dataset.tables["comparisons"] if (row["candidates"] == OF_GENERATORS) == of_generators]
        variants = list(_first_rows([variant for variant in _variants(dataset, rows) if variant.rows]))
        if variants:
            figures.append(Figure(name, title, CAPTION, "comparisons.csv", variants))
    return figures


def _first_rows(variants: Sequence[Intervals]) -> Iterator[Intervals]:
    """Yield the variants up to so many rows; the first, which is that of the headline, whatever its rows."""
    rows = 0
    for number, variant in enumerate(variants):
        rows += len(variant.rows)
        if number == 0 or rows <= MOST_ROWS:
            yield variant


def _variants(dataset: DatasetResults, rows: Sequence[Row]) -> Iterator[Intervals]:
    """Yield a forest for each condition and metric, that of the headline first."""
    conditions = dict.fromkeys((row["candidates"], row["budget"], row["rerank"]) for row in rows)
    chosen = (STRATEGY, str(chosen_budget(dataset)), RERANK)
    for condition in sorted(conditions, key=lambda condition: condition != chosen):
        for metric in COMPARED_METRICS:
            of_condition = [
                row
                for row in rows
                if (row["candidates"], row["budget"], row["rerank"]) == condition and row["metric"] == metric
            ]
            label, focus = METRIC_NAMES.get(metric, metric), _focus(of_condition)
            if len(of_condition) > MOST_PAIRS:
                of_condition = [row for row in of_condition if focus in (row["tokenizer_a"], row["tokenizer_b"])]
            yield Intervals(
                f"{label}, {_named(*condition)}",
                Axis(f"difference in {label}", "signed"),
                [_interval(row) for row in of_condition],
                zero=True,
                focus=focus,
            )


def _focus(rows: Sequence[Row]) -> str | None:
    """Return what others are compared with at first: what has the largest mean of those that are compared."""
    means = {row[f"tokenizer_{end}"]: float(row[f"mean_{end}"]) for row in rows for end in ("a", "b")}
    return max(means, key=lambda name: means[name], default=None)


def _named(candidates: str, budget: str, rerank: str) -> str:
    if candidates == OF_GENERATORS:
        return f"seen items {rerank}"
    return " ".join(filter(None, [candidates, budget if budget != "0" else "", rerank if rerank != RERANK else ""]))


def _interval(row: Row) -> Interval:
    a, b, p = row["tokenizer_a"], row["tokenizer_b"], float(row["p_holm"])
    return Interval(
        f"{a} − {b}",
        float(row["difference"]),
        float(row["low"]),
        float(row["high"]),
        note=f"p = {p:.2g} after Holm; {float(row['mean_a']):.4f} and {float(row['mean_b']):.4f}",
        a=a,
        b=b,
        sure=p < LEVEL,
    )
