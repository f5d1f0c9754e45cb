"""Nearest codewords by products of 8-bit integers that settle most rows, and by float32 distances for the others.

A row and a codeword are each rounded to int8 with a scale, x = s·(y + e). Rounding can hide at most
s_x·s_c(‖e_x‖‖y_c + e_c‖ + ‖y_x‖‖e_c‖) of their product (Cauchy and Schwarz), and both errors are known once they are
rounded. This gives a lower bound of every score and an upper bound of the best score: a codeword whose lower bound lies
above the upper bound is proved not to be the nearest. In a tenth to a third of the rows two or three codewords are
left, which are compared in float32. So the codes are those of float32 distances, at the speed of int8 products, which
is four times that of float32 where the processor has them. Rows and codewords are taken relative to one center, which
moves no distance and makes what is rounded shorter.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from semid.quantizers.kernels.blocks import empty_tensor
from semid.quantizers.kernels.candidates import PairScores, nearest_by_bounds
from semid.quantizers.kernels.top_k import GROUP

# float32 rounding of the bounds themselves, as a share of their terms
_SLACK = 2e-6
# the scores held at once, in two buffers of four bytes a score
_SCORES_AT_ONCE = 1 << 20


class QuantizedRows(NamedTuple):
    """Rows [n, d], less a center, rounded to int8: x − center = (values + e) / inverse_scale.

    `values` are int8 [n, d] and `inverse_scale` is [n]; `error` is ‖e‖ [n], and `norm` is ‖values‖ [n].
    """

    values: Tensor
    inverse_scale: Tensor
    error: Tensor
    norm: Tensor

    def part(self, start: int, stop: int) -> "QuantizedRows":
        """Return the rows from `start` to `stop`."""
        return QuantizedRows(*(tensor[start:stop] for tensor in self))


class RowQuantizer:
    """Rounds float32 rows, less `center` [d], to int8, each row by its largest entry; reuses its buffers."""

    def __init__(self, center: Tensor, block: int = 2048) -> None:
        self._center, self._block = center, block
        self._scaled, self._rounded = torch.empty(block, len(center)), torch.empty(block, len(center))

    def into(self, rows: Tensor, out: QuantizedRows) -> QuantizedRows:
        """Quantize rows [n, d] into `out`, which :func:`empty_rows` made, and return it."""
        for start in range(0, len(rows), self._block):
            part = rows[start : start + self._block]
            stop = start + len(part)
            y, whole = self._scaled[: len(part)], self._rounded[: len(part)]
            torch.sub(part, self._center, out=y)
            largest = torch.abs(y, out=whole).amax(dim=1).clamp_(min=1e-20)
            torch.div(127, largest, out=out.inverse_scale[start:stop])
            y.mul_(out.inverse_scale[start:stop, None])
            torch.round(y, out=whole)
            out.values[start:stop] = whole
            out.error[start:stop] = torch.linalg.vector_norm(y.sub_(whole), dim=1)
            out.norm[start:stop] = torch.linalg.vector_norm(whole, dim=1)
        return out


def empty_rows(n: int, dim: int, scratch: str | Path | None = None) -> QuantizedRows:
    """Make uninitialized quantized rows, whose values lie in an :func:`empty_tensor`."""
    values = empty_tensor(n, dim, torch.int8, scratch)
    return QuantizedRows(values, torch.empty(n), torch.empty(n), torch.empty(n))


def quantize_rows(rows: Tensor, center: Tensor, scratch: str | Path | None = None) -> QuantizedRows:
    """Round rows [n, d], less `center` [d], to int8; the values lie in an :func:`empty_tensor`."""
    return RowQuantizer(center, min(2048, len(rows))).into(rows, empty_rows(len(rows), len(center), scratch))


def has_int8_products() -> bool:
    """Tell whether the processor has int8 dot products; without them codes take longer and are the same."""
    # a torch that is too old cannot tell
    capabilities: Mapping[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return any(capabilities.get(name, False) for name in ("avx512_vnni", "avx_vnni", "amx_int8"))


def can_screen(codebook: Tensor, quantized_before: bool = False) -> bool:
    """Tell whether screening is exact for a codebook [K, d] and faster: on processors with int8 dot products.

    Quantizing the rows costs as much as a product with 256 codewords saves. So a codebook needs 1,024 codewords, or 256
    where the rows were quantized before.
    """
    if codebook.device.type != "cpu" or codebook.shape[1] < 32 or len(codebook) < (256 if quantized_before else 1024):
        return False
    if not has_int8_products():
        return False
    # larger values would overflow the bounds of a row of zeros, and the squares of smaller ones would underflow
    largest = float(codebook.abs().max())
    return largest == 0 or 1e-8 < largest < 1e6


class ScreenedCodewords:
    """Finds the nearest codeword of `codebook` [K, d] to each row by screening around `center` [d]."""

    def __init__(self, codebook: Tensor, center: Tensor) -> None:
        k, dim = codebook.shape
        self._pair_scores = PairScores(codebook)
        padded = k + -k % GROUP
        quantized = quantize_rows(codebook, center)
        squared = (codebook - center).square().sum(dim=1)
        scale = quantized.inverse_scale.reciprocal()
        self._values = torch.zeros(padded, dim, dtype=torch.int8)
        self._values[:k] = quantized.values
        # a padding codeword is infinitely far
        self._squared, self._scale = torch.full((padded,), float("inf")), torch.zeros(padded)
        self._squared[:k], self._scale[:k] = squared, scale
        self._length, self._error = torch.zeros(padded), torch.zeros(padded)
        self._length[:k], self._error[:k] = squared.sqrt(), quantized.error * scale
        # float32 rounds products of codewords and rows as they are, before the center is subtracted
        self._center_length = float(center.norm())
        self._longest = float(codebook.square().sum(dim=1).max()) ** 0.5 + self._center_length
        self._products = torch.empty(0, dtype=torch.int32)
        self._bounds = torch.empty(0)
        self._quantizer = RowQuantizer(center)
        self._quantized = empty_rows(0, dim)

    def __call__(self, rows: Tensor, quantized: QuantizedRows | None = None) -> Tensor | None:
        """Return codes int64 [n] of rows [n, d]; None when too many codewords lie between the bounds for it to pay.

        `quantized` are the same rows, where they were quantized before around the same center.
        """
        if quantized is None:
            if len(self._quantized.error) < len(rows):
                self._quantized = empty_rows(rows.shape[0], rows.shape[1])
            quantized = self._quantizer.into(rows, self._quantized.part(0, len(rows)))
        block = max(1, _SCORES_AT_ONCE // len(self._values))
        parts = []
        for start in range(0, len(rows), block):
            stop = min(start + block, len(rows))
            codes = self._codes(rows[start:stop], quantized.part(start, stop))
            if codes is None:
                return None
            parts.append(codes)
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def _codes(self, rows: Tensor, quantized: QuantizedRows) -> Tensor | None:
        n, k = len(rows), len(self._values)
        if self._bounds.numel() < n * k:
            self._products, self._bounds = torch.empty(n * k, dtype=torch.int32), torch.empty(n * k)
        products, bounds = self._products[: n * k].view(n, k), self._bounds[: n * k].view(n, k)
        torch._int_mm(quantized.values, self._values.t(), out=products)
        # a bound, in units of 2 / inverse_scale, is ‖c‖² · inverse_scale / 2 − s_c⟨y_x, y_c⟩, less what rounding hides
        longest = float(quantized.norm.max())
        hidden = self._length * float(quantized.error.max()) + self._error * longest
        bounds.copy_(products)
        torch.addcmul(hidden, bounds, self._scale, out=bounds)
        torch.addr(bounds, quantized.inverse_scale, self._squared, beta=-1, alpha=0.5, out=bounds)

        def upper_of(codes: Tensor, bound: Tensor) -> Tensor:
            # a score lies above its bound by twice what rounding hides, at most
            lengths = longest + quantized.inverse_scale * (self._center_length + 0.5 * self._longest)
            return bound + 2 * hidden[codes] + _SLACK * self._longest * lengths

        return nearest_by_bounds(rows, bounds, upper_of, self._pair_scores, n * k // 128)
