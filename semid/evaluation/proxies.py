"""Which figure of a scorecard foretells recall: rank correlations over the tokenizers of a run.

Needs SciPy, and is imported only where it is used.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.stats import permutation_test, rankdata  # type: ignore[import-untyped]

from semid.naming import TokenizerName
from semid.semantic_ids.scorecard import LEVEL_FIGURES, SCALAR_FIGURES

Row = dict[str, str | int | float]

PROXY_COLUMNS = ("dataset", "figure", "candidates", "budget", "rerank", "tokenizers", "spearman", "p")
# candidates, budget and rerank of the recall that is foretold
FORETOLD = (("probe", 100, "exact"), ("prefix", 0, "exact"))
LEAST_TOKENIZERS = 4
# p values are exact up to 7 tokenizers, which have 5,040 orders
PERMUTATIONS = 10_000


def scorecard_figures(card: Mapping[str, str]) -> dict[str, float]:
    """The numbers of a row of `results/tokenizers.csv` that may tell tokenizers apart, empty ones left out.

    A figure that is given level by level becomes two: that of the first level, and the mean over the levels.
    """
    figures = {name: float(card[name]) for name in SCALAR_FIGURES if card[name]}
    for name in LEVEL_FIGURES:
        levels = [float(number) for number in card[name].split("/") if number]
        if levels:
            figures[f"{name}_level1"] = levels[0]
            figures[f"{name}_mean"] = float(np.mean(levels))
    return figures


def proxy_rows(
    scorecards: Sequence[Mapping[str, str]], evaluations: Sequence[Mapping[str, str]], seed: int = 0
) -> list[Row]:
    """Rows of `results/proxies.csv`: a dataset, a figure, a strategy each.

    `scorecards` are the rows of `results/tokenizers.csv`, `evaluations` those of `results/offline_eval.csv`. Of a
    tokenizer that was trained with several seeds the means count, once. `tokenizers` are those that have both the
    figure and that recall; with fewer than 4, or where either is the same for all, there is no correlation.
    """
    rows: list[Row] = []
    for dataset in dict.fromkeys(row["dataset"] for row in evaluations):
        cards = {card["tokenizer"]: scorecard_figures(card) for card in scorecards if card["dataset"] == dataset}
        figures = _means_over_seeds(cards)
        for strategy in FORETOLD:
            recalls = _recalls(evaluations, dataset, *strategy)
            recalls = _means_over_seeds({name: recalls[name] for name in cards if name in recalls})
            for name in dict.fromkeys(name for tokenizer in figures.values() for name in tokenizer):
                known = [tokenizer for tokenizer in figures if name in figures[tokenizer] and tokenizer in recalls]
                row: Row = dict(zip(PROXY_COLUMNS, (dataset, name, *strategy, len(known)), strict=False))
                found = rank_correlation(
                    np.array([figures[tokenizer][name] for tokenizer in known]),
                    np.array([recalls[tokenizer]["recall@10"] for tokenizer in known]),
                    seed,
                )
                if found is not None:
                    row["spearman"], row["p"] = found
                rows.append(row)
    return rows


def rank_correlation(figure: np.ndarray, recall: np.ndarray, seed: int = 0) -> tuple[float, float] | None:
    """Spearman's rank correlation of two arrays [n], and its two-sided p by permutation.

    All orders are tried up to n = 7, 10,000 random ones drawn with `seed` beyond. None for n < 4 and for constants.
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
    return float(tested.statistic), float(tested.pvalue)


def _standard_ranks(values: np.ndarray) -> np.ndarray:
    ranks = rankdata(values)
    ranks -= ranks.mean()
    return ranks / np.linalg.norm(ranks)


def _means_over_seeds(tokenizers: Mapping[str, Mapping[str, float]]) -> dict[str, dict[str, float]]:
    """Figures by the name that tokenizers have but for their seed: means over those that have the figure."""
    found: dict[str, dict[str, list[float]]] = {}
    for tokenizer, figures in tokenizers.items():
        seeds = found.setdefault(TokenizerName.parse(tokenizer).with_seed(0).name, {})
        for name, value in figures.items():
            seeds.setdefault(name, []).append(value)
    return {
        tokenizer: {name: float(np.mean(values)) for name, values in seeds.items()}
        for tokenizer, seeds in found.items()
    }


def _recalls(
    evaluations: Sequence[Mapping[str, str]], dataset: str, candidates: str, budget: int, rerank: str
) -> dict[str, dict[str, float]]:
    """Recall@10 of everything that was evaluated under one strategy, controls too."""
    wanted = (dataset, candidates, rerank, budget)
    return {
        row["tokenizer"]: {"recall@10": float(row["recall@10"])}
        for row in evaluations
        if (row["dataset"], row["candidates"], row["rerank"], int(row["budget"] or 0)) == wanted
    }
