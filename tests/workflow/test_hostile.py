"""Text of users reaches no shell and no path; no code of ours reads a pickle, runs a command or unpacks an archive."""

import ast
import csv
import json
import random
import re
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from hostile import HOSTILE
from snake import ROOT, TINY, call_snakemake, overlay

from semid.data import Outputs, PreprocessSettings, Table, preprocess
from semid.errors import InputError
from semid.evaluation import TABLE_COLUMNS
from semid.naming import TokenizerName
from semid.planning import prepare_config, read_schema

CODE = sorted([*(ROOT / "semid").rglob("*.py"), *(ROOT / "workflow_scripts").glob("*.py")])
RULES = [ROOT / "Snakefile", *sorted((ROOT / "rules").glob("*.smk"))]

NUL = "nul\0byte"


def catalogue(ids: list[str], folder: Path) -> None:
    """Write items with these ids and their interactions, all of whose text is hostile, as parquet, CSV and JSONL."""
    draw = random.Random(0)
    items = [{"item_id": name, "title": f"{name} of {name}", "categories": name, "store": name} for name in ids]
    rows = [
        {"user_id": f"{user}{copy or ''}", "item_id": item, "timestamp": 1_600_000_000 + when}
        for user in ids
        for copy in range(3)
        for when, item in enumerate(draw.sample(ids, 6))
    ]
    for name, table in (("items", items), ("interactions", rows)):
        pq.write_table(pa.Table.from_pylist(table), folder / f"{name}.parquet")
        with (folder / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, table[0].keys(), quoting=csv.QUOTE_ALL)
            writer.writeheader()
            writer.writerows(table)
        (folder / f"{name}.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in table), encoding="utf-8")


def config_of(folder: Path) -> Path:
    mine = {"items": "items.parquet", "interactions": "interactions.parquet", "timestamp_unit": "seconds"}
    return overlay(
        folder / "mine.yaml",
        {
            "run": {"datasets": ["mine"], "tokenizers": ["rqkmeans_2x8"]},
            "datasets": {"mine": {"source": "table", **mine, "preprocess": {"k_core": 2}}},
            # test_embeddings_encoder.py has the text encoder
            "embeddings": {"model": "hashing"},
            "evaluation": {"resamples": 20, "permutations": 100, "budgets": [10]},
        },
    )


def test_a_hostile_catalogue_goes_through_everything_as_it_is(tmp_path: Path) -> None:
    folder = tmp_path / "it's $(touch pwned) & more"
    folder.mkdir()
    ids = [*HOSTILE, NUL]
    catalogue(ids, folder)
    run = call_snakemake(folder, "--configfile", config_of(folder), "--", "all")
    assert run.ok, run.text

    results = folder / "results"
    in_order = sorted(ids, key=lambda name: name.encode())
    assert pq.read_table(folder / "data/mine/items.parquet")["item_id"].to_pylist() == in_order
    assert pq.read_table(results / "mine/rqkmeans_2x8/items.parquet")["item_id"].to_pylist() == in_order
    page = (results / "mine/rqkmeans_2x8/codebook.md").read_text(encoding="utf-8")
    assert all(re.match(r"(# |## Code \d|- |\d+% in “|\d+ of the |$)", line) for line in page.split("\n")), page
    # an empty comment breaks what would become a link
    shown = page.replace("<!-- -->", "")
    assert not re.search(r"[\x00-\x09\x0b-\x1f\u202a-\u202e]|(?<!\\)<|(?<!\\)!\[", shown)

    report = (results / "report.html").read_text(encoding="utf-8")
    assert report.count("<script") == 3, "no title is markup"

    with (results / "offline_eval.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == TABLE_COLUMNS
    assert {row["tokenizer"] for row in rows} == {"controls", "rqkmeans_2x8"}
    cells = [cell for row in rows for cell in row.values()]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@"))]

    paths = [path for path in folder.rglob("*") if ".snakemake" not in path.parts]
    assert [path for path in paths if not re.fullmatch(r"[\w.-]+", path.name, re.ASCII)] == []
    assert [path for path in tmp_path.rglob("*") if "pwned" in path.name] == [folder]
    assert list(tmp_path.iterdir()) == [folder]
    assert not (ROOT / "pwned").exists()


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_hostile_ids_are_read_unchanged_from_text(tmp_path: Path, form: str) -> None:
    catalogue(HOSTILE, tmp_path)
    raw = Table(tmp_path / f"interactions.{form}", tmp_path / f"items.{form}", timestamp_unit="seconds")
    paths = {name: tmp_path / "out" / f"{name}.parquet" for name in ("items", "train", "valid", "test")}
    preprocess(raw, PreprocessSettings(k_core=2), Outputs(**paths, stats=tmp_path / "out/stats.json"))
    item_ids = pq.read_table(paths["items"])["item_id"].to_pylist()
    assert item_ids == sorted(HOSTILE, key=lambda name: name.encode())


NO_NAMES = ["../up", "a/b", "$(touch pwned)", "a b", "end\n", "", ".", "'", "-rf"]


def test_names_that_would_be_paths_or_commands_are_refused() -> None:
    codes = {"external": {name: {"codes": "codes.csv"} for name in NO_NAMES}}
    names = {
        "datasets": {**{name: {"source": "sample"} for name in NO_NAMES}, "tiny": {"source": "sample", **codes}},
        "tokenizers": {f"rqvae-{name}": {} for name in NO_NAMES},
    }
    config = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    for section, content in names.items():
        config[section] |= content
    with pytest.raises(InputError) as refusal:
        prepare_config(config, read_schema(ROOT / "schemas/config.schema.json"))
    heading, *faults = str(refusal.value).split("\n")
    assert heading == "The configuration is wrong (docs/reference/configuration.md explains every key)."
    for name in NO_NAMES:
        assert [fault for fault in faults if fault.startswith(f"datasets: {name!r}: expected a name of letters")], name
        assert [fault for fault in faults if fault.startswith(f"datasets: tiny: external: {name!r}")], name
        assert [fault for fault in faults if fault.startswith("tokenizers:") and repr(f"rqvae-{name}") in fault], name


@pytest.mark.parametrize(
    "name", [start + end for start in ("rqkmeans_2x16-", "vqvae_16x", "external_") for end in NO_NAMES]
)
def test_tokenizers_that_would_be_paths_or_commands_have_no_name(name: str) -> None:
    with pytest.raises(InputError, match="is no tokenizer name"):
        TokenizerName.parse(name)


@pytest.mark.parametrize(
    "target",
    [
        "results/../up/rqkmeans_2x16/items.parquet",
        "results/$(touch pwned)/rqkmeans_2x16/items.parquet",
        "results/tiny/rqkmeans_2x16;touch pwned/items.parquet",
        "results/tiny/embeddings/part-../../../../up.npy",
    ],
)
def test_targets_that_would_be_paths_or_commands_are_refused(tmp_path: Path, target: str) -> None:
    run = call_snakemake(tmp_path / "work", "--configfile", TINY, "--", target)
    assert not run.ok
    assert re.search(r"is not under `datasets:`|is no tokenizer name|MissingRuleException", run.text), run.text
    assert not [path for path in tmp_path.rglob("*") if path.name in ("up", "up.npy", "pwned")]


def test_code_that_comes_with_a_model_is_not_run(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    classes = {"AutoConfig": "evil.Config", "AutoModel": "evil.Model", "AutoTokenizer": ["evil.Tokenizer", None]}
    config = {"model_type": "evil", "auto_map": classes}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    (folder / "model.safetensors").touch()
    (folder / "evil.py").write_text(f"open({str(tmp_path / 'pwned')!r}, 'w')\n")
    script = (
        "from semid.embeddings import EncoderSettings\nfrom semid.embeddings.encoder import TransformerEncoder\n"
        f"TransformerEncoder(EncoderSettings(model={str(folder)!r}), 'cpu')"
    )
    # transformers asks in the terminal whether to run it, which a job's log would hide
    done = subprocess.run([sys.executable, "-c", script], input="y\n" * 9, capture_output=True, text=True, cwd=ROOT)
    assert "InputError: cannot load the encoder" in done.stderr
    assert "[y/N]" not in done.stdout
    assert not (tmp_path / "pwned").exists()


# Modules that run commands or code, read pickles or unpack archives with the paths that are in them.
FORBIDDEN_MODULES = {
    *("pickle", "_pickle", "cloudpickle", "dill", "joblib", "shelve", "marshal"),
    *("subprocess", "pty", "code", "runpy", "tarfile", "zipfile", "pandas"),
}
FORBIDDEN_CALLS = {
    *("eval", "exec", "compile", "__import__", "os.system", "os.popen", "shutil.unpack_archive"),
    *("torch.load", "torch.save", "torch.jit.load", "torch.jit.save", "yaml.load"),
}
FAULTS_WITH_A_REASON = {
    # asks git for the commit of the project, in words of its own and through no shell
    "semid/jobs/manifest.py": ["subprocess"],
    # starts Snakemake, by a list of arguments and through no shell
    "semid/cli/run.py": ["subprocess"],
    # for the error that numpy raises for a broken archive of arrays
    "semid/files.py": ["zipfile"],
    # reads members that it names from an archive whose digest it knows, and unpacks nothing else
    "semid/cli/example.py": ["zipfile"],
}


def faults(source: str) -> list[str]:
    """What of the source code could read a pickle, run a command or unpack an archive."""
    found = []
    tree = ast.parse(source)
    # what names of the source stand for: `import os as o`, `from torch import load`
    imported = {
        alias.asname or alias.name: f"{node.module}.{alias.name}" if isinstance(node, ast.ImportFrom) else alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
        if alias.asname or isinstance(node, ast.ImportFrom)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
            found += [name for name in names if name.partition(".")[0] in FORBIDDEN_MODULES]
        elif isinstance(node, ast.Call):
            first, _, rest = ast.unparse(node.func).partition(".")
            called = ".".join(filter(None, (imported.get(first, first), rest)))
            options = {option.arg: ast.unparse(option.value) for option in node.keywords}
            if options.get("shell", "False") != "False":
                found.append("a shell")
            if called in FORBIDDEN_CALLS or called.startswith(("os.exec", "os.spawn", "os.posix_spawn")):
                found.append(called)
            elif re.fullmatch(r"(np|numpy)\.(load|save)", called) and options.get("allow_pickle") != "False":
                found.append(f"{called} without allow_pickle=False")
            elif called.endswith("from_pretrained") and options.get("trust_remote_code", "False") != "False":
                found.append(called)
    return found


@pytest.mark.parametrize("path", CODE, ids=lambda path: str(path.relative_to(ROOT)))
def test_code_reads_no_pickle_runs_no_command_and_unpacks_no_archive(path: Path) -> None:
    assert faults(path.read_text(encoding="utf-8")) == FAULTS_WITH_A_REASON.get(str(path.relative_to(ROOT)), [])


@pytest.mark.parametrize("path", RULES, ids=lambda path: path.name)
def test_rules_run_scripts_alone(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"^\s*(shell|run|notebook|wrapper|cwl)\s*:(?!=)", text, re.MULTILINE)
    assert not re.search(r"\bshell\(|\bsubprocess\b|\bos\.(system|popen)|\bpickle\b|\beval\(|\bexec\(", text)


@pytest.mark.parametrize(
    "source",
    [
        *("import pickle", "from joblib import load", "import pandas as pd", "import tarfile", "eval(x)"),
        *("from os import system\nsystem(x)", "import os as o\no.system(x)", "from torch import load as read\nread(x)"),
        *("np.load(path)", "np.load(path, allow_pickle=True)", "np.save(path, x)", "torch.load(path)"),
        *(
            "os.system(x)",
            "subprocess.run(x, shell=True)",
            "os.execv(x, y)",
            "AutoModel.from_pretrained(x, trust_remote_code=True)",
        ),
    ],
)
def test_what_code_must_not_do_is_found(source: str) -> None:
    assert len(faults(source)) == 1
