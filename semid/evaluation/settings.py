"""The section `evaluation` of the configuration: what is asked and how it is ranked."""

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le, MinLen

from semid.checks import Choices, check_options, doc, unique_items
from semid.errors import InputError
from semid.retrieval.strategies.registry import STRATEGIES

QUERIES = ("last", "mean", "decay")
# This query is replaced by the choice that is made on the validation split.
FIT = "fit"
_STRATEGIES = "; ".join(f"`{name}`: {strategy.description}" for name, strategy in STRATEGIES.items())


@dataclass(frozen=True)
class EvaluationSettings:
    """What is asked and how it is ranked. Raises InputError for a wrong value.

    `query="fit"` stands for the choice that :func:`semid.evaluation.files.fitted_settings` puts in its place.
    """

    split: Annotated[
        Literal["test", "valid"],
        doc("The split whose interactions are to be found. A history is everything that the user had before."),
    ] = "test"
    query: Annotated[
        str,
        Choices((*QUERIES, FIT)),
        doc(
            "The vector of a user: that of the `last` item, the `mean` of the history, or `decay`: the last `history` "
            "items weighted by powers of `decay`. It changes recall more than the tokenizer does. `fit` takes the best "
            "of them, with decay 0.5, 0.7 or 0.9 over 5, 10 or 20 items, by Recall@10 of the whole catalogue for at "
            "most 5,000 users of the validation split, never of test; results/<dataset>/query.json has the figures of "
            "all."
        ),
    ] = "last"
    decay: Annotated[
        float,
        Gt(0),
        Le(1),
        doc("With `query: decay`, the item j places before the last has the weight decay to the power of j."),
    ] = 0.7
    history: Annotated[int, Ge(1), doc("With `query: decay`, this many items at the end of a history count.")] = 10
    max_users: Annotated[
        int, Ge(0), doc("The evaluation takes a sample of at most this many users, drawn with `seed`; 0 takes all.")
    ] = 0
    candidates: Annotated[
        tuple[Annotated[str, Choices(STRATEGIES)], ...],
        MinLen(1),
        unique_items,
        doc(
            f"How candidates come from codes, each a row of the table. {_STRATEGIES}. Controls are always there: the "
            "whole catalogue, popularity, what was bought beside the last item, category paths as codes; and random "
            "codes with the bucket sizes of the tokenizer, for at most 5,000 users, for "
            f"{', '.join(name for name, strategy in STRATEGIES.items() if 'random' in strategy.controls)}."
        ),
    ] = ("exact", "hamming1", "prefix", "probe")
    rerank: Annotated[
        tuple[Literal["exact", "decoded"], ...],
        MinLen(1),
        unique_items,
        doc(
            "What candidates are ordered by, each a row of the table: the embeddings (`exact`), or what the codes "
            "alone retain of them (`decoded`)."
        ),
    ] = ("exact",)
    min_candidates: Annotated[
        int, Ge(1), doc("The strategy `prefix` shortens the prefix until there are at least this many candidates.")
    ] = 100
    budgets: Annotated[
        tuple[Annotated[int, Ge(1)], ...],
        MinLen(1),
        unique_items,
        doc(
            "The numbers of candidates that the strategy `probe`, and the indexes without semantic IDs, find for a "
            "query; each has a row of the table."
        ),
    ] = (10, 50, 100, 500, 1000)
    seed: Annotated[int, Ge(0), doc("Seed of the sample of users, of random codes and of the bootstrap.")] = 0
    resamples: Annotated[int, Ge(1), doc("Bootstrap resamples behind the 95 % intervals.")] = 1000
    permutations: Annotated[
        int,
        Ge(1),
        doc(
            "Random sets of signs behind the p values of results/comparisons.csv; none is smaller than "
            "1 / (permutations + 1)."
        ),
    ] = 10_000

    def __post_init__(self) -> None:
        check_options(self, "evaluation")
        if self.query == FIT and self.split == "valid":
            raise InputError("evaluation: query fit is chosen on the split valid, so evaluate on another: split: test")

    @property
    def query_name(self) -> str:
        """As the table names it: `last`, `mean` or, with its two numbers, `decay0.7x10`."""
        return f"decay{self.decay:g}x{self.history}" if self.query == "decay" else self.query
