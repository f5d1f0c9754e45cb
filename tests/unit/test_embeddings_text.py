"""From item rows to text, and the embedding stage as a whole with the model-free encoder."""

import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from semid.embeddings import EmbeddingStore, HashingSettings, embed_manifest, embed_shard, embedding_space
from semid.embeddings import embed as embed_module
from semid.embeddings.hashing import HashingEncoder
from semid.embeddings.text import DIGEST, first_rows, item_texts
from semid.errors import InputError
from semid.naming import part_name

ITEMS = [
    ("a", "Red  lipstick\n", "A matte lipstick.", ["Beauty", "Lips"], "Rouge & Co"),
    ("b", "Blue drill", None, [], None),
    ("c", None, "Only {title} described", None, ""),
    ("d", "", "", ["", "Tools"], None),
    ("e", None, None, [], None),
]


def write_items(path: Path, rows: list[tuple] = ITEMS, row_group_size: int = 2) -> Path:
    names = ["item_id", "title", "description", "categories", "store"]
    types = [pa.string(), pa.string(), pa.string(), pa.list_(pa.string()), pa.string()]
    columns = [pa.array([row[at] for row in rows], kind) for at, kind in enumerate(types)]
    pq.write_table(pa.table(columns, names=names), path, row_group_size=row_group_size)
    return path


def texts(path: Path, template: str, start: int = 0, stop: int = len(ITEMS)) -> list[str]:
    return [text for block in item_texts(path, template, start, stop) for text in block]


def test_template_is_filled_and_white_space_collapsed(tmp_path: Path) -> None:
    items = write_items(tmp_path / "items.parquet")
    assert texts(items, "{title}") == ["Red lipstick", "Blue drill", "", "", ""]
    assert texts(items, "{title}: {description} [{categories}] {store}") == [
        "Red lipstick : A matte lipstick. [Beauty, Lips] Rouge & Co",
        "Blue drill: []",
        ": Only {title} described []",
        ": [Tools]",
        "",
    ]
    assert texts(items, "{{{title}}}")[0] == "{Red lipstick }"


@pytest.mark.parametrize("row_group_size", [1, 2, 3, 100])
def test_any_range_of_rows_is_read_across_row_groups(tmp_path: Path, row_group_size: int) -> None:
    items = write_items(
        tmp_path / "items.parquet", [(f"i{n}", f"title {n}", "", [], "") for n in range(11)], row_group_size
    )
    for start in range(12):
        for stop in range(start, 12):
            assert texts(items, "{title}", start, stop) == [f"title {n}" for n in range(start, stop)]


@pytest.mark.parametrize(
    "template",
    ["{title} {price}", "{title.upper}", "{title[0]}", "{title!r}", "{title:>10}", "{}", "{0}", "{title", "fixed"],
)
def test_a_template_with_anything_but_known_fields_is_named(tmp_path: Path, template: str) -> None:
    with pytest.raises(InputError, match="text template"):
        texts(write_items(tmp_path / "items.parquet"), template)


def test_columns_beside_the_four_fields_are_texts_like_them(tmp_path: Path) -> None:
    rows = pa.table({"item_id": ["a", "b"], "title": ["Pan", "Pot"], "Price in €": ["12.90", ""]})
    pq.write_table(rows, tmp_path / "items.parquet")
    assert texts(tmp_path / "items.parquet", "{title} ({Price in €}) {item_id}", stop=2) == [
        "Pan (12.90) a",
        "Pot () b",
    ]


def test_a_column_that_is_not_in_the_table_is_named(tmp_path: Path) -> None:
    pq.write_table(pa.table({"item_id": ["a"], "title": ["x"]}), tmp_path / "items.parquet")
    with pytest.raises(InputError, match="no column description"):
        texts(tmp_path / "items.parquet", "{title} {description}")


def test_hashing_puts_texts_that_share_words_closer() -> None:
    encoder = HashingEncoder(HashingSettings(dim=256))
    vectors = encoder.encode(["red matte lipstick", "Matte lipstick, red!", "cordless power drill 18V", ""])
    assert vectors.shape == (4, 256)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), [1, 1, 1, 0], atol=1e-6)
    assert vectors[0] @ vectors[1] > 0.5 > 0.3 > abs(vectors[0] @ vectors[2])


def test_hashing_keeps_the_cosine_of_the_features() -> None:
    """Random signs keep inner products up to about 1/sqrt(dim) (Achlioptas 2003): 3 of 5 features shared."""
    vectors = HashingEncoder(HashingSettings(dim=1024)).encode(["alpha beta gamma", "alpha beta delta"])
    # features: 3 words and 2 pairs each; shared: alpha, beta, "alpha beta"
    assert vectors[0] @ vectors[1] == pytest.approx(3 / 5, abs=0.1)


def test_hashing_counts_repeated_words_sublinearly() -> None:
    once, often = HashingEncoder(HashingSettings(dim=1024)).encode(["soap", "soap water " + "brush " * 50])
    # 1 against sqrt(1 + 1 + (1+ln 50)^2 + pairs): linear counts would leave less than 0.02
    assert 0.06 < once @ often < 0.3


def test_hashing_depends_on_nothing_but_text_dim_and_seed() -> None:
    corpus = [f"item {n} of colour {n % 7}" for n in range(50)]
    encoder = HashingEncoder(HashingSettings(dim=32))
    whole = encoder.encode(corpus, batch_size=7)
    np.testing.assert_array_equal(whole, encoder.encode(corpus, batch_size=50))
    np.testing.assert_array_equal(whole[::-1], encoder.encode(corpus[::-1], batch_size=3))
    assert not np.array_equal(whole, HashingEncoder(HashingSettings(dim=32, seed=1)).encode(corpus))


def test_hashing_is_the_same_in_every_process() -> None:
    program = (
        "from semid.embeddings import HashingSettings; from semid.embeddings.hashing import HashingEncoder;"
        "print(HashingEncoder(HashingSettings(dim=16)).encode(['naïve crème brûlée 50ml']).tobytes().hex())"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "1"}
    found = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    here = HashingEncoder(HashingSettings(dim=16)).encode(["naïve crème brûlée 50ml"])
    assert found.stdout.strip() == here.tobytes().hex()


@pytest.mark.parametrize("shards", [1, 2, 5])
def test_shards_make_the_same_store(tmp_path: Path, shards: int, caplog: pytest.LogCaptureFixture) -> None:
    items = write_items(tmp_path / "items.parquet")
    settings = HashingSettings(dim=16, text="{title} {store}")
    parts = [tmp_path / part_name(shard, shards) for shard in range(shards)]
    with caplog.at_level(logging.WARNING):
        for shard, part in enumerate(parts):
            embed_shard(items, shard, shards, settings, part)
    assert sum(int(record.getMessage().split()[0]) for record in caplog.records) == 3  # c, d, e have no text
    embed_manifest(items, parts, settings, tmp_path / "manifest.json")
    store = EmbeddingStore.open(tmp_path / "manifest.json")
    expected = HashingEncoder(settings).encode(["Red lipstick Rouge & Co", "Blue drill", "", "", ""]).astype(np.float16)
    np.testing.assert_array_equal(store[:], expected)
    assert store.space == {**embedding_space(settings), "dim": 16}


def test_a_catalogue_without_text_is_refused_and_leaves_no_part(tmp_path: Path) -> None:
    items = write_items(tmp_path / "items.parquet", [("a", "", None, [], ""), ("b", None, None, [], None)])
    with pytest.raises(InputError, match=r"no text to embed.*give embeddings or an items table with titles"):
        embed_shard(items, 0, 1, HashingSettings(), tmp_path / "part.npy")
    assert not (tmp_path / "part.npy").exists()


def test_a_catalogue_without_items_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no items"):
        embed_shard(write_items(tmp_path / "items.parquet", []), 0, 1, HashingSettings(), tmp_path / "part.npy")


def test_only_a_shard_without_text_makes_the_catalogue_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    items = write_items(tmp_path / "items.parquet")
    read = []

    def counted(path: Path, template: str, start: int, stop: int) -> Iterator[list[str]]:
        read.append((start, stop))
        return item_texts(path, template, start, stop)

    monkeypatch.setattr(embed_module, "item_texts", counted)
    embed_shard(items, 0, 2, HashingSettings(dim=8), tmp_path / "0.npy")
    assert read == [(0, 2)]
    embed_shard(items, 1, 2, HashingSettings(dim=8), tmp_path / "1.npy")
    assert read == [(0, 2), (0, 5), (2, 5)]


REPEATED = [f"title {number % 30}" for number in range(90)] + ["", "", "rare"] + ["title 3"] * 7


@pytest.mark.parametrize("row_group_size", [1, 7, 200])
def test_a_text_is_encoded_once_and_copied(
    tmp_path: Path, row_group_size: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    rows = [(f"i{number:03d}", title, None, [], None) for number, title in enumerate(REPEATED)]
    items = write_items(tmp_path / "items.parquet", rows, row_group_size)
    settings = HashingSettings(dim=16, dtype="float32")
    expected = HashingEncoder(settings).encode(REPEATED)
    encoded = []
    plain = HashingEncoder.tokenize
    monkeypatch.setattr(HashingEncoder, "tokenize", lambda self, texts: encoded.extend(texts) or plain(self, texts))
    with caplog.at_level(logging.INFO):
        embed_shard(items, 0, 1, settings, tmp_path / "part.npy")
    assert encoded == list(dict.fromkeys(REPEATED))
    assert "68 of 100 items have the text of an earlier one" in caplog.text
    np.testing.assert_array_equal(np.load(tmp_path / "part.npy"), expected)


def test_first_rows_are_those_of_equal_digests() -> None:
    digests = np.array([b"b\0", b"a", b"b", b"c", b"a", b"\0b"], DIGEST)
    assert first_rows(digests).tolist() == [0, 1, 0, 3, 1, 5]
