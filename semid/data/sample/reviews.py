"""The reviews of the sample: walks of users over the catalogue, and their rows."""

import base64
import hashlib
import math
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from semid.data.sample.catalogue import Catalogue, asin
from semid.data.sample.json_lines import gzip_writer, json_lines
from semid.data.sample.vocabulary import Vocabulary
from semid.data.sources.sample import SampleSettings
from semid.progress import Progress

USER_BLOCK = 4_096
FIRST_DAY_MS, LAST_DAY_MS, DAY_MS = 1_420_070_400_000, 1_693_526_400_000, 86_400_000  # 2015-01-01 to 2023-09-01
MAX_REVIEWS_A_USER = 200
LENGTH_SIGMA = 0.55  # of the logarithm of a user's number of reviews
TASTES = 3  # leaves of the category tree in which a user shops at a time


class Purchases(NamedTuple):
    """Purchases of a block of users as arrays of one entry each: user (from 0 on), item, and timestamp (ms)."""

    user: NDArray[np.int64]
    item: NDArray[np.int64]
    timestamp: NDArray[np.int64]

    def take(self, order: NDArray[np.int64]) -> "Purchases":
        """Return the purchases at the positions `order`."""
        return Purchases(self.user[order], self.item[order], self.timestamp[order])


def write_reviews(settings: SampleSettings, vocabulary: Vocabulary, catalogue: Catalogue, path: Path) -> int:
    """Write the reviews of all users, block by block; return their number."""
    n_reviews = 0
    with gzip_writer(path) as out, Progress(settings.users, "generating reviews", "users") as progress:
        for start in range(0, settings.users, USER_BLOCK):
            n_users = min(USER_BLOCK, settings.users - start)
            rng = np.random.default_rng([settings.seed, 2, start])
            purchases = _walks(settings, catalogue, n_users, rng)
            # A raw file is sorted neither by user nor by time.
            purchases = purchases.take(rng.permutation(len(purchases.user)))
            user_ids = [_user_id(settings.seed, start + number) for number in range(n_users)]
            out.write(json_lines(_rows(settings, vocabulary, catalogue, user_ids, purchases, rng)))
            n_reviews += len(purchases.user)
            progress.update(n_users)
    return n_reviews


def _walks(settings: SampleSettings, catalogue: Catalogue, n_users: int, rng: np.random.Generator) -> Purchases:
    """Return all purchases of a block of users, sorted by user and time."""
    lengths = _lengths(settings, n_users, rng)
    stocked = np.flatnonzero(np.diff(catalogue.first_of_leaf) > 0)
    tastes = stocked[rng.integers(0, len(stocked), (n_users, TASTES))]
    now = rng.integers(FIRST_DAY_MS, LAST_DAY_MS - 3 * 365 * DAY_MS, n_users)
    item = np.zeros(n_users, dtype=np.int64)
    steps = []
    for step in range(int(lengths.max())):
        active = np.flatnonzero(lengths > step)
        n = len(active)
        last = item[active]
        _drift(catalogue, stocked, tastes, active, rng)
        leaf = tastes[active, rng.integers(0, TASTES, n)]
        if step:
            leaf = np.where(rng.random(n) < 0.5, catalogue.leaf[last], leaf)
        choice = catalogue.draw(rng, catalogue.first_of_leaf[leaf], catalogue.first_of_leaf[leaf + 1])
        if step:
            choice = _near_or_again(settings, catalogue, last, choice, rng)
        gap = np.maximum(1, rng.lognormal(15.5, 2.0, n) * 100).astype(np.int64)  # the median is six days
        if step:
            tied = rng.random(n) < settings.ties
            now[active] = now[active] + np.where(tied, 0, np.minimum(gap, 1 + (LAST_DAY_MS - now[active]) // 2))
        item[active] = choice
        steps.append(Purchases(active, choice, now[active].copy()))
    purchases = Purchases(*map(np.concatenate, zip(*steps, strict=True)))
    return purchases.take(np.argsort(purchases.user, kind="stable"))


def _lengths(settings: SampleSettings, n_users: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return the number of reviews of each user."""
    mean = math.log(settings.mean_reviews) - LENGTH_SIGMA**2 / 2
    lengths = np.rint(rng.lognormal(mean, LENGTH_SIGMA, n_users)).astype(np.int64)
    lengths = np.clip(lengths, 2, MAX_REVIEWS_A_USER)
    lengths[rng.random(n_users) < settings.one_review_users] = 1
    return lengths


def _drift(
    catalogue: Catalogue,
    stocked: NDArray[np.int64],
    tastes: NDArray[np.int64],
    active: NDArray[np.int64],
    rng: np.random.Generator,
) -> None:
    """Replace, in place, one leaf among the `tastes` of some active users, mostly by one of the same subcategory."""
    n = len(active)
    drifts = rng.random(n) < 0.1
    slot, is_stray = rng.integers(0, TASTES, n), rng.random(n) < 0.3
    stray = stocked[rng.integers(0, len(stocked), n)]
    sibling = _sibling(catalogue, stocked, tastes[active, slot], rng)
    tastes[active[drifts], slot[drifts]] = np.where(is_stray, stray, sibling)[drifts]


def _sibling(
    catalogue: Catalogue, stocked: NDArray[np.int64], leaf: NDArray[np.int64], rng: np.random.Generator
) -> NDArray[np.int64]:
    """Return for each leaf a random leaf of its subcategory that holds items."""
    subcategory = catalogue.subcategory_of_leaf[stocked]
    first = np.searchsorted(subcategory, catalogue.subcategory_of_leaf[leaf])
    stop = np.searchsorted(subcategory, catalogue.subcategory_of_leaf[leaf], side="right")
    return stocked[rng.integers(first, stop)]


def _near_or_again(
    settings: SampleSettings,
    catalogue: Catalogue,
    last: NDArray[np.int64],
    choice: NDArray[np.int64],
    rng: np.random.Generator,
) -> NDArray[np.int64]:
    """Return `choice`, for some users replaced by a neighbour of their last item or by that item itself.

    Neighbours in number share the product type and often the brand.
    """
    n = len(last)
    offset = rng.geometric(0.2, n) * rng.choice(np.array([-1, 1]), n)
    neighbour = np.clip(last + offset, 0, settings.items - 1)
    same_type = catalogue.product_type[neighbour] == catalogue.product_type[last]
    choice = np.where((rng.random(n) < 0.4) & same_type, neighbour, choice)
    return np.where(rng.random(n) < settings.repeats, last, choice)


def _rows(
    settings: SampleSettings,
    vocabulary: Vocabulary,
    catalogue: Catalogue,
    user_ids: list[str],
    purchases: Purchases,
    rng: np.random.Generator,
) -> list[dict[str, Any]]:
    """Return the review of each purchase."""
    n = len(purchases.user)
    rating = rng.choice(np.arange(1, 6), n, p=[0.08, 0.05, 0.09, 0.18, 0.6]).tolist()
    variant = (rng.random(n) * catalogue.n_variants[purchases.item]).astype(np.int64).tolist()
    unknown = (rng.random(n) < settings.unknown_items).tolist()
    helpful = np.minimum(rng.geometric(0.6, n) - 1, 500).tolist()
    verdict = rng.integers(0, 3, n).tolist()
    verified, pictured = (rng.random(n) < 0.9).tolist(), (rng.random(n) < 0.05).tolist()
    rows = []
    for i, (known_item, stars) in enumerate(zip(purchases.item.tolist(), rating, strict=True)):
        item = known_item + settings.items if unknown[i] else known_item
        titles = vocabulary.verdicts[stars]
        parent = asin(item)
        variant_asin = asin(item, variant[i]) if variant[i] else parent
        image = f"https://images.example.com/review-{variant_asin}"
        picture = {f"{size}_image_url": f"{image}-{size}.jpg" for size in ("small", "medium", "large")}
        rows.append(
            {
                "rating": float(stars),
                "title": titles[verdict[i]],
                "text": f"{titles[verdict[i] - 1]}.<br />{titles[verdict[i]]} &amp; would say so again.",
                "images": [{**picture, "attachment_type": "IMAGE"}] if pictured[i] else [],
                "asin": variant_asin,
                "parent_asin": parent,
                "user_id": user_ids[purchases.user[i]],
                "timestamp": int(purchases.timestamp[i]),
                "helpful_vote": helpful[i],
                "verified_purchase": verified[i],
            }
        )
    return rows


def _user_id(seed: int, user: int) -> str:
    digest = hashlib.blake2b(f"{seed}:{user}".encode(), digest_size=16).digest()
    return "AE" + base64.b32encode(digest).decode().rstrip("=")
