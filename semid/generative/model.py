"""The generator: a transformer over items, whose state writes codes and is compared with items."""

from collections.abc import Callable
from functools import cached_property

import torch
from torch import Tensor, nn

from semid.generative.heads import CodeHeads, CodeSpaceStart
from semid.generative.items import CatalogueOfItems, ItemVectors, LookedUp
from semid.generative.network import Transformer
from semid.generative.sequences import PADDING
from semid.generative.settings import GeneratorSettings
from semid.generative.teaching import CodeOrder

# So many scores of states and items, floats, are held at once while the item head teaches.
SCORES_AT_ONCE = 1 << 25


class Generator(nn.Module):
    """Predicts the next item of a history, by its codes and by its vector.

    `parallel` says that the levels of codes are of sub-spaces, of which none reads another unless `decoding` says so.
    `start`, the codewords of the tokenizer, lets the code heads begin as a search.
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
        self.heads = None
        if settings.code_weight:
            parallel = parallel if settings.decoding == "auto" else settings.decoding == "parallel"
            tied = self.items.code_vectors if settings.tied_output else None
            self.heads = CodeHeads(catalogue.sizes, settings, start, parallel, tied)

    @cached_property
    def order(self) -> CodeOrder:
        """The order of the codes, which training alone asks for."""
        return CodeOrder(self.codes.cpu()).to(self.codes.device)

    def states(self, sequences: Tensor, vectors_of: Callable[[Tensor], Tensor] | None = None) -> Tensor:
        """Return the state [n, length, dim] after every item of sequences int64 [n, length], padded at their end.

        vectors_of: gives the vectors of items, where they were looked up before.
        """
        is_item = sequences != PADDING
        vectors = (vectors_of or self.items)(sequences[is_item])
        padded = vectors.new_zeros(*sequences.shape, vectors.shape[1])
        padded[is_item] = vectors
        return self.transformer(padded)

    def user_states(self, sequences: Tensor) -> Tensor:
        """Return the state [n, dim] after the last item of sequences int64 [n, length]."""
        last = (sequences != PADDING).sum(dim=1) - 1
        return self.states(sequences)[torch.arange(len(sequences), device=last.device), last]

    def teacher(self) -> Tensor | None:
        """Return what the item head compares states with when it teaches, [items, dim] in the order of their codes.

        Nothing of the items is left out, as it is while they learn. None where it teaches nothing.
        """
        if self.heads is None or not self.settings.teaching or not self.settings.item_weight:
            return None
        self.items.eval()
        with torch.no_grad():
            vectors = self.items(self.order.items)
        self.items.train(self.training)
        return vectors

    def losses(self, sequences: Tensor, log_shares: Tensor, teacher: Tensor | None) -> tuple[Tensor, Tensor, int]:
        """Return the loss of the item head, that of each level of the code heads [L], and the number of targets.

        Every item but the first is a target. log_shares: float32 [items], the logarithm of the share of targets that
        each item is in the training data, -inf for none; teacher: what :meth:`teacher` gave, in this step or some steps
        before.
        """
        targets = sequences[:, 1:]
        is_target = targets != PADDING
        negatives = self.settings.negatives if self.settings.item_weight else 0
        drawn = torch.randint(len(log_shares), (negatives,)).to(targets.device)
        looked_up = self.items.looked_up(torch.cat([sequences[sequences != PADDING], drawn]))
        users, targets = self.states(sequences[:, :-1], looked_up)[is_target], targets[is_target]
        code_losses = users.new_zeros(len(self.heads.sizes) if self.heads is not None else 0)
        if self.heads is not None:
            code_losses = self._code_losses(users, targets, teacher)
        item_loss = users.new_zeros(())
        if self.settings.item_weight:
            item_loss = self._item_loss(users, targets, drawn, log_shares, looked_up)
        return item_loss, code_losses, len(targets)

    def _code_losses(self, users: Tensor, targets: Tensor, teacher: Tensor | None) -> Tensor:
        """Return the cross-entropy of each level [L] for states [n, dim] and the items int64 [n] that come next."""
        assert self.heads is not None
        codes, settings, order = self.codes[targets], self.settings, self.order
        taught: list[Tensor] = []
        if teacher is not None:
            taught_rows = self.taught_rows(len(targets), targets.device)
            taught = self._taught(users[taught_rows], targets[taught_rows], teacher)
        losses = [users.new_zeros(()) for _ in self.heads.sizes]
        for level, size in enumerate(self.heads.sizes):
            rows = self.uncertain_rows(targets, level)
            if not len(rows):
                continue
            logits = self.heads.logits(users[rows], codes[rows, :level])
            wanted = users.new_zeros(len(targets), size).scatter_(1, codes[:, level, None], 1.0)
            if taught:
                wanted[taught_rows] = taught[level]
            exists = torch.ones(1, size, dtype=torch.bool, device=users.device)
            if settings.code_loss == "existing":
                exists = order.existing(targets[rows], level, size, self.heads.parallel)
            wanted = wanted[rows].lerp(exists / exists.sum(dim=1, keepdim=True), settings.label_smoothing)
            logs = logits.masked_fill(~exists, float("-inf")).log_softmax(dim=1).masked_fill(~exists, 0)
            losses[level] = -(wanted * logs).sum() / len(targets)
        return torch.stack(losses)

    def uncertain_rows(self, targets: Tensor, level: int) -> Tensor:
        """Return the rows int64 of targets int64 [n] that a level has something to learn from.

        A code that alone exists behind those before it is certain, and its loss is 0.
        """
        assert self.heads is not None
        if self.settings.code_loss == "existing" and not self.heads.parallel:
            return self.order.has_siblings(targets, level).nonzero()[:, 0]
        return torch.arange(len(targets), device=targets.device)

    def taught_rows(self, n: int, device: torch.device) -> Tensor:
        """Return the rows int64 of n positions that the item head teaches in this step, drawn anew for every step.

        To teach a share of the positions gives the gradients, in expectation, of targets that are mixed in that share
        at every position, and scores all items for that share alone.
        """
        return torch.randperm(n)[: round(self.settings.teaching * n)].to(device)

    @torch.no_grad()
    def _taught(self, users: Tensor, targets: Tensor, teacher: Tensor) -> list[Tensor]:
        """Return what the item head says of the codes of each level, [n, K] a level, for states [n, dim].

        So many states are taken at once as the scores of all items allow. targets: int64 [n], whose codes the levels
        before have written.
        """
        assert self.heads is not None
        order, step = self.order, max(1, SCORES_AT_ONCE // len(self.codes))
        taught = [users.new_empty(len(users), size) for size in self.heads.sizes]
        for rows in torch.arange(len(users), device=users.device).split(step):
            scores = self.items.scores(users[rows], teacher)
            for level, size in enumerate(self.heads.sizes):
                behind = order.behind(targets[rows], 0 if self.heads.parallel else level)
                taught[level][rows] = order.taught(scores, behind, level, size)
        return taught

    def _item_loss(
        self, users: Tensor, targets: Tensor, drawn: Tensor, log_shares: Tensor, looked_up: LookedUp
    ) -> Tensor:
        """Return a softmax loss over the targets of the step and uniform negatives, corrected for how they are drawn.

        From the logit of each candidate the logarithm of its expected count among those drawn is subtracted, at most 0
        (Bengio and Senécal, 2008), unless the correction is left out. Candidates count once, so that none of them is a
        target by accident.
        """
        candidates, places = torch.unique(torch.cat([targets, drawn]), return_inverse=True)
        logits = self.items.scores(users, looked_up(candidates))
        if self.settings.sampling_correction:
            expected = log_shares[candidates].exp() * len(targets) + len(drawn) / len(log_shares)
            logits = logits - expected.log().clamp(max=0)
        return nn.functional.cross_entropy(logits, places[: len(targets)])
