"""The tables of drift and of churn on the page."""

from semid.report.earlier import WHOLE_IDS, Churn, Drift, churns_of, drifts_of, named, threshold
from semid.report.results import DatasetResults, number
from semid.report.tables import Cell, Column, Table, number_cell


def earlier_tables(dataset: DatasetResults) -> list[Table]:
    """Return a table for each tokenizer that is loaded, headed by its verdict, and one of all that are aligned."""
    churns = list(churns_of(dataset))
    return [*map(_drift_table, drifts_of(dataset)), *([_churn_table(churns)] if churns else [])]


def _drift_table(of: Drift) -> Table:
    columns = (
        Column("figure"),
        Column("old items"),
        Column("new items"),
        Column("limit", "what a figure must exceed to speak for another training: its limit, or what chance gives"),
        Column("beyond"),
    )
    rows = [
        [
            Cell(named(row), is_text=True),
            number_cell(number(row["old"]), ",.4g"),
            number_cell(number(row["new"]), ",.4g"),
            number_cell(threshold(row), ".4g"),
            Cell({"True": "yes", "False": "no"}.get(row["beyond"], "")),
        ]
        for row in of.rows
    ]
    return Table(f"drift-{of.tokenizer}", f"{of.tokenizer}: {of.verdict}", columns, rows)


def _churn_table(churns: list[Churn]) -> Table:
    columns = (
        Column("tokenizer"),
        Column("level"),
        Column("items", "that both catalogues have"),
        Column("other code without the alignment", "of the items by which the alignment was chosen"),
        Column("other code with it"),
    )
    rows = [
        [
            Cell(of.tokenizer),
            Cell("whole IDs" if row["level"] == WHOLE_IDS else row["level"]),
            number_cell(float(row["items"]), ",.0f"),
            number_cell(float(row["before"]), ".2%"),
            number_cell(float(row["after"]), ".2%"),
        ]
        for of in churns
        for row in of.rows
    ]
    return Table("churn", "Items with another code than an earlier tokenizer gave them", columns, rows)
