"""The files that are not run by a test of their own: citation, catalogue, workflows, hooks, templates, the image."""

import json
import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from semid import __version__
from semid.settings.schema import config_schema

ROOT = Path(__file__).resolve().parents[2]
GITHUB = ROOT / ".github"
FORMS = sorted(path for path in (GITHUB / "ISSUE_TEMPLATE").glob("*.yml") if path.name != "config.yml")
PAGES = ("CONTRIBUTING.md", "config/README.md", ".github/pull_request_template.md")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def read(path: str | Path) -> Any:
    return yaml.safe_load((ROOT / path).read_text(encoding="utf-8"))


def test_the_citation_is_of_this_version() -> None:
    citation = read("CITATION.cff")
    assert citation["cff-version"] == "1.2.0"
    assert citation["version"] == __version__
    assert citation["license"] == PROJECT["project"]["license"]
    # no persons are named: the holders of the licence are
    assert [set(author) for author in citation["authors"]] == [{"name"}]
    assert citation["authors"][0]["name"] in (ROOT / "LICENSE").read_text()
    assert {"message", "title", "type", "keywords"} <= set(citation)


def test_the_catalogue_finds_what_it_shows() -> None:
    usage = read(".snakemake-workflow-catalog.yml")["usage"]
    assert set(usage) == {"mandatory-flags", "software-stack-deployment"}
    deployment = usage["software-stack-deployment"]
    assert set(deployment) == {"conda", "apptainer", "apptainer+conda", "report"}
    assert all(isinstance(value, bool) for value in deployment.values())
    # as long as no image is named by default
    image = config_schema()["properties"]["compute"]["properties"]["container"]
    assert deployment["apptainer"] is ("default" in image)
    assert (ROOT / "config" / "README.md").is_file()


def test_the_sections_that_the_catalogue_explains_are_all_sections() -> None:
    page = (ROOT / "config" / "README.md").read_text(encoding="utf-8")
    explained = {
        name for cell in re.findall(r"^\| (`.*?`) \|", page, re.MULTILINE) for name in re.findall(r"`(\w+)`", cell)
    }
    assert explained == set(config_schema()["properties"])
    for name in ("sweep.yaml", "generative.yaml", "scale.yaml"):
        assert f"({name})" in page


@pytest.mark.parametrize("page", PAGES)
def test_pages_link_to_what_is_there(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link]
    assert links
    for link in links:
        name, _, anchor = link.partition("#")
        target = (ROOT / page).parent / name
        assert target.exists(), link
        if anchor:
            headings = re.findall(r"^#+ (.*)$", target.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}, link


def test_contributors_learn_how_to_add_each_kind_of_thing() -> None:
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    kinds = re.findall(
        r"^## (An? .*)$", (ROOT / "docs/reference/extending.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert {"A method", "A candidate strategy", "A source", "An export format", "A metric"} <= set(kinds)
    for kind in kinds:
        assert f"docs/reference/extending.md#{kind.lower().replace(' ', '-')}" in page


def test_the_gate_runs_on_pushes_and_pull_requests() -> None:
    workflow = read(".github/workflows/ci.yml")
    # YAML reads `on` as true
    assert set(workflow[True]) == {"push", "pull_request"}
    (job,) = workflow["jobs"].values()
    assert [step["run"] for step in job["steps"] if step.get("run", "").startswith(".ci/")] == [".ci/run"]
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o111
    assert workflow["permissions"] == {"contents": "read"}
    supported = [line for line in PROJECT["project"]["classifiers"] if "Python" in line]
    assert supported
    # the Makefile takes 3.11 and 3.12
    assert job["strategy"]["matrix"]["python"] == ["3.11", "3.12"]


@pytest.mark.parametrize("path", sorted((GITHUB / "workflows").glob("*.yml")), ids=lambda path: path.name)
def test_actions_have_a_version(path: Path) -> None:
    steps = [step for job in read(path)["jobs"].values() for step in job["steps"]]
    used = [step["uses"] for step in steps if "uses" in step]
    assert used
    assert all(re.fullmatch(r"[\w-]+/[\w-]+@v\d+", action) for action in used)


@pytest.mark.parametrize("form", FORMS, ids=lambda path: path.stem)
def test_issues_ask_for_what_semid_doctor_says(form: Path) -> None:
    content = read(form)
    fields = [field for field in content["body"] if field["type"] != "markdown"]
    assert {"name", "description", "body"} <= set(content)
    assert len({field["id"] for field in fields}) == len(fields)
    assert any("`semid doctor`" in field["attributes"]["label"] for field in fields)


def test_a_bug_report_needs_it() -> None:
    fields = {field.get("id"): field for field in read(GITHUB / "ISSUE_TEMPLATE" / "bug.yml")["body"]}
    assert fields["doctor"]["validations"]["required"] is True


def test_hooks_call_tools_that_are_pinned() -> None:
    (repository,) = read(".pre-commit-config.yaml")["repos"]
    assert repository["repo"] == "local"
    pinned = {line.split("==")[0].lower() for line in (ROOT / "requirements.txt").read_text().splitlines()}
    packages = {"python": "mypy", "lint-imports": "import-linter"}
    for hook in repository["hooks"]:
        folder, _, tool = shlex.split(hook["entry"])[0].rpartition("/")
        assert (hook["language"], folder) == ("system", ".venv/bin")
        assert packages.get(tool, tool) in pinned


def instructions() -> list[tuple[str, str]]:
    """The instructions of the Dockerfile: a word and what follows it, continued lines joined."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in lines)]


def test_the_image_installs_pinned_versions_and_is_not_run_by_root() -> None:
    found = instructions()
    assert {rest.split()[0] for word, rest in found if word == "FROM"} == {"python:3.11-slim-bookworm"}
    installs = [rest for word, rest in found if word == "RUN" and "pip install" in rest]
    assert installs
    for command in installs:
        assert re.search(r"--constraint \S*requirements\.txt", command), command
    (extras,) = re.findall(r"semid\[([\w,]+)\]", " ".join(installs))
    assert set(extras.split(",")) == set(PROJECT["project"]["optional-dependencies"]) - {"bench", "docs", "test"}
    users = [rest for word, rest in found if word == "USER"]
    assert users
    assert users[-1] not in ("root", "0")
    assert json.loads(dict(found)["ENTRYPOINT"]) == ["semid"]


def test_the_image_is_built_from_what_the_package_is_made_of() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    allowed = {line.removeprefix("!") for line in lines if line.startswith("!")}
    wheel = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]
    needed = {*wheel["packages"], *wheel["force-include"], "README.md", "LICENSE", "pyproject.toml", "requirements.txt"}
    assert allowed == needed
    assert "*" in lines
    assert all((ROOT / name).exists() for name in allowed)
