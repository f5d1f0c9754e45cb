"""The sharded store of item embeddings: parts as `.npy` files, and a manifest that is written last."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from semid.errors import InputError
from semid.files import full_disk_names, open_array, read_json, reserve_room, sha256_of, whole_file, write_json
from semid.items import CoreItems, items_in_train
from semid.parts import Parts
from semid.progress import Progress

BLOCK_VALUES = 1 << 22
REMEDY = "; run the embedding step again"


class Vectors(Protocol):
    """Rows of floats that are read by slice or integer array: an `np.ndarray`, an `np.memmap` or a sharded store."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(rows, dim)."""

    def __getitem__(self, rows: Any, /) -> np.ndarray: ...


def block_rows(dim: int) -> int:
    """Rows of `dim` values to hold at once: about 16 MB of float32."""
    return max(1, BLOCK_VALUES // max(dim, 1))


def shard_range(rows: int, shard: int, shards: int) -> tuple[int, int]:
    """First row and one past the last row of a shard: contiguous ranges whose sizes differ by at most one."""
    if not 0 <= shard < shards:
        raise InputError(f"shard {shard} of {shards} does not exist: shards count from 0 to {shards - 1}")
    return rows * shard // shards, rows * (shard + 1) // shards


def cast(vectors: np.ndarray, dtype: str, rows: np.ndarray, item_ids: Any = None, source: str = "") -> np.ndarray:
    """`vectors [n, dim]` in the dtype of the store.

    Raises `InputError` when a value is not finite or does not fit the dtype. It names the item by `rows [n]`, the rows
    of the vectors in the item table, or by `item_ids`, the ids of all items; `source` is the file of the vectors.
    """

    def name(row: int) -> str:
        return f"in row {row}" if item_ids is None else repr(str(item_ids[row]))

    prefix = f"{source}: " if source else ""
    finite = np.isfinite(vectors).all(axis=1)
    if not finite.all():
        item = name(int(rows[np.argmin(finite)]))
        raise InputError(f"{prefix}the vector of item {item} holds NaN or infinity: repair it or leave the item out")
    with np.errstate(over="ignore"):
        stored = vectors.astype(dtype)
    fits = np.isfinite(stored).all(axis=1)
    if not fits.all():
        row = int(np.argmin(fits))
        raise InputError(
            f"{prefix}the vector of item {name(int(rows[row]))} holds {np.abs(vectors[row]).max():g}, too large for "
            f"{dtype}: " + ("set `dtype: float32`" if dtype == "float16" else "scale the vectors down")
        )
    return stored


def create_array(path: str | Path, rows: int, dim: int, dtype: str) -> np.memmap:
    """A writable memmap `[rows, dim]` of a new `.npy` file; `OSError` when the disk has no room for it."""
    with full_disk_names(Path(path)):
        array = np.lib.format.open_memmap(path, mode="w+", dtype=np.dtype(dtype), shape=(rows, dim))
        with open(path, "r+b") as file:
            reserve_room(file, Path(path).stat().st_size)
    return array


@contextmanager
def new_part(path: str | Path, rows: int, dim: int, dtype: str) -> Iterator[np.memmap]:
    """A writable memmap `[rows, dim]` that becomes the part `path` when the block ends without an exception."""
    with whole_file(path) as temporary:
        part = create_array(temporary, rows, dim, dtype)
        yield part
        part.flush()


def _open_part(path: Path) -> np.ndarray:
    return open_array(path, "f", "float16 or float32 [rows, dim]", REMEDY)


def write_manifest(path: str | Path, parts: Sequence[str | Path], space: Mapping[str, Any], rows: int) -> None:
    """Check the part files, in the order given, and describe them in `path` (their folder's manifest).

    The parts must agree in width and dtype, hold `rows` rows together and be finite: otherwise an `InputError` names
    the part, and the row of the whole catalogue. `space` identifies the embedding space; the width is added to it.
    """
    path = Path(path)
    entries: list[dict[str, Any]] = []
    first = _open_part(Path(parts[0]))
    start = 0
    with Progress(rows, "checking embeddings") as progress:
        for name in map(Path, parts):
            part = _open_part(name)
            if part.shape[1] != first.shape[1] or part.dtype != first.dtype:
                raise InputError(
                    f"{name}: {part.dtype} vectors of width {part.shape[1]}, but {parts[0]} holds {first.dtype} "
                    f"of width {first.shape[1]}: embed all shards again with the same settings"
                )
            step = block_rows(part.shape[1])
            for begin in range(0, len(part), step):
                finite = np.isfinite(part[begin : begin + step]).all(axis=1)
                if not finite.all():
                    row = start + begin + int(np.argmin(finite))
                    raise InputError(f"{name}: row {row} of the items holds NaN or infinity")
                progress.update(len(finite))
            entries.append({"file": name.name, "rows": len(part), "sha256": sha256_of(name)})
            start += len(part)
    if start != rows:
        raise InputError(f"{path}: the parts hold {start} rows, but there are {rows} items: embed all shards again")
    dim = first.shape[1]
    write_json(
        path,
        {"rows": rows, "dim": dim, "dtype": first.dtype.name, "space": {**space, "dim": dim}, "parts": entries},
    )


class EmbeddingStore(Parts):
    """The rows of the parts that a manifest names, as one read-only array `[rows, dim]` that stays on disk.

    `parts` are the memmaps; `space` identifies the embedding space.
    """

    def __init__(self, parts: Sequence[np.ndarray], space: Mapping[str, Any]) -> None:
        super().__init__(parts)
        self.space = dict(space)

    @classmethod
    def open(cls, manifest_path: str | Path, verify: bool = False) -> "EmbeddingStore":
        """Open the store of a manifest.

        Raises `InputError` when a part is missing or differs from the manifest in shape or dtype; with `verify` (reads
        every byte: for a store that was copied from elsewhere) also when its SHA-256 differs.
        """
        manifest_path = Path(manifest_path)
        if not manifest_path.exists():
            raise InputError(f"{manifest_path}: there are no embeddings here; run the embedding step first")
        manifest = read_json(manifest_path, "a manifest of embeddings", REMEDY)
        try:
            rows, dim, dtype, space = (manifest[key] for key in ("rows", "dim", "dtype", "space"))
            entries = [(str(part["file"]), part["rows"], part["sha256"]) for part in manifest["parts"]]
        except (KeyError, TypeError) as error:
            raise InputError(f"{manifest_path}: not a manifest of embeddings ({error!r}){REMEDY}") from None
        parts = []
        for file, rows_here, sha256 in entries:
            name = manifest_path.parent / file
            part = _open_part(name)
            if part.shape != (rows_here, dim) or part.dtype.name != dtype:
                raise InputError(
                    f"{name}: {part.dtype} {list(part.shape)}, but the manifest says {dtype} {[rows_here, dim]}{REMEDY}"
                )
            if verify and sha256_of(name) != sha256:
                raise InputError(f"{name}: its bytes have changed since the manifest was written")
            parts.append(part)
        if not parts or sum(map(len, parts)) != rows or not isinstance(space, dict):
            raise InputError(
                f"{manifest_path}: not a whole manifest of embeddings, whose parts hold {rows} rows{REMEDY}"
            )
        return cls(parts, space)


class Rows:
    """Some rows of an array-like, gathered when asked for: `Rows(vectors, indices)[key]` is `vectors[indices[key]]`.

    `indices` is an integer array `[n]`; slices, integer arrays and single rows work as on the array itself.
    """

    def __init__(self, vectors: Any, indices: np.ndarray) -> None:
        if indices.ndim != 1 or indices.dtype.kind not in "iu":
            raise TypeError("indices must be a one-dimensional integer array")
        self._vectors, self._indices = vectors, indices
        self.shape = (len(indices), int(vectors.shape[1]))
        self.dtype = vectors.dtype

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> np.ndarray:
        return self._vectors[self._indices[key]]

    def by_part(self, indices: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Yield what :func:`by_part` does of the array-like."""
        return by_part(self._vectors, self._indices[indices])


def by_part(vectors: Vectors, indices: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Yield each array, in memory or mapped, that holds some of the rows `indices`, which these are, and where.

    indices: int64, from 0 on. Nothing is read, but of vectors that are neither arrays nor stores: block by block.
    """
    if isinstance(vectors, Parts | Rows):
        yield from vectors.by_part(indices)
    elif isinstance(vectors, np.ndarray):
        yield vectors, np.arange(len(indices)), indices
    else:
        step = block_rows(vectors.shape[1])
        for start in range(0, len(indices), step):
            rows, place = np.unique(indices[start : start + step], return_inverse=True)
            yield vectors[rows], np.arange(start, start + len(place)), place


def training_rows(items_path: str | Path) -> np.ndarray:
    """Ascending rows of `items.parquet` that the training split holds, int64: what a tokenizer may be trained on."""
    in_train = items_in_train(items_path)
    if not in_train.any():
        raise InputError(f"{items_path}: no item has in_train, so there is nothing to train on")
    return np.flatnonzero(in_train)


def core_vectors(store: EmbeddingStore, core: CoreItems) -> EmbeddingStore | Rows:
    """The embeddings of the core items, in their order, which stay on disk: what is evaluated, and searched.

    Raises `InputError` where there are not as many embeddings as items.
    """
    if len(store) != core.num_items:
        raise InputError(f"{len(store):,} embeddings, but {core.num_items:,} items: embed the items again")
    return store if core.is_all else Rows(store, core.rows)
