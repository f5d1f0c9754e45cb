"""Broken files in every reader: an `InputError` of one line, or lines that balance; no traceback, and no hang.

`SEMID_FUZZ=2000` breaks so many files for each reader, from the seed `SEMID_FIRST_FUZZ` on (0); failures name seeds.
"""

import csv
import gzip
import io
import json
import os
import random
import re
import shutil
import signal
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fuzz_breakage import broken

from semid.data import AmazonReviews2023, Outputs, PreprocessSettings, Source, Table, preprocess
from semid.data.sources.movielens import MovieLens
from semid.embeddings import EmbeddingStore, OwnVectors, catalogue_ids, read_first_of_identical, write_manifest
from semid.embeddings.own_vectors import gather_own_vectors
from semid.errors import InputError
from semid.interactions import read_interactions
from semid.items import item_batches
from semid.jobs.manifest import write_run_manifest, write_tokenizer_manifest
from semid.quantizers import OPQ, RQVAE, Decoder, RQKMeans
from semid.retrieval.inverted import InvertedIndex
from semid.semantic_ids import import_codes
from semid.semantic_ids.codes import open_codes, write_codes

SHARE = int(os.environ.get("SEMID_FUZZ", "0"))
FIRST = int(os.environ.get("SEMID_FIRST_FUZZ", "0"))
SECONDS = 30
T0 = 1_500_000_000_000
ITEMS = [f"i{n}" for n in range(24)]
CODES = np.stack([np.arange(24) % 5, np.arange(24) // 5, np.arange(24)], axis=1)
VECTORS = np.random.default_rng(0).normal(size=(24, 4)).astype(np.float32)
SPLITS = ("train", "valid", "test")


@dataclass
class Reader:
    """A reader: what writes whole files into a folder, what reads them there, and those of the files that get broken.

    must_notice: the endings of files that say how long they are, so that a cut is always an error. files: how many
    broken files are tried in CI.
    """

    write: Callable[[Path], None]
    read: Callable[[Path, bool], None]
    targets: tuple[str, ...]
    must_notice: tuple[str, ...] = (".gz", ".parquet", ".npy", ".safetensors", ".json")
    files: int = 60


READERS: dict[str, Reader] = {}


# Tables


REVIEWS = [
    {"user_id": f"u{n % 6}", "item_id": ITEMS[n * 7 % 24], "timestamp": T0 + n * 1000, "rating": n % 5 + 0.5}
    for n in range(60)
]
LISTED = [
    {"item_id": item, "title": f"Title, of {item}", "description": "About ü", "categories": ["A", "B"], "store": "S"}
    for item in ITEMS
]


def table_text(rows: list[dict[str, Any]], ending: str) -> bytes:
    if ending.startswith((".jsonl", ".json")):
        text = "".join(json.dumps(row) + "\n" for row in rows)
    else:
        out = io.StringIO(newline="")
        rows = [{key: "|".join(v) if isinstance(v, list) else v for key, v in row.items()} for row in rows]
        writer = csv.DictWriter(
            out, list(rows[0]), delimiter="\t" if ending in (".inter", ".item") else ",", lineterminator="\n"
        )
        writer.writeheader()
        writer.writerows(rows)
        text = out.getvalue()
    return gzip.compress(text.encode()) if ending.endswith(".gz") else text.encode()


def table(path: Path, rows: list[dict[str, Any]]) -> None:
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=20)
    else:
        path.write_bytes(table_text(rows, "".join(path.suffixes)))


def prepared(folder: Path, source: Source, is_loose: bool, is_official: bool = False) -> None:
    """Preprocess, and check that lines in are rows out and rows dropped."""
    settings = PreprocessSettings(
        k_core=0,
        repeats="keep",
        split="official_5core_last_out" if is_official else "leave_last_out",
        max_malformed=1.0 if is_loose else 0.05,
    )
    outputs = Outputs(
        *(folder / "out" / f"{name}.parquet" for name in ("items", *SPLITS)), stats=folder / "out" / "s.json"
    )
    shutil.rmtree(folder / "out", ignore_errors=True)
    preprocess(source, settings, outputs)
    stats = json.loads(Path(outputs.stats).read_text())
    kept = sum(pq.read_metadata(getattr(outputs, split)).num_rows for split in SPLITS)
    read = sum(stats["lines"][path] for path in stats["files"]["interactions"])
    dropped = stats["dropped"]
    assert read == kept + sum(dropped["interactions"].values()), f"{read} lines, {kept} rows, {dropped}"
    listed = sum(stats["lines"][path] for path in stats["files"]["items"])
    n = pq.read_metadata(outputs.items).num_rows
    assert listed == n + sum(dropped["items"].values()), f"{listed} lines, {n} items, {dropped}"
    for path, lines in stats["lines"].items():
        there = lines_of(Path(path))
        assert there is None or lines >= there, f"{path}: {lines} lines counted of {there}: {stats}"


def lines_of(path: Path) -> int | None:
    """Return the lines of a text file that should be rows, by counting them; None where lines are no rows."""
    if path.suffix == ".parquet":
        return None
    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    is_json = ".json" in path.name
    if b'"' in content and not is_json and path.suffix not in (".inter", ".item"):
        return None
    lines = [line for line in re.split(rb"\r\n|\r|\n", content) if line.strip(b" \t" if is_json else b"")]
    return len(lines) - (not is_json)


def table_reader(ending: str) -> Reader:
    names = ("shop.inter", "shop.item") if ending == ".inter" else (f"events{ending}", f"items{ending}")

    def write(folder: Path) -> None:
        table(folder / names[0], REVIEWS)
        table(folder / names[1], LISTED)

    def read(folder: Path, is_loose: bool) -> None:
        source = Table(folder / names[0], folder / names[1], timestamp_unit="milliseconds", categories_separator="|")
        prepared(folder, source, is_loose)

    return Reader(write, read, names, files=24)


for ending in (".csv", ".csv.gz", ".jsonl", ".jsonl.gz", ".inter", ".parquet"):
    READERS[f"table{ending}"] = table_reader(ending)


def write_movielens(folder: Path) -> None:
    ratings = [
        {
            "userId": row["user_id"][1:],
            "movieId": row["item_id"][1:],
            "rating": row["rating"],
            "timestamp": T0 // 1000 + n,
        }
        for n, row in enumerate(REVIEWS)
    ]
    table(folder / "ratings.csv", ratings)
    table(folder / "movies.csv", [{"movieId": i[1:], "title": f"Film, The {i} (1999)", "genres": "A|B"} for i in ITEMS])


READERS["movielens"] = Reader(
    write_movielens,
    lambda folder, is_loose: prepared(folder, MovieLens(folder / "ratings.csv", folder / "movies.csv"), is_loose),
    ("ratings.csv", "movies.csv"),
    files=16,
)


def write_amazon(folder: Path) -> None:
    renamed = [{"parent_asin" if key == "item_id" else key: value for key, value in row.items()} for row in REVIEWS]
    table(folder / "reviews.jsonl", [{**row, "asin": "x", "images": [], "helpful_vote": 0} for row in renamed])
    meta = [{"parent_asin" if key == "item_id" else key: value for key, value in row.items()} for row in LISTED]
    meta = [{**row, "description": ["One", "two"], "price": "None", "details": '{"a": 1}'} for row in meta]
    table(folder / "meta.jsonl", meta[:12])
    table(folder / "meta.parquet", meta[12:])
    for part, rows in zip(SPLITS, (renamed[:40], renamed[40:50], renamed[50:]), strict=True):
        table(folder / f"Toys.{part}.csv", rows)


def read_amazon(folder: Path, is_loose: bool) -> None:
    meta = (folder / "meta.jsonl", folder / "meta.parquet")
    prepared(folder, AmazonReviews2023(reviews=folder / "reviews.jsonl", meta=meta), is_loose)


def read_amazon_splits(folder: Path, is_loose: bool) -> None:
    splits = {part: folder / f"Toys.{part}.csv" for part in SPLITS}
    # items without interactions are no items of a 5-core
    prepared(
        folder, AmazonReviews2023(splits=splits, meta=(folder / "meta.jsonl", folder / "meta.parquet")), is_loose, True
    )


READERS["amazon2023"] = Reader(write_amazon, read_amazon, ("reviews.jsonl", "meta.jsonl", "meta.parquet"), files=16)
READERS["amazon2023 splits"] = Reader(
    write_amazon, read_amazon_splits, tuple(f"Toys.{part}.csv" for part in SPLITS), files=12
)


# Our own tables


def write_prepared(folder: Path) -> None:
    table(folder / "events.csv", REVIEWS)
    source = Table(folder / "events.csv", timestamp_unit="milliseconds")
    outputs = Outputs(*(folder / f"{name}.parquet" for name in ("items", *SPLITS)), stats=folder / "stats.json")
    preprocess(source, PreprocessSettings(k_core=0), outputs)


def read_prepared(folder: Path, is_loose: bool) -> None:
    read_interactions(folder)
    for _ in item_batches(folder / "items.parquet", ["item_id", "title", "categories", "in_train"]):
        pass


READERS["prepared"] = Reader(
    write_prepared, read_prepared, ("items.parquet", "train.parquet", "test.parquet"), files=150
)


# Vectors


def write_items(folder: Path) -> None:
    pq.write_table(pa.table({"item_id": pa.array(sorted(ITEMS)), "in_train": [True] * 24}), folder / "items.parquet")


def own_vectors_reader(ids: str) -> Reader:
    def write(folder: Path) -> None:
        write_items(folder)
        if ids == "table":
            vectors = pa.array(list(VECTORS), pa.list_(pa.float32()))
            pq.write_table(
                pa.table({"item_id": ITEMS, "embedding": vectors}), folder / "table.parquet", row_group_size=10
            )
            return
        np.save(folder / "vectors.npy", VECTORS)
        {
            "ids.txt": lambda path: path.write_text("".join(f"{item}\n" for item in ITEMS)),
            "ids.csv": lambda path: path.write_text("item_id,name\n" + "".join(f'{item},"a, b"\n' for item in ITEMS)),
            "ids.json": lambda path: path.write_text(json.dumps(ITEMS)),
            "ids.npy": lambda path: np.save(path, np.array(ITEMS)),
            "ids.parquet": lambda path: pq.write_table(pa.table({"item_id": ITEMS}), path),
        }[ids](folder / ids)

    def read(folder: Path, is_loose: bool) -> None:
        files = (
            {"table": folder / "table.parquet"}
            if ids == "table"
            else {"vectors": folder / "vectors.npy", "ids": folder / ids}
        )
        settings = OwnVectors(**files)
        if is_loose:
            catalogue_ids({key: str(path) for key, path in files.items()})
        gather_own_vectors(settings, folder / "items.parquet", 0, 24, folder / "part.npy")
        assert np.load(folder / "part.npy").shape[0] == 24

    return Reader(write, read, ("table.parquet",) if ids == "table" else (ids, ids, "vectors.npy"), files=100)


for form in ("ids.txt", "ids.csv", "ids.json", "ids.npy", "ids.parquet", "table"):
    READERS[f"own vectors {form}"] = own_vectors_reader(form)


def write_store(folder: Path) -> None:
    for number, part in enumerate((VECTORS[:10], VECTORS[10:])):
        np.save(folder / f"part-{number}.npy", part)
    write_manifest(folder / "manifest.json", [folder / "part-0.npy", folder / "part-1.npy"], {"model": "x"}, 24)
    np.save(folder / "identical.npy", np.arange(24, dtype=np.int32))


def read_store(folder: Path, is_loose: bool) -> None:
    store = EmbeddingStore.open(folder / "manifest.json", verify=is_loose)
    assert len(store[:]) == store.shape[0]
    read_first_of_identical(folder / "identical.npy", 24)


READERS["store"] = Reader(
    write_store, read_store, ("manifest.json", "manifest.json", "part-0.npy", "identical.npy"), files=200
)


# Codes


def codes_reader(name: str) -> Reader:
    def write(folder: Path) -> None:
        write_items(folder)
        levels = {f"c{level + 1}": CODES[:, level] for level in range(3)}
        if name.startswith("index.json"):
            tokens = {
                str(n) if name.endswith("numbers") else item: [
                    f"<{letter}_{code}>" for letter, code in zip("abc", row, strict=True)
                ]
                for n, (item, row) in enumerate(zip(ITEMS, CODES, strict=True))
            }
            text = json.dumps(tokens).encode()
        else:
            rows = [
                dict(zip(("item_id", *levels), (item, *map(int, row)), strict=True))
                for item, row in zip(ITEMS, CODES, strict=True)
            ]
            text = table_text(rows, ".csv")
        (folder / "item2id.txt").write_text("".join(f"{item}\t{n}\n" for n, item in enumerate(ITEMS)))
        path = folder / name.removesuffix(" numbers")
        if path.suffix == ".parquet":
            pq.write_table(pa.table({"item_id": ITEMS, "sid": CODES.tolist()}), path, row_group_size=10)
        else:
            path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)

    def read(folder: Path, is_loose: bool) -> None:
        item2id = folder / "item2id.txt" if name.endswith("numbers") else None
        path = folder / name.removesuffix(" numbers")
        import_codes(path, item2id, folder / "items.parquet", 0, 1, folder / "codes.npy")
        assert len(np.load(folder / "codes.npy")) == 24

    targets = (name.removesuffix(" numbers"), *(("item2id.txt",) if name.endswith("numbers") else ()))
    return Reader(write, read, targets, files=100)


for name in ("codes.csv", "codes.csv.gz", "codes.parquet", "index.json", "index.json.gz", "index.json numbers"):
    READERS[f"external {name}"] = codes_reader(name)


def write_parts(folder: Path) -> None:
    write_codes(folder / "a.npy", CODES[:10], 24)
    write_codes(folder / "b.npy", CODES[10:], 24)


def read_parts(folder: Path, is_loose: bool) -> None:
    codes = open_codes([folder / "a.npy", folder / "b.npy"])
    assert len(codes[:]) == codes.shape[0]


READERS["codes"] = Reader(write_parts, read_parts, ("a.npy", "b.npy"), files=100)


def read_inverted(folder: Path, is_loose: bool) -> None:
    index = InvertedIndex.load(folder)
    assert index.bucket_sizes.sum() == index.num_items
    assert len(index.bucket_of_item) == len(index.position_of_item) == index.num_items


READERS["inverted index"] = Reader(
    lambda folder: InvertedIndex.build(CODES).save(folder),
    read_inverted,
    ("codes.npy", "offsets.npy", "items.npy"),
    files=150,
)


# Tokenizers


def tokenizer_reader(make: Callable[[], Any]) -> Reader:
    def write(folder: Path) -> None:
        tokenizer = make()
        tokenizer.fit(VECTORS)
        tokenizer.save_pretrained(folder)

    def read(folder: Path, is_loose: bool) -> None:
        if is_loose:
            Decoder.from_model(folder / "model.safetensors")
        else:
            Decoder.from_pretrained(folder)

    return Reader(write, read, ("config.json", "config.json", "model.safetensors"), files=60)


SMALL = {"num_levels": 2, "codebook_size": 4}
READERS["rqkmeans"] = tokenizer_reader(lambda: RQKMeans(**SMALL))
READERS["opq"] = tokenizer_reader(lambda: OPQ(**SMALL))
READERS["rqvae"] = tokenizer_reader(lambda: RQVAE(**SMALL, epochs=1, batch_size=8, hidden=(4,), codebook_dim=2))


# Manifests


def write_manifests(folder: Path) -> None:
    stats = {"note": "", "steps": [{"step": "read", "rows": 5}], "dropped": {}, "splits": {}, "items": {"rows": 3}}
    data = {
        "dataset": "d",
        "note": "",
        "settings": {},
        "seeds": {"seed": 0},
        "counts": stats,
        "inputs": [],
        "files": [],
    }
    (folder / "data.json").write_text(json.dumps(data))
    (folder / "embeddings.json").write_text(json.dumps({"rows": 3, "parts": []}))
    RQKMeans(**SMALL, metadata={"device": "cpu"}).fit(VECTORS).save_pretrained(folder / "model")


def read_manifests(folder: Path, is_loose: bool) -> None:
    code, compute = {"train": "x"}, {"device": "cpu"}
    if is_loose:
        write_run_manifest(folder / "run.json", {"compute": compute}, [folder / "data.json"], [], code)
    else:
        write_tokenizer_manifest(
            folder / "manifest.json", "d", "rqkmeans_2x4", {}, folder / "data.json", [], code, compute,
            folder / "model" / "model.safetensors", folder / "embeddings.json",
        )  # fmt: skip


READERS["manifests"] = Reader(
    write_manifests, read_manifests, ("data.json", "embeddings.json", "model/config.json"), files=12
)


class TooSlow(Exception):
    """A reader that does not come back."""


@contextmanager
def within(seconds: int) -> Iterator[None]:
    def stop(*_: Any) -> None:
        raise TooSlow(f"not done after {seconds} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def check(reader: Reader, whole: dict[str, bytes], folder: Path, seed: int) -> str:
    """Break one file by a seed and read all; return what is wrong with what follows, and nothing where all is well."""
    rng = random.Random(seed)
    name = rng.choice(reader.targets)
    content, way = broken(rng, whole[name], name)
    path = folder / name
    path.write_bytes(content)
    what = f"seed {seed}, {name}: {way}"
    try:
        with within(SECONDS):
            # not every file is read in the loose way
            reader.read(folder, rng.random() < 0.5 and not way.startswith("cut"))
    except InputError as error:
        return f"{what}: {str(error)!r}" if "\n" in str(error) else ""
    except Exception as error:
        return f"{what}: {type(error).__name__}: {error}"
    finally:
        path.write_bytes(whole[name])
    is_cut = way.startswith("cut") and not way.endswith("compressed") and name.endswith(reader.must_notice)
    return f"{what}: a cut that nobody noticed" if is_cut and content.strip() != whole[name].strip() else ""


@pytest.mark.parametrize("name", READERS)
def test_broken_files_are_refused_or_their_lines_balance(tmp_path, name):
    reader = READERS[name]
    reader.write(tmp_path)
    for is_loose in (False, True):
        reader.read(tmp_path, is_loose)
    whole = {target: (tmp_path / target).read_bytes() for target in reader.targets}
    start = FIRST + zlib.crc32(name.encode())
    faults = [check(reader, whole, tmp_path, seed) for seed in range(start, start + (SHARE or reader.files))]
    faults = [fault for fault in faults if fault]
    assert not faults, f"{len(faults)} faults\n" + "\n".join(fault[:600] for fault in faults[:20])
