"""The Pareto file: fronts against their definition."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from semid.analysis.pareto import PARETO_COLUMNS, on_front, pareto_rows

POINTS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=20)


@given(POINTS)
def test_the_front_is_what_no_other_point_beats(points):
    found = on_front(*np.array(points).T)
    for (cost, gain), on in zip(points, found, strict=True):
        beaten = any(c <= cost and g >= gain and (c < cost or g > gain) for c, g in points)
        assert on == (not beaten)


def row(dataset: str, tokenizer: str, candidates: str, size: float, recall: float, time: float) -> dict[str, str]:
    cells = {name: "" for name in PARETO_COLUMNS if not name.startswith("on_")}
    numbers = {"avg_cand_size": str(size), "recall@10": str(recall), "query_us": str(time)}
    return {**cells, "dataset": dataset, "tokenizer": tokenizer, "candidates": candidates, **numbers, "mrr": "0"}


def test_each_dataset_has_its_fronts_and_random_codes_none():
    rows = pareto_rows(
        [
            row("a", "vqvae_4096", "probe", 100, 0.05, 90),
            row("a", "vqvae_4096", "random:probe", 100, 0.9, 1),
            row("a", "peers", "pq", 100, 0.04, 20),
            row("a", "peers", "ivf_flat", 200, 0.05, 95),
            row("b", "vqvae_4096", "probe", 900, 0.01, 900),
        ]
    )
    assert all(tuple(each) == PARETO_COLUMNS for each in rows)
    marks = [(r["dataset"], r["candidates"], r["on_candidates_front"], r["on_time_front"]) for r in rows]
    assert marks == [("a", "probe", 1, 1), ("a", "pq", 0, 1), ("a", "ivf_flat", 0, 0), ("b", "probe", 1, 1)]
