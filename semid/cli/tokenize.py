"""`semid fit` and `semid encode`: vectors in files come in, IDs in a table go out."""

import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from semid.cli.options import named_values, shown_log
from semid.embeddings.embed import embedding_space
from semid.embeddings.own_vectors import read_own_vectors, read_rows
from semid.embeddings.settings import OwnVectors
from semid.errors import InputError
from semid.folders import whole_folder
from semid.methods import METHODS
from semid.quantizers import Compute, Tokenizer
from semid.semantic_ids.codes import bucket_sizes
from semid.semantic_ids.table import write_semantic_ids

TABLE = "items.parquet"
# arguments that have an option of the command of their own
OWN_OPTIONS = ("num_levels", "codebook_size", "seed", "metadata")


@dataclass(frozen=True)
class GivenVectors:
    """Where vectors are: a .npy with a file of ids or none, or two columns of a parquet file."""

    path: Path
    ids: Path | None = None
    id_column: str = "item_id"
    vector_column: str = "embedding"

    @property
    def settings(self) -> OwnVectors:
        """The same in the words of a dataset's `embeddings`. Raises `InputError` for another kind of file."""
        if self.path.suffix == ".parquet":
            if self.ids is not None:
                raise InputError(f"{self.path} holds its ids in the column {self.id_column!r}: leave {self.ids} out")
            return OwnVectors(table=self.path, id_column=self.id_column, vector_column=self.vector_column)
        if self.path.suffix != ".npy":
            raise InputError(f"{self.path}: expected vectors as .npy or .parquet")
        return OwnVectors(vectors=self.path, ids=self.ids or self.path)

    def read(self) -> tuple[list[str], np.ndarray]:
        """Return the ids and the vectors [n, dim]; without a file of ids a vector is called by its row."""
        if self.path.suffix == ".npy" and self.ids is None:
            vectors = read_rows(self.path)
            return [str(row) for row in range(len(vectors))], vectors
        return read_own_vectors(self.settings)

    def space(self, dim: int) -> dict[str, Any]:
        """Return the identity of the space of the vectors, as the workflow records it."""
        return {**embedding_space(self.settings), "dim": dim}


@dataclass(frozen=True)
class Method:
    """What is to be learnt: a method of `semid.methods`, its sizes, and options as `name=value`."""

    name: str
    levels: int
    codes: int
    seed: int = 0
    options: tuple[str, ...] = ()

    def tokenizer(self, metadata: Mapping[str, Any]) -> Tokenizer:
        """Return the tokenizer, which has learnt nothing. Raises `InputError` for an option that it does not have."""
        if self.name not in METHODS:
            raise InputError(f"--method is {self.name}; expected one of {', '.join(METHODS)}")
        method = METHODS[self.name]
        kind = method.load()
        arguments: dict[str, Any] = {"codebook_size": self.codes, "seed": self.seed}
        if method.kind != "flat":
            arguments["num_levels"] = self.levels
        known = [option.name for option in fields(kind) if option.init and option.name not in OWN_OPTIONS]
        arguments |= named_values(self.options, known)
        tokenizer: Tokenizer = kind(**arguments, metadata=dict(metadata))
        return tokenizer


@dataclass(frozen=True)
class Where:
    """The device to compute on, and the threads of the CPU, 0 for all cores."""

    device: str = "auto"
    threads: int = 0

    def begin(self) -> Compute:
        """Let this process compute there from here on."""
        if self.threads:
            torch.set_num_threads(self.threads)
        return Compute(self.device)


def fit_folder(source: GivenVectors, method: Method, output: Path, where: Where) -> None:
    """Learn a tokenizer from vectors and write it, and the IDs of the vectors, to a folder that is not there yet."""
    started = time.monotonic()
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise InputError(f"{output} is there, and not empty: name another folder, or remove it")
    compute = where.begin()
    ids, vectors = source.read()
    tokenizer = method.tokenizer({"embeddings": source.space(vectors.shape[1]), "device": compute.device})
    with shown_log(), whole_folder(output) as folder:
        print(f"{len(ids):,} vectors of {vectors.shape[1]} values: learning {method.name}", file=sys.stderr)
        tokenizer.fit(vectors, compute=compute)
        tokenizer.save_pretrained(folder)
        codes = tokenizer.encode(vectors, compute, verbose=True)
        write_semantic_ids(folder / TABLE, pa.array(ids, pa.string()), codes)
    print(f"{output}: {TABLE} has {_counts(codes)}; {time.monotonic() - started:.1f} s")


def encode_file(folder: Path, source: GivenVectors, output: Path, where: Where) -> None:
    """Write the IDs of vectors, by the tokenizer in a folder, to a parquet file."""
    if output.suffix != ".parquet":
        raise InputError(f"{output}: IDs are written as .parquet; name such a file")
    compute = where.begin()
    tokenizer = Tokenizer.from_pretrained(folder)
    ids, vectors = source.read()
    if vectors.shape[1] != tokenizer.dim:
        raise InputError(
            f"{source.path}: vectors of width {vectors.shape[1]}, but {folder} was trained on {tokenizer.dim}: make "
            "them with the model that made those"
        )
    codes = tokenizer.encode(vectors, compute, verbose=True)
    write_semantic_ids(output, pa.array(ids, pa.string()), codes)
    print(f"{output}: {_counts(codes)}")


def _counts(codes: np.ndarray) -> str:
    """Say how many IDs there are, and how many items share theirs."""
    counts = bucket_sizes(codes)
    sharing, shared = int(counts[counts > 1].sum()), "none is shared"
    if sharing:
        shared = f"{sharing:,} items share theirs, up to {counts.max():,} have the same"
    return f"{len(counts):,} IDs of {len(codes):,} items; {shared}"
