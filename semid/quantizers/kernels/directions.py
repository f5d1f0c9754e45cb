"""Nearest codewords by products along a few leading directions, which bound the products along all the others.

Take orthonormal directions V [d, p]. Then ⟨x, c⟩ = ⟨Vᵀx, Vᵀc⟩ + ⟨x″, c″⟩, where x″ and c″ are what the directions
leave, and the last term is at most ‖x″‖‖c″‖ (Cauchy and Schwarz). With these lengths as one more column, a product of
width p + 1 gives a lower bound of every score, and the score of the codeword of the lowest bound is an upper bound.
Embeddings vary most along a quarter to a half of their directions. There a row is left with a handful of codewords, so
that the nearest is found for a fraction of the products of width d, and no codeword is lost.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from semid.quantizers.kernels import compiled
from semid.quantizers.kernels.candidates import PairScores, nearest_by_bounds
from semid.quantizers.kernels.top_k import GROUP, group_minima, members

# codebooks of fewer codewords cost less to compare whole than the candidates of their rows do
_CODEWORDS_AT_LEAST = 1024
_DIM_AT_LEAST = 128
# codewords that directions are taken from, and rounds of the iteration that finds them
_CODEWORDS_AT_MOST = 8192
_ROUNDS = 3
# the shares of the width that are tried, and rows that they are tried on
_SHARES = (1 / 8, 1 / 6, 1 / 4, 1 / 3, 5 / 12, 1 / 2)
ROWS_TRIED = 256
# beside a multiplication in a whole product, what one costs in a narrow product, what the passes over a bound cost, and
# what a number of a pair does: 50 by a compiled loop and 200 by torch, but both shall choose the same
_NARROW_COST, _PASS_COST, _PAIR_COST = 1.75, 32, 60
# float32 rounding of a product, as a share of the lengths of its factors
_SLACK = 1e-5
# what the directions leave of the product with a near codeword, as a share of the most that it can be
_GUESS = 0.6
# the bounds held at once, in floats, and the rows of a block at least
_BOUNDS_AT_ONCE = 1 << 20
_ROWS_AT_LEAST = 128


class LeadingDirections:
    """Finds the nearest codeword of `codebook` [K, d] to each row along orthonormal `directions` [d, p].

    `compare_whole` gives the codes of rows that lie close to too many codewords.
    """

    def __init__(self, codebook: Tensor, directions: Tensor, compare_whole: Callable[[Tensor], Tensor]) -> None:
        k, width = len(codebook), directions.shape[1]
        self.directions = directions
        self._compare_whole = compare_whole
        self._blocks = self._refused = 0
        self._pair_scores = PairScores(codebook)
        # a padding codeword is infinitely far
        self._norms = codebook.new_full((k + -k % GROUP,), float("inf"))
        self._norms[:k] = codebook.square().sum(dim=1)
        self._longest = float(self._norms[:k].max()) ** 0.5
        # the last column takes the lengths of what the directions leave
        self._onto = torch.cat([directions, directions.new_zeros(len(directions), 1)], dim=1)
        self._columns = codebook.new_zeros(width + 1, len(self._norms))
        for start in range(0, k, 2048):
            part = codebook[start : start + 2048]
            inside = part @ directions
            left = torch.linalg.vector_norm(torch.addmm(part, inside, directions.t(), alpha=-1), dim=1)
            self._columns[:width, start : start + len(part)] = inside.t()
            self._columns[width, start : start + len(part)] = left + _SLACK * torch.linalg.vector_norm(part, dim=1)
        self._bounds = codebook.new_empty(0)

    @property
    def pays(self) -> bool:
        """Whether at most a quarter of the blocks of rows had to be compared whole."""
        return 4 * self._refused <= max(4, self._blocks)

    def __call__(self, rows: Tensor) -> Tensor:
        """Return codes int64 [n] of rows [n, d]."""
        lengths, inside = self._inside(rows)
        rounding = _SLACK * self._longest * (self._longest + 2 * lengths)
        found = torch.empty(len(rows), dtype=torch.int64)
        for start, stop in self._parts(len(rows)):
            codes = self._codes(rows[start:stop], self._bounds_of(inside[start:stop]), rounding[start:stop])
            self._blocks += 1
            if codes is None:
                self._refused += 1
                codes = self._compare_whole(rows[start:stop])
            found[start:stop] = codes
        return found

    def near(self, rows: Tensor, count: int) -> Tensor:
        """Return `count` codes that lie near each of the rows [n, d], int64 [n, count], of which most are the nearest.

        They have the lowest scores by a guess of what the directions leave. Of 32 codes that stand beside each other
        one is returned at most.
        """
        inside = self._inside(rows)[1]
        inside[:, -1] *= _GUESS
        found = torch.empty(len(rows), count, dtype=torch.int64)
        for start, stop in self._parts(len(rows)):
            bounds = self._bounds_of(inside[start:stop])
            groups = group_minima(bounds).topk(count, dim=1, largest=False, sorted=False).indices
            owner = torch.arange(stop - start).repeat_interleave(count)
            places = members(bounds, owner, groups.flatten()).min(dim=1).indices
            torch.add(places.view(-1, count), groups, alpha=GROUP, out=found[start:stop])
        return found

    def _inside(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return the lengths [n] of rows, and the rows along the directions with the length of what these leave."""
        lengths = torch.linalg.vector_norm(rows, dim=1)
        inside = rows @ self._onto
        left = (1 + _SLACK) * lengths.square() - torch.linalg.vector_norm(inside, dim=1).square()
        inside[:, -1] = left.clamp_(min=0).sqrt_()
        return lengths, inside

    def _parts(self, n: int) -> list[tuple[int, int]]:
        block = max(_ROWS_AT_LEAST, _BOUNDS_AT_ONCE // len(self._norms))
        return [(start, min(start + block, n)) for start in range(0, n, block)]

    def _bounds_of(self, inside: Tensor) -> Tensor:
        n, k = len(inside), len(self._norms)
        if self._bounds.numel() < n * k:
            self._bounds = inside.new_empty(n * k)
        return torch.addmm(self._norms, inside, self._columns, alpha=-2, out=self._bounds[: n * k].view(n, k))

    def _codes(self, rows: Tensor, bounds: Tensor, rounding: Tensor) -> Tensor | None:
        most_pairs = bounds.numel() // 32
        if compiled.pays_off(rows.device):
            codes, pairs = self._pair_scores.nearest_in_one_loop(rows, bounds, rounding)
            return codes if pairs <= most_pairs else None

        def upper_of(codes: Tensor, bound: Tensor) -> Tensor:
            return (self._pair_scores(rows, codes) + rounding).float()

        return nearest_by_bounds(rows, bounds, upper_of, self._pair_scores, most_pairs)


def can_have_directions(codebook: Tensor) -> bool:
    """Tell whether a codebook [K, d] lies on the CPU, and is so large that directions can pay."""
    if codebook.device.type != "cpu" or len(codebook) < _CODEWORDS_AT_LEAST or codebook.shape[1] < _DIM_AT_LEAST:
        return False
    # squares of smaller values would underflow, and those of larger ones lose what the directions leave
    return 1e-8 < float(codebook.abs().max()) < 1e6


def leading_directions(codebook: Tensor, rows: Tensor, at_most: float) -> Tensor | None:
    """Return the directions [d, p] of a codebook [K, d] along which rows like `rows` [m, d] cost least.

    The cost of a row counts multiplications, and what its candidates cost; None where it exceeds the share `at_most` of
    the cost of comparing the row with all codewords.
    """
    (k, dim), rows = codebook.shape, rows[:: max(1, len(rows) // ROWS_TRIED)]
    directions = longest_directions(codebook, dim // 2)
    of_rows, of_codes = rows @ directions, codebook @ directions
    left_of_rows, left_of_codes = rows.square().sum(dim=1), codebook.square().sum(dim=1)
    bounds = left_of_codes.expand(len(rows), k).clone()
    best = torch.addmm(left_of_codes, rows, codebook.t(), alpha=-2).amin(dim=1, keepdim=True)
    cheapest, least, before = None, at_most * k * dim, 0
    for width in sorted({max(8, round(share * dim / 8) * 8) for share in _SHARES}):
        if width > directions.shape[1]:
            break
        now = slice(before, width)
        bounds.addmm_(of_rows[:, now], of_codes[:, now].t(), alpha=-2)
        left_of_rows = left_of_rows - of_rows[:, now].square().sum(dim=1)
        left_of_codes = left_of_codes - of_codes[:, now].square().sum(dim=1)
        hidden = torch.outer(left_of_rows.clamp(min=0).sqrt(), left_of_codes.clamp(min=0).sqrt())
        candidates = float((bounds - 2 * hidden <= best).sum()) / len(rows)
        products = _NARROW_COST * (width + 1) * k + width * dim
        cost = products + _PASS_COST * k + _PAIR_COST * dim * (1 + candidates)
        # products that are no numbers leave no candidates, and tell nothing
        if cost < least and candidates > 0.5:
            cheapest, least = width, cost
        before = width
    return None if cheapest is None else directions[:, :cheapest].contiguous()


def longest_directions(codebook: Tensor, count: int) -> Tensor:
    """Return orthonormal directions [d, count] along which codewords [K, d] are longest, the longest first.

    This is subspace iteration from seeded random directions (Halko, Martinsson and Tropp, 2011).
    """
    sample = codebook[:: max(1, len(codebook) // _CODEWORDS_AT_MOST)]
    basis = torch.randn(sample.shape[1], count, generator=torch.Generator().manual_seed(0), dtype=sample.dtype)
    for _ in range(_ROUNDS):
        basis = torch.linalg.qr((sample.t() @ (sample @ basis)).double())[0].float()
    inside = (sample @ basis).double()
    turned = torch.linalg.eigh(inside.t() @ inside)[1].flip(1)
    # the product of both is as orthonormal as float32 allows
    return (basis.double() @ turned).float()
