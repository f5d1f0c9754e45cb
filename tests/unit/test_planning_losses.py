"""What was lost on the way of a dataset, as the last lines on the terminal say it."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from semid.planning.losses import loss_report, losses

NOTHING: dict[str, Any] = {
    "lines": {"items.csv": 100, "reviews.csv": 4_001},
    "malformed_lines": {"items.csv": 0, "reviews.csv": 0},
    "wrong_types": {"interactions": {}, "items": {}},
    "steps": [{"step": "read", "rows": 4_001, "users": 9, "items": 9}],
    "dropped": {"interactions": {}, "items": {}},
}
LOST = {
    **NOTHING,
    "malformed_lines": {"items.csv": 0, "reviews.csv": 1_200},
    "wrong_types": {"interactions": {"rating": 3, "timestamp": 5}, "items": {}},
    "dropped": {"interactions": {"malformed": 1_200, "wrong_type_timestamp": 5}, "items": {"null_item_id": 2}},
}


def written(root: Path, dataset: str, stats: dict[str, Any], log: str = "preprocess.log") -> Path:
    for path in (root / "data" / dataset, root / "logs" / dataset / log):
        (path if path.suffix == "" else path.parent).mkdir(parents=True, exist_ok=True)
    (root / "data" / dataset / "stats.json").write_text(json.dumps(stats))
    (root / "logs" / dataset / log).touch()
    return root / "logs" / dataset / log


def test_losses_are_lines_of_files_rows_by_reason_and_values() -> None:
    assert list(losses(NOTHING)) == []
    assert list(losses(LOST)) == [
        "1,200 of 4,001 lines of reviews.csv could not be read",
        "1,205 of 4,001 rows of interactions were dropped (malformed: 1,200, wrong_type_timestamp: 5)",
        "2 rows of items were dropped (null_item_id: 2)",
        "values of interactions with a wrong type were left out (rating: 3)",
    ]


def test_a_report_is_of_the_datasets_on_which_jobs_have_worked(tmp_path: Path) -> None:
    os.utime(written(tmp_path, "before", LOST), (100, 100))
    os.utime(written(tmp_path, "whole", NOTHING), (200, 200))
    os.utime(written(tmp_path, "lossy", LOST), (200, 200))
    names = ["before", "whole", "lossy", "absent"]
    report = loss_report(names, 150, tmp_path).splitlines()
    assert report[:2] == [
        "Lost on the way, and warnings:",
        "  lossy: 1,200 of 4,001 lines of reviews.csv could not be read",
    ]
    assert report[-1] == "  lossy: data/lossy/stats.json and the logs in logs/lossy/ say more"
    assert all(line.startswith("  lossy: ") for line in report[1:])
    assert loss_report(names[:2], 150, tmp_path) == ""
    assert loss_report(names, 300, tmp_path) == ""


def test_what_jobs_warn_of_when_they_leave_out_vectors_or_codes_is_said_once(tmp_path: Path) -> None:
    written(tmp_path, "shop", NOTHING)
    for shard in range(3):
        log = written(tmp_path, "shop", NOTHING, f"embeddings/part-{shard:05d}-of-00003.log")
        log.write_text("10:00:00 warning: v.npy: 12 vectors for 10 items\n10:00:01 done in 1 s\n")
    log = written(tmp_path, "shop", NOTHING, "external_hand/import-00000-of-00001.log")
    log.write_text("10:00:00 reads codes\n10:00:01 warning: codes of 12 \x1b[31mitems for 10 items\n")
    assert loss_report(["shop"], 0, tmp_path).splitlines() == [
        "Lost on the way, and warnings:",
        "  shop: v.npy: 12 vectors for 10 items",
        "  shop: codes of 12 ?[31mitems for 10 items",
    ]


@pytest.mark.parametrize("content", ["{", "{}", "[]"])
def test_counts_that_cannot_be_read_end_no_run(tmp_path: Path, content: str) -> None:
    for folder in ("data/a", "logs/a"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "data/a/stats.json").write_text(content)
    (tmp_path / "logs/a/preprocess.log").touch()
    assert "  a: data/a/stats.json cannot be read" in loss_report(["a"], 0, tmp_path).splitlines()
