"""The data folder of MiniOneRec (Kong et al., 2025, https://github.com/AkaliKong/MiniOneRec)."""

import csv
import logging
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from annotated_types import Ge

from semid.checks import Pattern, check_options, doc
from semid.files import whole_file
from semid.interactions import SPLITS
from semid.semantic_ids.exports.fine_tuning import FEWEST_ITEMS
from semid.semantic_ids.exports.histories import Histories, UserHistory
from semid.semantic_ids.exports.json_files import write_json_object
from semid.semantic_ids.exports.lcrec import index_entries, item_entries
from semid.semantic_ids.exports.source import ExportSource
from semid.semantic_ids.exports.texts import ItemTexts
from semid.semantic_ids.exports.tokens import IdTokens
from semid.semantic_ids.exports.users import write_users

logger = logging.getLogger(__name__)

# Those that their sft.py knows: it ends with a KeyError for another.
CATEGORIES = ("Industrial_and_Scientific", "Office_Products", "Toys_and_Games", "Sports", "Books")
# Their scripts look for files of this name behind the category, whatever the data are.
ENDING = "_5_2016-10-2018-11"
FIELDS = (
    "user_id",
    "history_item_title",
    "item_title",
    "history_item_id",
    "item_id",
    "history_item_sid",
    "item_sid",
)
# Their tasks that join titles and IDs read the first three codes of an item.
LEVELS_OF_THEIR_TASKS = 3


@dataclass(frozen=True)
class MiniOneRec:
    """Options of the format `minionerec`."""

    category: Annotated[
        str,
        Pattern(r"^[A-Za-z0-9][A-Za-z0-9_-]*$(?!\n)", "letters, digits, _ and -"),
        doc(
            f"The category in the names of the files, which their scripts take as `--category`: {', '.join(CATEGORIES)}"
            ", or one that you add to `category_dict` in their sft.py, rl.py and evaluate.py."
        ),
    ] = CATEGORIES[0]
    history: Annotated[int, Ge(1), doc("The items before a target that are kept, the last ones; theirs are 50.")] = 50

    def __post_init__(self) -> None:
        check_options(self, "exports: minionerec")

    def write(self, source: ExportSource, folder: Path) -> dict[str, Any]:
        """Write `info/`, `index/` and the three splits; return the counts of users and lines."""
        assert source.texts is not None
        assert source.histories is not None
        self._warn(source)
        tokens = IdTokens(source.codes, source.sizes)
        index = folder / "index" / self.category
        write_json_object(index.with_name(f"{index.name}.index.json"), index_entries(source))
        write_json_object(index.with_name(f"{index.name}.item.json"), _item_entries(source.texts, len(source.ids)))
        self._write_titles(source.texts, tokens, len(source.ids), folder / "info" / f"{self.category}{ENDING}.txt")
        lines = self._write_splits(source.histories, source.texts, tokens, folder)
        left_out = write_users(source.histories, folder / "user2id.tsv", FEWEST_ITEMS)
        return {"users": len(source.histories) - left_out, "users_left_out": left_out, "lines": lines}

    def _warn(self, source: ExportSource) -> None:
        if self.category not in CATEGORIES:
            logger.warning(
                "%s is no category that MiniOneRec knows: add it to category_dict in its sft.py, rl.py and "
                "evaluate.py, or export under one of %s",
                self.category,
                ", ".join(CATEGORIES),
            )
        if source.num_levels != LEVELS_OF_THEIR_TASKS:
            logger.warning(
                "IDs have %d codes, and the tasks of MiniOneRec that join titles and IDs read the first three of an "
                "item: use a tokenizer of three levels, or train on the histories alone",
                source.num_levels,
            )

    def _write_titles(self, texts: ItemTexts, tokens: IdTokens, num_items: int, path: Path) -> None:
        """Write a line an item: its ID, its title and its number."""
        with whole_file(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as file:
            for start, block in tokens.blocks():
                file.writelines(
                    f"{''.join(item)}\t{texts.title(number)}\t{number}\n" for number, item in enumerate(block, start)
                )

    def _write_splits(self, histories: Histories, texts: ItemTexts, tokens: IdTokens, folder: Path) -> dict[str, int]:
        """Write a line for every item of a user with one before it, to the file of its split."""
        lines = dict.fromkeys(SPLITS, 0)
        with ExitStack() as stack:
            writers = []
            for split in SPLITS:
                path = stack.enter_context(whole_file(folder / split / f"{self.category}{ENDING}.csv"))
                file = stack.enter_context(path.open("w", encoding="utf-8", newline=""))
                writers.append(csv.writer(file, lineterminator="\n"))
            for writer in writers:
                writer.writerow(FIELDS)
            for user in histories.with_at_least(FEWEST_ITEMS):
                titles, sids = [texts.title(number) for number in user.items], tokens.texts(user.items)
                for place in range(1, len(user.items)):
                    number = user.splits[place]
                    writers[number].writerow(self._row(user, place, titles, sids))
                    lines[SPLITS[number]] += 1
        return lines

    def _row(self, user: UserHistory, place: int, titles: list[str], sids: list[str]) -> list[Any]:
        """The line whose target is the item at `place`; lists are Python literals, as repr writes them."""
        before = slice(max(0, place - self.history), place)
        return [
            f"A{user.number}",
            repr(titles[before]),
            titles[place],
            repr(user.items[before]),
            user.items[place],
            repr(sids[before]),
            sids[place],
        ]


def _item_entries(texts: ItemTexts, num_items: int) -> Any:
    """Yield number, title and description of every item.

    Their data.py evaluates a description that begins with [ and ends with ] as Python: a space in front keeps it text.
    """
    for number, entry in item_entries(texts, num_items):
        description = entry["description"]
        is_like_a_list = description.startswith("[") and description.endswith("]")
        yield number, {**entry, "description": f" {description}" if is_like_a_list else description}
