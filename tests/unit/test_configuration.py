"""The configuration, checked and completed, and what it says of datasets and tokenizers."""

import copy
import hashlib
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml

from semid.errors import InputError
from semid.methods import METHODS
from semid.planning import (
    FOLDERS,
    Datasets,
    Tokenizers,
    check_address,
    folder_refusal,
    is_address,
    prepare_config,
    read_schema,
    with_search_switched_off,
)

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = read_schema(ROOT / "schemas/config.schema.json")
VARIANTS = {"rqkmeans-pca96": {"pca_dim": 96}}
# values of options that are neither numbers nor true or false
OTHER = {
    "codebook_sizes": [256, 256, 256, 128],
    "hidden": [32],
    "codebook_update": "gradient",
    "gradient_estimator": "rotation",
    "keep": "last",
    "init": "kmeans",
}


def configured(**changes: Any) -> dict[str, Any]:
    """The configuration that comes with the project, with other sections, completed."""
    config = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8")) | copy.deepcopy(changes)
    prepare_config(config, SCHEMA)
    return config


def planned(**changes: Any) -> tuple[Datasets, Tokenizers]:
    config = configured(**changes)
    datasets = Datasets(config, SCHEMA)
    return datasets, Tokenizers(config, SCHEMA, datasets)


def refusal(**changes: Any) -> str:
    with pytest.raises(InputError) as raised:
        configured(**changes)
    return str(raised.value)


def table(**keys: Any) -> dict[str, Any]:
    return {"datasets": {"mine": {"source": "table", **keys}}, "run": {"datasets": ["mine"], "tokenizers": ["vqvae_8"]}}


def test_what_is_not_given_has_its_default() -> None:
    config = configured()
    assert (config["preprocess"]["repeats"], config["evaluation"]["resamples"]) == ("first", 1000)
    assert config["compute"]["training_threads"] == 2
    assert config["datasets"]["sample"]["shards"] == 1
    assert config["datasets"]["sample"]["generate"]["mean_reviews"] == 11.0
    assert config["embeddings"]["dtype"] == "float16"
    # what a dataset does not change it does not have
    assert "preprocess" not in config["datasets"]["sample"]
    assert configured(embeddings={"model": "hashing"})["embeddings"] == {
        "model": "hashing",
        "dim": 256,
        "seed": 0,
        "text": "{title}",
        "dtype": "float16",
    }


def test_a_completed_configuration_is_complete() -> None:
    config = configured()
    again = copy.deepcopy(config)
    prepare_config(again, SCHEMA)
    assert again == config


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"evaluation": {"candidats": []}}, "evaluation: Additional properties are not allowed ('candidats' was"),
        (
            {"evaluation": {"query": "first"}},
            "evaluation: query: expected one of last, mean, decay, fit, found 'first'",
        ),
        ({"compute": {"threads": 0}}, "compute: threads: expected a whole number of at least 1, found 0"),
        ({"compute": {"device": "tpu"}}, "compute: device: expected auto, cpu, mps or cuda (or cuda:1 and so on)"),
        ({"tokenizers": {"rqvae": {"epochs": -1}}}, "tokenizers: rqvae: epochs: expected a whole number of at least 0"),
        ({"tokenizers": {"rqkmeens": {}}}, "'rqkmeens'"),
        ({"tokenizers": {"rqkmeans": {"epochs": 3}}}, "tokenizers: rqkmeans: Additional properties are not allowed"),
        ({"tokenizers": {"rqkmeans-s1": {"beam": 2}}}, "tokenizers: 'rqkmeans-s1': expected a method (rqkmeans)"),
        ({"embeddings": {"vectors": "x.npy", "ids": "x.txt"}}, "not allowed ('ids', 'vectors' were unexpected)"),
        ({"embeddings": {"model": "bundled", "dim": 64}}, "embeddings: Additional properties are not allowed ('dim'"),
        ({"datasets": {"mine": {"source": "sampel"}}}, "expected one of sample, amazon2023, table, movielens, found"),
        ({"tokenizers": {"rqvae": {"linear_start": "False"}}}, "linear_start: expected true or false, found 'False'"),
        ({"preprocess": {"k_core": 2.5}}, "preprocess: k_core: expected a whole number of at least 0, found 2.5"),
        ({"preprocess": {"split": "random"}}, "preprocess: split: expected leave_last_out, {timestamps: [t1, t2]}"),
        ({"run": {"datasets": [], "tokenizers": ["vqvae_8"]}}, "run: datasets: expected one or more texts"),
        (table(), "datasets: mine: expected at least one of interactions, items, splits and embeddings"),
        (table(interactions="x.csv"), "interactions needs timestamp_unit beside it: one of seconds, "),
        (table(items="x{y}.csv"), "datasets: mine: items: 'x{y}.csv' is not valid"),
        (table(items="x.csv", external={"Other": {"codes": "x.csv"}}), "external: 'Other' does not match"),
        (table(items="x.csv", colums={}), "'colums' was unexpected); the keys here are source, interactions, items"),
        ({"datasets": {"raw": {"source": "sample"}}}, "expected a name of letters, digits"),
        ({"faiss": {"on_disk": True}}, "only for a factory with inverted lists (IVF…)"),
        ({"faiss": True}, "faiss: True: expected false, or a map of enabled"),
    ],
)
def test_a_fault_is_one_line_with_key_expectation_and_value(changes: dict[str, Any], words: str) -> None:
    assert words in refusal(**changes)


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"items": "x.csv", "load": {"vqvae_8": "s3://x"}}, "load: vqvae_8: expected a folder of this machine"),
        ({"items": "x.csv", "external": {"a": {"code": "x"}}}, "external: a: Additional properties are not allowed"),
        ({"splits": {"train": "a"}, "timestamp_unit": "seconds"}, "splits: 'valid' is a required property"),
        ({"items": "x.csv", "columns": {"titel": "x"}}, "columns: Additional properties are not allowed ('titel'"),
        ({"embeddings": {"vectors": "x.npy"}}, "embeddings: expected vectors (a .npy file) with their ids, or table"),
    ],
)
def test_a_fault_inside_of_what_may_be_null_is_named_where_it_is(keys: dict[str, Any], words: str) -> None:
    assert f"datasets: mine: {words}" in refusal(**table(**keys))


def test_null_is_as_good_as_no_key_at_all() -> None:
    assert configured(**table(items="x.csv", splits=None)) == configured(**table(items="x.csv"))
    assert "expected either category" in refusal(datasets={"m": {"source": "amazon2023", "category": None}})


def test_every_fault_is_told_at_once() -> None:
    said = refusal(evaluation={"decay": 2}, compute={"threads": 0})
    assert len(said.splitlines()) == 3
    assert "docs/reference/configuration.md explains every key" in said


def another_value(option: str, schema: dict[str, Any]) -> Any:
    """A value that an option may have, and has not by default."""
    default = schema.get("default")
    if option in OTHER:
        return OTHER[option]
    if isinstance(default, bool):
        return not default
    return default + 1 if schema["type"] == "integer" else default / 2 or 0.5


@pytest.mark.parametrize("method", METHODS)
def test_an_option_of_a_method_changes_what_reads_it_and_nothing_else(method: str) -> None:
    name = f"{method}_4x256" if METHODS[method].kind != "flat" else f"{method}_256"
    _, before = planned()
    for option, schema in SCHEMA["$defs"][method]["properties"].items():
        if option == "codebook_sizes":  # those of a start must be the same, see below
            continue
        _, after = planned(tokenizers={**VARIANTS, method: {option: another_value(option, schema)}})
        of_training = before.arguments(name) != after.arguments(name)
        of_encoding = before.encode_arguments(name) != after.encode_arguments(name)
        of_start = before.start_files("sample", name) != after.start_files("sample", name)
        assert [of_training, of_encoding, of_start].count(True) == 1, option
        assert of_encoding == (schema.get("stage") == "encode")
        assert of_start == (option == "init")


def test_the_particular_overrules_the_general() -> None:
    _, tokenizers = planned(
        tokenizers={
            "rqkmeans": {"kmeans_iters": 1, "pca_dim": 1},
            "rqkmeans-wide": {"pca_dim": 2},
            "rqkmeans_2x8-wide": {"max_train": 3},
        }
    )
    options = tokenizers.options("rqkmeans_2x8-wide-s1")
    assert (options["kmeans_iters"], options["pca_dim"], options["max_train"]) == (1, 2, 3)
    with pytest.raises(InputError, match=r"defines no variant 'narrow' of rqkmeans .*; defined: rqkmeans-wide"):
        tokenizers.options("rqkmeans_2x8-narrow")


def test_codebook_sizes_fit_the_name_before_anything_runs() -> None:
    _, tokenizers = planned(tokenizers={"rqkmeans-tapered": {"codebook_sizes": [64, 32]}})
    assert tokenizers.arguments("rqkmeans_2x64-tapered")["codebook_sizes"] == [64, 32]
    for name in ("rqkmeans_3x64-tapered", "rqkmeans_2x32-tapered"):
        with pytest.raises(InputError, match=r"codebook_sizes are \[64, 32\], but the name says"):
            tokenizers.arguments(name)


def test_a_start_of_other_sizes_is_refused_before_anything_runs() -> None:
    tapered = {"rqvae-tapered": {"codebook_sizes": [64, 32]}}
    _, tokenizers = planned(tokenizers={**VARIANTS, **tapered})
    with pytest.raises(InputError, match=r"starts from 'rqkmeans_2x64', which has those of its name"):
        tokenizers.start_files("sample", "rqvae_2x64-tapered")
    _, tokenizers = planned(tokenizers={"rqkmeans": {"codebook_sizes": [64, 32]}, **tapered})
    assert tokenizers.start_files("sample", "rqvae_2x64-tapered")


def test_a_start_has_the_same_size_and_seed_and_is_its_model_alone() -> None:
    _, tokenizers = planned()
    assert tokenizers.start_files("sample", "rqvae_3x8-s1") == {
        "start": "results/sample/rqkmeans_3x8-s1/model.safetensors"
    }
    assert tokenizers.start_files("sample", "rqvae_3x8-tiger") == {}


def frozen_tokenizer(folder: Path) -> Path:
    """A folder with files that have the names of those of a tokenizer."""
    folder.mkdir(parents=True)
    for name in ("model.safetensors", "config.json"):
        (folder / name).write_text(name)
    return folder


def test_what_is_loaded_is_a_source_whose_digest_counts(tmp_path: Path) -> None:
    folder = frozen_tokenizer(tmp_path / "frozen")
    load = {"rqkmeans_3x8": str(folder)}
    _, tokenizers = planned(datasets={"sample": {"source": "sample", "load": load}})
    model = {"start": f"{folder}/model.safetensors", "start_config": f"{folder}/config.json"}
    assert tokenizers.training_files("sample", "rqvae_3x8") == model
    before = tokenizers.training_digests("sample", "rqvae_3x8")
    assert before == tokenizers.earlier.loaded_digests("sample", "rqkmeans_3x8")
    assert before["config"] == hashlib.sha256(b"config.json").hexdigest()
    (folder / "config.json").write_text("other, and longer")
    after = tokenizers.earlier.loaded_digests("sample", "rqkmeans_3x8")
    assert before["model"] == after["model"]
    assert before["config"] != after["config"]
    assert tokenizers.earlier.loaded_digests("sample", "rqkmeans_2x8") == {}
    (folder / "config.json").unlink()
    with pytest.raises(InputError, match=r"where there is no config\.json: a run makes nothing that it loads"):
        tokenizers.model_files("sample", "rqkmeans_3x8")


def test_no_rule_makes_a_file_of_a_tokenizer_that_is_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    load = {"rqkmeans_2x8": "results/mine/rqkmeans_2x8", "rqkmeans_3x8": "./results/mine/rqkmeans_3x8/"}
    load |= {"rqkmeans_4x8": str(tmp_path / "results/mine/rqkmeans_4x8"), "rqkmeans_5x8": "elsewhere/results/mine/a"}
    _, tokenizers = planned(datasets={"sample": {"source": "sample", "load": load}})
    # what is not there can be made
    assert tokenizers.earlier.frozen() == ""
    for place in load.values():
        frozen_tokenizer(Path(place))
    pattern = re.compile(rf"results/({tokenizers.earlier.frozen()}[^/]+)/([^/]+)/([^/]+)$")
    for size in (2, 3, 4):
        assert not pattern.match(f"results/mine/rqkmeans_{size}x8/model.safetensors")
        assert not pattern.match(f"results/mine/rqkmeans_{size}x8/config.json")
        # training, which makes it too, would write the model anew
        assert not pattern.match(f"results/mine/rqkmeans_{size}x8/training.csv")
        assert pattern.match(f"results/mine/rqkmeans_{size}x8/items.parquet")
        assert pattern.match(f"results/other/rqkmeans_{size}x8/model.safetensors")
    assert pattern.match("results/mine/a/model.safetensors")
    assert tokenizers.earlier.frozen("ids/results") == ""
    Path("results/mine/rqkmeans_2x8/config.json").unlink()
    pattern = re.compile(rf"results/({tokenizers.earlier.frozen()}[^/]+)/([^/]+)/([^/]+)$")
    assert pattern.match("results/mine/rqkmeans_2x8/config.json")
    # a config without its model is none of what is loaded
    Path("results/mine/rqkmeans_3x8/model.safetensors").unlink()
    pattern = re.compile(rf"results/({tokenizers.earlier.frozen()}[^/]+)/([^/]+)/([^/]+)$")
    assert pattern.match("results/mine/rqkmeans_3x8/config.json")


@pytest.mark.parametrize(
    ("results", "folder"),
    [
        ("results", "link"),
        ("results", "elsewhere/../results/mine/rqkmeans_2x8"),
        ("linked", "results/mine/rqkmeans_2x8"),
        ("results", "linked/mine/rqkmeans_2x8"),
        ("results", "{}/real/mine/rqkmeans_2x8"),
    ],
)
def test_a_folder_that_is_loaded_by_another_name_is_not_made_either(
    results: str, folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    frozen_tokenizer(tmp_path / "real/mine/rqkmeans_2x8")
    Path("elsewhere").mkdir()
    for link in ("results", "linked"):
        Path(link).symlink_to("real")
    Path("link").symlink_to("results/mine/rqkmeans_2x8")
    load = {"rqkmeans_2x8": folder.format(tmp_path)}
    _, tokenizers = planned(datasets={"sample": {"source": "sample", "load": load}})
    pattern = re.compile(rf"{results}/({tokenizers.earlier.frozen(results)}[^/]+)/([^/]+)/([^/]+)$")
    assert not pattern.match(f"{results}/mine/rqkmeans_2x8/model.safetensors")
    assert pattern.match(f"{results}/sample/rqkmeans_2x8/model.safetensors")


def test_ids_are_not_compared_with_the_table_that_this_run_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = frozen_tokenizer(tmp_path / "results/sample/rqkmeans_2x8")
    for place in (folder, folder / "repair-assign"):
        place.mkdir(exist_ok=True)
        (place / "items.parquet").touch()
    Path("link").symlink_to(folder)
    for path in ("results/sample/rqkmeans_2x8", str(folder), "link"):
        sample = {"source": "sample", "load": {"rqkmeans_2x8": path}, "align": {"rqkmeans_3x8": path}}
        run = {"datasets": ["sample"], "tokenizers": ["rqkmeans_2x8"]}
        _, tokenizers = planned(datasets={"sample": sample}, run=run)
        assert tokenizers.model_files("sample", "rqkmeans_2x8")["model"] == f"{path}/model.safetensors"
        assert tokenizers.comparisons_with_earlier() == []
        for question in (tokenizers.earlier.drift_files, tokenizers.earlier.pinned_files):
            with pytest.raises(InputError, match="the folder that this run writes: copy it first"):
                question(
                    "sample", "rqkmeans_2x8/repair-assign" if question.__name__ == "pinned_files" else "rqkmeans_2x8"
                )
        # another tokenizer's folder is no output of this one
        assert tokenizers.training_files("sample", "rqkmeans_3x8")["aligned"].endswith("items.parquet")


def test_new_codes_are_compared_with_those_of_an_earlier_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    loaded, aligned = frozen_tokenizer(tmp_path / "loaded"), tmp_path / "aligned"
    sample = {"source": "sample", "load": {"rqkmeans_2x8": "loaded"}, "align": {"rqkmeans_3x8": "aligned"}}
    run = {"datasets": ["sample"], "tokenizers": ["rqkmeans_2x8", "rqkmeans_2x8/repair-assign", "rqkmeans_3x8"]}
    _, tokenizers = planned(datasets={"sample": sample}, run=run)
    earlier = tokenizers.earlier
    # a table is asked for where it can be made
    assert tokenizers.comparisons_with_earlier() == ["results/sample/rqkmeans_3x8/churn.csv"]
    for question, words in (
        (earlier.drift_files, "loads no rqkmeans_3x8: name its folder under `load:`"),
        (earlier.churn_files, "align: rqkmeans_3x8: there is no items"),
    ):
        with pytest.raises(InputError, match=words):
            question("sample", "rqkmeans_3x8")
    with pytest.raises(InputError, match=r"load: rqkmeans_2x8: there is no items\.parquet in loaded"):
        earlier.drift_files("sample", "rqkmeans_2x8")
    with pytest.raises(InputError, match="aligns rqkmeans_2x8 to none: name its folder under `align:`"):
        earlier.churn_files("sample", "rqkmeans_2x8")
    aligned.mkdir()
    for folder in (loaded, aligned):
        (folder / "items.parquet").write_text("a table")
    assert tokenizers.comparisons_with_earlier() == [
        "results/sample/rqkmeans_2x8/drift.csv",
        "results/sample/rqkmeans_3x8/churn.csv",
    ]
    assert earlier.drift_files("sample", "rqkmeans_2x8") == {"old": str(loaded / "items.parquet")}
    assert tokenizers.training_files("sample", "rqkmeans_3x8") == {"aligned": str(aligned / "items.parquet")}
    assert tokenizers.training_digests("sample", "rqkmeans_3x8") == {"aligned": hashlib.sha256(b"a table").hexdigest()}
    assert tokenizers.settings("sample", "rqkmeans_3x8")["align"] == "aligned"
    here = {"source": "sample", "align": {"rqkmeans_3x8": "results/sample/rqkmeans_3x8"}}
    _, tokenizers = planned(datasets={"sample": here})
    with pytest.raises(InputError, match="the folder that this run writes: copy it first"):
        tokenizers.training_files("sample", "rqkmeans_3x8")
    for sample, words in (
        ({"load": {"vqvae_8": "a"}, "align": {"vqvae_8": "b"}}, "loads vqvae_8 and aligns it too"),
        ({"align": {"rqkmeans_3x8/repair-assign": "b"}}, "name a tokenizer that is trained"),
        ({"align": {"random_2x16": "b"}}, "name a tokenizer that is trained"),
    ):
        assert words in refusal(datasets={"sample": {"source": "sample", **sample}})


def test_repaired_codes_are_made_from_the_model_and_the_codes_of_their_tokenizer() -> None:
    sample = {"source": "sample", "shards": 2}
    _, tokenizers = planned(datasets={"sample": sample})
    name = "rqvae_3x8-s1/repair-assign"
    folder = "results/sample/rqvae_3x8-s1"
    model = {"model": f"{folder}/model.safetensors", "config": f"{folder}/config.json"}
    parts = [f"{folder}/codes/part-00000-of-00002.npy", f"{folder}/codes/part-00001-of-00002.npy"]
    assert tokenizers.repaired_files("sample", name) == {"codes": parts, **model}
    # one job makes them, in one part
    assert tokenizers.code_parts("sample", name) == [f"{folder}/repair-assign/codes/part-00000-of-00001.npy"]
    assert tokenizers.model_files("sample", name) == model
    assert tokenizers.options(name) == tokenizers.options("rqvae_3x8-s1")
    assert tokenizers.encoded_with("sample", name) == tokenizers.encoded_with("sample", "rqvae_3x8-s1")
    native = tokenizers.settings("sample", "rqvae_3x8-s1")
    assert tokenizers.settings("sample", name) == native | {"repair": "assign"}
    given = tokenizers.settings("sample", "random_2x8/repair-suffix")
    assert given == tokenizers.settings("sample", "random_2x8") | {"repair": "suffix"}


def test_a_run_may_have_repaired_tables_of_all_tokenizers_that_can_be_repaired() -> None:
    names = ["rqkmeans_2x8", "vqvae_8", "rqkmeans_3x8/repair-suffix"]
    run = {"datasets": ["sample"], "tokenizers": names, "seeds": [0, 1]}
    _, tokenizers = planned(run=run)
    assert tokenizers.repaired_tables() == []
    assert tokenizers.of_run()[-1] == "rqkmeans_3x8-s1/repair-suffix"
    _, tokenizers = planned(run=run | {"repair": "assign"})
    assert tokenizers.repaired_tables() == [
        f"results/sample/rqkmeans_2x8{seed}/repair-assign/items.parquet" for seed in ("", "-s1")
    ]
    _, tokenizers = planned(run=run | {"repair": "suffix"})
    assert tokenizers.repaired_tables() == [
        f"results/sample/{name}{seed}/repair-suffix/items.parquet"
        for name in ("rqkmeans_2x8", "vqvae_8")
        for seed in ("", "-s1")
    ]
    assert "run: repair: expected none or assign or suffix" in refusal(run=run | {"repair": "both"})


def test_ids_of_a_tokenizer_that_is_loaded_stay_where_its_folder_has_repaired_ones(tmp_path: Path) -> None:
    folder = frozen_tokenizer(tmp_path / "frozen")
    datasets = {"sample": {"source": "sample", "load": {"rqkmeans_2x8": str(folder)}}}
    _, tokenizers = planned(datasets=datasets)
    assert "pinned" not in tokenizers.repaired_files("sample", "rqkmeans_2x8/repair-assign")
    table = folder / "repair-assign" / "items.parquet"
    table.parent.mkdir(parents=True)
    table.touch()
    files = tokenizers.repaired_files("sample", "rqkmeans_2x8/repair-assign")
    assert files["pinned"] == str(table)
    assert files["model"] == f"{folder}/model.safetensors"
    assert "pinned" not in tokenizers.repaired_files("sample", "rqkmeans_2x8/repair-suffix")
    # a bundle has one table, and its IDs are out
    (folder / "items.parquet").touch()
    of_bundle = tokenizers.repaired_files("sample", "rqkmeans_2x8/repair-suffix")
    assert of_bundle["pinned"] == str(folder / "items.parquet")
    assert tokenizers.repaired_files("sample", "rqkmeans_2x8/repair-assign")["pinned"] == str(table)
    # a folder of results/ has the table of native codes there
    (folder / "codes").mkdir()
    assert "pinned" not in tokenizers.repaired_files("sample", "rqkmeans_2x8/repair-suffix")
    loaded = {"sample": {"source": "sample", "load": {"rqkmeans_2x8/repair-assign": "folder"}}}
    assert "load rqkmeans_2x8, whose folder brings its repaired codes" in refusal(datasets=loaded)


def test_a_job_gets_the_keys_of_evaluation_that_matter() -> None:
    keys = ("query", "decay", "history", "candidates", "resamples")
    datasets, _ = planned(evaluation={"candidates": ["exact", "probe"]})
    found = datasets.evaluation("sample", keys, searched="candidates")
    assert found.keys() == {"query", "candidates", "budgets", "resamples"}
    datasets, _ = planned(evaluation={"query": "decay", "candidates": ["prefix"]})
    found = datasets.evaluation("sample", keys, searched="candidates")
    assert found.keys() == {*keys, "min_candidates"}
    # whatever the candidates of tokenizers, categories are searched by strategies of their own
    datasets, _ = planned(evaluation={"candidates": ["exact"]})
    assert datasets.evaluation("sample", ("seed",), searched="categories").keys() == {"seed", "min_candidates"}
    assert datasets.evaluation("sample", ("seed",)).keys() == {"seed"}


def test_what_a_line_of_the_registry_says_is_a_parameter_and_what_it_names_is_code() -> None:
    datasets, _ = planned(evaluation={"candidates": ["hamming1", "probe"]})
    assert datasets.strategies("sample", "candidates") == [("hamming1", 2, ()), ("probe", 1, ("random",))]
    assert datasets.strategy_implementations("sample")[1:] == (
        "semid.retrieval.strategies.hamming1:find_hamming1",
        "semid.retrieval.strategies.probe:find_probe",
    )


def test_limits_and_what_is_not_used_are_no_settings_of_preprocessing() -> None:
    datasets, _ = planned(preprocess={"max_malformed": 0.5, "seed": 3})
    assert datasets.preprocess("sample").keys() == {"catalogue", "k_core", "repeats", "split", "ties"}
    assert datasets.max_malformed("sample") == "0.5"
    datasets, _ = planned(preprocess={"ties": "shuffle", "seed": 3})
    assert datasets.preprocess("sample")["seed"] == 3
    splits = {split: f"{split}.csv" for split in ("train", "valid", "test")}
    datasets, _ = planned(**table(splits=splits, timestamp_unit="seconds"))
    assert datasets.preprocess("mine").keys() == {"ties"}
    datasets, _ = planned(**table(items="items.csv"))
    assert not datasets.preprocess("mine")


def test_a_catalogue_that_is_not_named_is_that_of_the_source() -> None:
    interactions = {"interactions": "i.csv", "timestamp_unit": "seconds"}
    datasets, _ = planned()
    assert datasets.preprocess("sample")["catalogue"] == "core"
    datasets, _ = planned(**table(**interactions))
    assert datasets.preprocess("mine")["catalogue"] == "all"
    datasets, _ = planned(**table(**interactions), preprocess={"catalogue": "core"})
    assert datasets.preprocess("mine")["catalogue"] == "core"
    datasets, _ = planned(**table(**interactions, preprocess={"catalogue": "all"}), preprocess={"catalogue": "core"})
    assert datasets.preprocess("mine")["catalogue"] == "all"
    assert "preprocess: catalogue: 'some' is not one of" in refusal(preprocess={"catalogue": "some"})


def test_names_that_are_loaded_are_those_of_tokenizers() -> None:
    # vectors of one's own need no name where those of the tokenizer had none
    configured(**table(embeddings={"vectors": "x.npy", "ids": "x.txt"}, load={"vqvae_8": "folder"}))
    assert "not loaded but named under `external:`" in refusal(
        datasets={"sample": {"source": "sample", "load": {"external_a": "folder"}}}
    )
    for name, words in (
        ("random_2x16", "those of a grown catalogue stay what they were without being loaded"),
        ("category", "their numbers in a grown catalogue are others"),
    ):
        assert words in refusal(datasets={"sample": {"source": "sample", "load": {name: "folder"}}})
    for name in ("vqvae_0", "rqkmeens_2x16"):
        assert f"'{name}' is no tokenizer name" in refusal(
            datasets={"sample": {"source": "sample", "load": {name: "folder"}}}
        )


def test_vectors_alone_are_a_catalogue_without_evaluation() -> None:
    datasets, tokenizers = planned(**table(embeddings={"vectors": "x.npy", "ids": "x.txt"}))
    assert not datasets.is_evaluated("mine")
    rows = {"interactions_rows": [], "items_rows": []}
    assert datasets.read_files("mine") == {**rows, "raw_vectors": "x.npy", "raw_ids": "x.txt"}
    assert datasets.all_raw("mine") == ["x.npy", "x.txt"]
    assert datasets.split_files_if_any("mine") == []
    with pytest.raises(InputError, match="nothing to evaluate"):
        datasets.split_files("mine")
    with pytest.raises(InputError, match="none of the datasets mine has interactions"):
        tokenizers.evaluations("offline_eval.csv")


def test_each_part_of_a_raw_file_is_read_by_a_job_of_its_own() -> None:
    parts = ["part-2.csv", "part-10.csv"]
    datasets, _ = planned(**table(interactions=parts, items="items.csv", timestamp_unit="seconds"))
    read = [f"data/mine/interactions-0000{number}.parquet" for number in range(2)]
    assert datasets.read_files("mine") == {
        "interactions_rows": read,
        "items_rows": ["data/mine/items-00000.parquet"],
    }
    assert [datasets.raw_file("mine", "interactions", f"0000{n}") for n in range(2)] == [{"raw": one} for one in parts]


def test_two_addresses_that_are_the_same_path_are_two_files() -> None:
    addresses = ["s3://b/a//k.csv", "s3://b/a/k.csv"]
    datasets, _ = planned(**table(interactions=addresses, items="items.csv", timestamp_unit="seconds"))
    assert [datasets.raw_file("mine", "interactions", f"0000{n}")["raw"] for n in range(2)] == addresses


def test_files_of_splits_are_read_for_items_too() -> None:
    splits = {"test": "c.csv", "train": ["a.csv", "b.csv"], "valid": "c.csv"}
    datasets, _ = planned(**table(splits=splits, timestamp_unit="seconds"))
    for kind in ("interactions", "items"):
        read = [datasets.raw_file("mine", kind, f"0000{n}")["raw"] for n in range(4)]
        assert read == ["a.csv", "b.csv", "c.csv", "c.csv"]


def test_an_official_file_is_read_once_it_is_verified() -> None:
    datasets, _ = planned(datasets={"mine": {"source": "amazon2023", "category": ["All_Beauty", "Unknown"]}})
    path = "data/raw/mine/raw/meta_categories/meta_Unknown.jsonl"
    assert datasets.raw_file("mine", "items", "00001") == {"raw": path, "record": f"{path}.verified"}
    assert len(datasets.read_files("mine")["interactions_rows"]) == 2


def test_files_of_the_configuration_go_through_given() -> None:
    config = configured(**table(items="items.csv", external={"hand": {"codes": "codes.csv"}}))
    datasets = Datasets(config, SCHEMA, lambda path: f"<{path}>")
    assert datasets.all_raw("mine") == ["<items.csv>"]
    assert datasets.read_files("mine") == {"interactions_rows": [], "items_rows": ["data/mine/items-00000.parquet"]}
    assert datasets.raw_file("mine", "items", "00000") == {"raw": "<items.csv>"}
    with pytest.raises(InputError, match="dataset 'mine' has no raw file 00001 of items: the number of these is 1"):
        datasets.raw_file("mine", "items", "00001")
    tokenizers = Tokenizers(config, SCHEMA, datasets, lambda path: f"<{path}>")
    assert tokenizers.given_files("mine", "external_hand") == {"codes": "<codes.csv>"}
    assert tokenizers.encoded_with("mine", "external_hand") == {"sources": ["<codes.csv>"]}
    with pytest.raises(InputError, match="names no codes 'other' under `external:`; named: hand"):
        tokenizers.external("mine", "external_other")
    _, tokenizers = planned(**table(items="items.csv"))
    with pytest.raises(InputError, match="names no codes 'other' under `external:`; named: none"):
        tokenizers.external("mine", "external_other")


def test_codes_that_no_vectors_made_follow_from_name_and_options() -> None:
    _, tokenizers = planned(tokenizers={"category-wide": {"max_levels": 2}})
    assert tokenizers.given_arguments("random_3x64-s5") == {"num_levels": 3, "codebook_size": 64, "seed": 5}
    assert tokenizers.given_arguments("category") == {"max_levels": 4}
    assert tokenizers.given_arguments("category-wide") == {"max_levels": 2}
    with pytest.raises(InputError, match=r"defines no variant 'deep' of category .*; defined: category-wide"):
        tokenizers.given_arguments("category-deep")
    for name in ("random_3x64", "category"):
        assert tokenizers.method(name) is None
        assert tokenizers.given_files("sample", name) == {}
        assert tokenizers.encoded_with("sample", name) == {"sources": []}
        assert tokenizers.model_files("sample", name)["model"] == f"results/sample/{name}/model.safetensors"
        assert tokenizers.implementations(name) == ("semid.quantizers.external:ExternalCodes",)
    assert tokenizers.settings("sample", "random_3x64-s5")["random"]["seed"] == 5
    assert tokenizers.settings("sample", "category-wide") == {"category": {"max_levels": 2}}
    assert "tokenizers: category: max_levels: expected a whole number" in refusal(
        tokenizers={"category": {"max_levels": 0}}
    )
    assert "tokenizers: 'random': expected a method" in refusal(tokenizers={"random": {"seed": 1}})


def test_random_codes_take_the_seeds_of_the_run_and_categories_have_none() -> None:
    run = {"datasets": ["sample"], "tokenizers": ["random_2x8", "category"], "seeds": [0, 1]}
    _, tokenizers = planned(run=run)
    assert tokenizers.of_run() == ["random_2x8", "random_2x8-s1", "category"]


def test_seeds_multiply_names_without_one() -> None:
    run = {"datasets": ["sample"], "tokenizers": ["vqvae_8", "rqkmeans_2x8-s3"], "seeds": [0, 1]}
    _, tokenizers = planned(run=run)
    assert tokenizers.of_run() == ["vqvae_8", "vqvae_8-s1", "rqkmeans_2x8-s3"]


@pytest.mark.parametrize("name", ["rqkmeans_256", "rqkmeans_2x16-s0"])
def test_a_name_of_the_run_that_is_none_shows_the_grammar(name: str) -> None:
    _, tokenizers = planned(run={"datasets": ["sample"], "tokenizers": [name], "seeds": [0]})
    with pytest.raises(InputError, match=rf"'{name}' is no tokenizer name.* rqkmeans_LxK.* Seed 0 has no suffix"):
        tokenizers.of_run()


def test_an_unknown_dataset_is_named_with_those_there_are() -> None:
    datasets, _ = planned()
    with pytest.raises(InputError, match="dataset 'smaple' is not under `datasets:` in the config, which has sample"):
        datasets.options("smaple")
    datasets, _ = planned(run={"datasets": ["smaple"], "tokenizers": ["vqvae_8"], "seeds": [0]})
    with pytest.raises(InputError, match="dataset 'smaple' is not under"):
        datasets.evaluated()


def test_the_query_is_fitted_without_the_test_split() -> None:
    datasets, _ = planned(evaluation={"query": "fit"})
    assert datasets.query_split_files("sample") == ["data/sample/train.parquet", "data/sample/valid.parquet"]


def test_addresses_without_users_and_with_a_plugin_will_do() -> None:
    assert is_address("s3://bucket/items.parquet")
    assert not is_address("data/items.parquet")
    check_address("s3://bucket/items.parquet", is_readable=True)
    with pytest.raises(InputError, match="an address at host names a user") as raised:
        check_address("https://me:secret@host/items.csv", is_readable=True)
    assert "secret" not in str(raised.value)
    with pytest.raises(InputError, match=r"gopher://host/items\.csv: no storage plugin that is installed"):
        check_address("gopher://host/items.csv", is_readable=False)


# Names and keys


@pytest.mark.parametrize(
    "name",
    [
        "offline_eval.csv",
        "tokenizers.csv",
        "Tokenizers.CSV",
        "manifest.json",
        "collect_evaluations.log",
        "raw",
        "Raw",
        "bench",
        "",
        ".",
        "..",
        ".hidden",
        "-dash",
        "_under",
        "my shop",
        "a/b",
        "a\\b",
        "münchen",
        "店",
        "{x}",
        "shop\n",
        "a" * 20,
        "shop" + "-x" * 20,
        "a" * 101,
        "ab" * 5_000,
    ],
)
def test_names_that_can_be_no_folder_of_a_dataset_are_refused_with_what_can_be(name: str) -> None:
    said = refusal(datasets={name: {"source": "sample"}}, run={"datasets": ["sample"], "tokenizers": ["vqvae_8"]})
    assert "datasets: " in said
    assert "expected a name of letters, digits, _ . and -, at most 100" in said
    assert len(said) < 1_000


@pytest.mark.parametrize(
    "name", ["beauty.v2", "2014", "a" * 19, "ab-" * 19, "embeddings", "faiss", "x" * 19 + "y" * 19, "csv"]
)
def test_other_names_are_those_of_datasets(name: str) -> None:
    configured(datasets={name: {"source": "sample"}}, run={"datasets": [name], "tokenizers": ["vqvae_8"]})


def test_datasets_that_differ_in_case_alone_are_refused() -> None:
    datasets = {name: {"source": "sample"} for name in ("Beauty", "toys", "beauty")}
    assert "'Beauty' and 'beauty' differ in case alone" in refusal(datasets=datasets)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("datasets: {1: {source: sample}}", "datasets: the key 1 is no text but int"),
        ("datasets: {1.5: {source: sample}}", "datasets: the key 1.5 is no text but float"),
        ("datasets: {2020-01-02: {source: sample}}", "datasets: the key 2020-01-02 is no text but date"),
        ("datasets: {yes: {source: sample}}", "datasets: a key is yes, on or true without quotes"),
        ("datasets: {off: {source: sample}}", "datasets: a key is no, off or false without quotes"),
        ("datasets: {null: {source: sample}}", "datasets: a key is null, ~ or empty"),
        ("null: 1", "the config: a key is null"),
        ("1: null", "the config: the key 1 is no text"),
        ("tokenizers: {7: {}}", "tokenizers: the key 7 is no text"),
        ("tokenizers: {rqvae: {3: 4}}", "tokenizers: rqvae: the key 3 is no text"),
        ("datasets: {a: {source: table, columns: {1: x}}}", "datasets: a: columns: the key 1 is no text"),
        ("datasets: {a: {source: table, items: [{1: x}]}}", "datasets: a: items: 0: the key 1 is no text"),
    ],
)
def test_keys_that_yaml_reads_as_something_else_are_named(text: str, words: str) -> None:
    said = refusal(**yaml.safe_load(text)) if not text[0].isdigit() and text[:4] != "null" else None
    if said is None:
        with pytest.raises(InputError) as raised:
            prepare_config(yaml.safe_load(text), SCHEMA)
        said = str(raised.value)
    assert said.startswith(words)
    assert "write it in quotes" in said


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("datasets: &a {b: *a}", "datasets: b: a YAML alias"),
        ("run: {datasets: &a [*a]}", "run: datasets: 0: a YAML alias"),
        ("run: &a {datasets: [[*a]]}", "a YAML alias"),
        ("run: " + "[" * 30 + "]" * 30, "run: 0: 0: … is nested more than 20 levels deep"),
        ("run: " + "{a: " * 30 + "1" + "}" * 30, "run: a: a: … is nested more than 20 levels deep"),
        (
            "a: &a [1,1,1,1,1,1,1,1,1,1]\n"
            + "".join(
                f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n" for before, name in pairwise("abcdefghi")
            ),
            "aliases (*name) make more than 1,000,000 values",
        ),
    ],
)
def test_what_has_no_end_is_refused(text: str, words: str) -> None:
    with pytest.raises(InputError, match=re.escape(words)):
        prepare_config(yaml.safe_load(text), SCHEMA)


def test_values_are_shown_short() -> None:
    assert len(refusal(compute={"device": "x" * 100_000, "threads": list(range(100_000))})) < 3_000


def test_the_same_anchor_may_stand_in_two_places() -> None:
    config = yaml.safe_load("a: &a {k_core: 3, split: null}\nb: *a")
    changes = {"datasets": {name: {"source": "sample", "preprocess": config[name]} for name in ("a", "b")}}
    assert [configured(**changes)["datasets"][name]["preprocess"] for name in ("a", "b")] == [{"k_core": 3}] * 2


@pytest.mark.parametrize(
    "tokenizer", ["external_" + "a" * 30, "rqvae_4x256-" + "ab" * 20, "vqvae_" + "1" * 30, "vqvae_" + "12" * 3_000]
)
def test_names_of_tokenizers_that_snakemake_takes_for_circles_or_that_are_too_long_are_refused(tokenizer: str) -> None:
    _, tokenizers = planned(run={"datasets": ["sample"], "tokenizers": [tokenizer]})
    with pytest.raises(InputError, match="is no name of a tokenizer: ") as raised:
        tokenizers.of_run()
    assert len(str(raised.value)) < 300


FLAT = {"enabled": True}


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        ([{"faiss": {"normalize": False}}, {"faiss": False}], {"normalize": False, "enabled": False}),
        (
            [{"faiss": {"normalize": False, "enabled": True}}, {}, {"faiss": False}],
            {"normalize": False, "enabled": False},
        ),
        ([{"faiss": FLAT}, {"faiss": False}, {"faiss": {"normalize": False}}], {"normalize": False, "enabled": False}),
        ([{"faiss": False}, {"faiss": {"enabled": True}}], {"enabled": True}),
        (
            [{"faiss": {"factory": "SQfp16"}}, {"faiss": None}, {"faiss": False}],
            {"factory": "SQfp16", "enabled": False},
        ),
        ([{"faiss": False}], {"enabled": False}),
        ([{"faiss": {"normalize": False}}, {"faiss": "false"}], {"normalize": False, "enabled": False}),
        ([{"faiss": FLAT}, {"faiss": {"normalize": False}}], "as it was"),
        ([{"faiss": FLAT}, {"faiss": True}, {"faiss": False}], "as it was"),
        ([{}], "as it was"),
    ],
)
def test_search_is_switched_off_and_the_rest_stays(layers: list[dict[str, Any]], expected: Any) -> None:
    config = {"faiss": "as it was"}
    with_search_switched_off(config, layers)
    assert config["faiss"] == expected


def test_search_that_is_switched_off_still_compares_as_it_did() -> None:
    config = configured(faiss={"normalize": False, "enabled": False})
    assert Datasets(config, SCHEMA).faiss["normalize"] is False


@pytest.mark.parametrize(
    "folder",
    ["results", "data", "results/beauty", "results/beauty.v2", "results/beauty/rqkmeans_4x256", "results/beauty/faiss",
     "results/beauty/rqvae_3x8-s1", "data/beauty", "data/raw", "data/raw/beauty", "results/beauty/vqvae_8/codes",
     "results/beauty/sasrec", "results/beauty/vqvae_8/generator-small-s1",
     "results/beauty/vqvae_8/generator/checkpoint", "results/beauty/vqvae_8/repair-suffix",
     "results/beauty/vqvae_8/repair-suffix/codes", "results/beauty/vqvae_8/repair-suffix/generator/checkpoint"],
)  # fmt: skip
def test_folders_are_told_from_files_and_answered_with_what_can_be_asked_for(folder: str) -> None:
    assert re.fullmatch(FOLDERS, folder)
    with pytest.raises(InputError) as raised:
        folder_refusal(folder, ["beauty", "toys"])
    said = str(raised.value)
    assert said.startswith(f"'{folder}' is a folder")
    assert "<dataset> is one of beauty, toys" in said
    assert "<method>_<size>[-<variant>][-s<seed>]" in said
    assert "\n" not in said


@pytest.mark.parametrize(
    "file",
    ["results/offline_eval.csv", "results/offline_evla.csv", "results/manifest.json", "results/b/query.json",
     "results/b/vqvae_8/items.parquet", "results/b/vqvae_8/codes/part-00000-of-00001.npy", "data/b/items.parquet",
     "data/model/LICENSE", "data/downloads/purchases", "data/ml.inter", "data/raw/ml.item", "data/X.CSV", "data/a.b",
     "data/raw/b/reviews.jsonl.gz", "logs/b", "elsewhere",
     "results/b/faiss/index.faiss", "results/b/vqvae_8/codebook.md",
     "results/b/vqvae_8/generator/ranks.parquet", "results/b/vqvae_8/generative_eval.csv",
     "results/b/vqvae_8/repair-suffix/repair.json", "results/b/vqvae_8/repair.json"],
)  # fmt: skip
def test_files_are_no_folders(file: str) -> None:
    assert not re.fullmatch(FOLDERS, file)


# Columns of the items as text


def test_preprocessing_keeps_the_columns_that_the_text_names_whatever_its_words() -> None:
    texts = ["{title} {price} {features}", "{features}; {price}: {title}"]
    found = [planned(embeddings={"model": "hashing", "text": text})[0].preprocess("sample") for text in texts]
    assert found[0]["text_columns"] == ["features", "price"]
    assert found[0] == found[1]
    assert "text_columns" not in planned(embeddings={"model": "hashing", "text": "{title} {store}"})[0].preprocess(
        "sample"
    )
    own = {"embeddings": {"vectors": "x.npy", "ids": "x.txt"}}
    datasets, _ = planned(**table(items="x.csv", **own), embeddings={"model": "hashing", "text": "{title} {price}"})
    assert "text_columns" not in datasets.preprocess("mine")


def test_a_template_that_is_none_is_refused_with_its_dataset() -> None:
    datasets, _ = planned(embeddings={"model": "hashing", "text": "{title:>3}"})
    with pytest.raises(InputError, match=r"^dataset 'sample': text template '\{title:>3\}': "):
        datasets.preprocess("sample")
