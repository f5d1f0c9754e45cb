"""The files of LC-Rec (Zheng et al., 2024, https://github.com/zhengbw0324/LC-Rec), which LETTER reads too."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from semid.checks import Pattern, check_options, doc
from semid.semantic_ids.exports.histories import Histories
from semid.semantic_ids.exports.json_files import write_json_object
from semid.semantic_ids.exports.source import ExportSource
from semid.semantic_ids.exports.texts import ItemTexts
from semid.semantic_ids.exports.tokens import IdTokens
from semid.semantic_ids.exports.users import write_users

logger = logging.getLogger(__name__)

# Their code takes the last item of a user for the test split, the one before it for validation, and trains on the rest.
FEWEST_ITEMS = 3
# What their split of a history is: the numbers of the splits of its last two items.
LAST_SPLITS = [1, 2]


@dataclass(frozen=True)
class LCRec:
    """Options of the format `lcrec`."""

    name: Annotated[
        Annotated[str, Pattern(r"^[A-Za-z0-9][A-Za-z0-9_-]*$(?!\n)", "letters, digits, _ and -")] | None,
        doc("The name before `.index.json`, which LC-Rec calls `--dataset`; null takes that of the dataset."),
    ] = None

    def __post_init__(self) -> None:
        check_options(self, "exports: lcrec")

    def write(self, source: ExportSource, folder: Path) -> dict[str, Any]:
        """Write `<name>.index.json`, `<name>.inter.json` and `<name>.item.json`; return the counts of users."""
        assert source.texts is not None
        assert source.histories is not None
        name = self.name or source.dataset.replace(".", "_") or "items"
        write_json_object(folder / f"{name}.index.json", index_entries(source))
        write_json_object(folder / f"{name}.item.json", item_entries(source.texts, len(source.ids)))
        users = write_json_object(folder / f"{name}.inter.json", _histories(source.histories))
        write_users(source.histories, folder / "user2id.tsv", FEWEST_ITEMS)
        other = sum(user.splits[-2:] != LAST_SPLITS for user in source.histories.with_at_least(FEWEST_ITEMS))
        if other:
            logger.warning(
                "%d of %d users do not have one validation item and one test item at the end of their history, which "
                "is where LC-Rec takes them: split by leave_last_out for figures that can be compared",
                other,
                users,
            )
        return {"users": users, "users_left_out": source.histories.users_with_fewer(FEWEST_ITEMS)}


def index_entries(source: ExportSource) -> Iterator[tuple[int, list[str]]]:
    """Yield the number and the tokens of every item."""
    for start, block in IdTokens(source.codes, source.sizes).blocks():
        yield from enumerate(block, start)


def item_entries(texts: ItemTexts, num_items: int) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the number, the title and the description of every item."""
    for number in range(num_items):
        yield number, {"title": texts.title(number), "description": texts.description(number)}


def _histories(histories: Histories) -> Iterator[tuple[int, list[int]]]:
    for user in histories.with_at_least(FEWEST_ITEMS):
        yield user.number, user.items
