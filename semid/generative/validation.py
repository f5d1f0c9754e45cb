"""What the validation split decides: the epoch that is kept, and the weight of the vectors in `hybrid`."""

from dataclasses import dataclass
from typing import NamedTuple

from semid.evaluation.queries import Queries
from semid.evaluation.target_ranks import Ranks
from semid.generative.evaluation import GeneratorEvaluation, Outcome
from semid.generative.model import Generator
from semid.generative.ranking import BETAS
from semid.retrieval.inverted import InvertedIndex

# The metrics of an epoch, the last of which decides.
MEASURES = ("recall@10", "ndcg@10")


class Beta(NamedTuple):
    """A weight of `hybrid`, and the name of its ranking."""

    value: float
    ranking: str


@dataclass(frozen=True, eq=False)
class EpochMeasure:
    """Measures a model on validation queries: `recall@10` and `ndcg@10` of its last ranking, `hybrid` where it has it.

    Beside them stand the figures of every ranking, such as `dense_recall@10`, and the weight `beta` of `hybrid`.
    """

    queries: Queries
    index: InvertedIndex | None

    def __call__(self, model: Generator) -> dict[str, float]:
        outcome = GeneratorEvaluation(model, self.queries, self.index).outcome()
        beta = best_beta(outcome)
        ranks = {name: ranks for name, ranks in outcome.ranks.items() if ":" not in name}
        if beta is not None:
            ranks["hybrid"] = outcome.ranks[beta.ranking]
        deciding = ranks["hybrid" if beta is not None else next(iter(ranks))]
        figures = {name: _mean(deciding, name) for name in MEASURES}
        figures |= {f"{ranking}_{name}": _mean(ranks[ranking], name) for ranking in ranks for name in MEASURES}
        return figures if beta is None else {**figures, "beta": beta.value}


def best_beta(outcome: Outcome) -> Beta | None:
    """Return the weight of the highest NDCG@10, the least of equal ones; None where there is no `hybrid`."""
    betas = [Beta(beta, f"hybrid:{beta:g}") for beta in BETAS if f"hybrid:{beta:g}" in outcome.ranks]
    return max(betas, key=lambda beta: _mean(outcome.ranks[beta.ranking], MEASURES[-1]), default=None)


def _mean(ranks: Ranks, metric: str) -> float:
    return float(ranks.metric(metric).mean())
