"""Codes dealt to items at random, a control that says what the meaning of semantic IDs adds to their shape."""

from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge

from semid.checks import check_options, doc
from semid.embeddings.store import shard_range
from semid.errors import InputError
from semid.items import count_items, item_ids
from semid.semantic_ids.codes import LARGEST_CODEBOOK, write_codes
from semid.semantic_ids.given_codes import ItemFiles

# blake2b gives 64 bytes at most: the numbers of so many levels
LEVELS_A_DIGEST = 8


@dataclass(frozen=True, kw_only=True)
class DealtCodes:
    """Deals `num_levels` codes of `codebook_size` to every item, each drawn uniformly and independently of the others.

    The codes of an item follow from its id and the seed alone. So they are the same in any number of shards, beside
    any other items (under `catalogue: all` and under `core`), on any machine, and in a catalogue that has grown.
    """

    num_levels: Annotated[int, Ge(1), doc("Codes of a semantic ID.")] = 4
    codebook_size: Annotated[int, Ge(1), doc("Values that a code may take.")] = 256
    seed: Annotated[int, Ge(0), doc("Seed of the codes.")] = 0

    def __post_init__(self) -> None:
        check_options(self)

    def of_items(self, ids: Any) -> np.ndarray:
        """Return the codes int64 [n, num_levels] of n ids, which are strings.

        An id is hashed by BLAKE2b together with the seed, and each level takes 64 bits of the digest modulo
        `codebook_size`: no code is more likely than another by more than `codebook_size` / 2^64.
        """
        digests = -(-self.num_levels // LEVELS_A_DIGEST)
        hashed = b"".join(
            # the seed and the number of the digest end at a space: no two texts are the same
            blake2b(f"{self.seed} {digest} {item_id}".encode()).digest()
            for item_id in ids
            for digest in range(digests)
        )
        numbers = np.frombuffer(hashed, "<u8").reshape(-1, digests * LEVELS_A_DIGEST)[:, : self.num_levels]
        return (numbers % np.uint64(self.codebook_size)).astype(np.int64)

    def write(self, files: ItemFiles, shard: int, shards: int, output: str | Path) -> None:
        """Write the codes of one shard of the items, in their order.

        Raises `InputError` for a codebook that is larger than that of any tokenizer of these items could be.
        """
        n = count_items(files.catalogue)
        if self.codebook_size > max(LARGEST_CODEBOOK, n):
            raise InputError(
                f"codebook_size is {self.codebook_size}, with {n} items: a level may have as many codes as there are "
                f"items, or {LARGEST_CODEBOOK}; take a smaller one"
            )
        ids = item_ids(files.catalogue, *shard_range(n, shard, shards))
        write_codes(output, self.of_items(ids.to_pylist()), self.codebook_size)
