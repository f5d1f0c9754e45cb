"""A generated data set in the raw format of Amazon Reviews 2023, dirt included.

It exercises the code that real files go through; its numbers rank nothing.
"""

import base64
import gzip
import hashlib
import json
import logging
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from semid.data import vocabulary
from semid.data.sources.sample import SampleSettings
from semid.files import whole_file
from semid.progress import Progress

logger = logging.getLogger(__name__)

ITEM_BLOCK, USER_BLOCK = 4_096, 4_096
FIRST_DAY_MS, LAST_DAY_MS, DAY_MS = 1_420_070_400_000, 1_693_526_400_000, 86_400_000  # 2015-01-01 to 2023-09-01
VARIANTS = 4  # asins under one parent_asin, at most
ASINS = 36**8
MAX_REVIEWS_A_USER = 200
BRANDS_A_TYPE = 6


def generate_sample(settings: SampleSettings, reviews_path: str | Path, meta_path: str | Path) -> None:
    """Write the gzipped JSONL files of reviews and of item metadata, in blocks, whole or not at all.

    Users wander over the category tree with drifting tastes; a purchase is often close to the one before (same product
    type, then same brand), else drawn by popularity inside a category of the user's taste. Memory: a few integers an
    item, and one block of users.
    """
    tree = _Tree()
    items = _Items(settings, tree)
    with whole_file(meta_path) as meta, whole_file(reviews_path) as reviews:
        _write_meta(settings, tree, items, meta)
        n_reviews = _write_reviews(settings, items, reviews)
    logger.info(
        "generated %s items, %s users, %s reviews", f"{settings.items:,}", f"{settings.users:,}", f"{n_reviews:,}"
    )


class _Tree:
    """The category tree as lists: a path, product types and materials for each leaf; a subcategory number a leaf."""

    def __init__(self) -> None:
        self.paths: list[tuple[str, str, str]] = []
        self.materials: list[list[str]] = []
        self.types: list[str] = []
        self.leaf_of_type: list[int] = []
        subcategory_of_leaf = []
        subcategories = [(main, sub, text) for main, subs in vocabulary.TREE.items() for sub, text in subs.items()]
        for number, (main, sub, text) in enumerate(subcategories):
            for line in text.strip().splitlines():
                leaf, rest = line.strip().split(": ")
                types, materials = rest.split(" | ")
                self.leaf_of_type += [len(self.paths)] * len(types.split(", "))
                self.types += types.split(", ")
                self.paths.append((main, sub, leaf))
                self.materials.append(materials.split(", "))
                subcategory_of_leaf.append(number)
        self.subcategory_of_leaf = np.array(subcategory_of_leaf)


class _Items:
    """Integers for each item, sorted by product type and brand, so that neighbours in number are alike in text."""

    def __init__(self, settings: SampleSettings, tree: _Tree) -> None:
        n = settings.items
        rng = np.random.default_rng([settings.seed, 0])
        self.type = np.sort(rng.integers(0, len(tree.types), n).astype(np.int32))
        n_brands = len(vocabulary.BRAND_STARTS) * len(vocabulary.BRAND_MIDDLES) * len(vocabulary.BRAND_ENDS)
        brand_rank = rng.integers(0, BRANDS_A_TYPE, n)
        self.leaf = np.array(tree.leaf_of_type, dtype=np.int32)[self.type]
        # Brands belong to a leaf, and the same brand is found at several types of it.
        self.brand = ((self.leaf.astype(np.int64) * 7 + brand_rank * 389) % n_brands).astype(np.int32)
        order = np.lexsort((brand_rank, self.type))
        self.brand = self.brand[order]
        self.material = rng.integers(0, 3, n).astype(np.int8)
        self.colour = rng.integers(0, len(vocabulary.COLOURS), n).astype(np.int8)
        self.size = rng.integers(0, len(vocabulary.SIZES), n).astype(np.int8)
        self.feature = rng.integers(0, len(vocabulary.FEATURES), n).astype(np.int8)
        self.second_feature = rng.integers(0, len(vocabulary.FEATURES), n).astype(np.int8)
        copies = np.flatnonzero(rng.random(n) < settings.same_text)
        copies = copies[copies > 0]
        for words in (self.type, self.leaf, self.brand, self.material, self.colour, self.size, self.feature,
                      self.second_feature):  # fmt: skip
            words[copies] = words[copies - 1]
        self.same_text = np.zeros(n, dtype=bool)
        self.same_text[copies] = True
        self.n_variants = rng.choice(np.arange(1, VARIANTS + 1), n, p=[0.7, 0.15, 0.1, 0.05]).astype(np.int8)
        popularity_rank = rng.permutation(n)
        weight = (popularity_rank + 1.0 + 0.01 * n) ** -settings.popularity_exponent
        self.cumulative = np.concatenate(([0.0], np.cumsum(weight)))
        self.first_of_leaf = np.searchsorted(self.leaf, np.arange(len(tree.paths) + 1))
        self.subcategory_of_leaf = tree.subcategory_of_leaf

    def draw(self, rng: np.random.Generator, first: NDArray[np.int64], stop: NDArray[np.int64]) -> NDArray[np.int64]:
        """Draw, for each pair, an item from [first, stop) by popularity."""
        low, high = self.cumulative[first], self.cumulative[stop]
        drawn = np.searchsorted(self.cumulative, low + rng.random(len(first)) * (high - low), side="right") - 1
        return np.clip(drawn, first, stop - 1)


def _asin(item: int, variant: int) -> str:
    """Return a distinct 10-character id; its order says nothing about the item (the factor has no divisor in 36)."""
    number = ((item * VARIANTS + variant) * 1_000_003_000_007 + 777_777_777) % ASINS
    return "B0" + np.base_repr(number, 36).rjust(8, "0")


def _user_id(seed: int, user: int) -> str:
    digest = hashlib.blake2b(f"{seed}:{user}".encode(), digest_size=16).digest()
    return "AE" + base64.b32encode(digest).decode().rstrip("=")


def _brand(number: int) -> str:
    rest, end = divmod(number, len(vocabulary.BRAND_ENDS))
    start, middle = divmod(rest, len(vocabulary.BRAND_MIDDLES))
    name = vocabulary.BRAND_STARTS[start] + vocabulary.BRAND_MIDDLES[middle] + vocabulary.BRAND_ENDS[end]
    return (
        f"{name} & {vocabulary.BRAND_STARTS[-1 - start]}{vocabulary.BRAND_ENDS[-1 - end]}" if number % 7 == 0 else name
    )


@contextmanager
def _gzip_writer(path: Path) -> Iterator[BinaryIO]:
    """Open `path` for gzip whose bytes depend on the content alone: no file name, no time."""
    with open(path, "wb") as file, gzip.GzipFile(filename="", mode="wb", fileobj=file, compresslevel=1, mtime=0) as out:
        yield out  # type: ignore[misc]


def _lines(rows: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def _write_meta(settings: SampleSettings, tree: _Tree, items: _Items, path: Path) -> None:
    rng = np.random.default_rng([settings.seed, 1])
    order = rng.permutation(settings.items)
    with _gzip_writer(path) as out, Progress(settings.items, "generating items", "items") as progress:
        for start in range(0, settings.items, ITEM_BLOCK):
            block = order[start : start + ITEM_BLOCK].tolist()
            dice = rng.random((len(block), 8))
            rows = [_meta_row(settings, tree, items, item, die) for item, die in zip(block, dice.tolist(), strict=True)]
            second_listings = []
            for row, die in zip(rows, dice.tolist(), strict=True):
                if die[7] < settings.duplicate_listings:
                    second_listings.append({**row, "title": row["title"] + " (Renewed)"})
                    if die[6] < 0.5:
                        row["title"] = ""
            out.write(_lines(rows + second_listings))
            progress.update(len(rows))


def _meta_row(settings: SampleSettings, tree: _Tree, items: _Items, item: int, die: list[float]) -> dict[str, Any]:
    leaf = int(items.leaf[item])
    main, sub, leaf_name = tree.paths[leaf]
    kind, material = tree.types[items.type[item]], tree.materials[leaf][items.material[item]]
    brand, colour = _brand(int(items.brand[item])), vocabulary.COLOURS[items.colour[item]]
    size, feature = vocabulary.SIZES[items.size[item]], vocabulary.FEATURES[items.feature[item]]
    second = vocabulary.FEATURES[items.second_feature[item]]
    title = f"{brand} {feature} {kind}, {material.title()}, {colour}, {size}"
    # From the words, not from dice: items with the same text have the same description.
    choice = int(items.colour[item]) + 16 * int(items.size[item]) + 5 * int(items.feature[item])
    use = vocabulary.USES[choice % len(vocabulary.USES)]
    praise = vocabulary.PRAISES[choice % len(vocabulary.PRAISES)]
    sentences = [
        f"This {feature.lower()} {kind.lower()} by {brand} is made of {material}, ideal for {use}.",
        f"{praise}; the {colour.lower()} finish suits any collection of {leaf_name.lower()}.",
    ][: 1 + choice % 2]
    plain = items.same_text[item] or (item + 1 < settings.items and items.same_text[item + 1])
    description = sentences
    if not plain:
        if die[0] < settings.no_description:
            description = []
        elif die[0] > 1 - settings.long_description:
            description = sentences * int(100 + 200 * die[1])
        if die[2] < settings.escaped:
            escapes = ("&amp;", "&amp;amp;", "&#38;")
            ampersand = escapes[int(die[3] * len(escapes))]
            title = title.replace("&", ampersand).replace(" Inch", "&quot;")
            description = [f"{text.replace('&', ampersand)}<br />" for text in description]
    price: float | str | None = round(4 + 196 * die[4] ** 3, 2)
    if die[5] < 0.25:
        price = None if die[5] < 0.2 else f"from {price}"
    parent = _asin(item, 0)
    image = f"https://images.example.com/{parent}"
    pictures = [{"thumb": f"{image}-s.jpg", "large": f"{image}-l.jpg", "variant": "MAIN", "hi_res": None}]
    videos = [{"title": f"{kind} review", "url": f"{image}.mp4", "user_id": ""}] if die[6] < 0.1 else []
    return {
        "main_category": main,
        "title": title,
        "average_rating": round(3 + 2 * die[1], 1),
        "rating_number": int(1 + 2000 * die[3] ** 4),
        "features": [feature, f"{second} design"],
        "description": description,
        "price": price,
        "images": pictures,
        "videos": videos,
        "store": brand if die[6] < 0.95 else None,
        "categories": [main, sub, leaf_name],
        "details": {"Brand": brand, "Color": colour, "Material": material, "Size": size},
        "parent_asin": parent,
        "bought_together": None,
    }


def _write_reviews(settings: SampleSettings, items: _Items, path: Path) -> int:
    n_reviews = 0
    with _gzip_writer(path) as out, Progress(settings.users, "generating reviews", "users") as progress:
        for start in range(0, settings.users, USER_BLOCK):
            n_users = min(USER_BLOCK, settings.users - start)
            rng = np.random.default_rng([settings.seed, 2, start])
            user, item, timestamp = _walks(settings, items, n_users, rng)
            # A raw file is sorted neither by user nor by time.
            order = rng.permutation(len(user))
            ids = [_user_id(settings.seed, start + number) for number in range(n_users)]
            out.write(_lines(_review_rows(settings, items, ids, user[order], item[order], timestamp[order], rng)))
            n_reviews += len(user)
            progress.update(n_users)
    return n_reviews


def _walks(
    settings: SampleSettings, items: _Items, n_users: int, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return user (0 … n_users - 1), item and timestamp (ms) of all purchases of a block of users, by user and time."""
    sigma = 0.55
    lengths = np.rint(rng.lognormal(math.log(settings.mean_reviews) - sigma**2 / 2, sigma, n_users)).astype(np.int64)
    lengths = np.clip(lengths, 2, MAX_REVIEWS_A_USER)
    lengths[rng.random(n_users) < settings.one_review_users] = 1
    stocked = np.flatnonzero(np.diff(items.first_of_leaf) > 0)
    tastes = stocked[rng.integers(0, len(stocked), (n_users, 3))]
    now = rng.integers(FIRST_DAY_MS, LAST_DAY_MS - 3 * 365 * DAY_MS, n_users)
    item = np.zeros(n_users, dtype=np.int64)
    users, drawn, times = [], [], []
    for step in range(int(lengths.max())):
        active = np.flatnonzero(lengths > step)
        n = len(active)
        last = item[active]
        # Tastes drift: one of the user's leaves is replaced, mostly by one of the same subcategory.
        drift = rng.random(n) < 0.1
        slot, stray = rng.integers(0, 3, n), rng.random(n) < 0.3
        moved = stocked[rng.integers(0, len(stocked), n)]
        near = _sibling(items, stocked, tastes[active, slot], rng)
        tastes[active[drift], slot[drift]] = np.where(stray, moved, near)[drift]

        leaf = tastes[active, rng.integers(0, 3, n)]
        if step:
            leaf = np.where(rng.random(n) < 0.5, items.leaf[last], leaf)
        choice = items.draw(rng, items.first_of_leaf[leaf], items.first_of_leaf[leaf + 1])
        if step:
            # Neighbours in number share the product type and often the brand.
            offset = rng.geometric(0.2, n) * rng.choice(np.array([-1, 1]), n)
            neighbour = np.clip(last + offset, 0, settings.items - 1)
            same_type = items.type[neighbour] == items.type[last]
            choice = np.where((rng.random(n) < 0.4) & same_type, neighbour, choice)
            choice = np.where(rng.random(n) < settings.repeats, last, choice)
        gap = np.maximum(1, rng.lognormal(15.5, 2.0, n) * 100).astype(np.int64)  # median six days
        if step:
            tied = rng.random(n) < settings.ties
            now[active] = now[active] + np.where(tied, 0, np.minimum(gap, 1 + (LAST_DAY_MS - now[active]) // 2))
        item[active] = choice
        users.append(active)
        drawn.append(choice)
        times.append(now[active].copy())
    user = np.concatenate(users)
    order = np.argsort(user, kind="stable")
    return user[order], np.concatenate(drawn)[order], np.concatenate(times)[order]


def _sibling(
    items: _Items, stocked: NDArray[np.int64], leaf: NDArray[np.int64], rng: np.random.Generator
) -> NDArray[np.int64]:
    """Return for each leaf a random leaf of its subcategory that holds items."""
    subcategory = items.subcategory_of_leaf[stocked]
    first = np.searchsorted(subcategory, items.subcategory_of_leaf[leaf])
    stop = np.searchsorted(subcategory, items.subcategory_of_leaf[leaf], side="right")
    return stocked[rng.integers(first, stop)]


def _review_rows(
    settings: SampleSettings,
    items: _Items,
    user_ids: list[str],
    user: NDArray[np.int64],
    item: NDArray[np.int64],
    timestamp: NDArray[np.int64],
    rng: np.random.Generator,
) -> list[dict[str, Any]]:
    n = len(user)
    rating = rng.choice(np.arange(1, 6), n, p=[0.08, 0.05, 0.09, 0.18, 0.6]).tolist()
    variant = (rng.random(n) * items.n_variants[item]).astype(np.int64).tolist()
    unknown = (rng.random(n) < settings.unknown_items).tolist()
    helpful = np.minimum(rng.geometric(0.6, n) - 1, 500).tolist()
    verdict = rng.integers(0, 3, n).tolist()
    verified, pictured = (rng.random(n) < 0.9).tolist(), (rng.random(n) < 0.05).tolist()
    rows = []
    for i, (number, stars) in enumerate(zip(item.tolist(), rating, strict=True)):
        number += settings.items if unknown[i] else 0
        parent, words = _asin(number, 0), vocabulary.VERDICTS[stars]
        asin = _asin(number, variant[i]) if variant[i] else parent
        image = f"https://images.example.com/review-{asin}"
        picture = {f"{size}_image_url": f"{image}-{size}.jpg" for size in ("small", "medium", "large")}
        rows.append(
            {
                "rating": float(stars),
                "title": words[verdict[i]],
                "text": f"{words[verdict[i] - 1]}.<br />{words[verdict[i]]} &amp; would say so again.",
                "images": [{**picture, "attachment_type": "IMAGE"}] if pictured[i] else [],
                "asin": asin,
                "parent_asin": parent,
                "user_id": user_ids[user[i]],
                "timestamp": int(timestamp[i]),
                "helpful_vote": helpful[i],
                "verified_purchase": verified[i],
            }
        )
    return rows
