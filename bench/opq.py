"""Product codes of all rows after a learnt rotation: what each library reconstructs from them."""

import numpy as np

from bench.methods import Case, Method, Run
from bench.processes import Measured, measure
from bench.quality import reconstruction_error


def semid(case: Case) -> Run:
    from semid.quantizers.opq import OPQ

    def run(rows: np.ndarray, seed: int) -> dict[str, np.ndarray]:
        tokenizer = OPQ(num_levels=case.levels, codebook_size=case.k, max_train=0, seed=seed).fit(rows)
        return {"decoded": tokenizer.decode(tokenizer.encode(rows))}

    return run


def faiss_opq(rows: np.ndarray, levels: int, k: int, seed: int = 0) -> np.ndarray:
    """What rows [n, dim] are decoded to, [n, dim], by a faiss.OPQMatrix and a faiss.ProductQuantizer trained on them.

    Both run with the defaults of faiss (50 updates of the rotation, at most 65,536 training rows); only the seed of the
    quantizer is set.
    """
    import faiss

    size = rows.shape[1], levels, int(np.log2(k))
    rotation, quantizer = faiss.OPQMatrix(*size[:2]), faiss.ProductQuantizer(*size)
    # without this faiss learns the rotation for 256 codes, whatever k
    rotation.pq = in_training = faiss.ProductQuantizer(*size)
    rotation.train(rows)
    rotation.pq = None
    del in_training
    rotated = rotation.apply(rows)
    quantizer.cp.seed += seed
    quantizer.train(rotated)
    return rotation.reverse_transform(quantizer.decode(quantizer.compute_codes(rotated)))


def faiss(case: Case) -> Run:
    return lambda rows, seed: {"decoded": faiss_opq(rows, case.levels, case.k, seed)}


METHODS = [
    Method("semid", "semid", semid),
    Method("faiss.OPQMatrix", "faiss-cpu", faiss, "and ProductQuantizer", "faiss"),
]


def run(case: Case, repeats: int, patience: float) -> list[Measured]:
    """Measure semid and faiss on the same rows."""
    rows = np.load(case.rows)

    def quality(arrays: dict[str, np.ndarray]) -> dict[str, float]:
        return {"error": reconstruction_error(rows, arrays["decoded"])}

    return measure("opq", METHODS, case, quality, repeats=repeats, patience=patience)
