"""Commands and snippets of the README, the start page and the tutorials do what the pages say, in an empty folder.

A block that is not run has a line `<!-- not run: why -->` before it.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
from snake import ROOT

README, START, CATALOGUE = ROOT / "README.md", ROOT / "docs/index.md", ROOT / "docs/tutorials/catalogue.md"
TUTORIALS = sorted((ROOT / "docs/tutorials").glob("*.md"))
BLOCK = re.compile(
    r"(?:^<!-- not run: (?P<reason>[^\n]+) -->\n)?^```(?P<language>python|bash)\n(?P<code>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)


class Block(NamedTuple):
    """A block of a page; reason: why it is not run, where it is not."""

    language: str
    code: str
    reason: str | None


def blocks_of(page: Path) -> list[Block]:
    """The blocks of Python and bash of a page, in their order."""
    found = BLOCK.finditer(page.read_text(encoding="utf-8"))
    return [Block(block["language"], block["code"], block["reason"]) for block in found]


def run_block(block: Block, folder: Path) -> str:
    """Run a block in a folder, with the commands of this Python, and return what it said."""
    programs = {"python": [sys.executable, "-c"], "bash": ["bash", "-euo", "pipefail", "-c"]}
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "HF_HUB_OFFLINE": "1",
    }
    run = subprocess.run(
        [*programs[block.language], block.code],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert run.returncode == 0, f"{block.code}\n{run.stdout}"
    return run.stdout


def run_page(page: Path, folder: Path) -> dict[str, str]:
    """Run the blocks of a page in their order, and return what each said, by its code."""
    return {block.code: run_block(block, folder) for block in blocks_of(page) if block.reason is None}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """The folder of the tutorial of a catalogue after its last block, and what its blocks said."""
    folder = tmp_path_factory.mktemp("shop")
    return folder, run_page(CATALOGUE, folder)


def test_pages_have_what_is_run() -> None:
    for page in (README, *TUTORIALS):
        blocks = blocks_of(page)
        # a fence of another form would be passed over
        marks = re.findall(r"^```(?:python|bash|py|sh|console)\b", page.read_text(encoding="utf-8"), re.MULTILINE)
        assert len(marks) == len(blocks), page
        assert page.name == "index.md" or any(block.reason is None for block in blocks), page


@pytest.mark.parametrize(
    "page", [page for page in (START, *TUTORIALS) if page != CATALOGUE], ids=lambda page: page.stem
)
def test_a_page_can_be_followed_in_an_empty_folder(page: Path, tmp_path: Path) -> None:
    run_page(page, tmp_path)


def test_a_catalogue_becomes_a_table(shop: tuple[Path, dict[str, str]]) -> None:
    folder, said = shop
    ranked = next(words for code, words in said.items() if "DictReader" in code).splitlines()
    assert {line.split()[0] for line in ranked} == {"rqkmeans_4x256", "rqvae_4x256", "vqvae_256"}
    for name in ("offline_eval.csv", "tokenizers.csv", "report.html", "catalogue/rqkmeans_4x256/codebook.md"):
        assert (folder / "results" / name).stat().st_size, name


def test_the_readme_can_be_followed(shop: tuple[Path, dict[str, str]], tmp_path: Path) -> None:
    # what the tutorial has made of the same files is not made again
    folder = tmp_path / "work"
    shutil.copytree(shop[0], folder)
    for name in ("catalogue.yaml", "results/report.html"):
        (folder / name).unlink()
    said = run_page(README, folder)
    assert (folder / "results/report.html").is_file()
    catalogue = next(words for code, words in said.items() if "semid init" in code)
    assert "results/offline_eval.csv" in catalogue
