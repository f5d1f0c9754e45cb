"""The one reader of items.parquet."""

import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from semid.errors import InputError
from semid.items import CoreItems, count_items, how_to_leave_out, item_batches, item_ids, items_in_core, items_in_train

N = 23


@pytest.fixture
def items(tmp_path: Path) -> Path:
    table = pa.table({"item_id": [f"i{n}" for n in range(N)], "in_train": [n % 3 == 0 for n in range(N)]})
    pq.write_table(table, tmp_path / "items.parquet", row_group_size=5)
    return tmp_path / "items.parquet"


@pytest.mark.parametrize("by_row_group", [False, True])
@pytest.mark.parametrize(("start", "stop"), [(0, None), (0, 0), (0, N), (4, 5), (5, 10), (7, 18), (22, N), (N, N)])
@pytest.mark.parametrize("rows_at_once", [1, 3, 7, 100])
def test_batches_hold_the_rows_of_the_range_once_and_in_order(items, start, stop, rows_at_once, by_row_group):
    batches = list(item_batches(items, ["item_id"], start, stop, rows_at_once, by_row_group))
    assert all(0 < len(batch) <= rows_at_once and batch.schema.names == ["item_id"] for batch in batches)
    ids = [name for batch in batches for name in batch.column(0).to_pylist()]
    assert ids == [f"i{n}" for n in range(N)][start:stop]
    assert item_ids(items, start, stop).to_pylist() == ids


def test_batches_by_row_group_end_where_the_group_ends_whatever_the_start(items):
    sizes = [len(batch) for batch in item_batches(items, ["item_id"], rows_at_once=4, by_row_group=True)]
    assert sizes == [4, 1, 4, 1, 4, 1, 4, 1, 3]
    sizes = [len(batch) for batch in item_batches(items, ["item_id"], 7, rows_at_once=4, by_row_group=True)]
    assert sizes == [2, 1, 4, 1, 4, 1, 3]
    assert [len(batch) for batch in item_batches(items, ["item_id"], rows_at_once=20)] == [20, 3]


def test_items_are_counted_and_those_in_training_are_told(items):
    assert count_items(items) == N
    assert items_in_train(items).tolist() == [n % 3 == 0 for n in range(N)]


def test_a_table_without_rows_has_no_items(tmp_path):
    path = tmp_path / "items.parquet"
    pq.write_table(pa.table({"item_id": pa.array([], pa.string()), "in_train": pa.array([], pa.bool_())}), path)
    assert count_items(path) == 0
    assert list(item_batches(path, ["item_id"])) == []
    assert item_ids(path).to_pylist() == []
    assert items_in_train(path).tolist() == []


def test_what_cannot_be_read_is_named_with_the_step_to_run_again(items, tmp_path):
    again = "; run the preprocessing step again$"
    with pytest.raises(
        InputError, match=re.escape(str(items)) + ": no column title, store; .* item_id, in_train" + again
    ):
        list(item_batches(items, ["title", "item_id", "store"]))
    for read in (count_items, item_ids, items_in_train, items_in_core):
        with pytest.raises(InputError, match=r"absent\.parquet: there is no item table here" + again):
            read(tmp_path / "absent.parquet")
    (tmp_path / "cut.parquet").write_bytes(items.read_bytes()[:-9])
    with pytest.raises(InputError, match=r"cut\.parquet: cannot be read as an item table \(.*\)" + again):
        count_items(tmp_path / "cut.parquet")


@pytest.fixture
def with_core(tmp_path: Path) -> Path:
    table = pa.table({"item_id": [f"i{n}" for n in range(N)], "in_core": [n % 5 > 1 for n in range(N)]})
    pq.write_table(table, tmp_path / "core.parquet", row_group_size=5)
    return tmp_path / "core.parquet"


def test_core_items_are_numbered_in_the_order_of_the_table(with_core):
    assert items_in_core(with_core, 4, 8).tolist() == [True, False, False, True]
    core = CoreItems.read(with_core)
    rows = [n for n in range(N) if n % 5 > 1]
    assert (core.rows.tolist(), core.num_items, len(core), core.is_all) == (rows, N, len(rows), False)
    assert core.numbers(np.array([[2, 3], [5, -1]])).tolist() == [[0, 1], [-1, -1]]
    assert core.numbers(core.rows).tolist() == list(range(len(rows)))
    assert core.numbers(np.array([7], np.int16)).dtype == np.int16
    with pytest.raises(InputError, match=r"item_index 23 is there, but items\.parquet has 23 rows"):
        core.numbers(np.array([23]))


def test_where_all_items_are_core_items_a_number_is_a_row(tmp_path):
    pq.write_table(pa.table({"in_core": [True] * 3}), tmp_path / "all.parquet")
    core = CoreItems.read(tmp_path / "all.parquet")
    rows = np.array([2, -1, 0])
    assert core.is_all
    assert core.numbers(rows) is rows
    pq.write_table(pa.table({"in_core": [False] * 3}), tmp_path / "none.parquet")
    with pytest.raises(InputError, match=r"none\.parquet: no item has in_core"):
        CoreItems.read(tmp_path / "none.parquet")


def test_items_are_left_out_by_the_setting_where_none_of_them_is_a_core_item(with_core):
    assert "catalogue: core" in how_to_leave_out(with_core, np.array([0, 1, 20]))
    for rows, path in (([0, 2], with_core), ([0, 1], None)):
        assert how_to_leave_out(path, np.array(rows)) == "leave these items out"
