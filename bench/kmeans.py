"""k clusters of all rows in so many Lloyd iterations."""

from typing import Any

import numpy as np

from bench.methods import Case, Method, Run
from bench.processes import Measured, measure
from bench.quality import clustering_error

ROWS = 2048
SMALL_K = 256
SHARES = (0.2, 0.3, 0.5, 0.7)


def bare_products(case: Case) -> Run:
    """The products of each row with each centroid, once an iteration, in blocks that stay in cache. Gives nothing."""
    import torch

    def run(rows: np.ndarray, seed: int) -> dict[str, np.ndarray]:
        data = torch.from_numpy(rows)
        columns = data[: case.k].t().contiguous()
        out = torch.empty(ROWS * min(case.k, 1024))
        for _ in range(case.iterations):
            for block in data.split(ROWS):
                for part in columns.split(1024, dim=1):
                    torch.mm(block, part, out=out[: len(block) * part.shape[1]].view(len(block), -1))
        return {}

    return run


def semid(case: Case, share: float = 1.0) -> Run:
    """`share` of the iterations; tolerance 0, so that all of them are made."""
    import torch

    from semid.quantizers.kernels.kmeans import kmeans

    iterations = max(1, round(share * case.iterations))

    def run(rows: np.ndarray, seed: int) -> dict[str, np.ndarray]:
        clustering = kmeans(torch.from_numpy(rows), case.k, iterations=iterations, tolerance=0.0, seed=seed)
        return {"centroids": clustering.centroids.numpy()}

    return run


def plain_lloyd(case: Case) -> Run:
    """Lloyd as one writes it in torch: random rows to start from, distances of 8,192 rows to every centroid at once."""
    import torch

    def run(rows: np.ndarray, seed: int) -> dict[str, np.ndarray]:
        data = torch.from_numpy(rows)
        start = torch.randperm(len(data), generator=torch.Generator().manual_seed(seed))[: case.k]
        centroids = data[start].clone()
        for _ in range(case.iterations):
            norms = centroids.square().sum(dim=1)
            labels = torch.cat([(norms - 2 * block @ centroids.t()).argmin(dim=1) for block in data.split(8192)])
            sizes = torch.bincount(labels, minlength=case.k)[:, None]
            sums = torch.zeros_like(centroids).index_add_(0, labels, data)
            centroids = torch.where(sizes > 0, sums / sizes.clamp(min=1), centroids)
        return {"centroids": centroids.numpy()}

    return run


def faiss_kmeans(case: Case, kind: str) -> Run:
    """All rows: by default faiss takes 256 a cluster and leaves the others out."""
    import faiss

    def run(rows: np.ndarray, seed: int) -> dict[str, np.ndarray]:
        settings = {"niter": case.iterations, "seed": seed + 1, "max_points_per_centroid": len(rows)}
        model = getattr(faiss, kind)(rows.shape[1], case.k, min_points_per_centroid=1, **settings)
        model.train(rows)
        return {"centroids": model.centroids}

    return run


def superkmeans(case: Case) -> Run:
    """All rows, flat, no early end; its defaults take 30 % of the rows and end on small shifts."""
    from superkmeans import SuperKMeans

    def run(rows: np.ndarray, seed: int) -> dict[str, np.ndarray]:
        model = SuperKMeans(
            case.k,
            rows.shape[1],
            hierarchical=False,
            iters=case.iterations,
            sampling_fraction=1.0,
            max_points_per_cluster=len(rows),
            early_termination=False,
            n_threads=case.threads,
            seed=seed,
        )
        return {"centroids": np.array(model.train(rows))}

    return run


def _sklearn_settings(case: Case) -> dict[str, Any]:
    """One start, tolerance 0. Its k-means++ looks at all rows k times: random rows to start from where k is large."""
    start = "k-means++" if case.k <= SMALL_K else "random"
    return {"init": start, "n_init": 1, "max_iter": case.iterations, "tol": 0.0}


def sklearn_kmeans(case: Case, algorithm: str) -> Run:
    from sklearn.cluster import KMeans

    def run(rows: np.ndarray, seed: int) -> dict[str, np.ndarray]:
        model = KMeans(
            case.k,
            **_sklearn_settings(case),
            algorithm=algorithm,
            random_state=seed,
        ).fit(rows)
        return {"centroids": model.cluster_centers_}

    return run


def sklearn_minibatch(case: Case) -> Run:
    """As many passes as the others have iterations, the centroids moving once a batch: another method than Lloyd's."""
    from sklearn.cluster import MiniBatchKMeans

    def run(rows: np.ndarray, seed: int) -> dict[str, np.ndarray]:
        model = MiniBatchKMeans(
            case.k,
            **_sklearn_settings(case),
            batch_size=4096,
            max_no_improvement=None,
            random_state=seed,
        ).fit(rows)
        return {"centroids": model.cluster_centers_}

    return run


def semantic_id(case: Case) -> Run:
    """The k-means of its torch back end: k-means++ over all rows, then Lloyd; tolerance 0."""
    import torch
    from semantic_id.utils.clustering import kmeans_torch

    def run(rows: np.ndarray, seed: int) -> dict[str, np.ndarray]:
        centroids = kmeans_torch(torch.from_numpy(rows), case.k, max_iter=case.iterations, tol=0.0, seed=seed)
        return {"centroids": centroids.numpy()}

    return run


def rectokens(case: Case) -> Run:
    """Mini-batches of 10 k rows, the size its documentation names for the start; as many passes as iterations."""
    import torch
    from rectokens.quantizers.kmeans import KMeansQuantizer

    def run(rows: np.ndarray, seed: int) -> dict[str, np.ndarray]:
        quantizer = KMeansQuantizer(case.k, rows.shape[1], seed=seed)
        with torch.no_grad():
            for _ in range(case.iterations):
                for batch in torch.from_numpy(rows).split(10 * case.k):
                    quantizer.fit_step(batch)
        return {"centroids": quantizer.codebook.embeddings.numpy()}

    return run


SEEDS_ONE_BY_ONE = "draws k centroids one after the other over all distances: minutes at this k"
METHODS = [
    Method("bare products", "torch", bare_products, "blocks of 2,048 rows by 1,024 centroids"),
    Method("semid", "semid", semid),
    Method("plain torch Lloyd", "torch", plain_lloyd, "random rows to start from"),
    *(
        Method(
            f"faiss.{kind}",
            "faiss-cpu",
            faiss_kmeans,
            "OPENBLAS_CORETYPE" if process == "faiss-coretype" else "",
            process,
            {"kind": kind},
        )
        for kind in ("Kmeans", "SuperKmeans")
        for process in ("faiss", "faiss-coretype")
    ),
    Method("superkmeans", "superkmeans", superkmeans, "flat, all rows, no early end", "superkmeans"),
    Method("sklearn KMeans", "scikit-learn", sklearn_kmeans, "lloyd", "sklearn", {"algorithm": "lloyd"}),
    Method(
        "sklearn KMeans",
        "scikit-learn",
        sklearn_kmeans,
        "elkan",
        "sklearn",
        {"algorithm": "elkan"},
        SMALL_K,
        "keeps a bound for each row and centroid: n × k values",
    ),
    Method("sklearn MiniBatchKMeans", "scikit-learn", sklearn_minibatch, "batches of 4,096", "sklearn"),
    Method(
        "semantic-id",
        "semantic-id",
        semantic_id,
        "kmeans_torch",
        "semantic-id",
        largest_k=SMALL_K,
        limit=SEEDS_ONE_BY_ONE,
    ),
    Method(
        "rectokens",
        "rectokens",
        rectokens,
        "mini-batches of 10 k",
        "rectokens",
        largest_k=SMALL_K,
        limit=SEEDS_ONE_BY_ONE,
    ),
    *(
        Method(
            "semid, fewer iterations",
            "semid",
            semid,
            f"{share:.0%} of the iterations",
            options={"share": share},
            once=True,
        )
        for share in SHARES
    ),
]


def run(case: Case, repeats: int, patience: float) -> list[Measured]:
    """Every method, and semid with fewer iterations: when it reaches the others' errors."""
    rows = np.load(case.rows)

    def quality(arrays: dict[str, np.ndarray]) -> dict[str, float]:
        return {"error": clustering_error(rows, arrays["centroids"])} if arrays else {}

    # where a run takes seconds, imports at the first use do not show
    warm_up = 2 * case.k if case.k <= SMALL_K else 0
    return measure("kmeans", METHODS, case, quality, repeats=repeats, patience=patience, warm_up_rows=warm_up)
