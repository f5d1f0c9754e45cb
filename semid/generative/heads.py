"""Heads that write the codes of an item, level by level, from the state of a user."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from semid.generative.dropout import Dropout
from semid.generative.items import START_SCALE, level_starts
from semid.generative.settings import GeneratorSettings
from semid.pair_products import products_of_pairs
from semid.quantizers.kernels import compiled

PREFIX_SCALE = 0.02
HEAD_DROPOUT = 0.1
TEMPERATURE = 0.07
# Logits of single codes take about so many times as long as each of those of all codes of a level: by compiled loops,
# and by torch, which gathers what belongs to each.
FEW_CODES_COMPILED, FEW_CODES = 4, 32
# So many pairs of a prefix and a code are gathered at once, each with the widths of a head.
PAIRS_AT_ONCE = 1 << 11


@dataclass(frozen=True, eq=False)
class CodeSpaceStart:
    """Where heads begin that search: codewords float32 [sum of sizes, dim], level after level, which add up to the
    decoded vectors of items, in the space of the state of a user.
    """

    codewords: Tensor


class CodeHeads(nn.Module):
    """Logits of the codes of each level.

    Level l has a perceptron of the state and of look-ups of the codes before it. Heads that begin as a search add
    τ_l ⟨q − Σ_{j<l} O_j[c_j], O_l[k]⟩ + b_l[k] to it, where q is a projection of the state at unit length, O_l are the
    codewords, and the last layer of the perceptron begins at zero. Then the logits of a code add up to
    τ (⟨q, x̂⟩ − ‖x̂‖² / 2) of its decoded vector x̂. With `parallel`, as codes of sub-spaces have it, no level reads
    another; residual codes then do not begin as that search, whose terms between levels are left out. `tied` are the
    vectors of codes that histories are read by, which then are the codewords.
    """

    def __init__(
        self,
        sizes: tuple[int, ...],
        settings: GeneratorSettings,
        start: CodeSpaceStart | None = None,
        parallel: bool = False,
        tied: nn.Parameter | None = None,
    ) -> None:
        super().__init__()
        dim, width = settings.dim, settings.head_width
        self.sizes, self.parallel = sizes, parallel
        self.starts = level_starts(sizes)
        self.hidden = nn.ModuleList(nn.Linear(dim, width) for _ in sizes)
        self.output = nn.ModuleList(nn.Linear(width, size) for size in sizes)
        self.drop = Dropout(HEAD_DROPOUT)
        # what the codes of the levels before add to the hidden layer of a level
        self.prefixes = nn.ParameterList(
            torch.randn(self.starts[level], width) * PREFIX_SCALE
            for level in range(len(sizes))
            if level and not parallel
        )
        self.searches = start is not None
        # in a tuple, because a module's own parameters are saved with it, and these are the items'
        self.tied = None if tied is None else (tied,)
        if start is not None:
            for parameter in self.output.parameters():
                nn.init.zeros_(parameter)
            self.query = nn.Linear(dim, dim)
            with torch.no_grad():
                self.query.weight.copy_(torch.eye(dim))
                self.query.bias.zero_()
            if tied is None:
                self.codewords = nn.Parameter(start.codewords.clone())
            self.bias = nn.Parameter(-start.codewords.square().sum(dim=1) / 2 / TEMPERATURE)
            self.log_scale = nn.Parameter(torch.full((len(sizes),), math.log(1 / TEMPERATURE)))

    def entries(self, codes: Tensor) -> Tensor:
        """Return the rows among the codes of all levels that codes int64 [..., l] name."""
        return codes + torch.tensor(self.starts[: codes.shape[-1]], device=codes.device)

    def logits(self, users: Tensor, prefix: Tensor, owner: Tensor | None = None) -> Tensor:
        """Return logits [m, K] of the codes of level l + 1 behind prefixes int64 [m, l].

        users: float32 [n, dim]; owner: int64 [m], the user of each prefix, where they are not as many, and in order.
        """
        level = prefix.shape[-1]
        hidden, query = self._contexts(users, prefix, owner)
        logits = self.output[level](self.drop(hidden))
        if query is None:
            return logits
        return logits + nn.functional.linear(query, self._scaled_codewords(level), self.bias[self._part(level)])

    @torch.no_grad()
    def logits_of(self, users: Tensor, prefix: Tensor, owner: Tensor, codes: Tensor) -> Tensor:
        """Return logits [m, c] as :meth:`logits` does, of the codes int64 [m, c] alone; −inf where a code is −1.

        Nothing is learnt from them.
        """
        level, is_code = prefix.shape[-1], codes >= 0
        few = FEW_CODES_COMPILED if compiled.runs_on(users.device) else FEW_CODES
        if int(is_code.sum()) * few > len(prefix) * self.sizes[level]:
            logits = self.logits(users, prefix, owner)
            return logits.gather(1, codes.clamp(min=0)).masked_fill(~is_code, float("-inf"))
        row, column = is_code.nonzero(as_tuple=True)
        logits = users.new_full(codes.shape, float("-inf"))
        logits[row, column] = self._pair_logits(level, *self._contexts(users, prefix, owner), row, codes[row, column])
        return logits

    def _pair_logits(self, level: int, hidden: Tensor, query: Tensor | None, rows: Tensor, codes: Tensor) -> Tensor:
        """Return logits [pairs] of codes int64 [pairs] behind the prefixes whose rows int64 [pairs] are."""
        weights: Tensor
        biases: Tensor
        weights, biases = self.output[level].parameters()
        if query is not None:
            hidden, weights = torch.cat([hidden, query], 1), torch.cat([weights, self._scaled_codewords(level)], 1)
            biases = biases + self.bias[self._part(level)]
        if compiled.runs_on(hidden.device):
            products = products_of_pairs(hidden.contiguous(), weights.contiguous(), rows, codes)
        else:
            parts = zip(rows.split(PAIRS_AT_ONCE), codes.split(PAIRS_AT_ONCE), strict=True)
            products = torch.cat([(hidden[row] * weights[code]).sum(dim=1) for row, code in parts])
        return products + biases[codes]

    def _contexts(self, users: Tensor, prefix: Tensor, owner: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Return hidden layers [m, width], and queries [m, dim] of heads that search, behind prefixes int64 [m, l]."""
        level = prefix.shape[-1]
        hidden = self.hidden[level](users)
        query = nn.functional.normalize(self.query(users), dim=-1) if self.searches else None
        if owner is not None:
            hidden = hidden[owner]
            query = None if query is None else query[owner]
        if level and not self.parallel:
            entries = self.entries(prefix)
            hidden = hidden + nn.functional.embedding_bag(entries, self.prefixes[level - 1], mode="sum")
            if query is not None:
                query = query - nn.functional.embedding_bag(entries, self._all_codewords(), mode="sum")
        return nn.functional.gelu(hidden), query

    def _part(self, level: int) -> slice:
        return slice(self.starts[level], self.starts[level] + self.sizes[level])

    def _all_codewords(self) -> Tensor:
        return self.codewords if self.tied is None else self.tied[0] / START_SCALE

    def _scaled_codewords(self, level: int) -> Tensor:
        return self._all_codewords()[self._part(level)] * self.log_scale[level].exp()
