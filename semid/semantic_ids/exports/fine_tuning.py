"""Examples for the fine-tuning of language models: the next item of a history, and titles by ID and IDs by title."""

from collections.abc import Iterator
from typing import NamedTuple

from semid.semantic_ids.exports.histories import Histories
from semid.semantic_ids.exports.texts import ItemTexts
from semid.semantic_ids.exports.tokens import IdTokens

# An example is an item with one before it.
FEWEST_ITEMS = 2
# What stands between the items of a history.
SEPARATOR = ", "


class Task(NamedTuple):
    """What a model is asked: as an instruction beside an input, and as words before and behind the input."""

    instruction: str
    before: str
    behind: str


NEXT_ITEM = Task("Predict the next item.", "Items of a user, the oldest first: ", "\nNext item?")
TITLE_OF_ITEM = Task("Give the title of the item.", "Item: ", "\nTitle?")
ITEM_OF_TITLE = Task("Give the item of the title.", "Title: ", "\nItem?")


class Example(NamedTuple):
    """An input and the output that is right.

    split: 0 train, 1 valid, 2 test; user: the name of the user, empty for an example of titles; item: the number of the
    item that is asked for.
    """

    task: Task
    split: int
    input: str
    output: str
    user: str
    item: int

    @property
    def question(self) -> str:
        """The input as a question."""
        return f"{self.task.before}{self.input}{self.task.behind}"


def next_item_examples(
    histories: Histories, tokens: IdTokens, history: int, separator: str = SEPARATOR, around: str = "{}"
) -> Iterator[Example]:
    """Yield an example for every item of a user with one before it, in its split: the same words in all of them.

    An input has the last `history` items before it, an ID each, and `around` says what stands around an ID.
    """
    for user in histories.with_at_least(FEWEST_ITEMS):
        ids = [around.format(text) for text in tokens.texts(user.items)]
        for place in range(1, len(ids)):
            before = ids[max(0, place - history) : place]
            yield Example(
                NEXT_ITEM, user.splits[place], separator.join(before), ids[place], user.name, user.items[place]
            )


def title_examples(texts: ItemTexts, tokens: IdTokens) -> Iterator[Example]:
    """Yield for every item that has a title an example that asks for the title, and one that asks for the ID."""
    for start, block in tokens.blocks():
        for number, item in enumerate(block, start):
            if texts.has_title(number):
                title, text = texts.title(number), "".join(item)
                yield Example(TITLE_OF_ITEM, 0, text, title, "", number)
                yield Example(ITEM_OF_TITLE, 0, title, text, "", number)
