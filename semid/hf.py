"""Semantic IDs in the models of Hugging Face: tokens come into tokenizer and model, and generation writes existing IDs.

The one module beside the text encoder that imports transformers.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Literal, Self

import numpy as np
import torch
from tokenizers import AddedToken
from torch import Tensor
from transformers import LogitsProcessor

from semid.errors import InputError
from semid.semantic_ids.exports.tokens import token_names

NONE = float("-inf")
LETTERS = 26


@dataclass(frozen=True)
class SemanticIDTokens:
    """Where the codes of semantic IDs are in a vocabulary.

    The token of a code is `first` + the sizes of the levels before + the code; sizes: the codes of each level.
    """

    first: int
    sizes: tuple[int, ...]

    @classmethod
    def of_tokenizer(cls, tokenizer: Any, sizes: Sequence[int]) -> Self:
        """Find the tokens in a tokenizer that has them, such as one of the export `hf`.

        Raises `InputError` where it lacks one, or where they do not follow each other level by level.
        """
        names = list(chain(*token_names(_checked(sizes))))
        ids = tokenizer.convert_tokens_to_ids(names)
        unknown = [name for name, number in zip(names, ids, strict=True) if number in (None, tokenizer.unk_token_id)]
        if unknown:
            raise InputError(f"the tokenizer has no token {unknown[0]}: add_semantic_ids adds it")
        if ids != list(range(ids[0], ids[0] + len(ids))):
            raise InputError(
                f"the tokens {names[0]} to {names[-1]} do not follow each other in the tokenizer: give one to which "
                "add_semantic_ids, or the export hf, added them all"
            )
        return cls(ids[0], tuple(sizes))

    @property
    def offsets(self) -> np.ndarray:
        """int64 [L + 1]: the first token of each level, and the one behind the last."""
        return self.first + np.concatenate([np.zeros(1, np.int64), np.cumsum(self.sizes, dtype=np.int64)])

    def ids(self, codes: np.ndarray) -> np.ndarray:
        """Return the tokens int64 [n, L] of codes, integers [n, L]. Raises `InputError` for a code that has none."""
        codes = np.asarray(codes)
        if codes.ndim != 2 or codes.shape[1] != len(self.sizes) or codes.dtype.kind not in "iu":
            raise InputError(f"codes must be integers [n, {len(self.sizes)}], got {codes.dtype} {list(codes.shape)}")
        if codes.size and ((codes < 0) | (codes >= np.array(self.sizes))).any():
            raise InputError(
                f"codes must be from 0 to below the sizes {list(self.sizes)} of their levels, got up to "
                f"{codes.max(axis=0).tolist()}"
            )
        return codes.astype(np.int64) + self.offsets[:-1]


def add_semantic_ids(
    tokenizer: Any,
    model: Any = None,
    sizes: Sequence[int] = (),
    start: Literal["mean", "unchanged"] = "mean",
    codebooks: Sequence[np.ndarray] | None = None,
    seed: int = 0,
) -> SemanticIDTokens:
    """Add a token for every code of every level to a tokenizer, and rows for them to a model.

    Tokens are `<a_0>`, `<a_1>`, … of the first level, then those of the second, and so on; they are normal tokens,
    since special ones vanish where text is decoded without special tokens. A tokenizer that has them keeps them.
    `sizes` are the codes of each level, at most 26 levels.

    The new rows of the embeddings, and of an output layer that is not tied to them, begin at the `mean` of the rows
    that there were, with noise of a hundredth of their standard deviation; `unchanged` leaves them as transformers
    makes them. With `codebooks`, [codes of the level, d] for each level, a row begins at that mean plus a random
    projection of its codeword, as long on average as the old rows are away from it: codes that are near each other
    begin so. Where the tokenizer has the tokens and the model has rows for them, they are taken for trained, and left.

    Returns where the tokens are. Raises `InputError` for sizes that are none, and for a tokenizer with some of the
    tokens.
    """
    names = list(chain(*token_names(_checked(sizes))))
    there = set(tokenizer.get_vocab())
    is_new = not there.issuperset(names)
    if is_new:
        known = [name for name in names if name in there]
        if known:
            raise InputError(
                f"the tokenizer has {known[0]} already, but not all of the {len(names)} tokens: give it as it was"
            )
        tokenizer.add_tokens([AddedToken(name, normalized=False, special=False) for name in names])
    tokens = SemanticIDTokens.of_tokenizer(tokenizer, sizes)
    if model is not None:
        rows = model.get_input_embeddings().weight.shape[0]
        if rows < len(tokenizer):
            # the start of new rows is ours
            model.resize_token_embeddings(len(tokenizer), mean_resizing=start == "unchanged" and codebooks is None)
        is_new |= rows < len(tokenizer)
        if is_new and (start == "mean" or codebooks is not None):
            _start_rows(model, tokens, min(rows, tokens.first), codebooks, seed)
    return tokens


def _checked(sizes: Sequence[int]) -> Sequence[int]:
    if not 0 < len(sizes) <= LETTERS or min(sizes) < 1:
        raise InputError(f"sizes must be the codes of 1 to {LETTERS} levels, at least 1 each, got {list(sizes)}")
    return sizes


@torch.no_grad()
def _start_rows(
    model: Any, tokens: SemanticIDTokens, old: int, codebooks: Sequence[np.ndarray] | None, seed: int
) -> None:
    """Give the rows of the tokens a start that follows from the first `old` rows."""
    layers = [model.get_input_embeddings(), model.get_output_embeddings()]
    # tied layers share their weight
    weights: dict[int, Any] = {id(layer.weight): layer.weight for layer in layers if layer is not None}
    generator = torch.Generator().manual_seed(seed)
    for weight in weights.values():
        before = weight[:old].detach().cpu().float()
        spread = before.std(dim=0, correction=0) if old > 1 else torch.full((weight.shape[1],), 0.02)
        count = sum(tokens.sizes)
        if codebooks is None:
            beside = 0.01 * spread * torch.randn(count, weight.shape[1], generator=generator)
        else:
            beside = torch.cat([_projected(book, weight.shape[1], generator) for book in codebooks]) * spread
        if len(beside) != count:
            raise InputError(f"codebooks have {len(beside)} codewords, but there are {count} codes")
        weight[tokens.first : tokens.first + count] = (before.mean(dim=0) + beside).to(weight)


def _projected(codebook: np.ndarray, dim: int, generator: torch.Generator) -> Tensor:
    """float32 [codes, dim]: the codewords less their mean, in a random projection, of one mean square a dimension."""
    codewords = torch.as_tensor(np.asarray(codebook, np.float32))
    centred = codewords - codewords.mean(dim=0)
    projected = centred @ torch.randn(codewords.shape[1], dim, generator=generator)
    return projected / projected.square().mean().sqrt().clamp_min(1e-12)


class SemanticIDIndex:
    """The semantic IDs that exist, as a tree of tokens, and the items that have them.

    codes: integers [n, L], a row an item. Memory holds 8 bytes an item and 16 a prefix, of which there are at most L an
    item, and twice as much while it is built.
    """

    def __init__(self, codes: np.ndarray, tokens: SemanticIDTokens) -> None:
        self.tokens = tokens
        ids = tokens.ids(codes)
        order = np.lexsort(ids.T[::-1])
        ids = ids[order]
        self._order = order
        # of each depth: which rows begin a prefix, the key of each prefix (its parent and its last token), ascending,
        # and where the children of each prefix of the depth before begin
        is_new = np.zeros(len(ids), bool)
        is_new[:1] = True
        node = np.zeros(len(ids), np.int64)
        self._width = int(tokens.offsets[-1])
        keys, first_child = [], []
        for level in ids.T:
            is_new[1:] |= level[1:] != level[:-1]
            parents, last = node[is_new], level[is_new]
            nodes = int(node[-1]) + 1 if len(node) else 1
            keys.append(torch.from_numpy(parents * self._width + last))
            first_child.append(torch.from_numpy(np.searchsorted(parents, np.arange(nodes + 1))))
            node = np.cumsum(is_new) - 1
        self._buckets = np.append(np.flatnonzero(is_new), len(ids))
        self._keys, self._first_child = keys, first_child

    def to(self, device: torch.device) -> Self:
        """Move the tree to a device."""
        if self._keys[0].device != device:
            self._keys = [keys.to(device) for keys in self._keys]
            self._first_child = [first.to(device) for first in self._first_child]
        return self

    def written(self, sequences: Tensor) -> tuple[Tensor, Tensor]:
        """How many codes of an existing ID are at the end of each sequence, int64 [n], and which prefix that is."""
        levels = self._levels(sequences)
        length = torch.where(levels[:, -1] >= 0, levels[:, -1] + 1, 0)
        node = torch.zeros_like(length)
        for level, keys in enumerate(self._keys):
            here = length > level
            place = (sequences.shape[1] - length + level).clamp(0, sequences.shape[1] - 1)
            token = sequences.gather(1, place[:, None])[:, 0]
            key = node * self._width + token
            child = torch.searchsorted(keys, key).clamp_max(len(keys) - 1)
            fits = here & (length <= sequences.shape[1]) & (keys[child] == key)
            # what is no prefix of an ID counts as nothing
            length = torch.where(here & ~fits, 0, length)
            node = torch.where(fits, child, node)
        return length, torch.where(length > 0, node, 0)

    def _levels(self, sequences: Tensor) -> Tensor:
        """The level of each token, from 0; −1 for one that is no code."""
        offsets = torch.from_numpy(self.tokens.offsets).to(sequences.device)
        level = torch.bucketize(sequences.contiguous(), offsets, right=True) - 1
        return torch.where((level >= 0) & (level < len(self.tokens.sizes)), level, -1)

    def next_tokens(self, length: Tensor, node: Tensor) -> tuple[Tensor, Tensor]:
        """Rows and tokens, int64 [m] each: what may follow a prefix of `length` < L codes; no row has other lengths."""
        rows, tokens = [], []
        for level, (keys, first) in enumerate(zip(self._keys, self._first_child, strict=True)):
            owner = (length == level).nonzero()[:, 0]
            begin, end = first[node[owner]], first[node[owner] + 1]
            counts = end - begin
            behind = torch.cumsum(counts, 0) - counts
            rows.append(owner.repeat_interleave(counts))
            places = torch.arange(len(rows[-1]), device=keys.device) + (begin - behind).repeat_interleave(counts)
            tokens.append(keys[places] % self._width)
        return torch.cat(rows), torch.cat(tokens)

    def items(self, sequences: Tensor, prompt_length: int = 0) -> list[np.ndarray]:
        """Return the items of the last whole ID in each sequence, as their rows in the codes.

        sequences: token ids, integers [n, width], such as `generate` returns, whatever stands behind the ID. An array
        is empty where there is no ID that exists, and has more than one item where these share their ID. What
        `prompt_length` tokens at the beginning hold does not count.
        """
        sequences = torch.as_tensor(sequences)[:, prompt_length:]
        num_levels = len(self.tokens.sizes)
        if sequences.shape[1] < num_levels:
            return [np.empty(0, np.int64)] * len(sequences)
        self.to(sequences.device)
        levels = self._levels(sequences).unfold(1, num_levels, 1)
        is_id = (levels == torch.arange(num_levels, device=levels.device)).all(dim=2)
        # the last of them
        place = is_id.shape[1] - 1 - is_id.flip(1).to(torch.int8).argmax(dim=1)
        window = place[:, None] + torch.arange(num_levels, device=place.device)
        length, node = self.written(sequences.gather(1, window))
        exists = (length == num_levels) & is_id.any(dim=1)
        buckets = torch.where(exists, node, -1).tolist()
        return [
            self._order[self._buckets[bucket] : self._buckets[bucket + 1]] if bucket >= 0 else np.empty(0, np.int64)
            for bucket in buckets
        ]


class SemanticIDLogitsProcessor(LogitsProcessor):
    """Lets generation write one semantic ID of an existing item, and then end: for any batch and any number of beams.

    It goes by the end of each sequence: behind the first codes of an ID come those that exist there, behind a whole ID
    only `eos_token_id`, and behind anything else the first codes. So a prompt may end with the first codes of an ID,
    as many in each row as one likes. Where prompts end with a whole ID, such as the last item of a history,
    `prompt_length` must say how many tokens the prompt has, padding on the left included; an encoder-decoder has 1.
    There is no loop over rows: each level is looked up for all of them at once.
    """

    def __init__(self, index: SemanticIDIndex, eos_token_id: int, prompt_length: int | None = None) -> None:
        self.index, self.eos_token_id, self.prompt_length = index, eos_token_id, prompt_length

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Return the scores [rows, vocabulary], −∞ for every token that must not come next."""
        index = self.index.to(input_ids.device)
        length, node = index.written(input_ids)
        num_levels = len(index.tokens.sizes)
        if self.prompt_length is not None and input_ids.shape[1] <= self.prompt_length:
            # a whole ID at the end of a prompt is one of its history
            is_history = length == num_levels
            length, node = length.masked_fill(is_history, 0), node.masked_fill(is_history, 0)
        allowed = torch.full_like(scores, NONE)
        rows, tokens = index.next_tokens(length, node)
        allowed[rows, tokens] = scores[rows, tokens]
        whole = (length == num_levels).nonzero()[:, 0]
        allowed[whole, self.eos_token_id] = scores[whole, self.eos_token_id]
        return allowed
