"""Training writes the model of its name, from the start that is given, with and without a history."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from mixtures import mixture

from semid.embeddings.store import new_part, write_manifest
from semid.errors import InputError
from semid.quantizers import Compute, Tokenizer
from semid.semantic_ids.train import TrainingFiles, train_tokenizer

VECTORS = mixture(200, 16)
SIZES = {"num_levels": 2, "codebook_size": 8, "seed": 0}


@pytest.fixture
def train(tmp_path: Path) -> Any:
    """Train a tokenizer in a folder of its name, and return the model."""
    pq.write_table(pa.table({"in_train": np.ones(len(VECTORS), bool)}), tmp_path / "items.parquet")
    with new_part(tmp_path / "part.npy", *VECTORS.shape, "float32") as part:
        part[:] = VECTORS
    write_manifest(tmp_path / "manifest.json", [tmp_path / "part.npy"], {"model": "own"}, len(VECTORS))

    def run(name: str, options: dict[str, Any] | None = None, **files: Path) -> Path:
        model = tmp_path / name / "model.safetensors"
        paths = TrainingFiles(tmp_path / "manifest.json", tmp_path / "items.parquet", model, **files)
        train_tokenizer("shop", name, {**SIZES, **(options or {})}, paths, Compute())
        return model

    return run


def test_a_start_counts_also_without_a_history(train: Any) -> None:
    start = train("rqkmeans_2x8")
    model = train("rqvae_2x8", {"epochs": 0, "codebook_dim": 0}, start=start)
    codes = [Tokenizer.from_model(path).encode(VECTORS) for path in (start, model)]
    np.testing.assert_array_equal(codes[0], codes[1])
    assert [path.name for path in model.parent.iterdir()] == ["model.safetensors"]


def test_a_history_changes_nothing_that_is_learnt(train: Any, tmp_path: Path) -> None:
    states = []
    for files in ({}, {"history": tmp_path / "training.csv"}):
        states.append(Tokenizer.from_model(train("rqvae_2x8", {"epochs": 1, "codebook_dim": 8}, **files))._state())
    assert all(torch.equal(tensor, states[1][name]) for name, tensor in states[0].items())
    assert (tmp_path / "training.csv").exists()


def test_a_method_that_takes_no_start_refuses_it(train: Any) -> None:
    start = train("rqkmeans_2x8")
    with pytest.raises(InputError, match=r"^rqkmeans_2x4 .*start"):
        train("rqkmeans_2x4", {"codebook_size": 4}, start=start)
