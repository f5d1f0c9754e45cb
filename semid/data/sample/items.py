"""The metadata of the sample's items as rows of text."""

from pathlib import Path
from typing import Any

import numpy as np

from semid.data.sample.catalogue import Catalogue, asin
from semid.data.sample.json_lines import gzip_writer, json_lines
from semid.data.sample.vocabulary import Vocabulary
from semid.data.sources.sample import SampleSettings
from semid.progress import Progress

ITEM_BLOCK = 4_096


def write_items(settings: SampleSettings, vocabulary: Vocabulary, catalogue: Catalogue, path: Path) -> None:
    """Write the metadata of all items in a random order, some of them listed twice."""
    rng = np.random.default_rng([settings.seed, 1])
    order = rng.permutation(settings.items)
    with gzip_writer(path) as out, Progress(settings.items, "generating items", "items") as progress:
        for start in range(0, settings.items, ITEM_BLOCK):
            block = order[start : start + ITEM_BLOCK].tolist()
            dice = rng.random((len(block), 8)).tolist()
            rows, second_listings = [], []
            for item, die in zip(block, dice, strict=True):
                row = _row(settings, vocabulary, catalogue, item, die)
                if die[7] < settings.duplicate_listings:
                    second_listings.append({**row, "title": row["title"] + " (Renewed)"})
                    if die[6] < 0.5:
                        row["title"] = ""
                rows.append(row)
            out.write(json_lines(rows + second_listings))
            progress.update(len(rows))


def _row(
    settings: SampleSettings, vocabulary: Vocabulary, catalogue: Catalogue, item: int, die: list[float]
) -> dict[str, Any]:
    """Return the metadata of an item; `die` holds eight random numbers from 0 to 1."""
    leaf = vocabulary.leaves[catalogue.leaf[item]]
    product_type = catalogue.product_types[catalogue.product_type[item]]
    material = leaf.materials[catalogue.material[item]]
    brand, colour = vocabulary.brand(int(catalogue.brand[item])), vocabulary.colours[catalogue.colour[item]]
    size, feature = vocabulary.sizes[catalogue.size[item]], vocabulary.features[catalogue.feature[item]]
    title = f"{brand} {feature} {product_type}, {material.title()}, {colour}, {size}"
    # The choice follows from the words and not from dice: items with the same text have the same description.
    choice = int(catalogue.colour[item]) + 16 * int(catalogue.size[item]) + 5 * int(catalogue.feature[item])
    use = vocabulary.uses[choice % len(vocabulary.uses)]
    praise = vocabulary.praises[choice % len(vocabulary.praises)]
    description = [
        f"This {feature.lower()} {product_type.lower()} by {brand} is made of {material}, ideal for {use}.",
        f"{praise}; the {colour.lower()} finish suits any collection of {leaf.path[-1].lower()}.",
    ]
    description = description[: 1 + choice % 2]
    # Items that share their text are left alone, so that they go on sharing it.
    if not (catalogue.same_text[item] or (item + 1 < settings.items and catalogue.same_text[item + 1])):
        title, description = _with_dirt(settings, die, title, description)
    price: float | str | None = round(4 + 196 * die[4] ** 3, 2)
    if die[5] < 0.25:
        price = None if die[5] < 0.2 else f"from {price}"
    parent = asin(item)
    image = f"https://images.example.com/{parent}"
    video = {"title": f"{product_type} review", "url": f"{image}.mp4", "user_id": ""}
    return {
        "main_category": leaf.path[0],
        "title": title,
        "average_rating": round(3 + 2 * die[1], 1),
        "rating_number": int(1 + 2000 * die[3] ** 4),
        "features": [feature, f"{vocabulary.features[catalogue.second_feature[item]]} design"],
        "description": description,
        "price": price,
        "images": [{"thumb": f"{image}-s.jpg", "large": f"{image}-l.jpg", "variant": "MAIN", "hi_res": None}],
        "videos": [video] if die[6] < 0.1 else [],
        "store": brand if die[6] < 0.95 else None,
        "categories": list(leaf.path),
        "details": {"Brand": brand, "Color": colour, "Material": material, "Size": size},
        "parent_asin": parent,
        "bought_together": None,
    }


def _with_dirt(settings: SampleSettings, die: list[float], title: str, description: list[str]) -> tuple[str, list[str]]:
    """Return title and description with what real ones suffer from: no text, too much of it, HTML."""
    if die[0] < settings.no_description:
        description = []
    elif die[0] > 1 - settings.long_description:
        description = description * int(100 + 200 * die[1])
    if die[2] < settings.escaped:
        escapes = ("&amp;", "&amp;amp;", "&#38;")
        ampersand = escapes[int(die[3] * len(escapes))]
        title = title.replace("&", ampersand).replace(" Inch", "&quot;")
        description = [f"{text.replace('&', ampersand)}<br />" for text in description]
    return title, description
