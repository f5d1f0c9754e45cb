"""Training that was interrupted goes on where it was, and ends as if nothing had happened."""

import csv
import dataclasses
import json
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from mixtures import mixture
from processes import until
from safetensors import safe_open

import semid
from semid.checkpoint import Checkpoint, digest_of_tensors
from semid.errors import InputError
from semid.jobs.digests import code_digest
from semid.quantizers import RQVAE, VQVAE, Compute, RQKMeans, Tokenizer
from semid.quantizers.autoencoder import trainer
from semid.quantizers.autoencoder.checkpoint import digest_of_code, training_key

SMALL = {"num_levels": 3, "codebook_size": 16, "batch_size": 128, "hidden": (24,), "codebook_dim": 8}
FILE = "training.safetensors"


VECTORS = mixture()


class Interrupted(Exception):
    pass


def fit_until(tokenizer: RQVAE | VQVAE, epoch: int, folder: Path, **arguments) -> None:
    """Train, and break off in the middle of the epoch after `epoch`."""
    step, steps = trainer.train_step, 0

    def breaking(training, *values):
        nonlocal steps
        steps += len(training.history) == epoch + 1
        if steps == 3:
            raise Interrupted
        return step(training, *values)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(Interrupted):
        patch.setattr(trainer, "train_step", breaking)
        tokenizer.fit(VECTORS, checkpoint=folder, **arguments)


def without_seconds(history: list[dict]) -> list[dict]:
    return [{**epoch, "seconds": 0} for epoch in history]


def assert_same(found: RQVAE | VQVAE, expected: RQVAE | VQVAE) -> None:
    states = found._state(), expected._state()
    assert states[0].keys() == states[1].keys()
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert without_seconds(found.history_) == without_seconds(expected.history_)
    assert found.fit_summary() == expected.fit_summary()
    np.testing.assert_array_equal(found.encode(VECTORS), expected.encode(VECTORS))


@pytest.mark.parametrize(
    "make",
    [
        lambda: RQVAE(**SMALL, epochs=6, learning_rate=0.003),
        lambda: RQVAE(**SMALL, epochs=6, linear_start=False, codebook_update="gradient", keep="last"),
        lambda: RQVAE(**SMALL, epochs=6, usage_weight=0.1, gradient_estimator="rotation", threshold_ema_dead_code=0.3),
        lambda: VQVAE(codebook_size=64, codebook_dim=8, hidden=(24,), batch_size=128, epochs=6),
        # collapses and is rolled back, the third time for good
        lambda: RQVAE(**SMALL, epochs=12, learning_rate=3.0),
        # epoch 0 is kept: two states, the start and what it is without the held-out rows
        lambda: RQVAE(**SMALL, epochs=6, learning_rate=1e-12, decay=0.3, patience=3),
    ],
)
def test_training_interrupted_after_every_epoch_ends_as_an_uninterrupted_one(
    make: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    whole = make().fit(VECTORS)
    for epoch in range(len(whole.history_) - 1):
        fit_until(make(), epoch, tmp_path)
    step, steps = trainer.train_step, 0

    def counting(*values):
        nonlocal steps
        steps += 1
        return step(*values)

    monkeypatch.setattr(trainer, "train_step", counting)
    assert_same(make().fit(VECTORS, checkpoint=tmp_path), whole)
    assert steps == 5, "the last epoch alone was left"


def test_a_training_that_ended_is_not_trained_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    arguments = {**SMALL, "epochs": 6, "learning_rate": 1e-12, "decay": 0.3, "patience": 2}
    whole = RQVAE(**arguments).fit(VECTORS, checkpoint=tmp_path)
    assert len(whole.history_) == 3
    monkeypatch.setattr(trainer, "train_step", None)
    assert_same(RQVAE(**arguments).fit(VECTORS, checkpoint=tmp_path), whole)


def test_a_checkpoint_before_the_first_epoch_spares_the_kmeans(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    whole = RQVAE(**SMALL, epochs=2).fit(VECTORS)
    fit_until(RQVAE(**SMALL, epochs=2), 0, tmp_path)
    monkeypatch.setattr("semid.quantizers.autoencoder.start.residual_kmeans", None)
    assert_same(RQVAE(**SMALL, epochs=2).fit(VECTORS, checkpoint=tmp_path), whole)


def test_training_with_a_checkpoint_is_training_without(tmp_path: Path):
    start = RQKMeans(num_levels=3, codebook_size=16, pca_dim=8).fit(VECTORS)
    without = RQVAE(**SMALL, epochs=3).fit(VECTORS, start=start)
    assert_same(RQVAE(**SMALL, epochs=3).fit(VECTORS, start=start, checkpoint=tmp_path / "new" / "folder"), without)
    assert [file.name for file in (tmp_path / "new" / "folder").iterdir()] == [FILE]


SCRIPT = """
import sys
import numpy as np
from semid.quantizers import VQVAE
tokenizer = VQVAE(codebook_size=64, codebook_dim=8, hidden=(24,), batch_size=8, epochs=40, patience=0)
tokenizer.fit(np.load("vectors.npy"), checkpoint="checkpoint" if sys.argv[1] != "whole" else None)
tokenizer.save_pretrained(sys.argv[1])
tokenizer.save_history(sys.argv[1] + "/training.csv")
"""


def epochs_done(file: Path) -> int:
    found = Checkpoint(file, {}).read()
    return len(found[1]["history"]) - 1 if found else -1


def has_trained(file: Path, epochs: int) -> bool:
    return epochs_done(file) >= epochs


def test_a_process_killed_three_times_ends_with_the_same_bits(tmp_path: Path):
    np.save(tmp_path / "vectors.npy", VECTORS)
    command = [sys.executable, "-c", SCRIPT]
    subprocess.run([*command, "whole"], cwd=tmp_path, check=True)
    file = tmp_path / "checkpoint" / FILE
    for signum, epochs in ((signal.SIGKILL, 2), (signal.SIGTERM, 8), (signal.SIGINT, 14)):
        killed = subprocess.Popen([*command, "continued"], cwd=tmp_path, stderr=subprocess.DEVNULL)
        until(partial(has_trained, file, epochs), f"{epochs} epochs are trained", killed)
        killed.send_signal(signum)
        assert killed.wait(60) != 0
        assert epochs <= epochs_done(file) < 40
        assert not (tmp_path / "continued").exists()
    subprocess.run([*command, "continued"], cwd=tmp_path, check=True)
    for name in ("model.safetensors", "config.json"):
        assert (tmp_path / "continued" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    tables = [read_csv(tmp_path / folder / "training.csv") for folder in ("continued", "whole")]
    assert len(tables[0]) == 41
    assert without_seconds(tables[0]) == without_seconds(tables[1])


# a checkpoint of something else


def other_rows() -> np.ndarray:
    changed = VECTORS.copy()
    changed[17, 3] = np.nextafter(changed[17, 3], np.float32(9))
    return changed


@pytest.mark.parametrize(
    ("changes", "vectors", "what"),
    [
        ({"learning_rate": 0.002}, VECTORS, "options"),
        ({"epochs": 5}, VECTORS, "options"),
        ({"gradient_estimator": "rotation"}, VECTORS, "options"),
        ({"seed": 1}, VECTORS, "options"),
        ({}, other_rows(), "training rows"),
        ({}, VECTORS[:-1], "training rows"),
    ],
)
def test_a_checkpoint_of_another_training_is_ignored(
    changes: dict, vectors: np.ndarray, what: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    fit_until(RQVAE(**SMALL, epochs=4), 2, tmp_path)
    expected = RQVAE(**{**SMALL, "epochs": 4, **changes}).fit(vectors)
    caplog.clear()
    found = RQVAE(**{**SMALL, "epochs": 4, **changes}).fit(vectors, checkpoint=tmp_path)
    assert [record.message for record in caplog.records if "ignored" in record.message] == [
        f"{tmp_path / FILE} is of other {what} and ignored: training begins anew"
    ]
    assert_same(found, expected)


def test_another_start_code_or_thread_count_begins_anew(tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch):
    starts = [
        RQKMeans(num_levels=3, codebook_size=16, pca_dim=8, kmeans_iters=iterations).fit(VECTORS)
        for iterations in (3, 4)
    ]
    fit_until(RQVAE(**SMALL, epochs=3), 1, tmp_path, start=starts[0])
    for start in (starts[1], None):
        caplog.clear()
        key = training_key(RQVAE(**SMALL, epochs=3), torch.from_numpy(VECTORS), Compute(), start)
        assert Checkpoint(tmp_path / FILE, key).read() is None
        assert "is of other start and ignored" in caplog.text
    key = training_key(RQVAE(**SMALL, epochs=3), torch.from_numpy(VECTORS), Compute(), starts[0])
    assert Checkpoint(tmp_path / FILE, key).read() is not None
    monkeypatch.setattr("semid.quantizers.autoencoder.checkpoint.digest_of_code", lambda kind: "edited")
    monkeypatch.setattr("torch.get_num_threads", lambda: 999)
    caplog.clear()
    key = training_key(RQVAE(**SMALL, epochs=3), torch.from_numpy(VECTORS), Compute(), starts[0])
    assert Checkpoint(tmp_path / FILE, key).read() is None
    assert "is of other code, device, threads or torch version and ignored" in caplog.text


@pytest.mark.parametrize(
    ("module", "edit", "is_other"),
    [
        ("kernels/nearest.py", "edited = 1\n", True),
        ("kernels/nearest.py", "# edited\n", False),
        ("../device.py", "edited = 1\n", False),
    ],
)
def test_an_edit_of_code_that_training_reaches_is_other_code(module: str, edit: str, is_other: bool, tmp_path: Path):
    package = tmp_path / "semid"
    shutil.copytree(Path(semid.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    with (package / "quantizers" / module).open("a") as file:
        file.write(edit)
    edited = code_digest("semid.quantizers.rqvae", package=package)
    assert (edited != digest_of_code(RQVAE)) == is_other


def test_a_class_from_outside_has_the_digest_of_what_it_derives_from():
    assert digest_of_code(type("Mine", (RQVAE,), {})) == digest_of_code(RQVAE)
    assert digest_of_code(RQKMeans) != digest_of_code(Path)


def test_block_sizes_and_metadata_do_not_make_another_training(tmp_path: Path):
    fit_until(RQVAE(**SMALL, epochs=2), 1, tmp_path)
    tokenizer = RQVAE(**SMALL, epochs=2, metadata={"dataset": "x"})
    key = training_key(tokenizer, torch.from_numpy(VECTORS), Compute(batch_size=7, codeword_block=5), None)
    assert Checkpoint(tmp_path / FILE, key).read() is not None


def test_every_option_is_in_the_key():
    rows = torch.from_numpy(VECTORS)
    plain = training_key(RQVAE(), rows, Compute(), None)["options"]
    changed = {
        **{"num_levels": 2, "codebook_size": 8, "max_train": 300, "seed": 3, "codebook_dim": 6, "hidden": (9, 7)},
        **{"linear_start": False, "codebook_update": "gradient", "decay": 0.9, "eps": 1e-3, "kmeans_iters": 3},
        **{"threshold_ema_dead_code": 0.1, "commitment_weight": 0.5, "usage_weight": 0.1, "usage_temperature": 0.7},
        **{"gradient_estimator": "rotation", "epochs": 2, "batch_size": 50, "learning_rate": 0.01, "keep": "last"},
        **{"patience": 3, "codebook_sizes": (256, 256, 256, 64)},
    }
    assert {field.name for field in dataclasses.fields(RQVAE) if field.init} == {*changed, "metadata"}
    for name, value in changed.items():
        assert training_key(RQVAE(**{name: value}), rows, Compute(), None)["options"] != plain, name
    flat = training_key(VQVAE(codebook_size=256, codebook_dim=32), rows, Compute(), None)["options"]
    assert flat != training_key(RQVAE(num_levels=1), rows, Compute(), None)["options"]


# a damaged file


def cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


def flip_a_bit_of_a_value(content: bytes) -> bytes:
    return content[:-9] + bytes([content[-9] ^ 1]) + content[-8:]


def change_a_scalar(content: bytes) -> bytes:
    assert content.count(b'\\"epoch\\": 1') == 1
    return content.replace(b'\\"epoch\\": 1', b'\\"epoch\\": 2')


@pytest.mark.parametrize(
    "damage", [cut, flip_a_bit_of_a_value, change_a_scalar, lambda content: b"", lambda content: b"{}" * 99]
)
def test_a_damaged_checkpoint_is_ignored(damage: Callable, tmp_path: Path, caplog: pytest.LogCaptureFixture):
    whole = RQVAE(**SMALL, epochs=3).fit(VECTORS)
    fit_until(RQVAE(**SMALL, epochs=3), 1, tmp_path)
    file = tmp_path / FILE
    file.write_bytes(damage(file.read_bytes()))
    caplog.clear()
    assert_same(RQVAE(**SMALL, epochs=3).fit(VECTORS, checkpoint=tmp_path), whole)
    messages = [record.message for record in caplog.records if "ignored" in record.message]
    assert len(messages) == 1
    assert messages[0].startswith(f"{file} is damaged (")


@pytest.mark.parametrize(
    ("name", "change", "finding"),
    [
        ("trained/levels.1.codebook", lambda tensor: tensor[:-1], r"must be float32 \[16, .*found float32 \[15, "),
        ("trained/levels.1.codebook", lambda tensor: tensor.double(), r"must be float32 .*found float64"),
        ("trained/network.mean", lambda tensor: tensor * float("nan"), "must hold finite values .*found NaN"),
        ("kept/network.mean", lambda tensor: tensor / 0, "must hold finite values .*found (NaN|values from .*inf)"),
        ("resumed/levels.0.sums", lambda tensor: tensor + 1e30, "must hold finite values .*found values from .* 1e.30"),
        ("optimizer.0/exp_avg", lambda tensor: tensor[None], r"must be float32 \[.*found float32 \[1, "),
        ("optimizer.0/exp_avg_sq", lambda tensor: tensor * float("nan"), "must hold finite values .*found NaN"),
        ("generator/state", lambda tensor: tensor[:-1], r"must be uint8 \[.*found uint8 \["),
        ("trained/levels.1.codebook", None, "is missing, expected float32"),
        ("generator/state", None, "is missing, expected uint8"),
    ],
)
def test_a_checkpoint_of_unusable_tensors_is_ignored(
    name: str, change: Callable | None, finding: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    whole = RQVAE(**SMALL, epochs=3).fit(VECTORS)
    fit_until(RQVAE(**SMALL, epochs=3), 1, tmp_path)
    with safe_open(tmp_path / FILE, framework="pt") as file:
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        metadata = file.metadata()
    if name.startswith("resumed"):
        kept = {key: tensor for key, tensor in tensors.items() if key.startswith("kept")}
        tensors |= {key.replace("kept", "resumed"): tensor.clone() for key, tensor in kept.items()}
    if change is None:
        del tensors[name]
    else:
        tensors[name] = change(tensors[name])
    # a file that is whole and of this training, by its own account
    Checkpoint(tmp_path / FILE, json.loads(metadata["key"])).write(tensors, json.loads(metadata["scalars"]))
    caplog.clear()
    assert_same(RQVAE(**SMALL, epochs=3).fit(VECTORS, checkpoint=tmp_path), whole)
    messages = [record.message for record in caplog.records if "ignored" in record.message]
    assert len(messages) == 1
    assert re.match(rf"{re.escape(str(tmp_path / FILE))}: the tensor {name} {finding}", messages[0])


def test_a_checkpoint_that_cannot_be_written_is_said_and_leaves_the_one_before(tmp_path: Path, monkeypatch):
    tokenizer = RQVAE(**SMALL, epochs=3)
    fit_until(RQVAE(**SMALL, epochs=3), 1, tmp_path)
    before = (tmp_path / FILE).read_bytes()

    def full(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("semid.files.os.replace", full)
    with pytest.raises(OSError, match="disk full"):
        tokenizer.fit(VECTORS, checkpoint=tmp_path)
    assert (tmp_path / FILE).read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == [FILE]


def test_a_checkpoint_is_plain_safetensors_with_what_it_is_of(tmp_path: Path):
    fit_until(RQVAE(**SMALL, epochs=3), 1, tmp_path)
    with safe_open(tmp_path / FILE, framework="np") as file:
        assert set(file.metadata()) == {"key", "scalars", "checksum"}
        assert {name.partition("/")[0].partition(".")[0] for name in file.keys()} >= {  # noqa: SIM118
            *("trained", "kept", "optimizer", "generator")
        }


def test_a_digest_of_tensors_is_that_of_their_names_shapes_types_and_values():
    one = torch.arange(40_000.0).reshape(20_000, 2)
    assert digest_of_tensors({"a": one, "b": one}) == digest_of_tensors({"b": one.clone(), "a": one})
    last = one.clone()
    last[-1, -1] += 1
    others = [{"a": last}, {"b": one}, {"a": one.t().contiguous()}, {"a": one.double()}, {"a": one.reshape(-1)}]
    assert len({digest_of_tensors(tensors) for tensors in [{"a": one}, *others]}) == 6


# training.csv


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_the_history_is_written_an_epoch_a_row(tmp_path: Path):
    tokenizer = RQVAE(**SMALL, epochs=4, usage_weight=0.1).fit(VECTORS)
    tokenizer.save_history(tmp_path / "training.csv")
    rows = read_csv(tmp_path / "training.csv")
    assert list(rows[0]) == [
        *("epoch", "loss", "reconstruction_loss", "commitment_loss", "codebook_loss", "usage_loss"),
        *("held_out_error", "unique_codes", "used_codes_1", "used_codes_2", "used_codes_3"),
        *("perplexity_1", "perplexity_2", "perplexity_3", "usage_entropy_1", "usage_entropy_2", "usage_entropy_3"),
        *("revived", "learning_rate", "seconds", "rolled_back", "kept"),
    ]
    assert [int(row["epoch"]) for row in rows] == list(range(len(tokenizer.history_)))
    assert [int(row["kept"]) for row in rows] == [
        int(epoch == tokenizer.epoch_kept_) for epoch in range(len(tokenizer.history_))
    ]
    assert [float(row["held_out_error"]) for row in rows] == [epoch["held_out_error"] for epoch in tokenizer.history_]
    assert [float(row["perplexity_2"]) for row in rows] == [epoch["perplexity"][1] for epoch in tokenizer.history_]
    assert rows[0]["loss"] == rows[0]["usage_loss"] == ""
    for row in rows[1:]:
        terms = [float(row[f"{name}_loss"]) for name in ("reconstruction", "commitment", "codebook", "usage")]
        assert float(row["loss"]) == pytest.approx(sum(terms))
        assert terms[0] > 0
        assert terms[1] > 0
        assert terms[2] == 0
        assert terms[3] < 0


def test_epochs_that_the_alarm_undid_are_marked(tmp_path: Path):
    tokenizer = RQVAE(**SMALL, epochs=12, learning_rate=3.0).fit(VECTORS)
    assert tokenizer.rollbacks_ >= 1
    tokenizer.save_history(tmp_path / "training.csv")
    rows = read_csv(tmp_path / "training.csv")
    rates = [float(row["learning_rate"]) for row in rows]
    halved = next(i for i, rate in enumerate(rates) if rate < 3.0)
    assert rows[halved - 1]["rolled_back"] == "1"
    assert rows[0]["rolled_back"] == "0"
    assert [row["rolled_back"] for row in rows if row["kept"] == "1"] == ["0"]


def test_a_tokenizer_that_was_read_has_no_history(tmp_path: Path):
    with pytest.raises(InputError, match="not fitted"):
        RQVAE(**SMALL).save_history(tmp_path / "training.csv")
    RQVAE(**SMALL, epochs=1).fit(VECTORS).save_pretrained(tmp_path)
    loaded = Tokenizer.from_pretrained(tmp_path)
    assert isinstance(loaded, RQVAE)
    with pytest.raises(InputError, match="no training history"):
        loaded.save_history(tmp_path / "training.csv")
