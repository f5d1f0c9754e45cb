"""What a candidate strategy is. Imports neither numpy nor torch: the settings and the rules read the registry."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from semid.errors import InputError
from semid.registries import load

if TYPE_CHECKING:
    from semid.retrieval.strategies.candidates import Candidates, IndexedCodes, QueryBlock


@dataclass(frozen=True)
class CandidateStrategy:
    """A way to find candidates.

    find: the import string of a function `find_<strategy>(codes, queries, **settings)` of :class:`IndexedCodes` and
        :class:`QueryBlock`. It goes through the queries in order and yields :data:`Candidates`, each a slice of the
        queries and the items that were found for them: int32 item indices, none twice, and none of the query's history.
    description: what the candidates are.
    uses: the names of the settings that the function takes, options of `EvaluationSettings`. One that uses `budgets`
        must yield the nearest candidates first; the table then has one row for each budget.
    controls: what else is searched with it: `random`, shuffled codes, whenever the strategy is configured;
        `categories`, the category paths of the items, in every evaluation of controls.
    min_levels: the fewest levels that codes must have. The evaluation leaves shorter codes out, with a line in the log.
    """

    find: str
    description: str
    uses: tuple[str, ...] = ()
    controls: tuple[str, ...] = ()
    min_levels: int = 1

    @property
    def name(self) -> str:
        """The name of the strategy, which is also that of its module."""
        return self.find.partition(":")[0].rpartition(".")[2]

    def search(self, codes: "IndexedCodes", queries: "QueryBlock", settings: Any) -> "Iterator[Candidates]":
        """Yield (slice of queries, their candidates) in order, covering every query once.

        Candidates are int32 item indices, each once a query, without the items of the history. `settings` has the
        attributes that the strategy uses. Raises InputError for codes that are too short, or lack what is needed.
        """
        if codes.index.num_levels < self.min_levels:
            raise InputError(
                f"{codes.name}: candidates {self.name} need codes of {self.min_levels} levels or more: take "
                f"{self.name} out of candidates"
            )
        return load(self.find)(codes, queries, **{name: getattr(settings, name) for name in self.uses})
