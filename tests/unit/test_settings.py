"""What is generated from the declarations of options, and the configuration that comes with the project."""

import json
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

from semid.checks import options_of
from semid.methods import METHODS
from semid.settings.__main__ import generated_files
from semid.settings.documentation import BEGIN, END, with_generated
from semid.settings.schema import OF_NAME, config_schema

ROOT = Path(__file__).resolve().parents[2]
GENERATED = generated_files(ROOT)


@pytest.mark.parametrize("path", GENERATED, ids=lambda path: path.name)
def test_what_is_generated_is_up_to_date(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == GENERATED[path], "run python -m semid.settings"


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(config_schema())


def test_the_configuration_that_comes_with_the_project_is_short_and_names_its_schema() -> None:
    lines = (ROOT / "config.yaml").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "# yaml-language-server: $schema=schemas/config.schema.json"
    assert len(lines) <= 80
    assert len((ROOT / "rules/common.smk").read_text(encoding="utf-8").splitlines()) <= 120


@pytest.mark.parametrize("name", ["config.yaml", "config/scale.yaml", "config/sweep.yaml"])
def test_every_configuration_of_the_project_fits_the_schema(name: str) -> None:
    given = yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))
    Draft202012Validator(config_schema()).validate(given)


def test_every_option_of_every_method_is_in_the_schema_and_on_the_page() -> None:
    schema, page = config_schema(), (ROOT / "docs/reference/configuration.md").read_text(encoding="utf-8")
    for name, method in METHODS.items():
        options = [option for option in options_of(method.load()) if option.name not in OF_NAME]
        assert {option.name for option in options} <= schema["$defs"][name]["properties"].keys()
        of_method = page.partition(f"### {name}\n")[2].partition("\n### ")[0]
        for option in options:
            assert f"| `{option.name}` |" in of_method


def test_a_default_stands_once_and_changes_have_none() -> None:
    schema = config_schema()
    assert schema["$defs"]["rqvae"]["properties"]["epochs"]["default"] == 30
    assert all("default" not in option for option in schema["$defs"]["rqvae_changes"]["properties"].values())
    assert json.loads(json.dumps(schema)) == schema


def test_a_page_keeps_what_is_not_generated() -> None:
    page = f"before\n{BEGIN}\nold\n{END}\nafter\n"
    assert with_generated(page, "new") == f"before\n{BEGIN}\n\nnew\n{END}\nafter\n"
    with pytest.raises(ValueError, match="has no lines"):
        with_generated("nothing", "new")
