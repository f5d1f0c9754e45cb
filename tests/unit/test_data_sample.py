"""The generated sample: the raw format of Amazon Reviews 2023 with its dirt, and what preprocess makes of it."""

import gzip
import json
import math
import re
from collections import Counter, defaultdict
from itertools import pairwise
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from semid.data import AmazonReviews2023, Outputs, PreprocessSettings, SampleSettings, generate_sample, preprocess
from semid.errors import InputError

SMALL = SampleSettings(items=3000, users=3000, seed=3)
REVIEW_FIELDS = {
    "rating": float, "title": str, "text": str, "images": list, "asin": str, "parent_asin": str, "user_id": str,
    "timestamp": int, "helpful_vote": int, "verified_purchase": bool,
}  # fmt: skip
META_FIELDS = {
    "main_category": str, "title": str, "average_rating": float, "rating_number": int, "features": list,
    "description": list, "price": (int, float, str, type(None)), "images": list, "videos": list,
    "store": (str, type(None)), "categories": list, "details": dict, "parent_asin": str,
    "bought_together": (list, type(None)),
}  # fmt: skip


def read(path: Path) -> list[dict]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def generate(folder: Path, settings: SampleSettings) -> tuple[Path, Path]:
    paths = folder / "reviews.jsonl.gz", folder / "meta.jsonl.gz"
    generate_sample(settings, *paths)
    return paths


def run(folder: Path, paths: tuple[Path, Path], settings: PreprocessSettings) -> tuple[dict[str, list[dict]], dict]:
    files = {name: folder / f"{name}.parquet" for name in ("items", "train", "valid", "test")}
    preprocess(AmazonReviews2023(paths[:1], paths[1:]), settings, Outputs(**files, stats=folder / "stats.json"))
    tables = {name: pq.read_table(path).to_pylist() for name, path in files.items()}
    return tables, json.loads((folder / "stats.json").read_text())


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    return generate(tmp_path_factory.mktemp("sample"), SMALL)


@pytest.fixture(scope="module")
def reviews(paths):
    return read(paths[0])


@pytest.fixture(scope="module")
def meta(paths):
    return read(paths[1])


def test_every_field_of_the_release_is_there(reviews, meta):
    for rows, fields in ((reviews, REVIEW_FIELDS), (meta, META_FIELDS)):
        for row in rows:
            assert list(row) == list(fields)
            assert all(isinstance(row[name], kind) for name, kind in fields.items())
    assert {"small_image_url", "medium_image_url", "large_image_url", "attachment_type"} == set(
        next(row["images"][0] for row in reviews if row["images"])
    )
    assert {type(row["price"]) for row in meta} == {float, str, type(None)}


def test_the_same_seed_gives_the_same_bytes_and_another_one_does_not(tmp_path, paths):
    again = generate(tmp_path / "again", SMALL)
    assert [path.read_bytes() for path in again] == [path.read_bytes() for path in paths]
    other = generate(tmp_path / "other", SampleSettings(items=3000, users=3000, seed=4))
    assert all(a.read_bytes() != b.read_bytes() for a, b in zip(other, paths, strict=True))


def test_sizes_are_those_of_the_settings(reviews, meta):
    assert len({row["parent_asin"] for row in meta}) == SMALL.items
    assert len({row["user_id"] for row in reviews}) == SMALL.users
    assert len(reviews) / SMALL.users == pytest.approx(SMALL.mean_reviews, rel=0.1)
    assert {len(row["categories"]) for row in meta} == {3}
    paths = {tuple(row["categories"]) for row in meta}
    assert len({path[0] for path in paths}) >= 5
    assert len({path[:2] for path in paths}) >= 25
    assert len(paths) >= 150
    leaf_parents = defaultdict(set)
    for path in paths:
        leaf_parents[path[2]].add(path[:2])
    assert all(len(parents) == 1 for parents in leaf_parents.values())


def test_the_dirt_of_the_real_thing_is_there(reviews, meta):
    titles = [row["title"] for row in meta]
    words = [sum(len(text.split()) for text in row["description"]) for row in meta]
    assert any("&amp;" in title and "&amp;amp;" not in title for title in titles)
    assert any("&amp;amp;" in title for title in titles)
    assert any("<br" in text for row in meta for text in row["description"])
    assert 0.05 < words.count(0) / len(words) < 0.2
    assert max(words) > 1000
    assert 10 <= sorted(words)[len(words) // 2] <= 40

    listings = Counter(row["parent_asin"] for row in meta)
    assert set(listings.values()) == {1, 2}
    first_titles = {row["parent_asin"]: row["title"] for row in reversed(meta)}
    assert any(first_titles[item] == "" for item, n in listings.items() if n == 2)

    asins = defaultdict(set)
    for row in reviews:
        asins[row["parent_asin"]].add(row["asin"])
    assert max(map(len, asins.values())) >= 3
    unknown = asins.keys() - listings.keys()
    assert 0 < len(unknown) < 0.02 * len(reviews)

    pairs = Counter((row["user_id"], row["parent_asin"]) for row in reviews)
    assert any(n > 1 for n in pairs.values())
    tied = len(reviews) - len({(row["user_id"], row["timestamp"]) for row in reviews})
    assert tied / len(reviews) == pytest.approx(SMALL.ties, rel=0.2)
    assert 1 in Counter(row["user_id"] for row in reviews).values()
    assert [row["timestamp"] for row in reviews] != sorted(row["timestamp"] for row in reviews)


def test_popularity_has_a_head_and_a_tail(reviews):
    counts = sorted(Counter(row["parent_asin"] for row in reviews).values(), reverse=True)
    assert counts[len(counts) // 100] > 4 * counts[len(counts) // 2]


def test_consecutive_purchases_are_close_in_the_category_tree(reviews, meta):
    path_of = {row["parent_asin"]: tuple(row["categories"]) for row in meta}
    histories = defaultdict(list)
    for row in reviews:
        if row["parent_asin"] in path_of:
            histories[row["user_id"]].append((row["timestamp"], row["parent_asin"]))
    steps = same_leaf = same_main = 0
    drifted = 0
    for history in histories.values():
        items = [item for _, item in sorted(history)]
        for a, b in pairwise(items):
            steps += 1
            same_leaf += path_of[a] == path_of[b]
            same_main += path_of[a][0] == path_of[b][0]
        drifted += len({path_of[item][0] for item in items}) > 1
    # By chance: about 1 in 180 and 1 in 6.
    assert 0.3 < same_leaf / steps < 0.9
    assert same_main / steps > 0.5
    assert drifted > 0.5 * len(histories)


def test_preprocess_takes_the_sample_like_real_files(tmp_path, paths, reviews, meta):
    tables, stats = run(tmp_path, paths, PreprocessSettings(k_core=3))
    listed = {row["parent_asin"] for row in meta}
    dropped = stats["dropped"]["interactions"]
    assert stats["steps"][0]["rows"] == len(reviews)
    assert dropped["unknown_item"] == sum(row["parent_asin"] not in listed for row in reviews)
    known = [row for row in reviews if row["parent_asin"] in listed]
    assert dropped["repeated"] == len(known) - len({(row["user_id"], row["parent_asin"]) for row in known})
    assert stats["dropped"]["items"]["duplicate_listing"] == len(meta) - SMALL.items
    assert stats["ties"]["last_two_tied"] > 0
    text = [row["title"] + row["description"] for row in tables["items"]]
    assert not any(re.search(r"&\w+;|<br", words) for words in text)
    assert all(row["title"] for row in tables["items"])
    assert any(not row["description"] for row in tables["items"])
    assert len({row["title"] for row in tables["items"]}) < len(tables["items"])  # items of the same text


def test_the_result_depends_neither_on_threads_nor_on_memory(tmp_path, paths):
    contents = []
    for threads, memory_limit in ((1, 2000), (4, 500)):
        run(tmp_path, paths, PreprocessSettings(k_core=2, threads=threads, memory_limit=memory_limit))
        contents.append({path.name: path.read_bytes() for path in tmp_path.glob("*.parquet")})
    assert contents[0] == contents[1]


def test_the_default_keeps_at_least_8192_training_items(tmp_path):
    tables, stats = run(tmp_path, generate(tmp_path, SampleSettings()), PreprocessSettings(threads=2))
    assert stats["items"]["in_train"] >= 8192
    assert len({row["item_index"] for row in tables["train"]}) == stats["items"]["in_train"]
    assert all(math.isfinite(row["rating"]) for row in tables["train"])
    # The item before, by its title's words, finds the next one far more often than popularity does.
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectors = TfidfVectorizer().fit_transform([row["title"] for row in tables["items"]])
    popular = [item for item, _ in Counter(row["item_index"] for row in tables["train"]).most_common(10)]
    found = guessed = 0
    for before, after in list(zip(tables["valid"], tables["test"], strict=True))[::40]:
        scores = (vectors[before["item_index"]] @ vectors.T).toarray()[0]
        scores[before["item_index"]] = -1
        found += after["item_index"] in (-scores).argsort(kind="stable")[:10]
        guessed += after["item_index"] in popular
    assert found > 5 * max(guessed, 1)


@pytest.mark.parametrize("settings", [SampleSettings(items=1, users=1), SampleSettings(items=7, users=50)])
def test_tiny_samples_work(tmp_path, settings):
    reviews, meta = map(read, generate(tmp_path, settings))
    assert len({row["parent_asin"] for row in meta}) == settings.items
    assert len({row["user_id"] for row in reviews}) == settings.users


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"items": 0}, "items must be a whole number of at least 1, got 0"),
        ({"users": 0}, "users must be a whole number of at least 1, got 0"),
        ({"mean_reviews": 0.5}, "mean_reviews must be a number from 1 to 100, got 0.5"),
        ({"seed": -1}, "seed must be a whole number of at least 0, got -1"),
        ({"ties": 1.5}, "ties must be a number from 0 to 1, got 1.5"),
    ],
)
def test_wrong_settings_are_named(options, message):
    with pytest.raises(InputError, match=message):
        SampleSettings(**options)
