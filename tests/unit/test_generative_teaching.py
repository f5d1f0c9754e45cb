"""What the item head says of codes, by hand and against a plain sum, and the dropout that shares random numbers."""

import pytest
import torch

from semid.generative.dropout import Dropout
from semid.generative.teaching import CodeOrder


def taught_codes(
    scores: torch.Tensor, targets: torch.Tensor, order: CodeOrder, sizes: tuple[int, ...], parallel: bool
) -> list[torch.Tensor]:
    return [
        order.taught(scores, order.behind(targets, 0 if parallel else level), level, size)
        for level, size in enumerate(sizes)
    ]


def test_items_of_a_prefix_lie_side_by_side() -> None:
    codes = torch.tensor([[1, 0], [0, 1], [1, 0], [0, 0]])
    order = CodeOrder(codes)
    assert order.items.tolist() == [3, 1, 0, 2]
    assert order.codes.tolist() == [[0, 0], [0, 1], [1, 0], [1, 0]]
    assert order.first.tolist() == [[0, 0, 0, 0], [2, 0, 2, 0], [2, 1, 2, 0]]
    assert order.last.tolist() == [[4, 4, 4, 4], [4, 2, 4, 2], [4, 2, 4, 1]]


def test_a_code_is_taught_the_shares_of_its_items_behind_the_prefix_of_the_target() -> None:
    codes = torch.tensor([[1, 0], [0, 1], [1, 0], [0, 0]])
    order = CodeOrder(codes)
    shares = torch.tensor([[0.1, 0.2, 0.3, 0.4]])
    first, second = taught_codes(shares[:, order.items].log(), torch.tensor([1]), order, (2, 2), parallel=False)
    torch.testing.assert_close(first, torch.tensor([[0.6, 0.4]]))
    torch.testing.assert_close(second, torch.tensor([[4 / 6, 2 / 6]]))
    _, alone = taught_codes(shares[:, order.items].log(), torch.tensor([1]), order, (2, 2), parallel=True)
    torch.testing.assert_close(alone, torch.tensor([[0.8, 0.2]]))


@pytest.mark.parametrize("seed", range(3))
def test_taught_codes_equal_a_plain_sum_over_items(seed: int) -> None:
    random = torch.Generator().manual_seed(seed)
    sizes = (3, 4, 2)
    codes = torch.stack([torch.randint(size, (50,), generator=random) for size in sizes], dim=1)
    scores = torch.randn(7, 50, generator=random)
    targets = torch.randint(50, (7,), generator=random)
    order = CodeOrder(codes)
    taught = taught_codes(scores[:, order.items], targets, order, sizes, parallel=False)
    shares = scores.softmax(dim=1)
    for row, target in enumerate(targets):
        for level, size in enumerate(sizes):
            alike = (codes[:, :level] == codes[target, :level]).all(dim=1)
            sums = torch.stack([shares[row, alike & (codes[:, level] == code)].sum() for code in range(size)])
            torch.testing.assert_close(taught[level][row], sums / sums.sum())


def test_codes_that_exist_are_those_of_items_with_the_same_codes_before() -> None:
    order = CodeOrder(torch.tensor([[1, 0], [0, 1], [1, 0], [0, 2]]))
    targets = torch.tensor([0, 3])
    assert order.existing(targets, 0, 3).tolist() == [[True, True, False]]
    assert order.existing(targets, 1, 3).tolist() == [[True, False, False], [False, True, True]]
    assert order.existing(targets, 1, 4, parallel=True).tolist() == [[True, True, True, False]]


@pytest.mark.parametrize("seed", range(3))
def test_codes_that_exist_equal_those_of_a_search_through_all_items(seed: int) -> None:
    random = torch.Generator().manual_seed(seed)
    sizes = (3, 5, 2, 4)
    codes = torch.stack([torch.randint(size, (60,), generator=random) for size in sizes], dim=1)
    order, targets = CodeOrder(codes), torch.arange(60)
    for level, size in enumerate(sizes):
        alike = (codes[:, None, :level] == codes[None, :, :level]).all(dim=2)
        expected = torch.zeros(60, size, dtype=torch.bool)
        for target in range(60):
            expected[target, codes[alike[target], level]] = True
        assert torch.equal(order.existing(targets, level, size).expand(60, -1), expected)


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_dropout_leaves_out_its_share_and_keeps_the_expectation(share: float) -> None:
    torch.manual_seed(0)
    dropout = Dropout(share)
    values = dropout(torch.ones(1001, 997))
    assert (values == 0).float().mean() == pytest.approx(share, abs=0.003)
    assert values.mean() == pytest.approx(1, abs=0.005)
    rows = (values == 0).float()
    # neighbours are left out independently
    assert (rows[:, 1:] * rows[:, :-1]).mean() == pytest.approx(share**2, abs=0.003)
    assert torch.equal(dropout.eval()(values), values)
    assert torch.equal(Dropout(0)(values), values)
