"""The table of what training adds to a flat codebook."""

from pathlib import Path

import numpy as np

from bench import flat
from bench.data import mixture


def test_a_training_has_a_row_an_epoch_and_a_line_of_the_page(tmp_path: Path):
    np.save(tmp_path / "rows.npy", mixture(400, 100))
    rows, what = flat.errors_of([200, 400], [16], tmp_path / "rows.npy", epochs=2, device="cpu")
    assert what == "the first 400 rows of rows.npy"
    assert [row["epoch"] for row in rows] == [0, 1, 2] * 2 * len(flat.OPTIONS)
    assert all(row["held_out_error"] > 0 for row in rows)
    # the term of the last is felt, which the one before it is without
    ends = [row["held_out_error"] for row in rows if row["rows"] == 400 and row["epoch"] == 2]
    assert ends[-3] != ends[-1]
    page = flat.page_of(rows, ["a machine"])
    assert "| 200 | 16 | learning_rate 0.0001 |" in page
    assert page.count("\n| ") == 2 + 2 * len(flat.OPTIONS)
