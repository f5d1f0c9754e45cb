"""Each script runs with the packages of its conda environment alone, and without pickles."""

import hashlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from alone import RUNNER, copy_with_scripts_alone, install, packages, scripts_of_environments
from loopback import serve
from snake import ROOT, TINY, call_snakemake, overlay

# the environments are made of the packages that are installed
pytestmark = pytest.mark.system

SMALL = {"dim": 16, "layers": 1, "epochs": 1, "negatives": 16}
OFFICIAL = "benchmark/5core/last_out/Toys.test.csv"


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A folder with the packages of each environment."""
    place = tmp_path_factory.mktemp("environments")
    return {name: install(name, place / name) for name in scripts_of_environments()}


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """A server with one official file, and its table beside it."""
    content = b"user_id,parent_asin,rating,timestamp\n"
    file = tmp_path / "mirror" / OFFICIAL
    file.parent.mkdir(parents=True)
    file.write_bytes(content)
    row = f"{OFFICIAL}\t{hashlib.sha256(content).hexdigest()}\t{len(content)}"
    (tmp_path / "checksums.tsv").write_text(f"path\tsha256\tsize\n{row}\n")
    with serve(tmp_path / "mirror") as address:
        yield address


def test_every_script_runs_with_its_environment_alone(folders: dict[str, Path], address: str, tmp_path: Path) -> None:
    copy_with_scripts_alone(tmp_path / "project", folders, tmp_path / "ran")
    items = [f"item-{number}" for number in range(40)]
    (tmp_path / "items.csv").write_text("\n".join(["item_id,title", *(f"{item},Title of {item}" for item in items)]))
    rows = [f"{item},{number % 5},{number % 3}" for number, item in enumerate(items)]
    (tmp_path / "codes.csv").write_text("\n".join(["item_id,c1,c2", *rows]))
    given = {"source": "table", "items": "items.csv", "external": {"given": {"codes": "codes.csv"}}}
    config = overlay(
        tmp_path / "alone.yaml",
        {
            "run": {
                "tokenizers": ["rqkmeans_2x16", "vqvae_32"],
                "generators": ["generator-tiny", "sasrec-tiny"],
                "repair": "assign",
                "exports": ["hf"],
            },
            "generators": {"generator-tiny": SMALL, "sasrec-tiny": SMALL},
            "datasets": {
                "tiny": {"shards": 1, "evaluation": {"query": "fit"}},
                "given": {**given, "embeddings": {"model": "bundled"}},
                "toys": {"source": "amazon2023", "category": "Toys"},
            },
            "download": {"base_url": address, "checksums": str(tmp_path / "checksums.tsv")},
        },
    )
    targets = ["all", f"data/raw/toys/{OFFICIAL}.verified", "results/given/external_given/scorecard.json"]
    run = call_snakemake(tmp_path, "--configfile", TINY, config, "--", *targets, root=tmp_path / "project")
    assert run.ok, run.text
    later = {
        "source": "table",
        "items": "data/tiny/items.parquet",
        "embeddings": {"model": "hashing", "dim": 48},
        "load": {"rqkmeans_2x16": "results/tiny/rqkmeans_2x16"},
        "align": {"vqvae_32": "results/tiny/vqvae_32"},
    }
    config = overlay(tmp_path / "later.yaml", {"datasets": {"later": later}})
    targets = ["results/later/rqkmeans_2x16/drift.csv", "results/later/vqvae_32/churn.csv"]
    run = call_snakemake(tmp_path, "--configfile", TINY, config, "--", *targets, root=tmp_path / "project")
    assert run.ok, run.text
    ran = {path.name for path in (tmp_path / "ran").iterdir()}
    assert ran == {path.name for path in (ROOT / "workflow_scripts").glob("*.py")}


def test_every_environment_is_used_and_no_script_needs_two() -> None:
    scripts = scripts_of_environments()
    assert all(scripts.values()), scripts
    names = [name for of in scripts.values() for name in of]
    assert len(names) == len(set(names))


def refusal(folder: Path, code: str, tmp_path: Path) -> str:
    """What a script that must fail says at the end when it runs with the packages of `folder` alone."""
    script = tmp_path / "script.py"
    script.write_text(code)
    command = [sys.executable, "-I", "-S", RUNNER, folder, script]
    job = '{"lists": {}, "plain": {}}'
    run = subprocess.run([*map(str, command)], input=job, capture_output=True, text=True)
    assert run.returncode
    return run.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("environment", "module"),
    [("data", "torch"), ("torch", "faiss"), ("report", "transformers"), ("faiss", "sklearn"), ("torch", "snakemake")],
)
def test_what_an_environment_does_not_hold_cannot_be_imported(
    folders: dict[str, Path], tmp_path: Path, environment: str, module: str
) -> None:
    assert refusal(folders[environment], f"import {module}", tmp_path).endswith(f"No module named '{module}'")


def test_packages_bring_what_they_require() -> None:
    assert {"requests", "urllib3", "certifi", "duckdb", "numpy"} <= packages("data")
    assert {"torch", "sympy", "transformers", "tokenizers"} <= packages("torch")
    assert not {"torch", "pandas", "snakemake"} & packages("data")


@pytest.mark.parametrize(
    "code",
    [
        "import pickle; pickle.dumps(1)",
        "import pickle; pickle.loads(b'N.')",
        "from pickle import Pickler; import io; Pickler(io.BytesIO()).dump(1)",
        "import io, _pickle; _pickle.Unpickler(io.BytesIO(b'cbuiltins\\nlen\\n.')).load()",
        "import io, torch; torch.save(torch.ones(1), io.BytesIO())",
        "import io, numpy; numpy.save(io.BytesIO(), numpy.array([None]))",
    ],
)
def test_a_pickle_ends_a_script(folders: dict[str, Path], tmp_path: Path, code: str) -> None:
    assert refusal(folders["torch"], code, tmp_path) == "AssertionError: a pickle was read or written"
