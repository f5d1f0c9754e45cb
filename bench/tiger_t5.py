"""TIGER's usual form (Rajput et al., 2023): a small T5 of transformers that reads and writes the codes of items.

A history of 20 items is a sequence of tokens, L an item, and each level has tokens of its own. There is no token for
the user, and none that tells items of the same codes apart: the IDs are those of the generator it stands beside.
"""

import math
import time
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor
from transformers import T5Config, T5ForConditionalGeneration

from bench.generator import DEPTH, METRICS, Inputs
from semid.evaluation.metrics import expected_metric
from semid.evaluation.queries import Queries
from semid.generative.ranking import Ranked, rank_generated
from semid.generative.search import NONE, Found
from semid.generative.sequences import last_items
from semid.generative.trie import CodeTrie
from semid.retrieval.inverted import InvertedIndex
from semid.retrieval.ragged import Ragged, concatenated_ranges, offsets_of
from semid.retrieval.seen import Seen

HISTORY = 20
PADDING = 0
# Of 64 and 32 examples, and of rates of 0.001 and 0.003, these had the lowest loss after the first minute.
BATCH = 32
# Examples of so many batches are sorted by length together, so that few tokens are padding.
SORTED_BATCHES = 50
LEARNING_RATE = 3e-3
WARMUP = 0.05
BEAMS = 50
USERS_AT_ONCE = 16


def new_t5(sizes: tuple[int, ...], seed: int = 0) -> T5ForConditionalGeneration:
    """A T5 of about TIGER's size, which has a token for every code of every level."""
    torch.manual_seed(seed)
    config = T5Config(
        vocab_size=1 + sum(sizes),
        d_model=128,
        d_kv=64,
        d_ff=1024,
        num_layers=4,
        num_decoder_layers=4,
        num_heads=6,
        dropout_rate=0.1,
        pad_token_id=PADDING,
        decoder_start_token_id=PADDING,
        eos_token_id=None,
    )
    return T5ForConditionalGeneration(config)


def tokens_of(codes: np.ndarray, sizes: tuple[int, ...]) -> np.ndarray:
    """Return the tokens int64 [n, L] of codes: 0 is padding, and each level begins where the one before ends."""
    return 1 + codes + np.cumsum([0, *sizes[:-1]])


def examples_of(sequences: Ragged) -> tuple[Ragged, np.ndarray]:
    """Return the history, of 20 items at most, and the target of each example: every item but the first of a user."""
    lengths = sequences.lengths
    begin = np.repeat(sequences.offsets[:-1], lengths - 1)
    place = concatenated_ranges(sequences.offsets[:-1] + 1, sequences.offsets[1:])
    start = np.maximum(begin, place - HISTORY)
    return Ragged(sequences.values[concatenated_ranges(start, place)], offsets_of(place - start)), sequences.values[
        place
    ]


def read_tokens(history: Ragged, rows: np.ndarray, tokens: np.ndarray) -> tuple[Tensor, Tensor]:
    """Return the tokens of histories int64 [n, length · L], padded at their end, and which are no padding."""
    start, stop = history.offsets[rows], history.offsets[rows + 1]
    lengths = stop - start
    table = np.full((len(rows), int(lengths.max()), tokens.shape[1]), PADDING, np.int64)
    table[np.arange(table.shape[1]) < lengths[:, None]] = tokens[history.values[concatenated_ranges(start, stop)]]
    flat = torch.from_numpy(table).flatten(1)
    return flat, (flat != PADDING).long()


def batches_of(lengths: np.ndarray, random: np.random.Generator) -> Iterator[np.ndarray]:
    """Yield batches of examples without end, every example once before any comes again."""
    while True:
        order = random.permutation(len(lengths))
        for start in range(0, len(order), BATCH * SORTED_BATCHES):
            part = order[start : start + BATCH * SORTED_BATCHES]
            part = part[np.argsort(lengths[part], kind="stable")]
            batches = [part[begin : begin + BATCH] for begin in range(0, len(part), BATCH)]
            random.shuffle(batches)
            yield from batches


def train_t5(inputs: Inputs, seconds: float, seed: int = 0) -> tuple[T5ForConditionalGeneration, dict[str, float]]:
    """Train for so many seconds by AdamW, whose rate rises and falls with the share of them that has gone by."""
    model, tokens = new_t5(inputs.sizes, seed).train(), tokens_of(inputs.codes, inputs.sizes)
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, fused=True)
    started = time.monotonic()
    history, targets = examples_of(inputs.sequences)
    steps, examples, share = 0, 0, 0.0
    for rows in batches_of(history.lengths, np.random.default_rng(seed)):
        read, is_token = read_tokens(history, rows, tokens)
        loss = model(input_ids=read, attention_mask=is_token, labels=torch.from_numpy(tokens[targets[rows]])).loss
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for group in optimizer.param_groups:
            group["lr"] = LEARNING_RATE * min(1.0, share / WARMUP) * (1 + math.cos(math.pi * share)) / 2
        optimizer.step()
        steps, examples = steps + 1, examples + len(rows)
        share = (time.monotonic() - started) / seconds
        if share >= 1:
            break
    said = {"seconds": time.monotonic() - started, "steps": float(steps), "examples": float(examples)}
    return model, said | {"epochs": examples / len(targets), "loss": loss.item()}


class ExistingCodes:
    """Says which tokens may follow a prefix, as `prefix_allowed_tokens_fn` of transformers asks for each beam."""

    def __init__(self, tokens: np.ndarray) -> None:
        self._next: dict[tuple[int, ...], set[int]] = {}
        for row in tokens.tolist():
            for level, token in enumerate(row):
                self._next.setdefault(tuple(row[:level]), set()).add(token)
        self._lists = {prefix: sorted(tokens) for prefix, tokens in self._next.items()}

    def __call__(self, batch: int, written: Tensor) -> list[int]:
        # a beam that went where no codes are has no score, and may go on anywhere
        return self._lists.get(tuple(written[1:].tolist()), [PADDING])


@torch.inference_mode()
def generate(
    model: T5ForConditionalGeneration, read: Tensor, is_token: Tensor, existing: ExistingCodes, levels: int, beams: int
) -> tuple[Tensor, Tensor]:
    """Return tokens int64 [n, beams, L] and Σ log p float32 [n, beams], −inf for beams that are no codes."""
    answer = model.generate(
        input_ids=read,
        attention_mask=is_token,
        max_new_tokens=levels,
        num_beams=beams,
        num_return_sequences=beams,
        do_sample=False,
        length_penalty=0.0,
        prefix_allowed_tokens_fn=existing,
        return_dict_in_generate=True,
        output_scores=True,
    )
    written = answer.sequences[:, 1:]
    written = torch.nn.functional.pad(written, (0, levels - written.shape[1])).view(len(read), beams, levels)
    return written, answer.sequences_scores.view(len(read), beams)


def found_buckets(written: Tensor, scores: Tensor, index: InvertedIndex, sizes: tuple[int, ...]) -> Found:
    """Return the buckets that were written, as the search of a generator gives them; seen items are not yet counted."""
    bucket_of = {
        tuple(row): bucket for bucket, row in enumerate(tokens_of(index.codes.astype(np.int64), sizes).tolist())
    }
    flat = [bucket_of.get(tuple(row), -1) for row in written.flatten(0, 1).tolist()]
    buckets = torch.tensor(flat, dtype=torch.int64).view(scores.shape)
    scores = scores.masked_fill(buckets < 0, NONE)
    return Found(buckets, scores, torch.zeros_like(buckets), torch.zeros(len(buckets), dtype=torch.bool))


def written_by(
    model: T5ForConditionalGeneration, inputs: Inputs, queries: Queries, beams: int = BEAMS
) -> tuple[Found, float]:
    """Return the buckets that the beams of all queries end in, and the seconds that they take."""
    tokens = tokens_of(inputs.codes, inputs.sizes)
    history, existing = last_items(queries.history(slice(0, len(queries))), HISTORY), ExistingCodes(tokens)
    order = np.argsort(history.lengths, kind="stable")
    levels = tokens.shape[1]
    written = torch.zeros(len(queries), beams, levels, dtype=torch.int64)
    scores = torch.zeros(len(queries), beams)
    model.eval()
    started = time.perf_counter()
    for start in range(0, len(order), USERS_AT_ONCE):
        rows = order[start : start + USERS_AT_ONCE]
        written[rows], scores[rows] = generate(model, *read_tokens(history, rows, tokens), existing, levels, beams)
    seconds = time.perf_counter() - started
    return found_buckets(written, scores, inputs.index, inputs.sizes), seconds


def figures_of_t5(model: T5ForConditionalGeneration, inputs: Inputs, queries: Queries) -> dict[str, float]:
    """The metrics of items with seen items removed, after the search, and kept, and µs a query."""
    found, seconds = written_by(model, inputs, queries)
    figures = {"query_us": 1e6 * seconds / len(queries)}
    history = queries.history(slice(0, len(queries)))
    nothing = Ragged(history.values[:0], np.zeros_like(history.offsets))
    for name, seen in (("removed", history), ("kept", nothing)):
        ranked = ranked_items(found, inputs.index, queries, Seen.of(seen, inputs.index.num_items))
        for metric in METRICS:
            values = expected_metric(metric, ranked.greater, ranked.equal, ranked.found)
            figures[f"{metric}, {name}"] = float(values.mean())
    return figures


def ranked_items(found: Found, index: InvertedIndex, queries: Queries, seen: Seen) -> Ranked:
    """Rank the targets among the unseen items of the buckets, those of a bucket tied, as a generator's are."""
    unseen = CodeTrie.build(index).depths[-1].unseen(seen, found.buckets)
    counted = Found(found.buckets, found.scores, unseen, found.certain)
    return rank_generated(counted, index, torch.from_numpy(queries.target), seen, DEPTH)
