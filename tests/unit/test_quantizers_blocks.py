import os
from pathlib import Path

import pytest
import torch

from semid.quantizers.autoencoder.usage import distinct_rows
from semid.quantizers.kernels.blocks import empty_tensor, select_rows


def test_a_scratch_tensor_lies_in_a_file_that_goes_with_it(tmp_path: Path):
    tensor = empty_tensor(1000, 4, torch.int8, scratch=tmp_path)
    tensor.fill_(7)
    assert (tensor.shape, tensor.dtype) == ((1000, 4), torch.int8)
    assert str(tmp_path) in Path("/proc/self/maps").read_text()
    assert list(tmp_path.iterdir()) == []
    del tensor
    assert str(tmp_path) not in Path("/proc/self/maps").read_text()


def test_a_folder_without_room_is_an_error_that_says_how_much_is_needed(tmp_path: Path):
    with pytest.raises(OSError, match=r"no room for 4,398,047 MB of training rows: free some") as raised:
        empty_tensor(1 << 38, 4, scratch=tmp_path)
    assert raised.value.filename == str(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_system_that_cannot_reserve_room_makes_scratch_tensors_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    # macOS has no such function
    monkeypatch.delattr(os, "posix_fallocate", raising=False)
    tensor = empty_tensor(1000, 4, scratch=tmp_path)
    tensor.fill_(7)
    assert float(tensor.sum()) == 28_000


def test_selected_rows_are_those_of_the_index_in_its_order(tmp_path: Path):
    rows = torch.randn(40_000, 3)
    index = torch.randperm(len(rows))[:20_001]
    assert torch.equal(select_rows(rows, index), rows[index])
    assert torch.equal(select_rows(rows, index, tmp_path), rows[index])
    assert select_rows(rows, index[:0], tmp_path).shape == (0, 3)


@pytest.mark.parametrize(("at_most", "expected"), [(2, 2), (3, 3), (100, 3)])
def test_distinct_rows_are_counted_up_to_a_number(at_most: int, expected: int):
    rows = torch.tensor([[0.0, 1.0], [1.0, 0.0], [2.0, 2.0]]).repeat(10, 1)
    assert distinct_rows(rows, at_most, block=4) == expected


def test_zeros_of_either_sign_are_not_distinct():
    assert distinct_rows(torch.tensor([[0.0, 1.0], [-0.0, 1.0], [0.0, -1.0]]), 3) == 2
