"""The conda environments and the requirements hold what the tests run with."""

import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml
from alone import ON_PYPI, rules_of, scripts_of_environments
from packaging.specifiers import SpecifierSet
from rattler import BuildString, MatchSpec, PackageRecord

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENTS = sorted((ROOT / "envs").glob("*.yaml"))


def specs(environment: Path) -> dict[str, str]:
    """Conda package names and pinned versions; pip alone, which is no part of what runs, has none."""
    content = yaml.safe_load(environment.read_text())
    assert content["channels"] == ["conda-forge", "nodefaults"]
    entries = [entry for entry in content["dependencies"] if isinstance(entry, str)]
    assert all("=" in entry for entry in entries if entry != "pip"), entries
    return dict(entry.split("=", 1) for entry in entries if entry != "pip")


@pytest.mark.parametrize("environment", ENVIRONMENTS, ids=lambda path: path.stem)
def test_environments_pin_what_the_tests_run_with(environment: Path) -> None:
    for name, pin in specs(environment).items():
        MatchSpec(f"{name}={pin}", strict=True)
        running = (
            f"{sys.version_info.major}.{sys.version_info.minor}"
            if name == "python"
            else version(ON_PYPI.get(name, name))
        )
        if name == "python" and running == "3.12":
            continue  # the environments pin one of the two Pythons that the requirements support
        assert pin == running.split("+")[0], name
    for entry in yaml.safe_load(environment.read_text())["dependencies"]:
        for requirement in entry["pip"] if isinstance(entry, dict) else []:
            name, pin = requirement.split("==")
            assert pin == version(name)


@pytest.mark.parametrize("environment", ENVIRONMENTS, ids=lambda path: path.stem)
def test_environments_exclude_numpy_2(environment: Path) -> None:
    spec = MatchSpec(f"numpy={specs(environment)['numpy']}", strict=True)
    records = {
        number: PackageRecord(name="numpy", version=number, build=BuildString("0"), build_number=0, subdir="linux-64")
        for number in ("1.26.4", "2.0.0", "2.4.5")
    }
    assert {number for number, record in records.items() if spec.matches(record)} == {"1.26.4"}


def test_environments_have_one_python_that_the_project_supports() -> None:
    pins = {specs(environment)["python"] for environment in ENVIRONMENTS}
    assert len(pins) == 1
    supported = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
    assert SpecifierSet(supported).contains(f"{pins.pop()}.0")


def test_every_rule_that_runs_something_names_an_environment_log_and_script() -> None:
    for path in (ROOT / "rules").glob("*.smk"):
        for rule in rules_of(path):
            assert "log:" in rule, rule.splitlines()[0]
    named = {script for scripts in scripts_of_environments().values() for script in scripts}
    assert named == {path.name for path in (ROOT / "workflow_scripts").glob("*.py")}


def test_requirements_are_what_is_installed() -> None:
    pins = dict(
        line.split("==") for line in (ROOT / "requirements.txt").read_text().splitlines() if not line.startswith("#")
    )
    assert {name: version(name).split("+")[0] for name in pins} == pins
    assert int(pins["numpy"].split(".")[0]) < 2
