"""What generators find: by writing IDs, by their vectors and by both, with seen items removed and kept."""

from collections.abc import Iterator, Mapping, Sequence

from semid.report.equal_candidates import METRIC
from semid.report.figures import Axis, Figure, Interval, Intervals, interval_of
from semid.report.results import SEEN_KEPT, SEEN_REMOVED, DatasetResults, Row, colour_of, mean, without_seeds

# How the page calls the rankings of a generator.
RANKINGS = {
    "generate": "generate: beam search over the IDs",
    "dense": "dense: all items by their vectors",
    "hybrid": "hybrid: both",
}
CONTROL = "controls"


def generator_figure(dataset: DatasetResults, colours: Mapping[str, int]) -> Figure | None:
    """Return the figure of generators beside the controls; None for a run without generators."""
    if not dataset.generators:
        return None
    variants = [
        Intervals(f"{label}, seen items {seen}", Axis(label, "share"), list(_rows(dataset, colours, metric, seen)))
        for metric, label in ((METRIC, "Recall@10"), ("ndcg@10", "NDCG@10"))
        for seen in (SEEN_REMOVED, SEEN_KEPT)
    ]
    return Figure(
        "generators",
        "Generative recommenders",
        "Each generator was trained on the IDs of the tokenizer before the slash; a name alone knows no IDs. Bars "
        "are 95 % intervals over users, and values means over seeds. Papers differ in whether seen items are "
        "removed, which moves results as much as a method does.",
        "generative_eval.csv",
        [variant for variant in variants if variant.rows],
    )


def _rows(dataset: DatasetResults, colours: Mapping[str, int], metric: str, seen: str) -> Iterator[Interval]:
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in dataset.rows("generative_eval", seen=seen):
        name = without_seeds(row["tokenizer"], row["generator"]) if row["generator"] else row["ranking"]
        groups.setdefault((row["ranking"] if row["generator"] else CONTROL, name), []).append(row)
    for ranking, title in {**RANKINGS, CONTROL: "controls: nothing is learnt"}.items():
        of_ranking = [(name, rows) for (kind, name), rows in groups.items() if kind == ranking]
        for name, rows in sorted(of_ranking, key=lambda group: -_mean(group[1], metric)):
            low, high = interval_of(rows, metric)
            yield Interval(
                name,
                _mean(rows, metric),
                low,
                high,
                group=title,
                colour=None if ranking == CONTROL else colour_of(name, colours),
                note=_note(rows),
            )


def _mean(rows: Sequence[Row], metric: str) -> float:
    return mean([float(row[metric]) for row in rows])


def _note(rows: Sequence[Row]) -> str | None:
    """Return the seeds, where there are several, and the minutes of a training, where there was one."""
    notes = [f"{len(rows)} seeds"] if len(rows) > 1 else []
    if all(row["train_seconds"] for row in rows):
        notes.append(f"trained {mean([float(row['train_seconds']) for row in rows]) / 60:.1f} minutes")
    return ", ".join(notes) or None
