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
from snake import ROOT, TINY, call_snakemake, overlay

from semid.errors import InputError
from semid.evaluation import TABLE_COLUMNS
from semid.naming import TokenizerName

CODE = sorted([*(ROOT / "semid").rglob("*.py"), *(ROOT / "workflow_scripts").glob("*.py")])
RULES = [ROOT / "Snakefile", *sorted((ROOT / "rules").glob("*.smk"))]

# Each is an item's id, a part of its title, a user's id, a category and a store.
HOSTILE = [
    *("../../../../etc/passwd", "..", ".", "a/b/../c", "/etc/passwd", "~", "~root", "C:\\Windows", "\\\\host\\share"),
    *("-rf", "--help", "--", "$(touch pwned)", "`touch pwned`", "; touch pwned;", "| touch pwned", "&& touch pwned"),
    *("> pwned", "${HOME}", "$HOME", "!!", "*", "?", "[a-z]", "#", "{dataset}", "{{}}", "{0.__class__}", "%s%n", "\\"),
    *("'", '"', "''", '""', "'; DROP TABLE items; --", '"; DROP TABLE users; --', "\\'", "a,b", "a;b", "a|b", "a\tb"),
    *(" before", "after ", "two  spaces", "line\nfeed", "carriage\rreturn", "both\r\n", "a\\nb", "\u2028"),
    *(
        "\x1b[31mred",
        "\u202egpj.exe",
        "zero\u200bwidth",
        "caf\u00e9",
        "cafe\u0301",
        "\U0001f4a9",
        "\ufeffbom",
        "\uffff",
    ),
    *("=cmd|' /C calc'!A0", "+1+1", "-1+1", "@SUM(1)", "NULL", "None", "nan", "NaN", "true", "0", "00", "1e5", "-0"),
    *("<script>alert(1)</script>", "![x](http://x)", "&lt;b&gt;", "x" * 5_000, "part-00000-of-00001", "item_id"),
]
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


def config_of(folder: Path, form: str) -> Path:
    mine = {"items": f"items.{form}", "interactions": f"interactions.{form}", "timestamp_unit": "seconds"}
    return overlay(
        folder / "mine.yaml",
        {
            "run": {"datasets": ["mine"], "tokenizers": ["rqkmeans_2x8"]},
            "datasets": {"mine": {"source": "table", **mine, "preprocess": {"k_core": 2}}},
        },
    )


def test_a_hostile_catalogue_goes_through_everything_as_it_is(tmp_path: Path) -> None:
    folder = tmp_path / "it's $(touch pwned) & more"
    folder.mkdir()
    ids = [*HOSTILE, NUL]
    catalogue(ids, folder)
    run = call_snakemake(folder, "--configfile", config_of(folder, "parquet"), "--", "all")
    assert run.ok, run.text

    results = folder / "results"
    in_order = sorted(ids, key=lambda name: name.encode())
    assert pq.read_table(folder / "data/mine/items.parquet")["item_id"].to_pylist() == in_order
    assert pq.read_table(results / "mine/rqkmeans_2x8/items.parquet")["item_id"].to_pylist() == in_order
    page = (results / "mine/rqkmeans_2x8/codebook.md").read_text(encoding="utf-8")
    assert all(re.match(r"(# |## Code \d|- |\d+% in “|\d+ of the |$)", line) for line in page.split("\n")), page
    assert not re.search(r"[\x00-\x09\x0b-\x1f\u202a-\u202e]|(?<!\\)<|(?<!\\)!\[", page)

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
    run = call_snakemake(tmp_path, "--configfile", config_of(tmp_path, form), "--", "data/mine/items.parquet")
    assert run.ok, run.text
    found = pq.read_table(tmp_path / "data/mine/items.parquet")["item_id"].to_pylist()
    assert found == sorted(HOSTILE, key=lambda name: name.encode())


NO_NAMES = ["../up", "a/b", "$(touch pwned)", "a b", "end\n", "", ".", "'", "-rf"]


def test_names_that_would_be_paths_or_commands_are_refused(tmp_path: Path) -> None:
    codes = {"external": {name: {"codes": "codes.csv"} for name in NO_NAMES}}
    names = {
        "datasets": {**{name: {"source": "sample"} for name in NO_NAMES}, "tiny": codes},
        "tokenizers": {f"rqvae-{name}": {} for name in NO_NAMES},
    }
    run = call_snakemake(tmp_path, "-n", "--configfile", TINY, overlay(tmp_path / "bad.yaml", names), "--", "all")
    assert not run.ok
    faults = run.text.split("The configuration is wrong (docs/configuration.md explains every key).\n")[1].split("\n")
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
# asks git for the commit of the project, in words of its own and through no shell
FAULTS_WITH_A_REASON = {"semid/jobs/manifest.py": ["subprocess"]}


def faults(source: str) -> list[str]:
    """What of the source code could read a pickle, run a command or unpack an archive."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
            found += [name for name in names if name.partition(".")[0] in FORBIDDEN_MODULES]
        elif isinstance(node, ast.Call):
            called = ast.unparse(node.func)
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
    assert not re.search(r"^\s*(shell|run|notebook|wrapper|cwl)\s*:(?!=)\s*(#.*)?$", text, re.MULTILINE)
    assert not re.search(r"\bshell\(|\bsubprocess\b|\bos\.(system|popen)|\bpickle\b|\beval\(|\bexec\(", text)


@pytest.mark.parametrize(
    "source",
    [
        *("import pickle", "from joblib import load", "import pandas as pd", "import tarfile", "eval(x)"),
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
