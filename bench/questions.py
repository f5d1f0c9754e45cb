"""What docs/findings.md asks of the sweep.

A question is a dataset, a measure, and two subjects. Answers are made where both were run; their p values are corrected
over the questions of a dataset under a measure.
"""

from collections.abc import Iterator

BEST = "rqkmeans_4x256"
OTHERS = ("rqvae_4x256", "rqvae_4x256-w96", "rqvae_4x256-tiger", "opq_4x256")
NARROW = ("rqvae_4x256-w96", "rqvae_4x256-w128")
SMALL, LARGE = "/generator-small", "/generator"
DATASETS = {"beauty": "Beauty", "industrial": "Industrial", "movielens": "MovieLens"}
WRITTEN = ("generate", "dense")
Question = tuple[str, str, str, str]


def _generators(*pairs: tuple[str, str], dataset: str = "beauty") -> Iterator[Question]:
    for measure in WRITTEN:
        for first, second in pairs:
            yield dataset, measure, first + SMALL, second + SMALL


def _retrieval(*pairs: tuple[str, str]) -> Iterator[Question]:
    for dataset in DATASETS:
        for first, second in pairs:
            yield dataset, "retrieval", first, second


QUESTIONS: dict[str, list[Question]] = {
    "Which tokenizer?": [
        *_retrieval(*((BEST, other) for other in OTHERS), *(("rqvae_4x256", narrow) for narrow in NARROW)),
        *_generators(*((BEST, other) for other in (*OTHERS, "rqkmeans_4x256-pca32", "vqvae_4096"))),
        *_generators(("rqvae_4x256", "rqvae_4x256-w96")),
        ("industrial", "retrieval", BEST, "external_minionerec"),
        *_generators((BEST, "external_minionerec"), dataset="industrial"),
        *_generators((BEST, "category"), dataset="movielens"),
    ],
    "Which size?": [
        *_retrieval(("rqkmeans_3x256", "rqkmeans_2x256"), (BEST, "rqkmeans_3x256")),
        *_generators(
            ("rqkmeans_3x256", "rqkmeans_2x256"),
            (BEST, "rqkmeans_3x256"),
            ("rqkmeans_3x1024-tapered", "rqkmeans_3x256"),
            ("rqkmeans_3x1024-tapered", BEST),
        ),
    ],
    "Do collisions matter to a generator?": [*_generators(("rqkmeans_2x256/repair-assign", "rqkmeans_2x256"))],
    "What do IDs give, and what does content give?": [
        *_generators((BEST, "random_4x256")),
        ("beauty", "dense", BEST + SMALL, "sasrec"),
        ("beauty", "dense", "sasrec-content", BEST + SMALL),
        ("beauty", "dense", BEST + LARGE, "sasrec"),
        ("beauty", "dense", BEST + LARGE, "sasrec-content"),
        ("beauty", "dense", "random_4x256" + SMALL, "sasrec"),
    ],
}
# the first screen: of each question what most people ask
HEADLINES: dict[str, list[Question]] = {
    "Which tokenizer?": [
        ("beauty", "retrieval", BEST, "rqvae_4x256"),
        ("beauty", "generate", BEST + SMALL, "rqvae_4x256" + SMALL),
        ("beauty", "dense", BEST + SMALL, "rqvae_4x256-w96" + SMALL),
        ("beauty", "generate", BEST + SMALL, "rqvae_4x256-tiger" + SMALL),
        ("beauty", "generate", BEST + SMALL, "opq_4x256" + SMALL),
        ("industrial", "generate", BEST + SMALL, "external_minionerec" + SMALL),
    ],
    "Which size?": [
        ("beauty", "retrieval", BEST, "rqkmeans_3x256"),
        ("beauty", "generate", BEST + SMALL, "rqkmeans_3x256" + SMALL),
        ("beauty", "generate", "rqkmeans_3x256" + SMALL, "rqkmeans_2x256" + SMALL),
        ("beauty", "generate", "rqkmeans_3x1024-tapered" + SMALL, BEST + SMALL),
        ("beauty", "dense", "rqkmeans_3x1024-tapered" + SMALL, BEST + SMALL),
    ],
    "Do collisions matter to a generator?": QUESTIONS["Do collisions matter to a generator?"],
    "What do IDs give, and what does content give?": [
        ("beauty", "generate", BEST + SMALL, "random_4x256" + SMALL),
        ("beauty", "dense", BEST + SMALL, "sasrec"),
        ("beauty", "dense", "sasrec-content", BEST + SMALL),
        ("beauty", "dense", BEST + LARGE, "sasrec-content"),
        ("beauty", "dense", "random_4x256" + SMALL, "sasrec"),
    ],
}
