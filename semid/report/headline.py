"""What a run says, in words: which tokenizer finds most, what differs, what to beware of, and who was asked."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from semid.analysis.generator_comparisons import CANDIDATES as OF_GENERATORS
from semid.report.equal_candidates import (
    METRIC,
    RERANK,
    STRATEGY,
    at_equal_candidates,
    chosen_budget,
    controls,
)
from semid.report.figures import interval_of
from semid.report.results import SEEN_REMOVED, DatasetResults, Row, mean, without_seeds

Kind = Literal["differs", "same", "beware", "asked"]
# A difference is sure where its p, corrected by Holm over all pairs, is below this.
LEVEL = 0.05


@dataclass(frozen=True)
class Best:
    """What finds most; what: of which kind it is; where: under which condition it was compared."""

    name: str
    what: str
    where: str
    recall: float
    low: float | None
    high: float | None
    seeds: int
    references: Sequence[tuple[str, float]]


@dataclass(frozen=True)
class Finding:
    """A sentence, and what kind of sentence it is."""

    kind: Kind
    text: str


def best_of(dataset: DatasetResults) -> Iterator[Best]:
    """Yield what finds most of the tokenizers at equal candidates, then of the generators by what they write."""
    compared = at_equal_candidates(dataset)
    if compared:
        first, known = compared[0], controls(dataset)
        named = {"all": "the whole catalogue", "popularity": "popularity", "cooccurrence": "co-occurrence"}
        references = [(text, float(known[name][METRIC])) for name, text in named.items() if name in known]
        where = f"with {chosen_budget(dataset):,} candidates"
        yield _best(first.name, "tokenizer", where, first.rows, references)
    generators = _generated(dataset, "generate")
    if generators:
        name, rows = generators[0]
        dense = [(f"{other} by its vectors", _recall(rows)) for other, rows in _generated(dataset, "dense")]
        sasrec = [(name, recall) for name, recall in dense if name.startswith("sasrec")]
        yield _best(name, "generator", "writing IDs, seen items removed", rows, [*dense[:1], *sasrec[:1]])


def _best(name: str, what: str, where: str, rows: Sequence[Row], references: Sequence[tuple[str, float]]) -> Best:
    low, high = interval_of(rows, METRIC)
    return Best(name, what, where, _recall(rows), low, high, len(rows), list(dict.fromkeys(references)))


def findings(dataset: DatasetResults) -> list[Finding]:
    """Return the sentences on a dataset: differences first, then warnings, then who and what was evaluated."""
    return [*_differences(dataset), *_warnings(dataset), *_asked(dataset)]


def _differences(dataset: DatasetResults) -> Iterator[Finding]:
    compared = at_equal_candidates(dataset)
    if compared:
        pairs = dataset.rows(
            "comparisons",
            candidates=STRATEGY,
            budget=str(chosen_budget(dataset)),
            rerank=RERANK,
            metric=METRIC,
        )
        yield from _against(compared[0].name, pairs)
    elif dataset.tables["offline_eval"]:
        yield Finding("beware", "No strategy gave all tokenizers equally many candidates, so that none is called best.")
    generators = _generated(dataset, "generate")
    if generators:
        pairs = dataset.rows("comparisons", candidates=OF_GENERATORS, rerank=SEEN_REMOVED, metric=METRIC)
        written = [
            row for row in pairs if all(row[end].endswith(":generate") for end in ("tokenizer_a", "tokenizer_b"))
        ]
        yield from _against(f"{generators[0][0]}:generate", written)


def _against(name: str, pairs: Sequence[Row]) -> Iterator[Finding]:
    """Yield from which others a name differs, and from which not, by paired tests."""
    sure: list[tuple[float, str]] = []
    unsure: list[tuple[float, str]] = []
    for row in pairs:
        if name in (row["tokenizer_a"], row["tokenizer_b"]):
            is_a = row["tokenizer_a"] == name
            other, difference = row["tokenizer_b" if is_a else "tokenizer_a"], float(row["difference"])
            p = float(row["p_holm"])
            said = f"{other} ({difference if is_a else -difference:+.4f}, p = {p:.2g})"
            (sure if p < LEVEL else unsure).append((p, said))
    if sure:
        listed = ", ".join(said for _, said in sorted(sure))
        yield Finding("differs", f"{name} differs from {listed}: paired tests, corrected by Holm over all pairs.")
    if unsure:
        listed = ", ".join(said for _, said in sorted(unsure))
        yield Finding("same", f"No difference is shown between {name} and {listed}.")


def _warnings(dataset: DatasetResults) -> Iterator[Finding]:
    texts: dict[str, list[str]] = {}
    for row in dataset.tables["tokenizers"]:
        if row["warnings"]:
            texts.setdefault(row["warnings"], []).append(row["tokenizer"])
        if row["epoch_kept"] == "0":
            text = "training added nothing: its start, epoch 0, was kept."
            texts.setdefault(text, []).append(row["tokenizer"])
        if int(row["rollbacks"] or 0):
            text = "codes collapsed while it was trained, and training went back to its best epoch."
            texts.setdefault(text, []).append(row["tokenizer"])
    for text, names in texts.items():
        yield Finding("beware", f"{', '.join(names)}: {text}")
    stats = dataset.stats()
    ties = stats.get("ties", {})
    if ties.get("last_two_tied"):
        order = stats.get("settings", {}).get("ties")
        drawn = "drawn at random" if order == "shuffle" else "that of the source"
        yield Finding(
            "beware",
            f"{ties['last_two_tied']:,} of {ties['users_with_two_interactions']:,} users ({ties['share']:.0%}) have "
            f"their last two interactions at the same time; their order is {drawn}. The slice untied is of the others.",
        )


def _asked(dataset: DatasetResults) -> Iterator[Finding]:
    rows = [*dataset.tables["offline_eval"], *dataset.tables["generative_eval"]]
    if rows:
        row = rows[0]
        skipped = [
            (int(row["no_history_skipped"] or 0), "without a history"),
            (int(row["unknown_target_skipped"] or 0), "whose next item is not in the catalogue"),
            (int(row["seen_skipped"] or 0), "whose next item they had before"),
        ]
        left_out = [f"{count:,} {whose}" for count, whose in skipped if count]
        text = f"{int(row['queries']):,} queries of {int(row['users']):,} users of the {row['split']} split were asked"
        yield Finding(
            "asked", f"{text}; left out: {', '.join(left_out)}." if left_out else f"{text}, and none left out."
        )
    cold = next((row for row in dataset.tables["slices"] if row["slice"] == "cold"), None)
    if cold is not None and int(cold["queries"]):
        yield Finding(
            "asked", f"For {int(cold['queries']):,} of them the next item is cold: nobody had it in training."
        )
    items = dataset.stats().get("items", {})
    if items.get("outside_core"):
        yield Finding(
            "asked",
            f"{items['in_core']:,} of {items['rows']:,} items were evaluated; {items['outside_core']:,} have IDs, but "
            "too few interactions.",
        )


def _generated(dataset: DatasetResults, ranking: str) -> list[tuple[str, Sequence[Row]]]:
    """Return the generators under one ranking, seen items removed, by their folders without seeds, the best first."""
    groups: dict[str, list[Row]] = {}
    for row in dataset.rows("generative_eval", ranking=ranking, seen=SEEN_REMOVED):
        if row["generator"]:
            groups.setdefault(without_seeds(row["tokenizer"], row["generator"]), []).append(row)
    return sorted(groups.items(), key=lambda group: -_recall(group[1]))


def _recall(rows: Sequence[Row]) -> float:
    return mean([float(row[METRIC]) for row in rows])
