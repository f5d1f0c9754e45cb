"""The tables of the sweep, and differences in words: what docs/findings.md is written from."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from bench import cells, strategies
from semid.evaluation.table import read_table

COLUMNS = {**cells.COLUMNS, "strategies": strategies.COLUMNS, "slices": strategies.SLICED_COLUMNS}
SIGNIFICANT = 0.05


def p_text(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def with_minus(figures: str) -> str:
    """Return figures with the sign that print has for a minus."""
    return figures.replace("-", "−")


@dataclass(frozen=True)
class Finding:
    """A difference of two subjects of one dataset under one measure, with its interval and its p after correction."""

    first: str
    second: str
    difference: float
    low: float
    high: float
    p: float

    @classmethod
    def of(cls, row: Mapping[str, str], p: str = "p") -> Self:
        """Return what a row of pairs.csv says, with the p of this column."""
        return cls(row["first"], row["second"], *(float(row[name]) for name in ("difference", "low", "high", p)))

    def interval(self) -> str:
        return with_minus(f"{self.difference:+.4f} [{self.low:+.4f}, {self.high:+.4f}]")

    def figures(self) -> str:
        return f"{self.interval()}, p {p_text(self.p)}"

    def differs(self) -> bool:
        return self.p < SIGNIFICANT

    def sentence(self) -> str:
        """What the figures say, with the figures."""
        first, second = f"`{self.first}`", f"`{self.second}`"
        if self.differs():
            return f"{first} finds {'more' if self.difference > 0 else 'less'} than {second} ({self.figures()})"
        return f"no difference is shown between {first} and {second} ({self.figures()})"


class Tables:
    """The tables of the sweep in a folder, values as text, and ways to ask them."""

    def __init__(self, folder: Path) -> None:
        def table(name: str) -> list[dict[str, str]]:
            return read_table(folder / f"{name}.csv", COLUMNS[name])

        self.tokenizers, self.values, self.pairs = table("tokenizers"), table("values"), table("pairs")
        self.foretold, self.ablations = table("foretold"), table("ablations")
        self.strategies, self.slices = table("strategies"), table("slices")
        self.spreads, self.missing = table("spreads"), table("missing")

    def findings(self, dataset: str, measure: str, p: str = "p") -> Iterator[Finding]:
        """The pairs of a dataset under a measure, with the p of this column."""
        for row in self.pairs:
            if (row["dataset"], row["measure"]) == (dataset, measure):
                yield Finding.of(row, p)

    def finding(self, dataset: str, measure: str, first: str, second: str) -> Finding | None:
        """The difference of the first less the second, whichever way round the table has it; None if one is missing.

        Its p is not corrected.
        """
        for found in self.findings(dataset, measure):
            if (found.first, found.second) == (first, second):
                return found
            if (found.first, found.second) == (second, first):
                return Finding(first, second, -found.difference, -found.high, -found.low, found.p)
        return None

    def measured(self, dataset: str, measure: str) -> list[dict[str, str]]:
        """The rows of values, the highest mean first."""
        rows = [row for row in self.values if (row["dataset"], row["measure"]) == (dataset, measure)]
        return sorted(rows, key=lambda row: -float(row["mean"]))

    def correlations(self, dataset: str, measure: str, which: str) -> list[dict[str, str]]:
        """The rows of correlations, the strongest first."""
        key = (dataset, measure, which)
        rows = [row for row in self.foretold if (row["dataset"], row["measure"], row["which"]) == key]
        return sorted(rows, key=lambda row: (-abs(float(row["spearman"])), row["figure"]))
