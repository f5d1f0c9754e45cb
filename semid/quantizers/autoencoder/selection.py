"""Which epoch is kept, and when codes have collapsed: pure functions of the history of a training.

The best epoch has the lowest error on held-out rows, which foretells what retrieval finds by the codes; the number of
distinct codes does not (docs/findings/tokenizers.md). Codes have collapsed in an epoch where the perplexity of a level
falls far below its highest so far. Training then goes back to the best epoch; it ends when codes collapse again after
`MAX_ROLLBACKS` times, or when no epoch was better for long.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

MAX_ROLLBACKS = 2


@dataclass(frozen=True)
class Selection:
    """What follows from a history.

    `epoch_kept` is the best epoch, and `rollbacks` the number of collapses that were undone. `collapsed` names the
    levels, counted from 1, that collapsed in the last epoch. `ended` says that training stops after the last epoch.
    `highest` holds the highest perplexity so far of each level.
    """

    epoch_kept: int
    rollbacks: int = 0
    collapsed: tuple[int, ...] = ()
    ended: bool = False
    highest: tuple[float, ...] = ()


def select_best(history: Sequence[Mapping[str, Any]], floors: Sequence[float], patience: int) -> Selection:
    """Follow a history from epoch 0 to its last epoch.

    `floors` holds, level by level, the perplexity under which a level counts as collapsed. After `patience` epochs
    without a better one training ends; 0 means never.
    """
    selection = Selection(epoch_kept=0, highest=tuple(history[0]["perplexity"]))
    for epoch in history[1:]:
        best = history[selection.epoch_kept]
        collapsed = collapsed_levels(epoch["perplexity"], selection.highest, floors)
        if collapsed and selection.rollbacks == MAX_ROLLBACKS:
            selection = replace(selection, collapsed=collapsed, ended=True)
        elif collapsed:
            selection = replace(selection, collapsed=collapsed, rollbacks=selection.rollbacks + 1)
        else:
            is_best = epoch["held_out_error"] < best["held_out_error"]
            selection = replace(
                selection,
                epoch_kept=epoch["epoch"] if is_best else best["epoch"],
                collapsed=(),
                ended=not is_best and 0 < patience <= epoch["epoch"] - best["epoch"],
                highest=tuple(max(pair) for pair in zip(selection.highest, epoch["perplexity"], strict=True)),
            )
    return selection


def collapsed_levels(perplexity: Sequence[float], highest: Sequence[float], floors: Sequence[float]) -> tuple[int, ...]:
    """Return the levels, counted from 1, whose perplexity tells that their codes collapsed.

    A level has collapsed where its perplexity is below half of its highest so far, or where it falls below the floor of
    the level, which it had reached before, and below 0.8 of its highest.
    """
    return tuple(
        level
        for level, (now, most, floor) in enumerate(zip(perplexity, highest, floors, strict=True), start=1)
        if now < most / 2 or (now < floor <= most and now < 0.8 * most)
    )


def collapse_floors(sizes: Sequence[int], distinct: int) -> list[float]:
    """Return the floor of the perplexity of each level: a tenth of its codes, or of the distinct rows where fewer."""
    return [0.1 * min(size, distinct) for size in sizes]
