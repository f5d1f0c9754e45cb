"""Lists that were written as text, such as `['Music', 'guitar']` in a CSV file of pandas."""

import logging
from collections.abc import Iterable

from semid.data.connection import Database
from semid.data.formats import RawFile
from semid.data.formats.raw_file import blank, list_text

logger = logging.getLogger(__name__)

ROWS_TRIED = 1_000
# A list, a map or a tuple of texts or numbers as Python or JSON writes it; `[new]` in a title is none.
LOOKS_LIKE_LIST = r"^\s*[\[{(]\s*([\[{''\"].*|-?[0-9]+(\.[0-9]+)?(\s*,.*)?)[\]})]\s*$"
# What needs no quotes where lists are expected.
LOOKS_LIKE_CATEGORIES = rf"{LOOKS_LIKE_LIST}|^\s*\[.*\]\s*$|^\s*\{{.*\}}\s*$"


def with_lists_as_text(database: Database, file: RawFile, fields: Iterable[str]) -> RawFile:
    """Return the file with those of the fields read as lists whose texts all are lists.

    The first rows tell whether there are lists at all, and only then all rows are looked at. A field with lists and
    other texts stays as it is, and the log warns of it with an example.
    """
    lists = set()
    for name in fields:
        text = None if file.fields[name] is None else file.text(name)
        if text is None:
            continue
        texts = f"SELECT {text} AS text FROM ({file.query()})"
        pattern = LOOKS_LIKE_CATEGORIES if name == "categories" else LOOKS_LIKE_LIST
        looks = f"regexp_matches(text, '{pattern}', 's')"
        if not database.count(f"(SELECT * FROM ({texts}) LIMIT {ROWS_TRIED}) WHERE {looks}"):
            continue
        counts = database.row(
            f"SELECT count(*) AS n, count({list_text('text')}) AS lists, count(*) FILTER ({looks}) AS alike, "
            f"any_value(text) FILTER ({looks}) AS example FROM ({texts}) WHERE NOT {blank('text')}"
        )
        if counts.n == counts.lists:
            lists.add(name)
            logger.info("%s: the texts of %s are read as lists", file.path, file.fields[name])
        else:
            logger.warning(
                "%s: %s OF %s TEXTS OF COLUMN %s LOOK LIKE LISTS OR MAPS, AND STAY TEXTS, such as %r; write them as "
                "lists (JSONL or parquet), or as texts with a separator and name it under categories_separator",
                file.path,
                f"{counts.alike:,}",
                f"{counts.n:,}",
                file.fields[name],
                counts.example,
            )
    return file.with_lists(frozenset(lists))
