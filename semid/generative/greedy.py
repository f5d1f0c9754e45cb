"""The codes that heads write when nothing holds them to those that exist."""

import numpy as np
import torch
from torch import Tensor

from semid.generative.heads import CodeHeads
from semid.retrieval.inverted import InvertedIndex

USERS_AT_ONCE = 1024


@torch.inference_mode()
def greedy_codes(heads: CodeHeads, users: Tensor) -> np.ndarray:
    """Return int64 [n, L]: level by level the likeliest code, for states [n, dim]."""
    written = []
    for part in users.split(USERS_AT_ONCE):
        codes = torch.zeros(len(part), 0, dtype=torch.int64, device=part.device)
        for _ in heads.sizes:
            best = heads.logits(part, codes).argmax(dim=1, keepdim=True)
            codes = torch.cat([codes, best], dim=1)
        written.append(codes.cpu())
    return torch.cat(written).numpy()


def name_items(index: InvertedIndex, codes: np.ndarray) -> np.ndarray:
    """Return bool [n]: whether codes int64 [n, L] are those of an item."""
    both = np.concatenate([index.codes.astype(np.int64), codes])
    number = np.unique(both, axis=0, return_inverse=True)[1].reshape(-1)
    return np.isin(number[index.num_buckets :], number[: index.num_buckets])
