"""The source movielens: ratings.csv and movies.csv of ml-latest."""

import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from semid.data import Outputs, PreprocessSettings, preprocess, source_from_config
from semid.data.raw_files import raw_files
from semid.errors import InputError

RATINGS = (
    "userId,movieId,rating,timestamp\n1,10,4.0,964982703\n1,2,3.5,964982704\n1,30,5.0,964982705\n2,2,0.5,847434962\n"
)
MOVIES = (
    "movieId,title,genres\n"
    "2,Jumanji (1995),Adventure|Children|Fantasy\n"
    '10,"American President, The (1995)",Comedy|Drama|Romance\n'
    "30,Pirates of Silicon Valley (1999),(no genres listed)\n"
    "99,Nobody Saw It (2001),Drama\n"
)


def prepared(folder: Path, options: dict[str, Any], settings: PreprocessSettings) -> dict[str, Any]:
    names = ("items", "train", "valid", "test")
    outputs = Outputs(*(folder / f"{name}.parquet" for name in names), stats=folder / "stats.json")
    preprocess(source_from_config(options), settings, outputs)
    tables = {name: pq.read_table(folder / f"{name}.parquet").to_pylist() for name in names}
    return {**tables, "stats": json.loads(outputs.stats.read_text())}


@pytest.mark.parametrize("is_compressed", [False, True])
def test_ratings_and_movies_become_interactions_and_items(tmp_path: Path, is_compressed: bool) -> None:
    paths = {}
    for key, text in (("ratings", RATINGS), ("movies", MOVIES)):
        path = tmp_path / (f"{key}.csv.gz" if is_compressed else f"{key}.csv")
        path.write_bytes(gzip.compress(text.encode()) if is_compressed else text.encode())
        paths[key] = str(path)
    found = prepared(tmp_path / "out", {"source": "movielens", **paths}, PreprocessSettings(k_core=0))
    # the whole catalogue, in the order of the ids as texts
    assert [(row["item_id"], row["title"], row["categories"]) for row in found["items"]] == [
        ("10", "American President, The (1995)", ["Comedy", "Drama", "Romance"]),
        ("2", "Jumanji (1995)", ["Adventure", "Children", "Fantasy"]),
        ("30", "Pirates of Silicon Valley (1999)", []),
        ("99", "Nobody Saw It (2001)", ["Drama"]),
    ]
    rows = [(row["user_id"], row["item_id"], row["timestamp"], row["rating"]) for row in found["train"]]
    assert rows == [("1", "10", 964_982_703_000, 4.0), ("2", "2", 847_434_962_000, 0.5)]
    assert [row["item_id"] for row in found["valid"] + found["test"]] == ["2", "30"]
    assert found["stats"]["dropped"] == {"interactions": {}, "items": {}}


def test_the_files_are_the_users() -> None:
    options = {"source": "movielens", "ratings": "ml/ratings.csv", "movies": "https://host/movies.csv"}
    raw = raw_files("ml", options, "leave_last_out")
    assert (raw.origin, raw.options) == ("given", options)
    assert raw.inputs() == {"raw_ratings": "ml/ratings.csv", "raw_movies": "https://host/movies.csv"}
    assert raw.source.has_interactions
    assert raw.source.names_items
    with pytest.raises(InputError, match=r"^movielens: expected movies too, got ratings$"):
        source_from_config({"source": "movielens", "ratings": "ratings.csv"})
    with pytest.raises(InputError, match=r"ratings: ratings\.dat does not end in one of \.csv, \.csv\.gz"):
        source_from_config({**options, "ratings": "ratings.dat"}).check_files()


def test_the_small_release_has_the_size_that_its_readme_says(shared_data: Path, tmp_path: Path) -> None:
    folder = shared_data / "movielens-latest-small"
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there")
    options = {
        "source": "movielens",
        "ratings": str(folder / "ratings.csv.gz"),
        "movies": str(folder / "movies.csv.gz"),
    }
    whole = prepared(tmp_path / "whole", options, PreprocessSettings(k_core=0))
    assert len(whole["items"]) == 9_742
    assert sum(row["title"] == "" for row in whole["items"]) == 0
    assert sum(row["categories"] == [] for row in whole["items"]) == 34
    assert len({genre for row in whole["items"] for genre in row["categories"]}) == 19
    assert sum(map(len, (whole["train"], whole["valid"], whole["test"]))) == 100_836
    core = prepared(tmp_path / "core", options, PreprocessSettings())
    steps = {step.pop("step"): step for step in core["stats"]["steps"]}
    assert steps["read"] == {"rows": 100_836, "users": 610, "items": 9_724}
    assert {key: steps["k_core"][key] for key in ("users", "items", "rows")} == {
        "users": 610,
        "items": 3_650,
        "rows": 90_274,
    }
    assert len(core["items"]) == 3_650
    assert core["stats"]["source"] == "MovieLens"
