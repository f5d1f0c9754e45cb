"""A small shop: its files, and the config that names them by paths or by addresses."""

import csv
from pathlib import Path
from typing import Any

import numpy as np

ITEMS, USERS, DIM = 40, 60, 8


def write_shop(folder: Path) -> None:
    """Write interactions, items, vectors with their ids, and codes made elsewhere."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(0)
    ids = [f"sku-{number}" for number in range(ITEMS)]
    _write_csv(
        folder / "purchases.csv",
        ["user_id", "item_id", "timestamp"],
        [
            [f"user-{user}", ids[item], 1_600_000_000 + 1000 * time + user]
            for user in range(USERS)
            for time, item in enumerate(random.permutation(ITEMS)[:6])
        ],
    )
    _write_csv(folder / "catalogue.csv", ["item_id", "title"], [[name, f"Pan of {name}"] for name in ids])
    np.save(folder / "vectors.npy", random.normal(size=(ITEMS, DIM)).astype(np.float32))
    (folder / "ids.txt").write_text("".join(f"{name}\n" for name in ids))
    codes = [[name, number % 4, number // 4 % 4] for number, name in enumerate(ids)]
    _write_csv(folder / "codes.csv", ["item_id", "c1", "c2"], codes)


def shop_config(place: str = "") -> dict[str, Any]:
    """A config of the shop whose files are at `place`, a path or an address that ends in a slash."""
    return {
        "run": {"datasets": ["shop"], "tokenizers": ["rqkmeans_2x8"]},
        "datasets": {
            "shop": {
                "source": "table",
                "interactions": f"{place}purchases.csv",
                "items": f"{place}catalogue.csv",
                "timestamp_unit": "seconds",
                "preprocess": {"k_core": 0},
                "embeddings": {"vectors": f"{place}vectors.npy", "ids": f"{place}ids.txt"},
                "external": {"hand": {"codes": f"{place}codes.csv"}},
            }
        },
        "evaluation": {"resamples": 20},
    }


def _write_csv(path: Path, header: list[str], rows: list[list[Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)
