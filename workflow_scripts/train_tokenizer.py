"""Train a tokenizer on the embeddings of the training items."""

import shutil
from pathlib import Path

import torch

from semid.device import resolve_device
from semid.embeddings import EmbeddingStore, Rows, training_rows
from semid.jobs.log import job_log
from semid.methods import METHODS
from semid.naming import TokenizerName
from semid.quantizers import Compute, Tokenizer

with job_log(snakemake.log[0]):
    torch.set_num_threads(snakemake.params.training_threads)
    compute = Compute(
        device=str(resolve_device(snakemake.resources.device)),
        batch_size=snakemake.resources.batch_size,
        codeword_block=snakemake.resources.codeword_block,
        # all items may be more than memory holds
        scratch=snakemake.resources.tmpdir if snakemake.params.arguments.get("max_train") == 0 else None,
    )
    store = EmbeddingStore.open(snakemake.input.manifest)
    vectors = Rows(store, training_rows(snakemake.input.catalogue))
    tokenizer = METHODS[TokenizerName.parse(snakemake.wildcards.tokenizer).method].load()(
        **snakemake.params.arguments,
        metadata={
            "dataset": snakemake.wildcards.dataset,
            "embeddings": store.space,
            "device": compute.device,
        },
    )
    folder = Path(snakemake.output.model).parent
    history = snakemake.output.get("history")
    if history:
        start = snakemake.input.get("start")
        begin = Tokenizer.from_model(start) if start else None
        tokenizer.fit(vectors, compute, start=begin, checkpoint=folder / "checkpoint")
        tokenizer.save_history(history)
    else:
        tokenizer.fit(vectors, compute)
    tokenizer.save_model(snakemake.output.model)
    if history:
        # not before: until now it was the only copy of what was learnt
        shutil.rmtree(folder / "checkpoint")
