"""The pages of the documentation: links lead somewhere, columns are explained, and what is generated is up to date."""

import re
from pathlib import Path

import pytest

from bench.readme import COLUMNS, markdown_table, pages, rows_of_run
from semid.analysis.comparisons import COMPARISON_COLUMNS
from semid.analysis.pareto import PARETO_COLUMNS
from semid.analysis.proxies import PROXY_COLUMNS
from semid.analysis.slices import SLICE_COLUMNS
from semid.errors import InputError
from semid.evaluation.table import TABLE_COLUMNS
from semid.scorecard import SCORECARD_COLUMNS

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    path
    for pattern in ("*.md", "config/*.md", "data/*.md", "docs/**/*.md", "profiles/*.md", "results/README.md")
    for path in ROOT.glob(pattern)
)
LINK = re.compile(r"\]\((?!\w+:)([^)#\s]*)(?:#([^)\s]+))?\)")
FILES = re.sub(
    r"^```.*?^```", "", (ROOT / "docs/reference/files.md").read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE
)


def prose(page: Path) -> str:
    """A page without its blocks of code."""
    return re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


def anchors(page: Path) -> set[str]:
    """The anchors of the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files_and_headings(page: Path) -> None:
    for path, anchor in LINK.findall(prose(page)):
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{path} of {page}"
        assert not anchor or anchor in anchors(target), f"{path}#{anchor} of {page}"


def test_files_that_are_named_in_the_code_are_there() -> None:
    for folder in ("semid", "rules", "config", "bench", "profiles", "schemas"):
        for path in (ROOT / folder).rglob("*"):
            if path.suffix in {".py", ".smk", ".yaml", ".json"}:
                for name in re.findall(r"docs/[\w/-]+\.md", path.read_text(encoding="utf-8")):
                    assert (ROOT / name).is_file(), f"{name} of {path}"


def test_the_readme_is_short_and_has_both_commands() -> None:
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 150
    assert [line.partition("#")[0].strip() for line in lines if line.startswith("make ")] == ["make run", "make test"]


@pytest.mark.parametrize(
    "columns",
    [TABLE_COLUMNS, SCORECARD_COLUMNS, SLICE_COLUMNS, COMPARISON_COLUMNS, PROXY_COLUMNS, PARETO_COLUMNS],
    ids=["offline_eval", "tokenizers", "slices", "comparisons", "proxies", "pareto"],
)
def test_every_column_is_explained(columns: tuple[str, ...]) -> None:
    # one line stands for all cut-offs, and one for both ends of all intervals
    known = {"recall@K", "ndcg@K", *re.findall(r"`([^`]+)`", FILES)}
    known |= {name.replace("recall@10", "ndcg@10") for name in known}
    for column in columns:
        name = re.sub(r"_(low|high)$", "", column)
        names = {column, name, re.sub(r"^(recall|ndcg)@\d+$", r"\1@K", name)}
        assert names & known, f"{column} is not in docs/reference/files.md"


def test_the_table_of_the_readme_is_that_of_its_figures() -> None:
    for path, text in pages(ROOT).items():
        assert path.read_text(encoding="utf-8") == text, f"{path}: run python -m bench.readme"


def row(**values: str) -> dict[str, str]:
    return dict.fromkeys(COLUMNS, "") | {"dataset": "shop", "budget": "0", "users": "1000"} | values


def test_the_table_has_a_row_for_each_and_shares_of_the_whole_catalogue() -> None:
    whole = row(tokenizer="controls", candidates="all", avg_cand_size="1200.4")
    whole |= {"recall@10": "0.2", "recall@10_low": "0.15", "recall@10_high": "0.25"}
    codes = {
        "tokenizer": "opq_4x256",
        "bits": "32",
        "relative_error": "0.5",
        "items": "40",
        "items_in_collisions": "10",
    }
    found = {"avg_cand_size": "100", "recall@10": "0.1", "recall@10_low": "0.08", "recall@10_high": "0.12"}
    rows = [whole, row(candidates="probe", **codes) | found, row(candidates="random:probe", **codes) | found]
    lines = markdown_table(rows).splitlines()
    assert lines[2] == "| the whole catalogue |  | 1,200 | 0.2000 | 0.1500–0.2500 | 100 % |  |  |"
    assert lines[3] == "| `opq_4x256` | 32 | 100 | 0.1000 | 0.0800–0.1200 | 50 % | 25 % | 0.500 |"
    assert lines[4] == "| `opq_4x256`, dealt at random | 32 | 100 | 0.1000 | 0.0800–0.1200 | 50 % |  |  |"


def test_results_that_have_no_such_table_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"offline_eval\.csv cannot be read .*: name the results of a finished run"):
        rows_of_run(tmp_path)
    (tmp_path / "tokenizers.csv").write_text("tokenizer\nopq_4x256\n")
    header = "dataset,tokenizer,candidates,budget,rerank\n"
    (tmp_path / "offline_eval.csv").write_text(f"{header}a,opq_4x256,probe,100,exact\nb,opq_4x256,probe,100,exact\n")
    with pytest.raises(InputError, match="expected the rows of one dataset"):
        rows_of_run(tmp_path)
    (tmp_path / "offline_eval.csv").write_text(f"{header}a,opq_4x256,probe,50,exact\n")
    with pytest.raises(InputError, match="no row of `probe` with the budget 100"):
        rows_of_run(tmp_path)
