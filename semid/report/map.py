"""The map of the items: where the embeddings of the shown items lie in two dimensions."""

import importlib
import logging
from importlib.util import find_spec
from typing import Any, Literal, get_args

import numpy as np
import torch

from semid.embeddings.store import Rows
from semid.errors import InputError
from semid.quantizers.kernels.principal_components import principal_directions, project

logger = logging.getLogger(__name__)

# The map has so many places in each direction.
PLACES = 4000
# How places are found: `auto` is `umap` where it is installed, else `principal`.
Layout = Literal["auto", "principal", "umap"]


def has_umap() -> bool:
    """Whether UMAP is installed and can be imported, which says why not where it cannot.

    A folder of that name on the path, which Python takes for a package, is not it.
    """
    found = find_spec("umap")
    if found is None or found.origin is None:
        return False
    try:
        importlib.import_module("umap")
    except Exception as error:  # whatever an installation that does not fit raises
        logger.warning("umap cannot be imported, so that it makes no map: %s", error)
        return False
    return True


def chosen_layout(layout: str) -> Literal["principal", "umap"]:
    """Return by what the map is made. Raises `InputError` for any other name, and for UMAP that is not installed."""
    if layout not in get_args(Layout):
        raise InputError(f"map: expected one of {', '.join(get_args(Layout))}, found '{layout}'")
    if layout == "principal":
        return "principal"
    if has_umap():
        return "umap"
    if layout == "umap":
        raise InputError(
            "map: umap needs a package that is not installed: pip install umap-learn, or set it to auto or principal"
        )
    return "principal"


def item_map(vectors: Any, shown: np.ndarray, layout: str = "principal") -> dict[str, Any] | None:
    """Return the places of the shown items: by UMAP, or along the two principal directions of their embeddings.

    `vectors [n, dim]` are the embeddings of all items, `shown [m]` the rows that the page has by name. `x`, `y`: places
    from 0 to PLACES, on one scale; `layout`: by what they were found; `share`, of principal directions alone: how much
    of the variance of the embeddings they hold. None where the embeddings do not spread in two directions. Raises
    `InputError` as :func:`chosen_layout`.
    """
    rows, chosen = Rows(vectors, shown), chosen_layout(layout)
    if len(rows) < 3 or rows.shape[1] < 2:
        return None
    mean, directions = principal_directions(rows, 2)
    embeddings = torch.from_numpy(rows[:].astype(np.float32))
    places = project(embeddings, mean, directions).numpy().astype(np.float64)
    variance = float(((embeddings - mean) ** 2).sum())
    if not np.ptp(places, axis=0).max() or not variance:
        return None
    share = {"share": round(float(((places - places.mean(axis=0)) ** 2).sum()) / variance, 4)}
    if chosen == "umap":
        from semid.report.neighbours import umap_places

        places, share = umap_places(embeddings.numpy()), {}
    spread = float(np.ptp(places, axis=0).max())
    scaled = ((places - places.min(axis=0)) / spread * PLACES).round().astype(np.int64)
    return {"x": scaled[:, 0].tolist(), "y": scaled[:, 1].tolist(), "layout": chosen, **share}
