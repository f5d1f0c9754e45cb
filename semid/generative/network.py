"""A causal transformer over the items of a history (Vaswani et al., 2017, with normalization before each part)."""

import math

import torch
from torch import Tensor, nn

from semid.generative.dropout import Dropout
from semid.generative.settings import GeneratorSettings

POSITION_SCALE = 0.02


class Layer(nn.Module):
    """Attention of every position to those before it, and a perceptron, each added to what it reads."""

    def __init__(self, dim: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.attention_norm, self.perceptron_norm = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.projections, self.output = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.perceptron = nn.Sequential(nn.Linear(dim, 4 * dim), nn.GELU(), Dropout(dropout), nn.Linear(4 * dim, dim))
        self.drop = Dropout(dropout)

    def _attended(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Return what each position takes of those up to it, [sequences, heads, length, width] as all three are."""
        if not self.training:
            return nn.functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        # by hand, because torch's own draws a random number for every pair
        length = query.shape[2]
        is_later = torch.ones(length, length, dtype=torch.bool, device=query.device).triu(diagonal=1)
        scores = query @ key.transpose(2, 3) / math.sqrt(query.shape[3])
        return self.drop(scores.masked_fill(is_later, float("-inf")).softmax(dim=3)) @ value

    def begin_as_identity(self) -> None:
        """Let the layer add nothing to what it reads, until it has learnt to."""
        for parameter in (*self.output.parameters(), *self.perceptron[-1].parameters()):
            nn.init.zeros_(parameter)

    def forward(self, states: Tensor) -> Tensor:
        """Return states [sequences, length, dim] of the same shape."""
        sequences, length, dim = states.shape
        projected = self.projections(self.attention_norm(states))
        query, key, value = projected.view(sequences, length, 3, self.heads, dim // self.heads).permute(2, 0, 3, 1, 4)
        attended = self._attended(query, key, value)
        states = states + self.drop(self.output(attended.transpose(1, 2).reshape(sequences, length, dim)))
        return states + self.drop(self.perceptron(self.perceptron_norm(states)))


class Transformer(nn.Module):
    """The state of a user after each item of a history.

    Padding is behind the items, where a causal model does not see it. Positions are counted from the oldest item that
    is read.
    """

    def __init__(self, settings: GeneratorSettings) -> None:
        super().__init__()
        self.positions = nn.Parameter(torch.randn(settings.history, settings.dim) * POSITION_SCALE)
        layers = [Layer(settings.dim, settings.attention_heads, settings.dropout) for _ in range(settings.layers)]
        self.layers = nn.ModuleList(layers)
        self.norm = nn.LayerNorm(settings.dim)
        self.drop = Dropout(settings.dropout)
        if settings.code_heads == "search" and settings.code_weight:
            # at first the state is the last item, from which the heads search
            nn.init.zeros_(self.positions)
            for layer in layers:
                layer.begin_as_identity()

    def forward(self, items: Tensor) -> Tensor:
        """Return states [sequences, length, dim] of the vectors of items, of the same shape."""
        states = self.drop(items + self.positions[: items.shape[1]])
        for layer in self.layers:
            states = layer(states)
        return self.norm(states)
