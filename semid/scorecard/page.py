"""`codebook.md`, a page that shows what level-1 codes mean: titles and categories of their items."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from semid.items import item_batches

CODES_SHOWN = 20
TITLES_SHOWN = 5
TITLE_LENGTH = 100

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
# what comes before the break of a mention or a mail address, of an address with a scheme, of one that begins with www.,
# and of the number of an issue
_LINKED = re.compile(r"(@|:(?=//)|\bwww(?=\.)|#(?=\w))", re.IGNORECASE)

# The titles of consecutive items, and their categories from the widest to the narrowest.
Block = tuple[Sequence[str | None], Sequence[Sequence[str] | None]]


def escape_markdown(text: str) -> str:
    """Return text that users wrote as one line, which markdown shows as it is.

    Signs of markdown get a backslash, and so does what would begin a list at the start of a line. Addresses, mentions
    and numbers of issues become links whatever is escaped, because GitHub looks for them in the text that escapes
    leave: an empty comment breaks them, which no page shows.
    """
    line = " ".join(_CONTROL.sub(" ", text).split())
    line = re.sub(r"([\\`*_{}\[\]<>#|~&$!])", r"\\\1", line)
    line = re.sub(r"^(?=[-+=])", r"\\", line)
    line = re.sub(r"^([0-9]{1,9})(?=[.)])", r"\1\\", line)
    return _LINKED.sub(r"\1<!-- -->", line)


def _cut(text: str) -> str:
    return text if len(text) <= TITLE_LENGTH else text[: TITLE_LENGTH - 1].rstrip() + "…"


def codes_to_show(counts: np.ndarray, shown: int = CODES_SHOWN) -> np.ndarray:
    """Return the codes for the page by falling size: one half are the largest, the other half spread over the others.

    `counts [codebook_size]` holds the number of items of each code; codes without items are not shown.
    """
    ranked = np.argsort(-counts, kind="stable")[: np.count_nonzero(counts)]
    if len(ranked) <= shown:
        return ranked
    largest = shown // 2
    spread = np.linspace(largest, len(ranked) - 1, shown - largest).round().astype(np.int64)
    return ranked[np.concatenate([np.arange(largest), spread])]


@dataclass
class ShownCode:
    """A level-1 code on the page: its number of items, titles of some of them, and the categories of all."""

    size: int
    titles: list[str] = field(default_factory=list)
    categories: Counter[str] = field(default_factory=Counter)


def codebook_page(
    codes: np.ndarray, blocks: Iterable[Block], heading: str, note: str | None = None, seed: int = 0
) -> str:
    """Return markdown of twenty level-1 codes with sizes, five titles each, and the commonest category with its share.

    `codes [n, L]`; `blocks` go through the titles and categories of the n items once, in order. An item counts for its
    narrowest category. Titles are drawn with `seed`.
    """
    counts = np.bincount(codes[:, 0])
    shown = shown_codes(codes[:, 0], counts, blocks, seed)
    lines = [f"# {escape_markdown(heading)}", ""]
    if note:
        lines += [f"> {escape_markdown(note)}", ""]
    lines += [
        f"{len(shown)} of the {np.count_nonzero(counts)} level-1 codes in use, by size: the largest, then a spread "
        "over the others. Titles are drawn at random; an item counts for its narrowest category.",
        "",
    ]
    for code, of_code in shown.items():
        lines += [f"## Code {code}: {of_code.size} item{'s' if of_code.size > 1 else ''}", ""]
        if of_code.categories:
            # Of equally common categories the first by name is shown.
            name, count = min(of_code.categories.items(), key=lambda pair: (-pair[1], pair[0]))
            lines += [f"{count / of_code.size:.0%} in “{escape_markdown(_cut(name))}”", ""]
        lines += [
            f"- “{escape_markdown(_cut(title))}”" if title.strip() else "- (no title)" for title in of_code.titles
        ]
        lines.append("")
    return "\n".join(lines)


def shown_codes(first: np.ndarray, counts: np.ndarray, blocks: Iterable[Block], seed: int = 0) -> dict[int, ShownCode]:
    """Return the codes of the page, in its order, with titles that are drawn with `seed`, and categories.

    `first [n]` are the level-1 codes, `counts [codebook_size]` the number of items of each. Raises ValueError when
    `blocks` do not have n items.
    """
    random = np.random.default_rng(seed)
    shown = {code: ShownCode(int(counts[code])) for code in codes_to_show(counts).tolist()}
    is_drawn = np.zeros(len(first), bool)
    for code in shown:
        members = np.flatnonzero(first == code)
        is_drawn[random.choice(members, min(TITLES_SHOWN, len(members)), replace=False)] = True
    is_shown = np.isin(first, list(shown))
    start = 0
    for titles, categories in blocks:
        stop = start + len(titles)
        for item in (start + np.flatnonzero(is_shown[start:stop])).tolist():
            of_code, path = shown[int(first[item])], categories[item - start]
            if path:
                of_code.categories[path[-1]] += 1
            if is_drawn[item]:
                of_code.titles.append(titles[item - start] or "")
        start = stop
    if start != len(first):
        raise ValueError(f"{len(first)} codes, but {start} items")
    return shown


def item_blocks(items_path: str | Path, block_rows: int = 1 << 16) -> Iterator[Block]:
    """Yield titles and categories of `items.parquet`, in order, in blocks."""
    for batch in item_batches(items_path, ["title", "categories"], rows_at_once=block_rows):
        yield batch.column("title").to_pylist(), batch.column("categories").to_pylist()
