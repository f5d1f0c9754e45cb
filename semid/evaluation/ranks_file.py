"""The file `ranks.parquet`: where the target of every query stands, strategy by strategy."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from semid.errors import InputError
from semid.evaluation.target_ranks import Ranking, Ranks
from semid.files import first_line, whole_file

SCHEMA = pa.schema(
    {
        "candidates": pa.dictionary(pa.int32(), pa.string()),
        "budget": pa.int32(),
        "rerank": pa.dictionary(pa.int32(), pa.string()),
        "query": pa.int32(),
        "greater": pa.int32(),
        "equal": pa.int32(),
        "found": pa.bool_(),
        "size": pa.int32(),
    }
)
OUTCOMES = ("greater", "equal", "found", "size")


def write_ranks(path: str | Path, ranks: Mapping[Ranking, Ranks]) -> None:
    """Write `ranks.parquet`: one row per query, in order, and one row group per ranking."""
    with (
        whole_file(path) as temporary,
        pq.ParquetWriter(
            temporary,
            SCHEMA,
            compression="zstd",
            use_dictionary=["candidates", "rerank"],
            column_encoding={"query": "DELTA_BINARY_PACKED"},
        ) as writer,
    ):
        for strategy, ranked in ranks.items():
            columns = {name: pa.repeat(value, ranked.num_queries) for name, value in strategy._asdict().items()}
            columns["query"] = pa.array(np.arange(ranked.num_queries))
            columns |= {name: pa.array(getattr(ranked, name)) for name in OUTCOMES}
            writer.write_table(pa.table(columns).cast(SCHEMA), row_group_size=ranked.num_queries)


@dataclass(frozen=True, eq=False)
class RanksFile:
    """An open `ranks.parquet`: `strategies` are in its order, and the ranks of one are read at a time."""

    path: Path
    strategies: tuple[Ranking, ...]

    @classmethod
    def open(cls, path: str | Path, num_queries: int) -> Self:
        """Open a file and read the names of its strategies.

        Raises InputError for a file that is missing, cannot be read, or does not have ranks of `num_queries` queries.
        """
        path = Path(path)
        try:
            metadata = pq.read_metadata(path)
        except (OSError, pa.ArrowException) as error:
            raise _unusable(path, first_line(error)) from error
        if metadata.schema.names != SCHEMA.names:
            raise _unusable(path, f"its columns are {', '.join(metadata.schema.names)}")
        strategies = []
        for number in range(metadata.num_row_groups):
            group = metadata.row_group(number)
            if group.num_rows != num_queries:
                raise _unusable(path, f"it has ranks of {group.num_rows:,} queries, expected {num_queries:,}")
            # A row group holds one strategy, so that its least name is its only one.
            names = (group.column(SCHEMA.get_field_index(name)).statistics.min for name in Ranking._fields)
            strategies.append(Ranking(*names))
        return cls(path, tuple(strategies))

    def read(self, strategy: Ranking) -> Ranks:
        """The ranks of one strategy; the file does not keep how long they took."""
        group = self.strategies.index(strategy)
        try:
            with pq.ParquetFile(self.path) as file:
                table = file.read_row_group(group, columns=list(OUTCOMES))
        except (OSError, pa.ArrowException) as error:
            raise _unusable(self.path, first_line(error)) from error
        ranks = Ranks(len(table))
        for name in OUTCOMES:
            getattr(ranks, name)[:] = table[name].to_numpy()
        return ranks


def _unusable(path: Path, reason: str) -> InputError:
    return InputError(f"{path} cannot be used ({reason}): run the evaluation again")
