"""The map of the items: where the embeddings of the shown items lie in two dimensions."""

from typing import Any

import numpy as np
import torch

from semid.embeddings.store import Rows
from semid.quantizers.kernels.principal_components import principal_directions, project

# The map has so many places in each direction.
PLACES = 4000


def item_map(vectors: Any, shown: np.ndarray) -> dict[str, Any] | None:
    """Return the places of the shown items along the two principal directions of their embeddings.

    `vectors [n, dim]` are the embeddings of all items, `shown [m]` the rows that the page has by name. `x`, `y`: places
    from 0 to PLACES, on one scale; `share`: how much of the variance of the embeddings the two directions hold. None
    where the embeddings do not spread in two directions.
    """
    rows = Rows(vectors, shown)
    if len(rows) < 3 or rows.shape[1] < 2:
        return None
    mean, directions = principal_directions(rows, 2)
    embeddings = torch.from_numpy(rows[:].astype(np.float32))
    places = project(embeddings, mean, directions).numpy().astype(np.float64)
    variance = float(((embeddings - mean) ** 2).sum())
    spread = float(np.ptp(places, axis=0).max())
    if not spread or not variance:
        return None
    scaled = ((places - places.min(axis=0)) / spread * PLACES).round().astype(np.int64)
    return {
        "x": scaled[:, 0].tolist(),
        "y": scaled[:, 1].tolist(),
        "share": round(float(((places - places.mean(axis=0)) ** 2).sum()) / variance, 4),
    }
