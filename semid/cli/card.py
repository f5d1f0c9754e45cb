"""`semid card`: the figures of a tokenizer's scorecard on one screen."""

from pathlib import Path

from semid.errors import InputError
from semid.scorecard.card import Scorecard
from semid.scorecard.sentences import LEVEL_HEADER, figure_sentences, level_cells
from semid.terminal import aligned, printable

FILE = "scorecard.json"


def show_card(folder: Path) -> None:
    """Show the scorecard in a folder of results. Raises `InputError` where there is none."""
    path = folder / FILE if folder.is_dir() else folder
    if not path.is_file():
        raise InputError(
            f"{path}: there is no scorecard: the workflow makes one for each folder of results/ (semid run CONFIG "
            f"results/<dataset>/<tokenizer>/{FILE}); after semid fit, README.md of semid bundle has what is known"
        )
    for line in card_lines(Scorecard.read(path)):
        print(printable(line))


def card_lines(card: Scorecard) -> list[str]:
    """Return the lines of a scorecard: what it is of, what collides, what is lost, how levels are used, warnings."""
    lines = [f"{card.dataset}/{card.tokenizer}: {card.items:,} items, {card.train_items:,} of them trained on"]
    lines += [f"  {name:<10} {sentence}" for name, sentence in figure_sentences(card).items()]
    lines += [f"  {line}" for line in aligned([LEVEL_HEADER, *level_cells(card.levels)])]
    return [*lines, *(f"  warning: {warning}" for warning in card.warnings), *([card.note] if card.note else [])]
