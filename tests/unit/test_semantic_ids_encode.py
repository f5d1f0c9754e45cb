"""Codes of one shard are written by the tokenizer that their name says, on embeddings like those it was trained on."""

from pathlib import Path

import numpy as np
import pytest
from mixtures import mixture

from semid.errors import InputError
from semid.quantizers import Compute, RQKMeans
from semid.semantic_ids.encode import encode_items

SPACE = {"model": "hashing", "dim": 16}
VECTORS = mixture(200, 16)


@pytest.fixture(scope="module")
def tokenizer() -> RQKMeans:
    return RQKMeans(num_levels=2, codebook_size=16, metadata={"embeddings": SPACE}).fit(VECTORS)


def test_codes_are_those_of_the_tokenizer(tokenizer: RQKMeans, tmp_path: Path) -> None:
    encode_items(tokenizer, "rqkmeans_2x16", VECTORS, SPACE, tmp_path / "part.npy", Compute())
    np.testing.assert_array_equal(np.load(tmp_path / "part.npy"), tokenizer.encode(VECTORS))


@pytest.mark.parametrize(
    ("name", "space", "message"),
    [
        ("rqkmeans_2x8", SPACE, "rqkmeans_2x8 names 2 x 8 codes, the loaded tokenizer has 2 x 16: name it by its size"),
        ("rqvae_2x16", SPACE, "rqvae_2x16 names a rqvae, the loaded tokenizer is a RQKMeans"),
        ("rqkmeans_2x16", {**SPACE, "dim": 32}, "rqkmeans_2x16 was trained on other embeddings: it expects"),
        ("external_mine", SPACE, "external_mine: these codes were made elsewhere"),
        ("random_2x16", SPACE, "random_2x16: these codes were dealt at random"),
        ("category", SPACE, "category: these codes are paths of categories"),
    ],
)
def test_a_tokenizer_that_is_not_what_is_asked_for_writes_nothing(
    name: str, space: dict, message: str, tokenizer: RQKMeans, tmp_path: Path
) -> None:
    with pytest.raises(InputError) as refusal:
        encode_items(tokenizer, name, VECTORS, space, tmp_path / "part.npy", Compute())
    assert str(refusal.value).startswith(message)
    assert not list(tmp_path.iterdir())
