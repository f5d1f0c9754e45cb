"""The command `semid`: vectors to IDs, what it says of a scorecard and of the machine, and its errors of one line."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from report_run import write_run

from semid import __version__
from semid.cli.app import app, run_app
from semid.cli.run import request_of
from semid.errors import InputError
from semid.planning import prepare_config, read_schema
from semid.quantizers import RQKMeans, Tokenizer
from semid.semantic_ids.table import read_semantic_ids

ROOT = Path(__file__).parents[2]


@pytest.fixture
def vectors(tmp_path: Path) -> np.ndarray:
    """300 vectors of 16 values around 20 centers, also as a file `vectors.npy`, with their ids in `ids.txt`."""
    random = np.random.default_rng(0)
    centers = random.normal(size=(20, 16))
    vectors = (centers[random.integers(0, 20, 300)] + 0.2 * random.normal(size=(300, 16))).astype(np.float32)
    np.save(tmp_path / "vectors.npy", vectors)
    (tmp_path / "ids.txt").write_text("\n".join(f"item-{row}" for row in range(300)))
    return vectors


def call(monkeypatch: pytest.MonkeyPatch, *words: object) -> int:
    """Call `semid` in this process and return its status."""
    monkeypatch.setattr(sys, "argv", ["semid", *map(str, words)])
    with pytest.raises(SystemExit) as ended:
        run_app()
    return int(ended.value.code or 0)


SMALL = ("--levels", 3, "--codes", 16, "--threads", 1)


def test_fit_gives_every_vector_the_id_that_the_library_gives(vectors, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    assert call(monkeypatch, "fit", "vectors.npy", "--ids", "ids.txt", *SMALL, "--seed", 3, "-o", "made/tok") == 0
    expected = RQKMeans(num_levels=3, codebook_size=16, seed=3).fit(vectors).encode(vectors)
    table = pq.read_table("made/tok/items.parquet")
    assert table.column("item_id").to_pylist() == [f"item-{row}" for row in range(300)]
    assert (read_semantic_ids("made/tok/items.parquet") == expected).all()
    assert table.column("code_str").to_pylist()[7] == "-".join(map(str, expected[7]))
    distinct = len(np.unique(expected, axis=0))
    assert f"{distinct} IDs of 300 items" in capsys.readouterr().out
    assert sorted(path.name for path in Path("made").iterdir()) == ["tok"]


def test_new_vectors_get_ids_and_old_ones_keep_theirs(vectors, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert call(monkeypatch, "fit", "vectors.npy", *SMALL, "-o", "tok") == 0
    grown = pa.table({"sku": ["new", *map(str, range(300))], "vector": [vectors[0] + 0.1, *vectors]})
    pq.write_table(grown, "grown.parquet")
    columns = ("--id-column", "sku", "--vector-column", "vector")
    assert call(monkeypatch, "encode", "tok", "grown.parquet", *columns, "-o", "new.parquet") == 0
    # without ids vectors are called by their row
    assert pq.read_table("new.parquet").slice(1).equals(pq.read_table("tok/items.parquet"))


def test_options_reach_the_method_and_a_flat_codebook_gives_tokens(vectors, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert call(monkeypatch, "fit", "vectors.npy", *SMALL, "--option", "pca_dim=4", "-o", "narrow") == 0
    assert Tokenizer.from_pretrained("narrow").pca_dim == 4
    assert (
        call(monkeypatch, "fit", "vectors.npy", "--method", "vqvae", "--codes", 8, "--option", "epochs=1", "-o", "flat")
        == 0
    )
    assert pq.read_schema("flat/items.parquet").names == ["item_id", "token"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("fit", "absent.npy", "-o", "tok"), "absent.npy: no such file"),
        (("fit", "vectors.npy", "-o", "."), ". is there, and not empty: name another folder, or remove it"),
        (("fit", "vectors.npy", "--method", "kmeans", "-o", "tok"), "--method is kmeans; expected one of rqkmeans"),
        (("fit", "vectors.npy", "--option", "pca=3", "-o", "tok"), "--option pca=3: expected name=value, with one of"),
        (("fit", "vectors.npy", "--codes", "301", "-o", "tok"), "a codebook of 301 codes needs at least as many"),
        (("fit", "vectors.npy", "--ids", "few.txt", "-o", "tok"), "vectors.npy: 300 vectors, but few.txt holds 1 ids"),
        (("fit", "ids.txt", "-o", "tok"), "ids.txt: expected vectors as .npy or .parquet"),
        (("encode", "absent", "vectors.npy", "-o", "new.parquet"), "absent"),
        (
            ("encode", "absent", "vectors.npy", "-o", "new.csv"),
            "new.csv: IDs are written as .parquet; name such a file",
        ),
        (("card", "."), "scorecard.json: there is no scorecard"),
        (("bundle", "me/toys", "-o", "out"), "me/toys: there is no such folder"),
        (("bundle", ".", "-o", "out"), ".: there is no model.safetensors: expected a bundle"),
        (
            ("bundle", ".", "-o", "out", "--push-to-hub", "toys"),
            "'toys' is no repository of the hub: expected owner/name",
        ),
        (("run", "absent.yaml"), "absent.yaml: there is no such configuration"),
    ],
)
def test_what_a_user_can_mend_is_one_line(vectors, tmp_path, monkeypatch, capsys, words, message) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "few.txt").write_text("a")
    before = sorted(tmp_path.rglob("*"))
    assert call(monkeypatch, *words) == 1
    said = capsys.readouterr().err.splitlines()
    assert said[-1].startswith("semid: ")
    assert message in said[-1]
    assert sorted(tmp_path.rglob("*")) == before


def test_vectors_of_another_width_are_refused(vectors, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    assert call(monkeypatch, "fit", "vectors.npy", *SMALL, "-o", "tok") == 0
    np.save("wide.npy", np.ones((3, 17), np.float32))
    assert call(monkeypatch, "encode", "tok", "wide.npy", "-o", "new.parquet") == 1
    assert "wide.npy: vectors of width 17, but tok was trained on 16" in capsys.readouterr().err


def test_ids_of_a_table_are_repaired_and_exported(vectors, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    assert call(monkeypatch, "fit", "vectors.npy", "--ids", "ids.txt", *SMALL, "-o", "tok") == 0
    shared = len(np.unique(read_semantic_ids("tok/items.parquet"), axis=0))
    assert shared < 300
    words = ("--vectors", "vectors.npy", "--tokenizer", "tok", "-o", "own")
    assert call(monkeypatch, "repair", "tok/items.parquet", *words) == 0
    repaired = read_semantic_ids("own/items.parquet")
    assert len(np.unique(repaired, axis=0)) == 300
    assert f"{300 - shared} at least had to change" in capsys.readouterr().out
    options = ("--format", "flashrec", "-o", "served")
    assert call(monkeypatch, "export", "own/items.parquet", *options) == 0
    served = json.loads(Path("served/sid2vid.json").read_text())
    assert sorted(served) == sorted(",".join(map(str, row)) for row in repaired)
    assert call(monkeypatch, "repair", "tok/items.parquet", "--mode", "move", "-o", "x") == 1
    assert "--mode is move; expected one of assign, suffix" in capsys.readouterr().err
    assert call(monkeypatch, "export", "own/items.parquet", "--format", "csv", "-o", "x") == 1
    assert "unknown export format 'csv': expected one of lcrec" in capsys.readouterr().err


def test_the_card_says_the_figures_of_the_scorecard(tmp_path, monkeypatch, capsys) -> None:
    usage = {"level": 1, "used_codes": 2, "entropy_bits": 1.0, "perplexity": 2.0, "gini": 0.0}
    prefix = {"depth": 1, "distinct": 2, "items_sharing": 3, "largest": 3, "chance": 0.5}
    card = {
        "dataset": "toys", "tokenizer": "vqvae_2", "method": "vqvae", "variant": "", "num_levels": 1,
        "codebook_size": 2, "seed": 0, "fit": {}, "items": 4, "train_items": 4, "train_items_per_code": 2.0,
        "bits": 1.0, "entropy_bits": 0.8, "reconstruction": {"error": 1.0, "variance": 4.0, "relative_error": 0.25},
        "distinct_codes": 2, "unique_codes": 0.5, "distinct_embeddings": 4, "items_in_collisions": 3,
        "items_in_collisions_identical": 0, "largest_bucket": 3, "prefixes": [prefix], "levels": [usage],
        "structure": None, "warnings": ["One code holds most."], "note": None,
    }  # fmt: skip
    (tmp_path / "scorecard.json").write_text(json.dumps(card))
    assert call(monkeypatch, "card", tmp_path) == 0
    said = capsys.readouterr().out
    assert "toys/vqvae_2: 4 items, 4 of them trained on" in said
    assert "3 items share their ID (75.0 %), 0 of them by identical embeddings; at most 3 the same" in said
    assert "0.2500 of the variance is lost by decoding" in said
    assert "warning: One code holds most." in said


def test_a_report_is_made_of_what_is_there(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    assert call(monkeypatch, "report") == 1
    assert "results: there is no tokenizers.csv here" in capsys.readouterr().err
    write_run(tmp_path)
    assert call(monkeypatch, "report") == 0
    assert "results/report.html: 0." in capsys.readouterr().out
    assert call(monkeypatch, "report", tmp_path / "results", "-o", "page.html") == 0
    assert Path("page.html").read_text() == Path("results/report.html").read_text()


def test_the_doctor_names_what_is_installed(monkeypatch, capsys) -> None:
    assert call(monkeypatch, "doctor") == 0
    said = capsys.readouterr().out
    assert f"torch {__import__('torch').__version__}" in said
    for what in ("semid", "workflow", "text", "faiss", "Snakefile", "device", "processor", "int8", "disk"):
        assert f" {what} " in said


def test_the_version_is_shown(monkeypatch, capsys) -> None:
    assert call(monkeypatch, "--version") == 0
    assert capsys.readouterr().out == f"semid {__version__}\n"


def test_init_takes_a_column_called_name_for_the_titles(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    bought = [f"{user},i{item},{1_400_000_000 + item}" for user in range(5) for item in range(5)]
    write_csv(tmp_path / "bought.csv", "customer,sku,Time", bought)
    write_csv(tmp_path / "goods.csv", "sku,name,price", [f"i{item},Title {item},1" for item in range(40)])
    assert call(monkeypatch, "init", "bought.csv", "goods.csv") == 0
    text = (tmp_path / "goods.yaml").read_text()
    assert yaml.safe_load(text)["datasets"]["goods"]["columns"]["title"] == "name"
    assert '# embeddings: {text: "{title}"}' in text
    assert "name them here if they are among price" in text


@pytest.mark.parametrize(
    ("words", "configs"),
    [
        (("a.yaml", "results/x/items.parquet"), ["a.yaml"]),
        (("a.yaml", "b.json", "results/x/exports/hf/manifest.json"), ["a.yaml", "b.json"]),
        (("results/x/scorecard.json",), []),
    ],
)
def test_what_the_workflow_makes_is_a_target_and_no_configuration(words, configs) -> None:
    request = request_of(words)
    assert list(map(str, request.configs)) == configs
    assert list(request.targets) == list(words[len(configs) :])


def write_csv(path: Path, header: str, rows: list[str]) -> None:
    path.write_text("\n".join([header, *rows]) + "\n")


def test_init_takes_what_it_can_check_and_asks_for_the_unit(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    # four users with four items each, and one item of one interaction
    bought = [f"{user},i{item},{1_400_000_000 + item}" for user in range(5) for item in range(5)]
    write_csv(tmp_path / "bought.csv", "customer,sku,Time", [*bought, "9,i7,1400000000"])
    write_csv(tmp_path / "goods.csv", "sku,title,brand", [f"i{item},Title {item},x" for item in range(40)])
    assert call(monkeypatch, "init", "bought.csv", "goods.csv") == 0
    said = capsys.readouterr().out
    assert "item ids: sku there and sku here: 100.0 % of the interactions" in said
    assert "leaves 5 users, 5 items and 25 interactions" in said
    text = (tmp_path / "goods.yaml").read_text()
    assert "# timestamp_unit: seconds  # 1400000000 would be 2014-05-13" in text
    config = yaml.safe_load(text)
    goods = config["datasets"]["goods"]
    assert goods["columns"] == {"item_id": "sku", "user_id": "customer", "timestamp": "Time"}
    assert "timestamp_unit" not in goods
    assert config["run"]["tokenizers"] == ["rqkmeans_4x2", "rqvae_4x2", "vqvae_2"]
    with pytest.raises(InputError, match="timestamp_unit"):
        prepare_config(config, read_schema(ROOT / "schemas" / "config.schema.json"))
    assert call(monkeypatch, "init", "bought.csv", "goods.csv") == 1
    assert "goods.yaml is there" in capsys.readouterr().err


def test_init_asks_where_nothing_shows_which_items_are_meant(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    write_csv(tmp_path / "bought.csv", "who,what", [f"{row},{row}" for row in range(9)])
    write_csv(tmp_path / "goods.csv", "number,title", [f"{row},t" for row in range(9)])
    write_csv(tmp_path / "others.csv", "number,title", [f"{row},t" for row in range(100, 109)])
    assert call(monkeypatch, "init", "bought.csv", "goods.csv") == 1
    assert "item ids may be who = number or what = number" in capsys.readouterr().err
    assert call(monkeypatch, "init", "bought.csv", "others.csv") == 1
    assert "no column of bought.csv (who, what) holds the ids of a column of others.csv" in capsys.readouterr().err


def test_help_needs_no_heavy_library() -> None:
    code = (
        "import sys; from semid.cli.app import app; "
        "print(sorted({'torch', 'numpy', 'pyarrow', 'snakemake', 'scipy', 'jinja2'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"


def test_every_command_has_a_page_of_help(monkeypatch, capsys) -> None:
    for command in app.registered_commands:
        name = command.name or command.callback.__name__
        assert call(monkeypatch, name, "--help") == 0
        assert "Usage: semid" in capsys.readouterr().out
