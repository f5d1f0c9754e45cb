"""Codes as tokens of a vocabulary: `<a_12><b_7><c_200>`, a letter a level."""

from collections.abc import Iterator, Sequence
from string import ascii_lowercase

import numpy as np

ROWS_AT_ONCE = 1 << 16


def token_names(sizes: Sequence[int], prefix: str = "") -> list[list[str]]:
    """Return the tokens of all codes of every level: `<a_0>`, `<a_1>`, … of the first.

    `sizes` are the codes of each level, at most 26; `prefix` stands before the letter, as in `<s_a_0>`.
    """
    return [
        [f"<{prefix}{letter}_{code}>" for code in range(size)]
        for letter, size in zip(ascii_lowercase, sizes, strict=False)
    ]


class IdTokens:
    """The tokens of the items of `codes`, integers [n, L] whose levels have `sizes` codes, at most 26 levels."""

    def __init__(self, codes: np.ndarray, sizes: Sequence[int], prefix: str = "") -> None:
        self._codes = codes
        self._names = token_names(sizes, prefix)

    def of(self, numbers: np.ndarray | list[int] | slice) -> list[list[str]]:
        """Return the tokens of some items, by their numbers: a list of L tokens each."""
        levels = [
            [names[code] for code in level.tolist()]
            for names, level in zip(self._names, self._codes[numbers].T, strict=True)
        ]
        return [list(item) for item in zip(*levels, strict=True)]

    def texts(self, numbers: np.ndarray | list[int] | slice) -> list[str]:
        """Return the IDs of some items as texts, such as `<a_12><b_7>`."""
        return ["".join(tokens) for tokens in self.of(numbers)]

    def blocks(self) -> Iterator[tuple[int, list[list[str]]]]:
        """Yield the number of the first item and the tokens of each block of items, in order."""
        for block in blocks(len(self._codes)):
            yield block.start, self.of(block)


def blocks(rows: int) -> Iterator[slice]:
    """Yield slices of at most 65,536 rows, in order."""
    for start in range(0, rows, ROWS_AT_ONCE):
        yield slice(start, min(start + ROWS_AT_ONCE, rows))
