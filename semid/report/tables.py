"""Tables of the page: cells with the text that is shown and the number that it stands for."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from semid.report.equal_candidates import METRIC, RERANK, Compared, at_equal_candidates, chosen_budget
from semid.report.figures import interval_of
from semid.report.funnel import dropped
from semid.report.results import DatasetResults, Row, number
from semid.report.usage import LevelRow


@dataclass(frozen=True)
class Cell:
    """A cell; value: the number as it is in the table of results; aside: smaller text behind it."""

    text: str
    value: float | None = None
    aside: str = ""
    is_text: bool = False


@dataclass(frozen=True)
class Column:
    """A column; help: what a reader is told who points at its name."""

    label: str
    help: str = ""


@dataclass(frozen=True)
class Table:
    """A table; name: tells it from others on the page; marks_first: whether the first row is the best."""

    name: str
    title: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    marks_first: bool = False


def share(value: float) -> str:
    """Return a share with four digits, as the table in the terminal has it."""
    return f"{value:.4f}"


def compared(value: float, reference: float) -> str:
    """Return what the best has of a reference above 0, in words: a share of it, or a multiple."""
    ratio = value / reference
    return f"the best has {ratio:.0%} of it" if ratio < 2 else f"the best has {ratio:.2g} times it"


def number_cell(value: float | None, written: str = ".4f", aside: str = "") -> Cell:
    """Return a cell with a number in the format `written`, empty for None."""
    return Cell("" if value is None else format(value, written), value, aside)


def recall_table(dataset: DatasetResults) -> Table | None:
    """Return the table of tokenizers at equal candidates; None without such rows."""
    compared = at_equal_candidates(dataset)
    if not compared:
        return None
    columns = (
        Column("tokenizer"),
        Column("Recall@10", "the share of queries whose next item is among the first ten, with its 95 % interval"),
        Column("NDCG@10"),
        Column("MRR"),
        Column("candidate recall", "the share of queries whose next item is among the candidates at all"),
        Column("item coverage", "the share of the items that are among anyone's first ten"),
        Column("entropy, bits", "of an ID: how many bits of it tell items apart"),
        Column("µs a query"),
    )
    title = f"With {chosen_budget(dataset):,} candidates"
    return Table("recall", title, columns, list(_compared_rows(compared)), marks_first=True)


def _compared_rows(compared: Sequence[Compared]) -> Iterator[list[Cell]]:
    written = {"ndcg@10": ".4f", "mrr": ".4f", "cand_recall": ".4f", "item_coverage@10": ".3f"}
    written |= {"entropy_bits": ".1f", "query_us": ",.0f"}
    for one in compared:
        low, high = interval_of(one.rows, METRIC)
        yield [
            Cell(one.name, aside=f"{len(one.rows)} seeds" if len(one.rows) > 1 else ""),
            number_cell(one.mean(METRIC), aside="" if low is None else f"[{low:.4f}, {high:.4f}]"),
            *(number_cell(one.mean_if_any(column), digits) for column, digits in written.items()),
        ]


# The columns of the scorecards on the page: the column, its label, how it is written, and what it says.
SCORECARD = (
    ("unique_codes", "distinct IDs", ".4f", "distinct IDs divided by items"),
    ("items_in_collisions", "sharing an ID", ",.0f", "items that share their whole ID with another one"),
    (
        "items_in_collisions_identical",
        "of them identical",
        ",.0f",
        "whose embeddings are equal, so that none separates them",
    ),
    ("largest_bucket", "largest bucket", ",.0f", "the most items with one ID"),
    ("reconstruction_error", "error", ".4f", "mean squared distance of an embedding to its decoded ID"),
    ("relative_error", "of variance", ".4f", "the error divided by the variance of the embeddings"),
    ("entropy_bits", "entropy, bits", ".1f", "the sum over levels of the entropy of a level's codes"),
    ("bits", "bits", ".0f", "of an ID, if all codes were equally likely"),
    ("cosine_prefix_spearman", "prefix and cosine", ".3f", "Spearman's correlation of cosine and shared prefix"),
    ("neighbours_same_level1", "neighbours together", ".3f", "near neighbours that share the first code"),
    ("category_ami", "category AMI", ".3f", "adjusted mutual information of first codes and categories"),
    ("epoch_kept", "epoch kept", ".0f", "of the training of an autoencoder; 0 means that training added nothing"),
)


def scorecard_table(dataset: DatasetResults) -> Table | None:
    """Return the table of scorecards; None without any. A column that no tokenizer fills is left out."""
    rows = dataset.tables["tokenizers"]
    if not rows:
        return None
    columns = [column for column in SCORECARD if any(row[column[0]] for row in rows)]
    return Table(
        "scorecards",
        f"Scorecards of {int(rows[0]['items']):,} items",
        [Column("tokenizer"), *(Column(label, help) for _, label, _, help in columns)],
        [_scorecard_row(row, columns) for row in rows],
    )


def _scorecard_row(row: Row, columns: Sequence[tuple[str, str, str, str]]) -> list[Cell]:
    return [Cell(row["tokenizer"]), *(number_cell(number(row[name]), written) for name, _, written, _ in columns)]


def level_table(rows: Sequence[LevelRow]) -> Table | None:
    """Return the table of the use of each level; None without any."""
    if not rows:
        return None
    columns = (
        Column("tokenizer"),
        Column("level"),
        Column("used codes"),
        Column("dead codes", "codes without an item"),
        Column("perplexity", "of how many equally used codes this is worth"),
        Column("largest code", "the share of the items that the most used code has"),
    )
    return Table("levels", "Use of each level", columns, [_level_row(row) for row in rows])


def _level_row(row: LevelRow) -> list[Cell]:
    return [
        Cell(row.tokenizer),
        number_cell(row.level, "d"),
        number_cell(row.used, ",d"),
        number_cell(row.dead, ",d"),
        number_cell(row.perplexity, ".1f"),
        Cell(f"{row.largest_share:.1%}", row.largest_share),
    ]


def dropped_table(dataset: DatasetResults) -> Table | None:
    """Return the table of what preprocessing dropped, and why; None where nothing was."""
    rows = [
        [Cell(table), number_cell(count, ",d"), Cell(reason, is_text=True)] for table, count, reason in dropped(dataset)
    ]
    return (
        Table("dropped", "What was dropped", (Column("table"), Column("rows"), Column("why")), rows) if rows else None
    )


def _condition(row: Row) -> str:
    budget = row["budget"] if row["budget"] != "0" else ""
    return " ".join(filter(None, [row["candidates"], budget, row["rerank"] if row["rerank"] != RERANK else ""]))


def front_table(dataset: DatasetResults, fronts: Mapping[str, str]) -> Table | None:
    """Return the rows of `pareto.csv` that nothing beats; `fronts` maps its columns to what they are called."""
    kept = [row for row in dataset.tables["pareto"] if any(row[column] == "1" for column in fronts)]
    if not kept:
        return None
    labels = ("", "candidates", "Recall@10", "candidates a query", "µs a query", *fronts.values())
    rows = [
        [
            Cell(row["tokenizer"]),
            Cell(_condition(row)),
            number_cell(float(row["recall@10"])),
            number_cell(float(row["avg_cand_size"]), ",.1f"),
            number_cell(float(row["query_us"]), ",.0f"),
            *(Cell("yes" if row[column] == "1" else "") for column in fronts),
        ]
        for row in sorted(kept, key=lambda row: float(row["avg_cand_size"]))
    ]
    return Table("front", "What nothing else beats", [Column(label) for label in labels], rows)
