"""Codes of rows under given residual codebooks [L, k, dim]."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from bench.methods import Case, Method, Run
from bench.processes import Measured, measure
from bench.quality import residual_error, unique_codes

ROWS = 2048  # rows of a block that stays in cache, for the libraries that leave blocks to the caller


def bare_products(case: Case) -> Run:
    """The matrix products that greedy encoding needs, and nothing else: the physical limit. Gives no codes."""
    import torch

    columns = [torch.from_numpy(codebook).t() for codebook in np.load(case.codebooks)]

    def run(rows: np.ndarray, seed: int) -> dict[str, np.ndarray]:
        out = torch.empty(ROWS, case.k)
        with torch.inference_mode():
            for block in torch.from_numpy(rows).split(ROWS):
                for codebook in columns:
                    torch.mm(block, codebook, out=out[: len(block)])
        return {}

    return run


def semid(case: Case) -> Run:
    from semid.quantizers import RQKMeans

    tokenizer = RQKMeans.from_pretrained(case.tokenizer)
    tokenizer.beam = case.beam
    return lambda rows, seed: {"codes": tokenizer.encode(rows)}


def faiss_encoder(codebooks: np.ndarray, beam: int, lookup_tables: int) -> Callable[[np.ndarray], np.ndarray]:
    """From rows [n, dim] to codes [n, L] that faiss.ResidualQuantizer finds under codebooks [L, k, dim]."""
    import faiss

    levels, k, dim = codebooks.shape
    bits = int(np.log2(k))
    quantizer = faiss.ResidualQuantizer(dim, levels, bits)
    faiss.copy_array_to_vector(codebooks.ravel(), quantizer.codebooks)
    quantizer.is_trained = True
    quantizer.max_beam_size = beam
    quantizer.use_beam_LUT = lookup_tables
    if lookup_tables:
        quantizer.compute_codebook_tables()

    def encode(rows: np.ndarray) -> np.ndarray:
        packed = quantizer.compute_codes(rows)
        return packed if bits == 8 else faiss.unpack_bitstrings(packed, levels, bits)

    return encode


def faiss_residual_quantizer(case: Case, lookup_tables: int) -> Run:
    encode = faiss_encoder(np.load(case.codebooks), case.beam, lookup_tables)
    return lambda rows, seed: {"codes": encode(rows)}


def faiss_flat(case: Case) -> Run:
    """Exact search of each level's codewords, which are subtracted in between, in blocks."""
    import faiss

    codebooks = np.load(case.codebooks)
    indexes = []
    for codebook in codebooks:
        indexes.append(faiss.IndexFlatL2(codebook.shape[1]))
        indexes[-1].add(codebook)

    def run(rows: np.ndarray, seed: int) -> dict[str, np.ndarray]:
        codes = np.empty((len(rows), case.levels), np.int64)
        for start in range(0, len(rows), ROWS):
            left = rows[start : start + ROWS].copy()
            for level, index in enumerate(indexes):
                found = index.search(left, 1)[1][:, 0]
                codes[start : start + ROWS, level] = found
                left -= codebooks[level][found]
        return {"codes": codes}

    return run


def vector_quantize_pytorch(case: Case) -> Run:
    import torch
    from vector_quantize_pytorch import ResidualVQ

    codebooks = np.load(case.codebooks)
    quantizer = ResidualVQ(
        dim=codebooks.shape[2],
        num_quantizers=case.levels,
        codebook_size=case.k,
    ).eval()
    for layer, codebook in zip(quantizer.layers, codebooks, strict=True):
        layer._codebook.embed.data.copy_(torch.from_numpy(codebook)[None])

    def run(rows: np.ndarray, seed: int) -> dict[str, np.ndarray]:
        with torch.inference_mode():
            codes = [quantizer(block[None])[1][0] for block in torch.from_numpy(rows).split(ROWS)]
        return {"codes": torch.cat(codes).numpy()}

    return run


def semantic_id(case: Case, backend: str) -> Run:
    import torch
    from semantic_id import RQKMeans
    from semantic_id.algorithms import RQKMeansTorch

    codebooks = list(np.load(case.codebooks))
    if backend == "numpy":
        tokenizer = RQKMeans(n_levels=case.levels, n_clusters=case.k)
        tokenizer.codebooks_, tokenizer.D_ = codebooks, codebooks[0].shape[1]
    else:
        # the class behind `device=`, which the public one uses for devices other than `cpu`
        sizes = [case.k] * case.levels
        tokenizer = RQKMeansTorch(case.levels, sizes, "l2", "kmeans", 1, 0.0, 0, False, "cpu")
        tokenizer.codebooks_ = [torch.from_numpy(codebook) for codebook in codebooks]
    return lambda rows, seed: {"codes": tokenizer.encode(rows, batch_size=ROWS)}


def rectokens(case: Case) -> Run:
    import torch
    from rectokens.tokenizers.rq_kmeans import RQKMeansTokenizer

    codebooks = torch.from_numpy(np.load(case.codebooks))
    tokenizer = RQKMeansTokenizer(case.levels, case.k, codebooks.shape[2])
    for level, codebook in zip(tokenizer._rq.levels, codebooks, strict=True):
        level.codebook.update(torch.arange(case.k), codebook)
        level._fitted = True
    tokenizer._fitted = True

    def run(rows: np.ndarray, seed: int) -> dict[str, np.ndarray]:
        return {"codes": torch.cat([tokenizer.encode(b).codes for b in torch.from_numpy(rows).split(ROWS)]).numpy()}

    return run


FAISS = [
    Method(
        "faiss.ResidualQuantizer",
        "faiss-cpu",
        faiss_residual_quantizer,
        f"use_beam_LUT={lookup_tables}{', OPENBLAS_CORETYPE' if process == 'faiss-coretype' else ''}",
        process,
        {"lookup_tables": lookup_tables},
        2048 if lookup_tables else None,
        "tables of all pairs of codewords: gigabytes at this k",
    )
    for process in ("faiss", "faiss-coretype")
    for lookup_tables in (0, 1)
]
PRODUCTS = Method("bare products", "torch", bare_products, "L products, blocks of 2,048 rows")
SEMID = Method("semid", "semid", semid)
WITH_BEAMS = [PRODUCTS, SEMID, *FAISS]
METHODS = [
    *WITH_BEAMS,
    Method("faiss flat search", "faiss-cpu", faiss_flat, "IndexFlatL2 level by level", "faiss"),
    # its beam is left out: beam 4 takes a minute or more for 100,000 rows
    Method(
        "vector-quantize-pytorch", "vector-quantize-pytorch", vector_quantize_pytorch, process="vector-quantize-pytorch"
    ),
    *(
        Method("semantic-id", "semantic-id", semantic_id, backend, "semantic-id", {"backend": backend})
        for backend in ("numpy", "torch")
    ),
    Method("rectokens", "rectokens", rectokens, "without torch.compile", "rectokens"),
]


def run(case: Case, beams: Sequence[int], repeats: int, patience: float) -> list[tuple[Case, list[Measured]]]:
    """Every method with beam 1, and semid and faiss with larger beams."""
    rows, codebooks = np.load(case.rows), np.load(case.codebooks)

    def quality(arrays: dict[str, np.ndarray]) -> dict[str, float]:
        if not arrays:
            return {}
        codes = arrays["codes"].astype(np.int64)
        return {"error": residual_error(rows, codebooks, codes), "unique_codes": unique_codes(codes)}

    results = []
    for beam in beams:
        at = replace(case, beam=beam)
        methods = METHODS if beam == 1 else WITH_BEAMS
        found = measure("encode", methods, at, quality, repeats=repeats, patience=patience, warm_up_rows=2 * ROWS)
        results.append((at, found))
    return results
