"""Rank correlations of scorecard figures with recall against every permutation and SciPy."""

from itertools import permutations

import numpy as np
import pytest
from scipy.stats import spearmanr

from semid.analysis.proxies import PROXY_COLUMNS, proxy_rows, rank_correlation, scorecard_figures
from semid.scorecard import SCORECARD_COLUMNS

RECALLS = [0.10, 0.30, 0.20, 0.50, 0.40]


def card(tokenizer: str, dataset: str = "beauty", **figures: str) -> dict[str, str]:
    return {**dict.fromkeys(SCORECARD_COLUMNS, ""), "dataset": dataset, "tokenizer": tokenizer, **figures}


def evaluated(
    tokenizer: str, recall: float, candidates: str = "probe", budget: str = "100", rerank: str = "exact"
) -> dict[str, str]:
    where = {"dataset": "beauty", "tokenizer": tokenizer, "candidates": candidates, "budget": budget}
    return {**where, "rerank": rerank, "recall@10": str(recall)}


def rows_of(figures: list[str], recalls: list[float]) -> list[dict[str, object]]:
    names = [f"rqkmeans_2x{size}" for size in range(2, 2 + len(figures))]
    cards = [card(name, unique_codes=value) for name, value in zip(names, figures, strict=True)]
    return proxy_rows(cards, [evaluated(name, recall) for name, recall in zip(names, recalls, strict=True)])


@pytest.mark.parametrize("n", [4, 5, 6])
@pytest.mark.parametrize("ties", [False, True])
def test_correlation_and_p_equal_all_permutations(n: int, ties: bool) -> None:
    random = np.random.default_rng(n)
    recall = random.random(n)
    figure = random.integers(0, 3, n).astype(float) if ties else random.random(n)
    rho, p = rank_correlation(figure, recall)
    assert rho == pytest.approx(spearmanr(figure, recall).statistic)
    others = np.array([spearmanr(order, recall).statistic for order in permutations(figure)])
    tails = [(others <= rho + 1e-9).mean(), (others >= rho - 1e-9).mean()]
    assert p == pytest.approx(min(1, 2 * min(tails)))


def test_beyond_seven_tokenizers_orders_are_drawn() -> None:
    random = np.random.default_rng(0)
    figure = random.random(30)
    recall = figure + random.normal(size=30)
    rho, p = rank_correlation(figure, recall, seed=1)
    assert rank_correlation(figure, recall, seed=1) == (rho, p)
    assert rank_correlation(figure, recall, seed=2)[1] != p
    assert p == pytest.approx(spearmanr(figure, recall).pvalue, abs=0.02)
    assert rank_correlation(figure, figure)[1] == pytest.approx(2 / 10_001)


@pytest.mark.parametrize(
    ("figure", "recall"), [([1, 2, 3], [1, 2, 3]), ([2, 2, 2, 2], [1, 2, 3, 4]), ([1, 2, 3, 4], [5, 5, 5, 5]), ([], [])]
)
def test_few_tokenizers_and_constants_have_none(figure: list[float], recall: list[float]) -> None:
    assert rank_correlation(np.array(figure, float), np.array(recall, float)) is None


def test_figures_by_level_become_two() -> None:
    found = scorecard_figures(
        card("rqkmeans_2x4", bits="4", gini="0.5/0.25", cooccurrence_lift="3/", category_ami="0.1")
    )
    assert found == {
        **{"bits": 4.0, "category_ami": 0.1, "gini_level1": 0.5, "gini_mean": 0.375},
        **{"cooccurrence_lift_level1": 3.0, "cooccurrence_lift_mean": 3.0},
    }


def test_a_row_a_figure_and_strategy() -> None:
    figures = ["0.1", "0.2", "0.3", "0.4", "0.5"]
    probe, prefix = rows_of(figures, RECALLS)
    assert set(probe) == set(PROXY_COLUMNS)
    assert (probe["dataset"], probe["figure"], probe["candidates"], probe["budget"]) == (
        "beauty",
        "unique_codes",
        "probe",
        100,
    )
    assert probe["tokenizers"] == 5
    assert probe["spearman"] == pytest.approx(spearmanr(range(5), RECALLS).statistic)
    assert (prefix["candidates"], prefix["budget"], prefix["tokenizers"]) == ("prefix", 0, 0)
    assert "spearman" not in prefix
    assert "p" not in prefix


def test_a_tokenizer_without_the_figure_does_not_count() -> None:
    probe = rows_of(["0.1", "", "0.3", "0.4", "0.5"], RECALLS)[0]
    assert probe["tokenizers"] == 4
    assert probe["spearman"] == pytest.approx(spearmanr(range(4), [0.1, 0.2, 0.5, 0.4]).statistic)
    assert "spearman" not in rows_of(["0.1", "", "", "0.4", "0.5"], RECALLS)[0]


def test_seeds_of_one_tokenizer_count_once_by_their_mean() -> None:
    names = ["vqvae_4", "vqvae_4-s1", "vqvae_8", "vqvae_16", "vqvae_32"]
    cards = [card(name, bits=str(bits)) for name, bits in zip(names, (1, 9, 2, 3, 4), strict=True)]
    recalls = [evaluated(name, recall) for name, recall in zip(names, (0.0, 0.8, 0.1, 0.2, 0.3), strict=True)]
    probe = proxy_rows(cards, recalls)[0]
    assert probe["tokenizers"] == 4
    assert probe["spearman"] == pytest.approx(1)


def test_other_strategies_and_controls_do_not_count() -> None:
    names = ["vqvae_4", "vqvae_8", "vqvae_16", "vqvae_32"]
    cards = [card(name, bits=str(bits)) for bits, name in enumerate(names)]
    recalls = [evaluated(name, recall) for name, recall in zip(names, (0.1, 0.2, 0.3, 0.4), strict=True)]
    noise = [
        evaluated(name, -recall, *place)
        for recall, name in enumerate(names)
        for place in (("probe", "10"), ("probe", "100", "decoded"), ("exact", "0"))
    ]
    noise += [evaluated("controls", 0.9), evaluated("controls", 0.9, "all", "")]
    probe, prefix = proxy_rows(cards, recalls + noise)
    assert (probe["tokenizers"], probe["spearman"]) == (4, pytest.approx(1))
    assert prefix["tokenizers"] == 0
