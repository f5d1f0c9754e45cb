"""Where the tables of a bench go."""

from pathlib import Path

from semid.files import write_text


def write_tables(out: Path, name: str, rows: str, page: str) -> None:
    """Write the CSV of rows and the page of them into a folder, and print the page."""
    write_text(out / f"{name}.csv", rows)
    write_text(out / f"{name}.md", page)
    print(page)
