"""What the configuration says of exports: options, files, targets, and what is refused before anything runs."""

import copy
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from semid.errors import InputError
from semid.planning import FOLDERS, Datasets, Exports, Tokenizers, folder_refusal, prepare_config, read_schema
from semid.semantic_ids import EXPORTS
from semid.semantic_ids.exports.lcrec import LCRec

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = read_schema(ROOT / "schemas/config.schema.json")
BARE = {"source": "table", "items": "items.csv"}
GIVEN = {"source": "table", "items": "items.csv", "external": {"given": {"codes": "codes.csv"}}}


def planned(**changes: Any) -> Exports:
    config = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8")) | copy.deepcopy(changes)
    prepare_config(config, SCHEMA)
    datasets = Datasets(config, SCHEMA)
    return Exports(config, datasets, Tokenizers(config, SCHEMA, datasets))


def run(*exports: str, **keys: Any) -> dict[str, Any]:
    return {"datasets": ["sample", "bare"], "tokenizers": ["rqkmeans_3x8"], "exports": list(exports), **keys}


def both() -> dict[str, Any]:
    return {"sample": {"source": "sample"}, "bare": BARE}


def test_options_of_every_format_are_those_of_its_class() -> None:
    exports = planned(exports={"minionerec": {"category": "Books"}})
    for name, export in EXPORTS.items():
        export.load()(**exports.options(name))
    assert exports.options("minionerec") == {"category": "Books", "history": 50}
    assert LCRec(**exports.options("lcrec")) == LCRec()


def test_a_format_takes_what_it_reads_where_there_is_any() -> None:
    exports = planned(datasets=both())
    files = exports.files("sample", "rqkmeans_3x8", "hf")
    assert files == {
        "table": "results/sample/rqkmeans_3x8/items.parquet",
        "config": "results/sample/rqkmeans_3x8/config.json",
        "catalogue": "data/sample/items.parquet",
        "splits": [f"data/sample/{split}.parquet" for split in ("train", "valid", "test")],
    }
    assert exports.files("sample", "rqkmeans_3x8", "grid").keys() == {"table", "config"}
    assert exports.files("bare", "rqkmeans_3x8", "hf")["splits"] == []


def test_a_repaired_table_has_the_config_of_its_tokenizer() -> None:
    files = planned().files("sample", "rqkmeans_3x8/repair-assign", "flashrec")
    assert files["table"] == "results/sample/rqkmeans_3x8/repair-assign/items.parquet"
    assert files["config"] == "results/sample/rqkmeans_3x8/config.json"


def test_a_run_makes_its_exports_of_the_datasets_that_have_what_they_need() -> None:
    assert planned(run=run(), datasets=both()).of_run() == []
    manifests = planned(run=run("lcrec", "grid"), datasets=both()).of_run()
    assert manifests == [
        "results/sample/rqkmeans_3x8/exports/lcrec/manifest.json",
        "results/sample/rqkmeans_3x8/exports/grid/manifest.json",
        "results/bare/rqkmeans_3x8/exports/grid/manifest.json",
    ]
    with pytest.raises(InputError, match="the export lcrec needs interactions, and none of the datasets bare has any"):
        planned(run=run("lcrec", datasets=["bare"]), datasets=both()).of_run()


@pytest.mark.parametrize(
    ("dataset", "tokenizer", "name", "said"),
    [
        ("sample", "rqkmeans_4x8", "openonerec", "openonerec does not take IDs of 4 codes"),
        ("sample", "rqkmeans_4x8/repair-assign", "openonerec", "openonerec does not take IDs of 4 codes"),
        ("sample", "vqvae_8", "flashrec", "flashrec does not take IDs of 1 code"),
        ("sample", "rqkmeans_6x8", "lcrec", "lcrec does not take IDs of 6 codes"),
        ("bare", "rqkmeans_3x8", "minionerec", "dataset 'bare' has no interactions, which the export minionerec needs"),
        ("sample", "nonsense", "hf", "'nonsense' is no tokenizer name"),
    ],
)
def test_what_cannot_be_exported_is_refused_in_a_sentence(dataset: str, tokenizer: str, name: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        planned(datasets=both()).files(dataset, tokenizer, name)


def test_levels_that_a_name_does_not_say_are_left_to_the_job() -> None:
    exports = planned(datasets={"sample": {"source": "sample"}, "mine": GIVEN})
    exports.files("mine", "external_given", "openonerec")
    # a suffix is one level more
    exports.files("sample", "rqkmeans_2x8/repair-suffix", "openonerec")


def test_tokens_are_added_to_a_tokenizer_that_is_there(tmp_path: Path) -> None:
    exports = planned(exports={"hf": {"tokenizer": str(tmp_path)}})
    with pytest.raises(InputError, match=r"no tokenizer\.json here: name the folder of a tokenizer"):
        exports.files("sample", "rqkmeans_3x8", "hf")
    for name in ("tokenizer.json", "tokenizer_config.json", "model.safetensors"):
        (tmp_path / name).touch()
    files = exports.files("sample", "rqkmeans_3x8", "hf")["base"]
    assert files == [str(tmp_path / name) for name in ("tokenizer.json", "tokenizer_config.json")]


@pytest.mark.parametrize("place", ["rqkmeans_3x8", "rqkmeans_3x8/repair-assign"])
def test_a_path_that_is_no_export_is_answered_with_the_formats_there_are(place: str) -> None:
    for path in ("exports", "exports/hf", "exports/csv/manifest.json"):
        assert re.fullmatch(FOLDERS, f"results/sample/{place}/{path}")
    assert not re.fullmatch(FOLDERS, f"results/sample/{place}/exports/hf/manifest.json")
    with pytest.raises(InputError, match="is a folder, and what can be asked for are files"):
        folder_refusal(f"results/sample/{place}/exports/hf", ["sample"])
    with pytest.raises(InputError, match="unknown export format 'csv': expected one of lcrec"):
        folder_refusal(f"results/sample/{place}/exports/csv/manifest.json", ["sample"])


def test_unknown_formats_and_options_are_refused() -> None:
    with pytest.raises(InputError, match="run: exports: 0: 'csv' is not one of"):
        planned(run=run("csv"), datasets=both())
    with pytest.raises(InputError, match=r"exports: lcrec: .*'names' was unexpected.*; the keys here are name"):
        planned(exports={"lcrec": {"names": "x"}})
    with pytest.raises(InputError, match="exports: hf: history: expected a whole number of at least 1, found 0"):
        planned(exports={"hf": {"history": 0}})
