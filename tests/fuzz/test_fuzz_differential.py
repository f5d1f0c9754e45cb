"""Random small datasets in every format: read as a plain reader reads them, or refused in one sentence.

`SEMID_WORLDS=5000` tries so many worlds, from the seed `SEMID_FIRST_WORLD` on (0); failures name the seeds of theirs.
"""

import json
import os
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from fuzz_oracle import expected
from fuzz_worlds import World, make_world

from semid.data import Outputs, PreprocessSettings, preprocess, source_from_config
from semid.errors import InputError

WORLDS = int(os.environ.get("SEMID_WORLDS", "300"))
FIRST = int(os.environ.get("SEMID_FIRST_WORLD", "0"))
AT_ONCE = 25
SPLITS = ("train", "valid", "test")


def run(world: World, folder: Path) -> Outputs:
    outputs = Outputs(
        *(folder / "out" / f"{name}.parquet" for name in ("items", *SPLITS)), stats=folder / "out" / "s.json"
    )
    settings = PreprocessSettings(
        k_core=0, repeats=world.repeats, split=world.split or "leave_last_out", max_malformed=world.max_malformed
    )
    preprocess(source_from_config(world.options()), settings, outputs)
    return outputs


def check(seed: int, folder: Path) -> None:
    """Make the world of a seed in a folder, and raise AssertionError for what is wrong with its reading."""
    world = make_world(seed, folder)
    try:
        outputs, refusal = run(world, folder), None
    except InputError as error:
        outputs, refusal = None, str(error)
    except Exception as error:
        raise AssertionError(f"{world}: {error!r}") from error
    if outputs is None:
        assert world.fault, f"{world}: refused: {refusal}"
        assert "\n" not in refusal, f"{world}: {refusal}"
        names = {path.name for paths in world.files.values() for path in paths} | {"parts"}
        assert any(name in refusal for name in names), f"{world}: no file is named: {refusal}"
        return
    assert not world.fault, f"{world}: read all the same"
    wanted = expected(world.files, world.layout, world.repeats, world.split)
    items = [tuple(row.values()) for row in pq.read_table(outputs.items).to_pylist()]
    names = ("item_index", "item_id", "title", "description", "categories", "store", "in_train")
    assert pq.read_schema(outputs.items).names[: len(names)] == list(names)
    _same(f"{world}: items", [row[: len(names)] for row in items], wanted.items)
    columns = ["user_id", "item_id", "item_index", "timestamp", "rating"]
    for split in SPLITS:
        rows = pq.read_table(getattr(outputs, split), columns=columns).to_pylist()
        _same(f"{world}: {split}", [tuple(row.values()) for row in rows], wanted.splits[split])
    _check_balance(world, outputs)


def _same(what: str, found: list[tuple], wanted: list[tuple]) -> None:
    for number, (ours, theirs) in enumerate(zip(found, wanted, strict=False)):
        assert ours == theirs, f"{what}: row {number} is {ours}, expected {theirs}"
    assert len(found) == len(wanted), f"{what}: {len(found)} rows, expected {len(wanted)}"


def _check_balance(world: World, outputs: Outputs) -> None:
    """Lines in are rows out and rows dropped by a reason."""
    stats = json.loads(Path(outputs.stats).read_text())
    kept = sum(pq.read_metadata(getattr(outputs, split)).num_rows for split in SPLITS)
    read = sum(stats["lines"][path] for path in stats["files"]["interactions"])
    assert read == kept + sum(stats["dropped"]["interactions"].values()), f"{world}: {stats['dropped']} of {read}"


@pytest.mark.parametrize("first", range(FIRST, FIRST + WORLDS, AT_ONCE))
def test_worlds_are_read_as_a_plain_reader_reads_them_or_refused(tmp_path, first):
    faults = []
    for seed in range(first, min(first + AT_ONCE, FIRST + WORLDS)):
        try:
            check(seed, tmp_path / str(seed))
        except AssertionError as error:
            faults.append(str(error))
    assert not faults, "\n".join(faults)


def test_four_worlds_of_five_must_be_read(tmp_path):
    faults = [make_world(seed, tmp_path / str(seed)).fault for seed in range(100)]
    assert sum(map(bool, faults)) <= 20
    assert len(set(faults)) > 5
