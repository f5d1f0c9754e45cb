"""What a run says, in words: which tokenizer finds most, what differs, what to beware of, and who was asked."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from semid.analysis.generator_comparisons import CANDIDATES as OF_GENERATORS
from semid.report.earlier import churns_of, drifts_of
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
class Against:
    """What paired tests say of a name against all others: of each that differs, and of each that may not, a text."""

    name: str
    sure: Sequence[str]
    unsure: Sequence[str]

    @property
    def doubt(self) -> str:
        """How the sentence ends that calls this name the best: empty where it differs from all others."""
        count = len(self.unsure)
        return "" if not count else f"; {'one other' if count == 1 else f'{count} others'} may be as good"


@dataclass(frozen=True)
class Best:
    """What finds most; where: under which condition it was compared; doubt: what the tests leave open, in words."""

    name: str
    where: str
    doubt: str
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
        doubt = _tests_of_tokenizers(dataset, first.name).doubt
        yield _best(first.name, f"with {chosen_budget(dataset):,} candidates", doubt, first.rows, references)
    generators = _generated(dataset, "generate")
    if generators:
        name, rows = generators[0]
        dense = [(f"{other} by its vectors", _recall(rows)) for other, rows in _generated(dataset, "dense")]
        sasrec = [(name, recall) for name, recall in dense if name.startswith("sasrec")]
        doubt = _tests_of_generators(dataset, name).doubt
        yield _best(name, "writing IDs, seen items removed", doubt, rows, [*dense[:1], *sasrec[:1]])


def _best(name: str, where: str, doubt: str, rows: Sequence[Row], references: Sequence[tuple[str, float]]) -> Best:
    low, high = interval_of(rows, METRIC)
    return Best(name, where, doubt, _recall(rows), low, high, len(rows), list(dict.fromkeys(references)))


def findings(dataset: DatasetResults) -> list[Finding]:
    """Return the sentences on a dataset: differences first, then warnings, then who and what was evaluated."""
    return [*_differences(dataset), *_warnings(dataset), *_asked(dataset)]


def _differences(dataset: DatasetResults) -> Iterator[Finding]:
    compared, generators = at_equal_candidates(dataset), _generated(dataset, "generate")
    if dataset.tables["offline_eval"] and not compared:
        yield Finding("beware", "No strategy gave all tokenizers equally many candidates, so that none is called best.")
    tests = [_tests_of_tokenizers(dataset, first.name) for first in compared[:1]]
    tests += [_tests_of_generators(dataset, name) for name, _ in generators[:1]]
    for of in tests:
        if of.sure:
            listed = ", ".join(of.sure)
            yield Finding(
                "differs", f"{of.name} differs from {listed}: paired tests, corrected by Holm over all pairs."
            )
        if of.unsure:
            yield Finding("same", f"No difference is shown between {of.name} and {', '.join(of.unsure)}.")


def _tests_of_tokenizers(dataset: DatasetResults, name: str) -> Against:
    condition = {"candidates": STRATEGY, "budget": str(chosen_budget(dataset)), "rerank": RERANK, "metric": METRIC}
    return _against(name, dataset.rows("comparisons", **condition))


def _tests_of_generators(dataset: DatasetResults, name: str) -> Against:
    pairs = dataset.rows("comparisons", candidates=OF_GENERATORS, rerank=SEEN_REMOVED, metric=METRIC)
    written = [row for row in pairs if all(row[end].endswith(":generate") for end in ("tokenizer_a", "tokenizer_b"))]
    return _against(f"{name}:generate", written)


def _against(name: str, pairs: Sequence[Row]) -> Against:
    said: dict[bool, list[tuple[float, str]]] = {True: [], False: []}
    for row in pairs:
        if name in (row["tokenizer_a"], row["tokenizer_b"]):
            is_a = row["tokenizer_a"] == name
            other, difference = row["tokenizer_b" if is_a else "tokenizer_a"], float(row["difference"])
            p = float(row["p_holm"])
            said[p < LEVEL].append((p, f"{other} ({difference if is_a else -difference:+.4f}, p = {p:.2g})"))
    sure, unsure = ([text for _, text in sorted(said[is_sure])] for is_sure in (True, False))
    return Against(name, sure, unsure)


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
    for drift in drifts_of(dataset):
        # what speaks for the tokenizer is no warning, and what has a figure beyond its limit is one
        yield Finding("beware" if drift.speaks_for_another else "same", f"{drift.tokenizer}: {drift.verdict}.")
    for churn in churns_of(dataset):
        before, after = (float(churn.rows[-1][end]) for end in ("before", "after"))
        yield Finding(
            "asked",
            f"{churn.tokenizer}: {after:.1%} of the items that are still there have another ID than before; without "
            f"the alignment {before:.1%}.",
        )
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
