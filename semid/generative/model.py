"""The generator: a transformer over items, whose state writes codes and is compared with items."""

import torch
from torch import Tensor, nn

from semid.generative.heads import CodeHeads, CodeSpaceStart
from semid.generative.items import CatalogueOfItems, ItemVectors
from semid.generative.network import Transformer
from semid.generative.sequences import PADDING
from semid.generative.settings import GeneratorSettings
from semid.generative.teaching import CodeOrder

# So many scores of states and items, floats, are held at once while the item head teaches.
SCORES_AT_ONCE = 1 << 25


class Generator(nn.Module):
    """Predicts the next item of a history, by its codes and by its vector.

    `parallel` says that the levels of codes are of sub-spaces, of which none reads another. `start`, the codewords of
    the tokenizer, lets the code heads begin as a search.
    """

    codes: Tensor

    def __init__(
        self,
        catalogue: CatalogueOfItems,
        settings: GeneratorSettings,
        start: CodeSpaceStart | None = None,
        parallel: bool = False,
    ) -> None:
        super().__init__()
        self.settings = settings
        start = start if settings.code_heads == "search" else None
        self.items = ItemVectors(catalogue, settings, None if start is None else start.codewords)
        self.transformer = Transformer(settings)
        self.register_buffer("codes", catalogue.codes, persistent=False)
        self.heads = CodeHeads(catalogue.sizes, settings, start, parallel) if settings.code_weight else None
        self.order = CodeOrder(catalogue.codes) if settings.uses_codes else None

    def states(self, sequences: Tensor) -> Tensor:
        """Return the state [n, length, dim] after every item of sequences int64 [n, length], padded at their end."""
        is_item = sequences != PADDING
        vectors = self.items(sequences[is_item])
        padded = vectors.new_zeros(*sequences.shape, vectors.shape[1])
        padded[is_item] = vectors
        return self.transformer(padded)

    def user_states(self, sequences: Tensor) -> Tensor:
        """Return the state [n, dim] after the last item of sequences int64 [n, length]."""
        last = (sequences != PADDING).sum(dim=1) - 1
        return self.states(sequences)[torch.arange(len(sequences), device=last.device), last]

    def losses(self, sequences: Tensor, log_shares: Tensor) -> tuple[Tensor, Tensor, int]:
        """Return the loss of the item head, that of each level of the code heads [L], and the number of targets.

        Every item but the first is a target. log_shares: float32 [items], the logarithm of the share of targets that
        each item is in the training data, -inf for none.
        """
        targets = sequences[:, 1:]
        is_target = targets != PADDING
        users, targets = self.states(sequences[:, :-1])[is_target], targets[is_target]
        code_losses = users.new_zeros(len(self.heads.sizes) if self.heads is not None else 0)
        if self.heads is not None:
            code_losses = self._code_losses(users, targets)
        item_loss = users.new_zeros(())
        if self.settings.item_weight:
            item_loss = self._item_loss(users, targets, log_shares)
        return item_loss, code_losses, len(targets)

    def _code_losses(self, users: Tensor, targets: Tensor) -> Tensor:
        """Return the loss of each level [L] for states [n, dim] and the items int64 [n] that come next."""
        assert self.heads is not None
        codes, settings = self.codes[targets], self.settings
        losses = []
        for level, (exists, taught) in enumerate(self._wanted_codes(users, targets)):
            logits = self.heads.logits(users, codes[:, :level])
            wanted = torch.zeros_like(logits).scatter_(1, codes[:, level, None], 1.0)
            if taught is not None:
                wanted = wanted.lerp(taught, settings.teaching)
            if exists is not None:
                logits = logits.masked_fill(~exists, float("-inf"))
                wanted = wanted.lerp(exists / exists.sum(dim=1, keepdim=True), settings.label_smoothing)
                logs = logits.log_softmax(dim=1).masked_fill(~exists, 0)
                losses.append(-(wanted * logs).sum() / len(targets))
            else:
                losses.append(nn.functional.cross_entropy(logits, wanted, label_smoothing=settings.label_smoothing))
        return torch.stack(losses)

    @torch.no_grad()
    def _wanted_codes(self, users: Tensor, targets: Tensor) -> list[tuple[Tensor | None, Tensor | None]]:
        """Return for each level which codes exist behind those before it, and what the item head teaches of them.

        The first is bool [n, K] or [1, K], the second float32 [n, K]; None where the settings leave it out.
        """
        assert self.heads is not None
        assert self.order is not None
        settings, order, parallel = self.settings, self.order, self.heads.parallel
        is_taught = bool(settings.teaching and settings.item_weight)
        parts: list[list[Tensor]] = [[] for _ in self.heads.sizes]
        step = max(1, SCORES_AT_ONCE // len(self.codes)) if is_taught else len(targets)
        existing: list[list[Tensor]] = [[] for _ in self.heads.sizes]
        for states, items in zip(users.split(step), targets.split(step), strict=True):
            scores = self.items.scores(states, order.items) if is_taught else None
            for level, size in enumerate(self.heads.sizes):
                behind = order.behind(items, 0 if parallel else level)
                if scores is not None:
                    parts[level].append(order.taught(scores, behind, level, size))
                if settings.code_loss == "existing":
                    existing[level].append(order.existing(behind, level, size))
        return [
            (_joined(existing[level], is_shared=parallel or level == 0), _joined(parts[level]))
            for level in range(len(self.heads.sizes))
        ]

    def _item_loss(self, users: Tensor, targets: Tensor, log_shares: Tensor) -> Tensor:
        """Return a softmax loss over the targets of the step and uniform negatives, corrected for how they are drawn.

        From the logit of each candidate the logarithm of its expected count among those drawn is subtracted, at most 0
        (Bengio and Senécal, 2008). Candidates count once, so that none of them is a target by accident.
        """
        num_items, negatives = len(log_shares), self.settings.negatives
        drawn = torch.randint(num_items, (negatives,)).to(targets.device)
        candidates, places = torch.unique(torch.cat([targets, drawn]), return_inverse=True)
        expected = log_shares[candidates].exp() * len(targets) + negatives / num_items
        logits = self.items.scores(users, candidates) - expected.log().clamp(max=0)
        return nn.functional.cross_entropy(logits, places[: len(targets)])


def _joined(parts: list[Tensor], is_shared: bool = False) -> Tensor | None:
    """Return the rows of all parts, or those of the first where all are the same; None for no parts."""
    if not parts:
        return None
    return parts[0] if is_shared else torch.cat(parts)
