"""What the configuration says of generators: options, files and targets."""

import copy
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml

from semid.errors import InputError
from semid.generative.settings import OF_CODES, GeneratorSettings
from semid.planning import Datasets, Generators, Tokenizers, prepare_config, read_schema

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = read_schema(ROOT / "schemas/config.schema.json")


def planned(**changes: Any) -> Generators:
    config = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8")) | copy.deepcopy(changes)
    prepare_config(config, SCHEMA)
    datasets = Datasets(config, SCHEMA)
    return Generators(config, SCHEMA, datasets, Tokenizers(config, SCHEMA, datasets))


def run(*generators: str, **keys: Any) -> dict[str, Any]:
    return {"datasets": ["sample"], "tokenizers": ["vqvae_8"], "generators": list(generators), **keys}


def test_options_of_family_variant_and_full_name_overrule_each_other_in_turn() -> None:
    generators = planned(
        generators={"generator": {"dim": 64, "epochs": 5}, "generator-a": {"epochs": 6}, "generator-a-s1": {"dim": 32}}
    )
    chosen = [generators.options(name) for name in ("generator", "generator-a", "generator-a-s1", "generator-s1")]
    assert [(options["dim"], options["epochs"]) for options in chosen] == [(64, 5), (64, 6), (32, 6), (64, 5)]
    assert chosen[0]["layers"] == GeneratorSettings().layers


def test_arguments_are_those_of_the_settings_and_the_name_says_the_seed() -> None:
    generators = planned()
    for name in ("generator", "generator-small-s3", "sasrec", "sasrec-content-s3"):
        arguments = generators.arguments(name)
        settings = GeneratorSettings(**arguments, **generators.search_arguments(name))
        assert settings.seed == (3 if name.endswith("s3") else 0)
    assert generators.search_arguments("generator") == {"beam": 50, "beam_limit": "as_given"}
    assert generators.search_arguments("sasrec") == {}
    names = {field.name for field in fields(GeneratorSettings)}
    assert names == generators.arguments("generator").keys() | generators.search_arguments("generator").keys()
    assert names - generators.arguments("sasrec").keys() == set(OF_CODES) - {"code_weight"}


@pytest.mark.parametrize("items", ["free+codes", "codes+content", "codes", "free", "free-content"])
@pytest.mark.parametrize("code_heads", ["search", "random"])
def test_planning_and_the_settings_agree_on_what_needs_embeddings(items: str, code_heads: str) -> None:
    options = {"items": items, "code_heads": code_heads, "code_weight": float("codes" in items)}
    generators = planned(generators={"generator": options})
    settings = GeneratorSettings(**generators.arguments("generator"))
    assert generators.needs_vectors("generator") == settings.needs_vectors


def test_sasrec_knows_no_codes() -> None:
    generators = planned()
    assert (generators.options("sasrec")["items"], generators.options("sasrec")["code_weight"]) == ("free", 0)
    assert generators.options("sasrec-content")["items"] == "free-content"


def test_a_search_option_changes_no_argument_of_training() -> None:
    other = planned(generators={"generator": {"beam": 100, "beam_limit": "exact"}})
    assert other.arguments("generator") == planned().arguments("generator")
    assert other.search_arguments("generator") == {"beam": 100, "beam_limit": "exact"}


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ({"generator": {"seed": 1}}, "'seed' was unexpected"),
        ({"sasrec": {"beam": 1}}, "'beam' was unexpected"),
        ({"sasrec": {"code_weight": 1}}, "'code_weight' was unexpected"),
        ({"sasrec": {"items": "codes"}}, "generators: sasrec: items: expected free or free-content, found 'codes'"),
        ({"generator-small": {"epochs": 0}}, "epochs: expected a whole number of at least 1, found 0"),
        ({"generators": {}}, "generators: 'generators': expected generator or sasrec"),
        ({"generator-s0": {}}, "generators: 'generator-s0': expected generator or sasrec"),
    ],
)
def test_a_fault_of_the_section_is_named(section: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError) as raised:
        planned(generators=section)
    assert words in str(raised.value)


def test_an_undefined_variant_names_those_that_are_defined() -> None:
    with pytest.raises(InputError, match=r"no variant 'smal' of generator .* defined: generator-small$"):
        planned().options("generator-smal")


def test_only_what_the_model_needs_is_an_input() -> None:
    generators = planned(generators={"generator-ids": {"items": "codes", "code_heads": "random"}})
    files = generators.training_files("sample", "vqvae_8", "generator")
    assert files["splits"] == ["data/sample/train.parquet", "data/sample/valid.parquet"]
    assert files["tokenizer"] == "results/sample/vqvae_8/model.safetensors"
    assert files["manifest"] == "results/sample/embeddings/manifest.json"
    assert "manifest" not in generators.training_files("sample", "vqvae_8", "generator-ids")
    assert generators.training_files("sample", "", "sasrec").keys() == {"splits", "catalogue"}
    assert "manifest" in planned().training_files("sample", "", "sasrec-content")
    assert generators.evaluated_files("sample", "", "sasrec")["splits"][-1] == "data/sample/test.parquet"


@pytest.mark.parametrize(
    ("tokenizer", "generator", "words"),
    [
        ("vqvae_8", "sasrec", "'sasrec' knows no IDs: ask for results/sample/sasrec/, without vqvae_8"),
        ("", "generator", "ask for results/sample/<tokenizer>/generator/"),
        ("vqvae_8", "generatr", "'generatr' is no generator name"),
        ("vqvae8", "generator", "'vqvae8' is no tokenizer name"),
    ],
)
def test_a_wrong_place_is_named(tokenizer: str, generator: str, words: str) -> None:
    with pytest.raises(InputError) as raised:
        planned().training_files("sample", tokenizer, generator)
    assert words in str(raised.value)


def test_a_run_has_generators_once_a_tokenizer_and_sasrec_once_a_dataset() -> None:
    generators = planned(run=run("generator", "sasrec", "generator-small-s1", seeds=[0, 1]))
    assert generators.of_run() == [
        *("vqvae_8/generator", "vqvae_8-s1/generator", "sasrec"),
        *("vqvae_8/generator-small-s1", "vqvae_8-s1/generator-small-s1"),
    ]
    assert generators.per_generator("ranks.parquet")[2] == "results/sample/sasrec/ranks.parquet"


def test_a_dataset_may_be_called_like_a_generator() -> None:
    datasets = {"sasrec": {"source": "sample"}}
    generators = planned(datasets=datasets, run=run("sasrec", datasets=["sasrec"]))
    assert generators.per_generator("training.csv") == ["results/sasrec/sasrec/training.csv"]


def test_without_generators_there_is_nothing_to_collect() -> None:
    generators = planned()
    assert not generators.is_run()
    with pytest.raises(InputError, match="run: there are no generators, so there is nothing to collect"):
        generators.per_generator("generative_eval.csv")


def test_without_interactions_there_is_nobody_to_train_on() -> None:
    items = {"mine": {"source": "table", "items": "x.csv"}}
    generators = planned(datasets=items, run=run("sasrec", datasets=["mine"]))
    assert not generators.is_run()
    with pytest.raises(InputError, match="no dataset with interactions"):
        generators.per_generator("generative_eval.csv")
    with pytest.raises(InputError, match="dataset 'mine' has no interactions"):
        generators.training_files("mine", "", "sasrec")
