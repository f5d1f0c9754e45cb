"""The train stage: one call a tokenizer."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from semid.embeddings import EmbeddingStore, Rows, training_rows
from semid.errors import InputError
from semid.methods import METHODS
from semid.naming import TokenizerName
from semid.quantizers import Compute, Tokenizer
from semid.semantic_ids.alignment import align_tokenizer


@dataclass(frozen=True)
class TrainingFiles:
    """What training reads and writes.

    `embeddings` is the manifest of a store, `catalogue` the item table that says which items are trained on, `model`
    the file to write. A method that trains over epochs keeps a checkpoint in the folder of `model` until that is
    written. It begins from the tokenizer whose model is `start`, where that is given, and writes `history`, a table
    with an epoch a row, where that is given. The codes agree with those of the semantic-ID table `aligned`, as far as
    other numbers for them can make them agree, where that is given.
    """

    embeddings: str | Path
    catalogue: str | Path
    model: str | Path
    start: str | Path | None = None
    history: str | Path | None = None
    aligned: str | Path | None = None

    @classmethod
    def of_job(cls, inputs: Any, outputs: Any) -> Self:
        """Take the files from the inputs and outputs of a job, of which some methods and datasets have no `start`,
        `aligned` or `history`.
        """
        return cls(
            inputs.manifest,
            inputs.catalogue,
            outputs.model,
            start=inputs.get("start"),
            history=outputs.get("history"),
            aligned=inputs.get("aligned"),
        )

    def open_vectors(self) -> tuple[EmbeddingStore, Rows]:
        """Open the embeddings of all items, and those of the items that are trained on."""
        store = EmbeddingStore.open(self.embeddings)
        return store, Rows(store, training_rows(self.catalogue))


def train_tokenizer(
    dataset: str, name: str, arguments: Mapping[str, Any], files: TrainingFiles, compute: Compute
) -> None:
    """Learn the tokenizer `name` with the constructor's `arguments` from the training items of `dataset`.

    The folder `compute.scratch` is used with `max_train: 0` alone, where the training items may be more than memory
    holds. Raises `InputError` for what the tokenizer or the files do not allow.
    """
    method = METHODS[TokenizerName.parse(name).method]
    if files.start is not None and not method.keeps_history:
        raise InputError(f"{name} takes no start: {method.name} does not train over epochs; leave {files.start} out")
    if arguments.get("max_train") != 0:
        compute = compute.in_memory()
    store, vectors = files.open_vectors()
    metadata = {"dataset": dataset, "embeddings": store.space, "device": compute.device}
    tokenizer = method.load()(**arguments, metadata=metadata)
    checkpoint = Path(files.model).parent / "checkpoint" if method.keeps_history else None
    if checkpoint is None:
        tokenizer.fit(vectors, compute=compute)
    else:
        start = Tokenizer.from_model(files.start) if files.start else None
        tokenizer.fit(vectors, start=start, checkpoint=checkpoint, compute=compute)
        if files.history is not None:
            tokenizer.save_history(files.history)
    if files.aligned is not None:
        align_tokenizer(tokenizer, files.aligned, files.embeddings, files.catalogue, compute)
    tokenizer.save_model(files.model)
    # not before the model is written: until then the checkpoint is the only copy of what was learnt
    if checkpoint is not None:
        shutil.rmtree(checkpoint)
