"""Sources of data while jobs are planned: their keys, their raw files and how these come."""

import dataclasses
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from semid.checks import object_schema, options_of
from semid.data import SampleSettings, generate_sample
from semid.data.raw_files import generated_files, missing_downloads, official_entry, raw_files
from semid.data.sources import SOURCES, official_splits, source_class, source_from_config
from semid.data.sources.amazon2023 import AmazonReviews2023
from semid.data.sources.release import OfficialFile
from semid.errors import InputError

RELEASE = (
    "path\tsha256\tsize\n"
    f"raw/review_categories/Toys.jsonl\t{'a' * 64}\t3\n"
    f"raw/meta_categories/meta_Toys.jsonl\t{'b' * 64}\t4\n"
    f"benchmark/5core/last_out/Toys.train.csv\t{'c' * 64}\t5\n"
)
MUSIC, BOOKS = "Musical_Instruments", "Books"


def schema_of(name: str) -> Draft202012Validator:
    kind = source_class(name)
    return Draft202012Validator({**object_schema(kind), **kind.combinations})


def test_planning_needs_no_library_of_jobs():
    script = (
        "import sys; import semid.data.raw_files; from semid.data.sources import *; "
        "[source_class(name) for name in SOURCES]; "
        "print(sorted({'numpy', 'duckdb', 'pyarrow', 'torch', 'requests'} & sys.modules.keys()))"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout == "[]\n"


def test_names_of_the_package_are_there_whatever_was_imported_before():
    script = (
        "import semid.data.preprocessing, semid.data; from semid.data import *; import semid.data as d; "
        "print(all(getattr(d, name) is globals()[name] for name in d.__all__), callable(preprocess))"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout == "True True\n"


@pytest.mark.parametrize("name", SOURCES)
def test_every_source_is_a_frozen_dataclass_whose_keys_have_texts(name):
    kind = source_class(name)
    assert dataclasses.is_dataclass(kind)
    assert kind.__dataclass_params__.frozen
    assert options_of(kind)
    assert all(option.text.endswith(".") and option.expected for option in options_of(kind))
    assert kind.file_keys.keys() <= {field.name for field in dataclasses.fields(kind)} | {"splits"}
    Draft202012Validator.check_schema({**object_schema(kind), **kind.combinations})
    assert kind.format


GOOD = [
    {"source": "sample"},
    {"source": "sample", "generate": {"items": 30, "ties": 0}},
    {"source": "amazon2023", "category": MUSIC},
    {"source": "amazon2023", "category": [MUSIC, BOOKS]},
    {"source": "amazon2023", "category": "all"},
    {"source": "amazon2023", "reviews": "r.jsonl", "meta": ["a.jsonl", "b.jsonl"]},
    {"source": "amazon2023", "splits": {"train": "a.csv", "valid": ["b.csv"], "test": "c.csv"}, "meta": "m.jsonl"},
    {"source": "table", "interactions": "i.csv", "timestamp_unit": "seconds"},
    {
        "source": "table",
        "interactions": "https://host/i.csv",
        "items": "s3://b/i.parquet",
        "timestamp_unit": "position",
    },
    {"source": "table", "items": "i.csv", "columns": {"title": "name"}, "categories_separator": "|"},
    {"source": "table", "splits": {"train": "a", "valid": "b", "test": "c"}, "timestamp_unit": "milliseconds"},
    {"source": "table", "interactions": ["a.inter", "b.inter"], "items": ["i.item"], "timestamp_unit": "row"},
    {"source": "table", "items": "i.csv", "encoding": "latin-1", "separator": ";", "decimal": ","},
    {"source": "movielens", "ratings": "ratings.csv", "movies": "https://host/movies.csv.gz"},
]
BAD = [
    (
        {"source": "sample", "generate": {"items": 0}},
        "sample: generate: items must be a whole number of at least 1, got 0",
    ),
    (
        {"source": "sample", "generate": {"itemz": 1}},
        "sample: generate: 'itemz' is no key here; the keys are items, users",
    ),
    ({"source": "amazon2023"}, "amazon2023: expected either category, or reviews and meta, or .*, got $"),
    ({"source": "amazon2023", "category": MUSIC, "meta": "m.jsonl"}, "expected either .*, got category, meta"),
    ({"source": "amazon2023", "reviews": "r.jsonl"}, "expected either category, .*, got reviews"),
    ({"source": "amazon2023", "category": []}, "category must be a category, a list of categories, or all, got"),
    ({"source": "amazon2023", "reviews": "{r}.jsonl", "meta": "m.jsonl"}, "reviews must be a path or .*, got '{r}"),
    ({"source": "table", "interactions": "i.csv"}, "table: expected .*, with a timestamp_unit for either, got inter"),
    ({"source": "table", "interactions": "i.csv", "timestamp_unit": "days"}, "timestamp_unit must be .*, got 'days'"),
    (
        {"source": "table", "items": "i.csv", "columns": {"titel": "x"}},
        "columns: 'titel' is no key here; the keys are",
    ),
    ({"source": "table", "items": []}, r"items must be a path or a list of paths.* or null, got \[\]"),
    ({"source": "table", "items": "i.csv", "separator": "||"}, "separator must be one character or null, got '[|]{2}'"),
    ({"source": "table", "items": "i.csv", "decimal": "_"}, "decimal must be .*, got '_'"),
    (
        {
            "source": "table",
            "interactions": "i.csv",
            "splits": {"train": "a", "valid": "b", "test": "c"},
            "timestamp_unit": "seconds",
        },
        "not both interactions and splits, .*, got interactions, splits, timestamp_unit",
    ),
    ({"source": "movielens", "ratings": "ratings.csv", "movies": ["a", "b"]}, "movielens: movies must be a path"),
    (
        {"source": "table", "splits": {"train": "a"}, "timestamp_unit": "seconds"},
        "splits: valid is missing, got {'train': 'a'}",
    ),
]


def test_every_source_is_among_the_examples():
    for examples in (GOOD, [options for options, _ in BAD]):
        assert {options["source"] for options in examples} == SOURCES.keys()


@pytest.mark.parametrize("options", GOOD, ids=str)
def test_schema_and_class_take_the_same_keys(options):
    keys = {key: value for key, value in options.items() if key != "source"}
    assert schema_of(options["source"]).is_valid(keys)
    source_from_config(options)


@pytest.mark.parametrize(("options", "message"), BAD, ids=str)
def test_schema_and_class_refuse_the_same_keys(options, message):
    keys = {key: value for key, value in options.items() if key != "source"}
    assert not schema_of(options["source"]).is_valid(keys)
    with pytest.raises(InputError, match=re.compile(message)):
        source_from_config(options)
    with pytest.raises(InputError, match=r"^dataset 'mine': "):
        raw_files("mine", options, "leave_last_out")


def test_a_sample_is_generated_into_its_own_folder():
    options = {"source": "sample", "generate": {"items": 30}, "shards": 2}
    raw = raw_files("small", options, "leave_last_out")
    assert raw.origin == "generated"
    files = {"reviews": "data/raw/small/reviews.jsonl.gz", "meta": "data/raw/small/meta.jsonl.gz"}
    # generating other data changes the files, not how they are read
    assert raw.options == {"source": "sample", **files}
    assert raw.recorded == {"generate": {"items": 30}}
    assert raw.inputs(pytest.fail) == {f"raw_{key}": path for key, path in files.items()}
    assert generated_files("sample") == {key: path.replace("small", "{dataset}") for key, path in files.items()}
    assert raw.source.note == "synthetic: checks the plumbing, ranks nothing"
    assert [generated_files(name) for name in SOURCES if name != "sample"] == [{}] * (len(SOURCES) - 1)


def test_a_job_generates_the_files_from_what_is_recorded(tmp_path):
    options = {"generate": {"items": 30, "users": 20, "seed": 3}}
    raw = raw_files("small", {"source": "sample", **options}, "leave_last_out")
    for name in ("ours", "theirs"):
        (tmp_path / name).mkdir()
    paths = {key: tmp_path / "ours" / key for key in generated_files("sample")}
    source_from_config({"source": "sample", **raw.recorded}).generate_files(paths)
    theirs = tmp_path / "theirs" / "reviews", tmp_path / "theirs" / "meta"
    generate_sample(SampleSettings(**options["generate"]), *theirs)
    assert [paths[path.name].read_bytes() for path in theirs] == [path.read_bytes() for path in theirs]


@pytest.mark.parametrize("split", ["leave_last_out", {"timestamps": [1, 2]}])
def test_a_category_is_downloaded_and_verified(split):
    raw = raw_files("music", {"source": "amazon2023", "category": [MUSIC, BOOKS, MUSIC]}, split)
    assert raw.origin == "downloaded"
    reviews = [f"data/raw/music/raw/review_categories/{name}.jsonl" for name in (MUSIC, BOOKS)]
    meta = [f"data/raw/music/raw/meta_categories/meta_{name}.jsonl" for name in (MUSIC, BOOKS)]
    assert raw.options == {"source": "amazon2023", "reviews": reviews, "meta": meta}
    records = [f"{path}.verified" for path in reviews + meta]
    assert raw.inputs(pytest.fail) == {"raw_reviews": reviews, "raw_meta": meta, "raw_records": records}
    assert raw.recorded == {}
    assert raw.source.note == ""


@pytest.mark.parametrize("split", official_splits())
def test_an_official_split_is_downloaded_in_place_of_the_reviews(split):
    raw = raw_files("music", {"source": "amazon2023", "category": MUSIC}, split)
    core, kind = split.split("_", 2)[1:]
    path = f"data/raw/music/benchmark/{core}/{kind}/{MUSIC}"
    splits = {part: [f"{path}.{part}.csv"] for part in ("train", "valid", "test")}
    meta = [f"data/raw/music/raw/meta_categories/meta_{MUSIC}.jsonl"]
    assert raw.options == {"source": "amazon2023", "splits": splits, "meta": meta}
    records = [f"{file}.verified" for file in [*(path for (path,) in splits.values()), *meta]]
    assert raw.inputs() == {
        **{f"raw_{part}": files for part, files in splits.items()}, "raw_meta": meta, "raw_records": records,
    }  # fmt: skip
    assert official_splits()[split] == int(core[0])


@pytest.mark.parametrize("options", GOOD[5:], ids=str)
def test_files_of_the_user_go_through_the_callable(options):
    raw = raw_files("mine", options, "leave_last_out")
    assert raw.origin == "given"
    assert raw.options == options
    keys = source_class(options["source"]).file_keys
    named = {key: options[key] for key in keys if key in options and key != "splits"} | options.get("splits", {})
    assert raw.inputs() == {f"raw_{key}": paths for key, paths in named.items()}
    assert raw.inputs(lambda paths: ("given", paths)) == {f"raw_{key}": ("given", file) for key, file in named.items()}


@pytest.mark.parametrize("options", GOOD, ids=str)
def test_a_planned_source_is_made_again_from_its_options(options):
    raw = raw_files("mine", options, "leave_last_out")
    again = source_from_config(json.loads(json.dumps(raw.options)))
    assert again.interaction_files == raw.source.interaction_files
    assert again.item_files == raw.source.item_files
    assert (again.columns, again.timestamp_unit) == (raw.source.columns, raw.source.timestamp_unit)


def test_a_dataset_has_interactions_and_items_where_it_names_files_of_them():
    for options in GOOD:
        is_table = options["source"] == "table"
        source = source_from_config(options)
        assert source.has_interactions == (not is_table or bool({"interactions", "splits"} & options.keys()))
        assert source.names_items == (not is_table or bool({"items", "splits"} & options.keys()))
    vectors_alone = source_from_config({"source": "table", "embeddings": {"table": "v.parquet"}})
    assert (vectors_alone.has_interactions, vectors_alone.names_items) == (False, False)


# Downloads


@pytest.fixture
def checksums(tmp_path: Path) -> str:
    (tmp_path / "mirror.tsv").write_text(RELEASE)
    return str(tmp_path / "mirror.tsv")


def test_what_is_there_and_what_nobody_names_is_not_downloaded(tmp_path, checksums):
    datasets = {
        "toys": {"source": "amazon2023", "category": "Toys"},
        "t.ys": {"source": "amazon2023", "category": "Toys"},
        "own": {"source": "amazon2023", "reviews": "r.jsonl", "meta": "m.jsonl"},
        "sample": {"source": "sample"},
        "mine": {"source": "table", "items": "i.csv"},
    }
    present = tmp_path / "toys" / "raw" / "meta_categories" / "meta_Toys.jsonl"
    present.parent.mkdir(parents=True)
    present.touch()
    may = re.compile(missing_downloads(datasets, tmp_path, checksums))
    for path in (
        "toys/raw/review_categories/Toys.jsonl",
        "t.ys/raw/meta_categories/meta_Toys.jsonl",
        "toys/benchmark/5core/last_out/Toys.train.csv",
        "toys/raw/review_categories/Tois.jsonl",
    ):
        assert may.fullmatch(path), path
    for path in (
        "toys/raw/meta_categories/meta_Toys.jsonl",
        "toys/raw/review_categories/Toys.jsonl.verified",
        "tays/raw/review_categories/Toys.jsonl",
        "own/raw/review_categories/Toys.jsonl",
        "sample/reviews.jsonl.gz",
        "toys/other/Toys.jsonl",
        "toys/raw/Toys.txt",
    ):
        assert not may.fullmatch(path), path
    assert not re.search(missing_downloads({"sample": {"source": "sample"}}, tmp_path), "sample/raw/x.jsonl")


def test_an_official_file_is_found_by_its_dataset_and_path(checksums):
    toys = OfficialFile("raw/review_categories/Toys.jsonl", "a" * 64, 3, "https://")
    datasets = {"toys": {"source": "amazon2023", "category": "Toys"}, "mine": {"source": "table", "items": "i.csv"}}
    for dataset in ("toys", "elsewhere"):
        found = official_entry(f"{dataset}/{toys.path}", datasets, checksums)
        assert found[:3] == toys[:3]
        assert found.home.startswith(toys.home)
    with pytest.raises(
        InputError, match=r"Toy\.jsonl is no file of the release; did you mean raw/review_categories/Toys"
    ):
        official_entry("toys/raw/review_categories/Toy.jsonl", datasets, checksums)
    with pytest.raises(InputError, match="is no file of the release"):
        official_entry(f"mine/{toys.path}", datasets, checksums)
    with pytest.raises(InputError, match="dataset 'toys': category: 'Toyz' is none of Toys; did you mean Toys"):
        raw_files("toys", {"source": "amazon2023", "category": "Toyz"}, "leave_last_out", checksums)
    raw = raw_files("toys", {"source": "amazon2023", "category": "all"}, "leave_last_out", checksums)
    assert raw.inputs()["raw_reviews"] == ["data/raw/toys/raw/review_categories/Toys.jsonl"]
    assert AmazonReviews2023.release(checksums).keys() != AmazonReviews2023.release().keys()
