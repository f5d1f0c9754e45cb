"""Jobs in the image that the configuration names.

Apptainer is no package of Debian: a command of its name runs the jobs here, and notes how it was called.
"""

import os
import sys
from pathlib import Path

import pytest
from snake import TINY, call_snakemake, overlay

ITEMS = "data/tiny/items.parquet"
# it takes the command of the job from its last three words: the shell, -c and the text
APPTAINER = """#!/bin/bash
if [ "$1" = --version ]; then echo apptainer version 1.3.6; exit; fi
printf '%s\\n' "$*" >> "${0%/*}/calls"
exec "${@: -3}"
"""


@pytest.fixture
def apptainer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A command `apptainer`, first in PATH; returns the file of its calls."""
    folder = tmp_path / "bin"
    folder.mkdir()
    command = folder / "apptainer"
    command.write_text(APPTAINER)
    command.chmod(0o755)
    # `python` of the image is that of the tests
    monkeypatch.setenv("PATH", os.pathsep.join([str(folder), str(Path(sys.executable).parent), os.environ["PATH"]]))
    return folder / "calls"


def config(folder: Path, image: str | None) -> tuple[str, Path, Path]:
    return "--configfile", TINY, overlay(folder / "image.yaml", {"compute": {"container": image}})


def test_jobs_run_in_the_image_that_is_named(tmp_path: Path, apptainer: Path) -> None:
    directory = tmp_path / "work"
    directory.mkdir()
    (directory / "semid.sif").touch()
    named = config(tmp_path, "semid.sif")
    plain = call_snakemake(directory, "-n", *named, "--", ITEMS)
    assert plain.ok, plain.text
    assert not apptainer.exists()

    run = call_snakemake(directory, "--sdm", "apptainer", *named, "--", ITEMS)
    assert run.ok, run.text
    calls = apptainer.read_text().splitlines()
    assert len(calls) == sum(count for rule, count in run.rules.items() if rule != "all")
    for call in calls:
        assert call.startswith("exec ")
        assert " semid.sif " in call
        assert str(directory) in call
    assert (directory / ITEMS).is_file()

    again = call_snakemake(directory, "-n", "--sdm", "apptainer", *named, "--", ITEMS)
    assert again.finds_all_made, again.text


def test_an_image_elsewhere_is_pulled(tmp_path: Path, apptainer: Path) -> None:
    named = config(tmp_path, "oras://registry.example.org/semid:0.1.0")
    run = call_snakemake(tmp_path, "-n", "--sdm", "apptainer", *named, "--", ITEMS)
    assert run.ok, run.text
    assert "Singularity image oras://registry.example.org/semid:0.1.0 will be pulled." in run.text


@pytest.mark.parametrize(
    ("image", "said"),
    [
        (None, "--sdm apptainer needs an image under `compute: container`, and none is named"),
        ("semid.sif", "compute: container: semid.sif does not exist"),
    ],
)
def test_containers_without_an_image_are_refused(image: str | None, said: str, tmp_path: Path, apptainer: Path) -> None:
    run = call_snakemake(tmp_path, "-n", "--sdm", "apptainer", *config(tmp_path, image), "--", ITEMS)
    assert not run.ok
    assert said in run.text
    assert "Traceback" not in run.text
    page = Path(__file__).parents[2] / "docs/guides/troubleshooting.md"
    assert said in page.read_text(encoding="utf-8")


@pytest.mark.parametrize("image", ["two words", "semid_{dataset}.sif", ""])
def test_what_is_no_image_is_named(image: str, tmp_path: Path) -> None:
    run = call_snakemake(tmp_path, "-n", *config(tmp_path, image), "--", ITEMS)
    assert not run.ok
    assert "compute: container: expected an image, without spaces and braces" in run.text
