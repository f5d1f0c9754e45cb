"""The sweep and its findings: what the matrix holds, intervals over users and trainings, and no stale figure."""

from pathlib import Path

import numpy as np
import pytest

from bench import cells, findings, questions, sentences, sweep, two_levels
from semid.errors import InputError


def test_the_matrix_stays_within_its_bounds() -> None:
    matrix = sweep.cells()
    tokenizers = [name for names, _ in matrix.values() for name in names]
    trained = [name for _, names in matrix.values() for name in names if "/generator" in name]
    assert len(tokenizers) <= 60
    assert len(trained) <= 30
    # every generator's tokenizer is one of the matrix, repaired or not
    for names, generators in matrix.values():
        for folder in generators:
            tokenizer = folder.rpartition("/")[0].removesuffix("/repair-assign")
            assert not tokenizer or tokenizer in names
    bases = {f"{folder.split('/')[0]}/generator-small" for folder in sweep.ablations()}
    assert bases <= set(matrix[sweep.ABLATED][1])


def test_what_the_first_screen_says_was_asked() -> None:
    asked = {question for of_title in questions.QUESTIONS.values() for question in of_title}
    assert {question for of_title in questions.HEADLINES.values() for question in of_title} <= asked


def test_a_part_is_named_with_or_without_its_number() -> None:
    path = sweep.parts()["beauty-seed1"]
    assert sweep.chosen(["beauty-seed1"]) == sweep.chosen(["5-beauty-seed1"]) == {"beauty-seed1": path}
    assert list(sweep.chosen([])) == list(sweep.parts())
    with pytest.raises(InputError, match="--part beauti is none of the parts of the sweep: movielens, industrial"):
        sweep.chosen(["beauti"])
    assert sweep.command(path)[-4:] == [
        "--",
        *(f"results/{name}.csv" for name in ("tokenizers", "offline_eval", "generative_eval")),
    ]
    assert "results/generative_eval.csv" not in sweep.command(sweep.parts()["beauty"])


@pytest.mark.parametrize(
    ("folder", "subject"),
    [
        ("rqkmeans_4x256-s2", "rqkmeans_4x256"),
        ("rqkmeans_2x256/repair-assign", "rqkmeans_2x256/repair-assign"),
        ("rqvae_4x256-w96-s1/generator-small-s1", "rqvae_4x256-w96/generator-small"),
        ("rqkmeans_2x256/repair-assign/generator-small", "rqkmeans_2x256/repair-assign/generator-small"),
        ("sasrec-s1", "sasrec"),
        ("sasrec-content", "sasrec-content"),
        ("external_minionerec/generator-small", "external_minionerec/generator-small"),
        ("category", "category"),
    ],
)
def test_a_subject_is_a_folder_without_seeds(folder: str, subject: str) -> None:
    assert cells.without_seed(folder) == subject


def hits(shares: list[float], users: int = 4000, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    return np.stack([(random.random(users) < share).astype(float) for share in shares])


def test_the_variance_between_trainings_is_pooled_over_subjects_that_are_alike() -> None:
    rows = {
        "a": np.array([[1.0, 0.0], [1.0, 1.0]]),
        "b": np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]]),
        "c": np.ones((1, 2)),
        "random_4x4": np.array([[0.0, 0.0], [9.0, 9.0]]),
    }
    pooled = two_levels.Measured(rows).pooled
    # a: means .5 and 1; b: 0, .5 and 1
    assert pooled.degrees == 3
    assert pooled.variance == pytest.approx((2 * 0.25**2 + 2 * 0.5**2) / 3)
    with pytest.raises(InputError, match="no tokenizer was trained twice"):
        two_levels.Measured({"c": np.ones((1, 2))}).resampled(two_levels.spread_of([np.ones((1, 2))]), 10, 0)


def test_a_subject_that_was_trained_once_has_the_wider_interval() -> None:
    """Three trainings that differ by far more than users do: their mean is known three times as well as one of them."""
    shared = np.zeros((1, 2000))
    thrice = np.concatenate([shared + level for level in (0.1, 0.2, 0.3)])
    measured = two_levels.Measured({"once": shared + 0.2, "thrice": thrice, "again": shared + 0.2})
    drawn = measured.resampled(measured.pooled, 40_000, seed=0)
    # Student's t with 2 degrees has heavy tails: compare quartiles with those of its table, .8165 scales away
    low, high = np.quantile(drawn, [0.25, 0.75], axis=0)
    once, three, _ = (high - low) / 2
    assert once == pytest.approx(0.8165 * measured.pooled.variance**0.5, rel=0.03)
    assert once / three == pytest.approx(3**0.5, rel=0.04)
    # a difference of two follows the same t, since the deviation that is not known is one for both
    low, high = np.quantile(drawn[:, 0] - drawn[:, 2], [0.025, 0.975])
    assert (high - low) / 2 == pytest.approx(4.303 * (2 * measured.pooled.variance) ** 0.5, rel=0.06)


def test_ids_dealt_at_random_have_a_deviation_of_their_own() -> None:
    level = np.zeros((1, 2000))
    alike = np.concatenate([level + 0.1, level + 0.1001])
    measured = two_levels.Measured({"a": alike, "random_4x4": np.concatenate([level + 0.1, level + 0.3])})
    drawn = measured.resampled(measured.pooled, 4000, seed=0)
    spreads = np.subtract(*np.quantile(drawn, [0.75, 0.25], axis=0))
    assert spreads[1] > 100 * spreads[0]


def test_pairs_that_differ_are_told_from_pairs_that_do_not() -> None:
    rows = {"low": hits([0.1, 0.1]), "high": hits([0.2, 0.2], seed=1), "alike": hits([0.1, 0.1], seed=2)}
    measured = two_levels.Measured(rows)
    drawn = measured.resampled(two_levels.Spread(1e-8, 3), 2000, seed=0)
    found = {(row["first"], row["second"]): row for row in two_levels.pair_rows(measured, drawn)}
    differs = found["low", "high"]
    assert differs["p"] == 1 / 2000
    assert differs["p_holm"] == pytest.approx(3 / 2000)
    assert differs["low"] < differs["difference"] < differs["high"] < 0
    assert found["low", "alike"]["p"] > 0.05
    (alone,) = two_levels.pair_rows(measured, drawn, [("high", "low")])
    assert (alone["first"], alone["second"], alone["difference"]) == ("high", "low", -differs["difference"])
    assert alone["p_holm"] == alone["p"]


def test_correlations_leave_out_codes_that_no_embeddings_made() -> None:
    names = ["rqkmeans_2x4", "rqkmeans_3x4", "rqvae_2x4", "rqvae_3x4", "random_3x4"]
    figures = {name: {"error": float(place)} for place, name in enumerate(names)}
    values = dict(zip(names, [4.0, 3.0, 2.0, 1.0, 9.0], strict=True))
    rows = {row["which"]: row for row in cells.foretold_rows(figures, values)}
    assert rows["of embeddings"]["tokenizers"] == 4
    assert rows["of embeddings"]["spearman"] == pytest.approx(-1)
    assert rows["all"]["spearman"] == pytest.approx(0)
    # of one figure nothing is corrected
    assert all(row["p_holm"] == row["p"] for row in rows.values())


def test_a_cell_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"rqkmeans_4x256/ranks\.parquet does not exist: run the part of the sweep"):
        cells._measured(tmp_path, {"rqkmeans_4x256": ["rqkmeans_4x256"]}, cells.RETRIEVAL["retrieval"])


def test_the_page_is_that_of_the_tables() -> None:
    """A figure that was typed, or tables that were gathered again, show here: run `python -m bench.findings`."""
    assert findings.PAGE.read_text(encoding="utf-8") == findings.page(sentences.Tables(findings.TABLES))


def test_a_sentence_says_what_its_figures_say() -> None:
    more = sentences.Finding("a", "b", 0.002, 0.001, 0.003, 0.01)
    assert more.sentence() == "`a` finds more than `b` (+0.0020 [+0.0010, +0.0030], p 0.010)"
    less = sentences.Finding("a", "b", -0.002, -0.003, -0.001, 0.049)
    assert less.sentence() == "`a` finds less than `b` (−0.0020 [−0.0030, −0.0010], p 0.049)"
    equal = sentences.Finding("a", "b", -0.002, -0.003, -0.001, 0.05)
    assert equal.sentence() == "no difference is shown between `a` and `b` (−0.0020 [−0.0030, −0.0010], p 0.050)"
