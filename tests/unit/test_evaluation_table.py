"""The table file: columns, stable text, collection and its plain-text form."""

import pytest

from semid.errors import InputError
from semid.evaluation import TABLE_COLUMNS, collect_tables, format_table, write_table
from semid.evaluation.metrics import ALL_METRICS
from semid.evaluation.table import FIRST_METRICS

READ_FIRST = """
dataset, tokenizer, candidates, budget, rerank, users, avg_cand_size, cand_recall, recall@1, recall@5, recall@10,
recall@20, recall@50, recall@100, ndcg@1, ndcg@5, ndcg@10, ndcg@20, ndcg@50, ndcg@100, mrr, recall@10_low,
recall@10_high, ndcg@10_low, ndcg@10_high
"""
OTHERS = """
split, method, variant, num_levels, codebook_size, bits, entropy_bits, seed, query, cold_start_skipped, query_us,
queries, seen_skipped, untied_users, recall@10_untied, ndcg@10_untied, note, recall@10_code, recall@10_inflation,
ndcg@10_code, ndcg@10_inflation
"""
OTHER_INTERVALS = [
    f"{metric}_{end}"
    for metric in (
        *(f"{name}@{k}" for name in ("recall", "ndcg") for k in (1, 5, 10, 20, 50, 100) if k != 10),
        "mrr",
    )
    for end in ("low", "high")
]

ROW = {
    "dataset": "sample",
    "tokenizer": "rqvae_4x256",
    "candidates": "prefix",
    "rerank": "exact",
    "entropy_bits": 30.123456,
    "users": 1234567,
    "avg_cand_size": 1428.4567,
    "cand_recall": 0.25,
    "recall@10": 0.0441234567,
    "recall@10_low": 1 / 24,
    "recall@10_high": 0.05,
    "ndcg@10": 0.02,
    "mrr": 0.0,
    "note": "synthetic: checks the plumbing, ranks nothing",
}
CONTROL = {**ROW, "tokenizer": "controls", "candidates": "all", "dataset": "beauty", "note": ""}
del CONTROL["entropy_bits"]


def test_columns_that_people_read_come_first_and_later_ones_are_appended():
    columns = [name for part in (READ_FIRST, OTHERS) for name in " ".join(part.split()).split(", ")]
    columns += [*OTHER_INTERVALS, "no_history_skipped", "unknown_target_skipped", "item_coverage@10"]
    assert list(TABLE_COLUMNS)[: len(columns)] == columns
    # a metric that is added later brings its columns to the end, and moves none
    later = [metric.name for metric in ALL_METRICS[len(FIRST_METRICS) + 1 :]]
    assert [column for column in TABLE_COLUMNS[len(columns) :] if not column.endswith(("_low", "_high"))] == later


def test_a_written_table_has_six_digits_whole_integers_and_empty_cells(tmp_path):
    path = tmp_path / "results" / "table.csv"
    write_table([ROW], path)
    header, line = path.read_text().splitlines()
    assert header == ",".join(TABLE_COLUMNS)
    before, after = line.split(f'"{ROW["note"]}"')
    cells = dict(zip(TABLE_COLUMNS, [*before.split(",")[:-1], ROW["note"], *after.split(",")[1:]], strict=True))
    assert cells["recall@10"] == "0.0441235"
    assert cells["recall@10_low"] == "0.0416667"
    assert cells["users"] == "1234567"
    assert cells["mrr"] == "0"
    assert cells["bits"] == ""


def test_collecting_keeps_every_cell_and_the_order_of_the_files(tmp_path):
    write_table([ROW, {**ROW, "rerank": "decoded"}], tmp_path / "a.csv")
    write_table([CONTROL], tmp_path / "b.csv")
    collect_tables([tmp_path / "b.csv", tmp_path / "a.csv"], tmp_path / "all.csv")
    a, b = (tmp_path / name for name in ("a.csv", "b.csv"))
    assert (tmp_path / "all.csv").read_text() == b.read_text() + a.read_text().split("\n", 1)[1]


def test_a_table_with_other_columns_or_none_is_named(tmp_path):
    (tmp_path / "other.csv").write_text("dataset,split\nx,test\n")
    for name in ("other.csv", "absent.csv"):
        with pytest.raises(InputError, match=name):
            collect_tables([tmp_path / name], tmp_path / "all.csv")
    assert not (tmp_path / "all.csv").exists()


def test_a_row_with_an_unknown_column_is_refused_and_nothing_is_written(tmp_path):
    with pytest.raises(ValueError, match="recall@7"):
        write_table([{**ROW, "recall@7": 1.0}], tmp_path / "table.csv")
    assert not list(tmp_path.iterdir())


def test_the_printed_table_shows_intervals_and_notes_once(tmp_path):
    write_table(
        [ROW, {**ROW, "rerank": "decoded"}, {**ROW, "candidates": "random:prefix"}, CONTROL], tmp_path / "table.csv"
    )
    text = format_table(tmp_path / "table.csv")
    lines = text.splitlines()
    assert lines[0].split() == [
        "dataset",
        "tokenizer",
        "candidates",
        "avg_cand_size",
        "cand_recall",
        "recall@10",
        "[95",
        "%]",
        "ndcg@10",
        "mrr",
        "entropy_bits",
    ]
    assert "1,428.5" in lines[1]
    assert "0.0441 [0.0417, 0.0500]" in lines[1]
    assert lines[1].endswith("30.1")
    assert "prefix (decoded)" in lines[2]
    assert lines[3].split()[:3] == ["beauty", "controls", "all"]
    assert lines[4:] == ["sample: synthetic: checks the plumbing, ranks nothing"]
