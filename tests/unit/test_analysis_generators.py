"""The collected table of generators, their paired tests, and what scorecards foretell of them."""

from pathlib import Path

import numpy as np
import pytest
from test_analysis_comparisons import queries_of, ranks_of
from test_analysis_proxies import card

from semid.analysis.comparisons import COMPARISON_COLUMNS, comparison_rows
from semid.analysis.generative_table import GENERATIVE_COLUMNS, collect_generators, control_rows
from semid.analysis.generator_comparisons import Compared, generator_comparison_rows
from semid.analysis.proxies import FORETOLD, PROXY_COLUMNS, write_proxies
from semid.errors import InputError
from semid.evaluation import TABLE_COLUMNS, EvaluationSettings, write_table
from semid.evaluation.ranks_file import RanksFile, write_ranks
from semid.evaluation.table import read_table
from semid.evaluation.target_ranks import Ranking
from semid.scorecard import SCORECARD_COLUMNS

FIGURES = {"recall@10": 0.5, "recall@10_low": 0.4, "recall@10_high": 0.6, "ndcg@10": 0.3, "query_us": 12.0}
DENSE, GENERATE = Ranking("dense", 0, "removed"), Ranking("generate", 0, "removed")


def row(**keys: object) -> dict:
    return {"dataset": "tiny", **FIGURES, **keys}


def test_columns_are_named_once_and_are_those_of_the_retrieval_table_that_apply() -> None:
    assert len(set(GENERATIVE_COLUMNS)) == len(GENERATIVE_COLUMNS)
    assert set(TABLE_COLUMNS) - set(GENERATIVE_COLUMNS) == {
        *("candidates", "budget", "rerank", "query"),
        *(f"{metric}_{of}" for metric in ("recall@10", "ndcg@10") for of in ("code", "inflation")),
    }


def test_the_collected_table_has_controls_first_and_prints_both_modes_in_a_line(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    controls, table, collected = (tmp_path / f"{name}.csv" for name in ("controls", "table", "collected"))
    kinds = ("all", "popularity", "cooccurrence", "category:exact")
    write_table([row(tokenizer="controls", candidates=kind, seed="") for kind in kinds], controls)
    rows = [
        row(tokenizer="t_2x4", generator="generator", ranking="generate", seen="removed", exact_share=0.25, note="a"),
        row(tokenizer="t_2x4", generator="generator", ranking="generate", seen="kept", **{"recall@10": 0.45}),
    ]
    write_table(rows, table, GENERATIVE_COLUMNS)
    collect_generators([table], [controls], collected)
    read = read_table(collected, GENERATIVE_COLUMNS)
    assert [(r["tokenizer"], r["ranking"], r["seen"]) for r in read] == [
        *(("controls", name, "removed") for name in ("content", "popularity", "cooccurrence")),
        *(("t_2x4", "generate", seen) for seen in ("removed", "kept")),
    ]
    printed = capfd.readouterr().out.splitlines()
    line = "tiny t_2x4 generator generate 0.5000 [0.4000, 0.6000] 0.3000 0.4500 0.250 12"
    assert printed[4].split() == line.split()
    assert printed[5] == "tiny: a"


def test_a_table_with_other_columns_is_refused(tmp_path: Path) -> None:
    write_table([row()], tmp_path / "table.csv")
    with pytest.raises(InputError, match="does not have the columns of its table"):
        collect_generators([tmp_path / "table.csv"], [], tmp_path / "collected.csv")
    write_table([row(ranking="x")], tmp_path / "other.csv", GENERATIVE_COLUMNS)
    with pytest.raises(InputError, match="does not have the columns of its table"):
        control_rows(tmp_path / "other.csv")


@pytest.mark.parametrize(
    ("one", "other", "tested"),
    [
        (("t", "generator", "dense"), ("u", "generator", "dense"), True),
        (("t", "generator", "dense"), ("t", "generator-small", "dense"), True),
        (("t", "generator", "dense"), ("t", "generator", "hybrid"), True),
        (("t", "generator", "generate"), ("", "sasrec", "dense"), True),
        (("", "sasrec", "dense"), ("", "sasrec-content", "dense"), True),
        (("t", "generator", "dense"), ("u", "generator", "hybrid"), False),
        (("t", "generator", "dense"), ("u", "generator-small", "dense"), False),
    ],
)
def test_pairs_are_tested_where_one_thing_differs_or_one_knows_no_ids(one: tuple, other: tuple, tested: bool) -> None:
    assert Compared(*one).is_tested_against(Compared(*other)) == tested
    assert Compared(*other).is_tested_against(Compared(*one)) == tested


def test_seeds_of_tokenizer_and_generator_are_left_out_of_a_name() -> None:
    assert Compared.of_folder("vqvae_8-s1/generator-small-s2", "dense").name == "vqvae_8/generator-small:dense"
    assert Compared.of_folder("sasrec-s2", "dense").name == "sasrec:dense"


def test_comparisons_are_those_of_the_paired_tests_of_tokenizers(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    user = np.repeat(np.arange(30), 2)
    ranks = {name: ranks_of(random.integers(0, 20, 60)) for name in ("a", "b", "s")}
    folders = {"vqvae_8/generator": "a", "vqvae_9/generator": "b", "sasrec": "s"}
    files = {}
    for folder, name in folders.items():
        write_ranks(tmp_path / name, {DENSE: ranks[name]})
        files[folder] = RanksFile.open(tmp_path / name, 60)
    settings = EvaluationSettings(resamples=50, permutations=200)
    rows = generator_comparison_rows("tiny", files, queries_of(user), settings)
    as_tokenizers = {name: [files[folder]] for folder, name in folders.items()}
    expected = comparison_rows("tiny", as_tokenizers, queries_of(user), settings)
    names = {"a": "vqvae_8/generator:dense", "b": "vqvae_9/generator:dense", "s": "sasrec:dense"}
    assert len(rows) == len(expected) == 6
    for found, wanted in zip(rows, expected, strict=True):
        assert (found["tokenizer_a"], found["tokenizer_b"]) == (
            names[wanted["tokenizer_a"]],
            names[wanted["tokenizer_b"]],
        )
        for column in ("metric", "mean_a", "difference", "low", "high", "p", "p_holm", "users", "seeds_a"):
            assert found[column] == wanted[column], column
        assert set(found) == set(COMPARISON_COLUMNS)


def test_seeds_are_averaged_and_rankings_of_one_generator_compared(tmp_path: Path) -> None:
    files = {}
    for seed, greater in (("", 0), ("-s1", 10)):
        write_ranks(tmp_path / f"r{seed}", {DENSE: ranks_of(np.full(8, greater)), GENERATE: ranks_of(np.full(8, 30))})
        files[f"vqvae_8{seed}/generator"] = RanksFile.open(tmp_path / f"r{seed}", 8)
    settings = EvaluationSettings(resamples=5, permutations=20)
    rows = generator_comparison_rows("tiny", files, queries_of(np.arange(8)), settings)
    assert [(row["tokenizer_a"], row["tokenizer_b"], row["seeds_a"]) for row in rows[:1]] == [
        ("vqvae_8/generator:dense", "vqvae_8/generator:generate", 2)
    ]
    assert (rows[0]["metric"], rows[0]["mean_a"], rows[0]["mean_b"]) == ("recall@10", 0.5, 0)


def test_recalls_of_generators_are_foretold_beside_those_of_retrieval(tmp_path: Path) -> None:
    names = [f"rqkmeans_2x{size}" for size in (2, 3, 4, 5)]
    cards = [card(name, "tiny", unique_codes=str(place)) for place, name in enumerate(names)]
    write_table(cards, tmp_path / "cards.csv", SCORECARD_COLUMNS)
    probe = {"candidates": "probe", "budget": 100, "rerank": "exact"}
    write_table([row(tokenizer=name, **probe) for name in names], tmp_path / "eval.csv")
    generated = [
        row(tokenizer=name, generator="generator", ranking=ranking, seen="removed", **{"recall@10": sign * place})
        for ranking, sign in (("generate", 1), ("dense", -1))
        for place, name in enumerate(names)
    ]
    others = [row(generator="sasrec", ranking="dense", seen="removed"), row(tokenizer="controls", ranking="content")]
    write_table([*others, *generated], tmp_path / "generated.csv", GENERATIVE_COLUMNS)
    inputs = tmp_path / "cards.csv", tmp_path / "eval.csv", tmp_path / "proxies.csv"
    write_proxies(*inputs)
    without = read_table(inputs[2], PROXY_COLUMNS)
    assert len(without) == len(FORETOLD)
    write_proxies(*inputs, generated=[tmp_path / "generated.csv"])
    rows = read_table(inputs[2], PROXY_COLUMNS)
    assert rows[: len(without)] == without
    assert [(r["candidates"], r["rerank"], r["tokenizers"], r["spearman"]) for r in rows[len(without) :]] == [
        ("generator:generate", "removed", "4", "1"),
        ("generator:dense", "removed", "4", "-1"),
    ]
