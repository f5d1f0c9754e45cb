"""How training went: a curve for each measure of an epoch, with the epoch that was kept and the roll-backs."""

from collections.abc import Iterator, Mapping, Sequence

from semid.report.figures import Axis, Figure, Format, Lines, Point, Series
from semid.report.results import DatasetResults, colour_of, number, read_history

CAPTION = "A ring is the epoch that was kept, a cross one after which training went back to its best epoch."
EPOCH = Axis("epoch", "count")
# Measures of an epoch by their column, with what they are called and how they are written.
OF_TOKENIZERS: dict[str, tuple[str, Format]] = {
    "held_out_error": ("error on items held out", "number"),
    "unique_codes": ("distinct IDs", "count"),
    "perplexity_1": ("perplexity of level 1", "number"),
    "perplexity_2": ("perplexity of level 2", "number"),
    "loss": ("training loss", "number"),
}
OF_GENERATORS: dict[str, tuple[str, Format]] = {
    "ndcg@10": ("NDCG@10 on the validation split", "share"),
    "recall@10": ("Recall@10 on the validation split", "share"),
    "item_loss": ("loss of the item head", "number"),
    "code_loss_1": ("loss of the first code", "number"),
}


def training_figures(dataset: DatasetResults, colours: Mapping[str, int]) -> list[Figure]:
    """Return the curves of tokenizers, and those of generators; neither where no history was kept."""
    kinds = (
        ("training", "How tokenizers were trained", dataset.seeds, OF_TOKENIZERS),
        ("generator-training", "How generators were trained", dataset.generators, OF_GENERATORS),
    )
    figures = []
    for name, title, groups, measures in kinds:
        histories = {one: list(_histories(dataset, folders)) for one, folders in groups.items()}
        variants = [
            Lines(label, EPOCH, Axis(label, format), series)
            for column, (label, format) in measures.items()
            if (series := list(_curves(histories, column, colours)))
        ]
        if variants:
            figures.append(Figure(name, title, CAPTION, "<tokenizer>/training.csv", variants))
    return figures


def _histories(dataset: DatasetResults, folders: Sequence[str]) -> Iterator[list[dict[str, str]]]:
    """Yield the histories of the seeds of a subject that are there; repaired codes have none of their own."""
    for folder in folders:
        path = dataset.results / folder / "training.csv"
        if path.is_file():
            yield read_history(path)


def _curves(
    histories: Mapping[str, Sequence[Sequence[Mapping[str, str]]]], column: str, colours: Mapping[str, int]
) -> Iterator[Series]:
    """Yield the curve of each seed, in the colour of its subject; epochs without the measure have no point."""
    for name, seeds in histories.items():
        for rows in seeds:
            points = [_point(row, value) for row in rows if (value := number(row.get(column))) is not None]
            if points:
                yield Series(name, points, colour_of(name, colours))


def _point(row: Mapping[str, str], value: float) -> Point:
    mark = "kept" if row.get("kept") == "1" else "back" if row.get("rolled_back") == "1" else None
    return Point(int(row["epoch"]), value, mark=mark)
