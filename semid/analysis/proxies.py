"""`results/proxies.csv`: which figure of a scorecard foretells recall, by rank correlations over tokenizers.

Needs SciPy, and is imported only where it is used.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.stats import permutation_test, rankdata  # type: ignore[import-untyped]

from semid.analysis.generative_table import GENERATIVE_COLUMNS
from semid.evaluation.table import read_table, write_table
from semid.evaluation.target_ranks import Ranking
from semid.naming import TokenizerName
from semid.scorecard.table import LEVEL_FIGURES, SCALAR_FIGURES, SCORECARD_COLUMNS

Row = dict[str, str | int | float]

PROXY_COLUMNS = ("dataset", "figure", "candidates", "budget", "rerank", "tokenizers", "spearman", "p")
# The recall under each of these strategies is foretold.
FORETOLD = (Ranking("probe", 100, "exact"), Ranking("prefix", 0, "exact"))
LEAST_TOKENIZERS = 4
# Up to 7 tokenizers, which have 5,040 orders, all orders are tried, and p values are exact.
PERMUTATIONS = 10_000


def scorecard_figures(card: Mapping[str, str]) -> dict[str, float]:
    """Return the figures of a row of `tokenizers.csv`, whose values are text; empty ones are left out.

    A figure that is given level by level becomes two: that of the first level, and the mean over the levels.
    """
    figures = {name: float(card[name]) for name in SCALAR_FIGURES if card[name]}
    for name in LEVEL_FIGURES:
        levels = [float(number) for number in card[name].split("/") if number]
        if levels:
            figures[f"{name}_level1"] = levels[0]
            figures[f"{name}_mean"] = float(np.mean(levels))
    return figures


def foretold_of_generators(rows: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
    """Return the Recall@10 of generators, rows of `generative_eval.csv`, in the form of rows of `offline_eval.csv`.

    `candidates` names the generator and its ranking, such as `generator-small:generate`; `rerank` says whether seen
    items are removed or kept. Generators that know no IDs, and controls, foretell nothing of a tokenizer.
    """
    return [
        {
            **{name: row[name] for name in ("dataset", "tokenizer", "recall@10")},
            "candidates": f"{row['generator']}:{row['ranking']}",
            "budget": "0",
            "rerank": row["seen"],
        }
        for row in rows
        if row["tokenizer"] and row["generator"]
    ]


def proxy_rows(
    scorecards: Sequence[Mapping[str, str]],
    evaluations: Sequence[Mapping[str, str]],
    seed: int = 0,
    strategies: Sequence[Ranking] = FORETOLD,
) -> list[Row]:
    """Return the rows of `proxies.csv`: one for each dataset, strategy and figure.

    `scorecards` are the rows of `tokenizers.csv`, `evaluations` those of `offline_eval.csv`. A tokenizer that was
    trained with several seeds counts once, with its means. The column `tokenizers` counts those that have both the
    figure and the recall. With fewer than 4, or where either is the same for all, there is no correlation.
    """
    rows: list[Row] = []
    for dataset in dict.fromkeys(row["dataset"] for row in evaluations):
        cards = {card["tokenizer"]: scorecard_figures(card) for card in scorecards if card["dataset"] == dataset}
        figures = means_over_seeds(cards)
        for strategy in strategies:
            evaluated = _recalls(evaluations, dataset, strategy)
            recalls = means_over_seeds({name: evaluated[name] for name in cards if name in evaluated})
            for name in dict.fromkeys(name for tokenizer in figures.values() for name in tokenizer):
                known = [tokenizer for tokenizer in figures if name in figures[tokenizer] and tokenizer in recalls]
                correlation = rank_correlation(
                    np.array([figures[tokenizer][name] for tokenizer in known]),
                    np.array([recalls[tokenizer]["recall@10"] for tokenizer in known]),
                    seed,
                )
                row: Row = {"dataset": dataset, "figure": name, **strategy._asdict(), "tokenizers": len(known)}
                rows.append(row | (correlation._asdict() if correlation else {}))
    return rows


class RankCorrelation(NamedTuple):
    """Spearman's rank correlation, and its two-sided p by permutation."""

    spearman: float
    p: float


def rank_correlation(figure: np.ndarray, recall: np.ndarray, seed: int = 0) -> RankCorrelation | None:
    """Correlate the ranks of two arrays [n].

    All orders are tried up to n = 7, and 10,000 random ones drawn with `seed` beyond. The result is None for n < 4 and
    for constants.
    """
    if len(figure) < LEAST_TOKENIZERS or np.ptp(figure) == 0 or np.ptp(recall) == 0:
        return None
    ranks, others = (_standard_ranks(values) for values in (figure, recall))
    tested = permutation_test(
        (ranks,),
        lambda permuted, axis: (permuted * others).sum(axis=axis),
        permutation_type="pairings",
        vectorized=True,
        n_resamples=PERMUTATIONS,
        rng=np.random.default_rng(seed),
    )
    return RankCorrelation(float(tested.statistic), float(tested.pvalue))


def _standard_ranks(values: np.ndarray) -> np.ndarray:
    """Return ranks [n] of mean 0 and length 1."""
    ranks = rankdata(values)
    ranks -= ranks.mean()
    return ranks / np.linalg.norm(ranks)


def means_over_seeds(tokenizers: Mapping[str, Mapping[str, float]]) -> dict[str, dict[str, float]]:
    """Return figures by the name of a tokenizer without its seed: means over the seeds that have the figure."""
    by_name: dict[str, dict[str, list[float]]] = {}
    for tokenizer, figures in tokenizers.items():
        seeds = by_name.setdefault(TokenizerName.parse(tokenizer).with_seed(0).name, {})
        for name, value in figures.items():
            seeds.setdefault(name, []).append(value)
    return {
        tokenizer: {name: float(np.mean(values)) for name, values in seeds.items()}
        for tokenizer, seeds in by_name.items()
    }


def _recalls(evaluations: Sequence[Mapping[str, str]], dataset: str, strategy: Ranking) -> dict[str, dict[str, float]]:
    """Return the Recall@10 of everything that was evaluated under one strategy, controls included."""
    return {
        row["tokenizer"]: {"recall@10": float(row["recall@10"])}
        for row in evaluations
        if row["dataset"] == dataset and Ranking(row["candidates"], int(row["budget"] or 0), row["rerank"]) == strategy
    }


def write_proxies(
    scorecards: str | Path, evaluations: str | Path, path: str | Path, generated: Sequence[str | Path] = ()
) -> None:
    """Write the rows of :func:`proxy_rows` from `tokenizers.csv` and `offline_eval.csv` to `path`.

    The recalls of `generated`, tables of generators, are foretold, too.
    """
    cards = read_table(scorecards, SCORECARD_COLUMNS)
    rows = proxy_rows(cards, read_table(evaluations))
    for table in generated:
        foretold = foretold_of_generators(read_table(table, GENERATIVE_COLUMNS))
        strategies = dict.fromkeys(Ranking(row["candidates"], 0, row["rerank"]) for row in foretold)
        rows += proxy_rows(cards, foretold, strategies=list(strategies))
    write_table(rows, path, PROXY_COLUMNS)
