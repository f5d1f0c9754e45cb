"""The examples run at toy size, and do what they say."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from transformers import AutoTokenizer, T5ForConditionalGeneration

from examples import finetune_t5, similar_items
from semid.quantizers import RQKMeans
from semid.semantic_ids import ExportFiles, export_semantic_ids
from semid.semantic_ids.table import write_semantic_ids

ITEMS, USERS, STEPS = 30, 60, 5


@pytest.fixture
def export(tmp_path: Path) -> Path:
    """The export of a catalogue in which every item is followed by the next one."""
    ids = [f"item-{number}" for number in range(ITEMS)]
    codes = np.stack([np.arange(ITEMS) // 6, np.arange(ITEMS) % 6], axis=1)
    pq.write_table(pa.table({"item_id": ids, "c1": codes[:, 0], "c2": codes[:, 1]}), tmp_path / "table.parquet")
    starts = np.random.default_rng(0).integers(0, ITEMS, USERS)
    rows = [
        (f"user-{user}", ids[(start + step) % ITEMS], step)
        for user, start in enumerate(starts)
        for step in range(STEPS)
    ]
    columns = dict(zip(("user_id", "item_id", "timestamp"), map(list, zip(*rows, strict=True)), strict=True))
    pq.write_table(pa.table(columns), tmp_path / "interactions.parquet")
    files = ExportFiles(tmp_path / "table.parquet", interactions=tmp_path / "interactions.parquet")
    export_semantic_ids(files, "hf", tmp_path / "hf", {"forms": ["messages"], "history": 2})
    return tmp_path / "hf"


def test_a_tiny_t5_learns_what_follows_and_recommends_items(export: Path, tmp_path: Path) -> None:
    said = finetune_t5.main(
        [str(export), "--epochs", "8", "--batch-size", "32", "--rate", "0.01", "--output", str(tmp_path / "model")]
    )
    assert said["losses"][-1] < 0.75 * said["losses"][0]
    ids = {f"item-{number}" for number in range(ITEMS)}
    assert all(len(items) == len(set(items)) == 10 and set(items) <= ids for items in said["recommended"])
    assert 0 <= said["recall@10"] <= 1
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "model")
    model = T5ForConditionalGeneration.from_pretrained(tmp_path / "model")
    assert model.get_input_embeddings().weight.shape[0] == len(tokenizer)
    assert len(tokenizer("<a_1><b_2>", add_special_tokens=False).input_ids) == 2


def test_similar_items_are_those_beside_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    vectors = np.arange(16, dtype=np.float32)[:, None] * np.array([[1, 0.5]], np.float32)
    tokenizer = RQKMeans(num_levels=2, codebook_size=4).fit(vectors)
    tokenizer.save_pretrained(tmp_path / "tok")
    names = [f"item-{number}" for number in range(16)]
    write_semantic_ids(tmp_path / "tok/items.parquet", pa.array(names), tokenizer.encode(vectors))
    similar_items.main(str(tmp_path / "tok"), "item-5", "2")
    first, *others = capsys.readouterr().out.splitlines()
    assert first.split()[1] == "item-5"
    assert {line.split()[1] for line in others} == {"item-4", "item-6"}
