"""What a run says of IDs that were given out before it: whether new items suit a tokenizer that is loaded, and how many
items have other codes than those to which a training was aligned.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields

from semid.evaluation.table import read_table
from semid.naming import TokenizerName
from semid.report.figures import Axis, Figure, Interval, Intervals
from semid.report.results import DatasetResults, Row, colour_of, number
from semid.semantic_ids import churn, drift

DRIFT_COLUMNS = tuple(field.name for field in fields(drift.Figure))
# What the figures of drift.csv are called: those that are held against a limit, and the others.
JUDGED = {
    "error": "error of decoding",
    "beyond_p99": "share beyond 99 % of the old items",
    "divergence": "divergence of the codes of level {level}, bits",
    "sharing_id": "share of items that share their ID",
}
COUNTED = {"items": "items", "gone": "no longer in the catalogue", "other_code": "encoded otherwise today"}
WHOLE_IDS = "all"


@dataclass(frozen=True)
class Drift:
    """The table of drift of a tokenizer; rows: those of its figures; verdict: what to do, in words."""

    tokenizer: str
    rows: Sequence[Row]
    verdict: str

    @property
    def speaks_for_another(self) -> bool:
        """Whether a figure is beyond its limit, so that another tokenizer should be trained."""
        return any(row["beyond"] == "True" for row in self.rows)


@dataclass(frozen=True)
class Churn:
    """The table of churn of a tokenizer, a row a level, and the last of whole IDs."""

    tokenizer: str
    rows: Sequence[Row]


def drifts_of(dataset: DatasetResults) -> Iterator[Drift]:
    """Yield what is there of drift.csv; repaired codes have that of the tokenizer that they are of."""
    for name in _natives(dataset):
        path = dataset.results / name / "drift.csv"
        if path.is_file():
            *rows, last = read_table(path, DRIFT_COLUMNS)
            yield Drift(name, rows, last["verdict"])


def churns_of(dataset: DatasetResults) -> Iterator[Churn]:
    """Yield what is there of churn.csv."""
    for name in _natives(dataset):
        path = dataset.results / name / "churn.csv"
        if path.is_file():
            yield Churn(name, read_table(path, churn.COLUMNS))


def _natives(dataset: DatasetResults) -> list[str]:
    return list(dict.fromkeys(TokenizerName.parse(name).native.name for name in dataset.tokenizers))


def named(row: Row) -> str:
    """Return what a figure of drift.csv is called."""
    return JUDGED.get(row["figure"], COUNTED.get(row["figure"], row["figure"])).format(level=row["level"])


def threshold(row: Row) -> float | None:
    """Return what a figure must exceed to speak for another training; None for one that is not judged."""
    limit, chance = number(row["limit"]), number(row["chance"])
    return None if limit is None or chance is None else max(limit, chance)


def drift_figure(dataset: DatasetResults, colours: Mapping[str, int]) -> Figure | None:
    """Return the figure of new items against the limits; None where no drift was measured."""
    x = Axis("above (+) or below (−) its limit, in units of the limit", "signed")
    variants = [
        Intervals(of.tokenizer, x, rows, zero=True)
        for of in drifts_of(dataset)
        if (rows := list(_intervals(of, colours)))
    ]
    if not variants:
        return None
    return Figure(
        "drift",
        "Whether new items suit the tokenizer",
        "Each figure compares new items with those whose IDs were given out before. One to the right of 0 speaks for "
        "another training: it is beyond the limit from which it matters, and beyond what chance gives in one of a "
        "hundred cases.",
        "<tokenizer>/drift.csv",
        variants,
    )


def _intervals(of: Drift, colours: Mapping[str, int]) -> Iterator[Interval]:
    for row in of.rows:
        limit = threshold(row)
        if limit:
            new = float(row["new"])
            note = f"{new:.4g} of new items, limit {limit:.4g}"
            is_beyond = row["beyond"] == "True"
            yield Interval(
                named(row), new / limit - 1, colour=colour_of(of.tokenizer, colours), note=note, sure=is_beyond
            )
