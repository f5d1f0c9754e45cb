"""Items in the order of their codes, in which all items under a prefix stand together."""

import re
from collections.abc import Sequence

import numpy as np

from semid.errors import InputError

# a code as IDs have it, which int64 holds
_CODE = r"(?:0|[1-9][0-9]{0,17})"
_PATTERN = re.compile(rf"(?P<codes>{_CODE}(?:-{_CODE})*)?(?:(?P<dash>-)?(?P<any>\*))?")


class SortedCodes:
    """Codes, integers [n, L], in ascending order.

    order: int64 [n], the row of each place in this order; items of equal codes stand in the order of their rows.
    """

    def __init__(self, codes: np.ndarray) -> None:
        self.order = np.lexsort(codes.T[::-1])
        # a level at a time is searched, and numpy would copy a column that does not lie together
        self.codes = np.asfortranarray(codes[self.order])

    def rows(self, prefix: Sequence[int]) -> np.ndarray:
        """Return int64 [m]: the rows under a prefix of at most L codes, in the order of their codes."""
        low, high = self.places(prefix)
        return self.order[low:high]

    def places(self, prefix: Sequence[int]) -> tuple[int, int]:
        """Return the first place of a prefix of at most L codes, and one past its last; by binary search."""
        low, high = 0, len(self.codes)
        for code, level in zip(prefix, self.codes.T, strict=False):
            if not 0 <= code <= np.iinfo(level.dtype).max:
                return 0, 0
            # of the type of the level, since numpy would copy the level to another
            wanted = level.dtype.type(code)
            within = level[low:high]
            first, behind = np.searchsorted(within, wanted), np.searchsorted(within, wanted, "right")
            low, high = low + int(first), low + int(behind)
        return low, high


def parse_pattern(pattern: str, num_levels: int, example: str) -> tuple[int, ...]:
    """Return the codes of a whole ID, such as `12-7-200-3`, or of a prefix, such as `12-7-*`; none of `*` alone.

    `example` is an ID of `num_levels` codes for the message of the `InputError` that any other text raises.
    """
    parsed = _PATTERN.fullmatch(pattern) if isinstance(pattern, str) else None
    codes = tuple(map(int, (parsed["codes"] or "").split("-"))) if parsed and parsed["codes"] else ()
    is_prefix = bool(parsed and parsed["any"])
    is_well_formed = parsed is not None and bool(parsed["dash"]) == bool(is_prefix and codes)
    fits = len(codes) < num_levels if is_prefix else len(codes) == num_levels
    if not is_well_formed or not fits:
        prefix = "-".join([*example.split("-")[:-1], "*"])
        raise InputError(
            f"{pattern!r} is no ID and no prefix of one: expected {num_levels} code{'s' * (num_levels > 1)} joined by "
            f"dashes, as in {example!r}, or fewer and an asterisk, as in {prefix!r}"
        )
    return codes
