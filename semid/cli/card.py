"""`semid card`: the figures of a tokenizer's scorecard on one screen."""

from pathlib import Path

from semid.errors import InputError
from semid.scorecard.card import Scorecard
from semid.terminal import aligned, printable

FILE = "scorecard.json"


def show_card(folder: Path) -> None:
    """Show the scorecard in a folder of results. Raises `InputError` where there is none."""
    path = folder / FILE if folder.is_dir() else folder
    if not path.is_file():
        raise InputError(f"{path}: there is no scorecard; semid run {path} makes that of a folder of results/")
    for line in card_lines(Scorecard.read(path)):
        print(printable(line))


def card_lines(card: Scorecard) -> list[str]:
    """Return the lines of a scorecard: what it is of, what collides, what is lost, how levels are used, warnings."""
    error = card.reconstruction
    share = 100 * card.items_in_collisions / card.items
    identical = f"{card.items_in_collisions_identical:,} of them by identical embeddings"
    lines = [
        f"{card.dataset}/{card.tokenizer}: {card.items:,} items, {card.train_items:,} of them trained on",
        f"  IDs        {card.distinct_codes:,} differ ({card.unique_codes:.4f} of the items)",
        f"  collisions {card.items_in_collisions:,} items share their ID ({share:.1f} %), "
        f"{identical}; at most {card.largest_bucket:,} the same",
        f"  bits       {card.entropy_bits:.1f} of {card.bits:.1f} are used",
    ]
    if error is not None and error.relative_error is not None:
        lines.append(f"  error      {error.relative_error:.4f} of the variance is lost by decoding")
    header = ("level", "used codes", "perplexity", "gini")
    levels = [(str(use.level), str(use.used_codes), f"{use.perplexity:.1f}", f"{use.gini:.3f}") for use in card.levels]
    lines += [f"  {line}" for line in aligned([header, *levels])]
    return [*lines, *(f"  warning: {warning}" for warning in card.warnings), *([card.note] if card.note else [])]
