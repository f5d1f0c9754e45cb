"""Texts for a terminal."""

from collections.abc import Mapping, Sequence

# what is shown changes no result
__affects_results__ = False


def printable(text: str) -> str:
    """Return a text without what a terminal would take for a command: names of files and ids are the user's."""
    return "".join(character if character.isprintable() else "?" for character in text)


def aligned(lines: Sequence[Sequence[str]]) -> list[str]:
    """Return lines of cells as texts, in which each column is as wide as its widest cell."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]


def recall_with_interval(row: Mapping[str, str]) -> str:
    """Return Recall@10 of a row of a table and its 95 % interval, as a cell."""
    low, high = (f"{float(row[f'recall@10_{end}']):.4f}" for end in ("low", "high"))
    return f"{float(row['recall@10']):.4f} [{low}, {high}]"
