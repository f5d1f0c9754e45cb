"""Which epoch a history keeps, and when its codes collapsed: by hand, without a training."""

import pytest

from semid.quantizers.autoencoder.selection import (
    MAX_ROLLBACKS,
    Selection,
    collapse_floors,
    collapsed_levels,
    select_best,
)


def history(errors: list[float], unique: list[int] | None = None, perplexity: list[float] | None = None) -> list[dict]:
    """Epochs of two levels, of which the second has the given perplexity."""
    n = len(errors)
    rows = zip(errors, unique or [100] * n, perplexity or [16.0] * n, strict=True)
    return [
        {"epoch": epoch, "held_out_error": error, "unique_codes": codes, "perplexity": [16.0, level]}
        for epoch, (error, codes, level) in enumerate(rows)
    ]


def select(epochs: list[dict], patience: int = 0) -> Selection:
    return select_best(epochs, [1.6, 1.6], patience)


def test_epoch_0_alone_is_kept():
    assert select(history([5.0])) == Selection(epoch_kept=0, highest=(16.0, 16.0))


@pytest.mark.parametrize(
    ("errors", "unique", "kept"),
    [
        ([5, 4, 3], None, 2),
        ([5, 3, 3], None, 1),
        ([5, 6, 7], None, 0),
        ([5, 4, 3], [100, 100, 9], 2),
        ([5, float("nan"), 4], None, 2),
    ],
)
def test_the_first_epoch_of_lowest_error_is_kept_however_many_codes_are_distinct(errors, unique, kept):
    assert select(history(errors, unique)).epoch_kept == kept


def test_a_history_is_not_changed_and_each_prefix_says_what_it_said_then():
    epochs = history([9, 8, 1, 8.5, 1, 7, 1], None, [16, 16, 7, 16, 6, 16, 5])
    before = [dict(epoch) for epoch in epochs]
    selections = [select(epochs[: length + 1]) for length in range(len(epochs))]
    assert epochs == before
    assert [selection.epoch_kept for selection in selections] == [0, 1, 1, 1, 1, 5, 5]
    assert [selection.rollbacks for selection in selections] == [0, 0, 1, 1, 2, 2, MAX_ROLLBACKS]
    assert [selection.collapsed for selection in selections] == [(), (), (2,), (), (2,), (), (2,)]
    assert [selection.ended for selection in selections] == [False] * 6 + [True]


def test_patience_counts_epochs_since_the_best():
    epochs = history([5, 4, 6, 6, 6])
    ended = [select(epochs[:length], patience=3).ended for length in range(2, 6)]
    assert ended == [False, False, False, True]
    assert not select(epochs).ended


def test_a_collapsed_epoch_does_not_raise_the_highest_perplexity():
    epochs = history([5, 4], None, [16, 2])
    epochs[1]["perplexity"][0] = 30.0
    assert select(epochs).highest == (16.0, 16.0)


@pytest.mark.parametrize(
    ("now", "most", "collapsed"),
    [
        (7.9, 16.0, (1,)),
        (8.0, 16.0, ()),
        # below the floor of 1.6, which was reached before
        (1.2, 1.65, (1,)),
        (1.2, 1.55, ()),
        # hardly lower than before
        (1.5, 1.65, ()),
    ],
)
def test_a_level_collapses_below_half_of_its_highest_perplexity_or_its_floor(now, most, collapsed):
    assert collapsed_levels([now], [most], [1.6]) == collapsed


def test_the_floor_is_a_tenth_of_the_codes_or_of_the_distinct_rows():
    assert collapse_floors([256, 16], 30) == pytest.approx([3.0, 1.6])
