"""The whole DAG on a tiny sample."""

import csv
import json
import os
import shutil
import signal
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from snake import ROOT, TINY, Run, call_snakemake, overlay, start_snakemake

from semid.evaluation import TABLE_COLUMNS

TOKENIZERS = ["rqkmeans_2x16", "rqvae_2x16", "vqvae_32"]
TIMED = "query_us"


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def codes_of(folder: Path) -> np.ndarray:
    return np.concatenate([np.load(part, allow_pickle=False) for part in sorted(folder.glob("codes/part-*.npy"))])


def test_one_command_makes_the_table(tiny_run: tuple[Path, Run]) -> None:
    directory, run = tiny_run
    assert run.ok, run.text
    rows = read_csv(directory / "results/offline_eval.csv")
    assert tuple(rows[0]) == TABLE_COLUMNS
    found = [(row["tokenizer"], row["candidates"], row["rerank"]) for row in rows]
    found = list(dict.fromkeys(found))  # a row a budget
    random = [(f"random:{c}", "exact") for c in ("exact", "prefix", "probe")]
    residual = [(c, r) for c in ("exact", "hamming1", "prefix", "probe") for r in ("exact", "decoded")] + random
    flat = [(c, r) for c, r in residual if c != "hamming1"]
    assert found == [
        ("controls", "all", "faiss"),
        ("controls", "popularity", "counts"),
        ("controls", "cooccurrence", "counts"),
        ("controls", "category:exact", "exact"),
        ("controls", "category:prefix", "exact"),
        *(("rqkmeans_2x16", *pair) for pair in residual),
        *(("rqvae_2x16", *pair) for pair in residual),
        *(("vqvae_32", *pair) for pair in flat),
    ]
    assert all(0 <= float(row["recall@10"]) <= float(row["cand_recall"]) <= 1 for row in rows)
    assert float(rows[0]["recall@10"]) > float(rows[1]["recall@10"]), "text must beat popularity on the sample"


def test_a_fitted_query_is_chosen_on_the_validation_split_for_all(tiny_run: tuple[Path, Run], tmp_path: Path) -> None:
    directory = tmp_path / "work"
    shutil.copytree(tiny_run[0], directory)
    fit = overlay(tmp_path / "fit.yaml", {"evaluation": {"query": "fit"}, "run": {"tokenizers": ["vqvae_32"]}})
    run = call_snakemake(directory, "--configfile", TINY, fit, "--", "results/pareto.csv", "results/offline_eval.csv")
    assert run.ok, run.text
    assert run.rules["fit_query"] == 1
    choice = json.loads((directory / "results/tiny/query.json").read_text())
    assert (choice["split"], len(choice["grid"])) == ("valid", 11)
    best = max(choice["grid"], key=lambda row: (row["recall@10"], row["ndcg@10"]))
    queries = {row["query"] for row in read_csv(directory / "results/offline_eval.csv")}
    assert queries == {best["name"], ""}
    rows = read_csv(directory / "results/pareto.csv")
    peers = {row["candidates"] for row in rows if row["tokenizer"] == "peers"}
    assert peers == {"ivf_flat", "pq", "ivf_pq"}
    assert {row["on_candidates_front"] for row in rows} == {"0", "1"}


def test_a_fitted_query_never_reads_the_test_split(tiny_run: tuple[Path, Run], tmp_path: Path) -> None:
    plan = call_snakemake(
        *(tiny_run[0], "-n", "--forcerun", "fit_query", "--configfile", TINY, "--", "results/tiny/query.json")
    )
    assert plan.ok, plan.text
    inputs = next(line for line in plan.text.splitlines() if "data/tiny/valid.parquet" in line)
    assert "data/tiny/test.parquet" not in inputs


def test_the_table_is_shown_at_the_end(tiny_run: tuple[Path, Run]) -> None:
    assert "recall@10 [95 %]" in tiny_run[1].text


def test_numbers_of_generated_data_say_so(tiny_run: tuple[Path, Run]) -> None:
    directory, run = tiny_run
    note = "synthetic: checks the plumbing, ranks nothing"
    assert note in run.text
    assert {row["note"] for row in read_csv(directory / "results/offline_eval.csv")} == {note}
    assert {row["note"] for row in read_csv(directory / "results/tokenizers.csv")} == {note}
    assert json.loads((directory / "data/tiny/stats.json").read_text())["note"] == note
    assert note in (directory / "results/tiny/vqvae_32/codebook.md").read_text()


def test_every_stage_writes_its_files(tiny_run: tuple[Path, Run]) -> None:
    directory, _ = tiny_run
    items = pq.read_table(directory / "data/tiny/items.parquet")
    assert items["item_index"].to_pylist() == list(range(len(items)))
    manifest = json.loads((directory / "results/tiny/embeddings/manifest.json").read_text())
    assert [part["file"] for part in manifest["parts"]] == [f"part-0000{i}-of-00002.npy" for i in (0, 1)]
    for name in TOKENIZERS:
        folder = directory / "results/tiny" / name
        codes = codes_of(folder)
        assert codes.shape == (len(items), 1 if name == "vqvae_32" else 2)
        assert codes.dtype == np.uint16
        table = pq.read_table(folder / "items.parquet")
        assert table["item_id"].to_pylist() == items["item_id"].to_pylist()
        if name == "vqvae_32":
            assert table.column_names == ["item_id", "token"]
            assert table["token"].to_pylist() == codes[:, 0].tolist()
        else:
            assert table.column_names == ["item_id", "c1", "c2", "code_str"]
            assert table["code_str"].to_pylist() == [f"{a}-{b}" for a, b in codes.tolist()]
        members = np.load(folder / "inverted/items.npy", allow_pickle=False)
        assert sorted(members.tolist()) == list(range(len(items)))
        assert {path.name for path in folder.iterdir()} == {
            *("model.safetensors", "config.json", "codes", "items.parquet", "inverted"),
            *("scorecard.json", "codebook.md", "offline_eval.csv", "ranks.parquet", "slices.csv", "manifest.json"),
            *(() if name == "rqkmeans_2x16" else ("training.csv",)),
        }


def test_the_history_of_training_is_beside_the_tokenizer(tiny_run: tuple[Path, Run]) -> None:
    for name, epochs in (("rqvae_2x16", 3), ("vqvae_32", 2)):
        folder = tiny_run[0] / "results/tiny" / name
        rows = read_csv(folder / "training.csv")
        assert [int(row["epoch"]) for row in rows] == list(range(epochs + 1))
        kept = json.loads((folder / "config.json").read_text())["fitted"]["epoch_kept"]
        assert [int(row["epoch"]) for row in rows if row["kept"] == "1"] == [kept]


TRAINED = ("results/tiny/vqvae_32/training.csv", "results/tiny/vqvae_32/config.json")
LONG_TRAINING = {"vqvae_32": {"epochs": 30, "batch_size": 4, "patience": 0}}


@pytest.fixture(scope="module")
def long_run(tiny_run: tuple[Path, Run], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A working directory where a training of some seconds ended, and the overlay that asks for it."""
    directory = tmp_path_factory.mktemp("long") / "work"
    shutil.copytree(tiny_run[0], directory)
    change = overlay(directory / "long.yaml", {"tokenizers": LONG_TRAINING})
    run = call_snakemake(directory, "--configfile", TINY, change, "--", *TRAINED)
    assert run.ok, run.text
    return directory, change


def training_process(directory: Path) -> int:
    """The process that trains in `directory`."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes()
            if b"train_tokenizer.py" in command and (process / "cwd").resolve() == directory.resolve():
                return int(process.name)
        except OSError:  # it ended meanwhile, or is not ours
            continue
    raise AssertionError(f"nothing trains in {directory}")


@pytest.mark.skipif(not Path("/proc/self/cwd").exists(), reason="finds the training process in /proc")
@pytest.mark.parametrize("by", ["Ctrl-C", "SIGTERM to the job", "SIGKILL of everything"])
def test_a_training_that_was_stopped_continues(
    by: str, tiny_run: tuple[Path, Run], long_run: tuple[Path, Path], tmp_path: Path
) -> None:
    directory = tmp_path / "work"
    shutil.copytree(tiny_run[0], directory)
    folder = directory / "results/tiny/vqvae_32"
    arguments = ["--configfile", TINY, long_run[1], "--", *TRAINED]
    stopped = start_snakemake(directory, *arguments)
    log = directory / "logs/tiny/vqvae_32/train.log"
    while "epoch 3 of 30" not in (log.read_text() if log.exists() else ""):
        assert stopped.poll() is None
        time.sleep(0.05)
    if by == "SIGTERM to the job":
        os.kill(training_process(directory), signal.SIGTERM)
    else:
        os.killpg(stopped.pid, signal.SIGINT if by == "Ctrl-C" else signal.SIGKILL)
    assert stopped.wait(60) != 0
    assert (folder / "checkpoint/training.safetensors").is_file()
    assert not (folder / "training.csv").exists()

    if by == "SIGKILL of everything":
        assert call_snakemake(directory, "--unlock", *arguments).ok
    run = call_snakemake(directory, *arguments)
    assert run.ok, run.text
    assert "training continues after epoch" in log.read_text()
    assert not (folder / "checkpoint").exists()
    for name in ("model.safetensors", "config.json"):
        assert (folder / name).read_bytes() == (long_run[0] / "results/tiny/vqvae_32" / name).read_bytes()
    tables = [
        [{**row, "seconds": ""} for row in read_csv(place / "results/tiny/vqvae_32/training.csv")]
        for place in (directory, long_run[0])
    ]
    assert tables[0] == tables[1]


def test_a_second_run_does_nothing(tiny_run: tuple[Path, Run]) -> None:
    again = call_snakemake(tiny_run[0], "--configfile", TINY, "--", "results/offline_eval.csv")
    assert again.ok
    assert "Nothing to be done" in again.text


def test_an_option_reruns_its_tokenizer_alone(tiny_run: tuple[Path, Run], tmp_path: Path) -> None:
    change = overlay(tmp_path / "change.yaml", {"tokenizers": {"vqvae_32": {"epochs": 3}}})
    plan = call_snakemake(tiny_run[0], "-n", "--configfile", TINY, change, "--", "results/offline_eval.csv")
    assert plan.ok, plan.text
    assert plan.rules == {
        **{"train_vqvae": 1, "configure": 1, "encode": 2, "export": 1, "score": 1, "build_inverted": 1, "evaluate": 1},
        **{"collect_scorecards": 1, "collect_evaluations": 1},
    }


def test_hardware_reruns_nothing(tiny_run: tuple[Path, Run], tmp_path: Path) -> None:
    compute = {"device": "auto", "threads": 3, "embed_batch_size": 8, "encode_batch_size": 64, "codeword_block": 32}
    change = overlay(tmp_path / "change.yaml", {"compute": {**compute, "duckdb_mb": 500}})
    plan = call_snakemake(tiny_run[0], "-n", "--configfile", TINY, change, "--", "results/offline_eval.csv")
    assert "Nothing to be done" in plan.text


def test_an_edit_of_the_quantizers_reruns_what_uses_them(tiny_run: tuple[Path, Run], tmp_path: Path) -> None:
    copy = tmp_path / "project"
    for name in ("rules", "workflow_scripts", "semid", "schemas", "envs", "profiles"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("Snakefile", "config.yaml"):
        shutil.copy2(ROOT / name, copy / name)
    with (copy / "semid/quantizers/kernels/nearest.py").open("a") as file:
        file.write("\nEDITED = 1\n")
    plan = call_snakemake(tiny_run[0], "-n", "--configfile", TINY, "--", "results/offline_eval.csv", root=copy)
    assert plan.ok, plan.text
    assert {"train_rqkmeans", "train_rqvae", "train_vqvae", "encode", "score"} <= plan.rules.keys()
    assert (
        not {"generate_sample", "preprocess", "embed_items", "embeddings_manifest", "build_faiss"} & plan.rules.keys()
    )


def test_one_tokenizer_by_its_path(tiny_run: tuple[Path, Run]) -> None:
    target = "results/tiny/rqvae_3x8-s1/items.parquet"
    plan = call_snakemake(tiny_run[0], "-n", "--configfile", TINY, "--", target)
    assert plan.rules == {"train_rqkmeans": 1, "train_rqvae": 1, "configure": 1, "encode": 2, "export": 1}
    assert "results/tiny/rqkmeans_3x8-s1/model.safetensors" in plan.text


def test_seeds_multiply_the_tokenizers(tiny_run: tuple[Path, Run], tmp_path: Path) -> None:
    seeds = overlay(tmp_path / "seeds.yaml", {"run": {"seeds": [0, 2], "tokenizers": ["vqvae_32", "rqkmeans_2x16-s1"]}})
    plan = call_snakemake(tiny_run[0], "-n", "--configfile", TINY, seeds, "--", "results/tokenizers.csv")
    assert plan.rules["score"] == 2
    assert "results/tiny/vqvae_32-s2/scorecard.json" in plan.text
    assert "results/tiny/rqkmeans_2x16-s1/scorecard.json" in plan.text
    assert "rqkmeans_2x16-s1-s2" not in plan.text


def test_codes_do_not_depend_on_cores(tiny_run: tuple[Path, Run], tmp_path: Path) -> None:
    """Of one core and two; test_crashes.py has the splits, the embeddings and the trainings of more."""
    directory = tmp_path / "work"
    shutil.copytree(tiny_run[0], directory)
    for name in TOKENIZERS:
        shutil.rmtree(directory / "results/tiny" / name)
    names = [f"results/tiny/{name}/items.parquet" for name in TOKENIZERS]
    run = call_snakemake(directory, "--configfile", TINY, "--", *names, cores=1)
    assert run.ok, run.text
    assert run.rules["encode"] == 2 * run.rules["export"] == 6
    for name in names:
        assert (directory / name).read_bytes() == (tiny_run[0] / name).read_bytes()


def test_without_faiss_the_numbers_are_the_same(tiny_run: tuple[Path, Run], tmp_path: Path) -> None:
    directory = tmp_path / "work"
    shutil.copytree(tiny_run[0], directory)
    off = overlay(tmp_path / "off.yaml", {"faiss": False})
    target = "results/tiny/controls/offline_eval.csv"
    run = call_snakemake(directory, "--configfile", TINY, off, "--", target)
    assert run.ok, run.text
    exempt = {TIMED, "rerank"}
    rows = [
        [{k: v for k, v in row.items() if k not in exempt} for row in read_csv(place / target)]
        for place in (directory, tiny_run[0])
    ]
    assert rows[0] == rows[1]
    assert "exact inner products" in (directory / "logs/tiny/controls/evaluate.log").read_text()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"evaluation": {"candidats": ["exact"]}}, ["candidats"]),
        ({"tokenizers": {"rqvae": {"epochs": -1}}}, ["epochs", "-1"]),
        ({"tokenizers": {"rqkmeens": {}}}, ["rqkmeens"]),
        ({"tokenizers": {"rqkmeans": {"epochs": 3}}}, ["epochs"]),
        ({"run": {"tokenizers": ["rqkmeans_256"]}}, ["'rqkmeans_256'", "rqkmeans_LxK"]),
        ({"run": {"tokenizers": ["rqkmeans_2x16-s0"]}}, ["'rqkmeans_2x16-s0'", "Seed 0 has no suffix"]),
        ({"run": {"tokenizers": ["rqvae_2x16-large"]}}, ["'large'", "rqvae-tiger"]),
        ({"run": {"datasets": ["tinny"]}}, ["'tinny'", "tiny"]),
        ({"datasets": {"tiny": {"source": "sampel"}}}, ["sampel"]),
        ({"datasets": {"bad": {"source": "table", "items": "x.csv", "colums": {}}}}, ["colums"]),
        ({"faiss": True}, ["faiss"]),
        ({"faiss": {"on_disk": True}}, ["faiss", "only for a factory with inverted lists (IVF…)"]),
        ({"tokenizers": {"rqkmeans-s1": {"beam": 2}}}, ["rqkmeans-s1"]),
        ({"embeddings": {"vectors": "x.npy", "ids": "x.txt"}}, ["vectors"]),
        ({"embeddings": {"model": "bundled", "dim": 64}}, ["dim"]),
        ({"datasets": {"mine": {"source": "table", "interactions": "x.csv"}}}, ["timestamp_unit"]),
        ({"datasets": {"mine": {"source": "table", "embeddings": {"vectors": "x.npy"}}}}, ["ids"]),
        ({"datasets": {"mine": {"source": "table", "items": "x{y}.csv"}}}, ["x{y}.csv"]),
        ({"datasets": {"tiny": {"load": {"rqkmeens_2x16": "folder"}}}}, ["'rqkmeens_2x16' is no tokenizer name"]),
    ],
)
def test_a_broken_config_is_named(
    tiny_run: tuple[Path, Run], tmp_path: Path, change: dict[str, object], words: list[str]
) -> None:
    run = call_snakemake(
        *(tiny_run[0], "-n", "--configfile", TINY, overlay(tmp_path / "bad.yaml", change)),
        *("--", "results/offline_eval.csv"),
    )
    assert not run.ok
    assert all(word in run.text for word in words), run.text


def test_an_unknown_name_asked_for_by_path_shows_the_grammar(tiny_run: tuple[Path, Run]) -> None:
    run = call_snakemake(tiny_run[0], "-n", "--configfile", TINY, "--", "results/tiny/rqkmean_2x16/items.parquet")
    assert not run.ok
    assert "'rqkmean_2x16' is no tokenizer name" in run.text


def test_an_unknown_dataset_asked_for_by_path_is_named(tiny_run: tuple[Path, Run]) -> None:
    run = call_snakemake(tiny_run[0], "-n", "--configfile", TINY, "--", "results/tinny/rqkmeans_2x16/items.parquet")
    assert not run.ok
    assert "dataset 'tinny' is not under `datasets:`" in run.text


def test_more_codes_than_training_items_is_refused_before_training(tiny_run: tuple[Path, Run]) -> None:
    run = call_snakemake(tiny_run[0], "--configfile", TINY, "--", "results/tiny/vqvae_4096/items.parquet")
    assert not run.ok
    assert "a codebook of 4096 codes needs at least as many training rows" in run.text
    assert "Traceback" not in run.text
    assert not (tiny_run[0] / "results/tiny/vqvae_4096").exists()
