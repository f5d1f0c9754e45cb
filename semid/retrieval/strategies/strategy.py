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

    find: import string of a function of :class:`IndexedCodes` and :class:`QueryBlock` that yields the candidates of
    consecutive slices of the queries. description: what the candidates are. uses: the settings that the function takes,
    by name; one that uses `budgets` gives the nearest candidates first, and gets a row of the table for every budget.
    controls: the codes, beside those of tokenizers, with which it is tried: `random`, `categories`. min_levels: shorter
    codes are not searched in this way.
    """

    find: str
    description: str
    uses: tuple[str, ...] = ()
    controls: tuple[str, ...] = ()
    min_levels: int = 1

    @property
    def name(self) -> str:
        """The name of the module that finds the candidates."""
        return self.find.partition(":")[0].rpartition(".")[2]

    def search(self, codes: "IndexedCodes", queries: "QueryBlock", settings: Any) -> "Iterator[Candidates]":
        """Yield (slice of queries, their candidates) in order, covering every query once.

        Candidates are int32 item indices, each once a query, without the items of the history. `settings` has the
        attributes that the strategy uses. Raises InputError for codes that are too short, or lack what is needed.
        """
        if codes.index.num_levels < self.min_levels:
            raise InputError(
                f"{codes.name}: candidates {self.name} need codes of {self.min_levels} levels or more: leave them out"
            )
        return load(self.find)(codes, queries, **{name: getattr(settings, name) for name in self.uses})
