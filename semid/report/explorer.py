"""The explorer of the code tree: the items of a dataset, and the trees of its tokenizers, as plain values."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from semid.embeddings import EmbeddingStore
from semid.errors import InputError
from semid.items import count_items, item_batches
from semid.naming import TokenizerName
from semid.pretrained import CONFIG_FILE, MODEL_FILE
from semid.quantizers import Decoder, decoder_of_codes
from semid.report.map import item_map
from semid.report.results import DatasetResults, Results
from semid.report.tree import DescribedCatalogue, code_tree
from semid.report.usage import sorted_sizes
from semid.semantic_ids.decoding_errors import squared_errors
from semid.semantic_ids.table import read_semantic_ids

logger = logging.getLogger(__name__)

# The most items that the page has by name, over all datasets, and the most trees.
MOST_ITEMS, MOST_TREES = 20_000, 12
TITLE_LENGTH, ID_LENGTH, CATEGORY_LENGTH = 120, 80, 80
ROWS_AT_ONCE = 1 << 16


@dataclass(frozen=True, eq=False)
class Explored:
    """What the page shows of the codes of a dataset.

    sizes: of the codes of each level, by tokenizer without its seed; codebooks: how many codes each level may have,
    where the model lies beside the codes; content: items and trees, as the page reads them; items: how many items there
    are; rows: int64 [m], ascending, which of them the page has by name.
    """

    sizes: Mapping[str, Sequence[np.ndarray]]
    codebooks: Mapping[str, Sequence[int]]
    content: Mapping[str, Any]
    items: int
    rows: np.ndarray

    @property
    def shown(self) -> int:
        """How many items the page has by name."""
        return len(self.rows)


def shared_limits(results: Results) -> tuple[int, int]:
    """Return the most items and the most trees of each dataset: equal shares of what the page holds."""
    datasets = max(1, len(results.datasets))
    return MOST_ITEMS // datasets, max(1, MOST_TREES // datasets)


def shown_rows(items: int, most: int, seed: int = 0) -> np.ndarray:
    """Return int64 [m], ascending: the rows of all items, or of `most` of them, drawn at random with `seed`."""
    if items <= most:
        return np.arange(items)
    return np.sort(np.random.default_rng(seed).choice(items, most, replace=False))


def explore(dataset: DatasetResults, most_items: int, most_trees: int, layout: str = "auto") -> Explored | None:
    """Return what the page shows of the codes of a dataset, of each tokenizer its first seed; None without any codes.

    Trees are of the first `most_trees` tokenizers; `layout` is that of the map. Memory holds the codes of one tokenizer
    at a time. Raises `InputError` where a table of codes has another number of items than the item table, and for a map
    that cannot be.
    """
    tables = {name: dataset.results / seeds[0] / "items.parquet" for name, seeds in dataset.seeds.items()}
    tables = {name: path for name, path in tables.items() if path.is_file()}
    catalogue = dataset.data / "items.parquet"
    if not tables or not catalogue.is_file():
        return None
    items = count_items(catalogue)
    shown = shown_rows(items, most_items)
    names, category = _read_names(catalogue, shown)
    vectors = _vectors(dataset, items)
    sizes: dict[str, list[np.ndarray]] = {}
    codebooks: dict[str, Sequence[int]] = {}
    trees: list[dict[str, Any]] = []
    for name, path in tables.items():
        codes = read_semantic_ids(path)
        if len(codes) != items:
            raise InputError(f"{path}: {len(codes):,} items, but {catalogue} has {items:,}; run the workflow again")
        sizes[name] = sorted_sizes(codes)
        decoder = _decoder(dataset.results / TokenizerName.parse(dataset.seeds[name][0]).native.name, codes)
        codebooks |= {name: decoder.sizes} if decoder else {}
        if len(trees) < most_trees:
            error = squared_errors(vectors, decoder.decode, codes) if decoder and vectors is not None else None
            tree = code_tree(codes, DescribedCatalogue(category, shown, error))
            trees.append({"name": dataset.seeds[name][0], **tree})
            logger.info("%s: the tree of %d items", name, items)
    used = {place for tree in trees for level in tree["levels"] for place in level["category"]}
    used |= set(names["category"])
    names = _with_categories_renumbered(names, trees, sorted(used - {-1}))
    places = None if vectors is None else item_map(vectors, shown, layout)
    content = {"items": items, **names, "trees": trees, "map": places}
    return Explored(sizes, codebooks, content, items, shown)


def _read_names(catalogue: Path, shown: np.ndarray) -> tuple[dict[str, Any], np.ndarray]:
    """Return ids, titles and categories of the shown items, with the names of all, and the category int64 [n] of each.

    An item counts for its narrowest category.
    """
    ids: list[str] = []
    titles: list[str] = []
    narrowest: list[pa.Array] = []
    start = 0
    for batch in item_batches(catalogue, ["item_id", "title", "categories"], rows_at_once=ROWS_AT_ONCE):
        rows = shown[np.searchsorted(shown, start) : np.searchsorted(shown, start + len(batch))] - start
        ids += [_cut(str(name), ID_LENGTH) for name in batch.column("item_id").take(pa.array(rows)).to_pylist()]
        titles += [_cut(title or "", TITLE_LENGTH) for title in batch.column("title").take(pa.array(rows)).to_pylist()]
        narrowest.append(_narrowest(batch.column("categories")).dictionary_encode())
        start += len(batch)
    merged = pa.chunked_array(narrowest, pa.dictionary(pa.int32(), pa.string())).unify_dictionaries().combine_chunks()
    merged = merged if isinstance(merged, pa.DictionaryArray) else merged.chunk(0)
    category = pc.fill_null(merged.indices, -1).to_numpy().astype(np.int64)
    names = {"id": ids, "title": titles, "category": category[shown].tolist(), "categories": merged.dictionary}
    return names, category


def _narrowest(paths: pa.Array) -> pa.Array:
    """Return the last name of each path of categories, null for a path without names."""
    depths = pc.fill_null(pc.list_value_length(paths), 0).to_numpy()
    last = paths.offsets.to_numpy()[:-1] + depths - 1
    return paths.values.take(pa.array(last, mask=depths == 0)).cast(pa.string())


def _with_categories_renumbered(
    names: Mapping[str, Any], trees: Sequence[Mapping[str, Any]], used: Sequence[int]
) -> dict[str, Any]:
    """Number categories anew, so that the page has no names that it does not show; trees are changed in place."""
    place = {-1: -1, **{number: place for place, number in enumerate(used)}}
    for tree in trees:
        for level in tree["levels"]:
            level["category"] = [place[number] for number in level["category"]]
    texts = [_cut(names["categories"][number].as_py(), CATEGORY_LENGTH) for number in used]
    return {**names, "category": [place[number] for number in names["category"]], "categories": texts}


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1].rstrip() + "…"


def _vectors(dataset: DatasetResults, items: int) -> EmbeddingStore | None:
    """Return the embeddings of all items; None where they are not there, or of other items."""
    manifest = dataset.results / "embeddings" / "manifest.json"
    if not manifest.is_file() or not any(manifest.parent.glob("part-*.npy")):
        return None
    vectors = EmbeddingStore.open(manifest)
    return vectors if len(vectors) == items else None


def _decoder(folder: Path, codes: np.ndarray) -> Decoder | None:
    """Return what decodes codes [n, L]; None where no model lies beside them, as where a tokenizer is loaded."""
    is_there = (folder / CONFIG_FILE).is_file() and (folder / MODEL_FILE).is_file()
    return decoder_of_codes(folder, codes) if is_there else None
