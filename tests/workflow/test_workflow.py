"""The whole DAG on a tiny sample."""

import csv
import json
import os
import shutil
import signal
import subprocess
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from processes import ended, until
from snake import TINY, Run, call_snakemake, overlay, start_snakemake

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
    evaluation = {"query": "fit", "resamples": 20, "budgets": [10, 50]}
    fit = overlay(tmp_path / "fit.yaml", {"evaluation": evaluation, "run": {"tokenizers": ["vqvae_32"]}})
    run = call_snakemake(directory, "--configfile", TINY, fit, "--", "results/pareto.csv", "results/offline_eval.csv")
    assert run.ok, run.text
    assert run.rules["fit_query"] == 1
    inputs = run.text.split("rule fit_query:")[1].split("output:")[0]
    assert "data/tiny/valid.parquet" in inputs
    assert "data/tiny/test.parquet" not in inputs
    choice = json.loads((directory / "results/tiny/query.json").read_text())
    assert (choice["split"], len(choice["grid"])) == ("valid", 11)
    best = max(choice["grid"], key=lambda row: (row["recall@10"], row["ndcg@10"]))
    queries = {row["query"] for row in read_csv(directory / "results/offline_eval.csv")}
    assert queries == {best["name"], ""}
    rows = read_csv(directory / "results/pareto.csv")
    peers = {row["candidates"] for row in rows if row["tokenizer"] == "peers"}
    assert peers == {"ivf_flat", "pq", "ivf_pq"}
    assert {row["on_candidates_front"] for row in rows} == {"0", "1"}


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
# threads wait longer for each other than they compute on batches of four rows
LONG_TRAINING = {
    "tokenizers": {"vqvae_32": {"epochs": 20, "batch_size": 4, "patience": 0, "keep": "last"}},
    "compute": {"training_threads": 1},
}


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


def has_trained(log: Path, epoch: int) -> bool:
    return log.exists() and f"epoch {epoch} of 20" in log.read_text()


def press_ctrl_c(snakemake: subprocess.Popen, directory: Path) -> None:
    os.killpg(snakemake.pid, signal.SIGINT)


def terminate_the_job(snakemake: subprocess.Popen, directory: Path) -> None:
    os.kill(training_process(directory), signal.SIGTERM)


def kill_everything(snakemake: subprocess.Popen, directory: Path) -> None:
    os.killpg(snakemake.pid, signal.SIGKILL)


@pytest.mark.skipif(not Path("/proc/self/cwd").exists(), reason="finds the training process in /proc")
def test_a_training_stopped_three_ways_ends_as_one_that_was_not(tiny_run: tuple[Path, Run], tmp_path: Path) -> None:
    whole, directory = tmp_path / "whole", tmp_path / "work"
    for copy in (whole, directory):
        shutil.copytree(tiny_run[0], copy)
    change = overlay(tmp_path / "long.yaml", LONG_TRAINING)
    arguments = ["--configfile", TINY, change, "--", *TRAINED]
    run = call_snakemake(whole, *arguments)
    assert run.ok, run.text

    folder = directory / "results/tiny/vqvae_32"
    log = directory / "logs/tiny/vqvae_32/train.log"
    # a job begins its log anew
    log.unlink()
    for stop, epoch in ((press_ctrl_c, 3), (terminate_the_job, 7), (kill_everything, 11)):
        stopped = start_snakemake(directory, *arguments)
        with ended(stopped):
            until(partial(has_trained, log, epoch), f"epoch {epoch} is trained", stopped)
            assert ("training continues after epoch" in log.read_text()) == (epoch > 3)
            stop(stopped, directory)
            assert stopped.wait(60) != 0
        assert (folder / "checkpoint/training.safetensors").is_file()
        assert not (folder / "training.csv").exists()

    assert call_snakemake(directory, "--unlock", *arguments).ok
    run = call_snakemake(directory, *arguments)
    assert run.ok, run.text
    assert "training continues after epoch" in log.read_text()
    assert not (folder / "checkpoint").exists()
    for name in ("model.safetensors", "config.json"):
        assert (folder / name).read_bytes() == (whole / "results/tiny/vqvae_32" / name).read_bytes()
    tables = [
        [{**row, "seconds": ""} for row in read_csv(place / "results/tiny/vqvae_32/training.csv")]
        for place in (directory, whole)
    ]
    assert tables[0] == tables[1]


def test_a_second_run_does_nothing(tiny_run: tuple[Path, Run]) -> None:
    again = call_snakemake(tiny_run[0], "--configfile", TINY, "--", "results/offline_eval.csv")
    assert again.finds_all_made, again.text


def test_an_option_reruns_its_tokenizer_alone(tiny_run: tuple[Path, Run], tmp_path: Path) -> None:
    change = overlay(tmp_path / "change.yaml", {"tokenizers": {"vqvae_32": {"epochs": 3}}})
    plan = call_snakemake(tiny_run[0], "-n", "--configfile", TINY, change, "--", "results/offline_eval.csv")
    assert plan.ok, plan.text
    assert plan.rules == {
        **{"train_vqvae": 1, "configure": 1, "encode": 2, "export": 1, "score": 1, "build_inverted": 1, "evaluate": 1},
        **{"collect_scorecards": 1, "collect_evaluations": 1},
    }


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
    parts = [f"{name}/codes/part-0000{shard}-of-00002.npy" for name in TOKENIZERS for shard in (0, 1)]
    models = [f"{name}/model.safetensors" for name in TOKENIZERS]
    files = [f"results/tiny/{file}" for file in [*models, *parts, "rqkmeans_2x16/items.parquet"]]
    run = call_snakemake(directory, "--configfile", TINY, "--", *files, cores=1)
    assert run.ok, run.text
    assert run.rules["encode"] == 6
    for file in files:
        assert (directory / file).read_bytes() == (tiny_run[0] / file).read_bytes(), file


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
        # test_configuration.py has every other fault of a configuration, and of a name
        (
            {"evaluation": {"candidats": ["exact"]}},
            "evaluation: Additional properties are not allowed ('candidats' was",
        ),
        ({"run": {"tokenizers": ["rqkmeans_256"]}}, "'rqkmeans_256' is no tokenizer name. Expected <method>_<size>"),
    ],
)
def test_a_broken_config_is_named(
    tiny_run: tuple[Path, Run], tmp_path: Path, change: dict[str, object], words: str
) -> None:
    bad = overlay(tmp_path / "bad.yaml", change)
    run = call_snakemake(tiny_run[0], "-n", "--configfile", TINY, bad, "--", "results/offline_eval.csv")
    assert not run.ok
    assert words in run.text
    assert "Traceback" not in run.text


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
