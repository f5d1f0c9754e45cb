"""What a generator knows of a catalogue before it learns: codes, embeddings, and where its code heads begin."""

import numpy as np
import torch
from torch import Tensor

from semid.generative.heads import CodeSpaceStart
from semid.generative.items import CatalogueOfItems
from semid.generative.settings import GeneratorSettings
from semid.quantizers.kernels.principal_components import principal_directions
from semid.statistics.sums import add_rows, empty_sums, mean_rows


def catalogue_of(
    codes: np.ndarray, sizes: tuple[int, ...], vectors: np.ndarray | None, settings: GeneratorSettings
) -> tuple[CatalogueOfItems, CodeSpaceStart | None]:
    """Return what a model with these settings needs to know of n items.

    codes: integers [n, L], of codebooks of these sizes; vectors: float32 [n, D], the embeddings, or None where the
    settings need none. The content is the vectors less their mean; its length, measured along the principal directions,
    is 1 on average.
    """
    held = torch.from_numpy(codes.astype(np.int64))
    if vectors is None:
        return CatalogueOfItems(len(codes), held, sizes), None
    mean, directions = principal_directions(vectors, min(settings.dim, *vectors.shape))
    centred = torch.from_numpy(vectors) - mean
    # where the vectors have fewer directions than the model is wide, the rest of its width begins at zero
    padded = torch.zeros(vectors.shape[1], settings.dim)
    padded[:, : len(directions)] = directions.t()
    places = centred @ padded
    length = float(places.norm(dim=1).mean()) or 1.0
    catalogue = CatalogueOfItems(len(codes), held, sizes, centred / length, padded)
    return catalogue, CodeSpaceStart(codewords_of(places / length, held, sizes))


def codewords_of(places: Tensor, codes: Tensor, sizes: tuple[int, ...]) -> Tensor:
    """Return float32 [sum of sizes, dim], level after level: the mean of a code's items, less what levels before say.

    places: float32 [n, dim]; codes: int64 [n, L]. A code without items has zeros.
    """
    rest, codewords = places.clone(), []
    for level, size in enumerate(sizes):
        of_level = codes[:, level]
        sums = add_rows(empty_sums(size, places.shape[1], len(places), places.device), of_level, rest)
        means = mean_rows(sums, torch.bincount(of_level, minlength=size), places.device)
        rest -= means[of_level]
        codewords.append(means)
    return torch.cat(codewords) if codewords else places[:0]
