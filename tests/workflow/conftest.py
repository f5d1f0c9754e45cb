"""One run of the whole workflow, shared by the tests."""

from pathlib import Path

import pytest
from snake import TINY, Run, call_snakemake


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Run]:
    """The working directory of a whole run of tiny.yaml, and what it said. Tests may read it and dry-run in it."""
    directory = tmp_path_factory.mktemp("tiny")
    return directory, call_snakemake(directory, "--configfile", TINY, "--", "results/offline_eval.csv")
