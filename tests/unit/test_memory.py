"""What is held in memory stays within its bound, however wide the codes, large the buckets and many the rows.

Each case is a process of its own, which reports the highest anonymous memory (RssAnon) that its work adds.
"""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
MEASURE = """
import sys
import numpy as np, torch
from bench.memory import rss_anon, sampled
torch.set_num_threads(1)
random = np.random.default_rng(0)
{prepare}
before = rss_anon()
with sampled() as highest:
    {work}
print((highest[0] - before) / 1e6)
"""


def added_mb(prepare: str, work: str, *arguments: str) -> float:
    """Megabytes that the expression `work` adds to what the lines of `prepare` hold; they see `sys.argv`."""
    found = subprocess.run(
        [sys.executable, "-c", MEASURE.format(prepare=prepare, work=work), *arguments],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
    )
    return float(found.stdout.splitlines()[-1])


PROBE = """
from semid.retrieval import CodeTree, InvertedIndex, Ragged
from semid.retrieval.strategies.probe import probe_batches
from semid.retrieval.ragged import offsets_of
index = InvertedIndex.build({codes})
tree = CodeTree.build(index, torch.randn(3, 512, 8))
history = Ragged(random.integers(0, index.num_items, {queries}), np.arange({queries} + 1))
latent = torch.randn({queries}, 8)
index.bucket_sizes
"""
PROBED = "for _ in probe_batches(index, tree, latent, history, {budget}): pass"


def test_probing_codes_whose_second_level_is_wide_holds_a_block_of_children():
    # nearly 86,000 prefixes of two levels: for all queries at once they take 3 GB
    prepare = PROBE.format(codes="random.integers(0, 512, (100_000, 3)).astype(np.uint16)", queries=300)
    assert added_mb(prepare, PROBED.format(budget=500)) < 300


def test_probing_reads_what_it_needs_of_the_bucket_in_which_a_budget_ends():
    # whole buckets of 100,000 items take 2 GB
    codes = "np.repeat(random.integers(0, 512, (3, 3)), 100_000, axis=0).astype(np.uint16)"
    assert added_mb(PROBE.format(codes=codes, queries=300), PROBED.format(budget=10)) < 60


def write_splits(folder: Path, users: int, rows_a_user: int) -> int:
    """Split tables as `preprocess` writes them; returns how many rows they have."""
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    random = np.random.default_rng(0)
    user = np.repeat(np.arange(users), rows_a_user)
    for split in ("train", "valid", "test"):
        of_split = user if split == "train" else np.arange(users)
        table = pa.table(
            {
                "user_id": pa.array(of_split + 10**12).cast(pa.string()),
                "item_index": pa.array(random.integers(0, 1000, len(of_split)), pa.int32()),
                "timestamp": np.arange(len(of_split)),
            }
        )
        pq.write_table(table, folder / f"{split}.parquet", row_group_size=20_480)
    return len(user) + 2 * users


def test_interactions_take_24_bytes_each_and_queries_of_a_sample_no_more(tmp_path: Path):
    rows = write_splits(tmp_path, users=100_000, rows_a_user=28)
    prepare = "from semid.evaluation import build_queries, read_interactions\nread_interactions(sys.argv[1], 'train')"
    # the names of the users, and a row group, beside them
    names_mb = 20
    assert added_mb(prepare, "kept = read_interactions(sys.argv[1])", str(tmp_path)) < 24 * rows / 1e6 + names_mb
    prepare += "\nkept = read_interactions(sys.argv[1])"
    assert added_mb(prepare, "build_queries(kept, max_users=5000)", str(tmp_path)) < 24 * rows / 1e6


def test_the_sign_flip_test_holds_a_block_of_permutations():
    prepare = (
        "from semid.analysis.paired_tests import paired_differences\n"
        "values = (random.random((300, 8, 2)) < 0.1).astype(float)\n"
        "paired_differences(values, permutations=1000)"
    )
    # the sums of all permutations take 130 MB, and twice that while signs are applied
    assert added_mb(prepare, "paired_differences(values, permutations=1_000_000)") < 30
