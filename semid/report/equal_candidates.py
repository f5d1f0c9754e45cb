"""The rows by which tokenizers can be compared: those that give each query the same number of candidates."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from semid.report.results import CONTROLS, DatasetResults, Row, mean

# The strategy that finds as many candidates as its budget says, ranked by their own vectors, and the budget of choice.
STRATEGY, BUDGET, RERANK = "probe", 100, "exact"
METRIC = "recall@10"


@dataclass(frozen=True)
class Compared:
    """A tokenizer at equal candidates: the rows of its seeds, at least one."""

    name: str
    rows: Sequence[Row]

    def mean(self, column: str) -> float:
        """Return the mean of a column over the seeds."""
        return mean([float(row[column]) for row in self.rows])

    def mean_if_any(self, column: str) -> float | None:
        """Return the mean of a column over the seeds, None where a seed has no value."""
        return self.mean(column) if all(row[column] for row in self.rows) else None


def chosen_budget(dataset: DatasetResults) -> int | None:
    """Return the number of candidates at which tokenizers are compared: the one nearest to 100; None without any."""
    rows = dataset.rows("offline_eval", candidates=STRATEGY, rerank=RERANK)
    budgets = {int(row["budget"]) for row in rows if int(row["budget"])}
    return min(budgets, key=lambda budget: (abs(math.log(budget / BUDGET)), budget), default=None)


def at_equal_candidates(dataset: DatasetResults) -> list[Compared]:
    """Return the tokenizers at the chosen budget, the one that finds most first; none without such rows."""
    budget = chosen_budget(dataset)
    rows = {
        row["tokenizer"]: row
        for row in dataset.rows("offline_eval", candidates=STRATEGY, rerank=RERANK, budget=str(budget))
    }
    compared = [
        Compared(name, [rows[seed] for seed in seeds if seed in rows])
        for name, seeds in dataset.seeds.items()
        if any(seed in rows for seed in seeds)
    ]
    return sorted(compared, key=lambda one: -one.mean(METRIC))


def controls(dataset: DatasetResults) -> Mapping[str, Row]:
    """Return the rows of the controls by what they are: `all`, `popularity`, `cooccurrence`."""
    return {row["candidates"]: row for row in dataset.rows("offline_eval", tokenizer=CONTROLS)}
