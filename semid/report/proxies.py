"""Which figure of a scorecard foretells recall: rank correlations, and each figure against recall."""

from collections.abc import Mapping, Sequence

from semid.analysis.generator_comparisons import CANDIDATES as OF_GENERATORS
from semid.analysis.proxies import scorecard_figures
from semid.report.equal_candidates import METRIC, at_equal_candidates, chosen_budget
from semid.report.figures import Axis, Figure, Interval, Intervals, Lines, Point, Series
from semid.report.results import DatasetResults, Row, mean

# Fewer points than these show nothing, and more figures than these nobody looks at.
LEAST_POINTS, MOST_FIGURES = 3, 8
# What is shown against recall where too few tokenizers give no correlations.
FIGURES = (
    "reconstruction_error",
    "unique_codes",
    "perplexity_level1",
    "neighbours_same_level1",
    "cosine_prefix_spearman",
)


def proxy_figures(dataset: DatasetResults, colours: Mapping[str, int]) -> list[Figure]:
    """Return the figure of correlations, and that of figures against recall; neither where there is too little."""
    known = [row for row in dataset.tables["proxies"] if row["spearman"]]
    conditions = dict.fromkeys((row["candidates"], row["budget"], row["rerank"]) for row in known)
    correlations = [
        Intervals(
            f"Recall@10 of {_named(*condition)}",
            Axis("Spearman's rank correlation with Recall@10", "signed"),
            _correlations(known, condition),
            zero=True,
        )
        for condition in conditions
    ]
    figures = []
    if correlations:
        figures.append(
            Figure(
                "proxies",
                "What foretells recall",
                "Each row is a figure of the scorecards: +1 orders the tokenizers as their recall does, −1 the other "
                "way round. Filled points have p < 0.05 by permutation, uncorrected; with few tokenizers nothing can "
                "be sure.",
                "proxies.csv",
                correlations,
            )
        )
    against = _against_recall(dataset, colours, known)
    if against:
        figures.append(
            Figure(
                "proxies-points",
                "Figures against recall",
                "A point is a tokenizer, with the mean over its seeds: the figure of its scorecard below, Recall@10 "
                "at equal candidates at the side.",
                "tokenizers.csv, offline_eval.csv",
                against,
            )
        )
    return figures


def _named(candidates: str, budget: str, rerank: str) -> str:
    if ":" in candidates:
        return f"{candidates.replace(':', ', ')}, seen items {rerank}"
    return f"{candidates} {budget}" if budget != "0" else candidates


def _correlations(rows: Sequence[Row], condition: tuple[str, str, str]) -> list[Interval]:
    chosen = [row for row in rows if (row["candidates"], row["budget"], row["rerank"]) == condition]
    return [
        Interval(
            row["figure"],
            float(row["spearman"]),
            note=f"p = {float(row['p']):.2g}, {row['tokenizers']} tokenizers",
            sure=float(row["p"]) < 0.05,
        )
        for row in sorted(chosen, key=lambda row: -abs(float(row["spearman"])))
    ]


def _against_recall(dataset: DatasetResults, colours: Mapping[str, int], known: Sequence[Row]) -> list[Lines]:
    compared = at_equal_candidates(dataset)
    if len(compared) < LEAST_POINTS:
        return []
    cards = {row["tokenizer"]: scorecard_figures(row) for row in dataset.tables["tokenizers"]}
    ranked = [row for row in known if row["candidates"] != OF_GENERATORS]
    names = [row["figure"] for row in sorted(ranked, key=lambda row: -abs(float(row["spearman"])))] or list(FIGURES)
    variants = []
    for figure in list(dict.fromkeys(names))[:MOST_FIGURES]:
        series = []
        for one in compared:
            values = [cards[row["tokenizer"]][figure] for row in one.rows if figure in cards[row["tokenizer"]]]
            if values:
                series.append(Series(one.name, [Point(mean(values), one.mean(METRIC))], colours[one.name], line=False))
        if len(series) >= LEAST_POINTS:
            y = Axis(f"Recall@10 with {chosen_budget(dataset):,} candidates", "share")
            variants.append(Lines(figure, Axis(figure), y, series))
    return variants
