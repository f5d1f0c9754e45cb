"""Inputs that are fetched by Snakemake's storage plugins, from servers on loopback."""

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from loopback import serve
from moto.server import ThreadedMotoServer
from shop import shop_config, write_shop
from snake import call_snakemake, overlay

TARGETS = ("results/shop/embeddings/manifest.json", "results/shop/external_hand/items.parquet")
MADE = (
    *(f"data/shop/{name}.parquet" for name in ("items", "train", "valid", "test")),
    "results/shop/embeddings/part-00000-of-00001.npy",
    "results/shop/external_hand/items.parquet",
)


@pytest.fixture(scope="module")
def by_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working directory where the shop's files were named by relative paths."""
    directory = tmp_path_factory.mktemp("by_path")
    write_shop(directory)
    run = call_snakemake(directory, "--configfile", overlay(directory / "shop.yaml", shop_config()), "--", *TARGETS)
    assert run.ok, run.text
    return directory


@pytest.fixture
def bucket(by_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The endpoint of an S3 with the shop's files in the bucket `shop`."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    client = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1")
    client.create_bucket(Bucket="shop")
    for file in by_path.iterdir():
        if file.suffix in (".csv", ".npy", ".txt"):
            client.upload_file(str(file), "shop", f"given/{file.name}")
    yield endpoint
    server.stop()


def check_made_as_by_path(directory: Path, by_path: Path) -> None:
    for name in MADE:
        assert (directory / name).read_bytes() == (by_path / name).read_bytes(), name
    described = json.loads((directory / "data/shop/manifest.json").read_text())["inputs"]
    described += json.loads((directory / "results/shop/external_hand/manifest.json").read_text())["inputs"]
    found = {Path(entry["file"]).name: entry["sha256"] for entry in described}
    names = ("purchases.csv", "catalogue.csv", "vectors.npy", "ids.txt", "codes.csv")
    assert found == {name: hashlib.sha256((by_path / name).read_bytes()).hexdigest() for name in names}


def test_files_by_http_give_what_local_ones_give(by_path: Path, tmp_path: Path) -> None:
    served = tmp_path / "served"
    write_shop(served)
    for file in served.iterdir():
        os.utime(file, (1_600_000_000, 1_600_000_000))
    with serve(served) as address:
        config = overlay(tmp_path / "shop.yaml", shop_config(f"{address}/"))
        run = call_snakemake(tmp_path, "--configfile", config, "--", *TARGETS)
        assert run.ok, run.text
        check_made_as_by_path(tmp_path, by_path)

        again = call_snakemake(tmp_path, "-n", "--configfile", config, "--", *TARGETS)
        assert again.finds_all_made, again.text
        os.utime(served / "purchases.csv")
        newer = call_snakemake(tmp_path, "-n", "--configfile", config, "--", *TARGETS)
        assert newer.rules["preprocess"] == 1


def test_files_in_s3_give_what_local_ones_give(by_path: Path, bucket: str, tmp_path: Path) -> None:
    config = overlay(tmp_path / "shop.yaml", shop_config("s3://shop/given/"))
    run = call_snakemake(tmp_path, "--configfile", config, "--storage-s3-endpoint-url", bucket, "--", *TARGETS)
    assert run.ok, run.text
    check_made_as_by_path(tmp_path, by_path)


def test_an_address_that_cannot_be_used_is_named_before_anything_runs(tmp_path: Path) -> None:
    """By a rule; test_configuration.py has the other addresses that are refused."""
    config = shop_config()
    config["datasets"]["shop"]["items"] = "gopher://host/catalogue.csv"
    write_shop(tmp_path)
    target = "results/shop/rqkmeans_2x8/items.parquet"
    run = call_snakemake(tmp_path, "-n", "--configfile", overlay(tmp_path / "shop.yaml", config), "--", target)
    assert not run.ok
    assert "gopher://host/catalogue.csv: no storage plugin that is installed" in run.text
