"""The vectors of items: what a model reads of a history, and what it compares the state of a user with."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from semid.generative.settings import GeneratorSettings

FREE_SCALE = 0.02
CODE_SCALE = 0.01
# Vectors of codes that begin as codewords have this share of their length, so that those of the items count too.
START_SCALE = 0.25
CONTENT_DROPOUT = 0.2


@dataclass(frozen=True, eq=False)
class CatalogueOfItems:
    """What is known of n items beforehand.

    codes: int64 [n, L], of codebooks of these sizes; content: float32 [n, D], centred embeddings of a mean length of 1,
    or None; directions: float32 [D, dim], the principal directions of the content, or None with it.
    """

    num_items: int
    codes: Tensor
    sizes: tuple[int, ...]
    content: Tensor | None = None
    directions: Tensor | None = None


def level_starts(sizes: Sequence[int]) -> list[int]:
    """Return where the codes of each level begin among those of all levels, whose codebooks have these sizes."""
    return [sum(sizes[:level]) for level in range(len(sizes))]


class ItemVectors(nn.Module):
    """Vectors of items [dim], as :class:`GeneratorSettings` says under `items`.

    Free vectors and those of codes are multiplied by √dim, and nothing normalizes them; with content the sum passes a
    LayerNorm. `start` are codewords float32 [sum of sizes, dim] from which the vectors of codes begin.
    """

    entries: Tensor
    content: Tensor
    is_trained: Tensor | None

    def __init__(self, catalogue: CatalogueOfItems, settings: GeneratorSettings, start: Tensor | None = None) -> None:
        super().__init__()
        self.scale, self.num_items = math.sqrt(settings.dim), catalogue.num_items
        self.kind = settings.items
        # bool [n, 1] while training: whether an item has a vector of its own
        self.register_buffer("is_trained", None, persistent=False)
        if settings.uses_codes:
            # the row of every code among those of all levels
            entries = catalogue.codes + torch.tensor(level_starts(catalogue.sizes))
            self.register_buffer("entries", entries, persistent=False)
            self.code_vectors = nn.Parameter(
                torch.randn(sum(catalogue.sizes), settings.dim) * CODE_SCALE if start is None else start * START_SCALE
            )
        if "free" in settings.items:
            self.free_vectors = nn.Parameter(torch.randn(self.num_items, settings.dim) * FREE_SCALE)
        if settings.uses_content:
            if catalogue.content is None or catalogue.directions is None:
                raise ValueError("content is wanted, and there are no embeddings")
            if settings.items == "free-content":
                with torch.no_grad():
                    self.free_vectors.copy_(catalogue.content @ catalogue.directions)
            else:
                self.register_buffer("content", catalogue.content, persistent=False)
                self.projection = nn.Linear(catalogue.content.shape[1], settings.dim, bias=False)
                with torch.no_grad():
                    self.projection.weight.copy_(catalogue.directions.t() * self.scale)
                self.norm = nn.LayerNorm(settings.dim)

    def begin_training(self, is_trained: Tensor) -> None:
        """Let items that are no target, where bool [n] is False, be their codes alone, with no vector of their own.

        A vector that is only ever a negative would be pushed away from all users. Models without codes have nothing
        else, and keep it.
        """
        if self.kind == "free+codes":
            self.is_trained = is_trained[:, None]
            with torch.no_grad():
                self.free_vectors.mul_(self.is_trained)

    def forward(self, items: Tensor) -> Tensor:
        """Return the vectors [n, dim] of items int64 [n]."""
        total = (
            nn.functional.embedding(items, self.free_vectors)
            if "free" in self.kind
            else torch.zeros((), device=items.device)
        )
        if self.is_trained is not None:
            total = total * self.is_trained[items]
        if "codes" in self.kind:
            total = total + nn.functional.embedding_bag(self.entries[items], self.code_vectors, mode="sum")
        if self.kind != "codes+content":
            return total * self.scale
        content = nn.functional.dropout(self.content[items], CONTENT_DROPOUT, self.training)
        return self.norm(total + self.projection(content))

    def looked_up(self, items: Tensor) -> "LookedUp":
        """Return the vectors of items int64 [n], in any order and more than once, made once each."""
        distinct = torch.unique(items)
        return LookedUp(distinct, self(distinct))

    def compared(self) -> Tensor:
        """Return x / √dim float32 [items, dim] of all items: what :meth:`scores` multiplies states with."""
        device = next(self.parameters()).device
        return self(torch.arange(self.num_items, device=device)) / self.scale

    def scores(self, users: Tensor, vectors: Tensor) -> Tensor:
        """Return ⟨u, x⟩ / √dim [n, m] of the states of users [n, dim] and the vectors of items [m, dim]."""
        return (users / self.scale) @ vectors.t()


@dataclass(frozen=True, eq=False)
class LookedUp:
    """The vectors [m, dim] of some items, int64 [m] in ascending order, for all that a step of training asks."""

    items: Tensor
    vectors: Tensor

    def __call__(self, items: Tensor) -> Tensor:
        """Return the vectors [n, dim] of items int64 [n] that are among these."""
        return nn.functional.embedding(torch.searchsorted(self.items, items), self.vectors)
