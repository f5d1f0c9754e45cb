"""The tables of SIDInspector (https://github.com/jdding/sidinspector), as its ADAPTER_TEMPLATE.md describes them."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from semid.files import whole_file
from semid.interactions import SPLITS
from semid.semantic_ids.codes import code_strings
from semid.semantic_ids.exports.histories import Histories
from semid.semantic_ids.exports.source import ExportSource
from semid.semantic_ids.exports.tokens import blocks

INTERACTIONS = pa.schema([("user_id", pa.string()), ("item_id", pa.string()), ("split", pa.string())])
ROWS_AT_ONCE = 1 << 16


@dataclass(frozen=True)
class SIDInspector:
    """The format `sidinspector` has no options."""

    def write(self, source: ExportSource, folder: Path) -> dict[str, Any]:
        """Write `sid_assignments.parquet` and, where there are interactions, `interactions.parquet`."""
        self._write_assignments(source, folder / "sid_assignments.parquet")
        if source.histories is None:
            return {}
        schema = INTERACTIONS
        with whole_file(folder / "interactions.parquet") as temporary, pq.ParquetWriter(temporary, schema) as writer:
            for rows in _interactions(source.histories, source.ids):
                writer.write_table(pa.table(rows, schema=schema))
        return {"users": len(source.histories) - source.histories.users_with_fewer(1)}

    def _write_assignments(self, source: ExportSource, path: Path) -> None:
        levels = [f"sid_level_{level}" for level in range(source.num_levels)]
        schema = pa.schema(
            [
                ("item_id", pa.string()),
                *((name, pa.int64()) for name in levels),
                *((name, pa.string()) for name in ("sid", "method", "dataset")),
            ]
        )
        with whole_file(path) as temporary, pq.ParquetWriter(temporary, schema) as writer:
            for block in blocks(len(source.ids)):
                codes = source.codes[block]
                rows = len(codes)
                columns = [
                    source.ids[block.start : block.stop].cast(pa.string()),
                    *(pa.array(level.astype("int64")) for level in codes.T),
                    code_strings(codes),
                    pa.repeat(source.tokenizer or "semid", rows).cast(pa.string()),
                    pa.repeat(source.dataset or "items", rows).cast(pa.string()),
                ]
                writer.write_table(pa.table(columns, schema=schema))


def _interactions(histories: Histories, ids: pa.LargeStringArray) -> Iterator[list[pa.Array]]:
    """Yield users, items and splits of the interactions, in the order of users."""
    owners = pa.array(_owners(histories))
    splits = pa.array(SPLITS, pa.string())
    for start in range(0, len(histories.items), ROWS_AT_ONCE):
        rows = slice(start, start + ROWS_AT_ONCE)
        yield [
            histories.names.take(owners[rows]).cast(pa.string()),
            ids.take(pa.array(histories.items[rows])).cast(pa.string()),
            splits.take(pa.array(histories.splits[rows])),
        ]


def _owners(histories: Histories) -> np.ndarray:
    """int32 [rows]: the number of the user of each interaction."""
    return np.repeat(np.arange(len(histories), dtype=np.int32), np.diff(histories.offsets))
