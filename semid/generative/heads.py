"""Heads that write the codes of an item, level by level, from the state of a user."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from semid.generative.dropout import Dropout
from semid.generative.settings import GeneratorSettings

PREFIX_SCALE = 0.02
HEAD_DROPOUT = 0.1
TEMPERATURE = 0.07


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
    τ (⟨q, x̂⟩ − ‖x̂‖² / 2) of its decoded vector x̂. With `parallel`, which codes of sub-spaces have, no level reads
    another.
    """

    def __init__(
        self,
        sizes: tuple[int, ...],
        settings: GeneratorSettings,
        start: CodeSpaceStart | None = None,
        parallel: bool = False,
    ) -> None:
        super().__init__()
        dim, width = settings.dim, settings.head_width
        self.sizes, self.parallel = sizes, parallel
        self.starts = [sum(sizes[:level]) for level in range(len(sizes))]
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
        if start is not None:
            for parameter in self.output.parameters():
                nn.init.zeros_(parameter)
            self.query = nn.Linear(dim, dim)
            with torch.no_grad():
                self.query.weight.copy_(torch.eye(dim))
                self.query.bias.zero_()
            self.codewords = nn.Parameter(start.codewords.clone())
            self.bias = nn.Parameter(-start.codewords.square().sum(dim=1) / 2 / TEMPERATURE)
            self.log_scale = nn.Parameter(torch.full((len(sizes),), math.log(1 / TEMPERATURE)))

    def entries(self, codes: Tensor) -> Tensor:
        """Return the rows among the codes of all levels that codes int64 [..., l] name."""
        return codes + torch.tensor(self.starts[: codes.shape[-1]], device=codes.device)

    def logits(self, users: Tensor, prefix: Tensor) -> Tensor:
        """Return logits [n, m, K] of the codes of level l + 1, of states [n, dim] behind prefixes int64 [n, m, l]."""
        level = prefix.shape[-1]
        hidden = self.hidden[level](users)[:, None]
        entries = self.entries(prefix)
        if level and not self.parallel:
            hidden = hidden + self._summed(entries, self.prefixes[level - 1])
        logits = self.output[level](self.drop(nn.functional.gelu(hidden)))
        if self.searches:
            query = nn.functional.normalize(self.query(users), dim=-1)[:, None]
            if level and not self.parallel:
                query = query - self._summed(entries, self.codewords)
            part = slice(self.starts[level], self.starts[level] + self.sizes[level])
            codewords = self.codewords[part] * self.log_scale[level].exp()
            logits = logits + nn.functional.linear(query, codewords, self.bias[part])
        return logits

    def log_probabilities(self, users: Tensor, codes: Tensor) -> Tensor:
        """Return Σ_l log p(c_l) [n, m] of codes int64 [n, m, L] for states [n, dim]."""
        total = torch.zeros(codes.shape[:2], device=users.device)
        for level in range(len(self.sizes)):
            logits = self.logits(users, codes[..., :level]).log_softmax(dim=-1)
            total = total + logits.expand(-1, codes.shape[1], -1).gather(2, codes[..., level, None])[..., 0]
        return total

    @staticmethod
    def _summed(entries: Tensor, table: Tensor) -> Tensor:
        """Return sums [n, m, d] over the rows of a table that entries int64 [n, m, l] name."""
        flat = nn.functional.embedding_bag(entries.flatten(0, 1), table, mode="sum")
        return flat.view(*entries.shape[:2], -1)
