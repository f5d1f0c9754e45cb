"""`codebook.md`, a page that shows what level-1 codes mean: titles and categories of their items."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from semid.items import item_batches

CODES_SHOWN = 20
TITLES_SHOWN = 5
TITLE_LENGTH = 100

# The titles of consecutive items, and their categories from the widest to the narrowest.
Block = tuple[Sequence[str | None], Sequence[Sequence[str] | None]]


def escape_markdown(text: str) -> str:
    """Return text that users wrote as one line, which markdown shows as it is."""
    return re.sub(r"([\\`*_{}\[\]<>#|~&$!])", r"\\\1", " ".join(text.split()))


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


def codebook_page(
    codes: np.ndarray, blocks: Iterable[Block], heading: str, note: str | None = None, seed: int = 0
) -> str:
    """Return markdown of twenty level-1 codes with sizes, five titles each, and the commonest category with its share.

    `codes [n, L]`; `blocks` go through the titles and categories of the n items once, in order. An item counts for its
    narrowest category. Titles are drawn with `seed`.
    """
    first = codes[:, 0]
    counts = np.bincount(first)
    shown = codes_to_show(counts)
    random = np.random.default_rng(seed)
    drawn: dict[int, int] = {}
    for code in shown.tolist():
        members = np.flatnonzero(first == code)
        picks = random.choice(members, min(TITLES_SHOWN, len(members)), replace=False)
        drawn.update((int(item), code) for item in np.sort(picks))
    picked = np.zeros(len(first), bool)
    picked[list(drawn)] = True
    wanted = np.isin(first, shown)
    titles: dict[int, list[str]] = {code: [] for code in shown.tolist()}
    categories: dict[int, Counter[str]] = {code: Counter() for code in shown.tolist()}
    start = 0
    for block_titles, block_categories in blocks:
        stop = start + len(block_titles)
        for item in (start + np.flatnonzero(wanted[start:stop])).tolist():
            path = block_categories[item - start]
            if path:
                categories[int(first[item])][path[-1]] += 1
            if picked[item]:
                titles[drawn[item]].append(block_titles[item - start] or "")
        start = stop
    if start != len(first):
        raise ValueError(f"{len(first)} codes, but {start} items")

    lines = [f"# {escape_markdown(heading)}", ""]
    if note:
        lines += [f"> {escape_markdown(note)}", ""]
    lines += [
        f"{len(shown)} of the {np.count_nonzero(counts)} level-1 codes in use, by size: the largest, then a spread "
        "over the others. Titles are drawn at random; an item counts for its narrowest category.",
        "",
    ]
    for code in shown.tolist():
        lines.append(f"## Code {code}: {counts[code]} item{'s' if counts[code] > 1 else ''}")
        lines.append("")
        if categories[code]:
            # Of equally common categories the first by name is shown.
            name, count = min(categories[code].items(), key=lambda pair: (-pair[1], pair[0]))
            lines += [f"{count / counts[code]:.0%} in “{escape_markdown(_cut(name))}”", ""]
        lines += [f"- “{escape_markdown(_cut(title))}”" if title.strip() else "- (no title)" for title in titles[code]]
        lines.append("")
    return "\n".join(lines)


def item_blocks(items_path: str | Path, block_rows: int = 1 << 16) -> Iterator[Block]:
    """Yield titles and categories of `items.parquet`, in order, in blocks."""
    for batch in item_batches(items_path, ["title", "categories"], rows_at_once=block_rows):
        yield batch.column("title").to_pylist(), batch.column("categories").to_pylist()
