"""Forks that call snakemake for the tests say and end as processes that have just imported it."""

import re
from pathlib import Path

import pytest
from snake import TINY, Run, call_snakemake, overlay, start_snakemake


def words(text: str) -> list[str]:
    """What snakemake said, sets in any order, without times and the names of the run and of temporary files."""
    return sorted(re.split(r"[\s,]+", re.sub(r"Workflow ID: .*|tmp\w+|\d+", "", text)))


@pytest.mark.parametrize("target", ["results/offline_eval.csv", "results/no_such.csv"])
def test_a_fork_says_and_ends_as_a_process_of_its_own(target: str, tiny_run: tuple[Path, Run], tmp_path: Path) -> None:
    directory, _ = tiny_run
    change = overlay(tmp_path / "change.yaml", {"evaluation": {"seed": 1}})
    arguments = ["-n", "--configfile", TINY, change, "--", target]
    process = start_snakemake(directory, *arguments)
    succeeded = process.wait(600) == 0
    fork = call_snakemake(directory, *arguments)
    assert fork.ok == succeeded == (target == "results/offline_eval.csv")
    assert words(fork.text) == words((directory / "said.txt").read_text(encoding="utf-8"))


def test_forks_know_nothing_of_each_other(tiny_run: tuple[Path, Run], monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = ("-n", "--configfile", TINY, "--", "results/offline_eval.csv")
    monkeypatch.setenv("SNAKEMAKE_PROFILE", "no/such/profile")
    assert not call_snakemake(tiny_run[0], *arguments).ok
    monkeypatch.delenv("SNAKEMAKE_PROFILE")
    assert call_snakemake(tiny_run[0], *arguments).ok
