"""The generator: a transformer over items, whose state writes codes and is compared with items."""

from functools import cached_property

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

    @cached_property
    def order(self) -> CodeOrder:
        """The order of the codes, which training alone asks for."""
        return CodeOrder(self.codes.cpu()).to(self.codes.device)

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
        """Return the loss of each level [L] for states [n, dim] and the items int64 [n] that come next.

        Where the item head teaches, so many states are taken at once as the scores of all items allow.
        """
        is_taught = bool(self.settings.teaching and self.settings.item_weight)
        step = max(1, SCORES_AT_ONCE // len(self.codes)) if is_taught else len(targets)
        parts = zip(users.split(step), targets.split(step), strict=True)
        return torch.stack([self._summed_code_losses(*part, is_taught) for part in parts]).sum(dim=0) / len(targets)

    def _summed_code_losses(self, users: Tensor, targets: Tensor, is_taught: bool) -> Tensor:
        """Return sums [L] over states [n, dim] of the cross-entropy of each level, with what the item head says."""
        assert self.heads is not None
        codes, settings, order = self.codes[targets], self.settings, self.order
        with torch.no_grad():
            scores = self.items.scores(users, order.items) if is_taught else None
        losses = []
        for level, size in enumerate(self.heads.sizes):
            logits = self.heads.logits(users, codes[:, :level])
            wanted = torch.zeros_like(logits).scatter_(1, codes[:, level, None], 1.0)
            behind = order.behind(targets, 0 if self.heads.parallel else level)
            if scores is not None:
                wanted = wanted.lerp(order.taught(scores, behind, level, size), settings.teaching)
            exists = torch.ones(1, size, dtype=torch.bool, device=users.device)
            if settings.code_loss == "existing":
                exists = order.existing(behind, level, size)
            wanted = wanted.lerp(exists / exists.sum(dim=1, keepdim=True), settings.label_smoothing)
            logs = logits.masked_fill(~exists, float("-inf")).log_softmax(dim=1).masked_fill(~exists, 0)
            losses.append(-(wanted * logs).sum())
        return torch.stack(losses)

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
